//! `dsp log` and `dsp log show`.

use super::entry::Entry;
use super::{entries, of_id};
use crate::cli::args::LogFilter;
use crate::cli::shell::{Failure, Shell};
use crate::render::{Align, Table, plain};

/// The width where standard output is no terminal.
const WIDTH: usize = 140;
/// Hashes are shown so far.
const SHORT: usize = 8;

/// Lists the newest entries, the newest last.
pub(super) fn run(
    shell: &Shell,
    filter: &LogFilter,
    limit: usize,
    json: bool,
) -> Result<(), Failure> {
    let all = entries(shell, filter)?;
    let newest = &all[all.len().saturating_sub(limit)..];
    if json {
        newest.iter().for_each(|it| shell.print(&it.to_line()));
        return Ok(());
    }
    if newest.is_empty() {
        shell.eprint("nothing was evaluated here yet; `--all` lists what was elsewhere\n");
        return Ok(());
    }
    shell.print(&table(shell, newest));
    Ok(())
}

/// Entries as a table.
pub(super) fn table(shell: &Shell, entries: &[Entry]) -> String {
    let mut table = Table::new([
        ("id", Align::Left),
        ("what", Align::Left),
        ("script", Align::Left),
        ("program", Align::Left),
        ("state", Align::Left),
        ("rows", Align::Right),
        ("score", Align::Left),
        ("calls", Align::Right),
        ("cost", Align::Right),
    ]);
    for it in entries {
        let account = &it.account;
        let score = match account.gain {
            Some(gain) => format!("{} {gain:+.3}", it.score()),
            None => it.score(),
        };
        table.row([
            it.id.as_str(),
            it.what(),
            it.script_name(),
            &account.program,
            short(&account.state),
            &it.rows().to_string(),
            &score,
            &account.calls.to_string(),
            &cost(account.usd),
        ]);
    }
    table.render_within(shell.host.width().unwrap_or(WIDTH))
}

pub(super) fn short(hash: &str) -> &str {
    hash.get(..SHORT).unwrap_or(hash)
}

pub(super) fn cost(usd: Option<f64>) -> String {
    usd.map_or("-".to_owned(), |it| format!("${it:.2}"))
}

/// Shows an entry.
pub(super) fn show(shell: &Shell, id: &str, json: bool) -> Result<(), Failure> {
    let entry = of_id(shell, id)?;
    if json {
        shell.print(&entry.to_line());
        return Ok(());
    }
    shell.print(&plain(&shown(&entry)));
    Ok(())
}

/// An entry in lines.
fn shown(it: &Entry) -> String {
    let account = &it.account;
    let mut lines = vec![
        ("id", it.id.clone()),
        ("when", format!("{} UTC", it.when())),
        ("command", format!("dsp {}: {}", it.command, account.kind)),
        ("project", it.project.clone()),
        ("script", format!("{}, hash {}", it.script_name(), it.script_hash)),
        ("program", account.program.clone()),
        ("optimizer", account.optimizer.clone()),
        ("metric", account.metric.clone()),
        ("models", account.models.join(", ")),
        ("before", account.before.clone()),
        ("state", account.state.clone()),
        ("state in", it.state_file.clone().unwrap_or_default()),
        ("trace in", it.trace_file.clone().unwrap_or_default()),
    ];
    for data in &account.data {
        let file = data.file.as_deref().map(|it| format!(" of {it}")).unwrap_or_default();
        lines.push((
            "data",
            format!("{}: {} rows{file}, hash {}", data.role, data.rows, data.hash),
        ));
    }
    lines.extend([("seed", account.seed.to_string()), ("score", it.score())]);
    if let Some((gain, (low, high))) = account.gain.zip(account.gain_interval) {
        lines.push(("gain", format!("{gain:+.3} ({low:+.3} to {high:+.3})")));
        lines.push(("verdict", account.verdict.clone()));
    }
    let (read, wrote) = (account.prompt_tokens, account.completion_tokens);
    lines.extend([
        ("calls", format!("{}, {read} tokens in, {wrote} out", account.calls)),
        ("cost", cost(account.usd)),
        ("time", format!("{:.2} s", account.seconds)),
        ("stopped", account.stopped.clone().unwrap_or_default()),
        ("rows in", account.run.as_ref().map(|it| format!("run {it}")).unwrap_or_default()),
    ]);
    let said = lines.into_iter().filter(|(_, text)| !text.is_empty());
    said.map(|(name, text)| format!("{name:<10}{text}\n")).collect()
}
