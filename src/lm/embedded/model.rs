//! The forward pass: tokens in, logits out.
//!
//! One call computes many sequences at once, each with any number of new tokens. The logits of
//! a sequence depend on its tokens alone: products are integer (see [`product`]), attention
//! and norms work on each row by itself in a fixed order.
//!
//! [`product`]: crate::lm::embedded::product

use crate::lm::embedded::attention::{Attend, BLOCK, Swish};
use crate::lm::embedded::cache::Cache;
use crate::lm::embedded::gguf::{FileSource, Gguf, Source};
use crate::lm::embedded::product::Rows;
use crate::lm::embedded::vocabulary::Vocabulary;
use crate::lm::embedded::weights::{Config, Layer, Weights};
use rayon::prelude::*;
use rten_simd::SimdOp;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Queries that one task of attention computes.
const QUERIES: usize = 32;

/// One sequence's part in a forward pass.
#[derive(Debug)]
pub struct Lane<'a> {
    /// What it has read before; afterwards also `tokens`.
    pub cache: &'a mut Cache,
    /// What it reads now; at least one token.
    pub tokens: &'a [u32],
    /// Whether the logits after the last token are wanted.
    pub logits: bool,
}

/// A model in memory.
pub struct Model {
    weights: Weights,
    vocabulary: Vocabulary,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("config", &self.weights.config).finish_non_exhaustive()
    }
}

impl Model {
    /// Reads a GGUF file, with the threads of the current pool.
    ///
    /// # Errors
    /// One sentence that says what is damaged, or what we do not run.
    pub fn open(path: &Path) -> Result<Self, String> {
        let source = FileSource::open(path).map_err(|e| format!("it cannot be read: {e}"))?;
        Self::read(Box::new(source))
    }

    /// Reads a GGUF file that is in memory.
    ///
    /// # Errors
    /// As for [`Model::open`].
    pub fn from_bytes(bytes: Arc<[u8]>) -> Result<Self, String> {
        Self::read(Box::new(bytes))
    }

    fn read(source: Box<dyn Source>) -> Result<Self, String> {
        let file = Gguf::read(source)?;
        let (weights, vocabulary) =
            rayon::join(|| Weights::read(&file), || Vocabulary::read(&file));
        let (weights, vocabulary) = (weights?, vocabulary?);
        if vocabulary.len() != weights.config.vocabulary {
            return Err("its vocabulary and its embeddings differ in size".to_owned());
        }
        Ok(Self { weights, vocabulary })
    }

    /// The tokens of this model.
    pub(crate) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Cuts text into tokens; none of them is a control token.
    ///
    /// # Errors
    /// When the text is longer than any model reads.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
        self.vocabulary.encode(text)
    }

    /// The bytes that a token stands for; none for control tokens and unknown ones.
    pub fn piece(&self, token: u32) -> &[u8] {
        self.vocabulary.piece(token)
    }

    /// The most tokens that a sequence may have.
    pub fn context(&self) -> usize {
        self.weights.config.context
    }

    /// The bytes that the cache of [`Model::cache_block`] tokens takes.
    pub(crate) fn block_bytes(&self) -> usize {
        self.weights.config.shape().block_bytes()
    }

    /// Reads the tokens of all lanes; returns the logits of those that want them, in order.
    ///
    /// # Panics
    /// If a lane has no tokens, an unknown token, or more than [`Model::context`] in all.
    pub fn forward(&self, lanes: &mut [Lane<'_>]) -> Vec<Vec<f32>> {
        let config = &self.weights.config;
        let width = config.width;
        let total: usize = lanes.iter().map(|lane| lane.tokens.len()).sum();
        let mut state = vec![0.0; total * width];
        let tokens = lanes.iter().flat_map(|lane| lane.tokens);
        for (row, token) in state.chunks_exact_mut(width).zip(tokens) {
            self.weights.embed(*token, row);
        }
        for lane in lanes.iter_mut() {
            assert!(!lane.tokens.is_empty(), "a lane without tokens");
            lane.cache.extend(config.shape(), lane.tokens.len());
        }
        let mut pass = Pass { model: self, config, buffers: Buffers::default() };
        for (i, layer) in self.weights.layers.iter().enumerate() {
            pass.layer(i, layer, lanes, &mut state);
        }
        pass.head(lanes, &state)
    }
}

/// Memory that layers use one after the other.
#[derive(Default)]
struct Buffers {
    rows: Rows,
    normed: Vec<f32>,
    sums: Vec<i32>,
    wide: Vec<f32>,
    narrow: Vec<f32>,
    mixed: Vec<f32>,
}

struct Pass<'a> {
    model: &'a Model,
    config: &'a Config,
    buffers: Buffers,
}

impl Pass<'_> {
    fn layer(&mut self, i: usize, layer: &Layer, lanes: &mut [Lane<'_>], state: &mut [f32]) {
        let Config { width, heads, head_size, hidden, epsilon, .. } = *self.config;
        let b = &mut self.buffers;

        b.normed.clear();
        b.normed.extend_from_slice(state);
        b.rows.fill(&mut b.normed, width, |_, row| norm(row, &layer.attention_norm, epsilon));
        layer.qkv.apply(&b.rows, &mut b.sums, &mut b.wide);
        self.remember(i, lanes);
        self.attend(i, lanes);
        let b = &mut self.buffers;
        b.rows.fill(&mut b.mixed, heads * head_size, |_, _| {});
        layer.output.apply(&b.rows, &mut b.sums, &mut b.narrow);
        add(state, &b.narrow);

        b.normed.clear();
        b.normed.extend_from_slice(state);
        b.rows.fill(&mut b.normed, width, |_, row| norm(row, &layer.mlp_norm, epsilon));
        layer.gate_up.apply(&b.rows, &mut b.sums, &mut b.wide);
        let rows = b.wide.len() / (2 * hidden);
        b.mixed.resize(rows * hidden, 0.0);
        let wide = &b.wide;
        b.rows.fill(&mut b.mixed, hidden, |row, gate| {
            let (gates, up) = wide[row * 2 * hidden..][..2 * hidden].split_at(hidden);
            gate.copy_from_slice(gates);
            Swish { gate, up }.dispatch();
        });
        layer.down.apply(&b.rows, &mut b.sums, &mut b.narrow);
        add(state, &b.narrow);
    }

    /// Turns the new queries and keys, and writes keys and values into the caches.
    fn remember(&mut self, layer: usize, lanes: &mut [Lane<'_>]) {
        let Config { heads, kv_heads, head_size: size, .. } = *self.config;
        let row_size = (heads + 2 * kv_heads) * size;
        let mut rows = self.buffers.wide.chunks_exact_mut(row_size);
        for lane in lanes {
            let start = lane.cache.len() - lane.tokens.len();
            for (offset, row) in rows.by_ref().take(lane.tokens.len()).enumerate() {
                let position = start + offset;
                let (turned, values) = row.split_at_mut((heads + kv_heads) * size);
                for head in turned.chunks_exact_mut(size) {
                    self.model.weights.rotate(position, head);
                }
                let keys = turned[heads * size..].chunks_exact(size);
                for (head, (key, value)) in keys.zip(values.chunks_exact(size)).enumerate() {
                    lane.cache.write(self.config.shape(), layer, head, position, key, value);
                }
            }
        }
    }

    /// Computes attention of all new tokens into `mixed`.
    fn attend(&mut self, layer: usize, lanes: &[Lane<'_>]) {
        let Config { heads, kv_heads, head_size: size, .. } = *self.config;
        let row_size = (heads + 2 * kv_heads) * size;
        let b = &mut self.buffers;
        let total = b.wide.len() / row_size;
        b.mixed.clear();
        b.mixed.resize(total * heads * size, 0.0);
        let mut tasks = Vec::new();
        let mut left = b.mixed.as_mut_slice();
        let mut first = 0;
        for lane in lanes {
            let start = lane.cache.len() - lane.tokens.len();
            for offset in (0..lane.tokens.len()).step_by(QUERIES) {
                let count = QUERIES.min(lane.tokens.len() - offset);
                let out;
                (out, left) = left.split_at_mut(count * heads * size);
                tasks.push((&*lane.cache, start + offset, first + offset, out));
            }
            first += lane.tokens.len();
        }
        let wide = &b.wide;
        let group = heads / kv_heads;
        let shape = self.config.shape();
        let scale = 1.0 / (size as f32).sqrt();
        let work = |(cache, start, row, out): (&Cache, usize, usize, &mut [f32])| {
            let count = out.len() / (heads * size);
            let (mut scratch, mut queries, mut limits) = (Vec::new(), Vec::new(), Vec::new());
            let mut results = vec![0.0; count * group * size];
            for kv_head in 0..kv_heads {
                queries.clear();
                limits.clear();
                for i in 0..count {
                    let from = (row + i) * row_size + kv_head * group * size;
                    queries.extend(wide[from..][..group * size].iter().map(|x| x * scale));
                    limits.extend(std::iter::repeat_n(start + i + 1, group));
                }
                let blocks = cache.head(shape, layer, kv_head);
                Attend {
                    size,
                    queries: &queries,
                    limits: &limits,
                    blocks: &blocks[..(start + count).div_ceil(BLOCK)],
                    scratch: &mut scratch,
                    out: &mut results,
                }
                .dispatch();
                let parts = results.chunks_exact(group * size);
                for (out, part) in out.chunks_exact_mut(heads * size).zip(parts) {
                    out[kv_head * group * size..][..group * size].copy_from_slice(part);
                }
            }
        };
        if tasks.len() == 1 {
            tasks.into_iter().for_each(work);
        } else {
            tasks.into_par_iter().for_each(work);
        }
    }

    /// Computes the logits of the last tokens that want them.
    fn head(&mut self, lanes: &[Lane<'_>], state: &[f32]) -> Vec<Vec<f32>> {
        let Config { width, epsilon, .. } = *self.config;
        let b = &mut self.buffers;
        b.normed.clear();
        let mut end = 0;
        for lane in lanes {
            end += lane.tokens.len();
            if lane.logits {
                b.normed.extend_from_slice(&state[(end - 1) * width..end * width]);
            }
        }
        let weights = &self.model.weights;
        b.rows.fill(&mut b.normed, width, |_, row| norm(row, &weights.norm, epsilon));
        weights.head.apply(&b.rows, &mut b.sums, &mut b.wide);
        b.wide.chunks_exact(weights.head.outputs()).map(<[f32]>::to_vec).collect()
    }
}

/// The root-mean-square norm, with its weights.
fn norm(row: &mut [f32], weights: &[f32], epsilon: f32) {
    let mut lanes = [0.0f32; 16];
    let (chunks, _) = row.as_chunks::<16>();
    for chunk in chunks {
        for (sum, x) in lanes.iter_mut().zip(chunk) {
            *sum += x * x;
        }
    }
    let mean = lanes.iter().sum::<f32>() / row.len() as f32;
    let scale = 1.0 / (mean + epsilon).sqrt();
    for (x, weight) in row.iter_mut().zip(weights) {
        *x = *x * scale * weight;
    }
}

fn add(to: &mut [f32], from: &[f32]) {
    for (x, y) in to.iter_mut().zip(from) {
        *x += y;
    }
}
