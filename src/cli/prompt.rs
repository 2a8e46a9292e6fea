//! `dsp prompt`

mod why;

use super::args::{Lm, Prompt};
use super::session;
use super::shell::{Failure, Shell};
use crate::engine::prompt_text;
use crate::lm;
use crate::schema::{Record, Value};
use serde_json::json;

/// The messages as providers take them; what is to be continued is a text.
fn as_sent(prompt: &lm::Prompt) -> serde_json::Value {
    let turn = |it: &lm::Message| {
        let mut turn = json!({ "role": it.role.as_str(), "content": it.text });
        if !it.media.is_empty() {
            turn["media"] = json!(it.media);
        }
        turn
    };
    match prompt {
        lm::Prompt::Chat(messages) => {
            json!({ "messages": messages.iter().map(turn).collect::<Vec<_>>() })
        }
        lm::Prompt::Text(text) => json!({ "prompt": text }),
    }
}

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
    if let Some(adapter) = &args.adapter {
        builder = builder.adapter(adapter);
    }
    let program = session::load(shell, &builder.build()?, &args.file)?;
    let state = args.state.as_deref().map(|it| shell.absolute(it)).transpose()?;
    if args.why {
        let mut why = program.why(&args.predictor, state.as_deref(), &inputs)?;
        // The user's own spelling of the path.
        why.state_file = args.state.as_ref().map(|it| it.display().to_string());
        why::show(shell, &why, args.json);
        return Ok(());
    }
    let prompt = program.prompt(&args.predictor, state.as_deref(), &inputs)?;
    if args.json {
        shell.print(&format!("{}\n", as_sent(&prompt)));
    } else {
        shell.print(&format!("{}\n", prompt_text(&prompt).trim_end()));
    }
    Ok(())
}
