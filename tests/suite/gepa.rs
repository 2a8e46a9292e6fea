//! `gepa` against its algorithm, told again: who may be a parent, whose turn it is, which child is
//! kept, what a combination takes from whom; and what holds of it in any case.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dsp_lang::eval::{
    Cancel, Dataset, Evaluator, Failure, FailureKind, Job, Outcome, Progress, RunOptions, Step,
};
use dsp_lang::optimize::{
    Care, Compiled, Effort, Front, Gepa, PartKind, Problem, Proposer, Question, Settings,
    compile, plan,
};
use dsp_lang::program::State;
use dsp_lang::schema::{Field, Record, Signature, Ty, TypeTable, Value};
use indexmap::IndexMap;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The predictors of the program, each with an output of its own name.
const PATHS: [&str; 2] = ["find", "say"];

fn program() -> IndexMap<String, Signature> {
    let of = |path: &&str| {
        let field = |name: &str| vec![Field::new(name, Ty::Str)];
        let signature = Signature {
            name: "S".into(),
            instructions: "start".into(),
            inputs: field("question"),
            outputs: field(path),
            types: Arc::new(TypeTable::new()),
            contracts: 0,
        };
        ((*path).to_owned(), signature)
    };
    PATHS.iter().map(of).collect()
}

fn record(fields: &[(&str, String)]) -> Record {
    fields.iter().map(|(name, it)| ((*name).into(), Value::from(it.as_str()))).collect()
}

fn rows(from: usize, n: usize) -> Dataset {
    Dataset::from_records((from..from + n).map(|at| record(&[("question", format!("q{at}"))])))
}

/// A number that looks random and depends on the parts only.
fn hash(parts: &[&str]) -> u64 {
    let mixed = parts.join("|").bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (mixed ^ (mixed >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

/// The instructions of all predictors.
type Words = BTreeMap<String, String>;

fn words(state: &State) -> Words {
    let of = |path: &&str| {
        let own = state.get(path).and_then(|it| it.instructions.clone());
        ((*path).to_owned(), own.unwrap_or_else(|| "start".to_owned()))
    };
    PATHS.iter().map(of).collect()
}

/// What a program with these words scores on a row: each word of each predictor helps on some rows
/// and hurts on others. One score of two, where the metric gives several.
fn score(words: &Words, question: &str, what: &str) -> f64 {
    let mut sum = 2;
    for (path, text) in words {
        for word in text.split(' ').skip(1) {
            sum += match hash(&[path, word, question, what]) % 5 {
                0 | 1 => 1,
                2 => -1,
                _ => 0,
            };
        }
    }
    f64::from(sum.clamp(0, 4)) / 4.0
}

fn counted(words: &Words, question: &str, several: bool) -> f64 {
    if several {
        f64::midpoint(score(words, question, "exact"), score(words, question, "short"))
    } else {
        score(words, question, "exact")
    }
}

/// A proposal that was asked for.
#[derive(Debug, Clone, PartialEq)]
struct Asked {
    path: String,
    /// The words of the parent.
    parent: Words,
    rows: Vec<String>,
    text: String,
}

/// A program whose scores follow from its words, and a model that adds a word to them.
#[derive(Default)]
struct World {
    several: bool,
    /// Some runs fail by machines.
    flaky: bool,
    unbounded: bool,
    calls: AtomicU64,
    asked: Mutex<Vec<Asked>>,
    /// Which of the answers are cut, by number.
    cut_every: Option<u64>,
}

impl World {
    /// Takes so many calls, where they are left.
    fn claim(&self, job: &Job, calls: u64) -> Option<Outcome> {
        if job.max_calls.is_some_and(|most| most < calls) {
            let failure = Failure::new(FailureKind::Stopped, "its share of calls is used up");
            return Some(Outcome::failed(failure));
        }
        self.calls.fetch_add(calls, Ordering::SeqCst);
        None
    }
}

impl Evaluator for World {
    fn run(&self, job: &Job) -> Outcome {
        let question = job.row.values["question"].to_string();
        let words = words(&job.state);
        let calls = 1 + hash(&[&question, &format!("{words:?}"), "calls"]) % 2;
        if let Some(stopped) = self.claim(job, calls) {
            return stopped;
        }
        if self.flaky && hash(&[&question, "machine"]).is_multiple_of(13) {
            let failure = Failure::new(FailureKind::Infrastructure, "503");
            return Outcome { calls: calls as u32, ..Outcome::failed(failure) };
        }
        let step = |path: &&str| Step {
            path: (*path).to_owned(),
            inputs: record(&[("question", question.clone())]),
            outputs: record(&[(path, format!("{words:?}"))]),
            ..Step::default()
        };
        let value = counted(&words, &question, self.several);
        let names = ["exact", "short"];
        let scores = names.map(|it| (it.to_owned(), score(&words, &question, it)));
        let scores = if self.several { scores.into() } else { IndexMap::new() };
        let special = IndexMap::from([("find".to_owned(), format!("special {question}"))]);
        Outcome {
            score: Some(value),
            scores: scores.into(),
            feedback: Some(format!("general {question}")),
            feedback_by: special.into(),
            steps: if job.keep_steps { PATHS.iter().map(step).collect() } else { Vec::new() },
            calls: calls as u32,
            ..Outcome::default()
        }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        (!self.unbounded).then_some(2)
    }
}

/// The model that proposes.
struct Asks<'w>(&'w World);

impl Evaluator for Asks<'_> {
    fn run(&self, job: &Job) -> Outcome {
        if let Some(stopped) = self.0.claim(job, 1) {
            return stopped;
        }
        let text = |name: &str| job.row.values[name].to_string();
        let fields = text("fields");
        let path = PATHS.iter().find(|it| fields.contains(&format!("writes {it}"))).unwrap();
        let Value::List(examples) = &job.row.values["examples"] else { panic!("no list") };
        let part = |it: &Value, name: &str| match it {
            Value::Map(it) => it[name].to_string(),
            _ => panic!("no map"),
        };
        let rows: Vec<String> = examples
            .iter()
            .map(|it| part(it, "inputs").trim_start_matches("question: ").to_owned())
            .collect();
        for (example, row) in examples.iter().zip(&rows) {
            let wanted = if *path == "find" { "special" } else { "general" };
            assert!(part(example, "feedback").ends_with(&format!("{wanted} {row}")));
        }
        let state = part(&examples[0], "outputs");
        let state = state.split_once(": ").unwrap().1;
        let parent = PATHS.iter().map(|path| {
            let start = format!("{path:?}: \"");
            let rest = state.split_once(&start).unwrap().1;
            ((*path).to_owned(), rest.split('"').next().unwrap().to_owned())
        });
        let current = text("current_instruction");
        let number = hash(&[&current, &rows.concat(), &job.rollout.to_string()]);
        let proposed = format!("{current} w{}", number % 1_000_000);
        let parent: Words = parent.collect();
        assert_eq!(parent[*path], current);
        let is_cut = self.0.cut_every.is_some_and(|every| number.is_multiple_of(every));
        if !is_cut {
            let text = proposed.clone();
            self.0.asked.lock().unwrap().push(Asked {
                path: (*path).to_owned(),
                parent,
                rows,
                text,
            });
        }
        let reply = record(&[("new_instruction", proposed)]);
        let step = Step { cut: is_cut, reply_hash: Some("r".into()), ..Step::default() };
        Outcome { reply, steps: vec![step], calls: 1, ..Outcome::default() }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(1)
    }
}

impl Proposer for Asks<'_> {
    fn evaluator(&self, question: Question) -> &dyn Evaluator {
        assert_eq!(question, Question::ReflectedInstructions);
        self
    }
}

fn settings(seed: u64, threads: usize, max_calls: Option<u64>) -> Settings {
    let run = RunOptions { threads, retries: 1, width: 5 };
    Settings { seed, run, max_calls, ..Settings::default() }
}

fn with_problem<T>(world: &World, work: impl FnOnce(&Problem<'_>) -> T) -> T {
    let (signatures, proposer) = (program(), Asks(world));
    work(&Problem {
        source: String::new(),
        proposer: Some(&proposer),
        evaluator: world,
        signatures: &signatures,
        start: State::default(),
        teacher: None,
        trainset: rows(0, 10),
        valset: Some(rows(1000, 12)),
        testset: None,
        care: Care::default(),
        lm: None,
    })
}

fn search(policy: &Gepa, world: &World, settings: &Settings) -> Compiled {
    with_problem(world, |problem| {
        compile(policy, problem, settings, &Cancel::default(), &mut |_| ()).unwrap()
    })
}

fn rounds(rounds: usize) -> Gepa {
    Gepa { effort: Effort::Rounds(rounds), at_once: 1, ..Gepa::default() }
}

/// A program of the pool, as the model of the algorithm knows it.
#[derive(Debug)]
struct Known {
    words: Words,
    parents: Vec<usize>,
    turn: usize,
    /// What it scores on each row to choose by, and in each of several scores.
    columns: Vec<f64>,
    mean: f64,
}

impl Known {
    fn new(words: Words, parents: Vec<usize>, turn: usize, several: bool) -> Self {
        let questions: Vec<String> = (1000..1012).map(|at| format!("q{at}")).collect();
        let rows: Vec<f64> = questions.iter().map(|it| counted(&words, it, several)).collect();
        let mean = rows.iter().sum::<f64>() / 12.0;
        let objective = |what: &&str| {
            questions.iter().map(|it| score(&words, it, what)).sum::<f64>() / 12.0
        };
        let objectives = ["exact", "short"].iter().map(objective).filter(|_| several);
        let columns = rows.iter().copied().chain(objectives).collect();
        Self { words, parents, turn, columns, mean }
    }
}

/// Who may be drawn: of each column the best; then, the lowest mean first and the latest of
/// equal ones, those go whose every column another one stands for.
fn front(pool: &[Known]) -> BTreeSet<usize> {
    let columns = pool[0].columns.len();
    let mut best: Vec<BTreeSet<usize>> = (0..columns)
        .map(|column| {
            let most = pool.iter().map(|it| it.columns[column]).fold(f64::MIN, f64::max);
            (0..pool.len()).filter(|at| pool[*at].columns[column] == most).collect()
        })
        .collect();
    let mut order: Vec<usize> = (0..pool.len()).rev().collect();
    let mean = |at: usize| pool[at].columns.iter().sum::<f64>();
    order.sort_by(|a, b| mean(*a).total_cmp(&mean(*b)));
    for at in order {
        if best.iter().all(|it| !it.contains(&at) || it.len() > 1) {
            best.iter_mut().for_each(|it| {
                it.remove(&at);
            });
        }
    }
    best.into_iter().flatten().collect()
}

fn ancestors(pool: &[Known], of: usize) -> BTreeSet<usize> {
    let mut all: BTreeSet<usize> = pool[of].parents.iter().copied().collect();
    for parent in pool[of].parents.clone() {
        all.extend(ancestors(pool, parent));
    }
    all
}

/// Whether this could have been combined of two of the pool, and of which.
fn combined(pool: &[Known], made: &Words) -> Option<(usize, usize)> {
    let front = front(pool);
    for one in &front {
        for other in front.range(one + 1..) {
            let (of_one, of_other) = (ancestors(pool, *one), ancestors(pool, *other));
            if of_one.contains(other) || of_other.contains(one) {
                continue;
            }
            for common in of_one.intersection(&of_other) {
                let [a, b, c] = [*one, *other, *common].map(|it| &pool[it]);
                if c.mean > a.mean.min(b.mean) {
                    continue;
                }
                let fits = |path: &&str| {
                    let of = |it: &Known| it.words[*path].clone();
                    let (a_text, b_text, c_text, text) = (of(a), of(b), of(c), &made[*path]);
                    if a_text == b_text {
                        *text == a_text
                    } else if a_text == c_text {
                        *text == b_text
                    } else if b_text == c_text {
                        *text == a_text
                    } else {
                        (*text == a_text && a.mean >= b.mean)
                            || (*text == b_text && b.mean >= a.mean)
                    }
                };
                if PATHS.iter().all(fits) {
                    return Some((*one, *other));
                }
            }
        }
    }
    None
}

/// Goes through a search again, from what was proposed alone.
fn follow(world: &World, found: &Compiled) -> (usize, usize) {
    let several = world.several;
    let start: Words = PATHS.iter().map(|it| ((*it).to_owned(), "start".to_owned())).collect();
    let mut pool = vec![Known::new(start, Vec::new(), 0, several)];
    let mut kept = found.report.candidates.iter().skip(1).map(|it| words(&it.state)).peekable();
    let (mut merged, mut seen, mut refused) = (0, BTreeMap::<String, usize>::new(), 0);
    let proposed = world.asked.lock().unwrap().clone();
    for asked in &proposed {
        // Combinations stand before the proposal of their round, which does not know of them, or
        // before that of a later one, where nothing had to be proposed.
        let before = front(&pool);
        while let Some(made) = kept.peek().filter(|it| {
            let of_proposal = |asked: &Asked| {
                let mut words = asked.parent.clone();
                words.insert(asked.path.clone(), asked.text.clone());
                words == **it
            };
            !proposed.iter().any(of_proposal)
        }) {
            let pair = combined(&pool, made).unwrap();
            let turn = pool[pair.0].turn.max(pool[pair.1].turn);
            pool.push(Known::new(made.clone(), vec![pair.0, pair.1], turn, several));
            merged += 1;
            kept.next();
        }
        let parent = pool.iter().position(|it| it.words == asked.parent).unwrap();
        let may = before.contains(&parent) || front(&pool).contains(&parent);
        assert!(may, "{parent} of {pool:?}");
        assert_eq!(asked.path, PATHS[pool[parent].turn], "whose turn it is");
        let turn = (pool[parent].turn + 1) % PATHS.len();
        pool[parent].turn = turn;
        assert_eq!(asked.rows.len(), 3);
        asked.rows.iter().for_each(|row| *seen.entry(row.clone()).or_default() += 1);
        let mut child = asked.parent.clone();
        child.insert(asked.path.clone(), asked.text.clone());
        let sum = |words: &Words| -> f64 {
            asked.rows.iter().map(|row| counted(words, row, several)).sum()
        };
        assert!(asked.rows.iter().any(|row| counted(&asked.parent, row, several) < 1.0));
        if sum(&child) > sum(&asked.parent) {
            assert_eq!(kept.next().as_ref(), Some(&child), "it is better");
            pool.push(Known::new(child, vec![parent], turn, several));
        } else {
            refused += 1;
        }
    }
    for made in kept {
        assert!(combined(&pool, &made).is_some(), "{made:?} came from nowhere");
    }
    for (known, candidate) in pool.iter().zip(&found.report.candidates) {
        assert_eq!(candidate.score, Some(known.mean));
    }
    let best = pool.iter().map(|it| it.mean).fold(f64::MIN, f64::max);
    assert!(found.report.best_candidate().unwrap().score.unwrap() >= best);
    (merged, refused)
}

#[test]
fn each_decision_is_that_of_the_algorithm() {
    let (mut merged, mut refused, mut kept) = (0, 0, 0);
    for seed in 0..5 {
        for several in [false, true] {
            let world = World { several, ..World::default() };
            let found = search(&rounds(25), &world, &settings(seed, 2, None));
            let (of_seed, worse) = follow(&world, &found);
            merged += of_seed;
            refused += worse;
            kept += found.report.candidates.len();
        }
    }
    assert!(merged >= 3, "{merged} combinations");
    assert!(refused >= 30 && kept >= 30, "{refused} refused, {kept} kept");
}

#[test]
fn minibatches_take_each_row_once_an_epoch() {
    let world = World::default();
    search(&rounds(10), &world, &settings(3, 1, None));
    let asked = world.asked.lock().unwrap();
    for batch in asked.iter() {
        assert_eq!(batch.rows.iter().collect::<BTreeSet<_>>().len(), 3, "a row twice");
    }
}

#[test]
fn the_runs_of_an_effort_are_those_of_dspy() {
    // What DSPy 3.4.1 tells for one predictor and two, before it starts.
    let known = [
        (Effort::Light, 1, 50, 580),
        (Effort::Medium, 1, 50, 940),
        (Effort::Heavy, 1, 50, 1385),
        (Effort::Light, 1, 100, 780),
        (Effort::Heavy, 1, 100, 1735),
        (Effort::Light, 2, 100, 1330),
        (Effort::Heavy, 2, 100, 2045),
    ];
    for (effort, predictors, val, runs) in known {
        with_problem(&World::default(), |problem| {
            let care = Care { confirm: 0.0, ..Care::default() };
            let only = Some(PATHS[..predictors].iter().map(|it| (*it).to_owned()).collect());
            let valset = Some(rows(1000, val));
            let problem = Problem { valset, care, ..problem.clone() };
            let settings = Settings { only, ..Settings::default() };
            let policy = Gepa { effort, ..Gepa::default() };
            let plan = plan(&policy, &problem, &settings).unwrap();
            // One more program can be scored when they are used up.
            let most = runs + val as u64;
            assert_eq!(plan.phases[1].runs, most, "{effort:?} {predictors} {val}");
            // Rows that are held back are rows to choose by, and what they take counts.
            let care = Care::default();
            let held_back = dsp_lang::optimize::plan(
                &policy,
                &Problem { care, ..problem.clone() },
                &settings,
            );
            let phases = held_back.unwrap().phases;
            let confirmed: u64 = phases[2..].iter().map(|it| it.runs).sum();
            let left = val as u64 - (val as u64).div_ceil(3);
            let diff = (phases[1].runs + confirmed).abs_diff(runs + left);
            assert!(diff <= 1, "{effort:?} {predictors} {val}: {phases:?}");
        });
    }
}

#[test]
fn refused_proposals_are_told_and_cost_no_runs() {
    let world = World { cut_every: Some(1), ..World::default() };
    let found = search(&rounds(6), &world, &settings(1, 2, None));
    assert_eq!(found.report.candidates.len(), 1);
    let notice = found.report.notices.last().unwrap();
    assert_eq!(notice.message, "6 proposals were not taken");
    assert_eq!(notice.notes, ["6: it was cut off at the limit of tokens"]);
    assert_eq!(found.report.remarks, ["6 proposals: 6 without new words"]);
}

#[test]
fn only_some_predictors_evolve_and_words_say_where_they_are_from() {
    let mut settings = settings(2, 2, None);
    settings.only = Some(vec!["say".into()]);
    let world = World::default();
    let found = search(&rounds(20), &world, &settings);
    assert!(world.asked.lock().unwrap().iter().all(|it| it.path == "say"));
    assert!(found.report.best.unwrap() > 0, "nothing was found");
    assert_eq!(found.state.predictors.keys().collect::<Vec<_>>(), ["say"]);
    let origin = found.state.get("say").unwrap().instructions_origin.clone().unwrap();
    assert_eq!(origin.optimizer, "gepa");
    assert!(origin.note.starts_with("round ") && origin.note.contains(", from rows "));
    assert_eq!(origin.reply_hash.as_deref(), Some("r"));
}

#[test]
fn a_report_says_how_it_went() {
    let found = search(&rounds(20), &World::default(), &settings(2, 2, None));
    let text = found.report.render();
    assert!(text.contains("\n20 proposals: "), "{text}");
    assert!(text.contains("better on their rows, and scored"), "{text}");
    assert!(found.report.candidates[1].label.ends_with(" of as it is"), "{text}");
}

fn any_policy() -> impl Strategy<Value = Gepa> {
    let effort = prop_oneof![
        Just(Effort::Light),
        (0usize..30).prop_map(Effort::Rounds),
        (0usize..30).prop_map(Effort::Rounds),
    ];
    let front = prop_oneof![Just(Front::Rows), Just(Front::Scores), Just(Front::Both)];
    let components = prop_oneof![
        Just(vec![PartKind::Instructions]),
        Just(vec![PartKind::Instructions, PartKind::Demos]),
        Just(vec![PartKind::Demos]),
    ];
    (effort, 1usize..5, 1usize..6, any::<bool>(), 0usize..3, front, components).prop_map(
        |(effort, minibatch, at_once, all_parts, merges, front, components)| Gepa {
            effort,
            minibatch,
            at_once,
            all_parts,
            merges,
            front,
            components,
            ..Gepa::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_cap_is_never_passed_and_threads_change_nothing(
        policy in any_policy(),
        cap in prop_oneof![Just(None), (0u64..400).prop_map(Some)],
        seed in any::<u64>(),
        unbounded in any::<bool>(),
        several in any::<bool>(),
        flaky in any::<bool>(),
    ) {
        let world = || World {
            several,
            flaky,
            unbounded,
            cut_every: Some(7),
            ..World::default()
        };
        let one = world();
        let found = search(&policy, &one, &settings(seed, 1, cap));
        let calls = one.calls.load(Ordering::SeqCst);
        prop_assert_eq!(found.report.calls, calls);
        prop_assert!(cap.is_none_or(|cap| calls <= cap));
        let most = with_problem(&one, |problem| {
            plan(&policy, problem, &settings(seed, 1, cap)).unwrap().worst_case()
        });
        // Runs that machines failed are tried once more.
        prop_assert!(most.is_none_or(|most| calls <= 2 * most), "{} of {:?}", calls, most);
        prop_assert!(flaky || most.is_none_or(|most| calls <= most), "{} of {:?}", calls, most);
        let many = world();
        let mut best: Option<f64> = None;
        let mut watch = |it: &Progress| {
            assert!(it.best >= best, "{:?} after {:?}", it.best, best);
            best = it.best;
        };
        let again = with_problem(&many, |problem| {
            let settings = settings(seed, 64, cap);
            compile(&policy, problem, &settings, &Cancel::default(), &mut watch).unwrap()
        });
        prop_assert_eq!(&again, &found);
        let first = found.report.candidates.first().and_then(|it| it.score);
        let last = found.report.best_candidate().and_then(|it| it.score);
        prop_assert!(last >= first);
    }
}
