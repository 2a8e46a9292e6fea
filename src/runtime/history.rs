//! Histories: the turns of a conversation as a value of scripts.

use crate::runtime::cx::{Args, Cx, count, wrong};
use crate::runtime::error::Error;
use crate::runtime::reply::Reply;
use crate::runtime::run::Run;
use crate::runtime::value::{Object, Val};
use crate::schema::{MESSAGES, Record, Value, is_history};
use indexmap::IndexMap;
use std::any::Any;
use std::sync::Arc;

/// The turns of a conversation, the oldest first: maps of inputs and outputs. Immutable.
#[derive(Debug, Clone, Default)]
pub(in crate::runtime) struct HistoryValue {
    turns: Arc<Vec<Val>>,
}

/// `history()`, `history([…])`
pub(in crate::runtime) fn history(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let turns = args.take(0, "turns").unwrap_or_default();
    args.finish("history", 1, &["turns"])?;
    let turns = match &turns {
        Val::Null => Vec::new(),
        Val::List(items) => {
            items.iter().map(|it| turn(cx.run(), it)).collect::<Result<_, _>>()?
        }
        Val::Object(_) if turns.downcast::<HistoryValue>().is_some() => return Ok(turns),
        other => return Err(wrong("turns", "a list of replies or maps", other)),
    };
    Ok(Val::object(HistoryValue { turns: Arc::new(turns) }))
}

impl HistoryValue {
    /// The history with one more turn.
    pub(in crate::runtime) fn plus(&self, run: &Run, added: &Val) -> Result<Val, Error> {
        let mut turns = (*self.turns).clone();
        turns.push(turn(run, added)?);
        Ok(Val::object(Self { turns: Arc::new(turns) }))
    }

    /// Its turns.
    pub(in crate::runtime) fn turns(&self) -> &[Val] {
        &self.turns
    }

    /// The newest turns.
    fn last(&self, mut args: Args) -> Result<Val, Error> {
        let n = count("n", &args.take(0, "n").unwrap_or_default())?;
        args.finish("last", 1, &["n"])?;
        let from = self.turns.len().saturating_sub(n);
        Ok(Val::object(Self { turns: Arc::new(self.turns[from..].to_vec()) }))
    }
}

/// What was said and answered: a reply with the inputs of the call that returned it, or a map. A
/// history among the inputs is what went before, and no part of the turn.
fn turn(run: &Run, value: &Val) -> Result<Val, Error> {
    let mut fields = match value {
        Val::Map(fields) => fields.clone(),
        Val::Object(_) => match value.downcast::<Reply>() {
            Some(reply) => {
                let inputs = reply.course().and_then(|it| run.inputs_of(it));
                let inputs = inputs.unwrap_or_default();
                let mut fields: IndexMap<Arc<str>, Val> =
                    inputs.iter().map(|(k, v)| (k.clone(), Val::from_value(v))).collect();
                fields.extend(reply.fields().clone());
                fields
            }
            None => match value.to_value()? {
                Value::Map(record) => {
                    record.iter().map(|(k, v)| (k.clone(), Val::from_value(v))).collect()
                }
                _ => return Err(wrong("turn", "a reply or a map", value)),
            },
        },
        other => return Err(wrong("turn", "a reply or a map", other)),
    };
    fields.retain(|_, it| {
        it.downcast::<HistoryValue>().is_none()
            && !it.to_value().is_ok_and(|it| is_history(&it))
    });
    Ok(Val::Map(fields))
}

impl Object for HistoryValue {
    fn type_name(&self) -> &'static str {
        "history"
    }

    fn method(&self, _: &Cx<'_>, name: &str, args: Args) -> Option<Result<Val, Error>> {
        match name {
            "len" => Some(Ok(Val::Int(i64::try_from(self.turns.len()).unwrap_or(i64::MAX)))),
            "last" => Some(self.last(args)),
            _ => None,
        }
    }

    fn n_items(&self) -> Option<usize> {
        Some(self.turns.len())
    }

    fn item(&self, at: usize) -> Option<Result<Val, Error>> {
        self.turns.get(at).cloned().map(Ok)
    }

    fn to_value(&self) -> Option<Value> {
        let turns: Result<Vec<Value>, Error> = self.turns.iter().map(Val::to_value).collect();
        let record = Record::from_iter([(Arc::from(MESSAGES), Value::list(turns.ok()?))]);
        Some(Value::map(record))
    }

    fn show(&self) -> String {
        format!("history {}", Val::List(self.turns.to_vec()).show())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
