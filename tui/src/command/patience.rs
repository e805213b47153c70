//! Notes a slow answer: the control plane may be suspended, or the request may take long.

use std::pin::pin;
use std::time::Duration;

use stereospot_api::{Client, client};
use tokio::sync::watch;
use tokio::time::sleep;

use super::print::note;

/// Silence after which a note is printed. Most calls take milliseconds.
const SILENT: Duration = Duration::from_secs(4);

/// Awaits a call, printing one note when no answer arrives within some seconds.
///
/// # Errors
/// The call's.
pub(super) async fn answered<T>(client: &Client, call: impl Future<Output = client::Result<T>>) -> client::Result<T> {
    let (_still, mut never) = watch::channel(());
    answered_after(client, call, &mut never).await
}

/// The same for an upload: while `sending` changes, silence is normal.
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
