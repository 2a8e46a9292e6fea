//! Data sets, rows and splits as values of scripts.

use crate::data::{Dataset, Share, SplitOptions};
use crate::eval::check_value::check_parts;
use crate::runtime::{Args, Cx, Error, Object, Val, count, to_record, wrong};
use crate::schema::{Record, Row, Value};
use indexmap::IndexMap;
use std::any::Any;
use std::collections::BTreeSet;
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

    fn row(&self, at: usize) -> Option<Result<Val, Error>> {
        Some(self.0.get(at)?.map(|row| Val::object(RowValue::new(row))).map_err(Error::from))
    }

    fn filter(&self, cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
        let function = args.take(0, "f").unwrap_or_default();
        let kept = self.0.filter(|row| {
            let row = Val::object(RowValue::new(Arc::clone(row)));
            match cx.call(&function, Args::positional(vec![row]))? {
                Val::Bool(it) => Ok(it),
                other => Err(wrong("filter", "true or false from its function", &other)),
            }
        })?;
        Ok(Val::object(Self(kept)))
    }

    fn map(&self, cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
        let function = args.take(0, "f").unwrap_or_default();
        let changed = self.0.map(&*cx.run().env().host, |row| {
            let row = Val::object(RowValue::new(Arc::clone(row)));
            record_of(
                "map",
                "a map or a row from its function",
                &cx.call(&function, Args::positional(vec![row]))?,
            )
        })?;
        Ok(Val::object(Self(changed)))
    }

    fn split(&self, mut args: Args) -> Result<Val, Error> {
        let mut parts = Vec::new();
        for name in ["train", "dev", "test"] {
            if let Some(value) = args.option(name) {
                parts.push((name, share(name, &value)?));
            }
        }
        let options = SplitOptions {
            seed: args.count("seed")?.unwrap_or(0) as u64,
            by: args.text("by")?,
            group: args.text("group")?,
            inputs: columns(&mut args, "inputs")?,
        };
        let known = ["train", "dev", "test", "seed", "by", "group", "inputs"];
        args.finish("split", 0, &known)?;
        let split = self.0.split(&parts, &options)?;
        let named = split.into_iter().map(|(name, part)| (Arc::from(name), Self(part)));
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
            return Ok(Val::object(Self(self.0.unique()?)));
        };
        let Some(column) = by.as_str() else {
            return Err(wrong("by", "the name of a column", &by));
        };
        let mut seen = BTreeSet::new();
        let kept = self.0.filter(|row| {
            let value = row.values.get(column).map_or(String::new(), Value::to_json);
            Ok::<bool, Error>(seen.insert(value))
        })?;
        Ok(Val::object(Self(kept)))
    }
}

/// Takes the names of columns: a text, or a list of texts.
pub(super) fn columns(args: &mut Args, name: &str) -> Result<Vec<String>, Error> {
    let Some(value) = args.option(name) else { return Ok(Vec::new()) };
    let list = match &value {
        Val::List(items) => items.iter().map(|it| it.as_str().map(ToOwned::to_owned)).collect(),
        one => one.as_str().map(|it| vec![it.to_owned()]),
    };
    list.ok_or_else(|| wrong(name, "the name of a column, or a list of them", &value))
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
            "check" => check_parts(&[("data".to_owned(), self.0.clone())], args),
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

    fn item(&self, at: usize) -> Option<Result<Val, Error>> {
        self.row(at)
    }

    fn index(&self, key: &Val) -> Option<Result<Val, Error>> {
        let Val::Int(at) = key else { return None };
        let at = if *at < 0 { i64::try_from(self.0.len()).ok()? + at } else { *at };
        self.row(usize::try_from(at).ok()?)
    }

    fn to_value(&self) -> Option<Value> {
        let rows = self.0.rows().ok()?;
        Some(Value::list(rows.iter().map(|row| Value::map(row.values.clone()))))
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
pub struct Splits(IndexMap<Arc<str>, DatasetValue>);

impl Object for Splits {
    fn type_name(&self) -> &'static str {
        "split"
    }

    fn get(&self, name: &str) -> Option<Val> {
        self.0.get(name).cloned().map(Val::object)
    }

    fn members(&self) -> Vec<String> {
        self.0.keys().map(ToString::to_string).collect()
    }

    fn method(&self, _: &Cx<'_>, name: &str, args: Args) -> Option<Result<Val, Error>> {
        let part =
            |(name, data): (&Arc<str>, &DatasetValue)| (name.to_string(), data.0.clone());
        (name == "check")
            .then(|| check_parts(&self.0.iter().map(part).collect::<Vec<_>>(), args))
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
