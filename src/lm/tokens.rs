//! Sums of tokens over calls, and what is not known of them.

use super::Usage;
use serde::{Deserialize, Serialize};

/// What is known of the tokens of calls besides how many were read and written. `None` is that
/// no provider told, which is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// Of the tokens read, those the provider had cached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached: Option<u64>,
    /// Of the tokens read, those the provider put into its cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// Of the tokens written, those of thoughts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
    /// Replies that did not tell their tokens.
    #[serde(skip_serializing_if = "is_zero")]
    pub untold: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Details {
    /// Those of a reply.
    pub fn of(usage: &Usage) -> Self {
        let is_told = usage.prompt_tokens.is_some() && usage.completion_tokens.is_some();
        Self {
            cached: usage.cached_tokens,
            cache_write: usage.cache_write_tokens,
            reasoning: usage.reasoning_tokens,
            untold: u64::from(!is_told),
        }
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            cached: sum(self.cached, other.cached),
            cache_write: sum(self.cache_write, other.cache_write),
            reasoning: sum(self.reasoning, other.reasoning),
            untold: self.untold + other.untold,
        }
    }

    /// What was added since there was `earlier`.
    #[must_use]
    pub fn minus(self, earlier: Self) -> Self {
        let since = |now: Option<u64>, then: Option<u64>| {
            now.map(|it| it.saturating_sub(then.unwrap_or_default()))
        };
        Self {
            cached: since(self.cached, earlier.cached),
            cache_write: since(self.cache_write, earlier.cache_write),
            reasoning: since(self.reasoning, earlier.reasoning),
            untold: self.untold.saturating_sub(earlier.untold),
        }
    }

    /// Whether there is nothing to say.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The tokens of so many calls in words: `100 tokens in (60 cached), 20 out (5 thoughts)`.
    pub fn told(&self, calls: u64, read: u64, written: u64) -> String {
        if self.untold > 0 && self.untold >= calls {
            return "tokens unknown".to_owned();
        }
        let part = |count: Option<u64>, what: &str| {
            count.filter(|it| *it > 0).map(|it| format!("{it} {what}"))
        };
        let of = |parts: Vec<String>| match parts.is_empty() {
            true => String::new(),
            false => format!(" ({})", parts.join(", ")),
        };
        let cached = part(self.cached, "cached").into_iter();
        let read_so = of(cached.chain(part(self.cache_write, "put into the cache")).collect());
        let thoughts = of(part(self.reasoning, "thoughts").into_iter().collect());
        let untold = match self.untold {
            0 => String::new(),
            1 => ", and those of 1 call unknown".to_owned(),
            n => format!(", and those of {n} calls unknown"),
        };
        format!("{read} tokens in{read_so}, {written} out{thoughts}{untold}")
    }
}

fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::{Details, Usage};

    #[test]
    fn what_nobody_told_is_no_zero() {
        let silent = Details::of(&Usage::default());
        let told = Usage {
            prompt_tokens: Some(100),
            completion_tokens: Some(20),
            cached_tokens: Some(60),
            cache_write_tokens: Some(0),
            reasoning_tokens: Some(5),
        };
        let both = silent.plus(Details::of(&told));
        assert_eq!((both.cached, both.reasoning, both.untold), (Some(60), Some(5), 1));
        assert_eq!(silent.told(1, 0, 0), "tokens unknown");
        assert_eq!(Details::default().told(0, 0, 0), "0 tokens in, 0 out");
        assert_eq!(
            both.told(2, 100, 20),
            "100 tokens in (60 cached), 20 out (5 thoughts), and those of 1 call unknown"
        );
        assert_eq!(both.minus(silent).untold, 0);
    }
}
