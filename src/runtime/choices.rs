//! `one_of(…)` in a call: the lists that its signature chooses from.

use crate::runtime::constant;
use crate::runtime::cx::Cx;
use crate::runtime::error::Error;
use crate::runtime::value::Val;
use crate::schema::{Choices, Signature, Value, choices_of};
use indexmap::IndexMap;
use std::sync::Arc;

/// The signature with the values of consts that its fields choose from.
pub(in crate::runtime) fn of_consts(
    cx: &Cx<'_>,
    signature: &Arc<Signature>,
) -> Result<Arc<Signature>, Error> {
    let mut known = Vec::new();
    for choices in signature.choices() {
        if let Choices::Const { name, key } = choices {
            let value = constant::value(cx, key)?;
            known.push((choices.clone(), options(&value, &format!("const `{name}`"))?));
        }
    }
    Ok(settled(signature, &known))
}

/// The signature with the values of inputs that its fields choose from.
pub(in crate::runtime) fn of_inputs(
    signature: &Arc<Signature>,
    given: &IndexMap<Arc<str>, Val>,
) -> Result<Arc<Signature>, Error> {
    let mut known = Vec::new();
    for choices in signature.choices() {
        let Choices::Input(name) = choices else { continue };
        let default = signature.input(name).and_then(|it| it.default.as_ref());
        let value = given.get(name).cloned().or_else(|| default.map(Val::from_value));
        // An input that is missing is told of where the inputs are read.
        if let Some(value) = value {
            known.push((choices.clone(), options(&value, &format!("input `{name}`"))?));
        }
    }
    Ok(settled(signature, &known))
}

fn settled(signature: &Arc<Signature>, known: &[(Choices, Vec<Value>)]) -> Arc<Signature> {
    if known.is_empty() {
        return signature.clone();
    }
    Arc::new(signature.chosen_from(known))
}

fn options(value: &Val, what: &str) -> Result<Vec<Value>, Error> {
    let data = value.to_value()?;
    choices_of(&data).ok_or_else(|| {
        let found = match &data {
            Value::List(items) if items.is_empty() => "an empty list".to_owned(),
            Value::List(_) => "a list of other values".to_owned(),
            _ => crate::util::a(value.kind()),
        };
        Error::value(format!("there is nothing to choose from in {what}: it is {found}"))
            .hint("`one_of` wants a list of texts, whole numbers or booleans")
    })
}
