//! Tapes: replies taken from a recording, or written into one.

use super::recording::{Call, Place, Recording, request_hash, shown, turns};
use crate::lm::{Address, Capabilities, Completion, Takes};
use crate::runtime::{Absent, Asked, Recorded, Tape, Unrecorded};
use crate::util::lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The longest piece of a prompt that is shown, in characters.
const PIECE: usize = 120;

/// Answers from a recording; nothing is ever sent.
#[derive(Debug)]
pub struct Replay {
    recording: Arc<Recording>,
    test: String,
    /// The command that records what is missing.
    command: String,
    used: Mutex<Used>,
    missed: Mutex<BTreeMap<Address, Unrecorded>>,
}

/// How often each recorded request of a call was asked.
type Used = BTreeMap<(Address, String), usize>;

impl Replay {
    /// Returns the tape of a test.
    pub fn new(recording: Arc<Recording>, test: &str, command: &str) -> Self {
        let (test, command) = (test.to_owned(), command.to_owned());
        Self { recording, test, command, used: Mutex::default(), missed: Mutex::default() }
    }

    /// The recorded replies that the test did not ask for.
    pub fn unused(&self) -> usize {
        let used = lock(&self.used);
        let mine = self.recording.places().filter(|(place, _)| place.test == self.test);
        mine.map(|(place, calls)| {
            let asked = |call: &&Call| {
                used.contains_key(&(place.address.clone(), call.request.clone()))
            };
            calls.len() - calls.iter().filter(asked).count()
        })
        .sum()
    }

    fn place(&self, address: &Address) -> Place {
        Place { test: self.test.clone(), address: address.clone() }
    }

    fn unrecorded(&self, asked: Asked<'_>) -> Unrecorded {
        let call = shown(asked.address);
        let message = format!("not recorded: call `{call}` to `{}`", asked.model);
        let calls = self.recording.calls(&self.place(asked.address));
        let now = turns(&asked.request.prompt);
        // A call that was repaired has several requests; the one with as many turns is meant.
        let meant = calls.iter().find(|it| it.prompt.len() == now.len()).or(calls.first());
        let notes = match meant {
            Some(call) => difference(&self.recording, call, asked),
            None => vec![self.other_calls()],
        };
        let hint = format!("`{}` asks the model and records its reply", self.command);
        Unrecorded { message, notes, hint }
    }

    fn other_calls(&self) -> String {
        let mine = self.recording.places().filter(|(place, _)| place.test == self.test);
        let mine: Vec<String> =
            mine.map(|(place, _)| format!("`{}`", shown(&place.address))).collect();
        match mine.len() {
            0 => "nothing is recorded of this test".to_owned(),
            n if n > 8 => format!("{n} other calls of this test are recorded"),
            _ => format!("recorded of this test: {}", mine.join(", ")),
        }
    }
}

impl Tape for Replay {
    fn find(&self, asked: Asked<'_>) -> Result<Option<Recorded>, Unrecorded> {
        let request = request_hash(asked.model, asked.request);
        let calls = self.recording.calls(&self.place(asked.address));
        let same: Vec<&Call> = calls.iter().filter(|it| it.request == request).collect();
        let Some(last) = same.len().checked_sub(1) else {
            let why = self.unrecorded(asked);
            lock(&self.missed).entry(asked.address.clone()).or_insert(why.clone());
            return Err(why);
        };
        let mut used = lock(&self.used);
        let n = used.entry((asked.address.clone(), request)).or_default();
        let call = same[(*n).min(last)];
        *n += 1;
        Ok(Some(Recorded::Reply(Arc::new(call.completion.clone()))))
    }

    fn note(&self, _: Asked<'_>, _: &Completion) {}

    fn missed(&self) -> Option<Unrecorded> {
        lock(&self.missed).values().next().cloned()
    }
}

/// Writes down what models reply; what is recorded already is not asked again.
#[derive(Debug)]
pub struct Record {
    test: String,
    known: Replay,
    /// Whether what is recorded is taken.
    reuse: bool,
    new: Mutex<Recording>,
}

impl Record {
    /// Returns the tape of a test.
    pub fn new(recording: Arc<Recording>, test: &str, reuse: bool) -> Self {
        let known = Replay::new(recording, test, "");
        Self { test: test.to_owned(), known, reuse, new: Mutex::default() }
    }

    /// What was written down.
    pub fn taken(&self) -> Recording {
        lock(&self.new).clone()
    }
}

impl Tape for Record {
    fn find(&self, asked: Asked<'_>) -> Result<Option<Recorded>, Unrecorded> {
        let found = if self.reuse { self.known.find(asked).ok().flatten() } else { None };
        if let Some(Recorded::Reply(completion)) = &found {
            self.note(asked, completion);
        }
        Ok(found)
    }

    fn note(&self, asked: Asked<'_>, completion: &Completion) {
        lock(&self.new).add(&self.test, asked, completion.clone());
    }
}

/// Says where a request first differs from what was recorded.
fn difference(recording: &Recording, recorded: &Call, asked: Asked<'_>) -> Vec<String> {
    if recorded.model != asked.model {
        let (then, now) = (&recorded.model, asked.model);
        return vec![format!("recorded of the model `{then}`, and asked of `{now}` now")];
    }
    let then = recording.turns(recorded);
    let now = turns(&asked.request.prompt);
    let turn = (0..then.len().max(now.len())).find(|at| then.get(*at) != now.get(*at));
    if let Some(turn) = turn {
        let who = then.get(turn).or(now.get(turn)).map_or("", |(role, _)| role);
        let text =
            |turns: &[(&str, &str)]| turns.get(turn).map_or("", |(_, text)| text).to_owned();
        return differing_lines(turn, who, &text(&then), &text(&now));
    }
    let (then, now) = (&recorded.sampling, &asked.request.sampling);
    if then != now {
        let json = |it| serde_json::to_string(it).unwrap_or_default();
        return vec![
            "the prompt is as recorded; how tokens are drawn is not".to_owned(),
            format!("recorded: {}", json(then)),
            format!("now:      {}", json(now)),
        ];
    }
    vec!["the prompt is as recorded; the form that the reply must have is not".to_owned()]
}

fn differing_lines(turn: usize, who: &str, then: &str, now: &str) -> Vec<String> {
    let (mut then, mut now) = (then.lines(), now.lines());
    let mut line = 0;
    loop {
        line += 1;
        match (then.next(), now.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                let (a, b) =
                    apart(a.unwrap_or("(no such line)"), b.unwrap_or("(no such line)"));
                return vec![
                    format!(
                        "the prompt differs from turn {} ({who}), line {line} on",
                        turn + 1
                    ),
                    format!("recorded: {a}"),
                    format!("now:      {b}"),
                ];
            }
        }
    }
    vec![format!("the prompt differs at the end of turn {} ({who})", turn + 1)]
}

/// Two lines, cut so that the place where they part can be seen.
fn apart(a: &str, b: &str) -> (String, String) {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let start = if same > PIECE / 2 { same - PIECE / 3 } else { 0 };
    let cut = |text: &str| {
        let piece: String = text.chars().skip(start).take(PIECE).collect();
        let before = if start > 0 { "…" } else { "" };
        let after = if text.chars().count() > start + PIECE { "…" } else { "" };
        format!("{before}{piece}{after}")
    };
    (cut(a), cut(b))
}

/// What stands for a model whose replies are recorded: it can do what the recording says that the
/// model can, or what its name tells.
pub fn stand_in(recording: &Recording, name: &str) -> Absent {
    let local = name.starts_with("local/") || name.starts_with("local:");
    let facts = recording.model(name);
    let capabilities = Capabilities {
        chat: facts.is_none_or(|it| it.chat),
        template: facts.map_or(local, |it| it.template),
        n: facts.is_some_and(|it| it.n),
        schema: facts.is_some_and(|it| it.schema),
        in_process: true,
        nonblocking: false,
        parallel: 64,
        cacheable: false,
        media: Takes::ALL,
        ..Capabilities::PLAIN
    };
    Absent::able(name, capabilities)
}
