//! Histories as data: `{"messages": [{…}, …]}`, as `DSPy` writes them.

use crate::schema::{Field, Record, Signature, Ty, Value};
use std::sync::Arc;

/// The name under which a history holds its turns.
pub const MESSAGES: &str = "messages";

/// Whether a value is a history.
pub fn is_history(value: &Value) -> bool {
    let Value::Map(record) = value else { return false };
    record.len() == 1 && record.get(MESSAGES).is_some_and(|it| turns_of(it).is_some())
}

/// A history out of what may stand for one: a history, a list of turns.
pub(crate) fn history_of(value: &Value) -> Option<Value> {
    if is_history(value) {
        return Some(value.clone());
    }
    turns_of(value)?;
    let record = Record::from_iter([(Arc::from(MESSAGES), value.clone())]);
    Some(Value::map(record))
}

fn turns_of(value: &Value) -> Option<Vec<&Record>> {
    let Value::List(items) = value else { return None };
    let turn = |item: &'_ Value| match item {
        Value::Map(_) => Some(()),
        _ => None,
    };
    items.iter().try_for_each(turn)?;
    let turns = items.iter().filter_map(|item| match item {
        Value::Map(turn) => Some(&**turn),
        _ => None,
    });
    Some(turns.collect())
}

impl Signature {
    /// The input that holds earlier turns.
    pub fn history(&self) -> Option<&Field> {
        self.inputs.iter().find(|field| is_history_type(&field.ty))
    }

    /// The earlier turns among inputs.
    pub fn turns<'a>(&self, inputs: &'a Record) -> Vec<&'a Record> {
        let value = self.history().and_then(|field| inputs.get(&field.name));
        let Some(Value::Map(history)) = value else { return Vec::new() };
        history.get(MESSAGES).and_then(turns_of).unwrap_or_default()
    }
}

/// Whether a type is that of an input that holds earlier turns.
pub fn is_history_type(ty: &Ty) -> bool {
    match ty {
        Ty::History => true,
        Ty::Optional(inner) => is_history_type(inner),
        _ => false,
    }
}
