use super::*;

#[test]
fn an_invalid_address_is_refused_with_an_example() {
    for server in ["", "localhost", "ftp://x", "http://"] {
        assert!(Client::new(server).unwrap_err().to_string().contains("http://127.0.0.1"), "{server}");
    }
}

#[tokio::test]
async fn an_unreachable_server_is_reported_with_what_to_do() {
    // Nothing listens on port 9 of loopback.
    let error = Client::new("http://127.0.0.1:9").unwrap().health().await.unwrap_err();
    assert!(error.retryable());
    assert!(error.to_string().contains("stereospot up"), "{error}");
}

#[tokio::test]
async fn a_slow_server_is_not_an_unreachable_one() {
    // Accepts connections and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let request = client.request(Method::GET, "/healthz").timeout(Duration::from_millis(50));
    let error = client.send(request).await.unwrap_err();
    assert!(matches!(error, Error::Slow { .. }) && error.retryable());
    assert!(error.to_string().contains("gave no answer in time"), "{error}");
}
