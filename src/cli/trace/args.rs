//! Flags of `dsp trace`.

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
