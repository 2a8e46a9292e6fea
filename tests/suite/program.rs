//! States and their files.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dsp_lang::adapt::read_loose;
use dsp_lang::diag::Diagnostic;
use dsp_lang::host::{MemoryHost, OsHost, read_text};
use dsp_lang::program::{
    DataOrigin, DemoOrigin, DemoSource, Fitted, GainRecord, InstructionsOrigin, Like, Options,
    PredictorState, Provenance, ScoreRecord, State, StateDemo, Story, Tried, show,
};
use dsp_lang::schema::{
    Demo, Field, MediaFile, MediaKind, Record, Signature, Template, Ty, TypeTable, Value,
};
use indexmap::IndexMap;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

fn record(fields: &[(&str, &str)]) -> Record {
    fields.iter().map(|(name, value)| ((*name).into(), Value::from(*value))).collect()
}

fn qa() -> Signature {
    Signature {
        name: "QA".into(),
        instructions: "Answer.".into(),
        inputs: vec![Field::new("question", Ty::Str)],
        outputs: vec![Field::new("answer", Ty::Str)],
        types: Arc::new(TypeTable::new()),
        contracts: 0,
    }
}

fn program() -> IndexMap<String, Signature> {
    [("answer".to_owned(), qa()), ("by[\"x\"]".to_owned(), qa())].into()
}

fn example() -> State {
    let bootstrapped = StateDemo {
        demo: Demo {
            inputs: record(&[("question", "Who wrote \u{201c}Dune\u{201d}?\nSay one name.")]),
            outputs: record(&[("answer", "Frank Herbert")]),
        },
        origin: Some(DemoOrigin {
            source: DemoSource::Bootstrapped,
            row: 17,
            row_hash: "00ff00ff00ff00ff".into(),
            reply_hash: Some("abcdef0123456789".into()),
            rollout: 1,
            score: Some(1.0),
            first_in: Some("random_search: bootstrap 2".into()),
        }),
    };
    let labeled = StateDemo {
        demo: Demo {
            inputs: record(&[("question", "2+2?")]),
            outputs: record(&[("answer", "4")]),
        },
        origin: Some(DemoOrigin {
            source: DemoSource::Labeled,
            row: 3,
            row_hash: "1100110011001100".into(),
            reply_hash: None,
            rollout: 0,
            score: None,
            first_in: None,
        }),
    };
    let answer = PredictorState {
        signature: None,
        instructions: Some("Answer the question.\nBe short.".into()),
        instructions_origin: Some(InstructionsOrigin {
            optimizer: "gepa".into(),
            note: "3 rows that scored 0".into(),
            reply_hash: Some("9999".into()),
            first_in: Some("gepa: round 3".into()),
        }),
        descriptions: [("answer".to_owned(), "one to five words".to_owned())].into(),
        descriptions_first_in: [("answer".to_owned(), "gepa: round 4".to_owned())].into(),
        lm: Some("openai/gpt-4o-mini".into()),
        adapter: Some("chat".into()),
        template: None,
        extract: None,
        options: Options { temperature: Some(0.0), ..Options::default() },
        demos: vec![bootstrapped, labeled],
        nearest: None,
    };
    let mut state = State {
        predictors: [("answer".to_owned(), answer)].into(),
        provenance: Some(Provenance {
            optimizer: "random_search".into(),
            options: [("candidates".to_owned(), Value::Int(8))].into(),
            seed: u64::MAX,
            lm: Some("openai/gpt-4o-mini".into()),
            data: vec![DataOrigin { role: "trainset".into(), rows: 20, hash: "aa".into() }],
            scores: vec![ScoreRecord {
                role: "valset".into(),
                score: 0.75,
                interval: (0.5, 0.9),
                rows: 20,
            }],
            gain: Some(GainRecord {
                role: "testset".into(),
                verdict: "no reliable gain".into(),
                gain: 0.05,
                interval: (-0.1, 0.2),
                p: 0.5,
                rows: 40,
            }),
            calls: 812,
            prompt_tokens: 10_000,
            completion_tokens: 900,
            stopped: None,
            story: Story {
                start: Some("0123456789abcdef".into()),
                teacher: Some("openai/gpt-4o, state 00".into()),
                proposer: Some("openai/gpt-4o".into()),
                tried: vec![
                    Tried {
                        label: "as it is".into(),
                        score: Some(0.5),
                        rows: 20,
                        ..Tried::default()
                    },
                    Tried {
                        label: "bootstrap 2".into(),
                        score: None,
                        rows: 4,
                        demos: 2,
                        chosen: true,
                    },
                ],
                more: 3,
                unchanged: true,
                finalists: vec![("bootstrap 2".into(), 0.75)],
                refused: vec![("too long".into(), 2)],
                remarks: vec!["two\nlines".into(), "one".into()],
                earlier: vec![Provenance {
                    optimizer: "copro".into(),
                    ..Provenance::default()
                }],
            },
        }),
    };
    state.stamp(&program());
    state
}

const GOLDEN: &str = r#"{
  "format": "dsp-lang state",
  "version": 1,
  "provenance": {
    "optimizer": "random_search",
    "options": {"candidates": 8},
    "seed": "18446744073709551615",
    "lm": "openai/gpt-4o-mini",
    "data": [{"role": "trainset", "rows": 20, "hash": "aa"}],
    "scores": [{"role": "valset", "score": 0.75, "low": 0.5, "high": 0.9, "rows": 20}],
    "gain": {
      "role": "testset",
      "verdict": "no reliable gain",
      "gain": 0.05,
      "low": -0.1,
      "high": 0.2,
      "p": 0.5,
      "rows": 40
    },
    "calls": 812,
    "prompt_tokens": 10000,
    "completion_tokens": 900,
    "story": {
      "start": "0123456789abcdef",
      "teacher": "openai/gpt-4o, state 00",
      "proposer": "openai/gpt-4o",
      "tried": [
        {"label": "as it is", "score": 0.5, "rows": 20, "demos": 0},
        {"label": "bootstrap 2", "rows": 4, "demos": 2, "chosen": true}
      ],
      "more": 3,
      "unchanged": true,
      "finalists": [{"label": "bootstrap 2", "mean": 0.75}],
      "refused": {"too long": 2},
      "remarks": [["two", "lines"], "one"],
      "earlier": [
        {
          "optimizer": "copro",
          "seed": 0,
          "calls": 0,
          "prompt_tokens": 0,
          "completion_tokens": 0
        }
      ]
    }
  },
  "predictors": {
    "answer": {
      "signature": {
        "fields": "question: str -> answer: str",
        "structure": "STRUCTURE",
        "text": "TEXT"
      },
      "instructions": ["Answer the question.", "Be short."],
      "instructions_origin": {
        "optimizer": "gepa",
        "note": "3 rows that scored 0",
        "reply_hash": "9999",
        "first_in": "gepa: round 3"
      },
      "descriptions": {"answer": "one to five words"},
      "descriptions_first_in": {"answer": "gepa: round 4"},
      "lm": "openai/gpt-4o-mini",
      "adapter": "chat",
      "options": {"temperature": 0.0},
      "demos": [
        {
          "inputs": {"question": "Who wrote “Dune”?\nSay one name."},
          "outputs": {"answer": "Frank Herbert"},
          "origin": {
            "source": "bootstrapped",
            "row": 17,
            "row_hash": "00ff00ff00ff00ff",
            "reply_hash": "abcdef0123456789",
            "rollout": 1,
            "score": 1.0,
            "first_in": "random_search: bootstrap 2"
          }
        },
        {
          "inputs": {"question": "2+2?"},
          "outputs": {"answer": "4"},
          "origin": {
            "source": "labeled",
            "row": 3,
            "row_hash": "1100110011001100",
            "rollout": 0
          }
        }
      ]
    }
  }
}
"#;

#[test]
fn the_file_is_as_promised_and_reads_back() {
    let state = example();
    let signature = state.get("answer").unwrap().signature.clone().unwrap();
    let golden =
        GOLDEN.replace("STRUCTURE", &signature.structure).replace("TEXT", &signature.text);
    assert_eq!(state.to_text().unwrap(), golden);
    assert_eq!(State::from_text(&golden, "x.json").unwrap(), state);
}

#[test]
fn hashes_never_change() {
    assert_eq!(example().hash(), "05b443d597e1fd64");
    let signature = example().get("answer").unwrap().signature.clone().unwrap();
    assert_eq!(
        (signature.structure.as_str(), signature.text.as_str()),
        ("f629116c8ac5db6a", "e82f7ae52930c1ba")
    );
}

#[test]
fn the_hash_sees_prompts_and_not_origins() {
    let (mut a, b) = (example(), example());
    a.provenance = None;
    a.entry("answer").demos[0].origin = None;
    a.entry("answer").signature = None;
    a.entry("nothing set");
    assert_eq!(a.hash(), b.hash());
    a.entry("answer").demos.swap(0, 1);
    assert_ne!(a.hash(), b.hash());
}

fn refused(text: &str) -> (String, String) {
    let wrong = State::from_text(text, "s.json").unwrap_err();
    (wrong.code.0.to_owned(), wrong.message.clone() + wrong.hints.join(";").as_str())
}

#[test]
fn what_is_wrong_is_said_exactly() {
    let table = [
        (
            "",
            "E0711",
            "`s.json`: not a state: EOF while parsing a value at line 1 column 0the file is cut off",
        ),
        ("[]", "E0711", "`s.json`: not a state: expected an object, found a list"),
        ("{}", "E0711", "`s.json`: not a state: `format` is not \"dsp-lang state\""),
        (
            r#"{"format": "dsp-lang state", "version": 2, "predictors": {}}"#,
            "E0712",
            "`s.json`: a state of version 2, expected 1a newer dsp wrote it",
        ),
        (
            r#"{"format": "dsp-lang state", "version": 1}"#,
            "E0711",
            "`s.json`: `predictors` is missing",
        ),
        (
            r#"{"format": "dsp-lang state", "version": 1, "predictors": {"a": {"demos": [{"inputs": 3}]}}}"#,
            "E0711",
            "`s.json`: `predictors.a.demos[0].inputs`: expected an object, found 3",
        ),
        (
            r#"{"format": "dsp-lang state", "version": 1, "predictors": {"a": {"demo": []}}}"#,
            "E0711",
            "`s.json`: `predictors.a.demo` means nothing heredid you mean `demos`?",
        ),
        (
            r#"{"format": "dsp-lang state", "version": 1, "predictors": {"a": {}, "a": {}}}"#,
            "E0711",
            "`s.json`: not a state: duplicate key `a` at line 1 column 70",
        ),
        (
            r#"{"format": "dsp-lang state", "version": 1, "predictors": {"a": {"lm": "http://h/v1"}}}"#,
            "E0717",
            "`s.json`: a state names models and never their addressesgive the model a name in `[models]` of `dsp.toml` and use that",
        ),
        (
            r#"{"answer": {"demos": [], "traces": []}}"#,
            "E0711",
            "`s.json`: not a state: `format` is not \"dsp-lang state\"it looks like a state saved by DSPy, which is read together with its program",
        ),
    ];
    for (text, code, message) in table {
        assert_eq!(refused(text), (code.to_owned(), message.to_owned()), "{text}");
    }
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let wrong = State::load(&OsHost::new(), Path::new("/nowhere/s.json")).unwrap_err();
    assert_eq!(wrong.code.0, "E0710");
    assert!(wrong.message.starts_with("cannot read `/nowhere/s.json`"), "{}", wrong.message);
}

#[test]
fn an_address_is_not_written_either() {
    let mut state = example();
    state.entry("answer").lm = Some("http://localhost:8000".into());
    assert_eq!(state.to_text().unwrap_err().code.0, "E0717");
}

/// A template stands whole in the file, and is the one that is named.
#[test]
fn templates_and_extractors_come_back() {
    let parts = [("system", "{instructions}"), ("user", "Q: {question}\n{{}}")];
    let template = Arc::new(Template::read(parts).unwrap());
    let mut state = example();
    let own = state.entry("answer");
    own.adapter = Some(template.name.to_string());
    own.template = Some(template);
    let text = state.to_text().unwrap();
    let lines =
        r#""template": {"system": "{instructions}", "user": ["Q: {question}", "{{}}"]}"#;
    assert!(text.contains(lines), "{text}");
    assert_eq!(State::from_text(&text, "s").unwrap(), state);
    let changed = text.replace("Q: {question}", "A: {question}");
    let wrong = State::from_text(&changed, "s").unwrap_err();
    let message = "`predictors.answer.template` is not the template of `adapter`";
    assert!(wrong.message.contains(message), "{}", wrong.message);
    let broken = text.replace("Q: {question}", "Q: {question");
    assert!(State::from_text(&broken, "s").is_err());

    let plain = example();
    let mut state = example();
    state.entry("answer").extract = Some("openai/gpt-4o-mini".into());
    assert_ne!(state.hash(), plain.hash());
    assert_eq!(State::from_text(&state.to_text().unwrap(), "s").unwrap(), state);
    state.entry("answer").extract = Some("http://localhost:8000".into());
    assert_eq!(state.to_text().unwrap_err().code.0, "E0717");
}

fn shown(path: &str) -> Value {
    let bytes = b"GIF89a tiny".to_vec();
    let medium = MediaFile::read(bytes, MediaKind::Image, None, Some("dot.gif"), "it").unwrap();
    Value::Media(Arc::new(MediaFile { path: Some(path.into()), ..medium }))
}

/// Files are named from the folder of the state, whether they were read or a row named them.
#[test]
fn a_state_names_files_from_its_own_folder() {
    let host = MemoryHost::default()
        .with_file("/home/me/pets/dot.gif", "GIF89a tiny")
        .with_file("/home/me/states/old.json", "{}");
    let types = Arc::new(TypeTable::new());
    let photo = Ty::List(Box::new(Ty::Media(MediaKind::Image)));
    let signature = Signature { inputs: vec![Field::new("photos", photo)], types, ..qa() };
    let program: IndexMap<String, Signature> = [("answer".to_owned(), signature)].into();
    let state_of = |path: &str| {
        let uri = "https://example.com/a.gif";
        let photos = Value::list([shown(path), Value::from(path), Value::from(uri)]);
        let inputs = [("photos".into(), photos)].into_iter().collect();
        let demo = Demo { inputs, outputs: record(&[("answer", "a")]) };
        let mut state = State::default();
        state.entry("answer").demos = vec![StateDemo { demo, origin: None }];
        state
    };
    let cases = [
        ("pets/dot.gif", "states", "../pets/dot.gif"),
        ("pets/dot.gif", "", "pets/dot.gif"),
        ("states/./x/../dot.gif", "states", "dot.gif"),
        ("../dot.gif", "states", "../../dot.gif"),
        ("/home/me/pets/dot.gif", "/home/me/states", "../pets/dot.gif"),
        ("/mnt/dot.gif", "/home/me", "/mnt/dot.gif"),
        ("/home/me/dot.gif", "nowhere", "/home/me/dot.gif"),
    ];
    for (path, folder, told) in cases {
        let state = state_of(path);
        let text = state.placed_in(&host, Path::new(folder), &program).to_text().unwrap();
        let parts = (format!(r#""path":"{told}""#), format!(r#""{told}","#));
        assert!(text.contains(&parts.0) && text.contains(&parts.1), "{path} {folder}: {text}");
        assert!(text.contains(r#""https://example.com/a.gif""#));
        let read = State::from_text(&text, "s").unwrap();
        let back = read.taken_from(Path::new(folder), &program);
        let (photos, again) =
            (&read.get("answer").unwrap().demos[0], &back.get("answer").unwrap().demos[0]);
        let paths = |it: &StateDemo| match &it.demo.inputs["photos"] {
            Value::List(items) => items.iter().map(path_of).collect::<Vec<_>>(),
            other => panic!("{other}"),
        };
        assert_eq!(paths(photos)[0], told);
        let plain = dsp_lang::host::without_dots(Path::new(path));
        assert_eq!(Path::new(&paths(again)[0]), plain, "{folder}");
        assert_eq!(Path::new(&paths(again)[1]), plain, "{folder}");
    }
}

fn path_of(value: &Value) -> String {
    match value {
        Value::Media(it) => it.path.as_deref().unwrap_or_default().to_owned(),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

/// Where a picture lies is no part of what it is.
#[test]
fn states_and_rows_have_one_hash_wherever_their_media_lie() {
    let state_of = |path: &str| {
        let inputs = [("photo".into(), shown(path))].into_iter().collect();
        let demo = Demo { inputs, outputs: Record::new() };
        let mut state = State::default();
        state.entry("answer").demos = vec![StateDemo { demo, origin: None }];
        state
    };
    assert_eq!(state_of("a/dot.gif").hash(), state_of("b/dot.gif").hash());
}

#[test]
fn paths_of_dspy_are_aliases() {
    let mut state = State::default();
    state.entry("answer.predict").instructions = Some("a".into());
    state.entry("by['x']").instructions = Some("b".into());
    let fitted = state.fit(&program()).unwrap();
    assert_eq!(fitted.state.predictors.keys().collect::<Vec<_>>(), ["answer", "by[\"x\"]"]);
    state.entry("answer").instructions = Some("c".into());
    assert!(state.fit(&program()).is_err(), "one predictor twice");
}

#[test]
fn what_does_not_fit_is_refused_or_warned_of() {
    let mut state = State::default();
    state.entry("anwser");
    let wrong = state.fit(&program()).unwrap_err();
    assert_eq!(wrong[0].message, "the program has no predictor `anwser`");
    assert_eq!(wrong[0].hints, ["did you mean `answer`?"]);

    let state = example();
    let mut program = program();
    program["answer"].instructions = "Other words.".into();
    let fitted = state.fit(&program).unwrap();
    assert_eq!(fitted.warnings[0].code.0, "W0715");
    program["answer"].outputs[0].ty = Ty::Int;
    let wrong = state.fit(&program).unwrap_err();
    assert_eq!(wrong[0].code.0, "E0714");
    assert_eq!(
        wrong[0].notes,
        ["state:   question: str -> answer: str", "program: question: str -> answer: int"]
    );

    let mut state = State::default();
    state.entry("answer").demos = vec![StateDemo {
        demo: Demo { inputs: record(&[("q", "?")]), outputs: record(&[("answer", "a")]) },
        origin: None,
    }];
    let wrong = state.fit(&self::program()).unwrap_err();
    assert_eq!(wrong[0].message, "demo 1: `answer` has no input `q`");
}

#[test]
fn applying_changes_words_only() {
    let state = example();
    let changed = state.get("answer").unwrap().apply(&qa());
    assert_eq!(&*changed.instructions, "Answer the question.\nBe short.");
    assert_eq!(changed.outputs[0].description.as_deref(), Some("one to five words"));
    assert_eq!(changed.inputs, qa().inputs);
}

#[test]
fn showing_it() {
    let text = show(&example());
    assert!(text.contains("made by random_search with openai/gpt-4o-mini"), "{text}");
    assert!(text.contains("demo 1 (bootstrapped, row 17, scored 1.000)"), "{text}");
    assert!(text.contains("question: Who wrote “Dune”? Say one name."), "{text}");
    assert!(text.contains("scored 0.750 (95 % 0.500 to 0.900) on 20 rows of valset"), "{text}");
}

/// As DSPy 3.4.1 writes it, shortened.
const DSPY: &str = r#"{
  "answer.predict": {
    "traces": [], "train": [],
    "demos": [
      {"augmented": true, "question": "q1", "rationale": "r1", "answer": "a1"},
      {"question": "q2", "answer": "a2", "gold": "x"},
      {"dspy_uuid": "1", "question": "q3"}
    ],
    "signature": {
      "instructions": "Answer from the context.",
      "fields": [
        {"prefix": "Question:", "description": "${question}"},
        {"prefix": "Answer:", "description": "short"},
        {"prefix": "Reasoning:", "description": "${reasoning}"}
      ]
    },
    "lm": {"model": "openai/gpt-4o-mini", "temperature": 0.7, "max_tokens": 500,
           "api_base": "http://localhost:1"}
  },
  "retrieve": {"k": 3},
  "metadata": {"dependency_versions": {"dspy": "3.4.1"}}
}"#;

fn open(text: &str, program: &IndexMap<String, Signature>) -> Result<Fitted, Vec<Diagnostic>> {
    State::open(text, "s.json", program, read_loose)
}

fn reasoning_program() -> IndexMap<String, Signature> {
    let mut signature = qa();
    signature.outputs.insert(0, Field::new("reasoning", Ty::Str));
    [("answer".to_owned(), signature)].into()
}

#[test]
fn files_of_dspy_are_read() {
    let fitted = open(DSPY, &reasoning_program()).unwrap();
    let answer = fitted.state.get("answer").unwrap();
    assert_eq!(answer.instructions.as_deref(), Some("Answer from the context."));
    assert_eq!(answer.descriptions, [("answer".to_owned(), "short".to_owned())].into());
    assert_eq!(answer.demos.len(), 2);
    assert_eq!(answer.demos[0].demo.outputs, record(&[("reasoning", "r1"), ("answer", "a1")]));
    assert_eq!(answer.lm.as_deref(), Some("openai/gpt-4o-mini"));
    assert_eq!((answer.options.temperature, answer.options.max_tokens), (Some(0.7), Some(500)));
    let warnings: Vec<&str> = fitted.warnings.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(
        warnings,
        [
            "left out: `retrieve` is no state of a predictor",
            "left out: `answer.predict.demos[1]`: no field `gold`",
            "left out: `answer.predict.demos[2]` has no output of the signature",
            "left out: `answer.predict.lm.api_base` is an address, a key or the like",
        ]
    );
    let wrong = open(DSPY, &IndexMap::new()).unwrap_err();
    assert_eq!(wrong[0].message, "the program has no predictor `answer.predict`");
}

#[test]
fn what_is_written_for_dspy_reads_back() {
    let state = open(DSPY, &reasoning_program()).unwrap().state;
    let text = state.to_dspy(&reasoning_program(), |_| true, &Like::default()).text;
    assert!(text.contains("\"answer.predict\": {"), "{text}");
    let back = open(&text, &reasoning_program()).unwrap();
    assert_eq!(back.state, state);
    assert!(back.warnings.is_empty());
}

#[test]
fn real_files_of_dspy_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = folder.join("../shared/data/conformance/dspy-states");
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut demos = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        let text = read_text(&OsHost::new(), &path).unwrap();
        let Ok(Value::Map(file)) = serde_json::from_str(&text) else { continue };
        let signatures = file.iter().filter_map(|(path, part)| {
            let Value::Map(part) = part else { return None };
            let Value::List(demos) = part.get("demos")? else { return None };
            Some((String::from(&**path), inferred(demos)))
        });
        let signatures: IndexMap<String, Signature> = signatures.collect();
        let fitted = open(&text, &signatures).unwrap();
        demos += fitted.state.demo_count();
        let again = State::from_text(&fitted.state.to_text().unwrap(), "s.json").unwrap();
        assert_eq!(again, fitted.state);
    }
    assert!(demos > 50, "{demos}");
}

/// A signature for demos: the last name is the output, and reasoning comes before it.
fn inferred(demos: &[Value]) -> Signature {
    let mut signature = Signature { inputs: vec![], outputs: vec![], ..qa() };
    let named = |name: &str| Field::new(name.to_owned(), Ty::Any);
    for demo in demos {
        let Value::Map(demo) = demo else { continue };
        for (at, name) in demo.keys().enumerate() {
            let meta = ["augmented", "dspy_uuid", "dspy_split", "rationale"].contains(&&**name);
            let known = signature.input(name).is_some() || signature.output(name).is_some();
            if !meta && !known && at + 1 == demo.len() {
                signature.outputs.push(named(name));
            } else if !meta && !known {
                signature.inputs.push(named(name));
            }
        }
    }
    signature.outputs.insert(0, named("reasoning"));
    signature
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1e12..1e12f64).prop_map(Value::Float),
        "\\PC{0,60}|[a-z\n\r\t\"\\\\]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::list),
            prop::collection::vec(("[a-z]{1,4}", inner), 0..4).prop_map(|parts| Value::map(
                parts.into_iter().map(|(name, it)| (name.into(), it)).collect()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_state_reads_back(
        values in prop::collection::vec((value(), value()), 0..4),
        instructions in proptest::option::of("[a-z \n]{0,40}"),
        path in "[a-z.\\[\\]\"']{1,12}",
    ) {
        let mut state = State::default();
        let predictor = state.entry(&path);
        predictor.instructions = instructions;
        predictor.demos = values
            .into_iter()
            .map(|(a, b)| StateDemo {
                demo: Demo { inputs: [("q".into(), a)].into(), outputs: [("a".into(), b)].into() },
                origin: None,
            })
            .collect();
        let text = state.to_text().unwrap();
        let back = State::from_text(&text, "s.json").unwrap();
        prop_assert_eq!(back.hash(), state.hash());
        prop_assert_eq!(back.to_text().unwrap(), text);
        prop_assert_eq!(back, state);
    }

    #[test]
    fn a_damaged_file_of_dspy_never_panics(at in 0usize..2000, put in "[\\[\\]{}\",:0-9a-z]{0,3}") {
        let mut text = DSPY.to_owned();
        let at = at % text.len();
        text.insert_str(at, &put);
        let _ = open(&text, &reasoning_program());
        let _ = open(&text[..at], &reasoning_program());
    }

    #[test]
    fn a_damaged_file_is_refused_or_read_and_never_panics(
        cut in 0usize..4000,
        at in 0usize..4000,
        put in "[\\[\\]{}\",:0-9a-z]{0,3}",
    ) {
        let text = example().to_text().unwrap();
        let cut = cut % text.len();
        if text.is_char_boundary(cut) {
            prop_assert!(cut + 1 >= text.len() || State::from_text(&text[..cut], "s").is_err());
        }
        let at = at % text.len();
        if text.is_char_boundary(at) {
            let mut changed = text;
            changed.insert_str(at, &put);
            if let Ok(state) = State::from_text(&changed, "s") {
                let _ = (show(&state), state.fit(&program()), state.hash());
            }
        }
    }
}

#[test]
fn a_file_is_written_with_its_folders() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out/today/a.json");
    dsp_lang::host::Host::write(&OsHost::new(), &path, b"{}").unwrap();
    assert_eq!(read_text(&OsHost::new(), &path).unwrap(), "{}");
}
