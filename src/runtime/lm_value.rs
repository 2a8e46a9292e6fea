//! Models as values of scripts.

use crate::lm::{
    Address, CallContext, Completion, Error as LmError, LmOptions, Message, Prompt, Request,
    Role, SharedLm, Unopened,
};
use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::Error;
use crate::runtime::exchange::send;
use crate::runtime::predictor::REPEATED;
use crate::runtime::repair::Feedback;
use crate::runtime::run::Run;
use crate::runtime::value::{Object, Val};
use crate::schema::{Record, Value};
use crate::trace::{Attempt, Kind, LmCall, Node};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// A model with the options it was opened with; callable with a text.
#[derive(Debug, Clone)]
pub struct LmValue {
    /// The model.
    pub lm: SharedLm,
    /// What was said about it where it was opened.
    pub options: LmOptions,
    /// Those that are asked in their order where it cannot answer.
    pub others: Arc<[LmValue]>,
    /// Calls begin with one after the other.
    pub by_turns: bool,
    /// After so long a request is sent a second time.
    pub hedge: Option<Duration>,
}

impl LmValue {
    /// Returns a model.
    pub fn new(lm: SharedLm, options: LmOptions) -> Self {
        Self { lm, options, others: Arc::from([]), by_turns: false, hedge: None }
    }

    /// Returns models that are asked one after the other; those that cannot be opened say so when
    /// they are asked.
    ///
    /// # Errors
    /// None can be opened: why the first cannot.
    pub(in crate::runtime) fn line(
        names: &[&str],
        options: &LmOptions,
        open: impl Fn(&str) -> Result<SharedLm, LmError>,
    ) -> Result<Self, Error> {
        let opened: Vec<_> = names.iter().map(|name| open(name)).collect();
        if let Some(Err(error)) = opened.first()
            && opened.iter().all(Result::is_err)
        {
            return Err(Error::lm(error));
        }
        let mut all = names.iter().zip(opened).map(|(name, lm)| {
            let lm = lm.unwrap_or_else(|error| Arc::new(Unopened::new(name, error)));
            Self::new(lm, options.clone())
        });
        let first = all.next().ok_or_else(|| Error::value("`lm` wants one name at least"))?;
        Ok(Self { others: all.collect(), ..first })
    }

    /// The models of these names, with commas between them where there are several.
    pub(in crate::runtime) fn named(run: &Run, names: &str) -> Result<Self, Error> {
        if !names.contains(',') {
            return Ok(Self::new(run.session().named_lm(names)?, LmOptions::default()));
        }
        let open = |name: &str| run.session().opened(name);
        Self::line(&listed(names), &LmOptions::default(), open)
    }

    /// The model that is asked where none is named.
    pub(in crate::runtime) fn default_of(run: &Run) -> Result<Self, Error> {
        let settings = &run.session().settings;
        match &settings.lm_name {
            Some(names) if settings.lm.is_none() && names.contains(',') => {
                Self::named(run, names)
            }
            _ => Ok(Self::new(run.session().default_lm()?, LmOptions::default())),
        }
    }

    /// The same for one call: which is the first depends on where the call stands in the program.
    pub(in crate::runtime) fn in_turn(&self, address: &Address) -> Self {
        let n_models = self.others.len() + 1;
        if !self.by_turns || n_models == 1 {
            return self.clone();
        }
        let at = (address.example.unwrap_or(0) + address.ordinal) % n_models;
        let mut all: Vec<Self> = self.alone().chain(self.others.iter().cloned()).collect();
        all.rotate_left(at);
        Self { others: all[1..].into(), hedge: self.hedge, ..all[0].clone() }
    }

    fn alone(&self) -> impl Iterator<Item = Self> {
        let others = Arc::from([]);
        std::iter::once(Self { others, by_turns: false, ..self.clone() })
    }

    /// Those behind the first.
    pub(in crate::runtime) fn without_first(&self) -> Option<Self> {
        let (first, others) = self.others.split_first()?;
        Some(Self { others: others.into(), hedge: self.hedge, ..first.clone() })
    }

    /// All of them.
    pub(in crate::runtime) fn all(&self) -> impl Iterator<Item = &SharedLm> {
        std::iter::once(self).chain(&*self.others).map(|it| &it.lm)
    }

    /// All of them, by their names.
    fn names(&self) -> String {
        self.all().map(|it| it.name()).collect::<Vec<_>>().join(", ")
    }

    /// The names under which it can be opened again; none where it lives in the program.
    pub(in crate::runtime) fn name_elsewhere(&self) -> Option<String> {
        let mut all = std::iter::once(self).chain(&*self.others);
        all.all(|it| it.lm.name().contains('/')).then(|| self.names())
    }

    /// Reads what stands where a model is wanted: a model, or the name of one.
    ///
    /// # Errors
    /// Anything else, and a name that cannot be opened.
    pub fn from_val(cx: &Cx<'_>, value: &Val) -> Result<Self, Error> {
        if let Some(lm) = value.downcast::<Self>() {
            return Ok(lm.clone());
        }
        match value.as_str() {
            Some(names) => Self::named(cx.run(), names),
            None => Err(wrong("lm", "a model or its name", value)),
        }
    }

    fn ask(&self, cx: &Cx<'_>, text: &str) -> Result<Val, Error> {
        let run = cx.run();
        let address = run.next_address(self.lm.name());
        let inputs = Record::from_iter([(Arc::from("text"), Value::from(text))]);
        let node = Node::new(Kind::Lm, self.lm.name(), address.clone(), inputs);
        let repairs = run.repairs();
        let retry_of = repairs.as_ref().and_then(|it| it.earlier(&address));
        let node = run.open_node(Node { retry_of, ..node });
        run.note_inputs(node, std::iter::once(("text", &Val::str(text))));
        let question = Question { text, told: repairs.and_then(|it| it.told(&address)) };
        let mut attempts = Vec::new();
        let sent = self.in_turn(&address).tried(run, &question, &address, &mut attempts);
        let reply = sent.as_ref().map(|it| it.text.clone()).ok();
        run.close_node(node, |it| {
            it.error = sent.as_ref().err().map(ToString::to_string);
            it.outputs = reply
                .as_deref()
                .map(|text| Record::from_iter([(Arc::from("text"), Value::from(text))]));
            let (model, adapter) = (self.lm.name().to_owned(), "none".to_owned());
            it.replayed = !attempts.is_empty() && attempts.iter().all(|it| it.replayed);
            it.call = Some(Arc::new(LmCall { model, adapter, attempts }));
        });
        let value = Val::str(&sent?.text);
        run.note_outputs(node, std::iter::once((&Arc::from("text"), &value)));
        Ok(value)
    }

    /// Asks one model after the other until one answers, or fails in a way of which another may
    /// know no more.
    fn tried(
        &self,
        run: &Arc<Run>,
        question: &Question<'_>,
        address: &Address,
        attempts: &mut Vec<Attempt>,
    ) -> Result<Arc<Completion>, Error> {
        let mut asked = self.clone();
        let mut before = Vec::new();
        loop {
            let mut attempt = None;
            let came = asked.send(run, question, address, &mut attempt);
            let name = asked.lm.name();
            let model = (name != self.lm.name()).then(|| name.to_owned());
            attempts.extend(attempt.map(|it| Attempt { model, ..it }));
            let error = match came {
                Ok(completion) => return Ok(completion),
                Err(error) => error,
            };
            match asked.without_first().filter(|_| error.may_go_elsewhere()) {
                Some(next) => asked = next,
                None => {
                    let note =
                        |error: Error, it: String| error.note(format!("before it: {it}"));
                    return Err(before.into_iter().fold(error, note));
                }
            }
            before.push(error.to_string());
        }
    }

    /// Sends a text to the first model.
    fn send(
        &self,
        run: &Arc<Run>,
        question: &Question<'_>,
        address: &Address,
        attempt: &mut Option<Attempt>,
    ) -> Result<Arc<Completion>, Error> {
        let prompt = question.prompt(self.lm.capabilities().chat);
        let (sampling, rollout) = (self.options.sampling(), run.rollout());
        let rollout = rollout.saturating_add(question.again());
        let request = Request { sampling, rollout, ..Request::new(prompt) };
        let (address, hedge) = (address.clone(), self.hedge);
        let context = CallContext { address, hedge, ..CallContext::default() };
        send(run, &self.lm, Arc::new(request), &context, true, attempt)
    }
}

/// What a model is asked in plain words.
struct Question<'a> {
    text: &'a str,
    /// What was wrong with its last reply.
    told: Option<Feedback>,
}

impl Question<'_> {
    fn prompt(&self, chat: bool) -> Prompt {
        let refused = |it: &Feedback| format!("That reply cannot be used: {}.", it.reasons);
        match (&self.told, chat) {
            (None, true) => Prompt::Chat(vec![Message::new(Role::User, self.text)]),
            (None, false) => Prompt::Text(self.text.to_owned()),
            (Some(told), true) => Prompt::Chat(vec![
                Message::new(Role::User, self.text),
                Message::new(Role::Assistant, told.reply.as_str()),
                Message::new(Role::User, format!("{}\n\n{}", refused(told), self.text)),
            ]),
            (Some(told), false) => {
                let Self { text, .. } = self;
                Prompt::Text(format!("{text}\n{}\n\n{}\n\n{text}", told.reply, refused(told)))
            }
        }
    }

    /// Which sample of the same words is wanted.
    fn again(&self) -> u64 {
        self.told.as_ref().map_or(0, |it| it.again.saturating_mul(REPEATED))
    }
}

/// The names of a list with commas.
pub(in crate::runtime) fn listed(names: &str) -> Vec<&str> {
    names.split(',').map(str::trim).filter(|it| !it.is_empty()).collect()
}

impl Object for LmValue {
    fn type_name(&self) -> &'static str {
        "lm"
    }

    fn get(&self, name: &str) -> Option<Val> {
        (name == "name").then(|| Val::str(&self.names()))
    }

    fn members(&self) -> Vec<String> {
        vec!["name".to_owned()]
    }

    fn call(&self, cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
        let text = args.take(0, "text").unwrap_or_default();
        args.finish("lm", 1, &["text"])?;
        match text.as_str() {
            Some(text) => self.ask(cx, text),
            None => Err(wrong("text", "a str", &text)),
        }
    }

    fn show(&self) -> String {
        format!("lm(\"{}\")", self.names())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
