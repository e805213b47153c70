//! Handles the message of a segment whose file is damaged.
//!
//! Each file is compared with the checksum in the job's manifest before it is decoded. If it differs, or is gone, it was damaged
//! after it was written. Nothing is lost while the source exists: it is split again, which gives the same segments. Where another
//! team's job-worker owns the job's status, an operator decides on that: the message goes to the dead-letter queue with this
//! reason, and replaying it splits the source again.
//!
//! If the file is as it was written and can't be decoded, the damage came with the video. A few frames that can't be decoded
//! show the frame before them; more than that, or any of them in a strict job, ends the job, since another split would only
//! give the same file.

use std::path::Path;

use stereospot_domain::keys::{self, SegmentKey};
use stereospot_domain::{ErrorCode, JobId, Topology};
use stereospot_ports::objects;
use stereospot_runtime::stage::{Context, Failure, Task};
use tokio_util::sync::CancellationToken;

use crate::checksum::{self, Checksum};
use crate::convert::Conversion;
use crate::{files, split_again};

/// Who cut a segment, and whether its file is what was written then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Our workers; it is as they wrote it.
    Verified,
    /// Our workers, in a version that kept no checksums.
    Unverified,
    /// Another service: it is not recorded what it wrote.
    Foreign,
}

/// Frames that can't be decoded.
pub(crate) struct Found {
    /// The segment with the damaged file: the message's own, or the one before it.
    pub(crate) index: u32,
    /// What can't be decoded, as a clause.
    pub(crate) why: String,
    pub(crate) cut: Cut,
}

/// Fetches a segment's file for the conversion of the segment `key`: its own, or the one before it.
///
/// # Errors
/// The failure of the segment's message, if the file is gone or can't be fetched.
pub(crate) async fn fetch(
    context: &Context,
    task: &Task,
    key: SegmentKey,
    index: u32,
    file: &Path,
    is_ours: bool,
) -> Result<(), Failure> {
    let name = keys::segment(SegmentKey { index, ..key });
    match files::download(&context.backend.input, &name, file, &task.cancel).await {
        Err(Failure::Retry(ErrorCode::NotFound, _)) if is_ours => {
            Err(stored_badly(context, task, key, index, "its file is gone", true).await)
        }
        fetched => fetched,
    }
}

/// Compares the files of a conversion with what our workers wrote. Returns false if that was not recorded.
///
/// # Errors
/// The failure of the segment's message, if a file differs.
pub(crate) async fn verify(
    context: &Context,
    task: &Task,
    key: SegmentKey,
    conversion: &Conversion,
    written: &[Checksum],
) -> Result<bool, Failure> {
    let own = Some((key.index, &conversion.input));
    let previous = conversion.previous.as_ref().map(|(spec, file)| (spec.index, file));
    for (index, file) in previous.into_iter().chain(own) {
        let Some(written) = written.get(index as usize) else { return Ok(false) };
        if checksum::of_file(file).await? != *written {
            return Err(stored_badly(context, task, key, index, "its file is not as it was written", true).await);
        }
    }
    Ok(true)
}

/// Fetches a source and compares it with what was uploaded and, if it was split before, with what was split. Returns its checksum.
///
/// # Errors
/// [`Failure::Refused`] if it is gone or differs: its sound or its frames may be wrong, and there is no other copy.
pub(crate) async fn fetch_source(
    context: &Context,
    job_id: JobId,
    file: &Path,
    split: Option<&Checksum>,
    cancel: &CancellationToken,
) -> Result<Checksum, Failure> {
    let input = &context.backend.input;
    match files::download(input, &keys::source(job_id), file, cancel).await {
        Err(Failure::Retry(ErrorCode::NotFound, _)) => {
            return Err(Failure::Refused("the stored source is gone: submit the video again".into()));
        }
        fetched => fetched?,
    }
    let source = checksum::of_file(file).await?;
    let uploaded = Checksum::load(input, &keys::source_checksum(job_id)).await?;
    let since = match (split, &uploaded) {
        (Some(split), _) if source != *split => "split",
        (None, Some(uploaded)) if source != *uploaded => "uploaded",
        _ => return Ok(source),
    };
    Err(Failure::Refused(format!(
        "the stored source was damaged or replaced since it was {since}: submit the video again"
    )))
}

/// Accepts a converted segment although some of its frames can't be decoded, unless our workers wrote its file without recording
/// a checksum: that file may have been damaged since.
///
/// # Errors
/// The failure of the segment's message, if the segment is not accepted.
pub(crate) async fn accept(
    context: &Context,
    task: &Task,
    key: SegmentKey,
    conversion: &Conversion,
    found: Found,
) -> Result<(), Failure> {
    match found.cut {
        Cut::Verified | Cut::Foreign => Ok(()),
        Cut::Unverified => Err(failure(context, task, key, conversion, found).await),
    }
}

/// Returns the failure of the segment's message.
pub(crate) async fn failure(
    context: &Context,
    task: &Task,
    key: SegmentKey,
    conversion: &Conversion,
    found: Found,
) -> Failure {
    let Found { index, why, cut } = found;
    if cut != Cut::Verified {
        return stored_badly(context, task, key, index, &why, cut == Cut::Unverified).await;
    }
    let spec = match &conversion.previous {
        Some((spec, _)) if spec.index == index => spec,
        _ => &conversion.spec,
    };
    let manifest = &conversion.manifest;
    let [from, to] = [spec.start_pts, spec.end_pts].map(|pts| manifest.time_base.secs(pts - manifest.start_pts));
    Failure::Refused(format!(
        "the video is damaged between {from:.1} s and {to:.1} s ({why}): get another copy of it, or re-encode it, and submit that"
    ))
}

/// The failure of a message whose segment was, or may have been, damaged since it was written.
async fn stored_badly(
    context: &Context,
    task: &Task,
    key: SegmentKey,
    index: u32,
    why: &str,
    is_ours: bool,
) -> Failure {
    let what = match index == key.index {
        true => format!("segment {index} is damaged: {why}"),
        false => format!("segment {index}, whose end comes before this one, is damaged: {why}"),
    };
    match objects::exists(&*context.backend.input.store, &keys::source(key.job_id)).await {
        Ok(true) if is_ours && context.topology == Topology::VideoWorker => {
            split_again::ask(context, task, key.job_id, &what).await
        }
        Ok(true) if is_ours => {
            Failure::Damaged(format!("{what}: replay its message, which has the source split again"))
        }
        Ok(false) if is_ours => {
            Failure::Refused(format!("{what}, and the source is gone, too: submit the video again"))
        }
        // Another service cuts differently each time: the segments converted so far would not fit.
        Ok(_) => Failure::Refused(format!(
            "{what}, and it can't be cut again: submit the video again; if that fails too, submit another copy of it"
        )),
        Err(error) => error.into(),
    }
}
