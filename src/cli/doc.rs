//! `dsp doc`

use super::args::Doc;
use super::shell::{Failure, Shell};
use crate::manual::{self, Hit};

/// Shows a topic of the reference, or where a word stands in it.
pub(super) fn run(shell: &Shell, args: &Doc) -> Result<(), Failure> {
    if let Some(word) = &args.search {
        return search(shell, word);
    }
    let text = match &args.topic {
        None => manual::contents(),
        Some(topic) => manual::topic(topic).ok_or_else(|| unknown(topic))?,
    };
    shell.print(&shown(shell, &text));
    Ok(())
}

/// Markdown as it is for programs, drawn for people.
fn shown(shell: &Shell, text: &str) -> String {
    if shell.host.prints_to_terminal() {
        manual::render(text, shell.prints_colors())
    } else {
        text.to_owned()
    }
}

fn search(shell: &Shell, word: &str) -> Result<(), Failure> {
    let hits = manual::search(word);
    if word.trim().is_empty() || hits.is_empty() {
        return Err(Failure::usage(format!("the reference does not have `{word}`")));
    }
    let mut out = String::from("| topic | |\n|---|---|\n");
    for Hit { topic, heading, line } in hits {
        let line = line.replace('|', "\\|").trim_matches(['\\', '|', ' ']).to_owned();
        let place = if heading.is_empty() { String::new() } else { format!("{heading}: ") };
        out += &format!("| `{topic}` | {place}{line} |\n");
    }
    shell.print(&shown(shell, &out));
    Ok(())
}

fn unknown(topic: &str) -> Failure {
    let mut failure = Failure::usage(format!("there is no topic `{topic}`"));
    let meant = manual::meant(topic);
    let list = "`dsp doc` lists the topics, `dsp doc --search WORD` finds a word";
    failure.hint(if meant.is_empty() { list.to_owned() } else { meant });
    failure
}
