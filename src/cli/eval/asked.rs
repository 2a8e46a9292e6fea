//! What an evaluation was asked for, on the command line or in the file of an earlier one.

use crate::cli::args::{Eval, Lm};
use crate::cli::expression::text;
use crate::cli::record;
use crate::cli::shell::{Failure, Shell};
use crate::cli::task::{Flags, Task, needed};
use crate::engine::Ask;
use crate::eval::journal::Keep;
use crate::schema::{Record, Value};

/// What is evaluated, and how.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Asked {
    /// The program and the metric.
    pub(in crate::cli) task: Task,
    /// The path of the data.
    pub(in crate::cli) data: String,
}

impl Asked {
    /// What the flags say.
    pub(in crate::cli) fn of(shell: &Shell, args: &Eval) -> Result<Self, Failure> {
        let Eval { file, program, metric, state, lm, .. } = args;
        let task = Task::of(shell, &Flags { file, program, metric, state, lm })?;
        Ok(Self { task, data: shell.absolute(needed(&args.data, "data")?)? })
    }

    /// The program and the metric as an expression for workers. States come with runs, and rows
    /// too: in place of the data stand spaces, so that places in the metric are the same.
    pub(in crate::cli) fn for_workers(&self) -> String {
        let data = format!("load({})", text(&self.data));
        let (program, state) = (format!("({})", self.task.expression), self.task.program());
        let width = |text: &str| text.chars().count();
        let program = format!("{program}{}", " ".repeat(width(&state) - width(&program)));
        let blank = " ".repeat(width(&data).saturating_sub(2));
        format!("[{program}, (){blank}, ({})]", self.task.metric)
    }

    /// The same with the caps and threads that flags say anew.
    pub(in crate::cli) fn with_caps(&self, now: &Lm) -> Self {
        Self { task: self.task.with_caps(now), ..self.clone() }
    }

    /// The evaluation as expressions over the items of the script.
    pub(in crate::cli) fn evaluated<T>(
        &self,
        title: &str,
        keep: Option<&Keep>,
        evaluate: impl FnOnce(&Ask<'_>) -> T,
    ) -> T {
        let (program, metric) = (self.task.program(), format!("({})", self.task.metric));
        let data = format!("load({})", text(&self.data));
        evaluate(&Ask { program: &program, data: &data, metric: &metric, title, keep })
    }

    /// As the file of a run keeps it.
    pub(in crate::cli) fn record(&self) -> Record {
        let data = ("data", Some(Value::from(&*self.data)));
        record::record(self.task.parts().into_iter().chain([data]))
    }

    /// What the file of a run says; `None` where something is missing.
    pub(in crate::cli) fn read(record: &Record) -> Option<Self> {
        Some(Self { task: Task::read(record)?, data: record::text(record, "data")? })
    }
}
