//! Runs that are made again.

use crate::engine::{Ask, Error, Finished, Program};
use crate::runtime::{Session, Tape, codes};
use crate::trace::{Abilities, Made};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A program with a tape between it and its models.
#[derive(Debug)]
pub struct Taped {
    program: Program,
    tape: Arc<dyn Tape>,
}

impl Taped {
    /// Runs the statements outside its items.
    pub fn run(&self) -> Finished {
        self.looked_at(self.program.run())
    }

    /// Scores a program; see [`Program::evaluate`].
    ///
    /// # Errors
    /// As there.
    pub fn evaluate(&self, ask: &Ask<'_>) -> Result<Finished, Error> {
        Ok(self.looked_at(self.program.evaluate(ask)?))
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// An evaluation ends where a reply is missing, and the run may go on with what it has.
    fn looked_at(&self, mut finished: Finished) -> Finished {
        if let Some(why) = self.tape.missed() {
            finished.result = match finished.result {
                Err(error) if error.is(codes::UNRECORDED) => Err(error),
                _ => Err(self.program.tell(&why.into())),
            };
        }
        finished
    }
}

impl Program {
    /// The program with a tape between it and its models, and nothing spent yet.
    #[must_use]
    pub fn taped(&self, tape: Arc<dyn Tape>, dry: bool) -> Taped {
        let session = self.session();
        let env = Arc::new(session.env.taped(tape.clone()));
        let settings = crate::runtime::Settings { dry, ..session.settings.clone() };
        let session = Session::new(env, settings, session.cancel.clone(), session.base.clone());
        Taped { program: self.in_session(session), tape }
    }

    /// What the models can do that its runs asked.
    pub fn models_asked(&self) -> BTreeMap<String, Abilities> {
        self.session().asked()
    }

    /// What a trace says of a run of it.
    pub fn made(&self, command: &str, script: String) -> Made {
        Made {
            command: command.to_owned(),
            script,
            hash: self.hash(),
            lm: self.lm(),
            seed: self.seed(),
            models: self.models_asked(),
            ..Made::default()
        }
    }
}
