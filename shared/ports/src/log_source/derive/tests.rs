use super::*;

const JOB: &str = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f";

fn line(level: &str, text: &str) -> Line {
    Line {
        time: Timestamp(5),
        source: "/ecs/stereo-spot/worker".into(),
        stream: "ecs/worker/1".into(),
        text: format!("2026-11-21T19:49:57Z [{level}] worker: {text}"),
    }
}

fn check(level: &str, text: &str, expected: Option<EventKind>) {
    let text = text.replace("JOB", JOB);
    let derived = event(&line(level, &text));
    assert_eq!(derived.as_ref().map(|derived| derived.payload.kind()), expected, "{text}");
    if let Some(derived) = derived {
        assert_eq!(derived.time, Timestamp(1_795_290_597_000), "the time in the line");
    }
}

#[test]
fn lines_of_existing_services_yield_events() {
    use EventKind::*;
    check("INFO", "job_id=JOB created mode=sbs", Some(JobSubmitted));
    check("INFO", "chunking: job_id=JOB start (key=input/JOB/source.mp4)", Some(ChunkingStarted));
    check("INFO", "chunking: job_id=JOB complete total_segments=12", Some(ChunkingCompleted));
    check("ERROR", "chunking: job_id=JOB failed to process message: moov atom not found", Some(ChunkingFailed));
    check("INFO", "video-worker: job_id=JOB segment_index=3/12 start", Some(SegmentStarted));
    check("INFO", "video-worker: job_id=JOB segment_index=3/12 invoking SageMaker async", Some(SegmentStarted));
    check("INFO", "video-worker: job_id=JOB segment_index=3/12 complete -> s3://b/k", Some(SegmentCompleted));
    check("ERROR", "video-worker: job_id=JOB failed to process message: boom", Some(SegmentFailed));
    check("INFO", "video-worker: job_id=JOB marked failed", Some(JobFailed));
    check("INFO", "output-events: job_id=JOB segment_index=3 SageMaker failure, job failed", Some(SegmentFailed));
    check(
        "INFO",
        "job-status-events: job_id=JOB segment_index=3 SageMaker success -> s3://b/k",
        Some(SegmentCompleted),
    );
    check("INFO", "reassembly-trigger: job_id=JOB sending to reassembly queue", Some(ReassemblyTriggered));
    check("INFO", "reassembly: job_id=JOB concat 12 segments -> final.mp4", Some(ReassemblyStarted));
    check("INFO", "reassembly: job_id=JOB completed (video-worker sets status)", Some(ReassemblyCompleted));
    check("ERROR", "reassembly: job_id=JOB upload failed: no space", Some(ReassemblyFailed));
    check("INFO", "job-status-events: job_id=JOB reassembly complete -> completed", Some(JobCompleted));
    check("ERROR", "job_id=JOB segment_index=3 invocations failed: out of memory", Some(SegmentFailed));
}

#[test]
fn lines_without_a_change_of_state_yield_nothing() {
    check("INFO", "chunking: job_id=JOB skip (status=completed)", None);
    check("INFO", "reassembly: job_id=JOB already completed", None);
    check("INFO", "reassembly: job_id=JOB lock not acquired (another worker)", None);
    check("INFO", "job_id=JOB detail status=failed", None);
    check("WARNING", "chunking: job_id=? failed to process", None);
    check("INFO", "video-worker: polling", None);
}

#[test]
fn derived_events_have_their_fields() {
    let derived = event(&line("INFO", &format!("chunking: job_id={JOB} complete total_segments=12"))).unwrap();
    let completed = ChunkingCompleted { segments: Some(12), ..ChunkingCompleted::default() };
    assert_eq!((derived.stage, derived.payload), (Some(Stage::Chunking), Payload::ChunkingCompleted(completed)));
    let failed = event(&line("ERROR", &format!("reassembly: job_id={JOB} upload failed: no space"))).unwrap();
    let expected = StepFailed { error: Some("no space".into()), is_final: Some(false), ..StepFailed::default() };
    assert_eq!(failed.payload, Payload::ReassemblyFailed(expected));
    let ours =
        event(&line("INFO", &format!("segment.completed job_id={JOB} segment_index=3 attempt=1 frames=25 watts=7")))
            .unwrap();
    let completed = SegmentCompleted { frames: Some(25), ..SegmentCompleted::default() };
    assert_eq!((ours.payload, ours.segment_index), (Payload::SegmentCompleted(completed), Some(3)));
}

#[test]
fn ids_depend_on_the_line() {
    let first = line("INFO", &format!("chunking: job_id={JOB} start (key=x)"));
    let mut moved = first.clone();
    moved.stream.push('2');
    assert_eq!(event(&first).unwrap().id, event(&first.clone()).unwrap().id);
    assert_ne!(event(&first).unwrap().id, event(&moved).unwrap().id);
}
