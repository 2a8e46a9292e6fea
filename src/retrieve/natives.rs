//! The natives of retrieval: `index` makes texts searchable, `retrieve` searches them.

use crate::eval::{Dataset, DatasetValue};
use crate::retrieve::{Hit, Index, Near};
use crate::runtime::natives::Bound;
use crate::runtime::{Args, Cx, Embedding, Error, Object, Reply, Val, count, wrong};
use crate::schema::{Record, Row, Value};
use crate::trace::{LmCall, NodeId};
use indexmap::IndexMap;
use std::any::Any;
use std::collections::BTreeMap;
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

/// `index("wiki.jsonl", by: "bm25")`, `index(["…"], by: "embedding", lm: "…")`.
fn index(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let by = args.text("by")?.unwrap_or_else(|| "bm25".to_owned());
    if !["bm25", "embedding", "both"].contains(&&*by) {
        return Err(Error::value(format!("`{by}` is no way to index"))
            .hint("there are `bm25`, `embedding` and `both`"));
    }
    let field = args.text("field")?;
    let lm = args.option("lm");
    let from = args.take(0, "from").unwrap_or_default();
    args.finish("index", 1, &["from", "by", "field", "lm"])?;
    let embedding = match (&*by, lm) {
        ("bm25", None) => None,
        ("bm25", Some(_)) => {
            let message = "`by: \"bm25\"` goes by words and asks no model";
            return Err(
                Error::value(message).hint("leave out `lm`, or index `by: \"embedding\"`")
            );
        }
        (_, Some(lm)) => Some(Embedding::from_val(cx, "lm", &lm)?),
        (by, None) => {
            let message = format!("`by: \"{by}\"` wants `lm`, a model that embeds");
            let hint = "such as `lm: \"openai/text-embedding-3-small\"`";
            return Err(Error::value(message).hint(hint));
        }
    };
    let passages = passages(cx, &from, field.as_deref())?;
    let words = (by != "embedding").then(|| Index::build(passages.iter().cloned()));
    let near = embedding.map(|lm| embedded(cx, passages, lm)).transpose()?;
    Ok(Val::object(IndexValue(match (words, near) {
        (Some(words), None) => Way::Words(words),
        (None, Some(near)) => Way::Near(near),
        (words, near) => {
            let (words, near) = words.zip(near).expect("each way has one of them at least");
            Way::Both(words, near)
        }
    })))
}

fn embedded(cx: &Cx<'_>, passages: Vec<Arc<str>>, lm: Embedding) -> Result<Embedded, Error> {
    let texts: Vec<&str> = passages.iter().map(|it| &**it).collect();
    let vectors = lm.traced(cx.run(), "index", &texts)?;
    Ok(Embedded { passages: Near::new(passages, vectors), lm })
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
        Some(index) => Ok(Val::object(Retriever { way: index.0.clone(), k })),
        None => Err(wrong("from", "an index", &from)),
    }
}

/// How passages are found.
#[derive(Debug, Clone)]
enum Way {
    /// By their words.
    Words(Index),
    /// By their vectors.
    Near(Embedded),
    /// By both: reciprocal ranks are added up (Cormack, Clarke and Büttcher, 2009).
    Both(Index, Embedded),
}

/// Passages and the model that embedded them.
#[derive(Debug, Clone)]
struct Embedded {
    passages: Near,
    lm: Embedding,
}

impl Embedded {
    fn search(&self, cx: &Cx<'_>, query: &str, k: usize) -> Result<(Vec<Hit>, LmCall), Error> {
        let (vectors, call) = self.lm.vectors(cx.run(), "retrieve", &[query])?;
        // A query that says nothing is near to nothing.
        if query.trim().is_empty() {
            return Ok((Vec::new(), call));
        }
        let hits = self.passages.search(&vectors.numbers, k).ok_or_else(|| {
            let name = self.lm.name();
            Error::value(format!("`{name}` gives vectors of another length than before"))
        })?;
        Ok((hits, call))
    }
}

impl Way {
    fn len(&self) -> usize {
        match self {
            Self::Words(index) | Self::Both(index, _) => index.len(),
            Self::Near(near) => near.passages.len(),
        }
    }

    /// The best `k` passages, and the calls that finding them took.
    fn search(
        &self,
        cx: &Cx<'_>,
        query: &str,
        k: usize,
    ) -> Result<(Vec<Hit>, Option<LmCall>), Error> {
        match self {
            Self::Words(index) => Ok((index.search(query, k), None)),
            Self::Near(near) => {
                near.search(cx, query, k).map(|(hits, call)| (hits, Some(call)))
            }
            Self::Both(index, near) => {
                let deep = k.saturating_mul(FUSED);
                let (by_meaning, call) = near.search(cx, query, deep)?;
                let fused = fused(&[index.search(query, deep), by_meaning], k);
                Ok((fused, Some(call)))
            }
        }
    }
}

/// How many times as many passages as wanted are ranked by each of two ways.
const FUSED: usize = 10;
/// What is added to each rank, so that the first ones do not outweigh all others.
const RANK: f32 = 60.0;

/// The best of several rankings together; equal ones in the order of the passages.
fn fused(rankings: &[Vec<Hit>], k: usize) -> Vec<Hit> {
    let mut scores: BTreeMap<usize, Hit> = BTreeMap::new();
    for ranking in rankings {
        let mut rank = RANK;
        for hit in ranking {
            rank += 1.0;
            let known = scores.entry(hit.index);
            known.or_insert_with(|| Hit { score: 0.0, ..hit.clone() }).score += 1.0 / rank;
        }
    }
    let mut found: Vec<Hit> = scores.into_values().collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(k);
    found
}

/// Texts that can be searched.
#[derive(Debug)]
struct IndexValue(Way);

impl Object for IndexValue {
    fn type_name(&self) -> &'static str {
        "index"
    }

    fn method(&self, cx: &Cx<'_>, name: &str, mut args: Args) -> Option<Result<Val, Error>> {
        match name {
            "len" => Some(Ok(Val::Int(i64::try_from(self.0.len()).unwrap_or(i64::MAX)))),
            "search" => Some(self.search(cx, &mut args)),
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
    fn search(&self, cx: &Cx<'_>, args: &mut Args) -> Result<Val, Error> {
        let query = args.take(0, "query").unwrap_or_default();
        let k = match args.take(1, "k").filter(|it| !it.is_null()) {
            Some(k) => count("k", &k)?,
            None => USUAL_K,
        };
        let Some(text) = query.as_str() else { return Err(wrong("query", "a str", &query)) };
        let (hits, call) = self.0.search(cx, text, k)?;
        let hit = |it: Hit| {
            Val::Map(IndexMap::from([
                (Arc::from("text"), Val::str(&it.text)),
                (Arc::from("score"), Val::Float(f64::from(it.score))),
                (Arc::from("index"), Val::Int(i64::try_from(it.index).unwrap_or(i64::MAX))),
            ]))
        };
        // What was asked of a model is written down; the search of a bare index is not.
        if let Some(call) = call {
            let found: Vec<Val> = hits.iter().map(|it| Val::str(&it.text)).collect();
            note(cx, &query, found, Some(call));
        }
        Ok(Val::List(hits.into_iter().map(hit).collect()))
    }
}

/// Writes a search down.
fn note(
    cx: &Cx<'_>,
    query: &Val,
    found: Vec<Val>,
    call: Option<LmCall>,
) -> (IndexMap<Arc<str>, Val>, NodeId) {
    let fields = IndexMap::from([(Arc::from("passages"), Val::List(found))]);
    let text = query.as_str().unwrap_or_default();
    let inputs = Record::from_iter([(Arc::from("query"), Value::from(text))]);
    let node = cx.run().note_retrieval("retrieve", inputs, query, &fields, call);
    (fields, node)
}

/// An index with the number of passages wanted; a call replies with `passages`.
#[derive(Debug)]
struct Retriever {
    way: Way,
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
        let (hits, call) = self.way.search(cx, text, k)?;
        let found: Vec<Val> = hits.iter().map(|hit| Val::str(&hit.text)).collect();
        let (fields, node) = note(cx, &query, found, call);
        Ok(Val::object(Reply::new(fields, Some(node))))
    }

    fn show(&self) -> String {
        format!("retriever of {} from {} passages", self.k, self.way.len())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
