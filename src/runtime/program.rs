//! Programs as optimizers, evaluations and hosts see them: something to call, and its state.

use crate::adapt::{Adapter, read_loose};
use crate::lm::{Capabilities, SharedLm, Takes};
use crate::program::{PredictorState, Provenance, State};
use crate::runtime::adapter_value::AdapterValue;
use crate::runtime::bind::bind_row;
use crate::runtime::bound;
use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::{Error, Failure, codes};
use crate::runtime::instance::{Instance, frozen, override_in, place, walk};
use crate::runtime::lm_value::LmValue;
use crate::runtime::media;
pub(in crate::runtime) use crate::runtime::predictor::BARE;
use crate::runtime::predictor::{self, Predictor};
use crate::runtime::record_value::typed_value;
use crate::runtime::repair::RUNS;
use crate::runtime::reply::Reply;
use crate::runtime::run::{Run, Warning};
use crate::runtime::script::Script;
use crate::runtime::several::{reply_of, samples};
use crate::runtime::value::Val;
use crate::runtime::why::Why;
use crate::schema::{Record, Row, Signature, Ty, TypeTable, Value, convert};
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a program says about the calls of a predictor.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The model to ask.
    pub lm: Option<LmValue>,
    /// The adapter.
    pub adapter: Option<AdapterValue>,
    /// How freely tokens are drawn.
    pub temperature: Option<f64>,
    /// The longest reply, in tokens.
    pub max_tokens: Option<u32>,
    /// Whether the store is used.
    pub cache: Option<bool>,
    /// How often a reply that cannot be read is asked again.
    pub retries: Option<u32>,
    /// Which fresh sample is wanted.
    pub rollout: Option<u64>,
    /// Whether what must hold is repaired where it does not.
    pub asserts: Option<bool>,
    /// How many replies are wanted.
    pub n: Option<u32>,
    /// How many of the likeliest tokens are told at each place of a reply.
    pub logprobs: Option<u32>,
}

impl Overrides {
    /// These options where `newer` says nothing.
    #[must_use]
    pub fn over(&self, newer: &Self) -> Self {
        Self {
            lm: newer.lm.clone().or_else(|| self.lm.clone()),
            adapter: newer.adapter.clone().or_else(|| self.adapter.clone()),
            temperature: newer.temperature.or(self.temperature),
            max_tokens: newer.max_tokens.or(self.max_tokens),
            cache: newer.cache.or(self.cache),
            retries: newer.retries.or(self.retries),
            rollout: newer.rollout.or(self.rollout),
            asserts: newer.asserts.or(self.asserts),
            n: newer.n.or(self.n),
            logprobs: newer.logprobs.or(self.logprobs),
        }
    }
}

/// Something that can be run on rows: a predictor, a module's instance, or a function.
#[derive(Debug, Clone)]
pub struct Program {
    value: Val,
    /// Where a predictor that is none of the script's own stands in traces.
    place: Option<Arc<str>>,
}

impl Program {
    /// Returns the program of one predictor that is none of the script's own, so that its calls
    /// stand apart from those of the script.
    pub fn apart(predictor: Predictor, place: &str) -> Self {
        Self { value: Val::object(predictor.at(place)), place: Some(place.into()) }
    }

    /// Reads what stands where a program is wanted.
    ///
    /// # Errors
    /// A value that is none.
    pub fn from_val(what: &str, value: &Val) -> Result<Self, Error> {
        if let Val::Func(function) = value
            && function.lowered_name().starts_with("anon$")
        {
            return Err(Error::value("a closure does not name its inputs")
                .hint("write it as a function: `fn program(question) { … }`"));
        }
        let is_program = value.downcast::<Predictor>().is_some()
            || value.downcast::<Instance>().is_some()
            || matches!(value, Val::Func(_))
            || !parts(value).is_empty();
        if is_program {
            return Ok(Self { value: value.clone(), place: None });
        }
        let error = wrong(what, "a predictor, an instance of a module or a function", value);
        let is_class = matches!(value, Val::Object(object) if object.type_name() == "class");
        Err(if is_class {
            error.hint("call the module to make an instance of it")
        } else {
            error
        })
    }

    /// The value itself.
    pub fn value(&self) -> &Val {
        &self.value
    }

    /// The signatures of its predictors as the program has them, by path.
    pub fn signatures(&self) -> IndexMap<String, Signature> {
        let mut found = IndexMap::new();
        self.walk(&mut |path, predictor| {
            found.insert(path.to_owned(), (**predictor.base_signature()).clone());
        });
        found
    }

    /// Whether the predictor at a path is a chain of thought.
    pub fn reasons(&self, path: &str) -> bool {
        self.predictor(path).is_some_and(|it| it.reasons())
    }

    /// The signatures of those that optimizers may change.
    pub fn trainable(&self) -> IndexMap<String, Signature> {
        let mut found = IndexMap::new();
        self.walk(&mut |path, predictor| {
            if !predictor.is_frozen() {
                found.insert(path.to_owned(), (**predictor.base_signature()).clone());
            }
        });
        found
    }

    fn walk(&self, visit: &mut impl FnMut(&str, &Predictor)) {
        walk(&self.value, root(&self.value), visit);
    }

    /// The predictor at a path.
    pub fn predictor(&self, path: &str) -> Option<Predictor> {
        let mut found = None;
        self.walk(&mut |at, predictor| {
            if at == path {
                found = Some(predictor.clone());
            }
        });
        found
    }

    /// Its state.
    pub fn state(&self) -> State {
        let mut state = State::default();
        self.walk(&mut |path, predictor| {
            if let Some(known) = predictor.state() {
                state.predictors.insert(path.to_owned(), PredictorState::clone(known));
            }
        });
        if let Some(instance) = self.value.downcast::<Instance>() {
            state.provenance = instance.state().provenance.clone();
        } else if let Some(predictor) = self.value.downcast::<Predictor>() {
            state.provenance = predictor.provenance().cloned();
        }
        state
    }

    /// Returns the program with another state.
    #[must_use]
    pub fn with_state(&self, state: &Arc<State>) -> Self {
        let value = if let Some(predictor) = self.value.downcast::<Predictor>() {
            let predictor = predictor.placed(BARE, state);
            Val::object(match &self.place {
                Some(place) => predictor.at(place),
                None => predictor,
            })
        } else if let Some(instance) = self.value.downcast::<Instance>() {
            Val::object(instance.with_state(state.clone()))
        } else {
            place(&self.value, root(&self.value), state)
        };
        Self { value, place: self.place.clone() }
    }

    /// The most requests that one run makes, repairs included. `None` where that cannot be
    /// told without running it: a loop, a closure, a call of something that is not known.
    pub fn max_calls(&self, script: &Script, retries: u32, repairs: u32) -> Option<u64> {
        let requests = bound::requests(script, &self.value, retries)?;
        match bound::has_conditions(script, &self.value) {
            true => Some(requests.saturating_mul(1 + u64::from(RUNS * repairs))),
            false => Some(requests),
        }
    }

    /// The names of what it takes, and whether each is needed.
    ///
    /// # Errors
    /// A module without `forward`.
    pub fn params(&self, script: &Script) -> Result<Vec<(Arc<str>, bool)>, Error> {
        if let Some(predictor) = self.value.downcast::<Predictor>() {
            let inputs = predictor.signature().inputs.iter();
            let needed = |ty: &Ty| !matches!(ty, Ty::Optional(_));
            return Ok(inputs
                .map(|it| (it.name.clone(), it.default.is_none() && needed(&it.ty)))
                .collect());
        }
        if let Some(part) = parts(&self.value).into_iter().next() {
            return Self { value: part, place: None }.params(script);
        }
        let params = if let Some(instance) = self.value.downcast::<Instance>() {
            instance.class().methods.get("forward").map(|it| &it.params)
        } else if let Val::Func(function) = &self.value {
            script.function(function.lowered_name()).map(|it| &it.params)
        } else {
            None
        };
        let params =
            params.ok_or_else(|| Error::value("this program does not say what it takes"))?;
        Ok(params
            .iter()
            .filter(|it| !it.rest)
            .map(|it| (it.name.clone(), !it.may_be_left_out()))
            .collect())
    }

    /// The types of what it takes, where it says them.
    fn types(&self, script: &Script) -> Vec<(Arc<str>, Ty)> {
        if let Some(predictor) = self.value.downcast::<Predictor>() {
            let inputs = &predictor.signature().inputs;
            return inputs.iter().map(|it| (it.name.clone(), it.ty.clone())).collect();
        }
        if let Some(part) = parts(&self.value).into_iter().next() {
            return Self { value: part, place: None }.types(script);
        }
        let params = if let Some(instance) = self.value.downcast::<Instance>() {
            instance.class().methods.get("forward").map(|it| &it.params)
        } else if let Val::Func(function) = &self.value {
            script.function(function.lowered_name()).map(|it| &it.params)
        } else {
            None
        };
        let typed = params.into_iter().flatten();
        typed.filter_map(|it| Some((it.name.clone(), it.ty.clone()?))).collect()
    }

    /// The named types of the unit that it comes from.
    fn table(&self, script: &Script) -> Arc<TypeTable> {
        if let Some(predictor) = self.value.downcast::<Predictor>() {
            return predictor.signature().types.clone();
        }
        let key = match (self.value.downcast::<Instance>(), &self.value) {
            (Some(instance), _) => Some(&*instance.class().key),
            (None, Val::Func(function)) => Some(function.lowered_name()),
            _ => None,
        };
        let library = key.and_then(|it| script.library(it));
        library.map_or_else(|| script.types(), |it| it.types.clone())
    }

    /// Runs it on a row: columns bind to what it takes by name, as values of its types.
    ///
    /// # Errors
    /// What the run raises, and columns that do not fit.
    pub fn run_row(&self, cx: &Cx<'_>, row: &Row) -> Result<Reply, Error> {
        let script = cx.run().script();
        let params = self.params(script)?;
        let mut args = bind_row(row, params)?;
        let table = self.table(script);
        for (name, ty) in self.types(script) {
            if let Some(value) = args.named.get_mut(&name) {
                *value = from_outside(cx.run(), row, value, &ty, &table)
                    .map_err(|it| Error::value(format!("column `{name}`: {it}")))?;
            }
        }
        self.run(cx, args)
    }

    /// Whether it takes pictures, sounds or files.
    pub fn takes_media(&self, script: &Script) -> bool {
        let table = self.table(script);
        self.types(script).iter().any(|(_, ty)| ty.mentions_media(&table))
    }

    /// The files that a row names where it takes pictures, sounds or files.
    pub fn files(&self, run: &Run, row: &Row) -> BTreeSet<PathBuf> {
        let script = run.script();
        let table = self.table(script);
        let mut files = BTreeSet::new();
        for (name, ty) in self.types(script) {
            if let Some(value) = row.values.get(&name) {
                media::files(run, row.folder.as_deref(), value, &ty, &table, &mut files);
            }
        }
        files
    }

    /// Calls it.
    ///
    /// # Errors
    /// What the run raises, and a result that is no reply.
    pub fn run(&self, cx: &Cx<'_>, args: Args) -> Result<Reply, Error> {
        let value = cx.call(&self.value, args)?;
        match value.downcast::<Reply>() {
            Some(reply) => Ok(reply.clone()),
            None => match value.entries() {
                Some(fields) => Ok(Reply::new(fields.clone(), None)),
                None => Err(Error::value(format!(
                    "the program returned {}, not a reply or a map",
                    value.kind()
                ))),
            },
        }
    }

    /// The models that its predictors ask, each once. One that cannot be opened is left out: a
    /// call of it says why.
    pub fn models(&self, run: &Run) -> Vec<SharedLm> {
        let mut models: Vec<SharedLm> = Vec::new();
        self.walk(&mut |_, predictor| {
            let line = predictor.lm(run);
            for lm in line.iter().flat_map(LmValue::all) {
                if !models.iter().any(|it| Arc::ptr_eq(it, lm)) {
                    models.push(lm.clone());
                }
            }
        });
        models
    }

    /// What the predictor at `path` would send for these inputs; without a path the only one.
    ///
    /// # Errors
    /// No such predictor, or inputs that do not fit.
    pub fn prompt(
        &self,
        cx: &Cx<'_>,
        path: Option<&str>,
        inputs: &Record,
    ) -> Result<crate::lm::Prompt, Error> {
        let (chosen, adapter, capabilities) = self.asked(cx, "prompt", path)?;
        Ok(chosen.prepare(Some(cx), inputs, adapter, &capabilities)?.prompt)
    }

    /// The same, with where each part comes from.
    ///
    /// # Errors
    /// Those of [`Program::prompt`].
    pub fn why(&self, cx: &Cx<'_>, path: Option<&str>, inputs: &Record) -> Result<Why, Error> {
        let (chosen, adapter, capabilities) = self.asked(cx, "why", path)?;
        let provenance = self.state().provenance.map(Arc::new);
        Ok(Why { provenance, ..chosen.why(Some(cx), inputs, &adapter, &capabilities)? })
    }

    /// The predictor at `path`, or the only one, and how it lays its prompts out.
    fn asked(
        &self,
        cx: &Cx<'_>,
        what: &str,
        path: Option<&str>,
    ) -> Result<(Predictor, Adapter, Capabilities), Error> {
        let signatures = self.signatures();
        let chosen = match path {
            Some(path) => self.predictor(path),
            None if signatures.len() == 1 => {
                signatures.keys().next().and_then(|path| self.predictor(path))
            }
            None => None,
        };
        let Some(chosen) = chosen else {
            let paths: Vec<String> = signatures.keys().map(|it| format!("`{it}`")).collect();
            let hint = format!("`{what}(at: …)`; its predictors are {}", paths.join(", "));
            return Err(Error::value("say which predictor is meant").hint(hint));
        };
        let run = cx.run();
        let capabilities = chosen.lm(run).map_or(CHAT, |it| it.lm.capabilities());
        let adapter = chosen.adapter(run, &capabilities)?;
        Ok((chosen, adapter, capabilities))
    }

    /// Reads the state file at a path and returns the program with it.
    ///
    /// # Errors
    /// A file that cannot be read, and a state that does not fit.
    pub fn load_state(&self, cx: &Cx<'_>, path: &str) -> Result<Self, Error> {
        let state = read_state(cx.run(), &cx.resolve(path), &self.signatures())?;
        let program = self.with_state(&state);
        program.walk(&mut |_, predictor| predictor.warn_of_template(cx.run()));
        Ok(program)
    }

    /// Writes its state to a file.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save_state(&self, cx: &Cx<'_>, path: &str) -> Result<(), Error> {
        self.save_state_at(cx.run(), &cx.resolve(path))
    }

    /// Writes its state to the file at a path as it is.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save_state_at(&self, run: &Run, path: &Path) -> Result<(), Error> {
        let mut state = self.state();
        let signatures = self.signatures();
        state.stamp(&signatures);
        let host = &*run.env().host;
        let folder = path.parent().unwrap_or(Path::new(""));
        let state = state.placed_in(host, folder, &signatures);
        state.save(host, path).map_err(|it| from_diagnostic(&it))
    }
}

/// The programs that a program is made of, without the members of modules.
fn parts(value: &Val) -> Vec<Val> {
    match value {
        Val::Object(object) => object.parts().into_iter().map(|it| it.1).collect(),
        _ => Vec::new(),
    }
}

/// The path of a program: its predictors stand behind it.
pub(in crate::runtime) fn root(value: &Val) -> &'static str {
    if value.downcast::<Predictor>().is_some() {
        return BARE;
    }
    let Val::Object(object) = value else { return "" };
    match &*object.parts() {
        [] => "",
        [(behind, part)] if behind.is_empty() => root(part),
        _ => BARE,
    }
}

/// A cell as a value of the type that is wanted; the numbers of some files are texts.
fn from_outside(
    run: &Run,
    row: &Row,
    value: &Val,
    ty: &Ty,
    table: &TypeTable,
) -> Result<Val, Error> {
    if let (Val::Str(_), Ty::Str) = (value, ty) {
        return Ok(value.clone());
    }
    let mut data = value.to_value()?;
    if ty.mentions_media(table) {
        let named = media::from_outside(run, row.folder.as_deref(), &data, ty, table)?;
        data = media::at_hand(run, &named)?;
    }
    let parsed = match (&data, plain(ty, table)) {
        (Value::Str(text), Ty::Int) => text.trim().parse().ok().map(Value::Int),
        (Value::Str(text), Ty::Float) => text.trim().parse().ok().map(Value::Float),
        (Value::Str(text), Ty::Bool) => text.trim().parse().ok().map(Value::Bool),
        _ => None,
    };
    let fits = convert(&parsed.unwrap_or(data), ty, table);
    fits.map(|it| typed_value(&it, ty, table)).map_err(|it| Error::value(it.to_string()))
}

/// A type without its name, its bound, and that it may be nothing.
fn plain<'a>(ty: &'a Ty, table: &'a TypeTable) -> &'a Ty {
    match ty {
        Ty::Optional(inner) | Ty::Bounded(inner, _) => plain(inner, table),
        Ty::Named(name) => table.get(name).unwrap_or(ty),
        other => other,
    }
}

/// Reads a state file, ours or DSPy's, for predictors of these signatures.
fn read_state(
    run: &Run,
    at: &Path,
    signatures: &IndexMap<String, Signature>,
) -> Result<Arc<State>, Error> {
    let host = &*run.env().host;
    if let Some(pickled) = crate::program::pickled(host, at) {
        return Err(from_diagnostic(&pickled));
    }
    let text = crate::host::read_text(host, at).map_err(|error| {
        Error::data(codes::STATE, format!("cannot read `{}`: {error}", at.display()))
    })?;
    let name = at.display().to_string();
    let fitted = State::open(&text, &name, signatures, read_loose).map_err(|all| {
        let first = all.first().map(from_diagnostic);
        let error = first.unwrap_or_else(|| Error::value("the state does not fit"));
        all.iter().skip(1).fold(error, |error, it| error.note(it.message.clone()))
    })?;
    for warning in fitted.warnings {
        let notes = warning.notes.clone();
        run.warn(Warning { code: warning.code, message: warning.message, notes, place: None });
    }
    let folder = at.parent().unwrap_or(Path::new(""));
    Ok(Arc::new(fitted.state.taken_from(folder, signatures)))
}

fn from_diagnostic(diagnostic: &crate::diag::Diagnostic) -> Error {
    let failure = Failure::new(diagnostic.code, "value", diagnostic.message.clone());
    Failure { notes: diagnostic.notes.clone(), hints: diagnostic.hints.clone(), ..failure }
        .into()
}

/// The methods that predictors and instances share.
pub(in crate::runtime) fn method(
    cx: &Cx<'_>,
    value: &Val,
    name: &str,
    args: Args,
) -> Option<Result<Val, Error>> {
    match name {
        "with" => Some(with(cx, value, args)),
        "with_state" => Some(with_state(cx, value, args)),
        "save" => Some(save(cx, value, args)),
        "prompt" => Some(prompt(cx, value, args)),
        "why" => Some(why(cx, value, args)),
        "sample" => Some(sample(cx, value, args)),
        "freeze" => Some(args.finish("freeze", 0, &[]).map(|()| frozen(value))),
        _ => None,
    }
}

fn with(cx: &Cx<'_>, value: &Val, mut args: Args) -> Result<Val, Error> {
    let at = args.text("at")?;
    let overrides = predictor::options(cx, &mut args)?;
    let overrides = Overrides { asserts: args.flag("asserts")?, ..overrides };
    let known = [
        "lm",
        "adapter",
        "temperature",
        "max_tokens",
        "cache",
        "retries",
        "rollout",
        "n",
        "logprobs",
        "asserts",
        "at",
    ];
    args.finish("with", 0, &known)?;
    let program = Program::from_val("with", value)?;
    if let Some(at) = &at
        && !program
            .signatures()
            .keys()
            .any(|path| path == at || path.starts_with(&format!("{at}.")))
    {
        let paths = program.signatures();
        let hint = crate::diag::did_you_mean(at, paths.keys().map(String::as_str));
        return Err(Error::value(format!("there is no predictor at `{at}`")).hint(hint));
    }
    if let Some(predictor) = value.downcast::<Predictor>() {
        return Ok(Val::object(predictor.with_overrides(&overrides)));
    }
    match value.downcast::<Instance>() {
        Some(instance) => Ok(Val::object(instance.with_overrides(&overrides, at.as_deref()))),
        None => Ok(override_in(value, root(value), &overrides, at.as_deref())),
    }
}

/// `p.sample(5, question: "…")`: the first of several replies, which knows the others.
fn sample(cx: &Cx<'_>, value: &Val, mut args: Args) -> Result<Val, Error> {
    if args.positional.is_empty() {
        return Err(Error::value("`sample` wants the number of samples, then the inputs"));
    }
    let n = crate::runtime::cx::count("n", &args.positional.remove(0))?;
    let all = samples(cx, value, &args, n)?;
    match all.first() {
        Some(first) => Ok(Val::object(reply_of(&first.clone(), all)?)),
        None => Err(wrong("n", "a count above 0", &Val::Int(0))),
    }
}

fn path_of(what: &str, mut args: Args) -> Result<String, Error> {
    let path = args.take(0, "path").unwrap_or_default();
    args.finish(what, 1, &["path"])?;
    match path.as_str() {
        Some(path) => Ok(path.to_owned()),
        None => Err(wrong("path", "a path", &path)),
    }
}

fn with_state(cx: &Cx<'_>, value: &Val, args: Args) -> Result<Val, Error> {
    let path = path_of("with_state", args)?;
    let program = Program::from_val("with_state", value)?;
    Ok(program.load_state(cx, &path)?.value)
}

fn save(cx: &Cx<'_>, value: &Val, args: Args) -> Result<Val, Error> {
    let path = path_of("save", args)?;
    Program::from_val("save", value)?.save_state(cx, &path)?;
    Ok(Val::Null)
}

/// `p.prompt(question: "…")`: what would be sent, as text.
fn prompt(cx: &Cx<'_>, value: &Val, mut args: Args) -> Result<Val, Error> {
    let path = args.text("at")?;
    let inputs = crate::runtime::value::to_record(&args.named)?;
    let prompt = Program::from_val("prompt", value)?.prompt(cx, path.as_deref(), &inputs)?;
    Ok(Val::str(&prompt_text(&prompt)))
}

/// `p.why(question: "…")`: what would be sent, part by part, with where each comes from.
fn why(cx: &Cx<'_>, value: &Val, mut args: Args) -> Result<Val, Error> {
    let path = args.text("at")?;
    let inputs = crate::runtime::value::to_record(&args.named)?;
    Ok(Program::from_val("why", value)?.why(cx, path.as_deref(), &inputs)?.to_val())
}

/// A prompt as text that a person reads.
pub fn prompt_text(prompt: &crate::lm::Prompt) -> String {
    match prompt {
        crate::lm::Prompt::Text(text) => text.clone(),
        crate::lm::Prompt::Chat(messages) => {
            let shown: Vec<String> = messages
                .iter()
                .map(|it| format!("--- {}\n{}", it.role.as_str(), it.shown()))
                .collect();
            shown.join("\n")
        }
    }
}

/// Which prompt is to be shown.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The predictor's path.
    pub path: &'a str,
    /// The file of a state.
    pub state: Option<&'a str>,
    /// The adapter, in place of what the program and the state say.
    pub adapter: Option<&'a str>,
}

/// What a predictor would send, with the state of a file if one is named. Models
/// are not opened: their names tell enough to choose the adapter.
///
/// # Errors
/// A state that does not fit, or inputs that do not.
pub fn static_prompt(
    run: &Run,
    predictors: &IndexMap<String, Predictor>,
    asked: Shown<'_>,
    inputs: &Record,
) -> Result<crate::lm::Prompt, Error> {
    let (chosen, _) = static_predictor(run, predictors, asked)?;
    let (inputs, adapter, capabilities) = static_adapter(run, &chosen, asked, inputs)?;
    Ok(chosen.prepare(None, &inputs, adapter, &capabilities)?.prompt)
}

/// The same, with where each part comes from.
///
/// # Errors
/// Those of [`static_prompt`].
pub fn static_why(
    run: &Run,
    predictors: &IndexMap<String, Predictor>,
    asked: Shown<'_>,
    inputs: &Record,
) -> Result<Why, Error> {
    let (chosen, provenance) = static_predictor(run, predictors, asked)?;
    let (inputs, adapter, capabilities) = static_adapter(run, &chosen, asked, inputs)?;
    let why = chosen.why(None, &inputs, &adapter, &capabilities)?;
    Ok(Why { provenance, ..why })
}

/// The predictor with the state of a file, and how that came about.
fn static_predictor(
    run: &Run,
    predictors: &IndexMap<String, Predictor>,
    asked: Shown<'_>,
) -> Result<(Predictor, Option<Arc<Provenance>>), Error> {
    let Shown { path, state, .. } = asked;
    let chosen = predictors.get(path).ok_or_else(|| Error::value("no such predictor"))?;
    let Some(file) = state else { return Ok((chosen.clone(), None)) };
    let signatures =
        predictors.iter().map(|(k, v)| (k.clone(), (**v.base_signature()).clone()));
    let state = read_state(run, &run.session().resolve(file), &signatures.collect())?;
    let placed = chosen.placed(path, &state);
    placed.warn_of_template(run);
    Ok((placed, state.provenance.clone().map(Arc::new)))
}

/// How it lays prompts out, and the inputs as it takes them.
fn static_adapter(
    run: &Run,
    chosen: &Predictor,
    asked: Shown<'_>,
    inputs: &Record,
) -> Result<(Record, Adapter, Capabilities), Error> {
    let capabilities = capabilities_by_name(run);
    let adapter = match asked.adapter {
        Some(name) => {
            let named = AdapterValue::named(run.script(), name)?;
            named.check(chosen.signature())?;
            named.of(&capabilities)
        }
        None => chosen.adapter(run, &capabilities)?,
    };
    let inputs = media::named(run, chosen.signature(), inputs)?;
    Ok((inputs, adapter, capabilities))
}

/// What the run's model can do, as far as its name tells.
fn capabilities_by_name(run: &Run) -> Capabilities {
    let settings = &run.session().settings;
    let named = settings.lm_name.as_deref().unwrap_or_default();
    match &settings.lm {
        Some(lm) => lm.capabilities(),
        None if named.starts_with("local/") || named.starts_with("local:") => LOCAL,
        None => CHAT,
    }
}

/// What is assumed of a model of this process that was not opened.
const LOCAL: Capabilities = Capabilities {
    chat: true,
    template: true,
    in_process: true,
    nonblocking: false,
    parallel: 64,
    cacheable: true,
    ..Capabilities::PLAIN
};

/// What is assumed of a model that is not there: a chat server.
const CHAT: Capabilities = Capabilities {
    chat: true,
    template: false,
    in_process: false,
    nonblocking: false,
    parallel: 8,
    cacheable: true,
    media: Takes::ALL,
    ..Capabilities::PLAIN
};
