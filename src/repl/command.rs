//! The commands of a session: lines that begin with `:`.

use super::{Next, Repl, fork, items, prompts};
use crate::diag::did_you_mean;
use crate::lm::Cost;
use crate::render;
use crate::trace::{Totals, tree};

/// A command of the session.
#[derive(Debug)]
pub struct Command {
    /// Its name, without the colon.
    pub name: &'static str,
    /// What follows it, for the reader.
    pub argument: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    run: fn(&mut Repl, &str) -> Next,
}

/// All commands.
pub const COMMANDS: &[Command] = &[
    command("help", "", "list these commands", help),
    command("lm", "[NAME]", "say which model is asked, or ask another one from now on", lm),
    command(
        "adapter",
        "[NAME]",
        "say how prompts are laid out, or lay them out otherwise from now on",
        adapter,
    ),
    command("prompt", "ENTRY", "show what an entry would send, without sending it", prompt),
    command("trace", "[full]", "show what the last call did; `full` with its prompts", trace),
    command(
        "fork",
        "ID --reply TEXT",
        "make the last call again with one call of a model changed, and compare",
        fork::run,
    ),
    command("cost", "", "say what the last entry took, and the session", cost),
    command("load", "FILE", "begin again with the items of a script", load),
    command("items", "", "list what the session has defined", list),
    command("quit", "", "end the session, as Ctrl-D does", |_, _| Next::End),
];

const fn command(
    name: &'static str,
    argument: &'static str,
    doc: &'static str,
    run: fn(&mut Repl, &str) -> Next,
) -> Command {
    Command { name, argument, doc, run }
}

/// Runs a command, given without its colon.
pub(super) fn run(repl: &mut Repl, line: &str) -> Next {
    let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match COMMANDS.iter().find(|it| it.name == name) {
        Some(command) => (command.run)(repl, argument.trim()),
        None => {
            let hint = did_you_mean(name, COMMANDS.iter().map(|it| it.name));
            repl.tell(&format!("there is no command `:{name}`: {hint}"));
            Next::Entry
        }
    }
}

fn help(repl: &mut Repl, _: &str) -> Next {
    for Command { name, argument, doc, .. } in COMMANDS {
        repl.print(&format!("{:<17}{doc}", format!(":{name} {argument}")));
    }
    repl.print("anything else is run, and its value is `it`; Ctrl-C stops what runs");
    Next::Entry
}

fn lm(repl: &mut Repl, name: &str) -> Next {
    if !name.is_empty() {
        if let Err(error) = repl.session.use_lm(name) {
            repl.fail(&error);
        }
    } else if let Some(name) = repl.session.lm() {
        repl.print(&name);
    } else {
        repl.tell("no model is named: `:lm provider/model`, or `:lm local/smollm2-135m`");
    }
    Next::Entry
}

fn adapter(repl: &mut Repl, name: &str) -> Next {
    if name.is_empty() {
        let name = repl.session.adapter().to_owned();
        repl.print(&name);
    } else if let Err(error) = repl.session.use_adapter(name) {
        repl.fail(&error);
    }
    Next::Entry
}

fn prompt(repl: &mut Repl, entry: &str) -> Next {
    if entry.is_empty() {
        repl.tell("which call? `:prompt answer(question: \"…\")`");
        return Next::Entry;
    }
    match repl.session.dry_run(entry) {
        Ok(trace) => match prompts::show(&trace) {
            Some(shown) => repl.print(&shown),
            None => repl.tell("this asks no model; give the whole call, with its inputs"),
        },
        Err(error) => repl.fail(&error),
    }
    Next::Entry
}

fn trace(repl: &mut Repl, argument: &str) -> Next {
    match argument {
        "" | "full" if repl.trace.nodes.is_empty() => {
            repl.tell("no entry called a module, model or retriever yet");
        }
        "" | "full" => repl.print(&tree(&repl.trace, argument == "full")),
        _ => repl.tell("`:trace` or `:trace full`"),
    }
    Next::Entry
}

fn cost(repl: &mut Repl, _: &str) -> Next {
    let mut table = render::Table::new([
        ("", render::Align::Left),
        ("calls", render::Align::Right),
        ("from the store", render::Align::Right),
        ("tokens read", render::Align::Right),
        ("written", render::Align::Right),
        ("cost", render::Align::Right),
    ]);
    let session = repl.session.program().spent();
    for (what, totals) in [("last entry", repl.spent), ("session", session)] {
        let Totals { calls, cached, prompt_tokens, completion_tokens, cost, details } = totals;
        let is_known = details.untold == 0 || details.untold < calls;
        let tokens = |count: u64| match is_known {
            true => count.to_string(),
            false => "unknown".to_owned(),
        };
        let (read, written) = (tokens(prompt_tokens), tokens(completion_tokens));
        let counts = [calls.to_string(), cached.to_string(), read, written];
        let cost = paid(&cost);
        table.row(std::iter::once(what.to_owned()).chain(counts).chain([cost]));
    }
    repl.print(&table.render());
    Next::Entry
}

/// What was paid, as far as that is known.
fn paid(cost: &Cost) -> String {
    match cost.unknown {
        0 => cost.paid.to_string(),
        _ => "unknown".to_owned(),
    }
}

fn load(repl: &mut Repl, path: &str) -> Next {
    if path.is_empty() {
        repl.tell("which file? `:load main.dsp`");
    } else if let Err(error) = repl.session.load(path) {
        repl.fail(&error);
    } else {
        let program = repl.session.program();
        repl.diagnose(program.sources(), program.warnings());
    }
    Next::Entry
}

fn list(repl: &mut Repl, _: &str) -> Next {
    let listed = items::list(&repl.session);
    if listed.is_empty() {
        repl.tell("nothing is defined yet");
    } else {
        repl.print(&listed.join("\n"));
    }
    Next::Entry
}
