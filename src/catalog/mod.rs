//! What the language offers beyond Rhai, as plain data: natives, objects, and Rhai's own names.
//!
//! The checker, completion, hover and `dsp doc` read these tables, and a test compares them
//! with what the runtime binds. Nothing here runs anything. A type is written as the user
//! would write it, with a few words of ours for values that have no type in signatures: `lm`,
//! `signature`, `predictor`, `program`, `dataset`, `row`, `reply`, `metric`, `optimizer`,
//! `index`, `trace`.

mod examples;
mod natives;
mod objects;
mod rhai;

pub use examples::EXAMPLES;
pub use natives::NATIVES;
pub use objects::OBJECTS;
pub use rhai::{RHAI_FUNCTIONS, RHAI_IN_PLACE, RHAI_METHODS, RHAI_RESERVED};

/// A parameter of a native function or of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What it takes, for the reader.
    pub ty: &'static str,
    /// Whether a call must give it.
    pub required: bool,
    /// Whether it is given by name only.
    pub named_only: bool,
    /// What it is for.
    pub doc: &'static str,
}

/// A native function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Native {
    /// Its name.
    pub name: &'static str,
    /// Its parameters; those that may stand without a name come first.
    pub params: &'static [Param],
    /// Whether the last positional parameter takes any number of values.
    pub variadic: bool,
    /// Whether it accepts further named arguments of any name.
    pub extra_named: bool,
    /// What it returns, for the reader.
    pub result: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// A short program that shows it.
    pub example: &'static str,
}

/// A method of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Its parameters; those that may stand without a name come first.
    pub params: &'static [Param],
    /// Whether it accepts further named arguments of any name.
    pub extra_named: bool,
    /// What it returns, for the reader.
    pub result: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
}

/// A field of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectField {
    /// Its name.
    pub name: &'static str,
    /// Its type, for the reader.
    pub ty: &'static str,
    /// What it is, in one line.
    pub doc: &'static str,
}

/// A kind of value of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// The name of the kind, as `type_of` says it.
    pub name: &'static str,
    /// Its fields.
    pub fields: &'static [ObjectField],
    /// Its methods.
    pub methods: &'static [Method],
    /// Whether it has fields, members or methods of the user's as well.
    pub open: bool,
}

impl Native {
    /// How many arguments may stand without a name; `None` for any number.
    pub fn positional(&self) -> Option<usize> {
        (!self.variadic).then(|| self.params.iter().filter(|it| !it.named_only).count())
    }

    /// The parameter of this name.
    pub fn param(&self, name: &str) -> Option<&'static Param> {
        self.params.iter().find(|it| it.name == name)
    }
}

impl Object {
    /// The method of this name.
    pub fn method(&self, name: &str) -> Option<&'static Method> {
        self.methods.iter().find(|it| it.name == name)
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&'static ObjectField> {
        self.fields.iter().find(|it| it.name == name)
    }
}

/// Natives that may be called on their first argument: `xs.parallel_map(f)`.
pub const NATIVE_METHODS: &[&str] = &["parallel_map"];

/// The native of this name.
pub fn native(name: &str) -> Option<&'static Native> {
    NATIVES.iter().find(|it| it.name == name)
}

/// The object of this name.
pub fn object(name: &str) -> Option<&'static Object> {
    OBJECTS.iter().find(|it| it.name == name)
}

/// Whether some object has a method of this name.
pub fn is_object_method(name: &str) -> bool {
    OBJECTS.iter().any(|it| it.method(name).is_some())
}

/// What to do in place of a method of programs that is for a later version.
pub fn later_method(object: &str, name: &str) -> Option<&'static str> {
    let asks = matches!(object, "Program" | "module" | "program");
    match name {
        "stream" if asks => {
            Some("stream the predictor that writes the reply: `m.answer.stream(…)`")
        }
        _ => None,
    }
}

/// Whether Rhai has a function of this name that can be called by its name.
pub fn is_rhai_function(name: &str) -> bool {
    RHAI_FUNCTIONS.binary_search(&name).is_ok()
}

/// Whether Rhai has a function of this name that can be called on a value.
pub fn is_rhai_method(name: &str) -> bool {
    RHAI_METHODS.binary_search(&name).is_ok()
}

/// Whether Rhai's function of this name changes the value it is called on.
pub fn is_in_place(name: &str) -> bool {
    RHAI_IN_PLACE.binary_search(&name).is_ok()
}

/// Whether Rhai refuses this word as the name of a variable, function or property.
pub fn is_reserved(name: &str) -> bool {
    RHAI_RESERVED.binary_search(&name).is_ok()
}

/// A parameter that must be given, with or without its name.
const fn required(name: &'static str, ty: &'static str, doc: &'static str) -> Param {
    Param { name, ty, required: true, named_only: false, doc }
}

/// A parameter that may be left out, with or without its name.
const fn optional(name: &'static str, ty: &'static str, doc: &'static str) -> Param {
    Param { name, ty, required: false, named_only: false, doc }
}

/// An option: it may be left out, and is given by name.
const fn option(name: &'static str, ty: &'static str, doc: &'static str) -> Param {
    Param { name, ty, required: false, named_only: true, doc }
}

/// An option that must be given.
const fn must(name: &'static str, ty: &'static str, doc: &'static str) -> Param {
    Param { name, ty, required: true, named_only: true, doc }
}
