//! Functions on object stores that the pipeline needs in several places.

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use stereospot_domain::Timestamp;

use crate::error::{Error, ErrorCode, Result};

/// Whether an object exists.
///
/// # Errors
/// If the store can't be reached.
pub async fn exists(store: &dyn ObjectStore, key: &str) -> Result<bool> {
    Ok(size(store, key).await?.is_some())
}

/// An object's size in bytes; `None` if it does not exist.
///
/// # Errors
/// If the store can't be reached.
pub async fn size(store: &dyn ObjectStore, key: &str) -> Result<Option<u64>> {
    match store.head(&path(key)?).await {
        Ok(meta) => Ok(Some(meta.size)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads a small object; `None` if it does not exist.
///
/// # Errors
/// If the store can't be reached.
pub async fn content(store: &dyn ObjectStore, key: &str) -> Result<Option<Vec<u8>>> {
    match store.get(&path(key)?).await {
        Ok(found) => Ok(Some(found.bytes().await?.to_vec())),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// When an object was last written; `None` if it does not exist.
///
/// # Errors
/// If the store can't be reached.
pub async fn written_at(store: &dyn ObjectStore, key: &str) -> Result<Option<Timestamp>> {
    match store.head(&path(key)?).await {
        Ok(meta) => Ok(Some(Timestamp(meta.last_modified.timestamp_millis()))),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The keys below a prefix, in no particular order.
///
/// # Errors
/// If the store can't be reached.
pub async fn keys_below(store: &dyn ObjectStore, prefix: &str) -> Result<Vec<String>> {
    let prefix = path(prefix)?;
    Ok(store.list(Some(&prefix)).map_ok(|meta| meta.location.to_string()).try_collect().await?)
}

/// Whether any object exists below a prefix.
///
/// # Errors
/// If the store can't be reached.
pub async fn is_any_below(store: &dyn ObjectStore, prefix: &str) -> Result<bool> {
    let prefix = path(prefix)?;
    Ok(store.list(Some(&prefix)).try_next().await?.is_some())
}

/// Converts a key to the store's path type.
///
/// # Errors
/// [`ErrorCode::Invalid`] if it is not a valid key.
pub fn path(key: &str) -> Result<Path> {
    Path::parse(key).map_err(|error| Error::with(ErrorCode::Invalid, format!("`{key}` is no object key"), error))
}
