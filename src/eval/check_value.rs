//! What is wrong with rows as a value of scripts.

use crate::data::{CheckOptions, Dataset, Report, check};
use crate::eval::data_value::columns;
use crate::runtime::{Args, Error, Object, Val};
use crate::schema::Value;
use std::any::Any;

/// What a check of data found.
#[derive(Debug)]
pub struct CheckValue(pub Report);

/// Checks parts of data as the arguments of a call say.
///
/// # Errors
/// Arguments that do not fit, and a file that cannot be read again.
pub(super) fn check_parts(parts: &[(String, Dataset)], mut args: Args) -> Result<Val, Error> {
    let options =
        CheckOptions { inputs: columns(&mut args, "inputs")?, label: args.text("label")? };
    args.finish("check", 0, &["inputs", "label"])?;
    Ok(Val::object(CheckValue(check(parts, &options)?)))
}

impl Object for CheckValue {
    fn type_name(&self) -> &'static str {
        "check"
    }

    fn get(&self, name: &str) -> Option<Val> {
        match self.0.to_value() {
            Value::Map(entries) => entries.get(name).map(Val::from_value),
            _ => None,
        }
    }

    fn members(&self) -> Vec<String> {
        ["rows", "inputs", "label", "serious", "findings"].map(ToOwned::to_owned).to_vec()
    }

    fn to_value(&self) -> Option<Value> {
        Some(self.0.to_value())
    }

    fn show(&self) -> String {
        self.0.render().trim_end().to_owned()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
