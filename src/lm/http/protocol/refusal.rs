//! What servers say that take no request.

use serde::Deserialize;

/// The `error` of a body, in the forms that servers send.
#[derive(Deserialize, Debug, Default)]
#[serde(from = "serde_json::Value")]
pub(in crate::lm::http) struct ErrorBody {
    pub(in crate::lm::http) message: Option<String>,
    /// `code`, `type`, `status` and `param`, whichever are texts.
    pub(in crate::lm::http) codes: Vec<String>,
    /// A status inside a body whose own status was 200.
    pub(in crate::lm::http) status: Option<u16>,
}

impl From<serde_json::Value> for ErrorBody {
    fn from(value: serde_json::Value) -> Self {
        let text = |name: &str| value.get(name).and_then(|it| it.as_str()).map(str::to_owned);
        let message = text("message").or_else(|| text("detail"));
        Self {
            message: message.or_else(|| value.as_str().map(str::to_owned)),
            codes: ["code", "type", "status", "param"].into_iter().filter_map(text).collect(),
            status: value
                .get("code")
                .and_then(serde_json::Value::as_u64)
                .and_then(|it| u16::try_from(it).ok()),
        }
    }
}

impl ErrorBody {
    /// All that was said, in lower case.
    pub(in crate::lm::http) fn words(&self) -> String {
        let mut words = self.message.as_deref().unwrap_or_default().to_lowercase();
        for code in &self.codes {
            words.push(' ');
            words.push_str(&code.to_lowercase());
        }
        words
    }

    /// Whether anything was said.
    pub(in crate::lm::http) fn is_explained(&self) -> bool {
        self.message.is_some() && (self.status.is_some() || !self.codes.is_empty())
    }

    /// Reads the body of a response that is an error; what is no JSON is the message itself.
    pub(in crate::lm::http) fn read(body: &[u8]) -> Self {
        match serde_json::from_slice::<serde_json::Value>(body) {
            Ok(mut value) => match value.get_mut("error").map(serde_json::Value::take) {
                Some(error) if !error.is_null() => error.into(),
                _ => match value {
                    // Some gateways send a list with one error in it.
                    serde_json::Value::Array(mut list) if !list.is_empty() => {
                        let mut first = list.swap_remove(0);
                        first
                            .get_mut("error")
                            .map(serde_json::Value::take)
                            .unwrap_or(first)
                            .into()
                    }
                    other => other.into(),
                },
            },
            Err(_) => Self {
                message: Some(String::from_utf8_lossy(body).into_owned()),
                ..Self::default()
            },
        }
    }
}
