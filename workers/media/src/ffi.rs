//! FFmpeg functions and fields that ffmpeg-next does not wrap. All unsafe code of this crate is here.
#![expect(unsafe_code, reason = "FFmpeg's fields without a safe wrapper: colour details, side data, tags, extradata")]

use std::ffi::{CStr, c_int};
use std::ptr;

use ffmpeg_next::codec::{self, Parameters};
use ffmpeg_next::format::context::{Input, Output};
use ffmpeg_next::format::stream::{Stream, StreamMut};
use ffmpeg_next::software::scaling;
use ffmpeg_next::{Packet, ffi};

use crate::budget::{self, Footage};
use crate::manifest::{Ratio, StereoLayout};

/// A copy of the codec parameters that this crate reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VideoParams {
    pub(crate) codec: String,
    pub(crate) codec_id: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// FFmpeg's number of the pixel format, -1 if unknown.
    pub(crate) pixel_format: i32,
    pub(crate) sample_aspect_ratio: Ratio,
    pub(crate) matrix: u8,
    pub(crate) primaries: u8,
    pub(crate) transfer: u8,
    /// 0 unspecified, 1 limited, 2 full.
    pub(crate) range: u8,
    pub(crate) extradata: Vec<u8>,
}

#[derive(Debug, Clone)]
pub(crate) struct PixelFormat {
    pub(crate) name: String,
    pub(crate) bit_depth: u32,
    pub(crate) is_rgb: bool,
    /// True for the old "J" formats, which are full range by definition.
    pub(crate) is_full_range: bool,
}

pub(crate) fn video_params(parameters: &Parameters) -> VideoParams {
    // SAFETY: `parameters` holds a live AVCodecParameters; extradata has extradata_size bytes when it is not null.
    unsafe {
        let p = &*parameters.as_ptr();
        let extradata = if p.extradata.is_null() || p.extradata_size <= 0 {
            Vec::new()
        } else {
            std::slice::from_raw_parts(p.extradata, p.extradata_size as usize).to_vec()
        };
        VideoParams {
            codec: CStr::from_ptr(ffi::avcodec_get_name(p.codec_id)).to_string_lossy().into_owned(),
            codec_id: p.codec_id as u32,
            width: p.width.max(0) as u32,
            height: p.height.max(0) as u32,
            pixel_format: p.format,
            sample_aspect_ratio: Ratio { num: p.sample_aspect_ratio.num, den: p.sample_aspect_ratio.den },
            matrix: p.color_space as u8,
            primaries: p.color_primaries as u8,
            transfer: p.color_trc as u8,
            range: p.color_range as u8,
            extradata,
        }
    }
}

/// Looks up a pixel format by FFmpeg's number.
pub(crate) fn pixel_format(number: i32) -> Option<PixelFormat> {
    if !(0..ffi::AVPixelFormat::AV_PIX_FMT_NB as i32).contains(&number) {
        return None;
    }
    // SAFETY: the number was checked against the range of the enumeration, which has no gaps; descriptors are static.
    unsafe {
        let format = std::mem::transmute::<c_int, ffi::AVPixelFormat>(number);
        let descriptor = ffi::av_pix_fmt_desc_get(format).as_ref()?;
        let name = CStr::from_ptr(descriptor.name).to_string_lossy().into_owned();
        Some(PixelFormat {
            bit_depth: descriptor.comp[0].depth.max(0) as u32,
            is_rgb: descriptor.flags & ffi::AV_PIX_FMT_FLAG_RGB as u64 != 0 || name.starts_with("pal"),
            is_full_range: name.starts_with("yuvj"),
            name,
        })
    }
}

/// Bits per sample of a decoded frame, 8 if unknown.
pub(crate) fn bit_depth(frame: &ffmpeg_next::frame::Video) -> u32 {
    pixel_format(format_number(frame)).map_or(8, |f| f.bit_depth.clamp(8, 16))
}

/// The bytes of one plane of decoded sound; empty if there is no such plane. Unlike ffmpeg-next's accessor it knows more
/// than eight planes.
pub(crate) fn sound_plane(frame: &ffmpeg_next::frame::Audio, plane: usize) -> &[u8] {
    let count = if frame.is_planar() { usize::from(frame.channels()) } else { 1 };
    // SAFETY: extended_data has a pointer for each plane, each to linesize[0] bytes that live as long as the frame.
    unsafe {
        let raw = &*frame.as_ptr();
        if plane >= count || raw.extended_data.is_null() || raw.linesize[0] <= 0 {
            return &[];
        }
        let data = *raw.extended_data.add(plane);
        if data.is_null() { &[] } else { std::slice::from_raw_parts(data, raw.linesize[0] as usize) }
    }
}

/// What decoding a stream takes, as its parameters state it. An untrue statement is caught by the process's hard limit.
pub(crate) fn footage(parameters: &Parameters) -> Footage {
    use ffi::AVCodecID::*;
    // SAFETY: plain reads of live parameters; descriptors are static, and the number was checked against the enumeration.
    let (codec, width, height, level, is_intra, bits_per_pixel) = unsafe {
        let p = &*parameters.as_ptr();
        let is_known = (0..ffi::AVPixelFormat::AV_PIX_FMT_NB as i32).contains(&p.format);
        let format = is_known.then(|| {
            let format = std::mem::transmute::<c_int, ffi::AVPixelFormat>(p.format);
            ffi::av_pix_fmt_desc_get(format).as_ref()
        });
        let bits =
            format.flatten().map_or(32, |descriptor| ffi::av_get_padded_bits_per_pixel(descriptor).max(8) as u32);
        let about = ffi::avcodec_descriptor_get(p.codec_id).as_ref();
        let is_intra = about.is_some_and(|about| about.props & ffi::AV_CODEC_PROP_INTRA_ONLY as c_int != 0);
        (p.codec_id, p.width.max(0) as u32, p.height.max(0) as u32, p.level, is_intra, bits)
    };
    let references = match codec {
        AV_CODEC_ID_H264 => budget::h264_references(width, height, level),
        AV_CODEC_ID_HEVC => budget::hevc_references(width, height, level),
        AV_CODEC_ID_VP9 | AV_CODEC_ID_AV1 => 8,
        _ if is_intra => 0,
        _ => 3,
    };
    let is_heavy = codec == AV_CODEC_ID_JPEG2000;
    Footage { width, height, bits_per_pixel, references, is_heavy, is_deinterlaced: false, is_tone_mapped: false }
}

/// FFmpeg's number of a frame's pixel format.
pub(crate) fn format_number(frame: &ffmpeg_next::frame::Video) -> i32 {
    // SAFETY: plain read of a field of a live frame.
    unsafe { (*frame.as_ptr()).format }
}

/// True if the container says that frames consist of two fields taken at different times.
pub(crate) fn is_interlaced(parameters: &Parameters) -> bool {
    use ffi::AVFieldOrder::*;
    // SAFETY: plain read of a field of live parameters.
    let order = unsafe { (*parameters.as_ptr()).field_order };
    !matches!(order, AV_FIELD_UNKNOWN | AV_FIELD_PROGRESSIVE)
}

/// The codec's tag in its container, as four characters.
pub(crate) fn codec_tag(parameters: &Parameters) -> [u8; 4] {
    // SAFETY: plain read of a field of live parameters.
    unsafe { (*parameters.as_ptr()).codec_tag }.to_le_bytes()
}

/// How the decoder's bitstream, or the container, says that two views are packed. None for one view. The number is
/// FFmpeg's `AVStereo3DType`, which starts the structure that side data holds.
pub(crate) fn packing(stereo3d: &[u8]) -> Option<&'static str> {
    let kind = u32::from_ne_bytes(stereo3d.get(..4)?.try_into().ok()?);
    // SAFETY: the function takes any number and returns a static string.
    let name = unsafe { CStr::from_ptr(ffi::av_stereo3d_type_name(kind)) };
    (kind != 0).then(|| name.to_str().unwrap_or("stereo"))
}

pub(crate) fn codec_name(parameters: &Parameters) -> String {
    video_params(parameters).codec
}

/// Number of entries in the container's index for a stream, 0 if it has none.
pub(crate) fn index_entries(stream: &Stream<'_>) -> u64 {
    // SAFETY: the stream lives as long as its context, which `stream` borrows.
    unsafe { ffi::avformat_index_get_entries_count(stream.as_ptr()).max(0) as u64 }
}

/// True for formats whose timestamps start at an arbitrary value (transport streams).
pub(crate) fn starts_anywhere(input: &Input) -> bool {
    // SAFETY: an open input has a format description.
    unsafe { (*(*input.as_ptr()).iformat).flags & ffi::AVFMT_TS_DISCONT as c_int != 0 }
}

/// Start time of the whole file in microseconds, if known.
pub(crate) fn start_micros(input: &Input) -> Option<i64> {
    // SAFETY: plain read of a field of a live context.
    let start = unsafe { (*input.as_ptr()).start_time };
    (start != ffi::AV_NOPTS_VALUE).then_some(start)
}

/// True for a packet whose frame must be decoded but is hidden by an edit list.
pub(crate) fn is_hidden(packet: &Packet) -> bool {
    use ffmpeg_next::packet::Ref;
    // SAFETY: plain read of a field of a live packet.
    unsafe { (*packet.as_ptr()).flags & ffi::AV_PKT_FLAG_DISCARD != 0 }
}

pub(crate) fn muxer_takes(output: &Output, codec: codec::Id) -> bool {
    // SAFETY: the format description of an open output is static.
    unsafe { ffi::avformat_query_codec((*output.as_ptr()).oformat, codec.into(), ffi::FF_COMPLIANCE_UNOFFICIAL) == 1 }
}

/// Lets the muxer choose its own tag for the codec; another container's tag may be invalid in this one.
pub(crate) fn clear_codec_tag(stream: &mut StreamMut<'_>) {
    // SAFETY: codecpar of a live stream is never null.
    unsafe { (*(*stream.as_mut_ptr()).codecpar).codec_tag = 0 }
}

/// Sets the container's pixel aspect ratio for the stream.
pub(crate) fn set_stream_aspect(stream: &mut StreamMut<'_>, aspect: Ratio) {
    // SAFETY: plain write to a field of a live stream.
    unsafe { (*stream.as_mut_ptr()).sample_aspect_ratio = ffi::AVRational { num: aspect.num, den: aspect.den.max(1) } }
}

/// Copies disposition and metadata (language, title) from one stream to another.
pub(crate) fn copy_stream_facts(from: &Stream<'_>, to: &mut StreamMut<'_>) {
    // SAFETY: both streams are live; av_dict_copy takes any dictionary, null included.
    unsafe {
        (*to.as_mut_ptr()).disposition = (*from.as_ptr()).disposition;
        ffi::av_dict_copy(&mut (*to.as_mut_ptr()).metadata, (*from.as_ptr()).metadata, 0);
    }
}

/// Copies the file's metadata (title, date) from one context to another.
pub(crate) fn copy_file_metadata(from: &Input, to: &mut Output) {
    // SAFETY: both contexts are live; av_dict_copy takes any dictionary, null included.
    unsafe {
        ffi::av_dict_copy(&mut (*to.as_mut_ptr()).metadata, (*from.as_ptr()).metadata, 0);
    }
}

/// A chapter's title, empty if it has none.
pub(crate) fn chapter_title(chapter: &ffmpeg_next::Chapter<'_>) -> String {
    // SAFETY: the chapter is live; av_dict_get takes any dictionary, null included, and gives a NUL-terminated value or null.
    unsafe {
        let entry = ffi::av_dict_get((*chapter.as_ptr()).metadata, c"title".as_ptr(), ptr::null(), 0);
        entry.as_ref().map_or_else(String::new, |e| CStr::from_ptr(e.value).to_string_lossy().into_owned())
    }
}

/// Sets a subtitle stream's codec and header bytes.
pub(crate) fn set_subtitle_params(stream: &mut StreamMut<'_>, codec: codec::Id, header: &[u8]) {
    // SAFETY: codecpar is live; the buffer is allocated with FFmpeg's allocator and padding and owned by codecpar from then on.
    unsafe {
        let p = (*stream.as_mut_ptr()).codecpar;
        (*p).codec_type = ffi::AVMediaType::AVMEDIA_TYPE_SUBTITLE;
        (*p).codec_id = codec.into();
        (*p).codec_tag = 0;
        let data = ffi::av_mallocz(header.len() + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize).cast::<u8>();
        if !data.is_null() {
            ptr::copy_nonoverlapping(header.as_ptr(), data, header.len());
            (*p).extradata = data;
            (*p).extradata_size = header.len() as c_int;
        }
    }
}

/// `AV_STEREO3D_VIEW_UNSPEC`. FFmpeg before 7.1 does not know it and ignores the field.
const VIEW_UNSPECIFIED: c_int = 3;

/// Marks a stream as holding two views; the MP4 muxer writes it as an `st3d` box. Returns false if memory runs out.
pub(crate) fn mark_stereo(stream: &mut StreamMut<'_>, layout: StereoLayout) -> bool {
    let kind = match layout {
        StereoLayout::Mono => return true,
        StereoLayout::SideBySide => ffi::AVStereo3DType::AV_STEREO3D_SIDEBYSIDE,
        StereoLayout::TopBottom => ffi::AVStereo3DType::AV_STEREO3D_TOPBOTTOM,
    };
    // SAFETY: av_stereo3d_alloc gives zeroed memory of the structure's size; the stream owns it once it was added, else it is
    // freed here.
    unsafe {
        let data = ffi::av_stereo3d_alloc();
        if data.is_null() {
            return false;
        }
        (*data).type_ = kind;
        // If the view is specified, FFmpeg 7.1 also writes a `vexu` box. That box can't express how the views are
        // packed, and FFmpeg's reader then ignores `st3d`. Written as a number, because older versions of the
        // enumeration lack this value.
        (&raw mut (*data).view).cast::<c_int>().write(VIEW_UNSPECIFIED);
        let added = ffi::av_stream_add_side_data(
            stream.as_mut_ptr(),
            ffi::AVPacketSideDataType::AV_PKT_DATA_STEREO3D,
            data.cast(),
            size_of::<ffi::AVStereo3D>(),
        );
        if added < 0 {
            ffi::av_free(data.cast());
        }
        added >= 0
    }
}

/// Sets matrix and range on both sides of a scaler, which guesses them otherwise.
pub(crate) fn set_scaler_colours(scaler: &mut scaling::Context, matrix: u8, is_full_in: bool, is_full_out: bool) {
    let space = match matrix {
        4..=6 => ffi::SWS_CS_ITU601,
        7 => ffi::SWS_CS_SMPTE240M,
        9 | 10 => ffi::SWS_CS_BT2020,
        _ => ffi::SWS_CS_ITU709,
    };
    // SAFETY: the coefficient tables are static; the scaler is live. Formats without such details are left as they are.
    unsafe {
        let table = ffi::sws_getCoefficients(space as c_int);
        ffi::sws_setColorspaceDetails(
            scaler.as_mut_ptr(),
            table,
            c_int::from(is_full_in),
            table,
            c_int::from(is_full_out),
            0,
            1 << 16,
            1 << 16,
        );
    }
}

/// Sets an encoder's colour description from H.273 code points.
pub(crate) fn set_encoder_colours(context: &mut codec::Context, tags: crate::ColourTags) {
    fn known(value: u8, count: u32) -> c_int {
        if u32::from(value) < count { c_int::from(value) } else { 2 }
    }
    // SAFETY: each value was checked against the count of its enumeration, 2 ("unspecified") being a member of all; the
    // enumerations' gaps are members too (reserved).
    unsafe {
        let c = &mut *context.as_mut_ptr();
        c.colorspace =
            std::mem::transmute::<c_int, ffi::AVColorSpace>(known(tags.matrix, ffi::AVColorSpace::AVCOL_SPC_NB as u32));
        c.color_trc = match tags.transfer {
            0 => ffi::AVColorTransferCharacteristic::AVCOL_TRC_UNSPECIFIED,
            t => std::mem::transmute::<c_int, ffi::AVColorTransferCharacteristic>(known(
                t,
                ffi::AVColorTransferCharacteristic::AVCOL_TRC_NB as u32,
            )),
        };
        c.color_primaries = match tags.primaries {
            p @ (1..=12 | 22) => std::mem::transmute::<c_int, ffi::AVColorPrimaries>(c_int::from(p)),
            _ => ffi::AVColorPrimaries::AVCOL_PRI_UNSPECIFIED,
        };
        c.color_range =
            if tags.is_full_range { ffi::AVColorRange::AVCOL_RANGE_JPEG } else { ffi::AVColorRange::AVCOL_RANGE_MPEG };
    }
}

/// Sends FFmpeg's log lines to `tracing` at debug level: what FFmpeg logs as an error is often a property of the input
/// that this crate reports itself.
pub(crate) fn route_log() {
    // SAFETY: the callback has the signature FFmpeg asks for and keeps nothing.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        ffi::av_log_set_callback(Some(log_line));
    }
    // Rust has no portable type for a va_list, so other platforms drop the lines.
    #[cfg(not(target_arch = "x86_64"))]
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet);
}

#[cfg(target_arch = "x86_64")]
unsafe extern "C" fn log_line(
    object: *mut std::ffi::c_void,
    level: c_int,
    format: *const std::ffi::c_char,
    arguments: *mut ffi::__va_list_tag,
) {
    if level > ffi::AV_LOG_WARNING || !tracing::enabled!(target: "libav", tracing::Level::DEBUG) {
        return;
    }
    let mut line = [0 as std::ffi::c_char; 512];
    let mut is_line_start: c_int = 1;
    // SAFETY: the arguments are handed through as they came; the buffer's length is given and the result ends with NUL.
    let text = unsafe {
        let length = line.len() as c_int;
        ffi::av_log_format_line2(object, level, format, arguments, line.as_mut_ptr(), length, &mut is_line_start);
        CStr::from_ptr(line.as_ptr()).to_string_lossy()
    };
    tracing::debug!(target: "libav", "{}", text.trim_end());
}
