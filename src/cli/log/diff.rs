//! `dsp log diff`: what differs between two entries, and whether the scores do.

use super::entry::Entry;
use super::of_id;
use crate::cli::shell::{Failure, Shell};
use crate::eval::{Comparison, compare_scores, journal};
use crate::host::Place;
use crate::render::{Align, Table, plain};
use crate::schema::{Record, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Compares two entries.
pub(super) fn run(shell: &Shell, a: &str, b: &str, json: bool) -> Result<(), Failure> {
    let (a, b) = (of_id(shell, a)?, of_id(shell, b)?);
    let differs = differences(&a, &b);
    let paired = paired(shell, &a, &b);
    if json {
        shell.print(&format!("{}\n", value(&a, &b, &differs, &paired).to_json()));
        return Ok(());
    }
    let mut table =
        Table::new([("", Align::Left), (&*a.id, Align::Left), (&*b.id, Align::Left)]);
    for (name, of_a, of_b) in &differs {
        table.row([*name, of_a, of_b]);
    }
    if differs.is_empty() {
        shell.print("nothing differs but the scores\n");
    }
    table.row(["score", &a.score(), &b.score()]);
    shell.print(&plain(&table.render_within(shell.host.width().unwrap_or(140))));
    match paired {
        Ok(comparison) => shell.print(&format!("\nrow by row\n{}", comparison.render())),
        Err(why) => shell.print(&format!("\nnot compared row by row: {why}\n")),
    }
    Ok(())
}

/// Something that two entries may differ in: its name, and what it is in one.
type Part = (&'static str, fn(&Entry) -> String);

/// What is not the same: its name, and what it is in each.
fn differences(a: &Entry, b: &Entry) -> Vec<(&'static str, String, String)> {
    let data = |it: &Entry| {
        let shown = it.account.data.iter().map(|it| {
            let file = it.file.as_deref().unwrap_or("rows");
            format!("{}: {file}, {} rows, {}", it.role, it.rows, it.hash)
        });
        shown.collect::<Vec<_>>().join("; ")
    };
    let state = |it: &Entry| match &it.state_file {
        Some(file) => format!("{} ({file})", it.account.state),
        None => it.account.state.clone(),
    };
    let parts: [Part; 8] = [
        ("what", |it| it.what().to_owned()),
        ("script", |it| format!("{} {}", it.script_name(), it.script_hash)),
        ("program", |it| it.account.program.clone()),
        ("metric", |it| it.account.metric.clone()),
        ("models", |it| it.account.models.join(", ")),
        ("before", |it| it.account.before.clone()),
        ("seed", |it| it.account.seed.to_string()),
        ("stopped", |it| it.account.stopped.clone().unwrap_or_default()),
    ];
    let mut all: Vec<_> = parts.into_iter().map(|(name, of)| (name, of(a), of(b))).collect();
    if a.account.state != b.account.state {
        all.push(("state", state(a), state(b)));
    }
    all.push(("data", data(a), data(b)));
    all.retain(|(_, a, b)| a != b);
    all
}

/// The two compared row by row, where their rows were kept.
fn paired(shell: &Shell, a: &Entry, b: &Entry) -> Result<Comparison, String> {
    let data = |it: &Entry| match &it.account.data[..] {
        [one] => Some(one.hash.clone()),
        _ => None,
    };
    if data(a).is_none() || data(a) != data(b) {
        return Err("they are not of the same rows".to_owned());
    }
    let folder = shell.host.place(Place::Runs).ok_or("rows are not kept on this machine")?;
    let rows = |it: &Entry| {
        let Some(run) = &it.account.run else {
            return Err(format!("the rows of {} were not kept: `dsp eval` keeps them", it.id));
        };
        let saved = journal::read(&*shell.host, &folder, run)?;
        let rows = saved.outcomes().filter(|(_, rollout, _)| *rollout == 0);
        Ok(rows.map(|(at, _, outcome)| (at, outcome.value())).collect::<BTreeMap<_, _>>())
    };
    let (of_a, of_b) = (rows(a)?, rows(b)?);
    let both = of_a.iter().filter_map(|(at, value)| Some(((*value)?, (*of_b.get(at)?)?)));
    let pairs: Vec<(f64, f64)> = both.collect();
    let left_out = a.rows().max(b.rows()).saturating_sub(pairs.len());
    Ok(compare_scores(&pairs, left_out, a.account.seed))
}

fn value(
    a: &Entry,
    b: &Entry,
    differs: &[(&'static str, String, String)],
    paired: &Result<Comparison, String>,
) -> Value {
    let object = |parts: Vec<(&str, Value)>| {
        let parts = parts.into_iter().map(|(name, it)| (Arc::from(name), it));
        Value::map(parts.collect::<Record>())
    };
    let differs = differs.iter().map(|(name, a, b)| {
        (*name, object(vec![("a", a.as_str().into()), ("b", b.as_str().into())]))
    });
    let entry = |it: &Entry| -> Value {
        serde_json::from_str(&it.to_line()).expect("entries are read as they are written")
    };
    let (compared, why) = match paired {
        Ok(comparison) => (comparison.to_value(), Value::Null),
        Err(why) => (Value::Null, why.as_str().into()),
    };
    object(vec![
        ("a", entry(a)),
        ("b", entry(b)),
        ("differs", object(differs.collect())),
        ("comparison", compared),
        ("not_compared", why),
    ])
}
