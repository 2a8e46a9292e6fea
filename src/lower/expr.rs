//! Statements and expressions: copied, but for names, members and calls.

use super::{Emitter, names, quoted};
use crate::catalog;
use crate::check::{Checked, Resolution};
use crate::syntax::ast::{self, Assert, Call, MapEntry, Member, MethodCall, Param, Try};
use crate::syntax::text::unquote;
use crate::syntax::{Child, Node, NodeKind, Token, TokenKind};

impl Emitter<'_> {
    /// Writes a statement or an expression.
    pub(super) fn node(&mut self, node: &Node) {
        if self.marked(node) {
            return;
        }
        match node.kind {
            NodeKind::Name => self.name(node),
            NodeKind::Path => self.path(node),
            NodeKind::Call => self.call(Call(node)),
            NodeKind::MethodCall => self.method_call(MethodCall(node)),
            NodeKind::Member => self.member(Member(node)),
            NodeKind::MapEntry => self.map_entry(MapEntry(node)),
            // Rhai knows no white space within.
            NodeKind::Unit => self.write_at("()", node.start),
            NodeKind::SignatureExpr => self.inline(node),
            NodeKind::Literal if self.is_inline(node) => self.inline(node),
            NodeKind::Assert => self.assertion(Assert(node)),
            NodeKind::Param => self.param(Param(node)),
            NodeKind::Try => self.try_catch(node),
            NodeKind::Assign => self.assign(node),
            NodeKind::Index if self.is_slice(node) => self.slice(node),
            NodeKind::Closure => self.closure(node),
            NodeKind::Block if self.round(node) => {}
            NodeKind::Let | NodeKind::ConstItem | NodeKind::For => self.children(node, true),
            _ => self.children(node, false),
        }
    }

    /// Copies what a node is made of; where `binds`, its names are variables.
    pub(super) fn children(&mut self, node: &Node, binds: bool) {
        for child in &node.children {
            match child {
                Child::Node(child) => self.node(child),
                Child::Token(token) if binds && token.kind == TokenKind::Ident => {
                    self.binding(*token);
                }
                Child::Token(token) => self.token(*token, node.kind),
            }
        }
    }

    /// `try { … } catch (e) { … }`: Rhai tells of its own errors in a map of its own.
    fn try_catch(&mut self, node: &Node) {
        let caught = Try(node).name(self.text).map(|it| names::variable(it.text(self.text)));
        let handler = Try(node).blocks().nth(1).map(|it| it.start);
        for child in &node.children {
            match (child, &caught) {
                (Child::Node(child), Some(name)) if Some(child.start) == handler => {
                    self.write(&format!("{{ let {name} = {}({name}); ", names::CAUGHT));
                    self.node(child);
                    self.write(" }");
                }
                (Child::Node(child), _) => self.node(child),
                (Child::Token(token), _) if token.kind == TokenKind::Ident => {
                    self.binding(*token);
                }
                (Child::Token(token), _) => self.token(*token, node.kind),
            }
        }
    }

    /// Copies a token. Documentation is dropped: Rhai wants it before functions only.
    pub(super) fn token(&mut self, token: Token, parent: NodeKind) {
        match token.kind {
            TokenKind::DocLine => self.out.write("\n"),
            TokenKind::DocBlock | TokenKind::Shebang => self.out.write(" "),
            TokenKind::Str if self.is_continued(token) => self.continued_string(token),
            // Inside a template a line end would be text.
            _ if parent == NodeKind::Template => self.copy(token),
            _ => {
                self.break_line();
                self.copy(token);
            }
        }
    }

    /// Whether a string goes on behind a backslash at the end of a line.
    fn is_continued(&self, token: Token) -> bool {
        token.text(self.text).contains('\n')
    }

    /// Rhai cuts the indentation of a continued line at the column of the opening quote, which
    /// is another one in the generated text: the value is written.
    fn continued_string(&mut self, token: Token) {
        match unquote(token, self.text) {
            Ok(value) => self.write_at(&quoted(&value), token.start),
            Err(_) => self.copy(token),
        }
    }

    /// The name of a variable where it is declared.
    fn binding(&mut self, token: Token) {
        let name = token.text(self.text);
        let lowered = names::variable(name);
        if lowered == name {
            self.token(token, NodeKind::Name);
        } else {
            self.write_at(&lowered, token.start);
        }
    }

    fn param(&mut self, param: Param<'_>) {
        if let Some(name) = param.name() {
            self.binding(name);
        }
    }

    /// What a name means.
    pub(super) fn resolution(&self, at: u32) -> Resolution {
        self.checked.resolutions.get(&at).copied().unwrap_or(Resolution::Local)
    }

    fn name(&mut self, node: &Node) {
        let name = node.text(self.text);
        let resolution = self.resolution(node.start);
        // `_` as a pattern means no name.
        let pattern = name == "_" && !self.checked.resolutions.contains_key(&node.start);
        if name == "this" || pattern || resolution == Resolution::SelfValue {
            return self.children(node, false);
        }
        match resolution {
            Resolution::Local | Resolution::Member | Resolution::SelfValue => {
                for token in node.tokens() {
                    self.binding(token);
                }
            }
            other => {
                let checked = self.checked;
                self.item_value(checked, other, name, node.start);
            }
        }
    }

    /// An item or native as a value.
    fn item_value(&mut self, owner: &Checked, resolution: Resolution, name: &str, at: u32) {
        let function = match resolution {
            Resolution::Signature => names::SIGNATURE,
            Resolution::Module => names::CLASS,
            Resolution::Const => names::CONST,
            Resolution::Native => {
                return self.write_at(&format!("{}(\"{name}\")", names::NATIVE), at);
            }
            Resolution::Prelude => {
                let info = owner.prelude.as_ref().and_then(|it| it.functions.get(name));
                let lowered = info.map_or(name, |it| it.lowered.as_str());
                return self.write_at(&format!("Fn(\"{lowered}\")"), at);
            }
            Resolution::Function | Resolution::Rhai => {
                let info = owner.function(name);
                let lowered = info.map_or_else(|| name.to_owned(), |it| it.lowered.clone());
                return self.write_at(&format!("Fn(\"{lowered}\")"), at);
            }
            Resolution::Type | Resolution::Unknown => return self.write_at(name, at),
            Resolution::Local | Resolution::Member | Resolution::SelfValue => {
                return self.write_at(&names::variable(name), at);
            }
        };
        self.write_at(&format!("{function}(\"{}\")", owner.key(name)), at);
    }

    /// The name of a function in the generated text.
    pub(super) fn function_name(&self, name: &str) -> String {
        self.checked.function(name).map_or_else(|| name.to_owned(), |it| it.lowered.clone())
    }

    fn path(&mut self, node: &Node) {
        match last_word(node) {
            Some(name) => match self.checked.resolutions.get(&name.start) {
                Some(Resolution::Unknown) | None => self.children(node, false),
                Some(resolution) => {
                    let (owner, checked) = (self.owner(node), self.checked);
                    let owner = owner.as_deref().unwrap_or(checked);
                    self.item_value(owner, *resolution, name.text(self.text), node.start);
                }
            },
            None => self.children(node, false),
        }
    }

    fn member(&mut self, member: Member<'_>) {
        let node = member.0;
        let Some(name) = member.name().filter(|it| is_refused(it.text(self.text))) else {
            return self.children(node, false);
        };
        if let Some(receiver) = member.receiver() {
            self.node(receiver);
        }
        let optional = node.token(TokenKind::QuestionDot).is_some();
        let key = format!("{}[\"{}\"]", if optional { "?" } else { "" }, name.text(self.text));
        self.write_at(&key, name.start);
    }

    /// What is assigned to is a place, of which a slice would be a copy.
    fn assign(&mut self, node: &Node) {
        let mut target = ast::exprs(node).next();
        while let Some(part) = target
            && matches!(part.kind, NodeKind::Member | NodeKind::Index | NodeKind::Paren)
        {
            self.assigned.insert((part.start, part.end));
            target = ast::exprs(part).next();
        }
        self.children(node, false);
    }

    /// Whether this is `x[a..b]` as a value.
    fn is_slice(&self, node: &Node) -> bool {
        let range = ast::exprs(node).nth(1).is_some_and(|it| ast::is_range(it, self.text));
        range && !self.assigned.contains(&(node.start, node.end))
    }

    /// `__slice(x, a..b)`
    fn slice(&mut self, node: &Node) {
        let mut sides = ast::exprs(node);
        let (Some(of), Some(range)) = (sides.next(), sides.next()) else { return };
        let optional = node.tokens().any(|it| it.text(self.text).starts_with('?'));
        self.write_at(if optional { names::SLICE_OPT } else { names::SLICE }, range.start);
        self.write("(");
        self.node(of);
        self.write(", ");
        self.node(range);
        self.write(")");
    }

    fn map_entry(&mut self, entry: MapEntry<'_>) {
        let key = entry.key();
        for child in &entry.0.children {
            match child {
                Child::Node(child) => self.node(child),
                Child::Token(token) if Some(*token) == key && ast::is_word(token.kind) => {
                    self.key(*token);
                }
                Child::Token(token) => self.token(*token, NodeKind::MapEntry),
            }
        }
    }

    /// The key of a map, quoted where Rhai refuses the word.
    pub(super) fn key(&mut self, token: Token) {
        let name = token.text(self.text);
        if is_refused(name) {
            self.write_at(&format!("\"{name}\""), token.start);
        } else {
            self.token(token, NodeKind::MapEntry);
        }
    }

    fn is_inline(&self, node: &Node) -> bool {
        self.checked.inline.contains_key(&(self.source, node.start))
    }

    fn inline(&mut self, node: &Node) {
        let call = format!("{}({}, {})", names::INLINE, self.source.0, node.start);
        self.write_at(&call, node.start);
    }
}

/// Whether Rhai refuses a word as a property or key.
pub(super) fn is_refused(name: &str) -> bool {
    catalog::is_reserved(name) || names::variable(name) != name
}

/// The name at the end of a path.
pub(super) fn last_word(node: &Node) -> Option<Token> {
    node.tokens().filter(|it| ast::is_word(it.kind)).last()
}
