//! Ages of a control plane whose clock differs from this machine's.

use std::net::TcpListener;

use serde_json::json;
use stereospot_domain::Timestamp;

use crate::program::run;
use crate::server::{Answer, Request, Server};

const NOW: Timestamp = Timestamp(1_000_000_000);

#[test]
fn ages_follow_the_control_planes_clock() {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let event = json!({
        "v": 1, "id": id, "boot": id, "source": "w", "seq": 1, "type": "worker.draining", "time": NOW.0 - 7_000, "data": {}
    });
    let answer = move |_: &Request| Answer::json(&[&event]);
    let server = Server::with_clock(TcpListener::bind("127.0.0.1:0").unwrap(), || NOW, answer);
    let end = run(&["events", "--server", &server.url]);
    assert_eq!(end.code, 0, "{}", end.stderr);
    assert!(end.stdout.contains("7.0s"), "{}", end.stdout);
}
