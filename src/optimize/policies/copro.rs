//! Instructions by coordinate ascent: propose, score, show the scores, propose again.
//!
//! Opsahl-Ong et al., "Optimizing Instructions and Demonstrations for Multi-Stage Language Model
//! Programs" (2024), as its baseline; Yang et al., "Large Language Models as Optimizers" (2023),
//! for proposing from scored attempts. `COPRO` in DSPy. In plain words:
//!
//! 1. Ask for `breadth - 1` instructions in place of those that a predictor has.
//! 2. Score each, one predictor after the other; the best of a predictor stays.
//! 3. Show the model the best `breadth` with their scores and ask for `breadth` more; go on with
//!    2, until there were `depth` rounds.
//!
//! Differs from DSPy: it chooses on rows to choose by, and has the rows to learn from, which it does
//! not learn from, decide between finalists (see `further`); the proposals
//! of a round are asked for at once, for all predictors; proposals are read with distrust (see
//! `propose`), and one that was made before is not scored again; output prefixes are not
//! proposed, for no adapter writes them.

use crate::eval::{Outcome, Stop};
use crate::optimize::policies::{count, further};
use crate::optimize::propose::{
    Judge, MOST_CHARS, Proposal, Refusal, Refusals, fields, instructions, with_instructions,
};
use crate::optimize::{Ask, Phase, Policy, Question, Search, Sizes, Who};
use crate::program::State;
use crate::schema::{Record, Signature, Value};
use indexmap::IndexMap;
use std::ops::Range;
use std::sync::Arc;

/// Instructions from scored attempts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Copro {
    /// How many instructions of a predictor a round has.
    pub breadth: usize,
    /// How many rounds there are.
    pub depth: usize,
    /// How freely the model proposes.
    pub temperature: f64,
}

impl Default for Copro {
    fn default() -> Self {
        Self { breadth: 10, depth: 3, temperature: 1.4 }
    }
}

impl Policy for Copro {
    fn name(&self) -> &'static str {
        "copro"
    }

    fn options(&self) -> IndexMap<String, Value> {
        IndexMap::from([
            ("breadth".to_owned(), count(self.breadth)),
            ("depth".to_owned(), count(self.depth)),
            ("proposer_temperature".to_owned(), Value::Float(self.temperature)),
        ])
    }

    fn needs_valset(&self) -> bool {
        true
    }

    fn questions(&self) -> Vec<Question> {
        vec![Question::FirstInstructions, Question::BetterInstructions]
    }

    fn phases(&self, sizes: &Sizes) -> Vec<Phase> {
        // With several predictors earlier texts are scored again beside what the others became.
        let again = |round: usize| match sizes.predictors {
            0 | 1 => self.breadth,
            _ => self.breadth * (round + 1),
        };
        let scored: usize = (0..self.depth).map(again).sum();
        let asked: usize = (0..self.depth).map(|round| WAVES * self.wanted(round)).sum();
        let n = sizes.predictors;
        vec![
            Phase::new("propose", Who::Proposer(Question::BetterInstructions), n, asked),
            Phase::new("score instructions", Who::Student, sizes.val, 1 + n * scored),
            further::phase(sizes),
        ]
    }

    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        let mut refusals = Refusals::default();
        let ended = self.climb(search, &mut refusals);
        let ended = ended.and_then(|()| further::decide(search));
        refusals.tell(search);
        ended
    }
}

/// How often a round asks for what it still lacks.
const WAVES: usize = 4;
/// How many of the best what is lacking is asked for from.
const PARENTS: usize = 3;

/// Instructions of a predictor, and what the program scored with them when it did last.
#[derive(Clone)]
struct Tried {
    text: String,
    score: f64,
    /// `None` for the instructions that it had.
    proposal: Option<Proposal>,
}

impl Copro {
    fn climb(&self, search: &mut Search<'_>, refusals: &mut Refusals) -> Result<(), Stop> {
        let predictors = search.predictors();
        let judge = Judge::new(search.train(), MOST_CHARS);
        let mut current = search.start().clone();
        let score = search.score("as it is", current.clone())?;
        let own = |(path, signature): (&String, &Signature)| {
            let text = instructions(&current, path, signature);
            (path.clone(), vec![Tried { text, score, proposal: None }])
        };
        let mut pools: IndexMap<String, Vec<Tried>> = predictors.iter().map(own).collect();
        for round in 0..self.depth {
            let (new, stop) =
                self.proposals(search, round, &predictors, &pools, &judge, refusals);
            for (path, new) in new {
                current = self.best(search, round, &path, current, &mut pools, new)?;
            }
            if let Some(stop) = stop {
                return Err(stop);
            }
        }
        Ok(())
    }

    /// New proposals of a round, by predictor, and why there are no more. Where some were made
    /// before or are refused, as many are asked for again, beside what came: what is paid for is to be
    /// worth scoring.
    fn proposals(
        &self,
        search: &mut Search<'_>,
        round: usize,
        predictors: &IndexMap<String, Signature>,
        pools: &IndexMap<String, Vec<Tried>>,
        judge: &Judge,
        refusals: &mut Refusals,
    ) -> (IndexMap<String, Vec<Proposal>>, Option<Stop>) {
        let wanted = self.wanted(round);
        let mut new: IndexMap<String, Vec<Proposal>> =
            predictors.keys().map(|path| (path.clone(), Vec::new())).collect();
        let mut asked = vec![0; predictors.len()];
        for _ in 0..WAVES {
            let mut asks = Vec::new();
            let mut counts = Vec::new();
            for ((path, signature), asked) in predictors.iter().zip(&mut asked) {
                let missing = wanted - new[path].len();
                let rollouts = *asked..*asked + missing;
                let known = (&pools[path][..], &new[path][..]);
                asks.extend(self.asks(search, round, signature, known, rollouts));
                counts.push(missing);
                *asked += missing;
            }
            if asks.is_empty() {
                break;
            }
            let runs = search.run("propose", &asks);
            let mut answers = runs.outcomes.into_iter();
            for ((path, new), count) in new.iter_mut().zip(counts) {
                let answers: Vec<_> = answers.by_ref().take(count).collect();
                take(judge, &pools[path], new, &answers, refusals);
            }
            if runs.stop.is_some() {
                return (new, runs.stop);
            }
        }
        (new, None)
    }

    /// How many new instructions of a predictor a round wants.
    fn wanted(&self, round: usize) -> usize {
        // The first round has those that there are.
        self.breadth - usize::from(round == 0)
    }

    /// Asks for instructions. Those that are asked for again, because others came twice or were
    /// refused, are each asked for in another way: from another one of the best, and with what came
    /// already, each time in another order.
    fn asks(
        &self,
        search: &Search<'_>,
        round: usize,
        signature: &Signature,
        (pool, new): (&[Tried], &[Proposal]),
        rollouts: Range<usize>,
    ) -> Vec<Ask> {
        let best = ranked(pool);
        let question = match round {
            0 => Question::FirstInstructions,
            _ => Question::BetterInstructions,
        };
        let is_again = rollouts.start > 0;
        let ask = |(nth, rollout): (usize, usize)| {
            let parents = if is_again { PARENTS.min(best.len()) } else { 1 };
            let mut inputs = Record::from_iter([
                (Arc::from("current_instruction"), best[nth % parents].text.as_str().into()),
                (Arc::from("fields"), fields(signature).as_str().into()),
            ]);
            if round > 0 {
                inputs.insert(Arc::from("attempted_instructions"), self.told(&best));
            }
            if is_again && !new.is_empty() {
                let (last, first) = new.split_at(nth % new.len());
                let texts = first.iter().chain(last).map(|it| Value::from(it.text.as_str()));
                inputs.insert(Arc::from("already_proposed"), Value::list(texts));
            }
            search.question(question, inputs, self.temperature, rollout as u64)
        };
        rollouts.enumerate().map(ask).collect()
    }

    /// The best, from the lowest score to the highest.
    fn told(&self, best: &[&Tried]) -> Value {
        let best = best.iter().take(self.breadth);
        let told = best.rev().map(|it| {
            let text = Value::from(it.text.as_str());
            let fields = [("instructions", text), ("score", Value::Float(rounded(it.score)))];
            Value::map(fields.into_iter().map(|(k, v)| (Arc::from(k), v)).collect::<Record>())
        });
        Value::list(told)
    }

    /// Scores new instructions of a predictor; the state with the best of all.
    fn best(
        &self,
        search: &mut Search<'_>,
        round: usize,
        path: &str,
        current: State,
        pools: &mut IndexMap<String, Vec<Tried>>,
        new: Vec<Proposal>,
    ) -> Result<State, Stop> {
        let several = pools.len() > 1;
        let pool = &mut pools[path];
        let known = pool.len();
        pool.extend(new.into_iter().map(|it| Tried {
            text: it.text.clone(),
            score: 0.0,
            proposal: Some(it),
        }));
        // What other predictors became may have changed what is best here.
        let first = if several { 0 } else { known };
        let note = format!("round {}", round + 1);
        let with = |it: &Tried| match &it.proposal {
            Some(proposal) => with_instructions(&current, path, proposal, self.name(), &note),
            None => without_instructions(&current, search.start(), path),
        };
        let base = search.candidates().len();
        let label = |at: usize| format!("{path}, {note}, {}", at + 1);
        let states = pool[first..].iter().enumerate();
        let states = states.map(|(at, it)| (base + at, label(at), with(it))).collect();
        search.step("score instructions", states, &[])?;
        for (tried, scored) in pool[first..].iter_mut().zip(&search.candidates()[base..]) {
            tried.score = scored.score.unwrap_or_default();
        }
        let mut best = 0;
        for (at, tried) in pool.iter().enumerate() {
            if tried.score > pool[best].score {
                best = at;
            }
        }
        let pool = &pools[path];
        Ok(match &pool[best].proposal {
            Some(proposal) => with_instructions(&current, path, proposal, self.name(), &note),
            None => without_instructions(&current, search.start(), path),
        })
    }
}

/// A pool with the best first; of equal ones the first.
fn ranked(pool: &[Tried]) -> Vec<&Tried> {
    let mut best: Vec<&Tried> = pool.iter().collect();
    best.sort_by(|a, b| b.score.total_cmp(&a.score));
    best
}

/// Scores as a proposer reads them.
fn rounded(score: f64) -> f64 {
    (score * 1000.0).round() / 1000.0
}

/// The state with the instructions that the search began with.
fn without_instructions(state: &State, start: &State, path: &str) -> State {
    let mut state = state.clone();
    let before = start.get(path);
    let own = state.entry(path);
    own.instructions = before.and_then(|it| it.instructions.clone());
    own.instructions_origin = before.and_then(|it| it.instructions_origin.clone());
    state
}

/// Takes proposals: each once, and none that is known.
fn take(
    judge: &Judge,
    known: &[Tried],
    new: &mut Vec<Proposal>,
    answers: &[Option<Arc<Outcome>>],
    refusals: &mut Refusals,
) {
    for answer in answers {
        let proposal = judge.text(answer.as_deref(), "proposed_instruction", &known[0].text);
        let is_known = |text: &str| {
            known.iter().any(|it| it.text == text) || new.iter().any(|it| it.text == text)
        };
        match proposal {
            Ok(it) if is_known(&it.text) => refusals.add(&Refusal::Known),
            Ok(it) => new.push(it),
            Err(why) => refusals.add(&why),
        }
    }
}
