//! `dsp prompt --why`: a prompt, and where each part of it comes from.

use crate::adapt::{Origin, Part};
use crate::cli::shell::Shell;
use crate::render::plain;
use crate::runtime::Why;
use serde_json::{Map, Value as Json, json};
use std::fmt::Write as _;

/// The widest margin; longer labels are cut.
const MARGIN: usize = 24;
/// What stands between the margin and a line of the prompt.
const EDGE: &str = "| ";
/// The same where the part goes on with a line that another part began.
const GOES_ON: &str = "+ ";

/// Writes a prompt part by part.
pub(super) fn show(shell: &Shell, why: &Why, as_json: bool) {
    if as_json {
        shell.print(&format!("{}\n", value(why)));
    } else {
        shell.print(&text(why, shell.prints_colors()));
    }
}

/// The prompt with a margin that names origins, and below it what stands behind them.
fn text(why: &Why, color: bool) -> String {
    let labels = why.parts.iter().map(|it| it.origin.to_string().chars().count());
    let width = labels.max().unwrap_or(0).min(MARGIN);
    let mut out = String::new();
    let messages = why.messages();
    let mut parts = why.parts.iter().peekable();
    for (message, (role, _)) in messages.iter().enumerate() {
        // A text to be continued has nobody who says it.
        if *role != "text" {
            let _ = writeln!(out, "--- {role}");
        }
        let mut begins_line = true;
        while let Some(part) = parts.next_if(|it| it.message == message) {
            begins_line = push_part(&mut out, why, part, width, begins_line, color);
        }
    }
    out.push('\n');
    push_grounds(&mut out, why, width, color);
    out
}

/// Adds the lines of a part; whether what follows begins a line.
fn push_part(
    out: &mut String,
    why: &Why,
    part: &Part,
    width: usize,
    begins_line: bool,
    color: bool,
) -> bool {
    let shown = why.shown(part);
    let shown = plain(&shown);
    let label = cut(&part.origin.to_string());
    let (before, after) = if color { (style(&part.origin), RESET) } else { ("", "") };
    let (dim, bright) = if color { (DIM, RESET) } else { ("", "") };
    let (mut label, mut goes_on) = (&*label, !begins_line);
    for line in shown.split_inclusive('\n') {
        // What ends the line of another part needs none of its own.
        let edge = if std::mem::take(&mut goes_on) {
            if line == "\n" {
                continue;
            }
            GOES_ON
        } else {
            EDGE
        };
        let line = line.trim_end_matches('\n');
        if line.trim().is_empty() {
            let _ = writeln!(out, "{dim}{label:<width$} {}{bright}", edge.trim_end());
        } else {
            let _ = writeln!(out, "{dim}{label:<width$} {edge}{bright}{before}{line}{after}");
        }
        label = "";
    }
    shown.ends_with('\n')
}

/// Adds a line for each origin, with what stands behind it.
fn push_grounds(out: &mut String, why: &Why, width: usize, color: bool) {
    for origin in origins(why) {
        let words = why.ground(&origin).words;
        let (before, after) = if color { (style(&origin), RESET) } else { ("", "") };
        let label = format!("{:<width$}", cut(&origin.to_string()));
        let _ = writeln!(out, "{before}{label}{after}   {}", plain(&words).replace('\n', " "));
    }
}

/// The origins, each once, values of a demo or a turn with the whole.
fn origins(why: &Why) -> Vec<Origin> {
    let mut origins: Vec<Origin> = Vec::new();
    for part in &why.parts {
        let whole = match &part.origin {
            Origin::Demo { index, .. } => Origin::Demo { index: *index, field: None },
            Origin::History { index, .. } => Origin::History { index: *index, field: None },
            other => other.clone(),
        };
        if !origins.contains(&whole) {
            origins.push(whole);
        }
    }
    origins
}

fn cut(label: &str) -> String {
    if label.chars().count() <= MARGIN {
        return label.to_owned();
    }
    let kept: String = label.chars().take(MARGIN - 1).collect();
    format!("{kept}…")
}

const RESET: &str = "\u{1b}[0m";
const DIM: &str = "\u{1b}[2m";

/// The colour of an origin; demos that follow each other differ.
fn style(origin: &Origin) -> &'static str {
    match origin {
        Origin::Layout | Origin::Closing | Origin::Fields => DIM,
        Origin::Template => "\u{1b}[2;3m",
        Origin::Field { .. } => "\u{1b}[34m",
        Origin::Instruction => "\u{1b}[1;35m",
        Origin::Demo { index, .. } if index % 2 == 0 => "\u{1b}[32m",
        Origin::Demo { .. } => "\u{1b}[36m",
        Origin::History { .. } => "\u{1b}[33m",
        Origin::Input { .. } => "\u{1b}[1;33m",
        Origin::Refused | Origin::Repair => "\u{1b}[31m",
    }
}

/// The same for programs: each message with its parts, whose texts make up its own.
fn value(why: &Why) -> Json {
    let messages = why.messages().into_iter().enumerate().map(|(at, (role, content))| {
        let parts = why.parts.iter().filter(|it| it.message == at);
        let parts = parts.map(|it| part_value(why, it)).collect::<Vec<_>>();
        json!({ "role": role, "content": content, "parts": parts })
    });
    json!({ "adapter": why.adapter, "messages": messages.collect::<Vec<_>>() })
}

fn part_value(why: &Why, part: &Part) -> Json {
    let mut value = Map::new();
    value.insert("start".to_owned(), json!(part.range.start));
    value.insert("end".to_owned(), json!(part.range.end));
    value.insert("text".to_owned(), json!(why.text(part)));
    value.insert("origin".to_owned(), json!(part.origin));
    value.insert("because".to_owned(), json!(why.ground(&part.origin).facts));
    Json::Object(value)
}
