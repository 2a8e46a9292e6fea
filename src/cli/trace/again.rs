//! Runs that are made again from their traces: what they are runs of, and how they are made.

use super::Recorded;
use crate::cli::args::Lm;
use crate::cli::eval::asked::Asked;
use crate::cli::session::{self, Kept, STDIN};
use crate::cli::shell::{Failure, Shell, UNUSABLE};
use crate::cli::tracing::{failed, files, made};
use crate::diag::Diagnostic;
use crate::engine::{Builder, Finished, Program};
use crate::host::Copied;
use crate::lm::{LmOptions, SharedLm};
use crate::runtime::{Absent, Change, Fork, NewLm, NewPrompt, Opener, Replay, Standing};
use crate::trace::{About, Forked, Made, Trace, to_jsonl_about};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A run that is made again.
pub(super) struct Again<'a> {
    shell: &'a Shell,
    made: Made,
    script: PathBuf,
    lm: Lm,
    /// The evaluation that it is, where it is no script's main.
    asked: Option<Asked>,
}

/// A run that was made again.
pub(super) struct Ended {
    pub(super) program: Program,
    pub(super) finished: Finished,
    pub(super) printed: Option<String>,
    /// The hashes of the files that it read.
    pub(super) files: BTreeMap<String, String>,
}

impl<'a> Again<'a> {
    /// The run that a trace is of, with what flags say anew.
    ///
    /// # Errors
    /// The trace is of something else than a run, or does not hold what is needed.
    pub(super) fn of(
        shell: &'a Shell,
        recorded: &Recorded,
        script: Option<&Path>,
        now: &Lm,
    ) -> Result<Self, Failure> {
        whole(recorded)?;
        let made = recorded.about.made.clone().unwrap_or_default();
        let known = Some(made.script.as_str()).filter(|it| !it.is_empty() && *it != STDIN);
        let Some(script) = script.map(Path::to_owned).or(known.map(PathBuf::from)) else {
            let mut failure =
                unusable(format!("`{}` does not say which script it is of", recorded.name));
            let file = &recorded.name;
            failure.hint(format!("name it: `dsp trace replay {file} SCRIPT`"));
            return Err(failure);
        };
        let asked = asked(recorded, &made, &script)?;
        let seed = (!made.command.is_empty()).then_some(made.seed);
        let then = Lm { lm: made.lm.clone(), seed, ..Lm::of(&made.flags) };
        Ok(Self { shell, lm: then.with(now), made, script, asked })
    }

    /// What is known of the run that the trace is of.
    pub(super) fn made(&self) -> &Made {
        &self.made
    }

    /// The calls that were made otherwise in the run that the trace is of, the newest change first.
    pub(super) fn forks(&self, trace: &Trace) -> Vec<Fork> {
        let known = self.made.forks.iter().rev().filter(|it| it.at.0 < trace.nodes.len());
        let fork = |it: &Forked| {
            let whole = it.prompt.clone().map(NewPrompt::Whole);
            let change = Change {
                lm: it.lm.clone().map(NewLm::Named),
                instructions: it.instructions.clone(),
                prompt: whole.or(it.last_message.clone().map(NewPrompt::Last)),
            };
            Fork { at: it.at, change, reply: None }
        };
        known.map(fork).collect()
    }

    /// Runs the script with nothing but the trace for its models.
    pub(super) fn without_models(&self, replay: Arc<Replay>) -> Result<Ended, Failure> {
        let open = self.opener();
        self.run(replay, false, |builder| builder.stand_in_for_writers(open))
    }

    /// Opens what stands for the models of the run.
    pub(super) fn opener(&self) -> Arc<Opener> {
        let known = self.made.models.clone();
        let open = move |name: &str, _: &LmOptions| -> Result<SharedLm, _> {
            Ok(Arc::new(Absent::new(name, known.get(name).copied())))
        };
        Arc::new(open)
    }

    /// The command that it is made with.
    fn command(&self) -> &'static str {
        if self.asked.is_some() { "eval" } else { "run" }
    }

    /// The files that were changed since, of those that both runs read.
    pub(super) fn changed_files(&self, ended: &Ended) -> Vec<String> {
        let then = self.made.files.iter();
        let is_other = |(path, hash): &(&String, &String)| {
            ended.files.get(*path).is_some_and(|it| it != *hash)
        };
        then.filter(is_other).map(|it| it.0.clone()).collect()
    }

    /// The script.
    pub(super) fn script(&self) -> &Path {
        &self.script
    }

    /// Runs the script with its models, which are asked for nothing where it is `dry`.
    pub(super) fn with_models(&self, replay: Arc<Replay>, dry: bool) -> Result<Ended, Failure> {
        self.run(replay, dry, |builder| builder)
    }

    fn run(
        &self,
        replay: Arc<Replay>,
        dry: bool,
        with: impl FnOnce(Builder) -> Builder,
    ) -> Result<Ended, Failure> {
        let shell = self.shell;
        let host = Arc::new(Copied::new(shell.host.clone()));
        let builder = session::builder(shell, &self.script, &self.lm)?;
        let builder = with(builder.note_origins().keep_traces().host(host.clone()));
        let engine = builder.build()?;
        let program = session::load(shell, &engine, &self.script)?;
        if !self.made.hash.is_empty() && self.made.hash != program.hash() {
            let script = self.script.display();
            shell.warn(&[format!("`{script}` was changed since the trace was written")]);
        }
        host.begin();
        let program = program.taped(replay, dry);
        let finished = match &self.asked {
            None => program.run(),
            Some(asked) => asked.evaluated("", None, |ask| program.evaluate(ask))?,
        };
        let program = program.program().clone();
        let files = files(shell, &self.script, &host);
        shell.diagnose(program.sources(), &finished.warnings);
        shell.warn(&engine.store_warnings());
        Ok(Ended { program, finished, printed: host.printed(), files })
    }

    /// Writes the trace of the new run, in which these calls are made otherwise, the newest change
    /// first.
    pub(super) fn write(
        &self,
        path: &Path,
        ended: &Ended,
        standing: &[Standing],
    ) -> Result<(), Failure> {
        let shell = self.shell;
        let began = shell.host.since_epoch().saturating_sub(shell.host.elapsed());
        let made = Made {
            printed: ended.printed.clone(),
            files: ended.files.clone(),
            asked: self.made.asked.clone(),
            forks: forked(&ended.finished.trace, standing),
            failed: failed(&ended.finished),
            // What was not asked again can do what it could.
            models: self
                .made
                .models
                .clone()
                .into_iter()
                .chain(ended.program.models_asked())
                .collect(),
            ..made(shell, self.command(), &ended.program, (&self.script, &self.lm))
        };
        let about = About {
            began_us: u64::try_from(began.as_micros()).ok(),
            content_left_out: false,
            made: Some(made),
        };
        let trace: &Trace = &ended.finished.trace;
        shell.write(path, &to_jsonl_about(trace, &about, &Kept::of(shell)?))
    }
}

/// What was made otherwise in a trace, the oldest change first.
fn forked(trace: &Trace, standing: &[Standing]) -> Vec<Forked> {
    let found = standing.iter().rev().filter_map(|it| it.in_trace(trace));
    let forked = found.map(|Fork { at, change, .. }| {
        let lm = change.lm.and_then(|it| match it {
            NewLm::Named(name) => Some(name),
            NewLm::Value(_) => None,
        });
        let (prompt, last_message) = match change.prompt {
            Some(NewPrompt::Whole(prompt)) => (Some(prompt), None),
            Some(NewPrompt::Last(text)) => (None, Some(text)),
            None => (None, None),
        };
        Forked { at, lm, instructions: change.instructions, last_message, prompt }
    });
    forked.collect()
}

/// The evaluation that a trace is of, with its script where that is now; `None` for the main of a
/// script.
fn asked(recorded: &Recorded, made: &Made, script: &Path) -> Result<Option<Asked>, Failure> {
    let name = &recorded.name;
    match made.command.as_str() {
        "" | "run" => Ok(None),
        "eval" => {
            let Some(mut asked) = Asked::read(&made.asked) else {
                let mut failure =
                    unusable(format!("`{name}` does not say what was evaluated in it"));
                failure.hint("traces do since this version: evaluate again".to_owned());
                return Err(failure);
            };
            script.clone_into(&mut asked.task.file);
            Ok(Some(asked))
        }
        command => {
            let mut failure = unusable(format!("`{name}` is a trace of `dsp {command}`"));
            failure.hint(
                "only runs of scripts and evaluations are made again: those of `dsp run --trace` \
                 and `dsp eval --trace`"
                    .to_owned(),
            );
            Err(failure)
        }
    }
}

/// Refuses a trace that does not hold what was said.
fn whole(recorded: &Recorded) -> Result<(), Failure> {
    let name = &recorded.name;
    if recorded.about.content_left_out {
        let mut failure = unusable(format!("`{name}` holds no prompts and replies"));
        failure.hint(
            "it was written with `--no-trace-content`, or `trace_content = false` is in the \
             settings"
                .to_owned(),
        );
        return Err(failure);
    }
    if recorded.missing > 0 {
        let missing = recorded.missing;
        let mut failure =
            unusable(format!("{missing} prompts and replies of `{name}` are not in the store"));
        failure.hint(
            "a trace of another machine is written with `dsp trace export --format jsonl`"
                .to_owned(),
        );
        return Err(failure);
    }
    Ok(())
}

fn unusable(message: String) -> Failure {
    Failure::io(Diagnostic::bare(UNUSABLE, message))
}
