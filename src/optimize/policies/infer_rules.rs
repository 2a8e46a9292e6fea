//! Rules that a model reads off solved examples, at the end of the instructions.
//!
//! `InferRules` in DSPy (there is no paper). In plain words:
//!
//! 1. Bootstrap demos, as `bootstrap_few_shot` does.
//! 2. Show a model solved examples of each predictor, and have it write down at most `rules` rules
//!    by which outputs follow from inputs; do that `candidates` times.
//! 3. Score the bootstrapped program with each set of rules; the best stays.
//!
//! Differs from DSPy: predictors whose outputs no row has learn from what they wrote in runs that
//! scored well; each candidate is shown the examples in an order of its own, as many as a prompt
//! should have, and half as many where the question failed; all questions are asked at once; a
//! rule that carries a row of the training data is left out, the others stay; the program as it
//! was, and the bootstrapped one without rules, can be chosen too.

use crate::diag::Diagnostic;
use crate::eval::{FailureKind, Outcome, Stop};
use crate::optimize::demo::{Demos, Labels};
use crate::optimize::policies::advice::cut;
use crate::optimize::policies::bootstrap_few_shot::{Bootstrap, Courses, Wanted};
use crate::optimize::policies::count;
use crate::optimize::propose::{
    Judge, Proposal, Refusal, Refusals, answered, clean, instructions, with_instructions,
};
use crate::optimize::{
    Ask, BootstrapFewShot, FEW_DEMOS, Phase, Policy, Question, Search, Sizes, Who,
};
use crate::program::{DemoSource, State, StateDemo};
use crate::schema::{Record, Signature, Value};
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

/// The most characters of examples that a question shows.
const MOST_SHOWN: usize = 24_000;
/// The most characters of a rule.
const MOST_OF_RULE: usize = 1_000;
/// How often a question is asked at most: with all examples, with half, with a quarter.
const TRIES: usize = 3;
/// What stands between the instructions and the rules.
const HEADING: &str = "Keep to these rules:";

/// Rules from examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InferRules {
    /// How demos are made.
    pub bootstrap: BootstrapFewShot,
    /// How many sets of rules are tried.
    pub candidates: usize,
    /// The most rules of a predictor.
    pub rules: usize,
    /// How freely rules are proposed.
    pub temperature: f64,
}

impl Default for InferRules {
    fn default() -> Self {
        let bootstrap = BootstrapFewShot::default();
        Self { bootstrap, candidates: 10, rules: 10, temperature: 1.0 }
    }
}

impl Policy for InferRules {
    fn name(&self) -> &'static str {
        "infer_rules"
    }

    fn options(&self) -> IndexMap<String, Value> {
        let mut options = self.bootstrap.options();
        options.insert("candidates".to_owned(), count(self.candidates));
        options.insert("rules".to_owned(), count(self.rules));
        options.insert("proposer_temperature".to_owned(), Value::Float(self.temperature));
        options
    }

    fn needs_valset(&self) -> bool {
        true
    }

    fn questions(&self) -> Vec<Question> {
        vec![Question::Rules]
    }

    fn phases(&self, sizes: &Sizes) -> Vec<Phase> {
        let mut phases = self.bootstrap.phases(sizes);
        let (asked, scored) = (self.candidates * TRIES, self.candidates + 2);
        let rules = Who::Proposer(Question::Rules);
        phases.push(Phase::new("infer rules", rules, sizes.predictors, asked));
        phases.push(Phase::new("score candidates", Who::Student, sizes.val, scored));
        phases
    }

    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        let bootstrapped = self.bootstrapped(search)?;
        let shown = self.shown(search, &bootstrapped);
        let mut refusals = Refusals::default();
        let ended = self.infer(search, &bootstrapped, &shown, &mut refusals);
        refusals.tell(search);
        ended
    }
}

/// The examples that a candidate shows of a predictor.
struct Shown {
    candidate: usize,
    path: String,
    examples: Vec<String>,
}

impl InferRules {
    /// The program with demos, and the score of the program as it was.
    fn bootstrapped(&self, search: &mut Search<'_>) -> Result<State, Stop> {
        let bootstrap = Bootstrap::new(self.bootstrap, search);
        let order: Vec<usize> = (0..search.train().len()).collect();
        let label = "bootstrap".to_owned();
        let wanted = Wanted { label, order, size: self.bootstrap.max_bootstrapped };
        let mut courses = Courses::new(&bootstrap, search, vec![wanted]);
        let mut first = vec![(0, "as it is".to_owned(), search.start().clone())];
        while !(first.is_empty() && courses.are_done()) {
            let asks = courses.asks();
            let outcomes = search.step("bootstrap", std::mem::take(&mut first), &asks)?;
            courses.take(search, &asks, &outcomes);
        }
        let made = courses.made(search, 0);
        made.tell(search);
        Ok(made.state)
    }

    /// What each candidate shows of each predictor that has examples.
    fn shown(&self, search: &Search<'_>, bootstrapped: &State) -> Vec<Shown> {
        let predictors = search.predictors();
        let own = |path: &String| -> Vec<StateDemo> {
            let demos = bootstrapped.get(path).map(|it| it.demos.iter()).into_iter().flatten();
            demos.filter(|it| is_bootstrapped(it)).cloned().collect()
        };
        let own: Demos = predictors.keys().map(|path| (path.clone(), own(path))).collect();
        let origins = own.values().flatten().filter_map(|it| it.origin.as_ref());
        let used: BTreeSet<String> = origins.map(|it| it.row_hash.clone()).collect();
        let labels = Labels::new(&predictors, search.train());
        let mut all = Vec::new();
        for candidate in 0..self.candidates {
            let label = |path: &str| format!("rules {candidate}/{path}");
            let random = |path: &str| search.random(&label(path));
            let mut drawn = labels.draw(search.train(), &used, |_| usize::MAX, random);
            for (path, own) in &own {
                let mut demos =
                    [own.clone(), drawn.swap_remove(path).unwrap_or_default()].concat();
                search.random(&format!("{}/order", label(path))).shuffle(&mut demos);
                let examples = told(&demos);
                all.push(Shown { candidate, path: path.clone(), examples });
            }
        }
        all.retain(|it| !it.examples.is_empty());
        all
    }

    /// Has rules proposed, and scores the program with them.
    fn infer(
        &self,
        search: &mut Search<'_>,
        bootstrapped: &State,
        shown: &[Shown],
        refusals: &mut Refusals,
    ) -> Result<(), Stop> {
        let predictors = search.predictors();
        let judge = Judge::new(search.train(), MOST_OF_RULE);
        let mut scored = vec![(1, "bootstrap".to_owned(), bootstrapped.clone())];
        let mut answers: Vec<Option<Arc<Outcome>>> = vec![None; shown.len()];
        for attempt in 0..TRIES {
            let open: Vec<usize> = (0..shown.len())
                .filter(|at| answers[*at].as_deref().is_none_or(failed))
                .collect();
            let ask =
                |at: &usize| self.ask(search, &shown[*at], &predictors, bootstrapped, attempt);
            let asks: Vec<Ask> = open.iter().map(ask).collect();
            let came = search.step("rules", std::mem::take(&mut scored), &asks)?;
            for (at, outcome) in open.into_iter().zip(came) {
                answers[at] = outcome;
            }
        }
        if shown.is_empty() {
            let message = "no predictor has solved examples to infer rules from";
            let hint = "rows need the columns that a predictor writes, or runs a score above 0";
            search.notice(Diagnostic::bare(FEW_DEMOS, message).hint(hint));
        }
        let mut known: BTreeSet<String> = BTreeSet::from([bootstrapped.hash()]);
        let mut states = Vec::new();
        for candidate in 0..self.candidates {
            let mut state = bootstrapped.clone();
            let all = shown.iter().zip(&answers).filter(|it| it.0.candidate == candidate);
            for (shown, answer) in all {
                let signature = &predictors[&shown.path];
                let rules =
                    self.rules(&state, shown, signature, answer.as_deref(), &judge, refusals);
                if let Some(rules) = rules {
                    let note = format!("rules {}", candidate + 1);
                    state = with_instructions(&state, &shown.path, &rules, self.name(), &note);
                }
            }
            if known.insert(state.hash()) {
                states.push((2 + states.len(), format!("rules {}", candidate + 1), state));
            }
        }
        search.step("score candidates", states, &[]).map(|_| ())
    }

    fn ask(
        &self,
        search: &Search<'_>,
        shown: &Shown,
        predictors: &IndexMap<String, Signature>,
        bootstrapped: &State,
        attempt: usize,
    ) -> Ask {
        let few = (shown.examples.len() >> attempt).max(1);
        let examples = shown.examples[..few].iter().map(|it| Value::from(it.as_str()));
        let own = instructions(bootstrapped, &shown.path, &predictors[&shown.path]);
        let inputs: Record = [
            ("instructions", Value::str(own)),
            ("examples", Value::list(examples)),
            ("count", count(self.rules)),
        ]
        .into_iter()
        .map(|(name, value)| (Arc::from(name), value))
        .collect();
        search.question(Question::Rules, inputs, self.temperature, shown.candidate as u64)
    }

    /// The instructions of a predictor with the rules that are taken of an answer.
    fn rules(
        &self,
        state: &State,
        shown: &Shown,
        signature: &Signature,
        answer: Option<&Outcome>,
        judge: &Judge,
        refusals: &mut Refusals,
    ) -> Option<Proposal> {
        let own = instructions(state, &shown.path, signature);
        let (items, reply_hash) = match answered(answer, "rules") {
            Ok((Value::List(items), hash)) => (items.to_vec(), hash),
            Ok(_) => (Vec::new(), None),
            Err(why) => {
                refusals.add(&why);
                return None;
            }
        };
        let mut rules: Vec<String> = Vec::new();
        for item in &items {
            let rule = one_line(&clean(item.as_str().unwrap_or_default()));
            match judge.passes(&rule, &own) {
                Ok(()) if rules.contains(&rule) => refusals.add(&Refusal::Known),
                Ok(()) => rules.push(rule),
                Err(why) => refusals.add(&why),
            }
        }
        rules.truncate(self.rules);
        if rules.is_empty() {
            return None;
        }
        let gap = if own.trim().is_empty() { "" } else { "\n\n" };
        let mut text = format!("{}{gap}{HEADING}", own.trim_end());
        for rule in &rules {
            let _ = write!(text, "\n- {rule}");
        }
        Some(Proposal { text, reply_hash })
    }
}

fn is_bootstrapped(demo: &StateDemo) -> bool {
    demo.origin.as_ref().is_some_and(|it| it.source == DemoSource::Bootstrapped)
}

/// Whether the question failed, and not the answer: a shorter one may do.
fn failed(outcome: &Outcome) -> bool {
    let failure = outcome.failure.as_ref();
    failure.is_some_and(|it| it.kind == FailureKind::Program && !it.by_reply)
}

/// Demos as text, as many as a question shows.
fn told(demos: &[StateDemo]) -> Vec<String> {
    let mut left = MOST_SHOWN;
    let mut all = Vec::new();
    for it in demos {
        let values = it.demo.inputs.iter().chain(&it.demo.outputs);
        let line =
            |(name, value): (&Arc<str>, &Value)| format!("{name}: {}", cut(&value.to_string()));
        let text = values.map(line).collect::<Vec<_>>().join("\n");
        let chars = text.chars().count();
        if chars > left && !all.is_empty() {
            break;
        }
        left = left.saturating_sub(chars);
        all.push(text);
    }
    all
}

/// A rule without what the items of a list begin with, on one line.
fn one_line(text: &str) -> String {
    let rest = text.trim_start_matches(|it: char| it.is_ascii_digit());
    let numbered = if rest.len() < text.len() { rest.strip_prefix(['.', ')']) } else { None };
    let bare = numbered.unwrap_or(text).trim_start_matches(['-', '*', ' ']);
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}
