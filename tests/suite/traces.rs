//! Traces as charts and as JSON.

use dsp_lang::Engine;
use dsp_lang::engine::Reply;
use dsp_lang::lm::Scripted;
use std::sync::Arc;

const PROGRAM: &str = r"
signature Find { in question: str  out term: str }
signature Say { in term: str  out answer: str }
module Two() {
    let find = predict(Find);
    let say = predict(Say);
    fn forward(question: str) {
        let found = find(question);
        let said = say(term: found.term);
        #{ answer: said.answer, chart: trace(said).to_mermaid(), json: trace().to_json() }
    }
}
";

fn reply() -> Reply {
    let lm = Scripted::new([r#"{"term": "du\"ne"}"#, r#"{"answer": "Herbert"}"#]);
    let engine = Engine::builder().model(Arc::new(lm)).build().unwrap();
    let program = engine.load_text("two.dsp", PROGRAM).unwrap();
    let input = serde_json::json!({ "question": "Who wrote Dune?" });
    program.module("Two").unwrap().call_reply(&input).unwrap()
}

#[test]
fn a_chart_shows_calls_in_modules_and_what_flowed() {
    let expected = "\
flowchart TD
    subgraph n0[\"module Two\"]
        n1([\"lm Find<br>scripted\"])
        n2([\"lm Say<br>scripted\"])
    end
    n1 -->|\"term\"| n2
";
    assert_eq!(reply().trace().to_mermaid(), expected);
}

#[test]
fn scripts_see_charts_and_json() {
    let reply = reply();
    let field = |name: &str| reply.fields()[name].as_str().unwrap().to_owned();
    assert_eq!(field("chart"), "flowchart TD\n    n0([\"lm Say<br>scripted\"])\n");
    let json: serde_json::Value = serde_json::from_str(&field("json")).unwrap();
    assert_eq!(json["nodes"][1]["name"], "Find");
    assert_eq!(json["edges"][0]["from"], 1);
}

#[test]
fn json_holds_prompts_and_replies() {
    let json = reply().trace().to_json();
    let attempt = &json["nodes"][2]["call"]["attempts"][0];
    let content = |what: &str| json["content"][attempt[what].as_str().unwrap()].to_string();
    assert!(content("request").contains("[[ ## term ## ]]"), "{}", content("request"));
    assert!(content("reply").contains("Herbert"));
}

#[test]
fn labels_of_a_chart_obey_nothing() {
    let lm = Scripted::new(["x"]);
    let engine = Engine::builder().model(Arc::new(lm)).build().unwrap();
    let program = engine.load_text("a.dsp", "let a = predict(\"q -> answer\")(q: \"1\");\ntry { assert a.answer == `<b>\"#`; } catch {}").unwrap();
    let chart = program.run().trace.to_mermaid();
    assert!(!chart.contains("<b>") && chart.contains("#60;b#62;"), "{chart}");
}
