//! What programs read about tests: one object a line.

use super::{Ended, Exchange, Tally};
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
