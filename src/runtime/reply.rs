//! Replies: what predictors and modules return.

use crate::lm::Completion;
use crate::runtime::cx::{Args, Cx};
use crate::runtime::error::Error;
use crate::runtime::forking::Origin;
use crate::runtime::value::{Object, Val};
use crate::schema::{Record, Value};
use crate::trace::NodeId;
use indexmap::IndexMap;
use std::any::Any;
use std::sync::Arc;

/// Named values, immutable; a field that is not there is an error.
#[derive(Debug, Clone)]
pub struct Reply {
    fields: Arc<IndexMap<Arc<str>, Val>>,
    /// The call that made it: where its data come from.
    node: Option<NodeId>,
    /// The outermost call that returned it: whose course is its history.
    course: Option<NodeId>,
    warnings: Arc<[String]>,
    /// What it was chosen from; empty where there was no choice.
    chosen_from: Arc<[Val]>,
    /// What the model sent, where it told more than the text.
    completion: Option<Arc<Completion>>,
    /// Where it is still being written: the fields that have ended.
    complete: Option<Arc<[Arc<str>]>>,
    /// The outermost call that it is of.
    made: Option<Arc<Origin>>,
}

impl Reply {
    /// Returns a reply of a node of the trace.
    pub fn new(fields: IndexMap<Arc<str>, Val>, node: Option<NodeId>) -> Self {
        Self {
            fields: Arc::new(fields),
            node,
            course: node,
            warnings: Arc::default(),
            chosen_from: Arc::default(),
            completion: None,
            complete: None,
            made: None,
        }
    }

    /// Returns the reply with what was noticed about it.
    #[must_use]
    pub fn with_warnings(self, warnings: Vec<String>) -> Self {
        Self { warnings: warnings.into(), ..self }
    }

    /// Returns the reply with one more thing that was noticed about it.
    #[must_use]
    pub(in crate::runtime) fn noting(self, warning: Option<String>) -> Self {
        let Some(warning) = warning else { return self };
        let warnings = self.warnings.iter().cloned().chain([warning]).collect();
        Self { warnings, ..self }
    }

    /// Returns the reply with what the model sent.
    #[must_use]
    pub(in crate::runtime) fn with_completion(self, completion: Arc<Completion>) -> Self {
        Self { completion: Some(completion), ..self }
    }

    /// Returns the reply without what the model sent: it is of another one.
    #[must_use]
    pub(in crate::runtime) fn without_completion(self) -> Self {
        Self { completion: None, ..self }
    }

    /// What the model sent, where it told more than the text.
    pub(in crate::runtime) fn completion(&self) -> Option<&Completion> {
        self.completion.as_deref()
    }

    /// Returns the reply as one that is still being written, where these fields have ended.
    #[must_use]
    pub(in crate::runtime) fn with_complete(self, complete: Vec<Arc<str>>) -> Self {
        Self { complete: Some(complete.into()), ..self }
    }

    /// The names of the fields that have ended.
    pub(in crate::runtime) fn complete(&self) -> Vec<Arc<str>> {
        match &self.complete {
            Some(complete) => complete.to_vec(),
            None => self.fields.keys().cloned().collect(),
        }
    }

    /// Returns the reply as that of the call at `node`, which passed it on.
    #[must_use]
    pub fn passed_on(self, node: NodeId) -> Self {
        Self { course: Some(node), ..self }
    }

    /// Returns the reply at other places of the trace.
    #[must_use]
    pub(in crate::runtime) fn moved(&self, to: &dyn Fn(NodeId) -> Option<NodeId>) -> Self {
        let (node, course) = (self.node.and_then(to), self.course.and_then(to));
        Self { node, course, ..self.clone() }
    }

    /// Returns the reply with these fields.
    #[must_use]
    pub(in crate::runtime) fn with_fields(self, fields: IndexMap<Arc<str>, Val>) -> Self {
        Self { fields: Arc::new(fields), ..self }
    }

    /// Returns the reply as one that was chosen from several.
    #[must_use]
    pub(in crate::runtime) fn chosen_from(self, all: Vec<Val>) -> Self {
        Self { chosen_from: all.into(), ..self }
    }

    /// The replies that it was chosen from, itself where there was no choice.
    pub(in crate::runtime) fn completions(&self) -> Vec<Val> {
        match &*self.chosen_from {
            [] => vec![Val::object(self.clone())],
            all => all.to_vec(),
        }
    }

    /// Returns the reply as that of an outermost call.
    #[must_use]
    pub(in crate::runtime) fn made_by(self, origin: Arc<Origin>) -> Self {
        Self { made: Some(origin), ..self }
    }

    /// Returns the reply, which does not remember its call.
    #[must_use]
    pub(in crate::runtime) fn forgetful(self) -> Self {
        Self { made: None, ..self }
    }

    /// The outermost call that it is of, where it remembers it.
    pub(in crate::runtime) fn made(&self) -> Option<&Arc<Origin>> {
        self.made.as_ref()
    }

    /// The outermost call that returned it.
    pub fn course(&self) -> Option<NodeId> {
        self.course
    }

    /// Its fields.
    pub fn fields(&self) -> &IndexMap<Arc<str>, Val> {
        &self.fields
    }

    /// What was noticed about it: liberties taken to read it, suggestions not met.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Its fields as data.
    ///
    /// # Errors
    /// A field that is no data.
    pub fn record(&self) -> Result<Record, Error> {
        crate::runtime::value::to_record(&self.fields)
    }

    fn with(&self, args: Args) -> Result<Val, Error> {
        if !args.positional.is_empty() {
            return Err(Error::value("`with` takes named values: `reply.with(answer: x)`"));
        }
        let mut fields = (*self.fields).clone();
        fields.extend(args.named);
        Ok(Val::object(Self { fields: Arc::new(fields), ..self.clone() }))
    }
}

impl Object for Reply {
    fn type_name(&self) -> &'static str {
        "reply"
    }

    fn get(&self, name: &str) -> Option<Val> {
        self.fields.get(name).cloned()
    }

    fn members(&self) -> Vec<String> {
        self.fields.keys().map(ToString::to_string).collect()
    }

    fn method(&self, _: &Cx<'_>, name: &str, args: Args) -> Option<Result<Val, Error>> {
        match name {
            "with" => Some(self.with(args)),
            _ => None,
        }
    }

    fn to_value(&self) -> Option<Value> {
        self.record().ok().map(Value::map)
    }

    fn node(&self) -> Option<NodeId> {
        self.node
    }

    fn show(&self) -> String {
        let shown: Vec<String> = self
            .fields
            .iter()
            .map(|(name, value)| format!("{name}: {}", Val::List(vec![value.clone()]).show()))
            // A list of one shows its item as it would be written.
            .map(|it| it.replacen(": [", ": ", 1))
            .map(|it| it.strip_suffix(']').map_or(it.clone(), ToOwned::to_owned))
            .collect();
        format!("reply {{ {} }}", shown.join(", "))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
