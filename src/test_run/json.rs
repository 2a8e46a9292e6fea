//! What programs read about tests: one object a line.

use super::{Ended, Exchange, Flakes, Outcome, Tally};
use crate::diag::Diagnostic;
use crate::render;
use crate::source::Sources;
use serde_json::{Value, json};
use std::time::Duration;

/// A test.
pub fn test(file: &str, ended: &Ended) -> Value {
    json!({
        "file": file,
        "test": &*ended.title,
        "line": ended.line,
        "outcome": ended.outcome.as_str(),
        "seconds": seconds(ended.took),
        "calls": ended.totals.calls,
        "cached": ended.totals.cached,
        "prompt_tokens": ended.totals.prompt_tokens,
        "completion_tokens": ended.totals.completion_tokens,
        "output": ended.written,
        "diagnostics": diagnostics(&ended.sources, &ended.diagnostics),
        "exchanges": ended.blamed.iter().map(exchange).collect::<Vec<_>>(),
    })
}

/// A test that was run several times: the first run that failed, or the first, and how often
/// it passed.
pub fn repeated(file: &str, all: &[Ended]) -> Value {
    let flakes = Flakes::of(all);
    let shown = all.iter().find(|it| it.outcome != Outcome::Passed).or(all.first());
    let mut object = shown.map_or(Value::Null, |it| test(file, it));
    let (low, high) = flakes.interval;
    object["repeats"] = json!({
        "runs": all.len(),
        "passed": all.len() - flakes.failed,
        "failure_rate": flakes.rate(),
        "interval": [low, high],
    });
    object
}

/// A file that holds no correct program.
pub fn broken_file(file: &str, sources: &Sources, diags: &[Diagnostic]) -> Value {
    json!({ "file": file, "outcome": "error", "diagnostics": diagnostics(sources, diags) })
}

/// All tests.
pub fn summary(tally: Tally, took: Duration) -> Value {
    json!({ "summary": {
        "passed": tally.passed,
        "failed": tally.failed,
        "errors": tally.broken,
        "left_out": tally.left_out,
        "calls": tally.totals.calls,
        "cached": tally.totals.cached,
        "prompt_tokens": tally.totals.prompt_tokens,
        "completion_tokens": tally.totals.completion_tokens,
        "seconds": seconds(took),
    } })
}

fn diagnostics(sources: &Sources, diags: &[Diagnostic]) -> Vec<Value> {
    diags.iter().map(|it| render::json(sources, it)).collect()
}

fn exchange(exchange: &Exchange) -> Value {
    let turn = |(role, text): &(&str, String)| json!({ "role": role, "content": text });
    json!({
        "call": exchange.call,
        "why": exchange.why,
        "model": exchange.model,
        "adapter": exchange.adapter,
        "messages": exchange.prompt.iter().map(turn).collect::<Vec<_>>(),
        "reply": exchange.reply,
    })
}

/// Milliseconds are enough.
fn seconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}
