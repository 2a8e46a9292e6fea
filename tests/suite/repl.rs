//! The interactive session: entries, commands, and what a failed entry leaves.

use dsp_lang::Engine;
use dsp_lang::engine::Session;
use dsp_lang::host::{MemoryHost, SharedHost};
use dsp_lang::lm::{Scripted, SharedLm};
use dsp_lang::repl;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// A signature and a predictor for it.
const QA: &str =
    "signature QA {\n    in  question: str\n    out answer: str\n}\nconst qa = predict(QA);\n";

/// A session on a machine in memory.
struct Bench {
    host: Arc<MemoryHost>,
    lm: Arc<Scripted>,
}

impl Bench {
    fn new(replies: &[&str]) -> Self {
        let host = MemoryHost::default().with_file(
            "lib/words.dsp",
            "fn twice(s) { s + s }\nconst rows = load(\"rows.jsonl\");\nprint(\"main ran\");\n",
        );
        let host = host.with_file("lib/rows.jsonl", "{\"n\": 1}\n{\"n\": 2}\n");
        let lm = Scripted::new(replies.iter().copied());
        Self { host: Arc::new(host), lm: Arc::new(lm) }
    }

    fn session(&self) -> Session {
        let host: SharedHost = self.host.clone();
        let lm: SharedLm = self.lm.clone();
        Engine::builder().host(host).model(lm).build().unwrap().session()
    }

    /// What the lines print, and what they tell.
    fn take(self, lines: &str) -> (String, String) {
        repl::run_lines(self.session(), self.host.clone(), false, lines.as_bytes());
        (self.host.printed(), self.host.eprinted())
    }
}

fn take(lines: &str) -> (String, String) {
    Bench::new(&[]).take(lines)
}

#[test]
fn values_are_printed_and_the_last_one_is_it() {
    let (printed, told) = take("1 + 1\nit * 10\nlet a = it;\na\n\"text\"\n#{ n: 1 }.n\n()\n");
    assert_eq!((printed.as_str(), told.as_str()), ("2\n20\n20\ntext\n1\n", ""));
}

#[test]
fn entries_go_on_while_something_is_open() {
    let (printed, told) =
        take("fn f(a) {\n\n    a * 2\n}\nf(\n  21\n)\nlet t = `a\nb`;\nt\n1 +\n2\n");
    assert_eq!((printed.as_str(), told.as_str()), ("42\na\nb\n3\n", ""));
}

#[test]
fn closures_types_and_predictors_live_on() {
    let (printed, told) = Bench::new(&["4", "5"]).take(
        "let f = |x| x + 1;\nf(2)\nlet p = predict(\"q -> a: int\");\np(q: \"x\").a + 1\ntype T = int;\nlet s = predict(\"q -> b: T\");\nsignature S { in q: str  out b: T }\nlet s = predict(S);\ns(q: \"y\").b + 1\n",
    );
    assert_eq!(printed, "3\n5\n6\n", "{told}");
    assert_eq!(told, "");
}

#[test]
fn streams_are_read_in_a_session_and_live_on() {
    let bench =
        Bench::new(&["[[ ## a ## ]]\none two\n\n[[ ## n ## ]]\n3", "[[ ## a ## ]]\nfour five"]);
    let (printed, told) = bench.take(
        "let p = predict(\"q -> a, n: int\");\nlet s = p.stream(q: \"x\");\n\
         for part in s {\n print(part.a, part.n, complete(part));\n}\ns.reply.n + 1\n\
         let t = predict(\"q -> a\").stream(q: \"y\");\nfor part in t { break; }\nt.reply\n\
         for part in s { print(\"again\", part.n); }\nit\n",
    );
    let expected =
        "  []\none  []\none two  []\none two  [\"a\"]\none two 3 [\"a\", \"n\"]\n4\n";
    assert!(printed.starts_with(expected), "{printed}\n{told}");
    assert!(told.contains("the stream was left before its end"), "{told}");
}

#[test]
fn modules_are_defined_anew_and_instances_keep_their_members() {
    let (printed, told) = take(
        "module M(k = 1) {\n fn forward(q) { #{ a: q + self.k } }\n}\nlet m = M();\nm(q: 1).a\nmodule M(k = 5) {\n fn forward(q) { #{ a: q + self.k } }\n}\nM()(q: 1).a\nm(q: 1).a\n",
    );
    assert_eq!(printed, "2\n6\n2\n", "{told}");
}

#[test]
fn operators_are_told_in_our_words() {
    let (_, told) = take("let a = \"x\";\na - 1\n");
    assert!(told.contains("`-` does not work on str and int"), "{told}");
}

#[test]
fn the_end_of_the_input_ends_an_entry() {
    assert_eq!(take("let a = 3; a").0, "3\n");
    let (printed, told) = take("f(1");
    assert!(printed.is_empty() && told.contains("<1>:1:"), "{told}");
}

#[test]
fn a_wrong_entry_changes_nothing_and_is_shown_with_its_text() {
    let (printed, told) = take("let a = 1;\nlet a = 2; b + 1\na\n");
    assert_eq!(printed, "1\n");
    assert!(told.contains("<2>:1:12") && told.contains("let a = 2; b + 1"), "{told}");
}

#[test]
fn an_entry_that_fails_keeps_what_it_had_done() {
    let (printed, told) = take("fn f() { throw \"no\" }\nlet a = 1; f(); let b = 2;\na\nb\n");
    assert_eq!(printed, "1\n");
    assert!(told.contains("<1>:1:10") && told.contains("in this call of `f`"), "{told}");
    assert!(told.contains("there is no `b` here"), "{told}");
}

#[test]
fn items_are_defined_anew_and_consts_with_them() {
    let (printed, _) = take(
        "fn f(a) { a * 2 }\nconst c = f(2);\nc\nfn f(a) { a * 10 }\nf(1)\nc\nconst c = 7;\nc\nfn f() { 0 }\nf()\n",
    );
    assert_eq!(printed, "4\n10\n20\n7\n0\n");
}

#[test]
fn a_signature_defined_anew_holds_for_what_was_built_from_it() {
    let lines = format!(
        "{QA}qa(question: \"a\").answer\nsignature QA {{ in question: str  out answer: int }}\nqa(question: \"b\").answer + 1\n"
    );
    assert_eq!(Bench::new(&["4", "4"]).take(&lines).0, "4\n5\n");
}

#[test]
fn a_prompt_is_shown_and_nobody_is_called() {
    let bench = Bench::new(&["Oslo"]);
    let lm = bench.lm.clone();
    let lines =
        format!("{QA}:prompt qa(question: \"Where?\")\n:cost\n:prompt qa(\n:prompt qa\n");
    let (printed, told) = bench.take(&(lines + ")\n:prompt 1 + x\n"));
    assert_eq!(lm.remaining(), 1);
    assert!(
        printed.starts_with("QA to scripted by the `chat` adapter\n--- system"),
        "{printed}"
    );
    assert!(printed.contains("[[ ## question ## ]]\nWhere?\n"), "{printed}");
    assert!(printed.contains("session         0"), "{printed}");
    assert!(told.contains("there is no `x` here"), "{told}");
}

#[test]
fn a_dry_run_leaves_variables_alone() {
    let lines = format!("{QA}let n = 1;\n:prompt n = 2; qa(question: \"Where?\")\nn\n");
    let (printed, _) = Bench::new(&[]).take(&lines);
    assert!(printed.ends_with("\n1\n"), "{printed}");
}

#[test]
fn traces_and_costs_look_back() {
    let lines = format!(
        "{QA}let r = qa(question: \"Where?\");\n:trace\n1\n:trace\ntrace(r)\n:cost\n:trace sideways\n"
    );
    let (printed, told) = Bench::new(&["Oslo"]).take(&lines);
    let trees: Vec<&str> = printed.matches("lm QA [self]").collect();
    assert_eq!(trees.len(), 3, "{printed}");
    // To look at a value is no step further.
    assert_eq!(printed.matches("question: Where?").count(), 3, "{printed}");
    assert!(printed.contains("last entry      0"), "{printed}");
    assert!(printed.contains("session         1"), "{printed}");
    assert!(told.contains("`:trace full`"), "{told}");
}

#[test]
fn the_last_call_is_forked_and_compared() {
    let lines = format!(
        "{QA}:fork 0 --reply x\nlet r = qa(question: \"Where?\");\n\
         qa(question: r.answer)\nit\n:fork 0 --reply Rome\ntrace(was).diff(trace(it)).same\nwas.answer\n:fork 0 --instructions \"Say it.\"\n:trace full\n\
         :fork 0 --reply \"a\\nb\"\n:trace full\nr\n"
    );
    let bench = Bench::new(&["Oslo", "Bergen", "Turku"]);
    let (printed, told) = bench.take(&lines);
    assert!(told.starts_with("no entry called a module, model or retriever yet\n"), "{told}");
    assert!(printed.contains("reply { answer: \"Rome\" }"), "{printed}");
    assert!(printed.contains("    out answer: [-Bergen-]{+Rome+}\n"), "{printed}");
    assert!(printed.contains("false\nBergen\n"), "{printed}");
    assert!(
        told.contains("0 requests were sent; `:trace` shows the branch, `it` is"),
        "{told}"
    );
    // The second fork is one of the first, and is asked anew; the third keeps its words.
    assert!(told.contains("1 request was sent; `:trace` shows the branch"), "{told}");
    assert!(printed.contains("reply { answer: \"Turku\" }"), "{printed}");
    assert_eq!(printed.matches("      Say it.\n").count(), 2, "{printed}");
    assert!(printed.contains("reply { answer: \"a\\nb\" }"), "{printed}");
    assert!(printed.ends_with("reply { answer: \"Oslo\" }\n"), "{printed}");
}

#[test]
fn what_cannot_be_forked_is_told() {
    let module = "module M() {\n let qa = predict(QA);\n fn forward(question) {\n let r = qa(question);\n if r.answer == \"no\" { throw \"no\"; }\n r\n }\n}\n";
    let forks = [
        ("", "`:fork ID --reply TEXT`"),
        ("1", "`:fork ID --reply TEXT`"),
        ("--reply x", "`:fork ID --reply TEXT`"),
        ("1 x", "`:fork ID --reply TEXT`"),
        ("1 --reply", "what is behind `--reply`?"),
        ("1 --repl x", "there is no `--repl`"),
        ("0 --reply x", "#0 is no call of a model"),
        ("7 --reply x", "there is no node #7: the nodes are #0 to #1"),
        ("nowhere --reply x", "no node is at `nowhere`"),
        ("1 --reply @nofile", "`nofile` cannot be read"),
        ("1 --reply no", "the branch failed; `:trace` shows what it is a branch of"),
    ];
    let mut lines = format!("{QA}{module}M()(question: \"Where?\")\n");
    forks.iter().for_each(|(fork, _)| lines.push_str(&format!(":fork {fork}\n")));
    lines.push_str("it.answer\n:trace\n");
    let (printed, told) = Bench::new(&["Oslo"]).take(&lines);
    for (fork, why) in forks {
        assert!(told.contains(why), "`:fork {fork}` wants {why}: {told}");
    }
    assert!(printed.contains("    out answer: [-Oslo-]\n"), "{printed}");
    // A branch that failed changes nothing.
    assert!(printed.contains("\nOslo\n") && printed.trim_end().ends_with("out answer: Oslo"));
}

#[test]
fn long_lists_stand_on_several_lines() {
    let lines = format!(
        "{QA}let r = [\"first\", \"second\"].map(|it| qa(question: it + \" question that is long enough\"));\n\
         trace().calls\n[1, 2]\n"
    );
    let (printed, told) = Bench::new(&["Oslo", "Bergen"]).take(&lines);
    assert_eq!(printed.lines().count(), 3, "{printed}{told}");
    assert!(printed.starts_with("[#0 lm QA [self] #{") && printed.contains(",\n #1 lm QA"));
}

#[test]
fn values_of_earlier_entries_are_edges_of_the_trace() {
    let bench = Bench::new(&["Oslo", "Bergen"]);
    let mut session = bench.session();
    for entry in [QA, "let a = qa(question: \"Where?\");"] {
        session.enter(entry).unwrap().finished.result.unwrap();
    }
    let entered = session.enter("let b = qa(question: a.answer); trace()").unwrap();
    assert_eq!(entered.finished.trace.nodes.len(), 1);
    assert_eq!(entered.spent.calls, 1);
    let whole = entered.finished.result.unwrap().show();
    assert!(whole.contains("question <- #0.answer"), "{whole}");
}

#[test]
fn a_file_is_loaded_and_its_main_is_not_run() {
    let (printed, told) = take(
        ":load lib/words.dsp\ntwice(\"ab\")\nrows.len()\n:items\n:load lib/gone.dsp\ntwice(\"c\")\n:load\n",
    );
    assert_eq!(printed, "abab\n2\nfn twice(s)\nconst rows\nlet it\ncc\n");
    assert!(told.contains("there is no file `lib/gone.dsp`"), "{told}");
    assert!(told.contains("which file?"), "{told}");
}

#[test]
fn models_are_named_and_changed() {
    let (printed, told) = take(":lm\n:lm nobody/nothing\n:lm\n");
    assert_eq!(printed, "scripted\nscripted\n");
    assert!(told.contains("there is no provider `nobody`"), "{told}");
}

#[test]
fn adapters_are_named_and_changed() {
    let (printed, told) = take(
        ":adapter\n:adapter jsn\n:adapter json\n:adapter\npredict(\"q -> n: int\").prompt(q: \"x\")\n",
    );
    assert!(printed.starts_with("auto\njson\n"), "{printed}");
    assert!(printed.ends_with("Write JSON\n"), "{printed}");
    assert!(told.contains("there is no adapter `jsn`"), "{told}");
}

#[test]
fn items_are_listed_once_where_they_were_defined_last() {
    let lines = format!(
        "{QA}fn f(a, b) {{ a }}\nmodule M(k = 1) {{ fn forward(q) {{ q }} }}\nfn f(c) {{ c }}\nlet v = 1;\nlet v = 2;\n:items\n"
    );
    let (printed, _) = Bench::new(&[]).take(&lines);
    let expected =
        "signature QA { question -> answer }\nconst qa\nmodule M(k)\nfn f(c)\nlet v\n";
    assert_eq!(printed, expected);
}

#[test]
fn commands_are_helped_with_and_end_the_session() {
    let (printed, told) = take(":help\n:hepl\n:quit\n1\n");
    for command in repl::COMMANDS {
        assert!(printed.contains(&format!(":{}", command.name)), "{printed}");
    }
    assert!(told.contains("did you mean `help`?") && !printed.ends_with("\n1\n"), "{told}");
}

#[test]
fn an_interrupt_ends_the_entry_and_not_the_session() {
    let bench = Bench::new(&[]);
    let mut session = bench.session();
    session.enter("let a = 5;").unwrap();
    let interrupt = session.interrupt();
    interrupt.interrupt();
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| {
            let entered = session.enter("let n = 0; loop { n += 1; }").unwrap();
            entered.finished.result.unwrap_err().to_string()
        });
        while !ended.is_finished() {
            interrupt.interrupt();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let told = ended.join().unwrap();
        assert!(told.contains("the run was cancelled"), "{told}");
    });
    let value = session.enter("a + 1").unwrap().finished.result.unwrap();
    assert_eq!(value.show(), "6");
}

#[test]
fn what_was_spent_counts_on_when_another_program_is_loaded() {
    let bench = Bench::new(&["a", "b", "c"]);
    let host: SharedHost = bench.host.clone();
    let lm: SharedLm = bench.lm;
    let budget = dsp_lang::engine::Budget::calls(2);
    let engine = Engine::builder().host(host).model(lm).budget(budget).build().unwrap();
    let mut session = engine.session();
    session.enter(QA).unwrap();
    session.enter("qa(question: \"1\")").unwrap().finished.result.unwrap();
    session.load("lib/words.dsp").unwrap();
    session.enter(QA).unwrap();
    session.enter("qa(question: \"2\")").unwrap().finished.result.unwrap();
    let refused = session.enter("qa(question: \"3\")").unwrap().finished.result.unwrap_err();
    assert!(refused.to_string().contains("the cap of 2 calls is used up"), "{refused}");
    assert_eq!(session.program().spent().calls, 2);
}

#[test]
fn the_binary_takes_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_dsp"))
        .arg("repl")
        .current_dir(dir.path())
        .env_clear()
        .env("DSP_HOME", dir.path().join("home"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"let a = [1,\n2];\na\nb\n").unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "[1, 2]\n");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("<3>:1:1"));
}
