//! Which calls flow into a condition, by the text alone.

use super::{Note, Origin, Slices, Source, below};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How far values are followed back; of what is further nothing is said.
const DEPTH: usize = 200;
/// How many members of a value are followed.
const LONGEST: usize = 8;

/// Members that are read of a value.
type Path = Vec<Arc<str>>;

/// Calls of which one flows in at a time.
pub(in crate::check) type Either = BTreeSet<u32>;

/// The slices of a unit, and which of its sites ask a model.
pub(in crate::check) struct Ends<'a> {
    slices: &'a Slices,
    asks: &'a dyn Fn(u32) -> bool,
    /// The marks of variables, and those of what functions return.
    held: BTreeMap<u32, Vec<u32>>,
    returned: BTreeMap<u32, Vec<u32>>,
    /// The functions that have parameters, by these.
    params: BTreeMap<u32, u32>,
    /// The calls of functions.
    callers: BTreeMap<u32, Vec<u32>>,
    /// What was found of members of what something gave; nothing while it is looked for.
    known: BTreeMap<(Origin, Path), Option<Vec<Either>>>,
}

impl<'a> Ends<'a> {
    pub(in crate::check) fn new(slices: &'a Slices, asks: &'a dyn Fn(u32) -> bool) -> Self {
        let mut held: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut returned: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (at, mark) in (0..).zip(&slices.marks) {
            match mark.note {
                Note::Set(var) | Note::Add(var) => held.entry(var).or_default().push(at),
                Note::Return => returned.entry(mark.body).or_default().push(at),
                Note::Made(_) => {}
            }
        }
        let bodies = (0..).zip(&slices.bodies);
        let params = bodies.flat_map(|(at, body)| body.params.iter().map(move |it| (it.1, at)));
        let params = params.collect();
        let mut callers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (at, site) in (0..).zip(&slices.sites) {
            if let Some(body) = site.callee.and_then(|it| slices.body_at(it)) {
                callers.entry(body).or_default().push(at);
            }
        }
        let known = BTreeMap::new();
        Self { slices, asks, held, returned, params, callers, known }
    }

    /// The calls that flow into a condition, through judges to what they read, but those from
    /// whose replies another one of them is computed: the last ones. `None` where that is not sure.
    pub(in crate::check) fn of_condition(&mut self, condition: u32) -> Option<Vec<Either>> {
        let slices = self.slices;
        let flows = &slices.sites[condition as usize].flows;
        let all = self.of_all(flows.iter().flat_map(|it| &it.1), &[], 0)?;
        if all.len() < 2 {
            return Some(all);
        }
        let behind: Vec<Either> = all.iter().map(|it| self.behind(it)).collect();
        let is_last = |at: usize| {
            let mut others = behind.iter().enumerate().filter(|it| it.0 != at);
            others.all(|it| it.1.is_disjoint(&all[at]))
        };
        Some((0..all.len()).filter(|at| is_last(*at)).map(|at| all[at].clone()).collect())
    }

    /// What several sources give together to who reads a path of them.
    fn of_all<'s>(
        &mut self,
        sources: impl Iterator<Item = &'s Source>,
        path: &[Arc<str>],
        depth: usize,
    ) -> Option<Vec<Either>> {
        let mut all: Vec<Either> = Vec::new();
        for source in sources {
            let Some((_, rest)) = below(&source.under, path) else { continue };
            let path = source.path.iter().chain(rest).take(LONGEST).cloned().collect();
            for mut found in self.of(source.origin, path, depth + 1)? {
                // What may be the same call counts once.
                while let Some(at) = all.iter().position(|it| !it.is_disjoint(&found)) {
                    found.extend(all.swap_remove(at));
                }
                all.push(found);
            }
        }
        all.sort();
        Some(all)
    }

    fn of(&mut self, origin: Origin, path: Path, depth: usize) -> Option<Vec<Either>> {
        if depth > DEPTH {
            return None;
        }
        let asked = (origin, path);
        if let Some(known) = self.known.get(&asked) {
            return known.clone();
        }
        self.known.insert(asked.clone(), Some(Vec::new()));
        let path = &asked.1;
        let found = match origin {
            Origin::Var(var) => self.one_of(self.held.get(&var).cloned(), path, depth),
            Origin::Closure(body) => {
                self.one_of(self.returned.get(&body).cloned(), path, depth)
            }
            Origin::Site(site) => self.of_site(site, path, depth),
        };
        self.known.insert(asked, found.clone());
        found
    }

    fn of_site(&mut self, at: u32, path: &[Arc<str>], depth: usize) -> Option<Vec<Either>> {
        let slices = self.slices;
        let site = &slices.sites[at as usize];
        if let Some(body) = site.callee.and_then(|it| slices.body_at(it)) {
            return self.one_of(self.returned.get(&body).cloned(), path, depth);
        }
        if !(self.asks)(at) {
            return None;
        }
        let own = || vec![Either::from([at])];
        if !site.judges {
            return Some(own());
        }
        let read = self.of_all(site.flows.iter().flat_map(|it| &it.1), &[], depth)?;
        Some(if read.is_empty() { own() } else { read })
    }

    /// What one of several marks says: which of them held is known when the program runs.
    fn one_of(
        &mut self,
        marks: Option<Vec<u32>>,
        path: &[Arc<str>],
        depth: usize,
    ) -> Option<Vec<Either>> {
        let slices = self.slices;
        let mut ways = Vec::new();
        for mark in marks.unwrap_or_default() {
            let way = self.of_all(slices.marks[mark as usize].sources.iter(), path, depth)?;
            ways.push(way);
        }
        ways.retain(|it| !it.is_empty());
        Some(match ways.len() {
            0 | 1 => ways.pop().unwrap_or_default(),
            _ => vec![ways.into_iter().flatten().flatten().collect()],
        })
    }

    /// The calls that these are computed from.
    fn behind(&self, calls: &Either) -> Either {
        let slices = self.slices;
        let mut seen: BTreeSet<Origin> = BTreeSet::new();
        let mut next: Vec<Origin> = Vec::new();
        let of_site = |site: u32| {
            let flows = &slices.sites[site as usize].flows;
            flows.iter().flat_map(|it| &it.1).map(|it| it.origin)
        };
        calls.iter().for_each(|it| next.extend(of_site(*it)));
        while let Some(origin) = next.pop() {
            if !seen.insert(origin) {
                continue;
            }
            let marks = match origin {
                Origin::Var(var) => {
                    next.extend(self.given(var).flat_map(of_site));
                    self.held.get(&var)
                }
                Origin::Closure(body) => self.returned.get(&body),
                Origin::Site(site) => {
                    next.extend(of_site(site));
                    let callee = slices.sites[site as usize].callee;
                    callee.and_then(|it| self.returned.get(&slices.body_at(it)?))
                }
            };
            let marks = marks.into_iter().flatten();
            let sources = marks.flat_map(|it| &slices.marks[*it as usize].sources);
            next.extend(sources.map(|it| it.origin));
        }
        let sites = seen.into_iter().filter_map(|it| match it {
            Origin::Site(site) => Some(site),
            _ => None,
        });
        sites.collect()
    }

    /// The calls of the function whose parameter a variable is.
    fn given(&self, var: u32) -> impl Iterator<Item = u32> {
        let body = self.params.get(&var);
        body.and_then(|it| self.callers.get(it)).into_iter().flatten().copied()
    }
}
