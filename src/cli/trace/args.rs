//! Flags of `dsp trace`.

use crate::cli::args::Lm;
use crate::trace::Kind;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Arguments of `dsp trace show`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// The file that `--trace` wrote, or the id of an entry of `dsp log`
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Show prompts and replies too
    #[arg(long)]
    pub(super) full: bool,
    /// Show only what is at this path of the program, or below it
    #[arg(long, value_name = "PATH")]
    pub(super) path: Option<String>,
    /// Show only nodes of these kinds
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    pub(super) kind: Vec<Kind>,
    /// Show only what failed
    #[arg(long)]
    pub(super) failed: bool,
    /// Show one node whole, with its prompts and replies: its number, or its path
    #[arg(long, value_name = "ID", conflicts_with_all = ["full", "path", "kind", "failed"])]
    pub(super) prompt: Option<String>,
    /// How many columns of a value are shown
    #[arg(long, value_name = "N", value_parser = width)]
    pub(super) width: Option<usize>,
    /// Write JSON, with prompts and replies
    #[arg(long)]
    pub(super) json: bool,
}

fn kind(text: &str) -> Result<Kind, String> {
    let known = Kind::ALL.into_iter().find(|it| it.as_str() == text);
    let names = Kind::ALL.map(Kind::as_str).join(", ");
    known.ok_or_else(|| format!("expected one of {names}"))
}

fn width(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (10..=100_000).contains(&number) => Ok(number),
        _ => Err("expected a number from 10 to 100000".to_owned()),
    }
}

/// Arguments of `dsp trace html`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Html {
    /// The file that `--trace` wrote, or the id of an entry of `dsp log`
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Another one to compare it with
    #[arg(value_name = "OTHER")]
    pub(super) other: Option<PathBuf>,
    /// The HTML file
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Leave out inputs, outputs, prompts and replies
    #[arg(long)]
    pub(super) no_content: bool,
}

/// Arguments of `dsp trace export`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// The file that `--trace` wrote, or the id of an entry of `dsp log`
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// What is written
    #[arg(long, value_enum, value_name = "NAME")]
    pub(super) format: Format,
    /// Where it is written; standard output when it is left out
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Send it to this collector of OpenTelemetry; without a URL to
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`
    #[arg(
        long,
        value_name = "URL",
        num_args = 0..=1,
        default_missing_value = "",
        conflicts_with = "output"
    )]
    pub(super) to: Option<String>,
    /// Leave out inputs, outputs, prompts and replies
    #[arg(long)]
    pub(super) no_content: bool,
}

/// What traces are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// One object with nodes, edges and their content
    Json,
    /// Lines as `--trace` writes them, and their content
    Jsonl,
    /// A flow chart in Mermaid's language
    Mermaid,
    /// A graph in Graphviz's language
    Dot,
    /// Spans of OpenTelemetry, as JSON, a request a line
    Otlp,
}

/// Arguments of `dsp trace diff`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Diff {
    /// The one before
    #[arg(value_name = "A")]
    pub(super) a: PathBuf,
    /// The one after
    #[arg(value_name = "B")]
    pub(super) b: PathBuf,
    /// How many nodes are shown that differ
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(super) limit: usize,
    /// Write JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Arguments of `dsp trace replay`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Replay {
    /// The file that `dsp run --trace` wrote, or the id of an entry of `dsp log`
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The script; that of the trace when it is left out
    #[arg(value_name = "SCRIPT")]
    pub(super) script: Option<PathBuf>,
    /// Ask the model for what differs from the trace, in place of an error
    #[arg(long)]
    pub(super) live: bool,
    /// Write the trace of the new run to this file
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    #[command(flatten)]
    pub(super) lm: Lm,
}

/// Arguments of `dsp trace fork`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub(in crate::cli) struct Fork {
    /// The file that `dsp run --trace` wrote, or the id of an entry of `dsp log`
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The script; that of the trace when it is left out
    #[arg(value_name = "SCRIPT")]
    pub(super) script: Option<PathBuf>,
    /// The call that is changed: its number, or its path
    #[arg(long, value_name = "ID")]
    pub(super) at: String,
    /// It is answered this; `@FILE` reads it from a file
    #[arg(long, value_name = "TEXT", group = "change")]
    pub(super) reply: Option<String>,
    /// This model answers it
    #[arg(long = "lm", value_name = "NAME", group = "change")]
    pub(super) other_lm: Option<String>,
    /// It is told to do this; `@FILE` reads it from a file
    #[arg(long, value_name = "TEXT", group = "change")]
    pub(super) instructions: Option<String>,
    /// This is sent in place of the last message of its prompt, or of all of them where it is a
    /// list of `{"role": …, "text": …}`; `@FILE` reads it from a file
    #[arg(long, value_name = "TEXT", group = "change")]
    pub(super) prompt: Option<String>,
    /// Write the trace of the new branch to this file
    #[arg(long, short, value_name = "FILE", required_unless_present = "dry")]
    pub(super) output: Option<PathBuf>,
    /// Send nothing: show what would be asked first
    #[arg(long)]
    pub(super) dry: bool,
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
    #[arg(long, value_name = "USD", value_parser = crate::cli::args::amount)]
    pub(super) max_usd: Option<f64>,
    /// How many nodes are shown that differ
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(super) limit: usize,
}

/// Arguments of `dsp trace test`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    /// The file that `dsp run --trace` wrote, or the id of an entry of `dsp log`
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The script; that of the trace when it is left out
    #[arg(value_name = "SCRIPT")]
    pub(super) script: Option<PathBuf>,
    /// The file with the test; beside the script, `NAME.test.dsp`, when it is left out
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}
