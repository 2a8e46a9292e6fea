//! How many requests a run can make at most, read off the program's text.
//!
//! It is what a cap is divided by before anything is spent, so it errs on the side of `None`:
//! a number is given only where every call in sight is known and nothing repeats.

use crate::check::Resolution;
use crate::runtime::instance::Instance;
use crate::runtime::predictor::Predictor;
use crate::runtime::script::Script;
use crate::runtime::value::{Object, Val};
use crate::syntax::ast::{Call, FnItem, MethodCall, ModuleItem};
use crate::syntax::{Node, NodeKind};

/// The most requests that calling `value` makes.
pub(in crate::runtime) fn requests(script: &Script, value: &Val, retries: u32) -> Option<u64> {
    if let Some(predictor) = value.downcast::<Predictor>() {
        return Some(predictor.most_requests(retries));
    }
    let instance = value.downcast::<Instance>()?;
    of_instance(script, instance, retries)
}

/// Whether a program states what must hold: then it may be run again for it.
pub(in crate::runtime) fn has_conditions(script: &Script, value: &Val) -> bool {
    if let Some(predictor) = value.downcast::<Predictor>() {
        return predictor.has_contract();
    }
    let Some(instance) = value.downcast::<Instance>() else { return true };
    let states = method(script, &instance.class().key, "forward")
        .is_none_or(|(_, it)| it.walk().any(|it| it.kind == NodeKind::Assert));
    let inside = |name: &String| {
        let program = instance.get(name).filter(|it| {
            it.downcast::<Predictor>().is_some() || it.downcast::<Instance>().is_some()
        });
        program.is_some_and(|it| has_conditions(script, &it))
    };
    states || instance.members().iter().any(inside)
}

/// The most requests of an attempt of a module.
fn of_instance(script: &Script, instance: &Instance, retries: u32) -> Option<u64> {
    let (text, forward) = method(script, &instance.class().key, "forward")?;
    let body = FnItem::cast(forward)?.body()?;
    let unit = script.owner(&instance.class().key, |unit, name| unit.modules.get(name))?.0;
    let mut total = 0_u64;
    for node in body.walk() {
        use NodeKind as K;
        match node.kind {
            K::While | K::Loop | K::DoWhile | K::For | K::Closure => return None,
            K::Call => {
                let callee = Call::cast(node)?.callee()?;
                let meaning = unit.resolutions.get(&callee.start);
                total += match (callee.kind, meaning) {
                    (K::Name, Some(Resolution::Member)) => {
                        member_requests(script, instance, callee.text(text), retries)?
                    }
                    (K::Name, Some(Resolution::Prelude)) => 0,
                    (K::Name, Some(Resolution::Native | Resolution::Rhai)) => {
                        harmless(callee.text(text))?
                    }
                    _ => return None,
                };
            }
            K::MethodCall => {
                let call = MethodCall::cast(node)?;
                let name = call.name()?.text(text);
                let receiver = call.receiver()?;
                let on_self = receiver.kind == K::Name && receiver.text(text) == "self";
                let prelude = unit.resolutions.get(&call.name()?.start);
                let prelude = prelude == Some(&Resolution::Prelude) && !unit.has_member(name);
                total += if prelude {
                    0
                } else if on_self {
                    member_requests(script, instance, name, retries)?
                } else if crate::catalog::is_rhai_method(name) || name == "with" {
                    0
                } else {
                    return None;
                };
            }
            _ => {}
        }
    }
    Some(total)
}

/// Natives that ask no model and call nothing back.
fn harmless(name: &str) -> Option<u64> {
    let asks = [
        "evaluate",
        "compare",
        "lm",
        "predict",
        "chain_of_thought",
        "parallel_map",
        "parallel",
        "best_of",
        "refine",
        "majority",
        "ensemble",
    ];
    (!asks.contains(&name)).then_some(0)
}

fn member_requests(
    script: &Script,
    instance: &Instance,
    name: &str,
    retries: u32,
) -> Option<u64> {
    let member = instance.get(name)?;
    match &member {
        Val::Object(object) if object.type_name() == "retriever" => Some(0),
        _ => requests(script, &member, retries),
    }
}

/// The method of a module, and the text that it stands in.
fn method<'a>(script: &'a Script, key: &str, name: &str) -> Option<(&'a str, &'a Node)> {
    let (unit, module) = script.owner(key, |unit, name| unit.modules.get(name))?;
    let module = &*module.name;
    let text = &*script.sources().get(unit.source?).text;
    let modules = unit.tree.as_deref()?.nodes().filter_map(ModuleItem::cast);
    let item =
        modules.filter(|it| it.name(text).is_some_and(|it| it.text(text) == module)).last()?;
    let found =
        item.methods().find(|it| it.name(text).is_some_and(|it| it.text(text) == name))?;
    Some((text, found.0))
}
