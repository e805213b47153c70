//! The `ffmpeg` and `ffprobe` commands: they make the sources and judge the results, so that this crate does not judge itself.
//!
//! Invariant: a tool that is missing or fails ends the test; nothing is skipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A folder for one test's files, gone when dropped.
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

    /// Runs `ffmpeg` with arguments separated by blanks; `@name` stands for a file in the folder. Gives the path of the last one.
    pub(crate) fn ffmpeg(&self, arguments: &str) -> PathBuf {
        let arguments: Vec<String> = arguments
            .split_whitespace()
            .map(|a| a.strip_prefix('@').map_or(a.to_owned(), |name| self.path(name).display().to_string()))
            .collect();
        run("ffmpeg", &[&["-v", "error", "-y", "-nostdin"], &strings(&arguments)[..]].concat());
        PathBuf::from(arguments.last().expect("at least the output"))
    }

    /// A copy of a file with a note to show it turned, as a phone makes it.
    pub(crate) fn turned(&self, source: &str, degrees: u32, name: &str) -> PathBuf {
        // FFmpeg 6 has an option for it and no longer heeds the tag.
        let options = run("ffmpeg", &["-hide_banner", "-h", "full"]);
        if String::from_utf8_lossy(&options).contains("-display_rotation") {
            return self.ffmpeg(&format!("-display_rotation:v:0 {degrees} -i @{source} -c copy @{name}"));
        }
        self.ffmpeg(&format!("-i @{source} -c copy -metadata:s:v:0 rotate={degrees} @{name}"))
    }
}

/// A time as a fraction, exact.
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

/// What ffprobe says about a file's video.
#[derive(Debug)]
pub(crate) struct Video {
    pub(crate) width: u64,
    pub(crate) height: u64,
    /// Times of all decoded frames.
    pub(crate) times: Vec<Time>,
    pub(crate) duration: Option<Time>,
    pub(crate) stream: Value,
}

/// Decodes the file's video by ffprobe.
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
        times: frames.iter().map(|f| time(&f["best_effort_timestamp"]).expect("a time for each frame")).collect(),
        duration: time(&stream["duration_ts"]),
        stream,
    }
}

/// ffprobe's JSON.
pub(crate) fn probe(path: &Path, arguments: &[&str]) -> Value {
    let path = path.display().to_string();
    let text = run("ffprobe", &[&["-v", "error", "-of", "json"], arguments, &[&path]].concat());
    serde_json::from_slice(&text).expect("ffprobe writes JSON")
}

/// Checksum of each packet of the n-th stream of a kind ("a:0").
pub(crate) fn packet_sums(path: &Path, stream: &str) -> Vec<String> {
    let found = probe(path, &["-select_streams", stream, "-show_packets", "-show_data_hash", "md5"]);
    let packets = found["packets"].as_array().expect("packets");
    packets.iter().map(|p| format!("{} {}", p["pts_time"], p["data_hash"])).collect()
}

/// All frames of the file as raw 8-bit 4:2:0, upright, by the `ffmpeg` command.
pub(crate) fn raw_frames(path: &Path, is_full_range: bool) -> Vec<u8> {
    let path = path.display().to_string();
    // Each name stands for a range: the other would make the command rescale the samples.
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
