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
        return send(shell, &recorded, Some(url.as_str()).filter(|it| !it.is_empty()));
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

#[cfg(feature = "http")]
fn send(shell: &Shell, recorded: &Recorded, url: Option<&str>) -> Result<(), Failure> {
    use crate::lm::http::Collector;
    let collector = Collector::new(&*shell.host, url).map_err(|it| failed(&it))?;
    if collector.headers_left_out {
        let other = "OTEL_EXPORTER_OTLP_HEADERS are for OTEL_EXPORTER_OTLP_ENDPOINT, which is \
                     another collector: they were not sent";
        shell.warn(&[other.to_owned()]);
    }
    let requests = spans(recorded);
    let mut refused = 0;
    for request in &requests {
        refused += collector.send(request, trace::to_protobuf).map_err(|it| failed(&it))?;
    }
    let sent: usize = requests.iter().map(count).sum();
    shell.eprint(&format!("{sent} spans were sent to {}\n", collector.shown()));
    if refused > 0 {
        return Err(Failure::usage(format!("the collector did not take {refused} of them")));
    }
    Ok(())
}

#[cfg(feature = "http")]
fn failed(error: &crate::lm::Error) -> Failure {
    let mut failure = Failure::usage(error.to_string());
    if let Some(hint) = error.hint_text() {
        failure.hint(hint.to_owned());
    }
    failure
}

/// How many spans a request holds.
#[cfg(feature = "http")]
fn count(request: &serde_json::Value) -> usize {
    request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().map_or(0, Vec::len)
}

#[cfg(not(feature = "http"))]
fn send(_: &Shell, _: &Recorded, _: Option<&str>) -> Result<(), Failure> {
    let mut failure = Failure::usage("this program was built without HTTP and sends nothing");
    failure
        .hint("write the spans with `-o FILE`, or build it with the feature `http`".to_owned());
    Err(failure)
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
