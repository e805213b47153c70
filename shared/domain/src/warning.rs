//! What a worker changed, repaired or left out of a video, so that its owner can decide whether the result will do.
//!
//! A warning never fails a job. Workers send warnings in `chunking.completed`, `segment.completed` and
//! `reassembly.completed`; two stages may report the same one, which then compares equal.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was changed or left out of a video.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Warning {
    /// A stream of the source is not in the result.
    StreamLeftOut {
        stream: u32,
        media: Media,
        codec: String,
        why: LeftOut,
    },
    /// A sound stream was encoded as AAC.
    SoundReencoded {
        stream: u32,
        codec: String,
        why: Reencoded,
    },
    /// A sound stream with more channels than AAC carries was mixed to fewer.
    SoundDownmixed {
        stream: u32,
        channels: u32,
        to: u32,
    },
    /// Packets of a side stream had times that no player accepts.
    TimesRepaired {
        stream: u32,
        /// Packets moved to just after the one before.
        raised: u64,
        /// Packets left out.
        dropped: u64,
    },
    /// The clock of the source jumps: several recordings in one file. They follow each other in the result.
    ClockJumps {
        times: u32,
    },
    /// Frames that can't be decoded show the frame before them.
    FramesRepeated {
        segment: u32,
        frames: u64,
    },
    Deinterlaced,
    /// High dynamic range was mapped to standard range.
    ToneMapped {
        from: HdrTransfer,
    },
    /// The picture carries closed captions, which are lost.
    CaptionsLost,
    /// The source says that it holds two views, and was converted as one picture.
    AlreadyStereo {
        packing: String,
    },
    /// The picture changes its size. Later sizes are fitted into the first, with bars where the shape differs.
    SizeChanges {
        width: u32,
        height: u32,
        to_width: u32,
        to_height: u32,
    },
}

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Media {
    Sound,
    Subtitle,
    CoverPicture,
    /// A video stream besides the converted one.
    FurtherVideo,
    Attachment,
    Timecode,
    Data,
}

/// Why a stream was left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LeftOut {
    /// One video is converted.
    OneVideo,
    /// MP4 has no place for it.
    NotInMp4,
    /// The source announces it and has no packet of it.
    Empty,
    /// MP4 can carry the codec, but not this stream.
    Refused {
        /// FFmpeg's message.
        error: String,
    },
}

/// Why a sound stream was encoded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reencoded {
    NotInMp4,
    /// MP4 can carry it, but browsers and common players stay silent.
    FewPlayers,
    /// MP4 can carry the codec, but not this stream.
    Refused,
}

/// The transfer function of a video with high dynamic range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HdrTransfer {
    /// SMPTE ST 2084, as in HDR10.
    Pq,
    /// ARIB STD-B67.
    Hlg,
}

impl Warning {
    /// The names of all kinds.
    pub const KINDS: &'static [&'static str] = &[
        "stream-left-out",
        "sound-reencoded",
        "sound-downmixed",
        "times-repaired",
        "clock-jumps",
        "frames-repeated",
        "deinterlaced",
        "tone-mapped",
        "captions-lost",
        "already-stereo",
        "size-changes",
    ];

    /// The name of its kind on the wire; also the metric label.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Warning::StreamLeftOut { .. } => "stream-left-out",
            Warning::SoundReencoded { .. } => "sound-reencoded",
            Warning::SoundDownmixed { .. } => "sound-downmixed",
            Warning::TimesRepaired { .. } => "times-repaired",
            Warning::ClockJumps { .. } => "clock-jumps",
            Warning::FramesRepeated { .. } => "frames-repeated",
            Warning::Deinterlaced => "deinterlaced",
            Warning::ToneMapped { .. } => "tone-mapped",
            Warning::CaptionsLost => "captions-lost",
            Warning::AlreadyStereo { .. } => "already-stereo",
            Warning::SizeChanges { .. } => "size-changes",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::StreamLeftOut { stream, media, codec, why } => {
                let reason = match why {
                    LeftOut::OneVideo => "one is converted",
                    LeftOut::NotInMp4 => "MP4 can't carry it",
                    LeftOut::Empty => "it is empty",
                    LeftOut::Refused { error } => {
                        return write!(
                            f,
                            "the source's {media} stream {stream} ({codec}) was left out: MP4 can't carry it as it is \
                             ({error})"
                        );
                    }
                };
                write!(f, "the source's {media} stream {stream} ({codec}) was left out: {reason}")
            }
            Warning::SoundReencoded { stream, codec, why } => {
                let why = match why {
                    Reencoded::NotInMp4 => "MP4 can't carry it",
                    Reencoded::FewPlayers => "few players take it from an MP4",
                    Reencoded::Refused => "MP4 can't carry it as it is",
                };
                write!(f, "the source's sound stream {stream} ({codec}) was re-encoded as AAC: {why}")
            }
            Warning::SoundDownmixed { stream, channels, to } => write!(
                f,
                "the source's sound stream {stream} was mixed down from {channels} to {to} channels: AAC can't carry more"
            ),
            Warning::TimesRepaired { stream, raised, dropped } => write!(
                f,
                "the times of the source's stream {stream} were repaired: {raised} packets were moved, {dropped} left out"
            ),
            Warning::ClockJumps { times } => write!(
                f,
                "the source's clock jumps {times} times, as in recordings joined into one file: the parts follow each other"
            ),
            Warning::FramesRepeated { segment, frames } => {
                write!(f, "{frames} frames of segment {segment} can't be decoded: the frame before is shown instead")
            }
            Warning::Deinterlaced => {
                f.write_str("the source is interlaced: it was deinterlaced (--deinterlace off keeps it)")
            }
            Warning::ToneMapped { from } => {
                let from = match from {
                    HdrTransfer::Pq => "HDR10 (PQ)",
                    HdrTransfer::Hlg => "HLG",
                };
                write!(f, "the source is {from}: its colours were mapped to standard dynamic range (BT.709)")
            }
            Warning::CaptionsLost => f.write_str("the source's picture carries closed captions: they were left out"),
            Warning::AlreadyStereo { packing } => write!(
                f,
                "the source is stereo already ({packing}) and was converted as one picture: --from sbs or --from tb \
                 converts its left eye"
            ),
            Warning::SizeChanges { width, height, to_width, to_height } => write!(
                f,
                "the source's picture changes from {width}x{height} to {to_width}x{to_height}: it is fitted into the first"
            ),
        }
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Media::Sound => "sound",
            Media::Subtitle => "subtitle",
            Media::CoverPicture => "cover picture",
            Media::FurtherVideo => "further video",
            Media::Attachment => "attachment",
            Media::Timecode => "timecode",
            Media::Data => "data",
        })
    }
}

#[cfg(test)]
mod tests;
