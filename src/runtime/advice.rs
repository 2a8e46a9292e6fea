//! What `refine` tells the next attempt: a model reads the last one and says, for each predictor,
//! what to do otherwise.

use crate::runtime::cx::{Args, Cx};
use crate::runtime::error::Error;
use crate::runtime::instance::advise;
use crate::runtime::predictor::Predictor;
use crate::runtime::program::Overrides;
use crate::runtime::reply::Reply;
use crate::runtime::signature_value::SignatureValue;
use crate::runtime::value::Val;
use crate::schema::{Field, Signature, Ty, TypeTable, Value};
use crate::trace::Kind;
use indexmap::IndexMap;
use std::sync::Arc;

const INSTRUCTIONS: &str = "A program of one or more predictors was run, and its reply scored less \
than was wanted. Say what went wrong, and for each predictor that is to blame what it should do \
otherwise the next time. Advice is short, concrete, and about this kind of input. Leave predictors \
out that are not to blame.";

/// An attempt that was not good enough.
pub(in crate::runtime) struct Tried<'a> {
    pub(in crate::runtime) reply: &'a Val,
    pub(in crate::runtime) score: f64,
    /// What the metric said about it.
    pub(in crate::runtime) feedback: Option<String>,
    pub(in crate::runtime) inputs: &'a IndexMap<Arc<str>, Val>,
}

/// The program with advice for its predictors. A model that gives none leaves it as it is.
pub(in crate::runtime) fn advised(
    cx: &Cx<'_>,
    part: &Val,
    path: &str,
    threshold: f64,
    tried: &Tried<'_>,
) -> Result<Val, Error> {
    let base = SignatureValue::new(signature(), None);
    let adviser = Predictor::new(base, Overrides::default()).at(&format!("{path}.advice"));
    let reply = cx.call(&Val::object(adviser), arguments(cx, threshold, tried));
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) if error.is_fatal() => return Err(error),
        // Without advice the next attempt is a fresh sample.
        Err(_) => return Ok(part.clone()),
    };
    let advice = reply.downcast::<Reply>().and_then(|it| it.fields().get("advice").cloned());
    let Some(Val::Map(advice)) = advice else { return Ok(part.clone()) };
    let advice: IndexMap<Arc<str>, Arc<str>> = advice
        .iter()
        .filter_map(|(name, text)| Some((name.clone(), Arc::from(text.as_str()?))))
        .collect();
    Ok(advise(part, path, &advice))
}

fn signature() -> Signature {
    let described = |name: &str, ty: Ty, text: &str| Field {
        description: Some(text.into()),
        ..Field::new(name, ty)
    };
    Signature {
        name: "Advice".into(),
        instructions: INSTRUCTIONS.into(),
        inputs: vec![
            described("inputs", Ty::Any, "what the program was given"),
            described("steps", Ty::Any, "what its predictors read and wrote, in order"),
            described("reply", Ty::Any, "what the program replied"),
            described("score", Ty::Float, "how good that was"),
            described("wanted", Ty::Float, "the score that is wanted"),
            described("feedback", Ty::Optional(Box::new(Ty::Str)), "what the metric said"),
        ],
        outputs: vec![
            described("discussion", Ty::Str, "what went wrong, and where"),
            described("advice", Ty::Dict(Box::new(Ty::Str)), "by the path of the predictor"),
        ],
        types: Arc::new(TypeTable::new()),
        contracts: 0,
    }
}

fn arguments(cx: &Cx<'_>, threshold: f64, tried: &Tried<'_>) -> Args {
    let data = |value: &Val| Val::from_value(&value.to_value().unwrap_or_default());
    let course = tried.reply.downcast::<Reply>().and_then(Reply::course);
    let nodes = course.map(|it| cx.run().trace_of(it).nodes).unwrap_or_default();
    let steps = nodes.iter().filter(|it| it.kind == Kind::Lm).map(|node| {
        let part = |name: &str, value: Value| (Arc::from(name), Val::from_value(&value));
        Val::Map(IndexMap::from([
            part("predictor", Value::from(node.address.path.as_str())),
            part("inputs", Value::map(node.inputs.clone())),
            part("outputs", node.outputs.clone().map(Value::map).unwrap_or_default()),
        ]))
    });
    let named: [(&str, Val); 6] = [
        ("inputs", data(&Val::Map(tried.inputs.clone()))),
        ("steps", Val::List(steps.collect())),
        ("reply", data(tried.reply)),
        ("score", Val::Float(tried.score)),
        ("wanted", Val::Float(threshold)),
        ("feedback", tried.feedback.as_deref().map_or(Val::Null, Val::str)),
    ];
    let named = named.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
    Args { positional: Vec::new(), named }
}
