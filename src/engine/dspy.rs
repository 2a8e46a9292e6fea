//! States that go from DSPy to a program of ours, and back.

use crate::adapt::read_loose;
use crate::diag::Diagnostic;
use crate::engine::error::Error;
use crate::engine::program::Program;
use crate::engine::read_file;
use crate::program::{Exported, Fitted, Like, State, pickled};
use crate::runtime;
use std::path::Path;

/// A state that was read from a file of DSPy's.
#[derive(Debug)]
pub struct Imported {
    /// The state.
    pub state: State,
    /// What was left out, and what was read with liberties.
    pub warnings: Vec<Diagnostic>,
    /// Predictors that the file says nothing of.
    pub untold: Vec<String>,
}

impl Program {
    /// Reads a state that DSPy saved, for the program that an expression gives.
    ///
    /// # Errors
    /// The expression is not correct or gives no program; the file is none that DSPy saved, or
    /// one of another program.
    pub fn import_dspy(&self, program: &str, path: &Path) -> Result<Imported, Error> {
        let host = &*self.engine().shared.env.host;
        if let Some(pickled) = pickled(host, path) {
            return Err(Error::bare(pickled));
        }
        let text = read_file(host, path)?;
        let program = self.expressed(program)?;
        let signatures = program.signatures();
        let name = path.display().to_string();
        let fitted = State::from_dspy(&text, &name, &signatures, read_loose);
        let Fitted { mut state, warnings } =
            fitted.map_err(|all| Error::new(self.sources().clone(), all))?;
        state.stamp(&signatures);
        let is_told = |path: &String| state.predictors.contains_key(path);
        let untold = signatures.keys().filter(|it| !is_told(it)).cloned().collect();
        Ok(Imported { state, warnings, untold })
    }

    /// Writes a state of ours as DSPy loads it, for the program that an expression gives. Where
    /// there is a file that DSPy saved of it, paths and what is no predictor are as there.
    ///
    /// # Errors
    /// The expression is not correct or gives no program; the file is no state of it.
    pub fn export_dspy(
        &self,
        program: &str,
        path: &Path,
        like: Option<&Path>,
    ) -> Result<Exported, Error> {
        let host = &*self.engine().shared.env.host;
        let text = read_file(host, path)?;
        let program = self.expressed(program)?;
        let signatures = program.signatures();
        let fitted = State::open(&text, &path.display().to_string(), &signatures, read_loose);
        let Fitted { state, warnings } =
            fitted.map_err(|all| Error::new(self.sources().clone(), all))?;
        let like = match like {
            Some(path) => {
                let text = read_file(host, path)?;
                let like = Like::of(&text, &path.display().to_string(), &signatures);
                like.map_err(|it| Error::bare(*it))?
            }
            None => Like::default(),
        };
        let mut exported = state.to_dspy(&signatures, |path| program.reasons(path), &like);
        exported.warnings.splice(0..0, warnings);
        Ok(exported)
    }

    /// The program that an expression gives; it has predictors that a state can speak of.
    fn expressed(&self, expression: &str) -> Result<runtime::Program, Error> {
        let extended = self.extended("<expression>", expression, &[])?;
        let value = extended.run().result?;
        let program = runtime::Program::from_val("program", &value);
        let program = program.map_err(|it| extended.tell(&it))?;
        if program.signatures().is_empty() {
            let error = runtime::Error::value("the program has no predictors that can be seen")
                .hint("name a predictor or an instance of a module, such as `Rag()`");
            return Err(extended.tell(&error));
        }
        Ok(program)
    }
}
