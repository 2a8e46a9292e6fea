//! `dsp prompt`

use super::args::{Lm, Prompt};
use super::session;
use super::shell::{Failure, Shell};
use crate::engine::prompt_text;
use clap::ValueEnum;
use serde_json::{Map, Value};

/// Shows what a predictor would send.
pub(super) fn run(shell: &Shell, args: &Prompt) -> Result<(), Failure> {
    let inputs: Map<String, Value> = serde_json::from_str(&args.input)
        .map_err(|error| Failure::usage(format!("`--input` is no JSON object: {error}")))?;
    let lm = Lm { lm: args.lm.clone(), ..Lm::default() };
    let mut builder = session::builder(shell, &args.file, &lm)?;
    if let Some(adapter) = args.adapter.and_then(|it| it.to_possible_value()) {
        builder = builder.adapter(adapter.get_name());
    }
    let program = session::load(shell, &builder.build()?, &args.file)?;
    let (name, path) = match args.predictor.split_once('.') {
        Some((name, path)) => (name, Some(path)),
        None => (args.predictor.as_str(), None),
    };
    let mut callable = program.value(name)?;
    if let Some(state) = &args.state {
        callable = callable.with_state(&shell.absolute(state)?)?;
    }
    let prompt = callable.prompt(path, &inputs)?;
    if args.json {
        shell.print(&format!("{}\n", serde_json::to_string(&prompt).unwrap_or_default()));
    } else {
        shell.print(&format!("{}\n", prompt_text(&prompt).trim_end()));
    }
    Ok(())
}
