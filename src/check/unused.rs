//! What is declared and never used, where that is certain.
//!
//! Main's variables can be asked for by their names, on the command line and in a session, and
//! items by other files, so only what no one else can name is told of.

use super::walk::is_item;
use super::{Checker, codes};
use crate::syntax::ast::{self, Closure, FnItem, For, Let, ModuleItem, TestItem, Try};
use crate::syntax::{Node, NodeKind, Token, TokenKind};
use indexmap::IndexMap;
use std::collections::BTreeMap;

/// A variable, and whether it was read.
struct Variable<'a> {
    name: &'a str,
    token: Token,
    /// Whether it is told of when it is not read.
    told: bool,
    read: bool,
}

/// The variables of a block.
#[derive(Default)]
struct Block<'a> {
    variables: Vec<Variable<'a>>,
    /// The newest of each name.
    newest: BTreeMap<&'a str, usize>,
}

impl<'a> Block<'a> {
    fn push(&mut self, variable: Variable<'a>) {
        self.newest.insert(variable.name, self.variables.len());
        self.variables.push(variable);
    }
}

/// The blocks around, outermost first.
type Blocks<'a> = Vec<Block<'a>>;

impl<'a> Checker<'a> {
    /// Tells of variables, parameters, private items and members that nothing uses.
    pub(super) fn unused(&mut self) {
        let tree = self.tree;
        if !self.sound {
            self.count_words();
        }
        for node in tree.walk() {
            match node.kind {
                NodeKind::FnItem => self.unused_in_function(FnItem(node)),
                NodeKind::TestItem => {
                    let body = TestItem(node).body();
                    body.into_iter().for_each(|it| self.reads(it, &mut Vec::new()));
                }
                NodeKind::ModuleItem => {
                    let members = ModuleItem(node).members();
                    members.for_each(|it| self.reads(it.0, &mut Vec::new()));
                }
                _ => {}
            }
        }
        // Main's own variables can be asked for, those of its blocks cannot.
        for node in
            tree.nodes().filter(|it| !is_item(it.kind) || it.kind == NodeKind::ConstItem)
        {
            self.reads(node, &mut Vec::new());
        }
        // In a session what follows may use them. A unit that another imports is told of when it
        // is checked itself.
        if self.around.prior.is_empty() && !self.around.open && self.around.prefix.is_empty() {
            self.unused_items();
        }
    }

    fn unused_in_function(&mut self, item: FnItem<'a>) {
        let Some(body) = item.body() else { return };
        let key = item.name(self.text).map(|it| it.start);
        // Others may give a function to what calls it with just these arguments.
        let private = item.0.tokens().next().is_some_and(|it| it.text(self.text) == "private");
        let direct = private && key.is_some_and(|it| self.flow.is_called_by_name(it));
        let params = item.params();
        let variable = |token: Token| Variable {
            name: token.text(self.text),
            token,
            told: direct,
            read: false,
        };
        let mut own = Block::default();
        params.iter().filter_map(|it| it.name()).for_each(|it| own.push(variable(it)));
        let mut blocks = vec![own];
        self.reads(body, &mut blocks);
        self.leave(&mut blocks, "parameter");
    }

    /// Marks what an expression or statement reads.
    fn reads(&mut self, node: &'a Node, blocks: &mut Blocks<'a>) {
        match node.kind {
            NodeKind::Name => self.read(node, blocks),
            NodeKind::Block => {
                blocks.push(Block::default());
                self.reads_below(node, blocks);
                self.leave(blocks, "variable");
            }
            NodeKind::Let => {
                self.reads_below(node, blocks);
                self.declare(Let(node).name(self.text), true, blocks);
            }
            NodeKind::For => {
                let view = For(node);
                view.iterable().into_iter().for_each(|it| self.reads(it, blocks));
                self.within(view.names().collect(), view.body(), blocks);
            }
            NodeKind::Closure => {
                let view = Closure(node);
                let names = view.params().into_iter().filter_map(|it| it.name()).collect();
                self.within(names, view.body(), blocks);
            }
            NodeKind::Try => {
                let view = Try(node);
                for (index, block) in view.blocks().enumerate() {
                    let name = view.name(self.text).filter(|_| index == 1);
                    self.within(name.into_iter().collect(), Some(block), blocks);
                }
            }
            NodeKind::Assign => {
                let mut sides = ast::exprs(node);
                let target = sides.next();
                // To write is not to read.
                let target = target.filter(|it| it.kind != NodeKind::Name);
                for side in target.into_iter().chain(sides) {
                    self.reads(side, blocks);
                }
            }
            _ => self.reads_below(node, blocks),
        }
    }

    fn reads_below(&mut self, node: &'a Node, blocks: &mut Blocks<'a>) {
        node.nodes().for_each(|it| self.reads(it, blocks));
    }

    /// Walks a part with names of its own, which may go unused.
    fn within(&mut self, names: Vec<Token>, body: Option<&'a Node>, blocks: &mut Blocks<'a>) {
        blocks.push(Block::default());
        for name in names {
            self.declare(Some(name), false, blocks);
        }
        body.into_iter().for_each(|it| self.reads(it, blocks));
        self.leave(blocks, "variable");
    }

    fn declare(&self, token: Option<Token>, told: bool, blocks: &mut Blocks<'a>) {
        if let (Some(token), Some(block)) = (token, blocks.last_mut()) {
            block.push(Variable { name: token.text(self.text), token, told, read: false });
        }
    }

    fn read(&self, node: &Node, blocks: &mut Blocks<'a>) {
        let name = node.text(self.text);
        for block in blocks.iter_mut().rev() {
            if let Some(at) = block.newest.get(name) {
                block.variables[*at].read = true;
                return;
            }
        }
    }

    /// Leaves a block.
    fn leave(&mut self, blocks: &mut Blocks<'a>, noun: &str) {
        for variable in blocks.pop().unwrap_or_default().variables {
            if !variable.told || variable.read || variable.name.starts_with('_') {
                continue;
            }
            // What does not parse may hold a use.
            if !self.stands_once(variable.name) {
                continue;
            }
            let message = format!("the {noun} `{}` is never read", variable.name);
            let span = variable.token.span(self.source);
            let told = self.tell(codes::UNUSED_VARIABLE, span, message);
            told.hints.push(match noun {
                "parameter" => "leave it out, here and in the calls".to_owned(),
                _ => format!("leave it out, or call it `_{}`", variable.name),
            });
        }
    }

    /// How often each word stands in the text, in whatever place but comments.
    fn count_words(&mut self) {
        let text = self.text;
        for token in self.tree.leaves().into_iter().filter(|it| !it.kind.is_trivia()) {
            for word in token.text(text).split(|it: char| it != '_' && !it.is_alphanumeric()) {
                *self.words.entry(word).or_default() += 1;
            }
        }
    }

    /// Whether nothing else in the text can be a use of a name, whatever does not parse.
    fn stands_once(&self, name: &str) -> bool {
        self.sound || self.words.get(name) == Some(&1)
    }

    /// Private items and members that nothing names.
    fn unused_items(&mut self) {
        let (items, members) = self.own_names();
        let mut named: IndexMap<&str, usize, ahash::RandomState> =
            items.iter().chain(&members).map(|it| (it.text(self.text), 0)).collect();
        for token in self.tree.walk().flat_map(Node::tokens) {
            if ast::is_word(token.kind) || token.kind == TokenKind::Str {
                let text = token.text(self.text).trim_matches('"');
                named.get_mut(text).into_iter().for_each(|it| *it += 1);
            }
        }
        let n_items = items.len();
        for (at, token) in items.into_iter().chain(members).enumerate() {
            let word = token.text(self.text);
            if named[word] != 1 || !self.stands_once(word) || word.starts_with('_') {
                continue;
            }
            let message = if at < n_items {
                format!("the private item `{word}` is never used")
            } else {
                format!("nothing uses the member `{word}`")
            };
            self.tell(codes::UNUSED_ITEM, token.span(self.source), message);
        }
    }

    /// The names of private items, and those of parameters and members of modules.
    fn own_names(&self) -> (Vec<Token>, Vec<Token>) {
        let (mut items, mut members) = (Vec::new(), Vec::new());
        for node in self.tree.nodes() {
            let private =
                node.tokens().next().is_some_and(|it| it.text(self.text) == "private");
            items.extend(node.tokens().filter(|_| private).find(|it| {
                it.kind == TokenKind::Ident
                    && !matches!(it.text(self.text), "private" | "signature" | "type")
            }));
            if let Some(module) = ModuleItem::cast(node).filter(|it| it.methods().count() > 0) {
                members.extend(module.params().iter().filter_map(|it| it.name()));
                members.extend(module.members().filter_map(|it| it.name(self.text)));
            }
        }
        (items, members)
    }
}
