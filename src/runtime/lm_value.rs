//! Models as values of scripts.

use crate::lm::{CallContext, LmOptions, Message, Prompt, Request, Role, SharedLm};
use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::Error;
use crate::runtime::exchange::send;
use crate::runtime::value::{Object, Val};
use crate::schema::{Record, Value};
use crate::trace::{Attempt, Kind, LmCall, Node};
use std::any::Any;
use std::sync::Arc;

/// A model with the options it was opened with; callable with a text.
#[derive(Debug, Clone)]
pub struct LmValue {
    /// The model.
    pub lm: SharedLm,
    /// What was said about it where it was opened.
    pub options: LmOptions,
}

impl LmValue {
    /// Reads what stands where a model is wanted: a model, or the name of one.
    ///
    /// # Errors
    /// Anything else, and a name that cannot be opened.
    pub fn from_val(cx: &Cx<'_>, value: &Val) -> Result<Self, Error> {
        if let Some(lm) = value.downcast::<Self>() {
            return Ok(lm.clone());
        }
        match value.as_str() {
            Some(name) => {
                let lm = cx.run().session().named_lm(name)?;
                Ok(Self { lm, options: LmOptions::default() })
            }
            None => Err(wrong("lm", "a model or its name", value)),
        }
    }

    fn ask(&self, cx: &Cx<'_>, text: &str) -> Result<Val, Error> {
        let run = cx.run();
        let prompt = if self.lm.capabilities().chat {
            Prompt::Chat(vec![Message::new(Role::User, text)])
        } else {
            Prompt::Text(text.to_owned())
        };
        let (sampling, rollout) = (self.options.sampling(), run.rollout());
        let request = Request { sampling, rollout, ..Request::new(prompt) };
        let address = run.next_address(self.lm.name());
        let inputs = Record::from_iter([(Arc::from("text"), Value::from(text))]);
        let node = run.open_node(Node::new(Kind::Lm, self.lm.name(), address.clone(), inputs));
        let mut attempt: Option<Attempt> = None;
        let context = CallContext { address, ..CallContext::default() };
        let sent = send(run, &self.lm, Arc::new(request), &context, true, &mut attempt);
        let reply = sent.as_ref().map(|it| it.text.clone()).ok();
        run.close_node(node, |it| {
            it.error = sent.as_ref().err().map(ToString::to_string);
            it.outputs = reply
                .as_deref()
                .map(|text| Record::from_iter([(Arc::from("text"), Value::from(text))]));
            it.call = Some(Arc::new(LmCall {
                model: self.lm.name().to_owned(),
                adapter: "none".to_owned(),
                attempts: attempt.into_iter().collect(),
            }));
        });
        let value = Val::str(&sent?.text);
        run.note_outputs(node, std::iter::once((&Arc::from("text"), &value)));
        Ok(value)
    }
}

impl Object for LmValue {
    fn type_name(&self) -> &'static str {
        "lm"
    }

    fn get(&self, name: &str) -> Option<Val> {
        (name == "name").then(|| Val::str(self.lm.name()))
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
        format!("lm(\"{}\")", self.lm.name())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
