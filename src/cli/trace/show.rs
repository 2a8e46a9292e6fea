//! `dsp trace show`

use super::args::Show;
use super::read;
use crate::cli::shell::{Failure, Shell};
use crate::render::plain;
use crate::trace::{Filter, Look, find, tree_as, whole, whole_node};

/// The columns of a line that are no value.
const MARGIN: usize = 20;
/// Fewer columns of a value are never shown unless somebody says so.
const NARROWEST: usize = 30;

/// Shows a trace as a tree, or a node of it whole.
pub(super) fn run(shell: &Shell, args: &Show) -> Result<(), Failure> {
    let recorded = read(shell, &args.file)?;
    let trace = &recorded.trace;
    let meant = args.prompt.as_deref().map(|it| find(trace, it).map_err(Failure::usage));
    let meant = meant.transpose()?;
    let filter =
        Filter { path: args.path.clone(), kinds: args.kind.clone(), failed: args.failed };
    if args.json {
        let chosen = meant.map(|id| trace.node(id));
        let wanted =
            |it: &_| chosen.map_or_else(|| filter.takes(it), |one| std::ptr::eq(one, it));
        shell.print(&format!("{}\n", whole(trace, &recorded.about, wanted)));
        return Ok(());
    }
    if let Some(id) = meant {
        shell.print(&plain(&whole_node(trace, id)));
        return Ok(());
    }
    let is_all = filter.is_all();
    let usual = Look::default();
    let wide = shell.host.width().map(|it| it.saturating_sub(MARGIN).max(NARROWEST));
    let width = args.width.or(wide).unwrap_or(usual.width);
    let text = tree_as(trace, &Look { full: args.full, width, filter });
    if text.is_empty() && !is_all {
        shell.eprint("no node is so\n");
    }
    shell.print(&plain(&text));
    Ok(())
}
