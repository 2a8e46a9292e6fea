//! Keys and values of the tokens that a sequence has read.
//!
//! They lie in blocks of positions that sequences share: a copy of a cache costs a pointer for
//! each block, and a block is copied only when one of its owners writes into it.

use crate::lm::embedded::attention::BLOCK;
use std::sync::Arc;

/// The sizes of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) layers: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_size: usize,
}

impl Shape {
    /// Numbers of one head in one block: keys and values.
    fn head(self) -> usize {
        2 * BLOCK * self.head_size
    }

    /// Bytes of a block.
    pub(crate) fn block_bytes(self) -> usize {
        self.layers * self.kv_heads * self.head() * size_of::<f32>()
    }
}

/// What a sequence has read.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    blocks: Vec<Arc<Vec<f32>>>,
    len: usize,
}

impl Cache {
    /// How many tokens were read.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns what the first `len` tokens left, without copying them.
    #[must_use]
    pub fn fork(&self, len: usize) -> Self {
        let len = len.min(self.len);
        Self { blocks: self.blocks[..len.div_ceil(BLOCK)].to_vec(), len }
    }

    /// Forgets all but the first `len` tokens.
    pub fn truncate(&mut self, len: usize) {
        *self = self.fork(len);
    }

    /// The identities of the blocks, for counting shared ones once.
    pub(crate) fn block_ids(&self) -> impl Iterator<Item = usize> {
        self.blocks.iter().map(|block| Arc::as_ptr(block).addr())
    }

    /// Makes room for `more` tokens, in blocks of its own; [`Cache::len`] counts them at once.
    pub(crate) fn extend(&mut self, shape: Shape, more: usize) {
        let first = self.len / BLOCK;
        self.len += more;
        self.blocks.resize_with(self.len.div_ceil(BLOCK), || {
            Arc::new(vec![0.0; shape.block_bytes() / size_of::<f32>()])
        });
        for block in &mut self.blocks[first..] {
            Arc::make_mut(block);
        }
    }

    /// Writes the key and value of one head at `position`, which must be one of those that the
    /// last [`Cache::extend`] added.
    pub(crate) fn write(
        &mut self,
        shape: Shape,
        layer: usize,
        head: usize,
        position: usize,
        key: &[f32],
        value: &[f32],
    ) {
        let from = (layer * shape.kv_heads + head) * shape.head();
        let block = Arc::make_mut(&mut self.blocks[position / BLOCK]);
        let (keys, values) =
            block[from..from + shape.head()].split_at_mut(BLOCK * shape.head_size);
        let at = position % BLOCK;
        for (row, x) in keys.chunks_exact_mut(BLOCK).zip(key) {
            row[at] = *x;
        }
        values[at * shape.head_size..][..shape.head_size].copy_from_slice(value);
    }

    /// Keys and values of one head, block by block.
    pub(crate) fn head(&self, shape: Shape, layer: usize, head: usize) -> Vec<&[f32]> {
        let from = (layer * shape.kv_heads + head) * shape.head();
        self.blocks.iter().map(|block| &block[from..from + shape.head()]).collect()
    }
}
