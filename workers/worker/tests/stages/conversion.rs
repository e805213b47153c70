//! One segment through the pipeline of threads.

use std::path::Path;

use stereospot_media::Cancel;
use stereospot_media::budget::Settings;
use stereospot_media::split::Split;
use stereospot_stereo::{Layout, Options};
use stereospot_worker::convert::{Conversion, Error, Progress, convert};
use tokio_util::sync::CancellationToken;

use crate::fixture::{FRAMES, model, sandbox, source};

fn conversion(folder: &Path, output: &Path) -> Conversion {
    let mut split = Split::plan(&source(folder), 3600.0, Cancel::never()).unwrap();
    let input = folder.join("segment.mp4");
    split.write(|_, _| input.clone(), |_, _| {}, Cancel::never()).unwrap();
    let manifest = split.manifest().clone();
    Conversion {
        spec: manifest.segments[0].clone(),
        manifest,
        input,
        previous: None,
        output: output.to_owned(),
        layout: Layout::Sbs,
        options: Options { resolution: 112, ..Options::default() },
        crf: 20,
        preset: "ultrafast".into(),
        settings: Settings::most(1, "ultrafast"),
        is_strict: false,
    }
}

#[test]
fn every_frame_comes_out_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let job = conversion(folder.path(), &folder.path().join("out.mp4"));
    let progress = Progress::default();
    let (_, converted) = convert(model(), &job, &sandbox(), &progress, &CancellationToken::new());
    assert_eq!(converted.unwrap().frames, u64::from(FRAMES));
    assert_eq!(progress.frames_done(), u64::from(FRAMES));
}

#[test]
fn an_output_that_cannot_be_written_ends_every_thread_and_gives_the_model_back() {
    let folder = tempfile::tempdir().unwrap();
    let job = conversion(folder.path(), &folder.path().join("no such folder").join("out.mp4"));
    let (model, converted) = convert(model(), &job, &sandbox(), &Progress::default(), &CancellationToken::new());
    assert!(matches!(converted, Err(Error::Media(_))), "{converted:?}");
    let job = conversion(folder.path(), &folder.path().join("out.mp4"));
    let (_, converted) = convert(model, &job, &sandbox(), &Progress::default(), &CancellationToken::new());
    assert_eq!(converted.unwrap().frames, u64::from(FRAMES));
}

#[test]
fn a_cancelled_conversion_ends_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let job = conversion(folder.path(), &folder.path().join("out.mp4"));
    let cancel = CancellationToken::new();
    cancel.cancel();
    let (_, converted) = convert(model(), &job, &sandbox(), &Progress::default(), &cancel);
    assert!(matches!(converted, Err(Error::Cancelled)), "{converted:?}");
}
