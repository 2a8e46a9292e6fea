//! `dsp models`

use super::args::{Models, ModelsAction};
use super::shell::{Failure, Shell};
use crate::render::{Align, Table};
use serde_json::json;

/// A model, or a family of them, and whether it could answer now.
struct Row {
    name: String,
    about: String,
    ready: bool,
}

/// Lists or fetches models.
pub(super) fn run(shell: &Shell, args: &Models) -> Result<(), Failure> {
    match &args.action {
        ModelsAction::List { json: true } => {
            for Row { name, about, ready } in rows(shell) {
                let line = json!({ "name": name, "about": about, "ready": ready });
                shell.print(&format!("{line}\n"));
            }
            Ok(())
        }
        ModelsAction::List { json: false } => {
            let columns = [("model", Align::Left), ("ready", Align::Left), ("", Align::Left)];
            let mut table = Table::new(columns);
            for Row { name, about, ready } in rows(shell) {
                table.row([name.as_str(), if ready { "yes" } else { "no" }, &about]);
            }
            shell.print(&table.render());
            Ok(())
        }
        ModelsAction::Pull { name } => pull(shell, name.as_deref()),
    }
}

fn rows(shell: &Shell) -> Vec<Row> {
    let mut rows = local(shell);
    rows.extend(remote(shell));
    rows
}

#[cfg(feature = "local")]
fn local(shell: &Shell) -> Vec<Row> {
    let entries = crate::lm::models::list(&*shell.host).into_iter();
    let row = |it: crate::lm::models::Entry| Row {
        name: format!("local/{}", it.known.name),
        about: it.known.about.to_owned(),
        ready: it.present,
    };
    entries.map(row).collect()
}

#[cfg(not(feature = "local"))]
fn local(_: &Shell) -> Vec<Row> {
    Vec::new()
}

#[cfg(feature = "http")]
fn remote(shell: &Shell) -> Vec<Row> {
    let row = |it: &crate::lm::keys::Provider| Row {
        name: format!("{}/…", it.name),
        about: match it.key_env {
            Some(key) if it.base_url.is_empty() => {
                format!("address in AZURE_OPENAI_ENDPOINT, key in {key}")
            }
            Some(key) => format!("{}, key in {key}", it.base_url),
            None => it.base_url.to_owned(),
        },
        ready: it.key_env.is_none_or(|key| shell.host.env(key).is_some()),
    };
    crate::lm::keys::PROVIDERS.iter().map(row).collect()
}

#[cfg(not(feature = "http"))]
fn remote(_: &Shell) -> Vec<Row> {
    Vec::new()
}

#[cfg(feature = "local")]
fn pull(shell: &Shell, name: Option<&str>) -> Result<(), Failure> {
    use crate::engine::announce;
    use crate::lm::models;

    let name = name.unwrap_or(models::KNOWN[0].name);
    let path = models::pull(&*shell.host, name, &|it| announce(&*shell.host, &it))
        .map_err(|it| Failure::model(&it))?;
    shell.print(&format!("{}\n", path.display()));
    Ok(())
}

#[cfg(not(feature = "local"))]
fn pull(_: &Shell, _: Option<&str>) -> Result<(), Failure> {
    Err(Failure::usage("this `dsp` was built without models in the process"))
}
