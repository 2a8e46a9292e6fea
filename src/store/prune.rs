//! Dropping records.
//!
//! What is left of a file is written to another one, which then takes its place, under the
//! store's lock. A kill at any moment leaves the old file or the new one; a file that was not
//! finished is overwritten by the next who drops something. What is read meanwhile comes from
//! the old file, and who writes waits.

use super::file::{options, read_exact_at};
use super::lock::Held;
use super::record::{self, Head};
use super::scan::Scan;
use super::shard::{Place, Shard, short};
use super::{Access, Common};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What was dropped, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Replies.
    pub entries: usize,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Dropped {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { entries: self.entries + other.entries, bytes: self.bytes + other.bytes }
    }
}

/// A record that counts, as those see it who decide whether it stays.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) head: Head,
    pub(super) offset: u64,
}

impl Entry {
    /// When it was written; those of which nobody knows are older than all others.
    pub(super) fn written(&self) -> Duration {
        self.head.written().unwrap_or_default()
    }
}

impl Shard {
    /// Drops the oldest records of a file that is larger than its share of a store that is
    /// larger than it may be, so that a quarter of the share is free again. Where that fails,
    /// the store is too large until the next reply.
    pub(super) fn make_room(&mut self, held: &Held<'_>, common: &Common) {
        let share = common.limit.load(Ordering::Relaxed) / super::SHARDS as u64;
        let Some(disk) = &self.disk else { return };
        let earlier = common.earlier_file(&disk.path);
        let of_earlier = earlier.as_ref().map_or(0, |it| it.1);
        let limit = share * super::SHARDS as u64;
        if disk.seen + of_earlier <= share || common.bytes() <= limit {
            return;
        }
        // What is there of the layout before is older than all of this file.
        if let Some((path, _)) = earlier {
            let _ = std::fs::remove_file(path);
            return;
        }
        let (wanted, end) = (share / 4 * 3, disk.seen);
        // The record at the end stays, however long it is.
        let keep = |it: &Entry| {
            let after = end - it.offset;
            after <= wanted || it.head.span() == after
        };
        let _ = self.rewrite(held, common, false, keep);
    }

    /// Writes those records to a new file that are to be kept, and puts it in the place of the
    /// old one. With `checked`, replies are read, and those that are damaged are dropped.
    pub(super) fn rewrite(
        &mut self,
        _: &Held<'_>,
        common: &Common,
        checked: bool,
        mut keep: impl FnMut(&Entry) -> bool,
    ) -> io::Result<Dropped> {
        self.refresh(common)?;
        let Some(disk) = &self.disk else { return Ok(Dropped::default()) };
        let (Some(file), Ok(_)) = (disk.file(), disk.writable()) else {
            return Ok(Dropped::default());
        };
        let (path, new) = (disk.path.clone(), disk.path.with_extension("new"));
        let end = disk.seen;
        let (mut kept, mut entries) = (Vec::new(), 0);
        let mut scan = Scan::new(file, 0, end);
        while let Some((head, offset)) = scan.next_record()? {
            let entry = Entry { head, offset };
            let counts =
                self.index.get(&short(&head.key)) == Place::new(&head, offset).as_ref();
            match counts && keep(&entry) {
                true => kept.push(entry),
                false => entries += usize::from(counts),
            }
        }
        if !checked && kept.iter().map(|it| it.head.span()).sum::<u64>() == end {
            return Ok(Dropped::default());
        }
        let mut out = Out::create(&new, common)?;
        for entry in &kept {
            entries += usize::from(!out.copy(file, entry, checked)?);
        }
        let bytes = end - out.length;
        out.put_in_place(&path)?;
        self.forget_disk();
        self.refresh(common)?;
        Ok(Dropped { entries, bytes })
    }
}

/// A new file, which goes where it is not finished.
struct Out<'a> {
    path: &'a Path,
    file: BufWriter<File>,
    length: u64,
    is_finished: bool,
    common: &'a Common,
}

impl<'a> Out<'a> {
    fn create(path: &'a Path, common: &'a Common) -> io::Result<Self> {
        let file = BufWriter::new(options().create(true).truncate(true).open(path)?);
        Ok(Self { path, file, length: 0, is_finished: false, common })
    }

    /// Copies a record; false where it is damaged.
    fn copy(&mut self, from: &File, entry: &Entry, checked: bool) -> io::Result<bool> {
        let span = usize::try_from(entry.head.span()).map_err(io::Error::other)?;
        let mut bytes = vec![0; span];
        read_exact_at(from, &mut bytes, entry.offset)?;
        if checked && record::whole(&bytes).is_none() {
            return Ok(false);
        }
        self.common.may(Access::Write)?;
        self.file.write_all(&bytes)?;
        self.length += span as u64;
        Ok(true)
    }

    /// What it holds is on the disk before the old file goes: a power cut costs the last
    /// replies, not those that were kept for long.
    fn put_in_place(mut self, path: &Path) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_data()?;
        std::fs::rename(self.path, path)?;
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for Out<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            let _ = std::fs::remove_file(self.path);
        }
    }
}
