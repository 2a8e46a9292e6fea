//! The pool of `gepa`: what was kept, from whom it descends, and who is best of what.

use crate::eval::Outcome;
use crate::optimize::Search;
use crate::program::State;
use crate::sampling::Pareto;
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What candidates are best of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// Single rows.
    Rows,
    /// Means of the scores that a metric gives; rows where it gives one score.
    Scores,
    /// Both.
    Both,
}

impl Front {
    /// The names of all.
    pub const NAMES: [&str; 3] = ["rows", "scores", "both"];

    /// The one of this name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Rows, Self::Scores, Self::Both].into_iter().find(|it| it.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => Self::NAMES[0],
            Self::Scores => Self::NAMES[1],
            Self::Both => Self::NAMES[2],
        }
    }
}

/// A state of the pool. Its place is its place among the candidates of the search.
pub(super) struct Member {
    /// What others call it who descend from it.
    pub(super) name: String,
    pub(super) state: Arc<State>,
    pub(super) hash: String,
    pub(super) parents: Vec<usize>,
    /// The part that is changed next.
    pub(super) turn: usize,
    /// The mean of each score that the metric gives.
    scores: IndexMap<String, f64>,
}

impl Member {
    pub(super) fn new(
        label: String,
        state: Arc<State>,
        parents: Vec<usize>,
        turn: usize,
    ) -> Self {
        let (name, hash) = (label, state.hash());
        Self { name, hash, state, parents, turn, scores: IndexMap::new() }
    }
}

/// What was kept so far.
pub(super) struct Pool {
    pub(super) members: Vec<Member>,
    front: Front,
}

impl Pool {
    pub(super) fn new(front: Front) -> Self {
        Self { members: Vec::new(), front }
    }

    /// Adds a state that was scored, with what its runs gave.
    pub(super) fn add(&mut self, mut member: Member, outcomes: &[Option<Arc<Outcome>>]) {
        // Descendants name it by its number: `3` of `3: answer of as it is`.
        if let Some((number, _)) = member.name.split_once(':') {
            member.name = number.to_owned();
        }
        member.scores = means(outcomes);
        self.members.push(member);
    }

    /// Who is best of what.
    pub(super) fn front(&self, search: &Search<'_>) -> Pareto {
        let names: BTreeSet<&String> =
            self.members.iter().flat_map(|it| it.scores.keys()).collect();
        let matrix = search.matrix();
        let line = |(at, member): (usize, &Member)| {
            let rows = matrix.lines().get(at).cloned().unwrap_or_default();
            let scores = names.iter().map(|it| member.scores.get(*it).copied());
            match self.front {
                Front::Rows => rows,
                Front::Scores if names.len() > 1 => scores.collect(),
                Front::Both if names.len() > 1 => rows.into_iter().chain(scores).collect(),
                Front::Scores | Front::Both => rows,
            }
        };
        let lines: Vec<Vec<Option<f64>>> = self.members.iter().enumerate().map(line).collect();
        Pareto::new(&lines)
    }

    /// All that a member descends from.
    pub(super) fn ancestors(&self, of: usize) -> BTreeSet<usize> {
        let mut all = BTreeSet::new();
        let mut open = self.members[of].parents.clone();
        while let Some(next) = open.pop() {
            if all.insert(next) {
                open.extend(&self.members[next].parents);
            }
        }
        all
    }
}

/// The mean of each score; a run of a program that failed counts 0 in each.
fn means(outcomes: &[Option<Arc<Outcome>>]) -> IndexMap<String, f64> {
    let scored: Vec<&Arc<Outcome>> =
        outcomes.iter().flatten().filter(|it| it.value().is_some()).collect();
    let names: BTreeSet<&String> = scored.iter().flat_map(|it| it.scores.keys()).collect();
    let mean = |name: &String| {
        let all = scored.iter().map(|it| it.scores.get(name).copied().unwrap_or_default());
        all.sum::<f64>() / crate::sampling::float(scored.len().max(1))
    };
    names.into_iter().map(|name| (name.clone(), mean(name))).collect()
}
