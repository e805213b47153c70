//! Inputs that take much memory, made by ffmpeg.

use std::path::{Path, PathBuf};

use super::{Command, Result, ensure, root};

/// One input, and the memory that each worker may use for it.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) memory: &'static str,
    pub(crate) preset: &'static str,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    /// A test picture of this size, frames, and ffmpeg's output options with the extension last.
    Film(&'static str, u32, &'static str, &'static str),
    /// A file of the project's cases.
    Case(&'static str),
    /// So many chapters.
    Chapters(u32),
    /// So many sound tracks.
    Tracks(u32),
    /// Sound in packets of so few samples, of a film with so many seconds.
    TinySound(u32),
}

const fn film(
    name: &'static str,
    memory: &'static str,
    preset: &'static str,
    (size, frames, options, extension): (&'static str, u32, &'static str, &'static str),
) -> Row {
    Row { name, memory, preset, how: How::Film(size, frames, options, extension) }
}

const H264: &str = "-c:v libx264 -preset superfast -g 24";
const GIF: &str = "-c:v gif";

pub(crate) const ROWS: &[Row] = &[
    film("720p h264", "1G", "medium", ("1280x720", 120, H264, "mp4")),
    film("720p h264, little", "512M", "medium", ("1280x720", 120, H264, "mp4")),
    film("1080p h264", "1G", "medium", ("1920x1080", 120, H264, "mp4")),
    film("1080p h264, little", "512M", "medium", ("1920x1080", 120, H264, "mp4")),
    film(
        "1080p 16 references",
        "1G",
        "medium",
        ("1920x1080", 60, "-c:v libx264 -preset ultrafast -refs 16 -bf 3", "mkv"),
    ),
    film("1080p veryslow", "1G", "veryslow", ("1920x1080", 30, H264, "mp4")),
    film("4K h264", "4G", "medium", ("3840x2160", 75, H264, "mp4")),
    film("4K h264, little", "2G", "medium", ("3840x2160", 75, H264, "mp4")),
    film("4K h264, least", "1G", "medium", ("3840x2160", 25, H264, "mp4")),
    film(
        "4K 10-bit 4:4:4",
        "2G",
        "fast",
        ("3840x2160", 48, "-c:v libx264 -preset superfast -pix_fmt yuv444p10", "mkv"),
    ),
    film("4K hevc", "2G", "fast", ("3840x2160", 48, "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10", "mp4")),
    film("4K prores alpha", "2G", "fast", ("3840x2160", 48, "-c:v prores_ks -profile:v 4 -pix_fmt yuva444p10", "mov")),
    film("4K vp9", "2G", "fast", ("3840x2160", 48, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8", "webm")),
    film("4K av1", "2G", "fast", ("3840x2160", 48, "-c:v libsvtav1 -preset 12", "mkv")),
    film("4K gif", "2G", "fast", ("3840x2160", 24, GIF, "gif")),
    film("4K one keyframe", "2G", "fast", ("3840x2160", 60, "-c:v libx264 -preset ultrafast -g 9999", "mp4")),
    film("4K jpeg2000", "2G", "fast", ("3840x2160", 12, "-c:v jpeg2000", "mkv")),
    film("4K ffv1", "2G", "fast", ("3840x2160", 24, "-c:v ffv1", "mkv")),
    film("4K interlaced", "2G", "fast", ("3840x2160", 48, "-c:v libx264 -preset ultrafast -flags +ilme+ildct", "mp4")),
    film("4K mpeg2", "2G", "fast", ("3840x2160", 48, "-c:v mpeg2video -b:v 8M -bf 2", "ts")),
    film("4K raw nut", "2G", "fast", ("3840x2160", 24, "-c:v rawvideo -pix_fmt yuv444p", "nut")),
    film("8192x8192 gif", "8G", "medium", ("8192x8192", 6, GIF, "gif")),
    film("8192x8192 gif, little", "4G", "medium", ("8192x8192", 6, GIF, "gif")),
    film("8192x8192 mkv", "8G", "medium", ("8192x8192", 6, "-c:v libx264 -preset ultrafast", "mkv")),
    film("8192x8192 24 frames", "6G", "medium", ("8192x8192", 24, "-c:v libx264 -preset ultrafast", "mp4")),
    film("8192x8192 ultrafast", "5G", "ultrafast", ("8192x8192", 6, "-c:v libx264 -preset ultrafast", "mp4")),
    film("8192x8192 png", "6G", "fast", ("8192x8192", 4, "-c:v png", "mkv")),
    film(
        "8192x4096 10-bit",
        "4G",
        "fast",
        ("8192x4096", 12, "-c:v libx264 -preset ultrafast -pix_fmt yuv420p10", "mp4"),
    ),
    film("8192x16", "512M", "medium", ("8192x16", 60, H264, "mp4")),
    film("16x8192", "512M", "medium", ("16x8192", 60, H264, "mp4")),
    film("16x16", "512M", "medium", ("16x16", 5000, H264, "mp4")),
    Row { name: "80 million samples", memory: "512M", preset: "medium", how: How::Case("index_80M_samples.mp4") },
    Row { name: "20,000 chapters", memory: "512M", preset: "medium", how: How::Chapters(20_000) },
    Row { name: "900 chapters", memory: "512M", preset: "medium", how: How::Chapters(900) },
    Row { name: "300 tracks", memory: "512M", preset: "medium", how: How::Tracks(300) },
    Row { name: "90 tracks", memory: "512M", preset: "medium", how: How::Tracks(90) },
    Row { name: "3 million sound packets", memory: "512M", preset: "ultrafast", how: How::TinySound(1000) },
];

impl Row {
    pub(crate) fn make(&self, folder: &Path) -> Result<PathBuf> {
        match self.how {
            How::Case(name) => Ok(root().join("workers/media/tests/fixtures").join(name)),
            How::Film(size, frames, options, extension) => {
                let path = folder.join(format!("film.{extension}"));
                let source = format!("testsrc=size={size}:rate=25");
                ffmpeg(&format!("-f lavfi -i {source} -frames:v {frames} {options} {}", path.display()))?;
                Ok(path)
            }
            How::Chapters(count) => {
                let (text, path) = (folder.join("chapters.txt"), folder.join("film.mkv"));
                let chapter = |n| format!("[CHAPTER]\nTIMEBASE=1/10000\nSTART={n}\nEND={}\ntitle=Chapter {n}\n", n + 1);
                std::fs::write(&text, format!(";FFMETADATA1\n{}", (0..count).map(chapter).collect::<String>()))?;
                let source = "-f lavfi -i testsrc=size=320x180:rate=25";
                let options = "-map 0 -map_metadata 1 -map_chapters 1 -frames:v 60 -c:v libx264 -preset ultrafast";
                ffmpeg(&format!("{source} -i {} {options} {}", text.display(), path.display()))?;
                Ok(path)
            }
            How::Tracks(count) => {
                let path = folder.join("film.mkv");
                let maps = "-map 1 ".repeat(count as usize - 1);
                let sources = "-f lavfi -i testsrc=size=320x180:rate=25 -f lavfi -i sine=duration=1";
                ffmpeg(&format!(
                    "{sources} -map 0 {maps} -t 1 -c:v libx264 -preset ultrafast -c:a pcm_s16le {}",
                    path.display()
                ))?;
                Ok(path)
            }
            How::TinySound(secs) => {
                let path = folder.join("film.mkv");
                let sources = format!(
                    "-f lavfi -i color=size=32x32:rate=1 -f lavfi -i sine=sample_rate=48000:samples_per_frame=16 -t {secs}"
                );
                ffmpeg(&format!("{sources} -c:v libx264 -preset ultrafast -g 10 -c:a pcm_s16le {}", path.display()))?;
                Ok(path)
            }
        }
    }
}

fn ffmpeg(options: &str) -> Result<()> {
    let done = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(options.split_whitespace()).output()?;
    ensure!(done.status.success(), "ffmpeg {options}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}
