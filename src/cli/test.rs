//! `dsp test`

use super::args::Test;
use super::scripts;
use super::session;
use super::shell::{Failure, Shell};
use crate::diag::did_you_mean;
use crate::engine::{Engine, Error, Program, TestOptions};
use crate::lm::{self, ErrorKind};
use crate::test_run::junit::{self, Suite};
use crate::test_run::{self, Ended, Tally, json, text};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The longest that a test takes where no settings say anything else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the tests of scripts.
pub(super) fn run(shell: &Shell, args: &Test) -> Result<(), Failure> {
    let began = shell.host.elapsed();
    let here = [PathBuf::from(".")];
    let paths = if args.paths.is_empty() { &here } else { &args.paths[..] };
    let files = scripts::find(shell, paths)?;
    let style = text::Style { color: shell.prints_colors(), full: args.full };
    let mut report = Report { shell, args, style, suites: Vec::new(), titles: Vec::new() };
    let mut tally = Tally::default();
    for file in &files {
        report.file(file, files.len() > 1, &mut tally)?;
    }
    if tally.run() == 0 {
        return Err(report.nothing());
    }
    if let Some(path) = &args.junit {
        shell.write(path, &junit::report(&report.suites))?;
    }
    let took = shell.host.elapsed().saturating_sub(began);
    if args.json {
        shell.print(&format!("{}\n", json::summary(tally, took)));
    } else {
        let seconds = took.as_secs_f64();
        shell.print(&format!("\n{} ({seconds:.2} s)\n", text::tally(tally, style)));
    }
    if tally.is_good() { Ok(()) } else { Err(Failure::told()) }
}

/// What is told of tests, as they end.
struct Report<'a> {
    shell: &'a Shell,
    args: &'a Test,
    style: text::Style,
    suites: Vec<Suite>,
    /// The titles of all tests, also of those left out.
    titles: Vec<Arc<str>>,
}

impl Report<'_> {
    /// Runs the tests of a file. One that holds no correct program counts as a failure where
    /// others go on.
    fn file(
        &mut self,
        path: &Path,
        among_others: bool,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let engine = engine(self.shell, path, self.args)?;
        let program = match engine.load(path) {
            Ok(program) => program,
            Err(error) if among_others || self.args.json || self.args.junit.is_some() => {
                self.broken(path, &error);
                tally.broken += 1;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.shell.diagnose(program.sources(), program.warnings());
        self.tests(path, &program, among_others, tally);
        Ok(())
    }

    fn tests(&mut self, path: &Path, program: &Program, named: bool, tally: &mut Tally) {
        let tests = test_run::chosen(program, self.args.filter.as_deref());
        self.titles.extend(program.tests().iter().map(|it| it.title.clone()));
        tally.left_out += program.tests().len() - tests.len();
        if tests.is_empty() {
            return;
        }
        let file = path.display().to_string();
        if named && !self.args.json {
            self.shell.print(&format!("{}\n", crate::render::plain(&file)));
        }
        let mut suite = Suite::new(&*file);
        let options = TestOptions { max_time: Some(PATIENCE), ..TestOptions::default() };
        let threads = self.args.lm.threads.unwrap_or_else(threads);
        let now = test_run::run(program, &tests, threads, &options, |ended| {
            self.tell(&file, ended);
            suite.add(ended);
        });
        self.suites.push(suite);
        tally.passed += now.passed;
        tally.failed += now.failed;
        tally.broken += now.broken;
    }

    fn tell(&self, file: &str, ended: &Ended) {
        if self.args.json {
            self.shell.print(&format!("{}\n", json::test(file, ended)));
        } else {
            self.shell.print(&text::test(ended, self.style));
        }
    }

    fn broken(&mut self, path: &Path, error: &Error) {
        let file = path.display().to_string();
        let (sources, diags) = (error.sources(), error.diagnostics());
        if self.args.json {
            self.shell.print(&format!("{}\n", json::broken_file(&file, sources, diags)));
        } else {
            self.shell.diagnose(sources, diags);
        }
        let mut suite = Suite::new(file);
        suite.add_broken_file(sources, diags);
        self.suites.push(suite);
    }

    /// Nothing was run, and who asked for tests should know.
    fn nothing(&self) -> Failure {
        let Some(filter) = self.args.filter.as_ref().filter(|_| !self.titles.is_empty()) else {
            let mut failure = Failure::usage("there are no tests");
            failure.hint("a script has tests as `test \"title\" { … }`".to_owned());
            return failure;
        };
        let mut failure = Failure::usage(format!("no title of a test holds `{filter}`"));
        failure.hint(did_you_mean(filter, self.titles.iter().map(|it| &**it)));
        failure
    }
}

/// An engine that asks no model.
fn engine(shell: &Shell, path: &Path, args: &Test) -> Result<Engine, Failure> {
    let builder = session::offline(shell, path, &args.lm)?;
    let refused = |name: &str, _: &lm::LmOptions| {
        let message = "tests ask no model";
        Err(lm::Error::new(ErrorKind::Scripted, name, message)
            .hint("give the program replies: `.with(lm: scripted([…]))`"))
    };
    Ok(builder.stand_in(Arc::new(refused)).build()?)
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
