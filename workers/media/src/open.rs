//! Opens files with FFmpeg and maps its errors to [`Error`].

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use ffmpeg_next::format::context::{Input, Output};
use ffmpeg_next::{Dictionary, Packet, format};

use crate::clock::Clock;
use crate::{Cancel, Error};

/// The containers we accept, by FFmpeg's names. An allowlist, because FFmpeg also opens playlists, which make it read
/// other files and URLs, and treats text and still pictures as video.
const CONTAINERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,flv,asf,gif,nut,ogg,mxf,ivf,h264,hevc,m4v,\
                          obu,dv,rm,wtv,yuv4mpegpipe,mp3,wav,w64,flac,aac,aiff,ac3,eac3,caf,amr";

/// An open file. Its packets are read with [`next_packet`] only.
pub(crate) struct Source {
    input: Input,
    /// Only for sources, and only where the container's clock may jump.
    clock: Option<Clock>,
}

impl Source {
    /// How often the clock jumped so far.
    pub(crate) fn clock_jumps(&self) -> u32 {
        self.clock.as_ref().map_or(0, Clock::jumps)
    }
}

impl Deref for Source {
    type Target = Input;

    fn deref(&self) -> &Input {
        &self.input
    }
}

impl DerefMut for Source {
    fn deref_mut(&mut self) -> &mut Input {
        &mut self.input
    }
}

/// Opens an untrusted source file.
pub(crate) fn source(path: &Path) -> Result<Source, Error> {
    let length = std::fs::metadata(path).map_err(|e| Error::io("reading", path, e))?.len();
    if length == 0 {
        return Err(Error::Empty);
    }
    match format::input_with_dictionary(&url(path)?, careful()) {
        Ok(input) => {
            let clock = Clock::of(&input);
            Ok(Source { input, clock })
        }
        // FFmpeg returns EINVAL for a container that is not in the allowlist.
        Err(ffmpeg_next::Error::Other { errno: ffmpeg_next::error::EINVAL }) => Err(Error::NotAVideo),
        Err(error @ ffmpeg_next::Error::Other { .. }) => Err(unreadable(path, error)),
        Err(_) if lacks_movie_index(path).unwrap_or(false) => Err(Error::IndexMissing),
        Err(_) => Err(Error::NotAVideo),
    }
}

/// Opens a segment file that this crate wrote, with timestamps as stored and edit lists ignored. The object store it
/// comes from has other writers, so the file is as untrusted as a source.
pub(crate) fn segment(path: &Path) -> Result<Source, Error> {
    std::fs::metadata(path).map_err(|e| Error::io("reading", path, e))?;
    let mut options = careful();
    options.set("ignore_editlist", "1");
    let input = format::input_with_dictionary(&url(path)?, options).map_err(|e| match system_fault(path, e) {
        Some(fault) => Error::io("reading", path, fault),
        None => Error::file("reading", path, ffmpeg_next::Error::InvalidData),
    })?;
    Ok(Source { input, clock: None })
}

/// What a failure to read a source means: FFmpeg uses the system's error numbers also for what it dislikes in a file's
/// content.
fn unreadable(path: &Path, error: ffmpeg_next::Error) -> Error {
    match system_fault(path, error) {
        Some(fault) => Error::io("reading", path, fault),
        None => Error::Damaged { what: "its container can't be read".to_owned() },
    }
}

/// The system's fault behind FFmpeg's error, if there is one: the file can't be read without FFmpeg either, or there is
/// no memory.
pub(crate) fn system_fault(path: &Path, error: ffmpeg_next::Error) -> Option<io::Error> {
    let ffmpeg_next::Error::Other { errno } = error else { return None };
    if errno == ffmpeg_next::error::ENOMEM {
        return is_out_of_memory().then(|| io::Error::from_raw_os_error(errno));
    }
    File::open(path).and_then(|mut file| io::copy(&mut file, &mut io::sink())).err()
}

/// How much memory must be left for [`is_out_of_memory`] to be false, in bytes.
static MODEST: AtomicUsize = AtomicUsize::new(64 << 20);

/// Says how much memory this process may use, in bytes: an allocation that fails when less than half of it is left failed for
/// lack of memory.
pub fn memory_is_limited_to(bytes: usize) {
    MODEST.store(bytes / 2, Ordering::Relaxed);
}

/// True if the system refuses a modest amount of memory. FFmpeg also reports "out of memory" for an absurd size that a
/// file states.
pub(crate) fn is_out_of_memory() -> bool {
    Vec::<u8>::new().try_reserve_exact(MODEST.load(Ordering::Relaxed)).is_err()
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

/// The next packet of any stream; None at the end, or after more than 1000 errors. Skips damaged packets that the demuxer
/// can get past. Checks for cancellation, so loops over packets need no check of their own.
pub(crate) fn next_packet(source: &mut Source, path: &Path, cancel: Cancel<'_>) -> Result<Option<Packet>, Error> {
    let mut faults = 0;
    loop {
        cancel.check()?;
        let mut packet = Packet::empty();
        match packet.read(&mut source.input) {
            Ok(()) => {
                let base = source.input.stream(packet.stream()).map(|stream| stream.time_base());
                forget_absurd_times(&mut packet, base.map_or(0.0, f64::from));
                if let Some(clock) = &mut source.clock {
                    clock.correct(&mut packet);
                }
                return Ok(Some(packet));
            }
            Err(ffmpeg_next::Error::Eof) => return Ok(None),
            Err(ffmpeg_next::Error::Other { errno: ffmpeg_next::error::EAGAIN }) => {}
            Err(error) => {
                // Looking for the system's fault reads the whole file, so do it once.
                if let (0, Some(fault)) = (faults, system_fault(path, error)) {
                    return Err(Error::io("reading", path, fault));
                }
                faults += 1;
                if faults > 1000 {
                    return Ok(None);
                }
            }
        }
    }
}

/// Times and durations beyond this many seconds come from damage, and sums of them would overflow.
const ABSURD_SECS: f64 = 1e9;

fn forget_absurd_times(packet: &mut Packet, tick_secs: f64) {
    let sane = |time: &i64| (*time as f64 * tick_secs).abs() < ABSURD_SECS;
    packet.set_pts(packet.pts().filter(sane));
    packet.set_dts(packet.dts().filter(sane));
    if packet.duration() < 0 || !sane(&packet.duration()) {
        packet.set_duration(0);
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
fn lacks_movie_index(path: &Path) -> io::Result<bool> {
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

/// True for a Matroska file that is shorter than its segment element says: the rest was cut off. False where the file
/// doesn't say, as live recordings don't.
pub(crate) fn is_matroska_cut(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut head = [0; 64];
    let have = file.read(&mut head)? as u64;
    // The EBML header: 4 bytes of id, then its size.
    let Some((size, width)) = ebml_size(&head[4..]) else { return Ok(false) };
    let segment = 4 + width + size.unwrap_or(0);
    if segment + 12 > have {
        return Ok(false);
    }
    let segment = segment as usize;
    if head[segment..segment + 4] != [0x18, 0x53, 0x80, 0x67] {
        return Ok(false);
    }
    let Some((Some(size), width)) = ebml_size(&head[segment + 4..]) else { return Ok(false) };
    Ok((segment as u64 + 4 + width).saturating_add(size) > length)
}

/// A size in EBML's variable-length form (None: unknown), and the number of its bytes.
fn ebml_size(bytes: &[u8]) -> Option<(Option<u64>, u64)> {
    let width = bytes.first()?.leading_zeros() as usize + 1;
    if width > 8 || bytes.len() < width {
        return None;
    }
    let value = bytes[..width].iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let mask = (1 << (7 * width)) - 1;
    let value = value & mask;
    Some(((value != mask).then_some(value), width as u64))
}
