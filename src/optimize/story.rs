//! What a state keeps of how it was found: which states were tried, in which of them each of its
//! parts was seen first, and what was refused.

use crate::optimize::search::best;
use crate::optimize::{Candidate, End, Problem, Report};
use crate::program::{PredictorState, Provenance, State, StateDemo, Story, Tried};
use std::collections::BTreeSet;

/// The most states that are told.
const MOST_TRIED: usize = 16;
/// The most earlier searches that are told.
const MOST_EARLIER: usize = 8;

/// Tells the story of a search, and says of each new part of its state where it was seen first.
pub(super) fn story(state: &mut State, problem: &Problem<'_>, report: &Report) -> Story {
    let parts = place_parts(state, problem, report);
    let tried = kept(report, &parts);
    let bare = State::default().hash();
    let compared = report.confirmation.as_ref();
    let finalists = compared.filter(|it| !matches!(it.end, End::NotConfirmed(_)));
    Story {
        start: Some(problem.start.hash()).filter(|it| *it != bare),
        more: if tried.is_empty() { 0 } else { report.candidates.len() - tried.len() },
        tried,
        unchanged: compared.is_some_and(|it| it.end == End::Unchanged),
        finalists: finalists.map(|it| it.finalists.clone()).unwrap_or_default(),
        refused: report.refused.iter().map(|(why, times)| (why.clone(), *times)).collect(),
        remarks: report.remarks.clone(),
        earlier: earlier(problem.start.provenance.as_ref()),
        ..Story::default()
    }
}

/// How the start came about, behind what it came from itself.
fn earlier(start: Option<&Provenance>) -> Vec<Provenance> {
    let Some(start) = start else { return Vec::new() };
    let mut last = start.clone();
    let mut all = std::mem::take(&mut last.story.earlier);
    all.push(last);
    all.drain(..all.len().saturating_sub(MOST_EARLIER));
    all
}

/// Says of each part that the start did not have in which candidate it was seen first; those
/// candidates, by their places.
fn place_parts(state: &mut State, problem: &Problem<'_>, report: &Report) -> BTreeSet<usize> {
    let mut places = BTreeSet::new();
    if report.candidates.iter().all(|it| it.mean_so_far().is_none()) {
        // Where nothing was scored there is one state, and nothing to tell apart.
        return places;
    }
    let bare = PredictorState::default();
    for (path, own) in &mut state.predictors {
        let start = problem.start.get(path).unwrap_or(&bare);
        let mut first = |has: &dyn Fn(&PredictorState) -> bool| {
            let of = |it: &Candidate| it.state.get(path).is_some_and(has);
            let at = report.candidates.iter().position(of)?;
            places.insert(at);
            Some(format!("{}: {}", report.optimizer, report.candidates[at].label))
        };
        let text = own.instructions.clone();
        if text != start.instructions
            && let Some(origin) = &mut own.instructions_origin
        {
            origin.first_in = first(&|it| it.instructions == text);
        }
        for demo in &mut own.demos {
            if !start.demos.iter().any(|it| is_same(it, demo))
                && let found = first(&|it| it.demos.iter().any(|it| is_same(it, demo)))
                && let Some(origin) = &mut demo.origin
            {
                origin.first_in = found;
            }
        }
        own.descriptions_first_in.retain(|field, _| own.descriptions.contains_key(field));
        for (field, text) in &own.descriptions {
            if start.descriptions.get(field) != Some(text) {
                let found = first(&|it| it.descriptions.get(field) == Some(text));
                own.descriptions_first_in.extend(found.map(|it| (field.clone(), it)));
            }
        }
    }
    places
}

/// Whether these are one demo, of one row and one run.
fn is_same(one: &StateDemo, other: &StateDemo) -> bool {
    let run = |it: &StateDemo| {
        it.origin.as_ref().map(|it| (it.row_hash.clone(), it.reply_hash.clone(), it.rollout))
    };
    run(one) == run(other) && one.demo == other.demo
}

/// Of the states that were tried those that are told, where any was scored.
fn kept(report: &Report, parts: &BTreeSet<usize>) -> Vec<Tried> {
    let all = &report.candidates;
    if all.iter().all(|it| it.mean_so_far().is_none()) {
        return Vec::new();
    }
    let mut told = parts.clone();
    told.insert(0);
    told.extend(report.best);
    // A part is told beside the best that there was before it.
    told.extend(parts.iter().filter_map(|at| best(&all[..*at])));
    let mut ranked: Vec<usize> = (0..all.len()).filter(|at| all[*at].score.is_some()).collect();
    let score = |at: &usize| all[*at].score.unwrap_or_default();
    ranked.sort_by(|a, b| score(b).total_cmp(&score(a)));
    for at in ranked {
        if told.len() < MOST_TRIED {
            told.insert(at);
        }
    }
    let tried = |at: usize| Tried {
        label: all[at].label.clone(),
        score: all[at].score,
        rows: all[at].values.iter().flatten().count(),
        demos: all[at].state.demo_count(),
        chosen: report.best == Some(at),
    };
    told.into_iter().map(tried).collect()
}
