//! Who watches what a command does: for the file of events, the log, and Ctrl-C.

use super::args::Watch;
use super::events::{Events, Target};
use super::log::{Begun, Log};
use super::shell::{Failure, Shell};
use crate::diag::Diagnostic;
use crate::engine::Builder;
use crate::eval::{Account, Attached, Event, Observer, Remote};
use crate::schema::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Watches a command.
#[derive(Debug, Clone)]
pub(super) struct Watcher(Arc<Watching>, Arc<Attached>);

#[derive(Debug)]
struct Watching {
    events: Option<Events>,
    log: Log,
    /// Evaluations and searches under way.
    under_way: AtomicUsize,
}

/// Checks that standard output holds a report or events, and not both.
///
/// # Errors
/// Both are wanted there; `name` says what should have a file of its own.
pub(super) fn one_output(is_report: bool, args: &Watch, name: &str) -> Result<(), Failure> {
    if !is_report || args.events.as_deref() != Some(Path::new("-")) {
        return Ok(());
    }
    let mut failure = Failure::usage("`--json` and `--events -` both want standard output");
    failure.hint(format!("name {name}"));
    Err(failure)
}

impl Watcher {
    /// Begins to watch a command on a script.
    ///
    /// # Errors
    /// Events that cannot be written where they are wanted.
    pub(super) fn new(
        shell: &Shell,
        command: &'static str,
        script: &Path,
        args: &Watch,
    ) -> Result<Self, Failure> {
        let events = args.events.as_deref().map(|at| Events::begin(shell, Target::of(at)));
        let events = events.transpose()?;
        if let Some(events) = &events {
            events.write("begin", &[("command", command.into()), ("version", VERSION.into())]);
        }
        let log = Log::new(shell, command, script);
        let under_way = AtomicUsize::new(0);
        let watching = Arc::new(Watching { events, log, under_way });
        let observer: Arc<dyn Observer> = watching.clone();
        let attached = Attached { observer: Some(observer), ..Attached::default() };
        Ok(Self(watching, Arc::new(attached)))
    }

    /// An engine whose evaluations and searches are watched. The line about how far they are is
    /// shown, unless events take its place.
    pub(super) fn watched(&self, builder: Builder) -> Builder {
        builder.attach(self.1.clone())
    }

    /// Lends workers to what is asked for.
    pub(super) fn lend(&self, remote: Option<Arc<dyn Remote>>) {
        if let Some(remote) = remote {
            // Nobody lends twice.
            let _ = self.1.remote.set(remote);
        }
    }

    /// Says what the command line says of what is evaluated: it tells more than values do.
    pub(super) fn begun(&self, begun: Begun) {
        self.0.log.set(begun);
    }

    /// Whether standard output holds events.
    pub(super) fn takes_output(&self) -> bool {
        self.0.events.as_ref().is_some_and(Events::take_output)
    }

    /// Whether an evaluation or a search is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.0.under_way.load(Ordering::SeqCst) > 0
    }

    /// Tells of warnings.
    pub(super) fn warnings(&self, warnings: &[Diagnostic]) {
        let Some(events) = &self.0.events else { return };
        for it in warnings {
            let parts = [("code", it.code.0.into()), ("message", it.message.as_str().into())];
            events.write("warning", &parts);
        }
    }

    /// Tells that the command has ended.
    pub(super) fn end<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        if let Some(events) = &self.0.events {
            let failure = result.as_ref().err();
            let why = failure.and_then(|it| it.diags.first());
            let why = why.map_or(Value::Null, |it| it.message.as_str().into());
            let exit = i64::from(failure.map_or(0, |it| it.exit));
            events.write("end", &[("exit", exit.into()), ("error", why)]);
        }
        result
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Watching {
    fn came(&self, account: &Account, value: &Value) {
        let account = self.log.told(account);
        let id = self.log.add(account.clone());
        if let Some(events) = &self.events {
            events.result(&account, value, id.as_deref());
        }
    }
}

impl Observer for Watching {
    fn see(&self, event: &Event<'_>) {
        match event {
            Event::Began(_) => {
                self.under_way.fetch_add(1, Ordering::SeqCst);
            }
            Event::Ended(_) => {
                self.under_way.fetch_sub(1, Ordering::SeqCst);
            }
            Event::Came(account, value) => self.came(account, value),
            Event::Progress(..) => {}
        }
        if let Some(events) = &self.events {
            events.see(event);
        }
    }
}
