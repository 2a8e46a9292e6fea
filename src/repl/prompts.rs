//! Prompts as a reader sees them.

use crate::engine::prompt_text;
use crate::lm::{Decoding, Pattern, Segment};
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
    let model = attempt.model.as_ref().unwrap_or(model);
    let known = if attempt.cached { ", whose reply is in the store" } else { "" };
    let text = prompt_text(&attempt.request.prompt);
    let shape = shape(&attempt.request.decoding);
    format!("{} to {model} by the `{adapter}` adapter{known}\n{text}{shape}", node.name)
}

/// What the reply is held to while it is written, where it is held to something.
fn shape(decoding: &Decoding) -> String {
    match decoding {
        Decoding::Free => String::new(),
        Decoding::Template(segments) => {
            let shown: String = segments.iter().map(segment).collect();
            format!("\n--- the reply is held to\n{}", shown.trim_start_matches('\n'))
        }
        Decoding::Json(schema) => format!("\n--- the reply is held to the schema\n{schema}"),
    }
}

fn segment(segment: &Segment) -> String {
    match segment {
        Segment::Fixed(text) => text.clone(),
        Segment::Choice(texts) => {
            let texts: Vec<&str> = texts.iter().map(|it| it.trim()).collect();
            format!(" <{}>", texts.join(" | "))
        }
        Segment::Free { max_tokens, .. } => format!(" <text, at most {max_tokens} tokens>"),
        Segment::Literal(Pattern::Int) => "<int>".to_owned(),
        Segment::Literal(Pattern::Float) => "<float>".to_owned(),
    }
}
