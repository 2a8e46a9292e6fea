//! TOML to [`Config`], with a diagnostic at the key or value that is wrong.
//!
//! Methods named after a type return `None` and leave a diagnostic where the value is not of
//! that type; reading goes on, so that one pass tells everything.

use super::{
    Api, BAD_SETTING, Caps, Config, Effort, Endpoint, LmOptions, Model, NOT_TOML, Origin,
    Price, UNKNOWN_SETTING, USER_ONLY,
};
use crate::diag::{Code, Diagnostic, did_you_mean};
use crate::source::{SourceId, Span};
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

type Key<'i> = Spanned<std::borrow::Cow<'i, str>>;
type Entry<'i> = Spanned<DeValue<'i>>;

/// Returns the settings of a file and what is wrong with it, in the order of the text.
///
/// `origin` is [`Origin::Project`] or [`Origin::User`]. What is wrong is left out of the
/// settings.
pub fn parse(source: SourceId, text: &str, origin: Origin) -> (Config, Vec<Diagnostic>) {
    let mut reader = Reader { source, origin, diags: Vec::new() };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let range = error.span().unwrap_or(0..0);
        reader.report(NOT_TOML, range, error.message(), "");
    }
    let config = if reader.diags.is_empty() {
        reader.config(table.get_ref())
    } else {
        Config::default()
    };
    reader.diags.sort_by_key(|diag| diag.primary.as_ref().map(|it| it.span));
    (config, reader.diags)
}

/// Settings at the top of a file.
const TOP: [&str; 12] = [
    "lm",
    "threads",
    "seed",
    "max_calls",
    "max_tokens",
    "max_usd",
    "max_seconds",
    "cache_max_mb",
    "trace_content",
    "models",
    "prices",
    "endpoints",
];
/// Settings of a table below `[models]`.
const MODEL: [&str; 15] = [
    "model",
    "temperature",
    "top_p",
    "max_tokens",
    "seed",
    "effort",
    "stop",
    "api",
    "api_base",
    "key_env",
    "timeout",
    "connect_timeout",
    "first_token",
    "rate",
    "retries",
];
/// Settings of a table below `[prices]`.
const PRICE: [&str; 4] = ["input", "cached", "cache_write", "output"];
/// Settings of a table below `[endpoints]`.
const ENDPOINT: [&str; 2] = ["base_url", "key_env"];

struct Reader {
    source: SourceId,
    origin: Origin,
    diags: Vec<Diagnostic>,
}

impl Reader {
    fn config(&mut self, table: &DeTable<'_>) -> Config {
        let mut config = Config::default();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "lm" => config.lm = self.text(key, value),
                "threads" => config.threads = self.integer(key, value, 1),
                "seed" => config.seed = self.integer(key, value, 0),
                "cache_max_mb" => config.cache_max_mb = self.cache_max_mb(key, value),
                "trace_content" => config.trace_content = self.boolean(key, value),
                "models" => self.each(key, value, |reader, name, value| {
                    let model = reader.model(name, value);
                    config.models.extend(model.map(|it| (name.get_ref().to_string(), it)));
                }),
                "prices" => self.each(key, value, |reader, name, value| {
                    let price = reader.price(name, value);
                    config.prices.extend(price.map(|it| (name.get_ref().to_string(), it)));
                }),
                "endpoints" => self.each(key, value, |reader, name, value| {
                    let endpoint = reader.endpoint(key, name, value);
                    let entry = endpoint.map(|it| (name.get_ref().to_string(), it));
                    config.endpoints.extend(entry);
                }),
                _ => self.cap(&mut config.caps, key, value),
            }
        }
        config
    }

    fn cap(&mut self, caps: &mut Caps, key: &Key<'_>, value: &Entry<'_>) {
        match key.get_ref().as_ref() {
            "max_calls" => caps.max_calls = self.integer(key, value, 0),
            "max_tokens" => caps.max_tokens = self.integer(key, value, 0),
            "max_usd" => caps.max_usd = self.number(key, value, 0.0..=f64::MAX),
            "max_seconds" => caps.max_seconds = self.number(key, value, 0.0..=f64::MAX),
            _ => self.unknown(key, &TOP),
        }
    }

    /// `"openai/gpt-4o" = { input = 2.5, cached = 1.25, output = 10 }`
    fn price(&mut self, name: &Key<'_>, value: &Entry<'_>) -> Option<Price> {
        if !name.get_ref().contains('/') {
            let message = format!("`{}` is no `provider/model`", name.get_ref());
            self.report(BAD_SETTING, name.span(), &message, "");
            return None;
        }
        let Some(table) = value.get_ref().as_table() else {
            self.wrong(name, value, "a table with `input` and `output`");
            return None;
        };
        let (mut input, mut cached, mut cache_write, mut output) = (None, None, None, None);
        for (key, value) in table {
            let part = match key.get_ref().as_ref() {
                "input" => &mut input,
                "cached" => &mut cached,
                "cache_write" => &mut cache_write,
                "output" => &mut output,
                _ => {
                    self.unknown(key, &PRICE);
                    continue;
                }
            };
            *part = self.number(key, value, 0.0..=f64::MAX);
        }
        for missing in ["input", "output"].into_iter().filter(|it| !table.contains_key(*it)) {
            let message = format!("the price of `{}` has no `{missing}`", name.get_ref());
            let hint = format!("add `{missing} = 0.5`: dollars for a million tokens");
            self.report(BAD_SETTING, name.span(), &message, &hint);
        }
        Some(Price { input: input?, cached, cache_write, output: output? })
    }

    /// `big = "openai/gpt-4o"`, or a table with options.
    fn model(&mut self, name: &Key<'_>, value: &Entry<'_>) -> Option<Model> {
        let origin = self.origin;
        let Some(table) = value.get_ref().as_table() else {
            let name = self.model_name(name, value)?;
            return Some(Model { name, origin, options: LmOptions::default() });
        };
        let mut options = LmOptions::default();
        let mut model = None;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "model" => model = self.model_name(key, value),
                _ => self.model_option(&mut options, key, value),
            }
        }
        if !table.contains_key("model") {
            let message = format!("model `{}` does not say which it is", name.get_ref());
            let hint = "add `model = \"provider/model\"`";
            self.report(BAD_SETTING, name.span(), &message, hint);
        }
        Some(Model { name: model?, origin, options })
    }

    fn model_option(&mut self, options: &mut LmOptions, key: &Key<'_>, value: &Entry<'_>) {
        match key.get_ref().as_ref() {
            "temperature" => options.temperature = self.number(key, value, 0.0..=10.0),
            "top_p" => options.top_p = self.number(key, value, 0.0..=1.0),
            "max_tokens" => options.max_tokens = self.integer(key, value, 1),
            "seed" => options.seed = self.integer(key, value, 0),
            "effort" => options.effort = self.effort(key, value),
            "stop" => options.stop = self.texts(key, value),
            "api" => options.api = self.api(key, value),
            "api_base" => options.api_base = self.url(key, value),
            "key_env" => options.key_env = self.variable(key, value),
            "timeout" => options.timeout = self.seconds(key, value),
            "connect_timeout" => options.connect_timeout = self.seconds(key, value),
            "first_token" => options.first_token = self.seconds(key, value),
            "rate" => options.rate = self.number(key, value, 0.001..=1e9),
            "retries" => options.retries = self.integer(key, value, 0),
            _ => self.unknown(key, &MODEL),
        }
    }

    fn api(&mut self, key: &Key<'_>, value: &Entry<'_>) -> Option<Api> {
        let word = self.text(key, value)?;
        let known = Api::ALL.into_iter().find(|it| it.as_str() == word);
        if known.is_none() {
            let words = Api::ALL.map(|it| format!("`{}`", it.as_str())).join(", ");
            let message = format!("`api` is one of {words}, not `{word}`");
            self.report(BAD_SETTING, value.span(), &message, "");
        }
        known
    }

    fn effort(&mut self, key: &Key<'_>, value: &Entry<'_>) -> Option<Effort> {
        let word = self.text(key, value)?;
        let known = Effort::ALL.into_iter().find(|it| it.as_str() == word);
        if known.is_none() {
            let words = Effort::ALL.map(|it| format!("`{}`", it.as_str())).join(", ");
            let message = format!("`effort` is one of {words}, not `{word}`");
            self.report(BAD_SETTING, value.span(), &message, "");
        }
        known
    }

    /// A time of at most some thirty years.
    fn seconds(&mut self, key: &Key<'_>, value: &Entry<'_>) -> Option<Duration> {
        self.number(key, value, 0.001..=1e9).map(Duration::from_secs_f64)
    }

    fn endpoint(
        &mut self,
        section: &Key<'_>,
        name: &Key<'_>,
        value: &Entry<'_>,
    ) -> Option<Endpoint> {
        if self.origin != Origin::User {
            let message = "`endpoints` stands only in the user's own file";
            let hint = "a project names a server by `api_base` and `key_env` of a model";
            self.report(USER_ONLY, section.span(), message, hint);
            return None;
        }
        let Some(table) = value.get_ref().as_table() else {
            self.wrong(name, value, "a table with `base_url` and `key_env`");
            return None;
        };
        let (mut base_url, mut key_env) = (None, None);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "base_url" => base_url = self.url(key, value),
                "key_env" => key_env = self.variable(key, value),
                _ => self.unknown(key, &ENDPOINT),
            }
        }
        if !table.contains_key("base_url") {
            let message = format!("endpoint `{}` has no `base_url`", name.get_ref());
            let hint = "add `base_url = \"https://…\"`";
            self.report(BAD_SETTING, name.span(), &message, hint);
        }
        Some(Endpoint { base_url: base_url?, key_env })
    }

    /// Calls `read` for each entry of a table of tables.
    fn each(
        &mut self,
        key: &Key<'_>,
        value: &Entry<'_>,
        mut read: impl FnMut(&mut Self, &Key<'_>, &Entry<'_>),
    ) {
        match value.get_ref().as_table() {
            Some(table) => table.iter().for_each(|(name, value)| read(self, name, value)),
            None => self.wrong(key, value, "a table"),
        }
    }

    fn boolean(&mut self, key: &Key<'_>, value: &Entry<'_>) -> Option<bool> {
        let said = value.get_ref().as_bool();
        if said.is_none() {
            self.wrong(key, value, "`true` or `false`");
        }
        said
    }

    fn text(&mut self, key: &Key<'_>, value: &Entry<'_>) -> Option<String> {
        let text = value.get_ref().as_str().filter(|it| !it.is_empty());
        if text.is_none() {
            self.wrong(key, value, "a string that is not empty");
        }
        text.map(ToOwned::to_owned)
    }

    fn texts(&mut self, key: &Key<'_>, value: &Entry<'_>) -> Option<Vec<String>> {
        let items = value.get_ref().as_array().and_then(|items| {
            items.iter().map(|it| it.get_ref().as_str().map(ToOwned::to_owned)).collect()
        });
        if items.is_none() {
            self.wrong(key, value, "a list of strings");
        }
        items
    }

    fn model_name(&mut self, key: &Key<'_>, value: &Entry<'_>) -> Option<String> {
        let name = self.text(key, value)?;
        if name.contains(['/', ':']) {
            return Some(name);
        }
        self.wrong(key, value, "`provider/model`");
        None
    }

    fn url(&mut self, key: &Key<'_>, value: &Entry<'_>) -> Option<String> {
        let url = self.text(key, value)?;
        if url.starts_with("http://") || url.starts_with("https://") {
            return Some(url);
        }
        self.wrong(key, value, "a URL with `http://` or `https://`");
        None
    }

    /// The name of an environment variable; a key itself in its place is an error, and is not
    /// repeated in the message.
    fn variable(&mut self, key: &Key<'_>, value: &Entry<'_>) -> Option<String> {
        let name = self.text(key, value)?;
        let fits = |ch: char| ch.is_ascii_alphanumeric() || ch == '_';
        if name.chars().all(fits) && !name.starts_with(|ch: char| ch.is_ascii_digit()) {
            return Some(name);
        }
        let message = format!("`{}` must be the name of a variable, not a key", key.get_ref());
        self.report(BAD_SETTING, value.span(), &message, "");
        None
    }

    /// The most that kept replies may take: a project must not decide what the user loses.
    fn cache_max_mb(&mut self, key: &Key<'_>, value: &Entry<'_>) -> Option<u64> {
        if self.origin != Origin::User {
            let message = "only your own settings file may say `cache_max_mb`";
            let hint = "say it in `config.toml`, or as `DSP_CACHE_MAX_MB`";
            self.report(USER_ONLY, key.span(), message, hint);
            return None;
        }
        self.integer(key, value, 1)
    }

    fn integer<T: TryFrom<i64>>(
        &mut self,
        key: &Key<'_>,
        value: &Entry<'_>,
        least: i64,
    ) -> Option<T> {
        let number = value.get_ref().as_integer();
        let number = number
            .and_then(|it| i64::from_str_radix(&it.as_str().replace('_', ""), it.radix()).ok());
        let fitting = number.filter(|it| *it >= least).and_then(|it| T::try_from(it).ok());
        if fitting.is_none() {
            self.wrong(key, value, &format!("an integer, {least} or more"));
        }
        fitting
    }

    fn number(
        &mut self,
        key: &Key<'_>,
        value: &Entry<'_>,
        range: std::ops::RangeInclusive<f64>,
    ) -> Option<f64> {
        let text = match value.get_ref() {
            DeValue::Integer(it) if it.radix() == 10 => it.as_str(),
            DeValue::Float(it) => it.as_str(),
            _ => "",
        };
        let number = text.replace('_', "").parse().ok().filter(|it| range.contains(it));
        if number.is_none() {
            let expected = match (*range.start(), *range.end()) {
                (least, f64::MAX) => format!("a number, {least} or more"),
                (least, most) => format!("a number between {least} and {most}"),
            };
            self.wrong(key, value, &expected);
        }
        number
    }

    fn wrong(&mut self, key: &Key<'_>, value: &Entry<'_>, expected: &str) {
        let found = value.get_ref().type_str();
        let article = if found.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
        let message = format!("`{}` must be {expected}", key.get_ref());
        let span = Span::new(self.source, value.span().start, value.span().end);
        let diag = Diagnostic::new(BAD_SETTING, span, message);
        self.diags.push(diag.remark(format!("this is {article} {found}")));
    }

    fn unknown(&mut self, key: &Key<'_>, known: &[&'static str]) {
        let message = format!("there is no setting `{}` here", key.get_ref());
        let hint = did_you_mean(key.get_ref(), known.iter().copied());
        self.report(UNKNOWN_SETTING, key.span(), &message, &hint);
    }

    fn report(&mut self, code: Code, range: Range<usize>, message: &str, hint: &str) {
        let span = Span::new(self.source, range.start, range.end);
        self.diags.push(Diagnostic::new(code, span, message).hint(hint));
    }
}
