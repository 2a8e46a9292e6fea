//! Optimizers that have instructions written, `copro` and `infer_rules`: their decisions against
//! models of the algorithms, refusals, caps and determinism.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dsp_lang::eval::{
    Cancel, Dataset, Evaluator, Failure, FailureKind, Job, Outcome, Progress, RunOptions, Step,
};
use dsp_lang::optimize::{
    BootstrapFewShot, Care, Compiled, Copro, InferRules, Policy, Problem, Proposer, Question,
    Settings, compile, plan,
};
use dsp_lang::program::State;
use dsp_lang::schema::{Field, Record, Signature, Ty, TypeTable, Value};
use indexmap::IndexMap;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

fn hash(parts: &[&str]) -> u64 {
    parts.join("|").bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3) ^ (hash >> 29)
    }) >> 5
}

fn record(fields: &[(&str, String)]) -> Record {
    fields.iter().map(|(name, it)| ((*name).into(), Value::from(it.as_str()))).collect()
}

/// Up to two predictors; rows have the outputs of the second only.
fn signatures(n: usize) -> IndexMap<String, Signature> {
    let of = |output: &str| Signature {
        name: "S".into(),
        instructions: format!("Write {output}.").into(),
        inputs: vec![Field::new("question", Ty::Str)],
        outputs: vec![Field::new(output, Ty::Str)],
        types: Arc::new(TypeTable::new()),
        contracts: 0,
    };
    let all = [("a".to_owned(), of("hint")), ("b".to_owned(), of("answer"))];
    all.into_iter().skip(2 - n).collect()
}

fn rows(from: usize, n: usize) -> Dataset {
    Dataset::from_records(
        (from..from + n)
            .map(|at| record(&[("question", format!("q{at}")), ("answer", format!("a{at}"))])),
    )
}

/// The instructions of both predictors, as far as they are not the author's.
fn texts(state: &State) -> BTreeMap<String, String> {
    let own = state.predictors.iter();
    own.filter_map(|(path, it)| Some((path.clone(), it.instructions.clone()?))).collect()
}

fn score(question: &str, texts: &BTreeMap<String, String>) -> f64 {
    let seen: String = texts.iter().map(|(path, it)| format!("{path}={it};")).collect();
    f64::from(u32::try_from(hash(&[question, &seen]) % 5).unwrap()) / 4.0
}

#[derive(Default)]
struct World {
    calls: AtomicU64,
}

impl Evaluator for World {
    fn run(&self, job: &Job) -> Outcome {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let question = job.row.values["question"].to_string();
        let step = |path: &str, output: &str, wrote: String| Step {
            path: path.to_owned(),
            inputs: record(&[("question", question.clone())]),
            outputs: record(&[(output, wrote)]),
            ..Step::default()
        };
        let steps = vec![
            step("a", "hint", format!("hint of {question}")),
            step("b", "answer", format!("said of {question}")),
        ];
        Outcome {
            score: Some(score(&question, &texts(&job.state))),
            steps: if job.keep_steps { steps } else { Vec::new() },
            calls: 1,
            ..Outcome::default()
        }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(1)
    }
}

/// Answers by the question; keeps what it was asked.
#[derive(Default)]
struct Writer {
    /// Questions with more examples than this are too long.
    most: Option<usize>,
    calls: AtomicU64,
    asked: Mutex<Vec<Record>>,
}

impl Proposer for Writer {
    fn evaluator(&self, _: Question) -> &dyn Evaluator {
        self
    }
}

/// What is proposed where these texts were told: the text, and whether it was cut off.
fn proposed(told: &[String], sample: usize) -> (String, bool) {
    let at = hash(&[&told.join("/"), &sample.to_string()]);
    match at % 8 {
        0 => (String::new(), false),
        1 => (format!("Text {}", (at >> 9) % 30), true),
        2 => (format!("\"Text {}\"", (at >> 9) % 30), false),
        _ => (format!("Text {}", (at >> 9) % 30), false),
    }
}

/// Rules that are proposed where these many examples were told.
fn ruled(first: &str, sample: usize) -> Vec<String> {
    let at = hash(&[first, &sample.to_string()]);
    let rule = |n: u64| match (at >> n) % 6 {
        0 => String::new(),
        1 => format!("{}. Rule {}.", n + 1, (at >> n) % 50),
        2 => "- Write   two\nlines.".to_owned(),
        it => format!("Rule {it}."),
    };
    (0..at % 5).map(rule).collect()
}

impl Evaluator for Writer {
    fn run(&self, job: &Job) -> Outcome {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let (row, sample) = (&job.row.values, usize::try_from(job.rollout).unwrap());
        self.asked.lock().unwrap().push(row.clone());
        let mut cut = false;
        let reply = if let Some(Value::List(examples)) = row.get("examples") {
            if self.most.is_some_and(|most| examples.len() > most) {
                let failure = Failure::new(FailureKind::Program, "the prompt is too long");
                return Outcome { calls: 1, ..Outcome::failed(failure) };
            }
            let rules = ruled(&examples[0].to_string(), sample);
            let rules = rules.iter().map(|it| Value::from(it.as_str()));
            Record::from_iter([("rules".into(), Value::list(rules))])
        } else {
            let told = match row.get("attempted_instructions") {
                Some(Value::List(tried)) => tried
                    .iter()
                    .map(|it| {
                        let Value::Map(it) = it else { panic!("{it:?}") };
                        let Value::Float(score) = it["score"] else { panic!("{it:?}") };
                        format!("{} {score:.3}", it["instructions"])
                    })
                    .collect(),
                _ => Vec::new(),
            };
            let again = row.get("already_proposed").map(Value::to_string).unwrap_or_default();
            let from = row["current_instruction"].to_string();
            let (text, is_cut) = proposed(&[told, vec![from, again]].concat(), sample);
            cut = is_cut;
            record(&[("proposed_instruction", text)])
        };
        let step = Step { reply_hash: Some("r".to_owned()), cut, ..Step::default() };
        Outcome { reply, steps: vec![step], calls: 1, ..Outcome::default() }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(1)
    }
}

fn settings(seed: u64, threads: usize, max_calls: Option<u64>) -> Settings {
    let run = RunOptions { threads, retries: 0, width: 3 };
    Settings { seed, run, max_calls, ..Settings::default() }
}

fn problem<'a>(
    world: &'a World,
    writer: &'a Writer,
    signatures: &'a IndexMap<String, Signature>,
) -> Problem<'a> {
    Problem {
        source: String::new(),
        proposer: Some(writer),
        evaluator: world,
        signatures,
        start: State::default(),
        teacher: None,
        trainset: rows(0, 9),
        valset: Some(rows(1000, 7)),
        testset: None,
        care: Care { confirm: 0.0, ..Care::default() },
        lm: None,
    }
}

fn search(policy: &dyn Policy, n: usize, writer: &Writer, settings: &Settings) -> Compiled {
    let (signatures, world) = (signatures(n), World::default());
    let problem = problem(&world, writer, &signatures);
    compile(policy, &problem, settings, &Cancel::default(), &mut |_| ()).unwrap()
}

fn mean_on_val(texts: &BTreeMap<String, String>) -> f64 {
    (1000..1007).map(|at| score(&format!("q{at}"), texts)).sum::<f64>() / 7.0
}

/// The instructions of one predictor that were tried, and what they scored when they last did.
type Pool = Vec<(Option<String>, f64)>;

/// How often a round asks at most.
const WAVES: usize = 4;

/// Coordinate ascent, told again: what is scored, in order.
fn ascended(options: &Copro, n: usize) -> Vec<(String, BTreeMap<String, String>)> {
    let mut current = BTreeMap::new();
    let mut all = vec![("as it is".to_owned(), current.clone())];
    let first = mean_on_val(&current);
    let own = signatures(n);
    let mut pools: BTreeMap<String, Pool> =
        own.keys().map(|path| (path.clone(), vec![(None, first)])).collect();
    for round in 1..=options.depth {
        // All are asked before any is scored.
        let mut answers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (path, pool) in &pools {
            let text = |it: &Option<String>| {
                it.clone().unwrap_or_else(|| own[path].instructions.to_string())
            };
            let mut ranked: Vec<&(Option<String>, f64)> = pool.iter().collect();
            ranked.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap());
            let told: Vec<String> = if round == 1 {
                Vec::new()
            } else {
                let best = ranked.iter().take(options.breadth).rev();
                best.map(|it| {
                    format!("{} {:.3}", text(&it.0), (it.1 * 1000.0).round() / 1000.0)
                })
                .collect()
            };
            let (wanted, mut asked) = (options.breadth - usize::from(round == 1), 0);
            // What is refused or known is asked for again: from the three best in turn, and with
            // what came, which begins with another one each time.
            for wave in 0..WAVES {
                let known = answers.entry(path.clone()).or_default();
                let missing = wanted - known.len();
                let came = known.clone();
                for (nth, sample) in (asked..asked + missing).enumerate() {
                    let mut again = String::new();
                    if wave > 0 && !came.is_empty() {
                        let at = (0..came.len()).map(|it| (it + nth) % came.len());
                        let values = at.map(|it| Value::from(came[it].as_str()));
                        again = Value::list(values).to_string();
                    }
                    let from = if wave == 0 { 0 } else { nth % ranked.len().min(3) };
                    let from = text(&ranked[from].0);
                    let all = [told.clone(), vec![from, again]].concat();
                    let (said, cut) = proposed(&all, sample);
                    let said = said.trim_matches('"').to_owned();
                    let before = pool.iter().any(|it| it.0.as_ref() == Some(&said));
                    if !said.is_empty() && !cut && !before && !known.contains(&said) {
                        known.push(said);
                    }
                }
                asked += missing;
            }
        }
        for path in own.keys() {
            let pool = pools.get_mut(path).unwrap();
            let old = pool.len();
            let new = answers.remove(path).unwrap_or_default();
            pool.extend(new.into_iter().map(|it| (Some(it), 0.0)));
            let from = if n > 1 { 0 } else { old };
            for (nth, it) in pool[from..].iter_mut().enumerate() {
                let mut texts = current.clone();
                match &it.0 {
                    Some(text) => texts.insert(path.clone(), text.clone()),
                    None => texts.remove(path),
                };
                it.1 = mean_on_val(&texts);
                all.push((format!("{path}, round {round}, {}", nth + 1), texts));
            }
            let best = pool.iter().rev().max_by(|a, b| a.1.partial_cmp(&b.1).unwrap()).unwrap();
            match &best.0 {
                Some(text) => current.insert(path.clone(), text.clone()),
                None => current.remove(path),
            };
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn copro_climbs_as_the_algorithm_does(
        breadth in 2usize..7,
        depth in 0usize..4,
        n in 1usize..3,
        seed in any::<u64>(),
    ) {
        let options = Copro { breadth, depth, temperature: 1.0 };
        let found = search(&options, n, &Writer::default(), &settings(seed, 2, None));
        let wanted = ascended(&options, n);
        let labels: Vec<&str> =
            found.report.candidates.iter().map(|it| it.label.as_str()).collect();
        let expected: Vec<&str> = wanted.iter().map(|it| it.0.as_str()).collect();
        prop_assert_eq!(labels, expected);
        let mut best: f64 = 0.0;
        for (candidate, (label, wanted)) in found.report.candidates.iter().zip(&wanted) {
            prop_assert_eq!(&texts(&candidate.state), wanted, "{}", label);
            let mean = mean_on_val(wanted);
            prop_assert!((candidate.score.unwrap() - mean).abs() < 1e-9);
            best = best.max(mean);
        }
        // The nine rows to learn from decide where those to choose by do not.
        let on_all = |texts: &BTreeMap<String, String>| {
            let more: f64 = (0..9).map(|at| score(&format!("q{at}"), texts)).sum();
            (mean_on_val(texts) * 7.0 + more) / 16.0
        };
        let leader = wanted.iter().find(|it| mean_on_val(&it.1) > best - 1e-9).unwrap();
        let chosen = texts(&found.report.best_candidate().unwrap().state);
        prop_assert!(on_all(&chosen) > on_all(&leader.1) - 1e-9);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn caps_hold_and_threads_change_nothing(
        rules in any::<bool>(),
        n in 1usize..3,
        cap in prop::option::of(0u64..200),
        seed in any::<u64>(),
    ) {
        let bootstrap = BootstrapFewShot { max_bootstrapped: 3, max_labeled: 4, ..Default::default() };
        let by_rules = InferRules { bootstrap, candidates: 5, rules: 3, temperature: 1.0 };
        let by_score = Copro { breadth: 4, depth: 3, temperature: 1.0 };
        let policy: &dyn Policy = if rules { &by_rules } else { &by_score };
        let writer = Writer::default();
        let found = search(policy, n, &writer, &settings(seed, 1, cap));
        let again = search(policy, n, &Writer::default(), &settings(seed, 64, cap));
        prop_assert_eq!(&again, &found);
        let (signatures, world) = (signatures(n), World::default());
        let problem = problem(&world, &writer, &signatures);
        let settings = settings(seed, 2, cap);
        let most = plan(policy, &problem, &settings).unwrap().worst_case().unwrap();
        let before = writer.calls.load(Ordering::SeqCst);
        let mut best: Option<f64> = None;
        let mut watch = |it: &Progress| {
            assert!(it.best >= best, "{:?} after {:?}", it.best, best);
            best = it.best;
        };
        compile(policy, &problem, &settings, &Cancel::default(), &mut watch).unwrap();
        let asked = writer.calls.load(Ordering::SeqCst) - before;
        let calls = world.calls.load(Ordering::SeqCst) + asked;
        prop_assert_eq!(found.report.calls, calls);
        prop_assert!(calls <= cap.unwrap_or(most).min(most), "{} of {}", calls, most);
        if cap.is_none_or(|cap| cap >= 16) {
            let first = found.report.candidates[0].score;
            prop_assert!(found.report.best_candidate().unwrap().score >= first);
        }
    }

    #[test]
    fn infer_rules_scores_the_program_with_each_set_of_rules(
        candidates in 1usize..6,
        rules in 1usize..4,
        n in 1usize..3,
        most in prop::option::of(1usize..9),
        seed in any::<u64>(),
    ) {
        let bootstrap = BootstrapFewShot { max_bootstrapped: 2, max_labeled: 3, ..Default::default() };
        let options = InferRules { bootstrap, candidates, rules, temperature: 1.0 };
        let writer = Writer { most, ..Writer::default() };
        let found = search(&options, n, &writer, &settings(seed, 2, None));
        let asked = writer.asked.into_inner().unwrap();
        check_examples(&asked);
        let scored = &found.report.candidates;
        prop_assert_eq!(&scored[0].label, "as it is");
        prop_assert_eq!(&scored[1].label, "bootstrap");
        prop_assert!(scored.len() <= 2 + candidates);
        let bootstrapped = &scored[1].state;
        prop_assert!(bootstrapped.demo_count() > 0);
        for candidate in &scored[2..] {
            let number: usize = candidate.label.strip_prefix("rules ").unwrap().parse().unwrap();
            for (path, text) in texts(&candidate.state) {
                let lines: Vec<&str> = text.lines().collect();
                let own = &signatures(n)[&path].instructions;
                prop_assert_eq!(&lines[..3], &[&**own, "", "Keep to these rules:"]);
                let expected = accepted(&asked, &path, number - 1, rules, most);
                prop_assert!(
                    expected.iter().any(|it| lines[3..].iter().copied().eq(it.iter())),
                    "{:?} is none of {:?}", &lines[3..], expected
                );
                let own = candidate.state.get(&path).unwrap();
                let origin = own.instructions_origin.as_ref().unwrap();
                prop_assert_eq!(&origin.note, &candidate.label);
                prop_assert_eq!(&own.demos, &bootstrapped.get(&path).unwrap().demos);
            }
        }
    }
}

/// Each example is a row to learn from with what it solves.
fn check_examples(asked: &[Record]) {
    for row in asked {
        let Value::List(examples) = &row["examples"] else { panic!("{row:?}") };
        assert!(!examples.is_empty());
        let of_a = row["instructions"].to_string() == "Write hint.";
        for example in examples.iter() {
            let text = example.to_string();
            let (asked, solved) = text.split_once('\n').unwrap();
            let at = asked.strip_prefix("question: q").unwrap();
            assert!(at.parse::<usize>().unwrap() < 9, "{text}");
            let solutions = if of_a {
                vec![format!("hint: hint of q{at}")]
            } else {
                vec![format!("answer: a{at}"), format!("answer: said of q{at}")]
            };
            assert!(solutions.contains(&solved.to_owned()), "{text}");
        }
    }
}

/// The rules of this candidate that may be taken, for each question that may have led to them.
fn accepted(
    asked: &[Record],
    path: &str,
    sample: usize,
    rules: usize,
    most: Option<usize>,
) -> Vec<Vec<String>> {
    let instructions = if path == "a" { "Write hint." } else { "Write answer." };
    let mut all = Vec::new();
    for row in asked.iter().filter(|it| it["instructions"].to_string() == instructions) {
        let Value::List(examples) = &row["examples"] else { panic!("{row:?}") };
        if most.is_some_and(|most| examples.len() > most) {
            continue;
        }
        let mut lines: Vec<String> = Vec::new();
        for rule in ruled(&examples[0].to_string(), sample) {
            let words: Vec<&str> = rule.split_whitespace().collect();
            let bare = match words.first() {
                Some(first) if first.ends_with('.') && first.starts_with(char::is_numeric) => {
                    words[1..].join(" ")
                }
                Some(&"-") => words[1..].join(" "),
                _ => words.join(" "),
            };
            let line = format!("- {bare}");
            if !bare.is_empty() && !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines.truncate(rules);
        all.push(lines);
    }
    all
}

#[test]
fn a_question_that_is_too_long_is_asked_with_fewer_examples() {
    let options = InferRules { candidates: 3, ..InferRules::default() };
    let sizes = |most: usize| {
        let writer = Writer { most: Some(most), ..Writer::default() };
        let found = search(&options, 1, &writer, &settings(4, 1, None));
        let asked = writer.asked.into_inner().unwrap();
        let size = |it: &Record| match &it["examples"] {
            Value::List(it) => it.len(),
            other => panic!("{other:?}"),
        };
        (asked.iter().map(size).collect::<Vec<_>>(), found)
    };
    assert_eq!(sizes(9).0, [9, 9, 9]);
    assert_eq!(sizes(4).0, [9, 9, 9, 4, 4, 4]);
    let (asked, found) = sizes(1);
    assert_eq!(asked, [9, 9, 9, 4, 4, 4, 2, 2, 2]);
    assert_eq!(found.report.candidates.len(), 2);
    let told = &found.report.notices.last().unwrap();
    assert_eq!(told.message, "3 proposals were not taken");
    assert_eq!(told.notes, ["3: no answer came: the prompt is too long"]);
}
