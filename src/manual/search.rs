//! Looking for a word in the reference.

use super::{PAGES, Page};
use crate::catalog;

/// A place where a word stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The topic to ask for.
    pub topic: String,
    /// The heading above it; empty for functions.
    pub heading: String,
    /// The line.
    pub line: String,
}

/// The places where a word stands, upper and lower case alike: functions and methods first, then
/// the first line of each section of the pages that has it.
pub fn search(word: &str) -> Vec<Hit> {
    let word = word.to_lowercase();
    let mut hits = of_catalog(&word);
    for page in PAGES {
        of_page(page, &word, &mut hits);
    }
    hits
}

fn of_catalog(word: &str) -> Vec<Hit> {
    let natives = catalog::NATIVES.iter().map(|it| (it.name.to_owned(), it.doc));
    let methods = catalog::OBJECTS.iter().flat_map(|object| {
        let owner = object.name.to_lowercase();
        let names = object.methods.iter().map(|it| (it.name, it.doc));
        let names = names.chain(object.fields.iter().map(|it| (it.name, it.doc)));
        names.map(move |(name, doc)| (format!("{owner}.{name}"), doc))
    });
    let fits = |(name, doc): &(String, &str)| {
        name.to_lowercase().contains(word) || doc.to_lowercase().contains(word)
    };
    let hit = |(topic, doc): (String, &str)| Hit {
        topic,
        heading: String::new(),
        line: doc.to_owned(),
    };
    natives.chain(methods).filter(fits).map(hit).collect()
}

fn of_page(page: &Page, word: &str, hits: &mut Vec<Hit>) {
    let (mut heading, mut found, mut fenced) = (page.title(), false, false);
    for line in page.text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if !fenced && line.starts_with('#') {
            (heading, found) = (line.trim_start_matches('#').trim(), false);
        }
        if !found && line.to_lowercase().contains(word) {
            found = true;
            let (topic, heading) = (page.name.to_owned(), heading.to_owned());
            let line = line.trim_start_matches('#').trim().to_owned();
            hits.push(Hit { topic, heading, line });
        }
    }
}
