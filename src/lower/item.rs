//! Items: each becomes a function, and main keeps the statements.

use super::reach::item_name;
use super::{Emitter, Part, names};
use crate::check::{ModuleInfo, Resolution};
use crate::syntax::ast::{
    Assert, ConstItem, FieldDecl, FnItem, Let, ModuleItem, Param, SignatureItem, TestItem,
};
use crate::syntax::{Child, Node, NodeKind, TokenKind};
use std::collections::BTreeSet;

impl Emitter<'_> {
    /// Writes the unit: functions, then main.
    pub(super) fn unit(&mut self, tree: &Node, part: Part<'_>) {
        let wanted = |node: &Node, text: &str| match part {
            Part::Whole | Part::Items => true,
            Part::Only(names) => {
                item_name(node, text).is_some_and(|it| names.contains(it.text(text)))
            }
        };
        let mut tests = self.checked.tests.iter().map(|it| it.lowered.as_str());
        for node in tree.nodes().filter(|it| wanted(it, self.text)) {
            match node.kind {
                NodeKind::FnItem => self.function_item(FnItem(node)),
                NodeKind::ConstItem => self.const_item(ConstItem(node)),
                NodeKind::ModuleItem => self.module(ModuleItem(node)),
                NodeKind::TestItem if part == Part::Whole => {
                    if let Some(lowered) = tests.next() {
                        self.test(TestItem(node), lowered);
                    }
                }
                NodeKind::SignatureItem => {
                    if let Some(name) = SignatureItem(node).name(self.text) {
                        let key = self.checked.key(name.text(self.text));
                        self.contracts(node, &names::contracts(&key));
                    }
                }
                _ => {}
            }
        }
        let written = tree.nodes().filter(|it| wanted(it, self.text));
        let signatures = written.flat_map(Node::walk);
        for node in signatures.filter(|it| it.kind == NodeKind::SignatureExpr) {
            self.contracts(node, &names::inline_contracts(self.source, node.start));
        }
        if part == Part::Whole {
            self.main(tree);
        }
    }

    /// Main's statements; what was an item is a line end.
    fn main(&mut self, tree: &Node) {
        for child in &tree.children {
            match child {
                Child::Node(node) if crate::check::is_item(node.kind) => self.out.write("\n"),
                Child::Node(node) => self.node(node),
                Child::Token(token) => self.token(*token, NodeKind::Root),
            }
        }
    }

    fn function_item(&mut self, item: FnItem<'_>) {
        let Some(name) = item.name(self.text) else { return };
        let name_there = names::variable(name.text(self.text));
        // A function on a type, as in `fn int.double()`, has the name that calls say.
        let typed = item.0.token(TokenKind::Dot).is_some();
        let lowered = if typed { name_there.into() } else { self.checked.key(&name_there) };
        self.function(&lowered, name.start, item, |_| {});
    }

    /// Writes a function; `prologue` writes what stands before the defaults.
    fn function(
        &mut self,
        lowered: &str,
        at: u32,
        item: FnItem<'_>,
        prologue: impl FnOnce(&mut Self),
    ) {
        let Some(body) = item.body() else { return };
        let params = item.params();
        self.write("fn ");
        // `int.` of `fn int.double()`
        let dotted = item.0.tokens().filter(|it| it.start < at && it.kind != TokenKind::Fn);
        if item.0.token(TokenKind::Dot).is_some() {
            for token in dotted.filter(|it| it.text(self.text) != "private") {
                self.copy(token);
            }
        }
        self.write_at(lowered, at);
        self.param_list(&params);
        self.write(" { ");
        self.in_body(body.start, |out| {
            prologue(out);
            out.defaults(&params);
            out.inside(body);
        });
        self.write(" }\n");
    }

    fn param_list(&mut self, params: &[Param<'_>]) {
        self.write("(");
        for (index, name) in params.iter().filter_map(|it| it.name()).enumerate() {
            if index > 0 {
                self.write(", ");
            }
            self.write_at(&names::variable(name.text(self.text)), name.start);
        }
        self.write(")");
    }

    /// `let k = if __is_absent(k) { 3 } else { k };`; a parameter that may be nothing is
    /// nothing when it is left out.
    fn defaults(&mut self, params: &[Param<'_>]) {
        for param in params {
            let Some(name) = param.name() else { continue };
            let lowered = names::variable(name.text(self.text));
            let optional = param.ty().is_some_and(|it| it.kind == NodeKind::TypeOptional);
            if param.default().is_none() && !optional {
                continue;
            }
            self.write(&format!("let {lowered} = if {}({lowered}) {{ ", names::IS_ABSENT));
            match param.default() {
                Some(value) => self.node(value),
                None => self.write("()"),
            }
            self.write(&format!(" }} else {{ {lowered} }}; "));
        }
    }

    /// What stands between the braces of a block.
    pub(super) fn inside(&mut self, block: &Node) {
        for child in &block.children {
            match child {
                Child::Node(node) => self.node(node),
                Child::Token(token)
                    if matches!(token.kind, TokenKind::LBrace | TokenKind::RBrace) => {}
                Child::Token(token) => self.token(*token, NodeKind::Block),
            }
        }
    }

    fn const_item(&mut self, item: ConstItem<'_>) {
        let Some(name) = item.name(self.text) else { return };
        self.write(&format!(
            "fn {}() {{ ",
            names::constant(&self.checked.key(name.text(self.text)))
        ));
        self.in_body(item.0.start, |out| match item.value() {
            Some(value) => out.node(value),
            None => out.write("()"),
        });
        self.write(" }\n");
    }

    fn test(&mut self, item: TestItem<'_>, lowered: &str) {
        let Some(body) = item.body() else { return };
        self.write(&format!("fn {lowered}() {{ "));
        self.in_body(body.start, |out| out.inside(body));
        self.write(" }\n");
    }

    fn module(&mut self, item: ModuleItem<'_>) {
        let Some(name) = item.name(self.text) else { return };
        let name = name.text(self.text);
        let Some(info) = self.checked.modules.get(name).cloned() else { return };
        self.constructor_function(item, &info);
        for method in item.methods() {
            let Some(token) = method.name(self.text) else { continue };
            let lowered = names::method(&info.key, token.text(self.text));
            let members = self.members_used(method);
            self.function(&lowered, token.start, method, |out| out.bind_members(&members));
        }
    }

    /// `fn N__new(k) { …; __instance("N", [["k", k], …]) }`
    fn constructor_function(&mut self, item: ModuleItem<'_>, info: &ModuleInfo) {
        let params = item.params();
        self.write("fn ");
        let at = item.name(self.text).map_or(item.0.start, |it| it.start);
        self.write_at(&names::constructor(&info.key), at);
        self.param_list(&params);
        self.write(" { ");
        self.defaults(&params);
        for member in item.members() {
            self.member_let(member);
        }
        self.write(&format!("{}(\"{}\", [", names::INSTANCE, info.key));
        let members = info.params.iter().map(|it| &it.name);
        for (index, name) in members.chain(info.members.iter().map(|it| &it.name)).enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            self.write(&format!("{comma}[\"{name}\", {}]", names::variable(name)));
        }
        self.write("]) }\n");
    }

    fn member_let(&mut self, member: Let<'_>) {
        let Some(name) = member.name(self.text) else { return };
        self.write("let ");
        self.write_at(&names::variable(name.text(self.text)), name.start);
        self.write(" = ");
        match member.value() {
            Some(value) => self.node(value),
            None => self.write("()"),
        }
        self.write("; ");
    }

    /// The members that a method names, and `self` where it does.
    fn members_used(&self, method: FnItem<'_>) -> BTreeSet<String> {
        let params: Vec<&str> = method
            .params()
            .iter()
            .filter_map(|it| it.name())
            .map(|it| it.text(self.text))
            .collect();
        let names = method.0.walk().filter(|it| it.kind == NodeKind::Name);
        names
            .filter(|it| {
                matches!(
                    self.checked.resolutions.get(&it.start),
                    Some(Resolution::Member | Resolution::SelfValue)
                )
            })
            .map(|it| it.text(self.text))
            .filter(|it| !params.contains(it))
            .map(str::to_owned)
            .collect()
    }

    fn bind_members(&mut self, members: &BTreeSet<String>) {
        if members.is_empty() {
            return;
        }
        self.write("const self = this; ");
        for name in members.iter().filter(|it| *it != "self") {
            let variable = names::variable(name);
            self.write(&format!("const {variable} = {}(self, \"{name}\"); ", names::MEMBER));
        }
    }

    /// A contract, for values that have the fields that it names: a copy of the signature may
    /// lack some, and then it has nothing to say.
    fn contract(&mut self, contract: Assert<'_>, fields: &BTreeSet<&str>) {
        let names = contract.0.walk().filter(|it| it.kind == NodeKind::Name);
        let named: BTreeSet<&str> =
            names.map(|it| it.text(self.text)).filter(|it| fields.contains(it)).collect();
        for name in &named {
            self.write(&format!("if \"{name}\" in __v {{ "));
        }
        self.assertion(contract);
        self.write(&" }".repeat(named.len()));
        self.write(" ");
    }

    /// `fn __contracts_N(__v) { const a = __v["a"]; …; the asserts }`
    fn contracts(&mut self, node: &Node, lowered: &str) {
        let contracts: Vec<Assert<'_>> = node.nodes().filter_map(Assert::cast).collect();
        if contracts.is_empty() {
            return;
        }
        let named: BTreeSet<&str> = contracts
            .iter()
            .flat_map(|it| it.0.walk())
            .filter(|it| it.kind == NodeKind::Name)
            .map(|it| it.text(self.text))
            .collect();
        self.write(&format!("fn {lowered}(__v) {{ "));
        let mut bound: BTreeSet<&str> = BTreeSet::new();
        for field in node.nodes().filter_map(FieldDecl::cast).filter_map(FieldDecl::name) {
            let name = field.text(self.text);
            if named.contains(name) && bound.insert(name) {
                let variable = names::variable(name);
                self.write(&format!("const {variable} = __v[\"{name}\"]; "));
            }
        }
        let start = contracts.first().map_or(node.start, |it| it.0.start);
        self.in_body(start, |out| {
            for contract in contracts {
                out.contract(contract, &bound);
            }
        });
        self.write("}\n");
    }
}
