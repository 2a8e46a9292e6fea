//! From the text of a state's file to the state. Never panics; says what is wrong and where.

use crate::diag::{Diagnostic, did_you_mean};
use crate::program::dspy::looks_like_dspy;
use crate::program::file::{FORMAT, MALFORMED, NEAR_BY, VERSION, VERSION_DIFFERS, check_name};
use crate::program::{
    DataOrigin, DemoOrigin, DemoSource, GainRecord, InstructionsOrigin, Nearest, Options,
    PredictorState, Provenance, ScoreRecord, SignatureHash, State, StateDemo, Story, Tried,
    json,
};
use crate::schema::{Demo, Record, Template, Value};
use indexmap::IndexMap;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) type Decoded<T> = Result<T, Box<Diagnostic>>;

pub(crate) fn wrong(message: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::bare(MALFORMED, message))
}

fn hinted(message: impl Into<String>, hint: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::bare(MALFORMED, message).hint(hint))
}

/// Reads a state.
pub(crate) fn state(text: &str) -> Decoded<State> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value = json::read(text).map_err(|e| {
        let hint = if e.is_eof() { "the file is cut off" } else { "" };
        hinted(format!("not a state: {e}"), hint)
    })?;
    let root = Node::new(String::new(), &value)?;
    check_version(&root)?;
    let provenance = root.some("provenance", provenance)?;
    let predictors = root.required("predictors", |node| node.each(predictor))?;
    root.end()?;
    Ok(State { predictors, provenance })
}

fn check_version(root: &Node<'_>) -> Decoded<()> {
    let format = root.take("format");
    if format.and_then(Value::as_str) != Some(FORMAT) {
        let hint = if looks_like_dspy(root.record) {
            "it looks like a state saved by DSPy, which is read together with its program"
        } else {
            ""
        };
        return Err(hinted(format!("not a state: `format` is not \"{FORMAT}\""), hint));
    }
    match root.take("version") {
        Some(Value::Int(VERSION)) => Ok(()),
        Some(Value::Int(version)) => {
            let message = format!("a state of version {version}, expected {VERSION}");
            let hint = if *version > VERSION { "a newer dsp wrote it" } else { "" };
            Err(Box::new(Diagnostic::bare(VERSION_DIFFERS, message).hint(hint)))
        }
        Some(other) => Err(wrong(format!("`version`: expected an int, found {}", kind(other)))),
        None => Err(wrong("`version` is missing")),
    }
}

/// An object of the file, with its place for messages and the names asked for so far.
struct Node<'a> {
    place: String,
    record: &'a Record,
    read: RefCell<BTreeSet<String>>,
}

impl<'a> Node<'a> {
    fn new(place: String, value: &'a Value) -> Decoded<Self> {
        match value {
            Value::Map(record) => Ok(Self { place, record, read: RefCell::default() }),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                Err(expected(&place, "an object", value))
            }
            Value::Str(_) | Value::List(_) | Value::Media(_) => {
                Err(expected(&place, "an object", value))
            }
        }
    }

    /// The place of a part.
    fn at(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }

    /// A part that may be missing; null is missing.
    fn take(&self, name: &str) -> Option<&'a Value> {
        self.read.borrow_mut().insert(name.to_owned());
        self.record.get(name).filter(|value| !value.is_null())
    }

    /// An object that may be missing.
    fn some<T>(
        &self,
        name: &str,
        read: impl Fn(&Node<'_>) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        self.take(name)
            .map(|value| {
                let node = Node::new(self.at(name), value)?;
                let it = read(&node)?;
                node.end()?;
                Ok(it)
            })
            .transpose()
    }

    fn required<T>(&self, name: &str, read: impl Fn(&Node<'_>) -> Decoded<T>) -> Decoded<T> {
        self.some(name, read)?.ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> Box<Diagnostic> {
        wrong(format!("`{}` is missing", self.at(name)))
    }

    /// Every part of it, each an object.
    fn each<T>(&self, read: impl Fn(&Node<'_>) -> Decoded<T>) -> Decoded<IndexMap<String, T>> {
        self.record
            .keys()
            .map(|name| Ok((name.as_ref().to_owned(), self.required(name, &read)?)))
            .collect()
    }

    /// A list of objects; none when it is missing.
    fn list<T>(&self, name: &str, read: impl Fn(&Node<'_>) -> Decoded<T>) -> Decoded<Vec<T>> {
        let items = match self.take(name) {
            None => return Ok(Vec::new()),
            Some(Value::List(items)) => items,
            Some(other) => return Err(expected(&self.at(name), "a list", other)),
        };
        let item = |(serial, item): (usize, &Value)| {
            let node = Node::new(format!("{}[{serial}]", self.at(name)), item)?;
            let it = read(&node)?;
            node.end()?;
            Ok(it)
        };
        items.iter().enumerate().map(item).collect()
    }

    fn text(&self, name: &str) -> Decoded<Option<String>> {
        let read = |value: &Value| value.as_str().map(str::to_owned);
        self.leaf(name, "a string", read)
    }

    fn needed_text(&self, name: &str) -> Decoded<String> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// Text, or a list of its lines.
    fn lines(&self, name: &str) -> Decoded<Option<String>> {
        self.leaf(name, "a string or a list of lines", joined)
    }

    fn float(&self, name: &str) -> Decoded<Option<f64>> {
        self.leaf(name, "a number", |value| match value {
            Value::Float(it) => Some(*it),
            // Counts in these files are far below 2^53.
            #[expect(clippy::cast_precision_loss, reason = "said above")]
            Value::Int(it) => Some(*it as f64),
            Value::Null | Value::Bool(_) | Value::Str(_) => None,
            Value::List(_) | Value::Map(_) | Value::Media(_) => None,
        })
    }

    fn count(&self, name: &str) -> Decoded<Option<u64>> {
        self.leaf(name, "a whole number", |value| match value {
            Value::Int(it) => u64::try_from(*it).ok(),
            Value::Str(text) => text.parse().ok(),
            Value::Null | Value::Bool(_) | Value::Float(_) => None,
            Value::List(_) | Value::Map(_) | Value::Media(_) => None,
        })
    }

    fn size(&self, name: &str) -> Decoded<usize> {
        let count = self.count(name)?.ok_or_else(|| self.missing(name))?;
        usize::try_from(count).map_err(|_| wrong(format!("`{}` is too large", self.at(name))))
    }

    fn leaf<T>(
        &self,
        name: &str,
        what: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Decoded<Option<T>> {
        self.take(name)
            .map(|value| read(value).ok_or_else(|| expected(&self.at(name), what, value)))
            .transpose()
    }

    /// Values as they are.
    fn values(&self) -> Record {
        self.read.borrow_mut().extend(self.record.keys().map(|name| String::from(&**name)));
        self.record.clone()
    }

    /// Checks that nothing is left unread.
    fn end(&self) -> Decoded<()> {
        let read = self.read.borrow();
        match self.record.keys().find(|name| !read.contains(&***name)) {
            None => Ok(()),
            Some(name) => Err(hinted(
                format!("`{}` means nothing here", self.at(name)),
                did_you_mean(name, read.iter().map(String::as_str)),
            )),
        }
    }
}

fn expected(place: &str, what: &str, found: &Value) -> Box<Diagnostic> {
    let place = if place.is_empty() { "not a state".to_owned() } else { format!("`{place}`") };
    wrong(format!("{place}: expected {what}, found {}", kind(found)))
}

/// What kind of JSON a value is, with the number that does not fit.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => value.to_json(),
        Value::Str(_) => "a string".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) | Value::Media(_) => "an object".to_owned(),
    }
}

fn joined(value: &Value) -> Option<String> {
    match value {
        Value::Str(text) => Some(text.as_ref().to_owned()),
        Value::List(lines) => {
            let lines: Option<Vec<&str>> = lines.iter().map(Value::as_str).collect();
            Some(lines?.join("\n"))
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => None,
        Value::Map(_) | Value::Media(_) => None,
    }
}

fn predictor(node: &Node<'_>) -> Decoded<PredictorState> {
    let lm = node.text("lm")?;
    lm.as_deref().map_or(Ok(()), check_name)?;
    let descriptions = node.some("descriptions", |node| {
        let text = |name: &str| node.lines(name).map(Option::unwrap_or_default);
        node.record
            .keys()
            .map(|name| Ok((name.as_ref().to_owned(), text(name)?)))
            .collect::<Decoded<IndexMap<String, String>>>()
    })?;
    let first_in = node.some("descriptions_first_in", texts)?;
    let extract = node.text("extract")?;
    extract.as_deref().map_or(Ok(()), check_name)?;
    let (adapter, template) = (node.text("adapter")?, node.some("template", template)?);
    if let Some(template) = &template
        && adapter.as_deref() != Some(&*template.name)
    {
        let message = format!("`{}` is not the template of `adapter`", node.at("template"));
        let hint = format!("it is `{}`; was it changed by hand?", template.name);
        return Err(hinted(message, hint));
    }
    Ok(PredictorState {
        signature: node.some("signature", signature)?,
        instructions: node.lines("instructions")?,
        instructions_origin: node.some("instructions_origin", author)?,
        descriptions: descriptions.unwrap_or_default(),
        descriptions_first_in: first_in.unwrap_or_default(),
        lm,
        adapter,
        template,
        extract,
        options: node.some("options", options)?.unwrap_or_default(),
        demos: node.list("demos", demo)?,
        nearest: node.some("nearest", nearest)?,
    })
}

fn template(node: &Node<'_>) -> Decoded<Arc<Template>> {
    let mut parts = Vec::new();
    for name in node.record.keys() {
        parts.push((&**name, node.lines(name)?.unwrap_or_default()));
    }
    let read = Template::read(parts.iter().map(|(name, text)| (*name, text.as_str())));
    read.map(Arc::new).map_err(|flaws| {
        let told = flaws.first().map_or("", |it| it.message.as_str());
        wrong(format!("`{}`: {told}", node.place))
    })
}

fn nearest(node: &Node<'_>) -> Decoded<Nearest> {
    if node.needed_text("by")? != NEAR_BY {
        return Err(wrong(format!("`{}`: expected \"{NEAR_BY}\"", node.at("by"))));
    }
    Ok(Nearest { k: node.size("k")? })
}

fn signature(node: &Node<'_>) -> Decoded<SignatureHash> {
    Ok(SignatureHash {
        fields: node.needed_text("fields")?,
        structure: node.needed_text("structure")?,
        text: node.needed_text("text")?,
    })
}

fn author(node: &Node<'_>) -> Decoded<InstructionsOrigin> {
    Ok(InstructionsOrigin {
        optimizer: node.needed_text("optimizer")?,
        note: node.needed_text("note")?,
        reply_hash: node.text("reply_hash")?,
        first_in: node.text("first_in")?,
    })
}

/// Texts by name.
fn texts(node: &Node<'_>) -> Decoded<IndexMap<String, String>> {
    let text = |name: &Arc<str>| Ok((name.to_string(), node.needed_text(name)?));
    node.record.keys().map(text).collect()
}

fn options(node: &Node<'_>) -> Decoded<Options> {
    let max_tokens = node.count("max_tokens")?.map(u32::try_from).transpose();
    Ok(Options {
        temperature: node.float("temperature")?,
        top_p: node.float("top_p")?,
        max_tokens: max_tokens
            .map_err(|_| wrong(format!("`{}` is too large", node.at("max_tokens"))))?,
        seed: node.count("seed")?,
    })
}

fn demo(node: &Node<'_>) -> Decoded<StateDemo> {
    let side = |name| node.some(name, |node| Ok(node.values()));
    Ok(StateDemo {
        demo: Demo {
            inputs: side("inputs")?.unwrap_or_default(),
            outputs: side("outputs")?.unwrap_or_default(),
        },
        origin: node.some("origin", origin)?,
    })
}

fn origin(node: &Node<'_>) -> Decoded<DemoOrigin> {
    let source = match node.needed_text("source")?.as_str() {
        "labeled" => DemoSource::Labeled,
        "bootstrapped" => DemoSource::Bootstrapped,
        _ => {
            let place = node.at("source");
            return Err(wrong(format!("`{place}`: expected \"labeled\" or \"bootstrapped\"")));
        }
    };
    Ok(DemoOrigin {
        source,
        row: node.size("row")?,
        row_hash: node.needed_text("row_hash")?,
        reply_hash: node.text("reply_hash")?,
        rollout: node.count("rollout")?.unwrap_or(0),
        score: node.float("score")?,
        first_in: node.text("first_in")?,
    })
}

fn provenance(node: &Node<'_>) -> Decoded<Provenance> {
    let lm = node.text("lm")?;
    lm.as_deref().map_or(Ok(()), check_name)?;
    let options = node.some("options", |node| Ok(node.values()))?.unwrap_or_default();
    Ok(Provenance {
        optimizer: node.needed_text("optimizer")?,
        options: options
            .into_iter()
            .map(|(name, value)| (String::from(&*name), value))
            .collect(),
        seed: node.count("seed")?.unwrap_or(0),
        lm,
        data: node.list("data", data)?,
        scores: node.list("scores", score)?,
        gain: node.some("gain", gain)?,
        calls: node.count("calls")?.unwrap_or(0),
        prompt_tokens: node.count("prompt_tokens")?.unwrap_or(0),
        completion_tokens: node.count("completion_tokens")?.unwrap_or(0),
        stopped: node.text("stopped")?,
        story: node.some("story", story)?.unwrap_or_default(),
    })
}

fn story(node: &Node<'_>) -> Decoded<Story> {
    let name = |it: &str| -> Decoded<Option<String>> {
        let text = node.text(it)?;
        text.as_deref().map_or(Ok(()), check_name)?;
        Ok(text)
    };
    let refused = node.some("refused", |node| {
        let times = |name: &Arc<str>| Ok((name.to_string(), node.size(name)? as u64));
        node.record.keys().map(times).collect()
    })?;
    let mean = |node: &Node<'_>| {
        let mean = node.float("mean")?.ok_or_else(|| node.missing("mean"))?;
        Ok((node.needed_text("label")?, mean))
    };
    Ok(Story {
        start: node.text("start")?,
        teacher: name("teacher")?,
        proposer: name("proposer")?,
        tried: node.list("tried", tried)?,
        more: if node.take("more").is_some() { node.size("more")? } else { 0 },
        unchanged: node.leaf("unchanged", "true or false", flag)?.unwrap_or(false),
        finalists: node.list("finalists", mean)?,
        refused: refused.unwrap_or_default(),
        remarks: node.leaf("remarks", "a list of texts", all_lines)?.unwrap_or_default(),
        earlier: node.list("earlier", provenance)?,
    })
}

fn tried(node: &Node<'_>) -> Decoded<Tried> {
    Ok(Tried {
        label: node.needed_text("label")?,
        score: node.float("score")?,
        rows: node.size("rows")?,
        demos: node.size("demos")?,
        chosen: node.leaf("chosen", "true or false", flag)?.unwrap_or(false),
    })
}

fn flag(value: &Value) -> Option<bool> {
    if let Value::Bool(it) = value { Some(*it) } else { None }
}

fn all_lines(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::List(items) => items.iter().map(joined).collect(),
        _ => None,
    }
}

fn data(node: &Node<'_>) -> Decoded<DataOrigin> {
    Ok(DataOrigin {
        role: node.needed_text("role")?,
        rows: node.size("rows")?,
        hash: node.needed_text("hash")?,
    })
}

fn gain(node: &Node<'_>) -> Decoded<GainRecord> {
    let needed = |name| node.float(name)?.ok_or_else(|| node.missing(name));
    Ok(GainRecord {
        role: node.needed_text("role")?,
        verdict: node.needed_text("verdict")?,
        gain: needed("gain")?,
        interval: (needed("low")?, needed("high")?),
        p: needed("p")?,
        rows: node.size("rows")?,
    })
}

fn score(node: &Node<'_>) -> Decoded<ScoreRecord> {
    let needed = |name| node.float(name)?.ok_or_else(|| node.missing(name));
    Ok(ScoreRecord {
        role: node.needed_text("role")?,
        score: needed("score")?,
        interval: (needed("low")?, needed("high")?),
        rows: node.size("rows")?,
    })
}
