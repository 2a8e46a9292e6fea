//! The layouts besides `chat` and `complete`: prompts, odd replies, and what they cost in words.

use super::*;
use dsp_lang::schema::{ADAPTERS, Flaw, Template, record_schema, strict_schema};

const SCHEMA: Capabilities = Capabilities { schema: true, ..CHAT };

fn said(text: &str) -> Signature {
    signature_from_str(text, &Arc::default(), &|_| false).unwrap()
}

fn hello() -> Record {
    values(&[("message", "Hello?".into())])
}

fn described() -> Signature {
    let mut name = field("name", Ty::Str);
    name.description = Some("as it is written".into());
    let boss = field("boss", Ty::Optional(Box::new(Ty::Named("Person".into()))));
    let mut people = field("people", Ty::List(Box::new(Ty::Named("Person".into()))));
    people.description = Some("all who are named".into());
    let mut sig =
        signature(vec![field("message", Ty::Str)], vec![people, triage().outputs[0].clone()]);
    let person = Ty::Record(Arc::new(vec![name, boss]));
    sig.types = Arc::new(TypeTable::from_iter([(Arc::from("Person"), person)]));
    sig
}

/// The checker knows them without knowing what they do.
#[test]
fn adapters_have_one_list_of_names() {
    let all = ["auto".to_owned()].into_iter();
    let all = all.chain(Adapter::ALL.iter().map(|it| it.name().to_owned()));
    assert_eq!(all.collect::<Vec<_>>(), ADAPTERS);
}

#[test]
fn a_json_prompt() {
    let (sig, inputs, demos) = (triage(), hello(), [demo()]);
    let prepared = Adapter::Json.prompt(&ask(&sig, &demos, &inputs), &CHAT);
    assert_eq!(prepared.decoding, Decoding::Free);
    let expected = "\
--- system
Input fields:
[[ ## message ## ]]
Output, a JSON object:
{\"topic\": \"billing\" | \"other\", \"urgent\": bool}

Sort a support message.
--- user
[[ ## message ## ]]
I was charged twice.

Write JSON
--- assistant
{\"topic\":\"billing\",\"urgent\":true}
--- user
[[ ## message ## ]]
Hello?

Write JSON
";
    assert_eq!(drawn(&messages(prepared.prompt)), expected);
}

#[test]
fn the_prompt_does_not_depend_on_schemas() {
    let (sig, inputs) = (triage(), hello());
    let with = Adapter::Json.prompt(&ask(&sig, &[], &inputs), &SCHEMA);
    let without = Adapter::Json.prompt(&ask(&sig, &[], &inputs), &CHAT);
    assert_eq!(with.prompt, without.prompt);
    let expected = json!({
        "type": "object",
        "properties": {
            "topic": { "type": "string", "enum": ["billing", "other"] },
            "urgent": { "type": "boolean" },
        },
        "required": ["topic", "urgent"],
        "additionalProperties": false,
    });
    assert_eq!(with.decoding, Decoding::Json(expected));
    let open = said("message -> tags: dict[str, int]");
    let prepared = Adapter::Json.prompt(&ask(&open, &[], &inputs), &SCHEMA);
    assert_eq!(prepared.decoding, Decoding::Free, "a strict schema has no open objects");
}

#[test]
fn a_strict_schema_requires_all_and_allows_nothing_else() {
    let sig = described();
    let expected = json!({
        "type": "object",
        "properties": {
            "people": { "type": "array", "items": { "$ref": "#/$defs/Person" } },
            "topic": { "type": "string", "enum": ["billing", "other"] },
        },
        "required": ["people", "topic"],
        "additionalProperties": false,
        "$defs": { "Person": {
            "type": "object",
            "properties": {
                "name": { "type": "string" },
                "boss": { "anyOf": [{ "$ref": "#/$defs/Person" }, { "type": "null" }] },
            },
            "required": ["name", "boss"],
            "additionalProperties": false,
        } },
    });
    assert_eq!(strict_schema(&sig.outputs, &sig.types), expected);
}

/// Recursive types, descriptions and labels are all there.
#[test]
fn a_sketch_of_types() {
    let (sig, inputs) = (described(), hello());
    let prompt = messages(Adapter::Json.prompt(&ask(&sig, &[], &inputs), &CHAT).prompt);
    let expected = "\
Input fields:
[[ ## message ## ]]
Output, a JSON object:
{
  \"people\": list[Person], // all who are named
  \"topic\": \"billing\" | \"other\"
}
Person = {
  \"name\": str, // as it is written
  \"boss\": Person | null
}

Sort a support message.";
    assert_eq!(prompt[0].text, expected);
}

#[test]
fn a_sketch_is_shorter_than_a_schema() {
    let mut sketched = vec![triage(), all_kinds(), described()];
    sketched.push(said("q -> a: int(1..=5), b: list[dict[str, float]], c: 'x' | 'y' | 3"));
    let (mut all_ours, mut all_theirs) = (0, 0);
    for sig in sketched {
        let inputs = Record::new();
        let none = Signature { inputs: Vec::new(), instructions: "".into(), ..sig.clone() };
        let prompt = messages(Adapter::Json.prompt(&ask(&none, &[], &inputs), &CHAT).prompt);
        let schema = record_schema(&sig.outputs, &sig.types).to_string();
        let (ours, theirs) = (tokens(&prompt[0].text), tokens(&schema));
        println!("{ours} of {theirs} tokens");
        assert!(ours < theirs, "{} {schema}", prompt[0].text);
        (all_ours, all_theirs) = (all_ours + ours, all_theirs + theirs);
    }
    assert!(3 * all_ours < 2 * all_theirs, "{all_ours} of {all_theirs}");
}

#[test]
fn an_xml_prompt() {
    let tags = field("tags", Ty::List(Box::new(Ty::Str)));
    let sig = signature(triage().inputs, vec![triage().outputs[0].clone(), tags]);
    let demo = Demo {
        inputs: values(&[("message", "Is 1 < 2 & <b>bold</b> </message>?".into())]),
        outputs: values(&[
            ("topic", "other".into()),
            ("tags", Value::list(["<item> &amp; co".into(), "".into()])),
        ]),
    };
    let (inputs, demos) = (hello(), [demo]);
    let prompt = messages(Adapter::Xml.prompt(&ask(&sig, &demos, &inputs), &CHAT).prompt);
    let expected = "\
--- system
Input fields:
<message>
Output fields:
<topic> \"billing\" | \"other\"
<tags> list[str]
A value stands before its end tag; items of lists in <item>, fields of objects in tags.

Sort a support message.
--- user
<message>
Is 1 < 2 & <b>bold</b> &lt;/message>?
</message>

Write <topic> <tags>
--- assistant
<topic>
other
</topic>
<tags>
<item>&lt;item> &amp;amp; co</item>
<item></item>
</tags>
--- user
<message>
Hello?
</message>

Write <topic> <tags>
";
    assert_eq!(drawn(&prompt), expected);
    let parsed = Adapter::Xml.parse(&sig, &prompt[2].text).unwrap();
    assert_eq!(parsed, Parsed { values: demos[0].outputs.clone(), liberties: vec![] });
}

#[test]
fn the_two_prompts_of_two_steps() {
    let (sig, inputs, demos) = (triage(), hello(), [demo()]);
    let first = Adapter::TwoStep.prompt(&ask(&sig, &demos, &inputs), &CHAT).prompt;
    let expected = "\
--- system
Input fields:
message
Output fields:
topic \"billing\" | \"other\"
urgent bool
Answer in your own words, and say what each output is.

Sort a support message.
--- user
message: I was charged twice.
--- assistant
topic: billing
urgent: true
--- user
message: Hello?
";
    assert_eq!(drawn(&messages(first)), expected);
    let second = Adapter::TwoStep.extraction(&sig, "It is about money, and urgent.").unwrap();
    let expected = "\
--- system
Input fields:
[[ ## text ## ]]
Output fields:
[[ ## topic ## ]] \"billing\" | \"other\"
[[ ## urgent ## ]] bool
A value stands below its marker.

State what the text says of each output. Take its words, and add nothing.
--- user
[[ ## text ## ]]
It is about money, and urgent.

Write [[ ## topic ## ]] [[ ## urgent ## ]]
";
    assert_eq!(drawn(&messages(second.prompt().prompt)), expected);
    let error = Adapter::TwoStep.parse(&sig, "no idea").unwrap_err();
    let again = messages(second.repair("no idea", &error).prompt);
    assert_eq!(again[2].text, "no idea");
    for adapter in [Adapter::Chat, Adapter::Json, Adapter::Xml, Adapter::Complete] {
        assert!(adapter.extraction(&sig, "x").is_none());
    }
}

#[test]
fn incomplete_demos_are_shown_in_each_layout() {
    let (sig, inputs) = (triage(), hello());
    let mut partial = demo();
    partial.outputs.shift_remove("topic");
    let demos = [demo(), partial];
    let expected = [
        (Adapter::Json, "{\"topic\":\"(not given in this example)\",\"urgent\":true}"),
        (
            Adapter::Xml,
            "<topic>\n(not given in this example)\n</topic>\n<urgent>\ntrue\n</urgent>",
        ),
        (Adapter::TwoStep, "topic: (not given in this example)\nurgent: true"),
        (short(), "Topic: (not given in this example)\nUrgent: true"),
    ];
    for (adapter, expected) in expected {
        let prompt = messages(adapter.prompt(&ask(&sig, &demos, &inputs), &CHAT).prompt);
        let replies = prompt.iter().filter(|it| it.role.as_str() == "assistant");
        assert_eq!(replies.map(|it| &*it.text).next(), Some(expected), "{}", adapter.name());
    }
}

#[test]
fn a_repair_shows_the_reply_and_the_reason() {
    let (sig, inputs) = (triage(), hello());
    for adapter in [Adapter::Json, Adapter::Xml, short()] {
        let error = adapter.parse(&sig, "I do not know").unwrap_err();
        let asked = ask(&sig, &[], &inputs);
        let prompt = messages(adapter.repair(&asked, &CHAT, "I do not know", &error).prompt);
        let [.., reply, why] = &prompt[..] else { panic!("{prompt:?}") };
        assert_eq!(reply.text, "I do not know");
        let text = format!("That reply cannot be used: {error}.");
        assert!(why.text.starts_with(&text), "{}", why.text);
        assert!(why.text.len() > text.len() + 2, "it says what is wanted: {}", why.text);
    }
}

// --- replies with tags

#[test]
fn replies_with_tags() {
    let sig = said(
        "q -> note: str, tags: list[str], person: { name: str, age: int }, n: int?, by: dict[str, int]",
    );
    let right = values(&[
        ("note", "1 < 2 and <b>bold</b>".into()),
        ("tags", Value::list(["a".into(), "b".into()])),
        ("person", Value::map(values(&[("name", "Ada".into()), ("age", 36i64.into())]))),
        ("n", Value::Null),
        ("by", Value::map(values(&[("x", 1i64.into()), ("y z", 2i64.into())]))),
    ]);
    let whole = "<note>1 < 2 and <b>bold</b></note>\n<tags><item>a</item><item>b</item></tags>\
        <person><name>Ada</name><age>36</age></person><n>null</n>\
        <by><entry key=\"x\">1</entry><entry key=\"y z\">2</entry></by>";
    let fenced = format!("Sure, here you are:\n```xml\n<reply>\n{whole}\n</reply>\n```\nDone.");
    let thought = format!("<think>\n<note>no</note>\n</think>\n{whole}");
    let spelled = whole.replace("note>", "Note>").replace("<person>", "<person kind=\"x\">");
    let json = whole
        .replace("<item>a</item><item>b</item>", "[\"a\", \"b\"]")
        .replace("<name>Ada</name><age>36</age>", "{\"name\": \"Ada\", \"age\": 36}");
    let unended = whole.replace("</item>", "").replace("</name>", "").replace("</by>", "");
    let quoted = whole.replace("1 < 2 and <b>bold</b>", "<![CDATA[1 < 2 and <b>bold</b>]]>");
    let cases: [(&str, &str, &[&str]); 8] = [
        ("as asked for", whole, &[]),
        ("in a fence", &fenced, &["prose"]),
        ("after thoughts", &thought, &["prose"]),
        ("spelled otherwise", &spelled, &["marker"]),
        ("with JSON inside", &json, &[]),
        ("without some end tags", &unended, &["truncated"]),
        ("as a quoted block", &quoted, &[]),
        ("with another tag around", &format!("<output>{whole}</output>"), &["wrapping"]),
    ];
    for (what, reply, liberties) in cases {
        let parsed =
            Adapter::Xml.parse(&sig, reply).unwrap_or_else(|it| panic!("{what}: {it}"));
        assert_eq!(json_of(&parsed.values), json_of(&right), "{what}");
        let told = parsed.liberties.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>();
        assert_eq!(told, liberties, "{what}: {:?}", parsed.liberties);
    }
}

#[test]
fn a_tag_for_each_item_is_a_list() {
    let sig = said("q -> tags: list[str], n: int");
    let parsed =
        Adapter::Xml.parse(&sig, "<tags>a b</tags><tags>c</tags><n>1</n><n>2</n>").unwrap();
    let right =
        values(&[("tags", Value::list(["a b".into(), "c".into()])), ("n", 1i64.into())]);
    assert_eq!(parsed.values, right);
    let told = parsed.liberties.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>();
    assert_eq!(told, ["shape", "duplicate"]);
}

fn json_of(record: &Record) -> Json {
    json(record)
}

#[test]
fn other_forms_are_read_by_each_layout() {
    let sig = triage();
    let right = values(&[("topic", "other".into()), ("urgent", false.into())]);
    let replies = [
        "[[ ## topic ## ]]\nother\n[[ ## urgent ## ]]\nfalse",
        "{\"topic\": \"other\", \"urgent\": false}",
        "<topic>other</topic><urgent>false</urgent>",
        "**Topic:** other\n**Urgent:** no",
    ];
    for adapter in [Adapter::Chat, Adapter::Json, Adapter::Xml, Adapter::TwoStep, short()] {
        for reply in replies {
            let parsed = adapter.parse(&sig, reply);
            assert_eq!(
                parsed.map(|it| it.values),
                Ok(right.clone()),
                "{} {reply}",
                adapter.name()
            );
        }
    }
}

#[test]
fn tags_that_end_nowhere_take_linear_time() {
    let sig = all_kinds();
    for piece in
        ["<answer>", "<answer>a", "<item>", "</answer>", "<answer", "<tags><item>x", "&"]
    {
        let time = |length: usize| {
            let text = piece.repeat(length / piece.len());
            quickest(|| {
                let _ = Adapter::Xml.parse(&sig, &text);
                let _ = Adapter::Xml.parse_partial(&sig, &text);
            })
        };
        let (short, long) = (time(4_000), time(32_000));
        let most = short * 30 + std::time::Duration::from_millis(100);
        assert!(long < most, "{piece:?} {short:?} {long:?}");
    }
}

// --- templates

type Parts<'a> = &'a [(&'a str, &'a str)];

fn template(parts: Parts<'_>) -> Adapter {
    Adapter::Template(Arc::new(Template::read(parts.iter().copied()).unwrap()))
}

fn short() -> Adapter {
    template(&[
        ("system", "{instructions}"),
        ("user", "Message: {message}"),
        ("reply", "Topic: {topic}\nUrgent: {urgent}"),
    ])
}

#[test]
fn a_template_with_demos_as_turns() {
    let (sig, inputs, demos) = (triage(), hello(), [demo()]);
    let prompt = messages(short().prompt(&ask(&sig, &demos, &inputs), &CHAT).prompt);
    let expected = "\
--- system
Sort a support message.
--- user
Message: I was charged twice.
--- assistant
Topic: billing
Urgent: true
--- user
Message: Hello?
";
    assert_eq!(drawn(&prompt), expected);
}

#[test]
fn a_template_with_demos_inside() {
    let (sig, inputs, demos) = (triage(), hello(), [demo(), demo()]);
    let adapter = template(&[
        (
            "user",
            "{instructions} {{really}}\n\n{fields}\n\n{demos}\n\nQ: {message}\nWrite: {outputs}",
        ),
        ("demo_user", "Q: {message}"),
        ("reply", "Topic: {topic}\nUrgent: {urgent}"),
        ("demo_reply", "T {topic}, {urgent}"),
    ]);
    let prompt = messages(adapter.prompt(&ask(&sig, &demos, &inputs), &CHAT).prompt);
    let expected = "\
--- user
Sort a support message. {really}

Input fields:
message
Output fields:
topic \"billing\" | \"other\"
urgent bool

Q: I was charged twice.
T billing, true

Q: I was charged twice.
T billing, true

Q: Hello?
Write: Topic: {topic}
Urgent: {urgent}
";
    assert_eq!(drawn(&prompt), expected);
}

#[test]
fn what_is_wrong_with_a_template() {
    let sig = triage();
    let flaws = |parts: &[(&str, &str)]| -> Vec<Flaw> {
        match Template::read(parts.iter().copied()) {
            Err(flaws) => flaws,
            Ok(template) => template.check(&sig),
        }
    };
    let told = |parts: &[(&str, &str)]| {
        let flaws = flaws(parts).into_iter();
        flaws.map(|it| format!("{} {:?} {}", it.part, it.at, it.message)).collect::<Vec<_>>()
    };
    let asks = ("user", "{instructions} {message}");
    let cases: [(Parts<'_>, &[&str]); 10] = [
        (&[asks], &[]),
        (&[("sistem", "x")], &["sistem None a template has no part `sistem`"]),
        (
            &[("user", "{instructions} {mesage}")],
            &[
                "user Some(15..23) `{mesage}` is no input and no word of templates",
                "user None the input `message` is said nowhere",
            ],
        ),
        (
            &[("user", "{instructions} {message} {topic}")],
            &["user Some(25..32) `{topic}` is an output: it is not known before the reply"],
        ),
        (&[("user", "{message}")], &["user None the instructions are said nowhere"]),
        (
            &[asks, ("reply", "{topic}{urgent}")],
            &["reply Some(7..15) nothing tells where the output before `{urgent}` ends"],
        ),
        (
            &[asks, ("reply", "T: {topic}")],
            &["reply None the output `urgent` is not in the reply"],
        ),
        (&[asks, ("layout", "yaml")], &["layout None there is no layout `yaml`"]),
        (
            &[asks, ("layout", "text")],
            &["layout None a reply of the layout `text` is one output, and there are more"],
        ),
        (
            &[("user", "{instructions} {message} } {")],
            &[
                "user Some(25..26) a `}` that is part of no placeholder",
                "user Some(27..28) a `{` that is part of no placeholder",
            ],
        ),
    ];
    for (parts, expected) in cases {
        assert_eq!(told(parts), expected, "{parts:?}");
    }
}

#[test]
fn the_name_of_a_template_is_that_of_its_texts() {
    let name = |parts: &[(&str, &str)]| template(parts).name().to_owned();
    let (user, reply) = (("user", "{inputs}"), ("reply", "T: {topic}"));
    assert_eq!(name(&[user, reply]), name(&[reply, user]));
    assert_ne!(name(&[user, reply]), name(&[user]));
    assert!(name(&[user]).starts_with("template:"));
    assert!(Adapter::by_name(&name(&[user])).is_none());
}

#[test]
fn templates_in_other_layouts() {
    let (sig, inputs) = (triage(), hello());
    for (layout, last) in [
        (
            "json",
            "<message>Hello?</message> {\"topic\": \"billing\" | \"other\", \"urgent\": bool}",
        ),
        ("xml", "<message>Hello?</message> Write <topic> <urgent>"),
        ("chat", "<message>Hello?</message> Write [[ ## topic ## ]] [[ ## urgent ## ]]"),
    ] {
        let parts = [("user", "<message>{message}</message> {outputs}"), ("layout", layout)];
        let adapter = template(&parts);
        let prepared = adapter.prompt(&ask(&sig, &[], &inputs), &SCHEMA);
        assert_eq!(matches!(prepared.decoding, Decoding::Json(_)), layout == "json");
        assert_eq!(messages(prepared.prompt)[0].text, last);
        let named = Adapter::by_name(layout).unwrap();
        let outputs = demo().outputs;
        assert_eq!(adapter.reply(&sig, &outputs), named.reply(&sig, &outputs));
    }
    let only = signature(triage().inputs, vec![field("answer", Ty::Str)]);
    let adapter = template(&[("user", "{message}"), ("layout", "text")]);
    let parsed = adapter.parse(&only, "Any text.\n[[ ## not ## ]] a marker: x").unwrap();
    assert_eq!(parsed.values["answer"], Value::from("Any text.\n[[ ## not ## ]] a marker: x"));
    assert_eq!(parsed.liberties, []);
}

#[test]
fn replies_in_a_template_of_ones_own() {
    let sig = said("q -> answer: str, n: int");
    let adapter = template(&[("reply", "A: {answer} ##\nN: {n}\nEND")]);
    let right = values(&[("answer", "x N y".into()), ("n", 3i64.into())]);
    for (reply, liberties) in [
        ("A: x N y ##\nN: 3\nEND", vec![]),
        ("A: x N y ##\nN: 3", vec!["marker"]),
        ("Well. A: x N y ##\nN: three\nEND", vec!["prose", "spelling"]),
        ("{\"answer\": \"x N y\", \"n\": 3}", vec![]),
    ] {
        let parsed = adapter.parse(&sig, reply).unwrap();
        assert_eq!(parsed.values, right, "{reply}");
        let told = parsed.liberties.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>();
        assert_eq!(told, liberties, "{reply}");
    }
    let partial = adapter.parse_partial(&sig, "A: x N y #");
    assert_eq!(partial.values["answer"], Value::from("x N y"), "what may be a label is held");
}

// --- what is written is read

fn own() -> Adapter {
    template(&[(
        "reply",
        "Answer: {answer}\nNote: {note}\n* {tags}\nCount = {count}, {share} of one; {ok}? {topic}!\n\
         Level {level} of\n{person}\n--\n{either} <end>",
    )])
}

fn tagged_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~]{0,8}",
        Just("<answer>".to_owned()),
        Just("</answer>".to_owned()),
        Just("</item> <item>".to_owned()),
        Just("<b>".to_owned()),
        Just("&lt;".to_owned()),
        Just("&".to_owned()),
        Just(" < ".to_owned()),
        Just("<![CDATA[".to_owned()),
        Just("Note: ".to_owned()),
        Just("\nCount =".to_owned()),
        Just("\\".to_owned()),
        Just("\n--\n".to_owned()),
        "\\PC{0,4}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat().trim().to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_written_is_read_without_liberties(
        mut outputs in all_values(),
        text in tagged_text(),
        item in tagged_text(),
    ) {
        let sig = all_kinds();
        outputs.insert("answer".into(), text.into());
        outputs.insert("tags".into(), Value::list([item.into(), "".into()]));
        for adapter in [Adapter::Json, Adapter::Xml, own()] {
            let reply = adapter.reply(&sig, &outputs);
            let parsed = adapter.parse(&sig, &reply);
            prop_assert_eq!(parsed.clone().map(|it| it.values), Ok(outputs.clone()), "{}", reply);
            prop_assert_eq!(parsed.unwrap().liberties, vec![], "{}", reply);
        }
    }

    #[test]
    fn what_is_cut_off_reads_as_a_beginning_in_each_layout(
        mut outputs in all_values(),
        text in tagged_text(),
    ) {
        let sig = all_kinds();
        outputs.insert("answer".into(), text.into());
        for adapter in [Adapter::Json, Adapter::Xml, own()] {
            let reply = adapter.reply(&sig, &outputs);
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
    fn no_text_breaks_a_layout(text in tagged_text()) {
        let sig = all_kinds();
        for adapter in [Adapter::Json, Adapter::Xml, Adapter::TwoStep, own()] {
            let _ = adapter.parse(&sig, &text);
            let _ = adapter.parse_partial(&sig, &text);
        }
    }
}

// --- what others have collected

/// Each layout reads the forms of the others: the corpus is read as by `chat`.
#[test]
fn the_parse_corpus_in_each_layout() {
    let Some(rows) = shared("bench/parse-corpus.jsonl") else { return };
    for adapter in [Adapter::Json, Adapter::Xml, Adapter::TwoStep] {
        let mut tallies = ["must", "lenient", "refuse"].map(Tally::new);
        for row in &rows {
            let sig = outputs(&row["fields"]).unwrap();
            let completion = row["completion"].as_str().unwrap();
            let got = adapter.parse(&sig, completion);
            let right = match &got {
                Ok(parsed) => same(&json(&parsed.values), &row["expected"]),
                Err(_) => row["expected"].is_null(),
            };
            let tally = tallies.iter_mut().find(|it| row["level"] == it.name).unwrap();
            let name = adapter.name();
            tally.add(right, || {
                format!("{name} {} {completion:?} -> {}", row["id"], show(&got))
            });
        }
        for (tally, least) in tallies.iter().zip([76, 41, 12]) {
            tally.at_least(least);
        }
    }
}

/// What DSPy reads by an adapter is read by ours of that name; its `baml` asks for JSON.
#[test]
fn what_dspy_parses_in_the_layout_it_was_asked_for() {
    let Some(rows) = shared("data/conformance/dspy-parse.jsonl") else { return };
    let mut tally = Tally::new("dspy-parse by adapter");
    for row in rows.iter().filter(|row| row.get("parsed").is_some()) {
        let Some(sig) = outputs(&row["signature"]["outputs"]) else { continue };
        let adapter = match row["adapter"].as_str().unwrap() {
            "baml" => Adapter::Json,
            name => Adapter::by_name(name).unwrap(),
        };
        let completion = row["completion"].as_str().unwrap();
        let got = adapter.parse(&sig, completion);
        let right = got.as_ref().is_ok_and(|it| same(&json(&it.values), &row["parsed"]));
        tally.add(right, || format!("{} {completion:?} -> {}", row["id"], show(&got)));
    }
    tally.at_least(82);
}

// --- words

/// One row of prompts that were recorded of DSPy.
fn recorded(row: &Json) -> Option<(Signature, Vec<Demo>, Record)> {
    let mut sig = outputs(&row["signature"]["outputs"])?;
    sig.inputs = outputs(&row["signature"]["inputs"])?.outputs;
    sig.instructions = row["signature"]["instructions"].as_str()?.into();
    let values = |json: &Json, fields: &[Field]| -> Record {
        let pairs = fields.iter().filter_map(|field| {
            let value = json.get(&*field.name)?.clone();
            Some((field.name.clone(), serde_json::from_value(value).ok()?))
        });
        pairs.collect()
    };
    let demos = row["demos"].as_array()?.iter().map(|demo| Demo {
        inputs: values(demo, &sig.inputs),
        outputs: values(demo, &sig.outputs),
    });
    let demos = demos.collect();
    let inputs = values(&row["inputs"], &sig.inputs);
    Some((sig, demos, inputs))
}

/// Counts tokens by the tokenizer of the model in the process where it is here, else by a guess.
fn counter() -> Box<dyn Fn(&str) -> usize> {
    #[cfg(feature = "local")]
    {
        use dsp_lang::host::{Host, OsHost, Place};
        let path = OsHost::new().place(Place::Models);
        let path = path.map(|it| it.join("smollm2-135m-instruct-q4_1.gguf"));
        let read = |it| shimmytok::Tokenizer::from_gguf_file(it).ok();
        if let Some(tokenizer) = path.and_then(read) {
            return Box::new(move |text| tokenizer.encode(text, false).unwrap().len());
        }
    }
    println!("tokens are guessed: the model's own tokenizer is not here");
    Box::new(tokens)
}

/// Of the same tasks, in the layouts that DSPy has too: in sum, and each by itself.
#[test]
fn prompts_are_no_longer_than_those_of_dspy() {
    let Some(rows) = shared("data/conformance/dspy-format.jsonl") else { return };
    let counted = counter();
    let layouts = [
        ("chat", Adapter::Chat),
        ("json", Adapter::Json),
        ("xml", Adapter::Xml),
        ("baml", Adapter::Json),
    ];
    for (name, adapter) in layouts {
        let (mut sums, mut worst, mut rows_read) = ([0; 4], 0.0_f64, 0);
        for row in rows.iter().filter(|row| row["adapter"] == name) {
            let Some((sig, demos, inputs)) = recorded(row) else { continue };
            let prompt = messages(adapter.prompt(&ask(&sig, &demos, &inputs), &CHAT).prompt);
            let ours = prompt.iter().map(|it| &*it.text).collect::<Vec<_>>();
            let theirs = row["messages"].as_array().unwrap().iter();
            let theirs =
                theirs.map(|it| it["content"].as_str().unwrap_or("")).collect::<Vec<_>>();
            let count = |texts: &[&str]| texts.iter().map(|it| counted(it)).sum::<usize>();
            let length = |texts: &[&str]| texts.iter().map(|it| it.len()).sum::<usize>();
            let counts = [count(&ours), count(&theirs), length(&ours), length(&theirs)];
            (0..4).for_each(|at| sums[at] += counts[at]);
            rows_read += 1;
            let share = counts[0] as f64 / counts[1] as f64;
            worst = worst.max(share);
            assert!(share <= 1.0 && counts[2] <= counts[3], "{} {counts:?}", row["id"]);
        }
        println!("{name}: {sums:?} in {rows_read} rows, worst {worst:.2}");
        assert!(rows_read > 0, "{name}");
    }
}
