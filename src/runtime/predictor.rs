//! Predictors: a signature, a state, and what a program says about their calls.

mod asking;

use crate::adapt::{Adapter, Ask, Prepared};
use crate::check::StaticPredictor;
use crate::diag::did_you_mean;
use crate::lm::{Capabilities, Sampling};
use crate::program::{PredictorState, Provenance, State, TEMPLATE_DIFFERS};
use crate::runtime::adapter_value::AdapterValue;
use crate::runtime::bind::named_values;
use crate::runtime::choices;
use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::Error;
use crate::runtime::lm_value::LmValue;
use crate::runtime::media;
use crate::runtime::program::{self, Overrides};
use crate::runtime::run::{Run, Warning};
use crate::runtime::signature_value::SignatureValue;
use crate::runtime::stream::{Stream, StreamValue};
use crate::runtime::value::{Object, Val};
use crate::runtime::why::Why;
use crate::schema::{Demo, Field, Record, Signature, Ty, convert};
use indexmap::IndexMap;
use std::any::Any;
use std::sync::Arc;

/// The path of a predictor that is a program by itself.
pub(in crate::runtime) const BARE: &str = "self";
/// The input that holds what an earlier attempt taught.
const ADVICE: &str = "advice";
/// The most replies to one question.
const MOST_REPLIES: u32 = 128;
/// What the path of a question about a reply ends in.
pub(in crate::runtime) const EXTRACT: &str = ".extract";
/// What tells a question that is asked again word by word from another sample of it.
pub(in crate::runtime) const REPEATED: u64 = 1_000_000_007;

/// A predictor. Immutable: another state is another predictor.
#[derive(Debug, Clone)]
pub struct Predictor {
    /// What it asks, as the program has it.
    base: SignatureValue,
    /// Where it stands in its program.
    path: Arc<str>,
    /// What an optimizer made of it.
    state: Option<Arc<PredictorState>>,
    /// How that came about, where the predictor is a program by itself.
    provenance: Option<Arc<Provenance>>,
    /// What the program says about its calls.
    overrides: Arc<Overrides>,
    /// The signature with the state's words.
    signature: Arc<Signature>,
    demos: Arc<[Demo]>,
    /// No optimizer changes it.
    frozen: bool,
    /// It was made to reason before it answers.
    reasons: bool,
    /// What an attempt before this one taught.
    advice: Option<Arc<str>>,
}

impl Predictor {
    /// Returns a predictor that is a program by itself.
    pub fn new(base: SignatureValue, overrides: Overrides) -> Self {
        let signature = base.signature.clone();
        let demos = Arc::from([]);
        let overrides = Arc::new(overrides);
        let path = BARE.into();
        let (frozen, reasons, advice) = (false, false, None);
        let (state, provenance) = (None, None);
        Self {
            base,
            path,
            state,
            provenance,
            overrides,
            signature,
            demos,
            frozen,
            reasons,
            advice,
        }
    }

    /// Returns a predictor that reasons before it answers.
    pub fn chain_of_thought(base: &SignatureValue, overrides: Overrides) -> Self {
        let signature = if base.signature.field("reasoning").is_some() {
            (*base.signature).clone()
        } else {
            base.signature.with_field(Field::new("reasoning", Ty::Str), Some(0), false)
        };
        let contracts = base.contracts.clone();
        let signature = SignatureValue { signature: Arc::new(signature), contracts };
        Self { reasons: true, ..Self::new(signature, overrides) }
    }

    /// Returns a predictor that is known without running the program.
    pub fn of(known: &StaticPredictor) -> Self {
        let base = SignatureValue::new(known.signature.clone(), None);
        let adapter = known.adapter.as_ref().and_then(AdapterValue::of_static);
        let overrides = Overrides { adapter, ..Overrides::default() };
        match known.kind {
            "chain_of_thought" => Self::chain_of_thought(&base, overrides),
            _ => Self::new(base, overrides),
        }
    }

    /// Its signature, with the words that its state gives it.
    pub fn signature(&self) -> &Arc<Signature> {
        &self.signature
    }

    /// Whether it was made to reason before it answers.
    pub(in crate::runtime) fn reasons(&self) -> bool {
        self.reasons
    }

    /// Whether its signature states what must hold of a reply.
    pub(in crate::runtime) fn has_contract(&self) -> bool {
        self.base.contracts.is_some()
    }

    /// Its signature as the program has it.
    pub fn base_signature(&self) -> &Arc<Signature> {
        &self.base.signature
    }

    /// How often a reply of it that cannot be read is asked again, where `usual` is the rule.
    pub(in crate::runtime) fn retries(&self, usual: u32) -> u32 {
        self.overrides.retries.unwrap_or(usual)
    }

    /// How many replies are wanted of a call.
    pub(in crate::runtime) fn n(&self) -> u32 {
        self.overrides.n.unwrap_or(1)
    }

    /// The most requests of one call; see [`Predictor::retries`].
    pub(in crate::runtime) fn most_requests(&self, usual: u32) -> u64 {
        let own = self.overrides.adapter.as_ref().map(AdapterValue::name);
        let named = own.or(self.state.as_ref().and_then(|it| it.adapter.as_deref()));
        let twice = named == Some(Adapter::TwoStep.name());
        let each = 1 + u64::from(self.retries(usual)) + u64::from(twice);
        each.saturating_mul(self.n().into())
    }

    /// Where it stands in its program.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether no optimizer changes it.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Returns the predictor that no optimizer changes.
    #[must_use]
    pub(in crate::runtime) fn freeze(&self) -> Self {
        Self { frozen: true, ..self.clone() }
    }

    /// Returns the predictor at another path.
    #[must_use]
    pub(in crate::runtime) fn at(self, path: &str) -> Self {
        Self { path: path.into(), ..self }
    }

    /// Returns the predictor with advice for its next call.
    #[must_use]
    pub(in crate::runtime) fn with_advice(&self, advice: Arc<str>) -> Self {
        Self { advice: Some(advice), ..self.clone() }
    }

    /// Returns the predictor for the `at`-th of `n` samples: each asks for another reply, also
    /// where it is itself part of a sample.
    #[must_use]
    pub(in crate::runtime) fn resampled(&self, n: usize, at: usize) -> Self {
        let before = self.overrides.rollout.unwrap_or(0);
        let rollout = before.saturating_mul(n as u64).saturating_add(at as u64);
        self.with_overrides(&Overrides { rollout: Some(rollout), ..Overrides::default() })
    }

    /// Returns the predictor for the `at`-th of `n` replies to one question. The contracts of the
    /// signature are for the first, which is the reply.
    #[must_use]
    pub(in crate::runtime) fn one_of(&self, n: u32, at: u32) -> Self {
        let one = self.resampled(n as usize, at as usize);
        let one = one.with_overrides(&Overrides { n: Some(1), ..Overrides::default() });
        match at {
            0 => one,
            _ => Self { base: SignatureValue { contracts: None, ..one.base.clone() }, ..one },
        }
    }

    /// The signature of a call, and its inputs, with the advice that there is.
    fn asked(
        &self,
        mut given: IndexMap<Arc<str>, Val>,
    ) -> (Arc<Signature>, IndexMap<Arc<str>, Val>) {
        let Some(advice) = &self.advice else { return (self.signature.clone(), given) };
        let field = Field {
            description: Some("what an earlier attempt taught".into()),
            ..Field::new(ADVICE, Ty::Str)
        };
        given.insert(ADVICE.into(), Val::str(advice));
        (Arc::new(self.signature.with_field(field, None, true)), given)
    }

    /// Its state.
    pub fn state(&self) -> Option<&Arc<PredictorState>> {
        self.state.as_ref()
    }

    /// Returns the predictor at a path of a program with a state.
    #[must_use]
    pub(in crate::runtime) fn placed(&self, path: &str, state: &State) -> Self {
        let own = state.predictors.get(path).map(|it| Arc::new(it.clone()));
        let of_whole = state.provenance.as_ref().filter(|_| path == BARE);
        let provenance = of_whole.map(|it| Arc::new(it.clone()));
        Self { provenance, ..self.with_state_at(path.into(), own) }
    }

    /// How its state came about, where it is a program by itself.
    pub fn provenance(&self) -> Option<&Provenance> {
        self.provenance.as_deref()
    }

    fn with_state_at(&self, path: Arc<str>, state: Option<Arc<PredictorState>>) -> Self {
        let (signature, demos) = match &state {
            Some(state) => {
                (Arc::new(state.apply(&self.base.signature)), state.plain_demos().into())
            }
            None => (self.base.signature.clone(), Arc::from([])),
        };
        Self { path, state, signature, demos, ..self.clone() }
    }

    /// Returns the predictor with other options for its calls.
    #[must_use]
    pub(in crate::runtime) fn with_overrides(&self, overrides: &Overrides) -> Self {
        Self { overrides: Arc::new(self.overrides.over(overrides)), ..self.clone() }
    }

    /// The adapter for a model.
    ///
    /// # Errors
    /// The name of an adapter that means nothing.
    pub fn adapter(&self, run: &Run, capabilities: &Capabilities) -> Result<Adapter, Error> {
        match self.said_adapter(run)? {
            Some(said) => {
                said.check(&self.signature)?;
                Ok(said.of(capabilities))
            }
            None => Ok(Adapter::auto(capabilities)),
        }
    }

    /// The adapter that is said of it: by the program, its state, the settings.
    fn said_adapter(&self, run: &Run) -> Result<Option<AdapterValue>, Error> {
        if let Some(own) = &self.overrides.adapter {
            return Ok(Some(own.clone()));
        }
        if let Some(state) = &self.state
            && let Some(said) = AdapterValue::of_state(run.script(), state)?
        {
            return Ok(Some(said));
        }
        let named = run.session().settings.adapter.as_deref();
        named.map(|name| AdapterValue::named(run.script(), name)).transpose()
    }

    /// Warns of what its template leaves out.
    pub(in crate::runtime) fn warn_of_gaps(&self, run: &Run) {
        if let Ok(Some(said)) = self.said_adapter(run) {
            said.warn(&self.signature, run);
        }
    }

    /// Warns where its state was made with another template than the program says.
    pub(in crate::runtime) fn warn_of_template(&self, run: &Run) {
        let (Some(own), Some(state)) = (&self.overrides.adapter, &self.state) else { return };
        if own.is_other_template(state) {
            let then = state.adapter.as_deref().unwrap_or_default();
            run.warn(Warning {
                code: TEMPLATE_DIFFERS,
                message: format!(
                    "`{}` has another template than its state was made with",
                    self.path
                ),
                notes: vec![format!("state:   {then}"), format!("program: {}", own.name())],
                place: None,
            });
        }
    }

    /// Writes into its state how its prompts are laid out.
    ///
    /// # Errors
    /// See [`Predictor::adapter`]; the model cannot be opened.
    pub fn note_adapter(&self, run: &Run, state: &mut PredictorState) -> Result<(), Error> {
        let capabilities = self.lm(run)?.lm.capabilities();
        match self.said_adapter(run)? {
            Some(said) => said.note(&capabilities, state),
            None => state.adapter = Some(Adapter::auto(&capabilities).name().to_owned()),
        }
        Ok(())
    }

    /// The adapter that it has now, where its model can be opened, and whether the program itself
    /// says which adapter it has and which model it asks.
    pub fn layout(&self, run: &Run) -> (Option<String>, bool, bool) {
        let capabilities = self.lm(run).map(|it| it.lm.capabilities());
        let adapter = capabilities.and_then(|it| self.adapter(run, &it));
        let name = adapter.ok().map(|it| it.name().to_owned());
        (name, self.overrides.adapter.is_some(), self.overrides.lm.is_some())
    }

    /// The model that reads what the first one wrote, where an adapter asks twice.
    ///
    /// # Errors
    /// The model that its state names cannot be opened.
    fn extractor(&self, run: &Run, lm: &LmValue) -> Result<LmValue, Error> {
        let state = self.state.as_ref().and_then(|it| it.extract.as_deref());
        match (&self.overrides.adapter, state) {
            (Some(own), _) => Ok(own.extract.clone().unwrap_or_else(|| lm.clone())),
            (None, Some(names)) => LmValue::named(run, names),
            (None, None) => Ok(lm.clone()),
        }
    }

    /// The model that it asks.
    ///
    /// # Errors
    /// The model cannot be opened.
    pub(in crate::runtime) fn lm(&self, run: &Run) -> Result<LmValue, Error> {
        if let Some(lm) = &self.overrides.lm {
            return Ok(lm.clone());
        }
        match self.state.as_ref().and_then(|it| it.lm.as_deref()) {
            Some(names) => LmValue::named(run, names),
            None => LmValue::default_of(run),
        }
    }

    /// Which of several replies to the same prompt is wanted.
    fn rollout(&self, run: &Run) -> u64 {
        self.overrides.rollout.unwrap_or(0).saturating_add(run.rollout())
    }

    fn sampling(&self, run: &Run, lm: &LmValue) -> Sampling {
        let settings = &run.session().settings;
        let state = self.state.as_ref().map(|it| it.options).unwrap_or_default();
        let mut sampling = lm.options.sampling();
        sampling.temperature = self
            .overrides
            .temperature
            .or(state.temperature)
            .or(lm.options.temperature)
            .or(settings.temperature)
            // A fresh sample of a deterministic model would be the same one again, and so would
            // each of several.
            .unwrap_or(if self.rollout(run) > 0 || self.n() > 1 { 1.0 } else { 0.0 });
        sampling.top_p = state.top_p.or(sampling.top_p);
        sampling.seed = state.seed.or(sampling.seed);
        sampling.max_tokens = self
            .overrides
            .max_tokens
            .or(state.max_tokens)
            .or(sampling.max_tokens)
            .or(settings.max_reply_tokens);
        sampling
    }

    /// Takes the inputs out of the arguments of a call.
    pub(in crate::runtime) fn inputs(
        &self,
        mut args: Args,
    ) -> Result<IndexMap<Arc<str>, Val>, Error> {
        let signature = &self.signature;
        if args.positional.len() > signature.inputs.len() {
            let (wants, given) = (signature.inputs.len(), args.positional.len());
            return Err(Error::value(format!("{self} takes {wants} inputs, not {given}")));
        }
        let mut inputs = IndexMap::new();
        let mut positional = std::mem::take(&mut args.positional).into_iter();
        for field in &signature.inputs {
            match (positional.next(), args.named.shift_remove(&field.name)) {
                (Some(_), Some(_)) => {
                    return Err(Error::value(format!(
                        "{self} is given `{}` twice",
                        field.name
                    )));
                }
                (Some(value), None) | (None, Some(value)) => {
                    inputs.insert(field.name.clone(), value);
                }
                (None, None) => {}
            }
        }
        match args.named.keys().next() {
            None => Ok(inputs),
            Some(name) => {
                let hint = did_you_mean(name, signature.inputs.iter().map(|it| &*it.name));
                Err(Error::value(format!("{self} has no input `{name}`")).hint(hint))
            }
        }
    }

    /// The inputs as data of the signature's types, defaults filled in.
    fn convert(
        &self,
        signature: &Signature,
        given: &IndexMap<Arc<str>, Val>,
    ) -> Result<Record, Error> {
        let mut record = Record::new();
        for field in &signature.inputs {
            let value = match given.get(&field.name) {
                Some(value) => value.to_value()?,
                None => match (&field.default, &field.ty) {
                    (Some(default), _) => default.clone(),
                    (None, Ty::Optional(_)) => crate::schema::Value::Null,
                    (None, _) => {
                        let message = format!("{self} needs the input `{}`", field.name);
                        return Err(Error::value(message));
                    }
                },
            };
            let converted = convert(&value, &field.ty, &signature.types).map_err(|it| {
                Error::value(format!("input `{}` of {self}: {it}", field.name))
            })?;
            record.insert(field.name.clone(), converted);
        }
        Ok(record)
    }

    /// The question; `demos` are those of the state with what they show at hand.
    fn ask<'a>(
        &'a self,
        signature: &'a Signature,
        inputs: &'a Record,
        demos: Option<&'a [Demo]>,
    ) -> Ask<'a> {
        Ask {
            signature,
            instructions: &self.signature.instructions,
            demos: demos.unwrap_or(&self.demos),
            inputs,
        }
    }

    /// What would be sent for these inputs, without sending it. Without a place in a run, the
    /// values of consts are not known.
    ///
    /// # Errors
    /// Inputs that do not fit.
    pub fn prepare(
        &self,
        cx: Option<&Cx<'_>>,
        inputs: &Record,
        adapter: Adapter,
        capabilities: &Capabilities,
    ) -> Result<Prepared, Error> {
        self.asking(cx, inputs, |ask| {
            let prepared = adapter.prompt(ask, capabilities);
            media::taken(ask, &prepared.prompt, capabilities, adapter.name(), "the model")?;
            Ok(prepared)
        })
    }

    /// As [`Predictor::prepare`], with the origin of each part of the prompt.
    ///
    /// # Errors
    /// Inputs that do not fit.
    pub fn why(
        &self,
        cx: Option<&Cx<'_>>,
        inputs: &Record,
        adapter: &Adapter,
        capabilities: &Capabilities,
    ) -> Result<Why, Error> {
        let (prepared, parts) =
            self.asking(cx, inputs, |ask| Ok(adapter.prompt_parts(ask, capabilities)))?;
        Ok(Why {
            prompt: prepared.prompt,
            parts,
            adapter: adapter.name().to_owned(),
            state_file: None,
            place: None,
            signature: self.base.signature.clone(),
            state: self.state.clone(),
            provenance: self.provenance.clone(),
            given: inputs.keys().cloned().collect(),
        })
    }

    /// Does something with the question about these inputs.
    fn asking<T>(
        &self,
        cx: Option<&Cx<'_>>,
        inputs: &Record,
        work: impl FnOnce(&Ask<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let given = named_values(inputs);
        let laid_out = match cx {
            Some(cx) => choices::of_consts(cx, &self.signature)?,
            None => self.signature.clone(),
        };
        let inputs = self.convert(&*choices::of_inputs(&laid_out, &given)?, &given)?;
        work(&self.ask(&laid_out, &inputs, None))
    }

    /// The bytes of what would be sent for these inputs.
    ///
    /// # Errors
    /// Inputs that do not fit, and a model that cannot be opened.
    pub fn prompt_bytes(&self, run: &Run, inputs: &Record) -> Result<u64, Error> {
        let capabilities = self.lm(run)?.lm.capabilities();
        let adapter = self.adapter(run, &capabilities)?;
        let inputs = media::sketched(&self.signature, inputs);
        let prompt = self.prepare(None, &inputs, adapter, &capabilities)?.prompt;
        let text = serde_json::to_vec(&prompt).expect("prompts have only string keys");
        Ok((text.len() as u64).saturating_add(prompt.most_media_tokens()))
    }
}

impl std::fmt::Display for Predictor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name =
            if self.signature.name.is_empty() { &self.path } else { &self.signature.name };
        write!(f, "predictor `{name}`")
    }
}

impl Object for Predictor {
    fn type_name(&self) -> &'static str {
        "predictor"
    }

    fn get(&self, name: &str) -> Option<Val> {
        match name {
            "instructions" => Some(Val::str(&self.signature.effective_instructions())),
            "signature" => Some(Val::object(SignatureValue {
                signature: self.signature.clone(),
                contracts: self.base.contracts.clone(),
            })),
            "demos" => Some(Val::List(self.demos.iter().map(demo_value).collect())),
            _ => None,
        }
    }

    fn members(&self) -> Vec<String> {
        ["instructions", "signature", "demos"].map(ToOwned::to_owned).to_vec()
    }

    fn call(&self, cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
        self.predict(cx, args, None)
    }

    fn method(&self, cx: &Cx<'_>, name: &str, args: Args) -> Option<Result<Val, Error>> {
        match name {
            "stream" => {
                Some(Ok(Val::object(StreamValue(Arc::new(Stream::new(cx, self, args))))))
            }
            _ => program::method(cx, &Val::object(self.clone()), name, args),
        }
    }

    fn show(&self) -> String {
        format!("{self} ({})", self.get("signature").unwrap_or_default().show())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn demo_value(demo: &Demo) -> Val {
    let mut fields = named_values(&demo.inputs);
    fields.extend(named_values(&demo.outputs));
    Val::Map(fields)
}

/// Reads the options that `predict` and its kin take.
pub(in crate::runtime) fn options(cx: &Cx<'_>, args: &mut Args) -> Result<Overrides, Error> {
    let lm = args.option("lm").map(|value| LmValue::from_val(cx, &value)).transpose()?;
    let adapter = args.option("adapter");
    let script = cx.run().script();
    let adapter = adapter.map(|it| AdapterValue::from_val(script, &it)).transpose()?;
    Ok(Overrides {
        lm,
        adapter,
        temperature: args.number("temperature")?,
        max_tokens: small(args, "max_tokens")?,
        cache: args.flag("cache")?,
        retries: small(args, "retries")?,
        rollout: args.count("rollout")?.map(|it| it as u64),
        asserts: None,
        n: several(args)?,
        logprobs: small(args, "logprobs")?,
    })
}

/// Takes the number of replies.
fn several(args: &mut Args) -> Result<Option<u32>, Error> {
    let n = small(args, "n")?;
    match n {
        Some(n) if !(1..=MOST_REPLIES).contains(&n) => {
            Err(Error::value(format!("`n` is a count from 1 to {MOST_REPLIES}, not {n}")))
        }
        n => Ok(n),
    }
}

fn small(args: &mut Args, name: &str) -> Result<Option<u32>, Error> {
    match args.count(name)? {
        None => Ok(None),
        Some(count) => u32::try_from(count).map(Some).map_err(|_| {
            wrong(
                name,
                "a count below 2^32",
                &Val::Int(i64::try_from(count).unwrap_or(i64::MAX)),
            )
        }),
    }
}
