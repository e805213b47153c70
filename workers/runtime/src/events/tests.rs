use serde_json::json;
use stereospot_ports::SystemClock;

use super::*;

#[test]
fn what_there_is_nothing_to_say_of_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let events = Events::open("test", folder.path(), Arc::new(SystemClock)).unwrap();
    let data = [("error", json!(None::<String>)), ("model", json!("")), ("frames", json!(0)), ("busy", json!(false))];
    events.emit(EventKind::WorkerStopped, &About::default(), data);
    assert_eq!(events.take_spooled()[0].log_line(), "worker.stopped busy=false frames=0 model=\"\"");
}
