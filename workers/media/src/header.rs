//! Reads from an MP4 file's boxes what it claims to hold, before FFmpeg builds an index as large as the claim.
//!
//! FFmpeg takes 24 bytes and more for each sample of each track when it opens a file, and a table of a few bytes can claim
//! four thousand million samples.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// What an MP4 or MOV file claims.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) tracks: u64,
    /// In the samples of all tracks.
    pub(crate) samples: u64,
    /// In the longest video track.
    pub(crate) frames: u64,
    /// Of the largest picture.
    pub(crate) pixels: u64,
}

/// Boxes that hold boxes which matter here.
const CONTAINERS: [&[u8; 4]; 4] = [b"trak", b"mdia", b"minf", b"stbl"];
/// No real file has more boxes than this around its tables.
const MOST_BOXES: u32 = 200_000;

/// Reads the boxes. None if the file is no MP4, or has no index.
pub(crate) fn claims(path: &Path) -> io::Result<Option<Claims>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut reader = Reader { file: &mut file, left: MOST_BOXES, claims: Claims::default(), track: Track::default() };
    let mut has_index = false;
    let mut at = 0;
    while let Some(found) = reader.box_at(at, length)? {
        if at == 0
            && !matches!(&found.kind, b"ftyp" | b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"styp" | b"pnot")
        {
            return Ok(None);
        }
        match &found.kind {
            b"moov" => {
                has_index = true;
                reader.walk(found.content, found.end)?;
            }
            b"moof" => reader.fragment(found.content, found.end)?,
            _ => {}
        }
        at = found.end;
    }
    Ok(has_index.then_some(reader.claims))
}

struct Found {
    kind: [u8; 4],
    content: u64,
    end: u64,
}

#[derive(Default)]
struct Track {
    is_video: bool,
    samples: u64,
}

struct Reader<'a> {
    file: &'a mut File,
    /// Boxes still to look at.
    left: u32,
    claims: Claims,
    track: Track,
}

impl Reader<'_> {
    fn box_at(&mut self, at: u64, end: u64) -> io::Result<Option<Found>> {
        if self.left == 0 || at.saturating_add(8) > end {
            return Ok(None);
        }
        self.left -= 1;
        let head: [u8; 8] = self.bytes(at)?;
        let [a, b, c, d, kind @ ..] = head;
        let (header, size) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, end - at),
            1 if at + 16 <= end => (16, u64::from_be_bytes(self.bytes(at + 8)?)),
            size => (8, u64::from(size)),
        };
        if size < header {
            return Ok(None);
        }
        Ok(Some(Found { kind, content: at + header, end: at.saturating_add(size).min(end) }))
    }

    fn walk(&mut self, mut at: u64, end: u64) -> io::Result<()> {
        while let Some(found) = self.box_at(at, end)? {
            match &found.kind {
                b"trak" => {
                    self.claims.tracks += 1;
                    self.track = Track::default();
                    self.walk(found.content, found.end)?;
                    self.claims.samples = self.claims.samples.saturating_add(self.track.samples);
                    if self.track.is_video {
                        self.claims.frames = self.claims.frames.max(self.track.samples);
                    }
                }
                kind if CONTAINERS.contains(&kind) => self.walk(found.content, found.end)?,
                kind => self.table(*kind, &found)?,
            }
            at = found.end;
        }
        Ok(())
    }

    fn table(&mut self, kind: [u8; 4], found: &Found) -> io::Result<()> {
        let number = |reader: &mut Self, at: u64| -> io::Result<u64> {
            if found.content + at + 4 > found.end { Ok(0) } else { reader.u32(found.content + at) }
        };
        match &kind {
            b"hdlr" => self.track.is_video |= number(self, 8)? == u64::from(u32::from_be_bytes(*b"vide")),
            b"stsz" | b"stz2" => self.track.samples = self.track.samples.max(number(self, 8)?),
            b"stsd" if self.track.is_video => {
                // The sizes of the first sample entry: two numbers of 16 bits.
                let sides = number(self, 8 + 32)?;
                self.claims.pixels = self.claims.pixels.max((sides >> 16) * (sides & 0xFFFF));
            }
            _ => {}
        }
        Ok(())
    }

    fn fragment(&mut self, mut at: u64, end: u64) -> io::Result<()> {
        while let Some(found) = self.box_at(at, end)? {
            match &found.kind {
                b"traf" => self.fragment(found.content, found.end)?,
                b"trun" if found.content + 8 <= found.end => {
                    self.claims.samples = self.claims.samples.saturating_add(self.u32(found.content + 4)?);
                }
                _ => {}
            }
            at = found.end;
        }
        Ok(())
    }

    fn u32(&mut self, at: u64) -> io::Result<u64> {
        Ok(u64::from(u32::from_be_bytes(self.bytes(at)?)))
    }

    fn bytes<const N: usize>(&mut self, at: u64) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.seek(SeekFrom::Start(at))?;
        let mut have = 0;
        while have < N {
            match self.file.read(&mut bytes[have..])? {
                0 => break,
                read => have += read,
            }
        }
        Ok(bytes)
    }
}
