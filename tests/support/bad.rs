//! Broken inputs, driven through the binary: each gives one error and exit code 1 or 2, or a
//! warning where the command can go on, in under a second, and no panic.
//!
//! A case is a directory `tests/spec/bad/NAME` with the files of the case and `case.toml`:
//!
//! ```toml
//! args = ["run", "main.dsp"]      # the command line
//! exit = 1                        # the exit code
//! says = ["main.dsp:3", "E0501"]  # each stands in what is written to standard error
//! never = ["sk-secret"]           # none stands there
//! env = { DSP_SEED = "x" }        # the whole environment, besides DSP_HOME: `home` of the case
//! stdin = "let a = ;"             # empty by default
//! waits = "the facade"            # present: not run yet, and why
//! huge = [["big.dsp", "let x = [", "[", 100000]]  # files to be made: head, then a text n times
//! ```

use libtest_mimic::{Failed, Trial};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use toml::{Table, Value};

/// How long a case may take.
const LIMIT: Duration = Duration::from_secs(1);
/// How often a case that took longer is run again.
const TRIES: usize = 5;
/// How long it is waited for before it is ended.
const PATIENCE: Duration = Duration::from_secs(20);

/// A trial for each directory of `tests/spec/bad`.
pub(crate) fn trials() -> Vec<Trial> {
    let cases = super::files("tests/spec/bad", "toml");
    let cases = cases.into_iter().filter(|path| path.ends_with("case.toml"));
    cases.map(|path| trial(path.parent().unwrap().to_owned())).collect()
}

fn trial(dir: PathBuf) -> Trial {
    let name = format!("bad::{}", dir.file_name().unwrap().to_string_lossy());
    let case = Case::read(&dir);
    let waits = case.waits;
    Trial::test(name, move || case.test()).with_ignored_flag(waits)
}

struct Case {
    dir: PathBuf,
    args: Vec<String>,
    exit: i64,
    says: Vec<String>,
    never: Vec<String>,
    env: Vec<(String, String)>,
    stdin: String,
    huge: Vec<(String, String, String, usize)>,
    waits: bool,
}

impl Case {
    fn read(dir: &Path) -> Self {
        let text = std::fs::read_to_string(super::root().join(dir).join("case.toml")).unwrap();
        let table: Table =
            text.parse().unwrap_or_else(|why| panic!("{}: {why}", dir.display()));
        let env = table.get("env").and_then(Value::as_table).cloned().unwrap_or_default();
        let huge = table.get("huge").and_then(Value::as_array).cloned().unwrap_or_default();
        Self {
            dir: super::root().join(dir),
            args: texts(table.get("args")),
            exit: table["exit"].as_integer().unwrap(),
            says: texts(table.get("says")),
            never: texts(table.get("never")),
            env: env.iter().map(|(name, it)| (name.clone(), text_of(it))).collect(),
            stdin: table.get("stdin").map(text_of).unwrap_or_default(),
            huge: huge.iter().map(file_of).collect(),
            waits: table.contains_key("waits"),
        }
    }

    fn test(&self) -> Result<(), Failed> {
        let mut ended = self.run()?;
        for _ in 0..TRIES {
            // Another process may have had the processor.
            if ended.took > LIMIT {
                std::thread::sleep(LIMIT);
                ended = self.run()?;
            }
        }
        let Ended { code, stderr, took } = ended;
        let errors = stderr.lines().filter(|line| line.starts_with("error")).count();
        let panicked = stderr.contains("panicked at") || stderr.contains("RUST_BACKTRACE");
        let mut why: Vec<String> = Vec::new();
        if code != Some(self.exit) {
            why.push(format!("exit code {} expected, {code:?} found", self.exit));
        }
        if errors != usize::from(self.exit != 0) || panicked {
            why.push(format!("one error expected where it fails, {errors} found"));
        }
        let told = self.never.iter().filter(|text| stderr.contains(*text));
        why.extend(told.map(|text| format!("`{text}` must not be said")));
        let missing = self.says.iter().filter(|text| !stderr.contains(*text));
        why.extend(missing.map(|text| format!("`{text}` is not said")));
        if took > LIMIT {
            why.push(format!("it took {took:?}"));
        }
        match why.as_slice() {
            [] => Ok(()),
            _ => Err(format!("{}\n{stderr}", why.join("\n")).into()),
        }
    }

    fn run(&self) -> Result<Ended, Failed> {
        let home = tempfile::tempdir()?;
        let work = home.path().join("work");
        self.lay_out(&work)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
        command.args(&self.args).current_dir(&work).env_clear();
        command.env("DSP_HOME", work.join("home")).env("HOME", home.path());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::null()).stderr(Stdio::piped()).stdin(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        // A program that does not read its input may be gone already.
        let _ = stdin.map(|mut pipe| pipe.write_all(self.stdin.as_bytes()));
        wait(child, started)
    }

    /// Copies the files of the case, and makes the huge ones.
    fn lay_out(&self, work: &Path) -> std::io::Result<()> {
        copy(&self.dir, work)?;
        for (name, head, piece, times) in &self.huge {
            std::fs::write(work.join(name), format!("{head}{}", piece.repeat(*times)))?;
        }
        Ok(())
    }
}

struct Ended {
    code: Option<i64>,
    stderr: String,
    took: Duration,
}

fn wait(mut child: Child, started: Instant) -> Result<Ended, Failed> {
    let mut pipe = child.stderr.take().expect("standard error is a pipe");
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).map(|_| String::from_utf8_lossy(&bytes).into_owned())
    });
    let mut waited = Duration::ZERO;
    let status = loop {
        waited = waited.max(waited_for_processor(child.id()));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > PATIENCE {
            child.kill()?;
            return Err("it does not end".into());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let took = started.elapsed().saturating_sub(waited);
    let stderr = reader.join().expect("reading does not panic")?;
    Ok(Ended { code: status.code().map(i64::from), stderr, took })
}

/// How long a process waited for a processor that others had, as far as the system tells.
fn waited_for_processor(process: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task"));
    let waited = tasks.into_iter().flatten().flatten().filter_map(|task| {
        let times = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        times.split(' ').nth(1)?.trim().parse().ok()
    });
    Duration::from_nanos(waited.max().unwrap_or(0))
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else if entry.file_name() != "case.toml" {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn texts(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_array).into_iter().flatten().map(text_of).collect()
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn file_of(value: &Value) -> (String, String, String, usize) {
    let times = value[3].as_integer().and_then(|it| usize::try_from(it).ok()).unwrap();
    (text_of(&value[0]), text_of(&value[1]), text_of(&value[2]), times)
}
