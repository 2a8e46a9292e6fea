//! The lossless tree: every byte of the text is in exactly one token, every token in exactly
//! one place of the tree.
//!
//! A node begins with its first and ends with its last token that is no trivia; trivia between
//! two children of a node is a child of that node, and documentation before an item is a child
//! of what holds the item.

use crate::source::{SourceId, Span};
use crate::syntax::kind::{NodeKind, TokenKind};

/// A token: its text is the source under its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Its kind.
    pub kind: TokenKind,
    /// Its first byte.
    pub start: u32,
    /// The byte after its last.
    pub end: u32,
}

/// A piece of the tree.
#[derive(Debug, Clone)]
pub enum Child {
    /// A node.
    Node(Node),
    /// A token.
    Token(Token),
}

/// A node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its kind.
    pub kind: NodeKind,
    /// Its first byte, no trivia.
    pub start: u32,
    /// The byte after its last that is no trivia.
    pub end: u32,
    /// What it is made of, in order.
    pub children: Vec<Child>,
}

impl Child {
    /// Its first byte.
    pub fn start(&self) -> u32 {
        match self {
            Self::Node(node) => node.start,
            Self::Token(token) => token.start,
        }
    }
}

impl Node {
    /// Its place in `source`.
    pub fn span(&self, source: SourceId) -> Span {
        Span { source, start: self.start, end: self.end }
    }

    /// Its text.
    pub fn text<'t>(&self, source: &'t str) -> &'t str {
        &source[self.start as usize..self.end as usize]
    }

    /// The nodes directly below.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.children.iter().filter_map(|child| match child {
            Child::Node(node) => Some(node),
            Child::Token(_) => None,
        })
    }

    /// The tokens directly below, without trivia.
    pub fn tokens(&self) -> impl Iterator<Item = Token> {
        self.children.iter().filter_map(|child| match child {
            Child::Token(token) if !token.kind.is_trivia() => Some(*token),
            Child::Token(_) | Child::Node(_) => None,
        })
    }

    /// The first node of `kind` directly below.
    pub fn node(&self, kind: NodeKind) -> Option<&Node> {
        self.nodes().find(|node| node.kind == kind)
    }

    /// The first token of `kind` directly below.
    pub fn token(&self, kind: TokenKind) -> Option<Token> {
        self.tokens().find(|token| token.kind == kind)
    }

    /// All nodes below and itself, parents first.
    pub fn walk(&self) -> Walk<'_> {
        Walk { stack: vec![self] }
    }

    /// All tokens below, trivia included, in order.
    pub fn leaves(&self) -> Vec<Token> {
        let mut leaves = Vec::new();
        self.push_leaves(&mut leaves);
        leaves
    }

    fn push_leaves(&self, leaves: &mut Vec<Token>) {
        for child in &self.children {
            match child {
                Child::Node(node) => node.push_leaves(leaves),
                Child::Token(token) => leaves.push(*token),
            }
        }
    }
}

impl Token {
    /// Its place in `source`.
    pub fn span(self, source: SourceId) -> Span {
        Span { source, start: self.start, end: self.end }
    }

    /// Its text.
    pub fn text(self, source: &str) -> &str {
        &source[self.start as usize..self.end as usize]
    }
}

/// Iterates over a node and all below it, parents first.
#[derive(Debug)]
pub struct Walk<'a> {
    stack: Vec<&'a Node>,
}

impl<'a> Iterator for Walk<'a> {
    type Item = &'a Node;

    fn next(&mut self) -> Option<&'a Node> {
        let node = self.stack.pop()?;
        let first = self.stack.len();
        self.stack.extend(node.nodes());
        self.stack[first..].reverse();
        Some(node)
    }
}
