//! Signatures, rows and demos.

use crate::schema::{Record, Ty, TypeTable, Value};
use std::sync::Arc;

/// A field of a signature or of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Ty,
    /// What it is, in the author's words.
    pub description: Option<Arc<str>>,
    /// What it is when it is left out.
    pub default: Option<Value>,
}

impl Field {
    /// Returns a field without description and default.
    pub fn new(name: impl Into<Arc<str>>, ty: Ty) -> Self {
        Self { name: name.into(), ty, description: None, default: None }
    }
}

/// A typed task for a model. Immutable: the methods that change something return another one.
#[derive(Debug, Clone)]
pub struct Signature {
    /// Its name; empty for one without.
    pub name: Arc<str>,
    /// What to do, in the author's words; may be empty.
    pub instructions: Arc<str>,
    /// What the model reads, in order.
    pub inputs: Vec<Field>,
    /// What the model writes, in order.
    pub outputs: Vec<Field>,
    /// The named types that its fields mention.
    pub types: Arc<TypeTable>,
    /// How many contracts (`assert` in the signature) it has. They are functions of the
    /// program that declared it, found by the signature's name.
    pub contracts: usize,
}

impl PartialEq for Signature {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.instructions == other.instructions
            && self.inputs == other.inputs
            && self.outputs == other.outputs
            && self.contracts == other.contracts
            // Most have one table.
            && (Arc::ptr_eq(&self.types, &other.types) || self.types == other.types)
    }
}

impl Signature {
    /// The input of this name.
    pub fn input(&self, name: &str) -> Option<&Field> {
        self.inputs.iter().find(|field| &*field.name == name)
    }

    /// The output of this name.
    pub fn output(&self, name: &str) -> Option<&Field> {
        self.outputs.iter().find(|field| &*field.name == name)
    }

    /// The input or output of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.input(name).or_else(|| self.output(name))
    }

    /// Returns the signature with other instructions.
    #[must_use]
    pub fn with_instructions(&self, instructions: impl Into<Arc<str>>) -> Self {
        Self { instructions: instructions.into(), ..self.clone() }
    }

    /// Returns the signature with one more field, before the `at`-th of its side or at the end.
    /// A field of this name on either side is replaced.
    #[must_use]
    pub fn with_field(&self, field: Field, at: Option<usize>, is_input: bool) -> Self {
        let mut changed = self.without(&field.name);
        let side = if is_input { &mut changed.inputs } else { &mut changed.outputs };
        let at = at.unwrap_or(side.len()).min(side.len());
        side.insert(at, field);
        changed
    }

    /// Returns the signature without the field of this name.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let mut changed = self.clone();
        changed.inputs.retain(|field| &*field.name != name);
        changed.outputs.retain(|field| &*field.name != name);
        changed
    }

    /// Returns the signature with another description of the field of this name.
    #[must_use]
    pub fn with_description(&self, name: &str, description: impl Into<Arc<str>>) -> Self {
        let mut changed = self.clone();
        let description = description.into();
        for field in changed.inputs.iter_mut().chain(&mut changed.outputs) {
            if &*field.name == name {
                field.description = Some(description.clone());
            }
        }
        changed
    }

    /// The instructions, or where there are none the task as the names of the fields tell it.
    pub fn effective_instructions(&self) -> Arc<str> {
        if self.instructions.trim().is_empty() {
            self.default_instructions().into()
        } else {
            self.instructions.clone()
        }
    }

    /// The task as the names of the fields tell it: ``From `question`, write `answer`.``
    pub fn default_instructions(&self) -> String {
        let outputs = names(&self.outputs);
        if self.inputs.is_empty() {
            return format!("Write {outputs}.");
        }
        format!("From {}, write {outputs}.", names(&self.inputs))
    }

    /// The named types that the fields can reach, in the order in which they are met. The table
    /// may hold others, which are no part of this signature.
    pub fn reachable_types(&self) -> Vec<(&Arc<str>, &Ty)> {
        let mut found = Vec::new();
        for field in self.inputs.iter().chain(&self.outputs) {
            self.reach(&field.ty, &mut found);
        }
        let mut next = 0;
        while let Some((_, ty)) = found.get(next).copied() {
            self.reach(ty, &mut found);
            next += 1;
        }
        found
    }

    fn reach<'a>(&'a self, ty: &'a Ty, found: &mut Vec<(&'a Arc<str>, &'a Ty)>) {
        match ty {
            Ty::Named(name) => {
                if let Some((name, ty)) = self.types.get_key_value(name)
                    && !found.iter().any(|(known, _)| *known == name)
                {
                    found.push((name, ty));
                }
            }
            Ty::List(inner) | Ty::Dict(inner) | Ty::Optional(inner) | Ty::Bounded(inner, _) => {
                self.reach(inner, found);
            }
            Ty::Union(members) => members.iter().for_each(|it| self.reach(it, found)),
            Ty::Record(fields) => fields.iter().for_each(|it| self.reach(&it.ty, found)),
            Ty::Str | Ty::Int | Ty::Float | Ty::Bool | Ty::Any | Ty::History | Ty::Media(_) => {
            }
            Ty::Enum(_) | Ty::OneOf(_) => {}
        }
    }
}

fn names(fields: &[Field]) -> String {
    let names = fields.iter().map(|field| format!("`{}`", field.name)).collect::<Vec<_>>();
    match &names[..] {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// A row of a data set.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Its columns.
    pub values: Record,
    /// Its place in the data set it was loaded into, from 0. It does not change when the data
    /// set is shuffled, filtered or split.
    pub index: usize,
    /// The folder of the file that it stands in: paths in its columns start from there.
    pub folder: Option<Arc<str>>,
}

/// Equal values at equal places, wherever they come from.
impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values && self.index == other.index
    }
}

/// An example of a task inside a prompt.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Demo {
    /// Inputs by name; some may be missing.
    pub inputs: Record,
    /// Outputs by name; some may be missing.
    pub outputs: Record,
}
