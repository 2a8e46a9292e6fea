//! Tree to Rhai text, and places back.
//!
//! The user's text is copied piece by piece, and what is ours is written around it; [`Linked`]
//! remembers where each piece came from. All units of a program go into one text, whose lines
//! Rhai counts. Functions come first, then main's statements in their order.
//!
//! `item` writes declarations, `expr` and `call` expressions, `assertion` contracts. The names
//! of what is written around the user's text are those of [`names`].

mod assertion;
mod call;
mod expr;
mod item;
mod linked;
mod reach;
mod sites;

pub use crate::check::names;
pub use linked::Linked;
pub use reach::{Item, items_named, named_items};

use crate::check::Checked;
use crate::check::codes::TOO_LONG;
use crate::check::slices::Slices;
use crate::diag::Diagnostic;
use crate::source::{SourceId, Span};
use crate::syntax::{Node, NodeKind, Token, TokenKind};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// What is written of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// All of it.
    Whole,
    /// Its items, for a unit that was imported: neither tests nor main.
    Items,
    /// The items of these names.
    Only(&'a BTreeSet<Arc<str>>),
}

/// Appends a unit to the program and returns the range of its generated text, which begins at
/// the beginning of a line and ends with a line end.
///
/// # Errors
///
/// Returns a diagnostic when the program grows beyond what Rhai can count.
pub fn lower(
    linked: &mut Linked,
    checked: &Checked,
    text: &str,
) -> Result<Range<usize>, Box<Diagnostic>> {
    lower_part(linked, checked, text, Part::Whole)
}

/// As [`lower`], of a part of a unit.
///
/// # Errors
///
/// Returns a diagnostic when the program grows beyond what Rhai can count.
pub fn lower_part(
    linked: &mut Linked,
    checked: &Checked,
    text: &str,
    part: Part<'_>,
) -> Result<Range<usize>, Box<Diagnostic>> {
    let start = linked.text().len();
    let is_nothing = matches!(part, Part::Only(names) if names.is_empty());
    if let (Some(source), Some(tree)) = (checked.source, &checked.tree)
        && !is_nothing
    {
        let objects = closures_use_this(tree);
        let mut emitter = Emitter {
            out: linked,
            checked,
            text,
            source,
            objects,
            assigned: BTreeSet::new(),
            slices: checked.slices(text).clone(),
            frames: vec![sites::MAIN.to_owned()],
            marking: None,
            is_read_again: false,
        };
        emitter.unit(tree, part);
        emitter.write("\n");
        if let Err(diagnostic) = check_size(linked, tree, source) {
            linked.truncate(start);
            return Err(diagnostic);
        }
    }
    Ok(start..linked.text().len())
}

/// Rhai counts lines and columns in 16 bits.
fn check_size(linked: &Linked, tree: &Node, source: SourceId) -> Result<(), Box<Diagnostic>> {
    let span = Span::new(source, tree.start as usize, tree.start as usize);
    if linked.lines() > linked::MAX_LINES {
        let message = format!("the program is longer than {} lines", linked::MAX_LINES);
        return Err(Box::new(Diagnostic::new(TOO_LONG, span, message)));
    }
    if let Some(at) = linked.overlong() {
        let span = linked.locate_offset(at).map_or(span, |(id, at)| Span::new(id, at, at));
        let message = "a line of text with insertions is longer than 60000 characters";
        let hint = "break the text into lines, or join shorter ones with `+`";
        return Err(Box::new(Diagnostic::new(TOO_LONG, span, message).hint(hint)));
    }
    Ok(())
}

/// Writes one unit.
struct Emitter<'a> {
    out: &'a mut Linked,
    checked: &'a Checked,
    text: &'a str,
    source: SourceId,
    /// Whether closures use `this`.
    objects: bool,
    /// What stands to the left of assignments, with the parts that it is a part of.
    assigned: BTreeSet<(u32, u32)>,
    /// What flows where.
    slices: Arc<Slices>,
    /// What holds the numbers of the runs of the functions around.
    frames: Vec<String>,
    /// The expression that is written inside its marks.
    marking: Option<(u32, u32)>,
    /// Whether what is written is read a second time, and noted already.
    is_read_again: bool,
}

/// Whether a closure in the program uses `this`, as those do that are the methods of a map.
fn closures_use_this(tree: &Node) -> bool {
    let closures = tree.walk().filter(|it| it.kind == NodeKind::Closure);
    closures.flat_map(Node::walk).flat_map(Node::tokens).any(|it| it.kind == TokenKind::This)
}

impl Emitter<'_> {
    /// Writes text of ours.
    fn write(&mut self, text: &str) {
        self.break_line();
        self.out.write(text);
    }

    /// Writes text of ours that stands for the user's at `at`.
    fn write_at(&mut self, text: &str, at: u32) {
        self.break_line();
        self.out.write_at(text, self.source, at as usize);
    }

    /// Copies a token, whatever it is.
    fn copy(&mut self, token: Token) {
        self.out.copy(token.text(self.text), self.source, token.start as usize);
    }

    /// Writes a text as a string literal.
    fn write_string(&mut self, text: &str) {
        self.write(&quoted(text));
    }

    /// Between tokens a line end changes nothing, so that columns stay small.
    fn break_line(&mut self) {
        if self.out.column() > linked::MAX_COLUMN {
            self.out.write("\n");
        }
    }
}

/// A Rhai string literal.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for it in text.chars() {
        match it {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            it => out.push(it),
        }
    }
    out.push('"');
    out
}
