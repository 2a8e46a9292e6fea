//! The natives of optimizers: what a script writes becomes a policy.

use crate::adapt::Adapter;
use crate::diag::did_you_mean;
use crate::eval::{OPTIONS, Scoring};
use crate::optimize::natives::Optimizer;
use crate::optimize::{
    BetterTogether, BootstrapFewShot, Copro, Effort, Front, Gepa, InferRules, LabeledFewShot,
    MiproV2, PartKind, Policy, Race, RandomSearch, Settings, Simba, Size, Taste, Tune,
};
use crate::runtime::natives::Bound;
use crate::runtime::{Args, Cx, Error, LmValue, Program, Val, wrong};
use indexmap::IndexMap;
use std::sync::Arc;

/// The natives of this floor.
pub fn natives() -> Vec<Bound> {
    fn bound(name: &'static str, call: fn(&Cx<'_>, Args) -> Result<Val, Error>) -> Bound {
        (name, Arc::new(call))
    }
    vec![
        bound("labeled_few_shot", labeled_few_shot),
        bound("bootstrap_few_shot", bootstrap_few_shot),
        bound("random_search", random_search),
        bound("copro", copro),
        bound("mipro_v2", mipro_v2),
        bound("gepa", gepa),
        bound("tune", tune),
        bound("simba", simba),
        bound("infer_rules", infer_rules),
        bound("better_together", better_together),
    ]
}

fn labeled_few_shot(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let usual = LabeledFewShot::default();
    let policy = LabeledFewShot { k: args.count("k")?.unwrap_or(usual.k) };
    let seed = args.count("seed")?.map_or(cx.run().session().settings.seed, |it| it as u64);
    args.finish("labeled_few_shot", 0, &["k", "seed"])?;
    let settings = Settings { seed, ..Settings::default() };
    Ok(Val::object(Optimizer {
        policy: Arc::new(policy),
        settings,
        threads: None,
        metric: None,
        teacher: None,
        proposer: None,
    }))
}

fn bootstrap_few_shot(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let policy = bootstrap(&mut args, BootstrapFewShot::default())?;
    optimizer(cx, "bootstrap_few_shot", Arc::new(policy), args)
}

fn random_search(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let usual = RandomSearch::default();
    let policy = RandomSearch {
        bootstrap: bootstrap(&mut args, usual.bootstrap)?,
        candidates: args.count("candidates")?.unwrap_or(usual.candidates),
        stop_at: args.number("stop_at")?,
        race: args.option("race").map(|it| race(&it)).transpose()?,
    };
    if policy.race.is_some() && policy.stop_at.is_some() {
        let message = "`stop_at` ends a search that scores one candidate after another; in a `race` \
                       all go side by side";
        return Err(Error::value(message).hint("leave one of them out"));
    }
    optimizer(cx, "random_search", Arc::new(policy), args)
}

fn copro(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let usual = Copro::default();
    let policy = Copro {
        breadth: args.count("breadth")?.unwrap_or(usual.breadth),
        depth: args.count("depth")?.unwrap_or(usual.depth),
        temperature: args.number("proposer_temperature")?.unwrap_or(usual.temperature),
    };
    if policy.breadth < 2 {
        return Err(Error::value(
            "`breadth` wants at least 2: the instructions as they are, and another",
        ));
    }
    optimizer(cx, "copro", Arc::new(policy), args)
}

fn mipro_v2(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let usual = MiproV2::default();
    let policy = MiproV2 {
        auto: args.option("auto").map_or(Ok(usual.auto), |it| size(&it))?,
        candidates: args.count("candidates")?,
        trials: args.count("trials")?,
        bootstrap: bootstrap(&mut args, usual.bootstrap)?,
        minibatch: args.count("minibatch")?.unwrap_or(usual.minibatch),
        full_every: args.count("full_every")?.unwrap_or(usual.full_every),
        at_once: args.count("at_once")?.unwrap_or(usual.at_once),
        temperature: args.number("proposer_temperature")?.unwrap_or(usual.temperature),
    };
    for (name, it) in [("full_every", policy.full_every), ("at_once", policy.at_once)] {
        if it == 0 {
            return Err(Error::value(format!("`{name}` wants a count above 0")));
        }
    }
    optimizer(cx, "mipro_v2", Arc::new(policy), args)
}

fn size(value: &Val) -> Result<Size, Error> {
    let names = Size::NAMES.map(|it| format!("{it:?}")).join(" or ");
    value.as_str().and_then(Size::of).ok_or_else(|| wrong("auto", &names, value))
}

fn gepa(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let usual = Gepa::default();
    let auto = args.option("auto").map(|it| named("auto", &Effort::NAMES, Effort::of, &it));
    let effort = match (auto.transpose()?, args.count("rounds")?) {
        (Some(_), Some(_)) => {
            let message = "`auto` and `rounds` both say how long the search is";
            return Err(Error::value(message).hint("leave one of them out"));
        }
        (auto, None) => auto.unwrap_or(usual.effort),
        (None, Some(rounds)) => Effort::Rounds(rounds),
    };
    let select = ["turns", "all"];
    let is_all = |name: &str| select.contains(&name).then(|| name == select[1]);
    let of = |args: &mut Args, name: &str| args.option(name);
    let policy = Gepa {
        effort,
        minibatch: at_least_one(&mut args, "minibatch", usual.minibatch)?,
        at_once: at_least_one(&mut args, "at_once", usual.at_once)?,
        components: match of(&mut args, "components") {
            Some(it) => components(&it)?,
            None => usual.components,
        },
        all_parts: of(&mut args, "select")
            .map(|it| named("select", &select, is_all, &it))
            .transpose()?
            .unwrap_or(usual.all_parts),
        merges: args.count("merges")?.unwrap_or(usual.merges),
        front: of(&mut args, "front")
            .map(|it| named("front", &Front::NAMES, Front::of, &it))
            .transpose()?
            .unwrap_or(usual.front),
        max_demos: args.count("max_demos")?.unwrap_or(usual.max_demos),
        temperature: args.number("proposer_temperature")?.unwrap_or(usual.temperature),
    };
    optimizer(cx, "gepa", Arc::new(policy), args)
}

fn tune(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let usual = Tune::default();
    let prefer = args.option("prefer");
    let prefer = prefer.map(|it| named("prefer", &Taste::NAMES, Taste::of, &it)).transpose()?;
    let max_demos = args.count("max_demos")?.unwrap_or(usual.max_demos);
    let adapters = args.option("adapters").map(|it| texts("adapters", &it)).transpose()?;
    let models = args.option("models").map(|it| texts("models", &it)).transpose()?;
    let policy = Tune {
        prefer: prefer.unwrap_or(usual.prefer),
        adapters: adapters.map(adapted).transpose()?,
        models: models.unwrap_or_default(),
        max_demos,
        max_bootstrapped: args.count("max_bootstrapped")?.unwrap_or(usual.max_bootstrapped),
        at_once: at_least_one(&mut args, "at_once", usual.at_once)?,
        patience: at_least_one(&mut args, "patience", usual.patience)?,
        temperature: args.number("proposer_temperature")?.unwrap_or(usual.temperature),
    };
    optimizer(cx, "tune", Arc::new(policy), args)
}

/// A list of different texts.
fn texts(option: &str, value: &Val) -> Result<Vec<String>, Error> {
    let one = |it: &Val| it.as_str().map(ToOwned::to_owned);
    let all: Option<Vec<String>> = match value {
        Val::List(items) => items.iter().map(one).collect(),
        other => one(other).map(|it| vec![it]),
    };
    let mut all = all.ok_or_else(|| wrong(option, "a name, or a list of names", value))?;
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|it| seen.insert(it.clone()));
    Ok(all)
}

/// Adapters that can be tried: those that ask once.
fn adapted(names: Vec<String>) -> Result<Vec<String>, Error> {
    let known = || Adapter::ALL.into_iter().filter(|it| *it != Adapter::TwoStep);
    for name in &names {
        if !known().any(|it| it.name() == name) {
            let all: Vec<String> = known().map(|it| format!("{:?}", it.name())).collect();
            let message = format!("`adapters` wants {}, found {name:?}", all.join(" or "));
            return Err(Error::value(message));
        }
    }
    Ok(names)
}

/// One of some names.
fn named<T>(
    option: &str,
    names: &[&str],
    of: impl Fn(&str) -> Option<T>,
    value: &Val,
) -> Result<T, Error> {
    let known: Vec<String> = names.iter().map(|it| format!("{it:?}")).collect();
    value.as_str().and_then(of).ok_or_else(|| wrong(option, &known.join(" or "), value))
}

fn at_least_one(args: &mut Args, name: &str, usual: usize) -> Result<usize, Error> {
    match args.count(name)?.unwrap_or(usual) {
        0 => Err(Error::value(format!("`{name}` wants at least 1"))),
        count => Ok(count),
    }
}

/// What may evolve: each kind once.
fn components(value: &Val) -> Result<Vec<PartKind>, Error> {
    let one = |it: &Val| named("components", &PartKind::NAMES, PartKind::of, it);
    let mut all: Vec<PartKind> = match value {
        Val::List(items) => items.iter().map(one).collect::<Result<_, _>>()?,
        other => vec![one(other)?],
    };
    let mut seen = Vec::new();
    all.retain(|it| {
        let is_new = !seen.contains(it);
        seen.push(*it);
        is_new
    });
    if all.is_empty() {
        return Err(Error::value("`components` names nothing that may change"));
    }
    Ok(all)
}

fn simba(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let usual = Simba::default();
    let policy = Simba {
        minibatch: args.count("minibatch")?.unwrap_or(usual.minibatch),
        candidates: args.count("candidates")?.unwrap_or(usual.candidates),
        steps: args.count("steps")?.unwrap_or(usual.steps),
        max_demos: args.count("max_demos")?.unwrap_or(usual.max_demos),
        temperature: args.number("proposer_temperature")?.unwrap_or(usual.temperature),
    };
    if policy.candidates < 2 {
        return Err(Error::value("`candidates` wants at least 2: runs of a row are compared"));
    }
    if policy.minibatch == 0 || policy.steps == 0 {
        return Err(Error::value("`minibatch` and `steps` want at least 1"));
    }
    optimizer(cx, "simba", Arc::new(policy), args)
}

fn infer_rules(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let usual = InferRules::default();
    let policy = InferRules {
        bootstrap: bootstrap(&mut args, usual.bootstrap)?,
        candidates: args.count("candidates")?.unwrap_or(usual.candidates),
        rules: args.count("rules")?.unwrap_or(usual.rules),
        temperature: args.number("proposer_temperature")?.unwrap_or(usual.temperature),
    };
    if policy.candidates == 0 || policy.rules == 0 {
        return Err(Error::value("`candidates` and `rules` want at least 1"));
    }
    optimizer(cx, "infer_rules", Arc::new(policy), args)
}

type Shared = Arc<dyn Policy + Send + Sync>;

/// Steps of a strategy that are no optimizer of the user's own.
const STEPS: [&str; 10] = [
    "demos",
    "instructions",
    "random_search",
    "bootstrap_few_shot",
    "copro",
    "mipro_v2",
    "gepa",
    "simba",
    "infer_rules",
    "tune",
];

fn usual(step: &str) -> Option<Shared> {
    Some(match step {
        "demos" | "random_search" => Arc::new(RandomSearch::default()),
        "instructions" | "copro" => Arc::new(Copro::default()),
        "bootstrap_few_shot" => Arc::new(BootstrapFewShot::default()),
        "mipro_v2" => Arc::new(MiproV2::default()),
        "gepa" => Arc::new(Gepa::default()),
        "simba" => Arc::new(Simba::default()),
        "tune" => Arc::new(Tune::default()),
        "infer_rules" => Arc::new(InferRules::default()),
        _ => return None,
    })
}

fn better_together(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let strategy = match args.take(0, "strategy") {
        Some(it) => {
            it.as_str().map(str::to_owned).ok_or_else(|| wrong("strategy", "a text", &it))?
        }
        None => "demos -> instructions -> demos".to_owned(),
    };
    // Taken; what is left is told to be too much.
    args.positional.drain(..args.positional.len().min(1));
    let own = match args.option("steps") {
        None => IndexMap::new(),
        Some(Val::Map(own)) => own,
        Some(other) => return Err(wrong("steps", "a map of optimizers by name", &other)),
    };
    let step = |name: &str| -> Result<(String, Shared), Error> {
        if let Some(value) = own.get(name) {
            let optimizer = value.downcast::<Optimizer>();
            let optimizer = optimizer.ok_or_else(|| wrong("steps", "optimizers", value))?;
            return Ok((name.to_owned(), optimizer.policy.clone()));
        }
        if let Some(policy) = usual(name) {
            return Ok((name.to_owned(), policy));
        }
        let known = STEPS.into_iter().chain(own.keys().map(|it| &**it));
        let hint = did_you_mean(name, known);
        Err(Error::value(format!("`strategy`: there is no step `{name}`")).hint(hint))
    };
    let steps: Vec<_> =
        strategy.split("->").map(|it| step(it.trim())).collect::<Result<_, Error>>()?;
    optimizer(cx, "better_together", Arc::new(BetterTogether { steps }), args)
}

fn race(value: &Val) -> Result<Race, Error> {
    let names = Race::NAMES.map(|it| format!("{it:?}")).join(" or ");
    value.as_str().and_then(Race::of).ok_or_else(|| wrong("race", &names, value))
}

fn bootstrap(args: &mut Args, usual: BootstrapFewShot) -> Result<BootstrapFewShot, Error> {
    let threshold = args.number("threshold")?;
    if let Some(it) = threshold.filter(|it| !(0.0..=1.0).contains(it)) {
        return Err(Error::value(format!(
            "`threshold` wants a number from 0 to 1, found {it}"
        )));
    }
    Ok(BootstrapFewShot {
        max_bootstrapped: args.count("max_bootstrapped")?.unwrap_or(usual.max_bootstrapped),
        max_labeled: args.count("max_labeled")?.unwrap_or(usual.max_labeled),
        max_rounds: args.count("max_rounds")?.unwrap_or(usual.max_rounds),
        threshold,
    })
}

/// Takes the options that all optimizers with a metric share.
fn optimizer(cx: &Cx<'_>, what: &str, policy: Shared, mut args: Args) -> Result<Val, Error> {
    let scoring = Scoring::take(cx, &mut args)?;
    let teacher =
        args.option("teacher").map(|it| Program::from_val("teacher", &it)).transpose()?;
    let proposer = args.option("proposer").map(|it| LmValue::from_val(cx, &it)).transpose()?;
    let only = args.option("only").map(|it| paths(&it)).transpose()?;
    args.finish(what, 0, OPTIONS)?;
    let settings = Settings {
        seed: scoring.options.seed,
        run: scoring.options.run,
        max_calls: scoring.options.max_calls,
        max_tokens: scoring.options.max_tokens,
        max_cost: scoring.options.max_cost,
        max_time: scoring.options.max_time,
        only,
    };
    let (metric, threads) = (Some(scoring.metric), scoring.threads);
    Ok(Val::object(Optimizer { policy, settings, threads, metric, teacher, proposer }))
}

fn paths(value: &Val) -> Result<Vec<String>, Error> {
    let one = |it: &Val| it.as_str().map(ToOwned::to_owned);
    let all = match value {
        Val::List(items) => items.iter().map(one).collect(),
        other => one(other).map(|it| vec![it]),
    };
    all.ok_or_else(|| wrong("only", "the path of a predictor, or a list of them", value))
}
