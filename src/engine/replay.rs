//! Runs that are made again.

use crate::engine::{Finished, Program};
use crate::runtime::{Env, Run, Session, Tape, Variables, codes};
use crate::trace::{Abilities, Made};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Program {
    /// Runs the statements outside its items with a tape between it and its models.
    pub fn run_taped(&self, tape: Arc<dyn Tape>, dry: bool) -> Finished {
        let session = self.session();
        let Env { host, bindings, store, open_lm, open_embedder, .. } = &*session.env;
        let env = Arc::new(Env {
            host: host.clone(),
            bindings: bindings.clone(),
            store: store.clone(),
            open_lm: open_lm.clone(),
            open_embedder: open_embedder.clone(),
            tape: Some(tape.clone()),
        });
        let settings = session.settings.clone();
        let settings = crate::runtime::Settings { dry, ..settings };
        let session = Session::new(env, settings, session.cancel.clone(), session.base.clone());
        let run = Run::new(Arc::new(session), self.script().clone());
        let script = self.script().clone();
        let mut finished =
            self.on_thread(&run, |run| script.run_main(run, &Variables::default()));
        // An evaluation ends where a reply is missing, and the run may go on with what it has.
        if let Some(why) = tape.missed() {
            finished.result = match finished.result {
                Err(error) if error.is(codes::UNRECORDED) => Err(error),
                _ => Err(self.tell(&why.into())),
            };
        }
        finished
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
