//! What flows into calls and conditions inside a function's body: slices of its definitions and
//! uses.
//!
//! A *site* is a place in the text where a value is called, or a condition stands. For each of
//! its arguments a slice says what it was computed from: earlier sites, variables, closures;
//! through fields, operators, insertions, lists and maps, functions and methods. A *mark* says
//! the same of what is assigned to a variable, returned, or chosen by a branch. The program is
//! written with marks where a value may have come from a site, so that the run knows at each of
//! them what a variable holds *now*: loops, branches and assignments need no guess. A value that
//! was chosen by a condition is not computed from it.

mod ends;
mod walk;

use crate::source::SourceId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The slices of a unit.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Slices {
    /// Main, its functions, methods, consts and tests, and the closures with sites in them.
    pub bodies: Vec<Body>,
    /// The sites of all bodies.
    pub sites: Vec<Site>,
    /// What is noted of values.
    pub marks: Vec<Mark>,
    /// The bodies that declare the variables.
    pub vars: Vec<u32>,
    /// The sites, by the first byte and the end of their calls or conditions.
    at: BTreeMap<(u32, u32), u32>,
    /// The marks of values, by the first byte and the end of their expressions.
    of_value: BTreeMap<(u32, u32), Vec<u32>>,
    /// The marks of rounds, by the first byte of the blocks of loops.
    of_round: BTreeMap<u32, u32>,
    /// The bodies, by the first byte of their blocks or closures.
    of_node: BTreeMap<u32, u32>,
}

/// A function's body, or a closure's.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The body around a closure.
    pub outer: Option<u32>,
    /// Whether something in it, or in a closure in it, is a site.
    pub has_sites: bool,
    /// Whether it is the contracts of a signature, whose parameters are its fields.
    pub is_contract: bool,
    /// Its parameters: their names and variables.
    pub params: Vec<(Arc<str>, u32)>,
}

/// A call of a value, or a condition.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// The body that it stands in.
    pub body: u32,
    /// What flows into it.
    pub flows: Vec<(Slot, Vec<Source>)>,
    /// Where the body of the function begins that it calls by its name.
    pub callee: Option<u32>,
    /// Whether it is a condition.
    pub is_condition: bool,
    /// Whether its value flows only into conditions.
    pub judges: bool,
}

/// Where something flows in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// The argument at this place.
    Nth(u32),
    /// The argument of this name; what a condition reads, as it is written.
    Named(Arc<str>),
    /// Somewhere.
    Some,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// What gave it.
    pub origin: Origin,
    /// The members that were read of it.
    pub path: Vec<Arc<str>>,
    /// The keys of maps that it stands under now, the outermost first.
    pub under: Vec<Arc<str>>,
}

/// What gave a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The latest turn of the site of this number.
    Site(u32),
    /// What the variable of this number holds.
    Var(u32),
    /// What the closure with this body gave since it was made.
    Closure(u32),
}

/// Something that is noted of a value.
#[derive(Debug, PartialEq, Eq)]
pub struct Mark {
    /// The body that it stands in.
    pub body: u32,
    /// What.
    pub note: Note,
    /// What the value was computed from.
    pub sources: Vec<Source>,
}

/// What a mark notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// The variable holds the value.
    Set(u32),
    /// The variable holds the value beside what it held.
    Add(u32),
    /// The function returns the value.
    Return,
    /// The closure with this body is made.
    Made(u32),
}

impl Slices {
    /// The site of the call or condition at these bytes.
    pub fn site(&self, start: u32, end: u32) -> Option<u32> {
        self.at.get(&(start, end)).copied()
    }

    /// The site of the call at these bytes of a function that has sites.
    pub fn callee(&self, start: u32, end: u32) -> Option<u32> {
        let site = self.site(start, end)?;
        let start = self.sites[site as usize].callee?;
        self.body_at(start).map(|_| site)
    }

    /// The body that begins at this byte, where something in it is a site.
    pub fn body_at(&self, start: u32) -> Option<u32> {
        let body = *self.of_node.get(&start)?;
        self.bodies.get(body as usize).filter(|it| it.has_sites).map(|_| body)
    }

    /// What is noted of the value of the expression at these bytes.
    pub fn marks_of(&self, start: u32, end: u32) -> &[u32] {
        self.of_value.get(&(start, end)).map_or(&[], Vec::as_slice)
    }

    /// What is noted where a round of the loop begins whose block begins at this byte.
    pub fn round_at(&self, start: u32) -> Option<u32> {
        self.of_round.get(&start).copied()
    }

    /// Whether a site stands in the contracts of a signature.
    pub fn is_contract(&self, site: u32) -> bool {
        self.bodies[self.sites[site as usize].body as usize].is_contract
    }

    /// Finds the calls whose values flow only into conditions.
    fn find_judges(&mut self) {
        for site in 0..self.sites.len() {
            let is_call = !self.sites[site].is_condition && self.sites[site].callee.is_none();
            self.sites[site].judges = is_call && self.judges(Origin::Site(site as u32));
        }
    }

    /// Whether what this gives flows into conditions, and nowhere else.
    fn judges(&self, origin: Origin) -> bool {
        let mut held = BTreeSet::from([origin]);
        let reads = |held: &BTreeSet<Origin>, sources: &[Source]| {
            sources.iter().any(|it| held.contains(&it.origin))
        };
        loop {
            let n_held = held.len();
            for mark in &self.marks {
                if !reads(&held, &mark.sources) {
                    continue;
                }
                match mark.note {
                    Note::Set(var) | Note::Add(var) => held.insert(Origin::Var(var)),
                    Note::Return | Note::Made(_) => return false,
                };
            }
            if held.len() == n_held {
                break;
            }
        }
        let into = |it: &&Site| it.flows.iter().any(|it| reads(&held, &it.1));
        let mut into = self.sites.iter().filter(into).peekable();
        into.peek().is_some() && into.all(|it| it.is_condition)
    }

    /// Drops marks of which nobody can learn anything.
    fn prune(&mut self) {
        let mut live: BTreeSet<u32> = BTreeSet::new();
        for body in self.bodies.iter().filter(|it| it.has_sites) {
            live.extend(body.params.iter().map(|it| it.1));
        }
        loop {
            let n_live = live.len();
            for mark in &self.marks {
                if let Note::Set(var) | Note::Add(var) = mark.note
                    && mark.sources.iter().any(|it| it.is_live(&live))
                {
                    live.insert(var);
                }
            }
            if live.len() == n_live {
                break;
            }
        }
        let flows = self.sites.iter_mut().flat_map(|it| &mut it.flows).map(|it| &mut it.1);
        let sources = self.marks.iter_mut().map(|it| &mut it.sources);
        flows.chain(sources).for_each(|it| it.retain(|it| it.is_live(&live)));
        let is_told = |mark: &u32| {
            let mark = &self.marks[*mark as usize];
            let has_frame = mark.body == 0 || self.bodies[mark.body as usize].has_sites;
            has_frame
                && match mark.note {
                    Note::Set(var) | Note::Add(var) => live.contains(&var),
                    Note::Return => !mark.sources.is_empty(),
                    Note::Made(_) => true,
                }
        };
        self.of_value.values_mut().for_each(|it| it.retain(is_told));
        self.of_value.retain(|_, it| !it.is_empty());
        self.of_round.retain(|_, it| is_told(it));
    }
}

/// What is left of a path behind the keys that a value stands under, and how many of these are
/// left; nothing where the path leads elsewhere.
pub fn below<'p>(under: &[Arc<str>], path: &'p [Arc<str>]) -> Option<(usize, &'p [Arc<str>])> {
    let same = under.iter().zip(path).take_while(|(key, name)| key == name).count();
    let is_there = same == under.len() || same == path.len();
    is_there.then(|| (under.len() - same, &path[same..]))
}

impl Source {
    /// Whether it may be a site, where these variables may hold what sites gave.
    fn is_live(&self, live: &BTreeSet<u32>) -> bool {
        match self.origin {
            Origin::Site(_) | Origin::Closure(_) => true,
            Origin::Var(var) => live.contains(&var),
        }
    }
}

/// A number that names something of a unit in the whole program.
pub fn key(source: SourceId, index: u32) -> i64 {
    i64::from(source.0) << 32 | i64::from(index)
}

/// The unit and the number in it.
pub fn split(key: i64) -> (SourceId, u32) {
    let low = key & i64::from(u32::MAX);
    let narrow = |it: i64| u32::try_from(it).unwrap_or_default();
    (SourceId(narrow(key >> 32)), narrow(low))
}

pub(super) use ends::Ends;
pub(super) use walk::slices;
