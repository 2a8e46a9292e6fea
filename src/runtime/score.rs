//! What a metric says as a score, and texts as answers are compared.

use crate::runtime::cx::number;
use crate::runtime::error::Error;
use crate::runtime::reply::Reply;
use crate::runtime::value::Val;
use indexmap::IndexMap;
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;

/// What a metric said of a reply.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judgement {
    /// The score that counts.
    pub score: f64,
    /// All scores where there are several, the one that counts first.
    pub scores: IndexMap<String, f64>,
    /// What it said besides.
    pub feedback: Option<String>,
    /// What it said of single predictors, by their paths.
    pub by: IndexMap<String, String>,
}

/// Reads what a metric returned: a bool, a number from 0 to 1, a map of such scores with
/// `feedback` and `by`, or the reply of a judge that has them as fields.
///
/// # Errors
/// Anything else.
pub fn judgement(value: &Val) -> Result<Judgement, Error> {
    if let Some(entries) = value.entries() {
        return of_map(entries);
    }
    match value.downcast::<Reply>() {
        Some(reply) => of_reply(reply),
        None => Ok(Judgement { score: score("", value)?, ..Judgement::default() }),
    }
}

/// The score that counts among several: `score`, else the first.
const MAIN: &str = "score";
/// Entries that are no scores.
const FEEDBACK: &str = "feedback";
const BY: &str = "by";

/// A map says only what a metric can say, so that a mistyped name is no score that is lost.
fn of_map(entries: &IndexMap<Arc<str>, Val>) -> Result<Judgement, Error> {
    let mut said = Judgement::default();
    for (name, value) in entries {
        match (&**name, value) {
            (FEEDBACK | BY, Val::Null) => {}
            (FEEDBACK, value) => said.feedback = Some(text(FEEDBACK, value)?),
            (BY, Val::Map(paths)) => {
                for (path, value) in paths {
                    said.by.insert(path.to_string(), text(path, value)?);
                }
            }
            (BY, other) => return Err(no_text(BY, "a map of texts by path", other)),
            (name, value) => {
                said.scores.insert(name.to_owned(), score(name, value)?);
            }
        }
    }
    chosen(said).ok_or_else(|| {
        Error::value("the metric's map has no `score`")
            .hint("return `#{ score: …, feedback: \"…\" }`")
    })
}

/// A judge's reply has fields that are no scores, such as its reasoning, which is feedback.
fn of_reply(reply: &Reply) -> Result<Judgement, Error> {
    let fields = reply.fields();
    let mut said = Judgement::default();
    for (name, value) in fields {
        let is_number = matches!(value, Val::Bool(_) | Val::Int(_) | Val::Float(_));
        let counts = &**name == MAIN || (said.scores.is_empty() && !fields.contains_key(MAIN));
        if is_number && counts {
            said.scores.insert(name.to_string(), score(name, value)?);
        } else if let (true, Ok(it)) = (is_number, score(name, value)) {
            said.scores.insert(name.to_string(), it);
        }
    }
    let spoken = [FEEDBACK, "reasoning"].iter().find_map(|name| fields.get(*name)?.as_str());
    said.feedback = spoken.map(ToOwned::to_owned);
    chosen(said).ok_or_else(|| {
        Error::value("the judge's reply has no score")
            .hint("give its signature an output `score: float(0..=1)` or `score: bool`")
    })
}

/// Puts the score that counts first; a single one needs no name.
fn chosen(mut said: Judgement) -> Option<Judgement> {
    if let Some(at) = said.scores.get_index_of(MAIN) {
        said.scores.move_index(at, 0);
    }
    said.score = *said.scores.first()?.1;
    if said.scores.len() == 1 {
        said.scores.clear();
    }
    Some(said)
}

/// One score; `name` is empty for the only one.
fn score(name: &str, value: &Val) -> Result<f64, Error> {
    let of = if name.is_empty() { String::new() } else { format!(" as `{name}`") };
    let found = match value {
        Val::Bool(it) => f64::from(u8::from(*it)),
        Val::Int(_) | Val::Float(_) => number("score", value)?,
        other => {
            let kind = crate::util::a(other.kind());
            return Err(Error::value(format!("the metric returned {kind}{of}"))
                .hint("return true or false, a number from 0 to 1, or `#{ score: … }`"));
        }
    };
    if (0.0..=1.0).contains(&found) {
        return Ok(found);
    }
    Err(Error::value(format!("the metric returned {found}{of}, not a number from 0 to 1")))
}

fn text(name: &str, value: &Val) -> Result<String, Error> {
    value.as_str().map(ToOwned::to_owned).ok_or_else(|| no_text(name, "a text", value))
}

fn no_text(name: &str, wanted: &str, found: &Val) -> Error {
    let kind = crate::util::a(found.kind());
    Error::value(format!("the metric returned {kind} as `{name}`, not {wanted}"))
}

/// A text as answers are compared: lower case, without punctuation, the articles of English
/// and surplus spaces, as the evaluation of `SQuAD` does it (Rajpurkar et al. 2016), and with
/// accents as characters of their own, as DSPy has them.
pub fn normalized(text: &str) -> String {
    let bare: String = text
        .nfd()
        .flat_map(char::to_lowercase)
        .filter(|it| !it.is_ascii_punctuation())
        .collect();
    let words = bare.split_whitespace().filter(|it| !matches!(*it, "a" | "an" | "the"));
    words.collect::<Vec<_>>().join(" ")
}
