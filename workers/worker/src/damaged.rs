//! What becomes of the message of a segment whose stored file is damaged.
//!
//! Where the source is still there nothing is lost: split again, it gives the same segments. That is an operator's to decide, so the
//! message goes to the dead-letter queue with that reason, and replaying it does it.

use stereospot_domain::keys::{self, SegmentKey};
use stereospot_ports::objects;
use stereospot_runtime::stage::{Context, Failure};

/// The failure of a segment that is damaged in the way that `why` tells; `is_ours` where our own cut wrote it.
pub(crate) async fn failure(context: &Context, key: SegmentKey, is_ours: bool, why: String) -> Failure {
    match objects::exists(&*context.backend.input.store, &keys::source(key.job_id)).await {
        Ok(true) if is_ours => Failure::Damaged(format!("{why}: replay its message, which has the source split again")),
        // Others cut otherwise each time: what is converted already would not fit.
        Ok(_) => Failure::Refused(format!("{why}, and it can't be cut again: submit the video again")),
        Err(error) => error.into(),
    }
}
