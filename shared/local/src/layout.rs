//! The folders of a data directory.

use std::path::{Path, PathBuf};

use stereospot_ports::notifying::Side;

/// The folder of a restore under way.
pub(crate) const RESTORING: &str = "restoring";

/// The folder that holds both buckets.
pub(crate) fn objects(data_dir: &Path) -> PathBuf {
    data_dir.join("objects")
}

/// A bucket's folder. Each object is the file at its key.
pub(crate) fn bucket(data_dir: &Path, side: Side) -> PathBuf {
    objects(data_dir).join(side.as_str())
}
