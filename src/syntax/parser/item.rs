//! Items: what stands at the top level of a file, and what stands in them.

use crate::syntax::ast::is_word;
use crate::syntax::kind::{NodeKind, TokenKind};
use crate::syntax::messages;
use crate::syntax::parser::{Mark, Parser, is_closer, is_opener};

/// An item, known by its first words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    Signature,
    Type,
    Module,
    Fn,
    Settings,
    Test,
    PrivateConst,
    PrivateImport,
}

/// Whether `in` or `out` must stand before a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Required,
    Optional,
}

impl Parser<'_> {
    /// The item that begins here. The words are contextual: what follows decides.
    pub(super) fn item_ahead(&self) -> Option<Item> {
        use TokenKind as T;
        let private = self.at_text("private");
        let ahead = usize::from(private);
        let item = match (self.nth(ahead), self.nth(ahead + 1)) {
            (T::Fn, _) => Item::Fn,
            (T::Module, _) => Item::Module,
            (T::Const, _) if private => Item::PrivateConst,
            (T::Import, _) if private => Item::PrivateImport,
            (T::Ident, next) => self.contextual_item(self.word_text(ahead), ahead, next)?,
            _ => return None,
        };
        Some(item)
    }

    fn contextual_item(&self, word: &str, ahead: usize, next: TokenKind) -> Option<Item> {
        use TokenKind as T;
        match (word, next) {
            ("signature", T::Ident) => Some(Item::Signature),
            ("type", T::Ident) => Some(Item::Type),
            ("test", T::Str | T::Unknown) if ahead == 0 => Some(Item::Test),
            ("settings", T::LBrace) if ahead == 0 => Some(Item::Settings),
            ("def" | "function" | "func" | "fun", T::Ident)
                if self.nth(ahead + 2) == T::LParen =>
            {
                Some(Item::Fn)
            }
            _ => None,
        }
    }

    /// Whether an item begins at the left margin: in a block that is a sign of a missing `}`.
    pub(super) fn at_next_item(&self) -> bool {
        self.at_margin() && self.item_ahead().is_some()
    }

    pub(super) fn item(&mut self, item: Item) {
        let mark = self.open();
        if self.at_text("private") {
            self.bump();
        }
        match item {
            Item::Signature => self.signature_item(mark),
            Item::Type => self.type_item(mark),
            Item::Module => self.module_item(mark),
            Item::Fn => self.fn_item(mark),
            Item::Settings => self.settings_item(mark),
            Item::Test => self.test_item(mark),
            Item::PrivateConst => self.const_item(mark),
            Item::PrivateImport => self.import_item(mark),
        }
    }

    /// A name that is declared here.
    pub(super) fn name(&mut self, what: &str) {
        if self.at(TokenKind::Ident) {
            self.check_declared_name();
            self.bump();
        } else if is_word(self.kind()) && !self.on_new_line() {
            let message = format!("`{}` is a keyword and cannot be {what}", self.word_text(0));
            self.error(self.here(), messages::BAD_NAME, message, "");
            self.bump();
        } else {
            self.error_expected(what);
            if matches!(self.kind(), TokenKind::Int | TokenKind::Float | TokenKind::Str) {
                self.skip();
            }
        }
    }

    /// Names have a letter, and before a digit.
    fn check_declared_name(&mut self) {
        let word = self.word_text(0);
        if !word.trim_start_matches('_').starts_with(|c: char| c.is_ascii_alphabetic()) {
            let message = format!("`{word}` is no name");
            let hint = "a letter must stand behind `_`: `_unused`";
            self.error(self.here(), messages::BAD_NAME, message, hint);
        }
    }

    /// Takes the next word into an `Error` node.
    pub(super) fn skip(&mut self) {
        let mark = self.open();
        self.bump();
        self.close(mark, NodeKind::Error);
    }

    // "signature" Ident "{" (FieldDecl | Assert)* "}"
    fn signature_item(&mut self, mark: Mark) {
        self.bump();
        self.name("the name of the signature");
        self.signature_body();
        self.close(mark, NodeKind::SignatureItem);
    }

    /// `{ … }` of a signature, with or without a name.
    pub(super) fn signature_body(&mut self) {
        self.braced(Self::signature_member);
    }

    /// `{`, members, `}`; the first brace may be missing.
    pub(super) fn braced(&mut self, mut member: impl FnMut(&mut Self)) {
        if !self.at(TokenKind::LBrace) {
            self.error_expected("`{`");
            self.skip_to_brace();
        }
        let opened = self.at(TokenKind::LBrace).then(|| self.bump());
        if opened.is_none() && !self.lacks_brace() {
            return;
        }
        while !self.at(TokenKind::RBrace) && !self.at_outside() {
            member(self);
        }
        match opened {
            Some(opened) => self.expect_closer(TokenKind::RBrace, opened, "}"),
            None => {
                self.eat(TokenKind::RBrace);
            }
        }
    }

    /// Passes over what stands on this line before a `{`, if one does.
    pub(super) fn skip_to_brace(&mut self) {
        if self.at < self.braceless {
            return;
        }
        let mut ahead = 0;
        while self.nth(ahead) != TokenKind::LBrace {
            let ends = matches!(self.nth(ahead), TokenKind::Semi | TokenKind::End);
            if ends || self.word(ahead).on_new_line {
                self.braceless = self.at + ahead;
                return;
            }
            ahead += 1;
        }
        let end = self.at + ahead;
        let mark = self.open();
        while self.at < end {
            self.bump();
        }
        self.close(mark, NodeKind::Error);
    }

    /// Whether the file has a closing brace too many: then the block here lacks its first.
    pub(super) fn lacks_brace(&mut self) -> bool {
        let lacks = self.missing_braces > 0 && self.on_new_line();
        self.missing_braces -= i32::from(lacks);
        lacks
    }

    /// Whether what stands here is behind what should have been closed before.
    pub(super) fn at_outside(&self) -> bool {
        self.at(TokenKind::End)
            || self.at_next_item()
            || self.at_margin() && self.at_statement_keyword()
    }

    fn signature_member(&mut self) {
        use TokenKind as T;
        match self.kind() {
            T::Comma | T::Semi => {
                self.bump();
            }
            T::Ident if self.at_contract() => self.assert_statement(),
            kind if is_word(kind) => {
                self.field(Direction::Required);
                self.end_of_field();
            }
            _ => {
                self.error_unexpected("a field with `in` or `out`, or an `assert`");
                self.skip();
                self.end_of_field();
            }
        }
    }

    /// What stands between a field and the next, and should not.
    fn end_of_field(&mut self) {
        if self.at_end_of_field() {
            return;
        }
        self.error_expected("the next field");
        let mark = self.open();
        while !self.at_end_of_field() {
            self.bump_group();
        }
        self.close(mark, NodeKind::Error);
    }

    /// Takes the next word, and if it opens a bracket, all up to where that is closed.
    pub(super) fn bump_group(&mut self) {
        let opens = is_opener(self.kind());
        self.bump();
        if opens {
            self.junk(|_| false);
            if is_closer(self.kind()) {
                self.bump();
            }
        }
    }

    fn at_end_of_field(&self) -> bool {
        use TokenKind as T;
        matches!(self.kind(), T::Comma | T::Semi | T::RBrace | T::End)
            || self.on_new_line()
            || self.at_direction()
            || self.at(T::Ident) && self.at_contract() && self.nth(1) != T::RBrace
    }

    /// Whether `assert` or `suggest` stands here, and not a field of that name.
    fn at_contract(&self) -> bool {
        matches!(self.word_text(0), "assert" | "suggest") && self.nth(1) != TokenKind::Colon
    }

    /// Passes over the rest of a line at least.
    pub(super) fn junk_line(&mut self) {
        let first = self.at;
        self.junk(|parser| parser.at != first && parser.on_new_line());
        if self.at == first {
            self.skip();
        }
    }

    /// Whether the next word is a direction, and not the name of a field.
    fn at_direction(&self) -> bool {
        (self.at(TokenKind::In) || self.at_text("out")) && is_word(self.nth(1))
    }

    // ("in" | "out") Ident (":" type)? ("=" expr)? string?
    pub(super) fn field(&mut self, direction: Direction) {
        let mark = self.open();
        if self.at_direction() {
            self.bump();
        } else if direction == Direction::Required {
            self.missing_direction();
        }
        if is_word(self.kind()) {
            self.bump();
        } else {
            self.error_expected("the name of a field");
        }
        self.field_type();
        if self.eat(TokenKind::Eq) {
            // Above `in`, which begins the next field.
            self.deeper(Self::unary);
        }
        self.description();
        self.close(mark, NodeKind::FieldDecl);
    }

    fn missing_direction(&mut self) {
        let word = self.word_text(0);
        let other = match word {
            "input" | "inputs" => Some("in"),
            "output" | "outputs" => Some("out"),
            _ => None,
        };
        if let Some(right) = other.filter(|_| is_word(self.nth(1))) {
            let message = format!("expected `{right}`, found `{word}`");
            self.error(self.here(), messages::FIELD_DIRECTION, message, "");
            self.bump();
        } else {
            let message = format!("`{word}` is neither an input nor an output");
            let hint = "begin a field with `in` or `out`: `in question: str`";
            self.error(self.here(), messages::FIELD_DIRECTION, message, hint);
        }
    }

    /// The type of a field, where a forgotten colon is likely.
    fn field_type(&mut self) {
        if self.eat(TokenKind::Colon) {
            if self.at_direction() && self.on_new_line() {
                self.no_type();
            } else {
                self.type_union();
            }
        } else if self.at(TokenKind::Ident)
            && !self.on_new_line()
            && !self.at_direction()
            && !matches!(self.word_text(0), "assert" | "suggest")
        {
            self.error_expected_with("`:` before the type", "");
            self.type_union();
        }
    }

    /// The string that describes a field or parameter, if there is one.
    pub(super) fn description(&mut self) {
        match self.kind() {
            TokenKind::Backtick => self.template(),
            TokenKind::Str | TokenKind::RawStr | TokenKind::Char | TokenKind::Unknown => {
                self.text_literal();
            }
            _ => {}
        }
    }

    // FieldDecl ("," FieldDecl)* "->" FieldDecl ("," FieldDecl)*
    pub(super) fn signature_string(&mut self) {
        let mut arrow = false;
        loop {
            match self.kind() {
                TokenKind::Arrow if !arrow => arrow = self.eat(TokenKind::Arrow),
                kind if is_word(kind) => {
                    self.field(Direction::Optional);
                    self.eat(TokenKind::Comma);
                }
                _ => break,
            }
        }
        if !arrow {
            self.error_expected_with("`->`", "write `question -> answer`");
        } else if self.words[self.at.saturating_sub(1)].token.kind == TokenKind::Arrow {
            self.error_expected("the name of an output");
        }
    }

    // "type" Ident "=" type ";"
    fn type_item(&mut self, mark: Mark) {
        self.bump();
        self.name("the name of the type");
        if self.expect(TokenKind::Eq, "`=`") || self.at(TokenKind::LBrace) {
            self.type_union();
        }
        self.end_of_statement();
        self.close(mark, NodeKind::TypeItem);
    }

    // "module" Ident ParamList? "{" (Let | FnItem)* "}"
    fn module_item(&mut self, mark: Mark) {
        self.bump();
        self.name("the name of the module");
        if self.at(TokenKind::LParen) {
            self.param_list();
        }
        if self.at(TokenKind::LBrace) {
            self.module_body();
        } else {
            self.error_expected("`{`");
            self.skip_to_brace();
            if self.at(TokenKind::LBrace) {
                self.module_body();
            } else if self.lacks_brace() {
                self.module_members();
                self.eat(TokenKind::RBrace);
            }
        }
        self.close(mark, NodeKind::ModuleItem);
    }

    fn module_body(&mut self) {
        let opened = self.bump();
        self.module_members();
        self.expect_closer(TokenKind::RBrace, opened, "}");
    }

    // (Let | FnItem)*
    fn module_members(&mut self) {
        while !self.at(TokenKind::RBrace) && !self.at(TokenKind::End) {
            match (self.kind(), self.item_ahead()) {
                (_, Some(Item::Fn)) => self.item(Item::Fn),
                (TokenKind::Const | TokenKind::Import, _) if self.at_margin() => return,
                (_, Some(_)) if self.at_margin() => return,
                (TokenKind::Let, _) => self.deeper(Self::let_statement),
                (TokenKind::Semi, _) => {
                    self.bump();
                }
                _ => self.no_member(),
            }
        }
    }

    fn no_member(&mut self) {
        let message = format!("expected `let` or `fn` in a module, found {}", self.found());
        let hint = "code that runs at each call stands in `fn forward(…) { … }`";
        self.error(self.here(), messages::MODULE_BODY, message, hint);
        let mark = self.open();
        let first = self.at;
        self.statement();
        if self.at == first {
            self.bump();
        }
        self.close(mark, NodeKind::Error);
    }

    // "fn" Ident ParamList ("->" type)? Block
    fn fn_item(&mut self, mark: Mark) {
        if !self.at(TokenKind::Fn) {
            let message = format!("expected `fn`, found {}", self.found());
            self.error(
                self.here(),
                messages::OTHER_LANGUAGE,
                message,
                "functions begin with `fn`",
            );
        }
        self.bump();
        // Rhai's methods on a type: `fn int.double() { … }`.
        if matches!(self.kind(), TokenKind::Str | TokenKind::Ident)
            && self.nth(1) == TokenKind::Dot
        {
            self.bump();
            self.bump();
        }
        self.name("the name of the function");
        if self.at(TokenKind::LParen) {
            self.param_list();
        } else {
            self.error_expected("`(` and the parameters");
        }
        if self.eat(TokenKind::Arrow) {
            self.type_union();
        }
        self.with_loop(false, Self::block);
        self.close(mark, NodeKind::FnItem);
    }

    // "(" Param,* ")"
    fn param_list(&mut self) {
        let mark = self.open();
        let opened = self.bump();
        self.fresh(Self::params);
        self.expect_closer(TokenKind::RParen, opened, ")");
        self.close(mark, NodeKind::ParamList);
    }

    // Param ("," Param)* ","?
    fn params(&mut self) {
        use TokenKind as T;
        let ends = |parser: &Self| {
            matches!(parser.kind(), T::RParen | T::LBrace | T::Arrow) || parser.ends_list()
        };
        while !ends(self) {
            let first = self.at;
            self.param();
            if self.eat(T::Comma) || ends(self) {
                continue;
            }
            self.error_expected("`,` or `)`");
            if self.at == first || !is_word(self.kind()) {
                self.bump_group_into_error();
            }
        }
    }

    fn bump_group_into_error(&mut self) {
        let mark = self.open();
        self.bump_group();
        self.close(mark, NodeKind::Error);
    }

    // ".."? Ident (":" type)? ("=" expr)? string?
    fn param(&mut self) {
        let mark = self.open();
        self.eat(TokenKind::DotDot);
        // A keyword may be the name of an argument; the colon says that it is one.
        if is_word(self.kind()) && self.nth(1) == TokenKind::Colon {
            self.bump();
        } else {
            self.name("the name of a parameter");
        }
        if self.eat(TokenKind::Colon) {
            self.type_union();
        }
        if self.eat(TokenKind::Eq) {
            self.expr();
        }
        self.description();
        self.close(mark, NodeKind::Param);
    }

    // "settings" "{" SettingEntry* "}"
    fn settings_item(&mut self, mark: Mark) {
        self.bump();
        self.braced(Self::setting);
        self.close(mark, NodeKind::SettingsItem);
    }

    fn setting(&mut self) {
        if is_word(self.kind()) {
            self.setting_entry();
        } else if matches!(self.kind(), TokenKind::Comma | TokenKind::Semi) {
            self.bump();
        } else {
            self.error_unexpected("the name of a setting");
            self.skip();
        }
    }

    // Ident ":" expr
    fn setting_entry(&mut self) {
        let mark = self.open();
        self.bump();
        if self.at(TokenKind::Eq) {
            self.error_expected_with("`:`", "settings are written `name: value`");
            self.bump();
            self.expr();
        } else if self.expect(TokenKind::Colon, "`:`") {
            self.expr();
        }
        self.close(mark, NodeKind::SettingEntry);
        let ends =
            matches!(self.kind(), TokenKind::Comma | TokenKind::RBrace | TokenKind::Semi);
        if !ends && !self.on_new_line() {
            self.error_expected("`,` or `}`");
            self.junk_line();
        }
    }

    // "test" Str Block
    fn test_item(&mut self, mark: Mark) {
        self.bump();
        if self.at(TokenKind::Str) {
            self.check_escapes();
            self.bump();
        } else {
            self.open_literal();
        }
        self.with_loop(false, Self::block);
        self.close(mark, NodeKind::TestItem);
    }

    // ("private" | "export")? "const" Ident ("=" expr)? ";"
    pub(super) fn const_item(&mut self, mark: Mark) {
        self.bump();
        self.name("the name of the constant");
        self.no_type_here();
        if self.eat(TokenKind::Eq) {
            self.expr();
        }
        self.end_of_statement();
        self.close(mark, NodeKind::ConstItem);
    }

    // "import" expr ("as" Ident)? ";"
    pub(super) fn import_item(&mut self, mark: Mark) {
        self.bump();
        self.expr();
        if self.eat(TokenKind::As) {
            self.name("the name of the import");
        }
        self.end_of_statement();
        self.close(mark, NodeKind::ImportItem);
    }
}
