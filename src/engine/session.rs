//! Interactive sessions: entries that see what earlier ones defined.
//!
//! An entry that is not correct changes nothing; one that fails while it runs leaves its
//! definitions and the variables that it had set. Entries share one trace, so that a reply of
//! an earlier one still has its history.

use crate::diag::Diagnostic;
use crate::engine::error::Error;
use crate::engine::program::{Finished, Program};
use crate::engine::{Check, Engine, check_text};
use crate::lm::Cancel;
use crate::runtime::{Counts, Fork, Replay, Run, Standing, Val, Variables, codes};
use crate::trace::{Totals, Trace};
use crate::util::lock;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// The variable that holds the last value.
const LAST: &str = "it";
/// The variable that holds what that was before a fork.
const EARLIER: &str = "was";

/// An interactive session.
#[derive(Debug)]
pub struct Session {
    program: Program,
    variables: Arc<Variables>,
    n_entries: usize,
    /// The model that was asked for in the session.
    lm: Option<String>,
    /// The adapter that was asked for.
    adapter: Option<String>,
    /// The run of the entry before.
    before: Option<Arc<Run>>,
    /// The last entry that called anything, to be run again.
    last: Option<Last>,
    interrupt: Interrupt,
}

/// The last entry that called anything.
#[derive(Debug, Clone)]
struct Last {
    program: Program,
    /// The variables as they were before it.
    variables: Arc<Variables>,
    /// Where its calls began to be counted.
    counts: Counts,
    /// What was changed in it since.
    changed: Vec<Standing>,
}

/// What an entry gave.
#[derive(Debug)]
pub struct Entered {
    /// The value of its last expression, what stopped it, and what happened.
    pub finished: Finished,
    /// The program as it is now, for drawing diagnostics.
    pub program: Program,
    /// What it took, evaluations included.
    pub spent: Totals,
}

/// Ends the entry under way, from any thread, and not the session.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    current: Arc<Mutex<Cancel>>,
}

impl Interrupt {
    /// Ends the entry under way; where there is none, nothing.
    pub fn interrupt(&self) {
        lock(&self.current).cancel();
    }

    /// The flag of the next entry.
    fn next(&self, engine: &Cancel) -> Cancel {
        let next = engine.part();
        *lock(&self.current) = next.clone();
        next
    }
}

impl Session {
    pub(in crate::engine) fn new(engine: &Engine) -> Self {
        let empty: Check = check_text("<session>", "");
        let program = Program::new(engine, empty, PathBuf::new());
        let program = program.expect("the empty program is correct");
        Self {
            program,
            variables: Arc::default(),
            n_entries: 0,
            lm: None,
            adapter: None,
            before: None,
            last: None,
            interrupt: Interrupt::default(),
        }
    }

    /// Begins again with the items of a program; its statements are not run. What was spent
    /// counts on, and the model that was asked for stays.
    ///
    /// # Errors
    /// It is no correct program. The session is as it was then.
    pub fn load(&mut self, path: &str) -> Result<(), Error> {
        let mut program = self.program.engine().load(path)?.after(&self.program);
        if let Some(lm) = &self.lm {
            program = program.with_lm(lm)?;
        }
        if let Some(adapter) = &self.adapter {
            program = program.with_adapter(adapter)?;
        }
        (self.program, self.variables, self.before) = (program, Arc::default(), None);
        self.last = None;
        Ok(())
    }

    /// Takes one entry: definitions, statements, expressions.
    ///
    /// # Errors
    /// It is not correct; the session is as it was. What it raises is in the result.
    pub fn enter(&mut self, text: &str) -> Result<Entered, Error> {
        let program = self.extended(text)?;
        let spent_before = program.spent();
        let cancel = self.interrupt.next(&program.engine().shared.cancel);
        let counts = self.before.as_ref().map(|it| it.counts()).unwrap_or_default();
        let variables = Arc::new(self.variables.copy());
        let last = Last { program: program.clone(), variables, counts, changed: Vec::new() };
        let (finished, run) = program.enter(&self.variables, self.before.as_ref(), cancel);
        (self.program, self.before) = (program.clone(), Some(run));
        if !finished.trace.nodes.is_empty() {
            self.last = Some(last);
        }
        self.note_value(&finished);
        let spent = program.spent().since(spent_before);
        Ok(Entered { finished, program, spent })
    }

    fn note_value(&self, finished: &Finished) {
        if let Ok(value) = &finished.result
            && !value.is_null()
        {
            self.variables.set(LAST, value.clone());
        }
    }

    /// Runs the last entry that called anything again with one call of its trace changed: what does not depend on that
    /// is answered from the trace. Variables stay as they are, but for the last value, which is
    /// that of the branch, and the one before it.
    ///
    /// # Errors
    /// Nothing was run yet. What the branch raises is in the result.
    pub fn fork(&mut self, trace: &Arc<Trace>, fork: Fork) -> Result<Entered, Error> {
        let (Some(last), Some(before)) = (&self.last, &self.before) else {
            let message = "there is no entry to run again";
            return Err(Error::bare(Diagnostic::bare(codes::VALUE, message)));
        };
        let standing = last.changed.iter().rev().filter_map(|it| it.in_trace(trace)).collect();
        let change = fork.standing(trace);
        let replay = Replay::forked(trace.clone(), fork, |_| {}).with(standing);
        let (program, spent_before) = (last.program.clone(), last.program.spent());
        let cancel = self.interrupt.next(&program.engine().shared.cancel);
        before.count_from(&last.counts);
        let variables = last.variables.copy();
        let taped = program.behind(Arc::new(replay));
        let (finished, run) = taped.enter(&variables, Some(before), cancel);
        self.before = Some(run);
        if let (Ok(_), Some(last)) = (&finished.result, &mut self.last) {
            last.changed.extend(change);
        }
        let earlier = self.variables.get(LAST);
        if let Some(earlier) = earlier.filter(|_| finished.result.is_ok()) {
            self.variables.set(EARLIER, earlier);
        }
        self.note_value(&finished);
        let spent = program.spent().since(spent_before);
        Ok(Entered { finished, program, spent })
    }

    /// What an entry would send, without sending it: the trace of a run that ends with the
    /// first request that the store cannot answer. The session stays as it is.
    ///
    /// # Errors
    /// It is not correct, or raises before it asks a model.
    pub fn dry_run(&mut self, text: &str) -> Result<Trace, Error> {
        let finished = self.extended(text)?.run_dry(&self.variables.copy());
        let asked = finished.trace.nodes.iter().any(|node| node.call.is_some());
        match finished.result {
            Err(error) if !asked => Err(error),
            _ => Ok(finished.trace),
        }
    }

    fn extended(&mut self, text: &str) -> Result<Program, Error> {
        self.n_entries += 1;
        let name = format!("<{}>", self.n_entries);
        self.program.extended(&name, text, &self.variables.names())
    }

    /// What ends the entry under way.
    pub fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }

    /// The names of its variables, the last value's among them.
    pub fn variables(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = Vec::new();
        for name in self.variables.names() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Its variables, as they are now and will be.
    #[cfg(feature = "cli")]
    pub(crate) fn values(&self) -> Arc<Variables> {
        self.variables.clone()
    }

    /// The program as it is now.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Gives a variable a value.
    pub fn set(&self, name: &str, value: Val) {
        self.variables.set(name, value);
    }

    /// Asks another model from now on. Consts are computed anew.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn use_lm(&mut self, name: &str) -> Result<(), Error> {
        self.program = self.program.with_lm(name)?;
        self.lm = Some(name.to_owned());
        Ok(())
    }

    /// Lays prompts out in another way from now on, where predictors name none.
    ///
    /// # Errors
    /// There is no adapter of that name.
    pub fn use_adapter(&mut self, name: &str) -> Result<(), Error> {
        self.program = self.program.with_adapter(name)?;
        self.adapter = Some(name.to_owned());
        Ok(())
    }

    /// The adapter of predictors that name none.
    pub fn adapter(&self) -> &str {
        self.program.adapter()
    }

    /// The name of the model that predictors ask when they name none.
    pub fn lm(&self) -> Option<String> {
        self.program.lm()
    }
}
