//! What a search was asked for, on the command line or in the file of an earlier one.

use crate::cli::args::{Compile, Lm};
use crate::cli::expression::{optimizer, text};
use crate::cli::record;
use crate::cli::shell::{Failure, Shell};
use crate::cli::task::{Flags, Task, absolute, needed};
use crate::schema::{Record, Value};

/// What is improved, and how.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The program and the metric.
    pub(super) task: Task,
    /// The optimizer, as it was said.
    pub(super) optimizer: String,
    /// The path of the rows to learn from.
    trainset: String,
    /// The path of the rows to choose by.
    valset: Option<String>,
    /// The path of the rows for the last comparison.
    testset: Option<String>,
    /// Where the state goes.
    pub(super) output: String,
}

impl Asked {
    /// What the flags say.
    pub(super) fn of(shell: &Shell, args: &Compile) -> Result<Self, Failure> {
        let Compile { file, program, metric, state, lm, .. } = args;
        Ok(Self {
            task: Task::of(shell, &Flags { file, program, metric, state, lm })?,
            optimizer: needed(&args.optimizer, "with")?.clone(),
            trainset: shell.absolute(needed(&args.trainset, "trainset")?)?,
            valset: absolute(shell, &args.valset)?,
            testset: absolute(shell, &args.testset)?,
            output: match &args.output {
                None if args.plan => String::new(),
                path => shell.absolute(needed(path, "output")?)?,
            },
        })
    }

    /// The optimizer with what flags say, as an expression.
    pub(super) fn with(&self) -> String {
        let mut options = vec![("metric", format!("({})", self.task.metric))];
        let number = |name, value: Option<u64>| value.map(|it| (name, it.to_string()));
        options.extend(number("max_calls", self.task.lm.max_calls));
        options.extend(number("max_tokens", self.task.lm.max_tokens));
        options.extend(self.task.lm.max_usd.map(|it| ("max_usd", format!("{it:?}"))));
        options.extend(self.task.lm.max_seconds.map(|it| ("max_seconds", format!("{it:?}"))));
        options.extend(number("seed", self.task.lm.seed));
        optimizer(&self.optimizer, &options)
    }

    /// The program and the metric as an expression for workers; states come with runs.
    pub(super) fn for_workers(&self) -> String {
        format!("[({}), ({})]", self.task.expression, self.task.metric)
    }

    /// The rows to learn from, as an expression.
    pub(super) fn trainset(&self) -> String {
        format!("load({})", text(&self.trainset))
    }

    /// The rows to choose by, as an expression.
    pub(super) fn valset(&self) -> Option<String> {
        self.valset.as_ref().map(|it| format!("load({})", text(it)))
    }

    /// The rows for the last comparison, as an expression.
    pub(super) fn testset(&self) -> Option<String> {
        self.testset.as_ref().map(|it| format!("load({})", text(it)))
    }

    /// What the search would take, as an expression; `measure` runs are made to know it.
    pub(super) fn plan(&self, measure: usize) -> String {
        let more = [("valset", self.valset()), ("testset", self.testset())];
        let more = more.into_iter().filter_map(|(name, it)| Some(format!(", {name}: {}", it?)));
        format!(
            "{}.plan({}, trainset: {}{}, measure: {measure})",
            self.with(),
            self.task.program(),
            self.trainset(),
            more.collect::<String>()
        )
    }

    /// The same with the caps and threads that flags say anew.
    pub(super) fn with_caps(&self, now: &Lm) -> Self {
        Self { task: self.task.with_caps(now), ..self.clone() }
    }

    /// As the file of a run keeps it.
    pub(super) fn record(&self) -> Record {
        let said = |it: &str| Some(Value::from(it));
        let parts = [
            ("with", said(&self.optimizer)),
            ("trainset", said(&self.trainset)),
            ("valset", self.valset.as_deref().and_then(said)),
            ("testset", self.testset.as_deref().and_then(said)),
            ("output", said(&self.output)),
        ];
        record::record(self.task.parts().into_iter().chain(parts))
    }

    /// What the file of a run says; `None` where something is missing.
    pub(super) fn read(record: &Record) -> Option<Self> {
        let said = |name: &str| record::text(record, name);
        Some(Self {
            task: Task::read(record)?,
            optimizer: said("with")?,
            trainset: said("trainset")?,
            valset: said("valset"),
            testset: said("testset"),
            output: said("output")?,
        })
    }
}
