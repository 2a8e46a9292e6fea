//! Setting up an engine.

use crate::config::{Caps, Config};
use crate::diag::Diagnostic;
use crate::engine::error::Error;
use crate::engine::{Engine, Shared, models, wiring};
use crate::eval::Attached;
use crate::host::{OsHost, SharedHost};
use crate::lm::{Cancel, Price, Prices, SharedLm};
use crate::runtime::{Env, Opener, Settings, codes};
use crate::store::{Replies, Store};
use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What an engine may spend at most, in all its programs together a command.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Budget {
    caps: Caps,
}

impl Budget {
    /// At most this many calls to models.
    pub fn calls(calls: u64) -> Self {
        Self { caps: Caps { max_calls: Some(calls), ..Caps::default() } }
    }

    /// At most this many tokens, read and written.
    pub fn tokens(tokens: u64) -> Self {
        Self { caps: Caps { max_tokens: Some(tokens), ..Caps::default() } }
    }

    /// At most this many dollars. Models whose price is not known are refused then.
    pub fn usd(dollars: f64) -> Self {
        Self { caps: Caps { max_usd: Some(dollars), ..Caps::default() } }
    }

    /// At most this many seconds.
    pub fn seconds(seconds: f64) -> Self {
        Self { caps: Caps { max_seconds: Some(seconds), ..Caps::default() } }
    }

    /// Both these caps and others.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { caps: self.caps.or(other.caps) }
    }
}

/// What answers in place of models.
struct StandIn(Arc<Opener>);

impl std::fmt::Debug for StandIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StandIn")
    }
}

/// An engine under construction.
#[derive(Debug, Default)]
pub struct Builder {
    host: Option<SharedHost>,
    lm: Option<SharedLm>,
    strong: Config,
    weak: Config,
    store: Option<Arc<dyn Replies>>,
    store_dir: Option<PathBuf>,
    no_cache: bool,
    adapter: Option<String>,
    progress: bool,
    keep_traces: bool,
    note_origins: bool,
    no_trace: bool,
    unrecorded: bool,
    cancel: Cancel,
    pause: Option<Cancel>,
    fallback: Option<String>,
    stand_in: Option<StandIn>,
    /// What stands for the models that write, and not for those that embed.
    only_writers: bool,
    attached: Option<Arc<Attached>>,
    #[cfg(feature = "local")]
    announce_downloads: bool,
}

impl Builder {
    /// The model that predictors ask, by name: `openai/gpt-4o-mini`, `local/smollm2-135m`. It
    /// wins over what a script says.
    #[must_use]
    pub fn lm(mut self, name: &str) -> Self {
        self.strong.lm = Some(name.to_owned());
        self
    }

    /// The model that predictors ask; it wins over what a script says.
    #[must_use]
    pub fn model(self, lm: SharedLm) -> Self {
        Self { lm: Some(lm), ..self }
    }

    /// What may be spent.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.strong.caps = budget.caps.or(self.strong.caps);
        self
    }

    /// Settings that win over those of a script.
    #[must_use]
    pub fn over_scripts(self, config: Config) -> Self {
        Self { strong: self.strong.or(config), ..self }
    }

    /// Settings that hold where a script says nothing.
    #[must_use]
    pub fn under_scripts(self, config: Config) -> Self {
        Self { weak: self.weak.or(config), ..self }
    }

    /// Where all choices start.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.strong.seed = Some(seed);
        self
    }

    /// How many runs go on at once where a script says nothing; by default the model tells.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.strong.threads = Some(threads);
        self
    }

    /// The machine; by default the one that the process runs on.
    #[must_use]
    pub fn host(self, host: SharedHost) -> Self {
        Self { host: Some(host), ..self }
    }

    /// Keeps replies in this directory, which other processes may share. By default they are
    /// kept in memory and end with the engine.
    #[must_use]
    pub fn store_dir(self, dir: impl Into<PathBuf>) -> Self {
        Self { store_dir: Some(dir.into()), ..self }
    }

    /// Keeps replies there.
    #[must_use]
    pub fn store(self, store: Arc<dyn Replies>) -> Self {
        Self { store: Some(store), ..self }
    }

    /// Neither looks replies up nor keeps them.
    #[must_use]
    pub fn no_cache(self) -> Self {
        Self { no_cache: true, ..self }
    }

    /// The adapter, in place of what the model suggests.
    #[must_use]
    pub fn adapter(self, name: &str) -> Self {
        Self { adapter: Some(name.to_owned()), ..self }
    }

    /// Tells on standard error what is being done.
    #[must_use]
    pub fn progress(self) -> Self {
        Self { progress: true, ..self }
    }

    /// Keeps the traces of evaluated runs in the trace of the whole.
    #[must_use]
    pub fn keep_traces(self) -> Self {
        Self { keep_traces: true, ..self }
    }

    /// Notes in traces where each part of a prompt comes from: the instructions, a demo, an
    /// input. It lays each prompt out in a slower way, which gives the same prompt.
    #[must_use]
    pub fn note_origins(self) -> Self {
        Self { note_origins: true, ..self }
    }

    /// Leaves out the traces of runs that have ended: a long run then never has all of its
    /// prompts and replies in memory at once. The program itself still sees its trace.
    #[must_use]
    pub fn no_trace(self) -> Self {
        Self { no_trace: true, ..self }
    }

    /// Records nothing, for benches: what recording costs is the difference.
    #[doc(hidden)]
    #[must_use]
    pub fn unrecorded(self) -> Self {
        Self { unrecorded: true, no_trace: true, ..self }
    }

    /// What ends all runs.
    #[must_use]
    pub fn cancel(self, cancel: Cancel) -> Self {
        Self { cancel, ..self }
    }

    /// What ends evaluations after the rows under way; a part of what ends all runs.
    #[must_use]
    pub fn pause(self, pause: Cancel) -> Self {
        Self { pause: Some(pause), ..self }
    }

    /// Lends this to evaluations and searches.
    #[must_use]
    pub fn attach(self, attached: Arc<Attached>) -> Self {
        Self { attached: Some(attached), ..self }
    }

    /// The model that predictors ask where nobody names one. When it is first asked, a line on
    /// standard error says so; where a provider's key is set it is not asked, and the error
    /// says that a model has to be named.
    #[must_use]
    pub fn fallback_lm(self, name: &str) -> Self {
        Self { fallback: Some(name.to_owned()), ..self }
    }

    /// Opens models so and not otherwise, after their names were looked up in the settings:
    /// nothing is fetched, and no key is read.
    #[must_use]
    pub fn stand_in(self, open: Arc<Opener>) -> Self {
        Self { stand_in: Some(StandIn(open)), ..self }
    }

    /// As [`Builder::stand_in`], but for models that embed.
    #[must_use]
    pub fn stand_in_for_writers(self, open: Arc<Opener>) -> Self {
        Self { only_writers: true, ..self.stand_in(open) }
    }

    /// Lets models of this process be fetched when they are not here; it is announced on
    /// standard error. By default nothing is ever downloaded.
    #[cfg(feature = "local")]
    #[must_use]
    pub fn allow_downloads(self) -> Self {
        Self { announce_downloads: true, ..self }
    }

    /// Returns the engine.
    ///
    /// # Errors
    /// A store that cannot be opened, or a limit that makes no sense. Models are opened when
    /// they are first asked.
    pub fn build(mut self) -> Result<Engine, Error> {
        let fallback = self.fallback.take().filter(|_| self.strong.lm.is_none());
        let fallback = fallback.filter(|_| self.weak.lm.is_none());
        self.weak.lm = self.weak.lm.or(fallback.clone());
        let host = self.host.unwrap_or_else(|| Arc::new(OsHost::new()));
        let store: Arc<dyn Replies> = match (self.store, self.store_dir) {
            (Some(store), _) => store,
            (None, Some(dir)) => Arc::new(Store::open(dir).map_err(|it| {
                Error::bare(Diagnostic::bare(codes::FILE, format!("the store: {it}")))
            })?),
            (None, None) => Arc::new(Store::in_memory()),
        };
        #[cfg(feature = "local")]
        let downloads = self.announce_downloads;
        #[cfg(not(feature = "local"))]
        let downloads = false;
        let config = self.strong.clone().or(self.weak.clone());
        let stand_in = self.stand_in.map(|it| it.0);
        // Who is not asked is not announced.
        let fallback = fallback.filter(|_| stand_in.is_none());
        let open_embedder = models::embedder_opener(
            host.clone(),
            config.clone(),
            stand_in.clone().filter(|_| !self.only_writers),
        );
        let open_lm = models::opener(host.clone(), config, downloads, stand_in);
        let unnamed = fallback.map(|_| models::unnamed(host.clone()));
        let bindings = wiring::bindings();
        let env = Arc::new(Env { host, bindings, store, open_lm, open_embedder, tape: None });
        let base = Settings {
            lm: self.lm,
            unnamed,
            adapter: self.adapter,
            cache: !self.no_cache,
            retries: 4,
            repairs: 2,
            keep_traces: self.keep_traces,
            note_origins: self.note_origins,
            no_trace: self.no_trace,
            unrecorded: self.unrecorded,
            progress: self.progress,
            pause: self.pause,
            attached: self.attached.map(|it| -> Arc<dyn Any + Send + Sync> { it }),
            ..Settings::default()
        };
        let (strong, weak, cancel) = (self.strong, self.weak, self.cancel);
        Ok(Engine { shared: Arc::new(Shared { env, strong, weak, base, cancel }) })
    }
}

/// Settings of a run: those of the engine laid over those of the script and those below.
pub(in crate::engine) fn settings(base: &Settings, config: &Config) -> Settings {
    Settings {
        lm_name: config.lm.clone(),
        threads: config.threads,
        seed: config.seed.unwrap_or(0),
        max_calls: config.caps.max_calls,
        max_tokens: config.caps.max_tokens,
        max_usd: config.caps.max_usd,
        prices: Arc::new(prices(config)),
        max_time: config.caps.max_seconds.and_then(|it| Duration::try_from_secs_f64(it).ok()),
        ..base.clone()
    }
}

/// What models cost: those of settings files over the table.
fn prices(config: &Config) -> Prices {
    let price = |it: &crate::config::Price| {
        Price::per_million(it.input, it.cached, it.output).with_cache_write(it.cache_write)
    };
    Prices::with(config.prices.iter().map(|(name, it)| (name.clone(), price(it))))
}
