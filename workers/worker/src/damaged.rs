//! Handles the message of a segment whose file is damaged.
//!
//! Each file is compared with the checksum in the job's manifest before it is decoded. If it differs, it was damaged after it was
//! written. Nothing is lost while the source exists: splitting it again gives the same segments. An operator decides on that, so
//! the message goes to the dead-letter queue with this reason, and replaying it splits the source again.
//!
//! If the file is as it was written and can't be decoded, the damage came with the video. A few frames that can't be decoded
//! show the frame before them; more than that, or any of them in a strict job, ends the job, since another split would only
//! give the same file.

use stereospot_domain::keys::{self, SegmentKey};
use stereospot_ports::objects;
use stereospot_runtime::stage::{Context, Failure};

use crate::checksum::Checksum;
use crate::convert::Conversion;

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

/// Compares the files of a conversion with what our workers wrote. Returns false if that was not recorded.
///
/// # Errors
/// The failure of the segment's message, if a file differs.
pub(crate) async fn verify(
    context: &Context,
    key: SegmentKey,
    conversion: &Conversion,
    written: &[Checksum],
) -> Result<bool, Failure> {
    let own = Some((key.index, &conversion.input));
    let previous = conversion.previous.as_ref().map(|(spec, file)| (spec.index, file));
    for (index, file) in previous.into_iter().chain(own) {
        let Some(written) = written.get(index as usize) else { return Ok(false) };
        if Checksum::of(file).await? != *written {
            return Err(stored_badly(context, key, index, "its file is not as it was written", true).await);
        }
    }
    Ok(true)
}

/// Compares a source with what was split.
///
/// # Errors
/// [`Failure::Refused`] if it differs: its sound or its frames may be wrong, and there is no other copy.
pub(crate) fn check_source(source: &Checksum, split: &Checksum) -> Result<(), Failure> {
    if source == split {
        return Ok(());
    }
    Err(Failure::Refused("the stored source was damaged or replaced since it was split: submit the video again".into()))
}

/// Accepts a converted segment although some of its frames can't be decoded, unless our workers wrote its file without recording
/// a checksum: that file may have been damaged since.
///
/// # Errors
/// The failure of the segment's message, if the segment is not accepted.
pub(crate) async fn accept(
    context: &Context,
    key: SegmentKey,
    conversion: &Conversion,
    found: Found,
) -> Result<(), Failure> {
    match found.cut {
        Cut::Verified | Cut::Foreign => Ok(()),
        Cut::Unverified => Err(failure(context, key, conversion, found).await),
    }
}

/// Returns the failure of the segment's message.
pub(crate) async fn failure(context: &Context, key: SegmentKey, conversion: &Conversion, found: Found) -> Failure {
    let Found { index, why, cut } = found;
    if cut != Cut::Verified {
        return stored_badly(context, key, index, &why, cut == Cut::Unverified).await;
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
async fn stored_badly(context: &Context, key: SegmentKey, index: u32, why: &str, is_ours: bool) -> Failure {
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
            "{what}, and it can't be cut again: submit the video again; if that fails too, submit another copy of it"
        )),
        Err(error) => error.into(),
    }
}
