//! Prompts and replies: layouts, round trips, and what is read of odd replies.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests run on the machine they run on"
)]

mod baml;
mod dspy_types;
mod layouts;
mod origins;

use dsp_lang::adapt::{Adapter, Ask, Parsed, read_partial, read_value};
use dsp_lang::check::signature_from_str;
use dsp_lang::lm::{Capabilities, Decoding, Message, Pattern, Prompt, Segment};
use dsp_lang::schema::{
    Bound, Choices, Demo, Field, Record, Signature, Ty, TypeTable, Value, choices_of,
    json_schema,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::sync::Arc;

const CHAT: Capabilities = Capabilities {
    chat: true,
    template: false,
    in_process: false,
    nonblocking: false,
    parallel: 8,
    cacheable: true,
    ..Capabilities::PLAIN
};
const LOCAL: Capabilities = Capabilities { template: true, in_process: true, ..CHAT };

fn field(name: &str, ty: Ty) -> Field {
    Field::new(name, ty)
}

fn labels(labels: &[&str]) -> Ty {
    Ty::Enum(Arc::new(labels.iter().map(|label| Value::from(*label)).collect()))
}

fn signature(inputs: Vec<Field>, outputs: Vec<Field>) -> Signature {
    Signature {
        name: "".into(),
        instructions: "Sort a support message.".into(),
        inputs,
        outputs,
        types: Arc::new(TypeTable::new()),
        contracts: 0,
    }
}

fn triage() -> Signature {
    signature(
        vec![field("message", Ty::Str)],
        vec![field("topic", labels(&["billing", "other"])), field("urgent", Ty::Bool)],
    )
}

fn values(pairs: &[(&str, Value)]) -> Record {
    pairs.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect()
}

fn demo() -> Demo {
    Demo {
        inputs: values(&[("message", "I was charged twice.".into())]),
        outputs: values(&[("topic", "billing".into()), ("urgent", true.into())]),
    }
}

fn ask<'a>(signature: &'a Signature, demos: &'a [Demo], inputs: &'a Record) -> Ask<'a> {
    Ask { signature, instructions: &signature.instructions, demos, inputs }
}

fn messages(prompt: Prompt) -> Vec<Message> {
    match prompt {
        Prompt::Chat(messages) => messages,
        Prompt::Text(_) => panic!("a conversation"),
    }
}

fn text(prompt: Prompt) -> String {
    match prompt {
        Prompt::Text(text) => text,
        Prompt::Chat(_) => panic!("a text"),
    }
}

fn drawn(messages: &[Message]) -> String {
    let turns = messages.iter().map(|it| format!("--- {}\n{}\n", it.role.as_str(), it.text));
    turns.collect()
}

#[test]
fn a_chat_prompt() {
    let (sig, inputs) = (triage(), values(&[("message", "Hello?".into())]));
    let demos = [demo()];
    let ask = ask(&sig, &demos, &inputs);
    let prompt = Adapter::Chat.prompt(&ask, &CHAT).prompt;
    let expected = "\
--- system
Input fields:
[[ ## message ## ]]
Output fields:
[[ ## topic ## ]] \"billing\" | \"other\"
[[ ## urgent ## ]] bool
A value stands below its marker.

Sort a support message.
--- user
[[ ## message ## ]]
I was charged twice.

Write [[ ## topic ## ]] [[ ## urgent ## ]]
--- assistant
[[ ## topic ## ]]
billing

[[ ## urgent ## ]]
true
--- user
[[ ## message ## ]]
Hello?

Write [[ ## topic ## ]] [[ ## urgent ## ]]
";
    assert_eq!(drawn(&messages(prompt)), expected);
}

#[test]
fn a_chat_repair_keeps_the_reply_and_says_why() {
    let (sig, inputs) = (triage(), values(&[("message", "Hello?".into())]));
    let ask = ask(&sig, &[], &inputs);
    let reply = "[[ ## topic ## ]]\nbilling or other";
    let error = Adapter::Chat.parse(&sig, reply).unwrap_err();
    let prompt = messages(Adapter::Chat.repair(&ask, &CHAT, reply, &error).prompt);
    let expected = "\
--- assistant
[[ ## topic ## ]]
billing or other
--- user
That reply cannot be used: topic: expected \"billing\" | \"other\", found `billing or other`; \
missing `urgent`.

[[ ## message ## ]]
Hello?

Write [[ ## topic ## ]] [[ ## urgent ## ]]
";
    assert_eq!(drawn(&prompt[2..]), expected);
}

#[test]
fn incomplete_demos_come_first() {
    let (sig, inputs) = (triage(), values(&[("message", "Hello?".into())]));
    let mut partial = demo();
    partial.outputs.shift_remove("topic");
    let demos = [demo(), partial];
    let ask = Ask { signature: &sig, instructions: "Sort.", demos: &demos, inputs: &inputs };
    let chat = messages(Adapter::Chat.prompt(&ask, &CHAT).prompt);
    assert_eq!(
        chat[2].text,
        "[[ ## topic ## ]]\n(not given in this example)\n\n[[ ## urgent ## ]]\ntrue"
    );
}

#[test]
fn what_an_input_lists_is_what_can_be_decoded() {
    let topics = Ty::OneOf(Choices::Input("topics".into()));
    let listed = field("topics", Ty::List(Box::new(Ty::Str)));
    let sig = signature(vec![listed], vec![field("topic", Ty::Optional(Box::new(topics)))]);
    let list = Value::list(["pets".into(), "pet food".into(), "pets".into()]);
    let inputs = values(&[("topics", list.clone())]);
    let ask = Ask { signature: &sig, instructions: "Sort.", demos: &[], inputs: &inputs };
    let prepared = Adapter::Complete.prompt(&ask, &LOCAL);
    let expected = "\
Sort.
Topic is one of the Topics.

Topics: [\"pets\",\"pet food\",\"pets\"]
";
    assert_eq!(text(prepared.prompt), expected);
    let template = Decoding::Template(vec![
        Segment::Fixed("Topic:".into()),
        Segment::Choice(vec![" pets".into(), " pet food".into(), " null".into()]),
    ]);
    assert_eq!(prepared.decoding, template);
    let known = [(Choices::Input("topics".into()), choices_of(&list).unwrap())];
    let settled = sig.chosen_from(&known);
    let schema = json_schema(&settled.outputs[0].ty, &settled.types);
    let expected = serde_json::json!({
        "anyOf": [{ "type": "string", "enum": ["pets", "pet food"] }, { "type": "null" }],
    });
    assert_eq!(schema, expected);
    assert!(Adapter::Complete.parse(&settled, "Topic: cars").is_err());
}

#[test]
fn a_plain_prompt_and_its_template() {
    let (sig, inputs) = (triage(), values(&[("message", "Hello?\n\nAnybody?".into())]));
    let demos = [demo()];
    let ask = ask(&sig, &demos, &inputs);
    let prepared = Adapter::Complete.prompt(&ask, &LOCAL);
    let expected = "\
Sort a support message.
Topic is one of: billing, other.
Urgent is one of: true, false.

Message: I was charged twice.
Topic: billing
Urgent: true

Message: Hello?
  \n  Anybody?
";
    assert_eq!(text(prepared.prompt), expected);
    let template = Decoding::Template(vec![
        Segment::Fixed("Topic:".into()),
        Segment::Choice(vec![" billing".into(), " other".into()]),
        Segment::Fixed("\nUrgent:".into()),
        Segment::Choice(vec![" true".into(), " false".into()]),
    ]);
    assert_eq!(prepared.decoding, template);
    let plain = Adapter::Complete.prompt(&ask, &CHAT);
    assert_eq!(text(plain.prompt), format!("{expected}Topic:"));
    assert_eq!(plain.stop, ["\n\n", "\nMessage:"]);
}

#[test]
fn a_plain_repair_shows_what_was_refused() {
    let (sig, inputs) = (triage(), values(&[("message", "Hello?".into())]));
    let ask = Ask { signature: &sig, instructions: "Sort.", demos: &[], inputs: &inputs };
    let reply = " billing or other\nUrgent: no";
    let error = Adapter::Complete.parse(&sig, reply).unwrap_err();
    let prompt = text(Adapter::Complete.repair(&ask, &LOCAL, reply, &error).prompt);
    let expected = "\
Message: Hello?
Refused: Topic: billing or other
  Urgent: no
Reason: topic: expected \"billing\" | \"other\", found `billing or other`
";
    assert!(prompt.ends_with(expected), "{prompt}");
}

#[test]
fn a_plain_repair_shows_the_whole_reply_up_to_a_length() {
    let sig = signature(vec![field("topic", Ty::Str)], vec![field("poem", Ty::Str)]);
    let inputs = values(&[("topic", "the sea".into())]);
    let ask = Ask { signature: &sig, instructions: "", demos: &[], inputs: &inputs };
    let error =
        dsp_lang::adapt::ParseError { message: "no blank line".into(), ..Default::default() };
    let asked = |reply: &str| text(Adapter::Complete.repair(&ask, &CHAT, reply, &error).prompt);
    let expected = "Topic: the sea\nRefused: One\n  \n  two\nReason: no blank line\nPoem:";
    assert!(asked("One\n\ntwo\n").ends_with(expected), "{}", asked("One\n\ntwo\n"));
    let whole = "é".repeat(1000);
    assert!(asked(&whole).contains(&format!("Refused: {whole}\n")));
    assert!(asked(&format!("{whole}!")).contains(&format!("Refused: {whole}…\n")));
    assert!(asked("").contains("Refused:\nReason: no blank line\n"));
}

#[test]
fn a_plain_template_for_values_of_other_types() {
    let bound = |min, max| Bound { min: Some(min), max: Some(max), max_excluded: false };
    let stars = Ty::Bounded(Box::new(Ty::Int), bound(1.0, 3.0));
    let short = Ty::Bounded(Box::new(Ty::Str), Bound { max: Some(60.0), ..Bound::default() });
    let outputs = vec![
        field("reasoning", Ty::Str),
        field("stars", stars),
        field("total", Ty::Float),
        field("answer", short),
    ];
    let sig = signature(vec![field("question", Ty::Str)], outputs);
    let demo = Demo {
        inputs: values(&[("question", "1+1?".into())]),
        outputs: values(&[
            ("reasoning", "One.\n\nAnd one.".into()),
            ("stars", 3i64.into()),
            ("total", 2.0f64.into()),
            ("answer", "two".into()),
        ]),
    };
    let inputs = values(&[("question", "2+2?".into())]);
    let demos = [demo];
    let ask = Ask { signature: &sig, instructions: "Add.", demos: &demos, inputs: &inputs };
    let prepared = Adapter::Complete.prompt(&ask, &LOCAL);
    let expected = "\
Add.
Stars is one of: 1, 2, 3.

Question: 1+1?
Reasoning: One.
  \n  And one.
Stars: 3
Total: 2.0
Answer: two

Question: 2+2?
";
    assert_eq!(text(prepared.prompt), expected);
    let template = Decoding::Template(vec![
        Segment::Fixed("Reasoning:".into()),
        Segment::Free { stop: vec!["\nStars:".into(), "\n\n".into()], max_tokens: 1024 },
        Segment::Fixed("\nStars:".into()),
        Segment::Choice(vec![" 1".into(), " 2".into(), " 3".into()]),
        Segment::Fixed("\nTotal: ".into()),
        Segment::Literal(Pattern::Float),
        Segment::Fixed("\nAnswer:".into()),
        Segment::Free { stop: vec!["\n".into()], max_tokens: 46 },
    ]);
    assert_eq!(prepared.decoding, template);
    let parsed =
        Adapter::Complete.parse(&sig, &Adapter::Complete.reply(&sig, &demos[0].outputs));
    assert_eq!(parsed.unwrap().values, demos[0].outputs);
}

#[test]
fn a_plain_reply_is_read_with_and_without_its_first_label() {
    let sig = triage();
    let expected = values(&[("topic", "other".into()), ("urgent", false.into())]);
    for reply in [
        "Topic: other\nUrgent: false",
        " other\nUrgent: false",
        " other\nUrgent: false\n\nMessage: Next one\nTopic: billing\nUrgent: true",
        "Topic: other\nUrgent: no",
        "[[ ## topic ## ]]\nother\n[[ ## urgent ## ]]\nfalse",
        "{\"topic\": \"other\", \"urgent\": false}",
    ] {
        let parsed = Adapter::Complete.parse(&sig, reply);
        assert_eq!(parsed.map(|it| it.values), Ok(expected.clone()), "{reply}");
    }
}

#[test]
fn liberties_are_told() {
    let sig = signature(vec![], vec![field("n", Ty::Int)]);
    let parsed = Adapter::Chat.parse(&sig, "**[[ ## n ## ]]**\nfive apples").unwrap();
    let told = parsed.liberties.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>();
    assert_eq!(told, ["marker", "spelling"]);
    assert_eq!(parsed.values["n"], Value::Int(5));
}

#[test]
fn what_belongs_to_no_field_is_told() {
    let sig = signature(vec![], vec![field("n", Ty::Int)]);
    let reply = "<think>\n[[ ## n ## ]]\n4\n</think>Sure!\n\n[[ ## n ## ]]\n5";
    let parsed = Adapter::Chat.parse(&sig, reply).unwrap();
    let told = parsed.liberties.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(parsed.values["n"], Value::Int(5));
    assert_eq!(
        told,
        [
            "thinking before the reply was dropped",
            "the text before the first field was dropped",
        ]
    );
}

#[test]
fn bounds_are_enforced() {
    let ty = Ty::Bounded(
        Box::new(Ty::Int),
        Bound { min: Some(1.0), max: Some(5.0), max_excluded: false },
    );
    let sig = signature(vec![], vec![field("n", ty)]);
    let error = Adapter::Chat.parse(&sig, "[[ ## n ## ]]\n99").unwrap_err();
    assert_eq!(error.message, "n: expected int(1..=5), found 99");
}

#[test]
fn a_percentage_needs_a_scale() {
    let types = TypeTable::new();
    assert!(read_value("50%", &Ty::Float, &types).is_err());
    let share = Bound { min: Some(0.0), max: Some(1.0), max_excluded: false };
    let share = Ty::Bounded(Box::new(Ty::Float), share);
    assert_eq!(read_value("50%", &share, &types).unwrap().0, Value::Float(0.5));
}

// --- what others have collected

fn shared(path: &str) -> Option<Vec<Json>> {
    let full = format!("{}/../shared/{path}", env!("CARGO_MANIFEST_DIR"));
    let Ok(text) = std::fs::read_to_string(&full) else {
        println!("skipped: {full} is absent");
        return None;
    };
    let rows = text.trim().split('\n').map(|line| serde_json::from_str(line).unwrap());
    Some(rows.collect())
}

/// Equal, and of the same kind; an int may stand for a float.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(v, w)))
        }
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn json(record: &Record) -> Json {
    serde_json::to_value(Value::map(record.clone())).unwrap()
}

fn outputs(fields: &Json) -> Option<Signature> {
    let fields = fields
        .as_array()?
        .iter()
        .map(|it| Some(field(it["name"].as_str()?, dspy_types::read(&it["type"])?)));
    let mut sig = signature(vec![field("question", Ty::Str)], fields.collect::<Option<_>>()?);
    sig.types = Arc::new(dspy_types::table());
    Some(sig)
}

/// Counts right answers and prints the others.
struct Tally {
    name: &'static str,
    right: usize,
    all: usize,
}

impl Tally {
    fn new(name: &'static str) -> Self {
        Self { name, right: 0, all: 0 }
    }

    fn add(&mut self, right: bool, why: impl FnOnce() -> String) {
        self.all += 1;
        self.right += usize::from(right);
        if !right {
            println!("{}: {}", self.name, why());
        }
    }

    fn at_least(&self, right: usize) {
        println!("{}: {} of {}", self.name, self.right, self.all);
        assert!(self.right >= right, "{}: {} of {}", self.name, self.right, self.all);
    }
}

#[test]
fn the_parse_corpus() {
    let Some(rows) = shared("bench/parse-corpus.jsonl") else { return };
    let mut tallies = ["must", "lenient", "refuse"].map(Tally::new);
    for row in rows {
        let sig = outputs(&row["fields"]).unwrap();
        let completion = row["completion"].as_str().unwrap();
        let got = Adapter::Chat.parse(&sig, completion);
        let right = match &got {
            Ok(parsed) => same(&json(&parsed.values), &row["expected"]),
            Err(_) => row["expected"].is_null(),
        };
        let tally = tallies.iter_mut().find(|it| row["level"] == it.name).unwrap();
        tally.add(right, || format!("{} {completion:?} -> {}", row["id"], show(&got)));
    }
    for (tally, least) in tallies.iter().zip([76, 41, 12]) {
        tally.at_least(least);
    }
}

fn show(got: &Result<Parsed, dsp_lang::adapt::ParseError>) -> String {
    match got {
        Ok(parsed) => json(&parsed.values).to_string().chars().take(300).collect(),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn what_dspy_parses() {
    let Some(rows) = shared("data/conformance/dspy-parse.jsonl") else { return };
    let mut tally = Tally::new("dspy-parse");
    for row in rows {
        let Some(sig) = outputs(&row["signature"]["outputs"]) else {
            println!("no such type: {}", row["signature"]["outputs"]);
            continue;
        };
        let completion = row["completion"].as_str().unwrap();
        let got = Adapter::Chat.parse(&sig, completion);
        // What it refuses is for the parse corpus to judge.
        if let Some(parsed) = row.get("parsed") {
            let right = got.as_ref().is_ok_and(|it| same(&json(&it.values), parsed));
            tally.add(right, || format!("{} {completion:?} -> {}", row["id"], show(&got)));
        }
    }
    // Not copied: `inf`, which is no value of JSON; the texts `None` and `null` for nothing, twice;
    // null as the text "None"; a list written in Python where a text has two tags.
    tally.at_least(82);
}

#[test]
fn what_dspy_parses_of_real_replies() {
    let Some(rows) = shared("data/conformance/dspy-parse-real.jsonl") else { return };
    let mut tally = Tally::new("dspy-parse-real");
    for row in rows.iter().filter(|row| row.get("parsed").is_some()) {
        let Some(sig) = outputs(&row["outputs"]) else {
            println!("no such type: {}", row["outputs"]);
            continue;
        };
        let completion = row["completion"].as_str().unwrap();
        let got = Adapter::Chat.parse(&sig, completion);
        let right = got.as_ref().is_ok_and(|it| same(&json(&it.values), &row["parsed"]));
        tally.add(right, || format!("{completion:?} -> {}", show(&got)));
    }
    tally.at_least(86);
}

#[test]
fn real_replies_are_read() {
    let Some(rows) = shared("data/conformance/transcripts-chat.jsonl") else { return };
    let mut tally = Tally::new("transcripts");
    for row in rows {
        let Some(sig) = outputs(&row["signature"]["outputs"]) else { continue };
        let Some(completion) = row["completion"].as_str() else { continue };
        let got = Adapter::Chat.parse(&sig, completion);
        tally.add(got.is_ok(), || format!("{} {completion:?} -> {}", row["id"], show(&got)));
    }
    tally.at_least(100);
}

#[test]
fn broken_json() {
    let Some(rows) = shared("data/conformance/json-repair.jsonl") else { return };
    let modes = [
        ("valid", 53),
        ("markdown", 7),
        ("stream", 1),
        ("repair", 277),
        ("partial", 45),
        ("schema", 83),
        ("schema-partial", 11),
        ("schema-fail", 8),
    ];
    let mut tallies = modes.map(|(name, _)| Tally::new(name));
    for row in rows {
        let Some(tally) = tallies.iter_mut().find(|it| row["mode"] == it.name) else {
            continue;
        };
        let schema = baml::Schema::read(row["baml_schema"].as_str().unwrap_or("")).unwrap();
        let ty = row["target_type"].as_str().map_or(Ty::Any, |it| baml::target(it).unwrap());
        let input = row["input"].as_str().unwrap();
        let got = if tally.name.ends_with("partial") {
            read_partial(input, &ty, &schema.types)
        } else {
            read_value(input, &ty, &schema.types).ok().map(|it| it.0)
        };
        let json = got.map(|it| schema.named(&serde_json::to_value(&it).unwrap(), &ty));
        let right = match (&json, row.get("error")) {
            (Some(json), None) => same(json, &row["expected"]),
            (json, _) => json.is_none() && row.get("error").is_some(),
        };
        tally.add(right, || {
            format!("{} {input:?} -> {json:?}, expected {}", row["id"], row["expected"])
        });
    }
    for (tally, (_, least)) in tallies.iter().zip(modes) {
        tally.at_least(least);
    }
}

/// What others refuse is no error where any value is welcome, for it is text. Of what they
/// refuse as no JSON nothing may be made up: the reading has no word that the text lacks.
#[test]
fn what_others_refuse() {
    let Some(rows) = shared("data/conformance/json-repair.jsonl") else { return };
    for row in rows.iter().filter(|row| row["mode"] == "fail") {
        let input = row["input"].as_str().unwrap();
        let (value, _) = read_value(input, &Ty::Any, &TypeTable::new()).unwrap();
        assert!(is_stated(&value, input), "{} {input:?} {value:?}", row["id"]);
    }
}

fn is_stated(value: &Value, text: &str) -> bool {
    match value {
        Value::Str(it) => text.contains(&**it),
        Value::List(items) => items.iter().all(|it| is_stated(it, text)),
        Value::Map(entries) => {
            entries.iter().all(|(key, it)| text.contains(&**key) && is_stated(it, text))
        }
        other => text.contains(&other.to_string()),
    }
}

/// A value alone, and one under its marker, reads as the same value.
#[test]
fn a_value_reads_the_same_wherever_it_stands() {
    let Some(rows) = shared("data/conformance/json-repair.jsonl") else { return };
    let mut tally = Tally::new("alone and marked");
    for row in
        rows.iter().filter(|row| row["mode"] != "partial" && row["target_type"].is_null())
    {
        let input = row["input"].as_str().unwrap();
        let sig = signature(vec![], vec![field("reply", Ty::Any)]);
        let (value, _) = read_value(input, &Ty::Any, &sig.types).unwrap();
        for reply in [input.to_owned(), format!("[[ ## reply ## ]]\n{input}\n")] {
            let got = Adapter::Chat.parse(&sig, &reply);
            let right = got.as_ref().is_ok_and(|it| it.values["reply"] == value);
            tally.add(right, || format!("{} {reply:?} -> {} {value:?}", row["id"], show(&got)));
        }
    }
    tally.at_least(tally.all);
}

/// About how many tokens a text has: words with the space before them, runs of digits, signs.
fn tokens(text: &str) -> usize {
    let kind = |c: char| match c {
        '\n' => 0,
        ' ' => 1,
        _ if c.is_alphabetic() || c == '_' => 2,
        _ if c.is_numeric() => 3,
        _ => 4,
    };
    let kinds = text.chars().map(kind).collect::<Vec<_>>();
    let starts = kinds.windows(2).filter(|it| it[0] != it[1] && it[0] != 1).count();
    starts + 1
}

// --- replies of our own

/// Each row states the values of a reply and the liberties that reading them takes, or that it is
/// refused.
#[test]
fn our_own_corpus() {
    let text = include_str!("../data/replies.jsonl");
    let mut ids = std::collections::BTreeSet::new();
    for line in text.lines() {
        let row: Json = serde_json::from_str(line).unwrap();
        let id = row["id"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{id} stands twice");
        let sig = row["signature"].as_str().unwrap();
        let sig = signature_from_str(sig, &Arc::default(), &|_| false).unwrap();
        let adapter = Adapter::by_name(row["adapter"].as_str().unwrap_or("chat")).unwrap();
        let got = adapter.parse(&sig, row["completion"].as_str().unwrap());
        match (&got, row.get("error").and_then(Json::as_str)) {
            (Ok(parsed), None) => {
                assert_eq!(json(&parsed.values), row["values"], "{id}");
                let told = parsed.liberties.iter();
                let told = told.map(|it| format!("{} {}", it.kind.as_str(), it.field));
                let told = told.map(|it| it.trim_end().to_owned()).collect::<Vec<_>>();
                assert_eq!(json!(told), row["liberties"], "{id}");
            }
            (Err(error), Some(expected)) => assert_eq!(error.message, expected, "{id}"),
            (got, _) => panic!("{id}: {}", show(got)),
        }
    }
    assert!(ids.len() >= 120, "{}", ids.len());
}

// --- properties

fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~]{0,12}",
        Just("\n".to_owned()),
        Just("[[ ## answer ## ]]\n".to_owned()),
        Just("\\[[ ## tags ## ]]".to_owned()),
        Just("null".to_owned()),
        Just("Answer: ".to_owned()),
        Just("\n\nMessage: x".to_owned()),
        Just("```json\n".to_owned()),
        Just("{\"answer\": [\"".to_owned()),
        Just("日本 “é” ５ −3".to_owned()),
        "\\PC{0,6}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn all_kinds() -> Signature {
    let bound = Bound { min: Some(0.0), max: Some(1.0), max_excluded: false };
    signature(
        vec![field("message", Ty::Str)],
        vec![
            field("answer", Ty::Str),
            field("note", Ty::Optional(Box::new(Ty::Str))),
            field("tags", Ty::List(Box::new(Ty::Str))),
            field("count", Ty::Int),
            field("share", Ty::Bounded(Box::new(Ty::Float), bound)),
            field("ok", Ty::Bool),
            field("topic", labels(&["billing", "other thing"])),
            field("level", Ty::Optional(Box::new(Ty::Int))),
            field(
                "person",
                Ty::Record(Arc::new(vec![
                    field("name", Ty::Str),
                    field("role", Ty::Optional(Box::new(Ty::Str))),
                ])),
            ),
            field("either", Ty::Union(Arc::new(vec![Ty::Int, Ty::Str]))),
        ],
    )
}

fn all_values() -> impl Strategy<Value = Record> {
    let text = || any_text().prop_map(|it| Value::from(it.trim()));
    let maybe = prop_oneof![text(), Just(Value::Null)];
    let topic = prop_oneof![Just(Value::from("billing")), Just(Value::from("other thing"))];
    let level = prop_oneof![any::<i64>().prop_map(Value::Int), Just(Value::Null)];
    let person = (text(), prop_oneof![text(), Just(Value::Null)])
        .prop_map(|(name, role)| Value::map(values(&[("name", name), ("role", role)])));
    let either = prop_oneof![any::<i64>().prop_map(Value::Int), text()];
    let tags = prop::collection::vec(text(), 0..4).prop_map(Value::list);
    let scalars = (any::<i64>(), 0.0..=1.0f64, any::<bool>());
    (text(), maybe, tags, scalars, topic, level, person, either).prop_map(
        |(answer, note, tags, (count, share, ok), topic, level, person, either)| {
            values(&[
                ("answer", answer),
                ("note", note),
                ("tags", tags),
                ("count", count.into()),
                ("share", share.into()),
                ("ok", ok.into()),
                ("topic", topic),
                ("level", level),
                ("person", person),
                ("either", either),
            ])
        },
    )
}

/// Whether a value may become another one by growing. A number at the end of a text may get more
/// digits, and nothing may become anything.
fn begins(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Null, _) => true,
        (Value::Str(part), Value::Str(whole)) => whole.starts_with(&**part),
        (Value::List(part), Value::List(whole)) => {
            part.len() <= whole.len()
                && part.iter().zip(whole.iter()).all(|(a, b)| begins(a, b))
        }
        (Value::Map(part), Value::Map(whole)) => part.iter().all(|(key, value)| {
            whole.get(key).map_or(value.is_null(), |whole| begins(value, whole))
        }),
        (Value::Int(part), Value::Int(whole)) => {
            whole.to_string().starts_with(&part.to_string())
        }
        (Value::Int(_) | Value::Float(_), Value::Float(_)) => true,
        _ => part == whole,
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1e6..1e6f64).prop_map(Value::Float),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let entry = ("[a-z \"{]{0,4}", inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::list),
            prop::collection::vec(entry, 0..4).prop_map(|entries| {
                Value::map(entries.into_iter().map(|(key, it)| (key.into(), it)).collect())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_written_is_read(outputs in all_values()) {
        let sig = all_kinds();
        for adapter in Adapter::ALL {
            let reply = adapter.reply(&sig, &outputs);
            let parsed = adapter.parse(&sig, &reply);
            prop_assert_eq!(parsed.map(|it| it.values), Ok(outputs.clone()), "{}", reply);
        }
    }

    #[test]
    fn what_is_cut_off_reads_as_a_beginning(outputs in all_values(), json in any::<bool>()) {
        let sig = all_kinds();
        for adapter in Adapter::ALL {
            let reply = match json {
                true => serde_json::to_string(&Value::map(outputs.clone())).unwrap(),
                false => adapter.reply(&sig, &outputs),
            };
            for (at, _) in reply.char_indices().chain([(reply.len(), ' ')]) {
                let partial = adapter.parse_partial(&sig, &reply[..at]);
                for (name, value) in &partial.values {
                    let whole = &outputs[name];
                    prop_assert!(begins(value, whole), "{name} {at} {value:?} {reply}");
                    let complete = partial.complete.contains(name);
                    prop_assert!(!complete || value == whole, "{name} {at} {value:?} {reply}");
                }
            }
        }
    }

    #[test]
    fn no_beginning_breaks_the_reader(text in any_text()) {
        let sig = all_kinds();
        for adapter in Adapter::ALL {
            let _ = adapter.parse_partial(&sig, &text);
        }
        for output in sig.outputs.iter().map(|it| &it.ty).chain([&Ty::Any]) {
            let _ = read_partial(&text, output, &sig.types);
        }
    }

    #[test]
    fn any_json_that_is_cut_off_reads_as_a_beginning(value in any_json()) {
        let text = value.to_json();
        for (at, _) in text.char_indices().chain([(text.len(), ' ')]) {
            let Some(partial) = read_partial(&text[..at], &Ty::Any, &TypeTable::new()) else {
                continue;
            };
            prop_assert!(begins(&partial, &value), "{at} {partial:?} {text}");
        }
        let whole = read_partial(&text, &Ty::Any, &TypeTable::new());
        prop_assert_eq!(whole, Some(value));
    }

    #[test]
    fn no_text_breaks_the_reader(text in any_text()) {
        let sig = all_kinds();
        for adapter in Adapter::ALL {
            let _ = adapter.parse(&sig, &text);
        }
        for output in &sig.outputs {
            let _ = read_value(&text, &output.ty, &sig.types);
        }
        let _ = read_value(&text, &Ty::Any, &sig.types);
    }

    #[test]
    fn no_bytes_break_the_reader(text in "[\\[\\]{}()\"'`:,\\\\/#*<>.0-9a-c \n-]{0,200}") {
        let types = TypeTable::new();
        for ty in [Ty::Any, Ty::List(Box::new(Ty::Any)), Ty::Dict(Box::new(Ty::Float)), Ty::Int] {
            let _ = read_value(&text, &ty, &types);
        }
    }
}

#[test]
fn texts_that_broke_the_reader_once() {
    let ty = Ty::Dict(Box::new(Ty::Str));
    let _ = read_value(" \"Answer: \u{1d300}", &ty, &TypeTable::new());
    // Text inside of JSON inside of text took two to the power of its depth.
    let text = "{\"a\": [\"b, {\"c\": \"d, ".repeat(60);
    let _ = read_value(&text, &Ty::Dict(Box::new(Ty::Any)), &TypeTable::new());
}

fn hostile_piece() -> impl Strategy<Value = String> {
    let signs = [
        "{", "[", "(", "\"", "'", "\"a\": ", "\"b, ", "c: \"", "f(", "]", "}", "\\", "\n", "1",
    ];
    prop::collection::vec(prop::sample::select(signs.to_vec()), 1..6).prop_map(|it| it.concat())
}

/// How long this thread has had a processor, where the system tells; elsewhere the time.
fn busy(since: std::time::Instant) -> std::time::Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let spent = told.as_deref().and_then(|it| it.split(' ').next()?.parse().ok());
    spent.map_or_else(|| since.elapsed(), std::time::Duration::from_nanos)
}

/// How long the quickest of some runs takes.
fn quickest(work: impl Fn()) -> std::time::Duration {
    let begun = std::time::Instant::now();
    let run = |_| {
        let start = busy(begun);
        work();
        busy(begun) - start
    };
    (0..3).map(run).min().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Eight times the text takes eight times the time. A square would take 64 times as long, so
    /// that thirty tells the two apart on a machine that others use too.
    #[test]
    fn longer_texts_take_longer_in_step(piece in hostile_piece()) {
        let record = vec![field("a", Ty::Str), field("b", Ty::List(Box::new(Ty::Int)))];
        let record = Ty::Record(Arc::new(record));
        for ty in [Ty::Any, Ty::Dict(Box::new(Ty::Any)), Ty::List(Box::new(record))] {
            let time = |length: usize| {
                let text = piece.repeat(length / piece.len());
                quickest(|| {
                    let _ = read_value(&text, &ty, &TypeTable::new());
                    let _ = read_partial(&text, &ty, &TypeTable::new());
                })
            };
            let (short, long) = (time(3_000), time(24_000));
            let most = short * 30 + std::time::Duration::from_millis(100);
            prop_assert!(long < most, "{piece:?} {ty:?} {short:?} {long:?}");
        }
    }
}

#[test]
fn hostile_texts_take_linear_time() {
    let sig = all_kinds();
    let shapes = [
        "[",
        "{",
        "[[",
        "{\"a\":",
        "\"",
        "\"a\" ",
        "<",
        "- a\n",
        "1 ",
        "a, ",
        "\\",
        "[[ ## answer ## ]]\n",
        "{\"a\": \"b\" c ",
        "```\n",
        "Answer: x\n",
        "true ",
        "billing ",
        "[\"a,",
        "{\"a\": \"b, c: \"d",
        "{\"a\": [\"b, {\"c\": \"d, ",
        "f(",
        "/*",
        "\"a\" + ",
        "\"\"\"",
        "[\"k\": ",
        "1,",
        "{},\n",
        "\\u",
    ];
    for shape in shapes {
        // What is read again from each bracket on would show in brackets first.
        let length = if shape == "[" { 60_000 } else { 20_000 };
        let text = shape.repeat(length / shape.len());
        let read = || {
            let start = std::time::Instant::now();
            for adapter in Adapter::ALL {
                let _ = adapter.parse(&sig, &text);
            }
            for adapter in Adapter::ALL {
                let _ = adapter.parse_partial(&sig, &text);
            }
            for output in sig.outputs.iter().map(|it| &it.ty).chain([&Ty::Any]) {
                let _ = read_value(&text, output, &sig.types);
                let _ = read_partial(&text, output, &sig.types);
            }
            start.elapsed()
        };
        // Another process may have had the processor.
        let limit = std::time::Duration::from_secs(2);
        let spent = Some(read()).filter(|it| *it < limit).unwrap_or_else(read);
        println!("{shape:?}: {spent:?}");
        assert!(spent < limit, "{shape:?}: {spent:?}");
    }
}
