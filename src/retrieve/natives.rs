//! The natives of retrieval: `index` makes texts searchable, `retrieve` searches them.

use crate::eval::{Dataset, DatasetValue};
use crate::retrieve::Index;
use crate::runtime::natives::Bound;
use crate::runtime::{Args, Cx, Error, Object, Reply, Val, count, wrong};
use crate::schema::{Record, Row, Value};
use indexmap::IndexMap;
use std::any::Any;
use std::sync::Arc;

/// How many passages are found where nothing is said.
const USUAL_K: usize = 3;

/// The natives of this floor.
pub fn natives() -> Vec<Bound> {
    fn bound(name: &'static str, call: fn(&Cx<'_>, Args) -> Result<Val, Error>) -> Bound {
        (name, Arc::new(call))
    }
    vec![bound("index", index), bound("retrieve", retrieve)]
}

/// `index("wiki.jsonl", by: "bm25")`, `index(["…"])`.
fn index(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let by = args.text("by")?.unwrap_or_else(|| "bm25".to_owned());
    if by != "bm25" {
        return Err(Error::value(format!("`{by}` is no way to index")).hint("there is `bm25`"));
    }
    let field = args.text("field")?;
    let from = args.take(0, "from").unwrap_or_default();
    args.finish("index", 1, &["from", "by", "field"])?;
    let passages = passages(cx, &from, field.as_deref())?;
    Ok(Val::object(IndexValue(Index::build(passages))))
}

fn passages(cx: &Cx<'_>, from: &Val, field: Option<&str>) -> Result<Vec<Arc<str>>, Error> {
    if let Some(path) = from.as_str() {
        let at = cx.resolve(path);
        let data = Dataset::load(&*cx.run().env().host, &at)?;
        return texts_of(&data, field);
    }
    match from {
        Val::List(items) if items.iter().all(|it| it.as_str().is_some()) => {
            Ok(items.iter().filter_map(Val::as_str).map(Arc::from).collect())
        }
        other => texts_of(&DatasetValue::from_val("from", other)?, field),
    }
}

/// The text of each row: its column `field`, else `text`, with the `title` before it.
fn texts_of(data: &Dataset, field: Option<&str>) -> Result<Vec<Arc<str>>, Error> {
    data.iter().map(|row| text_of(&*row?, field)).collect()
}

fn text_of(row: &Row, field: Option<&str>) -> Result<Arc<str>, Error> {
    let column = field.unwrap_or("text");
    let Some(text) = row.values.get(column).and_then(Value::as_str) else {
        let hint = crate::diag::did_you_mean(column, row.values.keys().map(|it| &**it));
        let message = format!("row {} has no text in column `{column}`", row.index);
        return Err(Error::value(message).hint(hint));
    };
    match row.values.get("title").and_then(Value::as_str).filter(|_| field.is_none()) {
        Some(title) => Ok(format!("{title}: {text}").into()),
        None => Ok(text.into()),
    }
}

/// `retrieve(3, from: wiki)`
fn retrieve(_: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let k = match args.take(0, "k").filter(|it| !it.is_null()) {
        Some(k) => count("k", &k)?,
        None => USUAL_K,
    };
    let from = args.option("from").unwrap_or_default();
    args.finish("retrieve", 1, &["k", "from"])?;
    match from.downcast::<IndexValue>() {
        Some(index) => Ok(Val::object(Retriever { index: index.0.clone(), k })),
        None => Err(wrong("from", "an index", &from)),
    }
}

/// Texts that can be searched.
#[derive(Debug)]
struct IndexValue(Index);

impl Object for IndexValue {
    fn type_name(&self) -> &'static str {
        "index"
    }

    fn method(&self, _: &Cx<'_>, name: &str, mut args: Args) -> Option<Result<Val, Error>> {
        match name {
            "len" => Some(Ok(Val::Int(i64::try_from(self.0.len()).unwrap_or(i64::MAX)))),
            "search" => Some(self.search(&mut args)),
            _ => None,
        }
    }

    fn show(&self) -> String {
        format!("index of {} passages", self.0.len())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl IndexValue {
    fn search(&self, args: &mut Args) -> Result<Val, Error> {
        let query = args.take(0, "query").unwrap_or_default();
        let k = match args.take(1, "k").filter(|it| !it.is_null()) {
            Some(k) => count("k", &k)?,
            None => USUAL_K,
        };
        let Some(query) = query.as_str() else { return Err(wrong("query", "a str", &query)) };
        let hit = |it: crate::retrieve::Hit| {
            Val::Map(IndexMap::from([
                (Arc::from("text"), Val::str(&it.text)),
                (Arc::from("score"), Val::Float(f64::from(it.score))),
                (Arc::from("index"), Val::Int(i64::try_from(it.index).unwrap_or(i64::MAX))),
            ]))
        };
        Ok(Val::List(self.0.search(query, k).into_iter().map(hit).collect()))
    }
}

/// An index with the number of passages wanted; a call replies with `passages`.
#[derive(Debug)]
struct Retriever {
    index: Index,
    k: usize,
}

impl Object for Retriever {
    fn type_name(&self) -> &'static str {
        "retriever"
    }

    fn call(&self, cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
        let query = args.take(0, "query").unwrap_or_default();
        let k = match args.take(1, "k").filter(|it| !it.is_null()) {
            Some(k) => count("k", &k)?,
            None => self.k,
        };
        args.finish("retrieve", 2, &["query", "k"])?;
        let Some(text) = query.as_str() else { return Err(wrong("query", "a str", &query)) };
        let found: Vec<Val> =
            self.index.search(text, k).iter().map(|hit| Val::str(&hit.text)).collect();
        let fields = IndexMap::from([(Arc::from("passages"), Val::List(found))]);
        let inputs = Record::from_iter([(Arc::from("query"), Value::from(text))]);
        let node = cx.run().note_retrieval("retrieve", inputs, &query, &fields);
        Ok(Val::object(Reply::new(fields, Some(node))))
    }

    fn show(&self) -> String {
        format!("retriever of {} from {} passages", self.k, self.index.len())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
