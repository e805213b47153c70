use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::dashboard::fixture::job_id;

/// A server that accepts requests and never answers, and a runner that calls it.
async fn silent() -> (TcpListener, Runner, mpsc::Receiver<Input>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let (sender, answers) = mpsc::channel(8);
    (listener, Runner::new(client, None, sender), answers)
}

/// Accepts a request; returns its first line and the connection.
async fn request(listener: &TcpListener) -> (String, TcpStream) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut text = Vec::new();
    while !text.windows(4).any(|end| end == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut text).await.unwrap(), 0, "the request ends early");
    }
    (String::from_utf8(text).unwrap().lines().next().unwrap().to_owned(), stream)
}

#[tokio::test]
async fn stopping_a_search_drops_its_request() {
    let (listener, mut runner, mut answers) = silent().await;
    let search = |number| Effect::SearchLogs { job_id: job_id(number) };
    runner.start(search(1));
    let (line, mut first) = request(&listener).await;
    assert_eq!(line, format!("GET /v1/jobs/{}/logs?limit=10000 HTTP/1.1", job_id(1)));
    runner.start(search(2));
    assert_eq!(first.read(&mut [0]).await.unwrap(), 0, "another search takes its place");
    let (_, mut second) = request(&listener).await;
    runner.start(Effect::StopSearch);
    assert_eq!(second.read(&mut [0]).await.unwrap(), 0, "stopped");
    drop(runner);
    assert!(answers.recv().await.is_none(), "no answer is sent");
}

#[tokio::test]
async fn a_search_holds_up_no_other_call() {
    let (listener, mut runner, _answers) = silent().await;
    // All slots are taken by unanswered calls.
    let queue = stereospot_domain::QueueName::dead_letter(stereospot_domain::QueueRole::Inference);
    let mut held = Vec::new();
    for _ in 0..4 {
        runner.start(Effect::Peek(queue));
        held.push(request(&listener).await);
    }
    runner.start(Effect::SearchLogs { job_id: job_id(1) });
    assert!(request(&listener).await.0.contains("/logs?"));
}
