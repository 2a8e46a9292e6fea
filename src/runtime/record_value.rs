//! Records in replies: named values whose names a type says.

use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::Error;
use crate::runtime::value::{Object, Val, to_record};
use crate::schema::{Field, Record, Ty, TypeTable, Value};
use indexmap::IndexMap;
use std::any::Any;
use std::sync::Arc;

/// Named values, immutable; a field that is not there is an error.
#[derive(Debug, Clone)]
pub(in crate::runtime) struct RecordValue {
    fields: Arc<IndexMap<Arc<str>, Val>>,
}

impl RecordValue {
    /// Its fields.
    pub(in crate::runtime) fn fields(&self) -> &IndexMap<Arc<str>, Val> {
        &self.fields
    }

    fn with(&self, args: Args) -> Result<Val, Error> {
        if !args.positional.is_empty() {
            return Err(Error::value("`with` takes named values: `record.with(name: x)`"));
        }
        let mut fields = (*self.fields).clone();
        fields.extend(args.named);
        Ok(Val::object(Self { fields: Arc::new(fields) }))
    }

    fn contains(&self, mut args: Args) -> Result<Val, Error> {
        let name = args.take(0, "name").unwrap_or_default();
        args.finish("contains", 1, &["name"])?;
        let found = name.as_str().ok_or_else(|| wrong("name", "a text", &name))?;
        Ok(Val::Bool(self.fields.contains_key(found)))
    }
}

impl Object for RecordValue {
    fn type_name(&self) -> &'static str {
        "record"
    }

    fn get(&self, name: &str) -> Option<Val> {
        self.fields.get(name).cloned()
    }

    fn members(&self) -> Vec<String> {
        self.fields.keys().map(ToString::to_string).collect()
    }

    fn method(&self, _: &Cx<'_>, name: &str, args: Args) -> Option<Result<Val, Error>> {
        match name {
            "with" => Some(self.with(args)),
            "contains" => Some(self.contains(args)),
            "len" => {
                let n_fields = i64::try_from(self.fields.len()).unwrap_or(i64::MAX);
                Some(args.finish("len", 0, &[]).map(|()| Val::Int(n_fields)))
            }
            _ => None,
        }
    }

    fn to_value(&self) -> Option<Value> {
        to_record(&self.fields).ok().map(Value::map)
    }

    /// As a map is shown.
    fn show(&self) -> String {
        Val::Map((*self.fields).clone()).show()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Data of fields as a script's values.
pub(in crate::runtime) fn typed_values(
    record: &Record,
    fields: &[Field],
    types: &TypeTable,
) -> IndexMap<Arc<str>, Val> {
    let typed = |(name, value): (&Arc<str>, &Value)| {
        let field = fields.iter().find(|it| it.name == *name);
        let value = match field {
            Some(field) => typed_value(value, &field.ty, types),
            None => Val::from_value(value),
        };
        (name.clone(), value)
    };
    record.iter().map(typed).collect()
}

/// What a program replied with, as a script's value: where it is of the type of an output, its
/// records know their names.
pub fn typed_reply(value: &Value, ty: &Ty, types: &TypeTable) -> Val {
    if is_of(value, ty, types) { typed_value(value, ty, types) } else { Val::from_value(value) }
}

/// Data of a type as a script's value: what is a record by its type knows its names.
pub(in crate::runtime) fn typed_value(value: &Value, ty: &Ty, types: &TypeTable) -> Val {
    let Some(ty) = ty.resolve(types) else { return Val::from_value(value) };
    match (ty, value) {
        (Ty::Optional(inner) | Ty::Bounded(inner, _), _) => typed_value(value, inner, types),
        (Ty::List(item), Value::List(items)) => {
            Val::List(items.iter().map(|it| typed_value(it, item, types)).collect())
        }
        (Ty::Dict(item), Value::Map(entries)) => {
            let typed =
                |(name, it): (&Arc<str>, &Value)| (name.clone(), typed_value(it, item, types));
            Val::Map(entries.iter().map(typed).collect())
        }
        (Ty::Record(fields), Value::Map(record)) => {
            let fields = Arc::new(typed_values(record, fields, types));
            Val::object(RecordValue { fields })
        }
        (Ty::Union(members), _) => match members.iter().find(|it| is_of(value, it, types)) {
            Some(member) => typed_value(value, member, types),
            None => Val::from_value(value),
        },
        _ => Val::from_value(value),
    }
}

/// Whether a value was read as one of this type.
fn is_of(value: &Value, ty: &Ty, types: &TypeTable) -> bool {
    crate::schema::convert(value, ty, types).is_ok_and(|it| it == *value)
}
