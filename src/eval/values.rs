//! Data sets, rows and results as values of scripts.

use crate::eval::{Comparison, Dataset, Evaluation, Share, stats::Verdict};
use crate::runtime::{Args, Cx, Error, Object, Val, count, to_record, wrong};
use crate::schema::{Record, Row, Value};
use crate::trace::Totals;
use indexmap::IndexMap;
use std::any::Any;
use std::sync::Arc;

/// A data set. Immutable.
#[derive(Debug, Clone)]
pub struct DatasetValue(pub Dataset);

/// A row of a data set.
#[derive(Debug, Clone)]
pub struct RowValue {
    row: Arc<Row>,
}

impl RowValue {
    /// Returns a row as a value.
    pub fn new(row: Arc<Row>) -> Self {
        Self { row }
    }
}

impl DatasetValue {
    /// Reads what stands where data are wanted: a data set, or a list of maps or rows.
    ///
    /// # Errors
    /// Anything else.
    pub fn from_val(what: &str, value: &Val) -> Result<Dataset, Error> {
        if let Some(data) = value.downcast::<Self>() {
            return Ok(data.0.clone());
        }
        match value {
            Val::List(items) => {
                let records: Result<Vec<Record>, Error> =
                    items.iter().map(|it| record_of(what, "maps or rows", it)).collect();
                Ok(Dataset::from_records(records?))
            }
            other => Err(wrong(what, "a data set or a list of maps", other)),
        }
    }

    fn row(&self, at: usize) -> Option<Val> {
        self.0.get(at).map(|row| Val::object(RowValue::new(row.clone())))
    }

    fn filter(&self, cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
        let function = args.take(0, "f").unwrap_or_default();
        let kept = self.0.filter(|row| {
            let row = Val::object(RowValue::new(Arc::new(row.clone())));
            match cx.call(&function, Args::positional(vec![row]))? {
                Val::Bool(it) => Ok(it),
                other => Err(wrong("filter", "true or false from its function", &other)),
            }
        })?;
        Ok(Val::object(Self(kept)))
    }

    fn map(&self, cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
        let function = args.take(0, "f").unwrap_or_default();
        let changed = self.0.map(|row| {
            let row = Val::object(RowValue::new(Arc::new(row.clone())));
            record_of(
                "map",
                "a map or a row from its function",
                &cx.call(&function, Args::positional(vec![row]))?,
            )
        })?;
        Ok(Val::object(Self(changed)))
    }

    fn split(&self, mut args: Args) -> Result<Val, Error> {
        let seed = args.count("seed")?.unwrap_or(0) as u64;
        let mut parts = Vec::new();
        for name in ["train", "dev", "test"] {
            if let Some(value) = args.option(name) {
                parts.push((name, share(name, &value)?));
            }
        }
        args.finish("split", 0, &["train", "dev", "test", "seed"])?;
        let split = self.0.split(&parts, seed).map_err(Error::value)?;
        let named =
            split.into_iter().map(|(name, part)| (Arc::from(name), Val::object(Self(part))));
        Ok(Val::object(Splits(named.collect())))
    }

    fn slice(&self, mut args: Args) -> Result<Val, Error> {
        let from = count("from", &args.take(0, "from").unwrap_or_default())?;
        let to = match args.take(1, "to") {
            Some(to) if !to.is_null() => count("to", &to)?,
            _ => self.0.len(),
        };
        Ok(Val::object(Self(self.0.slice(from, to))))
    }

    fn unique(&self, mut args: Args) -> Result<Val, Error> {
        let Some(by) = args.take(0, "by").filter(|it| !it.is_null()) else {
            return Ok(Val::object(Self(self.0.unique())));
        };
        let Some(column) = by.as_str() else {
            return Err(wrong("by", "the name of a column", &by));
        };
        let mut seen: Vec<Value> = Vec::new();
        let kept = self.0.filter(|row| {
            let value = row.values.get(column).cloned().unwrap_or_default();
            let fresh = !seen.contains(&value);
            if fresh {
                seen.push(value);
            }
            Ok::<bool, Error>(fresh)
        })?;
        Ok(Val::object(Self(kept)))
    }
}

fn share(name: &str, value: &Val) -> Result<Share, Error> {
    match value {
        Val::Float(part) => Ok(Share::Fraction(*part)),
        other => Ok(Share::Count(count(name, other)?)),
    }
}

fn record_of(what: &str, wanted: &str, value: &Val) -> Result<Record, Error> {
    match value {
        Val::Map(entries) => to_record(entries),
        other => match other.to_value() {
            Ok(Value::Map(record)) => Ok((*record).clone()),
            _ => Err(wrong(what, wanted, other)),
        },
    }
}

impl Object for DatasetValue {
    fn type_name(&self) -> &'static str {
        "dataset"
    }

    fn method(&self, cx: &Cx<'_>, name: &str, mut args: Args) -> Option<Result<Val, Error>> {
        let same = |data: Dataset| Ok(Val::object(Self(data)));
        Some(match name {
            "len" => Ok(Val::Int(i64::try_from(self.0.len()).unwrap_or(i64::MAX))),
            "filter" => self.filter(cx, args),
            "map" => self.map(cx, args),
            "split" => self.split(args),
            "slice" => self.slice(args),
            "unique" => self.unique(args),
            "take" => count("n", &args.take(0, "n").unwrap_or_default())
                .and_then(|n| same(self.0.take(n))),
            "shuffle" => match args.take(0, "seed").filter(|it| !it.is_null()) {
                Some(seed) => {
                    count("seed", &seed).and_then(|seed| same(self.0.shuffle(seed as u64)))
                }
                None => same(self.0.shuffle(cx.run().session().settings.seed)),
            },
            "concat" => Self::from_val("concat", &args.take(0, "other").unwrap_or_default())
                .and_then(|other| same(self.0.concat(&other))),
            _ => return None,
        })
    }

    fn n_items(&self) -> Option<usize> {
        Some(self.0.len())
    }

    fn item(&self, at: usize) -> Option<Val> {
        self.row(at)
    }

    fn index(&self, key: &Val) -> Option<Val> {
        let Val::Int(at) = key else { return None };
        let at = if *at < 0 { i64::try_from(self.0.len()).ok()? + at } else { *at };
        self.row(usize::try_from(at).ok()?)
    }

    fn to_value(&self) -> Option<Value> {
        Some(Value::list(self.0.iter().map(|row| Value::map(row.values.clone()))))
    }

    fn show(&self) -> String {
        let columns: Vec<String> = self.0.columns().iter().map(ToString::to_string).collect();
        format!("dataset of {} rows: {}", self.0.len(), columns.join(", "))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Object for RowValue {
    fn type_name(&self) -> &'static str {
        "row"
    }

    fn get(&self, name: &str) -> Option<Val> {
        self.row.values.get(name).map(Val::from_value)
    }

    fn members(&self) -> Vec<String> {
        self.row.values.keys().map(ToString::to_string).collect()
    }

    fn method(&self, _: &Cx<'_>, name: &str, mut args: Args) -> Option<Result<Val, Error>> {
        match name {
            "with" => Some(to_record(&args.named).map(|changed| {
                let mut row = (*self.row).clone();
                row.values.extend(changed);
                Val::object(Self { row: Arc::new(row) })
            })),
            "without" => Some(match args.take(0, "name").unwrap_or_default() {
                Val::Str(name) => {
                    let mut row = (*self.row).clone();
                    row.values.shift_remove(name.as_str());
                    Ok(Val::object(Self { row: Arc::new(row) }))
                }
                other => Err(wrong("name", "the name of a column", &other)),
            }),
            _ => None,
        }
    }

    fn to_value(&self) -> Option<Value> {
        Some(Value::map(self.row.values.clone()))
    }

    fn show(&self) -> String {
        format!("row {}", Value::map(self.row.values.clone()).to_json())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The parts of a data set.
#[derive(Debug)]
struct Splits(IndexMap<Arc<str>, Val>);

impl Object for Splits {
    fn type_name(&self) -> &'static str {
        "split"
    }

    fn get(&self, name: &str) -> Option<Val> {
        self.0.get(name).cloned()
    }

    fn members(&self) -> Vec<String> {
        self.0.keys().map(ToString::to_string).collect()
    }

    fn show(&self) -> String {
        let parts: Vec<String> =
            self.0.iter().map(|(name, part)| format!("{name}: {}", part.show())).collect();
        parts.join("\n")
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

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
