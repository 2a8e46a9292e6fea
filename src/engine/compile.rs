//! Searches that a command asks for: expressions over the items of a program.

use crate::engine::error::Error;
use crate::engine::program::{Finished, Program};
use crate::eval::Keep;
use crate::optimize::{self, Report};
use crate::runtime::{self, Val, Variables};
use std::path::Path;

/// What is to be improved.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The optimizer with its options, as an expression.
    pub optimizer: &'a str,
    /// The program, as an expression such as `Rag(k: 5)`.
    pub program: &'a str,
    /// The examples to learn from, as an expression.
    pub trainset: &'a str,
    /// The examples to choose by, as an expression.
    pub valset: Option<&'a str>,
    /// The examples for the last comparison, as an expression.
    pub testset: Option<&'a str>,
    /// Where finished runs are kept.
    pub keep: Option<&'a Keep>,
    /// The file that the state is written to.
    pub output: &'a Path,
}

/// A search that has ended.
#[derive(Debug)]
pub struct Searched {
    /// What stopped it, and what went wrong and did not.
    pub finished: Finished,
    /// What it did, where it came to an end.
    pub report: Option<Report>,
}

impl Wanted<'_> {
    fn data(&self) -> String {
        let more = [("valset", self.valset), ("testset", self.testset)];
        let more = more.into_iter().filter_map(|(name, it)| Some(format!(", {name}: {}", it?)));
        format!("trainset: {}{}", self.trainset, more.collect::<String>())
    }

    fn parts(&self) -> String {
        let Self { optimizer, program, trainset, .. } = self;
        let (valset, testset) = (self.valset.unwrap_or("()"), self.testset.unwrap_or("()"));
        format!("[{optimizer}, {program}, {trainset}, {valset}, {testset}]")
    }
}

impl Program {
    /// Improves a program, and writes the state that was found to a file.
    ///
    /// # Errors
    /// The expressions are not correct. What they raise is in the result.
    pub fn compile(&self, wanted: &Wanted<'_>) -> Result<Searched, Error> {
        // As a call it is checked: whether the metric takes what a metric is given.
        let call =
            format!("{}.compile({}, {});", wanted.optimizer, wanted.program, wanted.data());
        self.extended("<expression>", &call, &[])?;
        let extended = self.extended("<expression>", &wanted.parts(), &[])?;
        let script = extended.script();
        let mut report = None;
        let finished = extended.on_thread(&extended.new_run(), |run| {
            let Val::List(parts) = script.run_main(run, &Variables::default())? else {
                return Err(runtime::Error::value("the expressions give no values"));
            };
            script.with_context(run, |cx| {
                let (program, compiled) = optimize::compile_kept(cx, &parts, wanted.keep)?;
                program.save_state_at(run, wanted.output)?;
                report = Some(compiled.report);
                Ok(program.value().clone())
            })
        });
        Ok(Searched { finished, report })
    }
}
