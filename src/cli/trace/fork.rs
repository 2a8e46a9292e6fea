//! `dsp trace fork`

use super::again::Again;
use super::args::Fork as Arguments;
use super::read;
use super::replay::{tell_files, told};
use crate::cli::args::Lm;
use crate::cli::shell::{Failure, Shell};
use crate::lm::{Message, Prompt};
use crate::render::plain;
use crate::runtime::{Change, Fork, NewLm, NewPrompt, Replay};
use crate::source::Sources;
use crate::trace::{NodeId, Trace, diff, find, whole_node};
use std::path::Path;
use std::sync::Arc;

/// Runs the script of a trace again with one call changed.
pub(super) fn run(shell: &Shell, args: &Arguments) -> Result<(), Failure> {
    let recorded = read(shell, &args.file)?;
    let again = Again::of(shell, &recorded, args.script.as_deref(), &caps(args))?;
    let trace = Arc::new(recorded.trace);
    let fork = fork(shell, args, &trace)?;
    let earlier = again.forks(&trace);
    let all = std::iter::once(&fork).chain(&earlier);
    let standing: Vec<_> = all.filter_map(|it| it.standing(&trace)).collect();
    let replay = Replay::forked(trace.clone(), fork, |_| {}).with(earlier);
    let replay = Arc::new(replay);
    let ended = again.with_models(replay.clone(), args.dry)?;
    if let Some(path) = &args.output {
        again.write(path, &ended, &standing)?;
    }
    let branch = &ended.finished.trace;
    shell.print(&plain(&diff(&trace, branch).show(&trace, branch, args.limit)));
    if args.dry {
        shell.print(&plain(&unsent(branch)));
    }
    tell_files(shell, &again, &ended);
    shell.eprint(&format!("{}\n", told(&replay, &ended)));
    match ended.finished.result {
        Err(error) if !(args.dry && has_unsent(branch)) => Err(error.into()),
        _ => Ok(()),
    }
}

/// What may be spent on the branch; the models are those of the run.
fn caps(args: &Arguments) -> Lm {
    let Arguments { no_cache, max_calls, max_tokens, max_usd, .. } = args;
    Lm {
        lm: None,
        no_cache: *no_cache,
        max_calls: *max_calls,
        max_tokens: *max_tokens,
        max_usd: *max_usd,
        max_seconds: None,
        seed: None,
        threads: None,
    }
}

/// What is changed, and where.
fn fork(shell: &Shell, args: &Arguments, trace: &Trace) -> Result<Fork, Failure> {
    let at = find(trace, &args.at).map_err(Failure::usage)?;
    let text = |it: &Option<String>| it.as_deref().map(|it| said(shell, it)).transpose();
    let change = Change {
        lm: args.other_lm.clone().map(NewLm::Named),
        instructions: text(&args.instructions)?,
        prompt: text(&args.prompt)?.map(prompt),
    };
    Fork::of(trace, at, change, text(&args.reply)?).map_err(|it| {
        let hint = it.hint("--at ", "--reply");
        let mut failure = Failure::usage(it.message);
        if !hint.is_empty() {
            failure.hint(hint);
        }
        failure
    })
}

/// A text, or that of a file.
fn said(shell: &Shell, text: &str) -> Result<String, Failure> {
    let Some(path) = text.strip_prefix('@') else { return Ok(text.to_owned()) };
    let mut sources = Sources::default();
    let id = shell.read(Path::new(path), &mut sources)?;
    Ok(sources.get(id).text.to_string())
}

fn prompt(text: String) -> NewPrompt {
    match serde_json::from_str::<Vec<Message>>(&text) {
        Ok(messages) => NewPrompt::Whole(Prompt::Chat(messages)),
        Err(_) => NewPrompt::Last(text),
    }
}

fn has_unsent(trace: &Trace) -> bool {
    !waiting(trace).is_empty()
}

/// Calls that would have been made.
fn waiting(trace: &Trace) -> Vec<NodeId> {
    let is_waiting = |it: &crate::trace::Node| {
        let last = it.call.as_ref().and_then(|it| it.attempts.last());
        last.is_some_and(|it| it.completion.is_none() && !it.sent && it.fault.is_none())
    };
    trace.iter().filter(|(_, it)| is_waiting(it)).map(|it| it.0).collect()
}

fn unsent(trace: &Trace) -> String {
    let calls = waiting(trace);
    let mut out = String::new();
    for id in calls {
        out.push_str("\nwould be asked:\n");
        out.push_str(&whole_node(trace, id));
    }
    out
}
