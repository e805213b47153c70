//! Handles the message of a segment whose file can't be decoded as a whole.
//!
//! If the file is as it was written, the damage came with the video. A few frames that can't be decoded show the frame
//! before them; more than that, or any of them in a strict job, ends the job, since another split would only give the
//! same file. If the file is not as it was written, nothing is lost as long as the source is there: another split gives
//! the same segments as before. That is an operator's decision, so the message goes to the dead-letter queue with that
//! reason, and replaying it splits the source again.

use stereospot_domain::keys::{self, SegmentKey};
use stereospot_ports::objects;
use stereospot_runtime::stage::{Context, Failure};

use crate::convert::Conversion;
use crate::files;
use crate::fingerprint::Fingerprint;

/// The damage that was found.
pub(crate) struct Found {
    /// The segment with the damaged file: the message's own, or the one before it.
    pub(crate) index: u32,
    /// What can't be decoded, as a clause.
    pub(crate) why: String,
    /// True when our own workers cut it.
    pub(crate) is_ours: bool,
    /// How our workers wrote the files of the cut; empty when that was not recorded.
    pub(crate) written: Vec<Fingerprint>,
}

/// Accepts a converted segment with frames that can't be decoded, if they came so with the video.
///
/// # Errors
/// The failure of the segment's message, if its file may have been damaged since it was written.
pub(crate) async fn accept(
    context: &Context,
    key: SegmentKey,
    conversion: &Conversion,
    found: Found,
) -> Result<(), Failure> {
    let is_as_written = match found.written.get(found.index as usize) {
        Some(written) => match Fingerprint::of(vec![conversion.input.clone()]).await {
            Ok(stored) => stored == [*written],
            Err((file, error)) => return Err(files::io_failure(&file, &error)),
        },
        // It is not recorded how another service's segment was written.
        None => !found.is_ours,
    };
    if is_as_written { Ok(()) } else { Err(failure(context, key, conversion, found).await) }
}

/// Returns the failure of the segment's message.
pub(crate) async fn failure(context: &Context, key: SegmentKey, conversion: &Conversion, found: Found) -> Failure {
    let Found { index, why, is_ours, written } = found;
    let (spec, file) = match &conversion.previous {
        Some((spec, file)) if spec.index == index => (spec, file),
        _ => (&conversion.spec, &conversion.input),
    };
    if let Some(written) = written.get(index as usize) {
        match Fingerprint::of(vec![file.clone()]).await {
            Ok(stored) if stored == [*written] => {
                let manifest = &conversion.manifest;
                let [from, to] =
                    [spec.start_pts, spec.end_pts].map(|pts| manifest.time_base.secs(pts - manifest.start_pts));
                return Failure::Refused(format!(
                    "the video is damaged between {from:.1} s and {to:.1} s ({why}): get another copy of it, or re-encode \
                     it, and submit that"
                ));
            }
            Ok(_) => {}
            Err((file, error)) => return files::io_failure(&file, &error),
        }
    }
    let what = match index == key.index {
        true => format!("segment {index} is damaged: {why}"),
        false => format!("segment {index}, whose end comes before this one, is damaged: {why}"),
    };
    match objects::exists(&*context.backend.input.store, &keys::source(key.job_id)).await {
        Ok(true) if is_ours => {
            Failure::Damaged(format!("{what}: replay its message, which has the source split again"))
        }
        Ok(false) if is_ours => Failure::Refused(format!("{what}, and it can't be cut again: submit the video again")),
        // Another service cuts differently each time: the segments converted so far would not fit.
        Ok(_) => Failure::Refused(format!(
            "{what}, and it can't be cut again: submit the video again, another copy of it should that fail alike"
        )),
        Err(error) => error.into(),
    }
}
