//! Statements and blocks.

use crate::syntax::kind::{NodeKind, TokenKind};
use crate::syntax::messages;
use crate::syntax::parser::item::Item;
use crate::syntax::parser::{Context, Mark, Parser, shift};
use crate::syntax::tree::Node;

impl Parser<'_> {
    pub(super) fn file(&mut self) {
        while !self.at(TokenKind::End) {
            match self.item_ahead() {
                Some(item) => self.item(item),
                None => self.statement_or_junk(),
            }
        }
    }

    /// Reads a statement; where none is, passes over what is there.
    fn statement_or_junk(&mut self) {
        let first = self.at;
        self.statement();
        if self.at == first {
            self.error_unexpected("a statement");
            self.junk_line();
        }
    }

    // "{" statement* "}"
    pub(super) fn block(&mut self) {
        if !self.at(TokenKind::LBrace) {
            self.no_block();
            return;
        }
        let mark = self.open();
        let opened = self.bump();
        self.fresh(|parser| parser.statements_until_brace());
        self.expect_closer(TokenKind::RBrace, opened, "}");
        self.close(mark, NodeKind::Block);
    }

    pub(super) fn statements_until_brace(&mut self) {
        while !self.at(TokenKind::RBrace) && !self.at(TokenKind::End) && !self.at_missing_end()
        {
            match self.item_ahead() {
                Some(item) => self.misplaced_item(item),
                None => self.statement_or_junk(),
            }
        }
    }

    /// Whether the `}` of the block around is missing right here: an item begins at the margin,
    /// or, where the file has too few of them, any declaration.
    fn at_missing_end(&self) -> bool {
        self.at_next_item()
            || self.missing_braces < 0 && self.at_margin() && self.at_statement_keyword()
    }

    fn no_block(&mut self) {
        if self.brace_in_open_string() {
            let mark = self.open();
            self.fresh(Self::statements_until_brace);
            self.eat(TokenKind::RBrace);
            self.close(mark, NodeKind::Block);
            return;
        }
        if !self.at(TokenKind::Colon) {
            self.error_expected("`{`");
            self.skip_to_brace();
            if self.at(TokenKind::LBrace) {
                self.block();
            } else if self.lacks_brace() {
                let mark = self.open();
                self.fresh(Self::statements_until_brace);
                self.eat(TokenKind::RBrace);
                self.close(mark, NodeKind::Block);
            }
            return;
        }
        self.error_expected_with("`{`", "blocks stand in braces: `{ … }`");
        self.skip();
    }

    /// Whether a string that does not end has the block's brace in it.
    fn brace_in_open_string(&self) -> bool {
        let Some(before) = self.at.checked_sub(1).map(|it| self.words[it].token) else {
            return false;
        };
        before.kind == TokenKind::Unknown && before.text(self.text).trim_end().ends_with('{')
    }

    fn misplaced_item(&mut self, item: Item) {
        let hint = match item {
            Item::Fn => "put it at the top level, or write a closure: `let f = |x| …;`",
            _ => "put it at the top level",
        };
        let message = format!("{} cannot stand in a block", self.found());
        self.error(self.here(), messages::MISPLACED_ITEM, message, hint);
        self.deeper(|parser| parser.item(item));
    }

    pub(super) fn statement(&mut self) {
        self.deeper(Self::statement_inner);
    }

    fn statement_inner(&mut self) {
        use TokenKind as T;
        match self.kind() {
            T::Semi => {
                self.bump();
            }
            T::If | T::Switch | T::While | T::Loop | T::For | T::LBrace => {
                let mark = self.open();
                self.block_like();
                self.eat(T::Semi);
                self.close(mark, NodeKind::ExprStmt);
            }
            T::RParen | T::RBracket | T::RBrace => self.stray_closer(),
            T::Else | T::Catch | T::Until => self.stray_keyword(),
            T::Ident if self.at_foreign_let() => self.let_statement(),
            T::Ident if matches!(self.word_text(0), "elif" | "elseif" | "case") => {
                self.stray_keyword();
            }
            T::Ident if self.at_assert() => self.assert_statement(),
            _ => self.simple_statement(Ending::Semicolon),
        }
    }

    /// The body of a closure or of a `switch` case: a statement whose end somebody else reads.
    pub(super) fn body_statement(&mut self) {
        self.deeper(|parser| {
            use TokenKind as T;
            match parser.kind() {
                T::If | T::Switch | T::While | T::Loop | T::For | T::LBrace => {
                    parser.block_like();
                }
                _ => parser.simple_statement(Ending::Elsewhere),
            }
        });
    }

    /// An expression that begins with a keyword or brace and ends with its block. As a
    /// statement nothing may follow it: `{ … } (x)` are two.
    fn block_like(&mut self) {
        let mark = self.open();
        self.primary(mark);
    }

    fn simple_statement(&mut self, ending: Ending) {
        use TokenKind as T;
        let mark = self.open();
        match self.kind() {
            T::Let => self.let_binding(mark, ending),
            T::Const => self.const_item(mark),
            T::Import => self.import_item(mark),
            T::Export => self.export(mark),
            T::Return => self.jump(mark, NodeKind::Return, ending),
            T::Throw => self.jump(mark, NodeKind::Throw, ending),
            T::Break => self.jump(mark, NodeKind::Break, ending),
            T::Continue => self.jump(mark, NodeKind::Continue, ending),
            T::Try => self.try_catch(mark),
            _ => self.expr_statement(mark, ending),
        }
    }

    fn expr_statement(&mut self, mark: Mark, ending: Ending) {
        let first = self.at;
        self.expr();
        if self.at == first {
            return;
        }
        self.assignment(mark);
        if ending == Ending::Semicolon {
            self.end_of_statement();
            self.close(mark, NodeKind::ExprStmt);
        }
    }

    // expr ("=" | AssignOp) expr
    fn assignment(&mut self, mark: Mark) {
        let foreign = self.at(TokenKind::Unknown) && self.word_text(0) == ":=";
        if !foreign && !matches!(self.kind(), TokenKind::Eq | TokenKind::AssignOp) {
            return;
        }
        if foreign {
            self.unknown_symbol();
        } else if !self.built_since(mark).is_some_and(assignable) {
            let hint = "a variable, a field or an element can be assigned to; `==` compares";
            let message = "this cannot be assigned to";
            let built = self.built_since(mark).map(|it| shift(self.place, it.start, it.end));
            let span = built.unwrap_or_else(|| self.here());
            self.error(span, messages::NOT_ASSIGNABLE, message, hint);
        }
        self.bump();
        self.expr();
        if self.at(TokenKind::Eq) {
            self.assignment_inside("assign one variable after the other");
        }
        self.close(mark, NodeKind::Assign);
    }

    /// An `=` where an assignment has no place; reads what is assigned.
    pub(super) fn assignment_inside(&mut self, hint: &str) {
        let message = "an assignment is a statement and has no value";
        self.error(self.here(), messages::ASSIGNMENT_INSIDE, message, hint);
        let mark = self.open();
        self.bump();
        self.expr();
        self.close(mark, NodeKind::Error);
    }

    /// The semicolon that all statements need but the last of a block.
    pub(super) fn end_of_statement(&mut self) {
        use TokenKind as T;
        if self.eat(T::Semi) || self.at(T::RBrace) || self.at(T::End) {
            return;
        }
        if self.depth > 1 && self.at_missing_end() {
            // The missing brace is told; as the last statement this needs no semicolon.
            return;
        }
        let behind = self.word_text(0);
        let hint =
            messages::foreign_word(behind).or_else(|| self.hint_from_before()).unwrap_or("");
        if self.on_new_line() || self.at_statement_keyword() {
            let message = "missing `;` at the end of the statement";
            let hint = if hint.is_empty() || self.on_new_line() { "" } else { hint };
            self.error(self.before(), messages::MISSING_SEMICOLON, message, hint);
            if messages::foreign_word(behind).is_some() {
                // The next line has a mistake of its own.
                self.last_error = None;
            }
            return;
        }
        if self.at(T::RParen) || self.at(T::RBracket) {
            self.stray_closer();
        } else {
            let message = format!("expected `;`, found {}", self.found());
            self.error(self.before(), messages::MISSING_SEMICOLON, message, hint);
        }
        let told = self.last_error == Some(self.at);
        self.junk(|parser| parser.at(T::Semi) || parser.on_new_line());
        if !self.eat(T::Semi) && told {
            self.last_error = Some(self.at);
        }
    }

    /// What the word before a surprise says about it.
    pub(super) fn hint_from_before(&self) -> Option<&'static str> {
        let before = self.words[self.at.checked_sub(1)?].token.text(self.text);
        let string = matches!(self.kind(), TokenKind::Str | TokenKind::Backtick);
        if string && self.word(0).adjacent && matches!(before, "f" | "r" | "b" | "u") {
            return Some("values stand in a template string: `text ${value}`");
        }
        if self.at(TokenKind::FatArrow) {
            return Some("closures are `|x| …`");
        }
        if self.at(TokenKind::Colon) {
            return Some("blocks stand in braces: `{ … }`");
        }
        if self.at(TokenKind::LBrace) && before == "else" {
            return None;
        }
        messages::foreign_word(before)
    }

    pub(super) fn at_statement_keyword(&self) -> bool {
        use TokenKind as T;
        matches!(
            self.kind(),
            T::Let | T::Const | T::Fn | T::Return | T::Throw | T::Try | T::Import | T::Export
        )
    }

    fn stray_closer(&mut self) {
        let message = format!("{} closes nothing", self.found());
        self.error(self.here(), messages::STRAY_CLOSER, message, "");
        let mark = self.open();
        self.bump();
        self.eat(TokenKind::Semi);
        self.close(mark, NodeKind::Error);
    }

    fn stray_keyword(&mut self) {
        let word = self.word_text(0);
        let (hint, message) = match word {
            "elif" | "elseif" => {
                ("write `else if`", format!("expected a statement, found `{word}`"))
            }
            "else" => ("", "`else` without an `if` before it".to_owned()),
            "catch" => ("", "`catch` without a `try` before it".to_owned()),
            "case" => (
                "a case is a value and `=>`: `1 => …`",
                format!("expected a statement, found `{word}`"),
            ),
            _ => ("", format!("expected a statement, found `{word}`")),
        };
        self.error(self.here(), messages::EXPECTED, message, hint);
        let mark = self.open();
        self.bump();
        self.junk(|parser| {
            parser.on_new_line() || matches!(parser.kind(), TokenKind::LBrace | TokenKind::Semi)
        });
        if self.at(TokenKind::LBrace) {
            self.block();
        }
        self.eat(TokenKind::Semi);
        self.close(mark, NodeKind::Error);
    }

    // Declarations.

    /// `var x = …`, as in other languages.
    fn at_foreign_let(&self) -> bool {
        matches!(self.word_text(0), "var" | "val" | "auto")
            && self.nth(1) == TokenKind::Ident
            && !self.word(1).on_new_line
    }

    pub(super) fn let_statement(&mut self) {
        let mark = self.open();
        self.let_binding(mark, Ending::Semicolon);
    }

    // "export"? "let" Ident ("=" expr)? ";"
    fn let_binding(&mut self, mark: Mark, ending: Ending) {
        if !self.at(TokenKind::Let) {
            let message = format!("expected `let`, found {}", self.found());
            self.error(
                self.here(),
                messages::OTHER_LANGUAGE,
                message,
                "variables begin with `let`",
            );
        }
        self.bump();
        if self.at_text("mut") && self.nth(1) == TokenKind::Ident {
            let hint = messages::foreign_word("mut").unwrap_or_default();
            self.error(self.here(), messages::OTHER_LANGUAGE, "there is no `mut`", hint);
            self.skip();
        }
        self.name("the name of a variable");
        self.no_type_here();
        if self.at(TokenKind::Unknown) && self.word_text(0) == ":=" {
            self.unknown_symbol();
            self.bump();
            self.expr();
        } else if self.eat(TokenKind::Eq) {
            self.expr();
            if self.at(TokenKind::Eq) {
                self.assignment_inside("declare one variable after the other");
            }
        }
        if ending == Ending::Semicolon {
            self.end_of_statement();
        }
        self.close(mark, NodeKind::Let);
    }

    /// A type behind the name of a variable, which has none.
    pub(super) fn no_type_here(&mut self) {
        if !self.at(TokenKind::Colon) {
            return;
        }
        let hint = "types stand in signatures, parameters and `type`; leave it out here";
        self.error(self.here(), messages::TYPED_LET, "variables have no declared type", hint);
        let mark = self.open();
        self.bump();
        self.type_union();
        self.close(mark, NodeKind::Error);
    }

    // "export" (Let | ConstItem | Ident ("as" Ident)? ";")
    fn export(&mut self, mark: Mark) {
        if self.depth > 1 {
            let hint = "put it at the top level";
            self.error(
                self.here(),
                messages::MISPLACED_ITEM,
                "`export` cannot stand in a block",
                hint,
            );
        }
        self.bump();
        match self.kind() {
            TokenKind::Let => self.let_binding(mark, Ending::Semicolon),
            TokenKind::Const => self.const_item(mark),
            _ => {
                self.name("a name");
                if self.eat(TokenKind::As) {
                    self.name("a name");
                }
                self.end_of_statement();
                self.close(mark, NodeKind::Export);
            }
        }
    }

    // Jumps.

    // ("return" | "throw" | "break" | "continue") expr? ";"
    fn jump(&mut self, mark: Mark, kind: NodeKind, ending: Ending) {
        let of_loop = matches!(kind, NodeKind::Break | NodeKind::Continue);
        if of_loop && !self.in_loop {
            let message = format!("{} outside of a loop", self.found());
            self.error(self.here(), messages::OUTSIDE_LOOP, message, "");
        }
        self.bump();
        if kind != NodeKind::Continue && self.at_expr() {
            self.expr();
        }
        if ending == Ending::Semicolon {
            self.end_of_statement();
        }
        self.close(mark, kind);
    }

    /// A jump as the right side of `??`.
    pub(super) fn jump_operand(&mut self) {
        self.simple_statement(Ending::Elsewhere);
    }

    // "try" Block "catch" ("(" Ident ")")? Block
    fn try_catch(&mut self, mark: Mark) {
        self.bump();
        self.block();
        if self.expect(TokenKind::Catch, "`catch`") {
            if self.at(TokenKind::LParen) {
                let opened = self.bump();
                self.name("the name of the error");
                self.expect_closer(TokenKind::RParen, opened, ")");
            }
            self.block();
        }
        self.eat(TokenKind::Semi);
        self.close(mark, NodeKind::Try);
    }

    // Contracts.

    /// Whether `assert` or `suggest` begins a statement here, and is no name of the user's.
    fn at_assert(&self) -> bool {
        use TokenKind as T;
        let word = self.word_text(0);
        if !matches!(word, "assert" | "suggest") {
            return false;
        }
        match self.nth(1) {
            T::LParen => !(self.is_call_form() && self.declares(word)),
            T::LBracket => !self.word(1).adjacent,
            T::Op => match self.word_text(1) {
                "-" | "+" => !self.declares(word),
                "!" => true,
                _ => false,
            },
            next => starts_expr(next) && !matches!(next, T::Pipe | T::PipePipe | T::In),
        }
    }

    /// Whether the parentheses behind the next word are all of the statement.
    fn is_call_form(&self) -> bool {
        use TokenKind as T;
        let (mut ahead, mut open) = (1, 0u32);
        loop {
            match self.nth(ahead) {
                T::LParen => open += 1,
                T::RParen => open -= 1,
                T::End => return false,
                _ => {}
            }
            ahead += 1;
            if open == 0 {
                let ends = matches!(self.nth(ahead), T::Semi | T::RBrace | T::End);
                return ends || self.word(ahead).on_new_line && !continues(self.nth(ahead));
            }
        }
    }

    // ("assert" | "suggest") expr ("," expr)? ("," "retry" ":" expr)? ";"
    pub(super) fn assert_statement(&mut self) {
        let mark = self.open();
        let calls = self.nth(1) == TokenKind::LParen && self.is_call_form();
        self.bump();
        if calls {
            let opened = self.bump();
            self.fresh(Self::assert_parts);
            self.expect_closer(TokenKind::RParen, opened, ")");
        } else if self.at_text("!") && self.word(0).adjacent && self.nth(1) == TokenKind::LParen
        {
            // `assert!(…)`: an habit from Rust, or a negation; the space decides.
            self.assert_macro();
        } else {
            self.assert_parts();
        }
        self.end_of_statement();
        self.close(mark, NodeKind::Assert);
    }

    fn assert_parts(&mut self) {
        self.expr();
        if self.at(TokenKind::Eq) {
            self.assignment_inside("`==` compares");
        }
        while self.at(TokenKind::Comma) {
            self.bump();
            if self.at(TokenKind::RParen) {
                break;
            }
            if self.at_text("retry") && self.nth(1) == TokenKind::Colon {
                self.bump();
                self.bump();
            }
            self.expr();
        }
    }

    fn assert_macro(&mut self) {
        let hint = "write `assert c, \"why\";`, and with a space `assert !(c)`";
        self.error(self.here(), messages::OTHER_LANGUAGE, "`assert` is no macro", hint);
        self.skip();
        let opened = self.bump();
        self.fresh(Self::assert_parts);
        self.expect_closer(TokenKind::RParen, opened, ")");
    }

    /// Reads the expression before a block.
    pub(super) fn condition(&mut self, what: &str) {
        if self.at(TokenKind::LBrace) {
            self.error_expected(what);
            return;
        }
        self.with_context(Context { head: true, pattern: false }, Self::expr);
        if self.at(TokenKind::Eq) {
            self.with_context(Context { head: true, pattern: false }, |parser| {
                parser.assignment_inside("`==` compares");
            });
        }
    }
}

/// Who reads the end of a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It has its own semicolon.
    Semicolon,
    /// It stands where an expression could.
    Elsewhere,
}

/// Whether something can be assigned to this: a variable, or a part of what is no literal.
fn assignable(node: &Node) -> bool {
    use NodeKind as K;
    match node.kind {
        K::Name | K::Path | K::Error => true,
        K::Member | K::Index => {
            let whole = node.nodes().next().map(|it| it.kind);
            let part = matches!(whole, Some(K::Member | K::Index));
            let literal = matches!(whole, Some(K::Literal | K::Template | K::Array | K::Map));
            if part { node.nodes().next().is_some_and(assignable) } else { !literal }
        }
        _ => false,
    }
}

/// Whether an expression may begin with a token of this kind.
pub(super) fn starts_expr(kind: TokenKind) -> bool {
    use TokenKind as T;
    matches!(
        kind,
        T::Ident
            | T::Int
            | T::Float
            | T::Char
            | T::Str
            | T::RawStr
            | T::Backtick
            | T::True
            | T::False
            | T::This
            | T::LParen
            | T::LBracket
            | T::HashBrace
            | T::LBrace
            | T::Pipe
            | T::PipePipe
            | T::If
            | T::Switch
            | T::While
            | T::Loop
            | T::Do
            | T::For
            | T::DotDot
            | T::DotDotEq
            | T::Unknown
    )
}

/// Whether a token of this kind goes on with the expression before it.
fn continues(kind: TokenKind) -> bool {
    use TokenKind as T;
    matches!(
        kind,
        T::Op
            | T::Dot
            | T::QuestionDot
            | T::QuestionBracket
            | T::LBracket
            | T::In
            | T::Pipe
            | T::PipePipe
            | T::Comma
            | T::DotDot
            | T::DotDotEq
    )
}
