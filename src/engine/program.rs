//! Loaded programs.

use crate::check::{Checked, Setting, StaticPredictor, TestInfo};
use crate::config::{Caps, Config};
use crate::diag::Diagnostic;
use crate::engine::builder::settings;
use crate::engine::callable::Callable;
use crate::engine::error::Error;
use crate::engine::units::{Loaded, Main, Unit, libraries, load};
use crate::engine::{Check, Engine};
use crate::host::{Captured, Host};
use crate::lm::Prompt;
use crate::lm::{Cancel, lane};
use crate::runtime::{
    self, Args, Cx, Env, Run, STACK_SIZE, Script, Session, Tape, Val, Variables, Warning, Why,
    diagnose,
};
use crate::schema::{Record, Value};
use crate::source::Sources;
use crate::store::{Replies, Store};
use crate::syntax::ast::SignatureItem;
use crate::trace::{Edge, Node, NodeId, Shares, Totals, Trace};
use crate::util::lock;
use indexmap::IndexMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A program that was checked and compiled; cheap to clone, shared by all its runs.
#[derive(Debug, Clone)]
pub struct Program {
    engine: Engine,
    script: Arc<Script>,
    session: Arc<Session>,
    warnings: Arc<[Diagnostic]>,
    /// What its texts import.
    imports: Arc<[Unit]>,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Finished {
    /// The value of the last expression, or what stopped the run.
    pub result: Result<Val, Error>,
    /// What went wrong and did not stop it.
    pub warnings: Vec<Diagnostic>,
    /// What happened; nothing where nobody wanted to have it in memory.
    pub trace: Trace,
    /// Whose trace it is.
    run: Arc<Run>,
}

impl Finished {
    /// Tells what happened in the whole run, without having it in memory: all nodes in their
    /// order, then all edges.
    ///
    /// # Errors
    /// Those of whom it tells.
    pub fn tell_trace<E>(
        &self,
        node: &mut dyn FnMut(NodeId, &Node) -> Result<(), E>,
        edge: &mut dyn FnMut(&Edge) -> Result<(), E>,
    ) -> Result<(), E> {
        self.run.tell_trace(node, edge)
    }
}

/// How a test is run.
#[derive(Debug, Clone, Default)]
pub struct TestOptions {
    /// Which fresh sample of it this is; 0 is the first.
    pub rollout: u64,
    /// Whether it takes replies from the engine's store and keeps them there; else what it does
    /// would depend on the tests beside it.
    pub shares_replies: bool,
    /// What stands between it and its models.
    pub tape: Option<Arc<dyn Tape>>,
    /// The longest it may take, where nobody said.
    pub max_time: Option<Duration>,
}

/// A test that has ended.
#[derive(Debug)]
pub struct TestEnd {
    /// What stopped it, what went wrong and did not, and what happened.
    pub finished: Finished,
    /// What it wrote to its streams.
    pub written: String,
    /// How long it took.
    pub took: Duration,
}

impl Program {
    pub(in crate::engine) fn new(
        engine: &Engine,
        check: Check,
        base: PathBuf,
    ) -> Result<Self, Error> {
        let has_errors = check.has_errors();
        let Check { sources, diagnostics, checked, units } = check;
        if has_errors {
            return Err(Error::new(sources, diagnostics));
        }
        let shared = &engine.shared;
        let config = script_config(&checked.settings);
        let is_named = config.lm.is_some();
        let config = shared.strong.clone().or(config).or(shared.weak.clone());
        let mut settings = settings(&shared.base, &config);
        script_settings(&mut settings, &checked.settings);
        settings.unnamed = settings.unnamed.filter(|_| !is_named);
        let script = Script::default().extend(&libraries(&units), checked, sources.clone());
        let script = script.map_err(|it| Error::new(sources, vec![*it]))?;
        let (env, cancel) = (shared.env.clone(), shared.cancel.clone());
        let session = Arc::new(Session::new(env, settings, cancel, base));
        let (engine, script) = (engine.clone(), Arc::new(script));
        let (warnings, imports) = (diagnostics.into(), units.into());
        Ok(Self { engine, script, session, warnings, imports })
    }

    /// The program with one more text, which sees its items.
    pub(in crate::engine) fn extended(
        &self,
        name: &str,
        text: &str,
        locals: &[Arc<str>],
    ) -> Result<Self, Error> {
        let mut sources = self.script.sources().clone();
        let source = sources.add(name, text);
        let main = Main {
            source,
            path: None,
            base: &self.session.base,
            prior: self.script.units(),
            known: &self.imports,
            locals,
            open: true,
        };
        let host = &*self.engine.shared.env.host;
        let Loaded { checked, diagnostics, units } = load(Some(host), &mut sources, main);
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Err(Error::new(sources, diagnostics));
        }
        // What consts were computed from may be what is defined anew.
        let anew = item_names(&checked).any(|it| self.has_item(it));
        let declared = |name: &str| checked.consts.keys().any(|it| &**it == name);
        let session = self.session.extended(|name| !anew && !declared(name));
        let script = self.script.extend(&libraries(&units), Arc::new(checked), sources.clone());
        let script = script.map_err(|it| Error::new(sources, vec![*it]))?;
        let (script, session) = (Arc::new(script), Arc::new(session));
        let (warnings, imports) = (diagnostics.into(), units.into());
        Ok(Self { script, session, warnings, imports, ..self.clone() })
    }

    fn has_item(&self, name: &str) -> bool {
        self.script.units().iter().any(|unit| item_names(unit).any(|it| it == name))
    }

    /// The program asking another model where it names none.
    ///
    /// # Errors
    /// The model cannot be opened.
    pub(in crate::engine) fn with_lm(&self, name: &str) -> Result<Self, Error> {
        self.session.can_ask(name).map_err(|error| self.tell(&error))?;
        let settings = runtime::Settings {
            lm: None,
            lm_name: Some(name.to_owned()),
            unnamed: None,
            ..self.session.settings.clone()
        };
        let session = self.session.told(settings, self.session.base.clone());
        Ok(Self { session: Arc::new(session), ..self.clone() })
    }

    /// The program with another adapter where its predictors name none.
    ///
    /// # Errors
    /// There is no adapter of that name.
    pub(in crate::engine) fn with_adapter(&self, name: &str) -> Result<Self, Error> {
        runtime::adapter_named(&self.script, name).map_err(|error| self.tell(&error))?;
        let adapter = Some(name.to_owned());
        let settings = runtime::Settings { adapter, ..self.session.settings.clone() };
        let session = self.session.told(settings, self.session.base.clone());
        Ok(Self { session: Arc::new(session), ..self.clone() })
    }

    /// The adapter of predictors that name none; `auto` is what suits their model.
    pub fn adapter(&self) -> &str {
        self.session.settings.adapter.as_deref().unwrap_or("auto")
    }

    /// The program counting what it spends with what another one spent.
    pub(in crate::engine) fn after(&self, earlier: &Self) -> Self {
        let (settings, base) = (self.session.settings.clone(), self.session.base.clone());
        let session = earlier.session.told(settings, base);
        Self { session: Arc::new(session), ..self.clone() }
    }

    /// The name of the model that predictors ask when they name none.
    pub fn lm(&self) -> Option<String> {
        let settings = &self.session.settings;
        let given = settings.lm.as_ref().map(|lm| lm.name().to_owned());
        given.or_else(|| settings.lm_name.clone())
    }

    /// What the check noticed and did not refuse.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The texts it was made from.
    pub fn sources(&self) -> &Sources {
        self.script.sources()
    }

    /// The text that the host language is given: for tests, and for a look at what became of
    /// a program.
    pub fn generated(&self) -> &str {
        self.script.generated()
    }

    /// Its checked units.
    pub fn units(&self) -> &[Arc<Checked>] {
        self.script.units()
    }

    /// Requests sent so far by all its runs.
    pub fn calls(&self) -> u64 {
        self.session.calls()
    }

    /// Calls and tokens of all its runs so far.
    pub fn spent(&self) -> Totals {
        self.session.spent()
    }

    /// The same by predictor and model.
    pub fn shares(&self) -> Shares {
        self.session.shares()
    }

    /// Runs the statements outside its items.
    pub fn run(&self) -> Finished {
        self.on_thread(&self.new_run(), |run| self.script.run_main(run, &Variables::default()))
    }

    /// Runs its statements as an entry of a session: with the variables of earlier ones, and
    /// in the same trace as the run of the entry before.
    pub(in crate::engine) fn enter(
        &self,
        variables: &Variables,
        before: Option<&Arc<Run>>,
        cancel: Cancel,
    ) -> (Finished, Arc<Run>) {
        let session = Arc::new(self.session.resumed(cancel));
        let run = match before {
            Some(before) => before.resumed(session, self.script.clone()),
            None => Run::new(session, self.script.clone()),
        };
        let n_before = run.n_whole();
        let mut finished = self.on_thread(&run, |run| self.script.run_main(run, variables));
        finished.trace = finished.trace.since(n_before);
        (finished, run)
    }

    /// Runs its statements up to the first request that the store cannot answer, and sends
    /// nothing.
    pub(in crate::engine) fn run_dry(&self, variables: &Variables) -> Finished {
        let run = Run::new(Arc::new(self.session.dry()), self.script.clone());
        self.on_thread(&run, |run| self.script.run_main(run, variables))
    }

    /// Computes expressions over its items, such as `Rag(k: 5)`.
    ///
    /// # Errors
    /// They are not correct. What they raise is in the result.
    pub fn eval(&self, expressions: &str) -> Result<Finished, Error> {
        let extended = self.extended("<expression>", expressions, &[])?;
        Ok(extended.run())
    }

    /// An instance of a module whose parameters all have defaults.
    ///
    /// # Errors
    /// There is no such module, or it cannot be made.
    pub fn module(&self, name: &str) -> Result<Callable, Error> {
        let known = self.script.units().iter().flat_map(|it| it.modules.keys());
        if self.script.module(name).is_none() {
            let hint = crate::diag::did_you_mean(name, known.map(|it| &**it));
            let message = format!("the program has no module `{name}`");
            return Err(Error::bare(
                Diagnostic::bare(runtime::codes::VALUE, message).hint(hint),
            ));
        }
        self.value(&format!("{name}()"))
    }

    /// What a predictor would send, read off the text: nothing of the program is run, no model
    /// is opened. `name` is a path such as `Rag.answer` or `rag.answer`, or the name of a
    /// predictor.
    ///
    /// # Errors
    /// No predictor of this name is known without running the program, the state does not fit,
    /// or the inputs do not.
    pub fn prompt(
        &self,
        name: &str,
        state: Option<&str>,
        inputs: &Record,
    ) -> Result<Prompt, Error> {
        let (path, siblings) = self.known(name)?;
        // What is said of this very prompt goes before what the program says.
        let adapter = self.engine().shared.base.adapter.as_deref();
        let asked = runtime::Shown { path: &path, state, adapter };
        self.within(|cx| runtime::static_prompt(cx.run(), &siblings, asked, inputs))
    }

    /// The same, with where each part of it comes from.
    ///
    /// # Errors
    /// Those of [`Program::prompt`].
    pub fn why(&self, name: &str, state: Option<&str>, inputs: &Record) -> Result<Why, Error> {
        let (path, siblings) = self.known(name)?;
        let adapter = self.engine().shared.base.adapter.as_deref();
        let asked = runtime::Shown { path: &path, state, adapter };
        let mut why =
            self.within(|cx| runtime::static_why(cx.run(), &siblings, asked, inputs))?;
        why.place = self.place_of(&why.signature.name);
        why.state_file = state.map(ToOwned::to_owned);
        Ok(why)
    }

    /// Where a signature is declared, where only one has the name.
    fn place_of(&self, signature: &str) -> Option<String> {
        let mut places = self.units().iter().filter_map(|unit| {
            let (source, tree) = (unit.source?, unit.tree.as_ref()?);
            let text = &*self.sources().get(source).text;
            let mut names =
                tree.nodes().filter_map(SignatureItem::cast).filter_map(|it| it.name(text));
            let name = names.find(|it| it.text(text) == signature)?;
            let (line, _) = self.sources().position(source, name.start as usize);
            Some(format!("{}:{line}", self.sources().get(source).name))
        });
        let first = places.next();
        first.filter(|_| places.next().is_none())
    }

    /// The path of a predictor in its program, and all predictors of that.
    fn known(
        &self,
        name: &str,
    ) -> Result<(String, IndexMap<String, runtime::Predictor>), Error> {
        let known: IndexMap<&str, &StaticPredictor> =
            self.units().iter().flat_map(|it| &it.predictors).map(|(k, v)| (&**k, v)).collect();
        if !known.contains_key(name) {
            let hint = crate::diag::did_you_mean(name, known.keys().copied());
            let message = format!("no predictor `{name}` is known without running the program");
            return Err(Error::bare(
                Diagnostic::bare(runtime::codes::VALUE, message).hint(hint),
            ));
        }
        // A member may be named without its module; its path is what a state calls it.
        let member = format!(".{name}");
        let whole = known.keys().find(|it| it.ends_with(&member) && known[*it] == known[name]);
        let name = whole.copied().unwrap_or(name);
        let (owner, path) = name.split_once('.').unwrap_or(("", "self"));
        let siblings = known.iter().filter_map(|(key, predictor)| {
            let path = match key.strip_prefix(owner) {
                _ if *key == name => Some(path),
                Some(rest) if !owner.is_empty() => rest.strip_prefix('.'),
                _ => None,
            };
            Some((path?.to_owned(), runtime::Predictor::of(predictor)))
        });
        Ok((path.to_owned(), siblings.collect()))
    }

    /// What an expression over its items gives: an instance, a predictor, a function.
    ///
    /// # Errors
    /// The expression is not correct, raises, or gives something that cannot be called.
    pub fn value(&self, expression: &str) -> Result<Callable, Error> {
        let extended = self.extended("<expression>", expression, &[])?;
        let value = extended.run().result?;
        let program = runtime::Program::from_val("program", &value);
        Ok(Callable::new(extended.clone(), program.map_err(|it| extended.tell(&it))?))
    }

    /// Calls something of the program in a run of its own.
    pub(in crate::engine) fn call(&self, program: &runtime::Program, args: Args) -> Called {
        let mut reply = None;
        let finished = self.on_thread(&self.new_run(), |run| {
            self.script.with_context(run, |cx| {
                reply = Some(program.run(cx, args)?);
                Ok(Val::Null)
            })
        });
        Called { reply, finished }
    }

    /// Does something in a run of its own that is no call.
    pub(in crate::engine) fn within<T: Send>(
        &self,
        work: impl FnOnce(&Cx<'_>) -> Result<T, runtime::Error> + Send,
    ) -> Result<T, Error> {
        let mut result = None;
        let finished = self.on_thread(&self.new_run(), |run| {
            self.script.with_context(run, |cx| {
                result = Some(work(cx)?);
                Ok(Val::Null)
            })
        });
        finished.result.map(|_| result.expect("work that did not fail has a result"))
    }

    /// Its tests, those of the text that was loaded last, in their order.
    pub fn tests(&self) -> &[TestInfo] {
        self.script.units().last().map_or(&[], |unit| &unit.tests)
    }

    /// Runs a test: a run of its own, whose consts, budget, time and output are its own.
    pub fn run_test(&self, test: &TestInfo, options: &TestOptions) -> TestEnd {
        let host = Arc::new(Captured::new(self.session.env.host.clone()));
        let began = host.elapsed();
        let Env { bindings, store, open_lm, open_embedder, .. } = &*self.session.env;
        let store: Arc<dyn Replies> = match options.shares_replies {
            true => store.clone(),
            false => Arc::new(Store::in_memory()),
        };
        let (bindings, open_lm) = (bindings.clone(), open_lm.clone());
        let open_embedder = open_embedder.clone();
        let tape = options.tape.clone();
        let machine = host.clone();
        let env = Env { host: machine, bindings, store, open_lm, open_embedder, tape };
        let env = Arc::new(env);
        let mut settings = self.session.settings.clone();
        if options.rollout > 0 {
            // A fresh sample of the program as it is, not of a hotter one.
            settings.temperature = settings.temperature.or(Some(0.0));
        }
        settings.max_time = settings.max_time.or(options.max_time);
        let session = self.session.apart(env, settings, self.session.cancel.part());
        let run = Run::sample(Arc::new(session), self.script.clone(), options.rollout);
        let mut finished = self.on_thread(&run, |run| self.script.run_test(run, &test.lowered));
        // An evaluation ends where a reply is missing, and the test may go on with what it has.
        if let Some(why) = options.tape.as_ref().and_then(|it| it.missed()) {
            finished.result = match finished.result {
                Err(error) if error.is(runtime::codes::UNRECORDED) => Err(error),
                _ => Err(self.tell(&why.into())),
            };
        }
        let took = host.elapsed().saturating_sub(began);
        TestEnd { finished, written: host.written(), took }
    }

    /// The program with a tape between it and its models, counting what it spends with what was
    /// spent.
    pub(in crate::engine) fn behind(&self, tape: Arc<dyn Tape>) -> Self {
        self.in_session(self.session.taped(tape))
    }

    /// The program in another session.
    pub(in crate::engine) fn in_session(&self, session: Session) -> Self {
        Self { session: Arc::new(session), ..self.clone() }
    }

    pub(in crate::engine) fn session(&self) -> &Session {
        &self.session
    }

    pub(in crate::engine) fn script(&self) -> &Arc<Script> {
        &self.script
    }

    pub(in crate::engine) fn new_run(&self) -> Arc<Run> {
        Run::new(self.session.clone(), self.script.clone())
    }

    /// Scripts nest deeply, so they run on threads of their own with room for it.
    pub(in crate::engine) fn on_thread(
        &self,
        run: &Arc<Run>,
        work: impl FnOnce(&Arc<Run>) -> Result<Val, runtime::Error> + Send,
    ) -> Finished {
        let work = Mutex::new(Some(work));
        let result = Mutex::new(None);
        let once = || {
            let work = lock(&work).take().expect("it is run once");
            *lock(&result) = Some(work(run));
        };
        // Who only waits for models drives their connections on the same thread.
        let on_lane = run.session().usually_waits();
        let main = || {
            if !on_lane || lane::run(1, STACK_SIZE, &once).is_err() {
                once();
            }
            lock(&result).take().expect("it was run")
        };
        let result = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("dsp-script".to_owned());
            let started = thread.stack_size(STACK_SIZE).spawn_scoped(scope, main);
            match started {
                Ok(thread) => thread.join().unwrap_or_else(|_| {
                    Err(runtime::Error::value("an internal error ended the run"))
                }),
                Err(error) => {
                    Err(runtime::Error::value(format!("the system gives no thread: {error}")))
                }
            }
        });
        // What was seen in the text is not told again.
        let seen = |it: &Diagnostic| {
            self.warnings.iter().any(|told| told.code == it.code && told.message == it.message)
        };
        let warnings = run.take_warnings().into_iter().map(warning);
        let warnings = warnings.filter(|it| !seen(it)).collect();
        let result = result.map_err(|error| self.tell(&error));
        let is_wanted = !self.session.settings.no_trace;
        let trace = if is_wanted { run.whole_trace() } else { Trace::default() };
        Finished { result, warnings, trace, run: run.clone() }
    }

    pub(in crate::engine) fn tell(&self, error: &runtime::Error) -> Error {
        Error::new(self.script.sources().clone(), vec![diagnose(&self.script, error)])
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// The names of a unit's items, in no order that means anything.
fn item_names(unit: &Checked) -> impl Iterator<Item = &str> {
    let (signatures, modules) = (unit.signatures.keys(), unit.modules.keys());
    let (functions, consts) = (unit.functions.keys(), unit.consts.keys());
    signatures.chain(modules).chain(functions).chain(consts).map(|it| &**it)
}

/// A call that has ended.
#[derive(Debug)]
pub(in crate::engine) struct Called {
    pub(in crate::engine) reply: Option<runtime::Reply>,
    pub(in crate::engine) finished: Finished,
}

fn warning(warning: Warning) -> Diagnostic {
    let diagnostic = match warning.place {
        Some(place) => Diagnostic::new(warning.code, place, warning.message),
        None => Diagnostic::bare(warning.code, warning.message),
    };
    Diagnostic { notes: warning.notes, ..diagnostic }
}

/// What a script's `settings` say, as a layer.
fn script_config(said: &IndexMap<Arc<str>, Setting>) -> Config {
    let count = |name: &str| match said.get(name).map(|it| &it.value) {
        Some(Value::Int(it)) => u64::try_from(*it).ok(),
        _ => None,
    };
    let number = |name: &str| match said.get(name).map(|it| &it.value) {
        #[expect(clippy::cast_precision_loss, reason = "caps are small numbers")]
        Some(Value::Int(it)) => Some(*it as f64),
        Some(Value::Float(it)) => Some(*it),
        _ => None,
    };
    Config {
        lm: said.get("lm").and_then(|it| it.value.as_str()).map(ToOwned::to_owned),
        threads: count("threads").and_then(|it| usize::try_from(it).ok()),
        seed: count("seed"),
        caps: Caps {
            max_calls: count("max_calls"),
            max_tokens: count("max_tokens"),
            max_usd: number("max_usd"),
            max_seconds: number("max_seconds"),
        },
        ..Config::default()
    }
}

/// What only a script's `settings` can say.
fn script_settings(settings: &mut runtime::Settings, said: &IndexMap<Arc<str>, Setting>) {
    let get = |name: &str| said.get(name).map(|it| &it.value);
    if settings.adapter.is_none() {
        settings.adapter = get("adapter").and_then(Value::as_str).map(ToOwned::to_owned);
    }
    match get("temperature") {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        Some(Value::Int(it)) => settings.temperature = Some(*it as f64),
        Some(Value::Float(it)) => settings.temperature = Some(*it),
        _ => {}
    }
    if let Some(Value::Int(it)) = get("retries") {
        settings.retries = u32::try_from(*it).unwrap_or(settings.retries);
    }
    if let Some(Value::Int(it)) = get("repairs") {
        settings.repairs = u32::try_from(*it).unwrap_or(settings.repairs);
    }
    if get("cache") == Some(&Value::Bool(false)) {
        settings.cache = false;
    }
}
