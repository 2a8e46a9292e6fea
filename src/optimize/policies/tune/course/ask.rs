//! What `tune` asks a model that proposes about failures of leaders.

use crate::eval::{Outcome, Stop};
use crate::optimize::demo::without_row;
use crate::optimize::policies::gepa_parts::{self as parts, Part, PartKind};
use crate::optimize::policies::grounds::Proposed;
use crate::optimize::policies::tune::course::{Course, New, calls};
use crate::optimize::policies::tune::moves::Kind;
use crate::optimize::propose::{Refusal, instructions};
use crate::optimize::{Ask, Example, Question, Search, Who};
use crate::program::State;
use std::sync::Arc;

/// A question on its way.
struct Asked {
    kind: Kind,
    parent: usize,
    axis: usize,
    rows: Vec<Example>,
    state: State,
    ask: Option<Ask>,
}

impl Course<'_> {
    /// Runs leaders on rows to learn from, shows a model what went wrong, and makes candidates of
    /// what it writes.
    pub(super) fn reflect(
        &mut self,
        search: &mut Search<'_>,
        wanted: Vec<(Kind, usize)>,
    ) -> Result<Vec<New>, Stop> {
        let mut all: Vec<Asked> = Vec::new();
        for (kind, parent) in wanted {
            let axis = self.turn % self.space.axes.len();
            self.turn += 1;
            let batch = self.batches.next_batch();
            let rows = batch.into_iter().map(|at| search.train()[at].clone()).collect();
            let state = self.space.state(&self.tries[parent].point);
            all.push(Asked { kind, parent, axis, rows, state, ask: None });
        }
        let asks: Vec<Ask> = all.iter().flat_map(|it| runs(&it.state, &it.rows)).collect();
        let before = search.run("reflect on", &asks);
        if let Some(stop) = before.stop {
            return Err(stop);
        }
        let mut outcomes = before.outcomes.into_iter();
        for it in &mut all {
            let own: Vec<_> = outcomes.by_ref().take(it.rows.len()).collect();
            self.tallies[it.kind as usize].asked += calls(&own);
            it.ask = self.question(search, it, &own);
        }
        let asks: Vec<Ask> = all.iter().filter_map(|it| it.ask.clone()).collect();
        let answers = search.run("reflect", &asks);
        let mut outcomes = answers.outcomes.into_iter();
        let mut new = Vec::new();
        for it in all {
            let answer = it.ask.as_ref().and_then(|_| outcomes.next().flatten());
            self.tallies[it.kind as usize].asked += calls(std::slice::from_ref(&answer));
            if it.ask.is_some() {
                new.extend(self.answered(it, answer.as_deref()));
            }
        }
        answers.stop.map_or(Ok(new), Err)
    }

    /// What is asked; nothing where all went well.
    fn question(
        &self,
        search: &Search<'_>,
        it: &Asked,
        outcomes: &[Option<Arc<Outcome>>],
    ) -> Option<Ask> {
        let axis = &self.space.axes[it.axis];
        let value = |outcome: &Option<Arc<Outcome>>| outcome.as_ref().and_then(|it| it.value());
        if outcomes.iter().all(|it| value(it).is_none_or(|it| it >= 1.0)) {
            return None;
        }
        // What went wrong stands first.
        let mut runs: Vec<(&Example, &Option<Arc<Outcome>>)> =
            it.rows.iter().zip(outcomes).collect();
        runs.sort_by(|a, b| value(a.1).unwrap_or(1.0).total_cmp(&value(b.1).unwrap_or(1.0)));
        let (kind, question) = match it.kind {
            Kind::Describe => (PartKind::Descriptions, Question::ReflectedDescriptions),
            _ => (PartKind::Instructions, Question::ReflectedInstructions),
        };
        let part = Part { path: axis.path.clone(), kind };
        let random =
            |row: &str| search.random(&format!("{} {row} {}", self.generation, axis.path));
        let predictors = self.space.axes.len();
        let examples =
            parts::examples(&part, &axis.signature, runs.into_iter(), predictors, random);
        if examples.is_empty() {
            return None;
        }
        let inputs = parts::inputs(&part, &axis.signature, &it.state, examples);
        let sample = self.generation as u64;
        Some(search.question(question, inputs, self.policy.temperature, sample))
    }

    /// The candidate that an answer makes.
    fn answered(&mut self, it: Asked, answer: Option<&Outcome>) -> Option<New> {
        let rows: Vec<String> = it.rows.iter().map(|it| it.row.index.to_string()).collect();
        let note = format!("generation {}, from rows {}", self.generation, rows.join(", "));
        let mut point = self.tries[it.parent].point.clone();
        let axis = &mut self.space.axes[it.axis];
        let refused = if it.kind == Kind::Describe {
            let part = Part { path: axis.path.clone(), kind: PartKind::Descriptions };
            let mut state = it.state.clone();
            let said =
                parts::redescribe(&mut state, &part, &axis.signature, &self.judge, answer);
            said.map(|()| {
                axis.told.push(state.entry(&axis.path).descriptions.clone());
                point.parts[it.axis].told = axis.told.len();
            })
        } else {
            let known = instructions(&it.state, &axis.path, &axis.signature);
            let said = self.judge.text(answer, "new_instruction", &known);
            said.and_then(|it| if it.text == known { Err(Refusal::Known) } else { Ok(it) }).map(
                |proposal| {
                    axis.texts.push(Proposed { proposal, note });
                    point.parts[it.axis].text = axis.texts.len();
                },
            )
        };
        if let Err(why) = refused {
            self.refusals.add(&why);
            return None;
        }
        let part = &point.parts[it.axis];
        let what = match it.kind {
            Kind::Describe => format!("descriptions {}", part.told),
            _ => format!("text {}", part.text),
        };
        Some(New { kind: it.kind, parent: it.parent, what, point })
    }
}

/// Runs on rows to learn from; demos of a row are not shown to it.
fn runs(state: &State, rows: &[Example]) -> Vec<Ask> {
    let ask = |example: &Example| Ask {
        who: Who::Student,
        state: Arc::new(without_row(state, example)),
        example: example.clone(),
        rollout: 0,
        keep_steps: true,
    };
    rows.iter().map(ask).collect()
}
