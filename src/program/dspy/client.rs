//! The model that a file names.

use super::{Reader, is_empty, map};
use crate::program::PredictorState;
use crate::program::file::check_name;
use crate::schema::{Record, Value};

/// What a file says of a client that only repeats the rule.
const USUAL: [(&str, &str); 6] = [
    ("_dspy_lm_class", "\"dspy.clients.lm.LM\""),
    ("model_type", "\"chat\""),
    ("cache", "true"),
    ("cache_in_memory", "true"),
    ("num_retries", "3"),
    ("num_retries", "8"),
];
/// Pieces of the names of what belongs to a machine.
const OF_A_MACHINE: [&str; 9] =
    ["api_", "base", "url", "key", "secret", "header", "model_list", "credential", "auth"];

impl Reader<'_> {
    /// The model's name and its sampling; where it lives, and with which key, is left out.
    pub(super) fn client(&mut self, lm: Option<&Value>, state: &mut PredictorState) {
        let settings = match lm {
            None | Some(Value::Null) => return,
            Some(Value::Str(name)) => {
                Record::from([("model".into(), Value::Str(name.clone()))])
            }
            Some(Value::Map(settings)) => (**settings).clone(),
            Some(_) => return self.leave_out("lm", "is no model"),
        };
        for (name, value) in settings.iter().filter(|(_, value)| !is_empty(value)) {
            if !self.setting(name, value, state) {
                self.leave_setting(name, value);
            }
        }
    }

    /// Takes a setting over; false where it has no counterpart.
    fn setting(&self, name: &str, value: &Value, state: &mut PredictorState) -> bool {
        let options = &mut state.options;
        let whole = match value {
            Value::Int(it) => u64::try_from(*it).ok(),
            _ => None,
        };
        match name {
            "model" => {
                let name = value.as_str().filter(|it| check_name(it).is_ok());
                state.lm = name.map(str::to_owned);
                state.lm.is_some()
            }
            "temperature" => {
                options.temperature = number(value);
                options.temperature.is_some()
            }
            "top_p" => {
                options.top_p = number(value);
                options.top_p.is_some()
            }
            "max_tokens" | "max_completion_tokens" => {
                options.max_tokens = whole.and_then(|it| u32::try_from(it).ok());
                options.max_tokens.is_some()
            }
            "seed" => {
                options.seed = whole;
                whole.is_some()
            }
            _ => USUAL.contains(&(name, &*value.to_json())),
        }
    }

    fn leave_setting(&mut self, name: &str, value: &Value) {
        let has_url = |it: &Value| it.as_str().is_some_and(|it| it.contains("://"));
        let machine = OF_A_MACHINE.iter().any(|it| name.contains(it)) || has_url(value);
        let place = format!("lm.{name}");
        let why = match name {
            _ if machine && map(value).is_none() => "is an address, a key or the like",
            _ if machine => "belongs to a machine",
            "model"
            | "temperature"
            | "top_p"
            | "max_tokens"
            | "max_completion_tokens"
            | "seed" => "cannot be used",
            _ => "is a setting of the client, which stands in `dsp.toml` here",
        };
        self.leave_out(&place, why);
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(it) => Some(*it),
        Value::Int(it) => i32::try_from(*it).ok().map(f64::from),
        _ => None,
    }
}
