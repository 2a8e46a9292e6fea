//! Arguments to parameters, by place and by name.

use crate::check::{FnInfo, ParamInfo};
use crate::diag::did_you_mean;
use crate::lower::names;
use crate::runtime::cx::Args;
use crate::runtime::error::Error;
use crate::runtime::rhai_host::absent;
use crate::runtime::value::Val;
use crate::schema::{Record, Row};
use indexmap::IndexMap;
use std::sync::Arc;

/// Orders arguments as the parameters of a function or method of the script want them.
pub(in crate::runtime) fn bind(
    what: &str,
    params: &[ParamInfo],
    mut args: Args,
) -> Result<Vec<Val>, Error> {
    let n_places = params.iter().filter(|it| !it.rest).count();
    if args.positional.len() > n_places {
        let given = args.positional.len();
        return Err(Error::value(format!("`{what}` takes {n_places} values, not {given}")));
    }
    let mut bound = Vec::with_capacity(params.len());
    let mut positional = std::mem::take(&mut args.positional).into_iter();
    for param in params.iter().filter(|it| !it.rest) {
        let value = match (positional.next(), args.named.shift_remove(&param.name)) {
            (Some(_), Some(_)) => {
                return Err(Error::value(format!("`{what}` is given `{}` twice", param.name)));
            }
            (Some(value), None) | (None, Some(value)) => value,
            (None, None) if param.may_be_left_out() => absent(),
            (None, None) => {
                return Err(Error::value(format!("`{what}` needs `{}`", param.name)));
            }
        };
        bound.push(value);
    }
    if params.iter().any(|it| it.rest) {
        bound.push(Val::Map(args.named));
    } else if let Some(name) = args.named.keys().next() {
        let hint = did_you_mean(name, params.iter().map(|it| &*it.name));
        return Err(Error::value(format!("`{what}` takes no `{name}`")).hint(hint));
    }
    Ok(bound)
}

/// Orders arguments for a function of the script, which may have forms of several lengths.
pub(in crate::runtime) fn bind_function(info: &FnInfo, args: Args) -> Result<Vec<Val>, Error> {
    let n_given = args.positional.len() + args.named.len();
    let fits = |it: &&FnInfo| it.params.len() == n_given;
    let chosen = std::iter::once(info)
        .chain(&info.overloads)
        .find(fits)
        .filter(|_| !info.overloads.is_empty())
        .unwrap_or(info);
    let name = names::split(&info.lowered).map_or(&*info.lowered, |it| it.1);
    bind(name, &chosen.params, args)
}

/// The columns of a row that parameters of these names want, as named arguments. Columns of
/// other names are labels: they do not reach the program.
pub fn bind_row(
    row: &Row,
    params: impl IntoIterator<Item = (Arc<str>, bool)>,
) -> Result<Args, Error> {
    let mut named = IndexMap::new();
    for (name, required) in params {
        match row.values.get(&name) {
            Some(value) => {
                named.insert(name, Val::from_value(value));
            }
            None if required => {
                let hint = did_you_mean(&name, row.values.keys().map(|it| &**it));
                let message = format!("the row has no column `{name}`");
                return Err(Error::value(message).hint(hint));
            }
            None => {}
        }
    }
    Ok(Args { positional: Vec::new(), named })
}

/// A record as named values.
pub(in crate::runtime) fn named_values(record: &Record) -> IndexMap<Arc<str>, Val> {
    record.iter().map(|(name, value)| (name.clone(), Val::from_value(value))).collect()
}
