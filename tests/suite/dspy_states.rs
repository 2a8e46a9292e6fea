//! States that DSPy saved, in and out: real files of its versions 2.4 to 3.4 where the machine has
//! them, files of each shape, broken ones, and, where Python has DSPy, DSPy itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dsp_lang::adapt::read_loose;
use dsp_lang::diag::Diagnostic;
use dsp_lang::program::{Exported, Fitted, Like, State};
use dsp_lang::schema::{Field, Record, Signature, Ty, TypeTable, Value};
use indexmap::IndexMap;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

type Signatures = IndexMap<String, Signature>;

fn signature(inputs: &[(&str, Ty)], outputs: &[(&str, Ty)]) -> Signature {
    let fields = |of: &[(&str, Ty)]| -> Vec<Field> {
        of.iter().map(|(name, ty)| Field::new(*name, ty.clone())).collect()
    };
    Signature {
        name: "S".into(),
        instructions: "".into(),
        inputs: fields(inputs),
        outputs: fields(outputs),
        types: Arc::new(TypeTable::new()),
        contracts: 0,
    }
}

fn read(text: &str, signatures: &Signatures) -> Result<Fitted, Vec<Diagnostic>> {
    State::from_dspy(text, "dspy.json", signatures, read_loose)
}

fn messages(all: &[Diagnostic]) -> Vec<&str> {
    all.iter().map(|it| it.message.as_str()).collect()
}

/// A program whose only predictor is at this path.
fn one(path: &str, signature: Signature) -> Signatures {
    [(path.to_owned(), signature)].into()
}

fn counting() -> Signature {
    let list = Ty::List(Box::new(Ty::Str));
    let outputs = [("reasoning", Ty::Str), ("count", Ty::Int), ("names", list)];
    signature(&[("text", Ty::Str)], &outputs)
}

#[test]
fn values_are_read_under_their_types_and_what_was_forgiven_is_told() {
    let demos = r#"[
        {"text": "a", "rationale": "r", "count": "2", "names": ["x"]},
        {"text": "b", "count": 2.0, "names": "[\"x\", \"y\"]"},
        {"text": ["c"], "count": "many", "names": "x"},
        {"text": "d", "count": null, "names": null}
    ]"#;
    let file = format!(r#"{{"count.predict": {{"demos": {demos}, "traces": []}}}}"#);
    let Fitted { state, warnings } = read(&file, &one("count", counting())).unwrap();
    let demos: Vec<String> = state.predictors["count"]
        .demos
        .iter()
        .map(|it| Value::map(it.demo.outputs.clone()).to_json())
        .collect();
    assert_eq!(
        demos,
        [
            r#"{"reasoning":"r","count":2,"names":["x"]}"#,
            r#"{"count":2,"names":["x","y"]}"#,
            r#"{"names":["x"]}"#,
        ]
    );
    assert_eq!(
        messages(&warnings),
        [
            "`count.predict.demos[0].count`: \"2\" is read as int",
            "`count.predict.demos[1].count`: 2.0 is read as int",
            "`count.predict.demos[1].names`: \"[\\\"x\\\", \\\"y\\\"]\" is read as list[str]",
            "`count.predict.demos[2].text`: [\"c\"] is read as str",
            "left out: `count.predict.demos[2].count`: expected int, found str: \"many\"",
            "`count.predict.demos[2].names`: \"x\" is read as list[str]",
            "left out: `count.predict.demos[3]` has no output of the signature",
        ]
    );
    assert_eq!(warnings[0].code.0, "W0728");
    assert_eq!(warnings[0].notes, ["str for int"]);
    let notes = &warnings[6].notes;
    assert_eq!(notes[0], "it has `text`, `count`, `names`");
    assert!(notes[1].contains("demos[3].count`: expected int, found nothing"), "{notes:?}");
}

/// Paths as all versions spell them, and the path here that they mean.
#[test]
fn paths_are_those_of_all_versions() {
    let paths = ["answer", "by[\"x\"]", "steps[0]", "agent.extract", "agent.react", "best"];
    let qa = || signature(&[("question", Ty::Str)], &[("answer", Ty::Str)]);
    let program: Signatures = paths.iter().map(|it| ((*it).to_owned(), qa())).collect();
    for (theirs, ours) in [
        ("answer", "answer"),
        ("answer.predict", "answer"),
        ("answer._predict", "answer"),
        ("answer.predictor", "answer"),
        ("by['x']", "by[\"x\"]"),
        ("by['x'].predict", "by[\"x\"]"),
        ("steps[0].predict", "steps[0]"),
        ("agent.react", "agent.react"),
        ("agent.extract.predict", "agent.extract"),
        ("best.module.predict", "best"),
    ] {
        let file = format!(r#"{{"{theirs}": {{"demos": [], "lm": null}}, "metadata": {{}}}}"#);
        let fitted = read(&file, &program).unwrap();
        assert_eq!(fitted.state.predictors.keys().collect::<Vec<_>>(), [ours], "{theirs}");
        assert!(fitted.warnings.is_empty());
    }
    let bare = one("self", qa());
    for file in [
        r#"{"demos": [], "train": [], "traces": [], "lm": null, "metadata": {}}"#,
        r#"{"self": {"demos": [], "traces": []}}"#,
        r#"{"predict": {"demos": [], "traces": []}}"#,
    ] {
        let fitted = read(file, &bare).unwrap();
        assert_eq!(fitted.state.predictors.keys().collect::<Vec<_>>(), ["self"], "{file}");
        assert!(fitted.warnings.is_empty(), "{file}");
    }
    // One that has no name is the only one on the other side, and that is told.
    let told = |file: &str, program| {
        let fitted = read(file, &program).unwrap();
        assert_eq!(fitted.state.predictors.len(), 1);
        fitted.warnings[0].message.clone()
    };
    let named = r#"{"prog.predict": {"demos": [], "traces": []}}"#;
    let expected = "`prog.predict` of the file is taken for `self`: each side has only one";
    assert_eq!(told(named, bare), expected);
    let flat = r#"{"demos": [], "traces": []}"#;
    let expected = "`self` of the file is taken for `answer`: each side has only one";
    assert_eq!(told(flat, one("answer", qa())), expected);
}

#[test]
fn a_path_that_matches_nothing_is_an_error_that_names_both_sides() {
    let qa = || signature(&[("question", Ty::Str)], &[("answer", Ty::Str)]);
    let program: Signatures = [("answer".to_owned(), qa()), ("search".to_owned(), qa())].into();
    let file = r#"{
        "anwser.predict": {"demos": [], "traces": []},
        "search": {"demos": [], "traces": []},
        "search.predict": {"demos": [], "traces": []}
    }"#;
    let wrong = read(file, &program).unwrap_err();
    assert_eq!(
        messages(&wrong),
        [
            "the program has no predictor `anwser.predict`",
            "`search` and `search.predict` of the file are both `search`",
        ]
    );
    assert_eq!(wrong[0].hints, ["did you mean `answer`?"]);
    assert_eq!(
        wrong[0].notes,
        ["the file:    anwser.predict, search, search.predict", "the program: answer, search"]
    );
    // A single one that has another name is no match.
    let file = r#"{"rag": {"demos": [], "traces": []}}"#;
    assert!(read(file, &one("answer", qa())).is_err());
}

#[test]
fn what_has_no_counterpart_is_told_with_its_place_and_never_with_a_secret() {
    let file = r#"{
        "answer": {
            "demos": [], "traces": [{"question": "q"}], "train": [{"question": "q"}],
            "signature": {"instructions": "Given the fields `question`, produce the fields `answer`. Be brief.",
                "fields": [
                    {"prefix": "Frage:", "description": "asked"},
                    {"prefix": "Answer:", "description": "${answer}"},
                    {"prefix": "Hint:", "description": "a hint"}]},
            "fields": {"answer": {"threshold": 0.5}},
            "lm": {"_dspy_lm_class": "dspy.clients.lm.LM", "model": "openai/gpt-4o-mini",
                "model_type": "chat", "cache": true, "num_retries": 3, "temperature": 0,
                "max_completion_tokens": 900, "top_p": 0.5, "seed": 7,
                "api_base": "http://10.0.0.1:1/v1", "api_key": "sk-planted-1",
                "extra_headers": {"Authorization": "Bearer sk-planted-2"},
                "finetuning_model": null, "launch_kwargs": {}, "train_kwargs": {}, "n": 3}
        },
        "retrieve": {"k": 3},
        "module_src": "import os",
        "metadata": {"dependency_versions": {"dspy": "3.4.1"}}
    }"#;
    let qa = signature(&[("question", Ty::Str)], &[("answer", Ty::Str)]);
    let Fitted { state, warnings } = read(file, &one("answer", qa.clone())).unwrap();
    let answer = &state.predictors["answer"];
    let said = "Given the fields `question`, produce the fields `answer`. Be brief.";
    assert_eq!(answer.instructions.as_deref(), Some(said));
    assert_eq!(answer.lm.as_deref(), Some("openai/gpt-4o-mini"));
    let options = answer.options;
    assert_eq!((options.temperature, options.top_p), (Some(0.0), Some(0.5)));
    assert_eq!((options.max_tokens, options.seed), (Some(900), Some(7)));
    let machine = "is an address, a key or the like";
    assert_eq!(
        messages(&warnings),
        [
            "left out: `retrieve` is no state of a predictor".to_owned(),
            "left out: `module_src` is no state of a predictor".to_owned(),
            "left out: `answer.signature.fields[0]` is \"Frage:\", no field here: \"asked\""
                .to_owned(),
            "left out: `answer.signature.fields[2]` is \"Hint:\", no field here: \"a hint\""
                .to_owned(),
            format!("left out: `answer.lm.api_base` {machine}"),
            format!("left out: `answer.lm.api_key` {machine}"),
            "left out: `answer.lm.extra_headers` belongs to a machine".to_owned(),
            "left out: `answer.lm.n` is a setting of the client, which stands in `dsp.toml` here"
                .to_owned(),
            "left out: `answer.traces` are runs and rows of a search".to_owned(),
            "left out: `answer.train` are runs and rows of a search".to_owned(),
            "left out: `answer.fields` has no counterpart".to_owned(),
        ]
    );
    assert!(!format!("{warnings:?}{state:?}").contains("planted"));

    // Up to 2.4 there are prefixes only, and one more signature for a chain of thought.
    let file = r#"{"answer": {"lm": null, "demos": [], "traces": [], "train": [],
        "signature_instructions": "Plain.", "signature_prefix": "Answer:",
        "extended_signature_instructions": "Better.",
        "extended_signature_prefix": "So the answer is:"}}"#;
    let Fitted { state, warnings } = read(file, &one("answer", qa)).unwrap();
    assert_eq!(state.predictors["answer"].instructions.as_deref(), Some("Better."));
    let expected = "left out: `answer.extended_signature_prefix` is \"So the answer is:\": fields \
                    have no prefixes";
    assert_eq!(messages(&warnings), [expected]);
}

#[test]
fn descriptions_are_matched_by_prefix_then_by_place() {
    let inputs = [("text2number", Ty::Str), ("HTMLParser", Ty::Str)];
    let program = one("a", signature(&inputs, &[("a_b", Ty::Str), ("c", Ty::Str)]));
    let file = r#"{"a": {"demos": [], "signature": {"instructions": "", "fields": [
        {"prefix": "HTML Parser:", "description": "h"},
        {"prefix": "Text 2 Number:", "description": "t"},
        {"prefix": "A B:", "description": "ab"},
        {"prefix": "Was:", "description": "third"}]}}}"#;
    let Fitted { state, warnings } = read(file, &program).unwrap();
    let found = &state.predictors["a"].descriptions;
    let told: Vec<(&str, &str)> = found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let expected = [("HTMLParser", "h"), ("text2number", "t"), ("a_b", "ab"), ("c", "third")];
    assert_eq!(told, expected);
    let expected =
        ["left out: `a.signature.fields[3].prefix` is \"Was:\": fields have no prefixes"];
    assert_eq!(messages(&warnings), expected);
    // In another order places say nothing.
    let file = r#"{"a": {"demos": [], "signature": {"instructions": "", "fields": [
        {"prefix": "C:", "description": "c"}, {"prefix": "First:", "description": "1"},
        {"prefix": "Second:", "description": "2"}, {"prefix": "A B:", "description": "ab"}]}}}"#;
    let Fitted { state: found, warnings } = read(file, &program).unwrap();
    let found: Vec<&String> = found.predictors["a"].descriptions.keys().collect();
    assert_eq!(found, ["c", "a_b"]);
    assert_eq!(warnings.len(), 2);
    // 2.4 could be asked for the names of fields.
    let named = r#"{"a": {"demos": [{"a_b": "x", "c": "y", "text2number": "1", "HTMLParser": "2"}],
        "signature_instructions": "Do.", "signature_prefix": "C:",
        "fields": [{"name": "a_b", "field_type": "output", "description": "ab", "prefix": "Ab is:"},
            {"name": "c", "field_type": "output", "description": "${c}", "prefix": "C:"}]}}"#;
    let Fitted { state: found, warnings } = read(named, &program).unwrap();
    assert_eq!(
        found.predictors["a"].descriptions,
        [("a_b".to_owned(), "ab".to_owned())].into()
    );
    assert_eq!(found.predictors["a"].instructions.as_deref(), Some("Do."));
    let expected = ["left out: `a.fields[0].prefix` is \"Ab is:\": fields have no prefixes"];
    assert_eq!(messages(&warnings), expected);
    // What is written has DSPy's own prefixes, in the order of the signature.
    let text = state.to_dspy(&program, |_| false, &Like::default()).text;
    let at = |it: &str| text.find(it).unwrap_or_else(|| panic!("{it} in {text}"));
    assert!(at("\"Text 2 Number:\"") < at("\"HTML Parser:\""));
    assert!(at("\"HTML Parser:\"") < at("\"A B:\""));
}

#[test]
fn what_is_no_state_of_dspy_is_refused_by_one_clear_line() {
    let program = one("answer", counting());
    for (text, said) in [
        ("", "`dspy.json`: it is no JSON: EOF while parsing a value at line 1 column 0"),
        ("{\"a\": ", "`dspy.json`: it is no JSON: EOF while parsing a value"),
        ("[1]", "`dspy.json`: no state that DSPy saved: list, not an object"),
        ("{}", "`dspy.json`: no state that DSPy saved: nothing in it has the parts"),
        (
            r#"{"format": "dsp-lang state", "version": 1, "predictors": {}}"#,
            "`dspy.json`: no state that DSPy saved",
        ),
        (
            r#"{"dependency_versions": {"dspy": "3.4.1"}}"#,
            "`dspy.json`: it says which versions saved a whole program",
        ),
        (r#"{"metadata": {"dependency_versions": {}}}"#, "`dspy.json`: it has no predictors"),
        (
            r#"{"answer": {"demos": {}, "traces": []}}"#,
            "`answer.demos`: expected a list, found map",
        ),
        (
            r#"{"answer": {"demos": [3], "traces": []}}"#,
            "`answer.demos[0]`: expected an object, found int",
        ),
        (r#"{"a": 1, "a": 2}"#, "`dspy.json`: it is no JSON: duplicate key `a`"),
    ] {
        let wrong = read(text, &program).unwrap_err();
        assert_eq!(wrong.len(), 1, "{text}");
        assert!(wrong[0].message.starts_with(said), "{text}: {}", wrong[0].message);
    }
}

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = folder.join("../shared/data/conformance/dspy-states");
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|it| it.unwrap().path()).collect();
    paths.retain(|it| !it.ends_with("index.json"));
    paths.sort();
    paths
}

fn object(value: &Value) -> Option<&Record> {
    match value {
        Value::Map(record) => Some(record),
        _ => None,
    }
}

/// The signature of a predictor that was saved, as far as the file tells: fields by their
/// prefixes, else by the instructions that DSPy made up, else by demos.
fn told(parts: &Record) -> Signature {
    let name = |prefix: &str| {
        prefix.split(':').next().unwrap_or_default().trim().to_lowercase().replace(' ', "_")
    };
    let mut all: Vec<String> = Vec::new();
    let mut outputs: Vec<String> = Vec::new();
    if let Some(Value::List(fields)) =
        parts.get("signature").and_then(object).and_then(|it| it.get("fields"))
    {
        all = fields
            .iter()
            .filter_map(|it| object(it)?.get("prefix")?.as_str().map(name))
            .collect();
        outputs.extend(all.last().cloned());
    } else if let Some(text) = parts.get("signature_instructions").and_then(Value::as_str) {
        let halves = text.split_once(", produce the fields ").unwrap_or((text, ""));
        let names = |half: &str| -> Vec<String> {
            half.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        (all, outputs) = (names(halves.0), names(halves.1));
    }
    if let Some(Value::List(demos)) = parts.get("demos") {
        let demos: Vec<&Record> = demos.iter().filter_map(object).collect();
        for demo in &demos {
            let known = ["augmented", "dspy_uuid", "dspy_split", "rationale", "reasoning"];
            let names = demo.keys().map(|it| it.to_string());
            let fresh: Vec<String> =
                names.filter(|it| !known.contains(&it.as_str()) && !all.contains(it)).collect();
            all.extend(fresh.into_iter().filter(|it| !outputs.contains(it)));
        }
        if outputs.is_empty() {
            outputs
                .extend(demos.first().and_then(|it| it.keys().last()).map(|it| it.to_string()));
        }
    }
    all.retain(|it| !outputs.contains(it) && it != "reasoning");
    let fields = |names: &[String]| -> Vec<Field> {
        names.iter().map(|it| Field::new(it.clone(), Ty::Any)).collect()
    };
    let mut signature = signature(&[], &[("reasoning", Ty::Str)]);
    signature.inputs = fields(&all);
    signature.outputs.extend(fields(&outputs));
    signature
}

/// The predictors of a file of the corpus, each with the signature that it tells.
fn program_of(file: &Record) -> Signatures {
    let parts = file.iter().filter_map(|(path, part)| Some((path, object(part)?)));
    let predictors = parts.filter(|(_, parts)| parts.contains_key("demos"));
    let path = |path: &str| path.strip_suffix(".predict").unwrap_or(path).to_owned();
    predictors.map(|(it, parts)| (path(it), told(parts))).collect()
}

/// Values of demos that the file has and that stand in the state.
fn carried(file: &Record, state: &State) -> (usize, usize) {
    let (mut all, mut kept) = (0, 0);
    for (path, predictor) in &state.predictors {
        let theirs = file.get(path.as_str()).or_else(|| file.get(&*format!("{path}.predict")));
        let Some(Value::List(demos)) = theirs.and_then(object).and_then(|it| it.get("demos"))
        else {
            panic!("{path}");
        };
        all += demos.len();
        kept += predictor.demos.len();
        for demo in &predictor.demos {
            let holds = |theirs: &Value| {
                let theirs = object(theirs).unwrap();
                demo.demo.inputs.iter().chain(&demo.demo.outputs).all(|(name, value)| {
                    let old = if &**name == "reasoning" { "rationale" } else { name };
                    [theirs.get(&**name), theirs.get(old)].contains(&Some(value))
                })
            };
            assert!(demos.iter().any(holds), "{path}: {demo:?}");
        }
    }
    (all, kept)
}

#[test]
fn real_files_go_in_and_out() {
    let (mut files, mut all, mut kept) = (0, 0, 0);
    for path in corpus() {
        let text = std::fs::read_to_string(&path).unwrap();
        let Ok(Value::Map(file)) = serde_json::from_str(&text) else { panic!("{path:?}") };
        let program = program_of(&file);
        let Fitted { state, warnings } =
            read(&text, &program).unwrap_or_else(|it| panic!("{path:?}: {it:?}"));
        assert_eq!(state.predictors.len(), program.len(), "{path:?}");
        let counts = carried(&file, &state);
        // Each demo that is not there was told.
        let told = warnings.iter().filter(|it| it.message.contains("` has no ")).count();
        assert_eq!(counts.0 - counts.1, told, "{path:?}");
        // Whatever is not the program's own was kept word by word.
        for (name, predictor) in &state.predictors {
            let Some(said) = &predictor.instructions else { continue };
            assert!(
                text.contains(serde_json::to_string(said).unwrap().trim_matches('"')),
                "{name}"
            );
        }
        let own = State::from_text(&state.to_text().unwrap(), "s.json").unwrap();
        assert_eq!(own, state);
        let Exported { text, warnings } = state.to_dspy(&program, |_| true, &Like::default());
        assert!(warnings.is_empty(), "{path:?}: {warnings:?}");
        let back = read(&text, &program).unwrap();
        assert_eq!(back.state, state, "{path:?}");
        assert!(back.warnings.is_empty(), "{path:?}: {:?}", back.warnings);
        (files, all, kept) = (files + 1, all + counts.0, kept + counts.1);
    }
    // The corpus does not stand beside every checkout.
    assert!(files == 0 || (files >= 10 && kept >= 20), "{files} files, {kept} of {all} demos");
}

/// Runs the binary in a directory.
fn dsp(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
    command.args(args).current_dir(dir).env_clear().env("DSP_HOME", dir.join("home"));
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

const SCRIPT: &str = r#"signature Count {
    in  text: str
    out count: int  "how many"
}
module Counter() {
    let count = chain_of_thought(Count);
    let name = predict("text -> name");
    fn forward(text) { [count(text: text), name(text: text)] }
}
"#;

const SAVED: &str = r#"{
  "count.predict": {
    "traces": [], "train": [],
    "demos": [{"augmented": true, "text": "a b", "reasoning": "two words", "count": "2"}],
    "signature": {
      "instructions": "Count the words.",
      "fields": [
        {"prefix": "Text:", "description": "${text}"},
        {"prefix": "Reasoning:", "description": "${reasoning}"},
        {"prefix": "Count:", "description": "how many"}
      ]
    },
    "lm": {"model": "openai/gpt-4o-mini", "api_base": "http://localhost:1"}
  },
  "metadata": {"dependency_versions": {"dspy": "3.4.1"}}
}"#;

#[test]
fn the_commands_read_and_write_files() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("a.dsp"), SCRIPT).unwrap();
    std::fs::write(at("dspy.json"), SAVED).unwrap();
    let import = ["state", "import", "dspy.json", "a.dsp", "--program", "Counter()"];
    let (code, text, told) = dsp(dir.path(), &import);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("warning[W0728]: `count.predict.demos[0].count`: \"2\" is read as int (str for int)\n"),
        "{told}"
    );
    assert!(told.contains("warning[W0718]: left out: `count.predict.lm.api_base`"), "{told}");
    let (code, nothing, told) = dsp(dir.path(), &[&import[..], &["-o", "s.json"]].concat());
    assert_eq!((code, &*nothing), (0, ""));
    let expected = "saved as s.json: 1 predictor, 1 demo; the file says nothing of `name`\n";
    assert!(told.ends_with(expected), "{told}");
    assert_eq!(std::fs::read_to_string(at("s.json")).unwrap(), text);
    assert!(text.contains("\"structure\""), "{text}");

    let export = ["state", "export", "s.json", "a.dsp", "--program", "Counter()", "--dspy"];
    let (code, text, told) = dsp(dir.path(), &export);
    assert_eq!((code, &*told), (0, ""));
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names: Vec<&String> = file.as_object().unwrap().keys().collect();
    assert_eq!(names, ["count.predict", "name", "metadata"], "DSPy wants all of them");
    let count = &file["count.predict"];
    assert_eq!(count["demos"][0]["count"], 2);
    assert_eq!(count["lm"], serde_json::json!({"model": "openai/gpt-4o-mini"}));
    assert_eq!(count["signature"]["instructions"], "Count the words.");
    // As the file of a program that wraps its predictors and retrieves.
    let like = r#"{"count.module._predict": {"demos": [], "lm": null}, "retrieve": {"k": 3}}"#;
    std::fs::write(at("like.json"), like).unwrap();
    let (code, text, told) = dsp(dir.path(), &[&export[..], &["--like", "like.json"]].concat());
    assert_eq!((code, &*told), (0, ""));
    let wrapped: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names: Vec<&String> = wrapped.as_object().unwrap().keys().collect();
    assert_eq!(names, ["count.module._predict", "name", "retrieve", "metadata"]);
    assert_eq!(wrapped["count.module._predict"], *count);
    assert_eq!(wrapped["retrieve"], serde_json::json!({"k": 3}));
    let (code, _, told) = dsp(dir.path(), &[&export[..], &["--like", "a.dsp"]].concat());
    assert!(code == 1 && told.contains("`a.dsp`: no state that DSPy saved"), "{told}");
    let made_up = "Given the fields `text`, produce the fields `name`.";
    assert_eq!(file["name"]["signature"]["instructions"], made_up);
}

#[test]
fn files_that_are_programs_are_never_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("a.dsp"), SCRIPT).unwrap();
    std::fs::write(at("s.pkl"), b"\x80\x05\x95rest").unwrap();
    std::fs::write(at("s.json"), b"\x80\x04\x95rest").unwrap();
    std::fs::create_dir(at("whole")).unwrap();
    std::fs::write(at("whole/program.pkl"), b"\x80\x05").unwrap();
    std::fs::write(at("whole/metadata.json"), r#"{"dependency_versions": {}}"#).unwrap();
    std::fs::write(at("b.dsp"), "predict(\"text -> count\").with_state(\"s.pkl\");").unwrap();
    let import = |file| ["state", "import", file, "a.dsp", "--program", "Counter()"];
    for (args, said) in [
        (&import("s.pkl")[..], "error[E0711]: `s.pkl` is a pickle"),
        (&import("s.json"), "error[E0711]: `s.json` is a pickle"),
        (
            &import("whole"),
            "error[E0711]: `whole` is a whole program that DSPy saved, as a pickle",
        ),
        (&import("whole/metadata.json"), "it says which versions saved a whole program"),
        (&import("none.json"), "none.json"),
        (&["run", "b.dsp"], "is a pickle"),
    ] {
        let (code, text, told) = dsp(dir.path(), args);
        assert!(code > 0 && text.is_empty(), "{args:?}");
        assert!(told.contains(said), "{told}");
        assert_eq!(told.matches("error").count(), 1, "{told}");
    }
    let wrong = ["state", "import", "whole/metadata.json", "a.dsp", "--program", "len"];
    assert_eq!(dsp(dir.path(), &wrong).0, 1);
}

/// `DSP_DSPY_PYTHON` names a Python that has DSPy.
#[test]
fn dspy_itself_loads_what_is_written() {
    let Some(python) = std::env::var_os("DSP_DSPY_PYTHON") else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dspy/round_trip.py");
    let done =
        Command::new(python).arg(script).arg(env!("CARGO_BIN_EXE_dsp")).output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}");
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value as Json;
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "\\PC{0,12}".prop_map(Json::from),
    ];
    let names = [
        "self",
        "count",
        "count.predict",
        "demos",
        "signature",
        "instructions",
        "fields",
        "prefix",
        "description",
        "lm",
        "model",
        "api_base",
        "temperature",
        "traces",
        "train",
        "metadata",
        "extended_signature",
        "signature_instructions",
        "signature_prefix",
        "text",
        "reasoning",
        "rationale",
        "names",
        "augmented",
    ];
    let name = prop_oneof![
        4 => prop::sample::select(names.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            3 => prop::collection::vec((name.clone(), inner), 0..8)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any JSON is read or refused, and what was read is written and read again.
    #[test]
    fn any_json_is_read_or_refused(parts in any_json(), whole in any_json()) {
        let program = one("count", counting());
        let mut inner = parts;
        if let Some(parts) = inner.as_object_mut() {
            parts.entry("demos").or_insert_with(|| serde_json::json!([]));
            parts.entry("traces").or_insert_with(|| serde_json::json!([]));
        }
        let placed = serde_json::json!({ "count.predict": inner.clone() });
        for file in [whole, inner, placed] {
            let Ok(Fitted { state, .. }) = read(&file.to_string(), &program) else { continue };
            let text = state.to_dspy(&program, |_| true, &Like::default()).text;
            let back = read(&text, &program).unwrap();
            prop_assert_eq!(&back.state, &state, "{}", text);
            let own = State::from_text(&state.to_text().unwrap(), "s").unwrap();
            prop_assert_eq!(own, state);
        }
    }
}
