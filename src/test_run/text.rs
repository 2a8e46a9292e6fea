//! What a person reads about tests.

use super::{Ended, Exchange, Flakes, Outcome, Tally};
use crate::render::{self, plain};
use crate::trace::Totals;
use std::fmt::Write;
use std::time::Duration;

/// The longest text of a prompt or reply that is shown, where not all is wanted: in lines, and
/// characters a line.
const SHORT: (usize, usize) = (12, 160);
/// Tests that take less are not said to take any time.
const SLOW: Duration = Duration::from_secs(1);

/// How reports look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// With colours, for a terminal.
    pub color: bool,
    /// Prompts and replies whole.
    pub full: bool,
}

/// A test: how it came out, and why.
pub fn test(ended: &Ended, style: Style) -> String {
    let mut out = String::new();
    let (word, color) = match ended.outcome {
        Outcome::Passed => ("ok  ", "32"),
        Outcome::Failed | Outcome::Broken => ("FAIL", "31"),
    };
    let _ = write!(out, "{}  {}", paint(word, color, style), line(&ended.title));
    if ended.took >= SLOW {
        let _ = write!(out, "  ({:.1} s)", ended.took.as_secs_f64());
    }
    out.push('\n');
    out + details(ended, style).as_str()
}

/// Why a test failed, and what it warns of.
fn details(ended: &Ended, style: Style) -> String {
    let mut out = String::new();
    out += &render::text(&ended.sources, &ended.diagnostics, style.color);
    if ended.outcome != Outcome::Passed {
        for exchange in &ended.blamed {
            push_exchange(&mut out, exchange, style);
        }
        push_written(&mut out, &ended.written, style);
    }
    out
}

/// A test that was run several times: how often it passed, and why it failed the first time
/// that it did.
pub fn repeated(all: &[Ended], style: Style) -> String {
    let flakes = Flakes::of(all);
    let Some(shown) = all.iter().find(|it| it.outcome != Outcome::Passed).or(all.first())
    else {
        return String::new();
    };
    let color = if flakes.failed == 0 { "32" } else { "31" };
    let count = format!("{}/{}", all.len() - flakes.failed, all.len());
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let (low, high) = flakes.interval;
    let (count, title) = (paint(&count, color, style), line(&shown.title));
    let first = format!(
        "{count}  {title}  fails {} of the time (95 % interval {} to {})\n",
        percent(flakes.rate()),
        percent(low),
        percent(high)
    );
    if shown.outcome == Outcome::Passed {
        first
    } else {
        first + details(shown, style).as_str()
    }
}

/// All tests, in one line.
pub fn tally(tally: Tally, style: Style) -> String {
    let counts = [
        (tally.passed, "passed", "32"),
        (tally.failed, "failed", "31"),
        (tally.broken, "stopped by an error", "31"),
        (tally.left_out, "left out", "33"),
    ];
    let counts = counts.iter().filter(|(count, ..)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(count, word, color)| paint(&format!("{count} {word}"), color, style))
        .collect();
    if counts.is_empty() { "no tests".to_owned() } else { counts.join(", ") }
}

/// What models were asked, where that is of interest; of recorded replies it is not.
pub fn asked(totals: Totals, recorded: bool) -> String {
    if recorded || totals.calls + totals.cached == 0 {
        return String::new();
    }
    let calls = if totals.calls == 1 { "call" } else { "calls" };
    let kept = match totals.cached {
        0 => String::new(),
        n => format!(", {n} kept"),
    };
    let untold = totals.details.untold;
    let tokens = match totals.prompt_tokens + totals.completion_tokens {
        _ if untold > 0 && untold >= totals.calls => "tokens unknown".to_owned(),
        tokens => format!("{tokens} tokens"),
    };
    format!("; {} {calls}{kept}, {tokens}", totals.calls)
}

fn push_exchange(out: &mut String, exchange: &Exchange, style: Style) {
    let Exchange { why, call, model, adapter, prompt, reply } = exchange;
    let _ = writeln!(out, "  call {} to {model} by the `{adapter}` adapter: {why}", line(call));
    let hidden = if style.full { 0 } else { prompt.len().saturating_sub(1) };
    let mut cut = hidden > 0;
    for (who, text) in &prompt[hidden..] {
        cut |= push_block(out, who, text, style);
    }
    match reply {
        Some(reply) => cut |= push_block(out, "reply", reply, style),
        None => out.push_str("  --- no reply\n"),
    }
    if cut {
        let turns = if hidden == 1 { "turn" } else { "turns" };
        let hidden = if hidden > 0 {
            format!(", without {hidden} earlier {turns}")
        } else {
            String::new()
        };
        let _ = writeln!(out, "  --- shortened{hidden}: `--full` shows all");
    }
    out.push('\n');
}

/// Writes a text below a title; says whether some of it was left out.
fn push_block(out: &mut String, title: &str, text: &str, style: Style) -> bool {
    let (most_lines, longest) = if style.full { (usize::MAX, usize::MAX) } else { SHORT };
    let text = plain(text);
    let _ = writeln!(out, "  --- {title}");
    let mut cut = false;
    let n_lines = text.lines().count();
    // The end of a prompt says what is asked; the beginning what it is about.
    let left_out = n_lines.saturating_sub(most_lines);
    let gap = most_lines / 2..(most_lines / 2).saturating_add(left_out);
    for (at, line) in text.lines().enumerate() {
        if gap.contains(&at) {
            cut = true;
            if at == gap.start {
                let _ = writeln!(out, "  … {left_out} lines");
            }
            continue;
        }
        match line.char_indices().nth(longest) {
            Some((end, _)) => {
                cut = true;
                let _ = writeln!(out, "  {}…", &line[..end]);
            }
            None => {
                let _ = writeln!(out, "{}", format!("  {line}").trim_end());
            }
        }
    }
    cut
}

fn push_written(out: &mut String, written: &str, style: Style) {
    if written.is_empty() {
        return;
    }
    if push_block(out, "output", written, style) {
        out.push_str("  --- shortened: `--full` shows all\n");
    }
    out.push('\n');
}

fn paint(text: &str, color: &str, style: Style) -> String {
    if style.color { format!("\u{1b}[{color}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Text as one line without control characters.
fn line(text: &str) -> String {
    plain(text).replace('\n', " ")
}
