//! `dsp cache`

use super::args::{Cache, CacheAction, CachePrune};
use super::session;
use super::shell::{Failure, Shell, UNUSABLE};
use crate::diag::Diagnostic;
use crate::render::{Align, Table, plain};
use crate::store::{Prune, Store, Survey, Verdict};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// Damaged replies that are named; the others are counted.
const SHOWN: usize = 20;

/// Looks at kept replies, drops some, or finds damage.
pub(super) fn run(shell: &Shell, args: &Cache) -> Result<(), Failure> {
    let store = session::store(shell)?;
    let Some(place) = store.dir().map(Path::to_owned) else {
        return Err(Failure::usage("this machine has no place for replies"));
    };
    let done = match &args.action {
        CacheAction::Show { json } => show(shell, &store, &place, *json),
        CacheAction::Prune(args) => prune(shell, &store, args),
        CacheAction::Verify { repair, json } => verify(shell, &store, *repair, *json),
    };
    shell.warn(&store.warnings());
    done
}

fn failed(error: &crate::store::Error) -> Failure {
    Failure::io(Diagnostic::bare(UNUSABLE, error.to_string()))
}

fn show(shell: &Shell, store: &Store, place: &Path, json: bool) -> Result<(), Failure> {
    let survey = store.survey().map_err(|it| failed(&it))?;
    let now = shell.host.since_epoch();
    if json {
        shell.print(&format!("{}\n", as_json(&survey, place)));
        return Ok(());
    }
    let Survey { entries, bytes, limit, oldest, newest, .. } = survey;
    let mut lines = vec![
        ("where", place.display().to_string()),
        ("replies", entries.to_string()),
        ("size", format!("{} of {} at most", size(bytes), size(limit))),
    ];
    lines.extend(oldest.map(|it| ("oldest", ago(now, it))));
    lines.extend(newest.map(|it| ("newest", ago(now, it))));
    for (name, text) in lines {
        shell.print(&plain(&format!("{name:<9}{text}\n")));
    }
    if !survey.labels.is_empty() {
        shell.print(&plain(&format!("\n{}", by_label(&survey).render())));
    }
    Ok(())
}

/// Replies by the model they came from, the most bytes first.
fn by_label(survey: &Survey) -> Table {
    let columns = [("model", Align::Left), ("replies", Align::Right), ("size", Align::Right)];
    let mut table = Table::new(columns);
    let mut labels: Vec<_> = survey.labels.iter().collect();
    labels.sort_by(|(a, (_, more)), (b, (_, less))| less.cmp(more).then(a.cmp(b)));
    for (label, (count, bytes)) in labels {
        table.row([named(label), &count.to_string(), &size(*bytes)]);
    }
    table
}

/// Replies of earlier versions do not say which model they came from.
fn named(label: &str) -> &str {
    if label.is_empty() { "(not told)" } else { label }
}

fn as_json(survey: &Survey, place: &Path) -> serde_json::Value {
    let Survey { entries, bytes, limit, oldest, newest, labels } = survey;
    let seconds = |it: &Option<Duration>| it.map(|it| it.as_secs());
    let models = labels.iter().map(|(label, (count, bytes))| {
        let model = (!label.is_empty()).then_some(label);
        json!({ "model": model, "replies": count, "bytes": bytes })
    });
    json!({
        "place": place.display().to_string(),
        "replies": entries,
        "bytes": bytes,
        "limit": limit,
        "oldest": seconds(oldest),
        "newest": seconds(newest),
        "models": models.collect::<Vec<_>>(),
    })
}

fn prune(shell: &Shell, store: &Store, args: &CachePrune) -> Result<(), Failure> {
    let CachePrune { max_mb, older_than, all, json } = args;
    let before = older_than.map(|it| shell.host.since_epoch().saturating_sub(it));
    let max_bytes = max_mb.map(|it| it.saturating_mul(1_000_000));
    let dropped = store.prune(&Prune { max_bytes, before, all: *all });
    let dropped = dropped.map_err(|it| failed(&it))?;
    if *json {
        let (entries, bytes) = (dropped.entries, dropped.bytes);
        shell.print(&format!("{}\n", json!({ "dropped": entries, "bytes": bytes })));
    } else {
        shell.eprint(&format!(
            "{}, {} dropped\n",
            replies(dropped.entries),
            size(dropped.bytes)
        ));
    }
    Ok(())
}

/// Damage that stays is a failure.
fn verify(shell: &Shell, store: &Store, repair: bool, json: bool) -> Result<(), Failure> {
    let verdict = store.verify(repair).map_err(|it| failed(&it))?;
    let Verdict { whole, damaged, stray, dropped } = &verdict;
    let is_damaged = !damaged.is_empty() || *stray > 0;
    if json {
        let places = damaged.iter().map(|it| {
            let file = it.file.display().to_string();
            json!({ "key": it.key.to_string(), "file": file, "offset": it.offset })
        });
        let damaged = places.collect::<Vec<_>>();
        let told = json!({
            "whole": whole, "damaged": damaged, "stray_bytes": stray,
            "dropped": dropped.entries, "repaired": repair && is_damaged,
        });
        shell.print(&format!("{told}\n"));
    } else {
        for it in damaged.iter().take(SHOWN) {
            let (file, key) = (it.file.display(), it.key.to_string());
            shell.print(&plain(&format!(
                "damaged  {}… in {file} at {}\n",
                &key[..12],
                it.offset
            )));
        }
        if damaged.len() > SHOWN {
            shell.print(&format!("damaged  {} more\n", damaged.len() - SHOWN));
        }
        if *stray > 0 {
            shell.print(&format!("damaged  {stray} bytes that belong to no reply\n"));
        }
        shell.print(&format!("{} whole, {} damaged\n", replies(*whole), damaged.len()));
        if is_damaged {
            shell.eprint(match repair {
                true => "what was damaged is dropped, and is asked for again\n",
                false => "`dsp cache verify --repair` drops what is damaged\n",
            });
        }
    }
    if is_damaged && !repair { Err(Failure::told()) } else { Ok(()) }
}

fn replies(count: usize) -> String {
    format!("{count} {}", if count == 1 { "reply" } else { "replies" })
}

/// Bytes for people: `0 B`, `12 kB`, `4.0 GB`.
fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is for people to read")]
    let of = |unit: u64| bytes as f64 / unit as f64;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", of(1_000)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", of(1_000_000)),
        _ => format!("{:.1} GB", of(1_000_000_000)),
    }
}

/// How long ago it was, in the largest unit that says something.
fn ago(now: Duration, then: Duration) -> String {
    let seconds = now.saturating_sub(then).as_secs();
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}
