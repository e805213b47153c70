//! Recognises videos whose pictures no ordinary decoder shows: encrypted ones, and Dolby Vision without a base layer.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ffmpeg_next::codec::packet::side_data;
use ffmpeg_next::format::context::Input;

use crate::{Error, ffi};

/// Sample entries of protected MP4 tracks: Common Encryption, FairPlay.
const PROTECTED: [&[u8; 4]; 4] = [b"encv", b"drmi", b"drmt", b"p264"];

/// Fails for an encrypted stream and for Dolby Vision without a base layer.
pub(crate) fn check(input: &Input, stream: usize) -> Result<(), Error> {
    let video = input.stream(stream).expect("the caller chose a stream of this input");
    if PROTECTED.contains(&&ffi::codec_tag(&video.parameters())) {
        return Err(Error::Encrypted);
    }
    for data in video.side_data() {
        match data.kind() {
            side_data::Type::EncryptionInitInfo | side_data::Type::EncryptionInfo => return Err(Error::Encrypted),
            side_data::Type::DOVI_CONF => dolby_vision(data.data())?,
            _ => {}
        }
    }
    Ok(())
}

/// Fails unless the base layer is HDR10, HLG or SDR by itself. Takes FFmpeg's `AVDOVIDecoderConfigurationRecord`.
fn dolby_vision(record: &[u8]) -> Result<(), Error> {
    let &[_, _, profile, _, _, _, has_base_layer, compatibility, ..] = record else { return Ok(()) };
    // Profiles 4 and 7 always have an ordinary base layer.
    let is_plain = compatibility != 0 || matches!(profile, 4 | 7);
    if has_base_layer == 0 || !is_plain { Err(Error::DolbyVision { profile }) } else { Ok(()) }
}

/// Bytes of a transport stream that are examined.
const EXAMINED: u64 = 4 << 20;
const PACKET: usize = 188;

/// True for an MPEG transport stream (also with 4 bytes before each packet, as on Blu-ray) most of whose packets are
/// marked as scrambled. FFmpeg finds no picture in those.
pub(crate) fn is_scrambled(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(EXAMINED).read_to_end(&mut head)?;
    for (lead, step) in [(0, PACKET), (4, PACKET + 4)] {
        let packets: Vec<&[u8]> = head.chunks_exact(step).map(|chunk| &chunk[lead..]).collect();
        if packets.len() < 10 || packets.iter().any(|packet| packet[0] != 0x47) {
            continue;
        }
        let is_null = |packet: &&&[u8]| packet[1] & 0x1f == 0x1f && packet[2] == 0xff;
        let used = packets.iter().filter(|packet| !is_null(packet)).count();
        let scrambled = packets.iter().filter(|packet| packet[3] & 0xc0 != 0).count();
        return Ok(scrambled * 2 > used);
    }
    Ok(false)
}
