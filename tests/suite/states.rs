//! What commands tell of states: where each part of a prompt comes from, how two states differ,
//! and what each part of one is worth.

use serde_json::Value as Json;
use std::path::Path;
use std::process::{Command, Output};

const SCRIPT: &str = r#"/// Sort a message. Be quick.
signature Sort {
    in  message: str
    out topic: "billing" | "shipping"  "what it is about"
}
const sort = predict(Sort);
"#;

/// Runs the binary in a directory.
fn dsp(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
    command.args(args).current_dir(dir).env_clear().env("DSP_HOME", dir.join("home"));
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn dir(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

/// A state of [`SCRIPT`]'s predictor: a demo of a run, one by hand, and words of an optimizer.
const STATE: &str = r#"{
  "format": "dsp-lang state",
  "version": 1,
  "provenance": {
    "optimizer": "copro",
    "seed": 3,
    "lm": "m",
    "data": [{"role": "trainset", "rows": 40, "hash": "ac81caadcd500ebc"}],
    "scores": [{"role": "valset", "score": 0.5, "low": 0.3, "high": 0.7, "rows": 20}],
    "calls": 7,
    "prompt_tokens": 0,
    "completion_tokens": 0
  },
  "predictors": {
    "self": {
      "instructions": "Sort this message by its topic. Say billing when in doubt.",
      "instructions_origin": {"optimizer": "copro", "note": "best of 8", "reply_hash": "77aa"},
      "descriptions": {"topic": "the desk it goes to"},
      "demos": [
        {
          "inputs": {"message": "I was charged twice."},
          "outputs": {"topic": "billing"},
          "origin": {
            "source": "bootstrapped",
            "row": 12,
            "row_hash": "b55f68e366760bf1",
            "reply_hash": "01ab",
            "rollout": 2,
            "score": 1.0
          }
        },
        {"inputs": {"message": "No parcel came."}, "outputs": {"topic": "shipping"}}
      ]
    }
  }
}
"#;

#[test]
fn a_prompt_says_why_it_is_as_it_is() {
    let dir = dir(&[("a.dsp", SCRIPT), ("s.json", STATE)]);
    let input = r#"{"message": "Hello?"}"#;
    let base = ["prompt", "a.dsp", "--predictor", "sort", "--input", input, "--why"];
    let with = |more: &[&str]| dsp(dir.path(), &[&base[..], more].concat());
    let (code, shown, told) = with(&["--adapter", "chat", "--state", "s.json"]);
    assert_eq!((code, &*told), (0, ""));
    let expected = "\
--- system
fields          | Input fields:
field message   | [[ ## message ## ]]
fields          | Output fields:
field topic     | [[ ## topic ## ]] \"billing\" | \"shipping\": the desk it goes to
layout          | A value stands below its marker.
                |
instructions    | Sort this message by its topic. Say billing when in doubt.
--- user
demo 1, message | [[ ## message ## ]]
                | I was charged twice.
                |
demo 1          | Write [[ ## topic ## ]]
--- assistant
demo 1, topic   | [[ ## topic ## ]]
                | billing
--- user
demo 2, message | [[ ## message ## ]]
                | No parcel came.
                |
demo 2          | Write [[ ## topic ## ]]
--- assistant
demo 2, topic   | [[ ## topic ## ]]
                | shipping
--- user
input message   | [[ ## message ## ]]
                | Hello?
                |
closing         | Write [[ ## topic ## ]]

fields            the script: the signature's fields and types in `Sort`, a.dsp:2
field message     the script: the field `message` in `Sort`, a.dsp:2
field topic       s.json: the description of `topic`
layout            the words of the `chat` layout
instructions      s.json: instructions, by copro: best of 8 (reply 77aa)
demo 1            s.json: demo 1, bootstrapped from row 12 of the trainset ac81caadcd500ebc \
                  (40 rows), reply 01ab of sample 2 in a run that scored 1.000, by copro, seed 3
demo 2            s.json: demo 2, by hand
input message     the input `message` of this call
closing           the words of the `chat` layout
";
    let spaced = |text: &str| text.split(' ').filter(|it| !it.is_empty()).collect::<String>();
    assert_eq!(spaced(&shown), spaced(expected), "{shown}");
    let (_, bare, _) = with(&["--adapter", "json"]);
    assert!(bare.contains("field topic   + \"topic\": "), "{bare}");
    assert!(bare.contains("the script: the instructions in `Sort`, a.dsp:2"), "{bare}");
}

#[test]
fn the_parts_of_a_prompt_make_up_its_messages() {
    let dir = dir(&[("a.dsp", SCRIPT), ("s.json", STATE)]);
    let input = r#"{"message": "Hello?"}"#;
    for adapter in ["chat", "json", "xml", "two_step", "complete"] {
        let of = |more: &[&str]| -> Json {
            let base =
                ["prompt", "a.dsp", "--predictor", "sort", "--state", "s.json", "--json"];
            let all = [&base[..], &["--input", input, "--adapter", adapter], more].concat();
            let (code, shown, told) = dsp(dir.path(), &all);
            assert_eq!((code, &*told), (0, ""));
            serde_json::from_str(&shown).unwrap()
        };
        let (why, sent) = (of(&["--why"]), of(&[]));
        let sent = match &sent["prompt"] {
            Json::String(text) => vec![text.clone()],
            _ => sent["messages"].as_array().unwrap().iter().map(content).collect(),
        };
        let joined = why["messages"].as_array().unwrap().iter().map(|message| {
            let parts = message["parts"].as_array().unwrap();
            let text: String = parts.iter().map(|it| it["text"].as_str().unwrap()).collect();
            assert_eq!(text, content(message));
            text
        });
        assert_eq!(joined.collect::<Vec<_>>(), sent, "{adapter}");
        let demo = &why.to_string();
        assert!(demo.contains(r#""row":12"#) && demo.contains(r#""reply_hash":"01ab""#));
    }
}

fn content(message: &Json) -> String {
    message["content"].as_str().unwrap().to_owned()
}

/// Another state of the same program: words, a description, the model, the order of demos, what
/// one says, and the scores differ.
fn another() -> String {
    let demos = STATE.find("        {\n          \"inputs\"").unwrap();
    let added = r#"        {"inputs": {"message": "Lost it."}, "outputs": {"topic": "shipping"}},
        {"inputs": {"message": "No parcel came."}, "outputs": {"topic": "shipping"}},
"#;
    let (head, tail) = STATE.split_at(demos);
    let last = "},\n        {\"inputs\": {\"message\": \"No parcel came.\"}, \"outputs\": \
                {\"topic\": \"shipping\"}}";
    assert!(tail.contains(last));
    let tail = tail.replace(last, "}").replace("twice.", "once too often.");
    format!("{head}{added}{tail}")
        .replace("this message by its topic", "the message by topic")
        .replace("\"descriptions\"", "\"lm\": \"m\",\n      \"descriptions\"")
        .replace("the desk it goes to", "the desk")
        .replace("\"score\": 0.5,", "\"score\": 0.75,")
}

#[test]
fn two_states_differ_word_by_word() {
    let another = another();
    let dir = dir(&[("a.json", STATE), ("b.json", &another)]);
    let (code, shown, told) = dsp(dir.path(), &["state", "diff", "a.json", "b.json"]);
    assert_eq!((code, &*told), (1, ""));
    let (heads, body) = shown.split_once("\n\n").unwrap();
    assert!(heads.starts_with("- a.json ") && heads.contains("\n+ b.json "), "{heads}");
    let expected = "\
self
  instructions: Sort [-this-] {+the+} message by [-its-] topic. Say billing when in doubt.
  model: as the program says -> m
  description of topic: the [-desk it goes to-]{+desk+}
  demo 1 added (by hand)
    message: {+Lost it.+}
    -> topic: {+shipping+}
  demo 1 -> 3 changed (bootstrapped, row 12, scored 1.000)
    message: I was charged [-twice.-]{+once too often.+}
  1 demo stays as it was

how they came about
  score on valset: [-0.500-] {+0.750+} (95 % 0.300 to 0.700, 20 rows)
";
    assert_eq!(body, expected, "{body}");
    let (code, json, _) = dsp(dir.path(), &["state", "diff", "a.json", "b.json", "--json"]);
    let json: Json = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["same_prompts"]), (1, &false.into()));
    let own = &json["predictors"]["self"];
    assert_eq!(own["settings"]["model"]["after"], "m");
    assert_eq!(own["demos"][1]["row"], 12);
    assert_eq!(own["demos"][1]["fate"], "changed");
    let words = own["instructions"]["instructions"]["words"].as_array().unwrap();
    let side = |without: &str| -> String {
        let pieces = words.iter().flat_map(|it| it.as_object().unwrap());
        pieces.filter(|it| it.0 != without).map(|it| it.1.as_str().unwrap()).collect()
    };
    assert_eq!(side("added"), "Sort this message by its topic. Say billing when in doubt.");
    assert_eq!(side("removed"), "Sort the message by topic. Say billing when in doubt.");
}

#[test]
fn states_that_are_the_same_and_files_that_are_none() {
    let dir = dir(&[("a.json", STATE), ("b.json", STATE), ("no.json", "[1]")]);
    let run = |args: &[&str]| dsp(dir.path(), &[&["state", "diff"], args].concat());
    let (code, shown, _) = run(&["a.json", "b.json"]);
    assert_eq!(code, 0);
    assert!(shown.starts_with("nothing differs: both are state "), "{shown}");
    for wrong in [["a.json", "no.json"], ["none.json", "a.json"]] {
        let (code, shown, told) = run(&wrong);
        assert_eq!((code, &*shown), (2, ""), "{told}");
        assert!(told.starts_with("error["), "{told}");
    }
    // Without another one it is compared with the program as it is written.
    let (code, shown, _) = run(&["a.json"]);
    assert_eq!(code, 1);
    assert!(shown.starts_with("- the program "), "{shown}");
    assert!(shown.contains("  instructions: as the program says -> Sort this"), "{shown}");
    assert!(shown.contains("  demo 2 added (by hand)\n"), "{shown}");
    // Demos are known by what they say, else by their rows.
    let changed = |change: &dyn Fn(&mut Vec<Json>)| {
        let mut state: Json = serde_json::from_str(STATE).unwrap();
        change(state["predictors"]["self"]["demos"].as_array_mut().unwrap());
        std::fs::write(dir.path().join("c.json"), state.to_string()).unwrap();
        run(&["a.json", "c.json"]).1
    };
    let moved = changed(&|demos| demos.swap(0, 1));
    assert!(moved.contains("\n  demo 1 -> 2 moved (bootstrapped, row 12"), "{moved}");
    assert!(moved.contains("\n  1 demo stays as it was\n"), "{moved}");
    let shifted = changed(&|demos| drop(demos.remove(0)));
    assert!(shifted.contains("\n  demo 1 removed (bootstrapped, row 12"), "{shifted}");
    assert!(!shifted.contains(" moved ("), "{shifted}");
    let elsewhere = changed(&|demos| demos[0]["origin"]["row"] = 13.into());
    assert!(elsewhere.contains("\nthe prompts are the same\n"), "{elsewhere}");
    assert!(
        elsewhere.contains("\n  demo 1 another origin (bootstrapped, row 13"),
        "{elsewhere}"
    );
    let renewed = changed(&|demos| demos[1]["inputs"]["message"] = "One.".into());
    assert!(renewed.contains("\n  demo 2 added"), "{renewed}");
    assert!(renewed.contains("\n  demo 2 removed"), "{renewed}");
}

/// A program whose model is played by the script: what it answers depends on the prompt alone.
/// The demo of the charge teaches what billing is, two demos teach the same of refunds, one
/// sentence leads it astray, and the rest is of no use.
const TAUGHT: &str = r#"/// Sort a message. Be quick.
signature Sort { in message: str  out topic: "billing" | "shipping" | "other" }
module Router() {
    let sort = predict(Sort, adapter: "chat", lm: scripted([]));
    fn forward(message: str) {
        let prompt = sort.prompt(message: message);
        let has = |text| prompt.contains(text);
        let topic = "shipping";
        if message.contains("charged") && has("I was charged twice.") { topic = "billing"; }
        if message.contains("refund") && has("refund me") { topic = "other"; }
        if message.contains("late") && has("Late is other.") { topic = "other"; }
        #{ topic: topic }
    }
}
const router = Router();
fn right(example, reply) { example.topic == reply.topic }
"#;

const TAUGHT_STATE: &str = r#"{
  "format": "dsp-lang state",
  "version": 1,
  "provenance": {
    "optimizer": "mine", "seed": 3, "calls": 7, "prompt_tokens": 0, "completion_tokens": 0,
    "data": [{"role": "trainset", "rows": 40, "hash": "ac81caadcd500ebc"}]
  },
  "predictors": {
    "sort": {
      "instructions": "Sort it. Late is other. Be kind, e.g. to cats.",
      "descriptions": {"topic": "the desk"},
      "demos": [
        {"inputs": {"message": "I was charged twice."}, "outputs": {"topic": "billing"},
         "origin": {"source": "labeled", "row": 4, "row_hash": "aa", "rollout": 0}},
        {"inputs": {"message": "refund me"}, "outputs": {"topic": "other"}},
        {"inputs": {"message": "refund me now"}, "outputs": {"topic": "other"}},
        {"inputs": {"message": "Hello."}, "outputs": {"topic": "other"}}
      ]
    }
  }
}
"#;

/// Rows of four kinds, as many of each.
fn rows(each: usize) -> String {
    let kinds = [
        ("I was charged wrongly", "billing"),
        ("a refund, please", "other"),
        ("it is late", "shipping"),
        ("where is it", "shipping"),
    ];
    let rows =
        (0..each).flat_map(|n| kinds.map(|(text, topic)| (format!("{text} {n}"), topic)));
    let line = |(message, topic)| {
        format!("{}\n", serde_json::json!({ "message": message, "topic": topic }))
    };
    rows.map(line).collect()
}

const ABLATE: [&str; 10] = [
    "state",
    "ablate",
    "s.json",
    "a.dsp",
    "--program",
    "router",
    "--metric",
    "right",
    "--data",
    "rows.jsonl",
];

fn taught(each: usize) -> tempfile::TempDir {
    dir(&[("a.dsp", TAUGHT), ("s.json", TAUGHT_STATE), ("rows.jsonl", &rows(each))])
}

#[test]
fn an_ablation_finds_what_carries_and_what_hurts() {
    let dir = taught(12);
    let run = |more: &[&str]| dsp(dir.path(), &[&ABLATE[..], more].concat());
    let (code, shown, told) = run(&[]);
    assert_eq!(code, 0, "{told}");
    assert!(told.starts_with("ablate: before it starts\n"), "{told}");
    let expected = "\
score 0.750, 95 % interval 0.604 to 0.864 (exact, 48 of 48 rows)

left out score it carries 95 % interval rows for, against p
sort: all 4 demos 0.250 +0.500 +0.335 to +0.648 24, 0 of 48 < 0.0001 carries
the whole state 0.500 +0.250 -0.011 to +0.483 24, 12 of 48 0.4567 may be chance
sort: demo 1 (row 4) 0.500 +0.250 +0.114 to +0.396 12, 0 of 48 0.0044 carries I was charged \
twice. -> billi…
sort: sentence 1 0.750 +0.000 -0.074 to +0.074 0, 0 of 48 1.0000 no row differs Sort it.
sort: sentence 3 0.750 +0.000 -0.074 to +0.074 0, 0 of 48 1.0000 no row differs Be kind, e.g. \
to cats.
sort: description of topic 0.750 +0.000 -0.074 to +0.074 0, 0 of 48 1.0000 no row differs the \
desk
sort: demo 2 0.750 +0.000 -0.074 to +0.074 0, 0 of 48 1.0000 no row differs refund me -> other
sort: demo 3 0.750 +0.000 -0.074 to +0.074 0, 0 of 48 1.0000 no row differs refund me now -> \
other
sort: demo 4 0.750 +0.000 -0.074 to +0.074 0, 0 of 48 1.0000 no row differs Hello. -> other
sort: sentence 2 1.000 -0.250 -0.396 to -0.114 0, 12 of 48 0.0044 hurts Late is other.

carry the gain: sort: all 4 demos, sort: demo 1 (row 4)
hurt: without them the score is reliably higher: sort: sentence 2
change no row: sort: sentence 1, sort: sentence 3, sort: description of topic, sort: demo 2, \
sort: demo 3, sort: demo 4
sort: all 4 demos: together they carry +0.500, one at a time +0.250 in sum: some stand in for \
others
each interval is of 95 % by itself; p is corrected for all 10 lines (Holm)
";
    let spaced = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    let lines = shown.lines().filter(|it| !it.contains('─'));
    let found: String = lines.skip(1).map(spaced).map(|it| it.replace(" \n", "\n")).collect();
    assert!(found.starts_with(expected), "{found}");
}

#[test]
fn an_ablation_is_the_same_with_any_number_of_threads() {
    let dir = taught(18);
    let of = |threads: &str| {
        let more = ["--json", "--threads", threads, "--drop", "small.json"];
        let (code, json, told) = dsp(dir.path(), &[&ABLATE[..], &more].concat());
        assert_eq!(code, 0, "{told}");
        (json, std::fs::read_to_string(dir.path().join("small.json")).unwrap())
    };
    let one = of("1");
    assert_eq!(one, of("4"));
    assert_eq!(one, of("64"));
    let json: Json = serde_json::from_str(&one.0).unwrap();
    assert_eq!((&json["dsp_ablation"], &json["stopped"]), (&1.into(), &Json::Null));
    let part = |label: &str| {
        let parts = json["parts"].as_array().unwrap();
        parts.iter().find(|it| it["label"] == label).unwrap()
    };
    let demo = part("sort: demo 1 (row 4)");
    assert_eq!((&demo["finding"], &demo["row"]), (&"carries".into(), &4.into()));
    assert_eq!(part("sort: sentence 2")["finding"], "hurts");
    assert!(part("sort: sentence 2")["p_corrected"].as_f64() > demo["p"].as_f64());
}

#[test]
fn a_smaller_state_is_measured_on_rows_held_back() {
    let dir = taught(18);
    let more = ["--drop", "small.json"];
    let (code, shown, told) = dsp(dir.path(), &[&ABLATE[..], &more].concat());
    assert_eq!(code, 0, "{told}");
    assert!(told.ends_with("saved as small.json\n"), "{told}");
    let dropped = "dropped  sort: sentence 2, sort: sentence 1, sort: sentence 3, \
                   sort: description of topic, sort: demo 2, sort: demo 4\n";
    assert!(shown.contains(dropped), "{shown}");
    assert!(shown.contains("\nit is not reliably worse on rows held back\n"), "{shown}");
    let text = std::fs::read_to_string(dir.path().join("small.json")).unwrap();
    let small: Json = serde_json::from_str(&text).unwrap();
    let sort = &small["predictors"]["sort"];
    let shows = |at: usize| sort["demos"][at]["inputs"]["message"].as_str().unwrap();
    assert_eq!(sort["demos"].as_array().unwrap().len(), 2);
    assert_eq!((shows(0), shows(1)), ("I was charged twice.", "refund me now"));
    assert_eq!(sort["instructions"], "");
    let provenance = &small["provenance"];
    assert_eq!(provenance["optimizer"], "mine, then ablate");
    assert_eq!(provenance["gain"]["verdict"], "reliable gain");
    // Rows that nothing was chosen on: a third.
    assert_eq!(provenance["gain"]["rows"], 24);
    // It is a state as any other, and does as well as it says.
    let eval = ["eval", "a.dsp", "--program", "router", "--metric", "right"];
    let with = ["--data", "rows.jsonl", "--state", "small.json"];
    let (code, shown, told) = dsp(dir.path(), &[&eval[..], &with].concat());
    assert_eq!(code, 0, "{told}");
    assert!(shown.starts_with("score    1.000"), "{shown}");
}

#[test]
fn an_ablation_says_what_it_would_take_and_what_cannot_be_taken_apart() {
    let dir = taught(3);
    let run = |more: &[&str]| dsp(dir.path(), &[&ABLATE[..], more].concat());
    let (code, shown, _) = run(&["--plan"]);
    assert_eq!(code, 0);
    assert!(
        shown.contains("\n  sort: demo 1 (row 4)        I was charged twice. -> billing\n")
    );
    assert!(shown.contains("\neach part left out          at most 132 runs"), "{shown}");
    let (code, json, _) = run(&["--plan", "--json"]);
    let json: Json = serde_json::from_str(&json).unwrap();
    assert_eq!((code, json["parts"].as_array().unwrap().len()), (0, 10));
    let (code, _, told) = run(&["--drop", "small.json"]);
    assert!(code == 1 && told.contains("12 rows are too few to hold some back"), "{told}");
    // A state that says nothing of a program without instructions has no parts.
    let script = TAUGHT.replace("/// Sort a message. Be quick.\n", "");
    std::fs::write(dir.path().join("a.dsp"), script).unwrap();
    let empty = r#"{"format": "dsp-lang state", "version": 1, "predictors": {}}"#;
    std::fs::write(dir.path().join("s.json"), empty).unwrap();
    let (code, _, told) = run(&[]);
    assert!(code == 1 && told.contains("the state has no demos, and there are no"), "{told}");
}
