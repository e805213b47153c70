//! Says that an answer is waited for, when a control plane gives none: it may be stopped, or what it asks may be slow.

use std::pin::pin;
use std::time::Duration;

use stereospot_api::{Client, client};
use tokio::sync::watch;
use tokio::time::sleep;

use super::print::note;

/// Silence that is said. Most calls are answered in milliseconds.
const SILENT: Duration = Duration::from_secs(4);

/// A call's answer; after some seconds it is said, once, that none has come yet.
///
/// # Errors
/// The call's.
pub(super) async fn answered<T>(client: &Client, call: impl Future<Output = client::Result<T>>) -> client::Result<T> {
    let (_still, mut never) = watch::channel(());
    answered_after(client, call, &mut never).await
}

/// The same for a call that sends much: as long as `sending` changes, no answer is missed.
///
/// # Errors
/// The call's.
pub(super) async fn answered_after<T>(
    client: &Client,
    call: impl Future<Output = client::Result<T>>,
    sending: &mut watch::Receiver<()>,
) -> client::Result<T> {
    let (mut call, mut is_said) = (pin!(call), false);
    loop {
        tokio::select! {
            answer = &mut call => return answer,
            Ok(()) = sending.changed() => {}
            () = sleep(SILENT), if !is_said => {
                let server = client.server();
                note(format!("the control plane at {server} has given no answer for {} s: still waiting", SILENT.as_secs()));
                is_said = true;
            }
        }
    }
}
