//! Where each part of a prompt comes from.

use super::*;
use dsp_lang::adapt::{Origin, ParseError, Part, Prepared};
use dsp_lang::schema::{MediaFile, Template};

/// Templates that put things where the other layouts do not.
const TEMPLATES: [&[(&str, &str)]; 5] = [
    &[("system", "  {instructions}\n{fields}\n"), ("user", "Message: {message}")],
    &[
        ("system", "Do this.\n{demos}\nThat was it.\n{instructions}"),
        ("user", "\n\n{inputs}{outputs}\n"),
        ("reply", "Topic = {topic};\nUrgent = {urgent};"),
    ],
    &[
        ("user", "{instructions} {demos} Now: {message} {note}"),
        ("demo_user", "{message}"),
        ("layout", "xml"),
    ],
    &[("system", "{instructions}"), ("layout", "json")],
    &[("user", " {demos} "), ("demo_user", "   "), ("layout", "text")],
];

fn adapters() -> Vec<Adapter> {
    let own = |parts: &&[(&str, &str)]| {
        Adapter::Template(Arc::new(Template::read(parts.iter().copied()).unwrap()))
    };
    Adapter::ALL.into_iter().chain(TEMPLATES.iter().map(own)).collect()
}

fn sorted(history: bool) -> Signature {
    let mut note = field("note", Ty::Str);
    note.description = Some("what was noted".into());
    let mut inputs = vec![field("message", Ty::Str), note];
    if history {
        inputs.push(field("history", Ty::History));
    }
    signature(inputs, triage().outputs)
}

fn texts(prepared: &Prepared) -> Vec<String> {
    match &prepared.prompt {
        Prompt::Text(text) => vec![text.clone()],
        Prompt::Chat(messages) => messages.iter().map(|it| it.text.clone()).collect(),
    }
}

fn text_of<'t>(texts: &'t [String], part: &Part) -> &'t str {
    &texts[part.message][part.range.clone()]
}

/// Every byte is in one part, and parts are in order.
fn covers(prepared: &Prepared, parts: &[Part]) {
    let texts = texts(prepared);
    let mut joined = vec![String::new(); texts.len()];
    let mut last = 0;
    for part in parts {
        assert!(part.message >= last && !part.range.is_empty(), "{parts:?}");
        assert_eq!(part.range.start, joined[part.message].len(), "{parts:?}");
        joined[part.message].push_str(text_of(&texts, part));
        last = part.message;
    }
    assert_eq!(joined, texts);
}

/// Where a word stands: the origins of the parts that have it.
fn origins_of(prepared: &Prepared, parts: &[Part], word: &str) -> Vec<Origin> {
    let texts = texts(prepared);
    let having = parts.iter().filter(|it| text_of(&texts, it).contains(word));
    having.map(|it| it.origin.clone()).collect()
}

fn sample(n: usize, whole: bool) -> Demo {
    let mut inputs = values(&[("message", format!("demo-message-{n}").into())]);
    if whole {
        inputs.insert("note".into(), format!("demo-note-{n}").into());
    }
    let outputs = values(&[
        ("topic", if n.is_multiple_of(2) { "billing" } else { "other" }.into()),
        ("urgent", n.is_multiple_of(3).into()),
    ]);
    Demo { inputs, outputs }
}

fn turns() -> Value {
    let turn = |n: usize| {
        Value::map(values(&[
            ("message", format!("turn-message-{n}").into()),
            ("topic", "other".into()),
        ]))
    };
    Value::map(values(&[("messages", Value::list([turn(0), turn(1)]))]))
}

#[test]
fn a_chat_prompt_by_its_parts() {
    let (sig, demos) = (sorted(true), [sample(0, true), sample(1, false)]);
    let inputs = values(&[
        ("message", "own-message".into()),
        ("note", "own-note".into()),
        ("history", turns()),
    ]);
    let ask = Ask { signature: &sig, instructions: "Sort it.", demos: &demos, inputs: &inputs };
    let (prepared, parts) = Adapter::Chat.prompt_parts(&ask, &CHAT);
    let texts = texts(&prepared);
    let drawn = parts.iter().map(|it| format!("{}| {:?}\n", it.origin, text_of(&texts, it)));
    let expected = r#"fields| "Input fields:\n"
field message| "[[ ## message ## ]]\n"
field note| "[[ ## note ## ]] what was noted\n"
fields| "Output fields:\n"
field topic| "[[ ## topic ## ]] \"billing\" | \"other\"\n"
field urgent| "[[ ## urgent ## ]] bool\n"
layout| "A value stands below its marker.\n\n"
instructions| "Sort it."
demo 2, message| "[[ ## message ## ]]\ndemo-message-1\n\n"
demo 2| "Write [[ ## topic ## ]] [[ ## urgent ## ]]"
demo 2, topic| "[[ ## topic ## ]]\nother\n\n"
demo 2, urgent| "[[ ## urgent ## ]]\nfalse"
demo 1, message| "[[ ## message ## ]]\ndemo-message-0\n\n"
demo 1, note| "[[ ## note ## ]]\ndemo-note-0\n\n"
demo 1| "Write [[ ## topic ## ]] [[ ## urgent ## ]]"
demo 1, topic| "[[ ## topic ## ]]\nbilling\n\n"
demo 1, urgent| "[[ ## urgent ## ]]\ntrue"
turn 1, message| "[[ ## message ## ]]\nturn-message-0\n\n"
turn 1| "Write [[ ## topic ## ]] [[ ## urgent ## ]]"
turn 1, topic| "[[ ## topic ## ]]\nother"
turn 2, message| "[[ ## message ## ]]\nturn-message-1\n\n"
turn 2| "Write [[ ## topic ## ]] [[ ## urgent ## ]]"
turn 2, topic| "[[ ## topic ## ]]\nother"
input message| "[[ ## message ## ]]\nown-message\n\n"
input note| "[[ ## note ## ]]\nown-note\n\n"
closing| "Write [[ ## topic ## ]] [[ ## urgent ## ]]"
"#;
    assert_eq!(drawn.collect::<String>(), expected);
}

#[test]
fn each_word_comes_from_where_it_was_given() {
    for adapter in adapters() {
        for (history, local) in [(false, CHAT), (true, CHAT), (false, LOCAL), (true, LOCAL)] {
            let (sig, demos) =
                (sorted(history), [sample(0, true), sample(1, false), sample(2, true)]);
            let mut inputs =
                values(&[("message", "own-message".into()), ("note", "own-note".into())]);
            if history {
                inputs.insert("history".into(), turns());
            }
            let words = "the-instruction";
            let ask =
                Ask { signature: &sig, instructions: words, demos: &demos, inputs: &inputs };
            let (prepared, parts) = adapter.prompt_parts(&ask, &local);
            covers(&prepared, &parts);
            let from = |word: &str| origins_of(&prepared, &parts, word);
            let only = |word: &str, origin: Origin| {
                let found = from(word);
                assert!(
                    found.iter().all(|it| *it == origin),
                    "{word} of {} is of {found:?}",
                    adapter.name()
                );
                found.len()
            };
            only("the-instruction", Origin::Instruction);
            only("own-message", Origin::Input { name: "message".into() });
            only("own-note", Origin::Input { name: "note".into() });
            only("what was noted", Origin::Field { name: "note".into() });
            for index in 0..demos.len() {
                for name in ["message", "note"] {
                    let field = Some(name.into());
                    only(&format!("demo-{name}-{index}"), Origin::Demo { index, field });
                }
            }
            for index in [0, 1] {
                let field = Some("message".into());
                only(&format!("turn-message-{index}"), Origin::History { index, field });
            }
            if let Adapter::Chat | Adapter::Json | Adapter::Xml | Adapter::Complete = adapter {
                let message = Origin::Input { name: "message".into() };
                assert_eq!(only("own-message", message), 1);
                let field = Some("message".into());
                assert_eq!(only("demo-message-1", Origin::Demo { index: 1, field }), 1);
                assert_eq!(only("the-instruction", Origin::Instruction), 1);
            }
        }
    }
}

#[test]
fn a_repair_says_what_was_refused_and_why() {
    let (sig, demos) = (sorted(false), [sample(0, true)]);
    let inputs = values(&[("message", "own-message".into()), ("note", "own-note".into())]);
    let ask = Ask { signature: &sig, instructions: "Sort it.", demos: &demos, inputs: &inputs };
    let error = ParseError { message: "the-reason".into(), ..ParseError::default() };
    for adapter in adapters() {
        let (prepared, parts) = adapter.repair_parts(&ask, &CHAT, "the-reply\n\n", &error);
        assert_eq!(prepared, adapter.repair(&ask, &CHAT, "the-reply\n\n", &error));
        covers(&prepared, &parts);
        let from = |word: &str| origins_of(&prepared, &parts, word);
        assert_eq!(from("the-reason"), [Origin::Repair], "{}", adapter.name());
        let of_reply =
            if adapter == Adapter::Complete { Origin::Repair } else { Origin::Refused };
        assert_eq!(from("the-reply"), [of_reply], "{}", adapter.name());
        let own = Origin::Input { name: "message".into() };
        // What asks again asks the same, behind the reason.
        assert!(from("own-message").iter().all(|it| *it == own), "{}", adapter.name());
    }
}

#[test]
fn the_second_question_has_the_first_reply_for_its_input() {
    let sig = triage();
    let second = Adapter::TwoStep.extraction(&sig, "the-reply").unwrap();
    let (prepared, parts) = second.prompt_parts();
    assert_eq!(prepared, second.prompt());
    covers(&prepared, &parts);
    let text = Origin::Input { name: "text".into() };
    assert_eq!(origins_of(&prepared, &parts, "the-reply"), [text]);
}

#[test]
fn media_leave_parts_where_they_are() {
    let picture = |bytes: &str| {
        let uri = format!("data:image/png;base64,{bytes}");
        Value::Media(Arc::new(
            MediaFile::of_data_uri(&uri, dsp_lang::schema::MediaKind::Image).unwrap(),
        ))
    };
    let fields = ["before", "picture", "after"].map(|name| field(name, Ty::Str));
    let mut fields = fields.to_vec();
    fields[1].ty = Ty::Media(dsp_lang::schema::MediaKind::Image);
    let sig = signature(fields, triage().outputs);
    let of = |word: &str, bytes: &str| {
        values(&[
            ("before", format!("{word}-before").into()),
            ("picture", picture(bytes)),
            ("after", format!("{word}-after").into()),
        ])
    };
    let demo = Demo { inputs: of("demo", "AAAA"), outputs: demo().outputs };
    let (demos, inputs) = ([demo], of("own", "BBBB"));
    let ask = Ask { signature: &sig, instructions: "Sort it.", demos: &demos, inputs: &inputs };
    for adapter in Adapter::ALL {
        let (prepared, parts) = adapter.prompt_parts(&ask, &CHAT);
        assert_eq!(prepared, adapter.prompt(&ask, &CHAT));
        covers(&prepared, &parts);
        for name in ["before", "after"] {
            let field = Some(name.into());
            let of_demo = origins_of(&prepared, &parts, &format!("demo-{name}"));
            assert_eq!(of_demo, [Origin::Demo { index: 0, field }], "{}", adapter.name());
            let own = origins_of(&prepared, &parts, &format!("own-{name}"));
            assert_eq!(own, [Origin::Input { name: name.into() }], "{}", adapter.name());
        }
    }
}

fn any_inputs() -> impl Strategy<Value = Record> {
    let text = || any_text().prop_map(Value::from);
    (text(), text(), any::<bool>()).prop_map(|(message, note, whole)| {
        let mut inputs = values(&[("message", message)]);
        if whole {
            inputs.insert("note".into(), note);
        }
        inputs
    })
}

fn any_demo() -> impl Strategy<Value = Demo> {
    let topics = prop_oneof![
        Just(Value::from("billing")),
        Just(Value::from("other")),
        Just(Value::Null)
    ];
    (any_inputs(), topics, any::<bool>()).prop_map(|(inputs, topic, urgent)| Demo {
        inputs,
        outputs: values(&[("topic", topic), ("urgent", urgent.into())]),
    })
}

/// What of a prompt is not of a demo.
fn besides(prepared: &Prepared, parts: &[Part], demo: usize) -> Vec<(Origin, String)> {
    let texts = texts(prepared);
    let others = parts
        .iter()
        .filter(|it| !matches!(it.origin, Origin::Demo { index, .. } if index == demo));
    others.map(|it| (it.origin.clone(), text_of(&texts, it).to_owned())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn parts_are_the_prompt(
        instructions in any_text(),
        demos in prop::collection::vec(any_demo(), 0..4),
        inputs in any_inputs(),
        reply in any_text(),
        reason in any_text(),
    ) {
        let sig = sorted(false);
        let ask =
            Ask { signature: &sig, instructions: &instructions, demos: &demos, inputs: &inputs };
        let error = ParseError { message: reason, ..ParseError::default() };
        for adapter in adapters() {
            let (prepared, parts) = adapter.prompt_parts(&ask, &CHAT);
            prop_assert_eq!(&prepared, &adapter.prompt(&ask, &CHAT));
            covers(&prepared, &parts);
            let (prepared, parts) = adapter.repair_parts(&ask, &CHAT, &reply, &error);
            prop_assert_eq!(&prepared, &adapter.repair(&ask, &CHAT, &reply, &error));
            covers(&prepared, &parts);
        }
    }

    /// Words of a demo may move it between those that have all fields and those that do not, so
    /// it keeps its fields.
    #[test]
    fn a_changed_demo_changes_its_own_parts(
        demos in prop::collection::vec(any_demo(), 1..4),
        which in any::<prop::sample::Index>(),
        message in any_text(),
        urgent in any::<bool>(),
    ) {
        let (sig, inputs) = (sorted(false), values(&[("message", "own".into())]));
        let at = which.index(demos.len());
        let mut changed = demos.clone();
        changed[at].inputs.insert("message".into(), message.into());
        changed[at].outputs.insert("urgent".into(), urgent.into());
        for adapter in adapters() {
            let of = |demos: &[Demo]| {
                let ask =
                    Ask { signature: &sig, instructions: "Sort it.", demos, inputs: &inputs };
                let (prepared, parts) = adapter.prompt_parts(&ask, &CHAT);
                besides(&prepared, &parts, at)
            };
            prop_assert_eq!(of(&demos), of(&changed), "{}", adapter.name());
        }
    }
}
