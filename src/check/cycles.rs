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
        for (name, read) in endless(&reads).into_iter().filter_map(|it| reads.get_key_value(it))
        {
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

/// The first name of each circle of consts, after Kosaraju: consts in the order in which they
/// are done, then backwards whoever reads each.
fn endless<'a>(reads: &BTreeMap<&'a str, Reads<'a>>) -> Vec<&'a str> {
    let mut readers: BTreeMap<&str, Vec<&'a str>> = BTreeMap::new();
    for (name, read) in reads {
        read.others.iter().for_each(|other| readers.entry(other).or_default().push(name));
    }
    let mut seen = BTreeSet::new();
    let mut done = Vec::new();
    for name in reads.keys() {
        let others = |name| reads.get(name).into_iter().flat_map(|it| &it.others).copied();
        reach(name, others, &mut seen, &mut done);
    }
    seen.clear();
    let mut first = Vec::new();
    for name in done.into_iter().rev() {
        let mut round = Vec::new();
        let others = |name| readers.get(name).into_iter().flatten().copied();
        reach(name, others, &mut seen, &mut round);
        // One that lost its value reads nothing, and is read all the same.
        let reads_itself =
            |it: &&str| reads.get(*it).is_some_and(|read| read.others.contains(*it));
        if round.len() > 1 || round.iter().any(reads_itself) {
            first.extend(round.into_iter().min());
        }
    }
    first
}

/// Adds to `done` what is reached from `from` and was not seen, each behind what it reaches. A
/// list of steps takes the place of the call stack, which a long chain would exhaust.
fn reach<'a, I: Iterator<Item = &'a str>>(
    from: &'a str,
    others: impl Fn(&'a str) -> I,
    seen: &mut BTreeSet<&'a str>,
    done: &mut Vec<&'a str>,
) {
    if !seen.insert(from) {
        return;
    }
    let mut steps = vec![(from, others(from))];
    while let Some((name, rest)) = steps.last_mut() {
        match rest.find(|it| seen.insert(it)) {
            Some(next) => steps.push((next, others(next))),
            None => {
                done.push(name);
                steps.pop();
            }
        }
    }
}
