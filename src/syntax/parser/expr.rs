//! Expressions.

use crate::syntax::ast::is_word;
use crate::syntax::kind::{NodeKind, TokenKind};
use crate::syntax::messages;
use crate::syntax::parser::stmt::starts_expr;
use crate::syntax::parser::{Context, Mark, Parser};
use crate::syntax::text::{self, Number};
use crate::syntax::tree::Node;

/// How tightly a binary operator binds, by Rhai's table; `None` if it is none.
fn power(kind: TokenKind, text: &str) -> Option<u8> {
    use TokenKind as T;
    Some(match (kind, text) {
        (T::PipePipe | T::Pipe, _) | (T::Op, "^") | (T::Ident, "or") => 30,
        (T::Op, "&&" | "&") | (T::Ident, "and") => 60,
        (T::Op, "==" | "!=") | (T::Unknown, "===" | "!==") => 90,
        (T::In, _) | (T::Op, "!in") => 110,
        (T::Op, "<" | "<=" | ">" | ">=") => 130,
        (T::Op, "??") => 135,
        (T::DotDot | T::DotDotEq, _) => 140,
        (T::Op, "+" | "-") => 150,
        (T::Op, "*" | "/" | "%") => 180,
        (T::Op, "**") => POWER_OF,
        (T::Op, "<<" | ">>") => 210,
        _ => return None,
    })
}

/// The only operator that binds to the right.
const POWER_OF: u8 = 190;

impl Parser<'_> {
    pub(super) fn expr(&mut self) {
        self.deeper(|parser| parser.binary(1));
    }

    /// Whether an expression begins here.
    pub(super) fn at_expr(&self) -> bool {
        starts_expr(self.kind())
            || self.at(TokenKind::Op) && matches!(self.word_text(0), "-" | "+" | "!")
    }

    /// Operators that bind at least as tightly as `least`, and their operands.
    fn binary(&mut self, least: u8) {
        let mark = self.open();
        if !self.at_range() {
            let first = self.at;
            self.unary();
            // An operator without its left side has its right side nevertheless.
            if self.at == first && (self.at(TokenKind::Pipe) || self.on_new_line()) {
                return;
            }
        }
        while let Some(power) = self.operator(least) {
            if self.too_high(mark) {
                return;
            }
            self.bump();
            self.right_operand(power);
            self.close(mark, NodeKind::Binary);
        }
    }

    fn at_range(&self) -> bool {
        matches!(self.kind(), TokenKind::DotDot | TokenKind::DotDotEq)
    }

    /// The operator that stands here and binds at least as tightly as `least`.
    fn operator(&mut self, least: u8) -> Option<u8> {
        let (kind, text) = (self.kind(), self.word_text(0));
        if kind == TokenKind::Pipe && self.context.pattern {
            return None;
        }
        let power = power(kind, text).filter(|power| *power >= least)?;
        if matches!(kind, TokenKind::Ident | TokenKind::Unknown) {
            self.foreign_operator(kind)?;
        }
        Some(power)
    }

    /// `and`, `or`, `===`: understood, and told.
    fn foreign_operator(&mut self, kind: TokenKind) -> Option<()> {
        if kind == TokenKind::Unknown {
            self.unknown_symbol();
            return Some(());
        }
        if self.on_new_line() {
            return None;
        }
        let word = self.word_text(0);
        let right = messages::foreign_operator(word)?;
        let message = format!("expected `{right}`, found `{word}`");
        self.error(self.here(), messages::OTHER_LANGUAGE, message, "");
        Some(())
    }

    /// Tells what an `Unknown` token is; it stays.
    pub(super) fn unknown_symbol(&mut self) {
        let diag = messages::unknown(self.word_text(0), self.here());
        self.report(self.here(), diag.code, diag.message, |it| {
            diag.hints.into_iter().fold(it, crate::diag::Diagnostic::hint)
        });
    }

    fn right_operand(&mut self, power: u8) {
        use TokenKind as T;
        let before = self.words[self.at - 1].token;
        let range = matches!(before.kind, T::DotDot | T::DotDotEq);
        if range
            && matches!(
                self.kind(),
                T::RBracket | T::RParen | T::RBrace | T::Comma | T::Semi | T::FatArrow
            )
        {
            return;
        }
        if before.text(self.text) == "??"
            && matches!(self.kind(), T::Return | T::Throw | T::Break | T::Continue)
        {
            self.jump_operand();
            return;
        }
        let least = if power == POWER_OF { power } else { power + 1 };
        self.deeper(|parser| parser.binary(least));
    }

    // ("-" | "+" | "!") expr
    pub(super) fn unary(&mut self) {
        let mark = self.open();
        if self.at(TokenKind::Unknown) && matches!(self.word_text(0), "++" | "--") {
            self.unknown_symbol();
            self.bump();
            self.unary_operand();
            self.close(mark, NodeKind::Unary);
        } else if !self.at(TokenKind::Op) || !matches!(self.word_text(0), "-" | "+" | "!") {
            self.primary(mark);
            self.postfix(mark);
        } else if self.at_text("-") && self.at_negative_number() {
            // `-1.abs()` is `(-1).abs()`, for the sign belongs to the number.
            self.bump();
            self.literal();
            self.close(mark, NodeKind::Unary);
            self.postfix(mark);
        } else {
            self.bump();
            self.unary_operand();
            self.close(mark, NodeKind::Unary);
        }
    }

    fn at_negative_number(&self) -> bool {
        self.word(1).adjacent && matches!(self.nth(1), TokenKind::Int | TokenKind::Float)
    }

    fn unary_operand(&mut self) {
        let first = self.at;
        self.deeper(Self::unary);
        if self.at == first {
            self.error_expected("an expression");
        }
    }

    /// What may follow an expression: `.f`, `.m(…)`, `[…]`, `(…)`.
    fn postfix(&mut self, mark: Mark) {
        use TokenKind as T;
        loop {
            let kind = self.kind();
            let follows = match kind {
                T::Dot | T::QuestionDot | T::LBracket | T::QuestionBracket => true,
                T::LParen => !self.on_new_line(),
                T::Op => self.at_capture_call(mark),
                T::Question => !self.on_new_line(),
                T::Unknown => matches!(self.word_text(0), "++" | "--") && !self.on_new_line(),
                _ => false,
            };
            if !follows || self.built.len() == mark.0 || self.too_high(mark) {
                return;
            }
            match kind {
                T::Dot | T::QuestionDot => self.member(mark),
                T::LBracket | T::QuestionBracket => self.index(mark),
                T::Question => self.ternary(),
                T::Unknown => self.increment(),
                _ => self.call(mark),
            }
        }
    }

    /// `f!(…)`: Rhai's call that sees the caller's variables.
    fn at_capture_call(&self, mark: Mark) -> bool {
        self.at_text("!")
            && self.nth(1) == TokenKind::LParen
            && self.built_since(mark).is_some_and(|it| it.kind == NodeKind::Name)
    }

    // expr ("." | "?.") word Args?
    fn member(&mut self, mark: Mark) {
        self.bump();
        if !is_word(self.kind()) {
            let what =
                if self.at(TokenKind::Int) { "a name; elements are `x[0]`" } else { "a name" };
            self.error_expected(what);
            if self.at(TokenKind::Int) {
                self.bump();
            }
            self.close(mark, NodeKind::Member);
            return;
        }
        self.bump();
        if self.at(TokenKind::LParen) && !self.on_new_line() {
            self.args();
            self.close(mark, NodeKind::MethodCall);
        } else {
            self.close(mark, NodeKind::Member);
        }
    }

    // expr ("[" | "?[") expr "]"
    fn index(&mut self, mark: Mark) {
        let opened = self.bump();
        self.fresh(Self::expr);
        self.expect_closer(TokenKind::RBracket, opened, "]");
        self.close(mark, NodeKind::Index);
    }

    // expr "!"? Args
    fn call(&mut self, mark: Mark) {
        if self.at(TokenKind::Op) {
            self.bump();
        }
        self.args();
        self.close(mark, NodeKind::Call);
    }

    /// `c ? a : b`, as in other languages.
    fn ternary(&mut self) {
        let hint = "write `if c { a } else { b }`";
        self.error(self.here(), messages::OTHER_LANGUAGE, "there is no operator `?`", hint);
        let mark = self.open();
        self.bump();
        if self.at_expr() {
            self.expr();
            if self.eat(TokenKind::Colon) {
                self.expr();
            }
        }
        self.close(mark, NodeKind::Error);
    }

    /// `x++`, as in other languages, or a binary operator that Rhai reserves.
    fn increment(&mut self) {
        self.unknown_symbol();
        let mark = self.open();
        self.bump();
        if self.at_expr() && !self.on_new_line() {
            self.unary();
        }
        self.close(mark, NodeKind::Error);
    }

    // "(" (Arg | NamedArg | SpreadArg),* ")"
    fn args(&mut self) {
        let mark = self.open();
        let opened = self.bump();
        self.fresh(|parser| {
            let mut named = false;
            parser.list(TokenKind::RParen, "`,` or `)`", |parser| parser.arg(&mut named));
        });
        self.expect_closer(TokenKind::RParen, opened, ")");
        self.close(mark, NodeKind::Args);
    }

    fn arg(&mut self, named: &mut bool) {
        let mark = self.open();
        if is_word(self.kind()) && self.nth(1) == TokenKind::Colon {
            *named = true;
            self.bump();
            self.bump();
            self.expr();
            self.close(mark, NodeKind::NamedArg);
        } else if self.at(TokenKind::DotDot) {
            self.bump();
            self.expr();
            self.close(mark, NodeKind::SpreadArg);
        } else {
            self.positional(mark, *named);
        }
    }

    // expr
    fn positional(&mut self, mark: Mark, after_named: bool) {
        let (first, span) = (self.at, self.here());
        self.expr();
        let shorthand = self.built_since(mark).is_some_and(|it| it.kind == NodeKind::Name);
        if self.at(TokenKind::Eq) && shorthand {
            let hint = "arguments are named by `:`, as in `f(k: 5)`";
            self.error_expected_with("`:`", hint);
            self.bump();
            self.expr();
        } else if self.at(TokenKind::Eq) {
            self.assignment_inside("`==` compares");
        } else if after_named && !shorthand && self.at > first {
            let message = "an argument after a named one needs a name too";
            self.error(span, messages::POSITIONAL_AFTER_NAMED, message, "write `name: value`");
        }
        self.close(mark, NodeKind::Arg);
    }

    /// Elements between commas, up to the closing bracket, which is left to the caller.
    pub(super) fn list(
        &mut self,
        closer: TokenKind,
        what: &str,
        mut element: impl FnMut(&mut Self),
    ) {
        while !self.at(closer) && !self.at(TokenKind::End) {
            let first = self.at;
            element(self);
            if self.eat(TokenKind::Comma) {
                continue;
            }
            if self.at(closer) || self.ends_list() {
                return;
            }
            let hint = self.hint_from_before().unwrap_or("");
            self.error_expected_with(what, hint);
            if self.at == first || !self.at_expr() || self.on_new_line() && !self.at_element() {
                self.junk(|parser| {
                    parser.at(TokenKind::Comma) || parser.at(closer) || parser.ends_list()
                });
                if !self.eat(TokenKind::Comma) && self.at == first {
                    return;
                }
            }
        }
    }

    /// Whether what stands here is more likely behind the list than in it.
    pub(super) fn ends_list(&self) -> bool {
        self.at(TokenKind::Semi)
            || self.at(TokenKind::RBrace)
            || self.at(TokenKind::End)
            || self.at_statement_keyword()
            || self.at_outside()
    }

    /// Whether an element of a list may begin on this line.
    fn at_element(&self) -> bool {
        matches!(self.nth(1), TokenKind::Comma | TokenKind::Colon) || !is_word(self.kind())
    }

    // Operands.

    /// An operand; `mark` is where it begins.
    pub(super) fn primary(&mut self, mark: Mark) {
        use TokenKind as T;
        match self.kind() {
            T::Int | T::Float | T::Char | T::Str | T::RawStr | T::True | T::False => {
                self.literal();
            }
            T::Backtick => self.template(),
            T::Ident | T::This => self.name_or_path(mark),
            T::LParen => self.paren(mark),
            T::LBracket => self.array(mark),
            T::HashBrace => self.map(mark),
            T::Pipe | T::PipePipe => self.closure(mark),
            T::LBrace => self.block(),
            T::If => self.if_expr(),
            T::Switch => self.switch(mark),
            T::While => self.while_loop(mark),
            T::Loop => self.loop_expr(mark),
            T::Do => self.do_loop(mark),
            T::For => self.for_loop(mark),
            T::Unknown if !matches!(self.word_text(0), "===" | "!==" | ":=") => {
                self.open_literal();
            }
            T::FatArrow => self.error_expected_with("an expression", "closures are `|x| …`"),
            T::Try => self.error_expected_with(
                "an expression",
                "`try` has no value: declare `let x;` before it and write `x = …;` inside",
            ),
            _ => self.error_expected("an expression"),
        }
    }

    pub(super) fn literal(&mut self) {
        let mark = self.open();
        match self.kind() {
            TokenKind::Int | TokenKind::Float => self.check_number(),
            TokenKind::Str => self.check_escapes(),
            TokenKind::Char => self.check_character(),
            _ => {}
        }
        self.bump();
        self.close(mark, NodeKind::Literal);
    }

    /// A string where single quotes are understood too: descriptions.
    pub(super) fn text_literal(&mut self) {
        if self.at(TokenKind::Unknown) {
            self.open_literal();
            return;
        }
        let mark = self.open();
        if !self.at(TokenKind::RawStr) {
            self.check_escapes();
        }
        self.bump();
        self.close(mark, NodeKind::Literal);
    }

    /// A string that does not end, as if it did.
    pub(super) fn open_literal(&mut self) {
        if !self.at(TokenKind::Unknown) {
            self.error_expected("a string");
            return;
        }
        self.unknown_symbol();
        let mark = self.open();
        self.bump();
        self.close(mark, NodeKind::Literal);
    }

    /// Tells of an escape that strings do not have.
    pub(super) fn check_escapes(&mut self) {
        let token = self.word(0).token;
        if let Err(bad) = text::unquote(token, self.text) {
            let span = super::shift(self.place, bad.start, bad.end);
            let escape = &self.text[bad.start as usize..bad.end as usize];
            let message = format!("strings have no escape `{escape}`");
            let hint =
                "escapes are `\\n \\r \\t \\\\ \\\" \\x41 \\u20ac`; a backslash is `\\\\`";
            self.error(span, messages::BAD_ESCAPE, message, hint);
        }
    }

    fn check_character(&mut self) {
        let token = self.word(0).token;
        match text::unquote(token, self.text) {
            Ok(value) if value.chars().count() != 1 => {
                let hint = "strings stand in double quotes";
                let message = "single quotes hold exactly one character";
                self.error(self.here(), messages::BAD_CHARACTER, message, hint);
            }
            Ok(_) => {}
            Err(_) => self.check_escapes(),
        }
    }

    /// Whether the number here is one, and ends where it seems to.
    pub(super) fn check_number(&mut self) {
        let shown = self.word_text(0);
        let next = self.word(1);
        let runs_on = next.adjacent
            && matches!(next.token.kind, TokenKind::Ident | TokenKind::Int | TokenKind::Float);
        let value = text::number(shown).filter(|_| !runs_on);
        let too_great =
            matches!(value, Some(Number::Float(_))) && self.kind() == TokenKind::Int;
        if value.is_some() && !too_great {
            return;
        }
        let more = if runs_on { self.word_text(1) } else { "" };
        let mut shown: String = shown.chars().chain(more.chars()).take(25).collect();
        if shown.chars().count() > 24 {
            shown.pop();
            shown.push('…');
        }
        let (what, hint) = match too_great {
            true => {
                ("does not fit an int, which has 64 bits", "a float may be that great: `1e20`")
            }
            false => ("is no number", ""),
        };
        self.error(self.here(), messages::BAD_NUMBER, format!("`{shown}` {what}"), hint);
        if runs_on {
            self.skip();
        }
    }

    // Backtick (TemplateText | TemplateOpen statement* "}")* Backtick
    pub(super) fn template(&mut self) {
        self.deeper(|parser| {
            let mark = parser.open();
            let opened = parser.bump();
            loop {
                match parser.kind() {
                    TokenKind::TemplateText => {
                        parser.bump();
                    }
                    TokenKind::TemplateOpen => parser.interpolation(),
                    _ => break,
                }
            }
            parser.expect_closer(TokenKind::Backtick, opened, "back-tick");
            parser.close(mark, NodeKind::Template);
        });
    }

    // TemplateOpen statement* "}"
    fn interpolation(&mut self) {
        let opened = self.bump();
        self.fresh(Self::statements_until_brace);
        self.expect_closer(TokenKind::RBrace, opened, "}");
    }

    // Ident ("::" Ident)*
    fn name_or_path(&mut self, mark: Mark) {
        if self.at_signature_expr() {
            self.bump();
            self.fresh(Self::signature_body);
            self.close(mark, NodeKind::SignatureExpr);
            return;
        }
        if self.at_foreign_match() {
            self.foreign_match(mark);
            return;
        }
        self.check_name();
        self.bump();
        if !self.at(TokenKind::ColonColon) {
            self.close(mark, NodeKind::Name);
            return;
        }
        while self.eat(TokenKind::ColonColon) {
            self.name("a name");
        }
        self.close(mark, NodeKind::Path);
    }

    /// `signature {` is a signature where it cannot be a variable before a block.
    fn at_signature_expr(&self) -> bool {
        use TokenKind as T;
        if self.word_text(0) != "signature" || self.nth(1) != T::LBrace {
            return false;
        }
        let field = self.nth(2) == T::In || self.word_text(2) == "out" && is_word(self.nth(3));
        field || !self.context.head
    }

    /// `match x {`, as in other languages.
    fn at_foreign_match(&self) -> bool {
        let next = self.word(1);
        self.word_text(0) == "match" && next.token.kind == TokenKind::Ident && !next.on_new_line
    }

    fn foreign_match(&mut self, mark: Mark) {
        let hint = messages::foreign_word("match").unwrap_or_default();
        self.error(
            self.here(),
            messages::OTHER_LANGUAGE,
            "expected `switch`, found `match`",
            hint,
        );
        self.switch(mark);
    }

    fn check_name(&mut self) {
        let word = self.word_text(0);
        if word == "_" {
            let hint = "it is a case of `switch`; name a variable `_unused`";
            self.error(self.here(), messages::BAD_NAME, "`_` is no name", hint);
            return;
        }
        let nothing = matches!(word, "null" | "nil" | "None" | "NULL" | "True" | "False");
        let used = matches!(self.nth(1), TokenKind::LParen | TokenKind::ColonColon);
        if nothing && !used && !self.declares(word) {
            let hint = messages::foreign_word(word).unwrap_or_default();
            let message = format!("there is no `{word}`");
            self.error(self.here(), messages::OTHER_LANGUAGE, message, hint);
        }
    }

    // "(" ")" or "(" expr ")"
    fn paren(&mut self, mark: Mark) {
        let opened = self.bump();
        if self.eat(TokenKind::RParen) {
            let kind = if self.at(TokenKind::FatArrow) && !self.context.pattern {
                self.foreign_closure();
                NodeKind::Error
            } else {
                NodeKind::Unit
            };
            self.close(mark, kind);
            return;
        }
        self.fresh(Self::expr);
        if self.at(TokenKind::Eq) || self.at(TokenKind::AssignOp) {
            self.fresh(|parser| parser.assignment_inside("`==` compares"));
        } else if self.at(TokenKind::Comma) {
            self.tuple();
        }
        self.expect_closer(TokenKind::RParen, opened, ")");
        self.close(mark, NodeKind::Paren);
    }

    /// `(a, b)`, as in other languages.
    fn tuple(&mut self) {
        if self.closer_ahead(TokenKind::RParen).is_none() {
            return;
        }
        let hint = "a list is written `[a, b]`; parentheses hold one value";
        self.error_expected_with("`)`", hint);
        let mark = self.open();
        self.junk(|_| false);
        self.close(mark, NodeKind::Error);
    }

    fn foreign_closure(&mut self) {
        let hint = "closures are `|x| …`";
        self.error(self.here(), messages::OTHER_LANGUAGE, "closures have no `=>`", hint);
        self.bump();
        self.expr();
    }

    // "[" expr,* "]"
    fn array(&mut self, mark: Mark) {
        let opened = self.bump();
        self.fresh(|parser| parser.list(TokenKind::RBracket, "`,` or `]`", Self::expr));
        self.expect_closer(TokenKind::RBracket, opened, "]");
        self.close(mark, NodeKind::Array);
    }

    // "#{" MapEntry,* "}"
    fn map(&mut self, mark: Mark) {
        let opened = self.bump();
        self.fresh(|parser| parser.list(TokenKind::RBrace, "`,` or `}`", Self::map_entry));
        self.expect_closer(TokenKind::RBrace, opened, "}");
        self.close(mark, NodeKind::Map);
    }

    // (word | string) ":" expr
    fn map_entry(&mut self) {
        use TokenKind as T;
        let mark = self.open();
        match self.kind() {
            T::Str => {
                self.check_escapes();
                self.bump();
            }
            T::RawStr => {
                self.bump();
            }
            T::Backtick => self.template(),
            T::Unknown => self.open_literal(),
            kind if is_word(kind) => {
                self.bump();
            }
            _ => {
                self.error_expected("a key");
                self.close(mark, NodeKind::Error);
                return;
            }
        }
        if self.at(T::Eq) {
            self.error_expected_with("`:`", "maps are written `#{ key: value }`");
            self.bump();
            self.expr();
        } else if self.expect(T::Colon, "`:`") {
            self.expr();
        }
        self.close(mark, NodeKind::MapEntry);
    }

    // "|" Param,* "|" statement, or "||" statement
    fn closure(&mut self, mark: Mark) {
        let opened = self.bump();
        if opened.kind == TokenKind::Pipe {
            self.fresh(|parser| {
                parser.list(TokenKind::Pipe, "`,` or `|`", Self::closure_param);
            });
            self.expect_closer(TokenKind::Pipe, opened, "|");
        }
        let first = self.at;
        self.with_loop(false, Self::body_statement);
        if self.at == first {
            self.error_expected("an expression");
        }
        self.close(mark, NodeKind::Closure);
    }

    // Ident
    fn closure_param(&mut self) {
        let mark = self.open();
        self.name("the name of a parameter");
        if self.at(TokenKind::Colon) {
            let hint = "parameters of functions have types: `fn f(x: int)`";
            let message = "parameters of closures have no type";
            self.error(self.here(), messages::TYPED_LET, message, hint);
            self.junk(|parser| matches!(parser.kind(), TokenKind::Comma | TokenKind::Pipe));
        }
        self.close(mark, NodeKind::Param);
    }

    // Expressions with blocks.

    // "if" expr Block ("else" (Block | If))?
    fn if_expr(&mut self) {
        self.deeper(|parser| {
            let mark = parser.open();
            parser.bump();
            parser.condition("a condition");
            parser.block();
            if parser.at_else_if() {
                parser.foreign_else_if();
            } else if parser.eat(TokenKind::Else) {
                if parser.at(TokenKind::If) { parser.if_expr() } else { parser.block() }
            }
            parser.close(mark, NodeKind::If);
        });
    }

    fn at_else_if(&self) -> bool {
        matches!(self.word_text(0), "elif" | "elseif" | "elsif") && starts_expr(self.nth(1))
    }

    fn foreign_else_if(&mut self) {
        let message = format!("expected `else if`, found `{}`", self.word_text(0));
        self.error(self.here(), messages::OTHER_LANGUAGE, message, "");
        self.if_expr();
    }

    // "switch" expr "{" SwitchCase,* "}"
    fn switch(&mut self, mark: Mark) {
        self.bump();
        self.condition("a value");
        if !self.at(TokenKind::LBrace) {
            self.error_expected("`{`");
            self.close(mark, NodeKind::Switch);
            return;
        }
        let opened = self.bump();
        self.fresh(Self::switch_cases);
        self.expect_closer(TokenKind::RBrace, opened, "}");
        self.close(mark, NodeKind::Switch);
    }

    fn switch_cases(&mut self) {
        let mut default = None;
        let mut ranges = false;
        while !self.at(TokenKind::RBrace) && !self.at_outside() {
            let first = self.at;
            if let Some(place) = default {
                let message = "no case is reached behind `_`";
                self.error(place, messages::BAD_CASE, message, "put `_` last");
            }
            if self.word_text(0) == "_" {
                default = Some(self.here());
            }
            self.switch_case(&mut ranges);
            if self.at == first {
                self.junk_line();
            }
        }
    }

    // (expr ("|" expr)* | "_") SwitchGuard? "=>" statement
    fn switch_case(&mut self, ranges: &mut bool) {
        let mark = self.open();
        if self.word_text(0) == "_" {
            self.bump();
        } else if self.at_foreign_case() {
            self.foreign_case();
            return;
        } else {
            self.patterns(ranges);
        }
        if self.at(TokenKind::If) {
            self.switch_guard();
        }
        if !self.eat(TokenKind::FatArrow) {
            self.no_arrow();
            self.close(mark, NodeKind::SwitchCase);
            return;
        }
        let self_terminated = matches!(
            self.kind(),
            TokenKind::LBrace
                | TokenKind::If
                | TokenKind::Switch
                | TokenKind::While
                | TokenKind::Loop
                | TokenKind::For
        );
        let first = self.at;
        self.body_statement();
        if self.at == first {
            self.error_expected("an expression");
        }
        self.close(mark, NodeKind::SwitchCase);
        let ends = self.eat(TokenKind::Comma) || self.at(TokenKind::RBrace);
        if !ends && !self_terminated {
            self.error_expected("`,` or `}`");
            if !self.on_new_line() {
                self.junk(|parser| parser.on_new_line() || parser.at(TokenKind::Comma));
                self.eat(TokenKind::Comma);
            }
        }
    }

    /// `case 1:` or `default:`, as in other languages.
    fn at_foreign_case(&self) -> bool {
        let next = self.nth(1);
        match self.word_text(0) {
            "case" => starts_expr(next) && next != TokenKind::Pipe,
            "default" | "else" => next == TokenKind::Colon,
            _ => false,
        }
    }

    fn foreign_case(&mut self) {
        let hint = "a case is a value and `=>`: `1 => …, _ => …`";
        let message = format!("expected a value, found {}", self.found());
        self.error(self.here(), messages::OTHER_LANGUAGE, message, hint);
        let first = self.at;
        self.junk(|parser| parser.at != first && parser.on_new_line());
    }

    // expr ("|" expr)*
    fn patterns(&mut self, ranges: &mut bool) {
        loop {
            let mark = self.open();
            let span = self.here();
            self.with_context(Context { head: false, pattern: true }, Self::expr);
            if self.built_since(mark).is_some_and(|it| !is_constant(it)) {
                let hint = "compare other values in a guard: `x if x == y => …`";
                let message = "a case is a literal or a range of numbers";
                self.error(span, messages::BAD_CASE, message, hint);
            }
            let (range, number) =
                self.built_since(mark).map_or((false, false), range_or_number);
            if *ranges && number {
                let message = "a number cannot stand behind a range";
                self.error(span, messages::BAD_CASE, message, "put single numbers first");
            }
            *ranges |= range;
            if !self.eat(TokenKind::Pipe) {
                return;
            }
        }
    }

    // "if" expr
    fn switch_guard(&mut self) {
        let mark = self.open();
        self.bump();
        self.condition("a condition");
        self.close(mark, NodeKind::SwitchGuard);
    }

    fn no_arrow(&mut self) {
        let hint = if self.at(TokenKind::Colon) { "a case is written `1 => …`" } else { "" };
        self.error_expected_with("`=>`", hint);
        self.junk(|parser| parser.on_new_line() || parser.at(TokenKind::Comma));
        self.eat(TokenKind::Comma);
    }

    // "while" expr Block
    fn while_loop(&mut self, mark: Mark) {
        self.bump();
        self.condition("a condition");
        self.with_loop(true, Self::block);
        self.close(mark, NodeKind::While);
    }

    // "loop" Block
    fn loop_expr(&mut self, mark: Mark) {
        self.bump();
        self.with_loop(true, Self::block);
        self.close(mark, NodeKind::Loop);
    }

    // "do" Block ("while" | "until") expr
    fn do_loop(&mut self, mark: Mark) {
        self.bump();
        self.with_loop(true, Self::block);
        if self.at(TokenKind::While) || self.at(TokenKind::Until) {
            self.bump();
            self.condition("a condition");
        } else {
            self.error_expected("`while` or `until`");
        }
        self.close(mark, NodeKind::DoWhile);
    }

    // "for" (Ident | "(" Ident "," Ident ")") "in" expr Block
    fn for_loop(&mut self, mark: Mark) {
        self.bump();
        if self.at(TokenKind::LParen) {
            self.for_names();
        } else if self.at(TokenKind::In) {
            self.error_expected("the name of a variable");
        } else {
            self.name("the name of a variable");
            if self.at(TokenKind::Comma) {
                let hint = "write `for (x, i) in …`: the element, then its number";
                self.error_expected_with("`in`", hint);
                self.junk(|parser| parser.at(TokenKind::In) || parser.at(TokenKind::LBrace));
            }
        }
        if self.expect(TokenKind::In, "`in`") {
            self.condition("what to go through");
        } else {
            self.junk(|parser| parser.at(TokenKind::LBrace) || parser.on_new_line());
        }
        self.with_loop(true, Self::block);
        self.close(mark, NodeKind::For);
    }

    fn for_names(&mut self) {
        let opened = self.bump();
        if self.at(TokenKind::Let) {
            let hint = "loops go through values: `for i in 0..n { … }`";
            self.error_expected_with("the name of a variable", hint);
            self.junk(|parser| parser.at(TokenKind::RParen));
            self.eat(TokenKind::RParen);
            self.last_error = Some(self.at);
            return;
        }
        self.name("the name of a variable");
        if self.expect(TokenKind::Comma, "`,` and a name for the number") {
            self.name("the name of a variable");
        }
        self.expect_closer(TokenKind::RParen, opened, ")");
    }
}

/// Whether a pattern is a range, and whether it is one number.
fn range_or_number(node: &Node) -> (bool, bool) {
    let number = |node: &Node| {
        node.tokens().any(|it| matches!(it.kind, TokenKind::Int | TokenKind::Float))
    };
    match node.kind {
        NodeKind::Binary => (true, false),
        NodeKind::Unary => (false, node.nodes().any(number)),
        _ => (false, number(node)),
    }
}

/// Whether a pattern can be compared before the program runs.
fn is_constant(node: &Node) -> bool {
    use NodeKind as K;
    match node.kind {
        K::Literal | K::Unit | K::Error => true,
        K::Paren | K::Unary | K::Array | K::Map | K::MapEntry => node.nodes().all(is_constant),
        K::Binary => {
            let range = |kind| matches!(kind, TokenKind::DotDot | TokenKind::DotDotEq);
            node.tokens().any(|it| range(it.kind)) && node.nodes().all(is_constant)
        }
        K::Template => node.token(TokenKind::TemplateOpen).is_none(),
        _ => false,
    }
}
