//! Evaluations and comparisons as values of scripts.

use crate::eval::evaluation::NamedScore;
use crate::eval::stats::{Interval, Paired, Verdict};
use crate::eval::usage_value;
use crate::eval::{Comparison, Evaluation, JudgeCost, RowResult, RowValue};
use crate::lm::Money;
use crate::runtime::{Args, Cx, Error, Object, Reply, Val, codes, typed_reply, wrong};
use crate::schema::Value;
use indexmap::IndexMap;
use std::any::Any;
use std::path::Path;
use std::sync::Arc;

/// A score and the rows behind it.
#[derive(Debug)]
pub struct EvaluationValue(pub Arc<Evaluation>);

const EVALUATION_FIELDS: &[&str] =
    &["score", "interval", "scores", "rows", "failures", "report", "calls", "tokens", "cost"];

impl Object for EvaluationValue {
    fn type_name(&self) -> &'static str {
        "evaluation"
    }

    fn get(&self, name: &str) -> Option<Val> {
        let it = &*self.0;
        Some(match name {
            "score" => it.score.map_or(Val::Null, Val::Float),
            "interval" => interval(it.interval),
            "scores" => map(it.scores.iter().map(|(name, it)| (&**name, named_score(it)))),
            "rows" => self.rows(|_| true),
            "failures" => self.rows(|row| row.failure().is_some()),
            "report" => Val::str(&it.report()),
            "calls" => whole(it.calls),
            "tokens" => whole(it.prompt_tokens + it.completion_tokens),
            "cost" => cost(it),
            _ => return None,
        })
    }

    fn members(&self) -> Vec<String> {
        EVALUATION_FIELDS.iter().map(ToString::to_string).collect()
    }

    fn method(&self, cx: &Cx<'_>, name: &str, mut args: Args) -> Option<Result<Val, Error>> {
        match name {
            "report" => Some(Ok(Val::str(&self.0.report()))),
            "save" => {
                let path = args.take(0, "path").unwrap_or_default();
                let text = |path: &Path| match path.extension().and_then(|it| it.to_str()) {
                    Some("csv") => Some(self.0.to_csv()),
                    Some("html") => Some(self.0.to_html()),
                    Some("json") => Some(pretty(&self.0.to_value())),
                    _ => None,
                };
                Some(save(cx, &path, "`.html`, `.json` or `.csv`", text))
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
    fn rows(&self, wanted: impl Fn(&RowResult) -> bool) -> Val {
        let rows = 0..self.0.rows.len();
        let rows = rows.filter(|at| wanted(&self.0.rows[*at]));
        let row = |at| Val::object(RowResultValue { evaluation: self.0.clone(), at });
        Val::List(rows.map(row).collect())
    }
}

/// A row and what the program made of it.
#[derive(Debug)]
struct RowResultValue {
    evaluation: Arc<Evaluation>,
    at: usize,
}

const ROW_FIELDS: &[&str] = &[
    "index",
    "origin",
    "row",
    "inputs",
    "reply",
    "score",
    "scores",
    "feedback",
    "feedback_by",
    "failure",
    "latency",
    "calls",
    "tokens",
];

impl RowResultValue {
    fn result(&self) -> &RowResult {
        &self.evaluation.rows[self.at]
    }

    /// The columns that the program takes.
    fn inputs(&self) -> Val {
        let values = &self.result().row.values;
        let taken = self.evaluation.subject.inputs.iter();
        map(taken.filter_map(|it| Some((&**it, Val::from_value(values.get(it)?)))))
    }
}

impl RowResultValue {
    /// What the program replied with under a name: records, where its predictors say so.
    fn output(&self, name: &str, value: &Value) -> Val {
        match self.evaluation.subject.outputs.get(name) {
            Some((ty, types)) => typed_reply(value, ty, types),
            None => Val::from_value(value),
        }
    }
}

impl Object for RowResultValue {
    fn type_name(&self) -> &'static str {
        "row result"
    }

    fn get(&self, name: &str) -> Option<Val> {
        let row = self.result();
        let outcome = row.outcome.as_ref();
        let text = |it: Option<&str>| it.map_or(Val::Null, Val::str);
        Some(match name {
            "index" => whole(row.index as u64),
            "origin" => Val::str(&row.origin),
            "row" => Val::object(RowValue::new(row.row.clone())),
            "inputs" => self.inputs(),
            "reply" => outcome.filter(|it| it.failure.is_none()).map_or(Val::Null, |it| {
                let fields = it.reply.iter();
                let fields = fields.map(|(name, it)| (name.clone(), self.output(name, it)));
                Val::object(Reply::new(fields.collect(), None))
            }),
            "score" => row.value().map_or(Val::Null, Val::Float),
            "scores" => map(self
                .evaluation
                .scores
                .keys()
                .map(|name| (&**name, row.named(name).map_or(Val::Null, Val::Float)))),
            "feedback" => text(outcome.and_then(|it| it.feedback.as_deref())),
            "feedback_by" => {
                let by = outcome.into_iter().flat_map(|it| it.feedback_by.iter());
                map(by.map(|(path, said)| (&**path, Val::str(said))))
            }
            "failure" => text(row.failure()),
            "latency" => outcome.map_or(Val::Null, |it| Val::Float(it.latency.as_secs_f64())),
            "calls" => whole(outcome.map_or(0, |it| u64::from(it.calls - it.judge.calls))),
            "tokens" => whole(outcome.map_or(0, |it| {
                let judge = it.judge.prompt_tokens + it.judge.completion_tokens;
                it.prompt_tokens + it.completion_tokens - judge
            })),
            _ => return None,
        })
    }

    fn members(&self) -> Vec<String> {
        ROW_FIELDS.iter().map(ToString::to_string).collect()
    }

    fn to_value(&self) -> Option<Value> {
        Some(self.evaluation.row_value(self.result()))
    }

    fn show(&self) -> String {
        let row = self.result();
        let score = row.value().map_or("not scored".to_owned(), |it| format!("{it:.3}"));
        let more = row.failure().map(|it| format!(", failed: {it}")).unwrap_or_default();
        format!("{}: {score}{more}", row.origin)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
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

const COMPARISON_FIELDS: &[&str] = &[
    "a", "b", "gain", "interval", "p", "wins", "losses", "ties", "verdict", "reliable",
    "scores", "rows", "report",
];

impl Object for ComparisonValue {
    fn type_name(&self) -> &'static str {
        "comparison"
    }

    fn get(&self, name: &str) -> Option<Val> {
        let paired = self.comparison.paired.as_ref();
        let count = |part: fn(&Paired) -> usize| whole(paired.map_or(0, |it| part(it) as u64));
        Some(match name {
            "a" => Val::object(EvaluationValue(self.before.clone())),
            "b" => Val::object(EvaluationValue(self.after.clone())),
            "gain" => paired.map_or(Val::Null, |it| Val::Float(it.gain)),
            "interval" => interval(paired.map(|it| it.interval)),
            "p" => paired.map_or(Val::Null, |it| Val::Float(it.p)),
            "wins" => count(|it| it.wins),
            "losses" => count(|it| it.losses),
            "ties" => count(|it| it.ties),
            "verdict" => Val::str(self.comparison.verdict()),
            "reliable" => {
                Val::Bool(paired.is_some_and(|it| it.verdict != Verdict::NoReliableGain))
            }
            "scores" => {
                map(self.comparison.scores.iter().map(|(name, it)| (&**name, named_gain(it))))
            }
            "rows" => Val::List(self.rows()),
            "report" => Val::str(&self.comparison.render()),
            _ => return None,
        })
    }

    fn members(&self) -> Vec<String> {
        COMPARISON_FIELDS.iter().map(ToString::to_string).collect()
    }

    fn method(&self, cx: &Cx<'_>, name: &str, mut args: Args) -> Option<Result<Val, Error>> {
        match name {
            "report" => Some(Ok(Val::str(&self.comparison.render()))),
            "save" => {
                let path = args.take(0, "path").unwrap_or_default();
                let text = |path: &Path| {
                    let json = path.extension().is_some_and(|it| it == "json");
                    json.then(|| pretty(&self.comparison.to_value()))
                };
                Some(save(cx, &path, "`.json`", text))
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
        let value = |row: &RowResult| row.value().map_or(Val::Null, Val::Float);
        let row = |(a, b): (&RowResult, &RowResult)| {
            map([("index", whole(a.index as u64)), ("a", value(a)), ("b", value(b))])
        };
        pairs.map(row).collect()
    }
}

fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Val)>) -> Val {
    let entries = entries.into_iter().map(|(name, value)| (Arc::from(name), value));
    Val::Map(entries.collect::<IndexMap<Arc<str>, Val>>())
}

fn whole(it: u64) -> Val {
    Val::Int(i64::try_from(it).unwrap_or(i64::MAX))
}

fn interval(it: Option<Interval>) -> Val {
    it.map_or(Val::Null, |it| Val::List(vec![Val::Float(it.low), Val::Float(it.high)]))
}

fn named_score(it: &NamedScore) -> Val {
    map([("score", Val::Float(it.score)), ("interval", interval(it.interval))])
}

fn named_gain(it: &Paired) -> Val {
    let verdict = Val::str(it.verdict.as_str());
    map([
        ("gain", Val::Float(it.gain)),
        ("interval", interval(Some(it.interval))),
        ("p", Val::Float(it.p)),
        ("verdict", verdict),
    ])
}

/// What it took: requests that were sent, replies from the store, tokens, and the judge's part.
fn cost(it: &Evaluation) -> Val {
    let JudgeCost { calls, cached_calls, prompt_tokens, completion_tokens, time, .. } =
        it.judge;
    let usd = |it: Option<f64>| it.map_or(Val::Null, Val::Float);
    let told = |it: Option<u64>| it.map_or(Val::Null, whole);
    let paid = it.paid().map(Money::dollars);
    map([
        ("calls", whole(it.calls - it.cached_calls)),
        ("cached", whole(it.cached_calls)),
        ("prompt_tokens", whole(it.prompt_tokens)),
        ("completion_tokens", whole(it.completion_tokens)),
        ("cached_tokens", told(it.details.cached)),
        ("cache_write_tokens", told(it.details.cache_write)),
        ("reasoning_tokens", told(it.details.reasoning)),
        ("untold", whole(it.details.untold)),
        ("by", Val::from_value(&usage_value(&it.used))),
        ("usd", usd(it.cost.dollars())),
        ("judge_usd", usd(it.judge.cost.dollars())),
        ("paid_usd", usd(paid)),
        ("judge_calls", whole(calls - cached_calls)),
        ("judge_cached", whole(cached_calls)),
        ("judge_prompt_tokens", whole(prompt_tokens)),
        ("judge_completion_tokens", whole(completion_tokens)),
        ("judge_seconds", Val::Float(time.as_secs_f64())),
        ("seconds", Val::Float(it.elapsed.as_secs_f64())),
    ])
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("results have only string keys") + "\n"
}

/// Writes a result in the format that the name of the file says.
fn save(
    cx: &Cx<'_>,
    path: &Val,
    formats: &str,
    text: impl Fn(&Path) -> Option<String>,
) -> Result<Val, Error> {
    let Some(path) = path.as_str() else { return Err(wrong("path", "a path", path)) };
    let at = cx.resolve(path);
    let Some(text) = text(&at) else {
        let error = Error::value(format!("`{path}` does not say what to write"));
        return Err(error.hint(format!("name a file that ends in {formats}")));
    };
    cx.run().env().host.write(&at, text.as_bytes()).map_err(|error| {
        Error::data(codes::FILE, format!("cannot write `{}`: {error}", at.display()))
    })?;
    Ok(Val::Null)
}
