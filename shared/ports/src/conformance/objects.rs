//! Cases: objects and their notifications.

use object_store::{ObjectStoreExt, PutMode, PutOptions, PutPayload};
use stereospot_domain::keys::{self, SegmentKey};
use stereospot_domain::message::{self, Request};
use stereospot_domain::{Mode, QueueName, QueueRole};

use super::case::{Outcome, Stop, World, bodies, cases, holds, refused, same};
use super::jobs::new_id;
use crate::checksum::Checksum;
use crate::{Bucket, ErrorCode, objects};

cases!(
    an_object_comes_back,
    a_source_is_announced_to_chunking,
    a_segment_is_announced_to_inference,
    outputs_are_announced_to_output_events,
    other_keys_are_not_announced,
    the_buckets_have_their_own_rules,
    the_key_is_form_encoded,
    overwriting_announces_again,
    a_second_conditional_put_is_refused_and_silent,
    an_upload_in_parts_is_announced_at_its_end,
    an_aborted_upload_is_silent,
    copying_announces_the_copy,
    renaming_announces_the_new_name,
    a_copy_of_nothing_is_silent,
    a_refused_copy_is_silent,
    listing_shows_what_is_below,
    a_deleted_object_is_gone_and_silent,
    reading_a_range_reads_that_range,
    another_opening_reads_the_object,
    a_checksum_finds_a_changed_object,
);

async fn put(bucket: &Bucket, key: &str) -> Outcome {
    bucket.store.put(&objects::path(key)?, PutPayload::from_static(b"content")).await?;
    Ok(())
}

/// The messages on all queues: queue and body.
async fn heard(world: &World) -> Result<Vec<(QueueName, String)>, Stop> {
    let mut heard = Vec::new();
    for (name, queue) in &world.backend.queues {
        heard.extend(bodies(&**queue).await?.into_iter().map(|body| (*name, body)));
    }
    Ok(heard)
}

/// Puts an object and expects exactly one message, with this request.
async fn announces(world: &World, bucket: &Bucket, key: &str, role: QueueRole, request: Request) -> Outcome {
    let before = heard(world).await?.len();
    put(bucket, key).await?;
    let queue = world.backend.queue(role)?;
    let on_queue = bodies(&**queue).await?;
    let asked: Vec<Vec<Request>> = on_queue.iter().filter_map(|body| message::parse(role, body).ok()).collect();
    same(key, asked.iter().filter(|requests| **requests == [request]).count(), 1)?;
    same("messages on all queues", heard(world).await?.len(), before + 1)
}

async fn an_object_comes_back(world: &World) -> Outcome {
    for bucket in [&world.backend.input, &world.backend.output] {
        let path = objects::path("some/where.bin")?;
        same("before", objects::size(&*bucket.store, "some/where.bin").await?, None)?;
        put(bucket, "some/where.bin").await?;
        same("content", bucket.store.get(&path).await?.bytes().await?.as_ref(), b"content".as_slice())?;
        same("size", objects::size(&*bucket.store, "some/where.bin").await?, Some(7))?;
    }
    Ok(())
}

async fn a_source_is_announced_to_chunking(world: &World) -> Outcome {
    let id = new_id();
    announces(world, &world.backend.input, &keys::source(id), QueueRole::Chunking, Request::Chunk(id)).await
}

async fn a_segment_is_announced_to_inference(world: &World) -> Outcome {
    for index in 0..3 {
        let key = SegmentKey { job_id: new_id(), index, total: 3, mode: Mode::Anaglyph };
        let request = Request::Convert(key);
        announces(world, &world.backend.input, &keys::segment(key), QueueRole::Inference, request).await?;
    }
    Ok(())
}

async fn outputs_are_announced_to_output_events(world: &World) -> Outcome {
    use keys::OutputKey::{Done, Final, Segment};
    let id = new_id();
    for (key, output) in [
        (keys::output_segment(id, 12), Segment(id, 12)),
        (keys::result(id), Final(id)),
        (keys::done_mark(id), Done(id)),
    ] {
        announces(world, &world.backend.output, &key, QueueRole::OutputEvents, Request::Output(output)).await?;
    }
    Ok(())
}

async fn other_keys_are_not_announced(world: &World) -> Outcome {
    let id = new_id();
    for key in [keys::manifest(id), format!("input/{id}/source.mkv"), format!("other/{id}.mp4"), "a.mp4".into()] {
        put(&world.backend.input, &key).await?;
    }
    for key in [format!("jobs/{id}/log.txt"), format!("segments/{id}/0.mp4"), "reassembly-done".into()] {
        put(&world.backend.output, &key).await?;
    }
    same("messages", heard(world).await?, vec![])
}

async fn the_buckets_have_their_own_rules(world: &World) -> Outcome {
    let id = new_id();
    put(&world.backend.output, &keys::source(id)).await?;
    put(&world.backend.input, &keys::result(id)).await?;
    same("messages", heard(world).await?, vec![])
}

async fn the_key_is_form_encoded(world: &World) -> Outcome {
    put(&world.backend.input, "input/a b+c&d/source.mp4").await?;
    let queue = world.backend.queue(QueueRole::Chunking)?;
    let wanted = format!(
        r#"{{"Records":[{{"s3":{{"bucket":{{"name":"{}"}},"object":{{"key":"input/a+b%2Bc%26d/source.mp4"}}}}}}]}}"#,
        world.backend.input.name
    );
    let got = bodies(&**queue).await?;
    // Some backends write more fields, but bucket and key must be exactly these.
    let has_key = got.iter().any(|body| body.contains(r#""key":"input/a+b%2Bc%26d/source.mp4""#));
    holds(&format!("got {got:?}, wanted {wanted}"), got.len() == 1 && has_key)?;
    holds("the bucket", got[0].contains(&format!(r#""name":"{}""#, world.backend.input.name)))
}

async fn overwriting_announces_again(world: &World) -> Outcome {
    let key = keys::source(new_id());
    put(&world.backend.input, &key).await?;
    put(&world.backend.input, &key).await?;
    same("messages", heard(world).await?.len(), 2)
}

async fn a_second_conditional_put_is_refused_and_silent(world: &World) -> Outcome {
    let path = objects::path(&keys::result(new_id()))?;
    let store = &world.backend.output.store;
    let create = || PutOptions::from(PutMode::Create);
    store.put_opts(&path, PutPayload::from_static(b"first"), create()).await?;
    let second = store.put_opts(&path, PutPayload::from_static(b"second"), create()).await;
    refused("the second", second.map_err(crate::Error::from), ErrorCode::Conflict)?;
    same("content", store.get(&path).await?.bytes().await?.as_ref(), b"first".as_slice())?;
    same("messages", heard(world).await?.len(), 1)
}

async fn an_upload_in_parts_is_announced_at_its_end(world: &World) -> Outcome {
    // S3 requires parts of at least 5 MiB, except the last one.
    const PART: usize = 5 * 1024 * 1024;
    let path = objects::path(&keys::source(new_id()))?;
    let store = &world.backend.input.store;
    let mut upload = store.put_multipart(&path).await?;
    upload.put_part(PutPayload::from(vec![1_u8; PART])).await?;
    upload.put_part(PutPayload::from(vec![2_u8; 10])).await?;
    same("messages before", heard(world).await?, vec![])?;
    same("object before", objects::exists(&**store, path.as_ref()).await?, false)?;
    upload.complete().await?;
    let bytes = store.get(&path).await?.bytes().await?;
    same("size", bytes.len(), PART + 10)?;
    holds("content", bytes[..PART].iter().all(|byte| *byte == 1) && bytes[PART..].iter().all(|byte| *byte == 2))?;
    same("messages", heard(world).await?.len(), 1)
}

async fn an_aborted_upload_is_silent(world: &World) -> Outcome {
    let path = objects::path(&keys::source(new_id()))?;
    let store = &world.backend.input.store;
    let mut upload = store.put_multipart(&path).await?;
    upload.put_part(PutPayload::from_static(b"part")).await?;
    upload.abort().await?;
    same("object", objects::exists(&**store, path.as_ref()).await?, false)?;
    same("listed", objects::keys_below(&**store, "input").await?, vec![])?;
    same("messages", heard(world).await?, vec![])
}

async fn copying_announces_the_copy(world: &World) -> Outcome {
    let (from, to) = (objects::path("upload.tmp")?, objects::path(&keys::source(new_id()))?);
    put(&world.backend.input, "upload.tmp").await?;
    same("before", heard(world).await?, vec![])?;
    let store = &world.backend.input.store;
    store.copy(&from, &to).await?;
    same("messages", heard(world).await?.len(), 1)?;
    same("source stays", objects::exists(&**store, "upload.tmp").await?, true)?;
    same("copy", store.get(&to).await?.bytes().await?.as_ref(), b"content".as_slice())?;
    // The copy is independent: overwriting the original leaves it.
    store.put(&from, PutPayload::from_static(b"changed")).await?;
    same("copy afterwards", store.get(&to).await?.bytes().await?.as_ref(), b"content".as_slice())
}

async fn renaming_announces_the_new_name(world: &World) -> Outcome {
    let (from, to) = (objects::path("upload.tmp")?, objects::path(&keys::source(new_id()))?);
    put(&world.backend.input, "upload.tmp").await?;
    let store = &world.backend.input.store;
    store.rename(&from, &to).await?;
    same("messages", heard(world).await?.len(), 1)?;
    same("old name", objects::exists(&**store, "upload.tmp").await?, false)?;
    same("new name", store.get(&to).await?.bytes().await?.as_ref(), b"content".as_slice())
}

async fn a_copy_of_nothing_is_silent(world: &World) -> Outcome {
    let (from, to) = (objects::path("nothing.tmp")?, objects::path(&keys::source(new_id()))?);
    let copied = world.backend.input.store.copy(&from, &to).await;
    refused("copy", copied.map_err(crate::Error::from), ErrorCode::NotFound)?;
    let renamed = world.backend.input.store.rename(&from, &to).await;
    refused("rename", renamed.map_err(crate::Error::from), ErrorCode::NotFound)?;
    same("messages", heard(world).await?, vec![])
}

async fn a_refused_copy_is_silent(world: &World) -> Outcome {
    let (from, to) = (objects::path("upload.tmp")?, objects::path(&keys::source(new_id()))?);
    put(&world.backend.input, "upload.tmp").await?;
    put(&world.backend.input, to.as_ref()).await?;
    let copied = world.backend.input.store.copy_if_not_exists(&from, &to).await;
    refused("copy", copied.map_err(crate::Error::from), ErrorCode::Conflict)?;
    same("messages", heard(world).await?.len(), 1)
}

async fn listing_shows_what_is_below(world: &World) -> Outcome {
    let (id, other) = (new_id(), new_id());
    let mut wanted: Vec<String> = (0..5).map(|index| keys::output_segment(id, index)).collect();
    for key in &wanted {
        put(&world.backend.output, key).await?;
    }
    put(&world.backend.output, &keys::result(other)).await?;
    let mut got = objects::keys_below(&*world.backend.output.store, &format!("jobs/{id}")).await?;
    got.sort();
    wanted.sort();
    same("keys", got, wanted)?;
    same("below nothing", objects::keys_below(&*world.backend.output.store, "jobs/none").await?, vec![])
}

async fn a_deleted_object_is_gone_and_silent(world: &World) -> Outcome {
    let path = objects::path(&keys::done_mark(new_id()))?;
    let store = &world.backend.output.store;
    put(&world.backend.output, path.as_ref()).await?;
    store.delete(&path).await?;
    same("object", objects::exists(&**store, path.as_ref()).await?, false)?;
    let read = store.get(&path).await.map(|result| result.meta);
    refused("reading", read.map_err(crate::Error::from), ErrorCode::NotFound)?;
    same("messages", heard(world).await?.len(), 1)
}

async fn reading_a_range_reads_that_range(world: &World) -> Outcome {
    put(&world.backend.input, "some.bin").await?;
    let bytes = world.backend.input.store.get_range(&objects::path("some.bin")?, 3..6).await?;
    same("range", bytes.as_ref(), b"ten".as_slice())
}

async fn another_opening_reads_the_object(world: &World) -> Outcome {
    let key = keys::source(new_id());
    put(&world.backend.input, &key).await?;
    same("object", objects::size(&*world.peer.input.store, &key).await?, Some(7))?;
    let queue = world.peer.queue(QueueRole::Chunking)?;
    same("message", bodies(&**queue).await?.len(), 1)
}

async fn a_checksum_finds_a_changed_object(world: &World) -> Outcome {
    let bucket = &world.backend.output;
    let job_id = new_id();
    let (key, checksum) = (keys::result(job_id), keys::result_checksum(job_id));
    same("no object", Checksum::of_object(bucket, &key).await?, None)?;
    same("no checksum", Checksum::load(bucket, &checksum).await?, None)?;
    let written = Checksum::of(b"content");
    written.store(bucket, &checksum).await?;
    same("a checksum sends no notification", heard(world).await?.len(), 0)?;
    put(bucket, &key).await?;
    same("stored", Checksum::load(bucket, &checksum).await?, Some(written.clone()))?;
    same("as written", Checksum::of_object(bucket, &key).await?, Some(written.clone()))?;
    bucket.store.put(&objects::path(&key)?, PutPayload::from_static(b"contenu")).await?;
    holds("a changed byte", Checksum::of_object(bucket, &key).await? != Some(written))?;
    bucket.store.put(&objects::path(&checksum)?, PutPayload::from_static(b"{}")).await?;
    same("a damaged checksum is none", Checksum::load(bucket, &checksum).await?, None)?;
    Checksum::forget(bucket, &checksum).await?;
    Checksum::forget(bucket, &checksum).await?;
    same("forgotten", objects::exists(&*bucket.store, &checksum).await?, false)
}
