//! Layouts of a user's own: texts with `{placeholders}`.
//!
//! A template is read without a signature and then held against one: what is wrong is told with
//! its place in the text, before anything runs where the texts are literals, and else when the
//! predictor is made. `{{` and `}}` are braces.

use crate::diag::did_you_mean;
use crate::schema::{Signature, is_history_type, left_out};
use crate::util::sha256_hex;
use std::ops::Range;
use std::sync::Arc;

/// The parts of a template, as they are called in scripts.
pub const PARTS: [&str; 6] = ["system", "user", "reply", "demo_user", "demo_reply", "layout"];
/// The adapters that need no template; a const of such a name is not named by it.
pub const ADAPTERS: [&str; 6] = ["auto", "chat", "json", "xml", "two_step", "complete"];
/// What may stand between braces besides the fields of a signature.
pub const WORDS: [&str; 5] = ["instructions", "fields", "inputs", "outputs", "demos"];

/// How replies are written where a template does not lay them out itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Under markers, as `chat` has them.
    #[default]
    Chat,
    /// As a JSON object.
    Json,
    /// Between tags.
    Xml,
    /// The whole reply is the only output.
    Text,
    /// As the template's `reply` says.
    Own,
}

impl Layout {
    /// Those that a template can name.
    pub const NAMED: [(&'static str, Self); 4] =
        [("chat", Self::Chat), ("json", Self::Json), ("xml", Self::Xml), ("text", Self::Text)];
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text that stands as it is.
    Text(String),
    /// A placeholder.
    Hole {
        /// What it stands for.
        name: String,
        /// Its place in the text, braces included.
        at: Range<usize>,
    },
}

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// Its pieces, in order.
    pub pieces: Vec<Piece>,
}

impl Text {
    /// The names between braces.
    pub fn holes(&self) -> impl Iterator<Item = (&str, &Range<usize>)> {
        self.pieces.iter().filter_map(|it| match it {
            Piece::Hole { name, at } => Some((&**name, at)),
            Piece::Text(_) => None,
        })
    }

    /// Whether a name stands between braces.
    pub fn has(&self, name: &str) -> bool {
        self.holes().any(|it| it.0 == name)
    }
}

/// Something that is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The part that it stands in.
    pub part: String,
    /// Where, in the part's text; `None` for the part as a whole.
    pub at: Option<Range<usize>>,
    /// What it is.
    pub message: String,
    /// What may be meant.
    pub hint: String,
    /// Whether prompts can be laid out all the same.
    pub is_harmless: bool,
}

impl Flaw {
    fn new(part: &str, at: Option<Range<usize>>, message: impl Into<String>) -> Self {
        let (message, part) = (message.into(), part.to_owned());
        Self { part, at, message, hint: String::new(), is_harmless: false }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }
}

/// A layout of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// What is told at first.
    pub system: Option<Text>,
    /// The question.
    pub user: Option<Text>,
    /// The question of a demo; as `user` where there is none.
    pub demo_user: Option<Text>,
    /// The reply.
    pub reply: Option<Text>,
    /// The reply of a demo; as `reply` where there is none.
    pub demo_reply: Option<Text>,
    /// How replies are written.
    pub layout: Layout,
    /// Its name in states and traces: `template:` and a hash of its texts.
    pub name: Arc<str>,
    /// Its parts and their texts, as they were said.
    pub parts: Vec<(Arc<str>, Arc<str>)>,
}

impl Template {
    /// Reads the parts of a template.
    ///
    /// # Errors
    /// All that is wrong with it, whatever the signature.
    pub fn read<'a>(
        parts: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<Flaw>> {
        let mut flaws = Vec::new();
        let mut said = Vec::new();
        for (name, text) in parts {
            if PARTS.contains(&name) {
                said.push((name, text));
            } else {
                let message = format!("a template has no part `{name}`");
                flaws.push(Flaw::new(name, None, message).hint(did_you_mean(name, PARTS)));
            }
        }
        said.sort_by_key(|it| PARTS.iter().position(|part| *part == it.0));
        let mut text = |part: &str| {
            let (_, text) = said.iter().find(|it| it.0 == part)?;
            Some(parsed(part, text, &mut flaws))
        };
        let (system, user, reply) = (text("system"), text("user"), text("reply"));
        let (demo_user, demo_reply) = (text("demo_user"), text("demo_reply"));
        let layout = layout(&said, reply.as_ref(), &mut flaws);
        if let Some(reply) = &reply {
            between(reply, &mut flaws);
        }
        let json = serde_json::to_string(&said).expect("pairs of texts are JSON");
        let hash = &sha256_hex(json.as_bytes())[..16];
        let name = format!("template:{hash}").into();
        let parts = said.iter().map(|(part, text)| ((*part).into(), (*text).into())).collect();
        let template = Self { system, user, demo_user, reply, demo_reply, layout, name, parts };
        if flaws.is_empty() { Ok(template) } else { Err(flaws) }
    }

    /// What is wrong with it for a signature.
    pub fn check(&self, signature: &Signature) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let asking =
            [("system", &self.system), ("user", &self.user), ("demo_user", &self.demo_user)];
        for (part, text) in asking {
            for (name, at) in text.iter().flat_map(|it| it.holes()) {
                if signature.input(name).is_none() && !WORDS.contains(&name) {
                    flaws.push(unknown_input(signature, part, name, at));
                }
            }
        }
        for (part, text) in [("reply", &self.reply), ("demo_reply", &self.demo_reply)] {
            if let Some(text) = text {
                answered(signature, part, text, &mut flaws);
            }
        }
        self.left_out(signature, &mut flaws);
        flaws
    }

    /// What the template says nowhere.
    fn left_out(&self, signature: &Signature, flaws: &mut Vec<Flaw>) {
        let texts = || self.system.iter().chain(&self.user);
        let says = |name: &str| texts().any(|it| it.has(name));
        // Without a question of its own it has all inputs.
        if self.user.is_some() && !says("inputs") {
            for field in &signature.inputs {
                if !says(&field.name) && !is_history_type(&field.ty) {
                    let message = format!("the input `{}` is said nowhere", field.name);
                    let hint = format!("write `{{{}}}`, or `{{inputs}}` for all", field.name);
                    let flaw = Flaw::new("user", None, message).hint(hint);
                    flaws.push(Flaw { is_harmless: true, ..flaw });
                }
            }
        }
        if !says("instructions") {
            let part = if self.system.is_some() { "system" } else { "user" };
            let message = "the instructions are said nowhere";
            let hint = "write `{instructions}`: optimizers change them";
            let flaw = Flaw::new(part, None, message).hint(hint);
            flaws.push(Flaw { is_harmless: true, ..flaw });
        }
        if self.layout == Layout::Text {
            let types = &signature.types;
            let wanted = signature.outputs.iter().filter(|it| left_out(it, types).is_none());
            if wanted.count() > 1 {
                let message = "a reply of the layout `text` is one output, and there are more";
                let hint = "say `reply`, or another layout: `chat`, `json`, `xml`";
                flaws.push(Flaw::new("layout", None, message).hint(hint));
            }
        }
    }
}

fn layout(said: &[(&str, &str)], reply: Option<&Text>, flaws: &mut Vec<Flaw>) -> Layout {
    let named = said.iter().find(|it| it.0 == "layout");
    match (named, reply) {
        (None, None) => Layout::default(),
        (None, Some(_)) => Layout::Own,
        (Some(_), Some(_)) => {
            let message = "`reply` says how replies are written, and `layout` says it again";
            flaws.push(Flaw::new("layout", None, message).hint("leave one of them out"));
            Layout::Own
        }
        (Some((_, name)), None) => {
            let known = Layout::NAMED.iter().find(|it| it.0 == *name);
            if known.is_none() {
                let message = format!("there is no layout `{name}`");
                let hint = did_you_mean(name, Layout::NAMED.map(|it| it.0));
                flaws.push(Flaw::new("layout", None, message).hint(hint));
            }
            known.map(|it| it.1).unwrap_or_default()
        }
    }
}

/// Reads a text with placeholders.
fn parsed(part: &str, text: &str, flaws: &mut Vec<Flaw>) -> Text {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at + c.len_utf8()..];
        if matches!(c, '{' | '}') && rest.starts_with(c) {
            plain.push(c);
            at += 2;
            continue;
        }
        if c == '{'
            && let Some(length) = hole(rest)
        {
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            let end = at + length + 2;
            pieces.push(Piece::Hole { name: rest[..length].to_owned(), at: at..end });
            at = end;
            continue;
        }
        if matches!(c, '{' | '}') {
            let message = format!("a `{c}` that is part of no placeholder");
            let hint = format!("write `{c}{c}` for the brace itself");
            flaws.push(Flaw::new(part, Some(at..at + 1), message).hint(hint));
        }
        plain.push(c);
        at += c.len_utf8();
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Text { pieces }
}

/// The length of the name that stands before a closing brace.
fn hole(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    (end > 0 && text[end..].starts_with('}')).then_some(end)
}

/// Between two outputs of a reply there must be something that tells where one ends.
fn between(reply: &Text, flaws: &mut Vec<Flaw>) {
    let mut before = false;
    for piece in &reply.pieces {
        match piece {
            Piece::Text(text) => before &= text.trim().is_empty(),
            Piece::Hole { name, at } => {
                if before {
                    let message =
                        format!("nothing tells where the output before `{{{name}}}` ends");
                    let hint = "put a label between the two: a word and a colon";
                    flaws.push(Flaw::new("reply", Some(at.clone()), message).hint(hint));
                }
                before = true;
            }
        }
    }
}

fn unknown_input(signature: &Signature, part: &str, name: &str, at: &Range<usize>) -> Flaw {
    let message = match signature.output(name) {
        Some(_) => format!("`{{{name}}}` is an output: it is not known before the reply"),
        None => format!("`{{{name}}}` is no input and no word of templates"),
    };
    let known = signature.inputs.iter().map(|it| &*it.name).chain(WORDS);
    Flaw::new(part, Some(at.clone()), message).hint(did_you_mean(name, known))
}

/// The outputs of a reply: those that are none, those written twice, those missing.
fn answered(signature: &Signature, part: &str, text: &Text, flaws: &mut Vec<Flaw>) {
    let mut seen: Vec<&str> = Vec::new();
    for (name, at) in text.holes() {
        if signature.output(name).is_none() {
            let message = format!("`{{{name}}}` is no output");
            let known = signature.outputs.iter().map(|it| &*it.name);
            let hint = did_you_mean(name, known);
            flaws.push(Flaw::new(part, Some(at.clone()), message).hint(hint));
        } else if seen.contains(&name) {
            let message = format!("`{{{name}}}` stands twice in the reply");
            flaws.push(Flaw::new(part, Some(at.clone()), message));
        }
        seen.push(name);
    }
    for field in &signature.outputs {
        let needed = part == "reply" && left_out(field, &signature.types).is_none();
        if needed && !text.has(&field.name) {
            let message = format!("the output `{}` is not in the reply", field.name);
            let hint = format!("write `{{{}}}` where its value stands", field.name);
            flaws.push(Flaw::new(part, None, message).hint(hint));
        }
    }
}
