//! What was read lately: sequences whose beginnings other prompts may share.

use crate::lm::embedded::cache::Cache;
use std::collections::{BTreeSet, VecDeque};

/// The most entries that are kept; comparing with them all costs little against one token.
const MAX_ENTRIES: usize = 256;

/// Read sequences, the latest last.
#[derive(Debug, Default)]
pub(crate) struct Prefixes {
    entries: VecDeque<(Vec<u32>, Cache)>,
}

impl Prefixes {
    /// Returns a cache of the longest known beginning of `tokens`. At least the last token is
    /// left to be read, for its logits.
    pub(crate) fn find(&mut self, tokens: &[u32]) -> Cache {
        let most = tokens.len().saturating_sub(1);
        let lengths = self.entries.iter().map(|(known, _)| common(known, tokens).min(most));
        let Some((i, len)) = lengths.enumerate().max_by_key(|(_, len)| *len) else {
            return Cache::default();
        };
        if len == 0 {
            return Cache::default();
        }
        let Some(entry) = self.entries.remove(i) else { return Cache::default() };
        let cache = entry.1.fork(len);
        self.entries.push_back(entry);
        cache
    }

    /// Keeps a sequence, and forgets the oldest ones until the rest takes at most `blocks`
    /// blocks of memory.
    pub(crate) fn keep(&mut self, tokens: Vec<u32>, cache: Cache, blocks: usize) {
        // What this one continues says nothing that it does not say.
        self.entries.retain(|(known, _)| common(known, &tokens) < known.len());
        self.entries.push_back((tokens, cache));
        let mut held = BTreeSet::new();
        let fitting = self.entries.iter().rev().take(MAX_ENTRIES).take_while(|(_, cache)| {
            held.extend(cache.block_ids());
            held.len() <= blocks
        });
        let fitting = fitting.count();
        self.entries.drain(..self.entries.len() - fitting);
    }
}

/// How many first elements are equal.
pub(crate) fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Finds what is worth reading once for several of `prompts`: the length of a beginning that
/// the first of them shares with others, and how many of them.
pub(crate) fn shared(prompts: &[&[u32]]) -> Option<(usize, usize)> {
    let first = prompts.first()?;
    let lengths: Vec<usize> = prompts.iter().map(|prompt| common(first, prompt)).collect();
    let saving = |len: usize| {
        let sharing = lengths.iter().filter(|it| **it >= len).count();
        (len * (sharing - 1), len, sharing)
    };
    let (saved, len, sharing) = lengths[1..].iter().map(|len| saving(*len)).max()?;
    (saved > 0).then_some((len, sharing))
}
