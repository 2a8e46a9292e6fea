//! Settings that stand outside scripts: `dsp.toml` of a project and the user's own file.
//!
//! [`parse`] reads one file and says exactly what is wrong in it; [`Config::or`] lays layers
//! over one another. The order is: flags, environment, `settings` of the script, `dsp.toml`,
//! the user's file ([`Origin`], strongest first). Nothing here opens a model or checks a price.
//!
//! Only the user's own file may name servers that are trusted with keys (`[endpoints]`): a
//! project file comes with a repository that somebody else may have written.

mod read;

pub use read::parse;

use crate::diag::{Code, Diagnostic};
use crate::host::Host;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A settings file that is no TOML.
pub(crate) const NOT_TOML: Code = Code("E0020");
/// A key that no setting has.
pub(crate) const UNKNOWN_SETTING: Code = Code("E0021");
/// A value of the wrong type or out of range.
pub(crate) const BAD_SETTING: Code = Code("E0022");
/// A key that only the user's own file may have.
pub(crate) const USER_ONLY: Code = Code("E0023");
/// A variable of the environment that cannot be read as what it stands for.
pub(crate) const BAD_VARIABLE: Code = Code("E0024");

/// The codes of this module and their titles.
pub const CODES: &[(Code, &str)] = &[
    (NOT_TOML, "a settings file that cannot be read"),
    (UNKNOWN_SETTING, "an unknown key in a settings file"),
    (BAD_SETTING, "a value in a settings file that does not fit"),
    (USER_ONLY, "a key that only the user's own file may have"),
    (BAD_VARIABLE, "a variable of the environment that cannot be read"),
];

/// Where a setting was said, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A flag of the command line.
    Flag,
    /// The environment.
    Environment,
    /// `settings { … }` of the script.
    Script,
    /// `dsp.toml` of the project.
    Project,
    /// The user's own file.
    User,
}

/// Settings of one layer, or of several laid over one another. What is `None` was not said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// The model to use: `provider/model`, or a name of `models`.
    pub lm: Option<String>,
    /// How many threads evaluate.
    pub threads: Option<usize>,
    /// The seed of everything random.
    pub seed: Option<u64>,
    /// What a command may spend.
    pub caps: Caps,
    /// The most that kept replies may take on disk, in MB; only the user says it, for a project
    /// that says little would drop what the user paid for.
    pub cache_max_mb: Option<u64>,
    /// Whether traces hold what was said; who says no wins, wherever it is said.
    pub trace_content: Option<bool>,
    /// Models by the names that scripts use.
    pub models: BTreeMap<String, Model>,
    /// What models cost, by `provider/model`.
    pub prices: BTreeMap<String, Price>,
    /// Servers that are trusted with keys; only the user's own file has some.
    pub endpoints: BTreeMap<String, Endpoint>,
}

/// What a command may spend at most.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Caps {
    /// Calls to models.
    pub max_calls: Option<u64>,
    /// Tokens, read and written.
    pub max_tokens: Option<u64>,
    /// Dollars.
    pub max_usd: Option<f64>,
    /// Seconds.
    pub max_seconds: Option<f64>,
}

/// What a model costs, in dollars for a million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Price {
    /// Read.
    pub input: f64,
    /// Read, where the provider had it cached.
    pub cached: Option<f64>,
    /// Read, where the provider put it into its cache.
    pub cache_write: Option<f64>,
    /// Written.
    pub output: f64,
}

/// A named model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// `provider/model`.
    pub name: String,
    /// Which layer named it: only that of the user may send a key to `api_base`.
    pub origin: Origin,
    /// What was said about it.
    pub options: LmOptions,
}

/// How much a model that reasons is to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// Not at all, where the model can do without.
    None,
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// As usual.
    Medium,
    /// Much.
    High,
}

impl Effort {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// The interface in which a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// `OpenAI`'s chat completions, which most servers have.
    Chat,
    /// `OpenAI`'s responses.
    Responses,
    /// Anthropic's messages.
    Anthropic,
    /// Gemini's `generateContent`.
    Gemini,
    /// Ollama's `/api/chat`.
    Ollama,
}

impl Api {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Chat, Self::Responses, Self::Anthropic, Self::Gemini, Self::Ollama];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
        }
    }
}

/// What may be said about a model where it is named; what is `None` was not said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LmOptions {
    /// 0 takes the likeliest token.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// The longest reply, in tokens.
    pub max_tokens: Option<u32>,
    /// The provider's seed.
    pub seed: Option<u64>,
    /// How much a model that reasons is to think.
    pub effort: Option<Effort>,
    /// Texts that end a reply.
    pub stop: Option<Vec<String>>,
    /// The interface of the server, where it is not that of its provider.
    pub api: Option<Api>,
    /// Another server for the provider's interface. Unless the user's own file says it, it is
    /// not trusted with the provider's key.
    pub api_base: Option<String>,
    /// The environment variable that holds the key for that server.
    pub key_env: Option<String>,
    /// The longest that one request may take (300 s).
    pub timeout: Option<Duration>,
    /// The longest that connecting may take (3 s).
    pub connect_timeout: Option<Duration>,
    /// The longest that a server may take until it begins to answer; where the reply is streamed,
    /// until its first piece.
    pub first_token: Option<Duration>,
    /// How many requests a minute are sent to it at most.
    pub rate: Option<f64>,
    /// How many requests may follow one that failed (5).
    pub retries: Option<u32>,
}

/// A server that the user trusts with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its base URL.
    pub base_url: String,
    /// The environment variable that holds its key.
    pub key_env: Option<String>,
}

impl Config {
    /// Returns these settings, and those of the `weaker` layer where nothing was said.
    #[must_use]
    pub fn or(mut self, weaker: Self) -> Self {
        for (name, model) in weaker.models {
            self.models.entry(name).or_insert(model);
        }
        for (name, endpoint) in weaker.endpoints {
            self.endpoints.entry(name).or_insert(endpoint);
        }
        for (name, price) in weaker.prices {
            self.prices.entry(name).or_insert(price);
        }
        Self {
            lm: self.lm.or(weaker.lm),
            threads: self.threads.or(weaker.threads),
            seed: self.seed.or(weaker.seed),
            caps: self.caps.or(weaker.caps),
            cache_max_mb: self.cache_max_mb.or(weaker.cache_max_mb),
            trace_content: match (self.trace_content, weaker.trace_content) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (said, weaker) => said.or(weaker),
            },
            models: self.models,
            prices: self.prices,
            endpoints: self.endpoints,
        }
    }

    /// The model called `name` in `models`.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.get(name)
    }
}

impl Caps {
    /// Returns these caps, and those of the `weaker` layer where nothing was said.
    #[must_use]
    pub fn or(self, weaker: Self) -> Self {
        Self {
            max_calls: self.max_calls.or(weaker.max_calls),
            max_tokens: self.max_tokens.or(weaker.max_tokens),
            max_usd: self.max_usd.or(weaker.max_usd),
            max_seconds: self.max_seconds.or(weaker.max_seconds),
        }
    }

    /// Whether nothing is capped.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Returns the settings that the environment makes: `DSP_LM`, `DSP_THREADS`, `DSP_SEED`,
/// `DSP_MAX_CALLS`, `DSP_MAX_TOKENS`, `DSP_MAX_USD`, `DSP_MAX_SECONDS` and `DSP_CACHE_MAX_MB`,
/// with a diagnostic for each that cannot be read.
pub fn from_env(host: &dyn Host) -> (Config, Vec<Diagnostic>) {
    let mut env = Environment { host, diags: Vec::new() };
    let config = Config {
        lm: host.env("DSP_LM"),
        threads: env.read("DSP_THREADS", "an integer above 0", |it: &usize| *it > 0),
        seed: env.read("DSP_SEED", "an integer, 0 or more", |_| true),
        caps: Caps {
            max_calls: env.read("DSP_MAX_CALLS", "an integer, 0 or more", |_| true),
            max_tokens: env.read("DSP_MAX_TOKENS", "an integer, 0 or more", |_| true),
            max_usd: env.read("DSP_MAX_USD", "a number, 0 or more", is_amount),
            max_seconds: env.read("DSP_MAX_SECONDS", "a number, 0 or more", is_amount),
        },
        cache_max_mb: env.read("DSP_CACHE_MAX_MB", "an integer above 0", |it| *it > 0),
        ..Config::default()
    };
    (config, env.diags)
}

fn is_amount(number: &f64) -> bool {
    number.is_finite() && *number >= 0.0
}

struct Environment<'a> {
    host: &'a dyn Host,
    diags: Vec<Diagnostic>,
}

impl Environment<'_> {
    fn read<T: std::str::FromStr>(
        &mut self,
        name: &str,
        expected: &str,
        fits: impl FnOnce(&T) -> bool,
    ) -> Option<T> {
        let text = self.host.env(name)?;
        let value = text.trim().parse().ok().filter(fits);
        if value.is_none() {
            let message = format!("`{name}` must be {expected}, found `{text}`");
            self.diags.push(Diagnostic::bare(BAD_VARIABLE, message));
        }
        value
    }
}

#[cfg(test)]
mod tests;
