//! From the name of a model to a client: `openai/gpt-4o-mini`, `local/smollm2-135m`.

use super::{Error, ErrorKind, Sampling, SharedEmbedder, SharedLm};
pub use crate::config::LmOptions;
use crate::host::{Host, SharedHost};
use std::collections::BTreeMap;
use std::time::Duration;

impl LmOptions {
    /// How tokens are drawn where a request says nothing else. Whoever builds requests starts
    /// from it: [`open`] itself does not use it, for a request is complete.
    pub fn sampling(&self) -> Sampling {
        Sampling {
            temperature: self.temperature.unwrap_or(0.0),
            top_p: self.top_p,
            max_tokens: self.max_tokens,
            stop: self.stop.clone().unwrap_or_default(),
            seed: self.seed,
            effort: self.effort,
        }
    }

    fn check(&self, name: &str) -> Result<(), Error> {
        let refuse = |what: &str| Err(Error::new(ErrorKind::Unknown, name, what));
        if self.temperature.is_some_and(|it| !(0.0..=10.0).contains(&it)) {
            return refuse("`temperature` must be between 0 and 10");
        }
        if self.top_p.is_some_and(|it| !(it > 0.0 && it <= 1.0)) {
            return refuse("`top_p` must be above 0 and at most 1");
        }
        if self.max_tokens == Some(0) {
            return refuse("`max_tokens` must be at least 1");
        }
        let zero = Some(Duration::ZERO);
        if self.timeout == zero || self.connect_timeout == zero {
            return refuse("a timeout must be above 0");
        }
        Ok(())
    }
}

/// A server that the user's own settings file names: trusted with the key of its variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEndpoint {
    /// The base URL.
    pub base_url: String,
    /// The variable with its key; for a known provider the provider's own by default.
    pub key_env: Option<String>,
}

/// The servers of the user's own settings file, by the name that stands before the slash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserEndpoints(BTreeMap<String, UserEndpoint>);

impl UserEndpoints {
    /// Returns the servers with this one added.
    #[must_use]
    pub fn with(mut self, name: &str, base_url: &str, key_env: Option<&str>) -> Self {
        let endpoint = UserEndpoint {
            base_url: base_url.to_owned(),
            key_env: key_env.map(ToOwned::to_owned),
        };
        self.0.insert(name.to_owned(), endpoint);
        self
    }

    /// The server of this name.
    pub fn get(&self, name: &str) -> Option<&UserEndpoint> {
        self.0.get(name)
    }

    /// All servers, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &UserEndpoint)> {
        self.0.iter().map(|(name, it)| (name.as_str(), it))
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Opens the model called `name`: `provider/model` behind a server, `local/model` or
/// `local:file` in this process.
///
/// # Errors
/// A name that means nothing here, an option out of range, a missing key, and a key that may
/// not go to the server asked for. Nothing is sent yet.
pub fn open(
    name: &str,
    options: &LmOptions,
    sources: &UserEndpoints,
    host: &SharedHost,
) -> Result<SharedLm, Error> {
    options.check(name)?;
    if name.starts_with("local/") || name.starts_with("local:") {
        return embedded_open(host, name);
    }
    match name.split_once('/') {
        Some((provider, model)) if !provider.is_empty() && is_model(model) => {
            remote_open(name, provider, model, options, sources, &**host)
        }
        _ => Err(Error::new(ErrorKind::Unknown, name, "this is no name of a model").hint(
            "write `provider/model`, such as `openai/gpt-4o-mini` or `local/smollm2-135m`",
        )),
    }
}

/// Opens the model called `name` that embeds: `openai/text-embedding-3-small`.
///
/// # Errors
/// Those of [`open`]; models of this process do not embed.
pub fn open_embedder(
    name: &str,
    options: &LmOptions,
    sources: &UserEndpoints,
    host: &SharedHost,
) -> Result<SharedEmbedder, Error> {
    options.check(name)?;
    match name.split_once('/') {
        Some(("local", _)) => {
            Err(Error::new(ErrorKind::Unknown, name, "models of this process do not embed")
                .hint("name one behind a server, such as `openai/text-embedding-3-small`"))
        }
        Some((provider, model)) if !provider.is_empty() && is_model(model) => {
            embedder_open(name, provider, model, options, sources, &**host)
        }
        _ => Err(Error::new(ErrorKind::Unknown, name, "this is no name of a model")
            .hint("write `provider/model`, such as `openai/text-embedding-3-small`")),
    }
}

fn is_model(model: &str) -> bool {
    !model.is_empty() && !model.chars().any(|it| it.is_control() || it.is_whitespace())
}

#[cfg(feature = "http")]
fn remote_open(
    name: &str,
    provider: &str,
    model: &str,
    options: &LmOptions,
    sources: &UserEndpoints,
    host: &dyn Host,
) -> Result<SharedLm, Error> {
    let endpoint = super::keys::endpoint(name, provider, options, sources, host)?;
    let client = super::http::HttpLm::new(name, provider, model, endpoint, options)?;
    Ok(std::sync::Arc::new(client))
}

#[cfg(feature = "http")]
fn embedder_open(
    name: &str,
    provider: &str,
    model: &str,
    options: &LmOptions,
    sources: &UserEndpoints,
    host: &dyn Host,
) -> Result<SharedEmbedder, Error> {
    let endpoint = super::keys::endpoint(name, provider, options, sources, host)?;
    let client = super::http::HttpEmbedder::new(name, provider, model, endpoint, options)?;
    Ok(std::sync::Arc::new(client))
}

#[cfg(not(feature = "http"))]
fn embedder_open(
    name: &str,
    _: &str,
    _: &str,
    _: &LmOptions,
    _: &UserEndpoints,
    _: &dyn Host,
) -> Result<SharedEmbedder, Error> {
    Err(Error::new(ErrorKind::Unknown, name, "this build has no models behind servers")
        .hint("build with the feature `http`"))
}

#[cfg(not(feature = "http"))]
fn remote_open(
    name: &str,
    _: &str,
    _: &str,
    _: &LmOptions,
    _: &UserEndpoints,
    _: &dyn Host,
) -> Result<SharedLm, Error> {
    Err(Error::new(ErrorKind::Unknown, name, "this build has no models behind servers")
        .hint("build with the feature `http`"))
}

#[cfg(feature = "local")]
fn embedded_open(host: &SharedHost, name: &str) -> Result<SharedLm, Error> {
    super::models::open(host, name)
}

#[cfg(not(feature = "local"))]
fn embedded_open(_: &SharedHost, name: &str) -> Result<SharedLm, Error> {
    Err(Error::new(ErrorKind::Unknown, name, "this build has no models in the process")
        .hint("build with the feature `local`"))
}
