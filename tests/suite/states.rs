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
