//! A disk that is really full. Needs a small one: `mount -t tmpfs -o size=3m tmpfs D`, then
//! `STEREOSPOT_SMALL_DISK=D cargo test -p stereospot-local --test full_disk -- --ignored`.

use std::path::PathBuf;
use std::time::Duration;

use object_store::ObjectStoreExt;
use stereospot_domain::QueueRole;
use stereospot_local::{LocalBackend, Options};
use stereospot_ports::work_queue::{Outgoing, Receive};
use stereospot_ports::{Error, ErrorCode, objects};

#[tokio::test]
#[ignore = "needs a small disk of its own, named by STEREOSPOT_SMALL_DISK"]
async fn a_full_disk_says_so_and_recovers() {
    let disk = PathBuf::from(std::env::var("STEREOSPOT_SMALL_DISK").expect("names the disk"));
    let folder = tempfile::tempdir_in(disk).unwrap();
    let backend = LocalBackend::open(folder.path(), Options::default()).await.unwrap();
    let large = vec![0_u8; 16 * 1024 * 1024];
    let put = backend.input.store.put(&objects::path("large.bin").unwrap(), large.into()).await.map_err(Error::from);
    let error = put.expect_err("it is larger than the disk");
    assert_eq!(error.code(), ErrorCode::Full, "{error:?}");
    assert!(!objects::exists(&*backend.input.store, "large.bin").await.unwrap());

    let queue = backend.queue(QueueRole::Chunking).unwrap();
    let body = "x".repeat(20_000);
    let mut sent = 0;
    let error = loop {
        match queue.send(&[Outgoing::now(body.clone())]).await {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 100_000, "it never became full");
    };
    assert_eq!(error.code(), ErrorCode::Full, "{error:?}");
    assert_eq!(queue.peek(100_000).await.unwrap().len(), sent);
    // Opening on a full disk succeeds, or fails with the right code.
    let again = LocalBackend::open(folder.path(), Options::default()).await;
    assert!(again.is_ok() || again.is_err_and(|error| error.code() == ErrorCode::Full));
    let how = Receive { max: 10, wait: Duration::ZERO, visibility: None };
    let received = queue.receive(how).await.map(|messages| messages.len()).map_err(|error| error.code());
    println!("{sent} sent; receiving on a full disk: {received:?}");
}
