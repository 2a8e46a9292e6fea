//! Finished runs in a file, one line each, as they come: what a kill leaves is not run again.
//!
//! The first line is a [`Header`]: what the runs depend on, as hashes, and how they were asked
//! for. After it come, in the order in which things happened:
//!
//! - a line for each finished run: which state (`candidate`, by its hash), which row, which
//!   sample (`rollout`), and what came of it. A run that a machine failed on or that was
//!   stopped has none;
//! - `sent`, before a request to a model is sent, and `ended` after it, with the reply where no
//!   store keeps that: so it is known which calls were under way at a kill, and no reply that
//!   came is paid for twice;
//! - `resumed`, where another process went on;
//! - `end`, when nothing is left to do.
//!
//! Lines are only added. One that was cut off by a kill or a full disk is passed over: its run
//! is made again. Lines are not flushed to the disk's platters.

mod open;
mod writer;

pub use open::Journal;
pub(crate) use open::{Journaled, Role};

use crate::eval::Outcome;
use crate::host::Host;
use crate::lm::Completion;
use crate::schema::Record;
use crate::util::sha256_hex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// The version of the format.
const VERSION: u32 = 2;

/// What the runs of a file depend on, and how they were asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format.
    pub dsp_run: u32,
    /// What the runs are for: `evaluate` or `compile`.
    pub kind: String,
    /// The version of `dsp`.
    pub version: String,
    /// Seconds since 1970 when they began.
    pub began: u64,
    /// The hash of the script and of what it imports.
    pub program: String,
    /// The hash of the state that the program had at first.
    pub state: String,
    /// The hash of the data; of a search, of what it learns from.
    pub data: String,
    /// The hash of the content of files that rows name.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub contents: String,
    /// The hash of the rows that a search chooses by.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub valset: String,
    /// The optimizer of a search, with all that its decisions depend on.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub optimizer: String,
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
            (self.contents != now.contents, "a file that the data names"),
            (self.valset != now.valset, "the rows to choose by"),
            (self.optimizer != now.optimizer, "the optimizer"),
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
struct RunLine {
    #[serde(flatten)]
    key: Key,
    outcome: Outcome,
}

/// What a run is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key {
    /// The state, by its hash.
    candidate: String,
    /// The index of the row.
    example: usize,
    /// Its content, by its hash: a search has two data sets.
    row: String,
    rollout: u64,
    /// Whether the teacher makes it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    teacher: bool,
    /// Whether it is an answer of the model that proposes.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    proposer: bool,
    /// Whether its steps are kept.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    steps: bool,
}

impl Key {
    /// What the lines of calls know the run by.
    fn short(&self) -> String {
        let Self { candidate, example, row, rollout, teacher, proposer, steps } = self;
        let text =
            format!("{candidate} {example} {row} {rollout} {teacher} {proposer} {steps}");
        let mut hash = sha256_hex(text.as_bytes());
        hash.truncate(16);
        hash
    }
}

#[derive(Serialize, Deserialize)]
struct SentLine {
    sent: u64,
    run: String,
    request: String,
}

#[derive(Serialize, Deserialize)]
struct EndedLine {
    ended: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reply: Option<Completion>,
}

#[derive(Serialize, Deserialize)]
struct ResumedLine {
    resumed: u64,
}

#[derive(Serialize, Deserialize)]
struct LastLine {
    end: End,
}

/// What it came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// The mean; of a search, that of the chosen state.
    pub score: Option<f64>,
    /// Rows in the mean.
    pub scored: usize,
}

/// A call as its lines tell it.
#[derive(Debug, Clone, PartialEq)]
struct Call {
    run: String,
    request: String,
    has_ended: bool,
    reply: Option<Completion>,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// Its first line.
    pub header: Header,
    /// What it came to, when nothing is left to do.
    pub end: Option<End>,
    runs: BTreeMap<Key, Outcome>,
    calls: BTreeMap<u64, Call>,
    /// The number of the first call of the process that went on last.
    resumed: u64,
    /// Whether its last line was cut off.
    torn: bool,
}

/// What was under way when a process was stopped, and is paid for twice at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InFlight {
    /// Runs with such calls.
    pub runs: usize,
    /// Calls that were sent, and whose reply is not known.
    pub calls: usize,
}

impl std::fmt::Display for InFlight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { runs, calls } = self;
        let s = |n: &usize| if *n == 1 { "" } else { "s" };
        let (of_calls, of_runs) = (s(calls), s(runs));
        write!(
            f,
            "{calls} call{of_calls} of {runs} run{of_runs} under way when it was stopped"
        )?;
        f.write_str(" may be paid for twice")
    }
}

impl Saved {
    fn new(header: Header, torn: bool) -> Self {
        let (runs, calls) = (BTreeMap::new(), BTreeMap::new());
        Self { header, end: None, runs, calls, resumed: 0, torn }
    }

    /// How many runs it holds.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// The runs that it holds: row, sample and what came of it.
    pub fn outcomes(&self) -> impl Iterator<Item = (usize, u64, &Outcome)> {
        self.runs.iter().map(|(key, outcome)| (key.example, key.rollout, outcome))
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Calls of its runs, cached ones included.
    pub fn n_calls(&self) -> u64 {
        self.runs.values().map(|it| u64::from(it.calls)).sum()
    }

    /// What was under way when the process that wrote it last was stopped.
    pub fn in_flight(&self) -> InFlight {
        let finished = self.finished();
        let latest = self.calls.range(self.resumed..).map(|(_, call)| call);
        let open: Vec<&Call> =
            latest.filter(|it| !it.has_ended && !finished.contains(&it.run)).collect();
        let runs: BTreeSet<&str> = open.iter().map(|it| &*it.run).collect();
        InFlight { runs: runs.len(), calls: open.len() }
    }

    /// The runs that need no reply any more.
    fn finished(&self) -> BTreeSet<String> {
        self.runs.keys().map(Key::short).collect()
    }

    /// Takes what a line says; one that says nothing is passed over.
    fn take(&mut self, line: &[u8]) {
        if line.starts_with(b"{\"sent\"") {
            if let Ok(SentLine { sent, run, request }) = serde_json::from_slice(line) {
                let call = Call { run, request, has_ended: false, reply: None };
                self.calls.entry(sent).or_insert(call);
            }
        } else if line.starts_with(b"{\"ended\"") {
            if let Ok(EndedLine { ended, reply }) = serde_json::from_slice(line)
                && let Some(call) = self.calls.get_mut(&ended)
            {
                (call.has_ended, call.reply) = (true, reply);
            }
        } else if let Ok(RunLine { key, outcome }) = serde_json::from_slice(line) {
            self.runs.entry(key).or_insert(outcome);
        } else if let Ok(ResumedLine { resumed }) = serde_json::from_slice(line) {
            self.resumed = self.resumed.max(resumed);
        } else if let Ok(LastLine { end }) = serde_json::from_slice(line) {
            self.end = Some(end);
        }
    }
}

/// The file of an id.
pub fn path(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.jsonl"))
}

/// Returns an id for a run that begins now: the time, and what keeps it apart from others.
pub fn new_id(host: &dyn Host, apart: &str) -> String {
    let now = host.since_epoch();
    let stamp: String = stamp(now.as_secs()).chars().filter(char::is_ascii_digit).collect();
    let (day, time) = stamp.split_at(8);
    let apart = sha256_hex(format!("{} {apart}", now.as_nanos()).as_bytes());
    format!("{day}-{time}-{}", &apart[..4])
}

/// When runs were begun: `2026-11-23 05:45:02`, in universal time.
pub fn when(header: &Header) -> String {
    stamp(header.began)
}

/// Date and time of a second since 1970.
fn stamp(second: u64) -> String {
    let (year, month, day) = date(second / 86_400);
    let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
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
    let mut saved = Saved::new(header, torn);
    lines.for_each(|line| saved.take(line));
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

fn json(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("lines have string keys and finite numbers") + "\n"
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
        contents: String::new(),
        valset: String::new(),
        optimizer: String::new(),
        metric: keep.metric.clone(),
        models: Vec::new(),
        seed: 0,
        rows: 0,
        command: keep.command.clone(),
    }
}
