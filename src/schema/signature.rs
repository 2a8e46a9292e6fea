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
#[derive(Debug, Clone, PartialEq)]
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

impl Signature {
    /// The input of this name.
    pub fn input(&self, name: &str) -> Option<&Field> {
        self.inputs.iter().find(|field| &*field.name == name)
    }

    /// The output of this name.
    pub fn output(&self, name: &str) -> Option<&Field> {
        self.outputs.iter().find(|field| &*field.name == name)
    }

    /// Returns the signature with other instructions.
    #[must_use]
    pub fn with_instructions(&self, instructions: impl Into<Arc<str>>) -> Self {
        Self { instructions: instructions.into(), ..self.clone() }
    }
}

/// A row of a data set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    /// Its columns.
    pub values: Record,
    /// Its place in the data set it was loaded into, from 0. It does not change when the data
    /// set is shuffled, filtered or split.
    pub index: usize,
}

/// An example of a task inside a prompt.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Demo {
    /// Inputs by name; some may be missing.
    pub inputs: Record,
    /// Outputs by name; some may be missing.
    pub outputs: Record,
}
