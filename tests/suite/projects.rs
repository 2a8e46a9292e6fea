//! `dsp new`: what it makes can be run, checked, tested and measured at once.

use crate::testing::{Ended, Project};

const TEMPLATES: [&str; 3] = ["qa", "rag", "triage"];

fn said(ended: &Ended) -> String {
    format!("{}{}", ended.stdout, ended.stderr)
}

/// A new project, and the folder around it.
fn made(template: &str) -> (Project, Project) {
    let around = Project::new(&[]);
    let ended = around.dsp(&["new", "mine", "--template", template]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", said(&ended));
    assert!(ended.stdout.contains("cd mine"), "{}", ended.stdout);
    (around.inside("mine"), around)
}

#[test]
fn a_new_project_checks_formats_and_passes_its_tests_offline() {
    for template in TEMPLATES {
        let (project, _around) = made(template);
        let checked = project.dsp(&["check", "main.dsp"]);
        assert_eq!((checked.code, said(&checked).as_str()), (Some(0), ""), "{template}");
        let tested = project.dsp(&["test"]);
        assert_eq!(tested.code, Some(0), "{template}: {}", said(&tested));
        assert!(tested.stdout.contains(" passed"), "{}", tested.stdout);
        if project.dsp(&["fmt", "--help"]).code == Some(0) {
            let formatted = project.dsp(&["fmt", "--check", "."]);
            assert_eq!(formatted.code, Some(0), "{template}: {}", said(&formatted));
        }
        let ignored = project.read(".gitignore");
        assert!(ignored.contains("/out/") && !ignored.contains("jsonl\n/"), "{ignored}");
    }
}

#[cfg(feature = "http")]
#[test]
fn a_new_project_runs_and_so_do_the_commands_of_its_readme() {
    use crate::http::server::{Play, Server};

    for template in TEMPLATES {
        let (project, _around) = made(template);
        let reply = match template {
            "triage" => "[[ ## topic ## ]]\nbilling\n\n[[ ## urgent ## ]]\nfalse",
            _ => "[[ ## answer ## ]]\nFrank Herbert",
        };
        let server = Server::start((0..100).map(|_| Play::text(reply)));
        let settings = project.read("dsp.toml");
        let model = format!(
            "lm = \"main\"\n{settings}\n[models.main]\nmodel = \"openai/small\"\napi_base = \"{}\"\n",
            server.base()
        );
        std::fs::write(project.path().join("dsp.toml"), model).unwrap();
        let ran = project.dsp(&["run", "main.dsp"]);
        assert_eq!(ran.code, Some(0), "{template}: {}", said(&ran));
        assert!(!ran.stdout.is_empty() && !server.seen().is_empty(), "{template}");
        let readme = project.read("README.md");
        assert!(readme.starts_with("# mine\n") && !readme.contains("{program}"), "{readme}");
        let commands: Vec<&str> =
            readme.lines().filter_map(|line| line.strip_prefix("$ dsp ")).collect();
        assert_eq!(commands.len(), 6, "{readme}");
        for command in commands {
            let command = command.split("  #").next().unwrap();
            let words = crate::console::words(command.trim_end());
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let ended = project.dsp(&words);
            assert_eq!(ended.code, Some(0), "{template}, dsp {command}: {}", said(&ended));
        }
    }
}

#[test]
fn what_is_there_stays_and_bad_names_are_refused() {
    let around = Project::new(&[("there/keep", "x"), ("file", "y")]);
    for name in ["there", "file", "", ".", "..", "a/b", "../a", "-x", "a b", "ä", "x.", "a\nb"]
    {
        let ended = around.dsp(&["new", "--", name]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{name:?}");
        assert!(!ended.stderr.is_empty(), "{name:?}");
    }
    assert_eq!((around.read("there/keep"), around.read("file")), ("x".into(), "y".into()));
    let unknown = around.dsp(&["new", "mine", "--template", "poems"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("qa, rag, triage"), "{}", unknown.stderr);
    assert!(!around.path().join("mine").exists());
}
