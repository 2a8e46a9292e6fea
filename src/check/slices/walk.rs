//! Through the code of a unit in the order in which it runs.

use super::env::{Env, Set, Var, add};
use super::{ALL, Body, Origin, Site, Slices, Slot, Source};
use crate::catalog;
use crate::check::args::{Argument, arguments};
use crate::check::{Checked, Resolution};
use crate::syntax::ast::{
    self, Assert, Assign, Call, Closure, ConstItem, FieldDecl, FnItem, For, If, Let, MapEntry,
    Member, MethodCall, ModuleItem, Param, Switch, Try,
};
use crate::syntax::{Node, NodeKind, TokenKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often the walk goes through the body of a loop at most.
const ROUNDS: usize = 8;

/// From which round on turns are not told apart any more.
const WIDENED: usize = 5;

/// In how many loops the walk tells turns apart: each loop around doubles the work.
const DEEPEST: usize = 3;

/// The most members of a value that are remembered.
const LONGEST_PATH: usize = 4;

/// Finds the slices of a unit that was checked without an error.
pub(in crate::check) fn slices(checked: &Checked, text: &str) -> Slices {
    let mut walk = Walk {
        text,
        checked,
        out: Slices::default(),
        env: Env::new(),
        body: 0,
        loops: Vec::new(),
        returns: Vec::new(),
        reads: None,
        at_once: false,
        live: BTreeMap::new(),
    };
    if let Some(tree) = &checked.tree {
        walk.live(tree);
        walk.unit(tree);
    }
    walk.finish()
}

/// A loop under way.
struct Loop<'a> {
    number: u32,
    /// How many variables there were before it.
    n_vars: usize,
    breaks: Vec<Env<'a>>,
    continues: Vec<Env<'a>>,
    value: Set,
}

struct Walk<'a> {
    text: &'a str,
    checked: &'a Checked,
    out: Slices,
    env: Env<'a>,
    body: u32,
    /// The loops of the body that are around, outermost first.
    loops: Vec<Loop<'a>>,
    /// What the bodies around return.
    returns: Vec<Set>,
    /// What the condition being walked reads.
    reads: Option<Vec<(Slot, Set)>>,
    /// Whether turns are not told apart.
    at_once: bool,
    /// The functions in whose course a site is, and where their bodies begin.
    live: BTreeMap<&'a str, u32>,
}

impl<'a> Walk<'a> {
    fn finish(mut self) -> Slices {
        let sites = &mut self.out.sites;
        let flows = sites.iter().flat_map(|it| &it.flows).flat_map(|it| &it.1);
        let returns = self.out.bodies.iter().flat_map(|it| &it.returns);
        let all = flows.chain(returns).filter(|it| it.turn == ALL);
        let kept: BTreeSet<u32> = all
            .filter_map(|it| match it.origin {
                Origin::Site(site) => Some(site),
                Origin::Param(_) => None,
            })
            .collect();
        for site in kept {
            sites[site as usize].is_kept = true;
        }
        self.out
    }

    /// Finds the functions that have sites, or call functions that have them.
    fn live(&mut self, tree: &'a Node) {
        let items = tree.nodes().filter_map(FnItem::cast);
        let items: Vec<(&str, u32, &Node)> = items
            .filter(|it| it.0.token(TokenKind::Dot).is_none())
            .filter_map(|it| {
                Some((it.name(self.text)?.text(self.text), it.body()?.start, it.0))
            })
            .collect();
        // Of functions of one name nobody knows here which is called.
        let is_single =
            |name: &str| self.checked.function(name).is_some_and(|it| it.overloads.is_empty());
        loop {
            let found: Vec<(&str, u32)> = items
                .iter()
                .filter(|it| is_single(it.0) && !self.live.contains_key(it.0))
                .filter(|it| it.2.walk().any(|node| self.is_site(node)))
                .map(|it| (it.0, it.1))
                .collect();
            if found.is_empty() {
                return;
            }
            self.live.extend(found);
        }
    }

    fn is_site(&self, node: &Node) -> bool {
        match node.kind {
            NodeKind::Assert => true,
            NodeKind::Call => Call(node).callee().is_some_and(|callee| {
                !self.calls_function(callee) || self.live_callee(node, callee).is_some()
            }),
            NodeKind::MethodCall => MethodCall(node).name().is_some_and(|name| {
                let args = arguments(MethodCall(node).args());
                !self.is_plain(name.text(self.text), name.start, &args)
            }),
            _ => false,
        }
    }

    /// Where the body of a function begins that is called by its name, and has sites.
    fn live_callee(&self, call: &Node, callee: &Node) -> Option<u32> {
        let found = self.checked.resolutions.get(&callee.start);
        if callee.kind != NodeKind::Name || found != Some(&Resolution::Function) {
            return None;
        }
        // `f!(…)` runs in the scope of its caller.
        let bang = call.tokens().any(|it| it.text(self.text) == "!");
        let spread = arguments(Call(call).args());
        let spread = spread.iter().any(|it| matches!(it, Argument::Spread(_)));
        let own = self.checked.functions.contains_key(callee.text(self.text));
        self.live.get(callee.text(self.text)).copied().filter(|_| own && !bang && !spread)
    }

    fn unit(&mut self, tree: &'a Node) {
        let main = self.new_body(tree.start, None);
        for node in tree.nodes() {
            match node.kind {
                NodeKind::FnItem => self.function(FnItem(node)),
                NodeKind::ModuleItem => self.module(ModuleItem(node)),
                NodeKind::ConstItem => {
                    if let Some(value) = ConstItem(node).value() {
                        self.in_body(node.start, |this| this.expr(value));
                    }
                }
                NodeKind::TestItem => {
                    if let Some(body) = ast::TestItem(node).body() {
                        self.in_body(body.start, |this| this.block(body));
                    }
                }
                _ => {}
            }
        }
        for node in tree.walk() {
            if matches!(node.kind, NodeKind::SignatureItem | NodeKind::SignatureExpr) {
                self.contracts(node);
            }
        }
        (self.body, self.env) = (main, Env::new());
        self.statements(tree.nodes().filter(|it| !crate::check::is_item(it.kind)));
    }

    fn new_body(&mut self, start: u32, outer: Option<u32>) -> u32 {
        if let Some(known) = self.out.of_node.get(&start).filter(|_| outer.is_some()) {
            return *known;
        }
        let number = u32::try_from(self.out.bodies.len()).unwrap_or(u32::MAX);
        self.out.bodies.push(Body { outer, ..Body::default() });
        if number > 0 {
            self.out.of_node.insert(start, number);
        }
        number
    }

    /// Walks a function that nothing is around.
    fn in_body(&mut self, start: u32, code: impl FnOnce(&mut Self) -> Set) {
        self.body = self.new_body(start, None);
        self.env = Env::new();
        self.returns.push(Set::new());
        let value = code(self);
        let mut returned = self.returns.pop().unwrap_or_default();
        add(&mut returned, value);
        self.out.bodies[self.body as usize].returns = returned.into_iter().collect();
    }

    fn function(&mut self, item: FnItem<'a>) {
        let Some(body) = item.body() else { return };
        self.in_body(body.start, |this| {
            for (index, param) in item.params().into_iter().enumerate() {
                this.param(param, index);
            }
            this.block(body)
        });
    }

    fn param(&mut self, param: Param<'a>, index: usize) {
        let mut set = param.default().map(|it| self.expr(it)).unwrap_or_default();
        let Some(name) = param.name() else { return };
        let params = &mut self.out.bodies[self.body as usize].params;
        if params.len() == index {
            params.push(name.text(self.text).into());
        }
        let origin = Origin::Param(u32::try_from(index).unwrap_or(u32::MAX));
        set.insert(self.source(origin));
        self.declare(name.text(self.text), set);
    }

    fn module(&mut self, item: ModuleItem<'a>) {
        for method in item.methods() {
            self.function(method);
        }
    }

    /// The contracts of a signature: its fields are parameters, in their order.
    fn contracts(&mut self, node: &'a Node) {
        let contracts: Vec<&Node> =
            node.nodes().filter(|it| it.kind == NodeKind::Assert).collect();
        let Some(first) = contracts.first() else { return };
        let mut fields: Vec<FieldDecl<'_>> = node.nodes().filter_map(FieldDecl::cast).collect();
        fields.sort_by_key(|it| it.is_output(self.text));
        let names = fields.iter().filter_map(|it| it.name());
        let names: Vec<Arc<str>> = names.map(|it| it.text(self.text).into()).collect();
        self.in_body(first.start, |this| {
            let body = &mut this.out.bodies[this.body as usize];
            (body.is_contract, body.params) = (true, names);
            for (index, name) in fields.iter().filter_map(|it| it.name()).enumerate() {
                let origin = Origin::Param(u32::try_from(index).unwrap_or(u32::MAX));
                let set = Set::from([this.source(origin)]);
                this.declare(name.text(this.text), set);
            }
            this.statements(contracts.into_iter())
        });
    }

    fn source(&self, origin: Origin) -> Source {
        Source { body: self.body, origin, turn: 0, within: self.within(), path: Vec::new() }
    }

    /// The innermost loop around.
    fn within(&self) -> u32 {
        self.loops.last().map_or(0, |it| it.number)
    }

    fn declare(&mut self, name: &'a str, set: Set) {
        let var = Var { name, body: self.body, within: self.within(), set: Set::new() };
        let set = set.into_iter().map(|it| self.held(it, &var)).collect();
        self.env.vars.push(Var { set, ..var });
    }

    /// A source as a variable holds it: for as long as it lives.
    fn held(&self, source: Source, var: &Var<'_>) -> Source {
        if source.body == var.body {
            let holds = self.out.encloses(source.within, var.within);
            return Source { within: if holds { source.within } else { var.within }, ..source };
        }
        if !self.is_inside(source.body, var.body) {
            return source;
        }
        Source { body: var.body, turn: ALL, within: var.within, ..source }
    }

    /// Whether a body is a closure inside another.
    fn is_inside(&self, mut inner: u32, outer: u32) -> bool {
        while let Some(around) = self.out.bodies[inner as usize].outer {
            if around == outer {
                return true;
            }
            inner = around;
        }
        false
    }

    fn assign_to(&mut self, name: &str, set: Set, is_certain: bool) {
        let Some(at) = self.env.find(name) else { return };
        let var = self.env.vars[at].clone();
        let is_param = |it: &Source| matches!(it.origin, Origin::Param(_));
        let foreign = |it: &Source| it.body != var.body && is_param(it);
        let held: Vec<Source> =
            set.into_iter().filter(|it| !foreign(it)).map(|it| self.held(it, &var)).collect();
        let own = &mut self.env.vars[at].set;
        if is_certain && var.body == self.body {
            own.clear();
        }
        add(own, held);
    }

    /// Statements in a scope of their own, and what the last of them gives.
    fn block(&mut self, node: &'a Node) -> Set {
        self.scoped(|this| this.statements(node.nodes()))
    }

    fn scoped(&mut self, code: impl FnOnce(&mut Self) -> Set) -> Set {
        let n_vars = self.env.vars.len();
        let value = code(self);
        self.env.vars.truncate(n_vars);
        value
    }

    fn statements(&mut self, nodes: impl Iterator<Item = &'a Node>) -> Set {
        let mut value = Set::new();
        for node in nodes {
            value = self.statement(node);
        }
        value
    }

    fn statement(&mut self, node: &'a Node) -> Set {
        match node.kind {
            NodeKind::Let => {
                let set = Let(node).value().map(|it| self.expr(it)).unwrap_or_default();
                if let Some(name) = Let(node).name(self.text) {
                    self.declare(name.text(self.text), set);
                }
            }
            NodeKind::ConstItem => {
                let item = ConstItem(node);
                let set = item.value().map(|it| self.expr(it)).unwrap_or_default();
                if let Some(name) = item.name(self.text) {
                    self.declare(name.text(self.text), set);
                }
            }
            NodeKind::ExprStmt => {
                let value = ast::exprs(node).next().map(|it| self.expr(it));
                let is_value = node.token(TokenKind::Semi).is_none();
                return value.filter(|_| is_value).unwrap_or_default();
            }
            NodeKind::Assert => self.assertion(Assert(node)),
            NodeKind::Try => self.try_catch(Try(node)),
            NodeKind::SignatureExpr | NodeKind::Args => {}
            _ => return self.expr(node),
        }
        Set::new()
    }

    fn try_catch(&mut self, node: Try<'a>) {
        let before = self.env.clone();
        for (index, block) in node.blocks().enumerate() {
            if index == 0 {
                self.block(block);
                continue;
            }
            // It may have been left anywhere.
            let after = self.env.clone();
            self.env.alive = true;
            self.env.join(&before);
            self.scoped(|this| {
                if let Some(name) = node.name(this.text) {
                    this.declare(name.text(this.text), Set::new());
                }
                this.statements(block.nodes())
            });
            self.env.join(&after);
        }
    }

    /// A condition: what it reads flows into it.
    fn assertion(&mut self, node: Assert<'a>) {
        let Some(condition) = node.condition() else { return };
        let outer = self.reads.replace(Vec::new());
        let value = self.expr(condition);
        let mut flows = std::mem::replace(&mut self.reads, outer).unwrap_or_default();
        // What was called in it has no name.
        let named: Set = flows.iter().flat_map(|it| it.1.iter().cloned()).collect();
        let rest: Set = value.difference(&named).cloned().collect();
        if !rest.is_empty() {
            flows.push((Slot::Some, rest));
        }
        self.site((condition.start, condition.end), flows);
        for part in [node.message(), node.retry()].into_iter().flatten() {
            self.expr(part);
        }
    }

    /// Takes down a site and what flows into it.
    fn site(&mut self, at: (u32, u32), flows: Vec<(Slot, Set)>) -> u32 {
        let next = u32::try_from(self.out.sites.len()).unwrap_or(u32::MAX);
        let site = *self.out.at.entry(at).or_insert(next);
        if site == next {
            self.out.sites.push(Site { body: self.body, ..Site::default() });
        }
        // The last round knows all that the earlier ones knew.
        let flows = flows.into_iter().filter(|it| !it.1.is_empty());
        let flows = flows.map(|(slot, set)| (slot, set.into_iter().collect()));
        self.out.sites[site as usize].flows = flows.collect();
        let mut body = Some(self.body);
        while let Some(at) = body {
            self.out.bodies[at as usize].has_sites = true;
            body = self.out.bodies[at as usize].outer;
        }
        site
    }

    /// An expression, and where its value came from.
    fn expr(&mut self, node: &'a Node) -> Set {
        match node.kind {
            NodeKind::Literal | NodeKind::Unit | NodeKind::Path => Set::new(),
            NodeKind::SignatureExpr => Set::new(),
            NodeKind::Name => {
                let set = self.name(node);
                self.read(node, node, &set);
                set
            }
            NodeKind::Member => self.member(Member(node)),
            NodeKind::Index => self.index(node),
            NodeKind::Call => self.call(Call(node)),
            NodeKind::MethodCall => self.method_call(MethodCall(node)),
            NodeKind::Closure => self.closure(Closure(node)),
            NodeKind::Assign => self.assign(Assign(node)),
            NodeKind::Block => self.block(node),
            NodeKind::Template => self.scoped(|this| {
                let mut all = Set::new();
                for part in node.nodes() {
                    add(&mut all, this.statement(part));
                }
                all
            }),
            NodeKind::Binary => self.binary(node),
            NodeKind::If => self.branches(If(node)),
            NodeKind::Switch => self.switch(Switch(node)),
            NodeKind::For => self.for_loop(For(node)),
            NodeKind::While | NodeKind::Loop | NodeKind::DoWhile => self.plain_loop(node),
            NodeKind::Return | NodeKind::Throw | NodeKind::Break | NodeKind::Continue => {
                self.leave(node)
            }
            NodeKind::MapEntry => {
                MapEntry(node).value().map(|it| self.expr(it)).unwrap_or_default()
            }
            NodeKind::Let | NodeKind::ConstItem | NodeKind::Assert | NodeKind::Try => {
                self.statement(node)
            }
            _ => {
                let mut all = Set::new();
                for part in node.nodes() {
                    add(&mut all, self.statement(part));
                }
                all
            }
        }
    }

    fn name(&self, node: &Node) -> Set {
        let found = self.env.find(node.text(self.text));
        found.map(|at| self.env.vars[at].set.clone()).unwrap_or_default()
    }

    /// Takes down what a condition reads: a name, or members of it.
    fn read(&mut self, node: &Node, root: &Node, set: &Set) {
        let found = self.env.find(root.text(self.text));
        // What the condition binds itself came from what it reads.
        let is_outside = found.is_some_and(|at| self.env.vars[at].body == self.body);
        if let Some(reads) = self.reads.as_mut().filter(|_| is_outside && !set.is_empty()) {
            reads.push((Slot::Named(node.text(self.text).into()), set.clone()));
        }
    }

    fn member(&mut self, member: Member<'a>) -> Set {
        let Some(receiver) = member.receiver() else { return Set::new() };
        let root = root(receiver);
        let set = match root {
            Some(_) => self.quietly(|this| this.expr(receiver)),
            None => self.expr(receiver),
        };
        let set = match member.name() {
            Some(name) => set.into_iter().map(|it| at(it, name.text(self.text))).collect(),
            None => set,
        };
        if let Some(root) = root {
            self.read(member.0, root, &set);
        }
        set
    }

    /// Walks a part of a condition of which nothing is taken down.
    fn quietly<T>(&mut self, code: impl FnOnce(&mut Self) -> T) -> T {
        let reads = self.reads.take();
        let value = code(self);
        self.reads = reads;
        value
    }

    /// `x[i]`: what stands there was found by both.
    fn index(&mut self, node: &'a Node) -> Set {
        let mut parts = ast::exprs(node);
        let Some(of) = parts.next() else { return Set::new() };
        let mut all = self.expr(of);
        for place in parts {
            let literal = (place.kind == NodeKind::Literal)
                .then(|| place.text(self.text).trim_matches(['"', '`']));
            match literal {
                Some(name) if !name.starts_with(|it: char| it.is_ascii_digit()) => {
                    all = all.into_iter().map(|it| at(it, name)).collect();
                }
                _ => {
                    let place = self.expr(place);
                    add(&mut all, place);
                }
            }
        }
        all
    }

    fn binary(&mut self, node: &'a Node) -> Set {
        let is_lazy = node.tokens().any(|it| matches!(it.text(self.text), "&&" | "||" | "??"));
        let mut all = Set::new();
        for (index, side) in ast::exprs(node).enumerate() {
            let before = (is_lazy && index == 1).then(|| self.env.clone());
            let set = self.expr(side);
            add(&mut all, set);
            if let Some(before) = before {
                self.env.join(&before);
            }
        }
        all
    }

    fn branches(&mut self, node: If<'a>) -> Set {
        if let Some(condition) = node.condition() {
            self.quietly(|this| this.expr(condition));
        }
        let before = self.env.clone();
        let mut value = node.then().map(|it| self.expr(it)).unwrap_or_default();
        let after = std::mem::replace(&mut self.env, before);
        let otherwise = node.otherwise().map(|it| self.expr(it)).unwrap_or_default();
        self.env.join(&after);
        add(&mut value, otherwise);
        value
    }

    fn switch(&mut self, node: Switch<'a>) -> Set {
        if let Some(value) = node.value() {
            self.quietly(|this| this.expr(value));
        }
        let before = self.env.clone();
        let (mut value, mut ways) = (Set::new(), Vec::new());
        let mut is_complete = false;
        for case in node.cases() {
            self.env = before.clone();
            if let Some(guard) = case.guard() {
                self.quietly(|this| this.expr(guard));
            }
            is_complete |= case.is_default();
            let given = case.body().map(|it| self.statement_value(it)).unwrap_or_default();
            add(&mut value, given);
            ways.push(std::mem::replace(&mut self.env, before.clone()));
        }
        self.env.alive &= !is_complete;
        ways.iter().for_each(|way| self.env.join(way));
        value
    }

    /// A statement without its semicolon, or an expression.
    fn statement_value(&mut self, node: &'a Node) -> Set {
        self.scoped(|this| this.statement(node))
    }

    fn leave(&mut self, node: &'a Node) -> Set {
        let value = ast::exprs(node).next().map(|it| self.expr(it)).unwrap_or_default();
        if !self.env.alive {
            return Set::new();
        }
        match node.kind {
            NodeKind::Return => {
                if let Some(returned) = self.returns.last_mut() {
                    add(returned, value);
                }
            }
            NodeKind::Break | NodeKind::Continue => {
                let mut env = self.env.clone();
                if let Some(around) = self.loops.last_mut() {
                    env.vars.truncate(around.n_vars);
                    match node.kind {
                        NodeKind::Break => {
                            around.breaks.push(env);
                            add(&mut around.value, value);
                        }
                        _ => around.continues.push(env),
                    }
                }
            }
            _ => {}
        }
        self.env.alive = false;
        Set::new()
    }

    fn for_loop(&mut self, node: For<'a>) -> Set {
        let item = node.iterable().map(|it| self.expr(it)).unwrap_or_default();
        let Some(body) = node.body() else { return Set::new() };
        self.repeated(body.start, false, |this| {
            for (index, name) in node.names().enumerate() {
                let set = if index == 0 { item.clone() } else { Set::new() };
                this.declare(name.text(this.text), set);
            }
            this.block(body);
        })
    }

    fn plain_loop(&mut self, node: &'a Node) -> Set {
        let Some(body) = node.nodes().find(|it| it.kind == NodeKind::Block) else {
            return Set::new();
        };
        self.repeated(body.start, node.kind == NodeKind::Loop, |this| {
            for part in node.nodes() {
                match part.kind {
                    NodeKind::Block if part.start == body.start => this.block(part),
                    _ => this.quietly(|this| this.expr(part)),
                };
            }
        })
    }

    /// Walks what may run any number of times, until nothing new is known.
    fn repeated(
        &mut self,
        start: u32,
        is_endless: bool,
        mut code: impl FnMut(&mut Self),
    ) -> Set {
        let next = u32::try_from(self.out.loops.len() + 1).unwrap_or(u32::MAX);
        let number = *self.out.loops.entry(start).or_insert(next);
        if number == next {
            let around = self.within();
            self.out.around.push(around);
        }
        let at_once = self.at_once;
        let mut head = self.env.clone();
        let n_vars = head.vars.len();
        let (mut value, mut breaks) = (Set::new(), Vec::new());
        for round in 0..ROUNDS {
            self.at_once = at_once || round >= WIDENED || self.loops.len() >= DEEPEST;
            self.env = head.clone();
            self.loops.push(Loop {
                number,
                n_vars,
                breaks: Vec::new(),
                continues: Vec::new(),
                value: Set::new(),
            });
            code(self);
            self.env.vars.truncate(n_vars);
            let ended = self.loops.pop();
            let mut next = head.clone();
            next.join(&self.env);
            if let Some(ended) = ended {
                ended.continues.iter().for_each(|it| next.join(it));
                (value, breaks) = (ended.value, ended.breaks);
            }
            if next == head {
                break;
            }
            head = next;
        }
        self.at_once = at_once;
        self.env = head;
        self.env.alive &= !is_endless;
        breaks.iter().for_each(|it| self.env.join(it));
        value
    }

    fn assign(&mut self, node: Assign<'a>) -> Set {
        let value = node.value().map(|it| self.expr(it)).unwrap_or_default();
        let Some(place) = node.place() else { return Set::new() };
        let plain = node.operator().is_some_and(|it| it.text(self.text) == "=");
        if let NodeKind::Name = place.kind {
            self.assign_to(place.text(self.text), value, plain);
        } else {
            self.quietly(|this| this.expr(place));
            if let Some(root) = owner(place) {
                self.assign_to(root.text(self.text), value, false);
            }
        }
        Set::new()
    }

    /// A closure, and what calls of it give, as the body around sees them.
    fn closure(&mut self, node: Closure<'a>) -> Set {
        self.closure_with(node, None)
    }

    /// As [`Walk::closure`], with what its parameters are given where that is known.
    fn closure_with(&mut self, node: Closure<'a>, given: Option<&Set>) -> Set {
        let around = self.body;
        self.body = self.new_body(node.0.start, Some(around));
        let loops = std::mem::take(&mut self.loops);
        let alive = self.env.alive;
        let mut returned = Set::new();
        // It may run again with what it left in the variables around.
        for _ in 0..3 {
            let before = self.env.clone();
            self.returns.push(Set::new());
            let value = self.scoped(|this| {
                for (index, param) in node.params().into_iter().enumerate() {
                    match (given, param.name()) {
                        (Some(set), Some(name)) => {
                            this.declare(name.text(this.text), set.clone());
                        }
                        _ => this.param(param, index),
                    }
                }
                node.body().map(|it| this.statement_value(it)).unwrap_or_default()
            });
            returned = self.returns.pop().unwrap_or_default();
            add(&mut returned, value);
            self.env.alive = alive;
            self.env.join(&before);
            if self.env == before {
                break;
            }
        }
        self.loops = loops;
        let body = std::mem::replace(&mut self.body, around);
        self.out.bodies[body as usize].returns = returned.iter().cloned().collect();
        let within = self.within();
        let seen = returned.into_iter().filter_map(|it| {
            let is_own = it.body == body || self.is_inside(it.body, body);
            match it.origin {
                Origin::Param(_) if is_own => None,
                _ if is_own => Some(Source { body: around, turn: ALL, within, ..it }),
                _ => Some(it),
            }
        });
        seen.collect()
    }

    /// Arguments, each with what its value came from; closures among them are given what the
    /// others hold.
    fn args(&mut self, args: &[Argument<'a>], receiver: &Set) -> Vec<(Slot, Set)> {
        let mut flows: Vec<Option<(Slot, Set)>> = Vec::new();
        let mut given = receiver.clone();
        let is_closure = |it: &Argument<'a>| it.value().kind == NodeKind::Closure;
        let mut nth = 0;
        let mut slot = |it: &Argument<'a>, text: &str| match it {
            Argument::Positional(_) => {
                nth += 1;
                Slot::Nth(nth - 1)
            }
            Argument::Named(name, _) => Slot::Named(name.text(text).into()),
            Argument::Spread(_) | Argument::Misplaced(_) => Slot::Some,
        };
        let slots: Vec<Slot> = args.iter().map(|it| slot(it, self.text)).collect();
        for (arg, slot) in args.iter().zip(&slots) {
            flows.push(match is_closure(arg) {
                true => None,
                false => {
                    let set = self.expr(arg.value());
                    add(&mut given, set.iter().cloned());
                    Some((slot.clone(), set))
                }
            });
        }
        for ((arg, slot), flow) in args.iter().zip(slots).zip(&mut flows) {
            if flow.is_none() {
                let set = self.closure_with(Closure(arg.value()), Some(&given));
                *flow = Some((slot, set));
            }
        }
        flows.into_iter().flatten().collect()
    }

    fn call(&mut self, call: Call<'a>) -> Set {
        let Some(callee) = call.callee() else { return Set::new() };
        let args = arguments(call.args());
        if let Some(start) = self.live_callee(call.0, callee) {
            let flows = self.quietly(|this| this.args(&args, &Set::new()));
            let value = self.turn(call.0, flows);
            if let Some(site) = self.out.site(call.0.start, call.0.end) {
                self.out.sites[site as usize].callee = Some(start);
            }
            return value;
        }
        if self.calls_function(callee) {
            let flows = self.args(&args, &Set::new());
            return union(flows);
        }
        let own = self.quietly(|this| this.expr(callee));
        let mut flows = self.quietly(|this| this.args(&args, &Set::new()));
        flows.push((Slot::Some, own));
        self.turn(call.0, flows)
    }

    /// Whether what is called is a function that is known by its name.
    fn calls_function(&self, callee: &Node) -> bool {
        use Resolution as R;
        let name = callee.text(self.text);
        let resolutions = &self.checked.resolutions;
        match callee.kind {
            NodeKind::Name if name != "this" => {
                let found = resolutions.get(&callee.start).copied().unwrap_or(R::Local);
                !matches!(found, R::Local | R::Member | R::SelfValue | R::Signature | R::Const)
            }
            NodeKind::Path => {
                let last = callee.tokens().filter(|it| ast::is_word(it.kind)).last();
                last.and_then(|it| resolutions.get(&it.start)) != Some(&R::Const)
            }
            _ => false,
        }
    }

    /// A site is called: what flows into it, and its value.
    fn turn(&mut self, node: &Node, flows: Vec<(Slot, Set)>) -> Set {
        let site = self.site((node.start, node.end), flows);
        self.env.turn(site, self.at_once);
        Set::from([self.source(Origin::Site(site))])
    }

    fn method_call(&mut self, call: MethodCall<'a>) -> Set {
        let (Some(receiver), Some(name)) = (call.receiver(), call.name()) else {
            return Set::new();
        };
        let word = name.text(self.text);
        let args = arguments(call.args());
        if self.is_plain(word, name.start, &args) {
            let own = self.expr(receiver);
            let flows = self.args(&args, &own);
            let mut all = union(flows);
            if catalog::is_in_place(word)
                && let Some(root) = owner(receiver)
            {
                self.assign_to(root.text(self.text), all.clone(), false);
            }
            add(&mut all, own);
            return all;
        }
        let own = self.quietly(|this| this.expr(receiver));
        let mut flows = self.quietly(|this| this.args(&args, &own));
        flows.push((Slot::Some, own));
        self.turn(call.0, flows)
    }

    /// Whether a method is a function of Rhai's, of ours, or of the program's: what it gives is
    /// computed from what it is given.
    fn is_plain(&self, word: &str, at: u32, args: &[Argument<'_>]) -> bool {
        let checked = self.checked;
        if checked.has_member(word) && !catalog::is_in_place(word) {
            return false;
        }
        checked.resolutions.get(&at) == Some(&Resolution::Prelude)
            || catalog::NATIVE_METHODS.contains(&word)
            || (args.iter().all(|it| !it.is_ours())
                && (catalog::is_rhai_method(word)
                    || catalog::is_object_method(word)
                    || checked.function(word).is_some()))
    }
}

/// All that flows in.
fn union(flows: Vec<(Slot, Set)>) -> Set {
    let mut all = Set::new();
    flows.into_iter().for_each(|it| add(&mut all, it.1));
    all
}

/// A member of what came from somewhere.
fn at(mut source: Source, name: &str) -> Source {
    if source.path.len() < LONGEST_PATH {
        source.path.push(Arc::from(name));
    }
    source
}

/// The name that a chain of members begins with.
fn root(node: &Node) -> Option<&Node> {
    match node.kind {
        NodeKind::Name => Some(node),
        NodeKind::Member => root(Member(node).receiver()?),
        _ => None,
    }
}

/// The variable that a place is in.
fn owner(node: &Node) -> Option<&Node> {
    match node.kind {
        NodeKind::Name => Some(node),
        NodeKind::Member | NodeKind::Index | NodeKind::Paren => owner(ast::exprs(node).next()?),
        _ => None,
    }
}
