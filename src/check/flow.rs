//! What flows where: through variables, branches, loops and functions.
//!
//! The walk goes through the code in the order in which it runs and keeps what is known of each
//! variable. Where two ways meet, a variable is what it is on one of them; what is assigned in
//! a loop adds to what it was. Functions are walked several times, until what their calls give
//! them and what they return no longer changes; only the last round tells what is wrong. An
//! error is told only where it is one on every way that is known.

use super::Checker;
use super::args::Argument;
use super::model::{FnInfo, ModuleInfo, ParamInfo};
use super::pieces::{Asked, Found, Question, yes};
use super::scope::{Known, Scopes};
use super::value::{FnKey, Parts};
use crate::syntax::ast::{self, If};
use crate::syntax::{Node, NodeKind};
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// After how many rounds what still changes counts as unknown.
const ROUNDS: usize = 6;

/// How often the walk goes through the body of a loop at most.
const TIMES: usize = 3;

/// In how many loops the walk goes through a body more than once.
const DEEPEST: usize = 3;

/// The calls of a function.
#[derive(Debug, Clone, Default, PartialEq)]
struct Site {
    /// What they give its parameters.
    args: Vec<Known>,
    /// Whether others call it too, with whatever.
    open: bool,
}

/// What the walk knows besides the scopes.
#[derive(Debug, Default)]
pub(super) struct Flow<'a> {
    /// What the piece being walked asked for, and what was found in it.
    asked: Asked<'a>,
    found: Vec<Found>,
    /// What is known of expressions that were walked, by their place in memory.
    seen: IndexMap<usize, Known, BuildHasherDefault<PlaceHasher>>,
    /// Quotients of integers, by their place in memory.
    divided: BTreeSet<usize>,
    /// The calls found in the last round, and in this one.
    sites: BTreeMap<FnKey, Site>,
    next_sites: BTreeMap<FnKey, Site>,
    /// What functions returned in the last round, and in this one.
    results: BTreeMap<FnKey, Known>,
    next_results: BTreeMap<FnKey, Known>,
    /// Functions and modules that others may call with whatever.
    public: BTreeSet<FnKey>,
    /// Functions that judge replies.
    metrics: BTreeSet<FnKey>,
    /// Closures of which is known who calls them.
    placed: BTreeSet<FnKey>,
    /// What the functions around return, outermost first.
    returns: Vec<Known>,
    /// Blocks further out than this may run again, or not to their end: what is assigned to
    /// their variables adds to what they were.
    pub(super) weak: usize,
    /// How many loops are around.
    loops: usize,
    /// Blocks further out than this are those around the closure.
    pub(super) outside: usize,
    /// Whether this is the first round.
    first: bool,
    /// Whether a `try` is around.
    pub(super) trying: bool,
}

impl<'a> Flow<'a> {
    /// What a function returns.
    pub(super) fn result(&self, key: FnKey) -> Known {
        let (results, missing) = if self.first {
            (&self.next_results, Known::Never)
        } else {
            (&self.results, Known::Nothing)
        };
        let known = results.get(&key).cloned().unwrap_or(missing);
        self.asked.note(Question::Result(key), &known);
        known
    }

    /// What a function is given for its parameter at `index`.
    pub(super) fn given(&self, key: FnKey, index: usize) -> Known {
        let sites = if self.first { &self.next_sites } else { &self.sites };
        let known = match sites.get(&key) {
            _ if self.public.contains(&key) => Known::Nothing,
            None if self.first => Known::Never,
            None => Known::Nothing,
            Some(site) if site.open => Known::Nothing,
            Some(site) => site.args.get(index).cloned().unwrap_or_default(),
        };
        self.asked.note(Question::Given(key, index), &known);
        known
    }

    /// Whether a function judges replies.
    pub(super) fn judges(&self, key: FnKey) -> bool {
        let judges = self.metrics.contains(&key);
        self.asked.note(Question::Judges(key), &yes(judges));
        judges
    }

    /// Takes down that a function judges replies.
    pub(super) fn judge(&mut self, key: FnKey) {
        self.metrics.insert(key);
    }

    /// Takes down what a const is.
    pub(super) fn asked_const(&self, name: &'a str, known: &Known) {
        self.asked.note(Question::Const(name), known);
    }

    /// Begins with a piece.
    pub(super) fn begin(&mut self) {
        (self.asked, self.found) = Default::default();
    }

    /// Ends with a piece: what it asked for, and what was found in it.
    pub(super) fn end(&mut self) -> (Asked<'a>, Vec<Found>) {
        (std::mem::take(&mut self.asked), std::mem::take(&mut self.found))
    }

    /// Takes down what was found in a piece.
    pub(super) fn take(&mut self, found: Found) {
        match found {
            Found::Call(key, args) => self.add_call(key, args),
            Found::Open(key) => self.next_sites.entry(key).or_default().open = true,
            Found::Returns(key, known) => {
                let all = self.next_results.entry(key).or_insert(Known::Never);
                *all = std::mem::take(all).or(known);
            }
        }
    }

    fn find(&mut self, found: Found) {
        self.found.push(found.clone());
        self.take(found);
    }

    /// Takes down that it is known who calls a function that stands as a value next.
    pub(super) fn place(&mut self, key: FnKey) {
        self.placed.insert(key);
    }

    /// Takes down a call.
    pub(super) fn call(&mut self, key: FnKey, args: Vec<Known>) {
        self.find(Found::Call(key, args));
    }

    fn add_call(&mut self, key: FnKey, args: Vec<Known>) {
        match self.next_sites.get_mut(&key) {
            None => {
                self.next_sites.insert(key, Site { args, open: false });
            }
            Some(site) => {
                site.args.truncate(args.len());
                for (known, arg) in site.args.iter_mut().zip(args) {
                    *known = std::mem::take(known).or(arg);
                }
            }
        }
    }

    /// Whether all calls of a function name it.
    pub(super) fn is_called_by_name(&self, key: FnKey) -> bool {
        self.sites.get(&key).is_some_and(|it| !it.open) && !self.metrics.contains(&key)
    }

    /// Takes down that anybody may call a function.
    fn open(&mut self, key: FnKey) {
        self.find(Found::Open(key));
    }

    /// Ends a round; true where nothing changed.
    fn settle(&mut self, last: bool) -> bool {
        let sites = std::mem::take(&mut self.next_sites);
        let results = std::mem::take(&mut self.next_results);
        let settled = !self.first && sites == self.sites && results == self.results;
        self.first = false;
        if last && !settled {
            self.sites.retain(|key, it| sites.get(key) == Some(it));
            self.results.retain(|key, it| results.get(key) == Some(it));
            return false;
        }
        (self.sites, self.results) = (sites, results);
        settled
    }

    /// Forgets what was found: others may call these.
    pub(super) fn publish(&mut self, public: BTreeSet<FnKey>) {
        self.sites.clear();
        self.results.clear();
        self.next_sites.clear();
        self.next_results.clear();
        self.public = public;
    }

    /// What functions return, as other units may know it.
    pub(super) fn results_outside(&self) -> BTreeMap<FnKey, Known> {
        let known = self.results.iter().map(|(key, it)| (*key, it.outside()));
        known.filter(|(_, it)| *it != Known::Nothing).collect()
    }

    /// Whether all was reached.
    fn is_finished(&self) -> bool {
        let args = self.sites.values().flat_map(|it| &it.args);
        self.results.values().chain(args).all(|it| *it != Known::Never)
    }

    /// What was never reached is unknown after all.
    fn finish(&mut self) {
        self.first = false;
        for known in self.results.values_mut() {
            if *known == Known::Never {
                *known = Known::Nothing;
            }
        }
        for known in self.sites.values_mut().flat_map(|it| &mut it.args) {
            if *known == Known::Never {
                *known = Known::Nothing;
            }
        }
    }

    /// Takes down that an expression is a quotient of integers.
    pub(super) fn divides(&mut self, node: &Node) {
        self.divided.insert(place(node));
    }

    /// Whether an expression is a quotient of integers.
    pub(super) fn is_divided(&self, node: &Node) -> bool {
        self.divided.contains(&place(node))
    }

    /// What is known of an expression that was walked.
    pub(super) fn seen(&self, node: &Node) -> Option<&Known> {
        self.seen.get(&place(node))
    }
}

/// Hashes places in memory, which nobody chooses.
#[derive(Debug, Clone, Copy, Default)]
struct PlaceHasher(u64);

impl Hasher for PlaceHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|it| self.write_usize(usize::from(*it)));
    }

    fn write_usize(&mut self, place: usize) {
        // Fibonacci hashing (Knuth, volume 3, 6.4).
        self.0 = (self.0 ^ place as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// Where a node is: the tree does not move while it is walked.
fn place(node: &Node) -> usize {
    std::ptr::from_ref(node) as usize
}

impl<'a> Checker<'a> {
    /// Walks the unit until nothing new is known, and tells what is wrong.
    pub(super) fn walk_unit(&mut self) {
        if !self.walk_rounds() {
            self.walk_round();
        }
    }

    /// Walks the unit until nothing new is known; says whether the last round knew all of it, so
    /// that what it told holds.
    pub(super) fn walk_rounds(&mut self) -> bool {
        self.flow.first = true;
        let called = |it: &Node| matches!(it.kind, NodeKind::FnItem | NodeKind::Closure);
        let rounds = if self.tree.walk().any(called) { ROUNDS } else { 0 };
        for round in 1..=rounds {
            let told = self.diags.len();
            self.walk_round();
            let settled = self.flow.settle(round == ROUNDS);
            if settled && self.flow.is_finished() {
                return true;
            }
            self.diags.truncate(told);
            if settled {
                break;
            }
        }
        self.flow.finish();
        false
    }

    fn walk_round(&mut self) {
        self.flow.seen.clear();
        self.flow.placed.clear();
        self.flow.divided.clear();
        self.consts.clear();
        self.walk_items();
    }

    /// Keeps what is known of an expression.
    pub(super) fn saw(&mut self, node: &Node, known: &Known) {
        self.flow.seen.insert(place(node), known.clone());
    }

    /// Walks a function's body with its parameters in scope, and takes down what it returns.
    pub(super) fn body_of(
        &mut self,
        key: Option<FnKey>,
        body: impl FnOnce(&mut Self) -> Known,
    ) {
        let weak = std::mem::take(&mut self.flow.weak);
        let trying = std::mem::take(&mut self.flow.trying);
        self.flow.returns.push(Known::Never);
        let tail = body(self);
        (self.flow.weak, self.flow.trying) = (weak, trying);
        let returned = self.flow.returns.pop().unwrap_or_default().or(tail);
        if let Some(key) = key {
            self.flow.find(Found::Returns(key, returned));
        }
    }

    /// Takes down what is returned.
    pub(super) fn returned(&mut self, known: Known) {
        if let Some(all) = self.flow.returns.last_mut() {
            *all = std::mem::take(all).or(known);
        }
    }

    /// Walks what may run any number of times.
    pub(super) fn repeated(&mut self, mut body: impl FnMut(&mut Self)) {
        let weak = std::mem::replace(&mut self.flow.weak, self.scopes.depth());
        self.flow.loops += 1;
        if self.flow.loops > DEEPEST {
            // Each loop around doubles the work.
            self.forget();
            body(self);
            self.flow.loops -= 1;
            self.flow.weak = weak;
            return;
        }
        for time in 1..=TIMES {
            let (before, told) = (self.scopes.clone(), self.diags.len());
            body(self);
            // What the first time assigned is there the second time.
            if time == TIMES || !self.scopes.changed_since(&before) {
                break;
            }
            self.diags.truncate(told);
            self.flow.seen.clear();
        }
        self.flow.loops -= 1;
        self.flow.weak = weak;
    }

    /// Nothing is known of variables that are assigned somewhere.
    fn forget(&mut self) {
        let names: Vec<String> = self.scopes.names().map(str::to_owned).collect();
        for name in names {
            let known = self.scopes.get(&name).map_or(Known::Nothing, |it| it.known.clone());
            let known = self.later(&name, known);
            self.scopes.set(&name, known);
        }
    }

    /// Takes in another way to the same place; a way that ends before it adds nothing.
    pub(super) fn meet(&mut self, other: Scopes, here: &Known, there: &Known) {
        let may_leave = self.flow.weak == 0;
        if *here == Known::Never && may_leave {
            self.scopes = other;
        } else if *there != Known::Never || !may_leave {
            self.scopes.join(&other);
        }
    }

    /// An `if`, and what it gives.
    pub(super) fn branches(&mut self, node: If<'a>) -> Known {
        if let Some(condition) = node.condition() {
            self.expr(condition);
        }
        let before = self.scopes.clone();
        let then = node.then().map_or(Known::Unit, |it| self.expr(it));
        let after = std::mem::replace(&mut self.scopes, before);
        let otherwise = node.otherwise().map_or(Known::Unit, |it| self.expr(it));
        self.meet(after, &otherwise, &then);
        then.or(otherwise)
    }

    /// Takes down the call of a function of the unit.
    pub(super) fn calls(&mut self, info: &FnInfo, args: &[Argument<'a>]) {
        if let Some(key) = self.key_of(info) {
            self.calls_with(key, &info.params, args);
        }
    }

    /// Takes down that a module is made.
    pub(super) fn makes(&mut self, info: &ModuleInfo, args: &[Argument<'a>]) {
        if info.span.source == self.source {
            self.calls_with(info.span.start, &info.params, args);
        }
    }

    /// A module that stands as a value may be made of whatever.
    pub(super) fn module_stands(&mut self, name: &str) {
        if let Some(info) = self.out.modules.get(name) {
            self.flow.open(info.span.start);
        }
    }

    fn calls_with(&mut self, key: FnKey, params: &[ParamInfo], args: &[Argument<'a>]) {
        if args.iter().any(|it| !matches!(it, Argument::Positional(_) | Argument::Named(..))) {
            return self.flow.open(key);
        }
        let names: Vec<&str> = params.iter().map(|it| &*it.name).collect();
        let mut given = vec![Known::Nothing; names.len()];
        for (index, argument) in args.iter().enumerate() {
            let at = match argument {
                Argument::Named(name, _) => {
                    let name = name.text(self.text);
                    names.iter().position(|it| *it == name)
                }
                _ => Some(index),
            };
            let known = self.infer(argument.value());
            if let Some(slot) = at.and_then(|at| given.get_mut(at)) {
                *slot = known;
            }
        }
        self.flow.call(key, given);
    }

    /// Takes down the call of a closure by its value.
    pub(super) fn calls_value(&mut self, known: &Known, args: &[Argument<'a>]) {
        let plain: Option<Vec<&Node>> = args.iter().map(|it| it.positional()).collect();
        match (known, plain) {
            (Known::Function(key), Some(nodes)) => {
                let given = nodes.into_iter().map(|it| self.infer(it)).collect();
                self.flow.call(*key, given);
            }
            _ => self.escapes(known),
        }
    }

    /// Anybody may call the functions that a value is.
    pub(super) fn escapes(&mut self, known: &Known) {
        for it in known.all() {
            if let Known::Function(key) = it {
                self.flow.open(*key);
            }
        }
    }

    /// The key of a function of this unit that has no other of its name.
    pub(super) fn key_of(&self, info: &FnInfo) -> Option<FnKey> {
        (info.span.source == self.source && info.overloads.is_empty())
            .then_some(info.span.start)
    }

    /// A function or closure that stands as a value.
    pub(super) fn function_at(&mut self, node: &Node) -> Option<FnKey> {
        match node.kind {
            NodeKind::Closure => Some(node.start),
            NodeKind::Paren => self.function_at(ast::exprs(node).next()?),
            NodeKind::Name => match self.infer(node) {
                Known::Function(key) => Some(key),
                _ => None,
            },
            _ => None,
        }
    }

    /// Takes down that a value, where it is a function, is called with these arguments.
    pub(super) fn called_with(&mut self, node: &'a Node, args: Vec<Known>) {
        if let Some(key) = self.function_at(node) {
            self.flow.call(key, args);
            self.flow.placed.insert(key);
        }
    }

    /// Takes down that nobody calls a closure but those that are found.
    pub(super) fn kept(&mut self, node: &'a Node) {
        if node.kind == NodeKind::Closure {
            self.flow.placed.insert(node.start);
        }
    }

    /// Whether it is known who calls a function that stands as a value here; else anybody may.
    pub(super) fn stands(&mut self, known: &Known) {
        if let Known::Function(key) = known
            && !self.flow.placed.remove(key)
        {
            self.flow.open(*key);
        }
    }

    /// What a variable is from here on.
    pub(super) fn assigned_to(&mut self, name: &str, known: Known) {
        let Some(place) = self.scopes.place(name) else { return };
        let known = match self.scopes.get(name) {
            Some(old) if place < self.flow.weak => old.known.clone().or(known),
            _ => known,
        };
        let known = self.steady(name, known);
        self.scopes.set(name, known);
    }

    /// What of a variable may be another value after a part of it was assigned, or a method
    /// has worked on it in place.
    pub(super) fn changed(&mut self, node: &Node, part: Option<(Arc<str>, Known)>) {
        let Some(name) = root(node).map(|it| it.text(self.text)) else { return };
        let Some(binding) = self.scopes.get(name) else { return };
        let known = match (&binding.known, part) {
            (old, _) if !old.can_change() => return,
            (Known::Map(parts), Some((key, value))) if node.kind == NodeKind::Name => {
                let mut parts: Parts = (**parts).clone();
                parts.insert(key, value);
                Known::Map(Arc::new(parts))
            }
            _ => Known::Nothing,
        };
        self.assigned_to(name, known);
    }
}

/// The variable that an expression is a part of.
pub(super) fn root(node: &Node) -> Option<&Node> {
    match node.kind {
        NodeKind::Name => Some(node),
        NodeKind::Member | NodeKind::Index | NodeKind::Paren => root(ast::exprs(node).next()?),
        _ => None,
    }
}
