//! The pieces of work that read untrusted files, and what each may touch.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stereospot_domain::Warning;
use stereospot_media::foreign::{lay_out, with_sound_of};
use stereospot_media::join::{JoinSummary, join};
use stereospot_media::manifest::{Manifest, SegmentSpec, StereoLayout};
use stereospot_media::probe::Terms;
use stereospot_media::soundtrack::add_part_of_sound;
use stereospot_media::split::{Choices, Split};
use stereospot_media::{Budget, Cancel, Error, Footage};

/// What a piece of work may touch; nothing else can be opened.
#[derive(Debug, Default)]
pub struct Files<'a> {
    pub reads: Vec<&'a Path>,
    /// A folder: files in it may be made, read, written and removed.
    pub writes: Option<&'a Path>,
}

/// A piece of work on untrusted files.
pub trait Work: Clone + Send + 'static {
    /// What comes out of it.
    type Answer: Serialize + DeserializeOwned + Send + 'static;

    /// What it does, as a verb in -ing form with its object.
    fn doing(&self) -> String;

    /// What it may touch.
    fn files(&self) -> Files<'_>;

    /// Does it, in whichever process.
    ///
    /// # Errors
    /// What is wrong with the files, usually.
    fn run(&self, cancel: Cancel<'_>) -> Result<Self::Answer, Error>;

    /// False for an impossible answer. A video that takes a child over decides what it answers.
    fn may_be(&self, _: &Self::Answer) -> bool {
        true
    }
}

/// Cut a source into segments.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SplitSource {
    pub source: PathBuf,
    /// Where the segments go, under the names of [`SplitSource::segments`].
    pub folder: PathBuf,
    pub choices: Choices,
    /// Give each segment its part of the sound.
    pub with_sound: bool,
}

/// A source's segments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cuts {
    pub manifest: Manifest,
    pub warnings: Vec<Warning>,
    /// The segments are re-encoded instead of copied.
    pub is_recut: bool,
    /// The segments have sound.
    pub has_sound: bool,
    /// The pictures in the segments' files.
    pub footage: Footage,
}

impl SplitSource {
    /// The files of the segments, in order.
    #[must_use]
    pub fn segments(&self, cuts: &Cuts) -> Vec<PathBuf> {
        cuts.manifest.segments.iter().map(|spec| self.segment(spec.index)).collect()
    }

    fn segment(&self, index: u32) -> PathBuf {
        self.folder.join(format!("segment-{index}.mp4"))
    }

    /// Adds to each segment its part of the sound; returns whether the source has any.
    fn add_sound(&self, manifest: &Manifest, cancel: Cancel<'_>) -> Result<bool, Error> {
        let mut has_sound = false;
        for spec in &manifest.segments {
            let (silent, whole) = (self.segment(spec.index), self.folder.join("with-sound.mp4"));
            if add_part_of_sound(&self.source, manifest, spec, &silent, &whole, cancel)? {
                has_sound = true;
                std::fs::rename(&whole, &silent).map_err(|source| Error::Io {
                    action: "writing".into(),
                    path: silent,
                    source,
                })?;
            }
        }
        Ok(has_sound)
    }
}

impl Work for SplitSource {
    type Answer = Cuts;

    fn doing(&self) -> String {
        "splitting the source".into()
    }

    fn files(&self) -> Files<'_> {
        Files { reads: vec![&self.source], writes: Some(&self.folder) }
    }

    fn run(&self, cancel: Cancel<'_>) -> Result<Cuts, Error> {
        let mut split = Split::plan_as(&self.source, &self.choices, cancel)?;
        split.write(|index, _total| self.segment(index), |_, _| {}, cancel)?;
        let manifest = split.manifest().clone();
        let has_sound = self.with_sound && self.add_sound(&manifest, cancel)?;
        let (warnings, is_recut, footage) = (split.warnings().to_vec(), split.is_recut(), split.footage());
        Ok(Cuts { manifest, warnings, is_recut, has_sound, footage })
    }

    fn may_be(&self, cuts: &Cuts) -> bool {
        cuts.manifest.is_consistent()
    }
}

/// Find out what a segment's file holds, where no manifest says so.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WholeFile {
    pub file: PathBuf,
    pub budget: Budget,
}

impl Work for WholeFile {
    type Answer = (Manifest, Footage);

    fn doing(&self) -> String {
        "reading the segment".into()
    }

    fn files(&self) -> Files<'_> {
        Files { reads: vec![&self.file], writes: None }
    }

    fn run(&self, cancel: Cancel<'_>) -> Result<(Manifest, Footage), Error> {
        let terms = Terms { budget: self.budget, ..Terms::default() };
        let choices = Choices { terms, ..Choices::every(f64::from(u32::MAX)) };
        let split = Split::plan_as(&self.file, &choices, cancel)?;
        Ok((split.manifest().clone(), split.source_footage()))
    }

    fn may_be(&self, (manifest, _): &(Manifest, Footage)) -> bool {
        manifest.is_consistent()
    }
}

/// Copy everything but the picture from a segment's file beside the converted picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SoundOf {
    pub segment: PathBuf,
    /// The segment's range, if we cut the source.
    pub spec: Option<SegmentSpec>,
    pub converted: PathBuf,
    pub folder: PathBuf,
    pub layout: StereoLayout,
}

impl SoundOf {
    /// The file that is written.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.folder.join("whole.mp4")
    }
}

impl Work for SoundOf {
    type Answer = Vec<Warning>;

    fn doing(&self) -> String {
        "adding the segment's sound".into()
    }

    fn files(&self) -> Files<'_> {
        Files { reads: vec![&self.segment, &self.converted], writes: Some(&self.folder) }
    }

    fn run(&self, cancel: Cancel<'_>) -> Result<Vec<Warning>, Error> {
        let Self { segment, spec, converted, layout, .. } = self;
        Ok(with_sound_of(segment, spec.as_ref(), converted, &self.output(), *layout, cancel)?.warnings)
    }
}

/// Join converted segments into the result.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JoinParts {
    pub source: PathBuf,
    /// What each segment contains, if our chunking cut the source.
    pub cut: Option<Manifest>,
    pub segments: Vec<PathBuf>,
    pub folder: PathBuf,
    pub layout: StereoLayout,
}

/// The result of a join.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Joined {
    pub summary: JoinSummary,
    /// The first segment that is not as our workers would have made it, and why.
    pub foreign: Option<(u32, String)>,
}

impl JoinParts {
    /// The file that is written.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.folder.join("final.mp4")
    }
}

impl Work for JoinParts {
    type Answer = Joined;

    fn doing(&self) -> String {
        "joining the segments".into()
    }

    fn files(&self) -> Files<'_> {
        let segments = self.segments.iter().map(PathBuf::as_path);
        Files { reads: std::iter::once(&*self.source).chain(segments).collect(), writes: Some(&self.folder) }
    }

    /// Verifies segments exactly if our workers cut and converted them, otherwise as far as other services' segments can be
    /// verified.
    fn run(&self, cancel: Cancel<'_>) -> Result<Joined, Error> {
        let Self { source, cut, segments, layout, .. } = self;
        let (output, mut foreign) = (self.output(), None);
        if let Some(cut) = cut {
            match join(source, cut, segments, &output, *layout, cancel) {
                Err(Error::SegmentMismatch { index, why }) => foreign = Some((index, why)),
                joined => return joined.map(|summary| Joined { summary, foreign }),
            }
        }
        let manifest = lay_out(source, segments, cut.as_ref(), cancel)?;
        let summary = join(source, &manifest, segments, &output, *layout, cancel)?;
        Ok(Joined { summary, foreign })
    }
}

/// Do what a broken decoder may do; for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Misbehave {
    Abort,
    Panic,
    /// Compute forever.
    Spin,
    /// Allocate until it fails, as code does that can't handle it.
    Hoard,
    /// Wait forever, without computing.
    Hang,
}

impl Work for Misbehave {
    type Answer = ();

    fn doing(&self) -> String {
        "misbehaving".into()
    }

    fn files(&self) -> Files<'_> {
        Files::default()
    }

    fn run(&self, _: Cancel<'_>) -> Result<(), Error> {
        match self {
            Misbehave::Abort => std::process::abort(),
            Misbehave::Panic => panic!("asked to"),
            Misbehave::Spin => loop {
                std::hint::spin_loop();
            },
            Misbehave::Hoard => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(vec![1_u8; 16 << 20]);
                    std::hint::black_box(&hoard);
                }
            }
            Misbehave::Hang => loop {
                std::thread::park();
            },
        }
    }
}
