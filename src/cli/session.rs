//! Engines and programs for commands.

use super::args::Lm;
use super::settings::{self, Settings};
use super::shell::{Failure, Shell, UNUSABLE};
use crate::config;
use crate::diag::Diagnostic;
use crate::engine::{Builder, Engine, Program};
use crate::host::Place;
use crate::store::{About, Key, Store, USUAL_LIMIT};
use crate::trace::Content;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a script on standard input is called.
pub(super) const STDIN: &str = "<stdin>";

/// The model that answers when nobody names one.
#[cfg(feature = "local")]
const FALLBACK: Option<&str> = Some("local/smollm2-135m");
#[cfg(not(feature = "local"))]
const FALLBACK: Option<&str> = None;

/// Begins an engine for a script: settings, kept replies, the model that answers in need.
///
/// # Errors
/// Settings or a store that cannot be read.
pub(super) fn builder(shell: &Shell, script: &Path, lm: &Lm) -> Result<Builder, Failure> {
    let builder = offline(shell, script, lm)?.store(Arc::new(store(shell)?));
    #[cfg(feature = "local")]
    let builder = builder.allow_downloads();
    Ok(if lm.no_cache { builder.no_cache() } else { builder })
}

/// Begins an engine for a script that keeps nothing and fetches nothing.
///
/// # Errors
/// Settings that cannot be read.
pub(super) fn offline(shell: &Shell, script: &Path, lm: &Lm) -> Result<Builder, Failure> {
    let Settings { above, below } = Settings::read(shell, script, lm)?;
    let builder =
        Engine::builder().host(shell.host.clone()).over_scripts(above).under_scripts(below);
    Ok(match FALLBACK {
        Some(name) => builder.fallback_lm(name),
        None => builder,
    })
}

/// The kept replies; they are in memory where the machine has no place for them.
///
/// # Errors
/// The place cannot be used.
pub(super) fn store(shell: &Shell) -> Result<Store, Failure> {
    let Some(dir) = shell.host.place(Place::Cache) else { return Ok(Store::in_memory()) };
    // What the environment says and cannot be read is told where settings are read.
    let said = config::from_env(&*shell.host).0.cache_max_mb;
    let said = said.or(settings::user_config(shell)?.cache_max_mb);
    let store = Store::open(dir.join("replies")).map_err(|error| {
        let message = format!("the kept replies cannot be used: {error}");
        Failure::io(Diagnostic::bare(UNUSABLE, message))
    })?;
    Ok(store.limited(said.map_or(USUAL_LIMIT, |it| it.saturating_mul(1_000_000))))
}

/// Loads a script, `-` from standard input, and says what the check noticed.
///
/// # Errors
/// It cannot be read, or is no correct program.
pub(super) fn load(shell: &Shell, engine: &Engine, script: &Path) -> Result<Program, Failure> {
    let program = if script == Path::new("-") {
        engine.load_text(STDIN, &read_stdin()?)?
    } else {
        engine.load(script)?
    };
    shell.diagnose(program.sources(), program.warnings());
    Ok(program)
}

/// Reads a script from standard input.
///
/// # Errors
/// It cannot be read, or is not UTF-8.
pub(super) fn read_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    match std::io::stdin().lock().read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => {
            let message = format!("standard input cannot be read: {error}");
            Err(Failure::io(Diagnostic::bare(UNUSABLE, message)))
        }
    }
}

/// Prompts and replies of traces, kept in a store beside the replies.
#[derive(Debug)]
pub(super) struct Kept {
    store: Store,
    /// When the trace is written, since 1970.
    now: Duration,
}

impl Kept {
    /// The store of the user.
    ///
    /// # Errors
    /// It cannot be used.
    pub(super) fn of(shell: &Shell) -> Result<Self, Failure> {
        Ok(Self { store: store(shell)?.only_written(), now: shell.host.since_epoch() })
    }
}

/// What content of traces is counted by.
const TRACES: &str = "(traces)";

impl Content for Kept {
    fn keep(&self, hash: &str, bytes: &[u8]) {
        if let Some(key) = key(hash) {
            // What cannot be kept is missing when the trace is shown, and nothing else.
            let about = About { label: TRACES, written: self.now };
            let _ = self.store.put_about(&key, &about, bytes);
        }
    }

    fn find(&self, hash: &str) -> Option<Vec<u8>> {
        self.store.get(&key(hash)?).map(|bytes| bytes.to_vec())
    }
}

fn key(hash: &str) -> Option<Key> {
    let mut bytes = [0; 32];
    if hash.len() != 64 {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hash.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(Key::from_bytes(bytes))
}
