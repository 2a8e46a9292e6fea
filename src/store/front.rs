//! Replies in memory, the oldest dropped first.

use super::Key;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What an entry takes besides its bytes.
const ENTRY: usize = 128;

/// Replies in memory, up to so many bytes.
#[derive(Debug, Default)]
pub(super) struct Front {
    replies: BTreeMap<Key, Arc<[u8]>>,
    /// The keys, the oldest first.
    order: VecDeque<Key>,
    bytes: usize,
}

impl Front {
    pub(super) fn get(&self, key: &Key) -> Option<&Arc<[u8]>> {
        self.replies.get(key)
    }

    /// Keeps a reply in place of older ones; one that is longer than all may be is not kept.
    pub(super) fn keep(&mut self, key: &Key, reply: Arc<[u8]>, most: usize) {
        let size = ENTRY + reply.len();
        if size > most {
            return;
        }
        match self.replies.insert(*key, reply) {
            Some(before) => self.bytes -= ENTRY + before.len(),
            None => self.order.push_back(*key),
        }
        self.bytes += size;
        while self.bytes > most
            && let Some(oldest) = self.order.pop_front()
        {
            let gone = self.replies.remove(&oldest);
            self.bytes -= gone.map_or(0, |it| ENTRY + it.len());
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn len(&self) -> usize {
        self.replies.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
