//! What a search will take at most, said before it starts.

use crate::optimize::Who;
use std::fmt::Write;

/// A part of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// What is done.
    pub name: String,
    /// Who makes the runs.
    pub who: Who,
    /// The most runs of a program on a row.
    pub runs: u64,
}

impl Phase {
    /// Returns a phase of `rows` rows, run `times` times.
    pub fn new(name: &str, who: Who, rows: usize, times: usize) -> Self {
        let runs = (rows as u64).saturating_mul(times as u64);
        Self { name: name.to_owned(), who, runs }
    }
}

/// The worst case of a search. Failures of machines, which are tried again, come on top of it
/// and still count against the cap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Its phases.
    pub phases: Vec<Phase>,
    /// The most calls of each phase; `None` where a run has no bound.
    pub calls: Vec<Option<u64>>,
    /// The cap that stops it earlier.
    pub max_calls: Option<u64>,
    /// How it means to spend that, in lines.
    pub intent: Vec<String>,
}

impl Plan {
    /// Returns the plan of these phases, when a run takes at most so many calls, by who makes it.
    pub(crate) fn new(
        phases: Vec<Phase>,
        per_run: impl Fn(Who) -> Option<u64>,
        max_calls: Option<u64>,
    ) -> Self {
        let bound = |phase: &Phase| match phase.runs {
            0 => Some(0),
            runs => Some(runs.saturating_mul(per_run(phase.who)?)),
        };
        let calls = phases.iter().map(bound).collect();
        Self { calls, phases, max_calls, intent: Vec::new() }
    }

    /// The most calls of all phases, the cap not counted; `None` where there is no bound.
    pub fn worst_case(&self) -> Option<u64> {
        self.calls.iter().try_fold(0_u64, |sum, calls| Some(sum.saturating_add((*calls)?)))
    }

    /// The plan in lines.
    pub fn render(&self) -> String {
        let calls =
            |it: Option<u64>| it.map_or("any number of".to_owned(), |it| it.to_string());
        let mut text = String::new();
        let longest = self.phases.iter().map(|it| it.name.chars().count() + 2).max();
        let width = longest.unwrap_or(0).max(28);
        for (phase, most) in self.phases.iter().zip(&self.calls) {
            let runs = format!("at most {} runs", phase.runs);
            let _ = writeln!(text, "{:<width$}{runs}, {} calls", phase.name, calls(*most));
        }
        let _ = write!(text, "{:<width$}at most {} calls", "in all", calls(self.worst_case()));
        if let Some(cap) = self.max_calls {
            let _ = write!(text, ", stopped at {cap}");
        }
        self.intent.iter().for_each(|it| text += &format!("\n{it}"));
        text + "\n"
    }
}
