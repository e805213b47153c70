//! Opens files with FFmpeg and maps its errors to [`Error`].

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use ffmpeg_next::format::context::{Input, Output};
use ffmpeg_next::{Dictionary, Packet, format};

use crate::{Cancel, Error};

/// The containers we accept, by FFmpeg's names. An allowlist, because FFmpeg also opens playlists, which make it read
/// other files and URLs, and treats text and still pictures as video.
const CONTAINERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,flv,asf,gif,nut,ogg,mxf,ivf,h264,hevc,m4v,\
                          obu,dv,rm,wtv,yuv4mpegpipe,mp3,wav,w64,flac,aac,aiff,ac3,eac3,caf,amr";

/// Opens an untrusted source file.
pub(crate) fn source(path: &Path) -> Result<Input, Error> {
    let length = std::fs::metadata(path).map_err(|e| Error::io("reading", path, e))?.len();
    if length == 0 {
        return Err(Error::Empty);
    }
    match format::input_with_dictionary(&url(path)?, careful()) {
        Ok(input) => Ok(input),
        // FFmpeg returns EINVAL for a container that is not in the allowlist.
        Err(ffmpeg_next::Error::Other { errno: ffmpeg_next::error::EINVAL }) => Err(Error::NotAVideo),
        Err(ffmpeg_next::Error::Other { errno }) => {
            Err(Error::file("reading", path, ffmpeg_next::Error::Other { errno }))
        }
        Err(_) if lacks_movie_index(path).unwrap_or(false) => Err(Error::IndexMissing),
        Err(_) => Err(Error::NotAVideo),
    }
}

/// Opens a segment file that this crate wrote, with timestamps as stored and edit lists ignored. The object store it
/// comes from has other writers, so the file is as untrusted as a source.
pub(crate) fn segment(path: &Path) -> Result<Input, Error> {
    std::fs::metadata(path).map_err(|e| Error::io("reading", path, e))?;
    let mut options = careful();
    options.set("ignore_editlist", "1");
    format::input_with_dictionary(&url(path)?, options).map_err(|e| match e {
        // As in `source`: a container that is not in the allowlist.
        ffmpeg_next::Error::Other { errno: ffmpeg_next::error::EINVAL } => {
            Error::file("reading", path, ffmpeg_next::Error::InvalidData)
        }
        e => Error::file("reading", path, e),
    })
}

fn careful() -> Dictionary<'static> {
    let mut options = Dictionary::new();
    options.set("format_whitelist", CONTAINERS);
    options.set("protocol_whitelist", "file");
    options
}

/// Creates a file for the muxer named `format`.
pub(crate) fn output(path: &Path, format: &str) -> Result<Output, Error> {
    ffmpeg_next::format::output_as_with(&url(path)?, format, Dictionary::new())
        .map_err(|e| Error::file("writing", path, e))
}

/// The next packet of any stream, or None at the end. Skips damaged packets that the demuxer can get past. All loops
/// over a file use this function, so it is the one place that checks for cancellation.
pub(crate) fn next_packet(input: &mut Input, path: &Path, cancel: Cancel<'_>) -> Result<Option<Packet>, Error> {
    let mut faults = 0;
    loop {
        cancel.check()?;
        let mut packet = Packet::empty();
        match packet.read(input) {
            Ok(()) => return Ok(Some(packet)),
            Err(ffmpeg_next::Error::Eof) => return Ok(None),
            Err(ffmpeg_next::Error::InvalidData) if faults < 1000 => faults += 1,
            Err(ffmpeg_next::Error::Other { errno: ffmpeg_next::error::EAGAIN }) => {}
            Err(ffmpeg_next::Error::InvalidData) => return Ok(None),
            Err(e) => return Err(Error::file("reading", path, e)),
        }
    }
}

/// Prefixes the path with `file:`, so that FFmpeg doesn't take a colon in a file name for the end of a protocol name.
fn url(path: &Path) -> Result<String, Error> {
    let bad = || Error::BadPath { path: path.to_path_buf() };
    let text = path.to_str().ok_or_else(bad)?;
    if text.contains('\0') {
        return Err(bad());
    }
    Ok(format!("file:{text}"))
}

/// True for an MP4 or MOV file without a complete top-level `moov` box: typical of an upload or recording that was cut
/// off.
fn lacks_movie_index(path: &Path) -> std::io::Result<bool> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut at = 0;
    while at + 8 <= length {
        let mut head = [0; 16];
        file.seek(SeekFrom::Start(at))?;
        let have = file.read(&mut head)?;
        let kind = &head[4..8];
        if have < 8 || (at == 0 && !matches!(kind, b"ftyp" | b"wide" | b"mdat" | b"free" | b"skip")) {
            return Ok(false);
        }
        if kind == b"moov" {
            // The `moov` box starts in this file but continues past its end.
            let size = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
            return Ok(at + size > length);
        }
        let size = match u32::from_be_bytes([head[0], head[1], head[2], head[3]]) {
            0 => return Ok(true),
            1 if have == 16 => u64::from_be_bytes(head[8..16].try_into().expect("eight bytes")),
            size => u64::from(size),
        };
        if size < 8 {
            return Ok(false);
        }
        at = at.saturating_add(size);
    }
    Ok(length >= 8)
}
