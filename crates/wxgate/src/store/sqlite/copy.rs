//! A copy of the whole database in one file, while it is in use.

use std::fs::File;
use std::path::Path;

use rusqlite::OpenFlags;

use super::file;
use crate::store::StoreError;

/// Blocks for as long as it takes to read and write all of it. The file's name is gone when this returns.
pub(super) fn into(database: &Path, folder: &Path) -> Result<File, StoreError> {
    let unavailable = |error: std::io::Error| StoreError::Unavailable(error.to_string().into());
    // Nobody else may read what stands there meanwhile.
    let own = tempfile::tempdir_in(folder).map_err(unavailable)?;
    let path = own.path().join("copy.db");
    let db = file::connect(database, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.execute("vacuum into ?1", [path.to_string_lossy()])?;
    File::open(&path).map_err(unavailable)
}
