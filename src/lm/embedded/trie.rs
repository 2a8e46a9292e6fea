//! Labels as a trie of tokens: which tokens may come next.

use std::collections::BTreeMap;

/// A set of token sequences.
#[derive(Debug, Default)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    next: BTreeMap<u32, usize>,
    label: Option<usize>,
}

impl Trie {
    /// The node where every walk begins.
    pub(crate) const ROOT: usize = 0;

    /// Returns the trie of `labels`; of equal ones the first counts.
    pub(crate) fn new(labels: &[Vec<u32>]) -> Self {
        let mut nodes = vec![Node::default()];
        for (i, tokens) in labels.iter().enumerate() {
            let mut at = Self::ROOT;
            for token in tokens {
                at = match nodes[at].next.get(token) {
                    Some(next) => *next,
                    None => {
                        nodes.push(Node::default());
                        let new = nodes.len() - 1;
                        nodes[at].next.insert(*token, new);
                        new
                    }
                };
            }
            nodes[at].label.get_or_insert(i);
        }
        Self { nodes }
    }

    /// The tokens that may come next, in ascending order.
    pub(crate) fn next(&self, node: usize) -> impl Iterator<Item = u32> {
        self.nodes[node].next.keys().copied()
    }

    /// Where a token leads.
    pub(crate) fn step(&self, node: usize, token: u32) -> Option<usize> {
        self.nodes[node].next.get(&token).copied()
    }

    /// The label that is whole at `node`.
    pub(crate) fn label(&self, node: usize) -> Option<usize> {
        self.nodes[node].label
    }

    /// Follows tokens as long as there is exactly one way on; returns them and the last node.
    pub(crate) fn forced(&self, mut node: usize) -> (Vec<u32>, usize) {
        let mut tokens = Vec::new();
        while self.nodes[node].label.is_none() {
            let mut ways = self.nodes[node].next.iter();
            let (Some((token, next)), None) = (ways.next(), ways.next()) else { break };
            tokens.push(*token);
            node = *next;
        }
        (tokens, node)
    }
}
