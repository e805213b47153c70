//! Writes the rows of both eyes to their places in the packed picture.

use stereospot_picture::{Colour, Picture};

use crate::anaglyph::Mixer;
use crate::layout::Layout;

/// Writes rows of both eyes into a picture. The rows of each plane must come in order, and the two luma rows of a
/// chroma row before it.
pub(super) struct Packing<'a> {
    out: &'a mut Picture,
    kind: Kind,
}

enum Kind {
    Beside {
        is_crossed: bool,
    },
    BesideHalf,
    Above,
    /// Even rows of each plane wait here for the next row.
    AboveHalf([Vec<u8>; 3]),
    Mixed(Box<Mixer>),
}

impl<'a> Packing<'a> {
    pub(super) fn new(layout: Layout, colour: Colour, out: &'a mut Picture) -> Self {
        let kind = match layout {
            Layout::Sbs => Kind::Beside { is_crossed: false },
            Layout::CrossEyed => Kind::Beside { is_crossed: true },
            Layout::HalfSbs => Kind::BesideHalf,
            Layout::Tb => Kind::Above,
            Layout::HalfTb => Kind::AboveHalf(Default::default()),
            Layout::Anaglyph(kind) => Kind::Mixed(Box::new(Mixer::new(kind, colour, out.width()))),
        };
        Self { out, kind }
    }

    /// Takes row `y` of a plane (0 Y, 1 U, 2 V) as seen by each eye.
    pub(super) fn put(&mut self, plane: usize, y: usize, left: &[u8], right: &[u8]) {
        let (samples, width, height) = {
            let mut planes = self.out.planes_mut();
            std::mem::take(&mut planes[plane])
        };
        match &mut self.kind {
            Kind::Beside { is_crossed } => {
                let (first, second) = samples[y * width..(y + 1) * width].split_at_mut(width / 2);
                let (left_place, right_place) = if *is_crossed { (second, first) } else { (first, second) };
                left_place.copy_from_slice(left);
                right_place.copy_from_slice(right);
            }
            Kind::BesideHalf => {
                let (first, second) = samples[y * width..(y + 1) * width].split_at_mut(width / 2);
                halve(left, first);
                halve(right, second);
            }
            Kind::Above => {
                let (first, second) = samples.split_at_mut(samples.len() / 2);
                first[y * width..(y + 1) * width].copy_from_slice(left);
                second[y * width..(y + 1) * width].copy_from_slice(right);
            }
            Kind::AboveHalf(waiting) => {
                let waiting = &mut waiting[plane];
                let eye_rows = height / 2;
                let (first, second) = samples.split_at_mut(samples.len() / 2);
                let row = y / 2;
                if y.is_multiple_of(2) {
                    // Average the row with itself for now; if it is the source's last row, that is final.
                    waiting.clear();
                    waiting.extend_from_slice(left);
                    waiting.extend_from_slice(right);
                }
                let (left_before, right_before) = waiting.split_at(width);
                mean(left_before, left, &mut first[row * width..(row + 1) * width]);
                mean(right_before, right, &mut second[row * width..(row + 1) * width]);
                if row + 2 == eye_rows {
                    // The packed eye may have one row more than the source has pairs. Repeat the last row there.
                    first[(row + 1) * width..(row + 2) * width].copy_from_slice(left);
                    second[(row + 1) * width..(row + 2) * width].copy_from_slice(right);
                }
            }
            Kind::Mixed(mixer) => mixer.put(plane, y, left, right, self.out),
        }
    }
}

/// Averages pairs of samples; repeats the row's last sample if `out` is longer.
fn halve(row: &[u8], out: &mut [u8]) {
    let (pairs, _) = row.as_chunks::<2>();
    for (out, pair) in out.iter_mut().zip(pairs) {
        // Load a pair as one number, so that the compiler vectorises the loop.
        let both = u16::from_le_bytes(*pair);
        *out = (((both & 0xff) + (both >> 8) + 1) >> 1) as u8;
    }
    if let Some(rest) = out.get_mut(pairs.len()..) {
        rest.fill(row[row.len() - 1]);
    }
}

fn mean(a: &[u8], b: &[u8], out: &mut [u8]) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = ((u16::from(*a) + u16::from(*b) + 1) >> 1) as u8;
    }
}
