//! A look at all that is kept: what there is, what is damaged, what may go.

use super::file::{Length, read_exact_at};
use super::prune::{Dropped, Entry};
use super::record;
use super::scan::Scan;
use super::shard::Shard;
use super::{Common, Error, Key, Store};
use crate::util::lock;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// Replies.
    pub entries: usize,
    /// Bytes on disk, those of records that do not count any more included.
    pub bytes: u64,
    /// The most bytes that there may be.
    pub limit: u64,
    /// When the oldest was written, since 1970, of those of which that is known.
    pub oldest: Option<Duration>,
    /// When the newest was.
    pub newest: Option<Duration>,
    /// Replies and their bytes by label; those of earlier versions have an empty one.
    pub labels: BTreeMap<String, (usize, u64)>,
}

/// Which replies are dropped: those that any of it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prune {
    /// The oldest, until no more than so many bytes are left.
    pub max_bytes: Option<u64>,
    /// Those that were written before, since 1970. Those of earlier versions do not tell when
    /// they were written, and are older than all others.
    pub before: Option<Duration>,
    /// All.
    pub all: bool,
}

/// What is wrong in a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Replies that are whole.
    pub whole: usize,
    /// Replies that are not what was written.
    pub damaged: Vec<Damage>,
    /// Bytes between records that belong to none.
    pub stray: u64,
    /// Damaged replies that were dropped.
    pub dropped: Dropped,
}

/// A damaged reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Its key.
    pub key: Key,
    /// The file.
    pub file: PathBuf,
    /// Where it begins there.
    pub offset: u64,
}

impl Store {
    /// What is here. Reads every file.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn survey(&self) -> Result<Survey, Error> {
        let limit = self.common.limit.load(Ordering::Relaxed);
        let mut survey = Survey { limit, ..Survey::default() };
        self.each(|shard, common| {
            let (labels, length) = shard.labelled(common)?;
            survey.bytes += length;
            for (entry, label) in labels {
                survey.entries += 1;
                let times = entry.head.written();
                survey.oldest = survey.oldest.into_iter().chain(times).min();
                survey.newest = survey.newest.into_iter().chain(times).max();
                let (count, bytes) = survey.labels.entry(label).or_default();
                (*count, *bytes) = (*count + 1, *bytes + entry.head.span());
            }
            Ok(())
        })?;
        Ok(survey)
    }

    /// Drops replies. Other processes may read and write meanwhile.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn prune(&self, what: &Prune) -> Result<Dropped, Error> {
        let before = match what.max_bytes {
            Some(most) => Some(self.oldest_kept(most)?),
            None => None,
        };
        let before = before.into_iter().chain(what.before).max();
        let goes = |entry: &Entry| what.all || before.is_some_and(|it| entry.written() < it);
        let mut dropped = self.prune_old(|entry| goes(entry))?;
        self.each_new(|shard, common| {
            let held = common.hold()?;
            dropped = dropped.plus(shard.rewrite(&held, common, false, |it| !goes(it))?);
            Ok(())
        })?;
        Ok(dropped)
    }

    /// Reads every reply, and with `repair` drops what is damaged.
    ///
    /// # Errors
    /// A file that cannot be read, or, to be mended, not be written.
    pub fn verify(&self, repair: bool) -> Result<Verdict, Error> {
        let mut verdict = Verdict::default();
        self.each(|shard, common| {
            let before = (verdict.damaged.len(), verdict.stray);
            shard.check(common, &mut verdict)?;
            let is_worse = before != (verdict.damaged.len(), verdict.stray);
            if repair && is_worse {
                let held = common.hold()?;
                let dropped = shard.rewrite(&held, common, true, |_| true)?;
                verdict.dropped = verdict.dropped.plus(dropped);
            }
            Ok(())
        })?;
        Ok(verdict)
    }

    /// When the oldest reply was written that stays where so many bytes may.
    fn oldest_kept(&self, most: u64) -> Result<Duration, Error> {
        let mut all: Vec<(Duration, u64)> = Vec::new();
        self.each(|shard, common| {
            let (entries, _) = shard.labelled(common)?;
            all.extend(entries.iter().map(|(it, _)| (it.written(), it.head.span())));
            Ok(())
        })?;
        all.sort_unstable_by(|a, b| b.cmp(a));
        let mut sum = 0;
        let stay = all.iter().take_while(|(_, span)| {
            sum += span;
            sum <= most
        });
        let oldest = stay.last().map(|(written, _)| *written);
        // Those of the earlier layout have no time: they go where they do not all have room.
        let all_stay = sum <= most;
        let after_all =
            all.first().map_or(Duration::ZERO, |it| it.0 + Duration::from_micros(1));
        Ok(match oldest {
            Some(_) if all_stay => Duration::ZERO,
            Some(Duration::ZERO) => Duration::from_micros(1),
            Some(oldest) => oldest,
            None => after_all,
        })
    }

    /// Drops files of the layout before, of which it is not known when each reply was written:
    /// all of them, or none.
    fn prune_old(&self, goes: impl Fn(&Entry) -> bool) -> Result<Dropped, Error> {
        let mut dropped = Dropped::default();
        for shard in &self.earlier {
            let mut shard = lock(shard);
            let (entries, bytes) =
                shard.labelled(&self.common).map_err(|e| Error::failed(&self.common, &e))?;
            if entries.is_empty() || !entries.iter().all(|(it, _)| goes(it)) {
                continue;
            }
            if let Some(disk) = &shard.disk {
                let gone = std::fs::remove_file(&disk.path);
                gone.map_err(|e| Error::failed(&self.common, &e))?;
            }
            shard.forget_disk();
            dropped = dropped.plus(Dropped { entries: entries.len(), bytes });
        }
        Ok(dropped)
    }

    fn each(
        &self,
        mut work: impl FnMut(&mut Shard, &Common) -> io::Result<()>,
    ) -> Result<(), Error> {
        self.earlier.iter().chain(&self.shards).try_for_each(|it| self.at(it, &mut work))
    }

    fn each_new(
        &self,
        mut work: impl FnMut(&mut Shard, &Common) -> io::Result<()>,
    ) -> Result<(), Error> {
        self.shards.iter().try_for_each(|it| self.at(it, &mut work))
    }

    fn at(
        &self,
        shard: &Mutex<Shard>,
        work: &mut impl FnMut(&mut Shard, &Common) -> io::Result<()>,
    ) -> Result<(), Error> {
        let done = work(&mut lock(shard), &self.common);
        done.map_err(|e| Error::failed(&self.common, &e))
    }
}

impl Shard {
    /// The records that count with their labels, and the length of the file.
    fn labelled(&mut self, common: &Common) -> io::Result<(Vec<(Entry, String)>, u64)> {
        let mut found: BTreeMap<Key, (Entry, String)> = BTreeMap::new();
        self.refresh(common)?;
        let Some(disk) = &self.disk else { return Ok((Vec::new(), 0)) };
        let (Some(file), Length::Of(length)) = (disk.file(), disk.length()?) else {
            return Ok((Vec::new(), 0));
        };
        let mut scan = Scan::new(file, 0, length);
        while let Some((head, offset)) = scan.next_record()? {
            let label = scan.label(&head, offset)?;
            found.insert(head.key, (Entry { head, offset }, label));
        }
        Ok((found.into_values().collect(), length))
    }

    /// Reads every record.
    fn check(&mut self, common: &Common, verdict: &mut Verdict) -> io::Result<()> {
        self.refresh(common)?;
        let Some(disk) = &self.disk else { return Ok(()) };
        let (Some(file), Length::Of(length)) = (disk.file(), disk.length()?) else {
            return Ok(());
        };
        let mut scan = Scan::new(file, 0, length);
        let mut whole = BTreeSet::new();
        while let Some((head, offset)) = scan.next_record()? {
            let mut bytes = vec![0; usize::try_from(head.span()).map_err(io::Error::other)?];
            read_exact_at(file, &mut bytes, offset)?;
            if record::whole(&bytes).is_some() {
                whole.insert(head.key);
            } else {
                let damage = Damage { key: head.key, file: disk.path.clone(), offset };
                verdict.damaged.push(damage);
            }
        }
        verdict.whole += whole.len();
        verdict.stray += scan.damaged;
        Ok(())
    }
}
