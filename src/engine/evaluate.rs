//! Evaluations that a command asks for: expressions over the items of a program.

use crate::engine::error::Error;
use crate::engine::program::{Finished, Program};
use crate::eval::{self, Keep};
use crate::runtime::{self, Val, Variables};
use crate::util::sha256_hex;

/// What is to be scored.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The program, as an expression such as `Rag(k: 5)`.
    pub program: &'a str,
    /// The examples, as an expression.
    pub data: &'a str,
    /// The metric, as an expression.
    pub metric: &'a str,
    /// Where finished rows are kept.
    pub keep: Option<&'a Keep>,
}

impl Program {
    /// Scores a program. The value of what is returned is an evaluation.
    ///
    /// # Errors
    /// The expressions are not correct. What they raise is in the result.
    pub fn evaluate(&self, ask: &Ask<'_>) -> Result<Finished, Error> {
        let Ask { program, data, metric, keep } = ask;
        // As a call it is checked: whether the metric takes what a metric is given.
        let call = format!("evaluate({program}, {data}, metric: {metric});");
        self.extended("<expression>", &call, &[])?;
        let parts = format!("[{program}, {data}, {metric}]");
        let extended = self.extended("<expression>", &parts, &[])?;
        let script = extended.script();
        Ok(extended.on_thread(&extended.new_run(), |run| {
            let Val::List(parts) = script.run_main(run, &Variables::default())? else {
                return Err(runtime::Error::value("the expressions give no values"));
            };
            script.with_context(run, |cx| eval::evaluate_kept(cx, &parts, *keep))
        }))
    }

    /// The hash of the texts that it was made from.
    pub fn hash(&self) -> String {
        let texts = self.sources().iter().map(|(_, source)| sha256_hex(source.text.as_bytes()));
        let all: String = texts.map(|hash| hash + "\n").collect();
        let mut hash = sha256_hex(all.as_bytes());
        hash.truncate(16);
        hash
    }
}
