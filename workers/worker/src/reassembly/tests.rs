use stereospot_media::Cancel;
use stereospot_media::split::Split;

use super::*;
use crate::chunking::tests::clip;

#[tokio::test]
async fn a_join_ends_when_the_lock_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let [source, segment] = ["source.mp4", "segment.mp4"].map(|name| folder.path().join(name));
    clip(&source);
    let mut split = Split::plan(&source, 60.0, Cancel::never()).unwrap();
    split.write(|_, _| segment.clone(), |_, _| {}, Cancel::never()).unwrap();
    let parts = JoinParts {
        source,
        cut: Some(split.manifest().clone()),
        segments: vec![segment],
        folder: folder.path().to_owned(),
        layout: StereoLayout::Mono,
    };
    let lost = CancellationToken::new();
    lost.cancel();
    let joined = Sandbox::none().run(parts.clone(), &lost).await;
    assert!(matches!(joined, Err(Error::Media(stereospot_media::Error::Cancelled))), "{joined:?}");
    assert!(!parts.output().exists(), "it began the result");
    assert_eq!(Sandbox::none().run(parts, &CancellationToken::new()).await.unwrap().summary.frames, 10);
}
