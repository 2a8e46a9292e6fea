//! Replies line by line: `{id, signature, adapter, completion}` in, `{id, values, liberties}` or
//! `{id, error}` out, in the same order. A line is written before the next one is read.

use super::super::shell::{Failure, Shell, UNUSABLE};
use super::{begun, line, read};
use crate::adapt::Adapter;
use crate::check::signature_from_str;
use crate::diag::Diagnostic;
use crate::schema::Signature;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::io::{BufRead, Cursor, ErrorKind};
use std::path::Path;
use std::sync::Arc;

/// How many signatures are kept; rows mostly share a few.
const MAX_KEPT: usize = 256;

/// What holds where a line says nothing.
pub(super) struct Defaults {
    pub(super) signature: Option<Arc<Signature>>,
    pub(super) adapter: Option<Adapter>,
    pub(super) partial: bool,
}

/// Reads replies until there are no more. A line that is of no use is answered by an error, and
/// the next one is read.
pub(super) fn run(
    shell: &Shell,
    file: Option<&Path>,
    defaults: Defaults,
) -> Result<(), Failure> {
    let mut rows: Box<dyn BufRead> = match file.filter(|it| *it != Path::new("-")) {
        Some(path) => Box::new(Cursor::new(bytes_of(shell, path)?)),
        None => Box::new(std::io::stdin().lock()),
    };
    let mut reader = Reader { defaults, signatures: BTreeMap::new() };
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match rows.read_until(b'\n', &mut bytes) {
            Ok(0) => return Ok(()),
            Ok(_) if bytes.trim_ascii().is_empty() => {}
            Ok(_) => shell.print(&line(&reader.row(&bytes))),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                let message = format!("the replies cannot be read: {error}");
                return Err(Failure::io(Diagnostic::bare(UNUSABLE, message)));
            }
        }
    }
}

fn bytes_of(shell: &Shell, path: &Path) -> Result<Vec<u8>, Failure> {
    shell.host.read(path).map_err(|error| {
        let message = format!("cannot read `{}`: {error}", path.display());
        Failure::io(Diagnostic::bare(UNUSABLE, message))
    })
}

struct Reader {
    defaults: Defaults,
    /// The signatures read so far, and what is wrong with those that are none.
    signatures: BTreeMap<String, Result<Arc<Signature>, String>>,
}

impl Reader {
    /// The answer to a line.
    fn row(&mut self, bytes: &[u8]) -> Json {
        let row = match serde_json::from_slice(bytes) {
            Ok(Json::Object(row)) => row,
            Ok(_) => return json!({ "id": null, "error": "the line is no JSON object" }),
            Err(error) => {
                return json!({ "id": null, "error": format!("the line is no JSON: {error}") });
            }
        };
        let id = row.get("id").cloned().unwrap_or(Json::Null);
        let mut answer = Map::new();
        answer.insert("id".to_owned(), id);
        match self.answer(&row) {
            Ok(Json::Object(fields)) => answer.extend(fields),
            Ok(_) => {}
            Err(error) => {
                answer.insert("error".to_owned(), error.into());
            }
        }
        Json::Object(answer)
    }

    fn answer(&mut self, row: &Map<String, Json>) -> Result<Json, String> {
        let text = |key: &str| match row.get(key) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(format!("`{key}` is no text")),
        };
        let signature = match text("signature")? {
            Some(said) => self.signature(said)?,
            None => self.defaults.signature.clone().ok_or("the line has no `signature`")?,
        };
        let adapter = match text("adapter")? {
            Some(name) => adapter(name)?,
            None => self.defaults.adapter.clone().unwrap_or(Adapter::Chat),
        };
        let completion = text("completion")?.ok_or("the line has no `completion`")?;
        let partial = match row.get("partial") {
            None | Some(Json::Null) => self.defaults.partial,
            Some(Json::Bool(it)) => *it,
            Some(_) => return Err("`partial` is neither true nor false".to_owned()),
        };
        if partial {
            return Ok(begun(&adapter.parse_partial(&signature, completion)));
        }
        adapter.parse(&signature, completion).map(|it| read(&it)).map_err(|it| it.message)
    }

    fn signature(&mut self, text: &str) -> Result<Arc<Signature>, String> {
        if let Some(known) = self.signatures.get(text) {
            return known.clone();
        }
        if self.signatures.len() >= MAX_KEPT {
            self.signatures.clear();
        }
        let read = signature_from_str(text, &Arc::default(), &|_| false);
        let read = read.map(Arc::new).map_err(|diags| {
            let first = diags.first().map_or("", |it| &it.message);
            format!("`{text}` is no signature: {first}")
        });
        self.signatures.insert(text.to_owned(), read.clone());
        read
    }
}

fn adapter(name: &str) -> Result<Adapter, String> {
    match name {
        "auto" => Ok(Adapter::Chat),
        _ => Adapter::by_name(name).ok_or_else(|| {
            format!(
                "there is no adapter `{name}`: say `auto`, `chat`, `json`, `xml`, `two_step` or \
                 `complete`"
            )
        }),
    }
}
