//! What was used, as a table for people.

use crate::render::{Align, Table, plain};
use crate::trace::{Shares, Totals};

/// What a command used, by predictor and model where there is more than one pair.
pub(super) fn text(all: &Totals, shares: &Shares) -> String {
    let mut table = Table::new([
        ("predictor", Align::Left),
        ("model", Align::Left),
        ("calls", Align::Right),
        ("from the store", Align::Right),
        ("tokens read", Align::Right),
        ("cached", Align::Right),
        ("written", Align::Right),
        ("thoughts", Align::Right),
        ("paid", Align::Right),
        ("listed", Align::Right),
    ]);
    for ((path, model), totals) in shares {
        table.row(row(path, model, totals));
    }
    if shares.len() != 1 {
        table.row(row("all", "", all));
    }
    plain(&table.render()).into_owned()
}

fn row(path: &str, model: &str, totals: &Totals) -> [String; 10] {
    let Totals { calls, cached, prompt_tokens, completion_tokens, details, cost } = totals;
    // Where some calls told their tokens and some did not, it is more than that.
    let tokens = |count: u64| match details.untold {
        0 => count.to_string(),
        untold if untold >= *calls => "unknown".to_owned(),
        _ => format!("{count} + unknown"),
    };
    let told = |it: Option<u64>| it.map_or("-".to_owned(), |it| it.to_string());
    let money = |it: crate::lm::Money| match cost.unknown {
        0 => it.to_string(),
        _ if cost.listed == crate::lm::Money::ZERO => "unknown".to_owned(),
        _ => format!("{it} + unknown"),
    };
    [
        path.to_owned(),
        model.to_owned(),
        calls.to_string(),
        cached.to_string(),
        tokens(*prompt_tokens),
        told(details.cached),
        tokens(*completion_tokens),
        told(details.reasoning),
        money(cost.paid),
        money(cost.listed),
    ]
}
