//! Through the code of a unit, with the names in scope.

use super::{Body, Mark, Note, Origin, Site, Slices, Slot, Source};
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

/// The most members of a value that are remembered.
const LONGEST_PATH: usize = 4;

/// What a value was computed from.
type Set = BTreeSet<Source>;

/// Finds the slices of a unit that was checked without an error.
pub(in crate::check) fn slices(checked: &Checked, text: &str) -> Slices {
    let mut walk = Walk {
        text,
        checked,
        out: Slices::default(),
        names: Vec::new(),
        body: 0,
        loops: Vec::new(),
        reads: None,
        live: BTreeMap::new(),
    };
    if let Some(tree) = &checked.tree {
        walk.live(tree);
        walk.unit(tree);
    }
    walk.out.find_judges();
    walk.out.prune();
    walk.out
}

/// A name in scope.
struct Name<'a> {
    name: &'a str,
    /// The body that declares it.
    body: u32,
    /// Its variable; none where what it holds is known from the text.
    var: Option<u32>,
    /// What it is besides.
    also: Set,
}

struct Walk<'a> {
    text: &'a str,
    checked: &'a Checked,
    out: Slices,
    names: Vec<Name<'a>>,
    body: u32,
    /// The variables that hold what the loops around give.
    loops: Vec<u32>,
    /// What the condition being walked reads.
    reads: Option<Vec<(Slot, Set)>>,
    /// The functions in whose course a site is, and where their bodies begin.
    live: BTreeMap<&'a str, u32>,
}

impl<'a> Walk<'a> {
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
        self.new_body(None);
        for node in tree.nodes() {
            match node.kind {
                NodeKind::FnItem => self.function(FnItem(node)),
                NodeKind::ModuleItem => {
                    ModuleItem(node).methods().for_each(|it| self.function(it));
                }
                NodeKind::ConstItem => {
                    if let Some(value) = ConstItem(node).value() {
                        self.in_body(node.start, |this| this.returned(value));
                    }
                }
                NodeKind::TestItem => {
                    if let Some(body) = ast::TestItem(node).body() {
                        self.in_body(body.start, |this| {
                            this.block(body);
                        });
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
        self.body = 0;
        self.names.clear();
        self.statements(tree.nodes().filter(|it| !crate::check::is_item(it.kind)));
    }

    fn new_body(&mut self, outer: Option<u32>) -> u32 {
        self.out.bodies.push(Body { outer, ..Body::default() });
        number(self.out.bodies.len()) - 1
    }

    /// Walks a function that nothing is around.
    fn in_body(&mut self, start: u32, code: impl FnOnce(&mut Self)) {
        self.body = self.new_body(None);
        self.out.of_node.insert(start, self.body);
        self.names.clear();
        code(self);
    }

    fn function(&mut self, item: FnItem<'a>) {
        let Some(body) = item.body() else { return };
        self.in_body(body.start, |this| {
            item.params().into_iter().for_each(|it| this.param(it));
            this.returned(body);
        });
    }

    fn param(&mut self, param: Param<'a>) {
        let default = param.default().map(|it| self.expr(it)).unwrap_or_default();
        let Some(name) = param.name().map(|it| it.text(self.text)) else { return };
        let var = self.declare(name, default);
        self.out.bodies[self.body as usize].params.push((name.into(), var));
    }

    /// The contracts of a signature: its fields are parameters, inputs first.
    fn contracts(&mut self, node: &'a Node) {
        let contracts: Vec<&Node> =
            node.nodes().filter(|it| it.kind == NodeKind::Assert).collect();
        let Some(first) = contracts.first() else { return };
        let mut fields: Vec<FieldDecl<'_>> = node.nodes().filter_map(FieldDecl::cast).collect();
        fields.sort_by_key(|it| it.is_output(self.text));
        self.in_body(first.start, |this| {
            for name in fields.iter().filter_map(|it| it.name()) {
                let name = name.text(this.text);
                let var = this.declare(name, Set::new());
                this.out.bodies[this.body as usize].params.push((name.into(), var));
            }
            this.out.bodies[this.body as usize].is_contract = true;
            this.statements(contracts.into_iter());
        });
    }

    fn new_var(&mut self) -> u32 {
        self.out.vars.push(self.body);
        number(self.out.vars.len()) - 1
    }

    fn declare(&mut self, name: &'a str, also: Set) -> u32 {
        let var = self.new_var();
        self.names.push(Name { name, body: self.body, var: Some(var), also });
        var
    }

    /// Notes something of the value of an expression.
    fn mark(&mut self, value: &Node, note: Note, set: &Set) {
        let at = self.new_mark(note, set);
        self.out.of_value.entry((value.start, value.end)).or_default().push(at);
    }

    fn new_mark(&mut self, note: Note, set: &Set) -> u32 {
        let sources = set.iter().cloned().collect();
        self.out.marks.push(Mark { body: self.body, note, sources });
        number(self.out.marks.len()) - 1
    }

    /// Walks what a function returns.
    fn returned(&mut self, node: &'a Node) {
        let set = self.scoped(|this| this.statement(node));
        if let Some(value) = tail(node) {
            self.mark(value, Note::Return, &set);
        }
    }

    /// Statements in a scope of their own, and what the last of them gives.
    fn block(&mut self, node: &'a Node) -> Set {
        self.scoped(|this| this.statements(node.nodes()))
    }

    fn scoped(&mut self, code: impl FnOnce(&mut Self) -> Set) -> Set {
        let n_names = self.names.len();
        let value = code(self);
        self.names.truncate(n_names);
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
                self.definition(Let(node).name(self.text), Let(node).value());
            }
            NodeKind::ConstItem => {
                let item = ConstItem(node);
                self.definition(item.name(self.text), item.value());
            }
            NodeKind::ExprStmt => {
                let value = ast::exprs(node).next().map(|it| self.expr(it));
                let is_value = node.token(TokenKind::Semi).is_none();
                return value.filter(|_| is_value).unwrap_or_default();
            }
            NodeKind::Assert => self.assertion(Assert(node)),
            NodeKind::Try => self.try_catch(Try(node)),
            _ => return self.expr(node),
        }
        Set::new()
    }

    fn definition(&mut self, name: Option<crate::syntax::Token>, value: Option<&'a Node>) {
        let set = value.map(|it| self.expr(it)).unwrap_or_default();
        let Some(name) = name else { return };
        // What a closure gives is known when it ran.
        let also = set.iter().filter(|it| matches!(it.origin, Origin::Closure(_)));
        let var = self.declare(name.text(self.text), also.cloned().collect());
        if let Some(value) = value {
            self.mark(value, Note::Set(var), &set);
        }
    }

    fn try_catch(&mut self, node: Try<'a>) {
        for (index, block) in node.blocks().enumerate() {
            self.scoped(|this| {
                if let Some(name) = node.name(this.text).filter(|_| index == 1) {
                    this.declare(name.text(this.text), Set::new());
                }
                this.statements(block.nodes())
            });
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
        flows.push((Slot::Some, rest));
        let site = self.site((condition.start, condition.end), flows);
        self.out.sites[site as usize].is_condition = true;
        for part in [node.message(), node.retry()].into_iter().flatten() {
            self.expr(part);
        }
    }

    /// Takes down a site and what flows into it.
    fn site(&mut self, at: (u32, u32), flows: Vec<(Slot, Set)>) -> u32 {
        let site = number(self.out.sites.len());
        self.out.at.insert(at, site);
        let flows = flows.into_iter().filter(|it| !it.1.is_empty());
        let flows = flows.map(|(slot, set)| (slot, set.into_iter().collect())).collect();
        self.out.sites.push(Site { body: self.body, flows, ..Site::default() });
        let mut body = Some(self.body);
        while let Some(at) = body {
            self.out.bodies[at as usize].has_sites = true;
            body = self.out.bodies[at as usize].outer;
        }
        site
    }

    /// An expression, and what its value was computed from.
    fn expr(&mut self, node: &'a Node) -> Set {
        match node.kind {
            NodeKind::Literal | NodeKind::Unit | NodeKind::Path => Set::new(),
            NodeKind::SignatureExpr | NodeKind::Args => Set::new(),
            NodeKind::Name => {
                let set = self.name(node);
                self.read(node, node, &set);
                set
            }
            NodeKind::Member => self.member(Member(node)),
            NodeKind::Index => self.index(node),
            NodeKind::Call => self.call(Call(node)),
            NodeKind::MethodCall => self.method_call(MethodCall(node)),
            NodeKind::Closure => self.closure(Closure(node), None),
            NodeKind::Assign => self.assign(Assign(node)),
            NodeKind::Block => self.block(node),
            NodeKind::Binary => self.binary(node),
            NodeKind::If => self.branches(If(node)),
            NodeKind::Switch => self.switch(Switch(node)),
            NodeKind::For => self.for_loop(For(node)),
            NodeKind::While | NodeKind::Loop | NodeKind::DoWhile => self.plain_loop(node),
            NodeKind::Return | NodeKind::Throw | NodeKind::Break | NodeKind::Continue => {
                self.leave(node)
            }
            NodeKind::MapEntry => self.entry(MapEntry(node)),
            NodeKind::Let | NodeKind::ConstItem | NodeKind::Assert | NodeKind::Try => {
                self.statement(node)
            }
            _ => self.scoped(|this| {
                let mut all = Set::new();
                for part in node.nodes() {
                    all.extend(this.statement(part));
                }
                all
            }),
        }
    }

    /// A value of a map stands under its key.
    fn entry(&mut self, entry: MapEntry<'a>) -> Set {
        let set = entry.value().map(|it| self.expr(it)).unwrap_or_default();
        match entry.key().and_then(|it| plain_key(it.text(self.text))) {
            Some(key) => set.into_iter().map(|it| under(it, [Arc::from(key)])).collect(),
            None => anywhere(set),
        }
    }

    fn find(&self, name: &str) -> Option<&Name<'a>> {
        self.names.iter().rev().find(|it| it.name == name)
    }

    fn name(&self, node: &Node) -> Set {
        let Some(found) = self.find(node.text(self.text)) else { return Set::new() };
        let var = found.var.map(|it| source(Origin::Var(it)));
        found.also.iter().cloned().chain(var).collect()
    }

    /// Takes down what a condition reads: a name, or members of it.
    fn read(&mut self, node: &Node, root: &Node, set: &Set) {
        // What the condition binds itself came from what it reads.
        let is_outside = self.find(root.text(self.text)).is_some_and(|it| it.body == self.body);
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
            Some(name) => {
                set.into_iter().filter_map(|it| at(it, name.text(self.text))).collect()
            }
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

    /// `x[i]`: what stands there was found by both; `x["a"]` is a member.
    fn index(&mut self, node: &'a Node) -> Set {
        let mut parts = ast::exprs(node);
        let Some(of) = parts.next() else { return Set::new() };
        let places: Vec<&Node> = parts.collect();
        if let [place] = &*places
            && let Some(name) = literal_key(place, self.text)
        {
            let root = owner(of);
            let set = match root {
                Some(_) => self.quietly(|this| this.expr(of)),
                None => self.expr(of),
            };
            let set = set.into_iter().filter_map(|it| at(it, name)).collect();
            if let Some(root) = root {
                self.read(node, root, &set);
            }
            return set;
        }
        let mut all = self.expr(of);
        for place in places {
            all.extend(self.expr(place));
        }
        anywhere(all)
    }

    fn binary(&mut self, node: &'a Node) -> Set {
        let is_lazy = node.tokens().any(|it| matches!(it.text(self.text), "&&" | "||" | "??"));
        let mut sides = ast::exprs(node);
        let (left, right) = (sides.next(), sides.next());
        let mut all = left.map(|it| anywhere(self.expr(it))).unwrap_or_default();
        let Some(right) = right else { return all };
        let set = anywhere(self.expr(right));
        let is_called = set.iter().any(|it| !matches!(it.origin, Origin::Var(_)));
        match left.filter(|_| is_lazy && is_called) {
            // What was not called this time may have been before.
            Some(left) => {
                let held = self.new_var();
                self.mark(left, Note::Set(held), &Set::new());
                self.mark(right, Note::Set(held), &set);
                all.insert(source(Origin::Var(held)));
            }
            None => all.extend(set),
        }
        all
    }

    fn branches(&mut self, node: If<'a>) -> Set {
        let held = self.new_var();
        let mut ways = Vec::new();
        if let Some(condition) = node.condition() {
            self.quietly(|this| this.expr(condition));
        }
        for way in [node.then(), node.otherwise()] {
            let set = way.map(|it| self.expr(it)).unwrap_or_default();
            ways.push((way.and_then(tail), set));
        }
        self.chosen(held, node.condition(), ways)
    }

    /// What was chosen from several ways, each with its value.
    fn chosen(
        &mut self,
        held: u32,
        by: Option<&'a Node>,
        ways: Vec<(Option<&'a Node>, Set)>,
    ) -> Set {
        if ways.iter().all(|it| it.1.is_empty()) {
            return Set::new();
        }
        // A way that gives nothing leaves what was there.
        if let Some(by) = by.filter(|_| ways.iter().any(|it| it.0.is_none())) {
            self.mark(by, Note::Set(held), &Set::new());
        }
        for (value, set) in ways {
            if let Some(value) = value {
                self.mark(value, Note::Set(held), &set);
            }
        }
        Set::from([source(Origin::Var(held))])
    }

    fn switch(&mut self, node: Switch<'a>) -> Set {
        let held = self.new_var();
        if let Some(value) = node.value() {
            self.quietly(|this| this.expr(value));
        }
        let mut ways = Vec::new();
        let mut is_complete = false;
        for case in node.cases() {
            if let Some(guard) = case.guard() {
                self.quietly(|this| this.expr(guard));
            }
            is_complete |= case.is_default();
            let Some(body) = case.body() else { continue };
            let set = self.scoped(|this| this.statement(body));
            ways.push((tail(body), set));
        }
        if !is_complete {
            ways.push((None, Set::new()));
        }
        self.chosen(held, node.value(), ways)
    }

    fn leave(&mut self, node: &'a Node) -> Set {
        let Some(value) = ast::exprs(node).next() else { return Set::new() };
        let set = self.expr(value);
        match (node.kind, self.loops.last()) {
            (NodeKind::Return, _) => self.mark(value, Note::Return, &set),
            (NodeKind::Break, Some(held)) => self.mark(value, Note::Set(*held), &set),
            _ => {}
        }
        Set::new()
    }

    fn for_loop(&mut self, node: For<'a>) -> Set {
        let item = node.iterable().map(|it| anywhere(self.expr(it))).unwrap_or_default();
        let Some(body) = node.body() else { return Set::new() };
        self.scoped(|this| {
            for (index, name) in node.names().enumerate() {
                let var = this.declare(name.text(this.text), Set::new());
                if index == 0 {
                    let mark = this.new_mark(Note::Set(var), &item);
                    this.out.of_round.insert(body.start, mark);
                }
            }
            this.looped(|this| {
                this.block(body);
            })
        })
    }

    fn plain_loop(&mut self, node: &'a Node) -> Set {
        self.looped(|this| {
            for part in node.nodes() {
                this.quietly(|this| this.expr(part));
            }
        })
    }

    fn looped(&mut self, code: impl FnOnce(&mut Self)) -> Set {
        let held = self.new_var();
        self.loops.push(held);
        code(self);
        self.loops.pop();
        Set::from([source(Origin::Var(held))])
    }

    fn assign(&mut self, node: Assign<'a>) -> Set {
        let set = node.value().map(|it| self.expr(it)).unwrap_or_default();
        let (Some(place), Some(value)) = (node.place(), node.value()) else {
            return Set::new();
        };
        let is_plain = node.operator().is_some_and(|it| it.text(self.text) == "=");
        let is_whole = place.kind == NodeKind::Name && is_plain;
        if place.kind != NodeKind::Name {
            self.quietly(|this| this.expr(place));
        }
        let var = owner(place).and_then(|it| self.find(it.text(self.text))?.var);
        if let Some(var) = var {
            let (note, set) = match (is_whole, keys(place, self.text).filter(|_| is_plain)) {
                (true, _) => (Note::Set(var), set),
                (false, Some(keys)) => {
                    let placed = |it| under(it, keys.iter().map(|it| Arc::from(*it)));
                    (Note::Add(var), set.into_iter().map(placed).collect())
                }
                (false, None) => (Note::Add(var), anywhere(set)),
            };
            self.mark(value, note, &set);
        }
        Set::new()
    }

    /// A closure, and what calls of it give. `given` is what its parameters are given, where
    /// that is known.
    fn closure(&mut self, node: Closure<'a>, given: Option<&Set>) -> Set {
        let Some(code) = node.body() else { return Set::new() };
        let around = self.body;
        let has_sites = code.walk().any(|it| self.is_site(it));
        if has_sites {
            self.body = self.new_body(Some(around));
            self.out.of_node.insert(node.0.start, self.body);
        }
        let loops = std::mem::take(&mut self.loops);
        let set = self.scoped(|this| {
            for param in node.params() {
                match param.name() {
                    Some(name) if given.is_some() || !has_sites => this.names.push(Name {
                        name: name.text(this.text),
                        body: u32::MAX,
                        var: None,
                        also: given.cloned().unwrap_or_default(),
                    }),
                    _ => this.param(param),
                }
            }
            if has_sites {
                this.returned(code);
                return Set::new();
            }
            this.statement(code)
        });
        self.loops = loops;
        if !has_sites {
            return set;
        }
        let body = std::mem::replace(&mut self.body, around);
        self.mark(node.0, Note::Made(body), &Set::new());
        Set::from([source(Origin::Closure(body))])
    }

    /// Arguments, each with what its value came from; closures among them are given what the
    /// others hold.
    fn args(&mut self, args: &[Argument<'a>], receiver: &Set) -> Vec<(Slot, Set)> {
        let mut flows: Vec<(Slot, Set)> = Vec::new();
        let mut given = anywhere(receiver.clone());
        let mut nth = 0;
        for arg in args {
            let slot = match arg {
                Argument::Positional(_) => {
                    nth += 1;
                    Slot::Nth(nth - 1)
                }
                Argument::Named(name, _) => Slot::Named(name.text(self.text).into()),
                Argument::Spread(_) | Argument::Misplaced(_) => Slot::Some,
            };
            let is_closure = arg.value().kind == NodeKind::Closure;
            let set = if is_closure { Set::new() } else { self.expr(arg.value()) };
            given.extend(anywhere(set.clone()));
            flows.push((slot, set));
        }
        for (arg, flow) in args.iter().zip(&mut flows) {
            if arg.value().kind == NodeKind::Closure {
                flow.1 = self.closure(Closure(arg.value()), Some(&given));
            }
        }
        flows
    }

    fn call(&mut self, call: Call<'a>) -> Set {
        let Some(callee) = call.callee() else { return Set::new() };
        let args = arguments(call.args());
        if let Some(start) = self.live_callee(call.0, callee) {
            let flows = self.quietly(|this| this.args(&args, &Set::new()));
            let site = self.site((call.0.start, call.0.end), flows);
            self.out.sites[site as usize].callee = Some(start);
            return Set::from([source(Origin::Site(site))]);
        }
        if self.calls_function(callee) {
            let flows = self.args(&args, &Set::new());
            // What its functions give stands where they stood.
            return match self.is_native(callee, "parallel") {
                true => flows.into_iter().flat_map(|it| it.1).collect(),
                false => union(flows),
            };
        }
        let own = self.quietly(|this| this.expr(callee));
        let mut flows = self.quietly(|this| this.args(&args, &Set::new()));
        flows.push((Slot::Some, own));
        self.turn(call.0, flows)
    }

    fn is_native(&self, callee: &Node, name: &str) -> bool {
        let found = self.checked.resolutions.get(&callee.start);
        callee.text(self.text) == name && found == Some(&Resolution::Native)
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
        Set::from([source(Origin::Site(site))])
    }

    fn method_call(&mut self, call: MethodCall<'a>) -> Set {
        let (Some(receiver), Some(name)) = (call.receiver(), call.name()) else {
            return Set::new();
        };
        let word = name.text(self.text);
        let args = arguments(call.args());
        if !self.is_plain(word, name.start, &args) {
            let own = self.quietly(|this| this.expr(receiver));
            let mut flows = self.quietly(|this| this.args(&args, &own));
            flows.push((Slot::Some, own));
            return self.turn(call.0, flows);
        }
        let own = self.expr(receiver);
        let flows = self.args(&args, &own);
        let changed = owner(receiver).filter(|_| catalog::is_in_place(word));
        let var = changed.and_then(|it| self.find(it.text(self.text))?.var);
        if let Some(var) = var {
            for (arg, (_, set)) in args.iter().zip(&flows) {
                self.mark(arg.value(), Note::Add(var), &anywhere(set.clone()));
            }
        }
        let mut all = union(flows);
        all.extend(anywhere(own));
        all
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

/// All that flows in, wherever it stands then.
fn union(flows: Vec<(Slot, Set)>) -> Set {
    anywhere(flows.into_iter().flat_map(|it| it.1).collect())
}

/// What is not known to stand under keys any more.
fn anywhere(set: Set) -> Set {
    set.into_iter().map(|it| Source { under: Vec::new(), ..it }).collect()
}

fn under(mut source: Source, keys: impl IntoIterator<Item = Arc<str>>) -> Source {
    source.under.splice(..0, keys);
    source
}

/// What a key is that is written without escapes.
fn plain_key(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(text);
    (!inner.contains(['\\', '"', '#'])).then_some(inner)
}

/// A key that is written as text.
fn literal_key<'t>(node: &Node, text: &'t str) -> Option<&'t str> {
    let key = node.text(text);
    (node.kind == NodeKind::Literal && key.starts_with('"')).then(|| plain_key(key)).flatten()
}

/// The keys of a place such as `m.a.b`.
fn keys<'t>(place: &Node, text: &'t str) -> Option<Vec<&'t str>> {
    match place.kind {
        NodeKind::Name => Some(Vec::new()),
        NodeKind::Member => {
            let mut keys = keys(Member(place).receiver()?, text)?;
            keys.push(Member(place).name()?.text(text));
            Some(keys)
        }
        _ => None,
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn source(origin: Origin) -> Source {
    Source { origin, path: Vec::new(), under: Vec::new() }
}

/// The expression that gives the value of a block, of a statement, or of itself.
fn tail(node: &Node) -> Option<&Node> {
    match node.kind {
        NodeKind::Block => tail(node.nodes().last()?),
        NodeKind::ExprStmt if node.token(TokenKind::Semi).is_none() => {
            tail(ast::exprs(node).next()?)
        }
        NodeKind::Assign | NodeKind::Return | NodeKind::Throw => None,
        NodeKind::Break | NodeKind::Continue => None,
        NodeKind::For | NodeKind::While | NodeKind::DoWhile => None,
        kind => ast::is_expr(kind).then_some(node),
    }
}

/// A member of what came from somewhere; nothing where it stands under another key.
fn at(mut source: Source, name: &str) -> Option<Source> {
    if !source.under.is_empty() {
        return (&*source.under.remove(0) == name).then_some(source);
    }
    if source.path.len() < LONGEST_PATH {
        source.path.push(Arc::from(name));
    }
    Some(source)
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
