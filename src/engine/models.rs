//! From the names of models to models: the names of settings files first, then providers.

use crate::config::{Config, ModelOptions, Origin};
use crate::host::SharedHost;
use crate::lm::{Error, ErrorKind, LmOptions, UserEndpoints, open};
use crate::runtime::Opener;
use std::time::Duration;

/// Returns what opens models by name.
pub(in crate::engine) fn opener(host: SharedHost, config: Config, downloads: bool) -> Box<Opener> {
    let mut endpoints = UserEndpoints::default();
    for (name, endpoint) in &config.endpoints {
        endpoints = endpoints.with(name, &endpoint.base_url, endpoint.key_env.as_deref());
    }
    Box::new(move |name, options| {
        let (name, options, endpoints) = resolve(name, options, &config, &endpoints)?;
        fetch(&host, &name, downloads)?;
        open(&name, &options, &endpoints, &*host)
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

fn merge(said: &LmOptions, model: &ModelOptions) -> LmOptions {
    let seconds = |it: Option<f64>| it.and_then(|it| Duration::try_from_secs_f64(it).ok());
    LmOptions {
        temperature: said.temperature.or(model.temperature),
        top_p: said.top_p.or(model.top_p),
        max_tokens: said.max_tokens.or(model.max_tokens),
        seed: said.seed.or(model.seed),
        stop: said.stop.clone().or(model.stop.clone()),
        api_base: said.api_base.clone().or(model.api_base.clone()),
        key_env: said.key_env.clone().or(model.key_env.clone()),
        timeout: said.timeout.or(seconds(model.timeout)),
        connect_timeout: said.connect_timeout.or(seconds(model.connect_timeout)),
        retries: said.retries.or(model.retries),
    }
}

/// Fetches a model of this process that is not here, where that is allowed.
fn fetch(_host: &SharedHost, _name: &str, _downloads: bool) -> Result<(), Error> {
    Ok(())
}

