//! The moves of `tune`: how a new point comes of one that leads.

use crate::optimize::policies::tune::space::{Point, Space};
use crate::util::Random;

/// Kinds of moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Other demos.
    Demos,
    /// Demos changed a little: one swapped or added, half of them left out, another order.
    Edit,
    /// Instructions from what is known of program and data.
    Words,
    /// Instructions from failures of a leader.
    Reflect,
    /// Descriptions of fields from failures of a leader.
    Describe,
    /// Another adapter.
    Adapter,
    /// Another model.
    Model,
    /// Parts of two leaders.
    Cross,
    /// Less of what costs.
    Lean,
}

impl Kind {
    pub(super) const ALL: [Self; 9] = [
        Self::Demos,
        Self::Edit,
        Self::Words,
        Self::Reflect,
        Self::Describe,
        Self::Adapter,
        Self::Model,
        Self::Cross,
        Self::Lean,
    ];

    /// What a report calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Demos => "other demos",
            Self::Edit => "demos changed",
            Self::Words => "instructions",
            Self::Reflect => "instructions reflected",
            Self::Describe => "descriptions",
            Self::Adapter => "adapter",
            Self::Model => "model",
            Self::Cross => "two combined",
            Self::Lean => "made cheaper",
        }
    }

    /// How often it was tried and helped before anything is known: what a model proposes has to
    /// earn its share.
    pub(super) fn prior(self) -> (usize, f64) {
        match self {
            Self::Demos | Self::Edit | Self::Cross => (2, 1.0),
            Self::Adapter | Self::Model => (3, 1.0),
            Self::Words | Self::Reflect | Self::Describe | Self::Lean => (4, 1.0),
        }
    }
}

/// Other demos for all predictors, or for one of several.
pub(super) fn demos(space: &Space, from: &Point, random: &mut Random) -> Option<Point> {
    if !space.has_demos() {
        return None;
    }
    let (count, runs) = size(space, random);
    let drawn = space.draw(count, runs, random);
    let mut point = from.clone();
    let one = (space.axes.len() > 1 && random.coin()).then(|| random.below(space.axes.len()));
    for (at, demos) in drawn.into_iter().enumerate() {
        if one.is_none_or(|it| it == at) {
            point.parts[at].demos = demos;
        }
    }
    Some(point)
}

/// How many demos, and how many of them from runs: as many as may be half of the time.
fn size(space: &Space, random: &mut Random) -> (usize, usize) {
    let most = space.most.max(1);
    let count = if random.coin() { most } else { 1 + random.below(most) };
    let runs = space.most_from_runs.min(space.runs_found()).min(count);
    (count, if runs == 0 { 0 } else { 1 + random.below(runs) })
}

/// A small change of the demos of a predictor.
pub(super) fn edit(
    space: &Space,
    from: &Point,
    random: &mut Random,
) -> Option<(Point, &'static str)> {
    let with: Vec<usize> =
        (0..from.parts.len()).filter(|at| !from.parts[*at].demos.is_empty()).collect();
    let at = *with.get(random.below(with.len()))?;
    let mut point = from.clone();
    let demos = &mut point.parts[at].demos;
    let n = demos.len();
    let what = match random.below(4) {
        0 if n > 1 => {
            let mut kept = random.sample(n, n.div_ceil(2));
            kept.sort_unstable();
            *demos = kept.into_iter().map(|it| demos[it]).collect();
            "half of its demos"
        }
        1 if n > 1 => {
            random.shuffle(demos);
            "its demos in another order"
        }
        2 if n < space.most => {
            let new = space.other(at, demos, random)?;
            demos.insert(random.below(n + 1), new);
            "one demo more"
        }
        _ => {
            let place = random.below(n);
            demos[place] = space.other(at, demos, random)?;
            "another demo"
        }
    };
    Some((point, what))
}

/// Each part of one of two.
pub(super) fn cross(one: &Point, other: &Point, random: &mut Random) -> Point {
    let mut point = one.clone();
    for (own, other) in point.parts.iter_mut().zip(&other.parts) {
        if random.coin() {
            own.text = other.text;
        }
        if random.coin() {
            own.told = other.told;
        }
        if random.coin() {
            own.demos.clone_from(&other.demos);
        }
    }
    if random.coin() {
        point.adapter = other.adapter;
    }
    if random.coin() {
        point.model = other.model;
    }
    point
}

/// Another of these choices, where there is one.
pub(super) fn another(now: usize, choices: &[usize], random: &mut Random) -> Option<usize> {
    let others: Vec<usize> = choices.iter().copied().filter(|it| *it != now).collect();
    others.get(random.below(others.len())).copied()
}

/// Points with less of what costs, the boldest first.
pub(super) fn lean(
    space: &Space,
    from: &Point,
    random: &mut Random,
) -> Vec<(Point, &'static str)> {
    let mut all = Vec::new();
    let mut add = |what: &'static str, change: &mut dyn FnMut(&mut Point)| {
        let mut point = from.clone();
        change(&mut point);
        if point != *from {
            all.push((point, what));
        }
    };
    add("no demos", &mut |it| it.parts.iter_mut().for_each(|it| it.demos.clear()));
    for part in [4, 2] {
        let what = if part == 4 { "a quarter of its demos" } else { "half of its demos" };
        add(what, &mut |it| {
            for it in &mut it.parts {
                let mut kept = random.sample(it.demos.len(), it.demos.len().div_ceil(part));
                kept.sort_unstable();
                it.demos = kept.into_iter().map(|at| it.demos[at]).collect();
            }
        });
    }
    add("its own words", &mut |it| {
        it.parts.iter_mut().for_each(|it| (it.text, it.told) = (0, 0));
    });
    for model in 0..=space.models.len() {
        add("another model", &mut |it| it.model = model);
    }
    all
}
