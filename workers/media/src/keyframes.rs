//! Decodes keyframes to learn whether they can be decoded alone, and whether the scene changes there.

use std::path::Path;

use ffmpeg_next::codec::discard::Discard;
use ffmpeg_next::frame::side_data;
use ffmpeg_next::{Packet, decoder, frame};

use crate::index::Keyframe;
use crate::open::Source;
use crate::plan::Candidate;
use crate::reader::FrameReader;
use crate::{Cancel, Error, ffi, open, reader};

/// Two pictures show different scenes if at least this share of their luma samples falls into different histogram bins.
const SCENE_DIFFERENCE: f32 = 0.4;
const BINS: usize = 32;
/// Frames decoded at the start of a source whose keyframes are not known.
const LOOKED_AT: usize = 32;

type Histogram = [f32; BINS];

/// What decoding some keyframes showed about the whole video.
#[derive(Debug, Default)]
pub(crate) struct Sights {
    pub(crate) is_interlaced: bool,
    pub(crate) has_captions: bool,
    /// FFmpeg's name for the packing of two views.
    pub(crate) packing: Option<&'static str>,
    /// The first size that differs from the size before.
    pub(crate) other_size: Option<(u32, u32)>,
    first_size: Option<(u32, u32)>,
}

impl Sights {
    fn add(&mut self, frame: &frame::Video) {
        self.is_interlaced |= frame.is_interlaced();
        self.has_captions |= frame.side_data(side_data::Type::A53CC).is_some();
        let packing = || frame.side_data(side_data::Type::Stereo3D).and_then(|data| ffi::packing(data.data()));
        self.packing = self.packing.or_else(packing);
        let size = (frame.width(), frame.height());
        if *self.first_size.get_or_insert(size) != size {
            self.other_size.get_or_insert(size);
        }
    }
}

/// Decodes each of the given keyframes alone. A keyframe is unusable if that gives no picture, or the picture of
/// another frame.
pub(crate) fn look_at(
    path: &Path,
    stream: usize,
    keyframes: &[Keyframe],
    cancel: Cancel<'_>,
) -> Result<(Vec<Candidate>, Sights), Error> {
    let mut input = open::source(path)?;
    let mut decoder = reader::decoder(&input, stream, 1, Discard::Default)?;
    let mut candidates: Vec<Candidate> = Vec::with_capacity(keyframes.len());
    let mut sights = Sights::default();
    let mut before: Option<Histogram> = None;
    let mut at = 0;
    for keyframe in keyframes {
        let Some(packet) = video_packet(&mut input, path, stream, &mut at, keyframe.packet, cancel)? else { break };
        let picture = decode_alone(&mut decoder, &packet).filter(|f| f.pts() == Some(keyframe.pts));
        picture.iter().for_each(|picture| sights.add(picture));
        let now = picture.as_ref().map(histogram);
        let is_scene_cut = matches!((&before, &now), (Some(a), Some(b)) if differ(a, b));
        candidates.push(Candidate { keyframe: *keyframe, is_usable: now.is_some(), is_scene_cut });
        before = now.or(before);
    }
    Ok((candidates, sights))
}

/// What the first frames show, for a source whose keyframes are not known.
pub(crate) fn look_at_start(path: &Path, stream: usize, threads: usize, cancel: Cancel<'_>) -> Result<Sights, Error> {
    let mut reader = FrameReader::new(path, open::source(path)?, stream, threads, 0, cancel)?;
    let mut sights = Sights::default();
    for _ in 0..LOOKED_AT {
        let Some(frame) = reader.next_frame()? else { break };
        sights.add(&frame);
    }
    Ok(sights)
}

/// Checks for each border whether the picture changes abruptly exactly there. Each pair is a border and the keyframe
/// before it, in ascending order. Decodes from that keyframe up to the border, without the frames that no other frame
/// refers to, and compares the last picture before the border with the border's.
pub(crate) fn confirm_scene_cuts(
    path: &Path,
    stream: usize,
    pairs: &[(Keyframe, Keyframe)],
    threads: usize,
    cancel: Cancel<'_>,
) -> Result<Vec<bool>, Error> {
    let mut input = open::source(path)?;
    let mut decoder = reader::decoder(&input, stream, threads, Discard::NonReference)?;
    let mut answers = Vec::with_capacity(pairs.len());
    let mut at = 0;
    // The border of one pair may be the starting keyframe of the next.
    let mut held: Option<Packet> = None;
    for (from, border) in pairs {
        let mut latest: Option<(i64, Histogram)> = None;
        let mut first: Option<Histogram> = None;
        let mut keep = |frame: frame::Video| match frame.pts() {
            Some(pts) if pts == border.pts => first = Some(histogram(&frame)),
            Some(pts) if pts < border.pts && latest.is_none_or(|(p, _)| pts > p) => {
                latest = Some((pts, histogram(&frame)))
            }
            _ => {}
        };
        for number in from.packet..=border.packet {
            let packet = match held.take() {
                Some(packet) if number + 1 == at => packet,
                _ => match video_packet(&mut input, path, stream, &mut at, number, cancel)? {
                    Some(packet) => packet,
                    None => break,
                },
            };
            // If a packet is damaged, the answer may be "no scene cut"; the split goes on.
            let _ = decoder.send_packet(&packet);
            let mut frame = frame::Video::empty();
            while decoder.receive_frame(&mut frame).is_ok() {
                keep(std::mem::replace(&mut frame, frame::Video::empty()));
            }
            if number == border.packet {
                held = Some(packet);
            }
        }
        drain(&mut decoder, &mut keep);
        answers.push(matches!((latest, first), (Some((_, a)), Some(b)) if differ(&a, &b)));
    }
    Ok(answers)
}

/// Reads up to the video packet with the given number; `at` counts the video packets read so far.
fn video_packet(
    input: &mut Source,
    path: &Path,
    stream: usize,
    at: &mut usize,
    number: usize,
    cancel: Cancel<'_>,
) -> Result<Option<Packet>, Error> {
    while let Some(packet) = open::next_packet(input, path, cancel)? {
        if packet.stream() == stream {
            *at += 1;
            if *at > number {
                return Ok(Some(packet));
            }
        }
    }
    Ok(None)
}

fn decode_alone(decoder: &mut decoder::Video, packet: &Packet) -> Option<frame::Video> {
    let mut found = None;
    if decoder.send_packet(packet).is_ok() {
        drain(decoder, &mut |frame| {
            found.get_or_insert(frame);
        });
    } else {
        decoder.flush();
    }
    found
}

/// Takes the frames that the decoder still holds, and resets it.
pub(crate) fn drain(decoder: &mut decoder::Video, keep: &mut impl FnMut(frame::Video)) {
    if decoder.send_eof().is_ok() {
        let mut frame = frame::Video::empty();
        while decoder.receive_frame(&mut frame).is_ok() {
            keep(std::mem::replace(&mut frame, frame::Video::empty()));
        }
    }
    decoder.flush();
}

/// Brightness histogram of the first plane, from one sample in each block of four by four.
fn histogram(frame: &frame::Video) -> Histogram {
    let mut bins = [0.0; BINS];
    let (stride, bytes) = (frame.stride(0), frame.data(0));
    let depth = ffi::bit_depth(frame);
    let mut count = 0.0;
    for y in (0..frame.height() as usize).step_by(4) {
        for x in (0..frame.width() as usize).step_by(4) {
            let sample = if depth > 8 {
                let at = y * stride + 2 * x;
                bytes.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]) >> (depth - 5))
            } else {
                bytes.get(y * stride + x).map(|&b| u16::from(b >> 3))
            };
            if let Some(sample) = sample {
                bins[usize::from(sample) % BINS] += 1.0;
                count += 1.0;
            }
        }
    }
    bins.map(|b| b / f32::max(count, 1.0))
}

fn differ(a: &Histogram, b: &Histogram) -> bool {
    let distance: f32 = a.iter().zip(b).map(|(x, y)| (x - y).abs()).sum();
    distance / 2.0 > SCENE_DIFFERENCE
}
