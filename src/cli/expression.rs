//! Pieces of expressions that commands put together.

use crate::catalog;

/// A string literal.
pub(super) fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// An optimizer: its name, or a call with some options, gets the `options` that it takes and
/// that were not given.
pub(super) fn optimizer(said: &str, options: &[(&str, String)]) -> String {
    let said = said.trim();
    let (name, given) = match said.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.trim_end().strip_suffix(')').unwrap_or(rest)),
        None => (said, ""),
    };
    let Some(native) = catalog::native(name) else { return said.to_owned() };
    let is_given = |option: &str| given.contains(&format!("{option}:"));
    let added = options
        .iter()
        .filter(|(option, _)| native.param(option).is_some() && !is_given(option))
        .map(|(option, value)| format!("{option}: {value}"));
    let given = (!given.trim().is_empty()).then(|| given.to_owned());
    let all: Vec<String> = given.into_iter().chain(added).collect();
    format!("{name}({})", all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::optimizer;

    #[test]
    fn an_optimizer_gets_what_it_takes_and_was_not_given() {
        let options = [("metric", "(right)".to_owned()), ("max_calls", "9".to_owned())];
        let cases = [
            ("bootstrap_few_shot", "bootstrap_few_shot(metric: (right), max_calls: 9)"),
            ("labeled_few_shot", "labeled_few_shot()"),
            ("labeled_few_shot(k: 3)", "labeled_few_shot(k: 3)"),
            (
                "bootstrap_few_shot(max_calls: 5)",
                "bootstrap_few_shot(max_calls: 5, metric: (right))",
            ),
            ("mine(2)", "mine(2)"),
        ];
        for (said, expected) in cases {
            assert_eq!(optimizer(said, &options), expected);
        }
    }
}
