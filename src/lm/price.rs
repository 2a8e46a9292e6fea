//! What calls cost: list prices of well-known models, and exact sums of dollars.
//!
//! The table is `prices.json`, a file with a date and its sources. A price that the user says
//! wins over it, and is the only one that holds for a server that is not the provider's own.

use super::Usage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

/// Dollars in millionths of millionths: sums are exact.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Money(u64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The least that can be counted.
    pub const SMALLEST: Self = Self(1);

    /// So many dollars, rounded to the nearest millionth of a millionth.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of what is out of range gives the nearest that is in it"
    )]
    pub fn usd(dollars: f64) -> Self {
        Self((dollars * 1e12).round() as u64)
    }

    /// In dollars.
    #[expect(clippy::cast_precision_loss, reason = "it is for people to read")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e12
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, nothing where it would be negative.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// So many times as much.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// How often `part` goes into it; `None` where the part is nothing.
    pub fn holds(self, part: Self) -> Option<u64> {
        self.0.checked_div(part.0)
    }

    /// The part of each of so many that share it.
    #[must_use]
    pub fn shared(self, count: u64) -> Self {
        Self(self.0 / count.max(1))
    }
}

impl fmt::Display for Money {
    /// `$1.25`, and as many digits of small sums as say something: `$0.0042`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.dollars();
        match dollars {
            _ if self.0 == 0 => f.write_str("$0"),
            it if it < 0.000_001 => f.write_str("less than $0.000001"),
            it if it < 0.01 => write!(f, "${it:.6}"),
            it if it < 1.0 => write!(f, "${it:.4}"),
            it => write!(f, "${it:.2}"),
        }
    }
}

/// What calls cost, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// At list prices, whoever answered.
    pub listed: Money,
    /// Of that, what was paid now: replies that were kept cost nothing again.
    pub paid: Money,
    /// Calls whose price or tokens are not known.
    pub unknown: u32,
    /// Tokens that calls may have taken which did not tell; a bound.
    pub untold_tokens: u64,
    /// What those cost at most.
    pub untold: Money,
    /// Requests whose reply may have been written and was lost.
    pub lost: u32,
}

impl Cost {
    /// Whether nothing was to be paid.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            listed: self.listed.plus(other.listed),
            paid: self.paid.plus(other.paid),
            unknown: self.unknown.saturating_add(other.unknown),
            untold_tokens: self.untold_tokens.saturating_add(other.untold_tokens),
            untold: self.untold.plus(other.untold),
            lost: self.lost.saturating_add(other.lost),
        }
    }

    /// What was added since there was `earlier`.
    #[must_use]
    pub fn minus(self, earlier: Self) -> Self {
        Self {
            listed: self.listed.minus(earlier.listed),
            paid: self.paid.minus(earlier.paid),
            unknown: self.unknown.saturating_sub(earlier.unknown),
            untold_tokens: self.untold_tokens.saturating_sub(earlier.untold_tokens),
            untold: self.untold.minus(earlier.untold),
            lost: self.lost.saturating_sub(earlier.lost),
        }
    }

    /// The dollars at list prices; `None` where not all of them are known.
    pub fn dollars(&self) -> Option<f64> {
        (self.unknown == 0).then(|| self.listed.dollars())
    }

    /// The same for a line that tells how far work is: `None` where it costs nothing, too.
    pub fn worth_telling(&self) -> Option<f64> {
        self.dollars().filter(|it| *it > 0.0)
    }

    /// In words for a report: nothing where nothing was to be paid.
    pub fn told(&self) -> Option<String> {
        match (self.unknown, self.listed) {
            (0, Money::ZERO) => None,
            (0, listed) => Some(listed.to_string()),
            (_, Money::ZERO) => Some("cost unknown".to_owned()),
            (1, listed) => Some(format!("{listed} and 1 call of unknown cost")),
            (calls, listed) => Some(format!("{listed} and {calls} calls of unknown cost")),
        }
    }
}

/// Prices for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Read.
    pub input: Money,
    /// Read, where the provider had it cached.
    pub cached: Money,
    /// Read, where the provider put it into its cache.
    pub cache_write: Money,
    /// Written.
    pub output: Money,
}

/// What a model costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    /// For most prompts.
    rates: Rates,
    /// For prompts of more than so many tokens.
    long: Option<(u64, Rates)>,
}

impl Price {
    /// The price of a model in dollars for a million tokens.
    pub fn per_million(input: f64, cached: Option<f64>, output: f64) -> Self {
        Self { rates: rates(input, cached, None, output), long: None }
    }

    /// The same with a price of what the provider puts into its cache, in dollars for a million
    /// tokens.
    #[must_use]
    pub fn with_cache_write(mut self, dollars: Option<f64>) -> Self {
        if let Some(dollars) = dollars {
            self.rates.cache_write = Money::usd(dollars / 1e6);
        }
        self
    }

    fn rates(&self, prompt: u64) -> Rates {
        match self.long {
            Some((above, long)) if prompt > above => long,
            _ => self.rates,
        }
    }

    /// What a call cost; `None` where the model did not tell its tokens.
    pub fn of(&self, usage: &Usage) -> Option<Money> {
        let (prompt, written) = (usage.prompt_tokens?, usage.completion_tokens?);
        let cached = usage.cached_tokens.unwrap_or(0).min(prompt);
        let put = usage.cache_write_tokens.unwrap_or(0).min(prompt - cached);
        let rates = self.rates(prompt);
        let plain = rates.input.times(prompt - cached - put);
        let read = plain.plus(rates.cached.times(cached)).plus(rates.cache_write.times(put));
        Some(read.plus(rates.output.times(written)))
    }

    /// What a call costs at most that reads and writes so many tokens at most.
    pub fn at_most(&self, prompt: u64, written: u64) -> Money {
        let (rates, usual) = (self.rates(prompt), self.rates);
        let dearest = |it: Rates| it.input.max(it.cached).max(it.cache_write);
        let input = dearest(rates).max(dearest(usual));
        input.times(prompt).plus(rates.output.max(usual.output).times(written))
    }
}

fn rates(input: f64, cached: Option<f64>, cache_write: Option<f64>, output: f64) -> Rates {
    let token = |dollars: f64| Money::usd(dollars / 1e6);
    Rates {
        input: token(input),
        cached: token(cached.unwrap_or(input)),
        cache_write: token(cache_write.unwrap_or(input)),
        output: token(output),
    }
}

/// The prices of models by `provider/model`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prices {
    /// What the user says.
    own: BTreeMap<String, Price>,
}

impl Prices {
    /// The table with prices of the user's.
    pub fn with(own: impl IntoIterator<Item = (String, Price)>) -> Self {
        Self { own: own.into_iter().collect() }
    }

    /// The price of a model. Those of the table hold only where it is the provider that is
    /// asked (`is_listed`).
    pub fn of(&self, name: &str, is_listed: bool) -> Option<Price> {
        let own = self.own.get(name).or_else(|| self.own.get(undated(name)));
        // One provider with two interfaces has one list of prices.
        let same = name.strip_prefix("openai-responses/").map(|it| format!("openai/{it}"));
        let name = same.as_deref().unwrap_or(name);
        let listed = || table().get(name).or_else(|| table().get(undated(name)));
        own.or_else(|| is_listed.then(listed).flatten()).copied()
    }
}

/// The month of the table.
pub fn date() -> &'static str {
    &file().date
}

/// A name without the date of its version: `gpt-4o-2024-08-06`, `claude-opus-4-20250514`.
fn undated(name: &str) -> &str {
    let is_date = |it: &str| it.len() == 8 && it.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((rest, last)) = name.rsplit_once('-')
        && is_date(last)
    {
        return rest;
    }
    let mut parts = name.rsplitn(4, '-');
    match [(); 4].map(|()| parts.next()) {
        [Some(day), Some(month), Some(year), Some(rest)]
            if is_date(&format!("{year}{month}{day}")) =>
        {
            rest
        }
        _ => name.strip_suffix("-latest").filter(|_| !name.contains("mistral")).unwrap_or(name),
    }
}

#[derive(Deserialize)]
struct File {
    date: String,
    providers: BTreeMap<String, Provider>,
}

#[derive(Deserialize)]
struct Provider {
    models: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    input: f64,
    cached: Option<f64>,
    cache_write: Option<f64>,
    output: f64,
    long: Option<Long>,
}

#[derive(Deserialize)]
struct Long {
    above: u64,
    input: f64,
    cached: Option<f64>,
    cache_write: Option<f64>,
    output: f64,
}

fn file() -> &'static File {
    static FILE: OnceLock<File> = OnceLock::new();
    FILE.get_or_init(|| {
        serde_json::from_str(include_str!("prices.json")).expect("a test reads the table")
    })
}

fn table() -> &'static BTreeMap<String, Price> {
    static TABLE: OnceLock<BTreeMap<String, Price>> = OnceLock::new();
    let price = |it: &Entry| Price {
        rates: rates(it.input, it.cached, it.cache_write, it.output),
        long: it
            .long
            .as_ref()
            .map(|it| (it.above, rates(it.input, it.cached, it.cache_write, it.output))),
    };
    TABLE.get_or_init(|| {
        let providers = file().providers.iter();
        let entries = providers.flat_map(|(provider, it)| {
            it.models.iter().map(move |(model, it)| (format!("{provider}/{model}"), price(it)))
        });
        entries.collect()
    })
}

#[cfg(test)]
mod tests;
