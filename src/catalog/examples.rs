//! A program for each kind of value, with what it prints: `dsp doc` shows it with each method.
//! A test runs it, and looks for a call of each method in it.

/// Kinds of values, by name, and their programs.
pub const EXAMPLES: &[(&str, &str)] = &[
    (
        "Signature",
        r#"signature QA { in question: str  out answer: str }
let sure = QA.with_field("out sure: float(0..=1) 'how sure'", at: 0).with_instructions("Be brief.");
print(sure.name, sure.instructions, sure.fields.map(|it| it.name), sure.without("answer").fields.len());
//> QA Be brief. ["question", "sure", "answer"] 2"#,
    ),
    (
        "Predictor",
        r#"let ask = predict("question -> answer", lm: scripted(#{ self: [#{ answer: "Paris" }, #{ answer: "Paris" }, #{ answer: "Lyon" }] }));
print(ask.with(temperature: 0.5)(question: "The capital of France?").answer, ask.demos, ask.signature.name);
ask.save("ask.state.json");
print(ask.with_state("ask.state.json").instructions, ask.prompt(question: "Who?").len() > 0);
print(ask.why(question: "Who?").map(|it| it.origin));
print(completions(ask.freeze().sample(2, question: "The capital of France?")).len(), ask.stream(question: "Where?"));
//> Paris []
//> From `question`, write `answer`. true
//> ["fields", "field question", "fields", "field answer", "layout", "input question", "closing"]
//> 2 stream of predictor `self`"#,
    ),
    (
        "Program",
        r#"module Ask() {
    let answer = predict("question -> answer");
    fn forward(question: str) { answer(question) }
}
let ask = Ask().with(lm: scripted(#{ answer: [#{ answer: "Paris" }, #{ answer: "Paris" }, #{ answer: "Lyon" }] }), at: "answer");
print(ask(question: "The capital of France?").answer);
ask.save("ask.state.json");
print(ask.with_state("ask.state.json").answer.demos, ask.prompt(at: "answer", question: "Who?").len() > 0);
print(ask.why(at: "answer", question: "Who?")[-1].because);
print(completions(ask.freeze().sample(2, question: "The capital of France?")).len());
//> Paris
//> [] true
//> #{"adapter": "chat", "from": "layout"}
//> 2"#,
    ),
    (
        "Reply",
        r#"let reply = predict("question -> answer", lm: scripted([#{ answer: "Paris" }]))(question: "Where?");
print(reply.answer, reply.keys(), reply.values(), reply.with(answer: "Rome").to_json(), reply.get("name") ?? "none");
//> Paris ["answer"] ["Paris"] {"answer":"Rome"} none"#,
    ),
    (
        "Stream",
        r#"let ask = predict("question -> answer", lm: scripted(["[[ ## answer ## ]]\nParis, of course."]));
let stream = ask.stream(question: "The capital of France?");
for part in stream { print(part.answer, complete(part)); }
print(stream.reply.answer);
//>  []
//> Paris, []
//> Paris, of []
//> Paris, of course. []
//> Paris, of course. ["answer"]
//> Paris, of course."#,
    ),
    (
        "Record",
        r#"let find = predict("text -> people: list[{ name: str, age: int? }]", lm: scripted([#{ people: [#{ name: "Ann", age: 36 }] }]));
let ann = find(text: "Ann is 36.").people[0];
print(ann.name, ann["age"], ann.get("job") ?? "no job", ann.len(), "age" in ann, ann.contains("job"));
for name in ann.keys() { print(name, ann[name]); }
print(ann.with(age: 37).to_json(), ann.values());
//> Ann 36 no job 2 true false
//> name Ann
//> age 36
//> {"name":"Ann","age":37} ["Ann", 36]"#,
    ),
    (
        "Dataset",
        r#"let data = dataset([#{ q: "a", n: 1 }, #{ q: "b", n: 2 }, #{ q: "b", n: 2 }, #{ q: "c", n: 3 }]);
print(data.len(), data.unique().len(), data.filter(|row| row.n > 1).len(), data.take(2)[1].q);
let parts = data.shuffle(seed: 1).split(train: 0.5, test: 0.5, seed: 7);
print(parts.train.concat(parts.test).len(), data.slice(1, 3).map(|row| row.with(n: row.n * 2))[0].n);
print(data.parallel_map(|row| row.n, threads: 2), data.check(inputs: "q").findings.len());
//> 4 3 3 b
//> 4 4
//> [1, 2, 2, 3] 1"#,
    ),
    (
        "Splits",
        r"let data = dataset([#{ n: 1 }, #{ n: 2 }, #{ n: 3 }, #{ n: 4 }]);
let parts = data.split(train: 2, dev: 1, test: 1, seed: 7);
print(parts.train.len(), parts.dev.len(), parts.test.len(), parts.check().serious);
//> 2 1 1 0",
    ),
    (
        "Row",
        r#"let row = dataset([#{ question: "1 + 1?", answer: 2 }])[0];
print(row.question, row.keys(), row.values(), row.with(answer: 3).answer, row.without("answer").to_json(), row.get("hint") ?? "none");
//> 1 + 1? ["answer", "question"] [2, "1 + 1?"] 3 {"question":"1 + 1?"} none"#,
    ),
    (
        "Optimizer",
        r#"let data = dataset([#{ question: "1 + 1?", answer: 2 }]);
let sum = predict("question -> answer: int", lm: scripted([#{ answer: 2 }]));
let search = bootstrap_few_shot(metric: |example, reply| example.answer == reply.answer, max_bootstrapped: 1, max_labeled: 0, max_calls: 5);
print(search.plan(sum, trainset: data).len() > 0);
print(search.compile(sum, trainset: data).demos);
//> true
//> [#{"answer": 2, "question": "1 + 1?"}]"#,
    ),
    (
        "Check",
        r#"let data = dataset([#{ text: "hi", label: "a" }, #{ text: "hi", label: "b" }]);
let check = data.check(label: "label");
print(check.serious, check.inputs, check.label, check.rows, check.findings[0].kind);
//> 1 ["text"] label #{"data": 2} disagreement"#,
    ),
    (
        "RowResult",
        r#"let data = dataset([#{ question: "1 + 1?", answer: 2 }]);
let sum = predict("question -> answer: int", lm: scripted(#{ "self#0": #{ answer: 2 } }));
let row = evaluate(sum, data, metric: |example, reply| example.answer == reply.answer).rows[0];
print(row.origin, row.inputs, row.reply.answer, row.score, row.calls);
//> row 0 #{"question": "1 + 1?"} 2 1.0 1"#,
    ),
    (
        "Evaluation",
        r#"let data = dataset([#{ question: "1 + 1?", answer: 2 }, #{ question: "2 + 2?", answer: 4 }]);
let sum = predict("question -> answer: int", lm: scripted(#{ "self#0": #{ answer: 2 }, "self#1": #{ answer: 5 } }));
let result = evaluate(sum, data, metric: |example, reply| example.answer == reply.answer);
print(result.score, result.interval.len(), result.rows[1].score, result.failures, result.cost.calls);
print(result.report().contains("0.500"));
result.save("result.json");
//> 0.5 2 0.0 [] 2
//> true"#,
    ),
    (
        "Comparison",
        r#"let data = dataset([#{ question: "1 + 1?", answer: 2 }, #{ question: "2 + 2?", answer: 4 }]);
let one = predict("question -> answer: int", lm: scripted(#{ "self#0": #{ answer: 2 }, "self#1": #{ answer: 5 } }));
let two = predict("question -> answer: int", lm: scripted(#{ "self#0": #{ answer: 2 }, "self#1": #{ answer: 4 } }));
let result = compare(one, two, data, metric: |example, reply| example.answer == reply.answer);
print(result.a.score, result.b.score, result.gain, result.reliable, result.interval[0] < 0.0, result.rows.len());
print(result.report());
result.save("result.json");
//> 0.5 1.0 0.5 false true 2
//> before   0.500, 95 % interval 0.013 to 0.987 (exact, 2 rows)
//> after    1.000, 95 % interval 0.158 to 1.000 (exact, 2 rows)
//> gain     +0.500, 95 % interval -0.473 to +0.987 (from exact intervals, 2 pairs)
//> test     p = 1.0000 (exact McNemar test; 1 better, 0 worse, 1 the same)
//> verdict  no reliable gain
//> advice   a gain of this size would show on about 16 rows
//>"#,
    ),
    (
        "Index",
        r#"let facts = index(["Paris is in France.", "Rome is in Italy."]);
print(facts.len(), facts.search("Italy", 1).map(|it| it.text));
//> 2 ["Rome is in Italy."]"#,
    ),
    (
        "Lm",
        r#"let model = scripted(["hello"]);
print(model.name, model("hi"));
//> scripted hello"#,
    ),
    (
        "Adapter",
        r#"let short = adapter(#{ user: "{instructions} {question}", layout: "text" });
print(short.name.starts_with("template:"), two_step().name);
//> true two_step"#,
    ),
    (
        "Trace",
        r#"let ask = predict("question -> answer", lm: scripted(#{ self: [#{ answer: "Paris" }, #{ answer: "Rome" }] }));
let what = trace(ask(question: "Where?"));
print(what.nodes.map(|it| it.kind), what.calls.len(), what.roots[0].path, what.edges.len(), what.cost.calls);
print(what.where(kind: "lm").len(), what.where(|it| it.path == "other"), what.show().contains("Paris"));
print(what.diff(what).same, what.diff(trace(ask(question: "Who?"))).changed[0].fields.map(|it| it.name));
print(what.canonical().contains("Where?"), what.to_json().len() > 0);
print(what.fork(at: 0, reply: #{ answer: "Oslo" }).answer);
print(what.to_mermaid());
//> ["lm"] 1 self 0 1
//> 1 [] true
//> true ["in question", "prompt, message 2 (user)", "reply", "out answer"]
//> true true
//> Oslo
//> flowchart TD
//>     n0(["lm self<br>scripted"])
//>"#,
    ),
    (
        "Node",
        r#"let first = predict("word -> other", lm: scripted([#{ other: "sea" }]));
let last = predict("word -> other", lm: scripted([#{ other: "see" }]));
let word = first(word: "bee").other;
last(word);
let node = trace().calls[1];
print(node);
print(node.id, node.kind, node.inputs.word, node.outputs.other, node.error == (), node.parents, node.children);
for it in node.inputs_from { print(it.node.id, it.output, it.input, it.via); }
print(node.reply, node.prompt.contains("sea"), node.cost.calls, trace().nodes[0].used_by[0].node.id);
//> #1 lm self #{"word": "sea"} -> #{"other": "see"}
//> 1 lm sea see true [] []
//> 0 other word static
//> {"other":"see"} true 1 1"#,
    ),
    (
        "Difference",
        r#"let ask = predict("question -> answer", lm: scripted(#{ self: [#{ answer: "Paris" }, #{ answer: "Rome" }] }));
let a = trace(ask(question: "Where?"));
let b = trace(ask(question: "Who?"));
let found = a.diff(b);
print(found.same, found.first.a.id, found.changed.len(), found.only_a, found.only_b);
for it in found.changed[0].fields { print(it.name); }
//> false 0 1 [] []
//> in question
//> prompt, message 2 (user)
//> reply
//> out answer"#,
    ),
    (
        "History",
        r#"let log = history([#{ question: "1", answer: "a" }, #{ question: "2", answer: "b" }]);
print(log.len(), log.last(1).len());
//> 2 1"#,
    ),
    (
        "Image",
        r#"let dot = image("data:image/gif;base64,R0lGODlhAQABAAAAACw=");
print(dot.kind, dot.mime, dot.size, dot.sha256.len(), dot.name == (), dot.url ?? "here");
print(dot);
//> image image/gif 14 64 true here
//> [image image/gif 14 B sha256:2f41918f848b]"#,
    ),
    (
        "Audio",
        r#"let call = audio("https://example.com/calls/17.mp3");
print(call.kind, call.mime, call.name, call.url);
//> audio audio/mpeg 17.mp3 https://example.com/calls/17.mp3"#,
    ),
    (
        "File",
        r#"let note = file("data:text/plain;base64,SGVsbG8=");
print(note.kind, note.mime, note.size);
//> file text/plain 5"#,
    ),
];
