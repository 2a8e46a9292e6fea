//! Units: a text with those that it imports, each read, parsed and checked once.
//!
//! What a program imports lies in its project: the folder of its main text, or the nearest one
//! above that has a `dsp.toml`. Paths start from the file that says them, and links do not lead
//! out.

use crate::check::codes::IMPORT;
use crate::check::{Around, Checked, check_unit, import_path, names};
use crate::diag::Diagnostic;
use crate::host::{Host, read_text, without_dots};
use crate::runtime::Library;
use crate::source::{SourceId, Sources, Span};
use crate::syntax::ast::ImportItem;
use crate::syntax::{Parse, parse};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The file that makes a folder a project.
const PROJECT_FILE: &str = "dsp.toml";
/// The most units of a program.
const MAX_UNITS: usize = 500;
/// How deep imports may be nested.
const MAX_DEPTH: usize = 64;
/// The most text that may be imported, in bytes.
const MAX_TEXT: usize = 32 << 20;

/// A unit that was imported.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Unit {
    /// Where it is, links resolved.
    path: PathBuf,
    text: Arc<str>,
    source: SourceId,
    /// What it imports, by the places among all units.
    imports: Vec<usize>,
    /// What became of it; nothing where it is not correct.
    library: Option<Library>,
    /// What is wrong with it itself: the errors that are not of its imports.
    n_errors: usize,
}

/// A text that is no library: a script, an entry of a session, an expression.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Main<'a> {
    pub(in crate::engine) source: SourceId,
    /// Its file, where it has one.
    pub(in crate::engine) path: Option<&'a Path>,
    /// The folder that its paths start from.
    pub(in crate::engine) base: &'a Path,
    /// Earlier texts whose items are visible.
    pub(in crate::engine) prior: &'a [Arc<Checked>],
    /// The units that those import.
    pub(in crate::engine) known: &'a [Unit],
    /// The variables in scope.
    pub(in crate::engine) locals: &'a [Arc<str>],
    /// Whether more text may follow.
    pub(in crate::engine) open: bool,
}

/// A text that was checked with all that it imports.
#[derive(Debug)]
pub(in crate::engine) struct Loaded {
    pub(in crate::engine) checked: Checked,
    /// Of imported units first, each in the order of its text.
    pub(in crate::engine) diagnostics: Vec<Diagnostic>,
    /// All units, those that were known first, each behind the ones that it imports.
    pub(in crate::engine) units: Vec<Unit>,
}

/// The libraries that units are.
pub(in crate::engine) fn libraries(units: &[Unit]) -> Vec<Library> {
    units.iter().filter_map(|it| it.library.clone()).collect()
}

/// Checks a text with all that it imports; without a host there are no files.
pub(in crate::engine) fn load(
    host: Option<&dyn Host>,
    sources: &mut Sources,
    main: Main<'_>,
) -> Loaded {
    let text = sources.get(main.source).text.clone();
    let parsed = parse(main.source, &text);
    let name = sources.get(main.source).name.clone();
    let path = host.zip(main.path).and_then(|(host, path)| host.real_path(path).ok());
    let mut loader = Loader {
        host,
        sources,
        units: main.known.to_vec(),
        n_known: main.known.len(),
        seen: BTreeMap::new(),
        root: host.map(|it| root(it, main.base)),
        under_way: vec![Step { path, name, at: None }],
        diags: Vec::new(),
        n_bytes: 0,
        is_full: false,
    };
    let (imports, told) = loader.imports(&parsed, &text, main.source, main.base);
    let around = Around {
        prior: main.prior,
        locals: main.locals,
        prefix: "",
        imports: &loader.imported(&imports),
        units: &loader.checked(),
        open: main.open,
    };
    let (checked, found) = check_unit(&parsed, main.source, &text, around);
    let mut diagnostics = loader.diags;
    diagnostics.extend(in_order([parsed.diags, told, found]));
    Loaded { checked, diagnostics, units: loader.units }
}

/// What is wrong with one text, in the order of the text. What follows from broken grammar is
/// noise, but what stands elsewhere is not.
fn in_order(found: [Vec<Diagnostic>; 3]) -> Vec<Diagnostic> {
    let mut all: Vec<Diagnostic> = found.into_iter().flatten().collect();
    all.sort_by_key(|it| it.primary.as_ref().map(|at| (at.span.source, at.span.start)));
    all
}

/// The folder that imports do not leave.
fn root(host: &dyn Host, base: &Path) -> PathBuf {
    let base = real_folder(host, base);
    let project = base.ancestors().find(|it| host.exists(&it.join(PROJECT_FILE)));
    project.map_or_else(|| base.clone(), Path::to_owned)
}

fn real_folder(host: &dyn Host, path: &Path) -> PathBuf {
    host.real_path(path).unwrap_or_else(|_| without_dots(path))
}

/// A text under way, and the import that led to it.
struct Step {
    path: Option<PathBuf>,
    name: Arc<str>,
    at: Option<Span>,
}

/// A file that is to be imported.
struct File {
    /// As the user reads it.
    shown: PathBuf,
    /// Links resolved.
    real: PathBuf,
}

/// Why something cannot be imported, and what to do.
struct Refusal {
    message: String,
    hint: String,
}

fn refuse<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { message: message.into(), hint: hint.into() })
}

struct Loader<'a> {
    host: Option<&'a dyn Host>,
    sources: &'a mut Sources,
    units: Vec<Unit>,
    /// How many of them are of earlier texts: they serve again if they are as they were.
    n_known: usize,
    /// The units that were looked at this time.
    seen: BTreeMap<PathBuf, usize>,
    root: Option<PathBuf>,
    under_way: Vec<Step>,
    diags: Vec<Diagnostic>,
    n_bytes: usize,
    /// Whether a limit was reached, of which is told once.
    is_full: bool,
}

/// The units that a text imports, by the first bytes of its imports.
type Imports = BTreeMap<u32, Option<usize>>;

impl Loader<'_> {
    /// Loads what a text imports.
    fn imports(
        &mut self,
        parsed: &Parse,
        text: &str,
        source: SourceId,
        base: &Path,
    ) -> (Imports, Vec<Diagnostic>) {
        let (mut found, mut told) = (Imports::new(), Vec::new());
        for item in parsed.tree.nodes().filter_map(ImportItem::cast) {
            let Some(said) = import_path(item, text) else { continue };
            if said == "std/metrics" {
                continue;
            }
            let span = item.path().map_or(item.0, |it| it).span(source);
            let unit = match self.unit(&said, base, span) {
                Ok(unit) => Some(unit),
                Err(refusal) => {
                    told.extend(refusal.map(|it| self.refused(it, span)));
                    None
                }
            };
            told.extend(unit.and_then(|it| self.broken(it, span)));
            found.insert(item.0.start, unit);
        }
        (found, told)
    }

    /// Says why something cannot be imported, and through which imports it came to that.
    fn refused(&self, refusal: Refusal, span: Span) -> Diagnostic {
        let told = Diagnostic::new(IMPORT, span, refusal.message).hint(refusal.hint);
        let steps = self.under_way.iter().rev();
        let chain =
            steps.filter_map(|it| Some((it.at?, format!("`{}` is imported here", it.name))));
        chain.fold(told, |told, (span, text)| told.label(span, text))
    }

    /// Says, where a unit is imported first, that it is not correct.
    fn broken(&mut self, unit: usize, span: Span) -> Option<Diagnostic> {
        let unit = &mut self.units[unit];
        let errors = match std::mem::take(&mut unit.n_errors) {
            0 => return None,
            1 => "an error".to_owned(),
            more => format!("{more} errors"),
        };
        let name = self.sources.get(unit.source).name.clone();
        let message = format!("`{name}` cannot be imported: it has {errors}");
        Some(self.refused(Refusal { message, hint: String::new() }, span))
    }

    /// Loads a unit; an error without a refusal was told before.
    fn unit(&mut self, said: &str, base: &Path, span: Span) -> Result<usize, Option<Refusal>> {
        let file = self.locate(said, base)?;
        self.check_cycle(&file)?;
        if let Some(known) = self.seen.get(&file.real) {
            return Ok(*known);
        }
        let text = self.read(&file)?;
        let unit = self.load(&file, text.into(), span);
        self.seen.insert(file.real, unit);
        Ok(unit)
    }

    /// The file that an import means.
    fn locate(&self, said: &str, base: &Path) -> Result<File, Refusal> {
        if let Some(name) = said.strip_prefix("std/") {
            let message = format!("the standard library has no `{name}`");
            return refuse(message, "there is only `std/metrics`");
        }
        let hint = "the path of an import starts from the file that says it: `lib/texts`";
        let drive = said.get(1..2) == Some(":");
        if Path::new(said).has_root() || drive || said.starts_with('~') {
            return refuse(format!("`{said}` is an absolute path"), hint);
        }
        if said.contains('\\') {
            return refuse(
                format!("`{said}` is no path of an import"),
                "write `/` between folders",
            );
        }
        if said.trim().is_empty() || said.ends_with('/') || said.contains(char::is_control) {
            return refuse("this is no path of a file", hint);
        }
        let (Some(host), Some(root)) = (self.host, &self.root) else {
            return refuse("a text without a place imports no files", "load it from a file");
        };
        let name = if said.ends_with(".dsp") { said.to_owned() } else { format!("{said}.dsp") };
        let shown = without_dots(&base.join(&name));
        let path = without_dots(&real_folder(host, base).join(&name));
        let out = || {
            let message = format!("`{said}` leads out of the project");
            refuse(
                message,
                "the folder of the main script is the project, or one above it that has a `dsp.toml`",
            )
        };
        if !is_inside(&path, root) {
            return out();
        }
        match host.real_path(&path) {
            Ok(real) if is_inside(&real, root) => Ok(File { shown, real }),
            Ok(_) => out(),
            Err(error) => self.unreadable(&shown, said, base, &error),
        }
    }

    fn unreadable<T>(
        &self,
        shown: &Path,
        said: &str,
        base: &Path,
        error: &std::io::Error,
    ) -> Result<T, Refusal> {
        let name = shown.display();
        let is_folder = || self.host.is_some_and(|it| it.exists(&base.join(said)));
        match error.kind() {
            ErrorKind::NotFound if is_folder() => refuse(
                format!("there is no file `{name}`"),
                format!("`{said}` is a folder: name a file in it"),
            ),
            ErrorKind::NotFound => refuse(format!("there is no file `{name}`"), ""),
            ErrorKind::IsADirectory => refuse(format!("`{name}` is a directory"), ""),
            _ => refuse(format!("cannot read `{name}`: {error}"), ""),
        }
    }

    /// Refuses a file that is under way itself.
    fn check_cycle(&self, file: &File) -> Result<(), Refusal> {
        let same = |it: &Step| it.path.as_ref() == Some(&file.real);
        let Some(first) = self.under_way.iter().position(same) else { return Ok(()) };
        let names = self.under_way[first..].iter().chain([&self.under_way[first]]);
        let names: Vec<String> = names.map(|it| format!("`{}`", it.name)).collect();
        if names.len() == 2 {
            return refuse(format!("{} imports itself", names[0]), "");
        }
        let round = names.join(" → ");
        refuse(
            format!("the imports go in a circle: {round}"),
            "put what both need into a third file",
        )
    }

    /// Reads a file, unless there are too many.
    fn read(&mut self, file: &File) -> Result<String, Option<Refusal>> {
        let n_new = self.seen.len() + self.under_way.len();
        let limit = if self.under_way.len() > MAX_DEPTH {
            Some(format!("imports are nested more than {MAX_DEPTH} deep"))
        } else if n_new > MAX_UNITS {
            Some(format!("the program imports more than {MAX_UNITS} files"))
        } else if self.n_bytes > MAX_TEXT {
            Some(format!("the program imports more than {} MiB of text", MAX_TEXT >> 20))
        } else {
            None
        };
        if let Some(message) = limit {
            let told = std::mem::replace(&mut self.is_full, true);
            return Err((!told).then_some(Refusal { message, hint: String::new() }));
        }
        let host = self.host.expect("a file was found on a host");
        match read_text(host, &file.real) {
            Ok(text) => {
                self.n_bytes += text.len();
                Ok(text)
            }
            Err(error) => {
                let said = file.shown.to_string_lossy();
                Ok(self.unreadable(&file.shown, &said, Path::new(""), &error)?)
            }
        }
    }

    /// Parses and checks a unit and all that it imports.
    fn load(&mut self, file: &File, text: Arc<str>, at: Span) -> usize {
        let name: Arc<str> = file.shown.display().to_string().into();
        let source = self.sources.add(name.clone(), text.clone());
        let base = file.shown.parent().unwrap_or(Path::new("")).to_owned();
        let parsed = parse(source, &text);
        self.under_way.push(Step { path: Some(file.real.clone()), name, at: Some(at) });
        let (imports, told) = self.imports(&parsed, &text, source, &base);
        self.under_way.pop();
        let imported: Vec<usize> = imports.values().flatten().copied().collect();
        if let Some(known) = self.known(&file.real, &text, &imported) {
            return known;
        }
        let prefix = names::prefix(self.units.len());
        let around = Around {
            prior: &[],
            locals: &[],
            prefix: &prefix,
            imports: &self.imported(&imports),
            units: &self.checked(),
            open: false,
        };
        let (checked, found) = check_unit(&parsed, source, &text, around);
        let diags = in_order([parsed.diags, told, found]);
        let own = |it: &&Diagnostic| it.is_error() && it.code != IMPORT;
        let n_errors = diags.iter().filter(own).count();
        let fails = diags.iter().any(Diagnostic::is_error);
        self.diags.extend(diags);
        let library = Library { checked: Arc::new(checked), base };
        self.units.push(Unit {
            path: file.real.clone(),
            text,
            source,
            imports: imported,
            library: (!fails).then_some(library),
            n_errors,
        });
        self.units.len() - 1
    }

    /// A unit of an earlier text that is as it was, and imports what it imported.
    fn known(&self, path: &Path, text: &str, imports: &[usize]) -> Option<usize> {
        self.units[..self.n_known]
            .iter()
            .rposition(|it| it.path == path && *it.text == *text && it.imports == imports)
    }

    /// What the units that a text imports are.
    fn imported(&self, imports: &Imports) -> BTreeMap<u32, Option<Arc<Checked>>> {
        let checked = |unit: usize| Some(self.units[unit].library.as_ref()?.checked.clone());
        imports.iter().map(|(at, unit)| (*at, unit.and_then(checked))).collect()
    }

    fn checked(&self) -> Vec<Arc<Checked>> {
        let libraries = self.units.iter().filter_map(|it| it.library.as_ref());
        libraries.map(|it| it.checked.clone()).collect()
    }
}

/// Whether a path is below a folder.
fn is_inside(path: &Path, root: &Path) -> bool {
    path.starts_with(root) && !path.components().any(|it| it == Component::ParentDir)
}
