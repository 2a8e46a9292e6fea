//! Runs: what one course through a program knows, and what all courses of a command share.

use crate::diag::Code;
use crate::host::SharedHost;
use crate::lm::{Address, Cancel, LmOptions, SharedLm};
use crate::runtime::error::{Error, Failure, codes};
use crate::runtime::rhai_host::Bindings;
use crate::runtime::script::Script;
use crate::runtime::tape::Tape;
use crate::runtime::value::{Text, Val, to_record};
use crate::schema::Record;
use crate::source::Span;
use crate::store::Replies;
use crate::trace::{Edge, Kind, Node, NodeId, Totals, Trace, Via};
use crate::util::lock;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Opens a model by its name.
pub type Opener = dyn Fn(&str, &LmOptions) -> Result<SharedLm, crate::lm::Error> + Send + Sync;

/// What the engine lends to all its programs.
pub struct Env {
    /// The machine.
    pub host: SharedHost,
    /// The natives.
    pub bindings: Bindings,
    /// Where replies are kept.
    pub store: Arc<dyn Replies>,
    /// How models are opened.
    pub open_lm: Arc<Opener>,
    /// What stands between runs and their models.
    pub tape: Option<Arc<dyn Tape>>,
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("host", &self.host).finish_non_exhaustive()
    }
}

/// What a command was told, in the order flags, environment, script, project, user.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The model that predictors ask when they name none.
    pub lm: Option<SharedLm>,
    /// Its name, when it is to be opened at first use.
    pub lm_name: Option<String>,
    /// The adapter, in place of what the model suggests.
    pub adapter: Option<String>,
    /// How tokens are drawn, where a predictor says nothing.
    pub temperature: Option<f64>,
    /// The longest reply, where a predictor says nothing.
    pub max_reply_tokens: Option<u32>,
    /// Replies are looked up in the store, and kept there.
    pub cache: bool,
    /// How often a reply that cannot be read is asked again.
    pub retries: u32,
    /// Runs at once, where a call says nothing; `None` leaves it to the model.
    pub threads: Option<usize>,
    /// Where all choices start.
    pub seed: u64,
    /// The most requests to models that may be sent.
    pub max_calls: Option<u64>,
    /// The most tokens that models may read and write, as they report them.
    pub max_tokens: Option<u64>,
    /// The most dollars that may be spent. Prices are not known yet, so only models of this
    /// process, which cost none, are asked where it is set.
    pub max_usd: Option<f64>,
    /// The longest the command may take.
    pub max_time: Option<Duration>,
    /// Keep the traces of evaluated runs, too.
    pub keep_traces: bool,
    /// Tell what is being done, on standard error.
    pub progress: bool,
    /// Requests are made up and written into the trace, but none is sent: what the store does
    /// not hold ends the run.
    pub dry: bool,
    /// Ends evaluations after the rows under way; it is set with what ends all runs, or alone.
    pub pause: Option<Cancel>,
}

/// What the runs of a command share.
#[derive(Debug)]
pub struct Session {
    /// What the engine lends.
    pub env: Arc<Env>,
    /// What the command was told.
    pub settings: Settings,
    /// Ends all runs.
    pub cancel: Cancel,
    /// The folder that paths in the program start from.
    pub base: PathBuf,
    began: Duration,
    consts: Arc<Consts>,
    models: Arc<Mutex<BTreeMap<String, SharedLm>>>,
    ledger: Arc<Ledger>,
}

/// The values of consts, as far as they are known.
type Consts = Mutex<BTreeMap<String, Arc<Mutex<Option<Val>>>>>;

/// What runs took, all together.
#[derive(Debug, Default)]
struct Ledger {
    operations: AtomicU64,
    calls: AtomicU64,
    tokens: AtomicU64,
    spent: Mutex<Totals>,
}

/// The most operations of the host language in one command: hours of pure computation.
const MAX_OPERATIONS: u64 = 200_000_000_000;

impl Session {
    /// Returns a session that begins now.
    pub fn new(env: Arc<Env>, settings: Settings, cancel: Cancel, base: PathBuf) -> Self {
        Self {
            began: env.host.elapsed(),
            env,
            settings,
            cancel,
            base,
            consts: Arc::default(),
            models: Arc::default(),
            ledger: Arc::default(),
        }
    }

    /// The same session with another flag that ends it, and its time counted from now.
    #[must_use]
    pub fn resumed(&self, cancel: Cancel) -> Self {
        Self {
            env: self.env.clone(),
            settings: self.settings.clone(),
            cancel,
            base: self.base.clone(),
            began: self.env.host.elapsed(),
            consts: self.consts.clone(),
            models: self.models.clone(),
            ledger: self.ledger.clone(),
        }
    }

    /// A session of its own in another environment: nothing is known of consts, and nothing
    /// spent. Only models that are open stay open.
    #[must_use]
    pub fn apart(&self, env: Arc<Env>, settings: Settings, cancel: Cancel) -> Self {
        let session = Self::new(env, settings, cancel, self.base.clone());
        Self { models: self.models.clone(), ..session }
    }

    /// The same session told otherwise: consts are computed anew, what was spent stays spent.
    #[must_use]
    pub fn told(&self, settings: Settings, base: PathBuf) -> Self {
        let consts = Arc::default();
        Self { settings, base, consts, ..self.resumed(self.cancel.clone()) }
    }

    /// The same session where nothing is sent, and so nothing spent; see [`Settings::dry`].
    #[must_use]
    pub fn dry(&self) -> Self {
        let settings = Settings { dry: true, ..self.settings.clone() };
        Self { settings, ledger: Arc::default(), ..self.resumed(self.cancel.clone()) }
    }

    /// The place where the value of a const is kept once it is known.
    pub(in crate::runtime) fn constant(&self, name: &str) -> Arc<Mutex<Option<Val>>> {
        lock(&self.consts).entry(name.to_owned()).or_default().clone()
    }

    /// The same session for a program with more items, some of which may have the names of
    /// earlier ones; `holds` says which consts still have the value that is known.
    #[must_use]
    pub fn extended(&self, holds: impl Fn(&str) -> bool) -> Self {
        let known = lock(&self.consts);
        let kept = known.iter().filter(|(name, _)| holds(name));
        let kept = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        let consts = Arc::new(Mutex::new(kept));
        Self { consts, began: self.began, ..self.resumed(self.cancel.clone()) }
    }

    /// The model that predictors ask when they name none.
    ///
    /// # Errors
    /// There is none, or it cannot be opened.
    pub fn default_lm(&self) -> Result<SharedLm, Error> {
        if let Some(lm) = &self.settings.lm {
            return Ok(lm.clone());
        }
        match &self.settings.lm_name {
            Some(name) => self.named_lm(name),
            None => Err(Error::from(Failure {
                hints: vec![
                    "name one in the script: `settings { lm: \"provider/model\" }`".to_owned(),
                    "or run with `--lm local/smollm2-135m`, which needs no key".to_owned(),
                ],
                ..Failure::new(codes::LM, "lm", "no model is named")
            })),
        }
    }

    /// The model of this name, opened once.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn named_lm(&self, name: &str) -> Result<SharedLm, Error> {
        // Held while it is opened, for opening may fetch the model, and once is enough.
        let mut known = lock(&self.models);
        if let Some(lm) = known.get(name) {
            return Ok(lm.clone());
        }
        let lm =
            (self.env.open_lm)(name, &LmOptions::default()).map_err(|it| Error::lm(&it))?;
        known.insert(name.to_owned(), lm.clone());
        Ok(lm)
    }

    /// Where a path of the program leads.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.base.join(Path::new(path))
    }

    /// Reserves a request.
    pub(in crate::runtime) fn reserve_call(&self) -> Result<(), Error> {
        let cap = self.settings.max_calls.unwrap_or(u64::MAX);
        let admitted = self
            .ledger
            .calls
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |used| {
                (used < cap).then_some(used + 1)
            })
            .is_ok();
        if !admitted {
            return Err(over("calls", cap));
        }
        match self.settings.max_tokens {
            Some(cap) if self.ledger.tokens.load(Ordering::SeqCst) >= cap => {
                Err(over("tokens", cap))
            }
            _ => Ok(()),
        }
    }

    /// Notes what a request took.
    pub(in crate::runtime) fn settle(&self, usage: crate::lm::Usage) {
        let tokens = usage.prompt_tokens.unwrap_or(0) + usage.completion_tokens.unwrap_or(0);
        self.ledger.tokens.fetch_add(tokens, Ordering::SeqCst);
    }

    /// Adds what an exchange took to what all runs of the command took.
    pub(in crate::runtime) fn note(&self, totals: Totals) {
        let mut spent = lock(&self.ledger.spent);
        *spent = spent.plus(totals);
    }

    /// What all runs of the command took so far.
    pub fn spent(&self) -> Totals {
        *lock(&self.ledger.spent)
    }

    /// Requests sent so far.
    pub fn calls(&self) -> u64 {
        self.ledger.calls.load(Ordering::SeqCst)
    }

    /// Time left, when there is a limit.
    pub fn time_left(&self) -> Option<Duration> {
        let limit = self.settings.max_time?;
        Some(limit.saturating_sub(self.env.host.elapsed().saturating_sub(self.began)))
    }

    /// Why the run must end now.
    fn over(&self) -> Option<&'static str> {
        if self.cancel.is_cancelled() {
            return Some(CANCELLED);
        }
        if self.time_left() == Some(Duration::ZERO) {
            return Some(OUT_OF_TIME);
        }
        (self.ledger.operations.load(Ordering::Relaxed) > MAX_OPERATIONS).then_some(TOO_MANY)
    }
}

/// Why the host language ended a run, as its termination token.
pub(in crate::runtime) const CANCELLED: &str = "the run was cancelled";
pub(in crate::runtime) const OUT_OF_TIME: &str =
    "the time for this run is over (`max_seconds`)";
pub(in crate::runtime) const TOO_MANY: &str = "the program did too much work";

fn over(what: &str, cap: u64) -> Error {
    let message = format!("the cap of {cap} {what} is used up");
    Error::from(Failure { fatal: true, ..Failure::new(codes::BUDGET, "budget", message) })
        .hint(format!("raise `max_{what}`; what was paid for so far is kept in the store"))
}

/// Limits of one run inside an evaluation.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunLimits {
    /// The most calls to models, cached ones included.
    pub max_calls: Option<u64>,
}

/// One course through a program.
#[derive(Debug)]
pub struct Run {
    session: Arc<Session>,
    script: Arc<Script>,
    example: Option<usize>,
    rollout: u64,
    limits: RunLimits,
    calls: AtomicU64,
    course: Arc<Mutex<Course>>,
}

/// What a run writes down as it goes.
#[derive(Debug, Default)]
struct Course {
    trace: Trace,
    /// The nodes under way, the innermost last.
    open: Vec<NodeId>,
    /// Where texts of replies came from, by identity; the text is kept so that its identity is
    /// not given to another.
    texts: BTreeMap<usize, (Text, NodeId, Arc<str>)>,
    /// How often each predictor was called.
    ordinals: BTreeMap<String, usize>,
    warnings: Vec<Warning>,
    consts: Vec<String>,
}

/// Something that went wrong and did not stop the run.
#[derive(Debug, Clone)]
pub struct Warning {
    /// Its kind.
    pub code: Code,
    /// One line that stands alone.
    pub message: String,
    /// Facts, such as values.
    pub notes: Vec<String>,
    /// Where.
    pub place: Option<Span>,
}

impl Run {
    /// Returns the main run of a command.
    pub fn new(session: Arc<Session>, script: Arc<Script>) -> Arc<Self> {
        Arc::new(Self::fresh(session, script, None, 0, RunLimits::default()))
    }

    /// Returns the main run of a command as a fresh sample: 0 is the first.
    pub fn sample(session: Arc<Session>, script: Arc<Script>, rollout: u64) -> Arc<Self> {
        Arc::new(Self::fresh(session, script, None, rollout, RunLimits::default()))
    }

    /// Returns a run that goes on where this one ended: the same trace, in which values of
    /// earlier entries have their history.
    pub fn resumed(&self, session: Arc<Session>, script: Arc<Script>) -> Arc<Self> {
        let course = self.course.clone();
        {
            // A run that was stopped may have left these.
            let mut course = lock(&course);
            course.open.clear();
            course.consts.clear();
            course.warnings.clear();
        }
        let fresh = Self::fresh(session, script, None, 0, RunLimits::default());
        Arc::new(Self { course, ..fresh })
    }

    /// Returns a run of its own for an example: another trace, the same session.
    pub fn for_example(&self, example: usize, rollout: u64, limits: RunLimits) -> Arc<Self> {
        let (session, script) = (self.session.clone(), self.script.clone());
        Arc::new(Self::fresh(session, script, Some(example), rollout, limits))
    }

    fn fresh(
        session: Arc<Session>,
        script: Arc<Script>,
        example: Option<usize>,
        rollout: u64,
        limits: RunLimits,
    ) -> Self {
        let (calls, course) = (AtomicU64::new(0), Arc::default());
        Self { session, script, example, rollout, limits, calls, course }
    }

    /// What the runs of the command share.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// What the engine lends.
    pub fn env(&self) -> &Env {
        &self.session.env
    }

    /// The program.
    pub fn script(&self) -> &Arc<Script> {
        &self.script
    }

    /// Which fresh sample of its example this run is.
    pub fn rollout(&self) -> u64 {
        self.rollout
    }

    /// Counts operations of the host language; a text says why the run must end.
    pub(in crate::runtime) fn tick(&self, operations: u8) -> Option<String> {
        self.session.ledger.operations.fetch_add(operations.into(), Ordering::Relaxed);
        self.session.over().map(ToOwned::to_owned)
    }

    /// Counts a call against the limits of this run.
    pub(in crate::runtime) fn count_call(&self) -> Result<(), Error> {
        let before = self.calls.fetch_add(1, Ordering::SeqCst);
        match self.limits.max_calls {
            Some(cap) if before >= cap => Err(over("calls", cap)),
            _ => Ok(()),
        }
    }

    /// The address of the next call of the predictor at `path`.
    pub(in crate::runtime) fn next_address(&self, path: &str) -> Address {
        let mut course = lock(&self.course);
        let ordinal = course.ordinals.entry(path.to_owned()).or_default();
        let address =
            Address { path: path.to_owned(), example: self.example, ordinal: *ordinal };
        *ordinal += 1;
        address
    }

    /// The address of a node.
    pub(in crate::runtime) fn trace_address(&self, id: NodeId) -> Address {
        lock(&self.course).trace.node(id).address.clone()
    }

    /// Opens a node: what happens until it is closed is its child.
    pub(in crate::runtime) fn open_node(&self, mut node: Node) -> NodeId {
        node.began = self.env().host.elapsed();
        let mut course = lock(&self.course);
        node.parent = course.open.last().copied();
        let id = NodeId(course.trace.nodes.len());
        course.trace.nodes.push(node);
        course.open.push(id);
        id
    }

    /// Closes a node.
    pub(in crate::runtime) fn close_node(&self, id: NodeId, finish: impl FnOnce(&mut Node)) {
        let now = self.env().host.elapsed();
        let mut course = lock(&self.course);
        while course.open.last().is_some_and(|it| *it >= id) {
            course.open.pop();
        }
        let node = &mut course.trace.nodes[id.0];
        node.took = now.saturating_sub(node.began);
        finish(node);
    }

    /// Notes which replies flow into a node.
    pub(in crate::runtime) fn note_inputs<'a>(
        &self,
        to: NodeId,
        inputs: impl Iterator<Item = (&'a str, &'a Val)>,
    ) {
        let mut course = lock(&self.course);
        let mut edges = Vec::new();
        for (name, value) in inputs {
            trace_origins(&course, value, &mut |from, output| {
                edges.push(Edge {
                    from,
                    output: output.map(ToOwned::to_owned),
                    to,
                    input: Some(name.to_owned()),
                    via: Via::Identity,
                });
            });
        }
        for edge in edges {
            if edge.from != to && !course.trace.edges.contains(&edge) {
                course.trace.edges.push(edge);
            }
        }
    }

    /// Remembers where the texts of a reply came from.
    pub(in crate::runtime) fn note_outputs<'a>(
        &self,
        from: NodeId,
        outputs: impl Iterator<Item = (&'a Arc<str>, &'a Val)>,
    ) {
        let mut course = lock(&self.course);
        for (name, value) in outputs {
            remember_texts(&mut course, from, name, value);
        }
    }

    /// Writes a search down: what was looked for, and what was found.
    pub fn note_retrieval(
        &self,
        name: &str,
        inputs: Record,
        query: &Val,
        found: &IndexMap<Arc<str>, Val>,
    ) -> NodeId {
        let node =
            self.open_node(Node::new(Kind::Retrieval, name, self.next_address(name), inputs));
        self.note_inputs(node, std::iter::once(("query", query)));
        self.note_outputs(node, found.iter());
        self.close_node(node, |it| it.outputs = to_record(found).ok());
        node
    }

    /// Tells of something that does not stop the run.
    pub fn warn(&self, warning: Warning) {
        lock(&self.course).warnings.push(warning);
    }

    /// What was told so far, a line each.
    pub(in crate::runtime) fn told_warnings(&self) -> Vec<String> {
        lock(&self.course).warnings.iter().map(|it| it.message.clone()).collect()
    }

    /// Takes what was told so far.
    pub fn take_warnings(&self) -> Vec<Warning> {
        std::mem::take(&mut lock(&self.course).warnings)
    }

    /// The trace so far.
    pub fn trace(&self) -> Trace {
        lock(&self.course).trace.clone()
    }

    /// How many nodes the trace has so far.
    pub fn n_nodes(&self) -> usize {
        lock(&self.course).trace.nodes.len()
    }

    /// Takes the trace of a run that has ended.
    pub fn take_trace(&self) -> Trace {
        std::mem::take(&mut lock(&self.course).trace)
    }

    /// Calls and tokens so far.
    pub fn totals(&self) -> Totals {
        lock(&self.course).trace.totals()
    }

    /// Takes over the trace of another run, as if it had happened here now.
    pub fn adopt(&self, other: Trace) {
        let mut course = lock(&self.course);
        let base = course.trace.nodes.len();
        let parent = course.open.last().copied();
        let moved = |id: NodeId| NodeId(id.0 + base);
        for node in other.nodes {
            let node = Node { parent: node.parent.map(moved).or(parent), ..node };
            course.trace.nodes.push(node);
        }
        for edge in other.edges {
            let (from, to) = (moved(edge.from), moved(edge.to));
            course.trace.edges.push(Edge { from, to, ..edge });
        }
    }

    /// Notes that a const is being computed; false when it is already.
    pub(in crate::runtime) fn enter_constant(&self, name: &str) -> bool {
        let mut course = lock(&self.course);
        if course.consts.iter().any(|it| it == name) {
            return false;
        }
        course.consts.push(name.to_owned());
        true
    }

    /// Notes that a const is computed.
    pub(in crate::runtime) fn leave_constant(&self) {
        lock(&self.course).consts.pop();
    }
}

/// Tells where the texts and replies inside a value came from.
fn trace_origins(course: &Course, value: &Val, tell: &mut impl FnMut(NodeId, Option<&str>)) {
    match value {
        Val::Str(text) => {
            if let Some((_, node, field)) = course.texts.get(&text.identity()) {
                tell(*node, Some(field));
            }
        }
        Val::List(items) => items.iter().for_each(|it| trace_origins(course, it, tell)),
        Val::Map(entries) => entries.values().for_each(|it| trace_origins(course, it, tell)),
        Val::Object(object) => {
            if let Some(node) = object.node() {
                tell(node, None);
            }
        }
        Val::Null | Val::Bool(_) | Val::Int(_) | Val::Float(_) => {}
        Val::Func(_) | Val::Other(_) => {}
    }
}

fn remember_texts(course: &mut Course, from: NodeId, name: &Arc<str>, value: &Val) {
    match value {
        Val::Str(text) => {
            // The first who made a text is where it came from; who passes it on is not.
            course
                .texts
                .entry(text.identity())
                .or_insert_with(|| (text.clone(), from, name.clone()));
        }
        Val::List(items) => {
            items.iter().for_each(|it| remember_texts(course, from, name, it));
        }
        Val::Map(entries) => {
            entries.values().for_each(|it| remember_texts(course, from, name, it));
        }
        Val::Null | Val::Bool(_) | Val::Int(_) | Val::Float(_) => {}
        Val::Object(_) | Val::Func(_) | Val::Other(_) => {}
    }
}
