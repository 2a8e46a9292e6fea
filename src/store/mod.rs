//! The store of replies: what was paid for once is kept.
//!
//! A store maps a [`Key`], the hash of everything that shapes a reply, to the bytes of the
//! reply. What is there is never replaced: whoever puts first wins. When there is more than may
//! be, the replies that were written first are dropped. A store survives a kill at any moment,
//! serves any number of processes at once, and where its directory cannot be written it works
//! from memory and says so once. It is not flushed to the disk's platters: after a power cut
//! the last replies may be missing, and no more.
//!
//! What the bytes mean is not known here. The layout on disk is told in [`shard`] and
//! [`record`]; replies of the layout before are found as well, and stay where they are.

mod error;
mod file;
mod front;
mod key;
mod lock;
mod prune;
mod record;
mod scan;
mod shard;
mod survey;

pub use error::Error;
pub use key::Key;
pub use prune::Dropped;
pub use survey::{Damage, Prune, Survey, Verdict};

use crate::util::lock;
use file::Disk;
use lock::{Held, WriteLock};
use shard::Shard;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A place for replies, here or on another machine.
pub trait Replies: Send + Sync + fmt::Debug {
    /// The reply under `key`; none also where it cannot be read.
    fn get(&self, key: &Key) -> Option<Arc<[u8]>>;

    /// Keeps a reply unless there is one under `key`; tells whether it was kept.
    ///
    /// # Errors
    /// See [`Error`]; a full disk is none.
    fn put_if_absent(&self, key: &Key, bytes: &[u8]) -> Result<bool, Error>;

    /// The same with what is known of the reply; who does not keep that keeps the reply.
    ///
    /// # Errors
    /// As for `put_if_absent`.
    fn put_about(&self, key: &Key, about: &About<'_>, bytes: &[u8]) -> Result<bool, Error> {
        let _ = about;
        self.put_if_absent(key, bytes)
    }

    /// Whether what was put is there for later processes, as far as this one knows.
    fn is_lasting(&self) -> bool {
        false
    }

    /// What the user should know: damage, or that nothing can be written. Each thing is said
    /// once in the life of the store.
    fn warnings(&self) -> Vec<String>;
}

/// What is known of a reply besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct About<'a> {
    /// What replies are counted by: the model that made it. No more than 255 bytes are kept.
    pub label: &'a str,
    /// When it came, since 1970; zero where nobody knows.
    pub written: Duration,
}

/// How many files a store is spread over. One is read when one of its keys is first asked
/// for, so that a large store opens at once.
const SHARDS: usize = 64;

/// The most bytes of a store where nobody says it.
pub const USUAL_LIMIT: u64 = 4_000_000_000;

/// The most bytes that a store can be told to hold: places in its files are small numbers.
pub const LARGEST_LIMIT: u64 = 200_000_000_000;

/// Replies in a directory, or in memory only.
pub struct Store {
    shards: Vec<Mutex<Shard>>,
    /// Those of the layout before, where there are any.
    earlier: Vec<Mutex<Shard>>,
    common: Common,
    dir: Option<PathBuf>,
}

/// What the shards of a store share.
#[derive(Debug, Default)]
struct Common {
    notices: Notices,
    lock: WriteLock,
    /// Where the files are.
    place: Option<PathBuf>,
    /// Where those of the layout before are.
    earlier: Option<PathBuf>,
    /// The most bytes that the files may have.
    limit: AtomicU64,
    /// What is written is not read again soon: nothing of it is kept in memory.
    only_written: bool,
    faults: Option<Faults>,
}

/// What is done with files, for tests that let it fail.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The lock is taken.
    Lock,
    /// A file is opened.
    Open,
    /// A reply is read.
    Read,
    /// A reply is written.
    Write,
}

/// What goes wrong.
struct Faults(Box<dyn Fn(Access) -> io::Result<()> + Send + Sync>);

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faults")
    }
}

impl Common {
    /// Waits for the lock of those who write.
    fn hold(&self) -> io::Result<Held<'_>> {
        self.may(Access::Lock)?;
        self.lock.hold()
    }

    fn may(&self, access: Access) -> io::Result<()> {
        self.faults.as_ref().map_or(Ok(()), |it| it.0(access))
    }

    /// The file of the layout before that has the keys of a file, and its length.
    fn earlier_file(&self, path: &Path) -> Option<(PathBuf, u64)> {
        let path = self.earlier.as_ref()?.join(path.file_name()?);
        let length = std::fs::metadata(&path).ok()?.len();
        Some((path, length))
    }

    /// The bytes of all files.
    fn bytes(&self) -> u64 {
        let places = self.place.iter().chain(&self.earlier);
        let files = places.filter_map(|it| std::fs::read_dir(it).ok()).flatten();
        files.filter_map(|it| it.ok()?.metadata().ok()).map(|it| it.len()).sum()
    }
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
        let place = dir.join("replies-2");
        let earlier = Some(dir.join("replies-1")).filter(|it| it.is_dir());
        let common = Common {
            lock: WriteLock::on(place.join("lock")),
            limit: AtomicU64::new(USUAL_LIMIT),
            place: Some(place.clone()),
            earlier: earlier.clone(),
            ..Common::default()
        };
        if let Err(e) = create_dir(&place) {
            common.notices.unwritable(&place, &e);
        }
        let shards = |place: PathBuf, is_old| {
            let path = move |it: usize| place.join(format!("{it:02x}.log"));
            let shard = move |it| Mutex::new(Shard::on(Disk::new(path(it), is_old)));
            (0..SHARDS).map(shard).collect::<Vec<_>>()
        };
        Ok(Self {
            shards: shards(place, false),
            earlier: earlier.map(|it| shards(it, true)).unwrap_or_default(),
            common,
            dir: Some(dir.to_owned()),
        })
    }

    /// The store with so many bytes on disk at most. It may be passed by the length of a few
    /// replies. [`USUAL_LIMIT`] holds where nothing is said.
    #[must_use]
    pub fn limited(self, bytes: u64) -> Self {
        self.common.limit.store(bytes.min(LARGEST_LIMIT), Ordering::Relaxed);
        self
    }

    /// The store for who writes much and reads little of it: on disk, and not in memory too.
    #[must_use]
    pub fn only_written(mut self) -> Self {
        self.common.only_written = true;
        self
    }

    /// The store where `faults` says what goes wrong.
    #[doc(hidden)]
    #[must_use]
    pub fn failing(
        mut self,
        faults: impl Fn(Access) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.common.faults = Some(Faults(Box::new(faults)));
        self
    }

    /// Returns an empty store that ends with the process. It is bounded as well: the oldest
    /// replies go where there are hundreds of megabytes.
    pub fn in_memory() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(Shard::in_memory())).collect(),
            earlier: Vec::new(),
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
        let found = lock(self.shard(key)).get(key, &self.common);
        found.or_else(|| lock(self.earlier.get(place_of(key))?).get(key, &self.common))
    }

    /// Keeps a reply unless there is one under `key`; tells whether it was kept.
    ///
    /// # Errors
    /// The reply is longer than a record can be.
    pub fn put_if_absent(&self, key: &Key, bytes: &[u8]) -> Result<bool, Error> {
        self.put_about(key, &About::default(), bytes)
    }

    /// The same with what is known of the reply.
    ///
    /// # Errors
    /// The reply is longer than a record can be.
    pub fn put_about(&self, key: &Key, about: &About<'_>, bytes: &[u8]) -> Result<bool, Error> {
        if bytes.len() > record::LONGEST {
            return Err(Error::too_long(bytes.len()));
        }
        let earlier = self.earlier.get(place_of(key));
        if earlier.is_some_and(|it| lock(it).get(key, &self.common).is_some()) {
            return Ok(false);
        }
        Ok(lock(self.shard(key)).put_if_absent(key, about, bytes, &self.common))
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
        self.earlier.iter().chain(&self.shards).fold(Size::default(), |sum, shard| {
            let size = lock(shard).size(&self.common);
            Size { entries: sum.entries + size.entries, bytes: sum.bytes + size.bytes }
        })
    }

    fn shard(&self, key: &Key) -> &Mutex<Shard> {
        &self.shards[place_of(key)]
    }
}

/// The shard of a key.
fn place_of(key: &Key) -> usize {
    usize::from(key.as_bytes()[0]) % SHARDS
}

impl Replies for Store {
    fn get(&self, key: &Key) -> Option<Arc<[u8]>> {
        Self::get(self, key)
    }

    fn put_if_absent(&self, key: &Key, bytes: &[u8]) -> Result<bool, Error> {
        Self::put_if_absent(self, key, bytes)
    }

    fn put_about(&self, key: &Key, about: &About<'_>, bytes: &[u8]) -> Result<bool, Error> {
        Self::put_about(self, key, about, bytes)
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
    is_unreadable: AtomicBool,
}

impl Notices {
    fn unwritable(&self, path: &Path, why: &io::Error) {
        if !self.is_unwritable.swap(true, Ordering::Relaxed) {
            let path = path.display();
            lock(&self.unsaid).push(format!(
                "replies cannot be kept in {path} ({why}); they are kept until the program ends"
            ));
        }
    }

    fn unreadable(&self, path: &Path, why: &io::Error) {
        if !self.is_unreadable.swap(true, Ordering::Relaxed) {
            let path = path.display();
            lock(&self.unsaid).push(format!(
                "{path} cannot be read ({why}); the replies there are asked for again"
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
fn create_dir(path: &Path) -> io::Result<()> {
    if let Some(above) = path.parent() {
        builder().recursive(true).create(above)?;
    }
    match builder().create(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
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
