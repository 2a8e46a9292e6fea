//! Pictures, sounds and files: the natives that read them, and the values that they are.
//!
//! A text is never taken for a path where it may be a model's: scripts say `image(path)`, and
//! columns of data become media only where a parameter or an input says so.

use crate::adapt::Ask;
use crate::host::{Host, SharedHost};
use crate::lm::{Capabilities, Prompt};
use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::Error;
use crate::runtime::run::Run;
use crate::runtime::value::{Object, Val};
use crate::schema::{
    ConvertError, Demo, MediaFile, MediaKind, Record, Signature, Source, Ty, TypeTable, Value,
    fits_size, with_paths,
};
use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `image("cat.png")`, `image("https://…")`, `image("data:image/png;base64,…")`
pub(in crate::runtime) fn image(cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
    medium(cx, MediaKind::Image, args)
}

/// As [`image`], for sounds.
pub(in crate::runtime) fn audio(cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
    medium(cx, MediaKind::Audio, args)
}

/// As [`image`], for documents.
pub(in crate::runtime) fn file(cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
    medium(cx, MediaKind::File, args)
}

fn medium(cx: &Cx<'_>, kind: MediaKind, mut args: Args) -> Result<Val, Error> {
    let mime = args.text("mime")?;
    let from = args.take(0, "from").unwrap_or_default();
    args.finish(kind.as_str(), 1, &["from", "mime"])?;
    if from.downcast::<MediaValue>().is_some_and(|it| it.0.media.kind == kind) {
        return Ok(from);
    }
    let Some(said) = from.as_str() else {
        return Err(wrong("from", "a path, a URL or a `data:` URI", &from));
    };
    let host = &*cx.run().env().host;
    let medium = opened(host, said, kind, mime.as_deref(), |path| cx.resolve(path))?;
    Ok(Val::object(MediaValue(Arc::new(medium))))
}

fn bad(error: &ConvertError) -> Error {
    Error::value(error.to_string())
}

/// What a text names: a URL, a `data:` URI or a file.
fn opened(
    host: &dyn Host,
    said: &str,
    kind: MediaKind,
    mime: Option<&str>,
    resolve: impl Fn(&str) -> PathBuf,
) -> Result<MediaFile, Error> {
    if said.starts_with("data:") {
        return MediaFile::of_data_uri(said, kind).map_err(|it| bad(&it));
    }
    if said.starts_with("https://") || said.starts_with("http://") {
        return MediaFile::at_url(said, kind, mime).map_err(|it| bad(&it));
    }
    let path = resolve(said);
    let bytes = content(host, &path)?;
    let name = path.file_name().map(|it| it.to_string_lossy().into_owned());
    let what = format!("`{said}`");
    let read = MediaFile::read(bytes, kind, mime, name.as_deref(), &what);
    let medium = read.map_err(|it| bad(&it))?;
    Ok(MediaFile { path: Some(path.to_string_lossy().into()), ..medium })
}

/// The content of a file that is small enough to be sent.
fn content(host: &dyn Host, path: &Path) -> Result<Vec<u8>, Error> {
    let shown = path.display();
    let unread =
        |error: std::io::Error| Error::value(format!("cannot read `{shown}`: {error}"));
    let blob = host.open(path).map_err(unread)?;
    fits_size(blob.size(), &format!("`{shown}`")).map_err(|it| bad(&it))?;
    let mut bytes = vec![0; usize::try_from(blob.size()).unwrap_or(usize::MAX)];
    blob.read_at(0, &mut bytes).map_err(unread)?;
    Ok(bytes)
}

/// Values as they are sent: content that was only known by its hash is read again.
///
/// # Errors
/// Content that cannot be had, or is another one now.
pub(in crate::runtime) fn at_hand(run: &Run, value: &Value) -> Result<Value, Error> {
    if !value.has_media() {
        return Ok(value.clone());
    }
    match value {
        Value::Media(medium) => again(&run.env().host, medium).map(Value::Media),
        Value::List(items) => {
            let items = items.iter().map(|it| at_hand(run, it));
            items.collect::<Result<Vec<_>, _>>().map(Value::list)
        }
        Value::Map(entries) => all_at_hand(run, entries).map(Value::map),
        other => Ok(other.clone()),
    }
}

/// As [`at_hand`], for named values.
pub(in crate::runtime) fn all_at_hand(run: &Run, record: &Record) -> Result<Record, Error> {
    record.iter().map(|(name, it)| Ok((name.clone(), at_hand(run, it)?))).collect()
}

fn again(host: &SharedHost, medium: &Arc<MediaFile>) -> Result<Arc<MediaFile>, Error> {
    let Source::Absent { sha256, .. } = &medium.media.source else { return Ok(medium.clone()) };
    let media = &medium.media;
    let Some(path) = &medium.path else {
        let message = format!("the content of {media} is not at hand: only its hash is known");
        return Err(Error::value(message).hint("give it by a path or a URL"));
    };
    let source = Source::bytes(content(&**host, Path::new(&**path))?);
    if source.told() != sha256 {
        let message = format!("`{path}` is not what it was: it was {media}");
        return Err(Error::value(message)
            .hint("put the file back, or make the demo or the row again from the new one"));
    }
    let media = crate::schema::Media { source, ..(**media).clone() };
    Ok(Arc::new(MediaFile { media: Arc::new(media), path: medium.path.clone() }))
}

/// A value from outside the program, such as a cell of a data file, as one of a type: texts
/// where media are wanted name files (from `folder` on), URLs or content.
///
/// # Errors
/// What cannot be read, or is no such thing.
pub(in crate::runtime) fn from_outside(
    run: &Run,
    folder: Option<&str>,
    value: &Value,
    ty: &Ty,
    types: &TypeTable,
) -> Result<Value, Error> {
    let again = |value: &Value, ty: &Ty| from_outside(run, folder, value, ty, types);
    match (ty.resolve(types).unwrap_or(ty), value) {
        (Ty::Media(kind), Value::Str(said)) => {
            let resolve = |path: &str| match folder {
                Some(folder) => Path::new(folder).join(path),
                None => run.session().resolve(path),
            };
            let medium = opened(&*run.env().host, said, *kind, None, resolve)?;
            Ok(Value::Media(Arc::new(medium)))
        }
        (Ty::Optional(inner) | Ty::Bounded(inner, _), _) => again(value, inner),
        (Ty::List(item), Value::List(items)) => {
            let items = items.iter().map(|it| again(it, item));
            items.collect::<Result<Vec<_>, _>>().map(Value::list)
        }
        (Ty::Dict(item), Value::Map(entries)) => {
            let entries = entries.iter().map(|(name, it)| Ok((name.clone(), again(it, item)?)));
            entries.collect::<Result<Record, Error>>().map(Value::map)
        }
        (Ty::Record(fields), Value::Map(entries)) => {
            let one = |(name, it): (&Arc<str>, &Value)| {
                let field = fields.iter().find(|field| field.name == *name);
                let value = match field {
                    Some(field) => again(it, &field.ty)?,
                    None => it.clone(),
                };
                Ok((name.clone(), value))
            };
            entries.iter().map(one).collect::<Result<Record, Error>>().map(Value::map)
        }
        _ => Ok(value.clone()),
    }
}

/// Adds the files that a value from outside names; see [`from_outside`].
pub(in crate::runtime) fn files(
    run: &Run,
    folder: Option<&str>,
    value: &Value,
    ty: &Ty,
    types: &TypeTable,
    files: &mut BTreeSet<PathBuf>,
) {
    let found = RefCell::new(Vec::new());
    with_paths(value, ty, types, &|path| {
        found.borrow_mut().push(match folder {
            Some(folder) => Path::new(folder).join(path),
            None => run.session().resolve(path),
        });
        path.to_owned()
    });
    files.extend(found.into_inner());
}

/// Demos as they are sent; a text of a demo where a medium is wanted is a path that a row said.
///
/// # Errors
/// Content that cannot be had.
pub(in crate::runtime) fn demos(
    run: &Run,
    signature: &Signature,
    demos: &[Demo],
) -> Result<Option<Vec<Demo>>, Error> {
    let takes = |it: &crate::schema::Field| it.ty.mentions_media(&signature.types);
    let fields: Vec<_> = signature.inputs.iter().filter(|it| takes(it)).collect();
    if fields.is_empty() || demos.is_empty() {
        return Ok(None);
    }
    let one = |demo: &Demo| {
        let mut inputs = demo.inputs.clone();
        for field in &fields {
            if let Some(value) = inputs.get_mut(&field.name) {
                let given = from_outside(run, Some(""), value, &field.ty, &signature.types)?;
                *value = at_hand(run, &given)?;
            }
        }
        Ok(Demo { inputs, outputs: demo.outputs.clone() })
    };
    demos.iter().map(one).collect::<Result<Vec<_>, Error>>().map(Some)
}

/// Inputs that a person gave: texts where media are wanted name files, URLs or content.
///
/// # Errors
/// What cannot be read, or is no such thing.
pub(in crate::runtime) fn named(
    run: &Run,
    signature: &Signature,
    inputs: &Record,
) -> Result<Record, Error> {
    let one = |(name, value): (&Arc<str>, &Value)| {
        let value = match signature.input(name) {
            Some(field) => from_outside(run, None, value, &field.ty, &signature.types)?,
            None => value.clone(),
        };
        Ok((name.clone(), value))
    };
    inputs.iter().map(one).collect()
}

/// Inputs whose content need not be known: what is a text where a medium is wanted stands for
/// one.
pub(in crate::runtime) fn sketched(signature: &Signature, inputs: &Record) -> Record {
    let one = |(name, value): (&Arc<str>, &Value)| {
        let field = signature.input(name);
        let sketched = field.and_then(|field| sketch(value, &field.ty, &signature.types));
        (name.clone(), sketched.unwrap_or_else(|| value.clone()))
    };
    inputs.iter().map(one).collect()
}

fn sketch(value: &Value, ty: &Ty, types: &TypeTable) -> Option<Value> {
    match (ty.resolve(types)?, value) {
        (Ty::Media(kind), Value::Str(said)) => {
            let url =
                MediaFile::at_url(said, *kind, Some(&format!("{}/*", kind.as_str()))).ok()?;
            Some(Value::Media(Arc::new(url)))
        }
        (Ty::Optional(inner) | Ty::Bounded(inner, _), _) => sketch(value, inner, types),
        (Ty::List(item), Value::List(items)) => {
            let items = items.iter().map(|it| sketch(it, item, types).unwrap_or(it.clone()));
            Some(Value::list(items))
        }
        _ => None,
    }
}

/// Checks that what was laid out can be sent as it is.
///
/// # Errors
/// Media where only text is taken, by the layout or the model, which `model` names.
pub(in crate::runtime) fn taken(
    ask: &Ask<'_>,
    prompt: &Prompt,
    capabilities: &Capabilities,
    adapter: &str,
    model: &str,
) -> Result<(), Error> {
    let inputs = ask.inputs.iter().chain(ask.demos.iter().flat_map(|it| &it.inputs));
    let given: Vec<_> = inputs.filter(|(_, value)| value.has_media()).collect();
    let Some((name, _)) = given.first() else { return Ok(()) };
    let kinds = given.iter().flat_map(|(_, value)| value.media_kinds());
    let refused = kinds.into_iter().find(|kind| !capabilities.media.takes(*kind));
    if let Some(kind) = refused {
        let things = match kind {
            MediaKind::Image => "images",
            MediaKind::Audio => "audio",
            MediaKind::File => "files",
        };
        let message = format!("{model} takes no {things}, and input `{name}` has some");
        let hint = "models behind `openai/`, `anthropic/`, `gemini/`, `openrouter/` and most \
                    servers take them: `dsp doc models`";
        return Err(Error::value(message).hint(hint));
    }
    if matches!(prompt, Prompt::Text(_)) {
        let message =
            format!("the adapter `{adapter}` lays out text only, and `{name}` is none");
        return Err(Error::value(message).hint("`chat`, `json` and `xml` take it"));
    }
    Ok(())
}

/// A picture, a sound or a file.
#[derive(Debug, Clone)]
pub(in crate::runtime) struct MediaValue(pub(in crate::runtime) Arc<MediaFile>);

impl Object for MediaValue {
    fn type_name(&self) -> &'static str {
        self.0.media.kind.as_str()
    }

    fn get(&self, name: &str) -> Option<Val> {
        let media = &self.0.media;
        let text = |it: Option<&str>| it.map_or(Val::Null, Val::str);
        let (url, sha256) = match &media.source {
            Source::Url(url) => (Some(&**url), None),
            source => (None, Some(&**source.told())),
        };
        Some(match name {
            "kind" => Val::str(media.kind.as_str()),
            "mime" => Val::str(&media.mime),
            "name" => text(media.name.as_deref()),
            "url" => text(url),
            "sha256" => text(sha256),
            "size" => match media.source.size() {
                Some(size) => Val::Int(i64::try_from(size).unwrap_or(i64::MAX)),
                None => Val::Null,
            },
            _ => return None,
        })
    }

    fn members(&self) -> Vec<String> {
        ["kind", "mime", "name", "size", "sha256", "url"].map(ToOwned::to_owned).to_vec()
    }

    fn to_value(&self) -> Option<Value> {
        Some(Value::Media(self.0.clone()))
    }

    fn show(&self) -> String {
        self.0.media.to_string()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
