//! The `xml` layout from end to end: a server that reads the fields of requests by their tags, and
//! answers those that it is asked for by theirs.

use crate::http::server::{Play, Seen, Server, completion};
use crate::streams::sse;
use crate::testing::Project;
use serde_json::{Value, json};

const SCRIPT: &str = r#"settings { lm: "main", adapter: "xml" }
type Person = { name: str, age: int? };
/// Sort a support message.
signature Triage {
    in message: str
    in tags: list[str]
    out topic: "billing" | "other"
    out people: list[Person]
    out echo: str
}
let data = dataset([#{
    message: "You took my money.", tags: ["money"], topic: "billing", people: [#{ name: "Ada", age: 36 }], echo: "a <b> & c",
}]);
let sort = labeled_few_shot(k: 1).compile(predict(Triage), trainset: data);
for message in ["I was charged <b>twice</b> & more.", "Hello?\nWho is there?", "broken"] {
    let reply = sort(message: message, tags: ["x & y", "</tags>"]);
    print(reply.topic, reply.people, reply.echo == message, warnings(reply), cost(reply).calls);
}
for part in sort.stream(message: "charged", tags: []) {
    if part.get("echo") != () && part.echo == "charged" { print("streamed", part.topic); break; }
}
"#;

/// The text between the last tags of a name in a request, as it was before it was escaped.
fn field(text: &str, name: &str) -> Option<String> {
    let (open, close) = (format!("<{name}>\n"), format!("\n</{name}>"));
    let start = text.rfind(&open)? + open.len();
    let end = start + text[start..].find(&close)?;
    Some(unescaped(&text[start..end]))
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn answer(seen: &Seen) -> Play {
    let body: Value = seen.json();
    let turns = body["messages"].as_array().unwrap();
    let text = |it: &Value| it["content"].as_str().unwrap_or_default().to_owned();
    let asked = turns.iter().rev().map(text).find(|it| it.contains("<message>"));
    let message = field(&asked.unwrap(), "message").expect("the message stands between tags");
    let last = text(turns.last().unwrap());
    let wanted = last.rsplit("Write ").next().unwrap_or_default().to_owned();
    // The first try at this one is no reply at all.
    if message == "broken" && turns.len() == 4 {
        return Play::ok(completion("<topic>\nnone of both\n</topic>\n<echo>broken</echo>"));
    }
    let mut said = String::new();
    for name in ["topic", "people", "echo"] {
        assert!(wanted.contains(&format!("<{name}>")), "{name} is not asked for: {wanted}");
        let value = match name {
            "topic" if message.contains("charged") => "billing".to_owned(),
            "topic" => "other".to_owned(),
            "people" if message.contains("Who") => {
                "<item>\n<name>Bob &amp; Co</name>\n</item>\n\
                 <item>\n<name>Eve</name>\n<age>7</age>\n</item>"
                    .to_owned()
            }
            "people" => String::new(),
            _ => escaped(&message),
        };
        said += &format!("<{name}>\n{value}\n</{name}>\n");
    }
    if body["stream"] != true {
        return Play::ok(completion(&said));
    }
    // A tag is cut in two.
    let (a, b) = said.split_at(said.find("</topic>").unwrap() + 3);
    let piece = |text: &str, end: Option<&str>| {
        let choice = json!({ "index": 0, "delta": { "content": text }, "finish_reason": end });
        json!({ "choices": [choice] })
    };
    sse(&[piece(a, None), piece(b, None), piece("", Some("stop"))])
}

#[test]
fn fields_go_out_and_come_back_between_tags() {
    let server = Server::answering(answer);
    let settings =
        format!("[models.main]\nmodel = \"openai/small\"\napi_base = \"{}\"\n", server.base());
    let project = Project::new(&[("a.dsp", SCRIPT), ("dsp.toml", &settings)]);
    let ended = project.dsp(&["run", "a.dsp"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let expected = "\
billing [] true [] 1
other [#{\"name\": \"Bob & Co\", \"age\": ()}, #{\"name\": \"Eve\", \"age\": 7}] true [\"people: `age` is left out: nothing\"] 1
other [] true [] 2
streamed billing
";
    assert_eq!(ended.stdout, expected, "{}", ended.stderr);
    let first = server.seen()[0].json();
    let turns: Vec<&str> = first["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["role"].as_str().unwrap())
        .collect();
    assert_eq!(turns, ["system", "user", "assistant", "user"]);
}
