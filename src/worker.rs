//! `dsp worker`: makes the runs that a coordinator asks for, over standard streams.
//!
//! [`serve`] reads frames ([`crate::via::frame`]) until there are no more, makes runs side by side
//! and answers in any order. The program comes in the first frame; files of the project are asked
//! for when the program reads them ([`host`]). Nothing is written to files, what scripts print
//! goes to standard error, and standard output holds frames only.

mod host;
mod load;
mod run;

pub use load::Around;

use crate::eval::ProgramEvaluator;
use crate::program::State;
use crate::util::lock;
use crate::via::frame::{self, Order, VERSION, Word};
use crate::via::{Answer, Need};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a worker says that it is there.
const PULSE: Duration = Duration::from_secs(5);

/// Makes runs until no more frames come, and those under way have ended.
///
/// # Errors
/// What was said that no worker understands, in one line.
pub fn serve(
    mut input: impl BufRead,
    output: Box<dyn Write + Send>,
    around: &Around,
) -> Result<(), String> {
    let desk = Arc::new(Desk::new(output));
    desk.say(&Word::Hello { v: VERSION, version: env!("CARGO_PKG_VERSION").to_owned() });
    let pulse = desk.clone();
    start(move || pulse.beat())?;
    let served = take_orders(&mut input, &desk, around);
    match &served {
        Ok(()) => desk.wait_for_runs(),
        Err(message) => desk.say(&Word::Failed { message: message.clone() }),
    }
    desk.close();
    served
}

fn take_orders(
    input: &mut impl BufRead,
    desk: &Arc<Desk>,
    around: &Around,
) -> Result<(), String> {
    while let Some(order) = frame::read::<Order>(input).map_err(|it| it.message)? {
        match order {
            Order::Program(bundle) => {
                if lock(&desk.state).begun {
                    return Err("a worker is given one program".to_owned());
                }
                lock(&desk.state).begun = true;
                let (desk, around) = (desk.clone(), around.clone());
                // It asks for files meanwhile, so somebody has to read the answers.
                start(move || load::load(&desk, &around, bundle))?;
            }
            Order::State { hash, text } => {
                let state =
                    State::from_text(&text, "state").map_err(|it| it.message.clone())?;
                lock(&desk.state).states.insert(hash, Arc::new(state));
            }
            Order::File { need, answer } => {
                lock(&desk.state).answers.insert(need, answer);
                desk.changed.notify_all();
            }
            Order::Run(run) => {
                let state = lock(&desk.state).states.get(&run.state).cloned();
                let state = state
                    .ok_or_else(|| format!("run {} is of a state that was not sent", run.id))?;
                if !lock(&desk.state).begun {
                    return Err(format!("run {} comes before the program", run.id));
                }
                lock(&desk.state).under_way += 1;
                let working = Working(desk.clone());
                start(move || run::make(&working.0, run, state))?;
            }
        }
        if lock(&desk.state).closed {
            break;
        }
    }
    Ok(())
}

/// A run under way, until it is dropped.
struct Working(Arc<Desk>);

impl Drop for Working {
    fn drop(&mut self) {
        lock(&self.0.state).under_way -= 1;
        self.0.changed.notify_all();
    }
}

/// What the threads of a worker share.
pub(in crate::worker) struct Desk {
    output: Mutex<Box<dyn Write + Send>>,
    state: Mutex<Desktop>,
    changed: Condvar,
}

#[derive(Default)]
struct Desktop {
    /// The program is known, or being loaded.
    begun: bool,
    /// The program, or that it was refused.
    program: Option<Result<Arc<ProgramEvaluator>, String>>,
    states: BTreeMap<String, Arc<State>>,
    answers: BTreeMap<Need, Answer>,
    /// Runs under way.
    under_way: usize,
    /// Nobody reads or says anything any more.
    closed: bool,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    fn new(output: Box<dyn Write + Send>) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self { output: Mutex::new(output), state, changed }
    }

    /// Writes a frame. Where nobody reads any more the worker has nothing left to do.
    pub(in crate::worker) fn say(&self, word: &Word) {
        let written = frame::write(&mut *lock(&self.output), word);
        if written.is_err() {
            self.close();
        }
    }

    /// Writes a frame that may be too long; says whether it was written.
    pub(in crate::worker) fn try_say(&self, word: &Word) -> Result<(), String> {
        let written = frame::write(&mut *lock(&self.output), word);
        match written {
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Err(error.to_string())
            }
            Err(_) => {
                self.close();
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_all();
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, Desktop>,
        time: Duration,
    ) -> MutexGuard<'a, Desktop> {
        let waited = self.changed.wait_timeout(state, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Says now and then that somebody is there.
    fn beat(&self) {
        loop {
            let state = lock(&self.state);
            let waited = self.changed.wait_timeout_while(state, PULSE, |it| !it.closed);
            if waited.unwrap_or_else(PoisonError::into_inner).0.closed {
                return;
            }
            self.say(&Word::Alive);
        }
    }

    /// What the coordinator says of a file; it is asked once.
    pub(in crate::worker) fn ask(&self, need: &Need) -> Answer {
        if let Some(answer) = lock(&self.state).answers.get(need) {
            return answer.clone();
        }
        self.say(&Word::Need(need.clone()));
        let mut state = lock(&self.state);
        loop {
            if let Some(answer) = state.answers.get(need) {
                return answer.clone();
            }
            if state.closed {
                return Answer::Refused("nobody answers any more".to_owned());
            }
            state = self.wait(state, PULSE);
        }
    }

    /// Puts the answer to what need not be asked.
    pub(in crate::worker) fn know(&self, need: Need, answer: Answer) {
        lock(&self.state).answers.insert(need, answer);
    }

    pub(in crate::worker) fn set_program(
        &self,
        program: Result<Arc<ProgramEvaluator>, String>,
    ) {
        lock(&self.state).program = Some(program);
        self.changed.notify_all();
    }

    /// The program, once it is loaded.
    pub(in crate::worker) fn program(&self) -> Result<Arc<ProgramEvaluator>, String> {
        let mut state = lock(&self.state);
        loop {
            if let Some(program) = &state.program {
                return program.clone();
            }
            if state.closed {
                return Err("nobody waits any more".to_owned());
            }
            state = self.wait(state, PULSE);
        }
    }

    fn wait_for_runs(&self) {
        let mut state = lock(&self.state);
        while state.under_way > 0 && !state.closed {
            state = self.wait(state, PULSE);
        }
    }
}

/// Does something on a thread of its own.
fn start(work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let thread = std::thread::Builder::new().name("dsp-worker".to_owned());
    let started = thread.stack_size(crate::runtime::STACK_SIZE).spawn(work);
    started.map(drop).map_err(|error| format!("the system gives no thread: {error}"))
}
