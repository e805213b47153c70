//! Objects and notifications, beyond the conformance suite.

use std::sync::Arc;

use object_store::{ObjectStoreExt as _, PutPayload};
use stereospot_aws::{AwsBackend, Opened};
use stereospot_domain::message::{self, Request};
use stereospot_domain::{JobId, QueueRole, keys};
use stereospot_ports::checksum::Checksum;
use stereospot_ports::{SystemClock, objects};
use uuid::Uuid;

use crate::emulator::{Emulator, Shape};

async fn open(emulator: &Emulator) -> Opened {
    AwsBackend::connect(emulator.deploy(Shape::Usual).await, Arc::new(SystemClock)).await.unwrap()
}

/// The bodies of the messages on the chunking queue.
async fn announced(emulator: &Emulator, opened: &Opened) -> Vec<String> {
    let name = opened.connections.deployment.queue_name(QueueRole::Chunking).unwrap();
    let messages = emulator.control(&format!("messages?queue={name}")).await;
    messages.as_array().unwrap().iter().map(|message| message["body"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_notification_names_the_key() {
    let emulator = Emulator::start();
    let opened = open(&emulator).await;
    let store = &opened.backend.input.store;
    let job_id = JobId(Uuid::new_v4());
    store.put(&objects::path(&keys::source(job_id)).unwrap(), PutPayload::from_static(b"a")).await.unwrap();
    let bodies = announced(&emulator, &opened).await;
    assert_eq!(bodies.len(), 1);
    assert_eq!(message::parse(QueueRole::Chunking, &bodies[0]), Ok(vec![Request::Chunk(job_id)]));
    store.put(&objects::path("input/a b+c&d/ü.mp4").unwrap(), PutPayload::from_static(b"a")).await.unwrap();
    let bodies = announced(&emulator, &opened).await;
    let error = message::parse(QueueRole::Chunking, &bodies[1]).unwrap_err();
    assert_eq!(error, message::Error::Key("input/a b+c&d/ü.mp4".into()), "form-decoded");
}

#[tokio::test]
async fn an_upload_in_parts_appears_at_its_end() {
    const PART: usize = 5 * 1024 * 1024;
    let emulator = Emulator::start();
    let opened = open(&emulator).await;
    let store = &opened.backend.input.store;
    let job_id = JobId(Uuid::new_v4());
    let path = objects::path(&keys::source(job_id)).unwrap();
    let mut upload = store.put_multipart(&path).await.unwrap();
    upload.put_part(PutPayload::from(vec![1_u8; PART])).await.unwrap();
    upload.put_part(PutPayload::from(vec![2_u8; 10])).await.unwrap();
    assert_eq!(announced(&emulator, &opened).await.len(), 0);
    assert!(!objects::exists(&**store, path.as_ref()).await.unwrap());
    upload.complete().await.unwrap();
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap().len(), PART + 10);
    for body in announced(&emulator, &opened).await {
        assert_eq!(message::parse(QueueRole::Chunking, &body), Ok(vec![Request::Chunk(job_id)]));
    }
}

#[tokio::test]
async fn many_objects_are_listed_and_removed() {
    let emulator = Emulator::start();
    let opened = open(&emulator).await;
    let store = &opened.backend.output.store;
    for number in 0..25 {
        let path = objects::path(&format!("some/{number}.json")).unwrap();
        store.put(&path, PutPayload::from_static(b"")).await.unwrap();
    }
    let listed = objects::keys_below(&**store, "some").await.unwrap();
    assert_eq!(listed.len(), 25);
    for key in &listed {
        store.delete(&objects::path(key).unwrap()).await.unwrap();
    }
    assert_eq!(objects::keys_below(&**store, "some").await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_key_that_a_person_chose_is_the_same_everywhere() {
    const KEY: &str = "input/u+s er/ü#?%41.mp4";
    let emulator = Emulator::start();
    let opened = open(&emulator).await;
    let store = &opened.backend.input.store;
    // Put as another program puts it, not by our client.
    let url = format!("{}/{}/input/u%2Bs%20er/%C3%BC%23%3F%2541.mp4", emulator.url, opened.backend.input.name);
    assert!(emulator.http.put(url).body("12345").send().await.unwrap().status().is_success());
    assert_eq!(objects::keys_below(&**store, "input/u+s er").await.unwrap(), [KEY]);
    assert_eq!(objects::size(&**store, KEY).await.unwrap(), Some(5));
    let bodies = announced(&emulator, &opened).await;
    let is_encoded = ["u%2Bs+er", "%C3%BC%23%3F%2541.mp4"].iter().all(|part| bodies[0].contains(part));
    assert!(is_encoded, "as S3 encodes keys: {bodies:?}");
    assert_eq!(message::job_of(QueueRole::Chunking, &bodies[0]), None, "it is no source of a job");
    store.delete(&objects::path(KEY).unwrap()).await.unwrap();
    assert!(!objects::exists(&**store, KEY).await.unwrap());
}

/// The SHA-256 that S3 keeps of an object.
async fn kept_sha256(emulator: &Emulator, bucket: &str, key: &str) -> Option<String> {
    emulator.control(&format!("sha256?bucket={bucket}&key={key}")).await.as_str().map(str::to_owned)
}

#[tokio::test]
async fn every_upload_carries_its_sha256() {
    const PART: usize = 5 * 1024 * 1024;
    // Of `abc`, in Base64.
    const ABC: &str = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
    let emulator = Emulator::start();
    let opened = open(&emulator).await;
    let bucket = &opened.backend.output;
    let path = |key: &str| objects::path(key).unwrap();
    bucket.store.put(&path("jobs/a.json"), PutPayload::from_static(b"abc")).await.unwrap();
    assert_eq!(kept_sha256(&emulator, &bucket.name, "jobs/a.json").await.as_deref(), Some(ABC));
    let mut upload = bucket.store.put_multipart(&path("jobs/b.json")).await.unwrap();
    upload.put_part(PutPayload::from(vec![1_u8; PART])).await.unwrap();
    upload.put_part(PutPayload::from(vec![2_u8; 10])).await.unwrap();
    upload.complete().await.unwrap();
    let kept = kept_sha256(&emulator, &bucket.name, "jobs/b.json").await.unwrap();
    // The hash of the hashes of both parts.
    assert_eq!(kept.trim_end_matches("-2").len(), ABC.len(), "{kept}");
    // As a result is published: the copy must still work.
    bucket.store.copy_if_not_exists(&path("jobs/b.json"), &path("jobs/c.json")).await.unwrap();
    let again = bucket.store.copy_if_not_exists(&path("jobs/a.json"), &path("jobs/c.json")).await;
    assert!(matches!(again, Err(object_store::Error::AlreadyExists { .. })), "{again:?}");
    assert_eq!(objects::size(&*bucket.store, "jobs/c.json").await.unwrap(), Some(PART as u64 + 10));
    let checksum = Checksum::of_object(bucket, "jobs/c.json").await.unwrap();
    assert_eq!(checksum, Checksum::of_object(bucket, "jobs/b.json").await.unwrap());
}
