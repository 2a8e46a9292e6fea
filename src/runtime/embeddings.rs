//! Vectors of texts: from the store where it has them, else from a model, in batches.
//!
//! What is stored is one vector a text, under model and text, so that no text is paid for twice,
//! whatever batch it comes in.

use crate::lm::{CallContext, Completion, EmbeddingLm, LmOptions, SharedLm};
use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::{Error, Failure, codes};
use crate::runtime::exchange::send;
use crate::runtime::lm_value::LmValue;
use crate::runtime::pool::{Workers, ordered_map};
use crate::runtime::run::Run;
use crate::runtime::value::Val;
use crate::schema::{Record, Value};
use crate::store::Key;
use crate::trace::{Attempt, Kind, LmCall, Node};
use indexmap::IndexMap;
use std::sync::Arc;

/// The most texts of a batch: a kill loses the replies of those in flight.
const BATCH: usize = 96;
/// The most bytes of a batch, where it has more than one text.
const BATCH_BYTES: usize = 200_000;

/// A model that embeds.
#[derive(Debug, Clone)]
pub struct Embedding {
    lm: SharedLm,
}

/// Vectors of one length, one behind the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vectors {
    /// How long each is.
    pub length: usize,
    /// Their numbers.
    pub numbers: Vec<f32>,
}

impl Vectors {
    /// The vectors, in order.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.numbers.chunks_exact(self.length.max(1))
    }
}

impl Embedding {
    /// Reads what stands where a model is wanted that embeds: a model with its options, or a
    /// name.
    ///
    /// # Errors
    /// Anything else, and a name that cannot be opened.
    pub fn from_val(cx: &Cx<'_>, what: &str, value: &Val) -> Result<Self, Error> {
        let open = |name: &str, options: &LmOptions| {
            let opened = (cx.run().env().open_embedder)(name, options);
            opened.map(|lm| Self { lm }).map_err(|it| Error::lm(&it))
        };
        if let Some(LmValue { lm, options, .. }) = value.downcast::<LmValue>() {
            return match lm.is_scripted() {
                true => Ok(Self { lm: Arc::new(EmbeddingLm::by_words()) }),
                false => open(lm.name(), options),
            };
        }
        match value.as_str() {
            Some(name) => open(name, &LmOptions::default()),
            None => Err(wrong(what, "a model that embeds, or its name", value)),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.lm.name()
    }

    /// The vectors of texts, in their order, with the calls that they took; empty texts are far
    /// from all others.
    ///
    /// # Errors
    /// What calls of models raise, and replies that are no such vectors.
    pub fn vectors(
        &self,
        run: &Arc<Run>,
        path: &str,
        texts: &[&str],
    ) -> Result<(Vectors, LmCall), Error> {
        let mut known = self.stored(run, texts);
        let missing: Vec<&str> =
            known.iter().filter(|it| it.1.is_none()).map(|it| *it.0).collect();
        let batches: Vec<Batch<'_>> = batches(&missing)
            .map(|texts| Batch { texts, context: context(run, path) })
            .collect();
        let model = self.lm.name().to_owned();
        let mut call = LmCall { model, adapter: "embedding".to_owned(), attempts: Vec::new() };
        let cancel = &run.session().cancel;
        let threads = self.lm.capabilities().parallel.min(batches.len());
        let ask = |batch: &Batch<'_>| self.ask(run, batch);
        let came = match threads {
            0 | 1 => batches.iter().map(|it| Some(Ok(ask(it)))).collect(),
            _ => ordered_map(&batches, Workers::Fibers(threads), cancel, ask, |_, _| {}),
        };
        for (batch, came) in batches.iter().zip(came) {
            let (attempt, numbers) = match came {
                Some(Ok(came)) => came,
                Some(Err(panic)) => return Err(Error::value(panic)),
                None => return Err(crate::runtime::exchange::stopped(true)),
            };
            call.attempts.extend(attempt);
            let numbers = numbers?;
            let rows = numbers.chunks_exact(numbers.len() / batch.texts.len());
            for (text, row) in batch.texts.iter().zip(rows) {
                self.keep(run, text, row);
                known.insert(text, Some(row.to_vec()));
            }
        }
        Ok((self.in_order(texts, &known)?, call))
    }

    /// What the store has, for each text that says something.
    fn stored<'t>(&self, run: &Run, texts: &[&'t str]) -> IndexMap<&'t str, Option<Vec<f32>>> {
        let mut known = IndexMap::new();
        for text in texts.iter().filter(|it| !it.trim().is_empty()) {
            known.entry(*text).or_insert_with(|| {
                let bytes =
                    self.is_kept(run).then(|| run.env().store.get(&self.key(text)))??;
                let (numbers, rest) = bytes.as_chunks::<4>();
                let read = || numbers.iter().map(|it| f32::from_le_bytes(*it)).collect();
                (rest.is_empty() && !numbers.is_empty()).then(read)
            });
        }
        known
    }

    /// Whether vectors are kept in the store: not where calls are recorded, for a recording has
    /// to hold all of them, nor where they are made here.
    fn is_kept(&self, run: &Run) -> bool {
        let is_made_here = self.lm.capabilities().in_process;
        let leaves = run.env().tape.as_ref().is_none_or(|it| it.leaves_vectors());
        run.session().settings.cache && leaves && !is_made_here
    }

    fn key(&self, text: &str) -> Key {
        Key::of([self.lm.identity().as_bytes(), text.as_bytes()])
    }

    fn keep(&self, run: &Run, text: &str, row: &[f32]) {
        if self.is_kept(run) {
            let bytes: Vec<u8> = row.iter().flat_map(|it| it.to_le_bytes()).collect();
            // What cannot be kept is asked for again.
            let _ = run.env().store.put_if_absent(&self.key(text), &bytes);
        }
    }

    fn ask(
        &self,
        run: &Arc<Run>,
        batch: &Batch<'_>,
    ) -> (Option<Attempt>, Result<Vec<f32>, Error>) {
        let request = Arc::new(EmbeddingLm::request(&batch.texts));
        let mut attempt = None;
        let sent = send(run, &self.lm, request, &batch.context, false, &mut attempt);
        // Numbers tell nobody anything, and there are many.
        for completion in attempt.iter_mut().filter_map(|it| it.completion.as_mut()) {
            let Completion { usage, attempts, .. } = **completion;
            *completion = Arc::new(Completion { usage, attempts, ..Completion::default() });
        }
        let numbers = sent.and_then(|reply| {
            EmbeddingLm::read(&reply.text, batch.texts.len()).ok_or_else(|| {
                let message = format!("`{}` gave no vectors", self.lm.name());
                Failure::new(codes::LM, "lm", message).into()
            })
        });
        (attempt, numbers)
    }

    fn in_order(
        &self,
        texts: &[&str],
        known: &IndexMap<&str, Option<Vec<f32>>>,
    ) -> Result<Vectors, Error> {
        let length = known.values().flatten().map(Vec::len).next().unwrap_or(1);
        if known.values().flatten().any(|it| it.len() != length) {
            let message = format!("`{}` gave vectors of several lengths", self.lm.name());
            return Err(Failure::new(codes::LM, "lm", message).into());
        }
        let mut numbers = Vec::with_capacity(length * texts.len());
        for text in texts {
            match known.get(text) {
                Some(Some(row)) => numbers.extend_from_slice(row),
                _ => numbers.resize(numbers.len() + length, 0.0),
            }
        }
        Ok(Vectors { length, numbers })
    }

    /// As [`Embedding::vectors`], as a node of the trace.
    ///
    /// # Errors
    /// As there.
    pub fn traced(&self, run: &Arc<Run>, path: &str, texts: &[&str]) -> Result<Vectors, Error> {
        let count = i64::try_from(texts.len()).unwrap_or(i64::MAX);
        let inputs = Record::from_iter([
            (Arc::from("texts"), Value::Int(count)),
            (Arc::from("lm"), Value::from(self.name())),
        ]);
        let node =
            run.open_node(Node::new(Kind::Retrieval, path, run.next_address(path), inputs));
        let result = self.vectors(run, path, texts);
        run.close_node(node, |it| {
            it.error = result.as_ref().err().map(ToString::to_string);
            it.call = result.as_ref().ok().map(|(_, call)| Arc::new(brief(call.clone())));
        });
        result.map(|it| it.0)
    }
}

/// Texts that are embedded at once.
struct Batch<'t> {
    texts: Vec<&'t str>,
    context: CallContext,
}

fn context(run: &Run, path: &str) -> CallContext {
    CallContext { address: run.next_address(&format!("{path}.lm")), ..CallContext::default() }
}

fn batches<'t>(texts: &[&'t str]) -> impl Iterator<Item = Vec<&'t str>> {
    let mut batches = Vec::new();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for text in texts {
        if batch.len() == BATCH || (bytes + text.len() > BATCH_BYTES && !batch.is_empty()) {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += text.len();
        batch.push(*text);
    }
    batches.extend(Some(batch).filter(|it| !it.is_empty()));
    batches.into_iter()
}

/// The calls without the texts of theirs: an index may have many.
fn brief(mut call: LmCall) -> LmCall {
    for attempt in &mut call.attempts {
        attempt.request = Arc::new(EmbeddingLm::request(&[]));
    }
    call
}

/// `embed("openai/text-embedding-3-small", ["…"])`
pub(in crate::runtime) fn embed(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let lm = args.take(0, "lm").unwrap_or_default();
    let texts = args.take(1, "texts").unwrap_or_default();
    args.finish("embed", 2, &["lm", "texts"])?;
    let wanted = || wrong("texts", "a text or a list of texts", &texts);
    let list: Vec<&str> = match &texts {
        Val::List(items) => {
            items.iter().map(Val::as_str).collect::<Option<_>>().ok_or_else(wanted)?
        }
        one => vec![one.as_str().ok_or_else(wanted)?],
    };
    if list.iter().any(|it| it.trim().is_empty()) {
        return Err(Error::value("a text without words has no vector"));
    }
    let embedding = Embedding::from_val(cx, "lm", &lm)?;
    let vectors = embedding.traced(cx.run(), "embed", &list)?;
    let row = |it: &[f32]| Val::List(it.iter().map(|it| Val::Float(f64::from(*it))).collect());
    let mut rows: Vec<Val> = vectors.rows().map(row).collect();
    match &texts {
        Val::List(_) => Ok(Val::List(rows)),
        _ => Ok(rows.pop().unwrap_or_default()),
    }
}
