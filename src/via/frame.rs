//! Frames: what a coordinator and its workers say to each other, one JSON object a line.
//!
//! The reference has a page on them, `workers`. Fields that a reader does not know are passed
//! over; a line that is no frame, or is too long, ends the conversation.

use crate::eval::{Job, Outcome};
use crate::lm::Money;
use crate::program::State;
use crate::schema::{Record, Row};
use crate::via::files::{Answer, Need};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

/// The version of the frames.
pub const VERSION: u32 = 1;
/// The longest line, in bytes.
pub const LIMIT: usize = 64 << 20;

/// What a coordinator says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case")]
pub enum Order {
    /// The program that all runs are of.
    Program(Bundle),
    /// A state, under the hash that runs name it by.
    State {
        /// Its hash.
        hash: String,
        /// Its file.
        text: String,
    },
    /// A run to be made.
    Run(Run),
    /// A file that the worker needs.
    File {
        /// What was asked for.
        need: Need,
        /// What it is.
        answer: Answer,
    },
}

/// What a worker says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case")]
pub enum Word {
    /// The first frame.
    Hello {
        /// The version of the frames.
        v: u32,
        /// The version of `dsp`.
        version: String,
    },
    /// A file that it needs.
    Need(Need),
    /// The program was loaded, and runs can be made.
    Ready(Ready),
    /// The program cannot be loaded.
    Refused {
        /// Why.
        message: String,
    },
    /// What came of a run.
    Result {
        /// Its number.
        id: u64,
        /// What came of it; that it failed is data.
        outcome: Box<Outcome>,
        /// The lines of its trace, with prompts and replies, where traces are wanted.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        trace: Option<String>,
    },
    /// It is there, though it has nothing to say.
    Alive,
    /// It ends, for it was told something that it does not understand.
    Failed {
        /// What.
        message: String,
    },
}

/// A program, with all that does not differ from run to run. Models are named, never addressed
/// and never given keys: a worker has its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// The version of the frames.
    pub v: u32,
    /// The version of `dsp`.
    pub version: String,
    /// The hash of the script and of what it imports.
    pub hash: String,
    /// The script.
    pub main: String,
    /// An expression that gives a list: the program first, the metric last.
    pub expression: String,
    /// The texts of the script and of what it imports, by their paths.
    pub files: BTreeMap<String, String>,
    /// The project's settings file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub project: Option<String>,
    /// The model that predictors ask when they name none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lm: Option<String>,
    /// The seed of everything random.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seed: Option<u64>,
    /// Whether kept replies are passed over.
    #[serde(default)]
    pub no_cache: bool,
    /// Whether the traces of runs are wanted.
    #[serde(default)]
    pub keep_traces: bool,
    /// Whether they are to tell where the parts of prompts come from.
    #[serde(default)]
    pub note_origins: bool,
}

/// What a worker has loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ready {
    /// The hash of the script and of what it imports, as the worker has it.
    pub hash: String,
    /// The models that the program asks, by name, with hashes of what they are.
    pub models: BTreeMap<String, String>,
}

/// A run that is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its number: results may come in any order.
    pub id: u64,
    /// The hash of the state.
    pub state: String,
    /// The row's index.
    pub index: usize,
    /// Its columns.
    pub values: Record,
    /// The folder of the file that it stands in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub folder: Option<Arc<str>>,
    /// Which fresh sample it is; 0 is the first.
    #[serde(default)]
    pub rollout: u64,
    /// Whether the steps are wanted.
    #[serde(default)]
    pub keep_steps: bool,
    /// Whether what was sent to models is wanted.
    #[serde(default)]
    pub keep_exchanges: bool,
    /// The most calls to models that it may make, cached ones included.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_calls: Option<u64>,
    /// The most tokens, read and written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_tokens: Option<u64>,
    /// The most that they may cost, in millionths of millionths of a dollar.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_cost: Option<Money>,
}

impl Run {
    /// The frame of a run.
    pub fn of(id: u64, state: &str, job: &Job) -> Self {
        Self {
            id,
            state: state.to_owned(),
            index: job.row.index,
            values: job.row.values.clone(),
            folder: job.row.folder.clone(),
            rollout: job.rollout,
            keep_steps: job.keep_steps,
            keep_exchanges: job.keep_exchanges,
            max_calls: job.max_calls,
            max_tokens: job.max_tokens,
            max_cost: job.max_cost,
        }
    }

    /// The run, with the state that it names.
    pub fn into_job(self, state: Arc<State>) -> Job {
        let row = Arc::new(Row { values: self.values, index: self.index, folder: self.folder });
        Job {
            state,
            row,
            rollout: self.rollout,
            keep_steps: self.keep_steps,
            keep_exchanges: self.keep_exchanges,
            max_calls: self.max_calls,
            max_tokens: self.max_tokens,
            max_cost: self.max_cost,
        }
    }
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its bytes, without its end.
    pub text: Vec<u8>,
    /// Whether it had an end; the last one may have none.
    pub is_whole: bool,
}

/// Reads a line of at most `limit` bytes; none when there are no more.
///
/// # Errors
/// Those of the reader, and `InvalidData` for a line that is longer.
pub fn read_line(reader: &mut impl BufRead, limit: usize) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader.by_ref().take(most).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let is_whole = line.last() == Some(&b'\n');
    if is_whole {
        line.pop();
    } else if line.len() > limit {
        let message = format!("a line has more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(Some(Line { text: line, is_whole }))
}

/// Why no frame could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// In one line.
    pub message: String,
    /// Whether the line was cut off: who wrote it has ended.
    pub is_cut_off: bool,
}

/// Reads the next frame; none when there are no more. Empty lines are passed over.
///
/// # Errors
/// Why it is none.
pub fn read<T: DeserializeOwned>(reader: &mut impl BufRead) -> Result<Option<T>, Unread> {
    let unread = |message, is_cut_off| Unread { message, is_cut_off };
    loop {
        let line = read_line(reader, LIMIT).map_err(|it| unread(it.to_string(), false))?;
        match line {
            None => return Ok(None),
            Some(line) if line.text.iter().all(u8::is_ascii_whitespace) => {}
            Some(line) => {
                return parse(&line.text).map(Some).map_err(|it| unread(it, !line.is_whole));
            }
        }
    }
}

/// Reads a frame from its line.
///
/// # Errors
/// Why it is none, in one line, with the beginning of the line.
pub fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| {
        let text = String::from_utf8_lossy(line);
        let start: String = text.chars().filter(|it| !it.is_control()).take(60).collect();
        let more = if text.chars().nth(60).is_some() { "…" } else { "" };
        format!("`{start}{more}` is no frame: {error}")
    })
}

/// Writes a frame.
///
/// # Errors
/// Those of the writer, and `InvalidData` for a frame that no reader would take.
pub fn write(writer: &mut impl Write, frame: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(frame)?;
    if line.len() > LIMIT {
        let message = format!("a frame of {} bytes is too long to be sent", line.len());
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    line.push(b'\n');
    writer.write_all(&line)?;
    writer.flush()
}
