//! What stands behind a dot: the fields of replies, records and rows, the members of programs.

use super::model::StaticPredictor;
use super::value::{Known, Parts, Scored};
use super::{Checker, codes};
use crate::catalog::{self, Object};
use crate::diag::{Code, Suggestion, suggestion};
use crate::schema::Ty;
use crate::syntax::Token;
use std::sync::Arc;

/// What is known of a part of a value.
pub(super) enum Part {
    /// Nothing.
    Unknown,
    /// This.
    Is(Known),
    /// There is none of this name.
    Missing(Missing),
}

/// A part that a value does not have.
pub(super) struct Missing {
    code: Code,
    message: String,
    /// The names that there are.
    names: Vec<Arc<str>>,
    /// What to do, where it is not a matter of spelling.
    hint: Option<String>,
}

impl Checker<'_> {
    /// What is known of the part of a value that has this name.
    pub(super) fn part(&self, of: &Known, word: &str) -> Part {
        let mut all = Known::Never;
        let mut missing = None;
        for it in of.all().iter().filter(|it| **it != Known::Unit) {
            match self.part_of(it, word) {
                Part::Unknown => return Part::Unknown,
                Part::Is(known) => all = all.or(known),
                Part::Missing(it) => missing = missing.or(Some(it)),
            }
        }
        match (all, missing) {
            (Known::Never, Some(it)) => Part::Missing(it),
            (Known::Never, None) => Part::Unknown,
            (known, None) => Part::Is(known),
            // It fails on one of the ways, but not on all.
            (_, Some(_)) => Part::Unknown,
        }
    }

    fn part_of(&self, of: &Known, word: &str) -> Part {
        match of {
            Known::Reply(predictor) => reply_part(predictor, word),
            Known::Answer(parts) => named_part(parts, word, codes::UNKNOWN_OUTPUT, "the reply"),
            Known::Row(parts) => named_part(parts, word, codes::UNKNOWN_MEMBER, "the row"),
            Known::Map(parts) => {
                parts.get(word).map_or(Part::Unknown, |it| Part::Is(it.clone()))
            }
            Known::Instance(module) => self.program_part(module, word),
            Known::Predictor(it) if word == "signature" => {
                Part::Is(Known::Signature(Arc::new(it.signature.clone())))
            }
            Known::Scored(it) => self.scored_part(it, word),
            Known::Splits(rows) if matches!(word, "train" | "dev" | "test") => {
                Part::Is(Known::Rows(rows.clone()))
            }
            Known::Of(it) => match &it.ty {
                Ty::Record(fields) => {
                    let found = fields.iter().find(|field| &*field.name == word);
                    let names = || fields.iter().map(|it| it.name.clone()).collect();
                    found.map_or_else(
                        || missing(codes::UNKNOWN_OUTPUT, "the record", "field", word, names()),
                        |field| Part::Is(Known::of(&field.ty, &it.types)),
                    )
                }
                Ty::Dict(item) => Part::Is(Known::of(item, &it.types).or(Known::Unit)),
                _ => self.plain_part(of, word),
            },
            Known::List(_) => self.plain_part(of, word),
            _ => of.object().map_or(Part::Unknown, |it| object_part(it, word)),
        }
    }

    /// The rows of an evaluation, and what was scored in them.
    fn scored_part(&self, of: &Arc<Scored>, word: &str) -> Part {
        let as_object = |object| Known::Scored(Arc::new(Scored { object, ..(**of).clone() }));
        match (of.object, word) {
            ("Evaluation", "rows" | "failures") => {
                Part::Is(Known::List(Arc::new(as_object("RowResult"))))
            }
            ("Comparison", "a" | "b") => Part::Is(as_object("Evaluation")),
            ("RowResult", "row") => Part::Is(of.row.clone()),
            ("RowResult", "reply") => Part::Is(of.reply.clone().or(Known::Unit)),
            (object, _) => {
                let object = catalog::object(object);
                object.map_or(Part::Unknown, |it| object_part(it, word))
            }
        }
    }

    /// Texts, numbers and lists have what Rhai gives them.
    fn plain_part(&self, of: &Known, word: &str) -> Part {
        let Some(kind) = of.kind() else { return Part::Unknown };
        if catalog::is_rhai_method(word) || self.is_own_method(word) {
            return Part::Unknown;
        }
        let message = format!("{} has no `{word}`", crate::util::a(kind));
        let hint = matches!(of, Known::List(_))
            .then(|| format!("`xs.map(|x| x.{word})` is a list of those of its items"));
        let names = Vec::new();
        if self.flow.trying {
            return Part::Unknown;
        }
        Part::Missing(Missing { code: codes::WILL_FAIL, message, names, hint })
    }

    fn program_part(&self, module: &Arc<str>, word: &str) -> Part {
        if let Some(known) = self.member_known(module, word) {
            return Part::Is(known);
        }
        let (Some(info), Some(object)) = (self.module(module), catalog::object("Program"))
        else {
            return Part::Unknown;
        };
        if object.field(word).is_some() {
            return Part::Unknown;
        }
        let mut names = object_names(object);
        names.extend(info.params.iter().map(|it| it.name.clone()));
        names.extend(info.members.iter().map(|it| it.name.clone()));
        names.extend(info.methods.keys().cloned());
        let message = format!("the module `{}` has no `{word}`", info.name);
        Part::Missing(Missing { code: codes::UNKNOWN_MEMBER, message, names, hint: None })
    }

    /// Checks the name behind a dot.
    pub(super) fn part_named(&mut self, of: &Known, name: Token) {
        let word = name.text(self.text);
        let Part::Missing(missing) = self.part(of, word) else { return };
        let object = of.object().map_or("", |it| it.name);
        if let Some(hint) = catalog::later_method(object, word) {
            return self.for_later(name, hint);
        }
        let names = missing.names.iter().map(|it| &**it);
        let hint = match missing.hint {
            Some(hint) => Suggestion { hint, certain: None },
            None => suggestion(word, names),
        };
        let told = self.tell(missing.code, name.span(self.source), missing.message);
        *told = told.clone().suggest(hint);
    }
}

fn reply_part(predictor: &StaticPredictor, word: &str) -> Part {
    let signature = &predictor.signature;
    if let Some(field) = signature.output(word) {
        return Part::Is(Known::of(&field.ty, &signature.types));
    }
    let reasons = predictor.kind == "chain_of_thought";
    if reasons && word == "reasoning" {
        return Part::Is(Known::basic(Ty::Str));
    }
    let owner = match &*signature.name {
        "" => "the reply".to_owned(),
        name => format!("`{name}`"),
    };
    let names = super::known::reply_fields(predictor).into_iter().map(Into::into).collect();
    let hint = signature
        .input(word)
        .map(|_| format!("`{word}` is an input; a reply holds the outputs"));
    let message = format!("{owner} has no output field `{word}`");
    Part::Missing(Missing { code: codes::UNKNOWN_OUTPUT, message, names, hint })
}

fn named_part(parts: &Parts, word: &str, code: Code, owner: &str) -> Part {
    let noun = if owner == "the row" { "column" } else { "field" };
    match parts.get(word) {
        Some(known) => Part::Is(known.clone()),
        None => missing(code, owner, noun, word, parts.keys().cloned().collect()),
    }
}

fn missing(code: Code, owner: &str, noun: &str, word: &str, names: Vec<Arc<str>>) -> Part {
    let message = format!("{owner} has no {noun} `{word}`");
    Part::Missing(Missing { code, message, names, hint: None })
}

fn object_part(object: &Object, word: &str) -> Part {
    match object.field(word) {
        Some(field) => Part::Is(Known::of_catalog(field.ty)),
        None if object.open => Part::Unknown,
        None => {
            let kind = match object.name {
                "RowResult" => "row result".to_owned(),
                name => name.to_lowercase(),
            };
            let message = format!("{} has no `{word}`", crate::util::a(&kind));
            let names = object_names(object);
            Part::Missing(Missing { code: codes::UNKNOWN_MEMBER, message, names, hint: None })
        }
    }
}

fn object_names(object: &Object) -> Vec<Arc<str>> {
    let methods = object.methods.iter().map(|it| it.name.into());
    methods.chain(object.fields.iter().map(|it| it.name.into())).collect()
}
