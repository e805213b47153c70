use crate::catalogue::{Process, Provider};
use crate::recorder::with_local;

#[test]
fn guards_count_only_while_they_live() {
    with_local(Process::Worker, |recorder| {
        let line = |value: u8| format!("stereospot_worker_busy{{stage=\"inference\"}} {value}\n");
        let first = super::busy("inference");
        let second = super::busy("inference");
        assert!(recorder.render().contains(&line(2)));
        drop(first);
        assert!(recorder.render().contains(&line(1)));
        drop(second);
        assert!(recorder.render().contains(&line(0)));
    });
}

#[test]
fn one_provider_runs_at_a_time() {
    with_local(Process::Worker, |recorder| {
        super::execution_provider(Provider::Cuda);
        super::execution_provider(Provider::Cpu);
        let text = recorder.render();
        assert!(text.contains("info{provider=\"cpu\"} 1\n") && text.contains("info{provider=\"cuda\"} 0\n"), "{text}");
    });
}

#[test]
fn an_empty_queue_has_no_oldest_message() {
    with_local(Process::ControlPlane, |recorder| {
        super::queue_oldest("inference", Some(std::time::SystemTime::now()));
        super::queue_oldest("inference", None);
        assert!(recorder.render().contains("oldest_message_timestamp_seconds{queue=\"inference\"} 0\n"));
    });
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "`inferense` is not a stage of stereospot_frames_total")]
fn an_unknown_label_value_is_found_in_tests() {
    super::frames("inferense", 1);
}
