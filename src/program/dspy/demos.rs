//! Demos of files.

use super::fields::renamed;
use super::{LENIENT, Reader, left_out, map, shown};
use crate::diag::Diagnostic;
use crate::program::decode::{Decoded, wrong};
use crate::program::{PredictorState, StateDemo};
use crate::schema::{Demo, Field, Record, Value};

/// What DSPy adds to demos besides fields.
const BOOKKEEPING: [&str; 3] = ["augmented", "dspy_uuid", "dspy_split"];

impl Reader<'_> {
    pub(super) fn demos(&mut self, demos: &[Value], state: &mut PredictorState) -> Decoded<()> {
        for (serial, demo) in demos.iter().enumerate() {
            let place = self.at(&format!("demos[{serial}]"));
            let Some(values) = map(demo) else {
                let found = demo.kind();
                return Err(wrong(format!("`{place}`: expected an object, found {found}")));
            };
            if let Some(demo) = self.demo(&place, values) {
                state.demos.push(StateDemo { demo, origin: None });
            }
        }
        Ok(())
    }

    /// A demo; none where nothing of it can be shown, which is told once and not for each field.
    fn demo(&mut self, place: &str, values: &Record) -> Option<Demo> {
        let (mut demo, mut unknown, mut told) = (Demo::default(), Vec::new(), Vec::new());
        for (name, value) in values.iter().filter(|(name, _)| !BOOKKEEPING.contains(&&***name))
        {
            let known = renamed(&**name, self.signature);
            if known != **name && values.contains_key(&*known) {
                unknown
                    .push(left_out(format!("`{place}`: no field `{name}` beside `{known}`")));
                continue;
            }
            let input = self.signature.input(&known);
            let Some(field) = input.or_else(|| self.signature.output(&known)) else {
                unknown.push(left_out(format!("`{place}`: no field `{name}`")));
                continue;
            };
            let value = self.value(&format!("{place}.{name}"), value, field, &mut told);
            let side = if input.is_some() { &mut demo.inputs } else { &mut demo.outputs };
            side.extend(value.map(|it| (field.name.clone(), it)));
        }
        let lacks = match () {
            () if demo.outputs.is_empty() => "output",
            () if demo.inputs.is_empty() && !self.signature.inputs.is_empty() => "input",
            () => {
                self.warnings.extend(unknown.into_iter().chain(told));
                return Some(demo);
            }
        };
        let whole = left_out(format!("`{place}` has no {lacks} of the signature"));
        let whole = whole.note(names(values));
        self.warnings.push(told.into_iter().fold(whole, |whole, it| whole.note(it.message)));
        None
    }

    fn value(
        &self,
        place: &str,
        value: &Value,
        field: &Field,
        told: &mut Vec<Diagnostic>,
    ) -> Option<Value> {
        match (self.read)(value, &field.ty, &self.signature.types) {
            Ok((read, forgiven)) => {
                if !forgiven.is_empty() {
                    let (found, ty) = (shown_value(value), &field.ty);
                    let message = format!("`{place}`: {found} is read as {ty}");
                    let lenient = Diagnostic::bare(LENIENT, message);
                    told.push(forgiven.into_iter().fold(lenient, Diagnostic::note));
                }
                Some(read)
            }
            Err(why) => {
                let found = match value {
                    Value::Null => String::new(),
                    _ => format!(": {}", shown_value(value)),
                };
                told.push(left_out(format!("`{place}`: {why}{found}")));
                None
            }
        }
    }
}

fn names(values: &Record) -> String {
    let names: Vec<String> = values
        .keys()
        .filter(|it| !BOOKKEEPING.contains(&&***it))
        .map(|it| format!("`{it}`"))
        .collect();
    if names.is_empty() {
        "it is empty".to_owned()
    } else {
        format!("it has {}", names.join(", "))
    }
}

/// A value as a message shows it.
fn shown_value(value: &Value) -> String {
    match value {
        Value::Str(text) => shown(text),
        _ => crate::schema::shortened(&value.to_json(), super::SHOWN),
    }
}
