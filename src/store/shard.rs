//! One file of a store and what this process knows of it.
//!
//! The file is a sequence of [records](super::record), which are only ever appended. Who writes
//! holds the store's lock, so a record that is cut off under the lock is the work of a writer
//! that died: the next writer cuts it away. Who reads takes no lock: it sees whole records, and
//! stops at one that is still being written. A record whose reply is damaged is a miss, and
//! is forgotten, so that the reply can be put again; the later one then counts. A damaged head
//! is passed over, up to the next whole one.
//!
//! Records are dropped by writing the others to a new file, which takes the place of the old
//! one: see [`prune`](super::prune). A process that has the old one open reads on there, and
//! finds the new one when it next looks for what it does not know.

use super::file::{Disk, Length, read_exact_at, write_all_at};
use super::front::Front;
use super::record::{self, Head};
use super::scan::Scan;
use super::{About, Access, Common, Key, Size};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// How much of the replies on disk one shard keeps in memory besides.
const FRONT: usize = 512 << 10;

/// How much one shard keeps that has no disk.
const ALONE: usize = 4 << 20;

/// A part of the keys.
#[derive(Debug)]
pub(super) struct Shard {
    /// Where replies are in the file, by the middle of their keys: so many bits never meet by
    /// chance, and the record tells its whole key.
    pub(super) index: BTreeMap<u64, Place>,
    front: Front,
    /// Replies that are nowhere else, where nothing can be written.
    alone: Front,
    pub(super) disk: Option<Disk>,
}

/// Where a record is; no file of a shard is longer than such a number tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    offset: u32,
    span: u32,
}

impl Place {
    pub(super) fn new(head: &Head, offset: u64) -> Option<Self> {
        let (offset, span) = (u32::try_from(offset).ok()?, u32::try_from(head.span()).ok()?);
        offset.checked_add(span).map(|_| Self { offset, span })
    }

    pub(super) fn offset(self) -> u64 {
        self.offset.into()
    }
}

/// What a key is called in the index.
pub(super) fn short(key: &Key) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&key.as_bytes()[8..16]);
    u64::from_le_bytes(bytes)
}

impl Shard {
    pub(super) fn in_memory() -> Self {
        Self {
            index: BTreeMap::new(),
            front: Front::default(),
            alone: Front::default(),
            disk: None,
        }
    }

    pub(super) fn on(disk: Disk) -> Self {
        Self { disk: Some(disk), ..Self::in_memory() }
    }

    pub(super) fn get(&mut self, key: &Key, common: &Common) -> Option<Arc<[u8]>> {
        // A key that is not known here, or whose record is damaged, may have been put since; a
        // file that was taken away is opened anew once.
        self.fetch(key, common).or_else(|| self.look_again(key, common)).or_else(|| {
            let is_gone = self.disk.as_ref().is_some_and(|it| it.is_lost_sight_of());
            is_gone.then(|| self.look_again(key, common)).flatten()
        })
    }

    fn look_again(&mut self, key: &Key, common: &Common) -> Option<Arc<[u8]>> {
        self.refresh(common).ok()?;
        self.fetch(key, common)
    }

    /// Keeps a reply unless there is one; a failing disk only means that memory keeps it.
    pub(super) fn put_if_absent(
        &mut self,
        key: &Key,
        about: &About<'_>,
        bytes: &[u8],
        common: &Common,
    ) -> bool {
        if self.disk.is_none() {
            return self.keep_alone(key, bytes);
        }
        // Reading it shows whether it is whole: a damaged one is replaced.
        if self.get(key, common).is_some() {
            return false;
        }
        match self.append(key, about, bytes, common) {
            Ok(was_kept) => {
                if was_kept {
                    self.keep_before(key, bytes.into(), common);
                }
                was_kept
            }
            Err(e) => {
                if let Some(disk) = &mut self.disk {
                    common.notices.unwritable(&disk.path, &e);
                    disk.stop_writing();
                }
                self.keep_alone(key, bytes)
            }
        }
    }

    fn keep_before(&mut self, key: &Key, reply: Arc<[u8]>, common: &Common) {
        if !common.only_written {
            self.front.keep(key, reply, FRONT);
        }
    }

    fn keep_alone(&mut self, key: &Key, bytes: &[u8]) -> bool {
        let is_new = self.alone.get(key).is_none();
        if is_new {
            self.alone.keep(key, bytes.into(), ALONE);
        }
        is_new
    }

    pub(super) fn size(&mut self, common: &Common) -> Size {
        // What cannot be read is not counted.
        let _ = self.refresh(common);
        let bytes = self.disk.as_ref().map_or(self.alone.bytes() as u64, |it| it.seen);
        Size { entries: self.index.len() + self.alone.len(), bytes }
    }

    /// The reply of an indexed key, from memory or from the file.
    fn fetch(&mut self, key: &Key, common: &Common) -> Option<Arc<[u8]>> {
        if let Some(reply) = self.front.get(key).or_else(|| self.alone.get(key)) {
            return Some(Arc::clone(reply));
        }
        let place = *self.index.get(&short(key))?;
        let disk = self.disk.as_mut()?;
        let file = disk.file()?;
        let mut bytes = vec![0; place.span as usize];
        let read = common.may(Access::Read);
        if let Err(e) = read.and_then(|()| read_exact_at(file, &mut bytes, place.offset())) {
            // Some systems take a file away that was replaced: it is looked for anew.
            common.notices.unreadable(&disk.path, &e);
            self.forget_disk();
            return None;
        }
        match record::whole(&bytes) {
            Some((head, _)) if head.key != *key => None,
            Some((_, reply)) => {
                let reply = Arc::<[u8]>::from(reply);
                self.keep_before(key, Arc::clone(&reply), common);
                Some(reply)
            }
            None => {
                common.notices.damaged(&disk.path);
                self.index.remove(&short(key));
                None
            }
        }
    }

    /// Indexes what the file holds by now.
    pub(super) fn refresh(&mut self, common: &Common) -> io::Result<()> {
        let Some(disk) = &mut self.disk else { return Ok(()) };
        disk.open_for_reading(common);
        let mut length = disk.length()?;
        if length == Length::Replaced {
            self.forget_disk();
            let Some(disk) = &mut self.disk else { return Ok(()) };
            disk.open_for_reading(common);
            length = disk.length()?;
        }
        let Length::Of(length) = length else { return Ok(()) };
        let Some(disk) = &self.disk else { return Ok(()) };
        // A torn end may have been replaced by a record of the same length.
        if length == disk.seen && disk.indexed == disk.seen {
            return Ok(());
        }
        if length < disk.indexed {
            self.index.clear();
            self.front.clear();
            if let Some(disk) = &mut self.disk {
                disk.indexed = 0;
            }
        }
        self.index_up_to(length, common)
    }

    /// Indexes whole records up to `length`. What is cut off at the end is left for later.
    fn index_up_to(&mut self, length: u64, common: &Common) -> io::Result<()> {
        let Some(disk) = &mut self.disk else { return Ok(()) };
        let Some(file) = disk.file() else { return Ok(()) };
        let mut scan = Scan::new(file, disk.indexed, length);
        // Of two records the second was written because the first could not be read.
        while let Some((head, offset)) = scan.next_record()? {
            if let Some(place) = Place::new(&head, offset) {
                self.index.insert(short(&head.key), place);
            }
        }
        if scan.damaged > 0 {
            common.notices.damaged(&disk.path);
        }
        (disk.indexed, disk.seen) = (scan.at, length);
        Ok(())
    }

    /// Forgets what was read from a file that is not there any more, and closes it.
    pub(super) fn forget_disk(&mut self) {
        self.index.clear();
        self.front.clear();
        if let Some(disk) = &mut self.disk {
            disk.close();
        }
    }

    /// Appends a record under the store's lock; false when another process was first.
    fn append(
        &mut self,
        key: &Key,
        about: &About<'_>,
        bytes: &[u8],
        common: &Common,
    ) -> io::Result<bool> {
        let held = common.hold()?;
        // Should the file not be readable to its end, nothing may be cut away there.
        self.refresh(common)?;
        if self.fetch(key, common).is_some() {
            return Ok(false);
        }
        let Some(disk) = &mut self.disk else { return Err(io::ErrorKind::Unsupported.into()) };
        disk.open_for_writing()?;
        let file = disk.writable()?;
        let start = disk.indexed;
        if disk.seen > start {
            file.set_len(start)?;
        }
        let record = record::write(key, about, bytes);
        let place = Head::read(&record).and_then(|head| Place::new(&head, start));
        let place = place.ok_or(io::ErrorKind::FileTooLarge)?;
        let written = common.may(Access::Write);
        if let Err(e) = written.and_then(|()| write_all_at(file, &record, start)) {
            // Half a record helps nobody; should this fail too, the next writer does it.
            let _ = file.set_len(start);
            return Err(e);
        }
        disk.indexed = start + record.len() as u64;
        disk.seen = disk.indexed;
        self.index.insert(short(key), place);
        self.make_room(&held, common);
        Ok(true)
    }
}
