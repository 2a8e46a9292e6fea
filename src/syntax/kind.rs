//! The kinds of tokens and nodes, with the grammar that each node stands for.
//!
//! The grammar is Rhai's, plus our items, types, `assert`/`suggest`, named and spread
//! arguments, `fn` parameters with types, defaults and descriptions, calls of any expression,
//! and anonymous signatures. Words in quotes below are tokens; `X?` may be missing, `X*` may
//! repeat; names of nodes are in CamelCase.

/// A kind of token. The texts of all tokens of a file, joined, are the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenKind {
    // Trivia.
    /// Spaces, tabs and line ends.
    Whitespace,
    /// `// …`
    LineComment,
    /// `/* … */`, nested.
    BlockComment,
    /// `/// …`, one line.
    DocLine,
    /// `/** … */`
    DocBlock,
    /// `#!…` on the first line.
    Shebang,
    // Names and literals.
    /// A name, contextual keywords and words that Rhai reserves among them.
    Ident,
    /// `1_000`, `0xff`, `0b1`, `0o7`
    Int,
    /// `1.5`, `2e9`
    Float,
    /// `'a'`; in types and descriptions a text may stand in single quotes too
    Char,
    /// `"…"` on one line, or continued with a backslash at the line's end.
    Str,
    /// `#"…"#` with any number of `#`.
    RawStr,
    /// The back-tick that opens or closes a template string.
    Backtick,
    /// Text inside a template string.
    TemplateText,
    /// `${` inside a template string; the matching `}` is a [`TokenKind::RBrace`].
    TemplateOpen,
    // Keywords.
    /// `let`
    Let,
    /// `const`
    Const,
    /// `fn`
    Fn,
    /// `if`
    If,
    /// `else`
    Else,
    /// `switch`
    Switch,
    /// `while`
    While,
    /// `loop`
    Loop,
    /// `do`
    Do,
    /// `until`
    Until,
    /// `for`
    For,
    /// `in`
    In,
    /// `return`
    Return,
    /// `break`
    Break,
    /// `continue`
    Continue,
    /// `throw`
    Throw,
    /// `try`
    Try,
    /// `catch`
    Catch,
    /// `import`
    Import,
    /// `export`
    Export,
    /// `as`
    As,
    /// `true`
    True,
    /// `false`
    False,
    /// `this`
    This,
    /// `module`
    Module,
    // Punctuation.
    /// `(`
    LParen,
    /// `)`
    RParen,
    /// `[`
    LBracket,
    /// `]`
    RBracket,
    /// `{`
    LBrace,
    /// `}`
    RBrace,
    /// `#{`
    HashBrace,
    /// `,`
    Comma,
    /// `;`
    Semi,
    /// `:`
    Colon,
    /// `::`
    ColonColon,
    /// `.`
    Dot,
    /// `?.`
    QuestionDot,
    /// `?[`
    QuestionBracket,
    /// `?`
    Question,
    /// `..`
    DotDot,
    /// `..=`
    DotDotEq,
    /// `->`
    Arrow,
    /// `=>`
    FatArrow,
    /// `|`
    Pipe,
    /// `||`
    PipePipe,
    /// `=`
    Eq,
    /// An assignment with an operation: `+= -= *= /= %= **= <<= >>= &= |= ^=`
    AssignOp,
    /// Binary and unary operators that have no kind of their own:
    /// `+ - * / % ** << >> & ^ && == != < <= > >= ?? ! !in`
    Op,
    /// A character that begins no token, a sign that Rhai reserves without a meaning, or a
    /// string or comment that does not end. It never stands in a tree without a diagnostic.
    Unknown,
    /// The end of the text.
    End,
}

impl TokenKind {
    /// Whether the parser passes over it.
    pub fn is_trivia(self) -> bool {
        matches!(
            self,
            Self::Whitespace
                | Self::LineComment
                | Self::BlockComment
                | Self::DocLine
                | Self::DocBlock
                | Self::Shebang
        )
    }
}

/// A kind of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeKind {
    /// Item* and statements, in any order.
    Root,
    /// Tokens that fit nowhere; a diagnostic says so.
    Error,

    // Items.
    /// "private"? "signature" Ident "{" (FieldDecl | Assert)* "}"
    SignatureItem,
    /// "private"? "type" Ident "=" type ";"
    TypeItem,
    /// "private"? "module" Ident ParamList? "{" (Let | FnItem)* "}"
    ModuleItem,
    /// "private"? "fn" ((Ident | Str) ".")? Ident ParamList ("->" type)? Block
    FnItem,
    /// "private"? "export"? "const" Ident ("=" expr)? ";" — also the statement
    ConstItem,
    /// "settings" "{" SettingEntry* "}", separated by commas or line ends
    SettingsItem,
    /// Ident ":" expr
    SettingEntry,
    /// "test" Str Block
    TestItem,
    /// "import" expr ("as" Ident)? ";"
    ImportItem,
    /// ("in" | "out") Ident (":" type)? ("=" expr)? string? — separators between fields, if
    /// any, stand beside the fields; in signature strings without "in" and "out"
    FieldDecl,
    /// "(" Param,* ")"
    ParamList,
    /// ".."? Ident (":" type)? ("=" expr)? string?
    Param,

    // Types.
    /// Ident ("::" Ident)*
    TypeName,
    /// Ident "[" type ("," type)* "]"
    TypeGeneric,
    /// "one_of" "(" expr ")"
    TypeOneOf,
    /// type "?"
    TypeOptional,
    /// A string, number, "true" or "false", with "-"? before numbers
    TypeLiteral,
    /// type ("|" type)+
    TypeUnion,
    /// "{" RecordField* "}", separated by commas or line ends
    TypeRecord,
    /// Ident (":" type)? string?
    RecordField,
    /// type "(" (number? (".." | "..=") number?) ")"
    TypeBounded,

    // Statements.
    /// "export"? "let" Ident ("=" expr)? ";"
    Let,
    /// (expr | Assign) ";"? — also for what ends with its block: If, Switch, While, Loop, For,
    /// Block. Bodies of closures and cases are not wrapped.
    ExprStmt,
    /// "return" expr? ";"
    Return,
    /// "break" expr? ";"
    Break,
    /// "continue" ";"
    Continue,
    /// "throw" expr? ";"
    Throw,
    /// "try" Block "catch" ("(" Ident ")")? Block
    Try,
    /// ("assert" | "suggest") expr ("," expr)? ("," "retry" ":" expr)? ";" — the first expr is
    /// the condition, the second the message; `assert(c, "why")` is read so too
    Assert,
    /// "{" statement* "}" — also an expression
    Block,
    /// "export" Ident ("as" Ident)? ";"
    Export,

    // Expressions.
    /// One of: Int Float Char Str RawStr True False
    Literal,
    /// Backtick (TemplateText | TemplateOpen statement* "}")* Backtick
    Template,
    /// "(" ")"
    Unit,
    /// Ident or "this"
    Name,
    /// Ident ("::" Ident)+
    Path,
    /// "(" expr ")"
    Paren,
    /// "[" expr,* "]"
    Array,
    /// "#{" MapEntry,* "}"
    Map,
    /// (word | Str | RawStr | Template) ":" expr
    MapEntry,
    /// "|" Param,* "|" body, or "||" body; the body is an expr, an Assign, or another statement
    /// without its semicolon
    Closure,
    /// ("-" | "+" | "!") expr
    Unary,
    /// expr op expr; op is an Op, In, Pipe, PipePipe, DotDot or DotDotEq token. Ranges may lack
    /// operands; the right side of `??` may be a Return, Throw, Break or Continue
    Binary,
    /// expr ("=" | AssignOp) expr
    Assign,
    /// expr ("[" | "?[") expr "]"
    Index,
    /// expr ("." | "?.") Ident (or any keyword, as a name)
    Member,
    /// callee expr, "!"?, Args; the callee may be any expression on the same line
    Call,
    /// receiver expr, ("." | "?."), Ident, Args
    MethodCall,
    /// "(" (Arg | NamedArg | SpreadArg),* ")"; commas stand beside the arguments
    Args,
    /// expr
    Arg,
    /// Ident ":" expr
    NamedArg,
    /// ".." expr
    SpreadArg,
    /// "if" expr Block ("else" (Block | If))?
    If,
    /// "switch" expr "{" SwitchCase,* "}"
    Switch,
    /// (expr ("|" expr)* | "_") SwitchGuard? "=>" body — before "=>" stand the patterns; the
    /// body is as of a Closure; the comma stands behind, in the Switch
    SwitchCase,
    /// "if" expr
    SwitchGuard,
    /// "while" expr Block
    While,
    /// "loop" Block
    Loop,
    /// "do" Block ("while" | "until") expr
    DoWhile,
    /// "for" (Ident | "(" Ident "," Ident ")") "in" expr Block
    For,
    /// "signature" "{" (FieldDecl | Assert)* "}"
    SignatureExpr,
}
