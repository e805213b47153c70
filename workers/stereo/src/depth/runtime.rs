//! ONNX Runtime itself: where its library is, loading it once, opening a session on one execution provider.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::ep;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::SessionBuilder;

use super::{Error, ModelSpec, Provider};

/// The process's only environment: ONNX Runtime allows no second one, and dropping it would end the first.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

const VARIABLES: [&str; 2] = ["STEREOSPOT_ONNXRUNTIME", "ORT_DYLIB_PATH"];
const SYSTEM_FOLDERS: [&str; 5] =
    ["/usr/local/lib", "/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];

/// Finds ONNX Runtime's shared library: STEREOSPOT_ONNXRUNTIME or ORT_DYLIB_PATH (a full path), else the wheel in
/// `.tools/venv` of the working directory, of the program's folder or of a folder above them, else the system's libraries.
///
/// # Errors
/// [`Error::RuntimeMissing`] with what to do.
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

/// The library in a `.tools/venv` at or above one of `starts`, else in one of `folders`.
fn find_in<'a>(starts: impl Iterator<Item = &'a Path>, folders: impl Iterator<Item = &'a Path>) -> Option<PathBuf> {
    let wheels = starts.flat_map(Path::ancestors).flat_map(|folder| {
        // The wheel lies below lib/python3.N.
        let versions = entries(&folder.join(".tools/venv/lib"));
        versions.into_iter().map(|version| version.join("site-packages/onnxruntime/capi"))
    });
    wheels.chain(folders.map(Path::to_path_buf)).find_map(|folder| {
        let is_library = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("libonnxruntime.so"))
        };
        // Sorted, so that the choice among several versions is always the same: the last name.
        entries(&folder).into_iter().rfind(is_library)
    })
}

/// What lies in a folder, sorted; nothing where it can't be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort();
    paths
}

/// Opens the model of a spec on exactly the provider it asks for.
pub(super) fn open_session(spec: &ModelSpec) -> Result<Session, Error> {
    let environment = environment(&spec.runtime_library)?;
    let builder = |e: ort::Error| Error::RuntimeUnusable { path: spec.runtime_library.clone(), reason: first_line(&e) };
    let mut session = prepare(&environment, spec.threads).map_err(builder)?;
    // TensorRT leaves what it can't do to CUDA, not to the processor.
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

/// What ONNX Runtime says, shortened to its first line: the rest is its own call stack.
pub(super) fn first_line(error: &ort::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim().trim_end_matches('.').to_owned()
}

fn environment(library: &Path) -> Result<Environment, Error> {
    // A full path: the loader would take a relative one as beside the program or in its own search folders.
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
    // No spinning: the cores belong to decoding, warp and encoding as well.
    Ok(Session::builder(environment)?
        .with_intra_threads(threads.max(1))?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?)
}

#[cfg(test)]
mod tests;
