//! A reply that is looked at while it comes: what it states so far, and whether more is wanted.

use crate::adapt::{Adapter, ParseError, Partial};
use crate::lm::Delta;
use crate::runtime::cx::Cx;
use crate::runtime::error::codes;
use crate::runtime::record_value::typed_values;
use crate::runtime::run::Run;
use crate::runtime::stream::{Part, Shared};
use crate::runtime::value::Val;
use crate::schema::{Record, Signature, Ty, TypeTable, Value};
use crate::trace::{Kind, Node};
use indexmap::IndexMap;
use std::sync::Arc;

/// What is asked, for who looks at the reply.
#[derive(Clone, Copy)]
pub(in crate::runtime) struct Sight<'a> {
    pub(in crate::runtime) adapter: &'a Adapter,
    pub(in crate::runtime) wanted: &'a Signature,
    pub(in crate::runtime) inputs: &'a Record,
    /// The lowered function of the contracts, where a false one may be asked for again.
    pub(in crate::runtime) contracts: Option<&'a Arc<str>>,
    /// Whether there is another turn after this one for a reply that cannot be read.
    pub(in crate::runtime) may_halt: bool,
}

/// Looks at one reply.
pub(in crate::runtime) struct Watch<'a> {
    cx: &'a Cx<'a>,
    shared: &'a Shared,
    text: String,
    last: Partial,
    /// The contract that was false.
    contract: Option<Node>,
}

impl<'a> Watch<'a> {
    pub(in crate::runtime) fn new(cx: &'a Cx<'a>, shared: &'a Shared) -> Self {
        Self { cx, shared, text: String::new(), last: Partial::default(), contract: None }
    }

    /// What was shared with who reads the parts.
    pub(in crate::runtime) fn shared(&self) -> &'a Shared {
        self.shared
    }

    /// A reply begins. Where it is another one, who reads the parts of the first comes before it.
    pub(in crate::runtime) fn begins(&mut self) {
        self.shared.wait_until_read();
        self.text.clear();
        self.last = Partial::default();
        self.contract = None;
    }

    /// The contract for which the reply was ended, where it was for one.
    pub(in crate::runtime) fn contract(&mut self) -> Option<Node> {
        self.contract.take()
    }

    /// More of the reply came; the text is why no more is wanted.
    pub(in crate::runtime) fn hear(
        &mut self,
        delta: Delta<'_>,
        sight: &Sight<'_>,
    ) -> Option<String> {
        match delta {
            Delta::Reasoning(_) => return None,
            Delta::Again => self.text.clear(),
            Delta::Text(more) => self.text.push_str(more),
        }
        let partial = sight.adapter.parse_partial(sight.wanted, &self.text);
        if partial == self.last {
            return None;
        }
        let has_ended = partial.complete.len() > self.last.complete.len();
        self.shared.push(part_of(&partial, sight.wanted));
        let broken = sight.may_halt.then(|| broken(&partial, sight.wanted)).flatten();
        if let (None, Some(contracts)) = (&broken, sight.contracts.filter(|_| has_ended)) {
            self.contract = self.false_contract(contracts, &partial, sight);
        }
        self.last = partial;
        broken.or_else(|| self.contract.as_ref()?.error.clone())
    }

    /// A contract that is false, whatever follows. It is asked in a run apart, in which nothing is
    /// sent: the reply may be lost and come again.
    fn false_contract(
        &self,
        contracts: &Arc<str>,
        partial: &Partial,
        sight: &Sight<'_>,
    ) -> Option<Node> {
        let Signature { inputs, outputs, types, .. } = sight.wanted;
        let mut values = typed_values(sight.inputs, inputs, types);
        let ended = partial.values.iter().filter(|it| partial.complete.contains(it.0));
        let ended: Record = ended.map(|(name, it)| (name.clone(), it.clone())).collect();
        values.extend(typed_values(&ended, outputs, types));
        let run = self.cx.run();
        let apart = Run::new(Arc::new(run.session().dry()), run.script().clone());
        let asked = run.script().with_context(&apart, |cx| {
            cx.call_lowered(contracts, None, vec![Val::Map(values)])
        });
        let failure = asked.err()?.failure()?;
        let is_false = failure.code == codes::ASSERT;
        let nodes = apart.take_trace().nodes;
        nodes.into_iter().rev().find(|it| is_false && it.kind == Kind::Assert)
    }
}

/// The part that a partial reading is: outputs that have not begun are nothing.
pub(in crate::runtime) fn part_of(partial: &Partial, wanted: &Signature) -> Part {
    let known = typed_values(&partial.values, &wanted.outputs, &wanted.types);
    let mut fields: IndexMap<Arc<str>, Val> =
        wanted.outputs.iter().map(|it| (it.name.clone(), Val::Null)).collect();
    fields.extend(known);
    Part { fields, complete: partial.complete.clone(), is_last: false }
}

/// Why a reply cannot become one of these outputs, whatever follows.
fn broken(partial: &Partial, wanted: &Signature) -> Option<String> {
    let wrong = partial.wrong.first().map(|(_, why)| why.clone());
    wrong.or_else(|| {
        wanted.outputs.iter().find_map(|field| {
            let value = partial.values.get(&field.name)?;
            let why = overgrown(value, &field.ty, &wanted.types)?;
            Some(format!("`{}` {why}", field.name))
        })
    })
}

/// Why a value is already longer than its type allows.
fn overgrown(value: &Value, ty: &Ty, types: &TypeTable) -> Option<String> {
    match (ty.resolve(types)?, value) {
        (Ty::Optional(inner), _) => overgrown(value, inner, types),
        (Ty::Bounded(inner, bound), _) => {
            let (length, what) = match value {
                Value::Str(text) => (text.trim_end().chars().count(), "characters"),
                Value::List(items) => (items.len(), "items"),
                _ => return None,
            };
            #[expect(clippy::cast_precision_loss, reason = "no reply is as long")]
            let is_over = bound.max.is_some_and(|max| length as f64 > max);
            if is_over {
                return Some(format!("has {length} {what} already, and its type is {ty}"));
            }
            overgrown(value, inner, types)
        }
        (Ty::List(item), Value::List(items)) => {
            items.iter().find_map(|it| overgrown(it, item, types))
        }
        (Ty::Dict(item), Value::Map(entries)) => {
            entries.values().find_map(|it| overgrown(it, item, types))
        }
        (Ty::Record(fields), Value::Map(record)) => {
            fields.iter().find_map(|it| overgrown(record.get(&it.name)?, &it.ty, types))
        }
        _ => None,
    }
}

/// The error of a reply that was halted.
pub(in crate::runtime) fn halted(reason: String) -> ParseError {
    ParseError { message: reason, ..ParseError::default() }
}
