use stereospot_media::split::Split;

use super::*;
use crate::chunking::tests::clip;

#[tokio::test]
async fn a_join_ends_when_the_lock_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let [source, segment, output] = ["source.mp4", "segment.mp4", "final.mp4"].map(|name| folder.path().join(name));
    clip(&source);
    let mut split = Split::plan(&source, 60.0, Cancel::never()).unwrap();
    split.write(|_, _| segment.clone(), |_, _| {}, Cancel::never()).unwrap();
    let join = |lost: CancellationToken| {
        let (cut, segments) = (Some(split.manifest().clone()), vec![segment.clone()]);
        let parts = Parts { source: source.clone(), cut, segments, output: output.clone(), layout: StereoLayout::Mono };
        join_on_thread(parts, lost)
    };
    let lost = CancellationToken::new();
    lost.cancel();
    let joined = join(lost).await;
    assert!(matches!(joined, Err(Error::Cancelled)), "{joined:?}");
    assert!(!output.exists(), "it began the result");
    assert_eq!(join(CancellationToken::new()).await.unwrap().frames, 10);
}
