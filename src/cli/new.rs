//! `dsp new`

use super::args::New;
use super::shell::{Failure, Shell};
use std::path::Path;

/// A project to begin with.
struct Template {
    name: &'static str,
    main: &'static str,
    /// Data files, by name.
    data: &'static [(&'static str, &'static str)],
    /// What stands in the commands of its README: program, metric, predictor and inputs.
    program: &'static str,
    metric: &'static str,
    predictor: &'static str,
    input: &'static str,
}

macro_rules! file {
    ($path:literal) => {
        include_str!(concat!("templates/", $path))
    };
}

const TEMPLATES: &[Template] = &[
    Template {
        name: "qa",
        main: file!("qa/main.dsp"),
        data: &[("data.jsonl", file!("qa/data.jsonl"))],
        program: "answer",
        metric: "correct",
        predictor: "answer",
        input: r#"{"question": "Who wrote Dune?"}"#,
    },
    Template {
        name: "rag",
        main: file!("rag/main.dsp"),
        data: &[
            ("data.jsonl", file!("rag/data.jsonl")),
            ("facts.jsonl", file!("rag/facts.jsonl")),
        ],
        program: "rag",
        metric: "close",
        predictor: "rag.answer",
        input: r#"{"context": ["It is 324 m high."], "question": "How high is it?"}"#,
    },
    Template {
        name: "triage",
        main: file!("triage/main.dsp"),
        data: &[("data.jsonl", file!("triage/data.jsonl"))],
        program: "triage",
        metric: "right",
        predictor: "triage.sort",
        input: r#"{"message": "Where is it?"}"#,
    },
];

/// The names of the templates, as the command line lists them.
pub(super) const NAMES: [&str; 3] = ["qa", "rag", "triage"];

/// Makes a project.
pub(super) fn run(shell: &Shell, args: &New) -> Result<(), Failure> {
    let name = args.name.as_str();
    refuse_bad_name(name)?;
    let folder = Path::new(name);
    if shell.host.exists(folder) {
        let mut failure = Failure::usage(format!("`{name}` is there already"));
        failure.hint("choose another name, or remove it first".to_owned());
        return Err(failure);
    }
    let template = TEMPLATES.iter().find(|it| it.name == args.template);
    let template = template.ok_or_else(|| Failure::usage("there is no such template"))?;
    let readme = readme(name, template);
    let fixed = [
        ("main.dsp", template.main),
        ("dsp.toml", file!("dsp.toml")),
        (".gitignore", file!("gitignore")),
        ("README.md", &readme),
    ];
    for (file, text) in fixed.iter().chain(template.data) {
        shell.write(&folder.join(file), text)?;
    }
    shell.print(&format!(
        "made {name} from the template `{}`\n\n  cd {name}\n  dsp test\n  dsp run main.dsp\n",
        template.name
    ));
    Ok(())
}

/// A name that is a folder everywhere, and needs no quotes.
fn refuse_bad_name(name: &str) -> Result<(), Failure> {
    let inside = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    let begins = name.starts_with(|it: char| it.is_ascii_alphanumeric());
    if begins && name.chars().all(inside) && !name.ends_with('.') && name.len() <= 100 {
        return Ok(());
    }
    let mut failure = Failure::usage(format!("`{name}` is no name for a project"));
    failure.hint(
        "begin with a letter or digit; then letters, digits, `-`, `_` and `.`".to_owned(),
    );
    Err(failure)
}

fn readme(name: &str, template: &Template) -> String {
    file!("README.md")
        .replace("{name}", name)
        .replace("{program}", template.program)
        .replace("{metric}", template.metric)
        .replace("{predictor}", template.predictor)
        .replace("{input}", template.input)
}
