//! A journal that is written, and an evaluator that keeps what it ran in one.

use crate::eval::journal::writer::Writer;
use crate::eval::journal::{
    Call, End, EndedLine, Header, Keep, Key, LastLine, ResumedLine, RunLine, Saved, SentLine,
    json, path, read,
};
use crate::eval::{Evaluator, FailureKind, Job, Layout, Outcome};
use crate::host::SharedHost;
use crate::lm::Completion;
use crate::program::{State, row_hash};
use crate::runtime::{CallLog, SharedCallLog};
use crate::store;
use crate::util::lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A file that is written; clones share it.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    writer: Writer,
    /// What was there when it was opened.
    kept: Mutex<BTreeMap<Key, Outcome>>,
    /// Replies that no store has, by the runs that are not finished, in the order of the calls.
    replies: Mutex<BTreeMap<String, Vec<(String, Completion)>>>,
    /// The number of the next call.
    next: AtomicU64,
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
        let writer = Writer::new(host.clone(), path(&keep.folder, &keep.id));
        if !keep.resume {
            writer.write(&json(now));
            return Ok(Self::with(writer, Saved::new(now.clone(), false), 0));
        }
        let saved = read(&*host, &keep.folder, &keep.id)?;
        if let Some(what) = saved.header.changed(now) {
            return Err(format!("the run `{}` cannot go on: {what} is another", keep.id));
        }
        let next = saved.calls.keys().next_back().map_or(0, |last| last + 1);
        let cut = if saved.torn { "\n" } else { "" };
        writer.write(&format!("{cut}{}", json(&ResumedLine { resumed: next })));
        Ok(Self::with(writer, saved, next))
    }

    fn with(writer: Writer, saved: Saved, next: u64) -> Self {
        let finished = saved.finished();
        let mut replies: BTreeMap<String, Vec<(String, Completion)>> = BTreeMap::new();
        for Call { run, request, reply, .. } in saved.calls.into_values() {
            if let Some(reply) = reply.filter(|_| !finished.contains(&run)) {
                replies.entry(run).or_default().push((request, reply));
            }
        }
        Self(Arc::new(Shared {
            writer,
            kept: Mutex::new(saved.runs),
            replies: Mutex::new(replies),
            next: AtomicU64::new(next),
            hashed: Mutex::default(),
        }))
    }

    /// Notes that nothing is left to do.
    pub fn end(&self, end: End) {
        self.0.writer.write(&json(&LastLine { end }));
    }

    /// Why runs are not kept, when they are not.
    pub fn broken(&self) -> Option<String> {
        self.0.writer.broken()
    }

    fn key(&self, job: &Job, role: Role) -> Key {
        let mut hashed = lock(&self.0.hashed);
        let candidate = match &*hashed {
            Some((state, hash)) if Arc::ptr_eq(state, &job.state) => hash.clone(),
            _ => hashed.insert((job.state.clone(), job.state.hash())).1.clone(),
        };
        drop(hashed);
        Key {
            candidate,
            example: job.row.index,
            row: row_hash(&job.row),
            rollout: job.rollout,
            teacher: role == Role::Teacher,
            proposer: role == Role::Proposer,
            steps: job.keep_steps,
        }
    }

    /// A log for one more attempt at a run: it has the replies of the attempts before.
    fn log(&self, run: &str) -> RunLog {
        let before = lock(&self.0.replies).get(run).cloned().unwrap_or_default();
        RunLog { journal: self.clone(), run: run.to_owned(), before: Mutex::new(before) }
    }

    fn keep(&self, key: Key, run: &str, outcome: &Outcome) {
        let ours = outcome.failure.as_ref().is_none_or(|it| it.kind == FailureKind::Program);
        if ours {
            lock(&self.0.replies).remove(run);
            self.0.writer.write(&json(&RunLine { key, outcome: outcome.clone() }));
        }
    }
}

/// Takes down the calls of one run.
#[derive(Debug)]
struct RunLog {
    journal: Journal,
    run: String,
    /// Replies that came to earlier attempts and were not given yet.
    before: Mutex<Vec<(String, Completion)>>,
}

/// What requests are known by within a run.
fn short(key: &store::Key) -> String {
    let mut text = key.to_string();
    text.truncate(16);
    text
}

impl CallLog for RunLog {
    fn find(&self, key: &store::Key) -> Option<Completion> {
        let mut before = lock(&self.before);
        if before.is_empty() {
            return None;
        }
        let request = short(key);
        let at = before.iter().position(|(it, _)| *it == request)?;
        Some(before.remove(at).1)
    }

    fn sent(&self, key: &store::Key) -> u64 {
        let shared = &self.journal.0;
        let sent = shared.next.fetch_add(1, Ordering::SeqCst);
        let (run, request) = (self.run.clone(), short(key));
        shared.writer.write(&json(&SentLine { sent, run, request }));
        sent
    }

    fn ended(&self, call: u64, key: &store::Key, reply: Option<&Completion>) {
        let (shared, line) =
            (&self.journal.0, EndedLine { ended: call, reply: reply.cloned() });
        match &line.reply {
            // Where a store has the reply nothing is lost when this line is.
            None => shared.writer.push(&json(&line)),
            Some(reply) => {
                shared.writer.write(&json(&line));
                let mut replies = lock(&shared.replies);
                replies.entry(self.run.clone()).or_default().push((short(key), reply.clone()));
            }
        }
    }
}

/// Who makes the runs of an evaluator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The program itself.
    Program,
    /// The one that it is to learn from.
    Teacher,
    /// The model that proposes.
    Proposer,
}

/// An evaluator that keeps what it ran, and does not run what is kept.
pub(crate) struct Journaled<'a> {
    pub(crate) inner: &'a dyn Evaluator,
    pub(crate) journal: &'a Journal,
    pub(crate) role: Role,
}

impl Evaluator for Journaled<'_> {
    fn run(&self, job: &Job) -> Outcome {
        let key = self.journal.key(job, self.role);
        let kept = lock(&self.journal.0.kept).remove(&key);
        kept.unwrap_or_else(|| {
            let run = key.short();
            let log: SharedCallLog = Arc::new(self.journal.log(&run));
            let outcome = self.inner.run_noted(job, Some(&log));
            self.journal.keep(key, &run, &outcome);
            outcome
        })
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        self.inner.max_calls_per_run()
    }

    fn layout(&self, path: &str) -> Layout {
        self.inner.layout(path)
    }

    fn print(&self, text: &str) {
        self.inner.print(text);
    }

    fn only_waits(&self) -> bool {
        self.inner.only_waits()
    }
}
