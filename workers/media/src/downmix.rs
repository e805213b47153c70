//! Mixes sound with more channels than AAC carries to stereo.
//!
//! Such sound comes from broadcast and cameras, whose channels are pairs or single microphones in no stated order: odd
//! channels go to the left, even ones to the right, each side scaled by the square root of its number of channels.

use ffmpeg_next::format::Sample;
use ffmpeg_next::format::sample::Type;
use ffmpeg_next::{ChannelLayout, frame};

use crate::ffi;

/// None for a sample format that can't be read.
pub(crate) fn to_stereo(decoded: &frame::Audio) -> Option<frame::Audio> {
    let (channels, samples) = (usize::from(decoded.channels()), decoded.samples());
    let (width, read, is_planar) = reader(decoded.format())?;
    let mut mixed = frame::Audio::new(Sample::F32(Type::Planar), samples, ChannelLayout::STEREO);
    mixed.set_rate(decoded.rate());
    for side in 0..2 {
        let of_side: Vec<usize> = (side..channels).step_by(2).collect();
        let scale = 1.0 / (of_side.len() as f32).sqrt();
        let out = mixed.plane_mut::<f32>(side);
        for (i, sample) in out.iter_mut().enumerate() {
            let value = |channel: usize| {
                let (plane, at) = if is_planar { (channel, i) } else { (0, i * channels + channel) };
                ffi::sound_plane(decoded, plane).get(at * width..(at + 1) * width).map_or(0.0, read)
            };
            *sample = (of_side.iter().map(|c| value(*c)).sum::<f32>() * scale).clamp(-1.0, 1.0);
        }
    }
    Some(mixed)
}

type Read = fn(&[u8]) -> f32;

/// Bytes of a sample, how to read it, and whether each channel has a plane of its own.
fn reader(format: Sample) -> Option<(usize, Read, bool)> {
    let (width, read, kind): (usize, Read, Type) = match format {
        Sample::U8(kind) => (1, |b| (f32::from(b[0]) - 128.0) / 128.0, kind),
        Sample::I16(kind) => (2, |b| f32::from(i16::from_ne_bytes([b[0], b[1]])) / 32_768.0, kind),
        Sample::I32(kind) => (4, |b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]]) as f32 / 2_147_483_648.0, kind),
        Sample::F32(kind) => (4, |b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]]), kind),
        Sample::F64(kind) => (8, |b| f64::from_ne_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32, kind),
        _ => return None,
    };
    Some((width, read, kind == Type::Planar))
}
