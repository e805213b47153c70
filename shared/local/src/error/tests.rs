use object_store::ObjectStoreExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use stereospot_ports::Error;
use stereospot_ports::error::chain;

const LONG: &str = "jobs/7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f/segments/00001.mp4";

fn check(error: object_store::Error, begins: &str) {
    let text = chain(&Error::from(error));
    assert!(text.starts_with(begins), "{text}");
    assert_eq!(text.matches(LONG).count(), 1, "{text}");
    assert_eq!(text.matches("(os error").count(), 1, "{text}");
}

#[tokio::test]
async fn the_path_and_the_cause_of_an_error_appear_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalFileSystem::new_with_prefix(dir.path()).unwrap();
    check(store.get(&Path::from(LONG)).await.unwrap_err(), "no object at ");
    store.put(&Path::from(LONG), "x".into()).await.unwrap();
    let below = Path::from(LONG).join("below");
    check(store.put(&below, "x".into()).await.unwrap_err(), "the object store failed: ");
}
