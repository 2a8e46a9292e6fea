//! `dsp prompt`

use super::args::{Lm, Prompt};
use super::session;
use super::shell::{Failure, Shell};
use crate::engine::prompt_text;
use crate::schema::{Record, Value};
use clap::ValueEnum;

/// Shows what a predictor would send.
pub(super) fn run(shell: &Shell, args: &Prompt) -> Result<(), Failure> {
    let inputs: Value = serde_json::from_str(&args.input)
        .map_err(|error| Failure::usage(format!("`--input` is no JSON object: {error}")))?;
    let inputs: Record = match inputs {
        Value::Map(record) => (*record).clone(),
        _ => return Err(Failure::usage("`--input` is no JSON object".to_owned())),
    };
    let lm = Lm { lm: args.lm.clone(), ..Lm::default() };
    let mut builder = session::builder(shell, &args.file, &lm)?;
    if let Some(adapter) = args.adapter.and_then(|it| it.to_possible_value()) {
        builder = builder.adapter(adapter.get_name());
    }
    let program = session::load(shell, &builder.build()?, &args.file)?;
    let state = args.state.as_deref().map(|it| shell.absolute(it)).transpose()?;
    let prompt = program.prompt(&args.predictor, state.as_deref(), &inputs)?;
    if args.json {
        shell.print(&format!("{}\n", serde_json::to_string(&prompt).unwrap_or_default()));
    } else {
        shell.print(&format!("{}\n", prompt_text(&prompt).trim_end()));
    }
    Ok(())
}
