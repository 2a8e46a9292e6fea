//! Types.

use crate::syntax::ast::is_word;
use crate::syntax::kind::{NodeKind, TokenKind};
use crate::syntax::messages;
use crate::syntax::parser::{Mark, Parser, is_closer};

impl Parser<'_> {
    // type ("|" type)*
    pub(super) fn type_union(&mut self) {
        self.deeper(|parser| {
            let mark = parser.open();
            parser.type_suffixed();
            if !parser.at(TokenKind::Pipe) {
                return;
            }
            while parser.eat(TokenKind::Pipe) {
                parser.type_suffixed();
            }
            parser.close(mark, NodeKind::TypeUnion);
        });
    }

    // type ("?" | bounds)*
    fn type_suffixed(&mut self) {
        let mark = self.open();
        self.type_primary(mark);
        while !self.too_high(mark) {
            match self.kind() {
                TokenKind::Question => {
                    self.bump();
                    self.close(mark, NodeKind::TypeOptional);
                }
                TokenKind::LParen if !self.on_new_line() => {
                    self.bounds();
                    self.close(mark, NodeKind::TypeBounded);
                }
                _ => break,
            }
        }
    }

    fn type_primary(&mut self, mark: Mark) {
        use TokenKind as T;
        match self.kind() {
            T::Str | T::RawStr | T::Char | T::Int | T::Float | T::True | T::False => {
                self.check_type_literal();
                self.bump();
                self.close(mark, NodeKind::TypeLiteral);
            }
            T::Op if self.at_text("-") && matches!(self.nth(1), T::Int | T::Float) => {
                self.bump();
                self.bump();
                self.close(mark, NodeKind::TypeLiteral);
            }
            T::Unknown => {
                self.open_literal();
                self.close(mark, NodeKind::TypeLiteral);
            }
            T::LBrace => self.type_record(mark),
            T::Ident if self.word_text(0) == "one_of" && self.nth(1) == T::LParen => {
                self.type_one_of(mark);
            }
            T::Ident => self.type_name(mark),
            _ => self.no_type(),
        }
    }

    // Ident ("::" Ident)* ("[" type,* "]")?
    fn type_name(&mut self, mark: Mark) {
        self.bump();
        while self.eat(TokenKind::ColonColon) {
            self.name("the name of a type");
        }
        if !self.at(TokenKind::LBracket) || self.on_new_line() {
            self.close(mark, NodeKind::TypeName);
            return;
        }
        let opened = self.bump();
        while !self.at(TokenKind::RBracket) {
            self.type_union();
            if !self.eat(TokenKind::Comma) {
                break;
            }
        }
        self.expect_closer(TokenKind::RBracket, opened, "]");
        self.close(mark, NodeKind::TypeGeneric);
    }

    // "one_of" "(" expr ")"
    fn type_one_of(&mut self, mark: Mark) {
        self.bump();
        let opened = self.bump();
        self.fresh(Self::expr);
        self.expect_closer(TokenKind::RParen, opened, ")");
        self.close(mark, NodeKind::TypeOneOf);
    }

    // "{" RecordField* "}"
    fn type_record(&mut self, mark: Mark) {
        let opened = self.bump();
        while !is_closer(self.kind()) && !self.at_outside() {
            if is_word(self.kind()) || self.at(TokenKind::Str) {
                self.record_field();
            } else if matches!(self.kind(), TokenKind::Comma | TokenKind::Semi) {
                self.bump();
            } else {
                self.error_unexpected("the name of a field");
                self.skip();
            }
        }
        self.expect_closer(TokenKind::RBrace, opened, "}");
        self.close(mark, NodeKind::TypeRecord);
    }

    // Ident (":" type)? string?
    fn record_field(&mut self) {
        let mark = self.open();
        if self.at(TokenKind::Str) {
            let hint = "the names of fields stand without quotes";
            self.error_expected_with("the name of a field", hint);
        }
        self.bump();
        if self.eat(TokenKind::Colon) {
            self.type_union();
        }
        self.description();
        self.close(mark, NodeKind::RecordField);
        let ends =
            matches!(self.kind(), TokenKind::Comma | TokenKind::RBrace | TokenKind::Semi);
        if !ends && !self.on_new_line() {
            self.error_expected("`,` or `}`");
            self.junk(|parser| {
                parser.on_new_line()
                    || matches!(parser.kind(), TokenKind::Comma | TokenKind::RBrace)
            });
        }
    }

    // "(" number? (".." | "..=") number? ")"
    fn bounds(&mut self) {
        let opened = self.bump();
        self.bound();
        if self.at(TokenKind::DotDot) || self.at(TokenKind::DotDotEq) {
            self.bump();
            self.bound();
        } else {
            self.error_expected_with(
                "a range",
                "a bound is a range: `str(..=60)`, `int(1..=5)`",
            );
            self.junk(|parser| parser.at(TokenKind::Semi) || parser.on_new_line());
        }
        self.expect_closer(TokenKind::RParen, opened, ")");
    }

    /// A number at one end of a range, if there is one.
    fn bound(&mut self) {
        let negative = self.at_text("-");
        if matches!(self.nth(usize::from(negative)), TokenKind::Int | TokenKind::Float) {
            if negative {
                self.bump();
            }
            self.check_number();
            self.bump();
        }
    }

    fn check_type_literal(&mut self) {
        match self.kind() {
            TokenKind::Int | TokenKind::Float => self.check_number(),
            // In types and descriptions a text may stand in single quotes, as in Python.
            TokenKind::Str | TokenKind::Char => self.check_escapes(),
            _ => {}
        }
    }

    pub(super) fn no_type(&mut self) {
        let hint = match self.kind() {
            TokenKind::LBracket => "a list is written `list[str]`",
            TokenKind::HashBrace => "a record is written `{ name: str }`",
            TokenKind::LParen => {
                "there are no parentheses in types; name the part by `type N = …`"
            }
            _ => "types are `str`, `int`, `list[str]`, `\"yes\" | \"no\"`, `{ name: str }`, …",
        };
        let message = format!("expected a type, found {}", self.found());
        let span = if self.on_new_line() && self.at > 0 { self.before() } else { self.here() };
        self.error(span, messages::BAD_TYPE, message, hint);
        if matches!(self.kind(), TokenKind::LBracket | TokenKind::HashBrace | TokenKind::LParen)
        {
            let mark = self.open();
            self.bump();
            self.junk(|_| false);
            if matches!(
                self.kind(),
                TokenKind::RBracket | TokenKind::RBrace | TokenKind::RParen
            ) {
                self.bump();
            }
            self.close(mark, NodeKind::Error);
        }
    }
}
