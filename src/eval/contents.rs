//! The content of files that rows name: a row that names a picture is another row when the
//! picture is another one.

use crate::eval::Dataset;
use crate::runtime::{Error, Program, Run};
use crate::util::hex;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// A hash of the content of the files that rows name where a program wants pictures, sounds or
/// files; empty where none does.
///
/// # Errors
/// Rows that cannot be read again.
pub(crate) fn contents<'a>(
    run: &Run,
    program: &Program,
    sets: impl IntoIterator<Item = &'a Dataset>,
) -> Result<String, Error> {
    if !program.takes_media(run.script()) {
        return Ok(String::new());
    }
    let mut files = BTreeSet::new();
    for row in sets.into_iter().flat_map(Dataset::iter) {
        files.extend(program.files(run, &*row?));
    }
    if files.is_empty() {
        return Ok(String::new());
    }
    let mut hash = Sha256::new();
    for file in files {
        // One that is not there is told of by the run that wants it.
        let content = run.env().host.read(&file).unwrap_or_default();
        hash.update(Sha256::digest(&content));
    }
    let mut hash = hex(&hash.finalize());
    hash.truncate(16);
    Ok(hash)
}
