//! What may stand behind a dot: the fields and methods of a value that a path leads to.

use crate::catalog::OBJECTS;
use crate::runtime::{Val, Variables};
use std::collections::BTreeSet;

/// The names that may follow a text which ends with a dot. Only values that are there are looked
/// at: variables, their fields and their elements. Nothing is run.
pub(super) fn behind(variables: &Variables, before: &str) -> BTreeSet<String> {
    let Some(path) = before.strip_suffix('.') else { return BTreeSet::new() };
    let Some(value) = at(variables, path) else { return BTreeSet::new() };
    members(&value)
}

/// The value that the path at the end of a text leads to: `t`, `t.calls[0]`.
fn at(variables: &Variables, text: &str) -> Option<Val> {
    let is_part = |ch: char| ch.is_alphanumeric() || matches!(ch, '_' | '.' | '[' | ']' | '-');
    let start = text.len()
        - text.chars().rev().take_while(|it| is_part(*it)).map(char::len_utf8).sum::<usize>();
    let path = text[start..].trim_start_matches(['[', '-', '.']);
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let mut value = variables.get(&path[..end])?;
    let mut rest = &path[end..];
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (index, behind) = inside.split_once(']')?;
            value = item(&value, index.trim().parse().ok()?)?;
            rest = behind;
        } else {
            let name = rest.strip_prefix('.')?;
            let end = name.find(['.', '[']).unwrap_or(name.len());
            value = member(&value, &name[..end])?;
            rest = &name[end..];
        }
    }
    Some(value)
}

fn item(value: &Val, at: i64) -> Option<Val> {
    let place = |len: usize| {
        let at = if at < 0 { at.checked_add(i64::try_from(len).ok()?)? } else { at };
        usize::try_from(at).ok().filter(|it| *it < len)
    };
    match value {
        Val::List(items) => items.get(place(items.len())?).cloned(),
        Val::Object(object) => object.item(place(object.n_items()?)?)?.ok(),
        _ => None,
    }
}

fn member(value: &Val, name: &str) -> Option<Val> {
    match value {
        Val::Map(entries) => entries.get(name).cloned(),
        Val::Object(object) => object.get(name),
        _ => None,
    }
}

fn members(value: &Val) -> BTreeSet<String> {
    match value {
        Val::Map(entries) => entries.keys().map(ToString::to_string).collect(),
        Val::Object(object) => {
            let kind = object.type_name();
            let known = OBJECTS.iter().find(|it| it.name.to_lowercase() == kind);
            let methods = known.into_iter().flat_map(|it| it.methods);
            let methods = methods.map(|it| match it.params {
                [] if !it.extra_named => format!("{}()", it.name),
                _ => format!("{}(", it.name),
            });
            object.members().into_iter().chain(methods).collect()
        }
        _ => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::behind;
    use crate::runtime::{Reply, Val, Variables};
    use indexmap::IndexMap;
    use std::sync::Arc;

    fn names(before: &str) -> Vec<String> {
        let fields = IndexMap::from([(Arc::from("answer"), Val::str("x"))]);
        let reply = Val::object(Reply::new(fields, None));
        let all = Val::Map(IndexMap::from([(
            Arc::from("all"),
            Val::List(vec![Val::Null, reply.clone()]),
        )]));
        let variables = Variables::default();
        variables.set("reply", reply);
        variables.set("map", all);
        behind(&variables, before).into_iter().collect()
    }

    #[test]
    fn fields_and_methods_stand_behind_a_dot() {
        let of_reply = names("reply.");
        let has = |name: &str| of_reply.iter().any(|it| it == name);
        assert!(has("answer") && has("with("), "{of_reply:?}");
        assert_eq!(names("let a = f(map."), ["all"]);
        assert_eq!(names("map.all[1]."), of_reply);
        assert_eq!(names("map.all[-1]."), of_reply);
        for nothing in
            ["", "reply", "map.all[2].", "map.all[x].", "map.no.", "no.", "f().", "]."]
        {
            assert_eq!(names(nothing), Vec::<String>::new(), "{nothing}");
        }
    }
}
