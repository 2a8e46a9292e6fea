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
//! Differs from DSPy: it chooses on rows to choose by and not on what it learns from; the proposals
//! of a round are asked for at once, for all predictors; proposals are read with distrust (see
//! `propose`), and one that was made before is not scored again; output prefixes are not
//! proposed, for no adapter writes them.

use crate::eval::{Outcome, Stop};
use crate::optimize::policies::count;
use crate::optimize::propose::{
    Judge, MOST_CHARS, Proposal, Refusals, fields, instructions, with_instructions,
};
use crate::optimize::{Ask, Phase, Policy, Question, Search, Sizes, Who};
use crate::program::State;
use crate::schema::{Record, Signature, Value};
use indexmap::IndexMap;
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

    fn questions(&self) -> &'static [Question] {
        &[Question::FirstInstructions, Question::BetterInstructions]
    }

    fn phases(&self, sizes: &Sizes) -> Vec<Phase> {
        let further = self.depth.saturating_sub(1) * self.breadth;
        let first = self.breadth.saturating_sub(1);
        // With several predictors earlier texts are scored again beside what the others became.
        let again = |round: usize| match sizes.predictors {
            0 | 1 => self.breadth,
            _ => self.breadth * (round + 1),
        };
        let scored: usize = (0..self.depth).map(again).sum();
        let (asked, n) = (first + further, sizes.predictors);
        vec![
            Phase::new("propose", Who::Proposer(Question::BetterInstructions), n, asked),
            Phase::new("score instructions", Who::Student, sizes.val, 1 + n * scored),
        ]
    }

    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        let mut refusals = Refusals::default();
        let ended = self.climb(search, &mut refusals);
        refusals.tell(search);
        ended
    }
}

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
            let asks = self.asks(search, round, &predictors, &pools);
            let all: Vec<Ask> =
                asks.iter().flat_map(|(_, asks)| asks.iter().cloned()).collect();
            let runs = search.run("propose", &all);
            let mut answers = runs.outcomes.into_iter();
            for (path, asks) in &asks {
                let answers: Vec<_> = answers.by_ref().take(asks.len()).collect();
                let known = &pools[path];
                let new = taken(&judge, known, &answers, refusals);
                current = self.best(search, round, path, current, &mut pools, new)?;
            }
            if let Some(stop) = runs.stop {
                return Err(stop);
            }
        }
        Ok(())
    }

    /// What is asked in a round, by predictor.
    fn asks(
        &self,
        search: &Search<'_>,
        round: usize,
        predictors: &IndexMap<String, Signature>,
        pools: &IndexMap<String, Vec<Tried>>,
    ) -> Vec<(String, Vec<Ask>)> {
        let samples = if round == 0 { self.breadth.saturating_sub(1) } else { self.breadth };
        let of = |(path, signature): (&String, &Signature)| {
            let pool = &pools[path];
            let fields = Value::from(fields(signature).as_str());
            let (question, known) = match round {
                0 => (
                    Question::FirstInstructions,
                    ("instructions", pool[0].text.as_str().into()),
                ),
                _ => (Question::BetterInstructions, ("tried", self.told(pool))),
            };
            let inputs: Record =
                [known, ("fields", fields)].into_iter().map(|(k, v)| (k.into(), v)).collect();
            let ask = |rollout: usize| {
                search.question(question, inputs.clone(), self.temperature, rollout as u64)
            };
            (path.clone(), (0..samples).map(ask).collect())
        };
        predictors.iter().map(of).collect()
    }

    /// The best of a pool, from the lowest score to the highest.
    fn told(&self, pool: &[Tried]) -> Value {
        let mut best: Vec<&Tried> = pool.iter().collect();
        best.sort_by(|a, b| b.score.total_cmp(&a.score));
        best.truncate(self.breadth);
        let told = best.into_iter().rev().map(|it| {
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

/// The proposals that are taken: each once, and none that is known.
fn taken(
    judge: &Judge,
    known: &[Tried],
    answers: &[Option<Arc<Outcome>>],
    refusals: &mut Refusals,
) -> Vec<Proposal> {
    let mut new: Vec<Proposal> = Vec::new();
    for answer in answers {
        let proposal = judge.text(answer.as_deref(), "proposal", &known[0].text);
        let is_known = |text: &str| {
            known.iter().any(|it| it.text == text) || new.iter().any(|it| it.text == text)
        };
        match proposal {
            Ok(it) if is_known(&it.text) => refusals.add_known(),
            Ok(it) => new.push(it),
            Err(why) => refusals.add(&why),
        }
    }
    new
}
