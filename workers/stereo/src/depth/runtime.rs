//! Finds and loads ONNX Runtime's library, and opens sessions on one execution provider.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::ep;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::SessionBuilder;

use super::{Error, ModelSpec, Provider};

/// The only environment of this process: ONNX Runtime allows no second one, and dropping this would shut it down.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

const VARIABLES: [&str; 2] = ["STEREOSPOT_ONNXRUNTIME", "ORT_DYLIB_PATH"];
const SYSTEM_FOLDERS: [&str; 5] =
    ["/usr/local/lib", "/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];

/// Finds ONNX Runtime's shared library. Searches in this order: the full path in STEREOSPOT_ONNXRUNTIME or
/// ORT_DYLIB_PATH; the Python wheel in `.tools/venv` in or above the working directory, then in or above the program's
/// folder; the system's library folders.
///
/// # Errors
/// [`Error::RuntimeMissing`], with a message that says what to do.
pub fn find_runtime_library() -> Result<PathBuf, Error> {
    for variable in VARIABLES {
        if let Some(path) = std::env::var_os(variable).filter(|p| !p.is_empty()) {
            let path = PathBuf::from(path);
            let place = || format!("at {}, which {variable} names", path.display());
            return if path.is_file() { Ok(path) } else { Err(Error::RuntimeMissing { place: place() }) };
        }
    }
    let starts = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    find_in(starts.iter().flatten().map(PathBuf::as_path), SYSTEM_FOLDERS.iter().map(Path::new))
        .ok_or_else(|| Error::RuntimeMissing { place: "in .tools/venv or the system's library folders".to_owned() })
}

/// Searches `.tools/venv` at or above each of `starts`, then `folders`.
fn find_in<'a>(starts: impl Iterator<Item = &'a Path>, folders: impl Iterator<Item = &'a Path>) -> Option<PathBuf> {
    let wheels = starts.flat_map(Path::ancestors).flat_map(|folder| {
        // pip installs the wheel below lib/python3.N.
        let versions = entries(&folder.join(".tools/venv/lib"));
        versions.into_iter().map(|version| version.join("site-packages/onnxruntime/capi"))
    });
    wheels.chain(folders.map(Path::to_path_buf)).find_map(|folder| {
        let is_library = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("libonnxruntime.so"))
        };
        // `entries` sorts, so with several versions the choice is stable: the last name.
        entries(&folder).into_iter().rfind(is_library)
    })
}

/// The sorted entries of a folder; empty if it can't be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort();
    paths
}

/// Opens the model on exactly the requested provider.
pub(super) fn open_session(spec: &ModelSpec) -> Result<Session, Error> {
    let environment = environment(&spec.runtime_library)?;
    let builder = |e: ort::Error| Error::RuntimeUnusable { path: spec.runtime_library.clone(), reason: first_line(&e) };
    let mut session = prepare(&environment, spec.threads).map_err(builder)?;
    // Let TensorRT hand unsupported operations to CUDA, never to the CPU.
    let providers = match spec.provider {
        Provider::Cpu => vec![ep::CPU::default().build()],
        Provider::Cuda => vec![ep::CUDA::default().build()],
        Provider::TensorRt => vec![ep::TensorRT::default().build(), ep::CUDA::default().build()],
    };
    let providers: Vec<_> = providers.into_iter().map(ep::ExecutionProviderDispatch::error_on_failure).collect();
    let unusable = |e: ort::Error| Error::ProviderUnusable { provider: spec.provider, reason: first_line(&e) };
    session = session.with_execution_providers(providers).map_err(|e| unusable(e.into()))?;
    session
        .commit_from_file(&spec.path)
        .map_err(|e| Error::BadModel { path: spec.path.clone(), reason: first_line(&e) })
}

/// The first line of ONNX Runtime's message; the rest is its internal call stack.
pub(super) fn first_line(error: &ort::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim().trim_end_matches('.').to_owned()
}

fn environment(library: &Path) -> Result<Environment, Error> {
    // Use a full path: the loader would search its own folders for a relative one.
    let place = || format!("at {}", library.display());
    let path = library.canonicalize().map_err(|_| Error::RuntimeMissing { place: place() })?;
    let mut slot = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*slot {
        return Ok(environment.clone());
    }
    let unusable = |reason: String| Error::RuntimeUnusable { path: path.clone(), reason };
    let builder = ort::init_from(&path).map_err(|e| unusable(e.to_string()))?;
    let environment = builder.with_telemetry(false).build().map_err(|e| unusable(first_line(&e)))?;
    environment.set_log_level(LogLevel::Error);
    Ok(slot.insert(environment).clone())
}

fn prepare(environment: &Environment, threads: usize) -> ort::Result<SessionBuilder> {
    // Disable busy waiting: decoding, warp and encoding need the cores as well.
    Ok(Session::builder(environment)?
        .with_intra_threads(threads.max(1))?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?)
}

#[cfg(test)]
mod tests;
