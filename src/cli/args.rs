//! Commands and flags.
//!
//! The first line of a comment here is what `--help` says: imperative, no full stop.

use super::trace::args as trace;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Programs that call language models: run, check, evaluate and compile them
#[derive(Debug, Parser)]
#[command(name = "dsp", version, disable_help_subcommand = true, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a script
    Run(Run),
    /// Say what is wrong with scripts, without running them
    Check(Check),
    /// Lay scripts out in the one style
    Fmt(Fmt),
    /// Run the tests of scripts; models are not asked, their recorded replies are
    Test(Test),
    /// Say what a code such as E0203 means, with an example and its mend
    Explain(Explain),
    /// Show the prompt that a predictor would send, without sending it
    Prompt(Prompt),
    /// Read a model's reply as the outputs of a signature, and say what was forgiven
    Parse(Parse),
    /// Score a program on data
    Eval(Eval),
    /// Look at data: what stands in a file, and what is wrong with it
    Data(Data),
    /// Improve a program with an optimizer, and save what was found
    Compile(Compile),
    /// List what evaluations and searches came to, and find the state behind a number
    Log(Log),
    /// Make runs for another process: read frames, write frames
    Worker,
    /// Look at evaluations and searches that were begun, and delete them
    Runs(Runs),
    /// Try things out, line by line
    Repl(Repl),
    /// Serve a model to other programs, over HTTP
    #[cfg(feature = "serve")]
    Serve(Serve),
    /// Look at recorded traces
    Trace(Trace),
    /// Look at saved states
    State(State),
    /// List models, and fetch the one that runs in the process
    Models(Models),
    /// Look at the replies that are kept, drop some, and find damage
    Cache(Cache),
    /// Make a project that runs at once
    New(New),
    /// Show a page of the reference, or what it says of a function
    Doc(Doc),
    /// Write a completion script for a shell
    Completions(Completions),
}

/// Which model answers, and what may be spent on it.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Lm {
    /// The model to use: `provider/model`, or a name of `[models]`
    #[arg(long, value_name = "NAME")]
    pub(super) lm: Option<String>,
    /// Ask the model even where a reply is kept
    #[arg(long)]
    pub(super) no_cache: bool,
    /// The most calls to models
    #[arg(long, value_name = "N")]
    pub(super) max_calls: Option<u64>,
    /// The most tokens, read and written
    #[arg(long, value_name = "N")]
    pub(super) max_tokens: Option<u64>,
    /// The most dollars
    #[arg(long, value_name = "USD", value_parser = amount)]
    pub(super) max_usd: Option<f64>,
    /// The most seconds
    #[arg(long, value_name = "S", value_parser = amount)]
    pub(super) max_seconds: Option<f64>,
    /// The seed of everything random
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// How many threads evaluate; results do not depend on it
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(super) threads: Option<usize>,
}

/// What is written down.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Tracing {
    /// Write the trace to this file: every call, what was said, and what it led to
    #[arg(long, value_name = "FILE")]
    pub(super) trace: Option<PathBuf>,
    /// Leave inputs, outputs, prompts and replies out of the trace
    #[arg(long, requires = "trace")]
    pub(super) no_trace_content: bool,
}

/// Who may watch.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Watch {
    /// Write what happens as lines of JSON to this file; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(super) events: Option<PathBuf>,
}

/// Who makes the runs.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Via {
    /// Have workers make the runs: a command that speaks their frames, such as `dsp worker`
    #[arg(long, value_name = "COMMAND")]
    pub(super) via: Option<String>,
    /// How many workers are started; results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 1, requires = "via", value_parser = workers)]
    pub(super) workers: usize,
}

fn workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=256).contains(&number) => Ok(number),
        _ => Err("expected a number from 1 to 256".to_owned()),
    }
}

pub(super) fn amount(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err("expected a number, 0 or more".to_owned()),
    }
}

fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=1024).contains(&number) => Ok(number),
        _ => Err("expected a number from 1 to 1024".to_owned()),
    }
}

fn repeats(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if (1..=10_000).contains(&number) => Ok(number),
        _ => Err("expected a number from 1 to 10000".to_owned()),
    }
}

/// Arguments of `dsp run`.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The script; `-` reads it from standard input
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) lm: Lm,
    #[command(flatten)]
    pub(super) tracing: Tracing,
    /// Say at the end what was used, by predictor and model, on standard error
    #[arg(long)]
    pub(super) usage: bool,
    /// Write nothing to standard error but errors
    #[arg(long, short)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) watch: Watch,
}

/// Arguments of `dsp check`.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The scripts
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Write one JSON object for each diagnostic, 100 at most
    #[arg(long)]
    pub(super) json: bool,
    /// Make the changes that are certain, in the files
    #[arg(long)]
    pub(super) fix: bool,
    /// Show the changes of `--fix` instead of making them
    #[arg(long, requires = "fix")]
    pub(super) diff: bool,
}

/// Arguments of `dsp fmt`.
#[derive(Debug, Args)]
pub(super) struct Fmt {
    /// Scripts, and folders whose scripts are meant; `-` reads standard input
    #[arg(value_name = "PATH", default_value = ".")]
    pub(super) paths: Vec<PathBuf>,
    /// Change nothing; list the files that would change, and fail if there are any
    #[arg(long)]
    pub(super) check: bool,
    /// Change nothing; show what would change
    #[arg(long)]
    pub(super) diff: bool,
    /// How wide lines may be
    #[arg(long, value_name = "N", default_value_t = crate::fmt::WIDTH, value_parser = line_width)]
    pub(super) width: usize,
}

fn line_width(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (20..=1000).contains(&number) => Ok(number),
        _ => Err("expected a number from 20 to 1000".to_owned()),
    }
}

/// Arguments of `dsp test`.
#[derive(Debug, Args)]
pub(super) struct Test {
    /// Scripts, and folders with scripts; the folder around when there are none
    #[arg(value_name = "FILE|DIR")]
    pub(super) paths: Vec<PathBuf>,
    /// Run only tests whose titles hold this text
    #[arg(long, value_name = "TEXT")]
    pub(super) filter: Option<String>,
    /// Ask the models, and record their replies beside the script
    #[arg(long)]
    pub(super) record: bool,
    /// Ask the models, and record nothing
    #[arg(long, conflicts_with = "record")]
    pub(super) live: bool,
    /// Ask the models for fresh samples: run each test so often, and say how often it fails
    #[arg(long, value_name = "N", conflicts_with_all = ["record", "live"], value_parser = repeats)]
    pub(super) repeat: Option<u64>,
    /// Run again when a file changes that the tests read, until Ctrl-C
    #[arg(long)]
    pub(super) watch: bool,
    /// Show prompts and replies whole
    #[arg(long)]
    pub(super) full: bool,
    /// Write one JSON object for each test
    #[arg(long)]
    pub(super) json: bool,
    /// Write a report for build servers to this file, as JUnit's XML
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    #[command(flatten)]
    pub(super) lm: Lm,
}

/// Arguments of `dsp explain`.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The code; all are listed when it is left out
    #[arg(value_name = "CODE")]
    pub(super) code: Option<String>,
}

/// Arguments of `dsp prompt`.
#[derive(Debug, Args)]
pub(super) struct Prompt {
    /// The script
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The predictor: its program and its path in it, such as `rag.answer`
    #[arg(long, value_name = "PATH")]
    pub(super) predictor: String,
    /// The inputs, as a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub(super) input: String,
    /// A saved state of the program
    #[arg(long, value_name = "FILE")]
    pub(super) state: Option<PathBuf>,
    /// How prompts are laid out: `auto`, `chat`, `json`, `xml`, `two_step`, `complete`, or a
    /// const of the file that is a template
    #[arg(long, value_name = "NAME")]
    pub(super) adapter: Option<String>,
    /// The model that the prompt is for
    #[arg(long, value_name = "NAME")]
    pub(super) lm: Option<String>,
    /// Write the messages as JSON, as providers take them
    #[arg(long)]
    pub(super) json: bool,
    /// Say of each part where it comes from: whose instructions, which demo from which row, which
    /// input, the layout's own words
    #[arg(long)]
    pub(super) why: bool,
}

/// Arguments of `dsp parse`.
#[derive(Debug, Args)]
pub(super) struct Parse {
    /// The file with the reply, or with the lines; standard input when it is left out
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// The signature, such as `question -> answer: int`, or one of a script: `FILE::NAME`
    #[arg(long, value_name = "SIGNATURE")]
    pub(super) signature: Option<String>,
    /// How the reply is laid out
    #[arg(long, value_enum, value_name = "NAME")]
    pub(super) adapter: Option<Layout>,
    /// Take the reply for the beginning of one that is still being written
    #[arg(long)]
    pub(super) partial: bool,
    /// Write the values and what was forgiven as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Read one JSON object for each line, `{id, signature, adapter, completion}`, and write one:
    /// `{id, values, liberties}` or `{id, error}`
    #[arg(long, conflicts_with = "json")]
    pub(super) jsonl: bool,
}

/// Ways in which replies are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Layout {
    /// As `chat`
    Auto,
    /// Fields under `[[ ## name ## ]]` markers; objects and tags are read as well
    Chat,
    /// A JSON object; markers and tags are read as well
    Json,
    /// A tag for each field; objects and markers are read as well
    Xml,
    /// The second reply, which states what the first one says; as `chat`
    #[value(name = "two_step")]
    TwoStep,
    /// A line for each field, as small models continue text
    Complete,
}

/// Arguments of `dsp eval`.
#[derive(Debug, Args)]
pub(super) struct Eval {
    /// The script whose items the expressions use
    #[arg(value_name = "FILE", required_unless_present = "resume", conflicts_with = "resume")]
    pub(super) file: Option<PathBuf>,
    /// The program to score, such as `rag` or `Rag(k: 5)`
    #[arg(
        long,
        value_name = "EXPR",
        required_unless_present = "resume",
        conflicts_with = "resume"
    )]
    pub(super) program: Option<String>,
    /// The metric, such as `correct`
    #[arg(
        long,
        value_name = "EXPR",
        required_unless_present = "resume",
        conflicts_with = "resume"
    )]
    pub(super) metric: Option<String>,
    /// The examples: a JSONL, JSON, CSV, TSV or Parquet file
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "resume",
        conflicts_with = "resume"
    )]
    pub(super) data: Option<PathBuf>,
    /// A saved state of the program
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub(super) state: Option<PathBuf>,
    /// Go on with an evaluation that was stopped; without an id the newest of this folder
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "")]
    pub(super) resume: Option<String>,
    #[command(flatten)]
    pub(super) lm: Lm,
    /// Write the rows as a table for spreadsheets
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,
    /// Write the report as one HTML file
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Write the report as JSON, to standard output or to a file
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub(super) json: Option<PathBuf>,
    #[command(flatten)]
    pub(super) tracing: Tracing,
    #[command(flatten)]
    pub(super) via: Via,
    #[command(flatten)]
    pub(super) watch: Watch,
}

/// Arguments of `dsp data`.
#[derive(Debug, Args)]
pub(super) struct Data {
    #[command(subcommand)]
    pub(super) action: DataAction,
}

/// What to do with data.
#[derive(Debug, Subcommand)]
pub(super) enum DataAction {
    /// Find doubles, leaks between files, gaps, labels that disagree, and what gives answers away
    Check {
        /// The files, those to learn from first
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The columns that make rows equal; by their usual names when left out
        #[arg(long, value_name = "NAMES", value_delimiter = ',')]
        inputs: Vec<String>,
        /// The column that holds what is right; by its usual names when left out
        #[arg(long, value_name = "NAME")]
        label: Option<String>,
        /// Write the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show columns, types, counts and the first rows of a file
    Show {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Arguments of `dsp compile`.
#[derive(Debug, Args)]
pub(super) struct Compile {
    /// The script whose items the expressions use
    #[arg(value_name = "FILE", required_unless_present = "resume", conflicts_with = "resume")]
    pub(super) file: Option<PathBuf>,
    /// The program to improve, such as `rag` or `Rag(k: 5)`
    #[arg(
        long,
        value_name = "EXPR",
        required_unless_present = "resume",
        conflicts_with = "resume"
    )]
    pub(super) program: Option<String>,
    /// The metric, such as `correct`
    #[arg(
        long,
        value_name = "EXPR",
        required_unless_present = "resume",
        conflicts_with = "resume"
    )]
    pub(super) metric: Option<String>,
    /// The optimizer: a name such as `bootstrap_few_shot`, or a call with options
    #[arg(
        long = "with",
        value_name = "EXPR",
        required_unless_present = "resume",
        conflicts_with = "resume"
    )]
    pub(super) optimizer: Option<String>,
    /// The examples to learn from
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "resume",
        conflicts_with = "resume"
    )]
    pub(super) trainset: Option<PathBuf>,
    /// The examples to choose by; without them part of the trainset is held back
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub(super) valset: Option<PathBuf>,
    /// The examples for the last comparison, which the search does not see; without them part
    /// of the valset is held back
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub(super) testset: Option<PathBuf>,
    /// Where the state goes
    #[arg(
        long,
        short,
        value_name = "FILE",
        required_unless_present_any = ["resume", "plan"],
        conflicts_with = "resume"
    )]
    pub(super) output: Option<PathBuf>,
    /// A saved state to start from
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub(super) state: Option<PathBuf>,
    /// Go on with a search that was stopped; without an id the newest of this folder
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "")]
    pub(super) resume: Option<String>,
    /// Say what it takes at most and what it is likely to take, and do not search; a few runs
    /// are made to know it, unless `--max-calls 0` forbids it
    #[arg(long, conflicts_with = "resume")]
    pub(super) plan: bool,
    #[command(flatten)]
    pub(super) lm: Lm,
    /// Write the report as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) tracing: Tracing,
    #[command(flatten)]
    pub(super) via: Via,
    #[command(flatten)]
    pub(super) watch: Watch,
}

/// Arguments of `dsp log`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Log {
    #[command(subcommand)]
    pub(super) action: Option<LogAction>,
    #[command(flatten)]
    pub(super) filter: LogFilter,
    /// How many of the newest are listed
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(super) limit: usize,
    /// Write one JSON object for each
    #[arg(long)]
    pub(super) json: bool,
}

/// Which entries of the log are looked at.
#[derive(Debug, Clone, Args)]
pub(super) struct LogFilter {
    /// Only those of this script
    #[arg(long, value_name = "FILE")]
    pub(super) script: Option<PathBuf>,
    /// Those of all projects, not only of this folder's
    #[arg(long)]
    pub(super) all: bool,
}

/// What to do with the log.
#[derive(Debug, Subcommand)]
pub(super) enum LogAction {
    /// Show an entry
    Show {
        /// Its id, or the beginning or end of it
        #[arg(value_name = "ID")]
        id: String,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what differs between two entries, and compare their scores row by row
    Diff {
        /// The one before
        #[arg(value_name = "A")]
        a: String,
        /// The one after
        #[arg(value_name = "B")]
        b: String,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Find what gave a score, or what was run with a state, and the files of the states
    Find {
        /// The score as it was printed, such as `0.908`
        #[arg(
            value_name = "SCORE",
            required_unless_present = "state",
            allow_hyphen_values = true
        )]
        score: Option<String>,
        /// The file of a state
        #[arg(long, value_name = "FILE")]
        state: Option<PathBuf>,
        #[command(flatten)]
        filter: LogFilter,
        /// Write one JSON object for each
        #[arg(long)]
        json: bool,
    },
}

/// Arguments of `dsp runs`.
#[derive(Debug, Args)]
pub(super) struct Runs {
    #[command(subcommand)]
    pub(super) action: RunsAction,
}

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub(super) enum RunsAction {
    /// List evaluations and searches, the newest first
    List {
        /// Those of all folders, not only of this one
        #[arg(long)]
        all: bool,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what one depends on, how far it is, and how it goes on
    Show {
        /// The run
        #[arg(value_name = "ID")]
        id: String,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete runs; replies that the store has stay there
    Rm {
        /// The runs
        #[arg(value_name = "ID", required_unless_present_any = ["finished", "older_than"])]
        ids: Vec<String>,
        /// All that have nothing left to do
        #[arg(long)]
        finished: bool,
        /// All that were begun so long ago: `30d`, `12h`
        #[arg(long, value_name = "AGE", value_parser = age)]
        older_than: Option<Duration>,
    },
}

fn age(text: &str) -> Result<Duration, String> {
    let units = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let read = |(unit, seconds): &(&str, u64)| {
        let count = text.strip_suffix(unit)?.trim().parse::<u64>().ok()?;
        count.checked_mul(*seconds).map(Duration::from_secs)
    };
    let wanted = || "expected a number with `d`, `h`, `m` or `s`, such as `30d`".to_owned();
    units.iter().find_map(read).ok_or_else(wanted)
}

/// Arguments of `dsp repl`.
#[derive(Debug, Args)]
pub(super) struct Repl {
    /// A script whose items are there from the start
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) lm: Lm,
}

/// Arguments of `dsp serve`.
#[cfg(feature = "serve")]
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Speak OpenAI's chat completions: what programs take that can be told a base URL
    #[arg(long, required = true)]
    pub(super) openai: bool,
    /// The port; 0 takes one that is free
    #[arg(long, value_name = "N", default_value_t = 8787)]
    pub(super) port: u16,
    /// The address to listen at; others than this machine's own let in whoever can reach it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(super) host: std::net::IpAddr,
    /// The model: `provider/model`, or a name of `[models]`
    #[arg(long, value_name = "NAME")]
    pub(super) lm: Option<String>,
    /// Write nothing to standard error but errors
    #[arg(long, short)]
    pub(super) quiet: bool,
}

/// Arguments of `dsp trace`.
#[derive(Debug, Args)]
pub(super) struct Trace {
    #[command(subcommand)]
    pub(super) action: TraceAction,
}

/// What to do with a trace.
#[derive(Debug, Subcommand)]
pub(super) enum TraceAction {
    /// Show a recorded trace as a tree
    Show(trace::Show),
    /// Write one HTML file that shows all of a trace, or of two and what differs
    Html(trace::Html),
    /// Write a trace for other programs: JSON, charts, OpenTelemetry
    Export(trace::Export),
    /// Say what differs between two traces; fail if anything does
    Diff(trace::Diff),
    /// Run the script of a trace again, with the trace in place of the models
    Replay(trace::Replay),
    /// Run the script of a trace again with one call changed
    Fork(trace::Fork),
    /// Make a test of the run of a trace, with its replies recorded
    Test(trace::Test),
}

/// Arguments of `dsp state`.
#[derive(Debug, Args)]
pub(super) struct State {
    #[command(subcommand)]
    pub(super) action: StateAction,
}

/// What to do with a state.
#[derive(Debug, Subcommand)]
pub(super) enum StateAction {
    /// Show what a saved state holds, and where it came from
    Show {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Tell how a state came to be what it is: who made it of what, what was tried, and where each
    /// text and each demo came from
    Why {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The predictor to tell of, such as `answer` or `steps[0]`; all when it is left out
        #[arg(value_name = "PATH")]
        path: Option<String>,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what differs between two states: predictor by predictor, word by word
    Diff {
        /// The one before
        #[arg(value_name = "A")]
        a: PathBuf,
        /// The one after; when it is left out, A is compared with the program as it is written
        #[arg(value_name = "B")]
        b: Option<PathBuf>,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what each demo and each sentence of a state's instructions is worth
    Ablate(Box<StateAblate>),
    /// Read a state that DSPy saved, and say what of it has no counterpart
    Import(StateImport),
    /// Write a state for DSPy, and say what of it has no counterpart there
    Export(StateExport),
}

/// Arguments of `dsp state import`.
#[derive(Debug, Args)]
pub(super) struct StateImport {
    /// The file that DSPy saved: `program.save("….json")`
    #[arg(value_name = "DSPY.json")]
    pub(super) state: PathBuf,
    /// The script whose items the expression uses
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The program that the state is for, such as `rag` or `Rag(k: 5)`
    #[arg(long, value_name = "EXPR")]
    pub(super) program: String,
    /// Where the state goes; standard output when it is left out
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// Arguments of `dsp state export`.
#[derive(Debug, Args)]
pub(super) struct StateExport {
    /// The saved state
    #[arg(value_name = "STATE")]
    pub(super) state: PathBuf,
    /// The script whose items the expression uses
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The program that the state is of, such as `rag` or `Rag(k: 5)`
    #[arg(long, value_name = "EXPR")]
    pub(super) program: String,
    /// Write it as DSPy 2.6 and later load it; there is no other form, and this may be left out
    #[arg(long)]
    pub(super) dspy: bool,
    /// A file that DSPy saved of its program: paths are spelt as there, and what is no predictor,
    /// such as a retriever, is taken from there
    #[arg(long, value_name = "DSPY.json")]
    pub(super) like: Option<PathBuf>,
    /// Where the file goes; standard output when it is left out
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// Arguments of `dsp state ablate`.
#[derive(Debug, Args)]
pub(super) struct StateAblate {
    /// The saved state
    #[arg(value_name = "STATE")]
    pub(super) state: PathBuf,
    /// The script whose items the expressions use
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The program that the state is of, such as `rag` or `Rag(k: 5)`
    #[arg(long, value_name = "EXPR")]
    pub(super) program: String,
    /// The metric, such as `correct`
    #[arg(long, value_name = "EXPR")]
    pub(super) metric: String,
    /// The examples, best such as no search has seen: a JSONL, JSON, CSV, TSV or Parquet file
    #[arg(long, value_name = "FILE")]
    pub(super) data: PathBuf,
    /// Say what would be left out and what it takes at most, and run nothing
    #[arg(long)]
    pub(super) plan: bool,
    /// Write a smaller state, without parts that carry nothing, if it is not reliably worse on a
    /// third of the rows, which are held back for that
    #[arg(long, value_name = "FILE", conflicts_with = "plan")]
    pub(super) drop: Option<PathBuf>,
    #[command(flatten)]
    pub(super) lm: Lm,
    /// Write JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Arguments of `dsp models`.
#[derive(Debug, Args)]
pub(super) struct Models {
    #[command(subcommand)]
    pub(super) action: ModelsAction,
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub(super) enum ModelsAction {
    /// List the models that could answer now
    List {
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch the weights of a model that runs in the process
    Pull {
        /// The model; the default model when it is left out
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
}

/// Arguments of `dsp cache`.
#[derive(Debug, Args)]
pub(super) struct Cache {
    #[command(subcommand)]
    pub(super) action: CacheAction,
}

/// What to do with kept replies.
#[derive(Debug, Subcommand)]
pub(super) enum CacheAction {
    /// Say where they are, how many, how large, how old, and of which models
    Show {
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Drop replies: those that any of the flags means
    Prune(CachePrune),
    /// Read every reply, and say which are damaged
    Verify {
        /// Drop what is damaged
        #[arg(long)]
        repair: bool,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
}

/// Arguments of `dsp cache prune`.
#[derive(Debug, Args)]
pub(super) struct CachePrune {
    /// The oldest, until no more than so many MB are left
    #[arg(long, value_name = "N", required_unless_present_any = ["older_than", "all"])]
    pub(super) max_mb: Option<u64>,
    /// Those that were kept so long ago: `30d`, `12h`
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(super) older_than: Option<Duration>,
    /// All
    #[arg(long)]
    pub(super) all: bool,
    /// Write JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Arguments of `dsp new`.
#[derive(Debug, Args)]
pub(super) struct New {
    /// The project, and the folder that is made for it
    #[arg(value_name = "NAME")]
    pub(super) name: String,
    /// What it begins with: questions and answers, answers from documents, messages sorted
    #[arg(long, value_name = "NAME", default_value = "qa", value_parser = super::new::NAMES)]
    pub(super) template: String,
}

/// Arguments of `dsp doc`.
#[derive(Debug, Args)]
pub(super) struct Doc {
    /// A page, a function, a kind of value or its method, such as `tour`, `evaluate`, `reply.with`
    #[arg(value_name = "TOPIC")]
    pub(super) topic: Option<String>,
    /// Find a word in the reference
    #[arg(long, value_name = "WORD", conflicts_with = "topic")]
    pub(super) search: Option<String>,
}

/// Arguments of `dsp completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(super) shell: clap_complete::Shell,
}
