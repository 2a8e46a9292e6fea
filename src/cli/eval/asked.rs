//! What an evaluation was asked for, on the command line or in the file of an earlier one.

use crate::cli::args::{Eval, Lm};
use crate::cli::expression::text;
use crate::cli::log::Begun;
use crate::cli::record;
use crate::cli::resume;
use crate::cli::shell::{Failure, Shell};
use crate::engine::Program;
use crate::schema::{Record, Value};
use std::path::{Path, PathBuf};

/// What is evaluated, and how.
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
    /// The path of the data.
    pub(super) data: String,
    /// The path of the program's state.
    state: Option<String>,
    /// Models and caps.
    pub(super) lm: Lm,
}

impl Asked {
    /// What the flags say; clap has seen to it that all are there.
    pub(super) fn of(shell: &Shell, args: &Eval) -> Result<Self, Failure> {
        let needed = |it: &Option<String>, what: &str| {
            it.clone().ok_or_else(|| Failure::usage(format!("`--{what}` is missing")))
        };
        let (file, data) = (args.file.as_ref(), args.data.as_ref());
        let file = file.ok_or_else(|| Failure::usage("no script is named"))?;
        let data = data.ok_or_else(|| Failure::usage("`--data` is missing"))?;
        Ok(Self {
            from: resume::here(shell)?,
            file: file.clone(),
            expression: needed(&args.program, "program")?,
            metric: needed(&args.metric, "metric")?,
            data: shell.absolute(data)?,
            state: args.state.as_ref().map(|it| shell.absolute(it)).transpose()?,
            lm: args.lm.clone(),
        })
    }

    /// Whether the script came from standard input, where it cannot be read again.
    pub(super) fn is_from_stdin(&self) -> bool {
        self.file == Path::new("-")
    }

    /// As the log knows it.
    pub(super) fn begun(&self, program: &Program) -> Begun {
        Begun {
            hash: program.hash(),
            program: Some(self.expression.clone()),
            metric: Some(self.metric.clone()),
            state_file: self.state.clone(),
        }
    }

    /// The program with its state, as an expression.
    pub(super) fn program(&self) -> String {
        let program = format!("({})", self.expression);
        match &self.state {
            Some(state) => format!("{program}.with_state({})", text(state)),
            None => program,
        }
    }

    /// The program and the metric as an expression for workers. States come with runs, and rows
    /// too: in place of the data stand spaces, so that places in the metric are the same.
    pub(super) fn for_workers(&self) -> String {
        let data = format!("load({})", text(&self.data));
        let (program, state) = (format!("({})", self.expression), self.program());
        let width = |text: &str| text.chars().count();
        let program = format!("{program}{}", " ".repeat(width(&state) - width(&program)));
        let blank = " ".repeat(width(&data).saturating_sub(2));
        format!("[{program}, (){blank}, ({})]", self.metric)
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
            ("data", text(&self.data)),
            ("state", self.state.as_deref().and_then(text)),
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
            data: text("data")?,
            state: text("state"),
            lm: Lm::of(record),
        })
    }
}
