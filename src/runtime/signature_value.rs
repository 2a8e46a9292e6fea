//! Signatures as values of scripts.

use crate::check::{field_from_str, signature_in};
use crate::diag::{Diagnostic, did_you_mean};
use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::Error;
use crate::runtime::value::{Object, Val};
use crate::schema::{Choices, Field, Signature};
use indexmap::IndexMap;
use std::any::Any;
use std::sync::Arc;

/// A signature, with the function that checks its contracts.
#[derive(Debug, Clone)]
pub struct SignatureValue {
    /// The signature.
    pub signature: Arc<Signature>,
    /// The lowered function of its contracts.
    pub contracts: Option<Arc<str>>,
}

impl SignatureValue {
    /// Returns a signature as a value.
    pub fn new(signature: Signature, contracts: Option<String>) -> Self {
        Self { signature: Arc::new(signature), contracts: contracts.map(Into::into) }
    }

    /// Reads what stands where a signature is wanted: a signature, or a text that is one.
    ///
    /// # Errors
    /// Anything else, and a text that is no signature.
    pub fn from_val(cx: &Cx<'_>, value: &Val) -> Result<Self, Error> {
        if let Some(signature) = value.downcast::<Self>() {
            if signature.signature.outputs.is_empty() {
                let hint = "add one: `.with_field(\"out answer: str\")`";
                return Err(Error::value("the signature has no outputs").hint(hint));
            }
            return Ok(signature.clone());
        }
        let Some(text) = value.as_str() else {
            return Err(wrong("signature", "a signature or its text", value));
        };
        match signature_in(text, &cx.types(), &|name| cx.const_key(name)) {
            Ok(signature) => Ok(Self::new(signature, None)),
            Err(diagnostics) => Err(unreadable("signature", text, &diagnostics)),
        }
    }

    fn changed(&self, signature: Signature) -> Val {
        Val::object(Self { signature: Arc::new(signature), contracts: self.contracts.clone() })
    }

    fn with_field(&self, cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
        let at = args.count("at")?;
        let text = args.take(0, "field").unwrap_or_default();
        args.finish("with_field", 1, &["field", "at"])?;
        let Some(text) = text.as_str() else {
            return Err(wrong("field", "a text such as `out score: int`", &text));
        };
        let scope = cx.types();
        let (is_output, field) =
            field_from_str(text, &self.signature, &scope, &|name| cx.const_key(name))
                .map_err(|it| unreadable("field", text, &it))?;
        if self.signature.field(&field.name).is_some() {
            let message = format!("the signature has a field `{}` already", field.name);
            return Err(Error::value(message)
                .hint(format!("leave the old one out first: `.without(\"{}\")`", field.name)));
        }
        let mut changed = self.signature.with_field(field, at, !is_output);
        // The signature may come from another unit, where other types are in sight.
        let is_new = |name: &&Arc<str>| !self.signature.types.contains_key(*name);
        if scope.table.keys().any(|it| is_new(&it)) {
            let mut types = (*self.signature.types).clone();
            let new = scope.table.iter().filter(|(name, _)| is_new(name));
            types.extend(new.map(|(name, ty)| (name.clone(), ty.clone())));
            changed.types = Arc::new(types);
        }
        Ok(self.changed(changed))
    }

    fn without(&self, mut args: Args) -> Result<Val, Error> {
        let name = args.take(0, "name").unwrap_or_default();
        args.finish("without", 1, &["name"])?;
        let Some(field) = name.as_str() else {
            return Err(wrong("name", "the name of a field", &name));
        };
        if self.signature.field(field).is_some() {
            let changed = self.signature.without(field);
            let from = Choices::Input(field.into());
            return match changed.field_choosing(&from) {
                None => Ok(self.changed(changed)),
                Some(other) => {
                    let message = format!("`{}` is one of `{field}`", other.name);
                    let hint = format!("leave it out first: `.without(\"{}\")`", other.name);
                    Err(Error::value(message).hint(hint))
                }
            };
        }
        let all = self.signature.inputs.iter().chain(&self.signature.outputs);
        let hint = did_you_mean(field, all.map(|it| &*it.name));
        Err(Error::value(format!("the signature has no field `{field}`")).hint(hint))
    }
}

/// Where in a text that is no part of the program something stands.
fn place_in(text: &str, diagnostic: &Diagnostic) -> Option<String> {
    let span = diagnostic.primary.as_ref()?.span;
    let before = text.get(..span.start as usize)?.chars().count();
    let word = text.get(span.start as usize..span.end as usize)?;
    let what = if word.is_empty() { String::new() } else { format!("`{word}` ") };
    Some(format!("{what}at character {} of the text", before + 1))
}

fn unreadable(what: &str, text: &str, diagnostics: &[Diagnostic]) -> Error {
    let first = diagnostics.first();
    let message = first.map_or("it cannot be read", |it| it.message.as_str());
    let mut error = Error::value(format!("`{text}` is no {what}: {message}"));
    for hint in first.into_iter().flat_map(|it| &it.hints) {
        error = error.hint(hint.clone());
    }
    if let Some(place) = first.and_then(|it| place_in(text, it)) {
        error = error.note(place);
    }
    diagnostics.iter().skip(1).fold(error, |error, it| {
        let place = place_in(text, it).map(|it| format!(", {it}")).unwrap_or_default();
        error.note(format!("{}{place}", it.message))
    })
}

impl Object for SignatureValue {
    fn type_name(&self) -> &'static str {
        "signature"
    }

    fn get(&self, name: &str) -> Option<Val> {
        match name {
            "name" => Some(Val::str(&self.signature.name)),
            "instructions" => Some(Val::str(&self.signature.effective_instructions())),
            "fields" => Some(Val::List(fields(&self.signature))),
            _ => None,
        }
    }

    fn members(&self) -> Vec<String> {
        ["name", "instructions", "fields"].map(ToOwned::to_owned).to_vec()
    }

    fn method(&self, cx: &Cx<'_>, name: &str, mut args: Args) -> Option<Result<Val, Error>> {
        match name {
            "with_field" => Some(self.with_field(cx, args)),
            "without" => Some(self.without(args)),
            "with_instructions" => Some(match args.take(0, "text").unwrap_or_default() {
                Val::Str(text) => {
                    Ok(self.changed(self.signature.with_instructions(text.as_str())))
                }
                other => Err(wrong("text", "a str", &other)),
            }),
            _ => None,
        }
    }

    fn show(&self) -> String {
        let side = |fields: &[Field]| {
            let shown: Vec<String> =
                fields.iter().map(|it| format!("{}: {}", it.name, it.ty)).collect();
            shown.join(", ")
        };
        let arrow =
            format!("{} -> {}", side(&self.signature.inputs), side(&self.signature.outputs));
        if self.signature.name.is_empty() {
            arrow
        } else {
            format!("{}({arrow})", self.signature.name)
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn fields(signature: &Signature) -> Vec<Val> {
    let one = |kind: &str, field: &Field| {
        let description = field.description.as_deref().map_or(Val::Null, Val::str);
        let entries: [(Arc<str>, Val); 4] = [
            ("name".into(), Val::str(&field.name)),
            ("kind".into(), Val::str(kind)),
            ("type".into(), Val::str(&field.ty.to_string())),
            ("description".into(), description),
        ];
        Val::Map(IndexMap::from(entries))
    };
    let inputs = signature.inputs.iter().map(|it| one("in", it));
    inputs.chain(signature.outputs.iter().map(|it| one("out", it))).collect()
}
