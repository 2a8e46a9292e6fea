//! `dsp state why`

use super::read;
use crate::cli::shell::{Failure, Shell};
use crate::diag::did_you_mean;
use crate::program::{
    DemoOrigin, DemoSource, InstructionsOrigin, Options, PredictorState, Provenance, State,
    StateDemo, Story, Tried,
};
use crate::render::plain;
use crate::schema::{Record, Value, shortened};
use serde_json::{Value as Json, json};
use std::fmt::Write as _;
use std::path::Path;

/// The most characters of a value.
const CUT: usize = 100;

/// Says how a state came to be what it is; with a path, how one predictor did.
pub(super) fn run(
    shell: &Shell,
    file: &Path,
    path: Option<&str>,
    as_json: bool,
) -> Result<(), Failure> {
    let state = read(shell, file)?;
    if let Some(path) = path.filter(|it| state.get(it).is_none()) {
        let known = state.predictors.keys().map(String::as_str);
        let mut failure = Failure::usage(format!(
            "the state says nothing of a predictor `{path}`; it has {}",
            names(known.clone())
        ));
        failure.hint(did_you_mean(path, known));
        return Err(failure);
    }
    match as_json {
        true => shell.print(&format!("{}\n", value(&state, path))),
        false => shell.print(&plain(&told(&state, path))),
    }
    Ok(())
}

fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<String> = all.map(|it| format!("`{it}`")).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

/// The story in lines.
fn told(state: &State, path: Option<&str>) -> String {
    let mut text = String::new();
    match &state.provenance {
        None => {
            let _ = writeln!(text, "state {}: no optimizer says that it made it", state.hash());
        }
        Some(made) => {
            let _ = write!(text, "state {}: ", state.hash());
            search(made, &mut text);
            for (at, made) in made.story.earlier.iter().enumerate().rev() {
                let which = match at + 1 == made_after(state) {
                    true => "what it began with",
                    false => "and that with",
                };
                let _ = write!(text, "\n{which}: ");
                search(made, &mut text);
            }
        }
    }
    for (name, own) in &state.predictors {
        if path.is_none_or(|it| it == name) {
            predictor(name, own, state.provenance.as_ref(), &mut text);
        }
    }
    text
}

/// How many searches came before the last one.
fn made_after(state: &State) -> usize {
    state.provenance.as_ref().map_or(0, |it| it.story.earlier.len())
}

fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// Who made a state, of what, and what that came to.
fn search(it: &Provenance, text: &mut String) {
    let lm = it.lm.as_deref().unwrap_or("a model without a name");
    let _ = writeln!(text, "made by {} for {lm}, seed {}", it.optimizer, it.seed);
    let options: Vec<String> = it
        .options
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    if !options.is_empty() {
        let _ = writeln!(text, "  with       {}", options.join(", "));
    }
    let data =
        it.data.iter().map(|it| format!("{} of {}", counted(it.rows, "row"), role(&it.role)));
    let data: Vec<String> = data.collect();
    if !data.is_empty() {
        let _ = writeln!(text, "  rows       {}", data.join(", "));
    }
    let story = &it.story;
    let start = match &story.start {
        Some(hash) => format!("state {hash}"),
        None => "the program as it is written".to_owned(),
    };
    let _ = writeln!(text, "  began with {start}");
    let others = [("teacher", &story.teacher), ("proposer", &story.proposer)];
    for (name, who) in others.into_iter().filter_map(|(name, it)| Some((name, it.as_ref()?))) {
        let _ = writeln!(text, "  {name:<10} {who}");
    }
    let _ = writeln!(
        text,
        "  took       {}, {} tokens in, {} out",
        counted(usize::try_from(it.calls).unwrap_or(usize::MAX), "call"),
        it.prompt_tokens,
        it.completion_tokens
    );
    if let Some(stopped) = &it.stopped {
        let _ = writeln!(text, "  ended      early: {stopped}; this was the best so far");
    }
    attempts(story, text);
    worth(it, text);
}

/// What the rows of a data set were for.
fn role(name: &str) -> String {
    match name {
        "trainset" => "trainset to learn from".to_owned(),
        "valset" => "valset to choose by".to_owned(),
        "finalists" => "valset to choose between finalists".to_owned(),
        "confirm" => "valset held back for the last comparison".to_owned(),
        "testset" => "testset for the last comparison".to_owned(),
        other => other.to_owned(),
    }
}

/// What was tried.
fn attempts(it: &Story, text: &mut String) {
    if !it.tried.is_empty() {
        let all = counted(it.tried.len() + it.more, "state");
        let _ = writeln!(text, "\n  {all} tried, scored on the rows to choose by");
        let width = it.tried.iter().map(|it| it.label.chars().count()).max().unwrap_or(0);
        it.tried.iter().for_each(|it| attempt(it, width, text));
        if it.more > 0 {
            let _ = writeln!(text, "    and {} more that no part of this came from", it.more);
        }
    }
    if !it.finalists.is_empty() {
        let each = it.finalists.iter().map(|(label, mean)| format!("{label} {mean:.3}"));
        let each = each.collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "  finalists, with further rows: {each}");
    }
    let refused: u64 = it.refused.iter().map(|it| it.1).sum();
    if refused > 0 {
        let each = it.refused.iter().map(|(why, times)| format!("{times} {why}"));
        let each = each.collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "  {refused} proposed texts not taken: {each}");
    }
    for remark in it.remarks.iter().flat_map(|it| it.lines()) {
        let _ = writeln!(text, "  {remark}");
    }
}

fn attempt(it: &Tried, width: usize, text: &mut String) {
    let mark = if it.chosen { '*' } else { ' ' };
    let score = it.score.map_or("    -".to_owned(), |it| format!("{it:.3}"));
    let _ = writeln!(
        text,
        "  {mark} {:<width$}  {score} on {}, {}",
        it.label,
        counted(it.rows, "row"),
        counted(it.demos, "demo")
    );
}

/// What the state is worth.
fn worth(it: &Provenance, text: &mut String) {
    if it.scores.is_empty() && it.gain.is_none() {
        let _ = writeln!(text, "\n  what it is worth was not measured");
        return;
    }
    text.push('\n');
    for score in &it.scores {
        let (low, high) = score.interval;
        let (said, role) = match score.role.strip_suffix(" before") {
            Some(role) => ("the program as it was scored", role),
            None => ("it scored", score.role.as_str()),
        };
        let flatters = if role == "valset" { ", which it was chosen on" } else { "" };
        let _ = writeln!(
            text,
            "  {said} {:.3} (95 % {low:.3} to {high:.3}) on {} of {role}{flatters}",
            score.score,
            counted(score.rows, "row")
        );
    }
    match &it.gain {
        Some(gain) => {
            let (low, high) = gain.interval;
            let _ = writeln!(
                text,
                "  that is {:+.3} (95 % {low:+.3} to {high:+.3}, p = {:.4}): {}",
                gain.gain, gain.p, gain.verdict
            );
        }
        None if it.story.unchanged => {
            let _ = writeln!(text, "  nothing was better than what it began with");
        }
        None => {
            let _ = writeln!(text, "  that it is better was not confirmed on other rows");
        }
    }
}

/// Where the parts of a predictor came from.
fn predictor(name: &str, own: &PredictorState, made: Option<&Provenance>, text: &mut String) {
    let _ = writeln!(text, "\n{name}");
    if let Some(signature) = &own.signature {
        let _ = writeln!(text, "  {}", signature.fields);
    }
    match &own.instructions {
        None => {
            let _ = writeln!(text, "  instructions as the program says");
        }
        Some(words) => {
            let _ = writeln!(text, "  instructions");
            for line in words.lines() {
                let _ = writeln!(text, "    | {line}");
            }
            authorship(own.instructions_origin.as_ref(), made, text);
        }
    }
    for (field, words) in &own.descriptions {
        let _ = writeln!(text, "  description of {field}: {}", cut(words));
        let first = own.descriptions_first_in.get(field);
        first.into_iter().for_each(|it| first_tried(it, made, text));
    }
    let settings = settings(own);
    if !settings.is_empty() {
        let _ = writeln!(text, "  {}", settings.join(", "));
    }
    if let Some(nearest) = own.nearest {
        let of = own.demos.len();
        let _ = writeln!(text, "  each prompt shows the {} nearest of {of} demos", nearest.k);
    }
    if own.demos.is_empty() {
        let _ = writeln!(text, "  no demos");
    }
    for (at, demo) in own.demos.iter().enumerate() {
        let _ = writeln!(text, "  demo {}: {}", at + 1, brief(demo));
        let _ = writeln!(text, "    {}", came(demo.origin.as_ref(), made));
        let first = demo.origin.as_ref().and_then(|it| it.first_in.as_ref());
        first.into_iter().for_each(|it| first_tried(it, made, text));
    }
}

fn settings(own: &PredictorState) -> Vec<String> {
    let Options { temperature, top_p, max_tokens, seed } = own.options;
    let named =
        [("model", &own.lm), ("adapter", &own.adapter), ("extraction by", &own.extract)];
    let named =
        named.into_iter().filter_map(|(name, it)| Some(format!("{name} {}", it.as_ref()?)));
    let numbers = [
        ("temperature", temperature.map(|it| Value::Float(it).to_json())),
        ("top_p", top_p.map(|it| Value::Float(it).to_json())),
        ("max_tokens", max_tokens.map(|it| it.to_string())),
        ("seed", seed.map(|it| it.to_string())),
    ];
    let numbers = numbers.into_iter().filter_map(|(name, it)| Some(format!("{name} {}", it?)));
    named.chain(numbers).collect()
}

/// Who wrote instructions, and from what.
fn authorship(
    origin: Option<&InstructionsOrigin>,
    made: Option<&Provenance>,
    text: &mut String,
) {
    let Some(origin) = origin else {
        let _ = writeln!(text, "    written by hand: no optimizer says that they are its own");
        return;
    };
    let who = proposer_of(made, &origin.optimizer, origin.first_in.as_deref());
    let who = who.map(|it| format!(" with {it}")).unwrap_or_default();
    let _ = writeln!(text, "    proposed by {}{who}: {}", origin.optimizer, origin.note);
    if let Some(hash) = &origin.reply_hash {
        let _ = writeln!(text, "    in the reply {}", short(hash));
    }
    origin.first_in.iter().for_each(|it| first_tried(it, made, text));
}

/// The searches that a state came from, the latest first.
fn searches(made: Option<&Provenance>) -> impl Iterator<Item = &Provenance> {
    made.into_iter().flat_map(|it| std::iter::once(it).chain(it.story.earlier.iter().rev()))
}

/// The search in which something was tried first, and the name that it had there.
fn search_of<'a>(
    made: Option<&'a Provenance>,
    first_in: &'a str,
) -> Option<(&'a Provenance, &'a str)> {
    searches(made).find_map(|it| {
        let label = first_in.strip_prefix(it.optimizer.as_str())?.strip_prefix(": ")?;
        it.story.tried.iter().any(|it| it.label == label).then_some((it, label))
    })
}

fn proposer_of<'a>(
    made: Option<&'a Provenance>,
    optimizer: &str,
    first_in: Option<&'a str>,
) -> Option<&'a str> {
    let found = first_in.and_then(|it| search_of(made, it)).map(|it| it.0);
    let found = found.or_else(|| searches(made).find(|it| it.optimizer == optimizer));
    found?.story.proposer.as_deref()
}

/// In which state a part was tried first, and what that scored beside the best before it.
fn first_tried(first_in: &str, made: Option<&Provenance>, text: &mut String) {
    let _ = write!(text, "    first tried in `{first_in}`");
    if let Some((search, label)) = search_of(made, first_in) {
        let tried = &search.story.tried;
        let at = tried.iter().position(|it| it.label == label).unwrap_or(0);
        if let Some(score) = tried[at].score {
            let _ = write!(text, ", which scored {score:.3}");
            let before = tried[..at].iter().filter_map(|it| it.score).reduce(f64::max);
            match before {
                Some(best) => {
                    let _ = write!(text, "; the best before it {best:.3}");
                }
                None => text.push_str(", and was the first to be scored"),
            }
        }
    }
    text.push('\n');
}

/// How a demo came about, in a sentence.
fn came(origin: Option<&DemoOrigin>, made: Option<&Provenance>) -> String {
    let Some(origin) = origin else {
        return "written by hand, or by a script".to_owned();
    };
    let row = format!("row {}", origin.row);
    match origin.source {
        DemoSource::Labeled => format!("{row} of the data as it stands there, labels included"),
        DemoSource::Bootstrapped => {
            let first_in = origin.first_in.as_deref();
            let found = first_in.and_then(|it| search_of(made, it)).map(|it| it.0).or(made);
            let who = found.and_then(|it| it.story.teacher.as_deref());
            let who =
                who.map_or("the program itself".to_owned(), |it| format!("the teacher {it}"));
            let sample = match origin.rollout {
                0 => String::new(),
                more => format!(", sample {}", more + 1),
            };
            let score = origin.score.map(|it| format!(", which scored {it:.3}"));
            let reply = origin.reply_hash.as_ref().map(|it| format!("; reply {}", short(it)));
            format!(
                "from a run of {who} on {row}{sample}{}{}",
                score.unwrap_or_default(),
                reply.unwrap_or_default()
            )
        }
    }
}

/// The beginning of a hash, enough to tell things of one project apart.
fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

fn brief(demo: &StateDemo) -> String {
    let side = |record: &Record| {
        let each = record.iter().map(|(name, it)| format!("{name}: {it}"));
        each.collect::<Vec<_>>().join(", ")
    };
    cut(&format!("{} -> {}", side(&demo.demo.inputs), side(&demo.demo.outputs)))
}

fn cut(text: &str) -> String {
    shortened(&text.replace(['\n', '\r'], " "), CUT)
}

/// The story for machines.
fn value(state: &State, path: Option<&str>) -> Json {
    let made = state.provenance.as_ref();
    let earlier = made.map(|it| it.story.earlier.iter().rev().map(search_value));
    let predictors = state.predictors.iter().filter(|it| path.is_none_or(|path| path == it.0));
    let predictors = predictors.map(|(name, own)| (name.clone(), predictor_value(own, made)));
    json!({
        "state": state.hash(),
        "made": made.map(search_value),
        "earlier": earlier.map(|it| it.collect::<Vec<_>>()).unwrap_or_default(),
        "predictors": predictors.collect::<serde_json::Map<_, _>>(),
    })
}

fn search_value(it: &Provenance) -> Json {
    let story = &it.story;
    let options = it.options.iter().map(|(name, it)| (name.clone(), json_of(it)));
    let data =
        it.data.iter().map(|it| json!({ "role": it.role, "rows": it.rows, "hash": it.hash }));
    let scores = it.scores.iter().map(|it| {
        json!({ "role": it.role, "score": it.score, "low": it.interval.0, "high": it.interval.1, "rows": it.rows })
    });
    let tried = story.tried.iter().map(|it| {
        json!({ "label": it.label, "score": it.score, "rows": it.rows, "demos": it.demos, "chosen": it.chosen })
    });
    let finalists = story.finalists.iter().map(|it| json!({ "label": it.0, "mean": it.1 }));
    let refused = story.refused.iter().map(|(why, times)| (why.clone(), json!(times)));
    json!({
        "optimizer": it.optimizer,
        "options": options.collect::<serde_json::Map<_, _>>(),
        "seed": it.seed,
        "model": it.lm,
        "teacher": story.teacher,
        "proposer": story.proposer,
        "start": story.start,
        "data": data.collect::<Vec<_>>(),
        "calls": it.calls,
        "prompt_tokens": it.prompt_tokens,
        "completion_tokens": it.completion_tokens,
        "stopped": it.stopped,
        "tried": tried.collect::<Vec<_>>(),
        "more_tried": story.more,
        "unchanged": story.unchanged,
        "finalists": finalists.collect::<Vec<_>>(),
        "refused": refused.collect::<serde_json::Map<_, _>>(),
        "remarks": story.remarks,
        "scores": scores.collect::<Vec<_>>(),
        "gain": it.gain.as_ref().map(|it| json!({
            "role": it.role, "verdict": it.verdict, "gain": it.gain,
            "low": it.interval.0, "high": it.interval.1, "p": it.p, "rows": it.rows,
        })),
    })
}

fn predictor_value(own: &PredictorState, made: Option<&Provenance>) -> Json {
    let origin = own.instructions_origin.as_ref();
    let first = |it: Option<&String>| it.map(|it| first_value(it, made));
    let instructions = own.instructions.as_ref().map(|text| {
        json!({
            "text": text,
            "optimizer": origin.map(|it| &it.optimizer),
            "from": origin.map(|it| &it.note),
            "reply": origin.and_then(|it| it.reply_hash.as_ref()),
            "first": first(origin.and_then(|it| it.first_in.as_ref())),
        })
    });
    let descriptions = own.descriptions.iter().map(|(field, text)| {
        let first = first(own.descriptions_first_in.get(field));
        (field.clone(), json!({ "text": text, "first": first }))
    });
    let demos = own.demos.iter().map(|demo| {
        let origin = demo.origin.as_ref();
        json!({
            "source": origin.map_or("by hand", |it| it.source.as_str()),
            "row": origin.map(|it| it.row),
            "row_hash": origin.map(|it| &it.row_hash),
            "reply": origin.and_then(|it| it.reply_hash.as_ref()),
            "sample": origin.map(|it| it.rollout),
            "score": origin.and_then(|it| it.score),
            "first": first(origin.and_then(|it| it.first_in.as_ref())),
            "inputs": record_value(&demo.demo.inputs),
            "outputs": record_value(&demo.demo.outputs),
        })
    });
    json!({
        "fields": own.signature.as_ref().map(|it| &it.fields),
        "instructions": instructions,
        "descriptions": descriptions.collect::<serde_json::Map<_, _>>(),
        "nearest": own.nearest.map(|it| it.k),
        "demos": demos.collect::<Vec<_>>(),
    })
}

fn first_value(first_in: &str, made: Option<&Provenance>) -> Json {
    let found = search_of(made, first_in);
    let tried = found.map(|(search, label)| (&search.story.tried, label));
    let at = tried.and_then(|(all, label)| all.iter().position(|it| it.label == label));
    let before = tried
        .zip(at)
        .and_then(|((all, _), at)| all[..at].iter().filter_map(|it| it.score).reduce(f64::max));
    json!({
        "in": first_in,
        "score": tried.zip(at).and_then(|((all, _), at)| all[at].score),
        "best_before": before,
    })
}

fn record_value(record: &Record) -> Json {
    Json::Object(record.iter().map(|(name, it)| (name.to_string(), json_of(it))).collect())
}

fn json_of(value: &Value) -> Json {
    serde_json::from_str(&value.to_json()).unwrap_or(Json::Null)
}
