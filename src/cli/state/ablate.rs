//! `dsp state ablate`

use crate::cli::args::{Lm, StateAblate};
use crate::cli::expression::text;
use crate::cli::interrupt::Interrupt;
use crate::cli::session;
use crate::cli::shell::{Failure, Shell};
use crate::engine::{Taken, Whole};
use crate::eval::Caps;
use crate::lm::Money;
use crate::optimize::{Ablated, Ablation, Part, Plan, Verdict, Wish};
use crate::render::plain;
use crate::schema::shortened;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// The width of tables where standard output is no terminal.
const WIDTH: usize = 140;
/// So many seconds runs under way have left when the time is over.
const GRACE: f64 = 10.0;
/// Characters of a part's text in a plan.
const TEXT: usize = 70;

/// Says what each part of a state is worth.
pub(super) fn run(shell: &Shell, args: &StateAblate) -> Result<(), Failure> {
    let interrupt = Interrupt::on(shell, || Some("finishing the runs under way"));
    let max_seconds = args.lm.max_seconds.map(|it| it + GRACE);
    let granted = Lm { max_seconds, ..args.lm.clone() };
    let builder = session::builder(shell, &args.file, &granted)?.progress();
    let engine = interrupt.heeded(builder).build()?;
    let program = session::load(shell, &engine, &args.file)?;
    let state = text(&shell.absolute(&args.state)?);
    let drop = args.drop.as_deref().map(|it| shell.absolute(it)).transpose()?;
    let wish =
        Wish { caps: caps(&args.lm), plan: args.plan, drop: drop.as_deref().map(Path::new) };
    let whole = Whole {
        program: &format!("({}).with_state({state})", args.program),
        data: &format!("load({})", text(&shell.absolute(&args.data)?)),
        metric: &format!("({})", args.metric),
        wish,
    };
    let Taken { finished, ablated } = program.ablate(&whole)?;
    shell.diagnose(program.sources(), &finished.warnings);
    shell.warn(&engine.store_warnings());
    finished.result?;
    match ablated {
        Some(Ablated::Planned(plan, parts)) => {
            shell.print(&planned(&plan, &parts, args.json));
            Ok(())
        }
        Some(Ablated::Measured(it)) => measured(shell, args, &it, interrupt.came()),
        None => Err(Failure::usage("nothing was left out")),
    }
}

fn caps(lm: &Lm) -> Caps {
    Caps {
        max_calls: lm.max_calls,
        max_tokens: lm.max_tokens,
        max_cost: lm.max_usd.map(Money::usd),
        max_time: lm.max_seconds.and_then(|it| Duration::try_from_secs_f64(it).ok()),
    }
}

fn planned(plan: &Plan, parts: &[Part], as_json: bool) -> String {
    if as_json {
        let parts = parts.iter().map(|it| {
            json!({ "part": it.kind(), "label": it.label(), "path": it.path(), "text": it.text() })
        });
        let phases = plan.phases.iter().zip(&plan.calls).map(|(phase, calls)| {
            json!({ "phase": phase.name, "runs": phase.runs, "max_calls": calls })
        });
        let plan = json!({
            "parts": parts.collect::<Vec<_>>(),
            "phases": phases.collect::<Vec<_>>(),
            "most_calls": plan.worst_case(),
            "max_calls": plan.max_calls,
        });
        return format!("{plan}\n");
    }
    let widest = parts.iter().map(|it| it.label().chars().count()).max().unwrap_or(0);
    let lines = parts.iter().map(|it| {
        let line = format!("{:<widest$}  {}", it.label(), shortened(it.text(), TEXT));
        format!("  {}\n", line.replace('\n', " ").trim_end())
    });
    let lines: String = lines.collect();
    format!("left out, one at a time\n{}\n{}", plain(&lines), plan.render())
}

fn measured(
    shell: &Shell,
    args: &StateAblate,
    it: &Ablation,
    interrupted: bool,
) -> Result<(), Failure> {
    if args.json {
        shell.print(&format!("{}\n", it.to_value().to_json()));
    } else {
        shell.print(&it.render(shell.host.width().unwrap_or(WIDTH)));
    }
    if let (Some(path), Some(smaller)) = (&args.drop, &it.smaller) {
        match smaller.verdict {
            Verdict::Kept => shell.eprint(&format!("saved as {}\n", path.display())),
            Verdict::Worse | Verdict::None(_) => {
                shell.eprint(&format!("{} was not written\n", path.display()));
            }
        }
    }
    if it.stop.is_some() {
        shell
            .eprint("replies are kept: with a larger cap the same command goes on from here\n");
    }
    // What the user ended is no success, though what was seen is there.
    if interrupted && it.stop.is_some() { Err(Failure::told()) } else { Ok(()) }
}
