//! What an evaluation was asked for, on the command line or in the file of an earlier one.

use crate::cli::args::{Eval, Lm};
use crate::cli::expression::text;
use crate::cli::log::Begun;
use crate::cli::shell::{Failure, Shell};
use crate::engine::Program;
use crate::schema::{Record, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// The working directory.
pub(super) fn here(shell: &Shell) -> Result<String, Failure> {
    shell.absolute(Path::new("."))
}

/// Where the evaluation of a record was begun.
pub(super) fn begun_in(command: &Record) -> Option<&str> {
    command.get("from")?.as_str()
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
            from: here(shell)?,
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
        let lm = Lm {
            lm: now.lm.clone().or_else(|| self.lm.lm.clone()),
            no_cache: now.no_cache || self.lm.no_cache,
            max_calls: now.max_calls.or(self.lm.max_calls),
            max_tokens: now.max_tokens.or(self.lm.max_tokens),
            max_usd: now.max_usd.or(self.lm.max_usd),
            max_seconds: now.max_seconds.or(self.lm.max_seconds),
            seed: now.seed.or(self.lm.seed),
            threads: now.threads.or(self.lm.threads),
        };
        Self { lm, ..self.clone() }
    }

    /// As the file of a run keeps it.
    pub(super) fn record(&self) -> Record {
        let text = |it: &str| Some(Value::from(it));
        let count = |it: Option<u64>| it.and_then(|it| i64::try_from(it).ok()).map(Value::Int);
        let file = std::path::absolute(&self.file).unwrap_or_else(|_| self.file.clone());
        let lm = &self.lm;
        let parts = [
            ("from", text(&self.from)),
            ("file", text(&file.to_string_lossy())),
            ("program", text(&self.expression)),
            ("metric", text(&self.metric)),
            ("data", text(&self.data)),
            ("state", self.state.as_deref().and_then(text)),
            ("lm", lm.lm.as_deref().and_then(text)),
            ("no_cache", lm.no_cache.then_some(Value::Bool(true))),
            ("max_calls", count(lm.max_calls)),
            ("max_tokens", count(lm.max_tokens)),
            ("max_usd", lm.max_usd.map(Value::Float)),
            ("max_seconds", lm.max_seconds.map(Value::Float)),
            ("seed", count(lm.seed)),
            ("threads", count(lm.threads.map(|it| it as u64))),
        ];
        let said = parts.into_iter().filter_map(|(name, it)| Some((Arc::from(name), it?)));
        said.collect()
    }

    /// What the file of a run says; `None` where something is missing.
    pub(super) fn read(record: &Record) -> Option<Self> {
        let text = |name: &str| Some(record.get(name)?.as_str()?.to_owned());
        let count = |name: &str| match record.get(name) {
            Some(Value::Int(it)) => u64::try_from(*it).ok(),
            _ => None,
        };
        let number = |name: &str| match record.get(name) {
            Some(Value::Float(it)) => Some(*it),
            _ => None,
        };
        Some(Self {
            from: text("from")?,
            file: text("file")?.into(),
            expression: text("program")?,
            metric: text("metric")?,
            data: text("data")?,
            state: text("state"),
            lm: Lm {
                lm: text("lm"),
                no_cache: record.contains_key("no_cache"),
                max_calls: count("max_calls"),
                max_tokens: count("max_tokens"),
                max_usd: number("max_usd"),
                max_seconds: number("max_seconds"),
                seed: count("seed"),
                threads: count("threads").and_then(|it| usize::try_from(it).ok()),
            },
        })
    }
}
