//! Describes a source and decides whether it can be converted. Everything that can be detected before work starts is
//! rejected here.

use std::path::Path;

use ffmpeg_next::codec::packet::side_data;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::media::Type;
use serde::{Deserialize, Serialize};
use stereospot_domain::warning::HdrTransfer;

pub use crate::error::{MAX_SIDE, MIN_SIDE};
use crate::ffi::{self, VideoParams};
use crate::index::{self, Keyframe, PacketIndex};
use crate::limits::{Limit, Limits};
use crate::manifest::{ColourTags, Orientation, Ratio};
use crate::{Budget, Cancel, Error, Footage, header, open, prefilter, protected};

/// The properties of a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// FFmpeg's name of the container ("mov,mp4,m4a,3gp,3g2,mj2").
    pub container: String,
    pub codec: String,
    pub pixel_format: String,
    /// Bits per sample.
    pub bit_depth: u32,
    /// In pixels, after rotation.
    pub width: u32,
    /// In pixels, after rotation.
    pub height: u32,
    pub coded_width: u32,
    pub coded_height: u32,
    /// How to turn the coded picture upright.
    pub orientation: Orientation,
    /// Clockwise, without mirroring.
    pub rotation_degrees: u32,
    /// After rotation; 0/1 if unknown.
    pub sample_aspect_ratio: Ratio,
    pub colour: ColourTags,
    /// Seconds per tick of every pts.
    pub time_base: Ratio,
    /// Average frame rate, 0/1 if unknown.
    pub avg_frame_rate: Ratio,
    /// Frames shown, without those that an edit list hides.
    pub frames: u64,
    pub start_pts: i64,
    /// End of the last frame.
    pub end_pts: i64,
    /// Duration of the video stream.
    pub duration_secs: f64,
    /// The places where it can be cut without re-encoding.
    pub keyframes: Vec<Keyframe>,
    pub sound_streams: usize,
    pub subtitle_streams: usize,
    pub chapters: usize,
}

/// Reads all packets of a source and describes it.
///
/// # Errors
/// [`Error::is_bad_source`] distinguishes a source that can't be converted from a failure to read it;
/// [`Error::Cancelled`].
pub fn probe(path: &Path, cancel: Cancel<'_>) -> Result<SourceInfo, Error> {
    inspect(path, &Terms::default(), cancel).map(|i| i.info)
}

/// What a source may be and take.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Terms {
    pub limits: Limits,
    pub budget: Budget,
}

impl Terms {
    /// Checks what the file claims to hold, before anything is read into memory that is as large as the claim.
    fn check_claims(&self, path: &Path) -> Result<(), Error> {
        let Some(claims) = header::claims(path).map_err(|e| Error::io("reading", path, e))? else { return Ok(()) };
        self.limits.check(Limit::Tracks, claims.tracks)?;
        self.limits.check(Limit::Frames, claims.frames)?;
        self.limits.check(Limit::Pixels, claims.pixels)?;
        self.budget.check_packets(claims.samples)
    }
}

/// A source with its packet index.
pub(crate) struct Inspected {
    pub(crate) info: SourceInfo,
    pub(crate) index: PacketIndex,
    pub(crate) stream: usize,
    /// High dynamic range, by its transfer function.
    pub(crate) hdr: Option<HdrTransfer>,
    /// True if the container says so. Its frames may know better.
    pub(crate) is_interlaced: bool,
    /// FFmpeg's name for the packing of two views, if the container says so.
    pub(crate) packing: Option<&'static str>,
    pub(crate) clock_jumps: u32,
    /// Of its packets.
    pub(crate) footage: Footage,
    /// To decode it with, while it is examined.
    pub(crate) threads: usize,
}

/// [`probe`], with the packet index it is based on.
pub(crate) fn inspect(path: &Path, terms: &Terms, cancel: Cancel<'_>) -> Result<Inspected, Error> {
    crate::init();
    terms.check_claims(path)?;
    if protected::is_scrambled(path).unwrap_or(false) {
        return Err(Error::Encrypted);
    }
    let mut input = open::source(path)?;
    let Terms { limits, budget } = terms;
    limits.check(Limit::Tracks, input.nb_streams().into())?;
    limits.check(Limit::Chapters, input.nb_chapters().into())?;
    let stream = video_stream(&input)?;
    protected::check(&input, stream)?;
    let video = input.stream(stream).expect("video_stream gives an index of this input");
    let params = ffi::video_params(&video.parameters());
    if ffmpeg_next::decoder::find(video.parameters().id()).is_none() {
        return Err(Error::NoDecoder { codec: params.codec });
    }
    check_size(&params)?;
    limits.check(Limit::Pixels, u64::from(params.width) * u64::from(params.height))?;
    let footage = ffi::footage(&video.parameters());
    let threads = budget.examining(&footage)?;
    let format = ffi::pixel_format(params.pixel_format)
        .ok_or_else(|| Error::Damaged { what: format!("no picture of its {} stream can be decoded", params.codec) })?;
    let side_data = |kind| video.side_data().find(|s| s.kind() == kind);
    let matrix = side_data(side_data::Type::DisplayMatrix).and_then(|s| display_matrix(s.data()));
    let packing = side_data(side_data::Type::Stereo3d).and_then(|s| ffi::packing(s.data()));
    let is_interlaced = ffi::is_interlaced(&video.parameters());
    let hdr = match params.transfer {
        prefilter::PQ => Some(HdrTransfer::Pq),
        prefilter::HLG => Some(HdrTransfer::Hlg),
        _ => None,
    };
    let orientation = matrix.as_ref().map(Orientation::from_display_matrix).unwrap_or_default();
    let aspect = params.sample_aspect_ratio;
    let (time_base, avg_frame_rate) = (Ratio::from(video.time_base()), Ratio::from(video.avg_frame_rate()));
    let (listed, promised_secs) = (ffi::index_entries(&video), input.duration() as f64 / 1e6);
    let start_secs = ffi::start_micros(&input).map_or(0.0, |s| s as f64 / 1e6);
    let count = |kind| input.streams().filter(|s| s.parameters().medium() == kind).count();
    let (sound_streams, subtitle_streams) = (count(Type::Audio), count(Type::Subtitle));
    let (chapters, container) = (input.nb_chapters() as usize, input.format().name().to_owned());
    let is_mp4 = index::is_mp4(&input);

    let survey = index::read(path, &mut input, stream, terms, threads, cancel)?;
    // Other containers' indexes are incomplete, or count entries that are never shown.
    let (promised, is_last_cut) = if is_mp4 { (listed, survey.is_last_cut) } else { (0, false) };
    if survey.packets < promised || is_last_cut {
        let readable = survey.packets - u64::from(is_last_cut);
        return Err(Error::Truncated { readable, promised: promised.max(survey.packets) });
    }
    let index = survey.index;
    let (Some(&start_pts), end_pts) = (index.shown.first(), index.end_pts) else {
        return Err(Error::Damaged { what: "its video stream holds no frame".to_owned() });
    };
    // A Matroska header's duration is only a hint: it may be wrong, and times needn't start at zero. Other containers'
    // durations are estimates.
    let (end_secs, tolerance) = (survey.end_secs - start_secs.min(0.0), f64::max(1.0, promised_secs * 0.01));
    if container.contains("matroska")
        && end_secs < promised_secs - tolerance
        && open::is_matroska_cut(path).map_err(|e| Error::io("reading", path, e))?
    {
        return Err(Error::EndsEarly { readable_secs: end_secs, promised_secs });
    }
    limits.check_duration(time_base.secs(end_pts - start_pts))?;
    let (width, height) = orientation.turned(params.width, params.height);
    let info = SourceInfo {
        container,
        codec: params.codec.clone(),
        bit_depth: format.bit_depth,
        width,
        height,
        coded_width: params.width,
        coded_height: params.height,
        orientation,
        rotation_degrees: orientation.clockwise_degrees(),
        sample_aspect_ratio: if orientation.is_transposed { aspect.inverted() } else { aspect },
        colour: colour_tags(&params, &format),
        pixel_format: format.name,
        time_base,
        avg_frame_rate,
        frames: index.shown.len() as u64,
        start_pts,
        end_pts,
        duration_secs: time_base.secs(end_pts - start_pts),
        keyframes: index.keyframes(),
        sound_streams,
        subtitle_streams,
        chapters,
    };
    let clock_jumps = survey.clock_jumps;
    Ok(Inspected { info, index, stream, hdr, is_interlaced, packing, clock_jumps, footage, threads })
}

/// The video stream to convert: FFmpeg's best one that is not a cover picture.
pub(crate) fn video_stream(input: &Input) -> Result<usize, Error> {
    let is_video = |s: &ffmpeg_next::Stream<'_>| {
        s.parameters().medium() == Type::Video && !s.disposition().contains(Disposition::ATTACHED_PIC)
    };
    let best = input.streams().best(Type::Video).filter(is_video);
    best.or_else(|| input.streams().find(is_video)).map(|s| s.index()).ok_or_else(|| {
        match input.streams().filter(|s| s.parameters().medium() == Type::Audio).count() {
            0 => Error::NotAVideo,
            sound => Error::NoVideo { sound },
        }
    })
}

fn check_size(params: &VideoParams) -> Result<(), Error> {
    let &VideoParams { width, height, .. } = params;
    if width == 0 || height == 0 {
        return Err(Error::Damaged { what: "its picture size can't be found".to_owned() });
    }
    if width < MIN_SIDE || height < MIN_SIDE {
        return Err(Error::TooSmall { width, height });
    }
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(Error::TooLarge { width, height });
    }
    Ok(())
}

fn display_matrix(bytes: &[u8]) -> Option<[i32; 9]> {
    let mut matrix = [0; 9];
    if bytes.len() < 36 {
        return None;
    }
    for (value, four) in matrix.iter_mut().zip(bytes.chunks_exact(4)) {
        *value = i32::from_ne_bytes(four.try_into().expect("chunks of four"));
    }
    Some(matrix)
}

/// The source's colour tags. The result must specify a matrix, so an unspecified or RGB matrix becomes what players
/// assume for the height.
fn colour_tags(params: &VideoParams, format: &ffi::PixelFormat) -> ColourTags {
    let matrix = match params.matrix {
        0 | 2 | 3 => {
            if params.height >= 720 {
                1
            } else {
                6
            }
        }
        matrix => matrix,
    };
    let is_full_range = !format.is_rgb && (params.range == 2 || format.is_full_range);
    ColourTags { matrix, primaries: params.primaries, transfer: params.transfer, is_full_range }
}
