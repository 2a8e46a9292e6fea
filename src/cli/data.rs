//! `dsp data`

use super::args::{Data, DataAction};
use super::shell::{Failure, Shell};
use crate::data::{BAD_ROW, CheckOptions, Column, Dataset, check, profile};
use crate::diag::Diagnostic;
use crate::render::{Align, Table, plain};
use crate::schema::Value;
use std::path::{Path, PathBuf};

/// How many rows `dsp data show` shows.
const SHOWN: usize = 3;

/// Looks at data.
pub(super) fn run(shell: &Shell, args: &Data) -> Result<(), Failure> {
    match &args.action {
        DataAction::Check { files, inputs, label, json } => {
            let options = CheckOptions { inputs: inputs.clone(), label: label.clone() };
            check_files(shell, files, &options, *json)
        }
        DataAction::Show { file } => show(shell, file),
    }
}

fn load(shell: &Shell, path: &Path) -> Result<Dataset, Failure> {
    Dataset::load(&*shell.host, path).map_err(|diag| failed(&diag))
}

/// A file that is not there or of another kind is one exit code, a row that is none another.
fn failed(diag: &Diagnostic) -> Failure {
    let exit = if diag.code == BAD_ROW { Failure::PROGRAM } else { Failure::USAGE };
    Failure { exit, ..Failure::io(diag.clone()) }
}

fn check_files(
    shell: &Shell,
    files: &[PathBuf],
    options: &CheckOptions,
    json: bool,
) -> Result<(), Failure> {
    let mut parts = Vec::new();
    for path in files {
        parts.push((path.display().to_string(), load(shell, path)?));
    }
    let report = check(&parts, options).map_err(|diag| failed(&diag))?;
    if json {
        shell.print(&format!("{}\n", report.to_value().to_json()));
    } else {
        shell.print(&plain(&report.render()));
    }
    if report.is_serious() { Err(Failure::told()) } else { Ok(()) }
}

fn show(shell: &Shell, path: &Path) -> Result<(), Failure> {
    let data = load(shell, path)?;
    let columns = profile(&data).map_err(|diag| failed(&diag))?;
    let heads = [
        ("column", Align::Left),
        ("type", Align::Left),
        ("filled", Align::Right),
        ("different", Align::Right),
        ("characters", Align::Right),
    ];
    let mut table = Table::new(heads);
    for (name, column) in &columns {
        let types = column.types().join(" | ");
        let most = if column.distinct < Column::MOST { "" } else { "+" };
        let range = column.range().map_or(String::new(), |(least, middle, most)| {
            if least == most {
                least.to_string()
            } else {
                format!("{least} … {middle} … {most}")
            }
        });
        let different = format!("{}{most}", column.distinct);
        table.row([&**name, &types, &column.filled.to_string(), &different, &range]);
    }
    shell.print(&format!("{} rows\n\n{}", data.len(), table.render()));
    for at in 0..data.len().min(SHOWN) {
        let Some(row) = data.get(at) else { break };
        let row = row.map_err(|diag| failed(&diag))?;
        let mut text = plain(&Value::map(row.values.clone()).to_json()).into_owned();
        if let Some((end, _)) = text.char_indices().nth(300) {
            text.truncate(end);
            text.push('…');
        }
        shell.print(&format!("\n{}\n{text}\n", data.origin(at).unwrap_or_default()));
    }
    Ok(())
}
