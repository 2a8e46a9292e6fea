//! Instructions that evolve: reflect on a few runs, keep what helps, and combine what was kept.
//!
//! Agrawal et al., "GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning"
//! (2025). In plain words:
//!
//! 1. Score the program on all rows to choose by. It is the first of the pool.
//! 2. Draw a parent: of each row the best of the pool stand for it; those without a row of
//!    their own go; the rest are drawn by how many rows they stand for.
//! 3. Run the parent on three rows to learn from. Where all are right there is nothing to learn.
//! 4. Show a model the words of one predictor and what it read, wrote and was told of it in
//!    these runs, and ask for better words.
//! 5. Run the child on the same rows. Where the sum of its scores is higher, score it on all
//!    rows to choose by and put it into the pool.
//! 6. After a success, combine two of the pool that changed different parts of a common ancestor
//!    (see `gepa_merge`).
//! 7. Go on until the runs or the rounds are used up. The best mean is the result.
//!
//! Differs from DSPy: what a metric says of a run is asked once, in the run itself; a round
//! is paid for before it starts, so that none overshoots; runs are remembered; a combination
//! is tried beside the proposals of a round and takes none of them its turn; several
//! proposals are made at once, two and two from the same runs of a parent; minibatches hold no row
//! twice; descriptions of fields and demos may evolve too. The rows to choose by are never those
//! that are learnt from.

use crate::eval::{Outcome, Stop};
use crate::optimize::policies::count;
use crate::optimize::policies::gepa_merge::{self, Merge};
use crate::optimize::policies::gepa_parts::{self as parts, Part, PartKind};
use crate::optimize::policies::gepa_pool::{Front, Member, Pool};
use crate::optimize::propose::{Judge, MOST_CHARS, Refusals};
use crate::optimize::{Ask, Example, HeldBack, Phase, Policy, Question, Search, Sizes, Who};
use crate::program::State;
use crate::sampling::Minibatches;
use crate::schema::{Signature, Value};
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

/// A score that cannot be bettered.
const PERFECT: f64 = 1.0;

/// How many proposals that are made at once have the same parent and the same rows, so that its
/// runs on them are paid for once.
const SIBLINGS: usize = 2;

/// How long a search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// As long as six candidates take.
    Light,
    /// As long as twelve take.
    Medium,
    /// As long as eighteen take.
    Heavy,
    /// So many rounds, whatever runs they take.
    Rounds(usize),
}

impl Effort {
    /// The names of efforts that fit the data.
    pub const NAMES: [&str; 3] = ["light", "medium", "heavy"];

    /// The effort of this name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Light, Self::Medium, Self::Heavy].into_iter().find(|it| it.name() == Some(name))
    }

    fn name(self) -> Option<&'static str> {
        let at = match self {
            Self::Light => 0,
            Self::Medium => 1,
            Self::Heavy => 2,
            Self::Rounds(_) => return None,
        };
        Some(Self::NAMES[at])
    }

    /// How many calls a search is to take, its questions and the last comparison included: as many
    /// as DSPy would make metric calls on all rows to choose by. Until the search ends it keeps what
    /// scoring one more program would take, which comes on top.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a number of trials is small"
    )]
    fn runs(self, parts: usize, val: usize, held: HeldBack) -> Option<usize> {
        let candidates: usize = match self {
            Self::Light => 6,
            Self::Medium => 12,
            Self::Heavy => 18,
            Self::Rounds(_) => return None,
        };
        let n = candidates as f64;
        let trials = (4.0 * parts as f64 * n.log2()).max(1.5 * n) as usize;
        let validations = (trials + 1) / 5 + 1 + usize::from(trials < 5);
        let rows = val + held.rows;
        let all = rows + 5 * candidates + 35 * trials + validations * rows;
        Some(all.saturating_sub(held.runs) + val)
    }
}

/// Instructions that evolve.
#[derive(Debug, Clone, PartialEq)]
pub struct Gepa {
    /// How long it goes on.
    pub effort: Effort,
    /// How many rows a proposal is made from and tried on.
    pub minibatch: usize,
    /// How many proposals are made at once.
    pub at_once: usize,
    /// What may change of a predictor.
    pub components: Vec<PartKind>,
    /// Whether a proposal changes all parts, not the next in turn.
    pub all_parts: bool,
    /// The most combinations that are kept.
    pub merges: usize,
    /// What candidates are best of.
    pub front: Front,
    /// The most demos of a predictor.
    pub max_demos: usize,
    /// How freely the model proposes.
    pub temperature: f64,
}

impl Default for Gepa {
    fn default() -> Self {
        Self {
            effort: Effort::Light,
            minibatch: 3,
            at_once: 4,
            components: vec![PartKind::Instructions],
            all_parts: false,
            merges: 5,
            front: Front::Both,
            max_demos: 4,
            temperature: 1.0,
        }
    }
}

impl Gepa {
    /// What a search may take: runs, and rounds.
    fn limits(&self, predictors: usize, val: usize, held: HeldBack) -> (usize, usize) {
        match self.effort {
            Effort::Rounds(rounds) => (usize::MAX, rounds),
            effort => {
                let parts = predictors * self.components.len();
                let runs = effort.runs(parts, val, held).unwrap_or(usize::MAX);
                // A round whose parent is remembered takes one minibatch.
                let left = runs.saturating_sub(val);
                (runs, left.div_ceil(self.minibatch.max(1)))
            }
        }
    }

    fn asks_models(&self) -> bool {
        self.components.iter().any(|it| it.question().is_some())
    }
}

impl Policy for Gepa {
    fn name(&self) -> &'static str {
        "gepa"
    }

    fn options(&self) -> IndexMap<String, Value> {
        let effort = match (self.effort, self.effort.name()) {
            (Effort::Rounds(rounds), _) => ("rounds", count(rounds)),
            (_, name) => ("auto", name.map_or(Value::Null, Value::from)),
        };
        let select = if self.all_parts { "all" } else { "turns" };
        let components = self.components.iter().map(|it| Value::from(it.name()));
        [
            effort,
            ("minibatch", count(self.minibatch)),
            ("at_once", count(self.at_once)),
            ("components", Value::list(components)),
            ("select", select.into()),
            ("merges", count(self.merges)),
            ("front", self.front.name().into()),
            ("max_demos", count(self.max_demos)),
            ("proposer_temperature", Value::Float(self.temperature)),
        ]
        .into_iter()
        .map(|(name, it)| (name.to_owned(), it))
        .collect()
    }

    fn needs_valset(&self) -> bool {
        true
    }

    fn questions(&self) -> Vec<Question> {
        vec![Question::ReflectedInstructions, Question::ReflectedDescriptions]
    }

    fn phases(&self, sizes: &Sizes) -> Vec<Phase> {
        let (runs, rounds) = self.limits(sizes.predictors, sizes.val, sizes.held_back);
        let asking = self.components.iter().filter(|it| it.question().is_some()).count();
        let each = if self.all_parts { sizes.predictors * asking } else { 1 };
        let asked = if self.asks_models() { rounds.saturating_mul(each) } else { 0 };
        let rows = self.minibatch.min(sizes.train);
        let runs = match self.effort {
            Effort::Rounds(_) => {
                let trials = rounds * (2 * rows + gepa_merge::ROWS);
                sizes.val * (1 + rounds + self.merges) + trials
            }
            _ => runs,
        };
        let question = Who::Proposer(Question::ReflectedInstructions);
        vec![
            Phase::new("reflect", question, asked, 1),
            Phase::new("evolve", Who::Student, runs, 1),
        ]
    }

    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        let mut course = Course::new(self, search);
        let ended = course.go(search);
        course.tell(search);
        ended
    }
}

/// How proposals ended, for the report.
#[derive(Debug, Default)]
struct Ends {
    /// The parent had nothing wrong.
    perfect: usize,
    /// Nothing was proposed, or what was proposed was not taken.
    without: usize,
    /// Not better than its parent on the minibatch.
    worse: usize,
    /// Better, but by less than another one on the same rows.
    second: usize,
    /// Better, and scored on all rows to choose by.
    kept: usize,
    /// Better, where no runs were left to score it.
    unscored: usize,
    merged: usize,
    merges_refused: usize,
}

/// A search under way.
struct Course<'g> {
    policy: &'g Gepa,
    predictors: IndexMap<String, Signature>,
    parts: Vec<Part>,
    pool: Pool,
    judge: Judge,
    batches: Minibatches,
    /// Runs that may still be made.
    runs: usize,
    /// Rounds that may still begin.
    rounds: usize,
    /// Rounds that began.
    round: usize,
    /// Whether there is something new to combine.
    is_merge_due: bool,
    combined: BTreeSet<(usize, usize, usize)>,
    refusals: Refusals,
    ends: Ends,
}

/// A proposal on its way.
struct Attempt {
    round: usize,
    /// The round in which its parent and its rows were drawn.
    draw: usize,
    parent: usize,
    rows: Vec<Example>,
    /// What the parent gave.
    before: Vec<Option<Arc<Outcome>>>,
    /// What is changed, and what was asked for it.
    changes: Vec<(Part, Option<Ask>)>,
    /// The part whose turn is next.
    turn: usize,
    child: Option<Arc<State>>,
    /// How much higher the child's sum is.
    gain: f64,
}

/// A state that is to be scored on all rows to choose by.
struct Winner {
    label: String,
    state: Arc<State>,
    parents: Vec<usize>,
    turn: usize,
    gain: f64,
    is_merged: bool,
}

impl<'g> Course<'g> {
    fn new(policy: &'g Gepa, search: &Search<'_>) -> Self {
        let predictors = search.predictors();
        let (runs, rounds) =
            policy.limits(predictors.len(), search.val().len(), search.held_back());
        let rows = search.train().len();
        Self {
            policy,
            parts: Part::all(&predictors, &policy.components),
            pool: Pool::new(policy.front),
            judge: Judge::new(search.train(), MOST_CHARS),
            batches: Minibatches::new(rows, policy.minibatch, search.seed()),
            runs,
            rounds,
            round: 0,
            is_merge_due: false,
            combined: BTreeSet::new(),
            refusals: Refusals::default(),
            ends: Ends::default(),
            predictors,
        }
    }

    fn go(&mut self, search: &mut Search<'_>) -> Result<(), Stop> {
        let start = Arc::new(search.start().clone());
        self.enter(
            search,
            vec![Winner {
                label: "as it is".to_owned(),
                state: start,
                parents: Vec::new(),
                turn: 0,
                gain: 0.0,
                is_merged: false,
            }],
        )?;
        if self.parts.is_empty() || search.train().is_empty() {
            return Ok(());
        }
        loop {
            let width = self.affordable(search);
            if width == 0 {
                return Ok(());
            }
            self.generation(search, width)?;
        }
    }

    /// How many proposals can be paid for, one of them scored on all rows to choose by.
    fn affordable(&self, search: &Search<'_>) -> usize {
        let rows = self.policy.minibatch.min(search.train().len()).max(1);
        let asked = if self.policy.all_parts { self.parts.len() } else { 1 };
        let merge = if self.parts.len() > 1 { gepa_merge::ROWS } else { 0 };
        let left = self.runs.saturating_sub(search.val().len() + merge);
        let takes = |width: usize| width.div_ceil(SIBLINGS) * rows + width * (asked + rows);
        let most = self.rounds.min(self.policy.at_once.max(1));
        (1..=most).take_while(|width| takes(*width) <= left).last().unwrap_or(0)
    }

    /// Makes so many proposals at once, and a combination beside them.
    fn generation(&mut self, search: &mut Search<'_>, width: usize) -> Result<(), Stop> {
        let mut attempts = self.parents(search, width);
        let merge = self.merge(search);
        self.run_parents(search, &mut attempts, merge.as_ref())?;
        attempts.retain(|it| {
            let perfect = |it: &Option<Arc<Outcome>>| {
                it.as_ref().and_then(|it| it.value()).is_some_and(|it| it >= PERFECT)
            };
            let is_perfect = it.before.iter().all(perfect);
            self.ends.perfect += usize::from(is_perfect);
            !is_perfect
        });
        self.reflect(search, &mut attempts)?;
        self.run_children(search, &mut attempts)?;
        let mut winners = Vec::new();
        if let Some(merge) = merge {
            winners.extend(self.combination(search, merge)?);
        }
        for siblings in grouped(attempts) {
            winners.extend(self.winner(siblings));
        }
        let winners = self.paid(search, winners);
        self.is_merge_due |= winners.iter().any(|it| !it.is_merged);
        self.enter(search, winners)
    }

    /// Draws parents and rows.
    fn parents(&mut self, search: &Search<'_>, width: usize) -> Vec<Attempt> {
        let front = self.pool.front(search);
        self.rounds -= width;
        let mut attempts = Vec::new();
        let (mut draw, mut parent, mut rows) = (0, 0, Vec::<Example>::new());
        for nth in 0..width {
            self.round += 1;
            if nth % SIBLINGS == 0 {
                let mut random = search.random(&format!("parent {}", self.round));
                draw = self.round;
                // Without any score there is the program as it is.
                parent = front.draw(&mut random).unwrap_or(0);
                let drawn = self.batches.next_batch().into_iter();
                rows = drawn.map(|at| search.train()[at].clone()).collect();
            }
            attempts.push(Attempt {
                round: self.round,
                draw,
                parent,
                rows: rows.clone(),
                before: Vec::new(),
                changes: Vec::new(),
                turn: 0,
                child: None,
                gain: 0.0,
            });
        }
        attempts
    }

    /// A combination to try, when there was something new since the last.
    fn merge(&mut self, search: &Search<'_>) -> Option<Merge> {
        let may = self.is_merge_due && self.ends.merged < self.policy.merges;
        self.is_merge_due = false;
        may.then(|| {
            let random = search.random(&format!("merge {}", self.round));
            gepa_merge::find(search, &self.pool, &self.parts, &mut self.combined, random)
        })
        .flatten()
    }

    fn run_parents(
        &mut self,
        search: &mut Search<'_>,
        attempts: &mut [Attempt],
        merge: Option<&Merge>,
    ) -> Result<(), Stop> {
        let of = |it: &Attempt| trial(&self.pool.members[it.parent].state, &it.rows);
        let mut asks: Vec<Ask> = attempts.iter().flat_map(of).collect();
        // A combination waits for nobody.
        asks.extend(merge.into_iter().flat_map(|it| it.asks(search)));
        let mut outcomes = self.run(search, "minibatch", &asks)?.into_iter();
        for it in attempts {
            it.before = outcomes.by_ref().take(it.rows.len()).collect();
        }
        Ok(())
    }

    /// Asks for better words of all attempts at once.
    fn reflect(
        &mut self,
        search: &mut Search<'_>,
        attempts: &mut [Attempt],
    ) -> Result<(), Stop> {
        for it in attempts.iter_mut() {
            self.choose(search, it);
        }
        let changes = || attempts.iter().flat_map(|it| &it.changes);
        let asks: Vec<Ask> = changes().filter_map(|it| it.1.clone()).collect();
        let runs = search.run("reflect", &asks);
        let made = runs.made.iter().filter(|it| **it).count();
        self.runs = self.runs.saturating_sub(made);
        let mut answers = runs.outcomes.into_iter();
        for it in attempts {
            let parent = Arc::clone(&self.pool.members[it.parent].state);
            let mut child = State::clone(&parent);
            let rows: Vec<String> = it.rows.iter().map(|it| it.row.index.to_string()).collect();
            let note = format!("round {}, from rows {}", it.round, rows.join(", "));
            for (part, ask) in &it.changes {
                let signature = &self.predictors[&part.path];
                let answer = ask.as_ref().and_then(|_| answers.next().flatten());
                let refused = match part.kind {
                    PartKind::Demos => {
                        let random = search.random(&format!("demo {} {}", it.round, part.path));
                        let runs = it.rows.iter().zip(&it.before);
                        let most = self.policy.max_demos;
                        parts::add_demo(&mut child, part, signature, runs, most, &random);
                        None
                    }
                    PartKind::Instructions => {
                        let answer = answer.as_deref();
                        parts::reword(&mut child, part, signature, &self.judge, answer, &note)
                            .err()
                    }
                    PartKind::Descriptions => {
                        let answer = answer.as_deref();
                        parts::redescribe(&mut child, part, signature, &self.judge, answer)
                            .err()
                    }
                };
                if let Some(why) = refused {
                    self.refusals.add(&why);
                }
            }
            // What stands in the pool already was scored.
            let hash = child.hash();
            let is_known = self.pool.members.iter().any(|it| it.hash == hash);
            it.child = (!is_known).then(|| Arc::new(child));
            self.ends.without += usize::from(is_known);
        }
        runs.stop.map_or(Ok(()), Err)
    }

    /// Chooses what is changed: the part whose turn it is, of those that were at work in the
    /// runs, or all of these.
    fn choose(&mut self, search: &Search<'_>, it: &mut Attempt) {
        let parent = &mut self.pool.members[it.parent];
        it.turn = parent.turn;
        for step in 0..self.parts.len() {
            let at = (parent.turn + step) % self.parts.len();
            let part = &self.parts[at];
            let signature = &self.predictors[&part.path];
            let random =
                |row: &str| search.random(&format!("{} {row} {}", it.round, part.path));
            let runs = it.rows.iter().zip(&it.before);
            let examples =
                parts::examples(part, signature, runs, self.predictors.len(), random);
            if examples.is_empty() {
                continue;
            }
            let ask = part.kind.question().map(|question| {
                let inputs = parts::inputs(part, signature, &parent.state, examples);
                let sample = u64::try_from(it.round).unwrap_or_default();
                search.question(question, inputs, self.policy.temperature, sample)
            });
            it.changes.push((part.clone(), ask));
            it.turn = (at + 1) % self.parts.len();
            if !self.policy.all_parts {
                break;
            }
        }
        parent.turn = it.turn;
    }

    fn run_children(
        &mut self,
        search: &mut Search<'_>,
        attempts: &mut [Attempt],
    ) -> Result<(), Stop> {
        let of = |it: &Attempt| it.child.as_ref().map(|child| trial(child, &it.rows));
        let asks: Vec<Ask> = attempts.iter().filter_map(of).flatten().collect();
        let mut outcomes = self.run(search, "minibatch", &asks)?.into_iter();
        for it in attempts.iter_mut().filter(|it| it.child.is_some()) {
            let after: Vec<_> = outcomes.by_ref().take(it.rows.len()).collect();
            it.gain = gain(&it.before, &after);
        }
        Ok(())
    }

    /// Of proposals with one parent and the same rows the one that is better by most, if any is.
    fn winner(&mut self, siblings: Vec<Attempt>) -> Option<Winner> {
        let mut best: Option<Attempt> = None;
        for it in siblings.into_iter().filter(|it| it.child.is_some()) {
            let leads = it.gain > best.as_ref().map_or(0.0, |it| it.gain);
            let behind = if leads { best.replace(it) } else { Some(it) };
            match behind {
                Some(it) if it.gain > 0.0 => self.ends.second += 1,
                Some(_) => self.ends.worse += 1,
                None => {}
            }
        }
        let it = best?;
        let state = it.child?;
        let paths: Vec<String> = it.changes.iter().map(|(part, _)| part.to_string()).collect();
        let from = &self.pool.members[it.parent].name;
        let mut state = State::clone(&state);
        for (part, _) in it.changes.iter().filter(|it| it.0.kind == PartKind::Instructions) {
            if let Some(origin) = &mut state.entry(&part.path).instructions_origin {
                let _ = write!(origin.note, ", whose scores rose by {:.3} in all", it.gain);
            }
        }
        Some(Winner {
            label: format!("{}: {} of {from}", it.round, paths.join(", ")),
            state: Arc::new(state),
            parents: vec![it.parent],
            turn: it.turn,
            gain: it.gain,
            is_merged: false,
        })
    }

    /// A combination, where it is no worse than either parent on a few rows.
    fn combination(
        &mut self,
        search: &mut Search<'_>,
        merge: Merge,
    ) -> Result<Option<Winner>, Stop> {
        // They were run beside the minibatches.
        let asks = merge.asks(search);
        let outcomes = self.run(search, "merge", &asks)?;
        let Some(gain) = merge.gain(&outcomes) else {
            self.ends.merges_refused += 1;
            return Ok(None);
        };
        let (one, other) = merge.parents;
        let name = |at: usize| self.pool.members[at].name.clone();
        Ok(Some(Winner {
            label: format!("{} and {} combined", name(one), name(other)),
            state: merge.state,
            parents: vec![one, other],
            turn: merge.turn,
            gain,
            is_merged: true,
        }))
    }

    /// Those that can be scored with the runs that are left, the greatest gains first; in their
    /// order, and each state once.
    fn paid(&mut self, search: &Search<'_>, mut all: Vec<Winner>) -> Vec<Winner> {
        let mut seen = BTreeSet::new();
        all.retain(|it| seen.insert(it.state.hash()));
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by(|a, b| all[*b].gain.total_cmp(&all[*a].gain).then(a.cmp(b)));
        let most = self.runs / search.val().len().max(1);
        let chosen: BTreeSet<usize> = order.into_iter().take(most).collect();
        self.ends.unscored += all.len() - chosen.len();
        let all = all.into_iter().enumerate();
        all.filter(|(at, _)| chosen.contains(at)).map(|(_, it)| it).collect()
    }

    /// Scores states on all rows to choose by and puts them into the pool.
    fn enter(&mut self, search: &mut Search<'_>, winners: Vec<Winner>) -> Result<(), Stop> {
        if winners.is_empty() {
            return Ok(());
        }
        let base = search.candidates().len();
        let state = |(nth, it): (usize, &Winner)| {
            (base + nth, it.label.clone(), State::clone(&it.state))
        };
        let states: Vec<_> = winners.iter().enumerate().map(state).collect();
        let rows = search.val().to_vec();
        let asks: Vec<Ask> = winners.iter().flat_map(|it| scoring(&it.state, &rows)).collect();
        let known = search.remembered(&asks);
        self.runs = self.runs.saturating_sub(asks.len() - known);
        search.step("score", states, &[])?;
        for it in winners {
            match (it.is_merged, it.parents.is_empty()) {
                (_, true) => {}
                (true, _) => self.ends.merged += 1,
                (false, _) => self.ends.kept += 1,
            }
            let outcomes = search.run("score", &scoring(&it.state, &rows)).outcomes;
            self.pool.add(Member::new(it.label, it.state, it.parents, it.turn), &outcomes);
        }
        Ok(())
    }

    /// Makes runs, and counts those that were not remembered.
    fn run(
        &mut self,
        search: &mut Search<'_>,
        phase: &str,
        asks: &[Ask],
    ) -> Result<Vec<Option<Arc<Outcome>>>, Stop> {
        let runs = search.run(phase, asks);
        let made = runs.made.iter().filter(|it| **it).count();
        self.runs = self.runs.saturating_sub(made);
        runs.stop.map_or(Ok(runs.outcomes), Err)
    }

    /// Says how it went.
    fn tell(self, search: &mut Search<'_>) {
        let Ends { perfect, without, worse, second, kept, unscored, merged, merges_refused } =
            self.ends;
        let ends = [
            (kept, "better on their rows, and scored"),
            (worse, "not better on their rows"),
            (second, "better, but not the best on their rows"),
            (perfect, "from rows that were all right"),
            (without, "without new words"),
            (unscored, "better, with no runs left to score them"),
        ];
        let all = kept + worse + second + perfect + without + unscored;
        if all > 0 {
            let told: Vec<String> = ends
                .iter()
                .filter(|(n, _)| *n > 0)
                .map(|(n, what)| format!("{n} {what}"))
                .collect();
            let mut text = format!("{all} proposals: {}", told.join("; "));
            if merged + merges_refused > 0 {
                text += &format!("; {merged} of {} combinations kept", merged + merges_refused);
            }
            search.remark(text);
        }
        self.refusals.tell(search);
    }
}

/// Attempts with those that have the same parent and the same rows.
fn grouped(attempts: Vec<Attempt>) -> Vec<Vec<Attempt>> {
    let mut groups: Vec<Vec<Attempt>> = Vec::new();
    for it in attempts {
        match groups.last_mut() {
            Some(group) if group[0].draw == it.draw => group.push(it),
            _ => groups.push(vec![it]),
        }
    }
    groups
}

/// The runs of a state on rows to learn from; demos of a row are not shown to it.
fn trial(state: &Arc<State>, rows: &[Example]) -> Vec<Ask> {
    let own = |example: &Example| match state.demo_count() {
        0 => Arc::clone(state),
        _ => Arc::new(crate::optimize::demo::without_row(state, example)),
    };
    let ask = |example: &Example| Ask {
        who: Who::Student,
        state: own(example),
        example: example.clone(),
        rollout: 0,
        keep_steps: true,
    };
    rows.iter().map(ask).collect()
}

/// The runs that score a state on rows to choose by.
pub(super) fn scoring(state: &Arc<State>, rows: &[Example]) -> Vec<Ask> {
    crate::optimize::confirm::asks(state, rows)
}

/// How much higher the scores of the second are, on the rows where both have one.
fn gain(before: &[Option<Arc<Outcome>>], after: &[Option<Arc<Outcome>>]) -> f64 {
    let value = |it: &Option<Arc<Outcome>>| it.as_ref()?.value();
    let pairs = before.iter().zip(after);
    let both = pairs.filter_map(|(a, b)| Some((value(a)?, value(b)?)));
    let (before, after) = both.fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    after - before
}
