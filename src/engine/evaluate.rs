//! Evaluations that a command asks for: expressions over the items of a program.

use crate::engine::error::Error;
use crate::engine::program::{Finished, Program};
use crate::eval::{self, Keep, ProgramEvaluator};
use crate::runtime::{self, Val, Variables};
use crate::util::sha256_hex;
use std::collections::BTreeMap;

/// What is to be scored.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The program, as an expression such as `Rag(k: 5)`.
    pub program: &'a str,
    /// The examples, as an expression.
    pub data: &'a str,
    /// The metric, as an expression.
    pub metric: &'a str,
    /// What was asked for, for people.
    pub title: &'a str,
    /// Where finished rows are kept.
    pub keep: Option<&'a Keep>,
}

impl Program {
    /// Scores a program. The value of what is returned is an evaluation.
    ///
    /// # Errors
    /// The expressions are not correct. What they raise is in the result.
    pub fn evaluate(&self, ask: &Ask<'_>) -> Result<Finished, Error> {
        let Ask { program, data, metric, title, keep } = ask;
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
            script.with_context(run, |cx| eval::evaluate_kept(cx, &parts, title, *keep))
        }))
    }

    /// Who makes runs of what an expression gives: a list, the program first, the metric last.
    ///
    /// # Errors
    /// The expression is not correct, raises, or gives something else.
    pub fn evaluator(&self, expression: &str) -> Result<ProgramEvaluator, Error> {
        let extended = self.extended("<expression>", expression, &[])?;
        let script = extended.script();
        let mut made = None;
        let finished = extended.on_thread(&extended.new_run(), |run| {
            let none =
                || runtime::Error::value("the expression gives no program and no metric");
            let Val::List(parts) = script.run_main(run, &Variables::default())? else {
                return Err(none());
            };
            let (program, metric) = parts.first().zip(parts.last()).ok_or_else(none)?;
            let program = runtime::Program::from_val("program", program)?;
            made = Some(ProgramEvaluator::new(run, program, Some(metric.clone())));
            Ok(Val::Null)
        });
        finished.result?;
        Ok(made.expect("work that did not fail has made it"))
    }

    /// What models of these names are here, as hashes; those that cannot be opened are left out.
    pub fn model_hashes<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
    ) -> BTreeMap<String, String> {
        let hash = |name: &str| Some(eval::model_hash(&self.session().named_lm(name).ok()?));
        names.filter_map(|name| Some((name.to_owned(), hash(name)?))).collect()
    }

    /// The seed of everything random.
    pub fn seed(&self) -> u64 {
        self.session().settings.seed
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
