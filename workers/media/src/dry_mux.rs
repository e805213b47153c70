//! Muxes the source's other streams to nowhere, each on its own, before any work is done: what the muxer refuses would
//! otherwise fail the job at its very end.

use std::collections::VecDeque;
use std::path::Path;

use ffmpeg_next::Packet;
use ffmpeg_next::format::context::Output;
use stereospot_domain::Warning;
use stereospot_domain::warning::LeftOut;

use crate::manifest::{Fate, Manifest, SideStream};
use crate::track::{Span, Track};
use crate::{Budget, Cancel, Error, extras, open};

/// What the dry run found.
pub(crate) struct Rehearsed {
    /// Streams that can't be carried as they are.
    pub(crate) side_streams: Vec<SideStream>,
    /// The warnings of the join, as far as they are about streams.
    pub(crate) warnings: Vec<Warning>,
}

/// Takes the file's muxing, but not its bytes.
const NOWHERE: &str = "/dev/null";

/// A stream that is refused as it is gets a second chance as AAC, if it is sound. What is refused then is left out.
pub(crate) fn run(
    source: &Path,
    video: usize,
    manifest: &Manifest,
    budget: &Budget,
    cancel: Cancel<'_>,
) -> Result<Rehearsed, Error> {
    let mut side_streams = Vec::new();
    loop {
        let (refused, warnings) = pass(source, video, manifest, &side_streams, budget, cancel)?;
        if refused.is_empty() {
            return Ok(Rehearsed { side_streams, warnings });
        }
        for Refused { stream, is_copied_sound, why } in refused {
            side_streams.retain(|side: &SideStream| side.stream != stream);
            let fate = match why {
                LeftOut::Refused { .. } if is_copied_sound => Fate::Reencode,
                why => Fate::LeaveOut(why),
            };
            side_streams.push(SideStream { stream, fate });
        }
    }
}

struct Refused {
    stream: u32,
    is_copied_sound: bool,
    why: LeftOut,
}

/// One stream and a file of its own.
struct Solo {
    output: Output,
    track: Track,
    packets: u64,
    error: Option<String>,
}

fn pass(
    source: &Path,
    video: usize,
    manifest: &Manifest,
    side_streams: &[SideStream],
    budget: &Budget,
    cancel: Cancel<'_>,
) -> Result<(Vec<Refused>, Vec<Warning>), Error> {
    let mut input = open::source(source)?;
    let span = Span::of(&input, manifest);
    let mut warnings = Vec::new();
    let mut solos: Vec<Option<Solo>> = Vec::new();
    for stream in input.streams() {
        let fate = extras::fate(side_streams, stream.index());
        let mut output = open::output(Path::new(NOWHERE), "mp4")?;
        let track = match stream.index() == video {
            true => None,
            false => Track::add(&mut output, &stream, fate, span, &mut warnings)?,
        };
        solos.push(track.map(|track| Solo::start(output, track, manifest)));
    }
    if solos.iter().any(Option::is_some) {
        // The muxers keep an entry for each packet, and so will the join's.
        let mut packets = manifest.frames;
        while let Some(packet) = open::next_packet(&mut input, source, cancel)? {
            packets += u64::from(packet.stream() != video);
            if packets.is_multiple_of(1000) {
                budget.check_packets(packets)?;
            }
            if let Some(Some(solo)) = solos.get_mut(packet.stream()) {
                solo.packets += 1;
                solo.play(|track, output, ready| track.take(packet, output, ready));
            }
        }
    }
    let mut refused = Vec::new();
    for mut solo in solos.into_iter().flatten() {
        solo.end();
        warnings.extend(solo.track.repaired());
        let why = match solo.error {
            _ if solo.packets == 0 && solo.track.is_sound() => LeftOut::Empty,
            Some(error) => LeftOut::Refused { error },
            None => continue,
        };
        refused.push(Refused { stream: solo.track.stream(), is_copied_sound: solo.track.is_copied_sound(), why });
    }
    Ok((refused, warnings))
}

impl Solo {
    fn start(mut output: Output, track: Track, manifest: &Manifest) -> Self {
        let started = output.write_header_with(extras::header(manifest.time_base)).err();
        let error = started.map(|error| error.to_string());
        Self { output, track, packets: 0, error }
    }

    fn play(&mut self, step: impl FnOnce(&mut Track, &Output, &mut VecDeque<Packet>) -> Result<(), Error>) {
        if self.error.is_some() {
            return;
        }
        let mut ready = VecDeque::new();
        self.error = step(&mut self.track, &self.output, &mut ready).err().map(|error| error.to_string());
        for packet in ready {
            if let Err(error) = packet.write_interleaved(&mut self.output) {
                self.error = Some(error.to_string());
            }
        }
    }

    fn end(&mut self) {
        self.play(|track, output, ready| track.finish(output, ready));
        if self.error.is_none() {
            self.error = self.output.write_trailer().err().map(|error| error.to_string());
        }
    }
}
