//! `:fork`: the last entry that called anything again, with one call of its trace changed.

use super::{Next, Repl};
use crate::lm::{Message, Prompt};
use crate::runtime::{Change, Fork, NewLm, NewPrompt};
use crate::trace::{Trace, diff, find};
use std::path::Path;
use std::sync::Arc;

/// How it is written.
const USAGE: &str = "`:fork ID --reply TEXT`, where ID is a number or a path of `:trace`; also `--lm NAME`, \
     `--instructions TEXT`, `--prompt TEXT`; `@FILE` reads a text";
/// How many nodes are shown that differ.
const SHOWN: usize = 20;

/// Runs the command.
pub(super) fn run(repl: &mut Repl, argument: &str) -> Next {
    if repl.trace.nodes.is_empty() {
        repl.tell("no entry called a module, model or retriever yet");
        return Next::Entry;
    }
    let before = repl.trace.clone();
    let entered = match wanted(repl, &before, argument) {
        Ok(fork) => repl.session.fork(&before, fork),
        Err(why) => {
            repl.tell(&why);
            return Next::Entry;
        }
    };
    match entered {
        Err(error) => repl.fail(&error),
        Ok(entered) => {
            let (is_ok, has_value) = match &entered.finished.result {
                Ok(value) => (true, !value.is_null()),
                Err(_) => (false, false),
            };
            let sent = match entered.spent.calls {
                1 => "1 request was sent".to_owned(),
                n => format!("{n} requests were sent"),
            };
            repl.show(entered);
            let after = repl.trace.clone();
            repl.print(&diff(&before, &after).show(&before, &after, SHOWN));
            let rest = match (is_ok, has_value) {
                (true, true) => {
                    "`:trace` shows the branch, `it` is its value and `was` the one before"
                }
                (true, false) => "`:trace` shows the branch",
                (false, _) => "the branch failed; `:trace` shows what it is a branch of",
            };
            if !is_ok {
                repl.trace = before;
            }
            repl.tell(&format!("{sent}; {rest}"));
        }
    }
    Next::Entry
}

/// What is changed, and where.
fn wanted(repl: &Repl, trace: &Arc<Trace>, argument: &str) -> Result<Fork, String> {
    let (id, rest) = argument.split_once(char::is_whitespace).unwrap_or((argument, ""));
    if id.is_empty() || id.starts_with("--") || rest.trim().is_empty() {
        return Err(USAGE.to_owned());
    }
    let at = find(trace, id)?;
    let (mut change, mut reply) = (Change::default(), None);
    for (flag, text) in flags(rest)? {
        let text = said(repl, text)?;
        match flag {
            "reply" => reply = Some(text),
            "lm" => change.lm = Some(NewLm::Named(text)),
            "instructions" => change.instructions = Some(text),
            "prompt" => change.prompt = Some(prompt(text)),
            other => return Err(format!("there is no `--{other}`: {USAGE}")),
        }
    }
    Fork::of(trace, at, change, reply).map_err(|it| {
        let hint = it.hint(":fork ", "--reply");
        if hint.is_empty() { it.message } else { format!("{}; {hint}", it.message) }
    })
}

/// The flags and what stands behind each, up to the next one.
fn flags(rest: &str) -> Result<Vec<(&str, &str)>, String> {
    let Some(rest) = rest.trim().strip_prefix("--") else { return Err(USAGE.to_owned()) };
    let parts = rest.split(" --").map(|it| {
        let (flag, text) = it.split_once([' ', '=']).unwrap_or((it, ""));
        (flag, text.trim())
    });
    let parts: Vec<_> = parts.collect();
    match parts.iter().find(|it| it.1.is_empty()) {
        Some((flag, _)) => Err(format!("what is behind `--{flag}`? {USAGE}")),
        None => Ok(parts),
    }
}

/// A text, in quotes or not, or that of a file.
fn said(repl: &Repl, text: &str) -> Result<String, String> {
    if let Some(path) = text.strip_prefix('@') {
        let bytes = repl.host.read(Path::new(path));
        let bytes = bytes.map_err(|it| format!("`{path}` cannot be read: {it}"))?;
        return String::from_utf8(bytes).map_err(|_| format!("`{path}` is no UTF-8 text"));
    }
    if let Some(bare) = text.strip_prefix('\'').and_then(|it| it.strip_suffix('\'')) {
        return Ok(bare.to_owned());
    }
    let quoted = text.starts_with('"').then(|| serde_json::from_str::<String>(text).ok());
    Ok(quoted.flatten().unwrap_or_else(|| text.to_owned()))
}

fn prompt(text: String) -> NewPrompt {
    match serde_json::from_str::<Vec<Message>>(&text) {
        Ok(messages) => NewPrompt::Whole(Prompt::Chat(messages)),
        Err(_) => NewPrompt::Last(text),
    }
}
