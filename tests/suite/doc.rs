//! `dsp doc`: each page, function and method is found, and shown as it should be.

use crate::testing::Project;
use dsp_lang::{catalog, manual};
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_page_is_a_topic() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/reference");
    let files = std::fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    let pages = files.filter(|it| it.extension().is_some_and(|it| it == "md"));
    let files: BTreeSet<String> =
        pages.map(|it| it.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let topics: BTreeSet<String> = manual::PAGES.iter().map(|it| it.name.to_owned()).collect();
    assert_eq!(files, topics);
    let contents = manual::contents();
    for page in manual::PAGES {
        assert!(manual::topic(page.name).unwrap().starts_with(page.text));
        assert!(!page.title().is_empty() && contents.contains(page.title()), "{}", page.name);
    }
}

#[test]
fn every_function_and_method_is_a_topic() {
    for native in catalog::NATIVES {
        let text = manual::topic(native.name).unwrap();
        assert!(text.starts_with(&format!("# {}\n", native.name)), "{text}");
        for part in native.params.iter().map(|it| it.doc).chain([native.result]) {
            assert!(text.contains(part), "`{}` tells nothing of: {part}", native.name);
        }
        assert!(text.contains(native.example.trim_end()), "{text}");
    }
    for object in catalog::OBJECTS {
        let name = object.name.to_lowercase();
        let whole = manual::topic(&name).unwrap();
        let members = object.methods.iter().map(|it| (it.name, it.doc));
        for (member, doc) in members.chain(object.fields.iter().map(|it| (it.name, it.doc))) {
            assert!(whole.contains(doc), "`{name}` tells nothing of `{member}`");
            let text = manual::topic(&format!("{name}.{member}")).unwrap();
            assert!(text.starts_with(&format!("# {name}.{member}\n")), "{text}");
        }
    }
}

#[test]
fn every_function_and_method_has_a_program_that_shows_it() {
    let mut missing = Vec::new();
    for native in catalog::NATIVES {
        let prints = native.example.contains("\n//> ") || native.name == "debug";
        if !native.example.contains(&format!("{}(", native.name)) || !prints {
            missing.push(native.name.to_owned());
        }
    }
    for object in catalog::OBJECTS {
        let example = catalog::EXAMPLES.iter().find(|(name, _)| *name == object.name);
        let text = example.map_or("", |(_, text)| text);
        missing.extend(text.is_empty().then(|| object.name.to_owned()));
        let methods = object.methods.iter().map(|it| format!(".{}(", it.name));
        let hidden = methods.filter(|it| !text.is_empty() && !text.contains(it));
        missing.extend(hidden.map(|it| format!("{}{it}", object.name)));
    }
    assert!(missing.is_empty(), "no program (src/catalog/examples.rs) shows: {missing:?}");
    let known: BTreeSet<&str> = catalog::OBJECTS.iter().map(|it| it.name).collect();
    assert!(catalog::EXAMPLES.iter().all(|(name, _)| known.contains(name)));
}

#[test]
fn the_card_is_short() {
    let card = manual::topic("card").unwrap();
    assert!(card.len() < 11_000, "{} bytes", card.len());
    let table = card.split("## Functions").nth(1).unwrap().split("\n## ").next().unwrap();
    let calls = table.match_indices('(').map(|(at, _)| &table[..at]);
    let names =
        calls.filter_map(|it| it.rsplit(|ch: char| !ch.is_alphanumeric() && ch != '_').next());
    let known = |name: &str| catalog::native(name).is_some() || catalog::is_object_method(name);
    // `p` and `search` are values of the card's own.
    let own = ["", "p", "search"];
    let unknown: Vec<&str> = names.filter(|it| !own.contains(it) && !known(it)).collect();
    assert!(unknown.is_empty(), "the card names what is not there: {unknown:?}");
}

#[test]
fn a_topic_is_printed_as_it_is() {
    let project = Project::new(&[]);
    let tour = project.dsp(&["doc", "tour"]);
    assert_eq!((tour.code, tour.stderr.as_str()), (Some(0), ""));
    assert_eq!(tour.stdout, include_str!("../../src/reference/tour.md"));
    let with = project.dsp(&["doc", "reply.with"]);
    assert!(with.stdout.contains("`reply.with(name: value…)` gives: reply"), "{}", with.stdout);
    let code = project.dsp(&["doc", "e0203"]);
    assert!(code.stdout.starts_with("# E0203"), "{}", code.stdout);
    let all = project.dsp(&["doc"]);
    assert!(all.stdout.contains("| `evaluate` |"), "{}", all.stdout);
    // A method that several kinds of values have.
    let save = project.dsp(&["doc", "save"]);
    assert!(
        save.stdout.contains("# program.save") && save.stdout.contains("# evaluation.save")
    );
}

#[test]
fn a_topic_that_is_none_is_told_with_what_may_be_meant() {
    let project = Project::new(&[]);
    for (topic, hint) in [
        ("evaluat", "did you mean `evaluate`?"),
        ("toor", "did you mean `tour`?"),
        ("reply.wiht", "did you mean `with`?"),
        ("qqqqqqqqqqqq", "`dsp doc` lists the topics"),
    ] {
        let ended = project.dsp(&["doc", topic]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{topic}");
        assert!(ended.stderr.contains(hint), "{}", ended.stderr);
    }
}

#[test]
fn a_word_is_found_where_it_stands() {
    let project = Project::new(&[]);
    let found = project.dsp(&["doc", "--search", "FLAKE"]);
    assert_eq!(found.code, Some(2), "{}", found.stdout);
    let found = project.dsp(&["doc", "--search", "Bm25"]);
    assert!(found.stdout.contains("`values`") && found.stdout.contains("Index and retriever"));
    let noise = project.dsp(&["doc", "--search", "noise"]);
    assert!(noise.stdout.contains("| `compare` |"), "{}", noise.stdout);
}

#[test]
fn a_terminal_shows_headings_code_and_tables() {
    let text = "# One `x`\n\nSee [types](types.md), **now**.\n\n| a | |\n|---|---|\n| `b \\| c` | d |\n\n```dsp\nlet a = \"# no heading\";\n```\n";
    let plain = manual::render(text, false);
    assert_eq!(
        plain,
        "One `x`\n\nSee types, now.\n\n  a\n  b | c  d\n\n    let a = \"# no heading\";\n"
    );
    let colored = manual::render(text, true);
    assert!(colored.starts_with("\u{1b}[1mOne `x`\u{1b}[0m\n"), "{colored:?}");
    assert!(colored.contains("\u{1b}[36mb | c\u{1b}[0m  d"), "{colored:?}");
    for page in manual::PAGES {
        let drawn = manual::render(page.text, false);
        assert!(
            !drawn.contains("```dsp") && drawn.len() > page.text.len() / 2,
            "{}",
            page.name
        );
    }
}
