use std::path::Path;

use stereospot_media::{ColourTags, Encoder, EncoderOptions, Ratio, StereoLayout};
use stereospot_picture::{Colour, Matrix, Picture};

use tokio_util::sync::CancellationToken;

use super::*;

/// A clip of ten grey frames.
pub(crate) fn clip(path: &Path) {
    let colour = ColourTags { matrix: 1, primaries: 1, transfer: 1, is_full_range: false };
    let options = EncoderOptions {
        width: 64,
        height: 64,
        time_base: Ratio { num: 1, den: 25 },
        avg_frame_rate: Ratio { num: 25, den: 1 },
        colour,
        sample_aspect_ratio: Ratio { num: 1, den: 1 },
        crf: 30,
        preset: "ultrafast".into(),
        codec: "libx264".into(),
        threads: 1,
        lookahead: None,
        layout: StereoLayout::Mono,
    };
    let mut encoder = Encoder::create(path, options).unwrap();
    let picture = Picture::new(64, 64, Colour { matrix: Matrix::Bt709, is_full_range: false });
    (0..10).for_each(|pts| encoder.push(pts, &picture).unwrap());
    encoder.finish().unwrap();
}

#[tokio::test]
async fn a_cancelled_split_ends_in_its_planning() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.mp4");
    clip(&source);
    let cancel = CancellationToken::new();
    cancel.cancel();
    let split =
        SplitSource { source, folder: folder.path().to_owned(), choices: Choices::every(60.0), with_sound: false };
    let split = Sandbox::none().run(split, &cancel).await.map_err(|error| video_failure(&error));
    assert!(matches!(split, Err(Failure::Cancelled)), "{split:?}");
    assert!(!folder.path().join("segment-0.mp4").exists(), "it went on to write");
}
