//! Finished runs in a file, one line each, as they come: what a kill leaves is not run again.
//!
//! The first line is a [`Header`]: what the runs depend on, as hashes, and how they were asked
//! for. Each line after it is one finished run: which state (`candidate`, by its hash), which row
//! (`example`, by its index), which sample (`rollout`), and what came of it. A run that a machine
//! failed on or that was stopped has no line. A last line `end` says that nothing is left to do.
//!
//! Lines are only added, in the order in which runs end. One that was cut off by a kill or a full
//! disk is passed over: its run is made again. Lines are not flushed to the disk's platters.

use crate::eval::{Evaluator, FailureKind, Job, Outcome};
use crate::host::{Host, SharedHost};
use crate::program::State;
use crate::schema::Record;
use crate::util::{lock, sha256_hex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The version of the format.
const VERSION: u32 = 1;

/// What the runs of a file depend on, and how they were asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format.
    pub dsp_run: u32,
    /// What the runs are for: `evaluate`.
    pub kind: String,
    /// The version of `dsp`.
    pub version: String,
    /// Seconds since 1970 when they began.
    pub began: u64,
    /// The hash of the script and of what it imports.
    pub program: String,
    /// The hash of the state that the program had at first.
    pub state: String,
    /// The hash of the data.
    pub data: String,
    /// The hash of the metric's source.
    pub metric: String,
    /// The models that are asked.
    pub models: Vec<String>,
    /// The seed of everything random.
    pub seed: u64,
    /// How many rows there are.
    pub rows: usize,
    /// How they were asked for, so that they can be asked for again.
    pub command: Record,
}

impl Header {
    /// What the runs depend on that is not as it was.
    fn changed(&self, now: &Self) -> Option<&'static str> {
        let parts = [
            (self.kind != now.kind, "what it was for"),
            (self.version != now.version, "the version of `dsp`"),
            (self.program != now.program, "the script"),
            (self.state != now.state, "the state of the program"),
            (self.data != now.data, "the data"),
            (self.metric != now.metric, "the metric"),
            (self.models != now.models, "the model"),
            (self.seed != now.seed, "the seed"),
        ];
        parts.into_iter().find(|(differs, _)| *differs).map(|(_, what)| what)
    }
}

/// How rows are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Keep {
    /// The folder with such files.
    pub folder: PathBuf,
    /// The name of the file, without its ending.
    pub id: String,
    /// Whether the file is there already, and is to be gone on with.
    pub resume: bool,
    /// The hash of the script and of what it imports.
    pub program: String,
    /// The hash of the metric's source.
    pub metric: String,
    /// How it was asked for.
    pub command: Record,
}

/// A run as its line says it.
#[derive(Serialize, Deserialize)]
struct Line {
    candidate: String,
    example: usize,
    rollout: u64,
    outcome: Outcome,
}

#[derive(Serialize, Deserialize)]
struct LastLine {
    end: End,
}

/// What it came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// The mean.
    pub score: Option<f64>,
    /// Rows in the mean.
    pub scored: usize,
}

/// A state, a row and a sample.
type Key = (String, usize, u64);

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// Its first line.
    pub header: Header,
    /// What it came to, when nothing is left to do.
    pub end: Option<End>,
    runs: BTreeMap<Key, Outcome>,
    /// Whether its last line was cut off.
    torn: bool,
}

impl Saved {
    /// How many runs it holds.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// The runs that it holds: row, sample and what came of it.
    pub fn outcomes(&self) -> impl Iterator<Item = (usize, u64, &Outcome)> {
        self.runs.iter().map(|((_, row, rollout), outcome)| (*row, *rollout, outcome))
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

/// The file of an id.
pub fn path(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.jsonl"))
}

/// Returns an id for a run that begins now: the time, and what keeps it apart from others.
pub fn new_id(host: &dyn Host, apart: &str) -> String {
    let now = host.since_epoch();
    let (year, month, day) = date(now.as_secs() / 86_400);
    let (hour, minute, second) =
        (now.as_secs() / 3600 % 24, now.as_secs() / 60 % 60, now.as_secs() % 60);
    let apart = sha256_hex(format!("{} {apart}", now.as_nanos()).as_bytes());
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}-{}", &apart[..4])
}

/// The date of a day since 1970, in years of 400 that begin in March (Hinnant, 2013).
pub(crate) fn date(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

/// Reads a file.
///
/// # Errors
/// There is none, or it is none of ours: why, in one line.
pub fn read(host: &dyn Host, folder: &Path, id: &str) -> Result<Saved, String> {
    let plain = |ch: char| ch.is_ascii_alphanumeric() || ch == '-';
    if id.is_empty() || !id.chars().all(plain) {
        return Err(format!("`{id}` is no id of a run"));
    }
    let at = path(folder, id);
    let bytes = host.read(&at).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("there is no run `{id}`"),
        _ => format!("the run `{id}` cannot be read: {error}"),
    })?;
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let header: Header = serde_json::from_slice(first)
        .map_err(|_| format!("`{}` is no file of a run", at.display()))?;
    if header.dsp_run != VERSION {
        return Err(format!("the run `{id}` was kept by another version of `dsp`"));
    }
    let torn = bytes.last() != Some(&b'\n');
    let mut saved = Saved { header, end: None, runs: BTreeMap::new(), torn };
    for line in lines {
        if let Ok(Line { candidate, example, rollout, outcome }) = serde_json::from_slice(line)
        {
            saved.runs.entry((candidate, example, rollout)).or_insert(outcome);
        } else if let Ok(LastLine { end }) = serde_json::from_slice(line) {
            saved.end = Some(end);
        }
    }
    Ok(saved)
}

/// The ids of all files in a folder, the newest first.
///
/// # Errors
/// Those of the file system.
pub fn ids(host: &dyn Host, folder: &Path) -> io::Result<Vec<String>> {
    let files = host.list(folder)?;
    let names = files.iter().filter_map(|it| it.path.file_name()?.to_str());
    let mut ids: Vec<String> =
        names.filter_map(|it| it.strip_suffix(".jsonl")).map(ToOwned::to_owned).collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    Ok(ids)
}

/// A file that is written.
#[derive(Debug)]
pub struct Journal {
    host: SharedHost,
    path: PathBuf,
    /// What was there when it was opened.
    kept: Mutex<BTreeMap<Key, Outcome>>,
    /// Why nothing is written any more.
    broken: Mutex<Option<io::Error>>,
    /// The state that was hashed last: runs of one state come together.
    hashed: Mutex<Option<(Arc<State>, String)>>,
}

impl Journal {
    /// Begins a file, or goes on with one.
    ///
    /// # Errors
    /// It cannot be gone on with: why, in one line. A file that cannot be written is no error,
    /// see [`Journal::broken`].
    pub fn open(host: SharedHost, keep: &Keep, now: &Header) -> Result<Self, String> {
        let path = path(&keep.folder, &keep.id);
        let (kept, begin) = if keep.resume {
            let saved = read(&*host, &keep.folder, &keep.id)?;
            if let Some(what) = saved.header.changed(now) {
                return Err(format!("the run `{}` cannot go on: {what} is another", keep.id));
            }
            (saved.runs, if saved.torn { "\n".to_owned() } else { String::new() })
        } else {
            (BTreeMap::new(), json(now))
        };
        let journal = Self {
            host,
            path,
            kept: Mutex::new(kept),
            broken: Mutex::default(),
            hashed: Mutex::default(),
        };
        journal.write(&begin);
        Ok(journal)
    }

    /// Notes that nothing is left to do.
    pub fn end(&self, end: End) {
        self.write(&json(&LastLine { end }));
    }

    /// Why rows are not kept, when they are not.
    pub fn broken(&self) -> Option<String> {
        let place = self.path.display();
        lock(&self.broken).as_ref().map(|error| format!("cannot write `{place}`: {error}"))
    }

    fn write(&self, text: &str) {
        let mut broken = lock(&self.broken);
        if broken.is_none() && !text.is_empty() {
            *broken = self.host.append(&self.path, text.as_bytes()).err();
        }
    }

    fn key(&self, job: &Job) -> Key {
        let mut hashed = lock(&self.hashed);
        let hash = match &*hashed {
            Some((state, hash)) if Arc::ptr_eq(state, &job.state) => hash.clone(),
            _ => hashed.insert((job.state.clone(), job.state.hash())).1.clone(),
        };
        (hash, job.row.index, job.rollout)
    }

    fn keep(&self, (candidate, example, rollout): Key, outcome: &Outcome) {
        let ours = outcome.failure.as_ref().is_none_or(|it| it.kind == FailureKind::Program);
        if ours {
            let outcome = outcome.clone();
            self.write(&json(&Line { candidate, example, rollout, outcome }));
        }
    }
}

fn json(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("lines have string keys and finite numbers") + "\n"
}

/// An evaluator that keeps what it ran, and does not run what is kept.
pub(crate) struct Journaled<'a> {
    pub(crate) inner: &'a dyn Evaluator,
    pub(crate) journal: &'a Journal,
}

impl Evaluator for Journaled<'_> {
    fn run(&self, job: &Job) -> Outcome {
        let key = self.journal.key(job);
        let kept = lock(&self.journal.kept).remove(&key);
        kept.unwrap_or_else(|| {
            let outcome = self.inner.run(job);
            self.journal.keep(key, &outcome);
            outcome
        })
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        self.inner.max_calls_per_run()
    }
}

/// A header for runs that begin now.
pub(crate) fn header(host: &dyn Host, keep: &Keep) -> Header {
    Header {
        dsp_run: VERSION,
        kind: "evaluate".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        began: host.since_epoch().as_secs(),
        program: keep.program.clone(),
        state: String::new(),
        data: String::new(),
        metric: keep.metric.clone(),
        models: Vec::new(),
        seed: 0,
        rows: 0,
        command: keep.command.clone(),
    }
}
