//! Ablations that a command asks for: expressions over the items of a program.

use crate::engine::error::Error;
use crate::engine::program::{Finished, Program};
use crate::optimize::{self, Ablated, Wish};
use crate::runtime::{self, Val, Variables};

/// What is to be taken apart.
#[derive(Debug, Clone, Copy)]
pub struct Whole<'a> {
    /// The program with its state, as an expression.
    pub program: &'a str,
    /// The examples, as an expression.
    pub data: &'a str,
    /// The metric, as an expression.
    pub metric: &'a str,
    /// How.
    pub wish: Wish<'a>,
}

/// An ablation that has ended.
#[derive(Debug)]
pub struct Taken {
    /// What stopped it, and what went wrong and did not.
    pub finished: Finished,
    /// What came of it, where it came to an end.
    pub ablated: Option<Ablated>,
}

impl Program {
    /// Scores a program with each part of its state left out.
    ///
    /// # Errors
    /// The expressions are not correct. What they raise is in the result.
    pub fn ablate(&self, whole: &Whole<'_>) -> Result<Taken, Error> {
        let Whole { program, data, metric, wish } = whole;
        // As a call it is checked: whether the metric takes what a metric is given.
        let call = format!("evaluate({program}, {data}, metric: {metric});");
        self.extended("<expression>", &call, &[])?;
        let parts = format!("[{program}, {data}, {metric}]");
        let extended = self.extended("<expression>", &parts, &[])?;
        let script = extended.script();
        let mut ablated = None;
        let finished = extended.on_thread(&extended.new_run(), |run| {
            let Val::List(parts) = script.run_main(run, &Variables::default())? else {
                return Err(runtime::Error::value("the expressions give no values"));
            };
            script.with_context(run, |cx| {
                ablated = Some(optimize::ablate_asked(cx, &parts, wish)?);
                Ok(Val::Null)
            })
        });
        Ok(Taken { finished, ablated })
    }
}
