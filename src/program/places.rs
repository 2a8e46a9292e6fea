//! Files that the demos of a state name: a state says where they are from its own folder, so that
//! both can be moved together.

use crate::host::{Host, without_dots};
use crate::program::State;
use crate::schema::{Record, Signature, with_paths};
use indexmap::IndexMap;
use std::path::{Component, Path, PathBuf};

impl State {
    /// The state as it is written into `folder`: paths begin there.
    #[must_use]
    pub fn placed_in(
        &self,
        host: &dyn Host,
        folder: &Path,
        signatures: &IndexMap<String, Signature>,
    ) -> Self {
        self.with_places(signatures, &|path| {
            let told = relative(host, folder, Path::new(path));
            told.map_or_else(|| path.to_owned(), |it| it.to_string_lossy().replace('\\', "/"))
        })
    }

    /// The state as it was read from `folder`: paths begin where the program runs.
    #[must_use]
    pub fn taken_from(&self, folder: &Path, signatures: &IndexMap<String, Signature>) -> Self {
        self.with_places(signatures, &|path| {
            without_dots(&folder.join(path)).to_string_lossy().into_owned()
        })
    }

    fn with_places(
        &self,
        signatures: &IndexMap<String, Signature>,
        place: &dyn Fn(&str) -> String,
    ) -> Self {
        let mut state = self.clone();
        for (path, predictor) in &mut state.predictors {
            let Some(signature) = signatures.get(path) else { continue };
            for demo in &mut predictor.demos {
                relocate(&mut demo.demo.inputs, signature, place);
            }
        }
        state
    }
}

fn relocate(inputs: &mut Record, signature: &Signature, place: &dyn Fn(&str) -> String) {
    for field in &signature.inputs {
        if let Some(value) = inputs.get_mut(&field.name)
            && field.ty.mentions_media(&signature.types)
        {
            *value = with_paths(value, &field.ty, &signature.types, place);
        }
    }
}

/// The way from a folder to a file; none where there is no way without the name of a machine's
/// folder, as between two drives.
fn relative(host: &dyn Host, folder: &Path, file: &Path) -> Option<PathBuf> {
    if folder.has_root() == file.has_root() {
        return way(&without_dots(folder), &without_dots(file));
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    way(&host.real_path(folder).ok()?, &host.real_path(file).ok()?)
}

fn way(folder: &Path, file: &Path) -> Option<PathBuf> {
    let (from, to): (Vec<_>, Vec<_>) =
        (folder.components().collect(), file.components().collect());
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = &from[shared..];
    let is_normal = |it: &Component<'_>| matches!(it, Component::Normal(_));
    let is_plain = up.iter().all(is_normal);
    let is_apart = file.has_root() && !from[..shared].iter().any(is_normal);
    if !is_plain || is_apart {
        return None;
    }
    Some(up.iter().map(|_| Component::ParentDir).chain(to[shared..].iter().copied()).collect())
}
