use async_trait::async_trait;
use stereospot_domain::Timestamp;
use stereospot_ports::{Error, ErrorCode, Result};
use tokio::sync::mpsc;

use super::*;

/// Reports each call that it gets.
#[derive(Debug)]
struct Platform {
    asked: mpsc::UnboundedSender<&'static str>,
    refuses: bool,
}

#[async_trait]
impl TaskProtection for Platform {
    async fn protect(&self, _: Duration) -> Result<Option<Timestamp>> {
        self.asked.send("protect").unwrap();
        if self.refuses { Err(Error::new(ErrorCode::Denied, "no")) } else { Ok(None) }
    }

    async fn release(&self) -> Result<()> {
        self.asked.send("release").unwrap();
        Ok(())
    }
}

fn start(refuses: bool, times: Times) -> (Protection, mpsc::UnboundedReceiver<&'static str>) {
    let (asked, seen) = mpsc::unbounded_channel();
    (Protection::start_with(Arc::new(Platform { asked, refuses }), times), seen)
}

const BRIEF: Duration = Duration::from_millis(20);

#[tokio::test]
async fn a_task_is_protected_while_any_message_is_held() {
    let times = Times { renewed_every: BRIEF, lingers: BRIEF, ..TIMES };
    let (protection, mut asked) = start(false, times);
    let (one, other) = (protection.hold(), protection.clone().hold());
    assert_eq!(asked.recv().await, Some("protect"));
    drop(one);
    assert_eq!(asked.recv().await, Some("protect"), "renewed, as the other is held");
    drop(other);
    while asked.recv().await == Some("protect") {}
    let _again = protection.hold();
    assert_eq!(asked.recv().await, Some("protect"), "after the release");
}

#[tokio::test]
async fn a_message_that_comes_at_once_costs_no_call() {
    let times = Times { renewed_every: Duration::from_secs(3600), lingers: BRIEF, ..TIMES };
    let (protection, mut asked) = start(false, times);
    let mut held = protection.hold();
    assert_eq!(asked.recv().await, Some("protect"));
    for _ in 0..100 {
        drop(held);
        tokio::task::yield_now().await;
        held = protection.hold();
        tokio::task::yield_now().await;
    }
    drop(held);
    assert_eq!(asked.recv().await, Some("release"));
    assert!(asked.is_empty());
}

#[tokio::test]
async fn a_refusal_is_asked_again() {
    let (protection, mut asked) = start(true, Times { again_after: BRIEF, ..TIMES });
    let _held = protection.hold();
    assert_eq!(asked.recv().await, Some("protect"));
    assert_eq!(asked.recv().await, Some("protect"));
}
