//! What an evaluation and a search are both asked for, on the command line or in the file of an
//! earlier one.

use super::args::Lm;
use super::expression::text;
use super::log::Begun;
use super::record::{self, Part};
use super::resume;
use super::shell::{Failure, Shell};
use crate::engine::Program;
use crate::eval::journal::{self, Keep};
use crate::schema::{Record, Value};
use crate::util::sha256_hex;
use std::path::{Path, PathBuf};

/// A program of a script, a metric, and with what the program is run.
#[derive(Debug, Clone)]
pub(super) struct Task {
    /// Where it was begun.
    from: String,
    /// The script.
    pub(super) file: PathBuf,
    /// The program.
    pub(super) expression: String,
    /// The metric.
    pub(super) metric: String,
    /// The path of the state to start from.
    pub(super) state: Option<String>,
    /// Models and caps.
    pub(super) lm: Lm,
}

/// The flags that say it; clap has seen to it that those are there that are needed.
#[derive(Debug)]
pub(super) struct Flags<'a> {
    pub(super) file: &'a Option<PathBuf>,
    pub(super) program: &'a Option<String>,
    pub(super) metric: &'a Option<String>,
    pub(super) state: &'a Option<PathBuf>,
    pub(super) lm: &'a Lm,
}

/// What a flag says.
pub(super) fn needed<'a, T>(it: &'a Option<T>, flag: &str) -> Result<&'a T, Failure> {
    it.as_ref().ok_or_else(|| Failure::usage(format!("`--{flag}` is missing")))
}

/// A path, absolute, where there is one.
pub(super) fn absolute(
    shell: &Shell,
    path: &Option<PathBuf>,
) -> Result<Option<String>, Failure> {
    path.as_ref().map(|it| shell.absolute(it)).transpose()
}

impl Task {
    /// What the flags say.
    pub(super) fn of(shell: &Shell, flags: &Flags<'_>) -> Result<Self, Failure> {
        let file = flags.file.as_ref().ok_or_else(|| Failure::usage("no script is named"))?;
        Ok(Self {
            from: resume::here(shell)?,
            file: file.clone(),
            expression: needed(flags.program, "program")?.clone(),
            metric: needed(flags.metric, "metric")?.clone(),
            state: absolute(shell, flags.state)?,
            lm: flags.lm.clone(),
        })
    }

    /// The program with its state, as an expression.
    pub(super) fn program(&self) -> String {
        let program = format!("({})", self.expression);
        match &self.state {
            Some(state) => format!("{program}.with_state({})", text(state)),
            None => program,
        }
    }

    /// As the log knows it.
    pub(super) fn begun(&self, program: &Program, state_file: Option<String>) -> Begun {
        Begun {
            hash: program.hash(),
            program: Some(self.expression.clone()),
            metric: Some(self.metric.clone()),
            state_file,
            trace_file: None,
        }
    }

    /// How finished runs are kept: nowhere where the script came from standard input and cannot
    /// be read again.
    pub(super) fn keep(
        &self,
        shell: &Shell,
        folder: Option<&Path>,
        resumed: Option<&String>,
        program: &Program,
        command: Record,
    ) -> Option<Keep> {
        let folder = folder.filter(|_| self.file != Path::new("-"))?;
        let new = || journal::new_id(&*shell.host, &program.hash());
        Some(Keep {
            folder: folder.to_owned(),
            id: resumed.cloned().unwrap_or_else(new),
            resume: resumed.is_some(),
            program: program.hash(),
            metric: sha256_hex(self.metric.as_bytes())[..16].to_owned(),
            command,
        })
    }

    /// The same with the caps and threads that flags say anew.
    pub(super) fn with_caps(&self, now: &Lm) -> Self {
        Self { lm: self.lm.with(now), ..self.clone() }
    }

    /// As the file of a run keeps it.
    pub(super) fn parts(&self) -> Vec<Part> {
        let said = |it: &str| Some(Value::from(it));
        let file = std::path::absolute(&self.file).unwrap_or_else(|_| self.file.clone());
        let mut parts = vec![
            ("from", said(&self.from)),
            ("file", said(&file.to_string_lossy())),
            ("program", said(&self.expression)),
            ("metric", said(&self.metric)),
            ("state", self.state.as_deref().and_then(said)),
        ];
        parts.extend(self.lm.parts());
        parts
    }

    /// What the file of a run says; `None` where something is missing.
    pub(super) fn read(record: &Record) -> Option<Self> {
        let said = |name: &str| record::text(record, name);
        Some(Self {
            from: said("from")?,
            file: said("file")?.into(),
            expression: said("program")?,
            metric: said("metric")?,
            state: said("state"),
            lm: Lm::of(record),
        })
    }
}
