//! Expressions.

use super::list::{Style, all};
use super::{Part, Writer, parts};
use crate::fmt::step::{Line, Role};
use crate::syntax::{Node, NodeKind, TokenKind};

/// Roots of a chain up to this width have their first call beside them: `it.trim()`.
const SHORT_ROOT: usize = 4;

impl Writer<'_> {
    /// `(e)`
    pub(super) fn paren(&mut self, node: &Node) {
        let style = Style { edge: Line::Soft, between: Line::Space, keeps: false };
        let all = all(node);
        let [Part::Token(opener), Part::Node(inner), Part::Token(closer)] = all.as_slice()
        else {
            return self.tight(node);
        };
        self.open_bracket();
        self.token(*opener);
        self.indent();
        self.line(style.edge);
        self.fresh();
        self.node(inner);
        self.closing(style.edge);
        self.token(*closer);
        self.close();
    }

    /// `[a, b]`; numbers stand beside each other where they need several lines.
    pub(super) fn array(&mut self, node: &Node) {
        let numbers = node.nodes().count() > 1 && node.nodes().all(is_number);
        let between = if numbers { Line::Fill } else { Line::Space };
        self.list(&all(node), Style { edge: Line::Soft, between, keeps: true });
    }

    /// `#{ a: 1 }`
    pub(super) fn map(&mut self, node: &Node) {
        let style = Style { edge: Line::Space, between: Line::Space, keeps: true };
        self.list(&all(node), style);
    }

    /// `|a, b| body`
    pub(super) fn closure(&mut self, node: &Node) {
        let list: Vec<Part<'_>> = parts(node).collect();
        let pipe = |it: &Part<'_>| it.is(TokenKind::Pipe) || it.is(TokenKind::PipePipe);
        let head = list.iter().rposition(pipe).unwrap_or_default();
        let mut before: Option<Part<'_>> = None;
        for (at, part) in list.iter().enumerate() {
            let last_comma = part.is(TokenKind::Comma) && at + 1 == head;
            let behind_comma = before.is_some_and(|it| it.is(TokenKind::Comma));
            // Two bars beside each other would be one sign.
            let bars = part.is(TokenKind::Pipe) && before.is_some_and(|it| pipe(&it));
            if at > head || behind_comma && !part.is(TokenKind::Pipe) || bars {
                self.space();
            }
            match part {
                Part::Token(token) if last_comma => self.drop(*token),
                _ => self.part(*part),
            }
            before = Some(*part);
        }
    }

    /// `-x`
    pub(super) fn unary(&mut self, node: &Node) {
        let mut sign = "";
        for part in parts(node) {
            match part {
                Part::Token(token) => {
                    self.token(token);
                    sign = token.text(self.text);
                }
                Part::Node(inner) => {
                    if self.reads_on(sign, inner) {
                        self.space();
                    }
                    self.node(inner);
                }
            }
        }
    }

    /// Whether a sign right before this operand would be read as something else: `- -x`, or
    /// `- 1.abs()`, for `-1` is a number.
    fn reads_on(&self, sign: &str, operand: &Node) -> bool {
        let first = self.word().token;
        let number = matches!(first.kind, TokenKind::Int | TokenKind::Float);
        let taken = sign == "-" && number && operand.kind != NodeKind::Literal;
        taken || sign != "!" && first.kind == TokenKind::Op && first.text(self.text) == sign
    }

    /// `a + b`, a line for each operand if they do not fit on one.
    pub(super) fn binary(&mut self, node: &Node) {
        if is_range(node) {
            return self.tight(node);
        }
        self.open();
        self.operation(node);
        self.close();
    }

    /// Operands of one precedence, with the operators between them.
    pub(super) fn operation(&mut self, node: &Node) {
        if is_range(node) {
            return self.tight(node);
        }
        let power = power(node, self.text);
        let mut spine = vec![node];
        while let Some(left) = spine.last().and_then(|it| it.nodes().next()) {
            let same = left.kind == NodeKind::Binary
                && !is_range(left)
                && power_matches(power, left, self.text);
            if !same {
                break;
            }
            spine.push(left);
        }
        let mut first = true;
        for node in spine.iter().rev() {
            for (at, part) in parts(node).enumerate() {
                match part {
                    Part::Node(inner) if at == 0 && !first => {
                        debug_assert_eq!(inner.kind, NodeKind::Binary);
                    }
                    Part::Node(inner) => {
                        self.node(inner);
                        if first && at == 0 {
                            self.indent();
                        }
                    }
                    Part::Token(token) => {
                        self.line(Line::Space);
                        self.token(token);
                        self.space();
                    }
                }
            }
            first = false;
        }
        self.dedent();
    }

    /// `a.b(c)[d](e)`: several calls in a row have a line each if they do not fit on one.
    pub(super) fn postfix(&mut self, node: &Node) {
        let mut links = vec![node];
        while let Some(inner) = links.last().and_then(|it| it.nodes().next()) {
            if !is_postfix(inner.kind) {
                break;
            }
            links.push(inner);
        }
        links.reverse();
        let breaks = self.breaks(&links);
        if let Some(root) = links.first().and_then(|it| it.nodes().next()) {
            self.node(root);
        }
        let calls = links.iter().filter(|it| is_call(it.kind)).count();
        let first = breaks.first().copied().filter(|_| calls > 1).unwrap_or(links.len());
        for link in &links[..first] {
            self.link(link);
        }
        if first < links.len() {
            self.chain(&links, first, &breaks);
        }
    }

    /// The links before which a line may end.
    fn breaks(&self, links: &[&Node]) -> Vec<usize> {
        let dotted = |it: &Node| matches!(it.kind, NodeKind::Member | NodeKind::MethodCall);
        let mut breaks = Vec::new();
        for (at, link) in links.iter().enumerate().filter(|(_, it)| dotted(it)) {
            let before = at.checked_sub(1).map(|it| links[it].kind);
            let behind_call = before.is_some_and(|it| it != NodeKind::Member);
            let first_call =
                breaks.is_empty() && link.kind == NodeKind::MethodCall && !self.is_short(link);
            if behind_call || first_call {
                breaks.push(at);
            }
        }
        breaks
    }

    /// Whether what a method is called on is a word so short that the dot stays beside it.
    fn is_short(&self, link: &Node) -> bool {
        link.nodes().next().is_some_and(|it| {
            let word = matches!(it.kind, NodeKind::Name | NodeKind::Path);
            word && it.text(self.text).len() <= SHORT_ROOT
        })
    }

    /// The links from `first` on, with line ends before those of `breaks`.
    fn chain(&mut self, links: &[&Node], first: usize, breaks: &[usize]) {
        let id = self.steps.open();
        self.indent();
        let last = links.len() - 1;
        let hugs = links[last].node(NodeKind::Args).is_some_and(|args| {
            let alone = args.nodes().count() == 1;
            let value = args.nodes().last().and_then(|it| it.nodes().last());
            value.is_some_and(|it| self.huggable(it, alone) && self.has_shape(it))
        });
        for (at, link) in links.iter().enumerate().skip(first) {
            if breaks.contains(&at) {
                self.line(Line::Soft);
            }
            if at == last && hugs {
                self.hugging_link(link, id);
            } else {
                self.link(link);
            }
        }
        self.dedent();
        self.close();
    }

    /// Whether what is hugged is no list of arguments: one would be hard to tell from those of
    /// the chain.
    fn has_shape(&self, node: &Node) -> bool {
        if !is_call(node.kind) {
            return true;
        }
        let Some(args) = node.node(NodeKind::Args) else { return false };
        let mut args = args.nodes();
        let (Some(only), None) = (args.next(), args.next()) else { return false };
        let value = only.nodes().last();
        value.is_some_and(|it| self.huggable(it, true) && self.has_shape(it))
    }

    fn hugging_link(&mut self, link: &Node, id: u32) {
        for part in link_parts(link) {
            match part {
                Part::Node(args) if args.kind == NodeKind::Args => {
                    self.lead();
                    self.steps.begin_hug(id);
                    self.hugging = Some(id);
                    self.node(args);
                    self.hugging = None;
                    self.steps.end_hug(id);
                }
                _ => self.part(part),
            }
        }
    }

    /// What a link adds to the expression before it.
    fn link(&mut self, link: &Node) {
        for part in link_parts(link) {
            self.apart();
            self.part(part);
        }
    }

    /// `(a, name: b)`
    pub(super) fn args(&mut self, node: &Node) {
        let all = all(node);
        let style = Style { edge: Line::Soft, between: Line::Space, keeps: false };
        if self.is_one_text(node) {
            // A line of its own would not make room for it.
            self.hugging = None;
            for part in &all {
                match part {
                    Part::Token(token) if token.kind == TokenKind::Comma => self.drop(*token),
                    _ => self.part(*part),
                }
            }
            return;
        }
        self.list(&all, style);
    }

    /// Whether one string, without a name, is all there is, and no comment stands beside it.
    fn is_one_text(&self, node: &Node) -> bool {
        let mut nodes = node.nodes();
        let (Some(only), None) = (nodes.next(), nodes.next()) else { return false };
        let text = only.nodes().next().is_some_and(|it| match it.kind {
            NodeKind::Template => true,
            NodeKind::Literal => {
                it.tokens().any(|it| matches!(it.kind, TokenKind::Str | TokenKind::RawStr))
            }
            _ => false,
        });
        let comments = node.children.iter().any(|it| {
            matches!(it, crate::syntax::Child::Token(it)
                if it.kind.is_trivia() && it.kind != TokenKind::Whitespace)
        });
        only.kind == NodeKind::Arg && text && !comments
    }

    /// `switch x { … }`: a case a line.
    pub(super) fn switch(&mut self, node: &Node) {
        self.headed(node, Self::cases);
    }

    fn cases(&mut self, inside: &[Part<'_>]) {
        let count = inside.iter().filter(|it| matches!(it, Part::Node(_))).count();
        let mut done = 0;
        let mut rest = inside.iter().peekable();
        while let Some(part) = rest.next() {
            let Part::Node(case) = part else { continue };
            if done > 0 {
                self.line(Line::Space);
            }
            self.fresh();
            // `1 | 2 if c => body`
            self.spaced(case);
            done += 1;
            let mut commas = Vec::new();
            while let Some(Part::Token(token)) = rest.peek() {
                commas.push(*token);
                rest.next();
            }
            let block = case.nodes().last().is_some_and(|it| it.kind == NodeKind::Block);
            self.separator(&commas, !block, done < count);
        }
    }

    /// A template string. What is inserted stands on one line, or as it was written.
    pub(super) fn template(&mut self, node: &Node) {
        let all = all(node);
        let mut at = 0;
        while let Some(part) = all.get(at) {
            if !part.is(TokenKind::TemplateOpen) {
                self.part(*part);
                at += 1;
                continue;
            }
            let closer = all[at..].iter().position(|it| it.is(TokenKind::RBrace));
            let end = closer.map_or(all.len() - 1, |it| at + it);
            self.inserted(&all[at..=end]);
            at = end + 1;
        }
    }

    /// `${ … }`
    fn inserted(&mut self, list: &[Part<'_>]) {
        let [open, inside @ .., close] = list else { return };
        let (start, end) = (open.start(), close.end());
        let (here, at) = (self.steps.here(), self.at);
        let hugging = self.hugging.take();
        if inside.len() == 1 && !self.ends_line(start, end) && !self.comments_until(end) {
            let id = self.steps.open();
            self.steps.groups[id as usize].flat_only = true;
            list.iter().for_each(|part| self.part(*part));
            self.close();
            if !self.steps.groups[id as usize].forced {
                return;
            }
            self.steps.back_to(here);
            self.at = at;
        }
        self.hugging = hugging;
        self.push_text(start, end, Role::Plain);
        while self.word().token.start < end {
            self.at += 1;
        }
        self.behind = 0..0;
    }

    /// Whether a comment stands before `end`.
    fn comments_until(&self, end: u32) -> bool {
        let ahead = self.words.words[self.at..].iter().take_while(|it| it.token.end <= end);
        ahead
            .skip(1)
            .any(|it| !it.lead.is_empty() || !it.behind.is_empty() && it.token.end < end)
            || !self.word().behind.is_empty()
    }
}

/// The parts of a link but the expression that it follows.
fn link_parts(link: &Node) -> impl Iterator<Item = Part<'_>> {
    parts(link).skip(1)
}

fn is_postfix(kind: NodeKind) -> bool {
    is_call(kind) || matches!(kind, NodeKind::Index | NodeKind::Member)
}

fn is_call(kind: NodeKind) -> bool {
    matches!(kind, NodeKind::Call | NodeKind::MethodCall)
}

fn is_range(node: &Node) -> bool {
    node.token(TokenKind::DotDot).or(node.token(TokenKind::DotDotEq)).is_some()
}

fn is_number(node: &Node) -> bool {
    match node.kind {
        NodeKind::Unary => node.nodes().all(is_number),
        NodeKind::Literal => {
            node.tokens().all(|it| matches!(it.kind, TokenKind::Int | TokenKind::Float))
        }
        _ => false,
    }
}

/// The group of operators that one is of: those that may stand in a row without parentheses.
fn power(node: &Node, text: &str) -> u8 {
    let operator = node.tokens().next().map_or("", |it| it.text(text));
    match operator {
        "||" | "|" | "^" => 1,
        "&&" | "&" => 2,
        "==" | "!=" => 3,
        "in" | "!in" => 4,
        "<" | "<=" | ">" | ">=" => 5,
        "??" => 6,
        "+" | "-" => 7,
        "*" | "/" | "%" => 8,
        "**" => 9,
        _ => 10,
    }
}

fn power_matches(power_of: u8, node: &Node, text: &str) -> bool {
    power(node, text) == power_of
}
