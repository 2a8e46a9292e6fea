//! Traces as one HTML file that asks the network for nothing.
//!
//! What was recorded stands in the file as JSON, with no `<` in it, and the script shows it as
//! text and nothing else. A policy in the head forbids all requests, and all scripts and styles
//! but the two of the page.

mod data;

use super::{About, Trace};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("html/view.css");
const BODY: &str = include_str!("html/view.html");
/// The parts of the script, in the order in which they need each other.
const SCRIPT: [&str; 5] = [
    include_str!("html/base.js"),
    include_str!("html/rows.js"),
    include_str!("html/detail.js"),
    include_str!("html/graph.js"),
    include_str!("html/main.js"),
];

/// A trace that is shown.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// What it is called.
    pub name: &'a str,
    /// The trace.
    pub trace: &'a Trace,
    /// What is known of it as a whole.
    pub about: &'a About,
}

/// A trace as a page, or two with what differs.
pub fn to_html(first: Shown<'_>, second: Option<Shown<'_>>) -> String {
    let title = match second {
        Some(second) => format!("{} and {}", first.name, second.name),
        None => first.name.to_owned(),
    };
    let script = format!("\"use strict\";\n{}", SCRIPT.concat());
    let (style_hash, script_hash) = (hash(STYLE), hash(&script));
    let data = data::of(first, second).to_string().replace('<', "\\u003c");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n{BODY}\
         <script type=\"application/json\" id=\"data\">{data}</script>\n\
         <script>{script}</script>\n</body>\n</html>\n",
        escaped(&title),
    )
}

/// A hash as policies have it.
fn hash(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text.as_bytes()))
}

/// Text that HTML shows and never reads.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in crate::render::plain(text).chars() {
        match ch {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            ch => out.push(ch),
        }
    }
    out
}
