//! Signatures as values of scripts.

use crate::check::signature_from_str;
use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::Error;
use crate::runtime::value::{Object, Val};
use crate::schema::{Field, Signature};
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
            return Ok(signature.clone());
        }
        let Some(text) = value.as_str() else {
            return Err(wrong("signature", "a signature or its text", value));
        };
        let types = cx.run().script().types();
        match signature_from_str(text, &types) {
            Ok(signature) => Ok(Self::new(signature, None)),
            Err(diagnostics) => Err(unreadable(text, &diagnostics)),
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
        let (is_input, declared) = match text.trim().split_once(char::is_whitespace) {
            Some(("in", rest)) => (true, rest),
            Some(("out", rest)) => (false, rest),
            _ => {
                return Err(Error::value(format!("`{text}` is no field"))
                    .hint("begin with `in` or `out`, as in a signature"));
            }
        };
        let field = read_field(cx, declared)?;
        Ok(self.changed(self.signature.with_field(field, at, is_input)))
    }
}

fn read_field(cx: &Cx<'_>, declared: &str) -> Result<Field, Error> {
    let types = cx.run().script().types();
    // A description may follow the type, as in a signature.
    let (declared, description) = split_description(declared);
    let read = signature_from_str(&format!("x__ -> {declared}"), &types)
        .map_err(|diagnostics| unreadable(declared, &diagnostics))?;
    match read.outputs.into_iter().next() {
        Some(mut field) => {
            field.description = description.map(Into::into).or(field.description);
            Ok(field)
        }
        None => Err(Error::value(format!("`{declared}` is no field"))),
    }
}

fn split_description(declared: &str) -> (&str, Option<&str>) {
    let declared = declared.trim_end();
    let Some(quote) = declared.chars().last().filter(|it| matches!(it, '\'' | '"' | '`')) else {
        return (declared, None);
    };
    let body = &declared[..declared.len() - 1];
    match body.rfind(quote) {
        // A type may itself end in a quote: a literal follows `:`, `|`, `[` or `,`.
        Some(at) if !body[..at].trim_end().ends_with([':', '|', '[', ',']) => {
            (body[..at].trim_end(), Some(&body[at + 1..]))
        }
        _ => (declared, None),
    }
}

fn unreadable(text: &str, diagnostics: &[crate::diag::Diagnostic]) -> Error {
    let first = diagnostics.first();
    let message = first.map_or("it cannot be read", |it| it.message.as_str());
    let error = Error::value(format!("`{text}` is no signature: {message}"));
    first.into_iter().flat_map(|it| &it.hints).fold(error, |error, hint| error.hint(hint.clone()))
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
            "without" => Some(match args.take(0, "name").unwrap_or_default() {
                Val::Str(field) if self.signature.field(field.as_str()).is_some() => {
                    Ok(self.changed(self.signature.without(field.as_str())))
                }
                other => Err(wrong("name", "the name of a field", &other)),
            }),
            "with_instructions" => Some(match args.take(0, "text").unwrap_or_default() {
                Val::Str(text) => Ok(self.changed(self.signature.with_instructions(text.as_str()))),
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
        let arrow = format!("{} -> {}", side(&self.signature.inputs), side(&self.signature.outputs));
        if self.signature.name.is_empty() { arrow } else { format!("{}({arrow})", self.signature.name) }
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
