//! What a plan says that a search is likely to take, against what it takes.

use dsp_lang::Engine;
use dsp_lang::engine::Wanted;
use dsp_lang::host::MemoryHost;
use dsp_lang::lm::{
    CallContext, CallFuture, Capabilities, Completion, Lm, Prompt, Request, Usage,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const SCRIPT: &str = r"
signature Plan { in question: str  out topic: str }
signature Solve { in question: str  in topic: str  out answer: int }
module Qa() {
    let plan = predict(Plan);
    let solve = chain_of_thought(Solve);
    fn forward(question) {
        let topic = plan(question: question).topic;
        solve(question: question, topic: topic)
    }
}
const qa = Qa();
fn right(e, r) { e.answer == r.answer }
";

fn hash(text: &str) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

/// A model whose replies have random lengths, and of which a part is wrong or unreadable.
#[derive(Debug)]
struct Random {
    /// Of a hundred answers.
    right: u64,
    /// Of a hundred replies.
    unreadable: u64,
    /// Words of the longest reply.
    longest: u64,
    seed: u64,
    calls: AtomicU64,
}

impl Lm for Random {
    fn name(&self) -> &str {
        "openai/gpt-4o-mini"
    }

    fn identity(&self) -> String {
        format!("random {}", self.seed)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            chat: true,
            template: false,
            in_process: false,
            nonblocking: false,
            parallel: 4,
            cacheable: true,
            ..Capabilities::PLAIN
        }
    }

    fn complete<'a>(
        &'a self,
        request: &'a Request,
        context: &'a CallContext,
    ) -> CallFuture<'a> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            let prompt = serde_json::to_string(request).unwrap();
            let Prompt::Chat(messages) = &request.prompt else { unreachable!("it chats") };
            let last = messages.iter().rfind(|it| it.text.contains("number ")).unwrap();
            let at = last.text.rfind("number ").unwrap() + "number ".len();
            let digits: String =
                last.text[at..].chars().take_while(char::is_ascii_digit).collect();
            let answer: u64 = digits.parse().unwrap();
            let number = |what: &str| hash(&format!("{} {what} {prompt}", self.seed));
            let words = number("length") % self.longest + 1;
            let words: Vec<String> =
                (0..words).map(|it| format!("word{}", number(&it.to_string()) % 50)).collect();
            let words = words.join(" ");
            let text = if number("read") % 100 < self.unreadable {
                words
            } else if context.address.path == "plan" {
                format!("[[ ## topic ## ]]\n{words}\n\n[[ ## completed ## ]]")
            } else {
                let wrong = u64::from(number("right") % 100 >= self.right);
                format!(
                    "[[ ## reasoning ## ]]\n{words}\n\n[[ ## answer ## ]]\n{}\n\n[[ ## completed ## ]]",
                    answer + wrong
                )
            };
            // A token is some four bytes.
            let usage = Usage {
                prompt_tokens: Some(prompt.len() as u64 / 4),
                completion_tokens: Some(text.len() as u64 / 4),
                ..Usage::default()
            };
            Ok(Completion { text, usage, attempts: 1, ..Completion::default() })
        })
    }
}

fn rows(from: usize, n: usize) -> String {
    let row = |at| {
        let more = "and so on ".repeat(at % 7);
        format!("{{\"question\": \"{more}number {at}\", \"answer\": {at}}}\n")
    };
    (from..from + n).map(row).collect()
}

/// Calls and tokens of the line that tells of all.
fn in_all(plan: &str) -> (f64, f64) {
    let expected = plan.split("expected\n").nth(1).expect("something is expected");
    let line = expected.lines().find(|it| it.starts_with("in all")).unwrap();
    let numbers: Vec<f64> = line.split([' ', '(']).filter_map(|it| it.parse().ok()).collect();
    (numbers[0], numbers[1] + numbers[2])
}

#[test]
fn what_a_plan_expects_is_near_what_a_search_takes() {
    let (mut worst, mut told) = ((0.0_f64, 0.0_f64), String::new());
    for (seed, (right, unreadable, longest)) in
        [(90, 0, 30), (60, 5, 80), (35, 10, 50), (75, 20, 120), (50, 0, 40)]
            .into_iter()
            .enumerate()
    {
        for optimizer in [
            "bootstrap_few_shot(metric: right, max_rounds: 2, max_usd: 10)",
            "random_search(metric: right, candidates: 4, max_usd: 10)",
        ] {
            let seed = seed as u64;
            let lm =
                Arc::new(Random { right, unreadable, longest, seed, calls: AtomicU64::new(0) });
            let host = Arc::new(
                MemoryHost::default()
                    .with_file("train.jsonl", rows(0, 40))
                    .with_file("val.jsonl", rows(100, 20)),
            );
            let engine = Engine::builder().host(host).model(lm.clone()).build().unwrap();
            let program = engine.load_text("main.dsp", SCRIPT).unwrap();
            let (trainset, valset) = ("load(\"train.jsonl\")", "load(\"val.jsonl\")");
            let plan = format!(
                "{optimizer}.plan(qa, trainset: {trainset}, valset: {valset}, measure: 16)"
            );
            let plan = program.eval(&plan).unwrap().result.unwrap();
            let plan = plan.as_str().unwrap().to_owned();
            let measured = lm.calls.load(Ordering::SeqCst);
            assert!((8..=40).contains(&measured), "{measured} calls\n{plan}");
            let wanted = Wanted {
                optimizer,
                program: "qa",
                trainset,
                valset: Some(valset),
                testset: None,
                keep: None,
                output: Path::new("out.json"),
            };
            let searched = program.compile(&wanted).unwrap();
            let report = searched.report.expect("it came to its end");
            let took =
                (report.calls as f64, (report.prompt_tokens + report.completion_tokens) as f64);
            let expected = in_all(&plan);
            let off = (expected.0 / took.0 - 1.0, expected.1 / took.1 - 1.0);
            worst = (worst.0.max(off.0.abs()), worst.1.max(off.1.abs()));
            told += &format!("{right} {unreadable} {longest} {optimizer:.9}: expected {expected:?}, took {took:?}
");
            // What was measured was not paid for again: the search found it in the store.
            assert!(lm.calls.load(Ordering::SeqCst) <= report.calls + 2, "{plan}");
        }
    }
    assert!(worst.0 <= 0.2 && worst.1 <= 0.2, "{worst:?}\n{told}");
}
