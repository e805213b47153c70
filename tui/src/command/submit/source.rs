//! Checks the source files and the output files before anything is sent.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::super::error::{Error, Result};
use super::super::fetch::{self, Destination};
use super::super::print::named;
use crate::cli::Submit;
use stereospot_domain::Format;

/// The longest title that the control plane accepts; file names may be longer.
const LONGEST_TITLE: usize = 200;

/// A readable, non-empty file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

impl Source {
    /// Checks a file.
    ///
    /// # Errors
    /// [`Error::Usage`] when it is missing, not a file, empty or unreadable.
    pub(super) fn check(path: &Path) -> Result<Self> {
        let shown = named(path);
        let facts = match fs::metadata(path) {
            Ok(facts) => facts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Usage(format!("there is no file {shown}: check the name")));
            }
            Err(error) => return Err(Error::Usage(format!("{shown} can't be read: {error}"))),
        };
        if facts.is_dir() {
            return Err(Error::Usage(format!("{shown} is a folder: name the video files in it")));
        }
        if !facts.is_file() {
            return Err(Error::Usage(format!("{shown} is no ordinary file: copy what it yields into one first")));
        }
        if facts.len() == 0 {
            return Err(Error::Usage(format!(
                "{shown} is empty (0 bytes): it was probably never written whole; get it again"
            )));
        }
        File::open(path).map_err(|error| Error::Usage(format!("{shown} can't be read: {error}")))?;
        Ok(Self { path: path.to_owned(), bytes: facts.len() })
    }

    /// The default job title: the file's name, cut to the length of a title.
    pub(super) fn title(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy();
        if name.chars().count() <= LONGEST_TITLE {
            return name.into_owned();
        }
        name.chars().take(LONGEST_TITLE - 1).chain(['…']).collect()
    }

    /// The error for a file that turned out to be unreadable.
    pub(super) fn unreadable(&self, error: io::Error) -> Error {
        Error::File(format!("{} can't be read", named(&self.path)), error)
    }
}

/// The output of each source: none without `--output`; that file; or `{name}_{mode}.mp4` inside it where it is a folder.
///
/// # Errors
/// [`Error::Usage`] when an output can't be written, would overwrite a source, or two outputs are the same file.
pub(super) fn destinations(options: &Submit, sources: &[Source]) -> Result<Vec<Option<Destination>>> {
    let Some(output) = &options.output else { return Ok(sources.iter().map(|_| None).collect()) };
    if !output.is_dir() {
        if sources.len() > 1 {
            let shown = named(output);
            return Err(Error::Usage(format!(
                "{shown} is no folder: with several files --output must be one that exists"
            )));
        }
        return Ok(vec![Some(destination(output, options.force, sources)?)]);
    }
    let mut all: Vec<Option<Destination>> = Vec::new();
    for source in sources {
        let path = output.join(output_name(source.path.file_stem().unwrap_or_default(), options.mode));
        let destination = destination(&path, options.force, sources)?;
        // Two links may lead to one file.
        if all.iter().flatten().any(|other| other.part() == destination.part()) {
            return Err(Error::Usage(format!(
                "two of the files would be written to {}: submit them one by one",
                named(&path)
            )));
        }
        all.push(Some(destination));
    }
    Ok(all)
}

/// `{stem}_{mode}.mp4`. Cuts a stem that is too long and adds a hash of it, so that long names that begin alike differ.
fn output_name(stem: &OsStr, mode: Format) -> String {
    let ending = format!("_{mode}.mp4");
    let room = fetch::LONGEST_NAME - ending.len() - fetch::PART.len();
    let shown = stem.to_string_lossy();
    if shown.len() <= room {
        return format!("{shown}{ending}");
    }
    let hash = format!("~{}", fetch::short_hash(stem));
    let mut end = room - hash.len();
    while !shown.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{hash}{ending}", &shown[..end])
}

/// Extensions that promise another container than the result's.
const OTHER_CONTAINERS: [&str; 21] = [
    "mkv", "webm", "mov", "qt", "avi", "ts", "m2ts", "mts", "mpg", "mpeg", "vob", "wmv", "asf", "flv", "ogv", "ogg",
    "mxf", "3gp", "gif", "hevc", "h264",
];

/// Checks one output against every source: neither the result nor its partial file may replace a source.
fn destination(path: &Path, may_overwrite: bool, sources: &[Source]) -> Result<Destination> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    if let Some(other) = extension.filter(|extension| OTHER_CONTAINERS.contains(&extension.as_str())) {
        let mp4 = path.with_extension("mp4");
        return Err(Error::Usage(format!(
            "the result is an MP4, not {other}: name it {}, and if it must be {other}, convert it afterwards with `ffmpeg -i \
             {} -c copy {}`",
            named(&mp4),
            named(&mp4),
            named(path)
        )));
    }
    let destination = Destination::unchecked(path);
    for written in [destination.path().to_owned(), destination.part()] {
        // A file that doesn't exist yet is no source.
        let Ok(there) = written.canonicalize() else { continue };
        let is_it = |source: &&Source| source.path.canonicalize().is_ok_and(|path| path == there);
        if let Some(source) = sources.iter().find(is_it) {
            return Err(Error::Usage(format!(
                "{} would be written over the source {}: name another file for the result",
                named(&written),
                named(&source.path)
            )));
        }
    }
    Destination::check(path, may_overwrite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_shortened_and_stays_another_than_its_like() {
        let name = |stem: &str| output_name(OsStr::new(stem), Format::HalfSbs);
        assert_eq!(name("clip"), "clip_half-sbs.mp4");
        for letter in ["a", "ü", "日", "🎬"] {
            for bytes in 200..=255_usize {
                let stem = letter.repeat(bytes / letter.len());
                let name = name(&stem);
                assert!(name.len() + fetch::PART.len() <= 255 && name.ends_with("_half-sbs.mp4"), "{name}");
                assert!(name.starts_with(&letter.repeat(40)), "{name}");
            }
        }
        let long = "x".repeat(248);
        assert_ne!(name(&format!("{long}1")), name(&format!("{long}2")));
    }

    #[test]
    fn a_title_is_the_files_name_as_far_as_there_is_room() {
        let title = |name: &str| Source { path: Path::new("a").join(name), bytes: 1 }.title();
        assert_eq!(title("clip.mp4"), "clip.mp4");
        let full = "ü".repeat(LONGEST_TITLE);
        assert_eq!(title(&full), full);
        assert_eq!(title(&format!("{full}.mp4")), format!("{}…", "ü".repeat(LONGEST_TITLE - 1)));
    }
}
