//! Consts that need themselves, directly or through others.

use super::model::Resolution;
use super::{Checker, codes};
use crate::syntax::ast::ConstItem;
use crate::syntax::{Node, NodeKind, Token};
use std::collections::{BTreeMap, BTreeSet};

/// A const's name and the consts that its value reads.
struct Reads<'a> {
    name: Token,
    others: BTreeSet<&'a str>,
}

impl<'a> Checker<'a> {
    /// Tells of consts of the unit whose values can never be known. What a closure reads is read
    /// later, if ever.
    pub(super) fn const_cycles(&mut self) {
        let reads = self.const_reads();
        let mut told: BTreeSet<&str> = BTreeSet::new();
        for (name, read) in &reads {
            let mut seen = BTreeSet::new();
            if told.contains(name) || !reaches(&reads, name, name, &mut seen) {
                continue;
            }
            let round = seen.iter().copied().filter(|it| {
                reads.contains_key(it) && reaches(&reads, it, name, &mut BTreeSet::new())
            });
            told.extend(round);
            let span = read.name.span(self.source);
            self.tell(codes::ENDLESS_CONST, span, format!("the const `{name}` needs itself"));
        }
    }

    fn const_reads(&self) -> BTreeMap<&'a str, Reads<'a>> {
        let items = self.tree.nodes().filter_map(ConstItem::cast);
        let reads = items.filter_map(|item| {
            let name = item.name(self.text)?;
            let mut others = BTreeSet::new();
            self.collect_consts(item.value()?, &mut others);
            Some((name.text(self.text), Reads { name, others }))
        });
        reads.collect()
    }

    fn collect_consts(&self, node: &Node, found: &mut BTreeSet<&'a str>) {
        match node.kind {
            NodeKind::Closure => {}
            NodeKind::Name => {
                if self.out.resolutions.get(&node.start) == Some(&Resolution::Const) {
                    found.insert(node.text(self.text));
                }
            }
            _ => node.nodes().for_each(|it| self.collect_consts(it, found)),
        }
    }
}

/// Whether the value of `from` needs that of `wanted`.
fn reaches<'a>(
    reads: &BTreeMap<&'a str, Reads<'a>>,
    from: &str,
    wanted: &str,
    seen: &mut BTreeSet<&'a str>,
) -> bool {
    let Some(read) = reads.get(from) else { return false };
    read.others.iter().any(|other| {
        *other == wanted || (seen.insert(other) && reaches(reads, other, wanted, seen))
    })
}
