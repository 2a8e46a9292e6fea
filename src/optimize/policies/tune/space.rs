//! The joint space of `tune`: for each predictor instructions, descriptions of fields and a list
//! of demos; for all together an adapter and a model. Texts and demos are added as they are found.

use crate::optimize::Search;
use crate::optimize::demo::Labels;
use crate::optimize::policies::grounds::Proposed;
use crate::optimize::policies::tune::moves::Kind;
use crate::optimize::propose::with_instructions;
use crate::program::{DemoSource, State, StateDemo};
use crate::schema::Signature;
use crate::util::Random;
use indexmap::IndexMap;
use std::collections::BTreeSet;

/// What a program is made of, as places in the [`Space`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Point {
    /// By predictor.
    pub(super) parts: Vec<Part>,
    /// 0 is the adapter that each predictor has.
    pub(super) adapter: usize,
    /// 0 is the model that each predictor has.
    pub(super) model: usize,
}

impl Point {
    /// What it has on an axis that all predictors share.
    pub(super) fn choice(&self, kind: Kind) -> usize {
        if kind == Kind::Model { self.model } else { self.adapter }
    }
}

/// What of it is of one predictor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Instructions; 0 are those that it has.
    pub(super) text: usize,
    /// Descriptions of fields; 0 are those that it has.
    pub(super) told: usize,
    /// Demos, in order.
    pub(super) demos: Vec<usize>,
}

/// A predictor, and what there is for it.
pub(super) struct Axis {
    pub(super) path: String,
    pub(super) signature: Signature,
    /// Demos: those that it has, then those from runs, then labeled ones.
    demos: Vec<StateDemo>,
    own: usize,
    from_runs: usize,
    pub(super) texts: Vec<Proposed>,
    pub(super) told: Vec<IndexMap<String, String>>,
    keeps_adapter: bool,
    keeps_lm: bool,
}

pub(super) struct Space {
    start: State,
    pub(super) axes: Vec<Axis>,
    /// Besides those that the predictors have.
    pub(super) adapters: Vec<String>,
    /// Besides those that the predictors have.
    pub(super) models: Vec<String>,
    /// The most demos of a predictor.
    pub(super) most: usize,
    /// The most of them that come from runs.
    pub(super) most_from_runs: usize,
}

impl Space {
    /// A space with the demos that the program has and those that rows give.
    pub(super) fn new(
        search: &Search<'_>,
        adapters: &[String],
        models: &[String],
        (most, most_from_runs): (usize, usize),
    ) -> Self {
        let predictors = search.predictors();
        let labels = Labels::new(&predictors, search.train());
        let random = |path: &str| search.random(&format!("labels/{path}"));
        let mut labeled = labels.draw(search.train(), &BTreeSet::new(), |_| usize::MAX, random);
        let axis = |(path, signature): (String, Signature)| {
            let layout = search.layout(&path);
            let mut demos = search.start().get(&path).map_or(Vec::new(), |it| it.demos.clone());
            let own = demos.len();
            demos.extend(labeled.shift_remove(&path).unwrap_or_default());
            let axis = Axis {
                path,
                signature,
                demos,
                own,
                from_runs: 0,
                texts: Vec::new(),
                told: Vec::new(),
                keeps_adapter: layout.keeps_adapter,
                keeps_lm: layout.keeps_lm,
            };
            (axis, layout.adapter)
        };
        let (axes, now): (Vec<Axis>, Vec<Option<String>>) =
            predictors.into_iter().map(axis).unzip();
        // What all have already, or what no state can change, is no choice.
        let may_adapt = axes.iter().any(|it| !it.keeps_adapter);
        let is_new = |name: &&String| now.iter().any(|it| it.as_ref() != Some(*name));
        let adapters = adapters.iter().filter(|it| may_adapt && is_new(it)).cloned().collect();
        let may_ask = axes.iter().any(|it| !it.keeps_lm);
        let models = models.iter().filter(|_| may_ask).cloned().collect();
        let start = search.start().clone();
        Self { start, axes, adapters, models, most, most_from_runs }
    }

    /// Adds demos from runs.
    pub(super) fn add_runs(&mut self, found: &State) {
        for axis in &mut self.axes {
            let demos = found.get(&axis.path).into_iter().flat_map(|it| &it.demos);
            let is_run = |it: &&StateDemo| {
                it.origin.as_ref().is_some_and(|it| it.source == DemoSource::Bootstrapped)
            };
            let new: Vec<StateDemo> = demos.filter(is_run).cloned().collect();
            axis.from_runs = new.len();
            axis.demos.splice(axis.own..axis.own, new);
        }
    }

    /// How many rows gave demos from runs.
    pub(super) fn runs_found(&self) -> usize {
        self.axes.iter().map(|it| it.from_runs).max().unwrap_or(0)
    }

    /// Whether there are demos to choose from.
    pub(super) fn has_demos(&self) -> bool {
        self.most > 0 && self.axes.iter().any(|it| !it.demos.is_empty())
    }

    /// The program as it is.
    pub(super) fn first(&self) -> Point {
        let part = |it: &Axis| Part { text: 0, told: 0, demos: (0..it.own).collect() };
        Point { parts: self.axes.iter().map(part).collect(), adapter: 0, model: 0 }
    }

    /// The state of a point.
    pub(super) fn state(&self, point: &Point) -> State {
        let mut state = State { predictors: self.start.predictors.clone(), provenance: None };
        for (axis, part) in self.axes.iter().zip(&point.parts) {
            let path = &axis.path;
            if let Some(it) = part.text.checked_sub(1).map(|at| &axis.texts[at]) {
                state = with_instructions(&state, path, &it.proposal, "tune", &it.note);
            }
            let own = state.entry(path);
            own.demos = part.demos.iter().map(|at| axis.demos[*at].clone()).collect();
            // Demos that were chosen are all shown.
            own.nearest = own.nearest.filter(|_| part.demos.iter().copied().eq(0..axis.own));
            if let Some(at) = part.told.checked_sub(1) {
                own.descriptions.extend(axis.told[at].clone());
            }
            if let Some(at) = point.adapter.checked_sub(1).filter(|_| !axis.keeps_adapter) {
                own.adapter = Some(self.adapters[at].clone());
                own.template = None;
            }
            if let Some(at) = point.model.checked_sub(1).filter(|_| !axis.keeps_lm) {
                own.lm = Some(self.models[at].clone());
            }
        }
        state
    }

    /// So many demos for each predictor, of which `from_runs` come from runs: of the same rows
    /// for all, for those belong together. The rest are labeled, from other rows.
    pub(super) fn draw(
        &self,
        count: usize,
        from_runs: usize,
        random: &mut Random,
    ) -> Vec<Vec<usize>> {
        let rows: BTreeSet<&str> = self.axes.iter().flat_map(Axis::rows_of_runs).collect();
        let rows: Vec<&str> = rows.into_iter().collect();
        let chosen = random.sample(rows.len(), from_runs.min(count));
        let chosen: Vec<&str> = chosen.into_iter().map(|at| rows[at]).collect();
        self.axes.iter().map(|it| it.drawn(&chosen, count, random)).collect()
    }

    /// A demo that is not in this list, if there is another.
    pub(super) fn other(
        &self,
        axis: usize,
        demos: &[usize],
        random: &mut Random,
    ) -> Option<usize> {
        let axis = &self.axes[axis];
        let rows: BTreeSet<&str> = demos.iter().filter_map(|at| axis.row(*at)).collect();
        let open: Vec<usize> = (0..axis.demos.len())
            .filter(|at| {
                !demos.contains(at) && axis.row(*at).is_none_or(|it| !rows.contains(it))
            })
            .collect();
        // Demos from runs are few and labeled ones many: each kind is as likely.
        let ours = |at: &usize| (axis.own..axis.own + axis.from_runs).contains(at);
        let (runs, rest): (Vec<usize>, Vec<usize>) = open.into_iter().partition(ours);
        let from = match (runs.is_empty(), rest.is_empty()) {
            (true, true) => return None,
            (true, false) => rest,
            (false, true) => runs,
            (false, false) if random.coin() => runs,
            (false, false) => rest,
        };
        Some(from[random.below(from.len())])
    }

    /// The demos of a point in words.
    pub(super) fn told_demos(&self, point: &Point) -> String {
        let each = self.axes.iter().zip(&point.parts).map(|(axis, it)| axis.told_demos(it));
        let mut all: Vec<String> = each.collect();
        all.dedup();
        all.join(" and ")
    }

    /// The name of an adapter.
    pub(super) fn adapter(&self, at: usize) -> String {
        let of = |at: usize| self.adapters[at].clone();
        at.checked_sub(1).map_or("its own adapter".to_owned(), of)
    }

    /// The name of a model.
    pub(super) fn model(&self, at: usize) -> String {
        at.checked_sub(1).map_or("its own model".to_owned(), |at| self.models[at].clone())
    }

    /// A point in words: what is other than in the program as it is.
    pub(super) fn told(&self, point: &Point) -> String {
        let several = self.axes.len() > 1;
        let mut all = Vec::new();
        for (axis, part) in self.axes.iter().zip(&point.parts) {
            let of = if several { format!(" of {}", axis.path) } else { String::new() };
            if part.text > 0 {
                all.push(format!("text {}{of}", part.text));
            }
            if part.told > 0 {
                all.push(format!("descriptions {}{of}", part.told));
            }
            if part.demos != (0..axis.own).collect::<Vec<_>>() {
                all.push(format!("{}{of}", axis.told_demos(part)));
            }
        }
        all.extend(point.adapter.checked_sub(1).map(|at| self.adapters[at].clone()));
        all.extend(point.model.checked_sub(1).map(|at| self.models[at].clone()));
        if all.is_empty() { "as it is".to_owned() } else { all.join(", ") }
    }
}

impl Axis {
    /// The row that a demo was made of.
    fn row(&self, at: usize) -> Option<&str> {
        self.demos[at].origin.as_ref().map(|it| it.row_hash.as_str())
    }

    fn rows_of_runs(&self) -> impl Iterator<Item = &str> {
        (self.own..self.own + self.from_runs).filter_map(|at| self.row(at))
    }

    fn told_demos(&self, part: &Part) -> String {
        let runs = self.own..self.own + self.from_runs;
        let n = part.demos.iter().filter(|at| runs.contains(at)).count();
        let runs = if n > 0 { format!(" ({n} from runs)") } else { String::new() };
        let s = if part.demos.len() == 1 { "" } else { "s" };
        format!("{} demo{s}{runs}", part.demos.len())
    }

    fn drawn(&self, rows: &[&str], count: usize, random: &mut Random) -> Vec<usize> {
        let runs = self.own..self.own + self.from_runs;
        let of_row = |row: &&str| runs.clone().find(|at| self.row(*at) == Some(*row));
        let mut demos: Vec<usize> = rows.iter().filter_map(of_row).collect();
        let labeled: Vec<usize> = (runs.end..self.demos.len())
            .filter(|at| self.row(*at).is_none_or(|it| !rows.contains(&it)))
            .collect();
        let room = count.saturating_sub(demos.len());
        demos.extend(random.sample(labeled.len(), room).into_iter().map(|at| labeled[at]));
        demos
    }
}
