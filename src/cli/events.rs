//! What a command does, as lines of JSON that programs read while it runs.
//!
//! Each line is an object with `dsp_event` (the version of the format), `event` and `seconds`
//! since the command began; `evaluation.md` says what else. Readers pass over events and fields
//! that they do not know.

use super::shell::{Failure, Shell};
use crate::eval::stats::Interval;
use crate::eval::{Account, Event, Progress, Scored};
use crate::schema::{Record, Value};
use crate::util::lock;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The version of the format.
const VERSION: i64 = 1;
/// Progress is told at most so often.
const PAUSE: Duration = Duration::from_millis(250);

/// Where events go.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// To standard output.
    Output,
    /// To a file, or to a pipe that has a name.
    File(PathBuf),
}

impl Target {
    pub(super) fn of(path: &Path) -> Self {
        if path == Path::new("-") { Self::Output } else { Self::File(path.to_owned()) }
    }
}

/// Events of one command.
#[derive(Debug)]
pub(super) struct Events {
    shell: Shell,
    target: Target,
    began: Duration,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// What is being done, the innermost last.
    work: Vec<String>,
    phase: Option<String>,
    /// When progress was told last, and whether it was of the end of a phase.
    progress: Option<Duration>,
    /// Nothing can be written any more.
    broken: bool,
}

impl Events {
    /// Begins the file, where it is one.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn begin(shell: &Shell, target: Target) -> Result<Self, Failure> {
        if let Target::File(path) = &target
            && (!shell.host.exists(path) || shell.host.is_file(path))
        {
            shell.write(path, "")?;
        }
        let (began, told) = (shell.host.elapsed(), Mutex::default());
        Ok(Self { shell: shell.clone(), target, began, told })
    }

    /// Whether they take standard output.
    pub(super) fn take_output(&self) -> bool {
        matches!(self.target, Target::Output)
    }

    /// Writes an event.
    pub(super) fn write(&self, event: &str, parts: &[(&str, Value)]) {
        self.put(&mut lock(&self.told), event, parts);
    }

    fn put(&self, told: &mut Told, event: &str, parts: &[(&str, Value)]) {
        let seconds = self.shell.host.elapsed().saturating_sub(self.began).as_secs_f64();
        let head = [
            ("dsp_event", Value::Int(VERSION)),
            ("event", event.into()),
            ("seconds", Value::Float((seconds * 1000.0).round() / 1000.0)),
        ];
        let line = Value::map(record(head.iter().chain(parts))).to_json() + "\n";
        match &self.target {
            Target::Output => self.shell.print(&line),
            Target::File(_) if told.broken => {}
            Target::File(path) => {
                if let Err(error) = self.shell.host.append(path, line.as_bytes()) {
                    told.broken = true;
                    let path = path.display();
                    self.shell.warn(&[format!("events go no further: `{path}`: {error}")]);
                }
            }
        }
    }

    /// Writes what an evaluation, a search or a comparison came to. Rows are not among it.
    pub(super) fn result(&self, account: &Account, value: &Value, id: Option<&str>) {
        let account: Value = serde_json::to_value(account)
            .and_then(serde_json::from_value)
            .expect("accounts have string keys and finite numbers");
        let report = match value {
            Value::Map(all) => {
                let mut all = Record::clone(all);
                all.shift_remove("rows");
                Value::map(all)
            }
            other => other.clone(),
        };
        let id = id.map_or(Value::Null, Value::from);
        self.write("result", &[("log", id), ("account", account), ("report", report)]);
    }

    /// Writes what happens to an evaluation or a search, as far as it is an event of its own.
    pub(super) fn see(&self, event: &Event<'_>) {
        let mut told = lock(&self.told);
        match event {
            Event::Began(what) => told.work.push((*what).to_owned()),
            Event::Ended(_) => {
                told.work.pop();
                told.phase = None;
            }
            Event::Progress(progress, left) => self.progress(&mut told, progress, *left),
            Event::Came(..) => {}
        }
    }

    fn progress(&self, told: &mut Told, progress: &Progress, left: Option<f64>) {
        let work = told.work.last().cloned().unwrap_or_default();
        if let Some(scored) = &progress.scored {
            self.put(told, "candidate", &candidate(&work, scored));
            return;
        }
        if told.phase.as_ref() != Some(&progress.phase) {
            told.phase = Some(progress.phase.clone());
            told.progress = None;
            let parts = [
                ("work", work.as_str().into()),
                ("phase", progress.phase.as_str().into()),
                ("runs", count(progress.total as u64)),
            ];
            self.put(told, "phase", &parts);
        }
        let now = self.shell.host.elapsed();
        let whole = progress.done >= progress.total;
        let due = told.progress.is_none_or(|it| now.saturating_sub(it) >= PAUSE);
        if due || whole {
            told.progress = Some(now);
            self.put(told, "progress", &so_far(&work, progress, left));
        }
    }
}

fn so_far(work: &str, it: &Progress, left: Option<f64>) -> Vec<(&'static str, Value)> {
    let running = it.running.mean();
    let best = it.best.or(running.map(|it| it.0));
    let interval = it.interval.map(|it| (it.low, it.high)).or(running.map(|it| it.1));
    vec![
        ("work", work.into()),
        ("phase", it.phase.as_str().into()),
        ("done", count(it.done as u64)),
        ("runs", count(it.total as u64)),
        ("candidates", count(it.candidates as u64)),
        ("score", number(best)),
        ("interval", ends(interval)),
        ("calls", count(it.calls)),
        ("max_calls", it.max_calls.map_or(Value::Null, count)),
        ("tokens", count(it.tokens)),
        ("usd", number(it.usd)),
        ("seconds_left", number(left)),
    ]
}

fn candidate(work: &str, it: &Scored) -> Vec<(&'static str, Value)> {
    vec![
        ("work", work.into()),
        ("candidate", count(it.serial as u64)),
        ("label", it.label.as_str().into()),
        ("state", it.state.as_str().into()),
        ("score", number(it.score)),
        ("interval", ends(it.interval.map(|Interval { low, high, .. }| (low, high)))),
        ("calls", count(it.calls)),
    ]
}

fn record<'a>(parts: impl Iterator<Item = &'a (&'a str, Value)>) -> Record {
    parts.map(|(name, value)| (Arc::from(*name), value.clone())).collect()
}

fn ends(it: Option<(f64, f64)>) -> Value {
    it.map_or(Value::Null, |(low, high)| Value::list([low, high].map(Value::Float)))
}

fn number(it: Option<f64>) -> Value {
    it.map_or(Value::Null, Value::Float)
}

fn count(it: u64) -> Value {
    Value::Int(i64::try_from(it).unwrap_or(i64::MAX))
}
