//! `one_of(…)`: types whose values a call brings along.

use crate::schema::{Choices, Field, Signature, Ty, TypeTable, Value};
use std::sync::Arc;

/// The values to choose from that a list holds, each once; `None` for anything but a list of
/// texts, integers and booleans that is not empty.
pub fn choices_of(value: &Value) -> Option<Vec<Value>> {
    let Value::List(items) = value else { return None };
    let mut options: Vec<Value> = Vec::with_capacity(items.len());
    for item in items.iter() {
        match item {
            Value::Str(_) | Value::Int(_) | Value::Bool(_) if options.contains(item) => {}
            Value::Str(_) | Value::Int(_) | Value::Bool(_) => options.push(item.clone()),
            _ => return None,
        }
    }
    (!options.is_empty()).then_some(options)
}

impl Signature {
    /// Where its fields choose from, each once, in the order in which it is met.
    pub fn choices(&self) -> Vec<&Choices> {
        let mut found = Vec::new();
        let fields = self.inputs.iter().chain(&self.outputs).map(|field| &field.ty);
        for ty in fields.chain(self.reachable_types().into_iter().map(|(_, ty)| ty)) {
            collect(ty, &mut found);
        }
        found
    }

    /// The first field that is one of these values.
    pub fn field_choosing(&self, from: &Choices) -> Option<&Field> {
        self.inputs.iter().chain(&self.outputs).find(|field| {
            let mut found = Vec::new();
            collect(&field.ty, &mut found);
            found.contains(&from)
        })
    }

    /// Returns the signature with `known` values in the place of what is one of them.
    #[must_use]
    pub fn chosen_from(&self, known: &[(Choices, Vec<Value>)]) -> Self {
        if known.is_empty() {
            return self.clone();
        }
        let fields =
            |fields: &[Field]| fields.iter().map(|field| settled_field(field, known)).collect();
        let types: TypeTable = self
            .reachable_types()
            .into_iter()
            .map(|(name, ty)| (name.clone(), settled(ty, known)))
            .collect();
        Self {
            inputs: fields(&self.inputs),
            outputs: fields(&self.outputs),
            types: Arc::new(types),
            ..self.clone()
        }
    }
}

fn collect<'a>(ty: &'a Ty, found: &mut Vec<&'a Choices>) {
    match ty {
        Ty::OneOf(choices) if found.contains(&choices) => {}
        Ty::OneOf(choices) => found.push(choices),
        Ty::List(inner) | Ty::Dict(inner) | Ty::Optional(inner) | Ty::Bounded(inner, _) => {
            collect(inner, found);
        }
        Ty::Union(members) => members.iter().for_each(|it| collect(it, found)),
        Ty::Record(fields) => fields.iter().for_each(|it| collect(&it.ty, found)),
        Ty::Str | Ty::Int | Ty::Float | Ty::Bool | Ty::Any | Ty::History | Ty::Media(_) => {}
        Ty::Enum(_) | Ty::Named(_) => {}
    }
}

fn settled_field(field: &Field, known: &[(Choices, Vec<Value>)]) -> Field {
    Field { ty: settled(&field.ty, known), ..field.clone() }
}

fn settled(ty: &Ty, known: &[(Choices, Vec<Value>)]) -> Ty {
    let inner = |ty: &Ty| Box::new(settled(ty, known));
    match ty {
        Ty::OneOf(choices) => match known.iter().find(|(it, _)| it == choices) {
            Some((_, options)) => Ty::Enum(Arc::new(options.clone())),
            None => ty.clone(),
        },
        Ty::List(item) => Ty::List(inner(item)),
        Ty::Dict(item) => Ty::Dict(inner(item)),
        Ty::Optional(it) => Ty::Optional(inner(it)),
        Ty::Bounded(it, bound) => Ty::Bounded(inner(it), *bound),
        Ty::Union(of) => Ty::Union(Arc::new(of.iter().map(|it| settled(it, known)).collect())),
        Ty::Record(fields) => {
            Ty::Record(Arc::new(fields.iter().map(|it| settled_field(it, known)).collect()))
        }
        Ty::Str | Ty::Int | Ty::Float | Ty::Bool | Ty::Any | Ty::History | Ty::Media(_) => {
            ty.clone()
        }
        Ty::Enum(_) | Ty::Named(_) => ty.clone(),
    }
}
