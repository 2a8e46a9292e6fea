//! Interactive sessions: entries that see what earlier ones defined.

use crate::engine::error::Error;
use crate::engine::program::{Finished, Program};
use crate::engine::{Check, Engine, check_text};
use crate::runtime::{Val, Variables};
use std::path::PathBuf;
use std::sync::Arc;

/// An interactive session.
#[derive(Debug)]
pub struct Session {
    program: Program,
    variables: Variables,
    n_entries: usize,
}

/// What an entry gave.
#[derive(Debug)]
pub struct Entered {
    /// The value of its last expression, what stopped it, and what happened.
    pub finished: Finished,
    /// The program as it is now, for drawing diagnostics.
    pub program: Program,
}

impl Session {
    pub(in crate::engine) fn new(engine: &Engine) -> Self {
        let empty: Check = check_text("<session>", "");
        let program = Program::new(engine, empty, PathBuf::new());
        let program = program.expect("the empty program is correct");
        Self { program, variables: Variables::default(), n_entries: 0 }
    }

    /// Begins with the items and the variables of a program that is loaded; its statements are
    /// not run.
    ///
    /// # Errors
    /// It is no correct program.
    pub fn load(&mut self, path: &str) -> Result<(), Error> {
        self.program = self.program.engine().load(path)?;
        Ok(())
    }

    /// Takes one entry: definitions, statements, expressions.
    ///
    /// # Errors
    /// It is not correct. What it raises is in the result.
    pub fn enter(&mut self, text: &str) -> Result<Entered, Error> {
        self.n_entries += 1;
        let name = format!("<{}>", self.n_entries);
        let program = self.program.extended(&name, text, &self.variables.names())?;
        let finished = program.run_with(&self.variables);
        self.program = program.clone();
        if let Ok(value) = &finished.result
            && !value.is_null()
        {
            self.variables.set("it", value.clone());
        }
        Ok(Entered { finished, program })
    }

    /// The names of its variables.
    pub fn variables(&self) -> Vec<Arc<str>> {
        self.variables.names()
    }

    /// The program as it is now.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Gives a variable a value.
    pub fn set(&self, name: &str, value: Val) {
        self.variables.set(name, value);
    }

    /// Asks another model from now on.
    pub fn use_lm(&mut self, name: &str) {
        self.program = self.program.with_lm(name);
    }
}
