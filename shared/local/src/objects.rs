//! Objects as files. A write is acknowledged once it is synced. A folder goes with its last file.

use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use stereospot_ports::Result;
use stereospot_ports::notifying::{NotifyingStore, Side};

use crate::access::writable_folder;
use crate::database::{Database, make_folder, unusable};
use crate::layout;
use crate::outbox::LocalOutbox;

/// Opens a bucket's folder, creating it if missing.
///
/// # Errors
/// If the folder can't be created or written.
pub(crate) fn open(data_dir: &Path, side: Side, database: &Database) -> Result<Arc<dyn ObjectStore>> {
    let folder = layout::bucket(data_dir, side);
    make_folder(&layout::objects(data_dir))?;
    make_folder(&folder)?;
    for folder in [&layout::objects(data_dir), &folder] {
        writable_folder(folder).map_err(|error| unusable(folder, error))?;
    }
    let files = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true).with_automatic_cleanup(true);
    Ok(Arc::new(NotifyingStore::new(Arc::new(files), side, Arc::new(LocalOutbox::new(database.clone())))))
}
