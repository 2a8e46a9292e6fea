//! `simba`: its decisions against a model of the algorithm, caps and determinism.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dsp_lang::eval::{
    Cancel, Dataset, Evaluator, Failure, FailureKind, Job, Outcome, Progress, Random,
    RunOptions, Step, Stop,
};
use dsp_lang::optimize::{
    Care, Compiled, Problem, Proposer, Question, Settings, Simba, Teacher, compile, plan,
};
use dsp_lang::program::State;
use dsp_lang::sampling::{Minibatches, poisson};
use dsp_lang::schema::{Field, Record, Signature, Ty, TypeTable, Value};
use indexmap::IndexMap;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const PATHS: [&str; 2] = ["a", "b"];
const CONFIRM: f64 = 0.0;

fn hash(parts: &[&str]) -> u64 {
    parts.join("|").bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3) ^ (hash >> 29)
    })
}

fn record(fields: &[(&str, String)]) -> Record {
    fields.iter().map(|(name, it)| ((*name).into(), Value::from(it.as_str()))).collect()
}

fn signatures() -> IndexMap<String, Signature> {
    let of = |inputs: &[&str], outputs: &[&str]| {
        let fields =
            |names: &[&str]| names.iter().map(|name| Field::new(*name, Ty::Str)).collect();
        Signature {
            name: "S".into(),
            instructions: "Write.".into(),
            inputs: fields(inputs),
            outputs: fields(outputs),
            types: Arc::new(TypeTable::new()),
            contracts: 0,
        }
    };
    [
        ("a".to_owned(), of(&["question"], &["hint"])),
        ("b".to_owned(), of(&["question", "hint"], &["answer"])),
    ]
    .into()
}

fn rows(from: usize, n: usize) -> Dataset {
    Dataset::from_records(
        (from..from + n)
            .map(|at| record(&[("question", format!("q{at}")), ("answer", format!("a{at}"))])),
    )
}

/// What a program shows: the texts of its demos, and the pieces of its advice, by predictor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Shown {
    demos: BTreeMap<String, Vec<String>>,
    advice: BTreeMap<String, Vec<String>>,
}

impl Shown {
    fn of(state: &State) -> Self {
        let mut shown = Self::default();
        for (path, it) in &state.predictors {
            let demos = it.demos.iter().map(|it| it.demo.outputs[0].to_string()).collect();
            shown.demos.insert(path.clone(), demos);
            let own = it.instructions.iter().flat_map(|it| it.split("\n\n").skip(1));
            shown.advice.insert(path.clone(), own.map(ToOwned::to_owned).collect());
        }
        shown
    }

    fn text(&self, question: &str) -> String {
        let mut text = String::new();
        for path in PATHS {
            let demos = self.demos.get(path).into_iter().flatten();
            let other = demos.filter(|it| !it.starts_with(&format!("{question}/")));
            text += &other.map(|it| format!("{it},")).collect::<String>();
            text += ";";
            text += &self.advice.get(path).map(|it| it.join(",")).unwrap_or_default();
            text += ";";
        }
        text
    }

    fn count(&self) -> usize {
        self.demos.values().map(Vec::len).sum()
    }
}

#[derive(Debug, Clone, Copy, Default)]
enum Levels {
    Two,
    #[default]
    Four,
    Near,
}

/// Runs that look random.
#[derive(Default)]
struct World {
    /// Scores are 0 or 1, one of four, or near a score that the row has.
    levels: Levels,
    /// Of ten runs so many are right whatever the program is.
    easy: u64,
    teaches: bool,
    calls: AtomicU64,
}

/// What a run gives: `None` where a machine fails, else the score and whether it is clean.
type Scored = Option<(f64, u32, bool)>;

impl World {
    fn scored(&self, question: &str, sample: &str, shown: &str) -> Scored {
        if hash(&[question, "machine"]).is_multiple_of(13) {
            return None;
        }
        let at = hash(&[question, sample, shown, if self.teaches { "t" } else { "" }]) >> 7;
        if at.is_multiple_of(19) {
            return Some((0.0, 0, true));
        }
        let asserts = u32::from((at >> 8).is_multiple_of(7));
        let level = f64::from(u32::try_from(at % 4).unwrap());
        let near = f64::from(u32::try_from((hash(&[question]) >> 9) % 12).unwrap());
        let score = match self.levels {
            _ if (at >> 16) % 10 < self.easy => 1.0,
            Levels::Two => f64::from(u32::from(level > 1.0)),
            Levels::Four => level / 4.0,
            Levels::Near => (near + level) / 16.0,
        };
        Some((score, asserts, false))
    }
}

impl Evaluator for World {
    fn run(&self, job: &Job) -> Outcome {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let question = job.row.values["question"].to_string();
        let is_sample =
            job.state.predictors.values().any(|it| it.options.temperature == Some(1.0));
        let sample = if is_sample { job.rollout.to_string() } else { "plain".to_owned() };
        assert!(is_sample == job.keep_steps, "samples are told step by step");
        let shown = Shown::of(&job.state);
        if let Some(number) = question[1..].parse::<usize>().ok().filter(|it| *it < 1000) {
            let own = format!("q{number}/");
            let leaks = shown.demos.values().flatten().any(|it| it.starts_with(&own));
            assert!(!leaks, "{question} is solved by its own demo");
        }
        let (score, asserts, failed) =
            match self.scored(&question, &sample, &shown.text(&question)) {
                None => {
                    let failure = Failure::new(FailureKind::Infrastructure, "503");
                    return Outcome { calls: 1, ..Outcome::failed(failure) };
                }
                Some(it) => it,
            };
        if failed {
            let failure = Failure::new(FailureKind::Program, "an error");
            return Outcome { calls: 1, ..Outcome::failed(failure) };
        }
        let wrote = format!("{question}/{sample}");
        let step = |path: &str, inputs: Record, output: &str| Step {
            path: path.to_owned(),
            inputs,
            outputs: record(&[(output, wrote.clone())]),
            ..Step::default()
        };
        let asked = record(&[("question", question.clone())]);
        let mut steps = vec![step("a", asked.clone(), "hint")];
        if calls_b(&question, &sample) {
            steps.push(step("b", asked, "answer"));
        }
        Outcome {
            score: Some(score),
            asserts_failed: asserts,
            steps: if job.keep_steps { steps } else { Vec::new() },
            calls: 1,
            ..Outcome::default()
        }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(1)
    }
}

fn calls_b(question: &str, sample: &str) -> bool {
    !hash(&[question, sample, "b"]).is_multiple_of(3)
}

/// What the adviser says to a step; nothing for some.
fn advice(step: &str, question: &str, better: &str, worse: &str) -> Option<String> {
    let it = hash(&[step, question, better, worse]) >> 3;
    (!it.is_multiple_of(5)).then(|| format!("advice {}", (it >> 5) % 9))
}

#[derive(Default)]
struct Adviser {
    calls: AtomicU64,
}

impl Proposer for Adviser {
    fn evaluator(&self, question: Question) -> &dyn Evaluator {
        assert_eq!(question, Question::Advice);
        self
    }
}

impl Evaluator for Adviser {
    fn run(&self, job: &Job) -> Outcome {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let text = |name: &str| job.row.values[name].to_string();
        let score = |name: &str| text(name).lines().next().unwrap()[6..].to_owned();
        let row = text("row");
        let question = row.lines().next().unwrap().strip_prefix("question: ").unwrap();
        let step = text("step");
        let said = advice(&step, question, &score("better"), &score("worse"));
        let said = said.unwrap_or_default();
        // Some models write an object where a text is wanted.
        let said = match said.ends_with('3') {
            true => format!("{{\"{step}\": \"{said}\"}}"),
            false => said,
        };
        let reply = record(&[("module_advice", said)]);
        let step = Step { reply_hash: Some("r".to_owned()), ..Step::default() };
        Outcome { reply, steps: vec![step], calls: 1, ..Outcome::default() }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(1)
    }
}

/// The algorithm, told again: one loop, no engine.
struct Model<'a> {
    world: &'a World,
    options: Simba,
    seed: u64,
    pool: Vec<(Shown, Vec<f64>)>,
}

/// A run of a row: the sample, its score, failed assertions, whether it failed.
type Run = (usize, f64, u32, bool);

impl Model<'_> {
    fn mean(scores: &[f64]) -> f64 {
        let n = f64::from(u32::try_from(scores.len()).unwrap());
        if scores.is_empty() { 0.0 } else { scores.iter().sum::<f64>() / n }
    }

    fn choose(&self, random: &mut Random) -> usize {
        let mut order: Vec<usize> = (0..self.pool.len()).collect();
        order.sort_by(|a, b| {
            let mean = |at: &usize| Self::mean(&self.pool[*at].1);
            mean(b).partial_cmp(&mean(a)).unwrap().then(a.cmp(b))
        });
        let mut top: Vec<usize> = order.into_iter().take(self.options.candidates).collect();
        if !top.contains(&0) {
            top.pop();
            top.push(0);
        }
        let weights: Vec<f64> =
            top.iter().map(|at| (Self::mean(&self.pool[*at].1) / 0.2).exp()).collect();
        let mark = random.unit() * weights.iter().sum::<f64>();
        let mut sum = 0.0;
        for (at, weight) in top.iter().zip(&weights) {
            sum += weight;
            if mark < sum {
                return *at;
            }
        }
        *top.last().unwrap()
    }

    /// The labels and programs that are scored, in order.
    fn scored(&mut self, train: usize) -> Vec<(String, Shown)> {
        let mut scored = vec![("as it is".to_owned(), Shown::default())];
        let mut spare: Vec<(String, Shown)> = Vec::new();
        let mut batches = Minibatches::new(train, self.options.minibatch, self.seed);
        let (steps, room) =
            (self.options.steps, self.options.candidates.min(self.options.steps));
        for step in 0..steps {
            let batch = batches.next_batch();
            let buckets = self.sampled(step, &batch);
            let new = self.changed(step, &buckets);
            let mut best: Option<(f64, usize, String, Shown)> = None;
            for (label, shown) in new {
                let run = |row: &usize| {
                    let question = format!("q{row}");
                    self.world.scored(&question, "plain", &shown.text(&question))
                };
                let scores: Vec<f64> =
                    batch.iter().filter_map(|row| Some(run(row)?.0)).collect();
                self.pool.push((shown.clone(), scores.clone()));
                let (mean, demos) = (Self::mean(&scores), shown.count());
                let wins = match &best {
                    _ if scores.is_empty() => false,
                    None => true,
                    Some(it) => mean > it.0 || mean >= it.0 && demos < it.1,
                };
                if wins {
                    best = Some((mean, demos, label, shown));
                }
            }
            spare.extend(best.map(|it| (it.2, it.3)));
            // Evenly: after the step s of n, s/n of the places are given.
            if scored.len() < 1 + (step + 1) * room / steps {
                scored.extend(spare.pop());
            }
        }
        scored
    }

    /// Rows with their runs, best first, in the order in which they are looked at.
    fn sampled(&mut self, step: usize, batch: &[usize]) -> Vec<(usize, Vec<Run>)> {
        let mut buckets: Vec<(usize, Vec<Run>)> =
            batch.iter().map(|row| (*row, Vec::new())).collect();
        let before = Model { pool: self.pool.clone(), ..*self };
        for sample in 0..self.options.candidates {
            for (place, row) in batch.iter().enumerate() {
                let label = format!("step {step}/sample {sample}/{place}");
                let source = before.choose(&mut Random::new(self.seed, &label));
                let question = format!("q{row}");
                let shown = before.pool[source].0.text(&question);
                let run = self.world.scored(&question, &sample.to_string(), &shown);
                let Some((score, asserts, failed)) = run else { continue };
                self.pool[source].1.push(score);
                buckets[place].1.push((sample, score, asserts, failed));
            }
        }
        buckets.retain(|it| !it.1.is_empty());
        for (_, runs) in &mut buckets {
            runs.sort_by(|a, b| {
                b.1.partial_cmp(&a.1).unwrap().then(a.2.cmp(&b.2)).then(a.0.cmp(&b.0))
            });
        }
        let rank = |runs: &[Run]| {
            let (best, worst) = (runs[0].1, runs[runs.len() - 1].1);
            let mean = Self::mean(&runs.iter().map(|it| it.1).collect::<Vec<_>>());
            (best - worst, best, best - mean)
        };
        buckets.sort_by(|a, b| rank(&b.1).partial_cmp(&rank(&a.1)).unwrap());
        buckets
    }

    fn changed(&self, step: usize, buckets: &[(usize, Vec<Run>)]) -> Vec<(String, Shown)> {
        let mut all: Vec<f64> =
            buckets.iter().flat_map(|it| it.1.iter().map(|it| it.1)).collect();
        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let part = |tenths: usize| {
            let at = tenths * (all.len() - 1);
            let (below, over) = (at / 10, at % 10);
            let next = all[(below + 1).min(all.len() - 1)];
            all[below] + (next - all[below]) * f64::from(u32::try_from(over).unwrap()) / 10.0
        };
        let (mut new, mut made): (Vec<(String, Shown)>, usize) = (Vec::new(), 0);
        for (at, (row, runs)) in buckets.iter().enumerate() {
            if made == self.options.candidates {
                break;
            }
            let mut random = Random::new(self.seed, &format!("step {step}/change {at}"));
            let mut shown = self.pool[self.choose(&mut random)].0.clone();
            self.drop_some(&mut shown, &mut random);
            let (best, worst) = (runs[0], runs[runs.len() - 1]);
            let wants_demo = self.options.max_demos > 0 && random.coin();
            let what = if wants_demo {
                let fits = !best.3 && best.2 == 0 && best.1 > all[0];
                if !fits || best.1 < part(1) - 1e-9 {
                    continue;
                }
                made += 1;
                self.show(&mut shown, *row, best.0);
                "demo"
            } else {
                let differ = best.1 > worst.1;
                if !differ || best.1 < part(1) - 1e-9 || worst.1 > part(9) + 1e-9 {
                    continue;
                }
                let Some(path) = self.advised(*row, best, worst, &mut random) else { continue };
                made += 1;
                let score = |it: f64| format!("{it:.3}");
                let said = advice(path, &format!("q{row}"), &score(best.1), &score(worst.1));
                let own = shown.advice.entry(path.to_owned()).or_default();
                match said {
                    Some(text) if !own.contains(&text) => own.push(text),
                    _ => continue,
                }
                "advice"
            };
            let same = |it: &Shown| it.text("") == shown.text("");
            if !self.pool.iter().any(|it| same(&it.0)) && !new.iter().any(|it| same(&it.1)) {
                new.push((format!("step {}, {what}, row {row}", step + 1), shown));
            }
        }
        new
    }

    /// One of those that wrote other things in the two runs. A run that failed wrote nothing.
    fn advised(
        &self,
        row: usize,
        best: Run,
        worst: Run,
        random: &mut Random,
    ) -> Option<&'static str> {
        let question = format!("q{row}");
        let wrote = |path: &str, run: Run| {
            !run.3 && (path == "a" || calls_b(&question, &run.0.to_string()))
        };
        let parted = |path: &&str| wrote(path, best) || wrote(path, worst);
        let open: Vec<&str> = PATHS.into_iter().filter(parted).collect();
        open.get(random.below(open.len())).copied()
    }

    fn drop_some(&self, shown: &mut Shown, random: &mut Random) {
        let most = shown.demos.values().map(Vec::len).max().unwrap_or(0);
        let room = self.options.max_demos;
        if most == 0 || room == 0 {
            return;
        }
        let ratio =
            f64::from(u32::try_from(most).unwrap()) / f64::from(u32::try_from(room).unwrap());
        let count = poisson(random, ratio).max(usize::from(most >= room));
        let dropped = random.sample(most, count);
        for demos in shown.demos.values_mut() {
            let kept = demos.iter().enumerate().filter(|it| !dropped.contains(&it.0));
            *demos = kept.map(|it| it.1.clone()).collect();
        }
    }

    fn show(&self, shown: &mut Shown, row: usize, sample: usize) {
        let question = format!("q{row}");
        let text = format!("{question}/{sample}");
        for path in PATHS {
            if path == "a" || calls_b(&question, &sample.to_string()) {
                let demos = shown.demos.entry(path.to_owned()).or_default();
                demos.retain(|it| !it.starts_with(&format!("{question}/")));
                demos.push(text.clone());
            }
        }
    }
}

fn settings(seed: u64, threads: usize, max_calls: Option<u64>) -> Settings {
    let run = RunOptions { threads, retries: 0, width: 5 };
    Settings { seed, run, max_calls, ..Settings::default() }
}

fn problem<'a>(
    world: &'a World,
    adviser: &'a Adviser,
    signatures: &'a IndexMap<String, Signature>,
    (train, val): (usize, usize),
) -> Problem<'a> {
    Problem {
        source: String::new(),
        proposer: Some(adviser),
        evaluator: world,
        signatures,
        start: State::default(),
        teacher: None,
        trainset: rows(0, train),
        valset: Some(rows(1000, val)),
        testset: None,
        care: Care { confirm: CONFIRM, ..Care::default() },
        lm: None,
    }
}

fn search(
    options: &Simba,
    world: &World,
    sizes: (usize, usize),
    settings: &Settings,
) -> Compiled {
    let (signatures, adviser) = (signatures(), Adviser::default());
    let problem = problem(world, &adviser, &signatures, sizes);
    compile(options, &problem, settings, &Cancel::default(), &mut |_| ()).unwrap()
}

fn options() -> impl Strategy<Value = Simba> {
    (1usize..30, 2usize..7, 1usize..7, 0usize..4).prop_map(
        |(minibatch, candidates, steps, max_demos)| Simba {
            minibatch,
            candidates,
            steps,
            max_demos,
            temperature: 1.0,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_decides_as_the_algorithm_does(
        options in options(),
        train in 1usize..40,
        seed in any::<u64>(),
        levels in prop::sample::select(vec![Levels::Two, Levels::Four, Levels::Near]),
        easy in prop::sample::select(vec![0u64, 0, 0, 4, 9]),
    ) {
        let world = World { levels, easy, ..World::default() };
        let found = search(&options, &world, (train, 6), &settings(seed, 1, None));
        let start = (Shown::default(), Vec::new());
        let mut model = Model { world: &world, options, seed, pool: vec![start] };
        let wanted = model.scored(train);
        let labels: Vec<&str> =
            found.report.candidates.iter().map(|it| it.label.as_str()).collect();
        let expected: Vec<&str> = wanted.iter().map(|it| it.0.as_str()).collect();
        prop_assert_eq!(labels, expected);
        for (candidate, (label, shown)) in found.report.candidates.iter().zip(&wanted) {
            prop_assert_eq!(Shown::of(&candidate.state).text(""), shown.text(""), "{}", label);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn threads_change_nothing_the_best_never_falls_and_the_plan_bounds_it(
        options in options(),
        seed in any::<u64>(),
        levels in prop::sample::select(vec![Levels::Two, Levels::Four, Levels::Near]),
    ) {
        let world = World { levels, ..World::default() };
        let found = search(&options, &world, (20, 6), &settings(seed, 1, None));
        prop_assert_eq!(&search(&options, &world, (20, 6), &settings(seed, 64, None)), &found);
        let (signatures, adviser, other) =
            (signatures(), Adviser::default(), World { levels, ..World::default() });
        let problem = problem(&other, &adviser, &signatures, (20, 6));
        let settings = settings(seed, 2, None);
        let most = plan(&options, &problem, &settings).unwrap().worst_case().unwrap();
        let mut best: Option<f64> = None;
        let mut watch = |it: &Progress| {
            assert!(it.best >= best, "{:?} after {:?}", it.best, best);
            best = it.best;
        };
        let cancel = Cancel::default();
        let again = compile(&options, &problem, &settings, &cancel, &mut watch).unwrap();
        prop_assert_eq!(&again, &found);
        let calls = other.calls.load(Ordering::SeqCst) + adviser.calls.load(Ordering::SeqCst);
        prop_assert_eq!(found.report.calls, calls);
        prop_assert!(calls <= most, "{} of {}", calls, most);
        let first = found.report.candidates[0].score;
        prop_assert!(found.report.best_candidate().unwrap().score >= first);
    }

    #[test]
    fn a_cap_is_never_passed_and_keeps_the_best_so_far(cap in 0u64..500, seed in any::<u64>()) {
        let options = Simba { minibatch: 10, candidates: 4, steps: 4, ..Simba::default() };
        let world = World::default();
        let found = search(&options, &world, (20, 6), &settings(seed, 3, Some(cap)));
        prop_assert!(found.report.calls <= cap);
        let again = search(&options, &World::default(), (20, 6), &settings(seed, 64, Some(cap)));
        prop_assert_eq!(&again, &found);
        prop_assert!(world.calls.load(Ordering::SeqCst) <= cap);
        if found.report.stop.is_some() && cap > 60 {
            let first = found.report.candidates[0].score;
            prop_assert!(first.is_some(), "the program as it was is scored first");
            prop_assert!(found.report.best_candidate().unwrap().score >= first);
        }
    }
}

#[test]
fn only_some_predictors_change_and_each_text_has_an_origin() {
    let options = Simba { minibatch: 12, candidates: 5, steps: 6, ..Simba::default() };
    let mut seen = 0;
    for seed in 0..6 {
        let mut settings = settings(seed, 2, None);
        settings.only = Some(vec!["b".to_owned()]);
        let found = search(&options, &World::default(), (20, 6), &settings);
        for candidate in &found.report.candidates {
            assert!(candidate.state.get("a").is_none(), "{:?}", candidate.state);
            let Some(own) = candidate.state.get("b") else { continue };
            assert!(own.options.temperature.is_none(), "samples only are drawn so");
            assert!(own.demos.iter().all(|it| it.origin.is_some()));
            if own.instructions.is_some() {
                let origin = own.instructions_origin.as_ref().unwrap();
                assert_eq!(origin.optimizer, "simba");
                assert!(origin.note.starts_with("step "), "{}", origin.note);
                assert_eq!(origin.reply_hash.as_deref(), Some("r"));
                seen += 1;
            }
        }
    }
    assert!(seen > 0);
}

#[test]
fn a_teacher_makes_the_first_sample_of_each_row() {
    let (signatures, adviser) = (signatures(), Adviser::default());
    let (student, teacher) =
        (World::default(), World { teaches: true, easy: 10, ..World::default() });
    let mut problem = problem(&student, &adviser, &signatures, (8, 6));
    problem.teacher = Some(Teacher { evaluator: Some(&teacher), state: State::default() });
    let options = Simba { minibatch: 8, candidates: 3, steps: 2, ..Simba::default() };
    let settings = settings(3, 2, None);
    let found =
        compile(&options, &problem, &settings, &Cancel::default(), &mut |_| ()).unwrap();
    // The second step remembers what the teacher did in the first one.
    assert_eq!(teacher.calls.load(Ordering::SeqCst), 8);
    let plan = plan(&options, &problem, &settings).unwrap();
    assert!(
        plan.render().contains("teacher's samples           at most 16 runs"),
        "{}",
        plan.render()
    );
    assert!(found.report.calls <= plan.worst_case().unwrap());
}

#[test]
fn where_all_runs_are_the_same_it_says_so() {
    let world = World { levels: Levels::Two, easy: 10, ..World::default() };
    let options = Simba { steps: 2, minibatch: 1, candidates: 2, ..Simba::default() };
    let told = |found: &Compiled| {
        let mut notices = found.report.notices.iter();
        notices.any(|it| it.message == "2 of 2 steps found no row to learn from")
    };
    // Rows whose runs neither fail nor leave an assertion false are the usual ones here.
    let mut idle = 0;
    for seed in 0..40 {
        let found = search(&options, &world, (6, 4), &settings(seed, 1, None));
        assert_eq!(found.report.stop, None::<Stop>);
        assert!(!told(&found) || found.report.candidates.len() == 1);
        idle += usize::from(told(&found));
    }
    assert!(idle > 10, "{idle}");
}
