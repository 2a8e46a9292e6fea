//! Which server a model name means, and which key may go there.
//!
//! A key is bound to hosts. The built-in table binds the variable `OPENAI_API_KEY` to
//! `api.openai.com`; the environment (`OPENAI_BASE_URL`) and the user's own file may bind it to
//! more. A base URL from anywhere else (a script, a state, a project file, a flag) gets no key
//! but one from a variable that it names itself and that is bound to nobody else: so a script
//! from the web cannot have a key sent to its author.

use super::open::{LmOptions, UserEndpoint, UserEndpoints};
use super::{Error, ErrorKind};
use crate::config::Api;
use crate::diag::did_you_mean;
use crate::host::Host;
use reqwest::Url;
use std::fmt;

/// A key. It is never printed: `Debug` shows `…`, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Returns the key without the white space around it (`$(cat file)` leaves some).
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().trim().to_owned())
    }

    /// The key itself, to be sent and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `text` with `…` wherever the key stands, or a word that shows its beginning and hides
    /// the rest, as some servers quote keys.
    pub fn redact(&self, text: &str) -> String {
        if !self.is_secret() {
            return text.to_owned();
        }
        let text = text.replace(&self.0, "…");
        let start: String = self.0.chars().take(6).collect();
        if !text.contains(&start) {
            return text;
        }
        let hide = |word: &'_ str| {
            if word.contains(&start) { "…".to_owned() } else { word.to_owned() }
        };
        text.split(' ').map(hide).collect::<Vec<_>>().join(" ")
    }

    /// Whether `text` holds the key.
    pub fn is_in(&self, text: &str) -> bool {
        self.is_secret() && text.contains(&self.0)
    }

    /// How many bytes at the end of `text` may be the beginning of the key.
    pub(super) fn begun_at_end(&self, text: &str) -> usize {
        if !self.is_secret() {
            return 0;
        }
        let most = text.len().min(self.0.len() - 1);
        let begins = |bytes: &usize| text.as_bytes().ends_with(&self.0.as_bytes()[..*bytes]);
        // Keys are ASCII as a rule; another one is compared where its characters begin.
        (1..=most).rev().filter(|it| self.0.is_char_boundary(*it)).find(begins).unwrap_or(0)
    }

    /// Local servers are given keys such as `none`, which are words like any other.
    fn is_secret(&self) -> bool {
        self.0.len() >= 8
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A provider whose servers are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provider {
    /// What stands before the slash in the name of a model.
    pub name: &'static str,
    /// Where requests go, without `/chat/completions` or what stands for it; empty where each
    /// account has an address of its own.
    pub base_url: &'static str,
    /// The environment variable that holds its key; none for servers that want none.
    pub key_env: Option<&'static str>,
    /// The interface in which it is asked.
    pub api: Api,
}

/// Providers whose address and key variable are known.
pub const PROVIDERS: &[Provider] = &[
    remote("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    Provider {
        api: Api::Responses,
        ..remote("openai-responses", "https://api.openai.com/v1", "OPENAI_API_KEY")
    },
    Provider {
        api: Api::Anthropic,
        ..remote("anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY")
    },
    Provider {
        api: Api::Gemini,
        ..remote("gemini", "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY")
    },
    remote("azure", "", "AZURE_OPENAI_API_KEY"),
    remote("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    remote("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    remote("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    remote("deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY"),
    remote("together", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    remote("fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    remote("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    remote("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    remote("cohere", "https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY"),
    remote("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    remote("zai", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
    remote("deepinfra", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    remote("sambanova", "https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    remote("novita", "https://api.novita.ai/openai/v1", "NOVITA_API_KEY"),
    remote("perplexity", "https://api.perplexity.ai", "PERPLEXITY_API_KEY"),
    remote("nvidia", "https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY"),
    remote("huggingface", "https://router.huggingface.co/v1", "HF_TOKEN"),
    remote("github", "https://models.github.ai/inference", "GITHUB_TOKEN"),
    Provider { api: Api::Ollama, ..local("ollama", "http://127.0.0.1:11434") },
    local("vllm", "http://127.0.0.1:8000/v1"),
    local("sglang", "http://127.0.0.1:30000/v1"),
    local("llamacpp", "http://127.0.0.1:8080/v1"),
    local("lmstudio", "http://127.0.0.1:1234/v1"),
];

const fn remote(name: &'static str, base_url: &'static str, key_env: &'static str) -> Provider {
    Provider { name, base_url, key_env: Some(key_env), api: Api::Chat }
}

const fn local(name: &'static str, base_url: &'static str) -> Provider {
    Provider { name, base_url, key_env: None, api: Api::Chat }
}

impl Provider {
    /// The provider of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        PROVIDERS.iter().find(|it| it.name == name)
    }

    /// The address that the environment gives this provider, as `OPENAI_BASE_URL` does.
    fn base_from_env(&self, host: &dyn Host) -> Option<String> {
        if self.base_url.is_empty() {
            return host.env(ENDPOINT);
        }
        let name = self.name.to_uppercase().replace('-', "_");
        host.env(&format!("{name}_BASE_URL")).or_else(|| host.env(&format!("{name}_API_BASE")))
    }

    /// Whether its variable holds a key that is good for other things too, so that whoever has
    /// it need not mean this provider.
    pub fn is_general(&self) -> bool {
        matches!(self.key_env, Some("HF_TOKEN" | "GITHUB_TOKEN"))
    }
}

/// The variable with the address of the account at Azure.
const ENDPOINT: &str = "AZURE_OPENAI_ENDPOINT";

/// Where the requests for one model go.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The base URL, without a slash at its end.
    pub base: Url,
    /// The key, where one may go there.
    pub key: Option<Secret>,
    /// The variable that the key came from or would come from.
    pub key_env: Option<String>,
}

impl Endpoint {
    /// Whether requests stay on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.base)
    }
}

/// Finds the server of `provider` for the model called `name`, and the key that may go there.
///
/// # Errors
/// An unknown provider, an address that is none, a missing key, and a key that belongs to
/// another host.
pub fn endpoint(
    name: &str,
    provider: &str,
    options: &LmOptions,
    sources: &UserEndpoints,
    host: &dyn Host,
) -> Result<Endpoint, Error> {
    let known = Known {
        name,
        provider: Provider::find(provider),
        own: sources.get(provider),
        sources,
        host,
    };
    if known.provider.is_none() && known.own.is_none() {
        return Err(unknown(name, provider, sources));
    }
    let trusted = known.trusted()?;
    let base = match &options.api_base {
        Some(base) => base_url(name, base)?,
        // The first is the one to use; the others are hosts that may be asked for as well.
        None => match trusted.first() {
            Some(first) => first.base.clone(),
            None => return Err(without_address(name, provider)),
        },
    };
    let own = trusted.into_iter().find(|it| it.base.origin() == base.origin());
    match (options.key_env.as_deref(), own) {
        (Some(variable), _) => known.with_named_key(base, variable),
        (None, Some(Trusted { key_env: Some(variable), .. })) => {
            known.with_own_key(base, variable)
        }
        (None, _) => Ok(Endpoint { base, key: None, key_env: None }),
    }
}

/// An address that a trusted source gives a provider, and the variable of the key for it.
struct Trusted {
    base: Url,
    key_env: Option<String>,
}

/// What the trusted sources say about a provider.
struct Known<'a> {
    name: &'a str,
    provider: Option<&'static Provider>,
    own: Option<&'a UserEndpoint>,
    sources: &'a UserEndpoints,
    host: &'a dyn Host,
}

impl Known<'_> {
    /// The addresses that the environment, the user's file and the table give the provider,
    /// the strongest first.
    fn trusted(&self) -> Result<Vec<Trusted>, Error> {
        let implied = self.provider.and_then(|it| it.key_env).map(str::to_owned);
        let environment = self.provider.and_then(|it| it.base_from_env(self.host));
        let own = self
            .own
            .map(|it| (it.base_url.clone(), it.key_env.clone().or_else(|| implied.clone())));
        let table = self.provider.map(|it| it.base_url.to_owned()).filter(|it| !it.is_empty());
        let with_implied = |base| (base, implied.clone());
        [environment.map(with_implied), own, table.map(with_implied)]
            .into_iter()
            .flatten()
            .map(|(base, key_env)| Ok(Trusted { base: base_url(self.name, &base)?, key_env }))
            .collect()
    }

    /// The endpoint with the key that a trusted source names for it.
    fn with_own_key(&self, base: Url, variable: String) -> Result<Endpoint, Error> {
        match self.host.env(&variable).map(Secret::new) {
            // A proxy or a test server on this machine seldom asks for a key.
            None if !is_loopback(&base) => Err(self.missing(&variable)),
            key => Ok(Endpoint { base, key, key_env: Some(variable) }),
        }
    }

    /// The endpoint with the key of a variable that the script, the project or a flag names.
    fn with_named_key(&self, base: Url, variable: &str) -> Result<Endpoint, Error> {
        let bound = bound_to(variable, self.sources, self.host);
        let owner = PROVIDERS.iter().find(|it| it.key_env == Some(variable));
        let is_owned = owner.is_some() || !bound.is_empty();
        if is_owned && !bound.iter().any(|it| it.origin() == base.origin()) {
            let whose = match (bound.first(), owner) {
                (Some(first), _) => origin(first),
                (None, owner) => format!("`{}`", owner.map_or("another", |it| it.name)),
            };
            let message = format!(
                "the key in `{variable}` belongs to {whose} and is not sent to {}",
                origin(&base)
            );
            return Err(Error::new(ErrorKind::Key, self.name, message).hint(format!(
                "put this server's key in a variable of its own and name that in `key_env`, \
                 or give the server in your own settings file, not in a script or project \
                 (`{variable}` stays with its host)"
            )));
        }
        match self.host.env(variable) {
            Some(key) => Ok(Endpoint {
                base,
                key: Some(Secret::new(key)),
                key_env: Some(variable.to_owned()),
            }),
            None => Err(self.missing(variable)),
        }
    }

    fn missing(&self, variable: &str) -> Error {
        let message = format!("the environment variable `{variable}` holds no key");
        Error::new(ErrorKind::Key, self.name, message).hint(format!(
            "set it (`export {variable}=…`), or use `local/smollm2-135m`, which needs no key"
        ))
    }
}

/// The addresses that the table, the environment and the user's file bind a variable to.
fn bound_to(variable: &str, sources: &UserEndpoints, host: &dyn Host) -> Vec<Url> {
    let owners = || PROVIDERS.iter().filter(|it| it.key_env == Some(variable));
    let environment = owners().filter_map(|it| it.base_from_env(host));
    let table = owners().map(|it| it.base_url.to_owned());
    let files = sources
        .iter()
        .filter(|(name, own)| {
            let implied = Provider::find(name).and_then(|it| it.key_env);
            own.key_env.as_deref().or(implied) == Some(variable)
        })
        .map(|(_, own)| own.base_url.clone());
    table.chain(environment).chain(files).filter_map(|it| Url::parse(&it).ok()).collect()
}

/// Reads a base URL.
fn base_url(name: &str, text: &str) -> Result<Url, Error> {
    let refuse = |why: &str| {
        // The text is not shown: it may hold a password.
        let message = format!("the base URL {why}");
        Error::new(ErrorKind::Unknown, name, message)
            .hint("a base URL looks like `https://host/v1` or `http://127.0.0.1:8000/v1`")
    };
    let mut url = Url::parse(text.trim()).map_err(|e| refuse(&format!("is none: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(refuse("is not one of http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("holds a password; name a variable in `key_env` instead"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("may not hold `?` or `#`"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    let path = path.strip_suffix("/chat/completions").unwrap_or(&path).to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Only a provider of the table that leaves it to the environment has none.
fn without_address(name: &str, provider: &str) -> Error {
    let message = format!("`{ENDPOINT}` does not say where `{provider}` is");
    Error::new(ErrorKind::Unknown, name, message)
        .hint(format!("set it (`export {ENDPOINT}=https://NAME.openai.azure.com`)"))
}

fn unknown(name: &str, provider: &str, sources: &UserEndpoints) -> Error {
    let names = PROVIDERS.iter().map(|it| it.name).chain(["local"]).chain(sources.names());
    let near = did_you_mean(provider, names);
    let other = "for another OpenAI-compatible server write `openai/MODEL` with `api_base`";
    let hint = if near.is_empty() { other.to_owned() } else { near };
    Error::new(ErrorKind::Unknown, name, format!("there is no provider `{provider}`"))
        .hint(hint)
}

/// Scheme, host and port of a URL.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
