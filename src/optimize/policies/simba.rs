//! Small steps up on minibatches: a demo or a piece of advice at a time, from rows whose runs
//! differ the most.
//!
//! `SIMBA` in DSPy (stochastic introspective mini-batch ascent; there is no paper). A step, in
//! plain words:
//!
//! 1. Take the next rows to learn from, and run each `candidates` times at temperature 1: each
//!    time one of the best programs so far, by chance, the better the likelier.
//! 2. Put rows first whose runs differ the most in score, and of these the ones with the best
//!    run.
//! 3. For each of these rows choose a program in the same way, drop a demo or more from it if it
//!    has many, and add something, by chance either the row's best run as a demo, or advice that
//!    a model gives who reads the best and the worst run, until there are `candidates` programs.
//! 4. Run these on the same rows. All join the programs of 1; the best one is the step's winner.
//!
//! At most `candidates` winners, evenly spaced over the steps, and the program as it was are
//! scored on the rows to choose by.
//!
//! Differs from DSPy, which
//! - chooses on the rows that it learns from;
//! - lets a program that learnt a demo from a row show it when it runs on that row: here it is
//!   left out, else each demo solves the row that it came from;
//! - counts the program as it was as 0, which takes it out of the choice: here a program's score
//!   is the mean of all its runs on rows to learn from, those of 1 included;
//! - leaves out rows by the 10th and 90th percentile of scores even where these are the lowest or
//!   highest score, so that nothing is learnt where nine of ten runs are right or wrong, and asks
//!   for advice where all runs are the same;
//! - counts a change that was not made as a program, and scores it again;
//! - asks for advice to all predictors in one question, whose answer is a map: here one is drawn of
//!   those that wrote other things in the two runs, and the answer is a plain text.
//!
//! Winners are scored as they come, beside the samples of the next step, so that a search that is
//! stopped has one to give. All questions of a step are asked at once, and programs that only show
//! one more demo are run beside them.

use crate::diag::Diagnostic;
use crate::eval::{Outcome, Random, Stop};
use crate::optimize::demo::{from_run, without_row};
use crate::optimize::policies::advice::{MOST_OF_ADVICE, advised, parting, question};
use crate::optimize::policies::buckets::{Bounds, Bucket, Run, in_order, mean};
use crate::optimize::policies::count;
use crate::optimize::propose::{Judge, Refusals};
use crate::optimize::{Ask, Example, FEW_DEMOS, Phase, Policy, Question, Search, Sizes, Who};
use crate::program::State;
use crate::sampling::{Minibatches, float, poisson, softmax};
use crate::schema::{Signature, Value};
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How freely programs are chosen by their scores.
const CHOICE: f64 = 0.2;
/// The temperature of samples.
const SAMPLES: f64 = 1.0;

/// Demos and advice from rows whose runs differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Simba {
    /// How many rows a step sees.
    pub minibatch: usize,
    /// How often a row is run in a step, and how many programs a step makes.
    pub candidates: usize,
    /// How many steps there are.
    pub steps: usize,
    /// About how many demos a predictor has at most.
    pub max_demos: usize,
    /// How freely advice is given.
    pub temperature: f64,
}

impl Default for Simba {
    fn default() -> Self {
        Self { minibatch: 32, candidates: 6, steps: 8, max_demos: 4, temperature: 1.0 }
    }
}

impl Policy for Simba {
    fn name(&self) -> &'static str {
        "simba"
    }

    fn options(&self) -> IndexMap<String, Value> {
        IndexMap::from([
            ("minibatch".to_owned(), count(self.minibatch)),
            ("candidates".to_owned(), count(self.candidates)),
            ("steps".to_owned(), count(self.steps)),
            ("max_demos".to_owned(), count(self.max_demos)),
            ("proposer_temperature".to_owned(), Value::Float(self.temperature)),
        ])
    }

    fn needs_valset(&self) -> bool {
        true
    }

    fn questions(&self) -> Vec<Question> {
        vec![Question::Advice]
    }

    fn phases(&self, sizes: &Sizes) -> Vec<Phase> {
        let (rows, each) = (self.minibatch.min(sizes.train), self.steps * self.candidates);
        let of_teacher = if sizes.has_teacher { self.steps } else { 0 };
        let advice = Who::Proposer(Question::Advice);
        let mut phases = vec![
            Phase::new("sample minibatches", Who::Student, rows, each - of_teacher),
            Phase::new("teacher's samples", Who::Teacher, rows, of_teacher),
            Phase::new("advice", advice, self.steps, self.candidates),
            Phase::new("score on minibatches", Who::Student, rows, each),
            Phase::new("score winners", Who::Student, sizes.val, self.most_scored()),
        ];
        phases.retain(|it| it.runs > 0);
        phases
    }

    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        let mut ascent = Ascent::new(self, search);
        let ended = ascent.climb(search);
        ascent.refusals.tell(search);
        ended
    }
}

impl Simba {
    /// How many programs are scored on the rows to choose by: winners and the program as it was.
    fn most_scored(&self) -> usize {
        self.candidates.min(self.steps) + 1
    }

    /// How many of them are due after so many steps, when they are evenly spaced.
    fn due(&self, steps: usize) -> usize {
        let among = self.most_scored() - 1;
        if steps == 0 { 1 } else { 1 + (steps * among) / self.steps }
    }
}

/// A program that was made.
struct Member {
    state: Arc<State>,
    hash: String,
    /// It, for samples.
    sampled: Arc<State>,
    /// What its runs on rows to learn from scored.
    scores: Vec<f64>,
}

impl Member {
    fn mean(&self) -> f64 {
        mean(&self.scores).unwrap_or_default()
    }
}

/// A run that is made of a row.
struct Sample {
    /// The place of the row in its minibatch.
    row: usize,
    /// The program; `None` for the teacher.
    source: Option<usize>,
    ask: Ask,
}

/// A change that may be made.
struct Change<'a> {
    bucket: &'a Bucket,
    /// What is changed.
    state: State,
    made: Made,
}

enum Made {
    /// A demo was added.
    Demo,
    /// Advice to a predictor is to be asked for.
    Advice(String, Ask),
}

struct Ascent<'a> {
    options: &'a Simba,
    predictors: IndexMap<String, Signature>,
    judge: Judge,
    refusals: Refusals,
    pool: Vec<Member>,
    /// How many steps found nothing to try.
    idle: usize,
}

impl<'a> Ascent<'a> {
    fn new(options: &'a Simba, search: &Search<'_>) -> Self {
        let predictors = search.predictors();
        let judge = Judge::new(search.train(), MOST_OF_ADVICE);
        let refusals = Refusals::default();
        let pool = Vec::new();
        let mut ascent = Self { options, predictors, judge, refusals, pool, idle: 0 };
        ascent.join(search.start().clone(), Vec::new());
        ascent
    }

    fn climb(&mut self, search: &mut Search<'_>) -> Result<(), Stop> {
        let (rows, size) = (search.train().len(), self.options.minibatch);
        let mut batches = Minibatches::new(rows, size, search.seed());
        let mut due = vec![(0, "as it is".to_owned(), search.start().clone())];
        let (mut given, mut spare) = (1, Vec::new());
        for step in 0..self.options.steps {
            let rows = batches.next_batch().into_iter();
            let batch: Vec<Example> = rows.map(|at| search.train()[at].clone()).collect();
            let samples = self.samples(search, step, &batch);
            let asks: Vec<Ask> = samples.iter().map(|it| it.ask.clone()).collect();
            let outcomes = search.step("sample", std::mem::take(&mut due), &asks)?;
            let buckets = self.buckets(&batch, &samples, &outcomes);
            let states = self.states(search, step, &batch, &buckets)?;
            let winner = self.winner(search, &batch, states)?;
            spare.extend(winner);
            if given < self.options.due(step + 1)
                && let Some((label, state)) = spare.pop()
            {
                due.push((given, label, state));
                given += 1;
            }
        }
        self.tell(search);
        search.step("score winners", due, &[]).map(|_| ())
    }

    /// Says so where steps found nothing to try.
    fn tell(&self, search: &mut Search<'_>) {
        let idle = self.idle;
        if idle == 0 {
            return;
        }
        let of = self.options.steps;
        let message = format!("{idle} of {of} steps found no row to learn from");
        let hint = "where all runs of all rows score the same, more rows or a metric with finer \
                    scores would tell them apart";
        search.notice(Diagnostic::bare(FEW_DEMOS, message).hint(hint));
    }

    fn join(&mut self, state: State, scores: Vec<f64>) {
        let sampled = Arc::new(self.sampled(&state));
        let hash = state.hash();
        self.pool.push(Member { state: Arc::new(state), hash, sampled, scores });
    }

    /// The state as samples are made with it.
    fn sampled(&self, state: &State) -> State {
        let mut state = state.clone();
        for path in self.predictors.keys() {
            state.entry(path).options.temperature = Some(SAMPLES);
        }
        state
    }

    /// Chooses a program: one of the best or the program as it was.
    fn choose(&self, random: &mut Random) -> usize {
        let mut best: Vec<usize> = (0..self.pool.len()).collect();
        best.sort_by(|a, b| self.pool[*b].mean().total_cmp(&self.pool[*a].mean()));
        best.truncate(self.options.candidates);
        if !best.contains(&0)
            && let Some(last) = best.last_mut()
        {
            *last = 0;
        }
        let scores: Vec<f64> = best.iter().map(|at| self.pool[*at].mean()).collect();
        best[softmax(random, &scores, CHOICE)]
    }

    /// The runs that a step learns from.
    fn samples(&self, search: &Search<'_>, step: usize, batch: &[Example]) -> Vec<Sample> {
        let teacher = search.teacher().map(|it| Arc::new(self.sampled(it)));
        let sample = |number: usize, row: usize| {
            let mut random = search.random(&format!("step {step}/sample {number}/{row}"));
            let (who, source, state) = match &teacher {
                Some(state) if number == 0 => (Who::Teacher, None, state),
                _ => {
                    let at = self.choose(&mut random);
                    (Who::Student, Some(at), &self.pool[at].sampled)
                }
            };
            let example = batch[row].clone();
            let (state, rollout) = (apart(state, &example), number as u64);
            let ask = Ask { who, state, example, rollout, keep_steps: true };
            Sample { row, source, ask }
        };
        let numbers = 0..self.options.candidates;
        numbers
            .flat_map(|it| (0..batch.len()).map(move |row| (it, row)))
            .map(|(number, row)| sample(number, row))
            .collect()
    }

    /// Groups runs by row, and puts those first that tell the most; programs learn their scores.
    fn buckets(
        &mut self,
        batch: &[Example],
        samples: &[Sample],
        outcomes: &[Option<Arc<Outcome>>],
    ) -> Vec<Bucket> {
        let empty = |it: &Example| Bucket { example: it.clone(), runs: Vec::new() };
        let mut buckets: Vec<Bucket> = batch.iter().map(empty).collect();
        for (sample, outcome) in samples.iter().zip(outcomes) {
            let scored = outcome.as_ref().and_then(|it| Some((it, it.value()?)));
            let Some((outcome, score)) = scored else { continue };
            if let Some(at) = sample.source {
                self.pool[at].scores.push(score);
            }
            let (number, outcome) = (sample.ask.rollout, Arc::clone(outcome));
            buckets[sample.row].runs.push(Run { number, outcome, score });
        }
        in_order(buckets)
    }

    /// The programs of a step, each with a label.
    fn states(
        &mut self,
        search: &mut Search<'_>,
        step: usize,
        batch: &[Example],
        buckets: &[Bucket],
    ) -> Result<Vec<(String, State)>, Stop> {
        let changes = self.changes(search, step, buckets);
        self.idle += usize::from(changes.is_empty());
        let mut asks: Vec<Ask> = changes.iter().filter_map(Change::ask).collect();
        let n_questions = asks.len();
        // A program that only shows one more demo waits for nobody's advice.
        let ready = changes.iter().filter(|it| matches!(it.made, Made::Demo));
        asks.extend(ready.filter(|it| !self.knows(&it.state)).flat_map(|it| {
            let state = Arc::new(it.state.clone());
            batch.iter().map(move |example| trial(&state, example))
        }));
        let mut runs = search.run("advice", &asks);
        runs.outcomes.truncate(n_questions);
        let mut answers = runs.outcomes.into_iter();
        let mut states: Vec<(String, State)> = Vec::new();
        let mut known: BTreeSet<String> = self.pool.iter().map(|it| it.hash.clone()).collect();
        for change in changes {
            let row = change.bucket.example.row.index;
            let (what, state) = match &change.made {
                Made::Demo => ("demo", Some(change.state)),
                Made::Advice(path, _) => {
                    let answer = answers.next().flatten();
                    let note = format!("step {}, row {row}", step + 1);
                    let state = advised(
                        (path, &self.predictors[path]),
                        &change.state,
                        answer.as_deref(),
                        &self.judge,
                        (self.options.name(), &note),
                    );
                    ("advice", state.map_err(|why| self.refusals.add(&why)).ok())
                }
            };
            if let Some(state) = state.filter(|it| known.insert(it.hash())) {
                states.push((format!("step {}, {what}, row {row}", step + 1), state));
            }
        }
        runs.stop.map_or(Ok(states), Err)
    }

    fn knows(&self, state: &State) -> bool {
        let hash = state.hash();
        self.pool.iter().any(|it| it.hash == hash)
    }

    /// What is changed in a step.
    fn changes<'b>(
        &self,
        search: &Search<'_>,
        step: usize,
        buckets: &'b [Bucket],
    ) -> Vec<Change<'b>> {
        let bounds = Bounds::of(buckets);
        let change = |(at, bucket): (usize, &'b Bucket)| {
            let mut random = search.random(&format!("step {step}/change {at}"));
            let source = &self.pool[self.choose(&mut random)];
            let state = self.without_some(&source.state, &mut random);
            let wants_demo = self.options.max_demos > 0 && random.coin();
            if wants_demo {
                let state = self.with_demo(search, step, &state, bucket);
                let state = state.filter(|_| bounds.shows(bucket))?;
                return Some(Change { bucket, state, made: Made::Demo });
            }
            let made =
                self.ask(search, &state, bucket, random).filter(|_| bounds.teaches(bucket));
            made.map(|made| Change { bucket, state, made })
        };
        let all = buckets.iter().enumerate().filter_map(change);
        all.take(self.options.candidates).collect()
    }

    /// The state without some of its demos: the same ones of all predictors.
    fn without_some(&self, state: &State, random: &mut Random) -> State {
        let mut state = state.clone();
        let demos = |path: &String| state.get(path).map_or(0, |it| it.demos.len());
        let most = self.predictors.keys().map(demos).max().unwrap_or(0);
        let room = self.options.max_demos;
        if most == 0 || room == 0 {
            return state;
        }
        let drawn = poisson(random, float(most) / float(room));
        let dropped = random.sample(most, drawn.max(usize::from(most >= room)));
        for path in self.predictors.keys() {
            let mut at = 0..;
            state
                .entry(path)
                .demos
                .retain(|_| at.next().is_some_and(|it| !dropped.contains(&it)));
        }
        state
    }

    /// The state with the best run of a row as a demo.
    fn with_demo(
        &self,
        search: &Search<'_>,
        step: usize,
        state: &State,
        bucket: &Bucket,
    ) -> Option<State> {
        let (example, best) = (&bucket.example, bucket.best());
        let label = |path: &str| format!("step {step}/demo/{}/{path}", example.hash);
        let random = |path: &str| search.random(&label(path));
        let demos = from_run(&best.outcome, example, best.number, &self.predictors, random);
        let (mut state, any) = (state.clone(), !demos.is_empty());
        for (path, demo) in demos {
            let own = &mut state.entry(&path).demos;
            // A row is shown once.
            own.retain(|it| it.origin.as_ref().is_none_or(|it| it.row_hash != example.hash));
            own.push(demo);
        }
        any.then_some(state)
    }

    /// The question for advice; `None` where no predictor that may change was at work.
    fn ask(
        &self,
        search: &Search<'_>,
        state: &State,
        bucket: &Bucket,
        random: Random,
    ) -> Option<Made> {
        let (best, worst) = (bucket.best(), bucket.worst());
        let to = parting(&self.predictors, &best.outcome, &worst.outcome, random)?;
        let (better, worse) = ((&*best.outcome, best.score), (&*worst.outcome, worst.score));
        let inputs = question(to, state, &bucket.example, better, worse);
        let ask = search.question(Question::Advice, inputs, self.options.temperature, 0);
        Some(Made::Advice(to.0.to_owned(), ask))
    }

    /// Scores programs on the minibatch that they were made of; the best of them.
    fn winner(
        &mut self,
        search: &mut Search<'_>,
        batch: &[Example],
        states: Vec<(String, State)>,
    ) -> Result<Option<(String, State)>, Stop> {
        let shared: Vec<Arc<State>> =
            states.iter().map(|(_, state)| Arc::new(state.clone())).collect();
        let pairs = shared.iter().flat_map(|state| batch.iter().map(move |it| (state, it)));
        let asks: Vec<Ask> = pairs.map(|(state, it)| trial(state, it)).collect();
        let runs = search.run("score on a minibatch", &asks);
        if let Some(stop) = runs.stop {
            return Err(stop);
        }
        let mut best: Option<(f64, usize, String, State)> = None;
        for ((label, state), outcomes) in
            states.into_iter().zip(runs.outcomes.chunks(batch.len().max(1)))
        {
            let scores: Vec<f64> =
                outcomes.iter().filter_map(|it| it.as_ref()?.value()).collect();
            self.join(state.clone(), scores.clone());
            let Some(score) = mean(&scores) else { continue };
            let demos = state.demo_count();
            let is_better = best.as_ref().is_none_or(|it| {
                score > it.0 || (score.total_cmp(&it.0).is_eq() && demos < it.1)
            });
            if is_better {
                best = Some((score, demos, label, state));
            }
        }
        Ok(best.map(|(_, _, label, state)| (label, state)))
    }
}

impl Change<'_> {
    fn ask(&self) -> Option<Ask> {
        match &self.made {
            Made::Demo => None,
            Made::Advice(_, ask) => Some(ask.clone()),
        }
    }
}

/// A run that tries a program on a row that was learnt from.
fn trial(state: &Arc<State>, example: &Example) -> Ask {
    Ask {
        who: Who::Student,
        state: apart(state, example),
        example: example.clone(),
        rollout: 0,
        keep_steps: false,
    }
}

/// The state without demos that were made of the row.
fn apart(state: &Arc<State>, example: &Example) -> Arc<State> {
    let bare = without_row(state, example);
    if bare.demo_count() == state.demo_count() { Arc::clone(state) } else { Arc::new(bare) }
}
