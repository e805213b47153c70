use serde_json::json;

use super::*;

fn event(kind: &str, segment_index: Option<u32>, data: serde_json::Value) -> Event {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    serde_json::from_value(json!({
        "v": 1, "id": id, "boot": id, "source": "w", "seq": 1, "type": kind, "time": 0, "segment_index": segment_index,
        "data": data
    }))
    .unwrap()
}

#[test]
fn events_alone_show_how_far_a_job_is() {
    let mut progress = Progress { status: JobStatus::ChunkingComplete, segments: Some(2), ..Progress::default() };
    assert_eq!(progress.share(), 0.0);
    progress.hear(&event("chunking.completed", None, json!({ "frames": 100 })));
    progress.hear(&event("segment.progress", Some(1), json!({ "frames_done": 10, "frames": 40 })));
    assert_eq!(progress.frames(), Some(100), "segment 0 is not known yet, but the chunking worker counted");
    assert_eq!(progress.share(), 0.1);
    progress.hear(&event("segment.completed", Some(0), json!({ "frames": 60 })));
    assert_eq!(progress.share(), 0.7);
    progress.segments_done = 1;
    assert_eq!(progress.to_string(), "chunking_complete  segments 1/2  frames 70/100");
}

#[test]
fn an_attempt_that_begins_again_takes_its_frames_back() {
    let mut progress = Progress { segments: Some(1), ..Progress::default() };
    progress.hear(&event("segment.progress", Some(0), json!({ "frames_done": 30, "frames": 40 })));
    progress.hear(&event("segment.started", Some(0), json!({ "frames": 40 })));
    assert_eq!(progress.share(), 0.0);
}

#[test]
fn at_the_end_no_segment_is_shown_as_it_was_last_heard_of() {
    let mut progress = Progress { segments: Some(2), segments_done: 2, ..Progress::default() };
    progress.status = JobStatus::Completed;
    progress.hear(&event("segment.progress", Some(0), json!({ "frames_done": 33 })));
    assert_eq!(progress.to_string(), "completed  segments 2/2", "not all frames are known");
    progress.hear(&event("chunking.completed", None, json!({ "frames": 528 })));
    assert_eq!(progress.to_string(), "completed  segments 2/2  frames 528/528");
    progress.status = JobStatus::Failed;
    assert_eq!(progress.to_string(), "failed  segments 2/2  frames 33/528");
}

#[test]
fn what_is_not_known_is_not_made_up() {
    let mut progress = Progress::default();
    assert_eq!(progress.to_string(), "created");
    assert_eq!(progress.frames(), None);
    progress.hear(&event("segment.started", Some(3), json!({})));
    assert_eq!(progress.to_string(), "created  frames 0/·");
}
