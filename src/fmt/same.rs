//! Whether two texts differ in more than their layout.

use crate::syntax::text::unquote;
use crate::syntax::{Child, Node, NodeKind, Token, TokenKind};

/// A piece of a tree that must be the same in both texts.
#[derive(Debug, Clone, Copy)]
enum Piece {
    Open(NodeKind),
    Close,
    Token(Token),
}

/// The first place of the first text, as a range, that the second has otherwise; `None` if they
/// differ in layout only.
pub(super) fn difference(a: (&Node, &str), b: (&Node, &str)) -> Option<(usize, usize)> {
    let (before, after) = (pieces(a.0), pieces(b.0));
    let same = |(x, y): (&Piece, &Piece)| match (x, y) {
        (Piece::Open(x), Piece::Open(y)) => x == y,
        (Piece::Close, Piece::Close) => true,
        (Piece::Token(x), Piece::Token(y)) => {
            x.kind == y.kind && value(*x, a.1) == value(*y, b.1)
        }
        _ => false,
    };
    let at = before.iter().zip(&after).position(|pair| !same(pair));
    let at = at.or((before.len() != after.len()).then(|| before.len().min(after.len())));
    if let Some(at) = at {
        let token = before[at.min(before.len())..].iter().find_map(|it| match it {
            Piece::Token(token) => Some(*token),
            _ => None,
        });
        let place = token.map(|it| (it.start as usize, it.end as usize));
        return Some(place.unwrap_or((a.1.len(), a.1.len())));
    }
    comments_differ(a, b)
}

fn comments_differ(a: (&Node, &str), b: (&Node, &str)) -> Option<(usize, usize)> {
    let (before, after) = (comments(a.0), comments(b.0));
    let same = |(x, y): (&Token, &Token)| words_of(*x, a.1).eq(words_of(*y, b.1));
    let at = before.iter().zip(&after).position(|pair| !same(pair));
    let at = at.or((before.len() != after.len()).then(|| before.len().min(after.len())))?;
    let place = before.get(at).map(|it| (it.start as usize, it.end as usize));
    Some(place.unwrap_or((a.1.len(), a.1.len())))
}

/// A comment of several lines may move as a whole.
fn words_of(token: Token, text: &str) -> impl Iterator<Item = &str> {
    token.text(text).lines().map(str::trim)
}

fn comments(tree: &Node) -> Vec<Token> {
    let mut leaves = tree.leaves();
    leaves.retain(|it| it.kind.is_trivia() && it.kind != TokenKind::Whitespace);
    leaves
}

/// What a token says: line ends count as `\n`, and a string that goes on behind a backslash is
/// what it is worth.
fn value(token: Token, text: &str) -> String {
    let shown = token.text(text);
    if token.kind == TokenKind::Str && shown.contains('\n') {
        return unquote(token, text).unwrap_or_else(|_| shown.to_owned()).replace("\r\n", "\n");
    }
    shown.replace("\r\n", "\n")
}

fn pieces(tree: &Node) -> Vec<Piece> {
    let mut pieces = Vec::new();
    push(tree, &mut pieces);
    pieces
}

fn push(node: &Node, pieces: &mut Vec<Piece>) {
    pieces.push(Piece::Open(node.kind));
    let mut rest = node.children.iter().filter(|it| match it {
        Child::Token(token) => !token.kind.is_trivia(),
        Child::Node(_) => true,
    });
    let mut next = rest.next();
    while let Some(child) = next {
        next = rest.next();
        match child {
            Child::Node(node) => push(node, pieces),
            Child::Token(token) if means_nothing(node.kind, *token, next) => {}
            Child::Token(token) => pieces.push(Piece::Token(*token)),
        }
    }
    pieces.push(Piece::Close);
}

/// Whether a token is a separator that may be there or not.
fn means_nothing(parent: NodeKind, token: Token, next: Option<&Child>) -> bool {
    use NodeKind as K;
    let separator = matches!(token.kind, TokenKind::Comma | TokenKind::Semi);
    let closes = matches!(next, Some(Child::Token(it)) if matches!(it.kind,
        TokenKind::RParen | TokenKind::RBracket | TokenKind::RBrace | TokenKind::Pipe));
    match parent {
        K::SignatureItem
        | K::SignatureExpr
        | K::TypeRecord
        | K::SettingsItem
        | K::ModuleItem
        | K::Switch => separator,
        K::Args
        | K::Array
        | K::Map
        | K::ParamList
        | K::TypeGeneric
        | K::Closure
        | K::Assert => token.kind == TokenKind::Comma && closes,
        _ => false,
    }
}
