//! Runs: what one course through a program knows, and what all courses of a command share.

use crate::diag::Code;
use crate::host::SharedHost;
use crate::lm::{self, Cancel, LmOptions, Money, Price, Prices, SharedLm};
use crate::runtime::call_log::SharedCallLog;
use crate::runtime::course::{Branch, Course};
use crate::runtime::error::{Error, Failure, codes};
use crate::runtime::flights::Flights;
use crate::runtime::lm_value::listed;
use crate::runtime::meter::{Amount, Limits, Meter, Passed};
use crate::runtime::repair::Repairs;
use crate::runtime::rhai_host::Bindings;
use crate::runtime::rows::Rows;
use crate::runtime::script::Script;
use crate::runtime::tape::Tape;
use crate::runtime::value::Val;
use crate::source::Span;
use crate::store::Replies;
use crate::trace::{Abilities, Shares, Totals};
use crate::util::lock;
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Opens a model by its name.
pub type Opener = dyn Fn(&str, &LmOptions) -> Result<SharedLm, lm::Error> + Send + Sync;

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
    /// How models that embed are opened.
    pub open_embedder: Arc<Opener>,
    /// What stands between runs and their models.
    pub tape: Option<Arc<dyn Tape>>,
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Hears of the model that is asked though nobody named one, before it is; an error keeps it from
/// being asked.
#[derive(Clone)]
pub struct Unnamed(pub Arc<Hearing>);

/// Hears the name of a model.
type Hearing = dyn Fn(&str) -> Result<(), lm::Error> + Send + Sync;

impl fmt::Debug for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unnamed").finish_non_exhaustive()
    }
}

impl Env {
    /// The same with something else between runs and their models.
    #[must_use]
    pub fn taped(&self, tape: Arc<dyn Tape>) -> Self {
        let Self { host, bindings, store, open_lm, open_embedder, .. } = self;
        Self {
            host: host.clone(),
            bindings: bindings.clone(),
            store: store.clone(),
            open_lm: open_lm.clone(),
            open_embedder: open_embedder.clone(),
            tape: Some(tape),
        }
    }
}

/// What a command was told, in the order flags, environment, script, project, user.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The model that predictors ask when they name none.
    pub lm: Option<SharedLm>,
    /// Its name, when it is to be opened at first use.
    pub lm_name: Option<String>,
    /// Hears of it, where nobody named one.
    pub unnamed: Option<Unnamed>,
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
    /// How often a call is asked again for what must hold of its reply.
    pub repairs: u32,
    /// Runs at once, where a call says nothing; `None` leaves it to the model.
    pub threads: Option<usize>,
    /// Where all choices start.
    pub seed: u64,
    /// The most requests to models that may be sent.
    pub max_calls: Option<u64>,
    /// The most tokens that models may read and write, as they report them.
    pub max_tokens: Option<u64>,
    /// The most dollars that may be spent. Models whose price is not known are not asked where
    /// it is set.
    pub max_usd: Option<f64>,
    /// What models cost.
    pub prices: Arc<Prices>,
    /// The longest the command may take.
    pub max_time: Option<Duration>,
    /// Keep the traces of evaluated runs, too.
    pub keep_traces: bool,
    /// Note in traces where the parts of prompts come from.
    pub note_origins: bool,
    /// Nobody looks at the traces of runs that have ended.
    pub no_trace: bool,
    /// Nothing is recorded at all, so that what recording costs can be measured: programs whose
    /// conditions are repaired, evaluations and searches need the record.
    pub unrecorded: bool,
    /// Tell what is being done, on standard error.
    pub progress: bool,
    /// Requests are made up and written into the trace, but none is sent: what the store does
    /// not hold ends the run.
    pub dry: bool,
    /// Ends evaluations after the rows under way; it is set with what ends all runs, or alone.
    pub pause: Option<Cancel>,
    /// What a command lends to natives of higher floors, which know what it is.
    pub attached: Option<Arc<dyn Any + Send + Sync>>,
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
    /// Threads that parallel calls of the program have under way.
    pub(super) threads: Arc<AtomicUsize>,
    /// Which consts the values of consts were found to need.
    needs: Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>,
}

/// The values of consts, as far as they are known.
type Consts = Mutex<BTreeMap<String, Constant>>;

/// The value of one, once it is known. Who computes it may wait for models while it is locked.
pub(in crate::runtime) type Constant = Arc<tokio::sync::Mutex<Option<Val>>>;

/// What runs took, all together.
#[derive(Debug, Default)]
struct Ledger {
    operations: AtomicU64,
    meter: Meter,
    /// Calls that are under way.
    flights: Flights,
    spent: Mutex<Totals>,
    /// The same by predictor and model.
    shares: Mutex<Shares>,
    /// The models that were asked.
    asked: Mutex<BTreeMap<String, Abilities>>,
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
            threads: Arc::default(),
            needs: Arc::default(),
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
            threads: self.threads.clone(),
            needs: self.needs.clone(),
        }
    }

    /// A session of its own in another environment: nothing is known of consts, and nothing
    /// spent. Only models that are open stay open.
    #[must_use]
    pub fn apart(&self, env: Arc<Env>, settings: Settings, cancel: Cancel) -> Self {
        let session = Self::new(env, settings, cancel, self.base.clone());
        Self { models: self.models.clone(), ..session }
    }

    /// The same session with something else between its runs and their models: what is spent
    /// counts together.
    #[must_use]
    pub fn taped(&self, tape: Arc<dyn Tape>) -> Self {
        let env = Arc::new(self.env.taped(tape));
        Self { env, began: self.began, ..self.resumed(self.cancel.clone()) }
    }

    /// The same session told otherwise: consts are computed anew, what was spent stays spent.
    #[must_use]
    pub fn told(&self, settings: Settings, base: PathBuf) -> Self {
        let (consts, needs) = (Arc::default(), Arc::default());
        Self { settings, base, consts, needs, ..self.resumed(self.cancel.clone()) }
    }

    /// The same session where nothing is sent, and so nothing spent; see [`Settings::dry`].
    #[must_use]
    pub fn dry(&self) -> Self {
        let settings = Settings { dry: true, ..self.settings.clone() };
        Self { settings, ledger: Arc::default(), ..self.resumed(self.cancel.clone()) }
    }

    /// The place where the value of a const is kept once it is known.
    pub(in crate::runtime) fn constant(&self, name: &str) -> Constant {
        lock(&self.consts).entry(name.to_owned()).or_default().clone()
    }

    /// Notes that the value of const `name` needs that of `other`; false where that one needs
    /// this one, so that neither can ever be known.
    pub(in crate::runtime) fn note_need(&self, name: &str, other: &str) -> bool {
        let mut needs = lock(&self.needs);
        needs.entry(name.to_owned()).or_default().insert(other.to_owned());
        let (mut seen, mut open) = (BTreeSet::new(), vec![other]);
        while let Some(next) = open.pop() {
            if next == name {
                return false;
            }
            if seen.insert(next) {
                open.extend(needs.get(next).into_iter().flatten().map(String::as_str));
            }
        }
        true
    }

    /// The same session for a program with more items, some of which may have the names of
    /// earlier ones; `holds` says which consts still have the value that is known.
    #[must_use]
    pub fn extended(&self, holds: impl Fn(&str) -> bool) -> Self {
        let known = lock(&self.consts);
        let kept = known.iter().filter(|(name, _)| holds(name));
        let kept = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        let consts = Arc::new(Mutex::new(kept));
        let needs = Arc::default();
        Self { consts, needs, began: self.began, ..self.resumed(self.cancel.clone()) }
    }

    /// Whether the usual model answers from elsewhere: who asks it only waits. No model is opened
    /// for that.
    pub fn usually_waits(&self) -> bool {
        let Settings { lm, lm_name, .. } = &self.settings;
        let is_elsewhere = |name: &str| !name.starts_with("local");
        match lm {
            Some(lm) => lm.capabilities().nonblocking,
            None => lm_name.as_deref().is_some_and(is_elsewhere),
        }
    }

    /// The model that predictors ask when they name none.
    ///
    /// # Errors
    /// There is none, or it cannot be opened.
    pub fn default_lm(&self) -> Result<SharedLm, Error> {
        if let Some(lm) = &self.settings.lm {
            return Ok(lm.clone());
        }
        match (&self.settings.lm_name, &self.settings.unnamed) {
            (Some(name), None) => self.named_lm(name),
            (Some(name), Some(unnamed)) => {
                (unnamed.0)(name).map_err(|it| Error::lm(&it))?;
                self.named_lm(name)
            }
            (None, _) => Err(Error::from(Failure {
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
        self.opened(name).map_err(|it| Error::lm(&it))
    }

    /// Whether one of these models can be opened; there are commas between their names.
    ///
    /// # Errors
    /// Why the first cannot.
    pub fn can_ask(&self, names: &str) -> Result<(), Error> {
        let opened: Vec<_> = listed(names).into_iter().map(|it| self.named_lm(it)).collect();
        match opened.iter().any(Result::is_ok) {
            true => Ok(()),
            false => {
                opened.into_iter().next().unwrap_or_else(|| self.named_lm(names)).map(|_| ())
            }
        }
    }

    /// As [`named_lm`](Self::named_lm), in the words of models.
    pub(in crate::runtime) fn opened(&self, name: &str) -> Result<SharedLm, lm::Error> {
        // Held while it is opened, for opening may fetch the model, and once is enough.
        let mut known = lock(&self.models);
        if let Some(lm) = known.get(name) {
            return Ok(lm.clone());
        }
        let lm = (self.env.open_lm)(name, &LmOptions::default())?;
        known.insert(name.to_owned(), lm.clone());
        Ok(lm)
    }

    /// Where a path of the program leads.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.base.join(Path::new(path))
    }

    /// What the runs of the command may take.
    pub fn limits(&self) -> Limits {
        let Settings { max_calls, max_tokens, max_usd, .. } = &self.settings;
        Limits { calls: *max_calls, tokens: *max_tokens, money: max_usd.map(Money::usd) }
    }

    /// What a model costs: nothing where it runs in this process, `None` where nobody knows.
    pub fn price(&self, lm: &SharedLm) -> Option<Price> {
        if lm.capabilities().in_process {
            return Some(Price::default());
        }
        self.settings.prices.of(lm.name(), lm.is_listed())
    }

    /// Calls that are under way, whose replies other calls may wait for.
    pub(in crate::runtime) fn flights(&self) -> &Flights {
        &self.ledger.flights
    }

    /// Reserves what a request takes at most.
    pub(in crate::runtime) fn reserve(&self, most: Amount) -> Result<(), Error> {
        let limits = self.limits();
        let goes_on = || self.over().is_none();
        let reserved = self.ledger.meter.reserve(&limits, most, &goes_on);
        reserved.map_err(|passed| over(passed, self.ledger.meter.spent(), most))
    }

    /// Reserves one more request of a call that is under way, if there is room.
    pub(in crate::runtime) fn reserve_more(&self, most: Amount) -> bool {
        self.ledger.meter.reserve_more(&self.limits(), most)
    }

    /// Puts what `requests` took in the place of what was reserved for each.
    pub(in crate::runtime) fn settle(&self, most: Amount, requests: u64, took: Amount) {
        self.ledger.meter.settle(most, requests, took);
    }

    /// Reserves what a run that is made elsewhere may take: so much as it wants, a part of what
    /// is left where it does not say, and of nothing more than is left. Nothing is reserved
    /// where there is no cap.
    ///
    /// # Errors
    /// A cap is used up, or the run need not be made any more.
    pub fn lend(&self, wanted: &Limits) -> Result<Amount, Error> {
        let limits = self.limits();
        let goes_on = || self.over().is_none();
        let mut before = None;
        loop {
            let spent = self.ledger.meter.spent();
            let most = limits.lent(wanted, spent);
            if most.is_none() || most == before || !goes_on() {
                let passed = limits.passed_by(spent.plus(Amount::smallest()));
                let passed = passed.unwrap_or(Passed::Calls(spent.calls));
                return Err(over(passed, spent, Amount::smallest()));
            }
            let lent = most.unwrap_or_default();
            // While it waited, others may have left less than it wanted.
            if self.ledger.meter.reserve(&limits, lent, &goes_on).is_ok() {
                return Ok(lent);
            }
            before = most;
        }
    }

    /// Takes back what was lent, and counts what was taken of it.
    pub fn take_back(&self, lent: Amount, took: Amount) {
        self.ledger.meter.settle(lent, 1, took);
    }

    /// Adds what an exchange took to what all runs of the command took.
    pub(in crate::runtime) fn note(&self, path: &str, model: &str, totals: Totals) {
        let mut spent = lock(&self.ledger.spent);
        *spent = spent.plus(totals);
        drop(spent);
        let mut shares = lock(&self.ledger.shares);
        // They are few, and most are there already.
        let known = shares.iter_mut().find(|(of, _)| (&*of.0, &*of.1) == (path, model));
        let share = match known {
            Some((_, share)) => share,
            None => shares.entry((path.to_owned(), model.to_owned())).or_default(),
        };
        *share = share.plus(totals);
    }

    /// Notes what a model can do that is asked.
    pub(in crate::runtime) fn note_model(&self, lm: &SharedLm) {
        let mut asked = lock(&self.ledger.asked);
        if !asked.contains_key(lm.name()) {
            asked.insert(lm.name().to_owned(), lm.capabilities().into());
        }
    }

    /// What the models can do that were asked.
    pub fn asked(&self) -> BTreeMap<String, Abilities> {
        lock(&self.ledger.asked).clone()
    }

    /// What all runs of the command took so far, by predictor and model.
    pub fn shares(&self) -> Shares {
        lock(&self.ledger.shares).clone()
    }

    /// What all runs of the command took so far.
    pub fn spent(&self) -> Totals {
        *lock(&self.ledger.spent)
    }

    /// Requests sent so far.
    pub fn calls(&self) -> u64 {
        self.ledger.meter.spent().calls
    }

    /// Time left, when there is a limit.
    pub fn time_left(&self) -> Option<Duration> {
        let limit = self.settings.max_time?;
        Some(limit.saturating_sub(self.env.host.elapsed().saturating_sub(self.began)))
    }

    /// Counts operations of the host language; a text says why its runs must end.
    pub(in crate::runtime) fn tick(&self, operations: u8) -> Option<String> {
        self.ledger.operations.fetch_add(operations.into(), Ordering::Relaxed);
        self.over().map(ToOwned::to_owned)
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

/// A cap leaves no room for a call that takes so much at most.
fn over(passed: Passed, spent: Amount, most: Amount) -> Error {
    let room = |used: bool, most: String| match used {
        true => "is used up".to_owned(),
        false => format!("leaves no room for a call that may take {most}"),
    };
    let (what, message) = match passed {
        Passed::Calls(cap) => ("max_calls", format!("the cap of {cap} calls is used up")),
        Passed::Tokens(cap) => {
            let room = room(spent.tokens >= cap, most.tokens.to_string());
            ("max_tokens", format!("the cap of {cap} tokens {room}"))
        }
        Passed::Money(cap) => {
            let room = room(spent.money >= cap, most.money.to_string());
            ("max_usd", format!("the cap of {cap} {room}"))
        }
    };
    Error::from(Failure { fatal: true, ..Failure::new(codes::BUDGET, "budget", message) })
        .hint(format!("raise `{what}`; what was paid for so far is kept in the store"))
}

/// The error of a model that no cap in dollars can hold for.
pub fn unpriced(name: &str) -> Error {
    let message = format!("the price of `{name}` is not known, so `max_usd` cannot be kept");
    let failure = Failure::new(codes::BUDGET, "budget", message);
    let prices = format!("[prices.\"{name}\"]");
    Error::from(Failure { fatal: true, ..failure }).hint(format!(
        "say it in a settings file, in dollars for a million tokens: `{prices}` with `input` and \
         `output`; or cap `max_calls` or `max_tokens` instead"
    ))
}

/// One course through a program.
#[derive(Debug)]
pub struct Run {
    session: Arc<Session>,
    script: Arc<Script>,
    example: Option<usize>,
    rollout: u64,
    limits: Limits,
    /// What it took so far, its branches included.
    meter: Arc<Meter>,
    pub(super) course: Arc<Mutex<Course>>,
    /// Where it is one of several at once, inside another run.
    pub(super) branch: Option<Branch>,
    /// Who is told of its calls.
    log: Option<SharedCallLog>,
    /// The book of the outermost call that is under way.
    repairs: Mutex<Option<Arc<Repairs>>>,
    /// How many calls under way want no condition of theirs repaired.
    unrepaired: AtomicUsize,
    /// The traces of rows that it and its branches evaluated.
    pub(super) rows: Arc<Mutex<Rows>>,
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
        Arc::new(Self::fresh(session, script, None, 0, Limits::default()))
    }

    /// Returns the main run of a command as a fresh sample: 0 is the first.
    pub fn sample(session: Arc<Session>, script: Arc<Script>, rollout: u64) -> Arc<Self> {
        Arc::new(Self::fresh(session, script, None, rollout, Limits::default()))
    }

    /// Returns a run that goes on where this one ended: the same trace, in which values of
    /// earlier entries have their history.
    pub fn resumed(&self, session: Arc<Session>, script: Arc<Script>) -> Arc<Self> {
        let course = self.course.clone();
        lock(&course).forget_what_was_open();
        let fresh = Self::fresh(session, script, None, 0, Limits::default());
        Arc::new(Self { course, rows: self.rows.clone(), ..fresh })
    }

    /// Returns a run of its own for an example: another trace, the same session.
    /// `log` is told of its calls.
    pub fn for_example(
        &self,
        example: usize,
        rollout: u64,
        limits: Limits,
        log: Option<SharedCallLog>,
    ) -> Arc<Self> {
        let (session, script) = (self.session.clone(), self.script.clone());
        let fresh = Self::fresh(session, script, Some(example), rollout, limits);
        Arc::new(Self { log, ..fresh })
    }

    fn fresh(
        session: Arc<Session>,
        script: Arc<Script>,
        example: Option<usize>,
        rollout: u64,
        limits: Limits,
    ) -> Self {
        let (meter, course) = (Arc::default(), Arc::default());
        let (branch, log, repairs) = (None, None, Mutex::default());
        Self {
            session,
            script,
            example,
            rollout,
            limits,
            meter,
            course,
            branch,
            log,
            repairs,
            unrepaired: AtomicUsize::new(0),
            rows: Arc::default(),
        }
    }

    /// Returns a run inside this one that keeps a course of its own.
    pub(super) fn inner(&self, course: Course, branch: Option<Branch>) -> Self {
        let (session, script) = (self.session.clone(), self.script.clone());
        let fresh = Self::fresh(session, script, self.example, self.rollout, self.limits);
        let (meter, log) = (self.meter.clone(), self.log.clone());
        // What goes on beside it, such as a const, is no part of an attempt.
        let repairs = Mutex::new(self.repairs().filter(|_| branch.is_some()));
        let unrepaired = AtomicUsize::new(self.unrepaired.load(Ordering::SeqCst));
        let course = Arc::new(Mutex::new(course));
        let rows = self.rows.clone();
        Self { meter, log, course, branch, repairs, unrepaired, rows, ..fresh }
    }

    /// The same run with another tape between it and its models.
    pub(in crate::runtime) fn behind(self, tape: Arc<dyn Tape>) -> Arc<Self> {
        let session = Arc::new(self.session.taped(tape));
        Arc::new(Self { session, ..self })
    }

    /// Does something in which no condition is repaired.
    pub(in crate::runtime) fn unrepaired<T>(&self, work: impl FnOnce() -> T) -> T {
        self.unrepaired.fetch_add(1, Ordering::SeqCst);
        let done = work();
        self.unrepaired.fetch_sub(1, Ordering::SeqCst);
        done
    }

    /// Whether conditions that are false now are repaired, where a book is open.
    pub(in crate::runtime) fn is_repairing(&self) -> bool {
        self.unrepaired.load(Ordering::SeqCst) == 0
    }

    /// The book of the outermost call that is under way.
    pub(in crate::runtime) fn repairs(&self) -> Option<Arc<Repairs>> {
        lock(&self.repairs).clone()
    }

    /// Opens or closes the book.
    pub(in crate::runtime) fn set_repairs(&self, repairs: Option<Arc<Repairs>>) {
        *lock(&self.repairs) = repairs;
    }

    /// The example that it is a run of.
    pub(super) fn example(&self) -> Option<usize> {
        self.example
    }

    /// What the runs of the command share.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// What the engine lends.
    pub fn env(&self) -> &Env {
        &self.session.env
    }

    /// Who is told of its calls.
    pub(in crate::runtime) fn log(&self) -> Option<&SharedCallLog> {
        self.log.as_ref()
    }

    /// The program.
    pub fn script(&self) -> &Arc<Script> {
        &self.script
    }

    /// Which fresh sample of its example this run is.
    pub fn rollout(&self) -> u64 {
        self.rollout
    }

    /// Whether the tokens of its calls matter to some cap.
    pub(in crate::runtime) fn bounds_tokens(&self) -> bool {
        self.limits.bounds_tokens() || self.session.limits().bounds_tokens()
    }

    /// Whether the price of its calls matters to some cap.
    pub(in crate::runtime) fn bounds_money(&self) -> bool {
        self.limits.money.is_some() || self.session.settings.max_usd.is_some()
    }

    /// Reserves what a call takes at most against the limits of this run.
    pub(in crate::runtime) fn reserve(&self, most: Amount) -> Result<(), Error> {
        let goes_on = || self.session.over().is_none();
        let reserved = self.meter.reserve(&self.limits, most, &goes_on);
        reserved.map_err(|passed| over(passed, self.meter.spent(), most))
    }

    /// Reserves one more request of a call that is under way, if there is room in this run and
    /// in the command.
    pub(in crate::runtime) fn reserve_more(&self, most: Amount) -> bool {
        if !self.meter.reserve_more(&self.limits, most) {
            return false;
        }
        let room = self.session.reserve_more(most);
        if !room {
            self.meter.settle(most, 1, Amount::default());
        }
        room
    }

    /// Puts what `requests` took in the place of what was reserved for each.
    pub(in crate::runtime) fn settle(&self, most: Amount, requests: u64, took: Amount) {
        self.meter.settle(most, requests, took);
    }

    /// A cap under which no call of it would have been refused.
    pub fn needed(&self) -> Amount {
        self.meter.needed()
    }
}
