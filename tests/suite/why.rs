//! `dsp state why`: the story of a state that an optimizer made.

use serde_json::Value as Json;
use std::path::Path;
use std::process::{Command, Output};

/// A program whose replies depend on its state: it says `y` where it was told to, or where it has
/// demos, as `HELPS` says; `y` is right twice in three times.
const SCRIPT: &str = r#"
let rows = [];
for i in 0..72 { rows.push(#{ q: `what is ${i}?`, answer: if i % 3 == 0 { "x" } else { "y" } }); }
let data = dataset(rows).split(train: 12, dev: 60, seed: 1);
signature Tell { in q  out answer }
module Teller {
    let tell = predict(Tell, lm: scripted(#{ tell: #{ answer: "x" } }));
    fn forward(q) {
        let said = self.tell(q);
        if HELPS { return #{ answer: "y" }; }
        #{ answer: said.answer }
    }
}
fn right(e, r) { #{ score: if e.answer == r.answer { 1.0 } else { 0.0 }, feedback: `it is ${e.answer}` } }
let proposer = scripted(#{
    "proposer.FirstInstructions": #{ proposed_instruction: "Do say y." },
    "proposer.BetterInstructions": #{ proposed_instruction: "Do say y, please." },
    "proposer.ReflectedInstructions": #{ diagnosis: "x is said too often", new_instruction: "Do say y." },
    "proposer.DataNotes": #{ notes: "letters" },
    "proposer.DataSummary": #{ summary: "letters" },
    "proposer.ProgramDescription": #{ description: "it tells" },
    "proposer.GroundedInstructions": #{ proposed_instruction: "Do say y." },
});
let tuned = OPTIMIZER.compile(Teller(), trainset: data.train, valset: data.dev);
tuned.save("made.json");
"#;

fn dsp(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
    command.args(args).current_dir(dir).env_clear().env("DSP_HOME", dir.join("home"));
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

const SAID: &str = r#"self.tell.instructions.contains("say y")"#;
const SHOWN: &str = "self.tell.demos.len() > 0";

/// What an optimizer made, as text and as JSON, the same with one thread and with many.
struct Made {
    dir: tempfile::TempDir,
    text: String,
    json: Json,
}

fn made(optimizer: &str, helps: &str, more: &str) -> Made {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let mut first = None;
    for threads in ["1", "32"] {
        let optimizer =
            optimizer.replace("WITH", &format!("metric: right, threads: {threads}"));
        let script = SCRIPT.replace("OPTIMIZER", &optimizer).replace("HELPS", helps) + more;
        std::fs::write(path.join("a.dsp"), script).unwrap();
        let (code, _, told) = dsp(path, &["run", "a.dsp", "--no-cache"]);
        assert_eq!(code, 0, "{told}");
        let state = std::fs::read_to_string(path.join("made.json")).unwrap();
        assert_eq!(&state, first.get_or_insert(state.clone()), "{threads} threads");
    }
    let (code, text, told) = dsp(path, &["state", "why", "made.json"]);
    assert_eq!((code, &*told), (0, ""));
    let (code, json, _) = dsp(path, &["state", "why", "made.json", "--json"]);
    assert_eq!(code, 0);
    Made { text, json: serde_json::from_str(&json).unwrap(), dir }
}

/// Asserts that the text has these parts, in this order.
fn assert_tells(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| panic!("`{part}` is missing (in this order) in\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn demos_are_told_with_their_rows_runs_and_first_state() {
    let it = made("random_search(WITH, candidates: 2, max_calls: 4000)", SHOWN, "");
    assert_tells(
        &it.text,
        &[
            "made by random_search for scripted, seed 0\n",
            "  rows       12 rows of trainset to learn from, 40 rows of valset to choose by, ",
            "  began with the program as it is written\n",
            "  5 states tried, scored on the rows to choose by\n",
            "    no demos     0.",
            "  * labeled      0.",
            "which it was chosen on\n",
            "the program as it was scored 0.",
            "reliable gain\n",
            "\ntell\n",
            "  instructions as the program says\n",
            "  demo 1: q: what is ",
            "of the data as it stands there",
            "    first tried in `random_search: labeled`, which scored 0.",
            "; the best before it 0.",
        ],
    );
    let demo = &it.json["predictors"]["tell"]["demos"][0];
    assert_eq!(demo["source"], "labeled");
    assert_eq!(demo["first"]["in"], "random_search: labeled");
    let tried = it.json["made"]["tried"].as_array().unwrap();
    let of =
        |label: &str| tried.iter().find(|it| it["label"] == label).unwrap()["score"].clone();
    assert_eq!(demo["first"]["score"], of("labeled"));
    assert_eq!(demo["first"]["best_before"], of("no demos"));
}

#[test]
fn a_bootstrapped_demo_names_its_teacher_and_its_run() {
    let teacher = r#"{ let t = Teller(); t.with(lm: scripted(#{ tell: #{ answer: "y" } })) }"#;
    let optimizer = format!(
        "bootstrap_few_shot(WITH, max_labeled: 2, max_bootstrapped: 2, teacher: {teacher}, max_calls: 4000)"
    );
    let it = made(&optimizer, "false", "");
    assert_tells(
        &it.text,
        &[
            "  teacher    scripted\n",
            "what it is worth was not measured\n",
            "  demo 1: q: what is ",
            "from a run of the teacher scripted on row ",
            ", which scored 1.000; reply ",
        ],
    );
}

#[test]
fn instructions_are_told_with_who_proposed_them_from_what() {
    let copro = made(
        "copro(WITH, proposer: proposer, breadth: 3, depth: 2, max_calls: 4000)",
        SAID,
        "",
    );
    assert_tells(
        &copro.text,
        &[
            "made by copro for scripted",
            "  proposer   scripted\n",
            "    as it is ",
            "  * tell, round 1, 1 ",
            "proposed texts not taken: ",
            " proposed before\n",
            "  instructions\n    | Do say y.\n    proposed by copro with scripted: round 1\n    in the reply ",
            "    first tried in `copro: tell, round 1, 1`, which scored 0.",
            "; the best before it 0.",
        ],
    );
    assert!(copro.json["made"]["refused"]["proposed before"].as_u64() > Some(0));
    let gepa = made("gepa(WITH, proposer: proposer, rounds: 6, max_calls: 4000)", SAID, "");
    assert_tells(
        &gepa.text,
        &[
            "made by gepa",
            "    | Do say y.\n    proposed by gepa with scripted: round ",
            ", from rows ",
            ", whose scores rose by ",
        ],
    );
    let mipro = made(
        "mipro_v2(WITH, proposer: proposer, candidates: 2, trials: 6, max_calls: 4000)",
        SAID,
        "",
    );
    assert_tells(
        &mipro.text,
        &[
            "made by mipro_v2",
            "    | Do say y.\n    proposed by mipro_v2 with scripted: proposal ",
            "tip: ",
            "    first tried in `mipro_v2: text ",
        ],
    );
}

#[test]
fn a_state_that_was_gone_on_from_is_told_behind_the_later_one() {
    let more = "
        random_search(metric: right, candidates: 1, max_calls: 4000)
            .compile(tuned, trainset: data.train, valset: data.dev).save(\"again.json\");
        copro(metric: right, proposer: proposer, breadth: 2, depth: 1, max_calls: 4000)
            .compile(program_of(\"again.json\"), trainset: data.train, valset: data.dev).save(\"thrice.json\");
        fn program_of(path) { Teller().with_state(path) }
    ";
    let it = made(
        r#"better_together("demos -> instructions", WITH, proposer: proposer, steps: #{ demos: random_search(metric: right, candidates: 1), instructions: copro(metric: right, breadth: 3, depth: 1) }, max_calls: 4000)"#,
        SAID,
        more,
    );
    assert_tells(
        &it.text,
        &[
            "made by better_together",
            "  * 2. instructions: tell, round 1, 1",
            "    proposed by copro with scripted: round 1\n",
            "    first tried in `better_together: 2. instructions: tell, round 1, 1`, which scored 0.",
        ],
    );
    let path = it.dir.path();
    let (_, again, _) = dsp(path, &["state", "why", "again.json"]);
    let hash = it.json["state"].as_str().unwrap();
    assert_tells(
        &again,
        &[
            "made by random_search",
            &format!("  began with state {hash}\n"),
            "  nothing was better than what it began with\n",
            "\nwhat it began with: made by better_together",
            "  proposer   scripted\n",
            "    first tried in `better_together: 2. instructions: tell, round 1, 1`, which scored 0.",
        ],
    );
    // Each is told once, however many came after it.
    let (_, thrice, _) = dsp(path, &["state", "why", "thrice.json"]);
    assert_tells(
        &thrice,
        &[
            "made by copro",
            "what it began with: made by random_search",
            "and that with: made by better_together",
        ],
    );
    let (_, json, _) = dsp(path, &["state", "why", "thrice.json", "--json"]);
    let json: Json = serde_json::from_str(&json).unwrap();
    let earlier: Vec<&Json> =
        json["earlier"].as_array().unwrap().iter().map(|it| &it["optimizer"]).collect();
    assert_eq!(earlier, ["random_search", "better_together"]);
}

#[test]
fn demos_that_are_near_are_told_as_such() {
    let it = made("knn_few_shot(WITH, k: 2, max_calls: 4000)", "false", "");
    assert_tells(
        &it.text,
        &["made by knn_few_shot", "  each prompt shows the 2 nearest of 12 demos\n"],
    );
    // What scored is a run, what did not is the row as it stands.
    let demos = it.json["predictors"]["tell"]["demos"].as_array().unwrap();
    let rows: Vec<u64> = demos.iter().map(|it| it["row"].as_u64().unwrap()).collect();
    assert!(rows.is_sorted() && rows.len() == 12, "{rows:?}");
    for demo in demos {
        let wanted = if demo["outputs"]["answer"] == "x" { "bootstrapped" } else { "labeled" };
        assert_eq!(demo["source"], wanted);
    }
    let (_, shown, _) = dsp(it.dir.path(), &["state", "show", "made.json"]);
    assert!(
        shown.contains("  for each input the 2 nearest of 12 demos, by words\n"),
        "{shown}"
    );
}

#[test]
fn one_predictor_and_states_that_say_little() {
    let it = made("labeled_few_shot(k: 1)", SHOWN, "");
    let path = it.dir.path();
    let (code, text, _) = dsp(path, &["state", "why", "made.json", "tell"]);
    assert_eq!((code, &text), (0, &it.text));
    let (code, text, told) = dsp(path, &["state", "why", "made.json", "tel"]);
    assert_eq!((code, &*text), (2, ""));
    assert!(told.contains("of a predictor `tel`"), "{told}");
    assert!(told.contains("did you mean `tell`?"), "{told}");
    let bare = r#"{"format": "dsp-lang state", "version": 1, "predictors": {"tell": {
        "instructions": "By\nhand.\u001b[2J", "demos": [{"inputs": {"q": "1"}, "outputs": {"answer": "x"}}]}}}"#;
    std::fs::write(path.join("bare.json"), bare).unwrap();
    let (code, text, _) = dsp(path, &["state", "why", "bare.json"]);
    assert_eq!(code, 0);
    assert_tells(
        &text,
        &[
            "no optimizer says that it made it\n",
            "    | By\n    | hand.",
            "written by hand",
            "demo 1: q: 1 -> answer: x\n    written by hand",
        ],
    );
    assert!(!text.contains('\u{1b}'));
    let (code, json, _) = dsp(path, &["state", "why", "bare.json", "--json"]);
    let json: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (code, &json["made"], &json["predictors"]["tell"]["demos"][0]["source"]),
        (0, &Json::Null, &"by hand".into())
    );
}
