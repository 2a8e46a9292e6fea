//! One file of a store and what this process knows of it.
//!
//! The file is a sequence of [records](super::record), only ever appended to. Who writes holds
//! the store's lock, so a record that is cut off under the lock is the work of a writer that
//! died: the next writer cuts it away. Who reads takes no lock: it sees whole records, and
//! stops at one that is still being written. A record whose reply is damaged is a miss, and
//! is forgotten, so that the reply can be put again; the later one then counts. A damaged head
//! is passed over, up to the next whole one.

use super::record::{self, HEAD, Head, MAGIC};
use super::{Common, Key, Size};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// How much of the replies on disk one shard keeps in memory besides.
const FRONT: usize = 1 << 20;

/// A part of the keys.
#[derive(Debug)]
pub(super) struct Shard {
    index: BTreeMap<Key, Slot>,
    /// The keys whose replies are in memory as well, the oldest first.
    front: VecDeque<Key>,
    front_bytes: usize,
    disk: Option<Disk>,
}

/// Where a reply is.
#[derive(Debug)]
enum Slot {
    /// In memory and nowhere else.
    Memory(Arc<[u8]>),
    /// In the file, and in memory too if it was used lately.
    Disk { offset: u64, span: u64, front: Option<Arc<[u8]>> },
}

/// The file of a shard.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    state: State,
    /// Up to where the file is indexed.
    indexed: u64,
    /// How long it was when it was last looked at.
    seen: u64,
}

#[derive(Debug)]
enum State {
    /// Not looked at yet, or not there yet.
    Closed,
    Writable(File),
    ReadOnly(File),
    /// It cannot even be read.
    Lost,
}

impl Shard {
    pub(super) fn in_memory() -> Self {
        Self { index: BTreeMap::new(), front: VecDeque::new(), front_bytes: 0, disk: None }
    }

    pub(super) fn on(disk: Disk) -> Self {
        Self { disk: Some(disk), ..Self::in_memory() }
    }

    pub(super) fn get(&mut self, key: &Key, common: &Common) -> Option<Arc<[u8]>> {
        // A key that is not known here, or whose record is damaged, may have been put since.
        self.fetch(key, common).or_else(|| {
            self.refresh(common);
            self.fetch(key, common)
        })
    }

    /// Keeps a reply unless there is one; a failing disk only means that memory keeps it.
    pub(super) fn put_if_absent(&mut self, key: &Key, bytes: &[u8], common: &Common) -> bool {
        // Reading it shows whether it is whole: a damaged one is replaced.
        if self.get(key, common).is_some() {
            return false;
        }
        match self.append(key, bytes, common) {
            Ok(None) => false,
            Ok(Some((offset, span))) => {
                self.index.insert(*key, Slot::Disk { offset, span, front: None });
                self.remember(key, bytes.into());
                true
            }
            Err(e) => {
                if let Some(disk) = &mut self.disk {
                    common.notices.unwritable(&disk.path, &e);
                    disk.stop_writing();
                }
                self.index.insert(*key, Slot::Memory(bytes.into()));
                true
            }
        }
    }

    pub(super) fn size(&mut self, common: &Common) -> Size {
        self.refresh(common);
        let bytes = self.disk.as_ref().map_or(0, |it| it.seen);
        Size { entries: self.index.len(), bytes }
    }

    /// The reply of an indexed key, from memory or from the file.
    fn fetch(&mut self, key: &Key, common: &Common) -> Option<Arc<[u8]>> {
        let (offset, span) = match self.index.get(key)? {
            Slot::Memory(reply) | Slot::Disk { front: Some(reply), .. } => {
                return Some(Arc::clone(reply));
            }
            Slot::Disk { offset, span, front: None } => (*offset, *span),
        };
        let disk = self.disk.as_ref()?;
        let found = disk.file().and_then(|file| {
            let mut bytes = vec![0; usize::try_from(span).ok()?];
            read_exact_at(file, &mut bytes, offset).ok()?;
            record::reply(key, &bytes).map(Arc::<[u8]>::from)
        });
        match found {
            Some(reply) => {
                self.remember(key, Arc::clone(&reply));
                Some(reply)
            }
            None => {
                common.notices.damaged(&disk.path);
                self.index.remove(key);
                None
            }
        }
    }

    /// Keeps a reply of the file in memory too, in place of older ones.
    fn remember(&mut self, key: &Key, reply: Arc<[u8]>) {
        if reply.len() > FRONT {
            return;
        }
        if let Some(Slot::Disk { front, .. }) = self.index.get_mut(key) {
            self.front_bytes += reply.len();
            *front = Some(reply);
            self.front.push_back(*key);
        }
        while self.front_bytes > FRONT
            && let Some(oldest) = self.front.pop_front()
        {
            if let Some(Slot::Disk { front, .. }) = self.index.get_mut(&oldest) {
                self.front_bytes -= front.take().map_or(0, |it| it.len());
            }
        }
    }

    /// Indexes what the file holds by now.
    fn refresh(&mut self, common: &Common) {
        let Some(disk) = &mut self.disk else { return };
        disk.open_for_reading(common);
        let Some(length) = disk.length() else { return };
        // A torn end may have been replaced by a record of the same length.
        if length == disk.seen && disk.indexed == disk.seen {
            return;
        }
        if length < disk.indexed {
            self.forget_disk();
        }
        self.index_up_to(length, common);
    }

    /// Indexes whole records up to `length`. What is cut off at the end is left for later.
    fn index_up_to(&mut self, length: u64, common: &Common) {
        let Some(disk) = &mut self.disk else { return };
        disk.seen = length;
        let Some(file) = disk.file() else { return };
        let mut scan = Scan::new(file, disk.indexed, length);
        let mut found = Vec::new();
        while let Some(record) = scan.next_record() {
            found.push(record);
        }
        let (end, is_damaged) = (scan.at, scan.is_damaged);
        if is_damaged {
            common.notices.damaged(&disk.path);
        }
        disk.indexed = end;
        for (head, offset) in found {
            self.note(head, offset);
        }
    }

    /// Notes a record. One that came first counts, until it turns out to be damaged: then its
    /// slot is gone and a later one is noted.
    fn note(&mut self, head: Head, offset: u64) {
        let slot = Slot::Disk { offset, span: head.span(), front: None };
        match self.index.entry(head.key) {
            std::collections::btree_map::Entry::Vacant(vacant) => {
                vacant.insert(slot);
            }
            std::collections::btree_map::Entry::Occupied(mut taken) => {
                // A second record was written because the first could not be read.
                if matches!(taken.get(), Slot::Disk { front: None, .. }) {
                    taken.insert(slot);
                }
            }
        }
    }

    /// Forgets what was read from a file that has since become shorter.
    fn forget_disk(&mut self) {
        self.index.retain(|_, slot| matches!(slot, Slot::Memory(_)));
        self.front.clear();
        self.front_bytes = 0;
        if let Some(disk) = &mut self.disk {
            disk.indexed = 0;
        }
    }

    /// Appends a record under the store's lock; none when another process was first.
    fn append(
        &mut self,
        key: &Key,
        bytes: &[u8],
        common: &Common,
    ) -> io::Result<Option<(u64, u64)>> {
        let Some(disk) = &mut self.disk else { return Err(io::ErrorKind::Unsupported.into()) };
        disk.open_for_writing()?;
        let _held = common.lock.hold()?;
        self.refresh(common);
        if self.fetch(key, common).is_some() {
            return Ok(None);
        }
        let Some(disk) = &mut self.disk else { return Ok(None) };
        let State::Writable(file) = &disk.state else {
            return Err(io::ErrorKind::PermissionDenied.into());
        };
        let start = disk.indexed;
        if disk.seen > start {
            file.set_len(start)?;
        }
        let record = record::write(key, bytes);
        if let Err(e) = write_all_at(file, &record, start) {
            // Half a record helps nobody; should this fail too, the next writer does it.
            let _ = file.set_len(start);
            return Err(e);
        }
        let span = record.len() as u64;
        disk.indexed = start + span;
        disk.seen = disk.indexed;
        Ok(Some((start, span)))
    }
}

impl Disk {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, state: State::Closed, indexed: 0, seen: 0 }
    }

    fn file(&self) -> Option<&File> {
        match &self.state {
            State::Writable(file) | State::ReadOnly(file) => Some(file),
            State::Closed | State::Lost => None,
        }
    }

    fn length(&self) -> Option<u64> {
        self.file()?.metadata().ok().map(|it| it.len())
    }

    /// Opens the file if it is there; a store that is only read leaves no empty files.
    fn open_for_reading(&mut self, common: &Common) {
        if !matches!(self.state, State::Closed) {
            return;
        }
        let opened = options().open(&self.path).map(State::Writable);
        self.state = match opened.or_else(|_| File::open(&self.path).map(State::ReadOnly)) {
            Ok(state) => state,
            Err(e) if e.kind() == io::ErrorKind::NotFound => State::Closed,
            Err(e) => {
                common.notices.unwritable(&self.path, &e);
                State::Lost
            }
        };
    }

    fn open_for_writing(&mut self) -> io::Result<()> {
        if matches!(self.state, State::Closed) {
            self.state = State::Writable(options().create(true).open(&self.path)?);
        }
        Ok(())
    }

    /// After a failed write no more is tried; what is there can still be read.
    fn stop_writing(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Lost) {
            State::Writable(file) => State::ReadOnly(file),
            State::Closed => State::Lost,
            other => other,
        };
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A walk over the heads of a file.
struct Scan<'a> {
    file: &'a File,
    /// Where the next record begins: everything before is indexed.
    at: u64,
    end: u64,
    /// A piece of the file, and where it begins.
    piece: Vec<u8>,
    start: u64,
    is_damaged: bool,
}

impl<'a> Scan<'a> {
    const PIECE: usize = 64 << 10;

    fn new(file: &'a File, at: u64, end: u64) -> Self {
        Self { file, at, end, piece: Vec::new(), start: at, is_damaged: false }
    }

    /// The next whole record and where it begins.
    fn next_record(&mut self) -> Option<(Head, u64)> {
        if self.end - self.at < HEAD as u64 {
            return None;
        }
        let whole = |scan: &mut Self| {
            let head = Head::read(scan.bytes(scan.at)?)?;
            Some((head, scan.at))
        };
        let (head, offset) = match whole(self) {
            Some(found) => found,
            None => self.after_damage()?,
        };
        let next = offset + head.span();
        if next > self.end {
            return None;
        }
        self.at = next;
        Some((head, offset))
    }

    /// The next whole record after bytes that are none. Until one is found the damage may
    /// be the end of a file that grows, and nothing is said of it.
    fn after_damage(&mut self) -> Option<(Head, u64)> {
        let mut offset = self.at + 1;
        while offset + HEAD as u64 <= self.end {
            let bytes = self.bytes(offset)?;
            match bytes.windows(MAGIC.len()).position(|it| it == MAGIC) {
                Some(0) => {
                    if let Some(head) = Head::read(bytes)
                        && offset + head.span() <= self.end
                    {
                        self.is_damaged = true;
                        return Some((head, offset));
                    }
                    offset += 1;
                }
                Some(further) => offset += further as u64,
                None => offset += (bytes.len() + 1 - MAGIC.len()) as u64,
            }
        }
        None
    }

    /// The bytes from `offset` on: at least a head, unless the file ends before.
    fn bytes(&mut self, offset: u64) -> Option<&[u8]> {
        let inside = offset.checked_sub(self.start).and_then(|it| usize::try_from(it).ok());
        if let Some(inside) = inside
            && inside + HEAD <= self.piece.len()
        {
            return self.piece.get(inside..);
        }
        let length = usize::try_from(self.end - offset).ok()?.min(Self::PIECE);
        self.piece.resize(length, 0);
        self.start = offset;
        read_exact_at(self.file, &mut self.piece, offset).ok()?;
        Some(&self.piece)
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                bytes = &mut bytes[read..];
                offset += read as u64;
            }
        }
    }
    Ok(())
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
        }
    }
    Ok(())
}
