//! Typed views of the tree.
//!
//! A view is a node whose kind is known. Its accessors return `Option`s wherever the text may
//! lack the part, for the tree of a broken text is a tree too. No view holds a decision: what
//! a name means is `check`'s business.

use crate::syntax::kind::{NodeKind, TokenKind};
pub use crate::syntax::text::{docs, prose, string_value};
use crate::syntax::tree::{Node, Token};

macro_rules! views {
    ($($(#[$doc:meta])* $view:ident = $kind:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            pub struct $view<'a>(pub &'a Node);

            impl<'a> $view<'a> {
                /// Returns the view of a node of this kind.
                pub fn cast(node: &'a Node) -> Option<Self> {
                    (node.kind == NodeKind::$kind).then_some(Self(node))
                }
            }
        )*
    };
}

views! {
    /// `signature N { … }`
    SignatureItem = SignatureItem;
    /// `type N = T;`
    TypeItem = TypeItem;
    /// `module N(…) { … }`
    ModuleItem = ModuleItem;
    /// `fn f(…) { … }`
    FnItem = FnItem;
    /// `const N = e;`
    ConstItem = ConstItem;
    /// `settings { … }`
    SettingsItem = SettingsItem;
    /// `name: e` in settings
    SettingEntry = SettingEntry;
    /// `test "…" { … }`
    TestItem = TestItem;
    /// `import "…" as n;`
    ImportItem = ImportItem;
    /// `in x: T` or `out x: T`
    FieldDecl = FieldDecl;
    /// A parameter.
    Param = Param;
    /// A field of a record type.
    RecordField = RecordField;
    /// `let x = e;`
    Let = Let;
    /// `assert c, "why", retry: p;` or `suggest …`
    Assert = Assert;
    /// `{ … }`
    Block = Block;
    /// `f(…)`
    Call = Call;
    /// `x.m(…)`
    MethodCall = MethodCall;
    /// `x.f`
    Member = Member;
    /// `|x| e`
    Closure = Closure;
    /// `name: e` among arguments
    NamedArg = NamedArg;
    /// `name: e` in a map
    MapEntry = MapEntry;
    /// `for x in e { … }`
    For = For;
    /// `try { … } catch (e) { … }`
    Try = Try;
    /// `signature { … }` as a value
    SignatureExpr = SignatureExpr;
    /// `if c { … } else { … }`
    If = If;
    /// `switch x { … }`
    Switch = Switch;
    /// `1 | 2 if c => e`
    SwitchCase = SwitchCase;
    /// `a + b`
    Binary = Binary;
    /// `a = b`, `a += b`
    Assign = Assign;
}

/// The first name among the tokens of `node` that stands at or after `from`.
fn ident_from(node: &Node, from: u32) -> Option<Token> {
    node.tokens().find(|token| token.kind == TokenKind::Ident && token.start >= from)
}

/// The name that follows the word `word` (a keyword or a contextual one).
fn ident_after(node: &Node, text: &str, word: &str) -> Option<Token> {
    let keyword = node.tokens().find(|token| token.text(text) == word)?;
    ident_from(node, keyword.end)
}

/// Whether the tokens of `node` have this word before its name.
fn has_word(node: &Node, text: &str, word: &str) -> bool {
    node.tokens().any(|token| token.text(text) == word)
}

/// Whether a node is a type.
pub fn is_type(kind: NodeKind) -> bool {
    use NodeKind as K;
    matches!(
        kind,
        K::TypeName
            | K::TypeGeneric
            | K::TypeOneOf
            | K::TypeOptional
            | K::TypeLiteral
            | K::TypeUnion
            | K::TypeRecord
            | K::TypeBounded
    )
}

/// Whether a node is an expression, or may stand where one could: a jump as the right side of
/// `??`, as the body of a closure or of a case.
pub fn is_expr(kind: NodeKind) -> bool {
    use NodeKind as K;
    matches!(
        kind,
        K::Literal
            | K::Template
            | K::Unit
            | K::Name
            | K::Path
            | K::Paren
            | K::Array
            | K::Map
            | K::Closure
            | K::Unary
            | K::Binary
            | K::Assign
            | K::Index
            | K::Member
            | K::Call
            | K::MethodCall
            | K::If
            | K::Switch
            | K::While
            | K::Loop
            | K::DoWhile
            | K::For
            | K::Block
            | K::SignatureExpr
            | K::Return
            | K::Throw
            | K::Break
            | K::Continue
            | K::Error
    )
}

/// The expressions directly below `node`, in order.
pub fn exprs(node: &Node) -> impl Iterator<Item = &Node> {
    node.nodes().filter(|node| is_expr(node.kind))
}

/// Whether an expression is a range.
pub fn is_range(node: &Node, text: &str) -> bool {
    match node.kind {
        NodeKind::Paren => exprs(node).next().is_some_and(|it| is_range(it, text)),
        NodeKind::Binary => {
            Binary(node).operator().is_some_and(|it| it.text(text).starts_with(".."))
        }
        _ => false,
    }
}

/// The type directly below `node`.
pub fn ty(node: &Node) -> Option<&Node> {
    node.nodes().find(|node| is_type(node.kind))
}

/// The parameters of an item, closure or anything that has a list of them.
pub fn params(node: &Node) -> Vec<Param<'_>> {
    let list = node.node(NodeKind::ParamList).unwrap_or(node);
    list.nodes().filter_map(Param::cast).collect()
}

/// The string token that describes a field or parameter: the last one directly below, if a
/// string stands there by itself.
fn description(node: &Node) -> Option<&Node> {
    let last = node.nodes().last()?;
    let is_string = match last.kind {
        NodeKind::Template => true,
        NodeKind::Literal => {
            use TokenKind as T;
            last.tokens().any(|it| matches!(it.kind, T::Str | T::RawStr | T::Char | T::Unknown))
        }
        _ => false,
    };
    // `= "x"` is a default, not a description.
    let assigned = node.token(TokenKind::Eq).is_some_and(|eq| {
        exprs(node).find(|it| it.start > eq.start).is_some_and(|it| it.start == last.start)
    });
    (is_string && !assigned).then_some(last)
}

/// The default behind `=`.
fn default(node: &Node) -> Option<&Node> {
    let eq = node.token(TokenKind::Eq)?;
    exprs(node).find(|it| it.start > eq.start)
}

impl<'a> SignatureItem<'a> {
    /// Its name.
    pub fn name(self, text: &str) -> Option<Token> {
        ident_after(self.0, text, "signature")
    }

    /// Its fields, in order.
    pub fn fields(self) -> impl Iterator<Item = FieldDecl<'a>> {
        self.0.nodes().filter_map(FieldDecl::cast)
    }

    /// Its contracts, in order.
    pub fn contracts(self) -> impl Iterator<Item = Assert<'a>> {
        self.0.nodes().filter_map(Assert::cast)
    }
}

impl<'a> TypeItem<'a> {
    /// Its name.
    pub fn name(self, text: &str) -> Option<Token> {
        ident_after(self.0, text, "type")
    }

    /// What it stands for.
    pub fn ty(self) -> Option<&'a Node> {
        ty(self.0)
    }
}

impl<'a> ModuleItem<'a> {
    /// Its name.
    pub fn name(self, text: &str) -> Option<Token> {
        ident_after(self.0, text, "module")
    }

    /// Its parameters.
    pub fn params(self) -> Vec<Param<'a>> {
        params(self.0)
    }

    /// Its members, in order.
    pub fn members(self) -> impl Iterator<Item = Let<'a>> {
        self.0.nodes().filter_map(Let::cast)
    }

    /// Its methods, in order.
    pub fn methods(self) -> impl Iterator<Item = FnItem<'a>> {
        self.0.nodes().filter_map(FnItem::cast)
    }
}

impl<'a> FnItem<'a> {
    /// Its name: the last word before the parameters. Before it may stand a type and a dot,
    /// as in Rhai's `fn int.double() { … }`.
    pub fn name(self, _text: &str) -> Option<Token> {
        let list = self.0.node(NodeKind::ParamList).map_or(self.0.end, |it| it.start);
        let keyword = self.0.token(TokenKind::Fn)?;
        self.0
            .tokens()
            .filter(|it| {
                it.kind == TokenKind::Ident && it.start >= keyword.end && it.end <= list
            })
            .last()
    }

    /// Its parameters.
    pub fn params(self) -> Vec<Param<'a>> {
        params(self.0)
    }

    /// The type of its result.
    pub fn result(self) -> Option<&'a Node> {
        ty(self.0)
    }

    /// Its body.
    pub fn body(self) -> Option<&'a Node> {
        self.0.node(NodeKind::Block)
    }
}

impl<'a> ConstItem<'a> {
    /// Its name.
    pub fn name(self, text: &str) -> Option<Token> {
        ident_after(self.0, text, "const")
    }

    /// Its value.
    pub fn value(self) -> Option<&'a Node> {
        default(self.0)
    }
}

impl<'a> SettingsItem<'a> {
    /// Its entries.
    pub fn entries(self) -> impl Iterator<Item = SettingEntry<'a>> {
        self.0.nodes().filter_map(SettingEntry::cast)
    }
}

impl<'a> SettingEntry<'a> {
    /// Its name.
    pub fn name(self) -> Option<Token> {
        self.0.tokens().find(|it| is_word(it.kind))
    }

    /// Its value.
    pub fn value(self) -> Option<&'a Node> {
        exprs(self.0).next()
    }
}

impl<'a> TestItem<'a> {
    /// The string that names it.
    pub fn title(self) -> Option<Token> {
        self.0.token(TokenKind::Str)
    }

    /// Its body.
    pub fn body(self) -> Option<&'a Node> {
        self.0.node(NodeKind::Block)
    }
}

impl<'a> ImportItem<'a> {
    /// The expression that says what is imported.
    pub fn path(self) -> Option<&'a Node> {
        exprs(self.0).next()
    }

    /// The name behind `as`.
    pub fn alias(self, text: &str) -> Option<Token> {
        ident_after(self.0, text, "as")
    }
}

impl<'a> FieldDecl<'a> {
    /// Whether it is an output; in a signature string [`sides`] says so.
    pub fn is_output(self, text: &str) -> bool {
        self.direction().is_some_and(|token| token.text(text) == "out")
    }

    /// The `in` or `out` before it; a field of a signature string has none.
    pub fn direction(self) -> Option<Token> {
        let mut words = self.0.tokens();
        let first = words.next()?;
        words.next().filter(|second| is_word(second.kind)).map(|_| first)
    }

    /// Its name: the word behind `in` or `out`.
    pub fn name(self) -> Option<Token> {
        let after = self.direction().map_or(0, |it| it.end);
        self.0.tokens().find(|it| it.start >= after).filter(|it| is_word(it.kind))
    }

    /// Its type.
    pub fn ty(self) -> Option<&'a Node> {
        ty(self.0)
    }

    /// Its default.
    pub fn default(self) -> Option<&'a Node> {
        default(self.0)
    }

    /// The string (a Literal or Template) that describes it.
    pub fn description(self) -> Option<&'a Node> {
        description(self.0)
    }
}

impl<'a> Param<'a> {
    /// Whether it collects the remaining named arguments.
    pub fn is_rest(self) -> bool {
        self.0.token(TokenKind::DotDot).is_some()
    }

    /// Its name.
    pub fn name(self) -> Option<Token> {
        self.0.tokens().find(|it| is_word(it.kind))
    }

    /// Its type.
    pub fn ty(self) -> Option<&'a Node> {
        ty(self.0)
    }

    /// Its default.
    pub fn default(self) -> Option<&'a Node> {
        default(self.0)
    }

    /// The string (a Literal or Template) that describes it.
    pub fn description(self) -> Option<&'a Node> {
        description(self.0)
    }
}

impl<'a> RecordField<'a> {
    /// Its name.
    pub fn name(self) -> Option<Token> {
        self.0.tokens().find(|it| is_word(it.kind))
    }

    /// Its type.
    pub fn ty(self) -> Option<&'a Node> {
        ty(self.0)
    }

    /// The string (a Literal or Template) that describes it.
    pub fn description(self) -> Option<&'a Node> {
        description(self.0)
    }
}

impl<'a> Let<'a> {
    /// Its name.
    pub fn name(self, text: &str) -> Option<Token> {
        ident_after(self.0, text, "let")
    }

    /// Its value.
    pub fn value(self) -> Option<&'a Node> {
        default(self.0)
    }
}

impl<'a> Assert<'a> {
    /// Whether it is a `suggest`.
    pub fn is_suggest(self, text: &str) -> bool {
        has_word(self.0, text, "suggest")
    }

    /// What must hold.
    pub fn condition(self) -> Option<&'a Node> {
        exprs(self.0).next()
    }

    /// Why.
    pub fn message(self) -> Option<&'a Node> {
        let retry = self.retry().map(|it| it.start);
        exprs(self.0).nth(1).filter(|it| Some(it.start) != retry)
    }

    /// The predictor named behind `retry:`.
    pub fn retry(self) -> Option<&'a Node> {
        let colon = self.0.token(TokenKind::Colon)?;
        exprs(self.0).find(|it| it.start >= colon.end)
    }
}

impl<'a> Call<'a> {
    /// What is called.
    pub fn callee(self) -> Option<&'a Node> {
        exprs(self.0).next()
    }

    /// The arguments: `Arg`, `NamedArg` and `SpreadArg` nodes.
    pub fn args(self) -> impl Iterator<Item = &'a Node> {
        self.0.node(NodeKind::Args).into_iter().flat_map(Node::nodes)
    }
}

impl<'a> MethodCall<'a> {
    /// The receiver.
    pub fn receiver(self) -> Option<&'a Node> {
        exprs(self.0).next()
    }

    /// The method's name; any word may be one.
    pub fn name(self) -> Option<Token> {
        self.0.tokens().find(|it| is_word(it.kind))
    }

    /// The arguments: `Arg`, `NamedArg` and `SpreadArg` nodes.
    pub fn args(self) -> impl Iterator<Item = &'a Node> {
        self.0.node(NodeKind::Args).into_iter().flat_map(Node::nodes)
    }
}

impl<'a> Member<'a> {
    /// The value whose member it is.
    pub fn receiver(self) -> Option<&'a Node> {
        exprs(self.0).next()
    }

    /// The member's name; any word may be one.
    pub fn name(self) -> Option<Token> {
        self.0.tokens().find(|it| is_word(it.kind))
    }
}

impl<'a> Closure<'a> {
    /// Its parameters.
    pub fn params(self) -> Vec<Param<'a>> {
        params(self.0)
    }

    /// Its body: an expression, or a statement without its semicolon.
    pub fn body(self) -> Option<&'a Node> {
        self.0.nodes().filter(|it| it.kind != NodeKind::Param).last()
    }
}

impl<'a> NamedArg<'a> {
    /// Its name; any word may be one.
    pub fn name(self) -> Option<Token> {
        self.0.tokens().find(|it| is_word(it.kind))
    }

    /// Its value.
    pub fn value(self) -> Option<&'a Node> {
        exprs(self.0).next()
    }
}

impl<'a> MapEntry<'a> {
    /// The key's token: a word or a string. A key in back-ticks is a Template and no token.
    pub fn key(self) -> Option<Token> {
        use TokenKind as T;
        self.0.tokens().find(|it| is_word(it.kind) || matches!(it.kind, T::Str | T::RawStr))
    }

    /// Its value.
    pub fn value(self) -> Option<&'a Node> {
        exprs(self.0).last()
    }
}

impl<'a> For<'a> {
    /// The loop's names: one, or two with a counter.
    pub fn names(self) -> impl Iterator<Item = Token> {
        let within = self.0.token(TokenKind::In).map_or(u32::MAX, |it| it.start);
        self.0.tokens().filter(move |it| it.kind == TokenKind::Ident && it.start < within)
    }

    /// What is iterated over.
    pub fn iterable(self) -> Option<&'a Node> {
        exprs(self.0).next()
    }

    /// The body.
    pub fn body(self) -> Option<&'a Node> {
        exprs(self.0).filter(|it| it.kind == NodeKind::Block).last()
    }
}

impl<'a> Try<'a> {
    /// The name of the caught error.
    pub fn name(self, text: &str) -> Option<Token> {
        ident_after(self.0, text, "catch")
    }

    /// The blocks: what is tried, what catches.
    pub fn blocks(self) -> impl Iterator<Item = &'a Node> {
        self.0.nodes().filter(|it| it.kind == NodeKind::Block)
    }
}

impl<'a> SignatureExpr<'a> {
    /// Its fields, in order.
    pub fn fields(self) -> impl Iterator<Item = FieldDecl<'a>> {
        self.0.nodes().filter_map(FieldDecl::cast)
    }

    /// Its contracts, in order.
    pub fn contracts(self) -> impl Iterator<Item = Assert<'a>> {
        self.0.nodes().filter_map(Assert::cast)
    }
}

impl<'a> If<'a> {
    /// What is asked.
    pub fn condition(self) -> Option<&'a Node> {
        exprs(self.0).next()
    }

    /// What runs if it holds.
    pub fn then(self) -> Option<&'a Node> {
        exprs(self.0).nth(1)
    }

    /// What runs if not: a Block or an If.
    pub fn otherwise(self) -> Option<&'a Node> {
        exprs(self.0).nth(2)
    }
}

impl<'a> Switch<'a> {
    /// What is compared.
    pub fn value(self) -> Option<&'a Node> {
        exprs(self.0).next()
    }

    /// The cases, in order.
    pub fn cases(self) -> impl Iterator<Item = SwitchCase<'a>> {
        self.0.nodes().filter_map(SwitchCase::cast)
    }
}

impl<'a> SwitchCase<'a> {
    fn arrow(self) -> u32 {
        self.0.token(TokenKind::FatArrow).map_or(self.0.end, |it| it.start)
    }

    /// The values that it matches; none is `_`.
    pub fn patterns(self) -> impl Iterator<Item = &'a Node> {
        let arrow = self.arrow();
        exprs(self.0).filter(move |it| it.start < arrow)
    }

    /// Whether it matches whatever comes.
    pub fn is_default(self) -> bool {
        self.patterns().next().is_none() && self.guard().is_none()
    }

    /// The condition behind `if`.
    pub fn guard(self) -> Option<&'a Node> {
        self.0.node(NodeKind::SwitchGuard).and_then(|it| exprs(it).next())
    }

    /// What it gives: an expression, or a statement without its semicolon.
    pub fn body(self) -> Option<&'a Node> {
        let arrow = self.arrow();
        self.0.nodes().find(|it| it.start > arrow)
    }
}

impl<'a> Binary<'a> {
    /// The left operand; a range may lack it.
    pub fn left(self) -> Option<&'a Node> {
        let operator = self.operator()?;
        exprs(self.0).next().filter(|it| it.start < operator.start)
    }

    /// The operator.
    pub fn operator(self) -> Option<Token> {
        self.0.tokens().next()
    }

    /// The right operand; a range may lack it.
    pub fn right(self) -> Option<&'a Node> {
        let operator = self.operator()?;
        exprs(self.0).find(|it| it.start > operator.start)
    }
}

impl<'a> Assign<'a> {
    /// What is assigned to.
    pub fn place(self) -> Option<&'a Node> {
        exprs(self.0).next()
    }

    /// `=` or an operator with it.
    pub fn operator(self) -> Option<Token> {
        self.0.tokens().next()
    }

    /// What is assigned.
    pub fn value(self) -> Option<&'a Node> {
        exprs(self.0).nth(1)
    }
}

/// The inputs and the outputs of a signature string's tree.
pub fn sides(root: &Node) -> (Vec<FieldDecl<'_>>, Vec<FieldDecl<'_>>) {
    let arrow = root.token(TokenKind::Arrow).map_or(u32::MAX, |it| it.start);
    root.nodes().filter_map(FieldDecl::cast).partition(|field| field.0.start < arrow)
}

/// Whether a token of this kind may stand as a name where only a name can stand: after a dot,
/// before the colon of an argument or key, in a field.
pub fn is_word(kind: TokenKind) -> bool {
    use TokenKind as T;
    matches!(
        kind,
        T::Ident
            | T::Let
            | T::Const
            | T::Fn
            | T::If
            | T::Else
            | T::Switch
            | T::While
            | T::Loop
            | T::Do
            | T::Until
            | T::For
            | T::In
            | T::Return
            | T::Break
            | T::Continue
            | T::Throw
            | T::Try
            | T::Catch
            | T::Import
            | T::Export
            | T::As
            | T::True
            | T::False
            | T::This
            | T::Module
    )
}
