use stereospot_domain::event::{WorkerStarted, WorkerStopped};
use stereospot_ports::SystemClock;

use super::*;

#[test]
fn absent_fields_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let events = Events::open("test", folder.path(), Arc::new(SystemClock)).unwrap();
    let started = WorkerStarted { model: Some(String::new()), pid: Some(0), ..WorkerStarted::default() };
    events.emit(Payload::WorkerStarted(started), &About::default());
    events.emit(Payload::WorkerStopped(WorkerStopped::default()), &About::default());
    let lines: Vec<String> = events.take_spooled().iter().map(Event::log_line).collect();
    assert_eq!(lines, ["worker.started model=\"\" pid=0", "worker.stopped"]);
}
