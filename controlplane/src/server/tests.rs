use stereospot_ports::memory::{self, ManualClock};

use super::*;

#[tokio::test]
async fn a_part_that_panics_is_noticed_and_a_whole_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::new(dir.path().to_owned(), SocketAddr::from(([127, 0, 0, 1], 0)));
    let mut server = Server::start(memory::backend(&ManualClock::default()), config, None).await.unwrap();
    let while_whole = tokio::time::timeout(Duration::from_millis(300), server.broke_off()).await;
    assert!(while_whole.is_err(), "nothing of it ends by itself");
    server.tasks.spawn(async { panic!("on purpose") });
    server.broke_off().await;
    server.stop().await;
}
