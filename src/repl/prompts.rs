//! Prompts as a reader sees them.

use crate::engine::prompt_text;
use crate::trace::{Attempt, LmCall, Node, Trace};

/// All requests of a trace with who would get them; `None` where there are none.
pub(super) fn show(trace: &Trace) -> Option<String> {
    let calls = trace.nodes.iter().filter_map(|node| Some((node, node.call.as_ref()?)));
    let shown: Vec<String> = calls
        .flat_map(|(node, call)| call.attempts.iter().map(|it| request(node, call, it)))
        .collect();
    (!shown.is_empty()).then(|| shown.join("\n\n"))
}

fn request(node: &Node, call: &LmCall, attempt: &Attempt) -> String {
    let LmCall { model, adapter, .. } = call;
    let known = if attempt.cached { ", whose reply is in the store" } else { "" };
    let text = prompt_text(&attempt.request.prompt);
    format!("{} to {model} by the `{adapter}` adapter{known}\n{text}", node.name)
}
