//! Adapters as values of scripts: one with a name, a template, a question in two steps.

use crate::adapt::Adapter;
use crate::check::StaticAdapter;
use crate::diag::did_you_mean;
use crate::lm::Capabilities;
use crate::program::PredictorState;
use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::Error;
use crate::runtime::lm_value::LmValue;
use crate::runtime::run::{Run, Warning};
use crate::runtime::script::Script;
use crate::runtime::value::{Object, Val};
use crate::schema::{ADAPTERS, Flaw, Signature, Template};
use std::any::Any;
use std::sync::Arc;

/// What leaves the choice to the model.
const AUTO: &str = "auto";
/// How the names of templates begin.
const TEMPLATE: &str = "template:";

/// An adapter as a program says it.
#[derive(Debug, Clone)]
pub struct AdapterValue {
    /// The layout; `None` for the one that suits the model.
    layout: Option<Adapter>,
    /// The model that reads what another wrote, where it is not the same.
    pub(in crate::runtime) extract: Option<LmValue>,
}

impl AdapterValue {
    /// The adapter of a name: one of ours, or a template that is a const of the program.
    ///
    /// # Errors
    /// A name that means nothing.
    pub(in crate::runtime) fn named(script: &Script, name: &str) -> Result<Self, Error> {
        if let Some(known) = Self::built_in(name) {
            return Ok(known);
        }
        match script.template(name) {
            Some(it) => Ok(Self::template(it.clone())),
            None => Err(unknown(script, name)),
        }
    }

    fn built_in(name: &str) -> Option<Self> {
        let layout = match name {
            AUTO => None,
            _ => Some(Adapter::by_name(name)?),
        };
        Some(Self { layout, extract: None })
    }

    fn template(template: Arc<Template>) -> Self {
        Self { layout: Some(Adapter::Template(template)), extract: None }
    }

    /// The adapter that a state was made with, where it says one. Who extracts is not opened.
    ///
    /// # Errors
    /// A name that means nothing.
    pub(in crate::runtime) fn of_state(
        script: &Script,
        state: &PredictorState,
    ) -> Result<Option<Self>, Error> {
        match (&state.template, state.adapter.as_deref()) {
            (Some(template), _) => Ok(Some(Self::template(template.clone()))),
            (None, Some(name)) => Self::named(script, name).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Writes into a state which adapter this is for a model.
    pub(in crate::runtime) fn note(
        &self,
        capabilities: &Capabilities,
        state: &mut PredictorState,
    ) {
        let layout = self.of(capabilities);
        state.adapter = Some(layout.name().to_owned());
        state.extract = self.extract.as_ref().and_then(LmValue::name_elsewhere);
        state.template = match layout {
            Adapter::Template(template) => Some(template),
            _ => None,
        };
    }

    /// Whether a state was made with another adapter than this, and one of the two is a
    /// template.
    pub(in crate::runtime) fn is_other_template(&self, state: &PredictorState) -> bool {
        let is_template = |name: &str| name.starts_with(TEMPLATE);
        state.adapter.as_deref().is_some_and(|then| {
            let now = self.name();
            then != now && (is_template(then) || is_template(now))
        })
    }

    /// The adapter that the text of a program says.
    pub(in crate::runtime) fn of_static(known: &StaticAdapter) -> Option<Self> {
        match known {
            StaticAdapter::Named(name) => Self::built_in(name),
            StaticAdapter::Template(it) => Some(Self::template(it.clone())),
        }
    }

    /// Reads what stands where an adapter is wanted.
    pub(in crate::runtime) fn from_val(script: &Script, value: &Val) -> Result<Self, Error> {
        if let Some(adapter) = value.downcast::<Self>() {
            return Ok(adapter.clone());
        }
        match value.as_str() {
            Some(name) => Self::named(script, name),
            None => Err(wrong("adapter", "the name of an adapter, or an adapter", value)),
        }
    }

    /// The adapter for a model.
    pub(in crate::runtime) fn of(&self, capabilities: &Capabilities) -> Adapter {
        self.layout.clone().unwrap_or_else(|| Adapter::auto(capabilities))
    }

    /// Holds a template against a signature.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(in crate::runtime) fn check(&self, signature: &Signature) -> Result<(), Error> {
        let Some(Adapter::Template(template)) = &self.layout else { return Ok(()) };
        refused(&template.check(signature))
    }

    /// Warns of what a template leaves out of a signature; see [`AdapterValue::check`].
    pub(in crate::runtime) fn warn(&self, signature: &Signature, run: &Run) {
        let Some(Adapter::Template(template)) = &self.layout else { return };
        for flaw in template.check(signature).into_iter().filter(|it| it.is_harmless) {
            run.warn(Warning {
                code: crate::check::codes::TEMPLATE_GAP,
                message: told(&flaw),
                notes: vec![flaw.hint],
                place: None,
            });
        }
    }

    pub(in crate::runtime) fn name(&self) -> &str {
        self.layout.as_ref().map_or(AUTO, Adapter::name)
    }
}

/// Checks the name of an adapter.
///
/// # Errors
/// A name that means nothing.
pub fn adapter_named(script: &Script, name: &str) -> Result<(), Error> {
    AdapterValue::named(script, name).map(|_| ())
}

fn unknown(script: &Script, name: &str) -> Error {
    if name.starts_with(TEMPLATE) {
        return Error::value(format!("the state was made with the template `{name}`")).hint(
            "the state does not have it: compile again, or say it in the program as it was",
        );
    }
    let known = ADAPTERS.into_iter().chain(script.templates());
    Error::value(format!("there is no adapter `{name}`"))
        .hint(did_you_mean(name, known.collect::<Vec<_>>()))
}

fn told(flaw: &Flaw) -> String {
    format!("the template's `{}`: {}", flaw.part, flaw.message)
}

/// The first of the flaws that are no mere gaps.
fn refused(flaws: &[Flaw]) -> Result<(), Error> {
    match flaws.iter().find(|it| !it.is_harmless) {
        None => Ok(()),
        Some(flaw) if flaw.hint.is_empty() => Err(Error::value(told(flaw))),
        Some(flaw) => Err(Error::value(told(flaw)).hint(flaw.hint.clone())),
    }
}

/// `adapter(#{ user: "…", reply: "…" })`
pub(in crate::runtime) fn adapter(_: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let parts = args.take(0, "parts").unwrap_or_default();
    args.finish("adapter", 1, &["parts"])?;
    let Some(entries) = parts.entries() else {
        return Err(wrong("parts", "a map of texts", &parts));
    };
    let mut texts = Vec::new();
    for (name, value) in entries {
        let text = value.as_str().ok_or_else(|| wrong(name, "a text", value))?;
        texts.push((&**name, text));
    }
    let template = Template::read(texts).map_err(|flaws| match refused(&flaws) {
        Err(error) => error,
        Ok(()) => Error::value("the template cannot be used"),
    })?;
    let layout = Some(Adapter::Template(Arc::new(template)));
    Ok(Val::object(AdapterValue { layout, extract: None }))
}

/// `two_step(extract: lm("…"))`
pub(in crate::runtime) fn two_step(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let extract = args.option("extract").map(|it| LmValue::from_val(cx, &it)).transpose()?;
    args.finish("two_step", 0, &["extract"])?;
    Ok(Val::object(AdapterValue { layout: Some(Adapter::TwoStep), extract }))
}

impl Object for AdapterValue {
    fn type_name(&self) -> &'static str {
        "adapter"
    }

    fn get(&self, name: &str) -> Option<Val> {
        (name == "name").then(|| Val::str(self.name()))
    }

    fn members(&self) -> Vec<String> {
        vec!["name".to_owned()]
    }

    fn show(&self) -> String {
        match &self.extract {
            Some(lm) => format!("two_step(extract: {})", lm.show()),
            None => format!("adapter `{}`", self.name()),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
