//! What code names, so that of the standard library only that is written which a program uses.

use super::expr::last_word;
use crate::check::{Checked, Resolution};
use crate::syntax::ast::{self, ConstItem, FnItem, MethodCall, ModuleItem, SignatureItem};
use crate::syntax::{Node, NodeKind, Token};
use std::sync::Arc;

/// An item of a unit: the prefix of the unit, and the name.
pub type Item = (Arc<str>, Arc<str>);

/// The items that the code under a node names.
pub fn named_items(checked: &Checked, text: &str, node: &Node) -> Vec<Item> {
    let item = |unit: &Checked, name: &str| (unit.prefix.clone(), Arc::from(name));
    let found = node.walk().filter_map(|node| match node.kind {
        NodeKind::Name => {
            let name = node.text(text);
            match checked.resolutions.get(&node.start)? {
                Resolution::Prelude => Some(item(checked.prelude.as_deref()?, name)),
                Resolution::Local | Resolution::Member | Resolution::SelfValue => None,
                Resolution::Native | Resolution::Rhai => None,
                _ => Some(item(checked, name)),
            }
        }
        NodeKind::Path => {
            let mut words = node.tokens().filter(|it| ast::is_word(it.kind));
            let unit = checked.import(words.next()?.text(text))?;
            Some(item(unit, last_word(node)?.text(text)))
        }
        NodeKind::MethodCall => {
            let name = MethodCall(node).name()?;
            match checked.resolutions.get(&name.start) {
                Some(Resolution::Prelude) => {
                    Some(item(checked.prelude.as_deref()?, name.text(text)))
                }
                _ => Some(item(checked, name.text(text))),
            }
        }
        _ => None,
    });
    found.collect()
}

/// The items of a unit that bear a name.
pub fn items_named<'a>(
    tree: &'a Node,
    text: &'a str,
    name: &'a str,
) -> impl Iterator<Item = &'a Node> {
    tree.nodes()
        .filter(move |node| item_name(node, text).is_some_and(|it| it.text(text) == name))
}

/// The name of an item that is written.
pub(super) fn item_name(node: &Node, text: &str) -> Option<Token> {
    match node.kind {
        NodeKind::FnItem => FnItem(node).name(text),
        NodeKind::ConstItem => ConstItem(node).name(text),
        NodeKind::ModuleItem => ModuleItem(node).name(text),
        NodeKind::SignatureItem => SignatureItem(node).name(text),
        _ => None,
    }
}
