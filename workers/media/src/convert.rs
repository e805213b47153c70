//! Converts decoded frames to pictures: 8 bit, 4:2:0, upright, both sides even.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame;
use ffmpeg_next::software::scaling::{self, Flags};
use stereospot_picture::Picture;

use crate::manifest::{ColourTags, Orientation};
use crate::{Error, ffi};

/// Converts the frames of one source.
pub(crate) struct Converter {
    colour: ColourTags,
    orientation: Orientation,
    /// Size before rotation.
    coded: (u32, u32),
    scaler: Option<scaling::Context>,
}

impl Converter {
    /// `width` and `height` are the display size, after rotation.
    pub(crate) fn new(width: u32, height: u32, colour: ColourTags, orientation: Orientation) -> Self {
        Self { colour, orientation, coded: orientation.turned(width, height), scaler: None }
    }

    /// Copies the samples unchanged if the frame is 8-bit 4:2:0 of the expected size; otherwise converts it, keeping
    /// matrix and range.
    pub(crate) fn picture(&mut self, frame: &frame::Video) -> Result<Picture, Error> {
        let is_plain = matches!(frame.format(), Pixel::YUV420P | Pixel::YUVJ420P);
        if is_plain && (frame.width(), frame.height()) == self.coded {
            return Ok(self.turned(frame));
        }
        let scaled = self.scaled(frame)?;
        Ok(self.turned(&scaled))
    }

    fn scaled(&mut self, frame: &frame::Video) -> Result<frame::Video, Error> {
        let wanted = (frame.format(), frame.width(), frame.height());
        let fits = |s: &scaling::Context| (s.input().format, s.input().width, s.input().height) == wanted;
        if !self.scaler.as_ref().is_some_and(fits) {
            let flags = Flags::BICUBIC | Flags::ACCURATE_RND | Flags::FULL_CHR_H_INP;
            let (format, w, h) = wanted;
            let mut scaler = scaling::Context::get(format, w, h, Pixel::YUV420P, self.coded.0, self.coded.1, flags)
                .map_err(|source| Error::Libav { action: "preparing the colour conversion", source })?;
            let is_full = self.colour.is_full_range;
            ffi::set_scaler_colours(&mut scaler, self.colour.matrix, is_full, is_full);
            self.scaler = Some(scaler);
        }
        let scaler = self.scaler.as_mut().expect("set just above");
        let mut scaled = frame::Video::empty();
        scaler.run(frame, &mut scaled).map_err(|source| Error::Libav { action: "converting colours", source })?;
        Ok(scaled)
    }

    fn turned(&self, frame: &frame::Video) -> Picture {
        let (width, height) = self.orientation.turned(frame.width(), frame.height());
        let even = |side: u32| (side as usize).next_multiple_of(2);
        let mut picture = Picture::new(even(width), even(height), self.colour.colour());
        for (i, (plane, out_width, _)) in picture.planes_mut().into_iter().enumerate() {
            let source = Plane {
                samples: frame.data(i),
                stride: frame.stride(i),
                width: frame.plane_width(i) as usize,
                height: frame.plane_height(i) as usize,
            };
            source.copy_to(plane, out_width, self.orientation);
        }
        picture
    }
}

struct Plane<'a> {
    samples: &'a [u8],
    stride: usize,
    width: usize,
    height: usize,
}

impl Plane<'_> {
    /// Fills `out` (rows of `out_width`) with the rotated plane; repeats the last column and row where `out` is larger.
    fn copy_to(&self, out: &mut [u8], out_width: usize, turn: Orientation) {
        let (width, height) = if turn.is_transposed { (self.height, self.width) } else { (self.width, self.height) };
        for (y, row) in out.chunks_exact_mut(out_width).enumerate() {
            let y = y.min(height - 1);
            let y = if turn.is_mirrored_y { height - 1 - y } else { y };
            if turn == (Orientation { is_mirrored_y: turn.is_mirrored_y, ..Orientation::default() }) {
                let whole = &self.samples[y * self.stride..][..width];
                row[..width].copy_from_slice(whole);
                row[width..].fill(whole[width - 1]);
                continue;
            }
            for (x, sample) in row.iter_mut().enumerate() {
                let x = x.min(width - 1);
                let x = if turn.is_mirrored_x { width - 1 - x } else { x };
                let at = if turn.is_transposed { x * self.stride + y } else { y * self.stride + x };
                *sample = self.samples[at];
            }
        }
    }
}

#[cfg(test)]
mod tests;
