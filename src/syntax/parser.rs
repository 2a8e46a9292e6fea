//! Tokens to tree.
use crate::diag::Diagnostic;
use crate::source::{SourceId, Span};
use crate::syntax::kind::NodeKind;
use crate::syntax::tree::Node;

/// What a text is, as far as its grammar goes.
#[derive(Debug, Clone)]
pub struct Parse {
    /// The whole text, as a tree.
    pub tree: Node,
    /// What is wrong with it, in the order of the text.
    pub diags: Vec<Diagnostic>,
}

/// Parses a file.
pub fn parse(_source: SourceId, text: &str) -> Parse {
    let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
    Parse {
        tree: Node { kind: NodeKind::Root, start: 0, end, children: Vec::new() },
        diags: Vec::new(),
    }
}

/// Parses the text under `span` as a type, such as one inside a string; the tree's root is a
/// `Root` with the type, or with an `Error`, below.
pub fn parse_type(_span: Span, text: &str) -> Parse {
    parse(_span.source, text)
}
