//! `dsp parse`

mod lines;

use super::args::{Layout, Parse};
use super::session::read_stdin;
use super::shell::{Failure, Shell};
use crate::adapt::{Adapter, Liberty, ParseError, Parsed, Partial};
use crate::check::signature_from_str;
use crate::diag::Diagnostic;
use crate::engine;
use crate::render::plain;
use crate::runtime::codes;
use crate::schema::{Record, Signature, Value};
use crate::source::Sources;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::Arc;

/// Shows what a reply says of the outputs of a signature.
pub(super) fn run(shell: &Shell, args: &Parse) -> Result<(), Failure> {
    let signature = args.signature.as_deref().map(|it| signature(shell, it)).transpose()?;
    let adapter = args.adapter.map(adapter);
    if args.jsonl {
        let defaults = lines::Defaults { signature, adapter, partial: args.partial };
        return lines::run(shell, args.file.as_deref(), defaults);
    }
    let Some(signature) = signature else {
        let mut failure = Failure::usage("no signature says what the reply should state");
        failure.hint("say it by `--signature \"question -> answer: int\"`".to_owned());
        return Err(failure);
    };
    let text = match &args.file {
        Some(path) if path != Path::new("-") => engine::read_file(&*shell.host, path)?,
        _ => read_stdin()?,
    };
    let adapter = adapter.unwrap_or(Adapter::Chat);
    if args.partial {
        let partial = adapter.parse_partial(&signature, &text);
        shell.print(&if args.json { line(&begun(&partial)) } else { begun_text(&partial) });
        return Ok(());
    }
    match adapter.parse(&signature, &text) {
        Ok(parsed) => {
            shell.print(&if args.json { line(&read(&parsed)) } else { read_text(&parsed) });
            Ok(())
        }
        Err(error) => {
            if args.json {
                shell.print(&line(&refused(&error)));
                return Err(Failure::told());
            }
            let message = format!("the reply cannot be read: {error}");
            let diag = Diagnostic::bare(codes::PARSE, message);
            Err(Failure { diags: vec![diag], ..Failure::told() })
        }
    }
}

fn adapter(layout: Layout) -> Adapter {
    match layout {
        Layout::Complete => Adapter::Complete,
        Layout::Auto | Layout::Chat => Adapter::Chat,
        Layout::Json => Adapter::Json,
        Layout::Xml => Adapter::Xml,
        Layout::TwoStep => Adapter::TwoStep,
    }
}

/// The signature that a text is, or the one that `FILE::NAME` names.
fn signature(shell: &Shell, text: &str) -> Result<Arc<Signature>, Failure> {
    if let Some((file, name)) = text.rsplit_once("::")
        && Path::new(file.trim()).extension().is_some_and(|it| it == "dsp")
    {
        return declared(shell, Path::new(file.trim()), name.trim()).map(Arc::new);
    }
    let types = Arc::default();
    signature_from_str(text, &types, &|_| false).map(Arc::new).map_err(|diags| {
        let mut sources = Sources::default();
        sources.add("--signature", text);
        Failure { exit: Failure::USAGE, sources, diags }
    })
}

fn declared(shell: &Shell, path: &Path, name: &str) -> Result<Signature, Failure> {
    let check = engine::check_file(&*shell.host, path)?;
    if check.has_errors() {
        return Err(Failure {
            sources: check.sources,
            diags: check.diagnostics,
            ..Failure::told()
        });
    }
    let signatures = &check.checked.signatures;
    signatures.get(name).cloned().ok_or_else(|| {
        let mut failure =
            Failure::usage(format!("`{}` has no signature `{name}`", path.display()));
        let names = signatures.keys().map(|it| format!("`{it}`")).collect::<Vec<_>>();
        if !names.is_empty() {
            failure.hint(format!("it has {}", names.join(", ")));
        }
        failure
    })
}

fn line(json: &Json) -> String {
    format!("{json}\n")
}

fn values(record: &Record) -> Json {
    let plain = |(name, value): (&Arc<str>, &Value)| {
        (name.to_string(), serde_json::to_value(value).unwrap_or(Json::Null))
    };
    Json::Object(record.iter().map(plain).collect())
}

fn liberty(liberty: &Liberty) -> Json {
    json!({ "field": &*liberty.field, "kind": liberty.kind.as_str(), "note": liberty.note })
}

fn read(parsed: &Parsed) -> Json {
    let liberties = parsed.liberties.iter().map(liberty).collect::<Vec<_>>();
    json!({ "values": values(&parsed.values), "liberties": liberties })
}

fn begun(partial: &Partial) -> Json {
    let complete = partial.complete.iter().map(|it| &**it).collect::<Vec<_>>();
    json!({ "values": values(&partial.values), "complete": complete })
}

fn refused(error: &ParseError) -> Json {
    json!({ "error": error.message, "values": values(&error.values) })
}

fn value_line(name: &str, value: &Value) -> String {
    format!("{name} = {}\n", value.to_json())
}

fn read_text(parsed: &Parsed) -> String {
    let values = parsed.values.iter().map(|(name, value)| value_line(name, value));
    let mut out = values.collect::<String>();
    if !parsed.liberties.is_empty() {
        out.push_str("\nliberties:\n");
    }
    for liberty in &parsed.liberties {
        out.push_str(&format!("  {:9} {liberty}\n", liberty.kind.as_str()));
    }
    plain(&out).into_owned()
}

fn begun_text(partial: &Partial) -> String {
    let values = partial.values.iter().map(|(name, value)| {
        let open = if partial.complete.contains(name) { "" } else { " …" };
        value_line(name, value).replace('\n', &format!("{open}\n"))
    });
    plain(&values.collect::<String>()).into_owned()
}
