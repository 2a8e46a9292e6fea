//! Calls of methods, and names behind dots.

use super::args::{Argument, arguments};
use super::call::{predictor_name, takes};
use super::known::reply_fields;
use super::model::Resolution;
use super::scope::Known;
use super::shape::Shape;
use super::{Checker, codes};
use crate::catalog::{self, Object};
use crate::diag::suggestion;
use crate::syntax::ast::MethodCall;
use crate::syntax::{Node, Token};

impl<'a> Checker<'a> {
    /// Checks `x.m(…)`.
    pub(super) fn method_call(&mut self, node: &'a Node) {
        let call = MethodCall(node);
        let args = arguments(call.args());
        let (Some(receiver), Some(name)) = (call.receiver(), call.name()) else {
            return self.arguments(&args);
        };
        let known = self.expr(receiver);
        self.used(receiver);
        self.placed_in_method(&known, name.text(self.text), &args);
        self.arguments(&args);
        self.method(node, receiver, name, &args);
        self.prelude_method(name, &args);
        self.in_place(receiver, name);
        self.for_each(name, &args);
        self.worked(receiver, name, &args);
        self.concurrent(name.text(self.text), &args);
    }

    /// Notes a method that is a function of the prelude.
    fn prelude_method(&mut self, name: Token, args: &[Argument<'a>]) {
        let word = name.text(self.text);
        let Some(info) = self.prelude(word) else { return };
        let own = self.out.function(word).is_some() || self.typed.contains(word);
        let rhai = catalog::is_rhai_method(word) && !takes(&info, args.len() + 1);
        if !own && !rhai {
            self.out.resolutions.insert(name.start, Resolution::Prelude);
        }
    }

    fn method(
        &mut self,
        node: &'a Node,
        receiver: &'a Node,
        name: Token,
        args: &[Argument<'a>],
    ) {
        let word = name.text(self.text);
        let known = self.infer(receiver).present();
        match known {
            Known::Instance(module) => self.instance_method(node, &module, name, args),
            Known::Predictor(it) => match word {
                // Rhai's way to call a function value.
                "call" => {
                    let what = predictor_name(&it, None);
                    self.predictor_call(node, what, &it.signature, args);
                }
                _ => self.object_method(node, "Predictor", None, name, args),
            },
            Known::Reply(it) => {
                if !reply_fields(&it).contains(&word) {
                    self.object_method(node, "Reply", None, name, args);
                }
            }
            Known::Answer(parts) => {
                if !parts.contains_key(word) {
                    self.object_method(node, "Reply", None, name, args);
                }
            }
            Known::Row(parts) if parts.contains_key(word) => {}
            // It has the members of what it asks, too.
            Known::Program(_) if !catalog::is_object_method(word) => {}
            Known::Of(_) | Known::List(_) => self.plain_method(&known, name),
            Known::Function(_) if word == "call" => self.calls_value(&known, args),
            _ => {
                if let Some(object) = known.object() {
                    self.object_method(node, object.name, None, name, args);
                }
            }
        }
    }

    /// Texts, numbers and lists have the methods that Rhai gives them.
    fn plain_method(&mut self, known: &Known, name: Token) {
        let word = name.text(self.text);
        let known_word = catalog::is_rhai_method(word)
            || catalog::is_rhai_function(word)
            || catalog::native(word).is_some()
            || self.is_own_method(word)
            || matches!(word, "call" | "print" | "debug" | "type_of" | "parallel_map")
            || self.resolve(word) != Resolution::Unknown;
        let known_word = known_word || known.is("map") || self.flow.trying;
        let (Some(kind), false) = (known.kind(), known_word) else { return };
        let hint = suggestion(word, catalog::RHAI_METHODS.iter().copied());
        let message = format!("{} has no method `{word}`", crate::util::a(kind));
        let told = self.tell(codes::WILL_FAIL, name.span(self.source), message);
        *told = told.clone().suggest(hint);
    }

    fn instance_method(
        &mut self,
        node: &'a Node,
        module: &str,
        name: Token,
        args: &[Argument<'a>],
    ) {
        let word = name.text(self.text);
        let Some(info) = self.module(module) else { return };
        if info.methods.contains_key(word) {
            return self.instance_call(node, module, word, args);
        }
        match self.member_known(module, word) {
            Some(Known::Predictor(it)) => {
                let what = predictor_name(&it, Some(word));
                self.predictor_call(node, what, &it.signature, args);
            }
            Some(Known::Instance(inner)) => self.instance_call(node, &inner, "forward", args),
            Some(_) => {}
            None if word == "call" => self.instance_call(node, module, "forward", args),
            None => self.object_method(node, "Program", Some(module), name, args),
        }
    }

    fn object_method(
        &mut self,
        node: &'a Node,
        object: &str,
        module: Option<&str>,
        name: Token,
        args: &[Argument<'a>],
    ) {
        let word = name.text(self.text);
        let Some(object) = catalog::object(object) else { return };
        if self.out.function(word).is_some() {
            return;
        }
        if let Some(method) = object.method(word) {
            let what = format!("`{word}`");
            let shape = Shape::of_catalog(what, method.params, method.extra_named, false);
            self.compare(&shape, args, self.call_span(node));
            return self.options(method.params, args);
        }
        let general = matches!(
            word,
            "call" | "to_string" | "to_debug" | "type_of" | "is_shared" | "to_json"
        );
        if general || (object.open && catalog::is_rhai_method(word)) {
            return;
        }
        self.unknown_member(object, module, name);
    }

    /// Checks the name behind a dot.
    pub(super) fn member_name(&mut self, receiver: &'a Node, name: Option<Token>) {
        let Some(name) = name else { return };
        let known = self.infer(receiver);
        self.part_named(&known, name);
    }

    fn unknown_member(&mut self, object: &Object, module: Option<&str>, name: Token) {
        let word = name.text(self.text);
        if let Some(hint) = catalog::later_method(object.name, word) {
            return self.for_later(name, hint);
        }
        let own = module.and_then(|it| self.module(it));
        let mut known: Vec<&str> = object.methods.iter().map(|it| it.name).collect();
        known.extend(object.fields.iter().map(|it| it.name));
        if let Some(info) = &own {
            known.extend(info.params.iter().map(|it| &*it.name));
            known.extend(info.members.iter().map(|it| &*it.name));
            known.extend(info.methods.keys().map(|it| &**it));
        }
        let hint = suggestion(word, known);
        let owner = match &own {
            Some(info) => format!("the module `{}`", info.name),
            None => crate::util::a(&object.name.to_lowercase()),
        };
        let message = format!("{owner} has no `{word}`");
        let told = self.tell(codes::UNKNOWN_MEMBER, name.span(self.source), message);
        *told = told.clone().suggest(hint);
    }

    /// A name that a later version will know.
    pub(super) fn for_later(&mut self, name: Token, hint: &str) {
        let message = format!("`{}` is not supported yet", name.text(self.text));
        let told = self.tell(codes::UNKNOWN_MEMBER, name.span(self.source), message);
        told.hints.push(hint.to_owned());
    }
}
