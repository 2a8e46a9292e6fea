//! `dsp trace replay`

use super::again::{Again, Ended};
use super::args::Replay as Arguments;
use super::{Recorded, read};
use crate::cli::shell::{Failure, Shell};
use crate::cli::tracing::failed;
use crate::diag::Diagnostic;
use crate::render::plain;
use crate::runtime::{Replay, codes};
use crate::source::Sources;
use crate::trace::{Difference, Trace, diff};
use crate::util::words;
use std::sync::Arc;

/// How many nodes are told that differ.
const MOST: usize = 3;

/// Runs the script of a trace again.
pub(super) fn run(shell: &Shell, args: &Arguments) -> Result<(), Failure> {
    let recorded = read(shell, &args.file)?;
    let again = Again::of(shell, &recorded, args.script.as_deref(), &args.lm)?;
    let Recorded { trace, name, .. } = recorded;
    let trace = Arc::new(trace);
    if args.live {
        return live(shell, &again, args, trace);
    }
    let forks = again.forks(&trace);
    let standing: Vec<_> = forks.iter().filter_map(|it| it.standing(&trace)).collect();
    let replay = Arc::new(Replay::strict(trace.clone()).with(forks));
    let ended = again.without_models(replay.clone())?;
    if let Some(path) = &args.output {
        again.write(path, &ended, &standing)?;
    }
    same_files(&again, &ended, &name)?;
    let failed = failed(&ended.finished);
    if failed.is_none() || failed != again.made().failed {
        let Ended { finished, .. } = &ended;
        if finished.result.is_err() {
            return Err(ended.finished.result.map(drop).expect_err("it failed").into());
        }
    }
    same(&replay, &trace, &ended, (&name, again.made().failed.as_deref()))?;
    same_print(again.made().printed.as_deref(), ended.printed.as_deref(), &name)?;
    let calls = calls(replay.answered());
    shell.eprint(&format!("as in {name}: {calls} answered from it, nothing was sent\n"));
    match failed {
        Some(why) => shell.eprint(&format!("it failed as it did then: {}\n", plain(&why))),
        None => return Ok(()),
    }
    Err(Failure::told())
}

fn live(
    shell: &Shell,
    again: &Again<'_>,
    args: &Arguments,
    trace: Arc<Trace>,
) -> Result<(), Failure> {
    let host = shell.host.clone();
    let forks = again.forks(&trace);
    let standing: Vec<_> = forks.iter().filter_map(|it| it.standing(&trace)).collect();
    let replay = Replay::live(trace, move |why| {
        host.eprint(&format!("from here on the model is asked: {}\n", plain(why)));
    });
    let replay = Arc::new(replay.with(forks));
    let ended = again.with_models(replay.clone(), false)?;
    if let Some(path) = &args.output {
        again.write(path, &ended, &standing)?;
    }
    tell_files(shell, again, &ended);
    shell.eprint(&format!("{}\n", told(&replay, &ended)));
    ended.finished.result?;
    Ok(())
}

/// Refuses a run that read something else than the one of the trace.
fn same_files(again: &Again<'_>, ended: &Ended, name: &str) -> Result<(), Failure> {
    let changed = again.changed_files(ended);
    let Some(first) = changed.first() else { return Ok(()) };
    let message = match changed.len() {
        1 => format!("`{first}` is not what it was when `{name}` was written"),
        n => {
            let others = n - 1;
            format!(
                "`{first}` and {others} more are not what they were when `{name}` was written"
            )
        }
    };
    let notes = changed.iter().skip(1).take(MOST).cloned().collect();
    let mut failure = differs(message, notes);
    failure.hint("put it back as it was, or make the run again with `--live`".to_owned());
    Err(failure)
}

/// Tells which files are read that were changed since.
pub(super) fn tell_files(shell: &Shell, again: &Again<'_>, ended: &Ended) {
    for file in again.changed_files(ended) {
        shell.warn(&[format!("`{file}` was changed since the trace was written")]);
    }
}

/// How many requests were answered by what.
pub(super) fn told(replay: &Replay, ended: &Ended) -> String {
    let sent = ended.finished.trace.totals().calls;
    let answered = calls(replay.answered());
    format!("{answered} answered from the trace, {sent} sent")
}

fn calls(n: u64) -> String {
    if n == 1 { "1 request was".to_owned() } else { format!("{n} requests were") }
}

/// Refuses a run that is not the one of the trace.
fn same(
    replay: &Replay,
    trace: &Trace,
    ended: &Ended,
    (name, failed): (&str, Option<&str>),
) -> Result<(), Failure> {
    let left = replay.left_over();
    let again = &ended.finished.trace;
    if !left.is_empty() {
        let message = format!("{} of `{name}` were not made again", nodes(left.len()));
        let shown = left.iter().take(MOST).map(|it| {
            let node = trace.node(*it);
            format!("#{} {} [{}]", it.0, node.name, node.address.place())
        });
        return Err(differs(message, shown.collect()));
    }
    if let (Some(failed), true) = (failed, ended.finished.result.is_ok()) {
        let message = "the run went well that failed then".to_owned();
        return Err(differs(message, vec![failed.to_owned()]));
    }
    let mut found = diff(trace, again);
    forget_models(&mut found);
    if found.is_none() {
        return Ok(());
    }
    let shown = found.show(trace, again, MOST);
    let notes = shown.lines().map(ToOwned::to_owned).collect();
    Err(differs(format!("what came of the calls is not as in `{name}`"), notes))
}

/// What stands for a model has another key than the model.
fn forget_models(found: &mut Difference) {
    for changed in &mut found.changed {
        changed.fields.retain(|it| !it.name.starts_with("key of the model"));
    }
    let before = found.changed.len();
    found.changed.retain(|it| !it.fields.is_empty());
    found.same += before - found.changed.len();
    // The order of nodes is told by the keys, too.
    found.reordered = false;
}

fn same_print(then: Option<&str>, now: Option<&str>, name: &str) -> Result<(), Failure> {
    let (Some(then), Some(now)) = (then, now) else { return Ok(()) };
    if then == now {
        return Ok(());
    }
    let told = words::marked(&words::words(then, now));
    let notes = told.lines().map(ToOwned::to_owned).collect();
    Err(differs(format!("what is printed is not as in `{name}`"), notes))
}

fn nodes(n: usize) -> String {
    if n == 1 { "1 call".to_owned() } else { format!("{n} calls") }
}

fn differs(message: String, notes: Vec<String>) -> Failure {
    let diag = Diagnostic { notes, ..Diagnostic::bare(codes::UNRECORDED, message) };
    Failure { exit: Failure::PROGRAM, sources: Sources::default(), diags: vec![diag] }
}
