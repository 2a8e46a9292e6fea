//! Text to tree: lexer, parser, tree and typed views of it.
//!
//! [`parse`] cannot fail: what is wrong is told in diagnostics and stands in the tree as
//! `Error` nodes, and the tree always prints back as the text it was read from. Nothing here
//! knows Rhai, names or types.

pub mod ast;
pub mod kind;
mod lexer;
pub(crate) mod mend;
pub mod messages;
mod parser;
pub mod text;
pub mod tree;

pub use kind::{NodeKind, TokenKind};
pub use lexer::lex;
pub use parser::{Parse, parse, parse_field, parse_signature, parse_type};
pub use tree::{Child, Node, Token};
