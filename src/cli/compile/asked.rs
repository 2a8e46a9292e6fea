//! What a search was asked for, on the command line or in the file of an earlier one.

use crate::cli::args::{Compile, Lm};
use crate::cli::expression::{optimizer, text};
use crate::cli::log::Begun;
use crate::cli::record;
use crate::cli::resume;
use crate::cli::shell::{Failure, Shell};
use crate::engine::Program;
use crate::schema::{Record, Value};
use std::path::{Path, PathBuf};

/// What is improved, and how.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Where it was begun.
    from: String,
    /// The script.
    pub(super) file: PathBuf,
    /// The program.
    pub(super) expression: String,
    /// The metric.
    pub(super) metric: String,
    /// The optimizer, as it was said.
    pub(super) optimizer: String,
    /// The path of the rows to learn from.
    trainset: String,
    /// The path of the rows to choose by.
    valset: Option<String>,
    /// The path of the rows for the last comparison.
    testset: Option<String>,
    /// The path of the state to start from.
    state: Option<String>,
    /// Where the state goes.
    pub(super) output: String,
    /// Models and caps.
    pub(super) lm: Lm,
}

impl Asked {
    /// What the flags say; clap has seen to it that all are there.
    pub(super) fn of(shell: &Shell, args: &Compile) -> Result<Self, Failure> {
        fn needed<'a, T>(it: Option<&'a T>, what: &str) -> Result<&'a T, Failure> {
            it.ok_or_else(|| Failure::usage(format!("`--{what}` is missing")))
        }
        let absolute = |it: &Option<PathBuf>| -> Result<Option<String>, Failure> {
            it.as_ref().map(|it| shell.absolute(it)).transpose()
        };
        let file = args.file.as_ref().ok_or_else(|| Failure::usage("no script is named"))?;
        Ok(Self {
            from: resume::here(shell)?,
            file: file.clone(),
            expression: needed(args.program.as_ref(), "program")?.clone(),
            metric: needed(args.metric.as_ref(), "metric")?.clone(),
            optimizer: needed(args.optimizer.as_ref(), "with")?.clone(),
            trainset: shell.absolute(needed(args.trainset.as_ref(), "trainset")?)?,
            valset: absolute(&args.valset)?,
            testset: absolute(&args.testset)?,
            state: absolute(&args.state)?,
            output: match &args.output {
                None if args.plan => String::new(),
                path => shell.absolute(needed(path.as_ref(), "output")?)?,
            },
            lm: args.lm.clone(),
        })
    }

    /// Whether the script came from standard input, where it cannot be read again.
    pub(super) fn is_from_stdin(&self) -> bool {
        self.file == Path::new("-")
    }

    /// The program with its state, as an expression.
    pub(super) fn program(&self) -> String {
        let program = format!("({})", self.expression);
        match &self.state {
            Some(state) => format!("{program}.with_state({})", text(state)),
            None => program,
        }
    }

    /// The optimizer with what flags say, as an expression.
    pub(super) fn with(&self) -> String {
        let mut options = vec![("metric", format!("({})", self.metric))];
        let number = |name, value: Option<u64>| value.map(|it| (name, it.to_string()));
        options.extend(number("max_calls", self.lm.max_calls));
        options.extend(number("max_tokens", self.lm.max_tokens));
        options.extend(self.lm.max_usd.map(|it| ("max_usd", format!("{it:?}"))));
        options.extend(self.lm.max_seconds.map(|it| ("max_seconds", format!("{it:?}"))));
        options.extend(number("seed", self.lm.seed));
        optimizer(&self.optimizer, &options)
    }

    /// As the log knows it.
    pub(super) fn begun(&self, program: &Program) -> Begun {
        Begun {
            hash: program.hash(),
            program: Some(self.expression.clone()),
            metric: Some(self.metric.clone()),
            state_file: Some(self.output.clone()),
        }
    }

    /// The program and the metric as an expression for workers; states come with runs.
    pub(super) fn for_workers(&self) -> String {
        format!("[({}), ({})]", self.expression, self.metric)
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
            self.program(),
            self.trainset(),
            more.collect::<String>()
        )
    }

    /// The same with the caps and threads that flags say anew.
    pub(super) fn with_caps(&self, now: &Lm) -> Self {
        Self { lm: self.lm.with(now), ..self.clone() }
    }

    /// As the file of a run keeps it.
    pub(super) fn record(&self) -> Record {
        let text = |it: &str| Some(Value::from(it));
        let file = std::path::absolute(&self.file).unwrap_or_else(|_| self.file.clone());
        let parts = [
            ("from", text(&self.from)),
            ("file", text(&file.to_string_lossy())),
            ("program", text(&self.expression)),
            ("metric", text(&self.metric)),
            ("with", text(&self.optimizer)),
            ("trainset", text(&self.trainset)),
            ("valset", self.valset.as_deref().and_then(text)),
            ("testset", self.testset.as_deref().and_then(text)),
            ("state", self.state.as_deref().and_then(text)),
            ("output", text(&self.output)),
        ];
        record::record(parts.into_iter().chain(self.lm.parts()))
    }

    /// What the file of a run says; `None` where something is missing.
    pub(super) fn read(record: &Record) -> Option<Self> {
        let text = |name: &str| record::text(record, name);
        Some(Self {
            from: text("from")?,
            file: text("file")?.into(),
            expression: text("program")?,
            metric: text("metric")?,
            optimizer: text("with")?,
            trainset: text("trainset")?,
            valset: text("valset"),
            testset: text("testset"),
            state: text("state"),
            output: text("output")?,
            lm: Lm::of(record),
        })
    }
}
