//! What a command asks for: the parts of a program's state, scored with a metric on data.

use crate::diag::Diagnostic;
use crate::eval::{
    Caps, DatasetValue, Evaluator, ProgramEvaluator, Reporter, Scoring, Stop, attached,
    evaluator_of, run_options,
};
use crate::optimize::ablate::{Ablation, Part, Smaller, Verdict, ablate, plan_ablation};
use crate::optimize::natives::{Spender, named, told};
use crate::optimize::{Care, Plan, Problem, Settings};
use crate::program::{DataOrigin, GainRecord, Provenance, ScoreRecord, State};
use crate::runtime::{Args, Cx, Error, Program, Val, codes};
use crate::schema::Value;
use std::path::Path;
use std::sync::Arc;

/// How parts are left out.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// What it may take.
    pub caps: Caps,
    /// Whether it is only said what it would take.
    pub plan: bool,
    /// The file of the smaller state, where one is wanted.
    pub drop: Option<&'a Path>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Ablated {
    /// What it would take at most, and of which parts.
    Planned(Plan, Vec<Part>),
    /// What the parts are worth.
    Measured(Box<Ablation>),
}

/// Leaves out the parts of a program of an expression: program, data and metric.
///
/// # Errors
/// Values that do not fit, a state without parts, a budget without end, and what the metric
/// gives where that is no score.
pub fn ablate_asked(cx: &Cx<'_>, parts: &[Val], wish: &Wish<'_>) -> Result<Ablated, Error> {
    let [program, data, metric] = parts else { return Err(Error::value("three values")) };
    let mut args = Args::default();
    args.named.insert("metric".into(), metric.clone());
    let scoring = Scoring::take(cx, &mut args)?;
    let program = Program::from_val("program", program)?;
    let data = DatasetValue::from_val("data", data)?;
    let run = cx.run();
    let evaluator = ProgramEvaluator::new(run, program.clone(), Some(scoring.metric.clone()));
    let remote = attached(cx).and_then(|it| it.remote.get());
    let remote = evaluator_of(&evaluator, remote, run.session());
    let signatures = program.trainable();
    let inputs = program.params(run.script()).unwrap_or_default();
    let inputs = inputs.into_iter().map(|(name, _)| name.to_string()).collect();
    let problem = Problem {
        evaluator: remote.as_ref().map_or(&evaluator as &dyn Evaluator, |it| it),
        signatures: &signatures,
        start: program.state(),
        teacher: None,
        trainset: data,
        valset: None,
        testset: None,
        care: Care { inputs, ..Care::default() },
        lm: named(&program.models(run)),
        proposer: None,
        source: String::new(),
    };
    let settings = Settings {
        seed: scoring.options.seed,
        run: run_options(cx, &program, scoring.threads),
        max_calls: wish.caps.max_calls,
        max_tokens: wish.caps.max_tokens,
        max_cost: wish.caps.max_cost,
        max_time: wish.caps.max_time,
        ..Settings::default()
    };
    let drops = wish.drop.is_some();
    let (plan, parts) = plan_ablation(&problem, &settings, drops).map_err(|it| told(&it))?;
    if wish.plan {
        return Ok(Ablated::Planned(plan, parts));
    }
    let hint = "cap it: `--max-calls 500`, `--max-tokens`, `--max-usd` or `--max-seconds`";
    let spender = Spender { what: "ablate", work: "ablation", caps: settings.caps(), hint };
    spender.announce(cx, &program, None, Vec::new(), &plan)?;
    let session = run.session();
    let cancel = session.settings.pause.as_ref().unwrap_or(&session.cancel);
    let mut reporter = Reporter::new(cx, "ablate");
    let ablation = ablate(&problem, &settings, drops, cancel, &mut |it| reporter.tell(it));
    drop(reporter);
    evaluator.place_traces();
    let ablation = ablation.map_err(|it| told(&it))?;
    match &ablation.stop {
        Some(Stop::Metric(message)) => return Err(Error::value(message.clone())),
        Some(stop) if ablation.scored == 0 => {
            let message = format!("nothing was scored: {stop}");
            return Err(Error::data(codes::BUDGET, message).fatal());
        }
        _ => {}
    }
    if let (Some(path), Some(smaller)) = (wish.drop, &ablation.smaller) {
        write(cx, &program, &problem, &settings, &ablation, smaller, path)?;
    }
    Ok(Ablated::Measured(Box::new(ablation)))
}

/// Writes the smaller state, where it is not worse.
fn write(
    cx: &Cx<'_>,
    program: &Program,
    problem: &Problem<'_>,
    settings: &Settings,
    ablation: &Ablation,
    smaller: &Smaller,
    path: &Path,
) -> Result<(), Error> {
    let (Verdict::Kept, Some(state)) = (&smaller.verdict, &smaller.state) else {
        return Ok(());
    };
    let provenance =
        provenance(problem, settings, ablation, smaller).map_err(|it| told(&it))?;
    let state = State { provenance: Some(provenance), ..state.clone() };
    program.with_state(&Arc::new(state)).save_state_at(cx.run(), path)
}

/// How the smaller state came about: as the whole one did, and then by this.
fn provenance(
    problem: &Problem<'_>,
    settings: &Settings,
    ablation: &Ablation,
    smaller: &Smaller,
) -> Result<Provenance, Box<Diagnostic>> {
    let before = problem.start.provenance.clone().unwrap_or_default();
    let optimizer = match &*before.optimizer {
        "" => "ablate".to_owned(),
        earlier => format!("{earlier}, then ablate"),
    };
    let mut options = before.options.clone();
    options.insert("smaller_than".to_owned(), ablation.state.as_str().into());
    let dropped = smaller.dropped.iter().map(|it| Value::from(it.as_str()));
    options.insert("dropped".to_owned(), Value::list(dropped));
    let learnt = before.data.iter().filter(|it| it.role == "trainset").cloned();
    let own = DataOrigin {
        role: "ablation".to_owned(),
        rows: problem.trainset.len(),
        hash: problem.trainset.hash()?,
    };
    let comparison = smaller.comparison.as_ref();
    let score = |role: &str, score: Option<f64>, it: Option<crate::eval::stats::Interval>| {
        let (it, rows) = (it?, comparison?.rows);
        let interval = (it.low, it.high);
        Some(ScoreRecord { role: role.to_owned(), score: score?, interval, rows })
    };
    let scores = comparison.into_iter().flat_map(|it| {
        [
            score("confirm before", it.before, it.before_interval),
            score("confirm", it.after, it.after_interval),
        ]
    });
    let gain = comparison.and_then(|it| it.paired.as_ref()).map(|it| GainRecord {
        role: "confirm".to_owned(),
        verdict: it.verdict.as_str().to_owned(),
        gain: it.gain,
        interval: (it.interval.low, it.interval.high),
        p: it.p,
        rows: it.wins + it.losses + it.ties,
    });
    Ok(Provenance {
        optimizer,
        options,
        seed: settings.seed,
        lm: problem.lm.clone().or(before.lm),
        data: learnt.chain([own]).collect(),
        scores: scores.flatten().collect(),
        gain,
        calls: before.calls + ablation.calls,
        prompt_tokens: before.prompt_tokens + ablation.prompt_tokens,
        completion_tokens: before.completion_tokens + ablation.completion_tokens,
        stopped: None,
        story: before.story,
    })
}
