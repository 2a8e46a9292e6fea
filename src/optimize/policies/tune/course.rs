//! A search of `tune` under way.

use crate::eval::Stop;
use crate::eval::stats::mean;
use crate::optimize::choice::{ROUNDING, choose, error};
use crate::optimize::policies::bootstrap_few_shot::{Bootstrap, Courses, Wanted};
use crate::optimize::policies::grounds::{Grounds, Proposed};
use crate::optimize::policies::tune::moves::{self, Kind};
use crate::optimize::policies::tune::space::{Point, Space};
use crate::optimize::policies::tune::spend::{Extent, Spend, uncapped};
use crate::optimize::policies::tune::{ADAPTERS, MOST_GENERATIONS, Tune, told};
use crate::optimize::propose::{Judge, MOST_CHARS, Refusals};
use crate::optimize::{BootstrapFewShot, Search};
use crate::program::State;
use crate::sampling::{Arm, Minibatches, Top2, ceil, float};
use std::collections::BTreeSet;
use std::sync::Arc;

mod ask;

/// How many standard errors a candidate may lie behind the leader and still go on.
const SLACK: f64 = 0.5;
/// The part of the budget that first sets of demos may take where other axes are tried as well.
const SETS: f64 = 0.25;
/// The same where there is nothing else to try.
const ALONE: f64 = 0.7;
/// The part of what is then left that one change of each kind may take.
const OTHERS: f64 = 0.8;
/// Who costs no more than this part of what the leader costs is cheaper.
const CHEAPER: f64 = 0.7;
/// After so many tries without any success an adapter or a model is not tried again.
const DUD: usize = 2;
/// How many leaders moves begin from.
const PARENTS: usize = 4;
/// How many leaders are scored on all rows in the end.
const FINALS: usize = 4;
/// The part of the budget after which the best is made cheaper.
const LEAN_AT: f64 = 0.75;
/// The part of the budget that is left for demos when no more rows are tried for them.
const MOST_FOR_DEMOS: f64 = 0.15;
/// What the end takes may be so much more than what runs took on average.
const MARGIN: f64 = 1.15;

/// A candidate.
pub(super) struct Try {
    pub(super) point: Point,
    pub(super) kind: Option<Kind>,
    /// The one that it was made of.
    pub(super) parent: Option<usize>,
    pub(super) label: String,
    /// Whether it was scored on all rows that leaders are compared on.
    pub(super) is_leader: bool,
}

/// What came of a kind of move.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) tries: usize,
    pub(super) kept: usize,
    /// Calls to who proposes, and runs on rows to learn from.
    pub(super) asked: u64,
    /// The greatest gain over a parent.
    pub(super) gain: Option<f64>,
}

/// A candidate that is to be tried.
struct New {
    point: Point,
    kind: Kind,
    parent: usize,
    what: String,
}

pub(super) struct Course<'t> {
    pub(super) policy: &'t Tune,
    pub(super) space: Space,
    pub(super) spend: Spend,
    /// Runs of a search without caps.
    usual: usize,
    /// By their places among all candidates.
    pub(super) tries: Vec<Try>,
    /// Those that were scored on all rows, the best first.
    pub(super) leaders: Vec<usize>,
    pub(super) tallies: Vec<Tally>,
    arms: Vec<Arm>,
    seen: BTreeSet<String>,
    /// The rows that leaders are compared on, in the order in which they are drawn.
    rows: Vec<usize>,
    generation: usize,
    /// Generations without a better leader.
    stale: usize,
    is_lean: bool,
    /// For each predictor how many of the proposed texts were tried, and how many there are.
    worded: Vec<(usize, usize)>,
    batches: Minibatches,
    judge: Judge,
    refusals: Refusals,
    /// Which predictor is reflected on next.
    turn: usize,
    /// The chosen candidate and the best.
    pub(super) chosen: Option<(usize, usize)>,
    /// Rows that the choice was made on.
    pub(super) chosen_on: usize,
}

impl<'t> Course<'t> {
    pub(super) fn new(policy: &'t Tune, search: &Search<'_>) -> Self {
        let extent = Extent {
            train: search.train().len(),
            val: search.val().len(),
            predictors: search.predictors().len(),
            held: search.held(),
        };
        let usual = uncapped(&extent);
        let runs = runs_of(1.0 / search.part_of_run(None, usual));
        let spend = Spend::new(runs, &extent);
        let adapters: Vec<String> = match &policy.adapters {
            Some(it) => it.clone(),
            None if spend.adapts => ADAPTERS.map(str::to_owned).to_vec(),
            None => Vec::new(),
        };
        let most = (policy.max_demos, policy.max_bootstrapped);
        let space = Space::new(search, &adapters, &policy.models, most);
        let mut rows: Vec<usize> = (0..extent.val).collect();
        search.random("rows").shuffle(&mut rows);
        let arm = |kind: Kind| {
            let (tries, sum) = kind.prior();
            Arm { tries, sum }
        };
        Self {
            policy,
            worded: vec![(0, 0); space.axes.len()],
            space,
            spend,
            usual,
            tries: Vec::new(),
            leaders: Vec::new(),
            tallies: vec![Tally::default(); Kind::ALL.len()],
            arms: Kind::ALL.map(arm).to_vec(),
            seen: BTreeSet::new(),
            rows,
            generation: 0,
            stale: 0,
            is_lean: false,
            batches: Minibatches::new(extent.train, super::SHOWN, search.seed()),
            judge: Judge::new(search.train(), MOST_CHARS),
            refusals: Refusals::default(),
            turn: 0,
            chosen: None,
            chosen_on: 0,
        }
    }

    pub(super) fn go(&mut self, search: &mut Search<'_>) -> Result<(), Stop> {
        let grounds = self.begin(search)?;
        self.ground(search, grounds)?;
        let sets = self.sets(search);
        self.race(search, sets)?;
        let others = self.others(search);
        self.race(search, others)?;
        while self.generation < MOST_GENERATIONS
            && self.affordable(search) >= 2 * self.spend.first
        {
            let is_done = self.stale > self.policy.patience || self.is_perfect(search);
            if !self.is_lean && (is_done || search.taken(self.usual) > LEAN_AT) {
                self.is_lean = true;
                let lean = self.lean(search);
                self.race(search, lean)?;
            } else if is_done {
                break;
            } else {
                let new = self.moved(search)?;
                if new.is_empty() {
                    self.stale += 1;
                }
                self.race(search, new)?;
            }
        }
        self.finals(search)
    }

    /// Scores the program as it is, and makes demos beside that; a model looks at the data where
    /// there is a budget for it.
    fn begin(&mut self, search: &mut Search<'_>) -> Result<Option<Grounds>, Stop> {
        let first = self.space.first();
        self.open(
            search,
            vec![New { point: first, kind: Kind::Demos, parent: 0, what: String::new() }],
        );
        let options = BootstrapFewShot {
            max_bootstrapped: self.spend.tries,
            max_labeled: self.policy.max_demos,
            max_rounds: 1,
            threshold: None,
        };
        let bootstrap = Bootstrap::new(options, search);
        let order = search.random("tries").sample(search.train().len(), self.spend.tries);
        let size = if self.policy.max_bootstrapped == 0 { 0 } else { order.len() };
        let wanted = Wanted { label: "runs".to_owned(), order, size };
        let mut courses = Courses::new(&bootstrap, search, vec![wanted]);
        let mut grounds =
            (self.spend.proposals > 0).then(|| Grounds::new(search, self.policy.temperature));
        // Where tokens or dollars are capped, what a run takes is not known before the first.
        let few = self.rows[..self.spend.first.min(self.spend.rows)].to_vec();
        let mut parts = vec![(0, few)];
        let before = search.taken(self.usual);
        loop {
            let has_room = search.taken(self.usual) - before < MOST_FOR_DEMOS;
            let asks = if has_room { courses.asks() } else { Vec::new() };
            let questions = grounds.as_ref().map_or(Vec::new(), |it| it.asks(search));
            let all = [&asks[..], &questions[..]].concat();
            let outcomes = search.score_parts("begin", &parts, &all)?;
            courses.take(search, &asks, &outcomes[..asks.len()]);
            if let Some(grounds) = &mut grounds {
                let answers = &outcomes[asks.len()..];
                self.tallies[Kind::Words as usize].asked += calls(answers);
                grounds.take(answers, &mut self.refusals);
            }
            parts.clear();
            let is_over = courses.are_done() || asks.is_empty();
            if is_over && grounds.as_ref().is_none_or(Grounds::are_done) {
                break;
            }
        }
        self.space.add_runs(&courses.made(search, 0).state);
        self.divide(search);
        let rest = self.rows[..self.spend.rows].to_vec();
        search.score_on("begin", &[0], &rest)?;
        self.lead(search, 0);
        Ok(grounds)
    }

    /// Divides the budget again, now that it is known what runs take.
    fn divide(&mut self, search: &mut Search<'_>) {
        let left = (1.0 - search.taken(self.usual)) / search.part_of_new_run(self.usual);
        let made = self.spend.first + self.spend.tries;
        let extent = Extent {
            train: search.train().len(),
            val: search.val().len(),
            predictors: self.space.axes.len(),
            held: search.held(),
        };
        let now = Spend::new(runs_of(left).saturating_add(made), &extent);
        let rows = now.rows.max(self.spend.first);
        self.spend = Spend { rows, first: now.first.min(rows), ..now };
        search.keep_for_the_end(now.runoff, now.last);
    }

    /// Runs of new candidates that there is a budget for, with what the end takes left aside.
    fn affordable(&self, search: &Search<'_>) -> usize {
        self.affordable_of(search, &[])
    }

    /// The same for runs of these candidates.
    fn affordable_of(&self, search: &Search<'_>, alive: &[usize]) -> usize {
        let hash = |at: usize| search.candidates()[at].state.hash();
        let of = |at: usize| search.part_of_run(Some(&hash(at)), self.usual);
        let has_run = |at: usize| search.candidates()[at].values.iter().flatten().count() > 2;
        let unknown = search.part_of_new_run(self.usual);
        let each: Vec<f64> =
            alive.iter().map(|at| if has_run(*at) { of(*at) } else { unknown }).collect();
        let run = if each.is_empty() { unknown } else { mean(&each) };
        // What will be chosen is not known: it may be one of these.
        let best = self.leaders.first().map_or(unknown, |at| of(*at));
        let best = each.iter().copied().fold(best.max(of(0)), f64::max);
        let (runoff, last) = search.held();
        let end = float(last) * (of(0) + best) + 3.0 * float(runoff) * best;
        let left = 1.0 - search.taken(self.usual) - MARGIN * end - search.part_to_begin();
        runs_of(left / run)
    }

    /// Sets of demos of several sizes: the first generation.
    fn sets(&mut self, search: &Search<'_>) -> Vec<New> {
        if !self.space.has_demos() {
            return Vec::new();
        }
        let most = self.space.most;
        let runs = self.space.most_from_runs.min(self.space.runs_found());
        let mut random = search.random("sets");
        let mut sizes =
            vec![(most, runs), (most, 0), (runs, runs), (most / 2, runs), (most / 4, 0)];
        sizes.extend((0..self.policy.at_once).map(|_| {
            let count = if random.coin() { most } else { 1 + random.below(most.max(1)) };
            (count, if runs == 0 { 0 } else { 1 + random.below(runs) })
        }));
        let is_all = self.worded.iter().all(|it| it.1 == 0)
            && self.space.adapters.is_empty()
            && self.space.models.is_empty();
        // The first two say whether demos help at all, and which.
        sizes.truncate(self.fitting(search, if is_all { ALONE } else { SETS }).max(2));
        let first = self.space.first();
        let set = |(count, runs): (usize, usize)| {
            let mut point = first.clone();
            let drawn = self.space.draw(count, runs, &mut random);
            point.parts.iter_mut().zip(drawn).for_each(|(part, it)| part.demos = it);
            New { point, kind: Kind::Demos, parent: 0, what: String::new() }
        };
        sizes.into_iter().map(set).collect()
    }

    /// One change each of what leads, along all other axes: the second generation.
    fn others(&mut self, search: &Search<'_>) -> Vec<New> {
        let parent = self.leaders.first().copied().unwrap_or(0);
        let from = self.tries[parent].point.clone();
        let mut all: Vec<New> = Vec::new();
        let mut add = |kind: Kind, point: Point, what: String| {
            all.push(New { point, kind, parent, what });
        };
        for at in 1..=self.space.models.len() {
            add(Kind::Model, Point { model: at, ..from.clone() }, self.space.model(at));
        }
        // Words and adapters in turn.
        let mut adapters = 1..=self.space.adapters.len();
        for turn in 0..(self.space.axes.len() * 2).max(self.space.adapters.len()) {
            let axis = turn % self.space.axes.len().max(1);
            if let Some(at) = adapters.next() {
                add(
                    Kind::Adapter,
                    Point { adapter: at, ..from.clone() },
                    self.space.adapter(at),
                );
            }
            if let Some(point) = self.next_text(axis, &from) {
                let what = format!("text {}", point.parts[axis].text);
                add(Kind::Words, point, what);
            }
        }
        all.truncate(self.fitting(search, OTHERS).max(1));
        all
    }

    /// How many candidates there is a budget for, when they may take this part of what is left.
    fn fitting(&self, search: &Search<'_>, part: f64) -> usize {
        let each = self.spend.first + self.spend.first / 2;
        let runs = ceil(float(self.affordable(search)) * part);
        (runs / each.max(1)).max(1).min(2 * self.policy.at_once)
    }

    /// The point with the next proposed text of a predictor that was not tried.
    fn next_text(&mut self, axis: usize, from: &Point) -> Option<Point> {
        let (tried, all) = self.worded.get_mut(axis)?;
        if tried >= all {
            return None;
        }
        *tried += 1;
        let mut point = from.clone();
        point.parts[axis].text = *tried;
        Some(point)
    }

    /// Moves from leaders.
    fn moved(&mut self, search: &mut Search<'_>) -> Result<Vec<New>, Stop> {
        let each = self.spend.first + self.spend.first / 2;
        let most = (self.affordable(search) / each.max(1)).clamp(1, self.policy.at_once.max(1));
        let mut kinds = Top2::new(search.random(&format!("kinds {}", self.generation)));
        let mut random = search.random(&format!("moves {}", self.generation));
        let (mut new, mut reflected) = (Vec::new(), Vec::new());
        for _ in 0..most {
            let Some(kind) = kinds.next(&self.arms) else { break };
            let parent = self.parent(&mut random);
            match Kind::ALL[kind] {
                kind @ (Kind::Reflect | Kind::Describe) => {
                    if self.may_ask(kind) {
                        reflected.push((kind, parent));
                    } else {
                        new.extend(self.other_move(Kind::Edit, parent, &mut random));
                    }
                }
                kind => new.extend(self.other_move(kind, parent, &mut random)),
            }
        }
        if !reflected.is_empty() {
            new.extend(self.reflect(search, reflected)?);
        }
        Ok(new)
    }

    /// Who a move begins from: the best half of the time, else one of those that follow.
    fn parent(&self, random: &mut crate::util::Random) -> usize {
        let among = self.leaders.len().min(PARENTS);
        let at = if random.coin() { 0 } else { random.below(among) };
        self.leaders.get(at).copied().unwrap_or(0)
    }

    fn may_ask(&self, kind: Kind) -> bool {
        match kind {
            Kind::Reflect => self.spend.reflects,
            _ => self.spend.describes,
        }
    }

    /// A move of this kind, or of another where there is none.
    fn other_move(
        &mut self,
        kind: Kind,
        parent: usize,
        random: &mut crate::util::Random,
    ) -> Option<New> {
        let from = self.tries[parent].point.clone();
        let of = |kind: Kind, point: Point, what: &str| {
            Some(New { point, kind, parent, what: what.to_owned() })
        };
        match kind {
            Kind::Words => {
                let axis = random.below(self.space.axes.len());
                let point = self.next_text(axis, &from).or_else(|| {
                    let texts: Vec<usize> = (0..=self.space.axes[axis].texts.len()).collect();
                    let mut point = from.clone();
                    point.parts[axis].text =
                        moves::another(from.parts[axis].text, &texts, random)?;
                    Some(point)
                });
                point.and_then(|it| {
                    let what = format!("text {}", it.parts[axis].text);
                    of(kind, it, &what)
                })
            }
            Kind::Adapter => {
                let choices = self.promising(kind, self.space.adapters.len());
                let at = moves::another(from.adapter, &choices, random)?;
                let point = Point { adapter: at, ..from.clone() };
                let name = self.space.adapter(at);
                of(kind, point, &name)
            }
            Kind::Model => {
                let choices = self.promising(kind, self.space.models.len());
                let at = moves::another(from.model, &choices, random)?;
                let name = self.space.model(at);
                of(kind, Point { model: at, ..from.clone() }, &name)
            }
            Kind::Cross => {
                let other = self.parent(random);
                let point = moves::cross(&from, &self.tries[other].point, random);
                of(kind, point, &format!("parts of {other}"))
            }
            Kind::Edit => moves::edit(&self.space, &from, random)
                .and_then(|(point, what)| of(kind, point, what)),
            _ => None,
        }
        .or_else(|| {
            let point = moves::demos(&self.space, &from, random)?;
            let told = self.space.told_demos(&point);
            of(Kind::Demos, point, &told)
        })
    }

    /// The choices of an axis, besides those that were tried and never came to anything.
    fn promising(&self, kind: Kind, choices: usize) -> Vec<usize> {
        let is_dud = |at: &usize| {
            let of = |it: &&Try| it.kind == Some(kind) && it.point.choice(kind) == *at;
            let tries = self.tries.iter().filter(of);
            tries.clone().count() >= DUD && tries.clone().all(|it| !it.is_leader)
        };
        (0..=choices).filter(|at| *at == 0 || !is_dud(at)).collect()
    }

    /// What would be cheaper than the best.
    fn lean(&mut self, search: &Search<'_>) -> Vec<New> {
        let mut random = search.random("lean");
        let parent = self.leaders.first().copied().unwrap_or(0);
        let all = moves::lean(&self.space, &self.tries[parent].point, &mut random);
        let new = |(point, what): (Point, &str)| New {
            point,
            kind: Kind::Lean,
            parent,
            what: what.to_owned(),
        };
        all.into_iter().take(self.policy.at_once).map(new).collect()
    }

    /// Puts candidates in their places; those that are known are left out. Their places.
    fn open(&mut self, search: &mut Search<'_>, new: Vec<New>) -> Vec<usize> {
        let (mut states, mut serials) = (Vec::new(), Vec::new());
        for it in new {
            let state: State = self.space.state(&it.point);
            if !self.seen.insert(state.hash()) {
                continue;
            }
            let serial = self.tries.len();
            let is_first = serial == 0;
            let told = self.space.told(&it.point);
            let label = match (is_first, it.what.as_str()) {
                (true, _) => "as it is".to_owned(),
                (false, "") => format!("{serial}: {told}"),
                (false, what) => format!("{serial}: {} with {what}", it.parent),
            };
            if !is_first {
                self.tallies[it.kind as usize].tries += 1;
            }
            self.tries.push(Try {
                point: it.point,
                kind: (!is_first).then_some(it.kind),
                parent: (!is_first).then_some(it.parent),
                label: label.clone(),
                is_leader: false,
            });
            states.push((serial, label, state));
            serials.push(serial);
        }
        search.open(states);
        serials
    }

    /// Has candidates race against the leader.
    fn race(&mut self, search: &mut Search<'_>, new: Vec<New>) -> Result<(), Stop> {
        self.generation += 1;
        let mut alive = self.open(search, new);
        let all = alive.clone();
        let before = self.leaders.first().copied();
        let mut order = self.rows[..self.spend.rows].to_vec();
        search.random(&format!("race {}", self.generation)).shuffle(&mut order);
        let mut seen = 0;
        for rows in rungs(self.spend.first, order.len()) {
            let room = self.affordable_of(search, &alive) / (rows - seen);
            alive.truncate(room);
            if alive.is_empty() {
                break;
            }
            alive.sort_unstable();
            search.score_on("race", &alive, &order[seen..rows])?;
            seen = rows;
            if rows < order.len() {
                self.drop_worse(search, &mut alive, &order[..rows]);
            }
        }
        if seen == order.len() {
            alive.iter().for_each(|it| self.lead(search, *it));
        }
        for it in all {
            self.credit(search, it);
        }
        let is_better = self.leaders.first().copied() != before;
        self.stale = if is_better { 0 } else { self.stale + 1 };
        Ok(())
    }

    /// Keeps the better half of those that do not fall behind the leader, the best first.
    fn drop_worse(&self, search: &Search<'_>, alive: &mut Vec<usize>, rows: &[usize]) {
        let leader = self.leaders.first().copied().unwrap_or(0);
        let price = |at: usize| search.price(&search.candidates()[at].state.hash());
        let led = price(leader);
        let is_cheaper = |at: usize| {
            let own = price(at);
            match (own.dollars, led.dollars) {
                (Some(own), Some(led)) if led > 0.0 => own <= CHEAPER * led,
                _ => own.tokens <= CHEAPER * led.tokens,
            }
        };
        let one = |at: &usize| (*at, ahead(search, *at, leader, rows), is_cheaper(*at));
        *alive = kept(alive.iter().map(one).collect());
    }

    /// Puts a candidate that was scored on all rows among the leaders.
    fn lead(&mut self, search: &mut Search<'_>, serial: usize) {
        search.close_early(serial);
        let Some(score) = search.candidates()[serial].score else { return };
        self.tries[serial].is_leader = true;
        let demos = |at: usize| search.candidates()[at].state.demo_count();
        let of = |at: &usize| search.candidates()[*at].score.unwrap_or_default();
        // Of equal ones the one with fewer demos leads, then the earlier one.
        let place = self.leaders.partition_point(|it| {
            of(it) > score || (of(it) == score && demos(*it) <= demos(serial))
        });
        self.leaders.insert(place, serial);
    }

    /// Takes down what came of a candidate.
    fn credit(&mut self, search: &Search<'_>, serial: usize) {
        let Try { kind: Some(kind), parent: Some(parent), is_leader, .. } = self.tries[serial]
        else {
            return;
        };
        let tally = &mut self.tallies[kind as usize];
        let differences = ahead(search, serial, parent, &self.rows[..self.spend.rows]);
        let gain = mean(&differences);
        let has_helped = is_leader && gain > 0.0;
        self.arms[kind as usize].push(if has_helped { 1.0 } else { 0.0 });
        if is_leader {
            tally.kept += 1;
            tally.gain = Some(tally.gain.map_or(gain, |it| it.max(gain)));
        }
    }

    fn is_perfect(&self, search: &Search<'_>) -> bool {
        let best = self.leaders.first().and_then(|at| search.candidates()[*at].score);
        best.is_some_and(|it| it >= 1.0)
    }

    /// Scores the leaders on the rows that were left out, as far as the budget goes.
    fn finals(&mut self, search: &mut Search<'_>) -> Result<(), Stop> {
        let left = &self.rows[self.spend.rows..];
        let mut serials: Vec<usize> = self.leaders.iter().copied().take(FINALS).collect();
        if !serials.contains(&0) && !self.leaders.is_empty() {
            serials.push(0);
        }
        let rows =
            (self.affordable_of(search, &serials) / serials.len().max(1)).min(left.len());
        if rows < self.spend.first || serials.len() < 2 {
            return Ok(());
        }
        let rows = left[..rows].to_vec();
        serials.sort_unstable();
        search.score_on("finals", &serials, &rows)?;
        serials.iter().for_each(|it| search.close_early(*it));
        self.leaders.retain(|it| serials.contains(it));
        Ok(())
    }

    /// Chooses the cheapest leader within noise of the best.
    pub(super) fn settle(&mut self, search: &mut Search<'_>) {
        if self.leaders.is_empty() && !self.tries.is_empty() {
            self.lead(search, 0);
        }
        let mut leaders = self.leaders.clone();
        leaders.sort_unstable();
        let contenders: Vec<_> = leaders.iter().map(|at| search.contender(*at, &[])).collect();
        if let Some((chosen, best)) = choose(&contenders, self.policy.prefer, search.seed()) {
            self.chosen = Some((leaders[chosen], leaders[best]));
            self.chosen_on = contenders[chosen].scores.iter().flatten().count();
            search.prefer(leaders[chosen]);
        }
    }

    pub(super) fn tell(self, search: &mut Search<'_>) {
        for text in told::remarks(&self, search) {
            search.remark(text);
        }
        self.refusals.tell(search);
    }

    /// Asks for instructions, from what is known of data and program.
    fn ground(
        &mut self,
        search: &mut Search<'_>,
        grounds: Option<Grounds>,
    ) -> Result<(), Stop> {
        let (Some(grounds), true) = (grounds, self.spend.proposals > 0) else { return Ok(()) };
        let demos = self.space.draw(3, 3, &mut search.random("shown"));
        let mut shown = self.space.first();
        shown.parts.iter_mut().zip(demos).for_each(|(part, it)| part.demos = it);
        let sets = [("runs".to_owned(), self.space.state(&shown))];
        let (count, temperature) = (self.spend.proposals, self.policy.temperature);
        let before = search.calls();
        let proposed = grounds.propose(search, &sets, count, temperature, &mut self.refusals);
        self.tallies[Kind::Words as usize].asked += search.calls() - before;
        let axes = self.space.axes.iter_mut().zip(&mut self.worded);
        for ((axis, worded), (_, texts)) in axes.zip(proposed?) {
            let noted = |it: Proposed| Proposed { note: format!("grounded {}", it.note), ..it };
            axis.texts.extend(texts.into_iter().map(noted));
            worded.1 = axis.texts.len();
        }
        Ok(())
    }
}

/// Those that go on, the best first: of candidates with how far they are ahead of the leader, by
/// row, the better half, as far as they do not lie far behind. Who is cheaper than the leader need
/// not lead: it is enough not to fall behind.
fn kept(all: Vec<(usize, Vec<f64>, bool)>) -> Vec<usize> {
    let most = all.len().div_ceil(2);
    let mut near: Vec<(usize, f64, bool)> = all
        .into_iter()
        .filter(|(_, by, is_cheaper)| {
            let slack = if *is_cheaper { 2.0 * SLACK } else { SLACK };
            !by.is_empty() && mean(by) >= -slack * error(by) - ROUNDING
        })
        .map(|(at, by, is_cheaper)| (at, mean(&by), is_cheaper))
        .collect();
    near.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let of_half = near.into_iter().enumerate();
    of_half.filter(|(place, it)| *place < most || it.2).map(|(_, it)| it.0).collect()
}

/// How far one candidate is ahead of another, by row.
pub(super) fn ahead(search: &Search<'_>, at: usize, other: usize, rows: &[usize]) -> Vec<f64> {
    let value =
        |at: usize, row: usize| search.candidates()[at].values.get(row).copied().flatten();
    let both = |row: &usize| Some(value(at, *row)? - value(other, *row)?);
    rows.iter().filter_map(both).collect()
}

/// Rows at the end of each rung: twice as many as before, so long as the last one is no mere rest.
fn rungs(first: usize, rows: usize) -> Vec<usize> {
    let mut all = vec![];
    let mut at = first.clamp(1, rows.max(1));
    while at * 3 / 2 < rows {
        all.push(at);
        at *= 2;
    }
    if rows > 0 {
        all.push(rows);
    }
    all
}

/// The calls of answers.
fn calls(answers: &[Option<Arc<crate::eval::Outcome>>]) -> u64 {
    answers.iter().flatten().map(|it| u64::from(it.calls)).sum()
}

/// A number of runs, all of them whole.
fn runs_of(parts: f64) -> usize {
    /// More than any search makes.
    const MOST: f64 = 1e9;
    if parts > 0.0 { ceil(parts.min(MOST).floor()) } else { 0 }
}

#[cfg(test)]
mod tests;
