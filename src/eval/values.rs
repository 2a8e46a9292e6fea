//! Scores and comparisons as values of scripts.

use crate::eval::{Comparison, Evaluation, stats::Verdict};
use crate::runtime::{Args, Cx, Error, Object, Val, wrong};
use crate::schema::Value;
use crate::trace::Totals;
use indexmap::IndexMap;
use std::any::Any;
use std::sync::Arc;

/// A score and the rows behind it.
#[derive(Debug)]
pub struct EvaluationValue(pub Arc<Evaluation>);

impl Object for EvaluationValue {
    fn type_name(&self) -> &'static str {
        "evaluation"
    }

    fn get(&self, name: &str) -> Option<Val> {
        Some(match name {
            "score" => self.0.score.map_or(Val::Null, Val::Float),
            "interval" => match self.0.interval {
                Some(it) => Val::List(vec![Val::Float(it.low), Val::Float(it.high)]),
                None => Val::Null,
            },
            "rows" => Val::List(self.0.rows.iter().map(row_result).collect()),
            "failures" => {
                let failed = |it: &&super::RowResult| {
                    it.outcome.as_ref().is_some_and(|it| it.failure.is_some())
                };
                Val::List(self.0.rows.iter().filter(failed).map(row_result).collect())
            }
            "cost" => self.cost(),
            _ => return None,
        })
    }

    fn members(&self) -> Vec<String> {
        ["score", "interval", "rows", "failures", "cost"].map(ToOwned::to_owned).to_vec()
    }

    fn method(&self, cx: &Cx<'_>, name: &str, mut args: Args) -> Option<Result<Val, Error>> {
        match name {
            "report" => {
                Some(Ok(Val::str(&format!("{}{}", self.0.render(), self.0.render_times()))))
            }
            "save" => {
                let path = args.take(0, "path").unwrap_or_default();
                Some(save(cx, &path, &self.to_value().unwrap_or_default()))
            }
            _ => None,
        }
    }

    fn to_value(&self) -> Option<Value> {
        Some(self.0.to_value())
    }

    fn show(&self) -> String {
        self.0.render().trim_end().to_owned()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl EvaluationValue {
    fn cost(&self) -> Val {
        let totals = Totals {
            calls: self.0.calls - self.0.cached_calls,
            cached: self.0.cached_calls,
            prompt_tokens: self.0.prompt_tokens,
            completion_tokens: self.0.completion_tokens,
        };
        cost_map(totals, Some(self.0.elapsed.as_secs_f64()))
    }
}

/// Calls, tokens and time as a map.
pub(crate) fn cost_map(totals: Totals, seconds: Option<f64>) -> Val {
    let whole = |it: u64| Val::Int(i64::try_from(it).unwrap_or(i64::MAX));
    let mut entries: IndexMap<Arc<str>, Val> = IndexMap::from([
        (Arc::from("calls"), whole(totals.calls)),
        (Arc::from("cached"), whole(totals.cached)),
        (Arc::from("prompt_tokens"), whole(totals.prompt_tokens)),
        (Arc::from("completion_tokens"), whole(totals.completion_tokens)),
    ]);
    if let Some(seconds) = seconds {
        entries.insert(Arc::from("seconds"), Val::Float(seconds));
    }
    Val::Map(entries)
}

fn row_result(row: &super::RowResult) -> Val {
    let outcome = row.outcome.as_ref();
    let reply = outcome.map(|it| Val::from_value(&Value::map(it.reply.clone())));
    let failure = outcome.and_then(|it| it.failure.as_ref()).map(|it| Val::str(&it.message));
    let feedback = outcome.and_then(|it| it.feedback.as_deref()).map(Val::str);
    Val::Map(IndexMap::from([
        (Arc::from("index"), Val::Int(i64::try_from(row.index).unwrap_or(i64::MAX))),
        (Arc::from("origin"), Val::str(&row.origin)),
        (Arc::from("score"), row.value().map_or(Val::Null, Val::Float)),
        (Arc::from("reply"), reply.unwrap_or_default()),
        (Arc::from("feedback"), feedback.unwrap_or_default()),
        (Arc::from("failure"), failure.unwrap_or_default()),
    ]))
}

fn save(cx: &Cx<'_>, path: &Val, value: &Value) -> Result<Val, Error> {
    let Some(path) = path.as_str() else { return Err(wrong("path", "a path", path)) };
    let at = cx.resolve(path);
    let text = serde_json::to_string_pretty(value).expect("results have only string keys");
    let host = &cx.run().env().host;
    host.write(&at, format!("{text}\n").as_bytes()).map_err(|error| {
        Error::data(
            crate::runtime::codes::FILE,
            format!("cannot write `{}`: {error}", at.display()),
        )
    })?;
    Ok(Val::Null)
}

/// Two programs on the same rows.
#[derive(Debug)]
pub struct ComparisonValue {
    /// The first program's evaluation.
    pub before: Arc<Evaluation>,
    /// The second program's.
    pub after: Arc<Evaluation>,
    /// The two, row by row.
    pub comparison: Comparison,
}

impl Object for ComparisonValue {
    fn type_name(&self) -> &'static str {
        "comparison"
    }

    fn get(&self, name: &str) -> Option<Val> {
        let paired = self.comparison.paired.as_ref();
        Some(match name {
            "a" => Val::object(EvaluationValue(self.before.clone())),
            "b" => Val::object(EvaluationValue(self.after.clone())),
            "difference" => paired.map_or(Val::Null, |it| Val::Float(it.gain)),
            "interval" => paired.map_or(Val::Null, |it| {
                Val::List(vec![Val::Float(it.interval.low), Val::Float(it.interval.high)])
            }),
            "p" => paired.map_or(Val::Null, |it| Val::Float(it.p)),
            "reliable" => {
                Val::Bool(paired.is_some_and(|it| it.verdict != Verdict::NoReliableGain))
            }
            "rows" => Val::List(self.rows()),
            _ => return None,
        })
    }

    fn members(&self) -> Vec<String> {
        ["a", "b", "difference", "interval", "p", "reliable", "rows"]
            .map(ToOwned::to_owned)
            .to_vec()
    }

    fn method(&self, cx: &Cx<'_>, name: &str, mut args: Args) -> Option<Result<Val, Error>> {
        match name {
            "report" => Some(Ok(Val::str(&self.comparison.render()))),
            "save" => {
                let path = args.take(0, "path").unwrap_or_default();
                Some(save(cx, &path, &self.to_value().unwrap_or_default()))
            }
            _ => None,
        }
    }

    fn to_value(&self) -> Option<Value> {
        Some(self.comparison.to_value())
    }

    fn show(&self) -> String {
        self.comparison.render().trim_end().to_owned()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ComparisonValue {
    fn rows(&self) -> Vec<Val> {
        let pairs = self.before.rows.iter().zip(&self.after.rows);
        let row = |(a, b): (&super::RowResult, &super::RowResult)| {
            Val::Map(IndexMap::from([
                (Arc::from("index"), Val::Int(i64::try_from(a.index).unwrap_or(i64::MAX))),
                (Arc::from("a"), a.value().map_or(Val::Null, Val::Float)),
                (Arc::from("b"), b.value().map_or(Val::Null, Val::Float)),
            ]))
        };
        pairs.map(row).collect()
    }
}
