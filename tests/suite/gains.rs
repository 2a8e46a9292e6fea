//! Gains that are none: searches over programs that score by chance, through `compile` itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dsp_lang::Engine;
use dsp_lang::eval::stats::sign_test;
use dsp_lang::eval::{Cancel, Dataset, Evaluator, Job, Outcome, RunOptions, Stop};
use dsp_lang::host::MemoryHost;
use dsp_lang::lm::Scripted;
use dsp_lang::optimize::{
    Care, Compiled, End, Phase, Policy, Problem, Race, Search, Settings, Sizes, Who, compile,
    plan,
};
use dsp_lang::program::State;
use dsp_lang::sampling::Minibatches;
use dsp_lang::schema::{Field, Record, Signature, Ty, TypeTable, Value};
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CANDIDATES: usize = 16;

/// How candidates differ from the program as it was: the shares of rows on which they are
/// better and worse. Half of the rows are right before.
#[derive(Clone, Copy)]
struct World {
    seed: u64,
    better: f64,
    worse: f64,
    /// How much the mean of candidate `n` is moved besides, `n` times.
    slope: f64,
}

/// A number from [0, 1) that looks random.
fn unit(parts: [u64; 4]) -> f64 {
    let mix = |hash: u64, part: u64| {
        let mut z = (hash ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (parts.into_iter().fold(0, mix) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Runs that cost nothing: the score of a candidate on a row is a matter of chance.
struct Chance {
    world: World,
    calls: AtomicU64,
    /// The states in the order of the runs, each once while it goes on.
    order: Mutex<Vec<Option<String>>>,
}

impl Chance {
    fn new(world: World) -> Self {
        Self { world, calls: AtomicU64::new(0), order: Mutex::default() }
    }
}

impl Evaluator for Chance {
    fn run(&self, job: &Job) -> Outcome {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let World { seed, better, worse, slope } = self.world;
        let Value::Int(row) = job.row.values["n"] else { panic!("{:?}", job.row) };
        let before = unit([seed, 0, row as u64, 0]) < 0.5;
        let name = job.state.get("self").and_then(|it| it.instructions.as_deref());
        let mut order = self.order.lock().unwrap();
        if order.last().map(Option::as_deref) != Some(name) {
            order.push(name.map(ToOwned::to_owned));
        }
        drop(order);
        let right = match name.map(|it| it.parse::<u64>().unwrap()) {
            None => before,
            Some(candidate) => {
                let moved = slope * candidate as f64;
                let flips = if before { 2.0 * (worse - moved) } else { 2.0 * (better + moved) };
                before ^ (unit([seed, 1 + candidate, row as u64, 1]) < flips)
            }
        };
        Outcome { score: Some(f64::from(right)), calls: 1, ..Outcome::default() }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(1)
    }
}

/// Proposes candidates and scores all of them, or has them race.
struct Try {
    race: Option<Race>,
}

impl Policy for Try {
    fn name(&self) -> &'static str {
        "try"
    }

    fn options(&self) -> IndexMap<String, Value> {
        IndexMap::new()
    }

    fn needs_valset(&self) -> bool {
        true
    }

    fn phases(&self, sizes: &Sizes) -> Vec<Phase> {
        vec![Phase::new("try", Who::Student, sizes.val, CANDIDATES)]
    }

    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        let state = |candidate: usize| {
            let mut state = State::default();
            state.entry("self").instructions = Some(candidate.to_string());
            (candidate, format!("candidate {candidate}"), state)
        };
        let states = (0..CANDIDATES).map(state).collect();
        match self.race {
            None => search.step("try", states, &[]).map(drop),
            Some(race) => {
                search.open(states);
                search.race("try", &(0..CANDIDATES).collect::<Vec<_>>(), race)
            }
        }
    }
}

fn rows(from: usize, n: usize) -> Dataset {
    let number = |at: usize| Value::Int((from + at) as i64);
    Dataset::from_records((0..n).map(|at| Record::from_iter([("n".into(), number(at))])))
}

fn signatures() -> IndexMap<String, Signature> {
    let signature = Signature {
        name: "S".into(),
        instructions: "".into(),
        inputs: vec![Field::new("n", Ty::Int)],
        outputs: vec![Field::new("answer", Ty::Str)],
        types: Arc::new(TypeTable::new()),
        contracts: 0,
    };
    [("self".to_owned(), signature)].into()
}

/// Data of a search: rows to choose by, rows for the last comparison if they are given.
struct Rows {
    signatures: IndexMap<String, Signature>,
    train: Dataset,
    val: Dataset,
    test: Option<Dataset>,
}

impl Rows {
    fn new(val: usize, test: usize) -> Self {
        let test = (test > 0).then(|| rows(20_000, test));
        Self { signatures: signatures(), train: rows(0, 1), val: rows(10_000, val), test }
    }

    fn problem<'a>(&'a self, evaluator: &'a dyn Evaluator) -> Problem<'a> {
        Problem {
            source: String::new(),
            proposer: None,
            evaluator,
            signatures: &self.signatures,
            start: State::default(),
            teacher: None,
            trainset: self.train.clone(),
            valset: Some(self.val.clone()),
            testset: self.test.clone(),
            care: Care::default(),
            lm: None,
        }
    }
}

fn settings(seed: u64, threads: usize, max_calls: Option<u64>) -> Settings {
    let run = RunOptions { threads, retries: 0, width: 8 };
    Settings { seed, run, max_calls, ..Settings::default() }
}

fn search(world: World, data: &Rows, race: Option<Race>) -> (Compiled, u64) {
    let evaluator = Chance::new(world);
    let settings = settings(world.seed, 1, None);
    let cancel = Cancel::default();
    let found =
        compile(&Try { race }, &data.problem(&evaluator), &settings, &cancel, &mut |_| ());
    (found.unwrap(), evaluator.calls.into_inner())
}

/// How often a reliable gain is claimed.
fn claimed(searches: u64, data: &Rows, world: impl Fn(u64) -> World) -> f64 {
    let claims = |seed: &u64| {
        let (found, _) = search(world(*seed), data, None);
        found.report.confirmation.unwrap().is_reliable()
    };
    (0..searches).filter(claims).count() as f64 / searches as f64
}

fn null(seed: u64) -> World {
    let share = [0.05, 0.15, 0.25][seed as usize % 3];
    World { seed, better: share, worse: share, slope: 0.0 }
}

#[test]
fn no_gain_is_claimed_where_there_is_none() {
    // Chosen on 27 rows, then on 13 more, compared on a test set.
    let rate = claimed(1000, &Rows::new(40, 40), null);
    assert!(rate <= 0.05, "{rate}");
}

#[test]
fn no_gain_is_claimed_on_rows_held_back_where_there_is_none() {
    let rate = claimed(1000, &Rows::new(60, 0), |seed| null(seed + 1000));
    assert!(rate <= 0.05, "{rate}");
}

/// How likely the exact test finds a gain in `n` rows, summed over all that can happen.
fn power(n: usize, better: f64, worse: f64) -> f64 {
    let ln_factorials: Vec<f64> = (0..=n)
        .scan(0.0, |sum, k| {
            *sum += if k == 0 { 0.0 } else { (k as f64).ln() };
            Some(*sum)
        })
        .collect();
    let mut found = 0.0;
    for wins in 0..=n {
        for losses in 0..=(n - wins).min(wins) {
            if sign_test(wins, losses) >= 0.05 {
                continue;
            }
            let ties = n - wins - losses;
            let ways = ln_factorials[n]
                - ln_factorials[wins]
                - ln_factorials[losses]
                - ln_factorials[ties];
            let ln = |share: f64, count: usize| share.ln() * count as f64;
            let chance =
                ways + ln(better, wins) + ln(worse, losses) + ln(1.0 - better - worse, ties);
            found += chance.exp();
        }
    }
    found
}

/// A true gain of 10 points is found as often as the exact test can, and that is often.
fn is_found(n: usize, better: f64, worse: f64, searches: u64) {
    let power = power(n, better, worse);
    let data = Rows::new(40, n);
    let found = claimed(searches, &data, |seed| World { seed, better, worse, slope: 0.0 });
    let error = (power * (1.0 - power) / searches as f64).sqrt();
    assert!((found - power).abs() <= 3.0 * error, "{found}, power {power} ± {error}");
    assert!(power >= 0.8 && found >= 0.8 - 2.0 * error, "{found}, power {power}");
}

#[test]
fn a_gain_at_little_discordance_is_found_on_100_rows() {
    is_found(100, 0.11, 0.01, 200);
}

#[test]
fn a_gain_at_much_discordance_is_found_on_250_rows() {
    is_found(250, 0.20, 0.10, 200);
}

/// What races save, and what they lose: the mean calls of the search and how good what it chose
/// truly is, beside scoring all candidates on all rows.
#[test]
fn races_save_calls_and_lose_little() {
    let data = Rows::new(150, 1);
    let mut all = Vec::new();
    for race in [None, Some(Race::Halving), Some(Race::Test)] {
        let (mut calls, mut truth) = (0, 0.0);
        for seed in 0..30 {
            // Candidates are worse by up to 15 points and better by up to 15.
            let world = World { seed, better: 0.05, worse: 0.20, slope: 0.01 };
            let (found, made) = search(world, &data, race);
            calls += made;
            let name = found.state.get("self").unwrap().instructions.clone().unwrap();
            truth += 0.5 - 0.15 + 0.02 * name.parse::<f64>().unwrap();
        }
        all.push((calls as f64 / 30.0, truth / 30.0));
    }
    let [(whole, best), (halving, halved), (test, tested)] = all[..] else { panic!("{all:?}") };
    assert!(halving < 0.5 * whole && halved > best - 0.015, "{all:?}");
    assert!(test < 0.95 * whole && tested > best - 0.01, "{all:?}");
}

#[test]
fn what_is_held_back_is_not_seen_and_told() {
    let world = World { seed: 3, better: 0.3, worse: 0.0, slope: 0.0 };
    let data = Rows::new(240, 0);
    let (found, _) = search(world, &data, None);
    let confirmation = found.report.confirmation.as_ref().unwrap();
    // 80 of 240 rows are held back, a third of them for the finalists.
    assert_eq!(found.report.rows, (1, 160));
    assert_eq!((confirmation.runoff, confirmation.finalists.len()), (27, 3));
    let End::Compared(last) = &confirmation.end else { panic!("{confirmation:?}") };
    assert_eq!(last.rows, 53);
    assert_eq!(confirmation.calls, 53 + 3 * 27 + 53);
    let provenance = found.state.provenance.as_ref().unwrap();
    let roles: Vec<&str> = provenance.scores.iter().map(|it| it.role.as_str()).collect();
    assert_eq!(roles, ["valset", "confirm before", "confirm"]);
    let data: Vec<(&str, usize)> =
        provenance.data.iter().map(|it| (it.role.as_str(), it.rows)).collect();
    assert_eq!(data, [("trainset", 1), ("valset", 160), ("finalists", 27), ("confirm", 53)]);
    assert_eq!(provenance.gain.as_ref().unwrap().verdict, "reliable gain");
    let text = found.report.render();
    assert!(text.contains("on rows that nothing was chosen on (confirm)"), "{text}");
    assert!(text.contains("verdict  reliable gain"), "{text}");
    let back = State::from_text(&found.state.to_text().unwrap(), "s").unwrap();
    assert_eq!(back, found.state);
}

#[test]
fn the_plan_and_the_cap_hold_for_what_is_confirmed() {
    let data = Rows::new(240, 0);
    let world = World { seed: 5, better: 0.3, worse: 0.1, slope: 0.0 };
    let evaluator = Chance::new(world);
    let problem = data.problem(&evaluator);
    let most = plan(&Try { race: None }, &problem, &settings(5, 1, None)).unwrap();
    assert_eq!(most.worst_case(), Some(16 * 160 + 3 * 27 + 2 * 53));
    for cap in [2560, 2600, 2650, 2694, 2747] {
        let (evaluator, cancel) = (Chance::new(world), Cancel::default());
        let problem = data.problem(&evaluator);
        let settings = settings(5, 3, Some(cap));
        let found =
            compile(&Try { race: None }, &problem, &settings, &cancel, &mut |_| ()).unwrap();
        assert!(evaluator.calls.into_inner() <= cap);
        let end = found.report.confirmation.unwrap().end;
        match &end {
            End::NotConfirmed(why) => {
                assert!(cap < 2747, "{cap}: {why}");
                assert_eq!(*why, format!("the cap of {cap} calls leaves no room"));
            }
            End::Compared(_) => assert!(cap >= 2747, "{cap}"),
            End::Unchanged => panic!("{cap}: {end:?}"),
        }
        assert!(found.report.best.is_some());
    }
}

#[test]
fn rows_held_back_share_no_text_and_have_their_share_of_labels() {
    // 120 rows; a third of them says what another one says, written differently.
    let row = |at: usize| {
        let text = format!("Where is  item {}?", at % 80);
        let text = if at < 80 { text } else { text.to_uppercase().replace("  ", " ") };
        let label = Value::from(["a", "b", "c"][at % 80 % 3]);
        Record::from_iter([("q".into(), Value::from(text.as_str())), ("answer".into(), label)])
    };
    for seed in 0..20 {
        let data = Dataset::from_records((0..120).map(row));
        let (rest, held) = data.hold_back(1.0 / 3.0, seed, &["q".to_owned()]).unwrap();
        let texts = |data: &Dataset| -> BTreeSet<String> {
            let rows = data.rows().unwrap();
            let words = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
            rows.iter().map(|it| words(it.values["q"].to_string().to_lowercase())).collect()
        };
        assert!(texts(&rest).is_disjoint(&texts(&held)), "{seed}");
        assert!((15..=40).contains(&held.len()), "{}", held.len());
        assert_eq!(rest.len(), 80);
        // Without doubles, the shares are exact.
        let (_, held) = data.slice(0, 80).hold_back(0.3, seed, &["q".to_owned()]).unwrap();
        for label in ["a", "b", "c"] {
            let rows = held.rows().unwrap();
            let count =
                rows.iter().filter(|it| it.values["answer"] == Value::from(label)).count();
            assert!((7..=9).contains(&count), "{label}: {count} of {}", held.len());
        }
    }
}

/// Scores candidates in minibatches and looks at the matrix.
struct Batches;

impl Policy for Batches {
    fn name(&self) -> &'static str {
        "batches"
    }

    fn options(&self) -> IndexMap<String, Value> {
        IndexMap::new()
    }

    fn needs_valset(&self) -> bool {
        true
    }

    fn phases(&self, sizes: &Sizes) -> Vec<Phase> {
        vec![Phase::new("batches", Who::Student, sizes.val, 4)]
    }

    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        let state = |candidate: usize| {
            let mut state = State::default();
            state.entry("self").instructions = Some(candidate.to_string());
            (candidate, format!("candidate {candidate}"), state)
        };
        search.open((0..4).map(state).collect());
        let mut batches = Minibatches::new(search.val().len(), 6, 1);
        let (first, second) = (batches.next_batch(), batches.next_batch());
        search.score_on("batches", &[0, 2], &first)?;
        search.score_on("batches", &[2], &second)?;
        // What is remembered is not run again.
        search.score_on("batches", &[2], &second)?;
        let known = |at: usize| search.matrix().lines()[at].iter().flatten().count();
        assert_eq!([known(0), known(1), known(2), known(3)], [6, 0, 12, 0]);
        assert_eq!(search.matrix().pairs(0, 2).len(), 6);
        let front = search.matrix().front();
        assert!(front.members().iter().all(|it| [0, 2].contains(it)), "{front:?}");
        assert_eq!(front.winners().iter().filter(|it| !it.is_empty()).count(), 12);
        assert!(search.candidates().iter().all(|it| it.score.is_none()));
        let all: Vec<usize> = (0..search.val().len()).collect();
        search.score_on("batches", &[1], &all)?;
        let right: f64 = search.matrix().lines()[1].iter().copied().flatten().sum();
        assert_eq!(search.candidates()[1].score, Some(right / all.len() as f64));
        Ok(())
    }
}

#[test]
fn minibatches_fill_the_matrix() {
    let world = World { seed: 2, better: 0.2, worse: 0.1, slope: 0.0 };
    let (evaluator, data) = (Chance::new(world), Rows::new(30, 0));
    let problem = data.problem(&evaluator);
    let cancel = Cancel::default();
    let found =
        compile(&Batches, &problem, &settings(2, 3, None), &cancel, &mut |_| ()).unwrap();
    assert_eq!(found.report.best, Some(1), "only it was scored to its end");
    assert_eq!(found.report.calls, 6 + 6 + 6 + 30);
    let calls: Vec<u64> = found.report.candidates.iter().map(|it| it.calls).collect();
    assert_eq!(calls, [6, 30, 12, 0]);
    assert_eq!(found.report.path.steps, 3);
}

#[test]
fn the_rows_of_a_state_are_run_together() {
    let world = World { seed: 4, better: 0.3, worse: 0.1, slope: 0.0 };
    let data = Rows::new(150, 20);
    // Rungs of 16, 8, 4 and 2 candidates; then finalists, and the program as it was.
    for (race, most) in [(None, 16), (Some(Race::Halving), 16 + 8 + 4 + 2)] {
        let (evaluator, cancel) = (Chance::new(world), Cancel::default());
        let problem = data.problem(&evaluator);
        compile(&Try { race }, &problem, &settings(4, 1, None), &cancel, &mut |_| ()).unwrap();
        let order = evaluator.order.into_inner().unwrap();
        assert!(order.len() <= most + 3 + 2, "{order:?}");
    }
}

#[test]
fn few_rows_and_nothing_better_are_told() {
    let world = World { seed: 1, better: 0.1, worse: 0.1, slope: 0.0 };
    let (found, _) = search(world, &Rows::new(39, 0), None);
    let confirmation = found.report.confirmation.as_ref().unwrap();
    let why = "39 rows to choose by are too few to hold some back; give `testset: …`";
    assert_eq!(confirmation.end, End::NotConfirmed(why.into()));
    assert!(found.state.provenance.unwrap().gain.is_none());
    let data = Rows::new(60, 0);
    let evaluator = Chance::new(world);
    let mut problem = data.problem(&evaluator);
    problem.care.confirm = 0.0;
    let cancel = Cancel::default();
    let found =
        compile(&Try { race: None }, &problem, &settings(1, 1, None), &cancel, &mut |_| ());
    assert!(found.unwrap().report.confirmation.is_none());
    problem.care.confirm = 1.5;
    let wrong = plan(&Try { race: None }, &problem, &settings(1, 1, None)).unwrap_err();
    assert_eq!(wrong.message, "`confirm` wants a number from 0 to 0.9, found 1.5");
}

#[test]
fn threads_change_neither_races_nor_what_is_confirmed() {
    let world = World { seed: 8, better: 0.2, worse: 0.15, slope: 0.002 };
    let data = Rows::new(90, 30);
    for race in [None, Some(Race::Halving), Some(Race::Test)] {
        let with = |threads, cap| {
            let (evaluator, cancel) = (Chance::new(world), Cancel::default());
            let problem = data.problem(&evaluator);
            let settings = settings(8, threads, cap);
            compile(&Try { race }, &problem, &settings, &cancel, &mut |_| ()).unwrap()
        };
        for cap in [None, Some(300), Some(700)] {
            let one = with(1, cap);
            for threads in [4, 64] {
                assert_eq!(with(threads, cap), one, "{race:?}, {threads} threads");
            }
            if cap == Some(300) {
                let chosen = one.report.best_candidate().unwrap();
                let seen = chosen.values.iter().flatten().count();
                assert!(seen > 0, "{race:?}: the leader so far is kept");
            }
        }
    }
}

/// Two predictors, and a search whose candidates score differently.
const PROGRAM: &str = r#"
module Two() {
    let find = predict("q -> term");
    let say = predict("term, q -> a");
    fn forward(q) { say(term: find(q).term, q) }
}
fn rows(name, n) {
    let rows = [];
    for i in 0..n { rows.push(#{ q: `${name} ${i}`, a: "yes" }); }
    dataset(rows)
}
let search = random_search(metric: |e, r| e.a == r.a, candidates: 3, max_bootstrapped: 2, max_labeled: 3, RACE max_calls: 9000);
let tuned = search.compile(Two(), trainset: rows("train", 12), valset: rows("dev", 42), TEST);
tuned.save("two.state.json");
print(evaluate(tuned, rows("more", 5), metric: |e, r| e.a == r.a).score);
"#;

/// Answers by what it is asked, after a while that has nothing to do with that.
fn model() -> Scripted {
    let turns = AtomicU64::new(0);
    Scripted::by(move |request, _| {
        let turn = turns.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_micros(turn * 7919 % 7 * 150));
        let asked = format!("{:?}", request.prompt);
        let hash =
            asked.bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31) ^ u64::from(byte));
        let yes = if unit([hash, 0, 0, 0]) < 0.6 { "yes" } else { "no" };
        if asked.contains("term ##") && !asked.contains("## a ##") {
            return format!(r#"{{"term": "t{}"}}"#, hash % 5);
        }
        format!(r#"{{"a": "{yes}"}}"#)
    })
}

/// The trace, the state and what is printed.
fn course(threads: usize, race: &str, test: &str) -> (String, String, String) {
    let host = Arc::new(MemoryHost::default());
    let engine = Engine::builder().host(host.clone()).model(Arc::new(model()));
    let engine = engine.threads(threads).no_cache().build().unwrap();
    let program = PROGRAM.replace("RACE", race).replace("TEST", test);
    let finished = engine.load_text("main.dsp", &program).unwrap().run();
    if let Err(error) = &finished.result {
        panic!("{error}");
    }
    let files = host.files();
    let state = files.iter().find(|(path, _)| path.ends_with("two.state.json")).unwrap();
    (finished.trace.canonical(), String::from_utf8(state.1.clone()).unwrap(), host.printed())
}

#[test]
fn one_thread_and_many_find_the_same_and_leave_the_same_trace() {
    for (race, test) in [
        ("", "confirm: 0.33"),
        ("race: \"halving\",", "testset: rows(\"test\", 8)"),
        ("race: \"test\",", "testset: rows(\"test\", 8)"),
    ] {
        let one = course(1, race, test);
        assert!(one.1.contains("\"gain\""), "{}", one.1);
        for threads in [4, 64] {
            let other = course(threads, race, test);
            assert_eq!(other.2, one.2, "{race} {threads}");
            assert_eq!(other.1, one.1, "{race} {threads}");
            assert!(other.0 == one.0, "{race} {threads}: the traces differ");
        }
    }
}
