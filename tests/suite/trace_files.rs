//! Traces as files: what is written for other programs, what is read back, and what differs.
//!
//! `UPDATE=1 cargo test --test suite trace_files` writes the files beside the recorded ones anew.

use dsp_lang::lm::{Address, Completion, Cost, Message, Placed, Prompt, Request, Role};
use dsp_lang::schema::{Media, MediaKind, Record, Source, Value};
use dsp_lang::trace::{
    About, Attempt, Edge, Export, Filter, Kind, LmCall, Look, NoContent, Node, NodeId, Shown,
    Trace, Via, diff, find, parse, to_html, to_otlp, to_protobuf, to_whole_jsonl, tree_as,
    whole,
};
use proptest::prelude::*;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/traces")
}

fn recorded(name: &str) -> (Trace, About) {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    parse(&text, &NoContent).unwrap()
}

/// Compares a text with a file, or writes the file.
fn expect(name: &str, text: &str) {
    let text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    let path = folder().join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, text).unwrap();
        return;
    }
    let wanted = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(text, wanted, "{name}: UPDATE=1 writes it anew");
}

fn spans(trace: &Trace, about: &About, content: bool) -> Vec<serde_json::Value> {
    let export = Export { service: "before.jsonl", content };
    let requests = to_otlp(trace, about, &export);
    let of = |it: &serde_json::Value| {
        it["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
    };
    requests.iter().flat_map(of).collect()
}

fn attribute<'a>(span: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    let found = span["attributes"].as_array().unwrap().iter().find(|it| it["key"] == name);
    found.map_or(&serde_json::Value::Null, |it| &it["value"])
}

#[test]
fn a_recorded_trace_is_exported_as_ever() {
    let (trace, about) = recorded("before.jsonl");
    expect("before.txt", &tree_as(&trace, &Look { full: true, ..Look::default() }));
    expect("before.mmd", &trace.to_mermaid());
    expect("before.dot", &trace.to_dot());
    let export = Export { service: "before.jsonl", content: true };
    let lines = to_otlp(&trace, &about, &export);
    let pretty = |it: &serde_json::Value| serde_json::to_string_pretty(it).unwrap() + "\n";
    expect("before.otlp.json", &lines.iter().map(pretty).collect::<String>());
    let (after, _) = recorded("after.jsonl");
    expect("difference.txt", &diff(&trace, &after).show(&trace, &after, 20));
}

#[test]
fn what_is_exported_is_read_back_the_same() {
    let (trace, about) = recorded("before.jsonl");
    let lines = to_whole_jsonl(&trace, &about);
    let object = whole(&trace, &about, |_| true).to_string();
    for text in [&lines, &object] {
        let (again, said) = parse(text, &NoContent).unwrap();
        assert_eq!(said, about);
        assert_eq!(again.canonical(), trace.canonical());
        assert_eq!(to_whole_jsonl(&again, &said), lines);
        assert_eq!(again.totals(), trace.totals());
        assert!(diff(&again, &trace).is_none());
    }
}

#[test]
fn parts_of_prompts_are_recorded() {
    let (trace, _) = recorded("before.jsonl");
    let call = trace.nodes[2].call.as_ref().unwrap();
    let attempt = &call.attempts[1];
    let Prompt::Chat(messages) = &attempt.request.prompt else { panic!("it is a chat") };
    let part = |kind: &str| {
        let part = attempt.parts.iter().find(|it| &*it.kind == kind).unwrap();
        messages[part.message].text[part.range.clone()].to_owned()
    };
    assert_eq!(
        part("instruction"),
        "Say who wrote it, in one word. Be careful with <b>tags</b>."
    );
    assert!(part("input").contains("## term ##"), "{}", part("input"));
    assert_eq!(
        part("closing"),
        "Write [[ ## reasoning ## ]] [[ ## answer ## ]] [[ ## sure ## ]]"
    );
    assert!(part("repair").contains("That reply cannot be used"), "{}", part("repair"));
    assert_eq!(part("refused"), "I cannot say");
    // Every byte of every message is in one part.
    let told: usize = attempt.parts.iter().map(|it| it.range.len()).sum();
    assert_eq!(told, messages.iter().map(|it| it.text.len()).sum::<usize>());
}

#[test]
fn spans_have_ids_parents_and_times() {
    let (trace, about) = recorded("before.jsonl");
    let all = spans(&trace, &about, true);
    let ids: Vec<&str> = all.iter().map(|it| it["spanId"].as_str().unwrap()).collect();
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|it| it.is_ascii_hexdigit())
    };
    assert!(ids.iter().all(|it| is_hex(it, 16)));
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len());
    let traces: Vec<&str> = all.iter().map(|it| it["traceId"].as_str().unwrap()).collect();
    assert!(traces.iter().all(|it| is_hex(it, 32) && *it == traces[0]));
    let roots: Vec<_> = all.iter().filter(|it| it["parentSpanId"].is_null()).collect();
    assert_eq!(roots.len(), 1);
    assert_eq!(roots[0]["name"], "dsp run");
    for span in &all {
        if let Some(parent) = span["parentSpanId"].as_str() {
            assert!(ids.contains(&parent), "{parent}");
        }
        for link in span["links"].as_array().into_iter().flatten() {
            assert!(ids.contains(&link["spanId"].as_str().unwrap()));
        }
        let time = |name: &str| span[name].as_str().unwrap().parse::<u64>().unwrap();
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"));
        assert!(time("startTimeUnixNano") > 1_700_000_000_000_000_000);
    }
    // A file is exported under the same ids each time, another run under others.
    assert_eq!(spans(&trace, &about, true), all);
    let later = About { began_us: about.began_us.map(|it| it + 1), ..about };
    assert_ne!(spans(&trace, &later, true)[0]["traceId"], all[0]["traceId"]);
}

#[test]
fn only_requests_tell_tokens_and_kept_replies_tell_none() {
    let mut trace = Trace::default();
    let paid = asked(("q", "Who?"), "Herbert");
    let mut kept = asked(("q", "Who?"), "Herbert");
    let mut call = LmCall::clone(kept.call.as_ref().unwrap());
    (call.attempts[0].cached, call.attempts[0].sent) = (true, false);
    kept.call = Some(Arc::new(call));
    trace.nodes = vec![paid, kept];
    let all = spans(&trace, &About::default(), true);
    let tokens: Vec<_> =
        all.iter().map(|it| attribute(it, "gen_ai.usage.input_tokens")).collect();
    let told: Vec<_> = tokens.iter().filter(|it| !it.is_null()).collect();
    assert_eq!(told, [&&serde_json::json!({ "intValue": "12" })]);
    let asked = all.iter().find(|it| it["name"] == "chat gpt-4o-mini").unwrap();
    assert_eq!(attribute(asked, "gen_ai.provider.name")["stringValue"], "openai");
    assert_eq!(asked["kind"], 3);
}

/// A call of a model.
fn asked((name, text): (&str, &str), reply: &str) -> Node {
    let address = Address { path: "rag.answer".to_owned(), ..Address::default() };
    let inputs: Record = [(Arc::from(name), Value::from(text))].into_iter().collect();
    let mut node = Node::new(Kind::Lm, "Answer", address, inputs);
    let messages = vec![Message::new(Role::System, text), Message::new(Role::User, text)];
    let completion = Completion { text: reply.to_owned(), ..Completion::default() };
    let usage = dsp_lang::lm::Usage {
        prompt_tokens: Some(12),
        completion_tokens: Some(3),
        ..dsp_lang::lm::Usage::default()
    };
    node.outputs = Some([(Arc::from("answer"), Value::from(reply))].into_iter().collect());
    node.call = Some(Arc::new(LmCall {
        model: "openai/gpt-4o-mini".to_owned(),
        adapter: "chat".to_owned(),
        attempts: vec![Attempt {
            key: "ab".repeat(32),
            model: None,
            extracts: false,
            replayed: false,
            request: Arc::new(Request::new(Prompt::Chat(messages))),
            parts: Arc::new([]),
            completion: Some(Arc::new(Completion { usage, ..completion })),
            cached: false,
            sent: true,
            liberties: vec![dsp_lang::trace::Liberty {
                note: reply.to_owned(),
                kind: "spelling".to_owned(),
                at: Some(0..reply.len()),
            }],
            error: Some(reply.to_owned()),
            fault: None,
            cost: Cost::default(),
            took: Duration::from_millis(3),
        }],
    }));
    node
}

/// All that is ever written of a trace.
fn exports(trace: &Trace, about: &About) -> Vec<String> {
    let shown = Shown { name: "t", trace, about };
    let export = Export { service: "t", content: !about.content_left_out };
    let requests = to_otlp(trace, about, &export);
    vec![
        tree_as(trace, &Look { full: true, ..Look::default() }),
        trace.to_mermaid(),
        trace.to_dot(),
        to_whole_jsonl(trace, about),
        whole(trace, about, |_| true).to_string(),
        requests.iter().map(ToString::to_string).collect(),
        requests
            .iter()
            .map(|it| String::from_utf8_lossy(&to_protobuf(it)).into_owned())
            .collect(),
        to_html(shown, Some(shown)),
        trace.canonical(),
    ]
}

/// The parts of a message in binary form, by their numbers: what is no number is bytes.
fn parts(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    fn number(bytes: &mut &[u8]) -> u64 {
        let length = bytes.iter().position(|it| *it < 0x80).unwrap() + 1;
        let (own, rest) = bytes.split_at(length);
        *bytes = rest;
        own.iter().rev().fold(0, |sum, it| (sum << 7) | u64::from(it & 0x7f))
    }
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let tag = number(&mut bytes);
        let length = match tag & 7 {
            0 => {
                parts.push((tag >> 3, number(&mut bytes).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => number(&mut bytes) as usize,
            other => panic!("there is no kind {other}"),
        };
        let (own, rest) = bytes.split_at(length);
        parts.push((tag >> 3, own.to_vec()));
        bytes = rest;
    }
    parts
}

/// The parts of one number.
fn of(bytes: &[u8], number: u64) -> Vec<Vec<u8>> {
    parts(bytes).into_iter().filter(|it| it.0 == number).map(|it| it.1).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

fn small(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

/// An attribute's value as JSON has it.
fn any_value(bytes: &[u8]) -> serde_json::Value {
    let parts = parts(bytes);
    let [(number, own)] = &parts[..] else { panic!("{parts:?}") };
    match number {
        1 => json!({ "stringValue": text(own) }),
        2 => json!({ "boolValue": small(own) == 1 }),
        3 => json!({ "intValue": (small(own) as i64).to_string() }),
        4 => json!({ "doubleValue": f64::from_le_bytes(own[..].try_into().unwrap()) }),
        5 => {
            let values: Vec<_> = of(own, 1).iter().map(|it| any_value(it)).collect();
            json!({ "arrayValue": { "values": values } })
        }
        other => panic!("there is no value {other}"),
    }
}

fn attributes(all: &[Vec<u8>]) -> Vec<serde_json::Value> {
    let one =
        |it: &Vec<u8>| json!({ "key": text(&of(it, 1)[0]), "value": any_value(&of(it, 2)[0]) });
    all.iter().map(one).collect()
}

#[test]
fn the_binary_form_of_spans_says_what_json_says() {
    let (trace, about) = recorded("before.jsonl");
    let export = Export { service: "before.jsonl", content: true };
    for request in to_otlp(&trace, &about, &export) {
        let whole = to_protobuf(&request);
        let resource = of(&whole, 1).concat();
        let wanted = &request["resourceSpans"][0];
        let about = of(&of(&resource, 1).concat(), 1);
        assert_eq!(json!(attributes(&about)), wanted["resource"]["attributes"]);
        let wanted = &wanted["scopeSpans"][0];
        let scope = of(&resource, 2).concat();
        assert_eq!(text(&of(&of(&scope, 1).concat(), 1)[0]), wanted["scope"]["name"]);
        let spans: Vec<serde_json::Value> = of(&scope, 2).iter().map(|it| span(it)).collect();
        assert!(spans.len() > 3);
        assert_eq!(json!(spans), wanted["spans"]);
    }
}

/// A span as JSON has it.
fn span(bytes: &[u8]) -> serde_json::Value {
    let mut out = serde_json::Map::new();
    // JSON says of no attributes that there are none.
    out.insert("attributes".to_owned(), json!([]));
    for (number, own) in parts(bytes) {
        let (name, value) = match number {
            1 => ("traceId", json!(hex(&own))),
            2 => ("spanId", json!(hex(&own))),
            4 => ("parentSpanId", json!(hex(&own))),
            5 => ("name", json!(text(&own))),
            6 => ("kind", json!(small(&own))),
            7 => ("startTimeUnixNano", json!(small(&own).to_string())),
            8 => ("endTimeUnixNano", json!(small(&own).to_string())),
            9 => ("attributes", json!(attributes(&[own]))),
            11 => {
                let (time, name) = (small(&of(&own, 1)[0]).to_string(), text(&of(&own, 2)[0]));
                let of = attributes(&of(&own, 3));
                ("events", json!([{ "timeUnixNano": time, "name": name, "attributes": of }]))
            }
            13 => {
                let (trace, id) = (hex(&of(&own, 1)[0]), hex(&of(&own, 2)[0]));
                let of = attributes(&of(&own, 4));
                ("links", json!([{ "traceId": trace, "spanId": id, "attributes": of }]))
            }
            15 => {
                let mut status = serde_json::Map::new();
                for (number, own) in parts(&own) {
                    match number {
                        2 => status.insert("message".to_owned(), json!(text(&own))),
                        3 => status.insert("code".to_owned(), json!(small(&own))),
                        other => panic!("a status has no part {other}"),
                    };
                }
                ("status", json!(status))
            }
            other => panic!("a span has no part {other}"),
        };
        match (out.get_mut(name), value) {
            (Some(serde_json::Value::Array(all)), serde_json::Value::Array(more)) => {
                all.extend(more);
            }
            (_, value) => drop(out.insert(name.to_owned(), value)),
        }
    }
    out.into()
}

#[test]
fn content_that_was_left_out_stands_nowhere() {
    let secret = "zebra-in-the-garden";
    let mut trace = Trace::default();
    let mut node = asked(("q", secret), secret);
    node.error = Some(secret.to_owned());
    trace.nodes.push(node);
    let about = About { content_left_out: true, ..About::default() };
    let with = exports(&trace, &About::default());
    let n_with = with.iter().filter(|it| it.contains(secret)).count();
    assert!(n_with >= 6, "charts have no content, all else has: {n_with}");
    let bare = trace.without_content();
    for text in exports(&bare, &about) {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!(bare.totals(), trace.totals(), "tokens and costs stay");
}

#[test]
fn media_are_told_by_hash_and_size() {
    let bytes: Vec<u8> = b"the content of a picture ".repeat(40);
    let media = Media {
        kind: MediaKind::Image,
        mime: "image/png".into(),
        name: None,
        source: Source::bytes(bytes),
    };
    let hash = media.source.told().to_string();
    let mut node = asked(("q", "see"), "a cat");
    let mut call = LmCall::clone(node.call.as_ref().unwrap());
    let mut message = Message::new(Role::User, "Look: ");
    message.media.push(Placed { at: 6, media: Arc::new(media) });
    call.attempts[0].request = Arc::new(Request::new(Prompt::Chat(vec![message])));
    node.call = Some(Arc::new(call));
    let trace = Trace { nodes: vec![node], edges: Vec::new() };
    let texts = exports(&trace, &About::default());
    assert!(texts.iter().all(|it| !it.contains("content of a picture")));
    let spans = texts[5].clone();
    assert!(spans.contains(&format!("sha256:{hash}")) && spans.contains("\\\"size\\\":1000"));
    assert!(texts[0].contains(&hash[..12]) && texts[6].contains(&hash[..12]));
}

#[test]
fn a_file_that_is_no_trace_is_told_so() {
    let bad = [
        ("", "line 1: the file is empty"),
        ("hello", "line 1: this is no trace"),
        ("{\"dsp_trace\":9}", "line 1: a trace of version 9, this program reads 1"),
        ("{\"dsp_trace\":1}\n{\"node\":3}", "line 2: "),
        (
            "{\"dsp_trace\":1}\n{\"edge\":{\"from\":0,\"to\":1,\"via\":\"identity\"}}",
            "not there",
        ),
        (
            "{\"dsp_trace\":1,\"nodes\":[],\"edges\":[{\"from\":0,\"to\":1,\"via\":\"identity\"}],\"content\":{}}",
            "not there",
        ),
    ];
    for (text, why) in bad {
        let error = parse(text, &NoContent).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

/// A module with so many calls in each of so many rows, each reading the one before.
fn large(rows: usize, calls: usize) -> Trace {
    let mut trace = Trace::default();
    let text = "A long instruction that all calls have in common. ".repeat(20);
    for row in 0..rows {
        let parent = NodeId(trace.nodes.len());
        let address = Address { example: Some(row), ..Address::default() };
        trace.nodes.push(Node::new(Kind::Module, "Rag", address, Record::new()));
        for at in 0..calls {
            let mut node = asked(("question", &text), "Herbert");
            node.parent = Some(parent);
            node.address.example = Some(row);
            node.address.ordinal = at;
            let to = NodeId(trace.nodes.len());
            if at > 0 {
                let output = Some("answer".to_owned());
                let (from, input) = (NodeId(to.0 - 1), Some("question".to_owned()));
                trace.edges.push(Edge { from, output, to, input, via: Via::Static });
            }
            trace.nodes.push(node);
        }
    }
    trace
}

#[test]
fn ten_thousand_nodes_are_written_soon_and_what_they_share_once() {
    let trace = large(2000, 4);
    let began = Instant::now();
    let about = About::default();
    let shown = Shown { name: "large", trace: &trace, about: &about };
    let page = to_html(shown, None);
    let n_times =
        page.matches("A long instruction that all calls have in common. A long").count();
    assert!(n_times <= 20, "{n_times}");
    assert!(page.len() < 12 << 20, "{}", page.len());
    for text in [trace.to_dot(), trace.to_mermaid(), tree_as(&trace, &Look::default())] {
        assert!(text.lines().count() > 10_000);
    }
    assert!(diff(&trace, &trace).is_none());
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn any_depth_can_be_shown() {
    let mut trace = Trace::default();
    for at in 0..60_000 {
        let mut node = Node::new(Kind::Module, "Deep", Address::default(), Record::new());
        node.parent = (at > 0).then(|| NodeId(at - 1));
        trace.nodes.push(node);
    }
    let about = About::default();
    assert!(trace.to_dot().len() + trace.to_mermaid().len() < 60_000 * 600);
    assert!(tree_as(&trace, &Look::default()).len() < 60_000 * 200);
    assert!(!to_html(Shown { name: "deep", trace: &trace, about: &about }, None).is_empty());
    let lines = to_whole_jsonl(&trace, &about);
    assert_eq!(parse(&lines, &NoContent).unwrap().0.nodes.len(), 60_000);
}

#[test]
fn differences_are_found_where_they_are() {
    let trace = large(3, 2);
    let mut other = trace.clone();
    other.nodes[4] = Node { began: Duration::from_secs(5), ..other.nodes[4].clone() };
    assert!(diff(&trace, &other).is_none(), "times are no difference");
    let mut changed = other.clone();
    changed.nodes[4].outputs = None;
    let found = diff(&trace, &changed);
    assert_eq!(found.first(), (Some(NodeId(4)), Some(NodeId(4))));
    assert_eq!(found.changed[0].fields[0].name, "out answer");
    // What is missing does not make all that follows differ.
    let fewer = large(2, 2);
    let found = diff(&trace, &fewer);
    assert_eq!((found.same, found.only_a.len(), found.changed.len()), (6, 3, 0));
    assert_eq!(found.first(), (Some(NodeId(6)), None));
    assert_eq!(diff(&fewer, &trace).first(), (None, Some(NodeId(6))));
    // Whatever the canonical forms tell apart is a difference.
    let mut swapped = trace.clone();
    swapped.edges.swap(0, 1);
    assert_ne!(swapped.canonical(), trace.canonical());
    assert!(!diff(&trace, &swapped).is_none());
}

#[test]
fn nodes_are_found_by_number_and_place() {
    let trace = large(1, 2);
    assert_eq!(find(&trace, "#1"), Ok(NodeId(1)));
    assert_eq!(find(&trace, "2"), Ok(NodeId(2)));
    assert_eq!(find(&trace, "rag.answer#1"), Ok(NodeId(2)));
    assert_eq!(
        find(&trace, "rag.answer").unwrap_err(),
        "2 nodes are at `rag.answer`, such as #1 and #2"
    );
    assert_eq!(find(&trace, "9").unwrap_err(), "there is no node #9: the nodes are #0 to #2");
    assert!(find(&trace, "nowhere").is_err() && find(&trace, "rag#x").is_err());
    let filter = |path: &str| Filter { path: Some(path.to_owned()), ..Filter::default() };
    let meant = |it: &Filter| trace.nodes.iter().filter(|node| it.takes(node)).count();
    assert_eq!(
        (meant(&filter("rag")), meant(&filter("ra")), meant(&filter("rag.answer"))),
        (2, 0, 2)
    );
}

/// The parts of a page that a browser reads as scripts, and what stands around them.
fn scripts(page: &str) -> Vec<&str> {
    let parts = page.split("<script").skip(1);
    parts.map(|it| it.split_once('>').unwrap().1.split_once("</script>").unwrap().0).collect()
}

/// Whether each line has its double quotes in pairs, those behind a backslash not counted.
fn quotes_are_paired(text: &str) -> bool {
    text.lines().all(|line| {
        let (mut count, mut escaped) = (0, false);
        for ch in line.chars() {
            count += usize::from(ch == '"' && !escaped);
            escaped = ch == '\\' && !escaped;
        }
        count % 2 == 0 && !escaped
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_of_a_model_stays_text(
        text in "(?s:.{0,40}|</script>.{0,9}|<!--.{0,9}|\"[\\\\\"]{0,5}.{0,5}|]]>.{0,5})",
        name in "(?s:.{0,12})",
    ) {
        let mut node = asked((&name, &text), &text);
        node.name = name.as_str().into();
        node.error = Some(text.clone());
        let edge = Edge {
            from: NodeId(0),
            output: Some(name),
            to: NodeId(1),
            input: Some(text.clone()),
            via: Via::Text,
        };
        let trace = Trace { nodes: vec![node.clone(), node], edges: vec![edge] };
        let about = About::default();
        let page = to_html(Shown { name: &text, trace: &trace, about: &about }, None);
        let scripts = scripts(&page);
        prop_assert_eq!(scripts.len(), 2);
        prop_assert!(!scripts[0].contains('<'));
        let data: serde_json::Value = serde_json::from_str(scripts[0]).unwrap();
        let texts = data["texts"].as_array().unwrap();
        prop_assert!(texts.iter().any(|it| it.as_str() == Some(&text)));
        prop_assert!(page.matches("<title>").count() == 1 && page.ends_with("</html>\n"));
        let dot = trace.to_dot();
        prop_assert!(quotes_are_paired(&dot), "{}", dot);
        let chart = trace.to_mermaid();
        prop_assert_eq!(chart.lines().count(), trace.nodes.len() * 2 + 2, "{}", &chart);
        prop_assert!(chart.lines().all(|it| it.matches('"').count() % 2 == 0), "{}", &chart);
        let lines = to_whole_jsonl(&trace, &about);
        prop_assert_eq!(parse(&lines, &NoContent).unwrap().0.canonical(), trace.canonical());
        for request in to_otlp(&trace, &about, &Export { service: &text, content: true }) {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&request.to_string()).is_ok());
        }
    }
}
