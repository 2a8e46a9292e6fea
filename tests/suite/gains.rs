//! Gains that are none: searches over programs that score by chance, through `compile` itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dsp_lang::eval::stats::sign_test;
use dsp_lang::eval::{Cancel, Dataset, Evaluator, Job, Outcome, RunOptions, Stop};
use dsp_lang::optimize::{
    Care, Compiled, End, Phase, Policy, Problem, Race, Search, Settings, Sizes, Who, compile,
    plan,
};
use dsp_lang::program::State;
use dsp_lang::schema::{Field, Record, Signature, Ty, TypeTable, Value};
use indexmap::IndexMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
}

impl Chance {
    fn new(world: World) -> Self {
        Self { world, calls: AtomicU64::new(0) }
    }
}

impl Evaluator for Chance {
    fn run(&self, job: &Job) -> Outcome {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let World { seed, better, worse, slope } = self.world;
        let Value::Int(row) = job.row.values["n"] else { panic!("{:?}", job.row) };
        let before = unit([seed, 0, row as u64, 0]) < 0.5;
        let name = job.state.get("self").and_then(|it| it.instructions.as_deref());
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
