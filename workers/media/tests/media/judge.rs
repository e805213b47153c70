//! Uses the `ffmpeg` and `ffprobe` commands to make sources and to judge results, so that this crate does not judge
//! itself.
//!
//! Invariant: a missing or failing tool fails the test; no test is skipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A temporary folder for one test's files.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `ffmpeg` with arguments separated by blanks; `@name` stands for a file in the folder. Returns the path of
    /// the last argument.
    pub(crate) fn ffmpeg(&self, arguments: &str) -> PathBuf {
        let arguments: Vec<String> = arguments
            .split_whitespace()
            .map(|a| a.strip_prefix('@').map_or(a.to_owned(), |name| self.path(name).display().to_string()))
            .collect();
        run("ffmpeg", &[&["-v", "error", "-y", "-nostdin"], &strings(&arguments)[..]].concat());
        PathBuf::from(arguments.last().expect("at least the output"))
    }

    /// Copies a file and marks it as rotated, as a phone does.
    pub(crate) fn turned(&self, source: &str, degrees: u32, name: &str) -> PathBuf {
        // FFmpeg 6 has an option for this and ignores the old metadata tag.
        let options = run("ffmpeg", &["-hide_banner", "-h", "full"]);
        if String::from_utf8_lossy(&options).contains("-display_rotation") {
            return self.ffmpeg(&format!("-display_rotation:v:0 {degrees} -i @{source} -c copy @{name}"));
        }
        self.ffmpeg(&format!("-i @{source} -c copy -metadata:s:v:0 rotate={degrees} @{name}"))
    }
}

/// An exact time, as a fraction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    ticks: i128,
    num: i128,
    den: i128,
}

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        self.ticks * self.num * other.den == other.ticks * other.num * self.den
    }
}

/// ffprobe's description of a file's video.
#[derive(Debug)]
pub(crate) struct Video {
    pub(crate) width: u64,
    pub(crate) height: u64,
    /// Of the frames that ffprobe knows a time for.
    pub(crate) times: Vec<Time>,
    pub(crate) duration: Option<Time>,
    pub(crate) stream: Value,
}

/// Decodes the file's video with ffprobe.
pub(crate) fn video(path: &Path) -> Video {
    let probed = probe(path, &["-select_streams", "V:0", "-show_streams", "-show_frames"]);
    let stream = probed["streams"][0].clone();
    let base = stream["time_base"].as_str().expect("a time base").to_owned();
    let (num, den) = base.split_once('/').expect("a fraction");
    let (num, den) = (num.parse().expect("a number"), den.parse().expect("a number"));
    let time = |v: &Value| v.as_i64().map(|ticks| Time { ticks: ticks.into(), num, den });
    let frames = probed["frames"].as_array().expect("frames");
    Video {
        width: stream["width"].as_u64().expect("a width"),
        height: stream["height"].as_u64().expect("a height"),
        times: frames.iter().filter_map(|f| time(&f["best_effort_timestamp"])).collect(),
        duration: time(&stream["duration_ts"]),
        stream,
    }
}

/// Runs ffprobe and parses its JSON.
pub(crate) fn probe(path: &Path, arguments: &[&str]) -> Value {
    let path = path.display().to_string();
    let text = run("ffprobe", &[&["-v", "error", "-of", "json"], arguments, &[&path]].concat());
    serde_json::from_slice(&text).expect("ffprobe writes JSON")
}

/// Time and checksum of each packet of a stream, such as "a:0".
pub(crate) fn packet_sums(path: &Path, stream: &str) -> Vec<String> {
    let found = probe(path, &["-select_streams", stream, "-show_packets", "-show_data_hash", "md5"]);
    let packets = found["packets"].as_array().expect("packets");
    packets.iter().map(|p| format!("{} {}", p["pts_time"], p["data_hash"])).collect()
}

/// Decodes all frames with the `ffmpeg` command to raw 8-bit 4:2:0, upright.
pub(crate) fn raw_frames(path: &Path, is_full_range: bool) -> Vec<u8> {
    let path = path.display().to_string();
    // Each name implies a range; with the other one the command would rescale the samples.
    let format = if is_full_range { "yuvj420p" } else { "yuv420p" };
    let flags = "bicubic+accurate_rnd+full_chroma_inp";
    let arguments = [
        "-v",
        "error",
        "-nostdin",
        "-i",
        &path,
        "-map",
        "0:V:0",
        "-fps_mode",
        "passthrough",
        "-sws_flags",
        flags,
        "-pix_fmt",
        format,
        "-f",
        "rawvideo",
        "-",
    ];
    run("ffmpeg", &arguments)
}

fn strings(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output =
        Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program} can't be run: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {} failed: {said}", arguments.join(" "));
    output.stdout
}
