//! Optimizers: decisions, budgets, determinism.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and runs on the machine it runs on"
)]

use dsp_lang::eval::{
    Cancel, Dataset, Evaluator, Failure, FailureKind, Job, Outcome, Progress, RunOptions, Step,
    Stop,
};
use dsp_lang::optimize::{
    BetterTogether, BootstrapFewShot, Care, Compiled, End, LabeledFewShot, Policy, Problem,
    RandomSearch, Settings, Teacher, compile, plan,
};
use dsp_lang::program::{DemoSource, State, StateDemo};
use dsp_lang::schema::{Demo, Field, Record, Row, Signature, Ty, TypeTable, Value};
use indexmap::IndexMap;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

fn signature(inputs: &[&str], outputs: &[&str]) -> Signature {
    let fields = |names: &[&str]| names.iter().map(|name| Field::new(*name, Ty::Str)).collect();
    Signature {
        name: "S".into(),
        instructions: "".into(),
        inputs: fields(inputs),
        outputs: fields(outputs),
        types: Arc::new(TypeTable::new()),
        contracts: 0,
    }
}

/// Two predictors: rows can be shown to the second only.
fn program() -> IndexMap<String, Signature> {
    [
        ("search".to_owned(), signature(&["question"], &["query"])),
        ("answer".to_owned(), signature(&["context", "question"], &["reasoning", "answer"])),
    ]
    .into()
}

fn record(fields: &[(&str, String)]) -> Record {
    fields.iter().map(|(name, it)| ((*name).into(), Value::from(it.as_str()))).collect()
}

fn rows(from: usize, n: usize) -> Dataset {
    Dataset::from_records(
        (from..from + n)
            .map(|at| record(&[("question", format!("q{at}")), ("answer", format!("a{at}"))])),
    )
}

/// A number that looks random and depends on the parts only.
fn hash(parts: &[&str]) -> u64 {
    parts.join("|").bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3) ^ (hash >> 29)
    })
}

fn text(row: &Row, name: &str) -> String {
    row.values[name].to_string()
}

/// A program whose runs look random and are the same each time.
#[derive(Default)]
struct Fake {
    /// Scores depend on the row and the sample, not on the state.
    stateless: bool,
    calls: AtomicU64,
    seen: Mutex<BTreeMap<String, usize>>,
    broken: bool,
    unbounded: bool,
}

impl Fake {
    fn score(&self, job: &Job) -> f64 {
        let state = if self.stateless { String::new() } else { job.state.hash() };
        let at = hash(&[&text(&job.row, "question"), &job.rollout.to_string(), &state]);
        if at.is_multiple_of(3) { 1.0 } else { 0.0 }
    }
}

impl Evaluator for Fake {
    fn run(&self, job: &Job) -> Outcome {
        let question = text(&job.row, "question");
        let demos = job.state.predictors.values().flat_map(|it| &it.demos);
        for StateDemo { demo, .. } in demos.filter(|_| job.keep_steps) {
            assert_ne!(demo.inputs["question"].to_string(), question, "its own answer");
        }
        let key = format!("{} {question} {}", job.state.hash(), job.rollout);
        *self.seen.lock().unwrap().entry(key.clone()).or_default() += 1;
        let calls = 1 + hash(&[&key, "calls"]) % 3;
        if job.max_calls.is_some_and(|most| most < calls) {
            let failure = Failure::new(FailureKind::Stopped, "its share of calls is used up");
            return Outcome::failed(failure);
        }
        self.calls.fetch_add(calls, Ordering::SeqCst);
        if self.broken || hash(&[&question, "machine"]).is_multiple_of(17) {
            let failure = Failure::new(FailureKind::Infrastructure, "503");
            return Outcome { calls: calls as u32, ..Outcome::failed(failure) };
        }
        let step = |path: &str, inputs: Record, outputs: Record| Step {
            cut: false,
            path: path.into(),
            inputs,
            outputs,
            reply_hash: Some(format!("{:x}", hash(&[&key, path]))),
            repaired: false,
        };
        let mut steps: Vec<Step> = (0..=hash(&[&key, "loops"]) % 3)
            .map(|turn| {
                let query = record(&[("query", format!("{question} {turn}"))]);
                step("search", record(&[("question", question.clone())]), query)
            })
            .collect();
        let asked = record(&[("context", "c".into()), ("question", question)]);
        let said = record(&[("reasoning", "r".into()), ("answer", text(&job.row, "answer"))]);
        steps.push(step("answer", asked, said));
        Outcome {
            score: Some(self.score(job)),
            steps: if job.keep_steps { steps } else { Vec::new() },
            calls: calls as u32,
            prompt_tokens: 100,
            asserts_failed: u32::from(hash(&[&key, "assert"]).is_multiple_of(11)),
            ..Outcome::default()
        }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        (!self.unbounded).then_some(3)
    }
}

fn settings(seed: u64, threads: usize, max_calls: Option<u64>) -> Settings {
    let run = RunOptions { threads, retries: 1, width: 5 };
    Settings { seed, run, max_calls, ..Settings::default() }
}

fn problem<'a>(
    evaluator: &'a Fake,
    signatures: &'a IndexMap<String, Signature>,
    train: usize,
    val: usize,
) -> Problem<'a> {
    Problem {
        source: String::new(),
        proposer: None,
        evaluator,
        signatures,
        start: State::default(),
        teacher: None,
        trainset: rows(0, train),
        valset: (val > 0).then(|| rows(1000, val)),
        testset: None,
        care: Care::default(),
        lm: Some("scripted".into()),
    }
}

fn search(policy: &dyn Policy, fake: &Fake, settings: &Settings) -> Compiled {
    let signatures = program();
    let problem = problem(fake, &signatures, 30, 12);
    compile(policy, &problem, settings, &Cancel::default(), &mut |_| ()).unwrap()
}

fn small() -> RandomSearch {
    let bootstrap = BootstrapFewShot { max_labeled: 6, max_rounds: 2, ..Default::default() };
    RandomSearch { bootstrap, candidates: 5, stop_at: None, race: None }
}

fn sources(state: &State, path: &str) -> (Vec<usize>, Vec<usize>) {
    let of = |source| {
        let demos = state.get(path).unwrap().demos.iter();
        let origins = demos.map(|demo| demo.origin.as_ref().unwrap());
        origins.filter(|it| it.source == source).map(|it| it.row).collect()
    };
    (of(DemoSource::Bootstrapped), of(DemoSource::Labeled))
}

#[test]
fn labeled_rows_go_where_they_fit() {
    let found = search(&LabeledFewShot { k: 5 }, &Fake::default(), &settings(1, 1, None));
    assert_eq!(found.report.calls, 0);
    assert!(found.state.get("search").unwrap().demos.is_empty(), "rows have no query");
    let (_, labeled) = sources(&found.state, "answer");
    assert_eq!(labeled.len(), 5);
    assert_eq!(labeled.iter().collect::<BTreeSet<_>>().len(), 5);
    let demo = &found.state.get("answer").unwrap().demos[0].demo;
    assert_eq!(demo.inputs.keys().map(|it| &**it).collect::<Vec<_>>(), ["question"]);
    assert_eq!(demo.outputs.keys().map(|it| &**it).collect::<Vec<_>>(), ["answer"]);
    let other = search(&LabeledFewShot { k: 5 }, &Fake::default(), &settings(2, 1, None));
    assert_ne!(other.state.hash(), found.state.hash());
}

/// The algorithm as the paper tells it: one row after the other.
fn bootstrapped_one_by_one(
    fake: &Fake,
    data: &Dataset,
    size: usize,
    rounds: u64,
) -> Vec<usize> {
    let mut found = Vec::new();
    for row in data.rows().unwrap() {
        let machine = hash(&[&text(&row, "question"), "machine"]).is_multiple_of(17);
        let good = |rollout: u64| {
            let job = Job {
                state: Arc::default(),
                row: Arc::clone(&row),
                rollout,
                keep_steps: false,
                keep_exchanges: false,
                max_calls: None,
                max_tokens: None,
                max_cost: None,
            };
            fake.score(&job) > 0.0
        };
        if found.len() < size && !machine && (0..rounds).any(good) {
            found.push(row.index);
        }
    }
    found
}

/// The same program without assertions and with a state-independent score.
struct Plain(Fake);

impl Evaluator for Plain {
    fn run(&self, job: &Job) -> Outcome {
        Outcome { asserts_failed: 0, ..self.0.run(job) }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        self.0.max_calls_per_run()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn bootstrapping_several_rows_at_once_finds_what_one_by_one_would(
        size in 0usize..8,
        rounds in 1usize..4,
        width in 1usize..9,
        train in 1usize..40,
        seed in any::<u64>(),
    ) {
        let fake = Plain(Fake { stateless: true, ..Fake::default() });
        let signatures = program();
        let problem = Problem {
            evaluator: &fake,
            ..problem(&fake.0, &signatures, train, 0)
        };
        let policy = BootstrapFewShot {
            max_bootstrapped: size,
            max_labeled: 5,
            max_rounds: rounds,
            threshold: None,
        };
        let mut settings = settings(seed, 2, None);
        settings.run.width = width;
        let found = compile(&policy, &problem, &settings, &Cancel::default(), &mut |_| ()).unwrap();
        let wanted = bootstrapped_one_by_one(&fake.0, &rows(0, train), size, rounds as u64);
        let (bootstrapped, labeled) = sources(&found.state, "answer");
        prop_assert_eq!(&bootstrapped, &wanted);
        prop_assert_eq!(sources(&found.state, "search"), (wanted.clone(), vec![]));
        let room = 5_usize.saturating_sub(wanted.len()).min(train - wanted.len());
        prop_assert_eq!(labeled.len(), room);
        prop_assert!(labeled.iter().all(|row| !wanted.contains(row)));
        let most = plan(&policy, &problem, &settings).unwrap().worst_case().unwrap();
        // Runs that machines failed are tried once more.
        prop_assert!(found.report.calls <= 2 * most);
    }

    #[test]
    fn a_cap_is_never_passed(cap in 0u64..600, seed in any::<u64>(), unbounded in any::<bool>()) {
        let fake = Fake { unbounded, ..Fake::default() };
        let found = search(&small(), &fake, &settings(seed, 3, Some(cap)));
        prop_assert!(fake.calls.load(Ordering::SeqCst) <= cap);
        prop_assert_eq!(found.report.calls, fake.calls.load(Ordering::SeqCst));
        let again = Fake { unbounded, ..Fake::default() };
        prop_assert_eq!(search(&small(), &again, &settings(seed, 1, Some(cap))), found);
    }

    #[test]
    fn threads_change_nothing_and_the_best_never_falls(seed in any::<u64>()) {
        let (one, eight) = (Fake::default(), Fake::default());
        let found = search(&small(), &one, &settings(seed, 1, None));
        prop_assert_eq!(&search(&small(), &eight, &settings(seed, 8, None)), &found);
        for (key, count) in one.seen.lock().unwrap().iter() {
            let machine = hash(&[key.split(' ').nth(1).unwrap(), "machine"]).is_multiple_of(17);
            prop_assert!(*count == 1 + usize::from(machine), "{} was run {} times", key, count);
        }
        let mut best: Option<f64> = None;
        let signatures = program();
        let problem = problem(&eight, &signatures, 30, 12);
        let mut watch = |it: &Progress| {
            assert!(it.best >= best, "{:?} after {:?}", it.best, best);
            best = it.best;
        };
        let cancel = Cancel::default();
        let again =
            compile(&small(), &problem, &settings(seed, 4, None), &cancel, &mut watch).unwrap();
        prop_assert_eq!(&again, &found);
        check_choice(&found);
    }
}

/// The choice, made again from the scores alone.
fn check_choice(found: &Compiled) {
    let rank = |at: usize| {
        let it = &found.report.candidates[at];
        (it.score.unwrap_or(-1.0), it.asserts_failed, it.state.demo_count(), at)
    };
    // Where more rows decided, they are told with the means of those that stood by: first who led.
    let leader = match found.report.remarks.iter().find_map(|it| it.split_once("added: ")) {
        None => found.report.best.unwrap(),
        Some((_, told)) => {
            let means: Vec<(usize, f64)> = told
                .split(", ")
                .map(|it| {
                    let (label, mean) = it.rsplit_once(' ').unwrap();
                    let all = &found.report.candidates;
                    let at = all.iter().position(|it| it.label == label).unwrap();
                    (at, mean.parse().unwrap())
                })
                .collect();
            assert!((2..=3).contains(&means.len()));
            let most = means.iter().map(|it| it.1).fold(f64::MIN, f64::max);
            let chosen = means.iter().find(|it| it.0 == found.report.best.unwrap()).unwrap();
            assert!(chosen.1 >= most, "{told}");
            means[0].0
        }
    };
    let best = rank(leader);
    for other in (0..found.report.candidates.len()).map(rank) {
        let worse = other.0 < best.0
            || (other.0 == best.0 && (other.1, other.2, other.3) >= (best.1, best.2, best.3));
        assert!(worse, "{other:?} before {best:?}");
    }
    let chosen = found.report.best_candidate().unwrap();
    assert_eq!(chosen.state.hash(), found.state.hash());
}

#[test]
fn what_random_search_tries() {
    let found = search(&small(), &Fake::default(), &settings(7, 2, None));
    let labels: Vec<&str> =
        found.report.candidates.iter().map(|it| it.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "no demos",
            "labeled",
            "bootstrap",
            "bootstrap 1",
            "bootstrap 2",
            "bootstrap 3",
            "bootstrap 4",
            "bootstrap 5"
        ]
    );
    assert_eq!(found.report.candidates[0].state.demo_count(), 0);
    let provenance = found.state.provenance.as_ref().unwrap();
    assert_eq!(provenance.optimizer, "random_search");
    assert_eq!(provenance.seed, 7);
    assert_eq!(provenance.data.len(), 2);
    assert_eq!(Some(provenance.scores[0].score), found.report.best_candidate().unwrap().score);
    let text = found.state.to_text().unwrap();
    let back = State::from_text(&text, "s").unwrap();
    assert_eq!(back, found.state);
    assert!(back.fit(&program()).unwrap().warnings.is_empty());
}

#[test]
fn a_state_with_demos_is_a_candidate_and_its_own_teacher() {
    let fake = Fake::default();
    let signatures = program();
    let mut problem = problem(&fake, &signatures, 20, 10);
    problem.start = search(&LabeledFewShot { k: 3 }, &fake, &settings(5, 1, None)).state;
    let found =
        compile(&small(), &problem, &settings(1, 2, None), &Cancel::default(), &mut |_| ())
            .unwrap();
    assert_eq!(found.report.candidates[0].label, "as it is");
    assert_eq!(found.report.candidates[0].state.hash(), problem.start.hash());
    let score = |at: usize| found.report.candidates[at].score;
    assert!(score(found.report.best.unwrap()) >= score(0));
}

#[test]
fn a_teacher_may_be_another_program() {
    let (student, teacher) = (Fake::default(), Fake { stateless: true, ..Fake::default() });
    let signatures = program();
    let mut problem = problem(&student, &signatures, 20, 0);
    problem.teacher = Some(Teacher { evaluator: Some(&teacher), state: State::default() });
    let policy = BootstrapFewShot::default();
    let settings = settings(1, 2, None);
    compile(&policy, &problem, &settings, &Cancel::default(), &mut |_| ()).unwrap();
    assert_eq!(student.calls.load(Ordering::SeqCst), 0);
    assert!(teacher.calls.load(Ordering::SeqCst) > 0);
}

#[test]
fn only_some_predictors_may_change() {
    let mut settings = settings(1, 1, None);
    settings.only = Some(vec!["answer".into()]);
    let found = search(&BootstrapFewShot::default(), &Fake::default(), &settings);
    assert_eq!(found.state.predictors.keys().collect::<Vec<_>>(), ["answer"]);
    settings.only = Some(vec!["anwser".into()]);
    let (fake, signatures) = (Fake::default(), program());
    let problem = problem(&fake, &signatures, 5, 0);
    let wrong = plan(&small(), &problem, &settings).unwrap_err();
    assert_eq!(wrong.message, "`only`: the program has no predictor `anwser`");
    assert_eq!(wrong.hints, ["did you mean `answer`?"]);
}

#[test]
fn without_a_valset_half_of_the_rows_are_kept() {
    let (fake, signatures) = (Fake::default(), program());
    let problem = problem(&fake, &signatures, 30, 0);
    let settings = settings(1, 2, None);
    let found =
        compile(&small(), &problem, &settings, &Cancel::default(), &mut |_| ()).unwrap();
    assert_eq!(found.report.rows, (15, 15));
    assert_eq!(found.report.notices[0].message, "no valset was given");
    assert_eq!(found.report.notices[0].notes, ["15 of 30 rows were kept for it"]);
}

#[test]
fn rows_in_both_sets_are_refused() {
    let (fake, signatures) = (Fake::default(), program());
    let mut problem = problem(&fake, &signatures, 10, 0);
    problem.valset = Some(rows(8, 10));
    let settings = settings(1, 2, None);
    let wrong = plan(&small(), &problem, &settings).unwrap_err();
    assert_eq!(wrong.message, "2 rows of the valset are in the trainset too");
    assert_eq!(
        wrong.notes,
        ["row 0 of valset is row 8 of trainset, row 1 of valset is row 9 of trainset"]
    );
    problem.care.overlap = true;
    let found =
        compile(&small(), &problem, &settings, &Cancel::default(), &mut |_| ()).unwrap();
    assert_eq!(found.report.notices[0].message, "2 rows are in trainset and valset");
    problem.valset = Some(Dataset::default());
    assert!(plan(&small(), &problem, &settings).is_err());
    problem.trainset = Dataset::default();
    let wrong = plan(&LabeledFewShot::default(), &problem, &settings).unwrap_err();
    assert_eq!(wrong.message, "the trainset has no rows");
}

#[test]
fn what_does_not_choose_is_measured_on_a_testset() {
    let (fake, signatures) = (Fake::default(), program());
    let mut problem = problem(&fake, &signatures, 20, 0);
    problem.testset = Some(rows(500, 15));
    let (policy, settings) = (BootstrapFewShot::default(), settings(1, 2, None));
    let found = compile(&policy, &problem, &settings, &Cancel::default(), &mut |_| ()).unwrap();
    let confirmation = found.report.confirmation.as_ref().unwrap();
    let End::Compared(last) = &confirmation.end else { panic!("{confirmation:?}") };
    assert_eq!(last.rows + last.left_out, 15);
    let gain = found.state.provenance.as_ref().unwrap().gain.as_ref().unwrap();
    assert_eq!((gain.role.as_str(), gain.rows), ("testset", last.rows));
    assert!(found.report.path.steps > 1 && found.report.path.calls > 1);
    problem.testset = Some(rows(5, 1));
    let wrong = plan(&policy, &problem, &settings).unwrap_err();
    assert_eq!(wrong.message, "1 row of the testset is in the trainset too");
}

#[test]
fn the_plan_is_known_before_the_start() {
    let (fake, signatures) = (Fake::default(), program());
    let problem = problem(&fake, &signatures, 30, 12);
    let plan = plan(&small(), &problem, &settings(1, 2, Some(500))).unwrap();
    assert_eq!(
        plan.render(),
        "bootstrap                   at most 60 runs, 180 calls\n\
         score candidates            at most 96 runs, 288 calls\n\
         finalists on more rows      at most 90 runs, 270 calls\n\
         in all                      at most 738 calls, stopped at 500\n"
    );
    assert_eq!(fake.calls.load(Ordering::SeqCst), 0);
}

/// Ends the search in its run of this number.
struct Cancelling {
    fake: Fake,
    cancel: Cancel,
    after: u64,
    runs: AtomicU64,
}

impl Evaluator for Cancelling {
    fn run(&self, job: &Job) -> Outcome {
        if self.runs.fetch_add(1, Ordering::SeqCst) + 1 == self.after {
            self.cancel.cancel();
        }
        self.fake.run(job)
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        self.fake.max_calls_per_run()
    }
}

#[test]
fn cancelling_keeps_the_best_so_far() {
    for after in [1, 2, 11, 20, 45, 60, 90] {
        let (fake, signatures, cancel) = (Fake::default(), program(), Cancel::default());
        let runs = AtomicU64::new(0);
        let evaluator = Cancelling { fake, cancel: cancel.clone(), after, runs };
        let problem =
            Problem { evaluator: &evaluator, ..problem(&evaluator.fake, &signatures, 30, 12) };
        let settings = settings(1, 1, None);
        let found = compile(&small(), &problem, &settings, &cancel, &mut |_| ()).unwrap();
        assert_eq!(evaluator.runs.load(Ordering::SeqCst), after);
        assert_eq!(found.report.stop, Some(Stop::Cancelled));
        let provenance = found.state.provenance.as_ref().unwrap();
        assert_eq!(provenance.stopped.as_deref(), Some("cancelled"));
        if after < 12 {
            assert_eq!(found.report.best, None);
            assert_eq!(found.state.hash(), State::default().hash());
        } else {
            check_choice(&found);
        }
    }
}

#[test]
fn when_every_machine_fails_it_ends_early() {
    let fake = Fake { broken: true, ..Fake::default() };
    let found = search(&small(), &fake, &settings(1, 2, None));
    assert_eq!(found.report.stop, Some(Stop::Unserved("every run failed: 503".into())));
    // The first batch, no run of it made again: two states on 12 rows, a bootstrap on 30.
    assert!(found.report.calls <= (2 * 12 + 30) * 3);
}

#[test]
fn a_hand_made_demo_of_the_row_is_hidden_from_the_teacher() {
    let (fake, signatures) = (Fake::default(), program());
    let mut problem = problem(&fake, &signatures, 3, 0);
    let demo = Demo {
        inputs: record(&[("question", "q1".into())]),
        outputs: record(&[("answer", "a1".into())]),
    };
    problem.start.entry("answer").demos = vec![StateDemo { demo, origin: None }];
    let (policy, settings) = (BootstrapFewShot::default(), settings(1, 2, None));
    // The fake fails the test when a run sees a demo of its own row.
    compile(&policy, &problem, &settings, &Cancel::default(), &mut |_| ()).unwrap();
}

#[test]
fn a_report_reads_well() {
    let found = search(&small(), &Fake::default(), &settings(7, 2, Some(200)));
    let text = found.report.render();
    assert!(text.starts_with("random_search on 30 rows, chosen on 12\n"), "{text}");
    assert!(
        text.contains("stopped  the cap of 200 calls leaves no room: this is the best so far")
    );
}

/// Reads no reply of the rows that end in 3.
struct Unreadable(Fake);

impl Evaluator for Unreadable {
    fn run(&self, job: &Job) -> Outcome {
        let outcome = self.0.run(job);
        if outcome.failure.is_none() && text(&job.row, "question").ends_with('3') {
            let failure = Failure::new(FailureKind::Program, "answer: expected int");
            return Outcome { failure: Some(failure), ..outcome };
        }
        outcome
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        self.0.max_calls_per_run()
    }
}

#[test]
fn a_report_tells_runs_that_failed_and_rows_left_out() {
    let (evaluator, signatures) = (Unreadable(Fake::default()), program());
    let problem =
        Problem { evaluator: &evaluator, ..problem(&evaluator.0, &signatures, 30, 39) };
    let settings = settings(7, 2, None);
    let found =
        compile(&small(), &problem, &settings, &Cancel::default(), &mut |_| ()).unwrap();
    let first = &found.report.candidates[0];
    let by_machine = first.values.iter().filter(|it| it.is_none()).count();
    assert!(first.failed > 1 && by_machine > 0, "{first:?}");
    assert_eq!(first.left_out, by_machine);
    let text = found.report.render();
    let told = format!(
        "\nfailed   {}: {} of 39 runs failed, counted as 0, {by_machine} of 39 left out, \
         a machine failed; the first: ",
        first.label, first.failed
    );
    assert!(text.contains(&told), "{text}");
    let broken = Fake { broken: true, ..Fake::default() };
    let text = search(&small(), &broken, &settings).report.render();
    assert!(text.contains("left out, a machine failed; the first: 503\n"), "{text}");
}

#[test]
fn optimizers_name_neither_models_nor_threads() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/optimize/policies");
    let (mut folders, mut policies) = (vec![folder], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            policies += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            for word in ["lm::", "thread", "Evaluator", "Cancel", "rhai", "host::", "HashMap"] {
                assert!(!text.contains(word), "{} names `{word}`", path.display());
            }
        }
    }
    assert!(policies > 4);
}

/// A strategy of two steps.
fn together() -> BetterTogether {
    let few = LabeledFewShot { k: 3 };
    let steps: [(&str, Arc<dyn Policy + Send + Sync>); 3] =
        [("few", Arc::new(few)), ("many", Arc::new(small())), ("again", Arc::new(small()))];
    BetterTogether { steps: steps.map(|(name, it)| (name.to_owned(), it)).into() }
}

#[test]
fn steps_go_on_from_the_best_and_are_compared_with_the_beginning() {
    let fake = Fake::default();
    let signatures = program();
    let problem = problem(&fake, &signatures, 30, 60);
    let run = |threads| {
        let settings = settings(3, threads, None);
        compile(&together(), &problem, &settings, &Cancel::default(), &mut |_| ()).unwrap()
    };
    let found = run(1);
    let labels: Vec<&str> =
        found.report.candidates.iter().map(|it| it.label.as_str()).collect();
    assert_eq!(&labels[..3], ["as it is", "1. few: labeled", "2. many: no demos"]);
    assert!(labels.contains(&"3. again: bootstrap 5"), "{labels:?}");
    // What is chosen is never worse than what any step scored on the rows to choose by, but for
    // the finalists' further rows.
    let best = found.report.candidates.iter().filter_map(|it| it.score).fold(0.0, f64::max);
    let chosen = found.report.best_candidate().unwrap();
    assert!(chosen.score.unwrap() > 0.0 && best > 0.0);
    // What it says besides is where each part was tried first.
    assert_eq!(found.state.hash(), chosen.state.hash());
    let start = &found.report.candidates[0];
    let confirmation = found.report.confirmation.as_ref().unwrap();
    match &confirmation.end {
        End::Compared(_) => assert_ne!(chosen.state.hash(), start.state.hash()),
        End::Unchanged => assert_eq!(chosen.state.hash(), start.state.hash()),
        End::NotConfirmed(why) => panic!("{why}"),
    }
    let other = run(8);
    assert_eq!(found.state, other.state);
    assert_eq!(found.report.candidates, other.report.candidates);
}

#[test]
fn one_cap_holds_for_all_steps() {
    for cap in [1, 40, 200, 500, 2_000] {
        let fake = Fake::default();
        let found = search(&together(), &fake, &settings(1, 4, Some(cap)));
        assert!(found.report.calls <= cap, "{} of {cap}", found.report.calls);
        assert_eq!(fake.calls.load(Ordering::SeqCst), found.report.calls);
    }
}
