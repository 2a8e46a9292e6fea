//! The reference as `dsp doc` shows it: its pages, and what the catalog says of each native.
//!
//! A topic is a page, a code, a native, a kind of value, or one of its methods. Everything is
//! Markdown; `render` turns it into text for terminals.

mod entry;
mod render;
mod search;

pub use render::render;
pub use search::{Hit, search};

use crate::catalog;
use crate::diag::did_you_mean;
use crate::explain;

/// A page of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Its name: `tour`.
    pub name: &'static str,
    /// The page, as Markdown.
    pub text: &'static str,
}

impl Page {
    /// What its first line says.
    pub fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }
}

macro_rules! pages {
    ($($name:literal,)*) => {
        /// The pages, in the order in which they are best read.
        pub const PAGES: &[Page] = &[$(Page {
            name: $name,
            text: include_str!(concat!("../reference/", $name, ".md")),
        }),*];
    };
}

pages! {
    "tour",
    "cookbook",
    "card",
    "grammar",
    "layout",
    "types",
    "calls",
    "asserts",
    "asserts-worth",
    "models",
    "values",
    "data",
    "evaluation",
    "traces",
    "store",
    "optimizing",
    "optimizing-worth",
    "debugging",
    "workers",
    "serve",
    "stdlib",
    "modules",
    "adapters",
    "state",
    "testing",
    "rhai",
    "cli",
    "errors",
    "changelog",
}

/// Returns what there is on a topic, as Markdown.
pub fn topic(name: &str) -> Option<String> {
    let name = name.trim();
    let object = catalog::OBJECTS.iter().find(|it| it.name.eq_ignore_ascii_case(name));
    if let Some(page) = PAGES.iter().find(|it| it.name.eq_ignore_ascii_case(name)) {
        // A page may be about a kind of value: then both belong together.
        let parts = object.map(entry::object).map(|it| format!("{}\n{it}", page.text));
        return Some(parts.unwrap_or_else(|| page.text.to_owned()));
    }
    let found: Vec<String> = entries(name);
    if !found.is_empty() {
        return Some(found.join("\n"));
    }
    explain::page(name).map(|it| it.text.to_owned())
}

/// What the catalog has of this name: `evaluate`, `reply`, `reply.with`, `with`.
fn entries(name: &str) -> Vec<String> {
    let name = name.strip_suffix("()").unwrap_or(name);
    if let Some((object, member)) = name.split_once('.') {
        let known = catalog::OBJECTS.iter().find(|it| it.name.eq_ignore_ascii_case(object));
        return known.and_then(|it| entry::member(it, member)).into_iter().collect();
    }
    let native = catalog::native(name).map(entry::native);
    let object = catalog::OBJECTS.iter().find(|it| it.name.eq_ignore_ascii_case(name));
    let named: Vec<String> = native.into_iter().chain(object.map(entry::object)).collect();
    if !named.is_empty() {
        return named;
    }
    catalog::OBJECTS.iter().filter_map(|it| entry::member(it, name)).collect()
}

/// What might have been meant by a topic that is none.
pub fn meant(name: &str) -> String {
    let member = name.split_once('.');
    let object = |wanted: &str| {
        catalog::OBJECTS.iter().find(move |it| it.name.eq_ignore_ascii_case(wanted))
    };
    if let Some((known, member)) = member.and_then(|(it, member)| Some((object(it)?, member))) {
        let methods = known.methods.iter().map(|it| it.name);
        return did_you_mean(member, methods.chain(known.fields.iter().map(|it| it.name)));
    }
    let natives = catalog::NATIVES.iter().map(|it| it.name);
    let objects: Vec<String> =
        catalog::OBJECTS.iter().map(|it| it.name.to_lowercase()).collect();
    let methods = catalog::OBJECTS.iter().flat_map(|it| it.methods).map(|it| it.name);
    let pages = PAGES.iter().map(|it| it.name);
    let names = pages.chain(natives).chain(objects.iter().map(String::as_str)).chain(methods);
    did_you_mean(name, names)
}

/// All topics, as Markdown.
pub fn contents() -> String {
    let mut out = String::from(
        "# Topics\n\n`dsp doc TOPIC` shows one, `dsp doc --search WORD` finds a word.\n\n",
    );
    out += "| page | |\n|---|---|\n";
    for page in PAGES {
        out += &format!("| `{}` | {} |\n", page.name, page.title());
    }
    out += "\n| function | |\n|---|---|\n";
    for native in catalog::NATIVES {
        out += &format!("| `{}` | {} |\n", native.name, native.doc);
    }
    let objects: Vec<String> =
        catalog::OBJECTS.iter().map(|it| format!("`{}`", it.name.to_lowercase())).collect();
    out +=
        &format!("\nKinds of values: {}; their methods as `reply.with`.\n", objects.join(", "));
    out += "\nCodes of errors: `E0203`, or `dsp explain E0203`.\n";
    out
}
