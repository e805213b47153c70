use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::catalogue::Process;
use crate::recorder::install;

async fn ask(addr: SocketAddr, request: &str) -> String {
    ask_as("localhost", addr, request).await
}

async fn ask_as(host: &str, addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream
        .write_all(format!("{request} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

// The only test that installs the process's recorder, because a process can do that only once.
#[tokio::test]
async fn metrics_are_served_until_the_server_is_dropped() {
    let recorder = install(Process::Worker).unwrap();
    assert!(matches!(install(Process::Worker), Err(recorder::Error::Installed)));
    let server = serve((Ipv4Addr::LOCALHOST, 0).into(), recorder.clone()).await.unwrap();
    let addr = server.addr();
    assert_ne!(addr.port(), 0);

    // From another thread, like the media threads.
    std::thread::spawn(|| crate::record::frames("inference", 25)).join().unwrap();
    let answer = ask(addr, "GET /metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
    assert!(answer.contains("\nstereospot_frames_total{stage=\"inference\"} 25\n"), "{answer}");
    assert!(answer.ends_with(&recorder.render()));

    assert!(ask(addr, "HEAD /metrics").await.ends_with("\r\n\r\n"));
    assert!(ask(addr, "GET /").await.starts_with("HTTP/1.1 404 "));
    assert!(ask(addr, "POST /metrics").await.starts_with("HTTP/1.1 405 "));
    assert!(ask(addr, "nonsense").await.starts_with("HTTP/1.1 400 "));

    for host in ["localhost:9", "127.0.0.1", "[::1]:9", "127.8.8.8"] {
        assert!(ask_as(host, addr, "GET /metrics").await.starts_with("HTTP/1.1 200 "), "{host}");
    }
    for host in ["x", "evil.example", "127.0.0.1.evil.example:80", "10.0.0.1", ""] {
        assert!(ask_as(host, addr, "GET /metrics").await.starts_with("HTTP/1.1 421 "), "{host}");
    }

    let mut open = TcpStream::connect(addr).await.unwrap();
    drop(server);
    let closed = open.read(&mut [0]).await;
    assert!(matches!(closed, Ok(0) | Err(_)), "dropping the server closes its connections");
}

#[tokio::test]
async fn a_taken_address_is_an_error() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let recorder = crate::recorder::detached(Process::Worker);
    let error = serve(taken.local_addr().unwrap(), recorder).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}
