//! Decodes a segment in a child: the pictures come through a pipe.
//!
//! A pipe and not shared memory: a child that is no longer ours can't change a picture while it is read, and the two copies cost
//! little beside decoding and encoding (the pipeline benchmark measures it).

use std::path::Path;
use std::time::{Duration, Instant};

use stereospot_media::manifest::SegmentSpec;
use stereospot_media::{Decoded, SegmentDecoder};
use stereospot_picture::{Colour, Picture};
use tokio_util::sync::CancellationToken;

use super::decode::Decode;
use super::error::Error;
use super::job::Job;
use super::limits::Limits;
use super::outside::{Child, Message};

/// The frames of a segment, in display order.
pub struct Pictures {
    from: Origin,
    repeated: u64,
    busy: Duration,
}

enum Origin {
    Here(Box<SegmentDecoder>),
    Child(Box<Stream>),
}

struct Stream {
    child: Child,
    size: (usize, usize),
    colour: Colour,
    spec: SegmentSpec,
    /// Frames that may still come.
    left: u64,
    is_done: bool,
}

impl Pictures {
    pub(super) fn here(decode: &Decode) -> Result<Self, Error> {
        Ok(Self { from: Origin::Here(Box::new(decode.open()?)), repeated: 0, busy: Duration::ZERO })
    }

    pub(super) fn from_child(
        program: &Path,
        limits: Limits,
        decode: Decode,
        cancel: &CancellationToken,
    ) -> Result<Self, Error> {
        let doing = format!("decoding segment {}", decode.spec.index);
        let (size, colour) = (decode.manifest.picture_size(), decode.manifest.colour.colour());
        let (spec, left) = (decode.spec.clone(), decode.spec.frames);
        let child = Child::start(program, limits, Job::Decode(Box::new(decode)), doing, cancel)?;
        let stream = Stream { child, size, colour, spec, left, is_done: false };
        Ok(Self { from: Origin::Child(Box::new(stream)), repeated: 0, busy: Duration::ZERO })
    }

    /// Number of frames so far that could not be decoded and show another frame.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Time spent decoding so far.
    #[must_use]
    pub fn busy(&self) -> Duration {
        self.busy
    }

    fn next_of(&mut self) -> Result<Option<Decoded>, Error> {
        let stream = match &mut self.from {
            Origin::Here(decoder) => {
                let started = Instant::now();
                let next = decoder.next().transpose();
                self.busy += started.elapsed();
                self.repeated = decoder.repeated();
                return Ok(next?);
            }
            Origin::Child(stream) => stream,
        };
        if stream.is_done {
            return Ok(None);
        }
        stream.is_done = true;
        let header = match stream.child.message::<()>()? {
            Message::Answer(()) => return Ok(None),
            Message::Picture(header) => header,
        };
        if stream.left == 0 || !stream.spec.holds(header.pts) {
            return Err(stream.child.nonsense());
        }
        stream.left -= 1;
        let mut picture = Picture::new(stream.size.0, stream.size.1, stream.colour);
        for (plane, _, _) in picture.planes_mut() {
            stream.child.read(plane)?;
        }
        stream.is_done = false;
        (self.repeated, self.busy) = (header.repeated, Duration::from_nanos(header.busy_nanos));
        Ok(Some(Decoded { pts: header.pts, picture }))
    }
}

impl Iterator for Pictures {
    type Item = Result<Decoded, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_of().transpose()
    }
}
