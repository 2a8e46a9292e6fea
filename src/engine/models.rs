//! From the names of models to models: the names of settings files first, then providers.

use crate::config::{Config, Origin};
#[cfg(feature = "serve")]
use crate::engine::builder::settings;
use crate::host::{Host, SharedHost};
#[cfg(feature = "http")]
use crate::lm::keys::{PROVIDERS, Provider};
#[cfg(feature = "local")]
use crate::lm::models;
use crate::lm::{EmbeddingLm, Error, ErrorKind, LmOptions, UserEndpoints, open, open_embedder};
use crate::runtime::{Opener, Unnamed};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Returns what opens models by name.
pub(in crate::engine) fn opener(
    host: SharedHost,
    config: Config,
    downloads: bool,
    stand_in: Option<Arc<Opener>>,
) -> Arc<Opener> {
    let endpoints = endpoints(&config);
    Arc::new(move |name, options| {
        let (name, options, endpoints) = resolve(name, options, &config, &endpoints)?;
        if let Some(open) = &stand_in {
            return open(&name, &options);
        }
        fetch(&host, &name, downloads)?;
        open(&name, &options, &endpoints, &host)
    })
}

/// Returns what opens models that embed by name.
pub(in crate::engine) fn embedder_opener(
    host: SharedHost,
    config: Config,
    stand_in: Option<Arc<Opener>>,
) -> Arc<Opener> {
    let endpoints = endpoints(&config);
    Arc::new(move |name, options| {
        let (name, options, endpoints) = resolve(name, options, &config, &endpoints)?;
        if let Some(open) = &stand_in {
            return open(&name, &options);
        }
        let embedder = open_embedder(&name, &options, &endpoints, &host)?;
        Ok(Arc::new(EmbeddingLm::new(embedder)))
    })
}

#[cfg(feature = "serve")]
impl crate::Engine {
    /// Opens the model that predictors ask when they name none.
    ///
    /// # Errors
    /// None is named, or it cannot be opened.
    pub fn open_lm(&self) -> Result<crate::lm::SharedLm, Error> {
        let config = self.shared.strong.clone().or(self.shared.weak.clone());
        let settings = settings(&self.shared.base, &config);
        if let Some(lm) = settings.lm {
            return Ok(lm);
        }
        let name = settings.lm_name.ok_or_else(|| {
            Error::new(ErrorKind::Unknown, "", "no model is named").hint("say one: `--lm NAME`")
        })?;
        (self.shared.env.open_lm)(&name, &LmOptions::default())
    }
}

fn endpoints(config: &Config) -> UserEndpoints {
    let all = config.endpoints.iter();
    all.fold(UserEndpoints::default(), |endpoints, (name, it)| {
        endpoints.with(name, &it.base_url, it.key_env.as_deref())
    })
}

/// Looks a name up in `[models]`.
fn resolve(
    name: &str,
    options: &LmOptions,
    config: &Config,
    endpoints: &UserEndpoints,
) -> Result<(String, LmOptions, UserEndpoints), Error> {
    let Some(model) = config.model(name) else {
        let named = name.contains('/') || name.starts_with("local:");
        if !named && !config.models.is_empty() {
            let known = config.models.keys().map(String::as_str);
            return Err(Error::new(ErrorKind::Unknown, name, "no model has this name")
                .hint(crate::diag::did_you_mean(name, known)));
        }
        return Ok((name.to_owned(), options.clone(), endpoints.clone()));
    };
    let merged = merge(options, &model.options);
    // Only the user's own file may say where a provider's key goes.
    let trusted = match (model.origin, &model.options.api_base, model.name.split_once('/')) {
        (Origin::User, Some(base), Some((provider, _))) => {
            endpoints.clone().with(provider, base, model.options.key_env.as_deref())
        }
        _ => return Ok((model.name.clone(), merged, endpoints.clone())),
    };
    let options = LmOptions { api_base: None, key_env: None, ..merged };
    Ok((model.name.clone(), options, trusted))
}

fn merge(said: &LmOptions, model: &LmOptions) -> LmOptions {
    LmOptions {
        temperature: said.temperature.or(model.temperature),
        top_p: said.top_p.or(model.top_p),
        max_tokens: said.max_tokens.or(model.max_tokens),
        seed: said.seed.or(model.seed),
        effort: said.effort.or(model.effort),
        stop: said.stop.clone().or(model.stop.clone()),
        api: said.api.or(model.api),
        api_base: said.api_base.clone().or(model.api_base.clone()),
        key_env: said.key_env.clone().or(model.key_env.clone()),
        timeout: said.timeout.or(model.timeout),
        connect_timeout: said.connect_timeout.or(model.connect_timeout),
        first_token: said.first_token.or(model.first_token),
        rate: said.rate.or(model.rate),
        retries: said.retries.or(model.retries),
    }
}

/// Says once on standard error which model answers that nobody named.
pub(in crate::engine) fn unnamed(host: SharedHost) -> Unnamed {
    let said = AtomicBool::new(false);
    Unnamed(Arc::new(move |name| {
        refuse_where_keys_are(name, &*host)?;
        if !said.swap(true, Ordering::Relaxed) {
            host.eprint(&format!("no model is named: `{name}` answers, in this process\n"));
        }
        Ok(())
    }))
}

/// Who has a key means to use it: then a model has to be named.
#[cfg(feature = "http")]
fn refuse_where_keys_are(name: &str, host: &dyn Host) -> Result<(), Error> {
    let has_key = |it: &&Provider| {
        !it.is_general() && it.key_env.is_some_and(|key| host.env(key).is_some())
    };
    let Some(Provider { name: provider, key_env: Some(key), .. }) =
        PROVIDERS.iter().find(has_key)
    else {
        return Ok(());
    };
    let message = format!("no model is named, and `{key}` is set");
    let hint = format!("say which is meant: `--lm {provider}/…` or `--lm {name}`");
    Err(Error::new(ErrorKind::Unknown, name, message).hint(hint))
}

#[cfg(not(feature = "http"))]
fn refuse_where_keys_are(_: &str, _: &dyn Host) -> Result<(), Error> {
    Ok(())
}

/// Tells on standard error what is fetched from where; how far it is only on a terminal.
#[cfg(feature = "local")]
pub(crate) fn announce(host: &dyn Host, progress: &crate::lm::download::Progress<'_>) {
    use crate::lm::download::Progress;
    match progress {
        Progress::Bytes(..) if !host.is_terminal() => {}
        Progress::Bytes(..) => host.eprint(&format!("\r\x1b[K{progress}")),
        _ if host.is_terminal() => host.eprint(&format!("\r\x1b[K{progress}\n")),
        _ => host.eprint(&format!("{progress}\n")),
    }
}

/// Fetches a model of this process that is not here, where that is allowed.
#[cfg(feature = "local")]
fn fetch(host: &SharedHost, name: &str, downloads: bool) -> Result<(), Error> {
    let known = name.strip_prefix("local/").map(|it| (it, models::list(&**host)));
    let absent = known.is_some_and(|(name, known)| {
        known.iter().any(|it| it.known.name == name && !it.present)
    });
    if downloads && absent {
        models::pull(&**host, name, &|progress| announce(&**host, &progress))?;
    }
    Ok(())
}

#[cfg(not(feature = "local"))]
fn fetch(_: &SharedHost, _: &str, _: bool) -> Result<(), Error> {
    Ok(())
}
