//! What `tune` says: beforehand how it means to spend, afterwards what it tried, what each change
//! bought, and why it chose what it chose.

use crate::eval::stats::mean;
use crate::optimize::policies::tune::Tune;
use crate::optimize::policies::tune::course::{Course, ahead};
use crate::optimize::policies::tune::moves::Kind;
use crate::optimize::policies::tune::spend::{
    ADAPTING, DESCRIBING, PROPOSING, REFLECTING, Spend,
};
use crate::optimize::{Price, Search, Sizes};
use std::fmt::Write;

/// How a budget is meant to be spent.
pub(super) fn intent(policy: &Tune, spend: &Spend, sizes: &Sizes) -> Vec<String> {
    let mut axes = vec!["demos"];
    if spend.adapts || policy.adapters.is_some() {
        axes.push("adapters");
    }
    if !policy.models.is_empty() {
        axes.push("models");
    }
    if spend.proposals > 0 {
        axes.push("instructions");
    }
    if spend.reflects {
        axes.push("reflection on failures");
    }
    if spend.describes {
        axes.push("descriptions of fields");
    }
    let mut lines = vec![format!(
        "about {} runs to search with: {}; leaders are compared on {} of {} rows",
        spend.runs,
        axes.join(", "),
        spend.rows.min(sizes.val),
        sizes.val,
    )];
    let (runoff, last) = sizes.held;
    if last + runoff > 0 {
        lines.push(format!(
            "kept for the end: {} of {last} rows for the last comparison, {} of {runoff} for finalists",
            spend.last, spend.runoff
        ));
    }
    lines.extend(left_out(policy, spend));
    lines
}

/// What a budget is too small for.
fn left_out(policy: &Tune, spend: &Spend) -> Option<String> {
    let mut all = Vec::new();
    let mut add = |is_in: bool, what: &str, from: usize| {
        if !is_in {
            all.push(format!("{what} ({from} runs)"));
        }
    };
    add(spend.adapts || policy.adapters.is_some(), "adapters", ADAPTING);
    add(spend.proposals > 0, "instructions", PROPOSING);
    add(spend.reflects, "reflection on failures", REFLECTING);
    add(spend.describes, "descriptions of fields", DESCRIBING);
    (!all.is_empty()).then(|| format!("too small a budget for: {}", all.join(", ")))
}

/// How the search went.
pub(super) fn remarks(course: &Course<'_>, search: &Search<'_>) -> Vec<String> {
    let mut all = vec![table(course, search)];
    all.extend(bought(course, search));
    all.extend(choice(course, search));
    all.extend(left_out(course.policy, &course.spend));
    all
}

/// What was tried, by kind.
fn table(course: &Course<'_>, search: &Search<'_>) -> String {
    let mut text = format!(
        "{:<24}{:>6}{:>8}{:>6}{:>11}",
        "what was tried", "tries", "calls", "kept", "best gain"
    );
    for kind in Kind::ALL {
        let tally = course.tallies[kind as usize];
        if tally.tries == 0 && tally.asked == 0 {
            continue;
        }
        let own = |(at, _): &(usize, _)| course.tries[*at].kind == Some(kind);
        let scored: u64 =
            search.candidates().iter().enumerate().filter(own).map(|(_, it)| it.calls).sum();
        let gain = tally.gain.map_or("-".to_owned(), |it| format!("{it:+.3}"));
        let _ = write!(
            text,
            "\n{:<24}{:>6}{:>8}{:>6}{gain:>11}",
            kind.name(),
            tally.tries,
            scored + tally.asked,
            tally.kept
        );
    }
    text
}

/// What each change on the way to the chosen state bought, from scores that are there anyway.
fn bought(course: &Course<'_>, search: &Search<'_>) -> Option<String> {
    let (chosen, _) = course.chosen?;
    let mut way = vec![chosen];
    while let Some(parent) = course.tries[*way.last()?].parent {
        way.push(parent);
    }
    if way.len() < 2 {
        return None;
    }
    way.reverse();
    let rows: Vec<usize> = (0..search.val().len()).collect();
    let mut text = "what each change bought, on the rows that both were scored on:".to_owned();
    for pair in way.windows(2) {
        let differences = ahead(search, pair[1], pair[0], &rows);
        let (was, is) = (&course.tries[pair[0]].point, &course.tries[pair[1]].point);
        let _ = write!(
            text,
            "\n  {:+.3} on {} rows  {} -> {}",
            mean(&differences),
            differences.len(),
            course.space.told(was),
            course.space.told(is)
        );
    }
    Some(text)
}

/// Why the chosen one was chosen.
fn choice(course: &Course<'_>, search: &Search<'_>) -> Option<String> {
    let (chosen, best) = course.chosen?;
    let one = |at: usize| {
        let candidate = &search.candidates()[at];
        let price = search.price(&candidate.state.hash());
        let score = candidate.score.unwrap_or_default();
        format!("{} ({score:.3}, {})", course.tries[at].label, priced(&price))
    };
    Some(if chosen == best {
        format!("chosen: {}, the best on {} rows", one(chosen), course.chosen_on)
    } else {
        format!(
            "chosen: {}, the cheapest within noise of the best on {} rows, {}",
            one(chosen),
            course.chosen_on,
            one(best)
        )
    })
}

fn priced(price: &Price) -> String {
    match price.dollars {
        Some(it) if it > 0.0 => format!("${it:.6} a run"),
        _ => format!("{:.0} tokens a run", price.tokens),
    }
}
