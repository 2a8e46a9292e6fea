//! The store of replies: what was paid for once is kept.
//!
//! A store maps a [`Key`], the hash of everything that shapes a reply, to the bytes of the
//! reply. It only grows, and what is there is never replaced: whoever puts first wins. It
//! survives a kill at any moment, serves any number of processes at once, and where its
//! directory cannot be written it works from memory and says so once. It is not flushed to
//! the disk's platters: after a power cut the last replies may be missing, and no more.
//!
//! What the bytes mean is not known here. The layout on disk is told in [`shard`].

mod error;
mod key;
mod lock;
mod record;
mod shard;

pub use error::Error;
pub use key::Key;

use crate::util::lock;
use lock::WriteLock;
use shard::{Disk, Shard};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A place for replies, here or on another machine.
pub trait Replies: Send + Sync + fmt::Debug {
    /// The reply under `key`; none also where it cannot be read.
    fn get(&self, key: &Key) -> Option<Arc<[u8]>>;

    /// Keeps a reply unless there is one under `key`; tells whether it was kept.
    ///
    /// # Errors
    /// See [`Error`]; a full disk is none.
    fn put_if_absent(&self, key: &Key, bytes: &[u8]) -> Result<bool, Error>;

    /// Whether what was put is there for later processes, as far as this one knows.
    fn is_lasting(&self) -> bool {
        false
    }

    /// What the user should know: damage, or that nothing can be written. Each thing is said
    /// once in the life of the store.
    fn warnings(&self) -> Vec<String>;
}

/// How many files a store is spread over. One is read when one of its keys is first asked
/// for, so that a large store opens at once.
const SHARDS: usize = 64;

/// Replies in a directory, or in memory only.
pub struct Store {
    shards: Vec<Mutex<Shard>>,
    common: Common,
    dir: Option<PathBuf>,
}

/// What the shards of a store share.
#[derive(Debug, Default)]
struct Common {
    notices: Notices,
    lock: WriteLock,
}

/// How much a store holds, as far as this process has looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Replies.
    pub entries: usize,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Store {
    /// Opens the store in `dir`, which is created where it is missing, for its owner only.
    ///
    /// Where nothing can be written there, replies are kept in memory, and
    /// [`warnings`](Replies::warnings) says so.
    ///
    /// # Errors
    /// `dir` is a file.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let dir = dir.as_ref();
        if dir.is_file() {
            return Err(Error::not_a_directory(dir));
        }
        // The number is that of the layout: another one lives beside it.
        let place = dir.join("replies-1");
        let common = Common { lock: WriteLock::on(place.join("lock")), ..Common::default() };
        if let Err(e) = create_dir(&place) {
            common.notices.unwritable(&place, &e);
        }
        let shard = |it: usize| {
            let path = place.join(format!("{it:02x}.log"));
            Mutex::new(Shard::on(Disk::new(path)))
        };
        Ok(Self { shards: (0..SHARDS).map(shard).collect(), common, dir: Some(dir.to_owned()) })
    }

    /// Returns an empty store that ends with the process.
    pub fn in_memory() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(Shard::in_memory())).collect(),
            common: Common::default(),
            dir: None,
        }
    }

    /// The directory, when there is one.
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// The reply under `key`; none also where it is damaged.
    ///
    /// What other processes have put is seen at the first call that misses it.
    pub fn get(&self, key: &Key) -> Option<Arc<[u8]>> {
        lock(self.shard(key)).get(key, &self.common)
    }

    /// Keeps a reply unless there is one under `key`; tells whether it was kept.
    ///
    /// # Errors
    /// The reply is longer than a record can be.
    pub fn put_if_absent(&self, key: &Key, bytes: &[u8]) -> Result<bool, Error> {
        if bytes.len() > record::LONGEST {
            return Err(Error::too_long(bytes.len()));
        }
        Ok(lock(self.shard(key)).put_if_absent(key, bytes, &self.common))
    }

    /// What the user should know; each thing is told once.
    pub fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.common.notices.unsaid))
    }

    /// Whether all that was put is on disk.
    pub fn is_lasting(&self) -> bool {
        self.dir.is_some() && !self.common.notices.is_unwritable.load(Ordering::Relaxed)
    }

    /// How much is here. Reads every file of the store that was not read yet.
    pub fn size(&self) -> Size {
        self.shards.iter().fold(Size::default(), |sum, shard| {
            let size = lock(shard).size(&self.common);
            Size { entries: sum.entries + size.entries, bytes: sum.bytes + size.bytes }
        })
    }

    fn shard(&self, key: &Key) -> &Mutex<Shard> {
        &self.shards[usize::from(key.as_bytes()[0]) % SHARDS]
    }
}

impl Replies for Store {
    fn get(&self, key: &Key) -> Option<Arc<[u8]>> {
        Self::get(self, key)
    }

    fn put_if_absent(&self, key: &Key, bytes: &[u8]) -> Result<bool, Error> {
        Self::put_if_absent(self, key, bytes)
    }

    fn is_lasting(&self) -> bool {
        Self::is_lasting(self)
    }

    fn warnings(&self) -> Vec<String> {
        Self::warnings(self)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// What there is to say to the user, each thing once.
#[derive(Debug, Default)]
struct Notices {
    unsaid: Mutex<Vec<String>>,
    is_unwritable: AtomicBool,
    is_damaged: AtomicBool,
}

impl Notices {
    fn unwritable(&self, path: &Path, why: &std::io::Error) {
        if !self.is_unwritable.swap(true, Ordering::Relaxed) {
            let path = path.display();
            lock(&self.unsaid).push(format!(
                "replies cannot be kept in {path} ({why}); they are kept until the program ends"
            ));
        }
    }

    fn damaged(&self, path: &Path) {
        if !self.is_damaged.swap(true, Ordering::Relaxed) {
            let path = path.display();
            lock(&self.unsaid).push(format!(
                "{path} is damaged in places; the replies there are asked for again"
            ));
        }
    }
}

/// Creates a directory for its owner only, and those above it as usual.
fn create_dir(path: &Path) -> std::io::Result<()> {
    if let Some(above) = path.parent() {
        builder().recursive(true).create(above)?;
    }
    match builder().create(path) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

fn builder() -> std::fs::DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "modes are a matter of Unix"))]
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}
