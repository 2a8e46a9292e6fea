//! `settings { … }`: known keys and constant values.

use super::model::Setting;
use super::{Checker, codes, literal};
use crate::diag::suggestion;
use crate::schema::Value;
use crate::syntax::Node;
use crate::syntax::ast::SettingsItem;

/// The settings and what they take.
const SETTINGS: &[(&str, &str)] = &[
    ("lm", "str"),
    ("adapter", "str"),
    ("cache", "bool"),
    ("temperature", "float"),
    ("seed", "int"),
    ("retries", "int"),
    ("repairs", "int"),
    ("threads", "int"),
    ("max_calls", "int"),
    ("max_tokens", "int"),
    ("max_usd", "float"),
    ("max_seconds", "float"),
];

impl Checker<'_> {
    /// Reads the settings of a script.
    pub(super) fn settings(&mut self, node: &Node) {
        for entry in SettingsItem(node).entries() {
            let (Some(name), Some(node)) = (entry.name(), entry.value()) else { continue };
            let key = name.text(self.text);
            let span = name.span(self.source);
            let Some((_, ty)) = SETTINGS.iter().find(|it| it.0 == key) else {
                let hint = suggestion(key, SETTINGS.iter().map(|it| it.0));
                let told = self.tell(
                    codes::UNKNOWN_SETTING,
                    span,
                    format!("there is no setting `{key}`"),
                );
                *told = told.clone().suggest(hint);
                continue;
            };
            let at = self.span(node);
            let Some(value) = literal::constant(node, self.text) else {
                let message = format!("the setting `{key}` is not constant");
                let told = self.tell(codes::SETTING_NOT_CONSTANT, at, message);
                told.hints
                    .push("write a literal: settings are read before anything runs".to_owned());
                continue;
            };
            let fits = match (*ty, &value) {
                ("float", Value::Int(_)) => true,
                (ty, value) => value.kind() == ty,
            };
            if !fits {
                let message = format!("the setting `{key}` is {ty}, found {}", value.kind());
                self.tell(codes::SETTING_TYPE, at, message);
                continue;
            }
            if self.out.settings.contains_key(key) {
                let message = format!("the setting `{key}` is given twice");
                self.tell(codes::ARGUMENT_TWICE, span, message);
                continue;
            }
            self.out.settings.insert(key.into(), Setting { value, span: at });
        }
    }
}
