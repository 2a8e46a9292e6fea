//! Calls: what is called, and whether the arguments fit it.

use super::args::{Argument, arguments};
use super::model::{FnInfo, Resolution, StaticPredictor};
use super::resolve::MOST_GUESSED;
use super::scope::Known;
use super::shape::Shape;
use super::{Checker, codes, literal};
use crate::catalog::{self, Native};
use crate::diag::{Suggestion, suggestion};
use crate::schema::Signature;
use crate::source::Span;
use crate::syntax::ast::{self, Call};
use crate::syntax::{Node, NodeKind, Token};

impl<'a> Checker<'a> {
    /// Checks a call.
    pub(super) fn call(&mut self, node: &'a Node) {
        let call = Call(node);
        let args = arguments(call.args());
        self.placed_arguments(call, &args);
        self.arguments(&args);
        self.concurrent(call.callee().map_or("", |it| it.text(self.text)), &args);
        if let Some(callee) = call.callee() {
            match callee.kind {
                NodeKind::Name => self.named_call(node, callee, &args),
                NodeKind::Path => self.path_call(node, callee, &args),
                _ => {
                    self.expr(callee);
                    self.value_call(node, callee, &args);
                }
            }
        }
    }

    /// The arguments themselves.
    pub(super) fn arguments(&mut self, args: &[Argument<'a>]) {
        for argument in args {
            self.expr(argument.value());
            self.used(argument.value());
        }
    }

    fn named_call(&mut self, node: &'a Node, callee: &'a Node, args: &[Argument<'a>]) {
        let name = callee.text(self.text);
        if name == "this" {
            self.expr(callee);
            return;
        }
        let mut resolution = self.resolve(name);
        // Where Rhai has a function of this name too, the number of arguments decides.
        if resolution == Resolution::Rhai
            && self.prelude(name).is_some_and(|it| takes(&it, args.len()))
        {
            resolution = Resolution::Prelude;
        }
        self.out.resolutions.insert(callee.start, resolution);
        match resolution {
            Resolution::Prelude => {
                if let Some(info) = self.prelude(name) {
                    self.function_call(node, name, &info, args);
                }
            }
            Resolution::Function => {
                if let Some(info) = self.out.function(name).cloned() {
                    self.calls(&info, args);
                    self.function_call(node, name, &info, args);
                }
            }
            Resolution::Module => {
                if let Some(info) = self.out.module(name).cloned() {
                    self.makes(&info, args);
                    let shape = Shape::of_params(format!("`{name}`"), &info.params);
                    self.compare(&shape, args, self.call_span(node));
                }
            }
            Resolution::Native => {
                if let Some(native) = catalog::native(name) {
                    self.native_call(node, native, args);
                }
            }
            Resolution::Rhai => self.rhai_call(name, args),
            Resolution::Signature => self.called_signature(name, callee),
            Resolution::Type => self.called_type(name, callee),
            Resolution::Unknown => self.unknown_callee(name, callee.span(self.source)),
            Resolution::Local
            | Resolution::Member
            | Resolution::SelfValue
            | Resolution::Const => self.value_call(node, callee, args),
        }
    }

    fn unknown_callee(&mut self, name: &str, span: Span) {
        if name == "eval" {
            let told = self.tell(codes::NO_EVAL, span, "there is no `eval`");
            told.hints.push("a program is checked before it runs".to_owned());
            return;
        }
        if self.is_main_variable(name) {
            return self.main_variable(name, span);
        }
        if let Some(hint) = absent_on_purpose(name) {
            let message = format!("there is no function `{name}`");
            self.tell(codes::UNKNOWN_FUNCTION, span, message).hints.push(hint.to_owned());
            return;
        }
        if matches!(name, "assert" | "suggest") {
            let message = format!("`{name}` is a statement");
            let told = self.tell(codes::UNKNOWN_FUNCTION, span, message);
            told.hints.push("put it into a block of its own: `{ … }`".to_owned());
            return;
        }
        let near = if self.diags.len() >= MOST_GUESSED {
            Suggestion::default()
        } else {
            let mut known = self.names_in_sight();
            known.extend(catalog::RHAI_FUNCTIONS);
            let mut near = suggestion(name, known);
            // A list of everything helps nobody.
            if !near.hint.starts_with("did you mean") {
                near.hint.clear();
            }
            near
        };
        let told =
            self.tell(codes::UNKNOWN_FUNCTION, span, format!("there is no function `{name}`"));
        *told = told.clone().suggest(near);
    }

    fn path_call(&mut self, node: &'a Node, callee: &'a Node, args: &[Argument<'a>]) {
        let Some(resolution) = self.path_meaning(callee) else { return };
        let name = callee.text(self.text);
        let Some((unit, word)) = self.imported(callee) else {
            let word = name.rsplit("::").next().unwrap_or(name).trim();
            if resolution == Resolution::Native
                && let Some(native) = catalog::native(word)
            {
                self.native_call(node, native, args);
            }
            return;
        };
        match resolution {
            Resolution::Function => {
                self.function_call(node, name, &unit.functions[word], args);
            }
            Resolution::Module => {
                let params = &unit.modules[word].params;
                let shape = Shape::of_params(format!("`{name}`"), params);
                self.compare(&shape, args, self.call_span(node));
            }
            Resolution::Signature => self.called_signature(name, callee),
            Resolution::Type => self.called_type(name, callee),
            _ => self.value_call(node, callee, args),
        }
    }

    fn called_signature(&mut self, name: &str, callee: &Node) {
        let message = format!("`{name}` is a signature, which nobody answers by itself");
        let told = self.tell(codes::NOT_CALLABLE, callee.span(self.source), message);
        told.hints.push(format!("`predict({name})(…)` asks a model"));
    }

    fn called_type(&mut self, name: &str, callee: &Node) {
        let message = format!("`{name}` is a type, which cannot be called");
        self.tell(codes::NOT_CALLABLE, callee.span(self.source), message);
    }

    fn rhai_call(&mut self, name: &str, args: &[Argument<'a>]) {
        if let Some(argument) = args.iter().find(|it| matches!(it, Argument::Named(..))) {
            let span = argument.value().span(self.source);
            let message = format!("`{name}` takes no named arguments");
            self.tell(codes::UNKNOWN_ARGUMENT, span, message);
        }
    }

    fn native_call(&mut self, node: &'a Node, native: &'static Native, args: &[Argument<'a>]) {
        let what = format!("`{}`", native.name);
        let shape = Shape::of_catalog(what, native.params, native.extra_named, native.variadic);
        self.compare(&shape, args, self.call_span(node));
        self.options(native.params, args);
        self.metric(args);
        if native.name == "adapter" {
            self.template(args);
        }
        if matches!(native.name, "predict" | "chain_of_thought") {
            // Reads the signature's text, where it is one.
            self.infer(node);
            self.signature_argument(args);
            self.template_of(node, args);
            self.made_inside(native.name, node);
        }
    }

    /// A predictor that a method makes has no place in its program.
    fn made_inside(&mut self, name: &str, node: &'a Node) {
        if !self.context.method {
            return;
        }
        let message = "a predictor made in a method has no path: no optimizer sees it";
        let span = self.call_span(node);
        let told = self.tell(codes::MADE_INSIDE, span, message);
        told.hints.push(format!("make it a member: `let ask = {name}(…);` before the methods"));
    }

    /// Rhai's `for_each` binds the element to `this` and gives the closure its place.
    pub(super) fn for_each(&mut self, name: Token, args: &[Argument<'a>]) {
        let takes_place = args.iter().any(|it| {
            it.value().kind == NodeKind::Closure
                && !ast::Closure(it.value()).params().is_empty()
        });
        if name.text(self.text) == "for_each" && takes_place {
            let message = "`for_each` gives its closure the place; the element is `this`";
            let told = self.tell(codes::INDEX_PARAMETER, name.span(self.source), message);
            told.hints.push("`for x in xs { … }` goes through the elements".to_owned());
        }
    }

    /// A metric is called with an example and a reply.
    fn metric(&mut self, args: &[Argument<'a>]) {
        let metric = args.iter().find_map(|it| match it {
            Argument::Named(name, node) if name.text(self.text) == "metric" => Some(*node),
            _ => None,
        });
        let Some(node) = metric else { return };
        let taken = match node.kind {
            NodeKind::Closure => ast::Closure(node).params().len(),
            NodeKind::Name | NodeKind::Path => {
                let name = node.text(self.text);
                let function = match node.kind {
                    NodeKind::Path => self.imported_function(node),
                    _ if self.resolve(name) == Resolution::Function => {
                        self.out.function(name).cloned()
                    }
                    _ => None,
                };
                let function = function.filter(|it| it.overloads.is_empty());
                let Some(function) = function else { return };
                let required = function.params.iter().filter(|it| !it.has_default && !it.rest);
                if required.count() <= 2 && function.params.len() >= 2 {
                    return;
                }
                function.params.len()
            }
            _ => return,
        };
        if taken != 2 {
            let message = format!("a metric takes (example, reply), this one takes {taken}");
            self.tell(codes::ARGUMENT_TYPE, node.span(self.source), message);
        }
    }

    /// The first argument of a predictor must be a signature.
    fn signature_argument(&mut self, args: &[Argument<'a>]) {
        let Some(node) = args.first().and_then(|it| it.positional()) else { return };
        if self.is_string(node) {
            return;
        }
        let found = match self.infer(node) {
            Known::Predictor(_) => "a predictor",
            Known::Instance(_) => "a program",
            Known::Reply(_) | Known::Answer(_) => "a reply",
            Known::Object(it) => it.name,
            Known::Signature(_) => return,
            _ => match literal::constant(node, self.text) {
                Some(value) if value.as_str().is_none() => value.kind(),
                _ => return,
            },
        };
        let span = node.span(self.source);
        let message = format!("a predictor is made of a signature, found {found}");
        self.tell(codes::ARGUMENT_TYPE, span, message);
    }

    fn function_call(
        &mut self,
        node: &'a Node,
        name: &str,
        info: &FnInfo,
        args: &[Argument<'a>],
    ) {
        let what = format!("`{name}`");
        if info.overloads.is_empty() {
            return self.compare(
                &Shape::of_params(what, &info.params),
                args,
                self.call_span(node),
            );
        }
        let counts: Vec<usize> = std::iter::once(info.params.len())
            .chain(info.overloads.iter().map(|it| it.params.len()))
            .collect();
        let plain = args.iter().all(|it| it.positional().is_some());
        if plain && !counts.contains(&args.len()) {
            let shown: Vec<String> = counts.iter().map(ToString::to_string).collect();
            let message = format!(
                "`{name}` takes {} arguments, found {}",
                shown.join(" or "),
                args.len()
            );
            self.tell(codes::TOO_MANY_ARGUMENTS, self.call_span(node), message);
        }
    }

    /// A call of what an expression gives.
    fn value_call(&mut self, node: &'a Node, callee: &'a Node, args: &[Argument<'a>]) {
        let name = callee.text(self.text);
        let simple = matches!(callee.kind, NodeKind::Name | NodeKind::Member);
        let called = self.infer(callee);
        self.calls_value(&called, args);
        // It takes what the program takes that it asks.
        let called = match called {
            Known::Program(inner) => (*inner).clone(),
            other => other,
        };
        match called {
            Known::Predictor(it) => {
                let what = predictor_name(&it, simple.then_some(name));
                self.predictor_call(node, what, &it.signature, args);
            }
            Known::Instance(module) => self.instance_call(node, &module, "forward", args),
            Known::Signature(signature) => {
                let message = "a signature is asked by a predictor".to_owned();
                let span = callee.span(self.source);
                let told = self.tell(codes::NOT_CALLABLE, span, message);
                let name = if signature.name.is_empty() { "…" } else { &signature.name };
                told.hints.push(format!("`predict({name})(…)` asks a model"));
            }
            Known::Reply(_) | Known::Answer(_) => {
                let span = callee.span(self.source);
                self.tell(codes::NOT_CALLABLE, span, "a reply cannot be called");
            }
            Known::Function(_) => {}
            other => self.not_callable(callee, &other),
        }
    }

    /// Texts, numbers, lists and maps cannot be called.
    fn not_callable(&mut self, callee: &Node, known: &Known) {
        let kinds = known.all().iter().map(Known::kind);
        let kinds: Option<Vec<&str>> = kinds.collect();
        let value = literal::constant(callee, self.text);
        let (code, kind) = match (value, kinds.as_deref()) {
            (Some(value), _) => (codes::NOT_CALLABLE, value.kind()),
            (None, Some([first, ..])) if *first != "function" && !self.flow.trying => {
                (codes::WILL_FAIL, *first)
            }
            _ => return,
        };
        let name = callee.text(self.text);
        let hidden = callee.kind == NodeKind::Name && catalog::native(name).is_some();
        let message = format!("{} cannot be called", crate::util::a(kind));
        let told = self.tell(code, callee.span(self.source), message);
        if hidden {
            let hint =
                format!("the variable `{name}` hides the function; give it another name");
            told.hints.push(hint);
        }
    }

    pub(super) fn predictor_call(
        &mut self,
        node: &'a Node,
        what: String,
        signature: &Signature,
        args: &[Argument<'a>],
    ) {
        let shape = Shape::of_signature(what, signature);
        self.compare(&shape, args, self.call_span(node));
        self.swapped(&shape, args, node);
    }

    pub(super) fn instance_call(
        &mut self,
        node: &'a Node,
        module: &str,
        method: &str,
        args: &[Argument<'a>],
    ) {
        let Some(owner) = self.module(module) else { return };
        let Some(info) = owner.methods.get(method) else { return };
        if method != "forward" {
            self.calls(info, args);
        }
        let what = if method == "forward" {
            format!("`{}`", owner.name)
        } else {
            format!("`{}.{method}`", owner.name)
        };
        let shape = Shape { noun: "input", ..Shape::of_params(what, &info.params) };
        self.compare(&shape, args, self.call_span(node));
        self.swapped(&shape, args, node);
    }

    /// Warns where variables bear the names of other inputs than those they land on.
    fn swapped(&mut self, shape: &Shape, args: &[Argument<'a>], node: &Node) {
        let names: Option<Vec<&str>> = args
            .iter()
            .map(|it| it.positional().filter(|it| it.kind == NodeKind::Name))
            .map(|it| it.map(|it| it.text(self.text)))
            .collect();
        let Some(names) = names else { return };
        for (index, name) in names.iter().enumerate() {
            let meant = shape.formals.iter().position(|it| &*it.name == *name);
            let Some(lands) = shape.formals.get(index) else { return };
            if meant.is_some_and(|it| it != index) {
                let message =
                    format!("`{name}` is given as the {} `{}`", shape.noun, lands.name);
                let hint = format!("name the arguments: `{name}: {name}`");
                let told = self.tell(codes::SWAPPED_ARGUMENTS, self.call_span(node), message);
                told.hints.push(hint);
                return;
            }
        }
    }

    /// The place of a call's name and arguments.
    pub(super) fn call_span(&self, node: &Node) -> Span {
        node.span(self.source)
    }
}

/// Whether a function takes so many arguments.
pub(super) fn takes(info: &FnInfo, count: usize) -> bool {
    let required = info.params.iter().filter(|it| !it.may_be_left_out()).count();
    (required..=info.params.len()).contains(&count)
}

/// How a predictor is named in messages: by its signature, else by what the call says.
pub(super) fn predictor_name(predictor: &StaticPredictor, called: Option<&str>) -> String {
    match (&*predictor.signature.name, called) {
        ("", Some(name)) => format!("`{name}`"),
        ("", None) => "the predictor".to_owned(),
        (name, _) => format!("`{name}`"),
    }
}

/// Why there is no function of a name that many languages have, or that is for later.
fn absent_on_purpose(name: &str) -> Option<&'static str> {
    match name {
        "rand" | "random" | "rand_int" | "rand_float" | "rand_bool" => {
            Some("a run can be repeated; rows are mixed by `data.shuffle(seed: 1)`")
        }
        "timestamp" | "now" | "time" => {
            Some("a run can be repeated; what a run took is in `cost().seconds`")
        }
        "env" | "getenv" => Some("a script does not see the environment"),
        "println" | "echo" | "puts" => Some("write `print(…)`"),
        "str" => Some("write `x.to_string()`, or `${x}` between back-ticks"),
        "react" | "tool" | "mcp" | "program_of_thought" | "multi_chain" => {
            Some("tools and what is built on them are not supported yet")
        }
        "knn_few_shot" | "bootstrap_finetune" => {
            Some("not supported yet; `dsp doc optimizing` tells of those that there are")
        }
        _ => None,
    }
}
