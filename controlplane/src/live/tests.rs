use stereospot_domain::{Job, JobId, JobOptions, JobStatus, QueueName};

use super::*;

const NOW: Timestamp = Timestamp(1_000);

fn live() -> Live {
    Live::new(World::new(QueueName::all()))
}

fn frames(live: &Live, place: u64) -> Vec<String> {
    match live.read_after(place, 100) {
        Read::Frames(frames, _) => frames.iter().map(|frame| frame.to_string()).collect(),
        Read::Lost(_) => panic!("lost"),
    }
}

#[test]
fn a_place_leads_to_all_that_came_after_it() {
    let live = live();
    (0..5).for_each(|_| live.publish(&Change::Reset));
    let frame = |revision| format!("id: {revision}\ndata: {{\"change\":\"reset\"}}\n\n");
    assert_eq!(frames(&live, 3), [frame(4), frame(5)]);
    assert!(frames(&live, 5).is_empty());
    assert_eq!(live.read_after(6, 100), Read::Lost(5));
    assert_eq!(live.read_after(u64::MAX, 100), Read::Lost(5));
}

#[test]
fn the_ring_is_bounded_and_what_fell_off_is_lost() {
    let live = live();
    let body = format!("{{\"pad\":\"{}\"}}", "x".repeat(10_000));
    live.publish_events((0..3_000).map(|_| body.as_str()));
    let inner = live.lock();
    assert!(inner.bytes <= RING_BYTES && inner.ring.len() < 3_000);
    assert_eq!(inner.bytes, inner.ring.iter().map(|(_, frame)| frame.len()).sum::<usize>());
    let oldest = inner.ring.front().unwrap().0;
    drop(inner);
    assert_eq!(live.read_after(oldest - 2, 1), Read::Lost(3_000));
    assert!(
        matches!(live.read_after(oldest - 1, 1), Read::Frames(frames, place) if frames.len() == 1 && place == oldest)
    );
}

#[test]
fn an_events_frame_reads_back_as_the_change() {
    let event: stereospot_domain::Event = serde_json::from_value(serde_json::json!({
        "v": 1, "id": Uuid::nil(), "source": "w", "boot": Uuid::nil(), "seq": 1, "type": "worker.started", "time": 5
    }))
    .unwrap();
    let live = live();
    let body = serde_json::to_string(&event).unwrap();
    live.publish_events(std::iter::once(body.as_str()));
    let frame = frames(&live, 0).remove(0);
    let json = frame.strip_prefix("id: 1\ndata: ").unwrap().trim_end();
    assert_eq!(serde_json::from_str::<Change>(json).unwrap(), Change::Event(Box::new(event)));
}

#[test]
fn a_job_is_published_when_it_differs_from_the_published_one() {
    let live = live();
    let mut job = Job::new(JobId(Uuid::nil()), JobOptions::default(), None, NOW);
    live.with(|world| world.set_job(job.clone(), NOW));
    live.flush(NOW);
    assert_eq!(frames(&live, 0).len(), 1);
    live.with(|world| world.dirty.jobs.insert(job.job_id));
    live.flush(NOW);
    assert_eq!(frames(&live, 1).len(), 0);
    job.status = JobStatus::ChunkingInProgress;
    live.with(|world| world.set_job(job, NOW));
    live.flush(NOW);
    assert_eq!(frames(&live, 1).len(), 1);
}
