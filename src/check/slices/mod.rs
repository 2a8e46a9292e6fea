//! What flows into calls and conditions inside a function's body: slices of its definitions and
//! uses.
//!
//! A *site* is a place in the text where a value is called, or a condition stands. For each of
//! its arguments a slice says which earlier sites of the same body gave what it was computed
//! from: through variables, fields, operators, insertions, lists and maps, functions and
//! methods, loops and branches. A value that was chosen by a condition is not computed from it.
//! Where a site ran more than once, a slice says which of its turns is meant, and since when: a
//! variable that is declared in the body of a loop holds nothing of an earlier round.
//!
//! The slices are claims about the text only; which calls they mean is known when it runs.

mod env;
mod walk;

use crate::source::SourceId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The slices of a unit.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Slices {
    /// Main, its functions, methods, consts and tests, and the closures in them.
    pub bodies: Vec<Body>,
    /// The sites of all bodies.
    pub sites: Vec<Site>,
    /// The sites, by the first byte and the end of their calls or conditions.
    at: BTreeMap<(u32, u32), u32>,
    /// The bodies, by the first byte of their blocks, expressions or closures.
    of_node: BTreeMap<u32, u32>,
    /// The loops, by the first byte of their blocks.
    loops: BTreeMap<u32, u32>,
    /// The loop around each, by number; 0 is none.
    around: Vec<u32>,
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
    /// The names of its parameters.
    pub params: Vec<Arc<str>>,
    /// What the value that it returns was computed from.
    pub returns: Vec<Source>,
}

/// A call of a value, or a condition.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// The body that it stands in.
    pub body: u32,
    /// What flows into it.
    pub flows: Vec<(Slot, Vec<Source>)>,
    /// Whether more than its latest turns is asked for.
    pub is_kept: bool,
    /// Where the body of the function begins that it calls by its name.
    pub callee: Option<u32>,
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
    /// The body whose variables hold it.
    pub body: u32,
    /// What gave it.
    pub origin: Origin,
    /// Which turn of the site, counted back from its latest; [`ALL`] is each.
    pub turn: u8,
    /// The number of the loop in whose present round that was; 0 is the whole body.
    pub within: u32,
    /// The members that were read of it.
    pub path: Vec<Arc<str>>,
}

/// What gave a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The site of this number.
    Site(u32),
    /// The parameter at this place.
    Param(u32),
}

/// All turns of a site.
pub const ALL: u8 = u8::MAX;

/// The turns that are told apart.
pub const TURNS: u8 = 3;

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

    /// The loop whose block begins at this byte.
    pub fn loop_at(&self, start: u32) -> Option<u32> {
        self.loops.get(&start).copied()
    }

    /// Whether the loop `outer` is `inner` or around it; 0 is around all.
    fn encloses(&self, outer: u32, inner: u32) -> bool {
        let mut at = inner;
        loop {
            if at == outer {
                return true;
            }
            match at.checked_sub(1).and_then(|it| self.around.get(it as usize)) {
                Some(around) => at = *around,
                None => return false,
            }
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
    (
        SourceId(u32::try_from(key >> 32).unwrap_or_default()),
        u32::try_from(low).unwrap_or_default(),
    )
}

pub(super) use walk::slices;
