//! Adapters as values of scripts: one with a name, a template, a question in two steps.

use crate::adapt::Adapter;
use crate::check::StaticAdapter;
use crate::diag::did_you_mean;
use crate::lm::Capabilities;
use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::Error;
use crate::runtime::lm_value::LmValue;
use crate::runtime::run::{Run, Warning};
use crate::runtime::value::{Object, Val};
use crate::schema::{Flaw, Signature, Template};
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
    /// The adapter of a name.
    ///
    /// # Errors
    /// A name that means nothing, and that of a template, which is not known by its name.
    pub(in crate::runtime) fn named(name: &str) -> Result<Self, Error> {
        let layout = match name {
            AUTO => None,
            _ => Some(Adapter::by_name(name).ok_or_else(|| unknown(name))?),
        };
        Ok(Self { layout, extract: None })
    }

    /// The adapter that the text of a program says.
    pub(in crate::runtime) fn of_static(known: &StaticAdapter) -> Option<Self> {
        match known {
            StaticAdapter::Named(name) => Self::named(name).ok(),
            StaticAdapter::Template(it) => {
                Some(Self { layout: Some(Adapter::Template(it.clone())), extract: None })
            }
        }
    }

    /// Reads what stands where an adapter is wanted.
    pub(in crate::runtime) fn from_val(value: &Val) -> Result<Self, Error> {
        if let Some(adapter) = value.downcast::<Self>() {
            return Ok(adapter.clone());
        }
        match value.as_str() {
            Some(name) => Self::named(name),
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
pub fn adapter_named(name: &str) -> Result<(), Error> {
    AdapterValue::named(name).map(|_| ())
}

fn unknown(name: &str) -> Error {
    if name.starts_with(TEMPLATE) {
        return Error::value(format!("the state was made with the template `{name}`")).hint(
            "the program must have it: `predict(…, adapter: adapter(#{ … }))`, as it was",
        );
    }
    let known = [AUTO].into_iter().chain(Adapter::ALL.iter().map(Adapter::name));
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
