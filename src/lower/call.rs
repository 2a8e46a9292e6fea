//! Calls: natives take a list and a map, functions and constructors their parameters in order,
//! and everything else goes through the runtime.

use super::expr::last_word;
use super::{Emitter, names};
use crate::catalog;
use crate::check::args::{Argument, arguments};
use crate::check::{Checked, FnInfo, ModuleInfo, ParamInfo, Resolution};
use crate::syntax::ast::{self, Call, MethodCall};
use crate::syntax::{Child, Node, NodeKind, Token, TokenKind};
use std::sync::Arc;

/// Methods that Rhai's parser knows although their names are reserved.
const KNOWN_TO_PARSER: &[&str] = &["call", "curry", "is_shared", "type_of"];

impl Emitter<'_> {
    /// `f(…)`
    pub(super) fn call(&mut self, call: Call<'_>) {
        let Some(callee) = call.callee() else { return self.children(call.0, false) };
        let args = arguments(call.args());
        let name = callee.text(self.text);
        match callee.kind {
            NodeKind::Name if name != "this" => match self.resolution(callee.start) {
                Resolution::Native => self.native_call(name, callee.start, &args),
                Resolution::Function => self.function_call(call, callee, name, &args),
                Resolution::Prelude => {
                    let prelude = self.checked.prelude.as_ref();
                    let info = prelude.and_then(|it| it.functions.get(name).cloned());
                    self.known_call(call, callee, info, &args);
                }
                Resolution::Rhai if name == "type_of" && args.len() == 1 => {
                    self.type_of(callee.start, args[0].value());
                }
                Resolution::Module => {
                    let info = self.checked.module(name).cloned();
                    self.constructor(info, call.0, callee, &args);
                }
                Resolution::Rhai | Resolution::Unknown | Resolution::Type => {
                    self.plain_call(call.0, callee, name);
                }
                _ => self.value_call(call.0, callee, &args),
            },
            NodeKind::Path => self.path_call(call, callee, &args),
            _ => self.value_call(call.0, callee, &args),
        }
    }

    /// A call as it stands, but for the callee's name.
    fn plain_call(&mut self, node: &Node, callee: &Node, name: &str) {
        for child in &node.children {
            match child {
                Child::Node(child) if child.start == callee.start => {
                    let lowered = self.function_name(name);
                    self.break_line();
                    if lowered == name {
                        self.out.copy(name, self.source, callee.start as usize);
                    } else {
                        self.write_at(&lowered, callee.start);
                    }
                }
                Child::Node(child) => self.node(child),
                Child::Token(token) => self.token(*token, node.kind),
            }
        }
    }

    fn path_call(&mut self, call: Call<'_>, callee: &Node, args: &[Argument<'_>]) {
        let Some(name) = last_word(callee) else { return self.children(call.0, false) };
        let word = name.text(self.text);
        let owner = self.owner(callee);
        match (self.checked.resolutions.get(&name.start).copied(), owner) {
            (Some(Resolution::Native), _) => self.native_call(word, callee.start, args),
            (Some(Resolution::Function), Some(owner)) => {
                let info = owner.functions.get(word).cloned();
                self.known_call(call, callee, info, args);
            }
            (Some(Resolution::Module), Some(owner)) => {
                let info = owner.modules.get(word).cloned();
                self.constructor(info, call.0, callee, args);
            }
            (Some(Resolution::Const), _) => self.value_call(call.0, callee, args),
            _ => self.children(call.0, false),
        }
    }

    /// The imported unit that a path such as `texts::Title` names something of.
    pub(super) fn owner(&self, path: &Node) -> Option<Arc<Checked>> {
        let mut words = path.tokens().filter(|it| ast::is_word(it.kind));
        let alias = words.next()?;
        words.next()?;
        self.checked.import(alias.text(self.text)).cloned()
    }

    /// A call of a function that is not one of this unit.
    fn known_call(
        &mut self,
        call: Call<'_>,
        callee: &Node,
        info: Option<Arc<FnInfo>>,
        args: &[Argument<'_>],
    ) {
        let Some(info) = info else { return self.children(call.0, false) };
        let plain = args.iter().all(|it| !it.is_ours());
        let overload = |it: &FnInfo| it.params.len() == args.len();
        if has_spread(args) {
            return self.spread_call(callee, &info, args);
        }
        self.write_at(&info.lowered, callee.start);
        self.write("(");
        if plain && info.overloads.iter().any(overload) {
            let mut first = true;
            for value in args.iter().map(|it| it.value()) {
                self.separator(&mut first);
                self.node(value);
            }
        } else {
            self.in_order(&info.params, args);
        }
        self.write(")");
    }

    fn spread_call(&mut self, callee: &Node, info: &FnInfo, args: &[Argument<'_>]) {
        self.write_at(names::CALL, callee.start);
        self.write(&format!("(Fn(\"{}\"), ", info.lowered));
        self.lists(args);
        self.write(")");
    }

    fn native_call(&mut self, name: &str, at: u32, args: &[Argument<'_>]) {
        self.write_at(&names::native(name), at);
        self.write("(");
        self.lists(args);
        self.write(")");
    }

    /// A call of a value.
    fn value_call(&mut self, node: &Node, callee: &Node, args: &[Argument<'_>]) {
        self.write_at(names::CALL, node.start);
        self.write("(");
        self.node(callee);
        self.write(", ");
        self.lists(args);
        self.site(node);
        self.write(")");
    }

    /// `[positional], #{named}`
    fn lists(&mut self, args: &[Argument<'_>]) {
        self.write("[");
        let mut first = true;
        for argument in args {
            if let Argument::Positional(node) | Argument::Misplaced(node) = argument {
                self.separator(&mut first);
                self.node(node);
            }
        }
        self.write("], ");
        let spreads: Vec<&Node> = args
            .iter()
            .filter_map(|it| match it {
                Argument::Spread(node) => Some(*node),
                _ => None,
            })
            .collect();
        for _ in &spreads {
            self.write(names::SPREAD);
            self.write("(");
        }
        self.named(args, |_| true);
        for spread in spreads {
            self.write(", ");
            self.node(spread);
            self.write(")");
        }
    }

    /// `#{name: value, …}` of the named arguments that `wanted` says yes to.
    fn named(&mut self, args: &[Argument<'_>], wanted: impl Fn(&str) -> bool) {
        self.write("#{");
        let mut first = true;
        let mut seen: Vec<&str> = Vec::new();
        for argument in args {
            if let Argument::Named(name, value) = *argument
                && wanted(name.text(self.text))
                && !seen.contains(&name.text(self.text))
            {
                seen.push(name.text(self.text));
                self.separator(&mut first);
                self.key(name);
                self.write(": ");
                self.node(value);
            }
        }
        self.write("}");
    }

    fn separator(&mut self, first: &mut bool) {
        if !*first {
            self.write(", ");
        }
        *first = false;
    }

    /// A call of a script function: as it stands where it can.
    fn function_call(
        &mut self,
        call: Call<'_>,
        callee: &Node,
        name: &str,
        args: &[Argument<'_>],
    ) {
        let site = self.slices.callee(call.0.start, call.0.end);
        match site.and_then(|site| self.begin(site)) {
            None => self.named_call(call, callee, name, args),
            Some(behind) => {
                self.named_call(call, callee, name, args);
                self.write(&behind);
            }
        }
    }

    fn named_call(&mut self, call: Call<'_>, callee: &Node, name: &str, args: &[Argument<'_>]) {
        let Some(info) = self.checked.function(name).cloned() else {
            return self.plain_call(call.0, callee, name);
        };
        let fits =
            |it: &FnInfo| it.params.len() == args.len() && it.params.iter().all(|it| !it.rest);
        let plain = args.iter().all(|it| !it.is_ours());
        if plain && (fits(&info) || info.overloads.iter().any(fits)) {
            return self.plain_call(call.0, callee, name);
        }
        if has_spread(args) {
            return self.spread_call(callee, &info, args);
        }
        self.write_at(&info.lowered, callee.start);
        // `f!(…)` runs in the scope of its caller.
        let bang = call.0.tokens().any(|it| it.text(self.text) == "!");
        self.write(if bang { "!(" } else { "(" });
        self.in_order(&info.params, args);
        self.write(")");
    }

    fn constructor(
        &mut self,
        info: Option<Arc<ModuleInfo>>,
        call: &Node,
        callee: &Node,
        args: &[Argument<'_>],
    ) {
        let Some(info) = info else { return self.children(call, false) };
        if has_spread(args) {
            self.write_at(names::CALL, callee.start);
            self.write(&format!("({}(\"{}\"), ", names::CLASS, info.key));
            self.lists(args);
        } else {
            self.write_at(&names::constructor(&info.key), callee.start);
            self.write("(");
            self.in_order(&info.params, args);
        }
        self.write(")");
    }

    /// The arguments in the order of the parameters, those left out marked as such.
    fn in_order(&mut self, params: &[ParamInfo], args: &[Argument<'_>]) {
        let mut positional = args.iter().filter_map(|it| it.positional());
        let mut first = true;
        for param in params {
            self.separator(&mut first);
            if param.rest {
                let taken = |name: &str| params.iter().any(|it| !it.rest && &*it.name == name);
                self.named(args, |name| !taken(name));
                continue;
            }
            let named = args.iter().find_map(|it| match it {
                Argument::Named(name, value) if name.text(self.text) == &*param.name => {
                    Some(*value)
                }
                _ => None,
            });
            match positional.next().or(named) {
                Some(value) => self.node(value),
                None => self.write(&format!("{}()", names::ABSENT)),
            }
        }
    }

    /// `x.m(…)`
    pub(super) fn method_call(&mut self, call: MethodCall<'_>) {
        let (Some(receiver), Some(name)) = (call.receiver(), call.name()) else {
            return self.children(call.0, false);
        };
        let args = arguments(call.args());
        let word = name.text(self.text);
        if self.checked.resolutions.get(&name.start) == Some(&Resolution::Prelude) {
            return self.prelude_method(call, receiver, name, &args);
        }
        let plain = args.iter().all(|it| !it.is_ours());
        let owned = self.checked.has_member(word) && !catalog::is_in_place(word);
        let reserved = catalog::is_reserved(word) && !KNOWN_TO_PARSER.contains(&word);
        if word == "type_of" && args.is_empty() {
            return self.type_of(name.start, receiver);
        }
        let native =
            catalog::NATIVE_METHODS.contains(&word) && self.checked.function(word).is_none();
        if plain && !owned && !reserved && !native && self.is_function(word) {
            return self.plain_method(call, receiver, word, &args);
        }
        let optional = call.0.token(TokenKind::QuestionDot).is_some();
        let function = if optional { names::METHOD_OPT } else { names::METHOD };
        self.write_at(function, name.start);
        self.write("(");
        self.node(receiver);
        self.write(", ");
        self.write_string(word);
        self.write(", ");
        self.lists(&args);
        if let Some(lowered) = self.renamed(word, args.len()) {
            self.write(", ");
            self.write_string(&lowered);
        }
        self.site(call.0);
        self.write(")");
    }

    /// The name in the generated text of a function that takes so many arguments as a method,
    /// where it has another one there.
    fn renamed(&self, word: &str, count: usize) -> Option<String> {
        let info = self.checked.function(word).filter(|it| it.lowered != word)?;
        let fits = |it: &FnInfo| it.params.len() == count;
        (fits(info) || info.overloads.iter().any(fits)).then(|| info.lowered.clone())
    }

    /// `__prelude(x, "m", "function", [positional], #{named})`
    fn prelude_method(
        &mut self,
        call: MethodCall<'_>,
        receiver: &Node,
        name: Token,
        args: &[Argument<'_>],
    ) {
        let word = name.text(self.text);
        let prelude = self.checked.prelude.as_ref();
        let Some(info) = prelude.and_then(|it| it.functions.get(word).cloned()) else {
            return self.children(call.0, false);
        };
        let optional = call.0.token(TokenKind::QuestionDot).is_some();
        let function = if optional { names::PRELUDE_OPT } else { names::PRELUDE };
        self.write_at(function, name.start);
        self.write("(");
        self.node(receiver);
        self.write(&format!(", \"{word}\", \"{}\", ", info.lowered));
        self.lists(args);
        self.write(")");
    }

    fn type_of(&mut self, at: u32, value: &Node) {
        self.write_at(names::TYPE_OF, at);
        self.write("(");
        self.node(value);
        self.write(")");
    }

    /// Whether a name can be a function of Rhai's, of ours or of the user's. Anything else is
    /// what a map holds under this name, which need not be a function; where closures use
    /// `this`, maps are objects, and Rhai calls what they hold.
    fn is_function(&self, word: &str) -> bool {
        catalog::is_rhai_method(word)
            || catalog::is_object_method(word)
            || self.checked.function(word).is_some()
            || self.objects
    }

    /// A method call as it stands; a function of the user's gets the arguments it may do
    /// without.
    fn plain_method(
        &mut self,
        call: MethodCall<'_>,
        receiver: &Node,
        word: &str,
        args: &[Argument<'_>],
    ) {
        let missing = match self.checked.function(word) {
            Some(info) if info.overloads.is_empty() && !catalog::is_rhai_method(word) => {
                let left = info.params.get(args.len()..).unwrap_or_default();
                if left.iter().all(ParamInfo::may_be_left_out) { left.len() } else { 0 }
            }
            _ => 0,
        };
        let renamed = self.renamed(word, args.len() + missing);
        if missing == 0 && renamed.is_none() {
            return self.children(call.0, false);
        }
        self.node(receiver);
        let optional = call.0.token(TokenKind::QuestionDot).is_some();
        self.write(if optional { "?." } else { "." });
        if let Some(name) = call.name() {
            let lowered = renamed.unwrap_or_else(|| self.function_name(word));
            self.write_at(&lowered, name.start);
        }
        self.write("(");
        let mut first = true;
        for value in args.iter().map(|it| it.value()) {
            self.separator(&mut first);
            self.node(value);
        }
        for _ in 0..missing {
            self.separator(&mut first);
            self.write(&format!("{}()", names::ABSENT));
        }
        self.write(")");
    }
}

fn has_spread(args: &[Argument<'_>]) -> bool {
    args.iter().any(|it| matches!(it, Argument::Spread(_)))
}
