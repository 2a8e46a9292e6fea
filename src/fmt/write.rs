//! Tree to steps: where lines may end, and where they do.
//!
//! Words are written in the order of the source; each function writes the words of its node and
//! no other. What is not told apart here has one space between its parts.

mod expr;
mod item;
mod list;
mod stmt;
mod ty;

use crate::fmt::step::{Line, Role, Step, Steps, width};
use crate::fmt::trivia::{Place, Word, Words, words};
use crate::fmt::write::list::all;
use crate::syntax::{Child, Node, NodeKind, Token, TokenKind};
use std::ops::Range;

/// Returns the steps that write `tree`.
pub(super) fn steps(tree: &Node, text: &str) -> Steps {
    let mut writer = Writer {
        text,
        words: words(&tree.leaves(), text),
        line_ends: line_ends(text),
        at: 0,
        led: None,
        behind: 0..0,
        hugging: None,
        steps: Steps::new(),
    };
    writer.root(tree);
    writer.steps
}

/// The offsets of all line ends.
fn line_ends(text: &str) -> Vec<u32> {
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    ends.map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect()
}

/// A part of a node that is no trivia.
#[derive(Debug, Clone, Copy)]
enum Part<'a> {
    Node(&'a Node),
    Token(Token),
}

impl Part<'_> {
    fn start(self) -> u32 {
        match self {
            Self::Node(node) => node.start,
            Self::Token(token) => token.start,
        }
    }

    fn end(self) -> u32 {
        match self {
            Self::Node(node) => node.end,
            Self::Token(token) => token.end,
        }
    }

    fn is(self, kind: TokenKind) -> bool {
        matches!(self, Self::Token(token) if token.kind == kind)
    }
}

/// The parts of a node, in order.
fn parts(node: &Node) -> impl Iterator<Item = Part<'_>> + Clone {
    node.children.iter().filter_map(|child| match child {
        Child::Node(node) => Some(Part::Node(node)),
        Child::Token(token) if token.kind.is_trivia() => None,
        Child::Token(token) => Some(Part::Token(*token)),
    })
}

struct Writer<'t> {
    text: &'t str,
    words: Words,
    line_ends: Vec<u32>,
    /// The next word.
    at: usize,
    /// The word whose comments before it are written.
    led: Option<usize>,
    /// The comments behind the last word, not yet written.
    behind: Range<usize>,
    /// The group that is hugged around the next bracket.
    hugging: Option<u32>,
    steps: Steps,
}

impl Writer<'_> {
    // Words and comments.

    fn word(&self) -> &Word {
        &self.words.words[self.at]
    }

    /// Writes the comments behind the last word.
    fn end_word(&mut self) {
        for at in std::mem::take(&mut self.behind) {
            let comment = self.words.comments[at];
            let shown = comment.token.text(self.text);
            let is_block = shown.starts_with("/*");
            if is_block {
                self.push_inline(comment.token);
            } else {
                self.steps.push(Step::Behind(comment.token), 0);
                self.steps.force();
            }
        }
    }

    fn push_inline(&mut self, token: Token) {
        let shown = token.text(self.text);
        self.steps.push(Step::Inline(token), width(shown) + 1);
        if shown.contains('\n') {
            self.steps.force();
        }
    }

    /// Writes the comments before the next word, once.
    fn lead(&mut self) {
        self.comments(true);
    }

    /// The same before a closing bracket: no empty line comes before it.
    fn lead_closer(&mut self) {
        self.comments(false);
    }

    fn comments(&mut self, keeps_blank: bool) {
        self.end_word();
        if self.led == Some(self.at) {
            return;
        }
        self.led = Some(self.at);
        let mut own = false;
        for at in self.word().lead.clone() {
            let comment = self.words.comments[at];
            if comment.blank {
                self.steps.push(Step::Blank, 0);
            }
            match comment.place {
                Place::Inline => self.push_inline(comment.token),
                Place::Ending => {
                    self.steps.push(Step::Own(comment.token), 0);
                    self.steps.force();
                    own = true;
                }
            }
        }
        if own && keeps_blank && self.word().blank {
            self.steps.push(Step::Blank, 0);
        }
    }

    /// Writes the comments before the next word, which begins a line if lines end here, and the
    /// empty line before it.
    fn fresh(&mut self) {
        self.end_word();
        if self.word().lead.is_empty() && self.word().blank {
            self.steps.push(Step::Blank, 0);
        }
        self.lead();
    }

    /// Whether a comment that ends its line stands before the next word.
    fn has_line_comment_ahead(&self) -> bool {
        let comments = &self.words.comments;
        let behind = comments[self.behind.clone()].iter();
        let lead = comments[self.word().lead.clone()].iter();
        behind.chain(lead).any(|it| it.place == Place::Ending)
    }

    /// Whether any comment stands before the next word.
    fn has_comment_ahead(&self) -> bool {
        !self.behind.is_empty() || !self.word().lead.is_empty()
    }

    /// Writes the next word.
    fn token(&mut self, token: Token) {
        use TokenKind as T;
        let role = match token.kind {
            T::LParen | T::LBracket | T::QuestionBracket | T::LBrace | T::HashBrace => {
                Role::Opener
            }
            T::RParen | T::RBracket | T::RBrace => Role::Closer,
            T::Comma => Role::Separator,
            T::Str if token.text(self.text).contains('\n') => Role::Continued,
            _ => Role::Plain,
        };
        self.lead();
        self.push_text(token.start, token.end, role);
        self.pass(token);
    }

    fn push_text(&mut self, start: u32, end: u32, role: Role) {
        let shown = &self.text[start as usize..end as usize];
        self.steps.push(Step::Text { start, end, role }, width(shown));
        if shown.contains('\n') {
            self.steps.force();
        }
    }

    /// Goes on behind the next word.
    fn pass(&mut self, token: Token) {
        debug_assert_eq!(self.word().token, token, "words are written in their order");
        self.behind = self.word().behind.clone();
        self.at += 1;
    }

    /// Passes over a separator that is not written, or is by another step; its comments stay.
    fn drop(&mut self, token: Token) {
        self.lead();
        self.pass(token);
    }

    // Steps.

    fn space(&mut self) {
        self.end_word();
        self.steps.push(Step::Space, 1);
    }

    fn line(&mut self, line: Line) {
        self.end_word();
        self.steps.push(Step::Line(line), line.width());
    }

    fn hard(&mut self) {
        self.end_word();
        self.steps.push(Step::Hard, 0);
        self.steps.force();
    }

    /// A space, or a line end where a comment wants one.
    fn space_or_hard(&mut self) {
        if self.has_line_comment_ahead() {
            self.hard();
        } else {
            self.space();
        }
    }

    fn indent(&mut self) {
        self.steps.push(Step::Indent, 0);
    }

    fn dedent(&mut self) {
        self.steps.push(Step::Dedent, 0);
    }

    fn open(&mut self) -> u32 {
        self.lead();
        self.steps.open()
    }

    fn close(&mut self) {
        self.steps.close();
    }

    /// Begins the group of a bracket: the one that is broken when one around it is hugged.
    fn open_bracket(&mut self) -> u32 {
        let id = self.open();
        if let Some(outer) = self.hugging.take() {
            self.steps.set_target(outer, id);
        }
        id
    }

    // Nodes.

    fn part(&mut self, part: Part<'_>) {
        match part {
            Part::Node(node) => self.node(node),
            Part::Token(token) => self.token(token),
        }
    }

    fn node(&mut self, node: &Node) {
        use NodeKind as K;
        match node.kind {
            K::SignatureItem | K::SignatureExpr => self.signature(node),
            K::ModuleItem => self.module(node),
            K::SettingsItem | K::TypeRecord => self.record(node),
            K::TypeItem => self.type_item(node),
            K::ParamList => self.param_list(node),
            K::FieldDecl => self.field(node),
            K::TypeUnion => self.union(node, false),
            K::TypeName | K::TypeOptional | K::TypeLiteral | K::TypeBounded | K::TypeOneOf => {
                self.tight(node);
            }
            K::TypeGeneric => self.generic(node),
            K::Assert => self.assert(node),
            K::Block => self.block(node, true),
            K::If | K::Try => self.blocks(node),
            K::While | K::For => self.head_and_block(node),
            K::Template => self.template(node),
            K::Unit | K::Name | K::Path | K::Literal => self.tight(node),
            K::Paren => self.paren(node),
            K::Array => self.array(node),
            K::Map => self.map(node),
            K::Closure => self.closure(node),
            K::Unary => self.unary(node),
            K::Binary => self.binary(node),
            K::Index | K::Member | K::Call | K::MethodCall => self.postfix(node),
            K::Args => self.args(node),
            K::SpreadArg => self.tight(node),
            K::Switch => self.switch(node),
            _ => self.spaced(node),
        }
    }

    /// Writes the parts of a node with nothing between them but what numbers need.
    fn tight(&mut self, node: &Node) {
        for part in parts(node) {
            self.apart();
            self.part(part);
        }
    }

    /// A space between two words that would be read as one: `1.` and a range.
    fn apart(&mut self) {
        let Some(before) = self.at.checked_sub(1).map(|it| &self.words.words[it]) else {
            return;
        };
        let point = before.token.text(self.text).ends_with('.');
        if point && before.token.kind == TokenKind::Float {
            self.space();
        }
    }

    /// Writes words and behind them, in braces, what `inside` makes of the rest: broken over
    /// lines where the source is.
    fn headed(&mut self, node: &Node, inside: fn(&mut Self, &[Part<'_>])) {
        let all = all(node);
        let Some(brace) = all.iter().position(|it| it.is(TokenKind::LBrace)) else {
            return self.spaced(node);
        };
        self.open_bracket();
        for part in &all[..brace] {
            self.part(*part);
            self.space();
        }
        self.braced(&all[brace..], Line::Space, |writer, parts| {
            if writer.ends_line(node.start, node.end) {
                writer.steps.force();
            }
            inside(writer, parts);
        });
        self.close();
    }

    /// Writes the parts of a node with single spaces, but around signs that want none.
    fn spaced(&mut self, node: &Node) {
        let mut before = None;
        for part in parts(node) {
            if before.is_some_and(|before| wants_space(before, part)) {
                self.space();
            }
            self.part(part);
            before = Some(part);
        }
    }

    /// Whether a line ends between these offsets of the source.
    fn ends_line(&self, start: u32, end: u32) -> bool {
        let first = self.line_ends.partition_point(|at| *at < start);
        self.line_ends.get(first).is_some_and(|at| *at < end)
    }
}

/// Whether a space stands between two parts.
fn wants_space(before: Part<'_>, part: Part<'_>) -> bool {
    use TokenKind as T;
    let none_behind = match before {
        Part::Token(token) => {
            matches!(token.kind, T::LParen | T::Dot | T::ColonColon | T::DotDot)
        }
        Part::Node(_) => false,
    };
    let none_before = match part {
        Part::Token(token) => matches!(
            token.kind,
            T::Comma | T::Semi | T::Colon | T::RParen | T::Dot | T::ColonColon
        ),
        Part::Node(node) => matches!(node.kind, NodeKind::ParamList | NodeKind::Args),
    };
    !none_behind && !none_before
}
