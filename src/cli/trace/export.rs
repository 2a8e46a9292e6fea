//! `dsp trace export`

use super::args::{Export, Format};
use super::{Recorded, read, told};
use crate::cli::shell::{Failure, Shell};
use crate::trace::{self, to_otlp, to_whole_jsonl, whole};

/// Writes a trace for other programs, or sends it to one.
pub(super) fn run(shell: &Shell, args: &Export) -> Result<(), Failure> {
    let recorded = told(read(shell, &args.file)?, args.no_content);
    if let Some(url) = &args.to {
        if args.format != Format::Otlp {
            let mut failure = Failure::usage("only spans of OpenTelemetry are sent somewhere");
            failure.hint("use `--format otlp`, or `-o FILE`".to_owned());
            return Err(failure);
        }
        return Err(Failure::usage(format!("not yet: {url}")));
    }
    let text = text(&recorded, args.format);
    match &args.output {
        Some(path) => shell.write(path, &text),
        None => {
            shell.print(&text);
            Ok(())
        }
    }
}

fn text(recorded: &Recorded, format: Format) -> String {
    let Recorded { trace, about, .. } = recorded;
    match format {
        Format::Json => format!("{}\n", whole(trace, about, |_| true)),
        Format::Jsonl => to_whole_jsonl(trace, about),
        Format::Mermaid => trace.to_mermaid(),
        Format::Dot => trace.to_dot(),
        Format::Otlp => {
            let requests = spans(recorded);
            requests.iter().map(|it| format!("{it}\n")).collect()
        }
    }
}

/// The requests that hold the spans of a trace.
fn spans(recorded: &Recorded) -> Vec<serde_json::Value> {
    let content = !recorded.about.content_left_out;
    let export = trace::Export { service: &recorded.name, content };
    to_otlp(&recorded.trace, &recorded.about, &export)
}
