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
