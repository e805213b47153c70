//! Converts decoded frames to pictures: 8 bit, 4:2:0, upright, both sides even.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame;
use ffmpeg_next::software::scaling::{self, Flags};
use stereospot_picture::Picture;

use crate::manifest::{ColourTags, Orientation, Ratio};
use crate::{Error, ffi};

/// Converts the frames of one source.
pub(crate) struct Converter {
    colour: ColourTags,
    orientation: Orientation,
    /// Size before rotation.
    coded: (u32, u32),
    /// Width to height of a pixel; 0/1 if unknown.
    aspect: Ratio,
    scaler: Option<scaling::Context>,
}

impl Converter {
    /// Size and aspect ratio of a pixel are those after rotation.
    pub(crate) fn new(width: u32, height: u32, colour: ColourTags, orientation: Orientation, aspect: Ratio) -> Self {
        let aspect = if orientation.is_transposed { aspect.inverted() } else { aspect };
        Self { colour, orientation, coded: orientation.turned(width, height), aspect, scaler: None }
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
        let (width, height) = self.fitting(frame);
        let fits = |s: &scaling::Context| {
            let (from, to) = (s.input(), s.output());
            (from.format, from.width, from.height) == wanted && (to.width, to.height) == (width, height)
        };
        if !self.scaler.as_ref().is_some_and(fits) {
            let flags = Flags::BICUBIC | Flags::ACCURATE_RND | Flags::FULL_CHR_H_INP;
            let (format, w, h) = wanted;
            let mut scaler = scaling::Context::get(format, w, h, Pixel::YUV420P, width, height, flags)
                .map_err(|source| Error::Libav { action: "preparing the colour conversion".into(), source })?;
            let is_full = self.colour.is_full_range;
            ffi::set_scaler_colours(&mut scaler, self.colour.matrix, is_full, is_full);
            self.scaler = Some(scaler);
        }
        let scaler = self.scaler.as_mut().expect("set just above");
        let mut scaled = frame::Video::empty();
        scaler
            .run(frame, &mut scaled)
            .map_err(|source| Error::Libav { action: "converting colours".into(), source })?;
        Ok(if (width, height) == self.coded { scaled } else { self.with_bars(&scaled) })
    }

    /// The size that shows the frame in its own shape within the picture: the picture's size, unless the stream changes
    /// its shape.
    fn fitting(&self, frame: &frame::Video) -> (u32, u32) {
        let (width, height) = self.coded;
        if (frame.width(), frame.height()) == self.coded {
            return self.coded;
        }
        let pixel = |aspect: Ratio| if aspect.num > 0 && aspect.den > 0 { aspect.secs(1) } else { 1.0 };
        let shape = f64::from(frame.width()) * pixel(frame.aspect_ratio().into()) / f64::from(frame.height());
        let own = f64::from(width) * pixel(self.aspect) / f64::from(height);
        // Even sizes, so that the chroma stays in place.
        let even =
            |side: f64, most: u32| if side > f64::from(most) - 2.0 { most } else { (side / 2.0).round() as u32 * 2 };
        (
            even(f64::from(width) * (shape / own).min(1.0), width),
            even(f64::from(height) * (own / shape).min(1.0), height),
        )
    }

    /// Puts a smaller picture into the middle of a black one.
    fn with_bars(&self, small: &frame::Video) -> frame::Video {
        let mut whole = frame::Video::new(Pixel::YUV420P, self.coded.0, self.coded.1);
        let left = (self.coded.0 - small.width()) as usize / 4 * 2;
        let top = (self.coded.1 - small.height()) as usize / 4 * 2;
        for plane in 0..3 {
            let black = match (plane, self.colour.is_full_range) {
                (0, true) => 0,
                (0, false) => 16,
                _ => 128,
            };
            whole.data_mut(plane).fill(black);
            let shrunk = usize::from(plane > 0);
            let (stride, from_stride) = (whole.stride(plane), small.stride(plane));
            let (width, height) = (small.plane_width(plane) as usize, small.plane_height(plane) as usize);
            for y in 0..height {
                let to = ((top >> shrunk) + y) * stride + (left >> shrunk);
                whole.data_mut(plane)[to..to + width].copy_from_slice(&small.data(plane)[y * from_stride..][..width]);
            }
        }
        whole
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
