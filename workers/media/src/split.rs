//! Splits a source into segments: exactly, by copying packets; by re-encoding if it lacks keyframes to cut at.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stereospot_domain::Warning;
use stereospot_domain::options::{Deinterlace, Packing};

use crate::budget::Target;
use crate::index::Keyframe;
use crate::keyframes::{self, Sights};
use crate::manifest::{self, ColourTags, LeftEye, Manifest, Orientation, Ratio, SegmentSpec, StereoLayout, Treatment};
use crate::plan;
use crate::prefilter::Recipe;
use crate::probe::{self, Inspected, SourceInfo, Terms};
use crate::{Budget, Cancel, Error, Footage, budget, copy, dry_mux, reencode};

/// Examine at most this many keyframes per target length: enough to find a good border, few if every frame is a
/// keyframe.
const LOOKS_PER_TARGET: i64 = 16;

/// How to cut a source, and what to do with its pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choices {
    /// Wanted length of a segment.
    pub target_secs: f64,
    pub deinterlace: Deinterlace,
    /// Convert the left eye of a source that is stereo already.
    pub from: Option<Packing>,
    /// Refuse a source with a stream that the result can't carry.
    pub strict_streams: bool,
    /// Segments may be converted by software that knows no manifest: what the pictures need is done while cutting.
    pub for_others: bool,
    pub terms: Terms,
    /// What the segments will be converted to, if by a worker with the same budget: a source whose conversion can't fit is
    /// refused before it is cut.
    pub target: Option<Target>,
}

impl Choices {
    /// A cut about every `target_secs`, all else by default.
    #[must_use]
    pub fn every(target_secs: f64) -> Self {
        let (deinterlace, strict_streams, for_others) = (Deinterlace::Auto, false, false);
        Self { target_secs, deinterlace, from: None, strict_streams, for_others, terms: Terms::default(), target: None }
    }
}

/// A source and its planned segments. Nothing is written yet.
pub struct Split {
    source: PathBuf,
    inspected: Inspected,
    manifest: Manifest,
    recipe: Recipe,
    budget: Budget,
    target: i64,
    is_recut: bool,
    warnings: Vec<Warning>,
}

impl Split {
    /// Probes the source and plans a cut about every `target_secs`.
    ///
    /// # Errors
    /// The errors of [`Split::plan_as`].
    pub fn plan(source: &Path, target_secs: f64, cancel: Cancel<'_>) -> Result<Self, Error> {
        Self::plan_as(source, &Choices::every(target_secs), cancel)
    }

    /// Probes the source, plans its cut, and muxes its other streams to nowhere to learn which of them the result can
    /// carry.
    ///
    /// # Errors
    /// The errors of [`probe::probe`]; [`Error::StreamRefused`] if the choices ask for it.
    pub fn plan_as(source: &Path, choices: &Choices, cancel: Cancel<'_>) -> Result<Self, Error> {
        let mut inspected = probe::inspect(source, &choices.terms, cancel)?;
        let budget = choices.terms.budget;
        let target = inspected.info.time_base.ticks(choices.target_secs).max(1);
        let Cut { mut borders, mut is_recut, sights } = choose_borders(source, &inspected, target, cancel)?;
        let (recipe, mut warnings) = recipe(&inspected, &sights, choices);
        inspected.footage.is_deinterlaced = recipe.treatment.is_deinterlaced;
        inspected.footage.is_tone_mapped = recipe.treatment.tone_mapped_from.is_some();
        let info = &inspected.info;
        if choices.for_others && !is_recut && !recipe.treatment.is_none() {
            (borders, is_recut) = (plan::even_borders(&inspected.index, target), true);
        }
        let scene_cuts = if is_recut { Vec::new() } else { scene_cuts(source, &inspected, &borders, cancel)? };
        let segments = plan::segments(&inspected.index, &borders, |pts| scene_cuts.contains(&pts));
        let mut manifest = Manifest {
            version: manifest::VERSION,
            time_base: info.time_base,
            width: recipe.width,
            height: recipe.height,
            frames: info.frames,
            start_pts: info.start_pts,
            end_pts: info.end_pts,
            avg_frame_rate: info.avg_frame_rate,
            sample_aspect_ratio: recipe.sample_aspect_ratio,
            colour: recipe.colour,
            orientation: info.orientation,
            treatment: recipe.treatment,
            side_streams: Vec::new(),
            segments,
        };
        if is_recut {
            plan_for_reencoding(&mut manifest);
        }
        if is_recut {
            budget.reencoding(&inspected.footage, reencode::PRESET)?;
        }
        if let Some(target) = &choices.target {
            let pictures = if is_recut { reencoded(&inspected.footage) } else { inspected.footage };
            budget.converting(&pictures, target, budget::RESIDENT)?;
        }
        let tried = dry_mux::run(source, inspected.stream, &manifest, &budget, cancel)?;
        let left_out = tried.warnings.iter().find(|warning| matches!(warning, Warning::StreamLeftOut { .. }));
        if let Some(warning) = left_out.filter(|_| choices.strict_streams) {
            return Err(Error::StreamRefused { warning: warning.clone() });
        }
        manifest.side_streams = tried.side_streams;
        warnings.extend(tried.warnings);
        Ok(Self { source: source.to_path_buf(), inspected, manifest, recipe, budget, target, is_recut, warnings })
    }

    /// The plan. [`Split::write`] may replace it by one that re-encodes.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The source's properties.
    #[must_use]
    pub fn info(&self) -> &SourceInfo {
        &self.inspected.info
    }

    /// The pictures of the segments, which [`Split::write`] may change.
    #[must_use]
    pub fn footage(&self) -> Footage {
        if self.is_recut { reencoded(&self.inspected.footage) } else { self.inspected.footage }
    }

    /// The pictures of the source, which are those of a segment that another service cut.
    #[must_use]
    pub fn source_footage(&self) -> Footage {
        self.inspected.footage
    }

    /// What is changed or left out, as far as it is known before the conversion.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// True if the segments are re-encoded (nearly lossless) instead of copied: the source has too few keyframes, or
    /// its packets can't be copied.
    #[must_use]
    pub fn is_recut(&self) -> bool {
        self.is_recut
    }

    /// Writes the segments to the paths that `path_of(index, total)` returns, and calls `on_segment` for each in order
    /// once all are written.
    ///
    /// The first picture of every copied segment is compared with what the source shows there. Where it differs in
    /// every segment container, or no container takes the codec, the source is cut by re-encoding: the manifest is
    /// another one then.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; [`Error::DiskFull`], [`Error::Io`]; [`Error::Damaged`] if no frame of the source can be
    /// decoded (only detected when re-encoding).
    pub fn write(
        &mut self,
        mut path_of: impl FnMut(u32, u32) -> PathBuf,
        mut on_segment: impl FnMut(&SegmentSpec, &Path),
        cancel: Cancel<'_>,
    ) -> Result<(), Error> {
        let mut written = None;
        let containers = if self.is_recut { &[] } else { &copy::CONTAINERS[..] };
        for &container in containers {
            let total = self.manifest.segments.len() as u32;
            let mut path_of = |index| path_of(index, total);
            written = copy::write(&self.source, &self.inspected, &self.manifest, container, &mut path_of, cancel)?;
            if written.is_some() {
                break;
            }
        }
        let written = match written {
            Some(written) => written,
            None => self.reencode(&mut path_of, cancel)?,
        };
        self.manifest.segments.iter().zip(&written).for_each(|(spec, path)| on_segment(spec, path));
        Ok(())
    }

    fn reencode(
        &mut self,
        path_of: &mut dyn FnMut(u32, u32) -> PathBuf,
        cancel: Cancel<'_>,
    ) -> Result<Vec<PathBuf>, Error> {
        if !self.is_recut {
            self.is_recut = true;
            let borders = plan::even_borders(&self.inspected.index, self.target);
            self.manifest.segments = plan::segments(&self.inspected.index, &borders, |_| false);
            plan_for_reencoding(&mut self.manifest);
        }
        let total = self.manifest.segments.len() as u32;
        let mut path_of = |index| path_of(index, total);
        let (source, inspected, manifest) = (&self.source, &self.inspected, &self.manifest);
        let settings = self.budget.reencoding(&inspected.footage, reencode::PRESET)?;
        let written = reencode::write(source, inspected, self.recipe, manifest, settings, &mut path_of, cancel)?;
        for (segment, (_, frames)) in (0..).zip(&written) {
            if *frames > 0 {
                self.warnings.push(Warning::FramesRepeated { segment, frames: *frames });
            }
        }
        Ok(written.into_iter().map(|(path, _)| path).collect())
    }
}

/// The pictures of segments that [`reencode`] wrote: treated, in 8-bit 4:2:0.
fn reencoded(footage: &Footage) -> Footage {
    let &Footage { width, height, .. } = footage;
    Footage { references: budget::h264_references(width, height, 0).min(4), ..Footage::unknown(width, height) }
}

/// Re-encoding already turns and treats the pictures.
fn plan_for_reencoding(manifest: &mut Manifest) {
    manifest.orientation = Orientation::default();
    manifest.treatment = Treatment::default();
    manifest.segments.iter_mut().for_each(|s| s.first_packet_pts = s.start_pts);
}

/// What becomes of the source's pictures, and what to warn of.
fn recipe(inspected: &Inspected, sights: &Sights, choices: &Choices) -> (Recipe, Vec<Warning>) {
    let info = &inspected.info;
    let is_interlaced = inspected.is_interlaced || sights.is_interlaced;
    let mut recipe = Recipe {
        width: info.width,
        height: info.height,
        sample_aspect_ratio: info.sample_aspect_ratio,
        colour: info.colour,
        orientation: info.orientation,
        treatment: Treatment {
            is_deinterlaced: is_interlaced && choices.deinterlace == Deinterlace::Auto,
            ..Treatment::default()
        },
        time_base: info.time_base,
    };
    let mut warnings = Vec::new();
    if inspected.clock_jumps > 0 {
        warnings.push(Warning::ClockJumps { times: inspected.clock_jumps });
    }
    if recipe.treatment.is_deinterlaced {
        warnings.push(Warning::Deinterlaced);
    }
    if let Some(from) = inspected.hdr {
        recipe.treatment.tone_mapped_from = Some(info.colour);
        recipe.colour = ColourTags::BT709;
        warnings.push(Warning::ToneMapped { from });
    }
    match (choices.from, inspected.packing.or(sights.packing)) {
        (Some(packing), _) => left_eye(&mut recipe, packing),
        (None, Some(packing)) => warnings.push(Warning::AlreadyStereo { packing: packing.to_owned() }),
        (None, None) => {}
    }
    if sights.has_captions {
        warnings.push(Warning::CaptionsLost);
    }
    if let Some((to_width, to_height)) = sights.other_size {
        let (width, height) = (info.coded_width, info.coded_height);
        warnings.push(Warning::SizeChanges { width, height, to_width, to_height });
    }
    (recipe, warnings)
}

fn left_eye(recipe: &mut Recipe, packing: Packing) {
    let (full_width, full_height) = (recipe.width, recipe.height);
    let aspect = &mut recipe.sample_aspect_ratio;
    let layout = match packing {
        Packing::Sbs | Packing::HalfSbs => StereoLayout::SideBySide,
        Packing::Tb | Packing::HalfTb => StereoLayout::TopBottom,
    };
    let known = if aspect.num > 0 { *aspect } else { Ratio { num: 1, den: 1 } };
    match packing {
        Packing::HalfSbs => *aspect = known.times(2, 1),
        Packing::HalfTb => *aspect = known.times(1, 2),
        Packing::Sbs | Packing::Tb => {}
    }
    match layout {
        StereoLayout::SideBySide => recipe.width = (full_width / 2).max(1),
        _ => recipe.height = (full_height / 2).max(1),
    }
    recipe.treatment.left_eye = Some(LeftEye { layout, full_width, full_height });
}

/// Plans and writes in one step.
///
/// # Errors
/// The errors of [`Split::plan`] and [`Split::write`].
pub fn split(
    source: &Path,
    target_secs: f64,
    path_of: impl FnMut(u32, u32) -> PathBuf,
    on_segment: impl FnMut(&SegmentSpec, &Path),
    cancel: Cancel<'_>,
) -> Result<Manifest, Error> {
    let mut split = Split::plan(source, target_secs, cancel)?;
    split.write(path_of, on_segment, cancel)?;
    Ok(split.manifest)
}

/// Where to cut, and what looking for it showed.
struct Cut {
    /// pts.
    borders: Vec<i64>,
    is_recut: bool,
    sights: Sights,
}

fn choose_borders(source: &Path, inspected: &Inspected, target: i64, cancel: Cancel<'_>) -> Result<Cut, Error> {
    let Inspected { info, index, stream, threads, .. } = inspected;
    let mut last = i64::MIN;
    let mut is_apart = |k: &&Keyframe| {
        let is_apart = k.pts.saturating_sub(last) >= target / LOOKS_PER_TARGET;
        if is_apart {
            last = k.pts;
        }
        is_apart
    };
    let looked_at: Vec<Keyframe> = info.keyframes.iter().filter(&mut is_apart).copied().collect();
    let (candidates, sights) = match looked_at.is_empty() {
        true => (Vec::new(), keyframes::look_at_start(source, *stream, *threads, cancel)?),
        false => keyframes::look_at(source, *stream, &looked_at, cancel)?,
    };
    let chosen = plan::borders(&candidates, info.start_pts, info.end_pts, target);
    let borders: Vec<i64> = chosen.into_iter().map(|i| candidates[i].keyframe.pts).collect();
    // Without a keyframe at or before the first frame there is no packet to start a segment at.
    let start = index.packets.iter().position(|p| p.pts == info.start_pts);
    let is_uncopyable = start.is_none_or(|start| !index.packets[..=start].iter().any(|p| p.is_key));
    if is_uncopyable || plan::needs_recut(&borders, info.start_pts, info.end_pts, target, index.shown.len()) {
        return Ok(Cut { borders: plan::even_borders(index, target), is_recut: true, sights });
    }
    Ok(Cut { borders, is_recut: false, sights })
}

/// Returns the borders at which the picture changes abruptly.
fn scene_cuts(source: &Path, inspected: &Inspected, borders: &[i64], cancel: Cancel<'_>) -> Result<Vec<i64>, Error> {
    let keyframes = &inspected.info.keyframes;
    let pair = |border: &i64| {
        let at = keyframes.binary_search_by_key(border, |k| k.pts).expect("borders are keyframes");
        (keyframes[at.saturating_sub(1)], keyframes[at])
    };
    let pairs: Vec<_> = borders.iter().map(pair).collect();
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let answers = keyframes::confirm_scene_cuts(source, inspected.stream, &pairs, inspected.threads, cancel)?;
    Ok(borders.iter().zip(answers).filter(|(_, is_cut)| *is_cut).map(|(b, _)| *b).collect())
}
