//! Passages found by the words of a query: BM25 (Robertson and Zaragoza, "The Probabilistic
//! Relevance Framework: BM25 and Beyond", 2009) over words that are lower-cased, stemmed and
//! freed of stop words, as English has them.
//!
//! Equal scores are told apart by the order of the passages, so that a query gives the same
//! passages on every machine.

mod natives;
mod near;

pub use natives::natives;
pub use near::Near;

use bm25::{Embedder, EmbedderBuilder, Language};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Passages that can be searched; clones are cheap.
#[derive(Clone)]
pub struct Index {
    inner: Arc<Inner>,
}

struct Inner {
    passages: Vec<Arc<str>>,
    /// Turns text into words (as hashes of their stems) and weighs those of a passage by how
    /// often they occur and how long the passage is.
    embedder: Embedder,
    /// For each word the passages that hold it, in order, with its weight there.
    postings: BTreeMap<u32, Vec<(usize, f32)>>,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The passage's place among all, from 0.
    pub index: usize,
    /// How well it fits; comparable within one query only.
    pub score: f32,
    /// The passage.
    pub text: Arc<str>,
}

impl Index {
    /// Indexes passages.
    pub fn build(passages: impl IntoIterator<Item = impl Into<Arc<str>>>) -> Self {
        let passages: Vec<Arc<str>> = passages.into_iter().map(Into::into).collect();
        let texts: Vec<&str> = passages.iter().map(|text| &**text).collect();
        let embedder: Embedder =
            EmbedderBuilder::with_fit_to_corpus(Language::English, &texts).build();
        let mut postings: BTreeMap<u32, Vec<(usize, f32)>> = BTreeMap::new();
        for (index, text) in texts.iter().enumerate() {
            // A word stands in an embedding as often as in the text, each time with the
            // weight of all its occurrences.
            let words: BTreeMap<u32, f32> =
                embedder.embed(text).iter().map(|word| (word.index, word.value)).collect();
            for (word, weight) in words {
                postings.entry(word).or_default().push((index, weight));
            }
        }
        Self { inner: Arc::new(Inner { passages, embedder, postings }) }
    }

    /// How many passages there are.
    pub fn len(&self) -> usize {
        self.inner.passages.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.inner.passages.is_empty()
    }

    /// The best `k` passages, the best first. Passages that share no word with the query are
    /// never among them, so there may be fewer.
    pub fn search(&self, query: &str, k: usize) -> Vec<Hit> {
        let mut scores = vec![0.0_f32; self.len()];
        // Words in the order of the query: sums of floats depend on their order.
        for word in self.inner.embedder.embed(query).indices() {
            let holders = self.inner.postings.get(word).map_or(&[][..], Vec::as_slice);
            let rarity = self.rarity(holders.len());
            for (index, weight) in holders {
                scores[*index] += rarity * weight;
            }
        }
        // Each shared word adds something: rarity and weight are never 0.
        let mut found: Vec<usize> = (0..scores.len()).filter(|at| scores[*at] > 0.0).collect();
        // Stable, so equal scores stay in the order of the passages.
        found.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        found.into_iter().take(k).map(|index| self.hit(index, scores[index])).collect()
    }

    /// The weight of a word that stands in so many passages (inverse document frequency).
    #[expect(clippy::cast_precision_loss, reason = "passages are far fewer than 2^24")]
    fn rarity(&self, holders: usize) -> f32 {
        let (all, holders) = (self.len() as f32, holders as f32);
        (1.0 + (all - holders + 0.5) / (holders + 0.5)).ln()
    }

    fn hit(&self, index: usize, score: f32) -> Hit {
        Hit { index, score, text: Arc::clone(&self.inner.passages[index]) }
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("passages", &self.len()).finish_non_exhaustive()
    }
}
