//! What a metric says as a score, and texts as answers are compared.

use crate::runtime::cx::number;
use crate::runtime::error::Error;
use crate::runtime::value::Val;

/// Reads what a metric returned: a bool, a number from 0 to 1, or a map with `score` and, if
/// there is something to say, `feedback`.
///
/// # Errors
/// Anything else.
pub fn score_of(value: &Val) -> Result<(f64, Option<String>), Error> {
    let score = match value {
        Val::Bool(it) => f64::from(u8::from(*it)),
        Val::Int(_) | Val::Float(_) => number("score", value)?,
        Val::Map(entries) => {
            let score = entries.get("score").ok_or_else(|| {
                Error::value("the metric's map has no `score`")
                    .hint("return `#{ score: …, feedback: \"…\" }`")
            })?;
            let feedback = entries.get("feedback").and_then(Val::as_str).map(ToOwned::to_owned);
            return Ok((score_of(score)?.0, feedback));
        }
        other => {
            return Err(Error::value(format!("the metric returned {}", other.kind()))
                .hint("return true or false, a number from 0 to 1, or `#{ score: … }`"));
        }
    };
    if (0.0..=1.0).contains(&score) {
        Ok((score, None))
    } else {
        Err(Error::value(format!("the metric returned {score}, not a number from 0 to 1")))
    }
}

/// A text as answers are compared: lower case, without punctuation, the articles of English
/// and surplus spaces, as the evaluation of `SQuAD` does it (Rajpurkar et al. 2016).
pub fn normalized(text: &str) -> String {
    let bare: String = text
        .chars()
        .flat_map(char::to_lowercase)
        .filter(|it| !it.is_ascii_punctuation())
        .collect();
    let words = bare.split_whitespace().filter(|it| !matches!(*it, "a" | "an" | "the"));
    words.collect::<Vec<_>>().join(" ")
}
