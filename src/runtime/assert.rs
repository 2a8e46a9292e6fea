//! `assert` and `suggest` whose condition is false.
//!
//! Inside a call of a program they send back the call to a model that their values came from; see
//! [`repair`](crate::runtime::repair). What is told here is for where nothing is left to try.

use crate::runtime::blame::paths_of;
use crate::runtime::cx::{Cx, wrong};
use crate::runtime::error::{Error, Failure, codes};
use crate::runtime::repair::Verdict;
use crate::runtime::run::Warning;
use crate::runtime::value::Val;
use crate::schema::Record;
use crate::trace::{Kind, Node, NodeId};
use std::sync::Arc;

/// Answers a condition that is false: an `assert` raises, a `suggest` warns and goes on. The
/// values are those that the condition read; one without a path is not shown. `at` is its site,
/// and the frame that it stands in.
pub(in crate::runtime) fn failed(
    cx: &Cx<'_>,
    kind: &str,
    source: &str,
    values: Vec<(Arc<str>, Val)>,
    message: Val,
    retry: Val,
    at: Option<(i64, i64)>,
) -> Result<Val, Error> {
    let reason = match &message {
        Val::Null => format!("`{source}` is false"),
        other => other.show(),
    };
    let mut notes: Vec<String> = values
        .iter()
        .filter(|(path, _)| !path.is_empty())
        .map(|(path, value)| format!("{path} = {}", clip(value)))
        .collect();
    if !retry.is_null() && paths_of(&retry).is_empty() {
        return Err(wrong("retry", "a predictor or a module's instance", &retry));
    }
    let suggest = kind == "suggest";
    let node = note(cx, suggest, source, &values, &reason, at);
    if let Some(repairs) = cx.run().repairs() {
        // A model cannot look up what a condition read.
        let read = match (&message, &*notes) {
            (Val::Null, [_, ..]) => format!(" ({})", notes.join(", ")),
            _ => String::new(),
        };
        let told = (source, &*format!("{reason}{read}"));
        match repairs.demand(cx.run(), node, told, !suggest, &retry)? {
            Verdict::MadeAgain => return Ok(Val::Null),
            Verdict::Stands(tried) => {
                let failure = repairs.failure();
                let failure = failure.map(|it| format!("it was asked again in vain: {it}"));
                notes.extend(failure.or(tried));
            }
        }
    }
    if suggest {
        let place = cx.place().map(|it| it.longer(bytes(source)));
        cx.run().warn(Warning { code: codes::SUGGEST, message: reason, notes, place });
        return Ok(Val::Null);
    }
    let mut failure = Failure::new(codes::ASSERT, "assert", reason);
    failure.bytes = bytes(source);
    if !message.is_null() {
        failure.notes.push(format!("`{source}` is false"));
    }
    failure.notes.extend(notes);
    Err(failure.into())
}

fn note(
    cx: &Cx<'_>,
    suggest: bool,
    source: &str,
    values: &[(Arc<str>, Val)],
    reason: &str,
    at: Option<(i64, i64)>,
) -> NodeId {
    let run = cx.run();
    let inputs: Record = values
        .iter()
        .filter(|(path, _)| !path.is_empty())
        .filter_map(|(path, value)| Some((path.clone(), value.to_value().ok()?)))
        .collect();
    let node = run.open_node(Node::new(
        if suggest { Kind::Suggest } else { Kind::Assert },
        source,
        run.next_address(source),
        inputs,
    ));
    let reads: Vec<(&str, &Val)> = values.iter().map(|(path, it)| (&**path, it)).collect();
    run.note_reads(node, at, &reads);
    run.close_node(node, |it| it.error = Some(reason.to_owned()));
    node
}

/// How much of a condition is underlined: its first line.
fn bytes(source: &str) -> usize {
    source.lines().next().map_or(0, |it| it.trim_end().len())
}

fn clip(value: &Val) -> String {
    let shown = match value {
        Val::Str(text) => format!("{:?}", text.as_str()),
        other => other.show(),
    };
    match shown.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}
