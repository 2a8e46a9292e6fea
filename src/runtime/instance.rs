//! Modules and their instances.

use crate::check::ModuleInfo;
use crate::lower::names;
use crate::program::{PredictorState, State};
use crate::runtime::bind::bind;
use crate::runtime::cx::{Args, Cx};
use crate::runtime::error::Error;
use crate::runtime::forking::forgetful;
use crate::runtime::predictor::{BARE, Predictor};
use crate::runtime::program::{self, Overrides};
use crate::runtime::repair::repaired;
use crate::runtime::reply::Reply;
use crate::runtime::run::Run;
use crate::runtime::value::{Object, Val};
use crate::schema::Record;
use crate::trace::{Kind, Node, NodeId};
use indexmap::IndexMap;
use std::any::Any;
use std::sync::{Arc, OnceLock};

/// A module as a value: calling it makes an instance.
#[derive(Debug, Clone)]
pub(in crate::runtime) struct Class {
    info: Arc<ModuleInfo>,
}

impl Class {
    /// Returns a module as a value.
    pub(in crate::runtime) fn new(info: Arc<ModuleInfo>) -> Self {
        Self { info }
    }
}

impl Object for Class {
    fn type_name(&self) -> &'static str {
        "class"
    }

    fn call(&self, cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
        let args = bind(&self.info.name, &self.info.params, args)?;
        cx.call_lowered(&names::constructor(&self.info.key), None, args)
    }

    fn show(&self) -> String {
        format!("module {}", self.info.name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An instance of a module: its class, its members, and the state of the predictors below.
#[derive(Debug, Clone)]
pub struct Instance {
    class: Arc<ModuleInfo>,
    members: Arc<IndexMap<Arc<str>, Val>>,
    /// The state of the whole program that this instance is part of.
    state: Arc<State>,
    /// Where this instance stands in its program; empty for the program itself.
    prefix: Arc<str>,
    /// Whether what must hold is repaired where it does not.
    asserts: bool,
    /// The members with their places and state, made when one is first asked for: the demos of a
    /// state are not copied for every call.
    placed: Arc<OnceLock<IndexMap<Arc<str>, Val>>>,
}

/// Makes an instance of its members, in order.
pub(in crate::runtime) fn create(
    run: &Run,
    class: &str,
    members: Vec<(Arc<str>, Val)>,
) -> Result<Val, Error> {
    let class = run.script().module(class).cloned();
    let class = class.ok_or_else(|| Error::value("this module is not known"))?;
    let members = members.into_iter().map(|(name, it)| (name, forgetful(&it)));
    let members: IndexMap<Arc<str>, Val> = members.collect();
    let mut state = State::default();
    for (name, value) in &members {
        collect_state(value, name, &mut state);
    }
    let (members, state) = (Arc::new(members), Arc::new(state));
    Ok(Val::object(Instance {
        class,
        members,
        state,
        prefix: "".into(),
        asserts: true,
        placed: Arc::default(),
    }))
}

/// Collects the states that members already have, under their paths in the new program.
fn collect_state(value: &Val, path: &str, into: &mut State) {
    walk(value, path, &mut |path, predictor| {
        if let Some(state) = predictor.state() {
            into.predictors.insert(path.to_owned(), PredictorState::clone(state));
        }
    });
}

/// A value whose predictors know their paths, with the states that they have.
pub(in crate::runtime) fn settled(value: &Val, path: &str) -> Val {
    let mut state = State::default();
    collect_state(value, path, &mut state);
    place(value, path, &Arc::new(state))
}

/// Visits the predictors in a value, with their paths.
pub(in crate::runtime) fn walk(
    value: &Val,
    path: &str,
    visit: &mut impl FnMut(&str, &Predictor),
) {
    match value {
        Val::Object(object) => {
            if let Some(predictor) = object.as_any().downcast_ref::<Predictor>() {
                visit(path, predictor);
            } else if let Some(instance) = object.as_any().downcast_ref::<Instance>() {
                for name in instance.members.keys() {
                    let member = instance.get(name).unwrap_or_default();
                    walk(&member, &join(path, name), visit);
                }
            } else {
                for (behind, part) in object.parts() {
                    walk(&part, &format!("{path}{behind}"), visit);
                }
            }
        }
        Val::List(items) => {
            for (at, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{at}]"), visit);
            }
        }
        Val::Map(entries) => {
            for (name, item) in entries {
                walk(item, &format!("{path}[\"{name}\"]"), visit);
            }
        }
        Val::Null | Val::Bool(_) | Val::Int(_) | Val::Float(_) => {}
        Val::Str(_) | Val::Func(_) | Val::Other(_) => {}
    }
}

/// Gives the predictors in a value their place and state.
pub(in crate::runtime) fn place(value: &Val, path: &str, state: &Arc<State>) -> Val {
    let change = Change {
        predictor: &|predictor, path| predictor.placed(path, state),
        instance: &|instance, path| Instance {
            state: state.clone(),
            prefix: path.into(),
            placed: Arc::default(),
            ..instance.clone()
        },
    };
    change.value(value, path)
}

/// The programs in a value for the `at`-th of `n` samples.
pub(in crate::runtime) fn resampled(value: &Val, n: usize, at: usize) -> Val {
    every_predictor(value, &|predictor, _| predictor.resampled(n, at))
}

/// The programs in a value, which no optimizer changes.
pub(in crate::runtime) fn frozen(value: &Val) -> Val {
    every_predictor(value, &|predictor, _| predictor.freeze())
}

/// The programs in a value at a path, with advice for their predictors by their paths.
pub(in crate::runtime) fn advise(
    value: &Val,
    path: &str,
    advice: &IndexMap<Arc<str>, Arc<str>>,
) -> Val {
    let told = |predictor: &Predictor, path: &str| match advice.get(path) {
        Some(text) => predictor.with_advice(text.clone()),
        None => predictor.clone(),
    };
    let alone = path == BARE && value.downcast::<Instance>().is_some();
    let change = Change { predictor: &told, instance: &|it, _| it.clone() };
    change.inside(value, if alone { "" } else { path })
}

/// Changes every predictor in a value, those of instances included.
fn every_predictor(value: &Val, change: &dyn Fn(&Predictor, &str) -> Predictor) -> Val {
    let change = Change { predictor: change, instance: &|it, _| it.clone() };
    change.inside(value, "")
}

/// How the programs in a value are changed.
struct Change<'a> {
    predictor: &'a dyn Fn(&Predictor, &str) -> Predictor,
    instance: &'a dyn Fn(&Instance, &str) -> Instance,
}

impl Change<'_> {
    /// Changes predictors and instances, but nothing inside of instances.
    fn value(&self, value: &Val, path: &str) -> Val {
        self.step(value, path, false)
    }

    /// Changes the members of instances too.
    fn inside(&self, value: &Val, path: &str) -> Val {
        self.step(value, path, true)
    }

    fn step(&self, value: &Val, path: &str, inside: bool) -> Val {
        match value {
            Val::Object(object) => {
                if let Some(predictor) = object.as_any().downcast_ref::<Predictor>() {
                    return Val::object((self.predictor)(predictor, path));
                }
                if let Some(instance) = object.as_any().downcast_ref::<Instance>() {
                    return Val::object(self.instance(instance, path, inside));
                }
                let parts = object.parts().into_iter();
                let parts = parts
                    .map(|(behind, it)| self.step(&it, &format!("{path}{behind}"), inside));
                object.with_parts(path, parts.collect()).unwrap_or_else(|| value.clone())
            }
            Val::List(items) => {
                let items = items.iter().enumerate();
                Val::List(
                    items
                        .map(|(at, it)| self.step(it, &format!("{path}[{at}]"), inside))
                        .collect(),
                )
            }
            Val::Map(entries) => {
                let change = |(name, it): (&Arc<str>, &Val)| {
                    (name.clone(), self.step(it, &format!("{path}[\"{name}\"]"), inside))
                };
                Val::Map(entries.iter().map(change).collect())
            }
            Val::Null | Val::Bool(_) | Val::Int(_) | Val::Float(_) => value.clone(),
            Val::Str(_) | Val::Func(_) | Val::Other(_) => value.clone(),
        }
    }

    fn instance(&self, instance: &Instance, path: &str, inside: bool) -> Instance {
        let changed = (self.instance)(instance, path);
        if !inside {
            return changed;
        }
        let members = changed
            .members
            .iter()
            .map(|(name, value)| (name.clone(), self.step(value, &join(path, name), true)));
        let members = Arc::new(members.collect());
        Instance { members, placed: Arc::default(), ..changed }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

impl Instance {
    /// The module that it is an instance of.
    pub fn class(&self) -> &Arc<ModuleInfo> {
        &self.class
    }

    /// The state of its predictors.
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Returns the instance with another state.
    #[must_use]
    pub fn with_state(&self, state: Arc<State>) -> Self {
        Self { state, placed: Arc::default(), ..self.clone() }
    }

    /// Returns the instance with options for the calls of its predictors, or of those at and
    /// below a path.
    #[must_use]
    pub(in crate::runtime) fn with_overrides(
        &self,
        overrides: &Overrides,
        at: Option<&str>,
    ) -> Self {
        let members = self
            .members
            .iter()
            .map(|(name, value)| (name.clone(), override_in(value, name, overrides, at)))
            .collect();
        let asserts = overrides.asserts.filter(|_| at.is_none()).unwrap_or(self.asserts);
        let members = Arc::new(members);
        Self { members, asserts, placed: Arc::default(), ..self.clone() }
    }

    fn place_members(&self) -> IndexMap<Arc<str>, Val> {
        let placed = |name: &Arc<str>, value: &Val| {
            (name.clone(), place(value, &join(&self.prefix, name), &self.state))
        };
        self.members.iter().map(|(name, value)| placed(name, value)).collect()
    }

    fn forward(&self, cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
        let Some(forward) = self.class.methods.get("forward") else {
            return Err(Error::value(format!("module `{}` has no `forward`", self.class.name)));
        };
        let named = named_args(&forward.params, &args);
        let args = bind(&self.class.name, &forward.params, args)?;
        let run = cx.run();
        repaired(run, self.asserts, |earlier| {
            let node = Node { retry_of: earlier, ..self.node(run, &named) };
            let node = run.open_node(node);
            if let Some(repairs) = run.repairs() {
                repairs.begin(node);
            }
            run.note_inputs(node, named.iter().map(|(name, value)| (&**name, value)));
            let this = Val::object(self.clone());
            let returned = cx.call_lowered(&forward.lowered, Some(this), args.clone());
            let result = returned.and_then(|value| self.reply(node, value));
            run.close_node(node, |it| {
                it.error = result.as_ref().err().map(ToString::to_string);
                it.outputs = result.as_ref().ok().and_then(|reply| reply.record().ok());
            });
            (node, result.map(Val::object))
        })
    }

    /// Where it stands in its program; empty for the program itself.
    pub(in crate::runtime) fn prefix(&self) -> &str {
        &self.prefix
    }

    fn reply(&self, node: NodeId, value: Val) -> Result<Reply, Error> {
        if let Some(reply) = value.downcast::<Reply>() {
            return Ok(reply.clone().passed_on(node));
        }
        match value.entries() {
            Some(fields) => Ok(Reply::new(fields.clone(), Some(node))),
            None => {
                let (name, kind) = (&self.class.name, value.kind());
                let message = format!("`{name}.forward` returned {kind}, not a reply or a map");
                Err(Error::value(message).hint("return the reply, or `#{ answer: … }`"))
            }
        }
    }

    fn node(&self, run: &Run, inputs: &IndexMap<Arc<str>, Val>) -> Node {
        let data = inputs
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.to_value().ok()?)));
        let path =
            if self.prefix.is_empty() { self.class.name.clone() } else { self.prefix.clone() };
        Node::new(
            Kind::Module,
            self.class.name.clone(),
            run.next_address(&path),
            data.collect::<Record>(),
        )
    }
}

/// Arguments by the names of the parameters they land on, for the trace.
fn named_args(params: &[crate::check::ParamInfo], args: &Args) -> IndexMap<Arc<str>, Val> {
    let positional = params.iter().zip(&args.positional);
    let mut named: IndexMap<Arc<str>, Val> =
        positional.map(|(param, value)| (param.name.clone(), value.clone())).collect();
    named.extend(args.named.clone());
    named
}

pub(in crate::runtime) fn override_in(
    value: &Val,
    path: &str,
    overrides: &Overrides,
    at: Option<&str>,
) -> Val {
    let meant = |path: &str| {
        at.is_none_or(|at| {
            path == at || path.strip_prefix(at).is_some_and(|it| it.starts_with(['.', '[']))
        })
    };
    match value {
        Val::Object(object) => {
            if let Some(predictor) = object.as_any().downcast_ref::<Predictor>() {
                let changed = if meant(path) {
                    predictor.with_overrides(overrides)
                } else {
                    predictor.clone()
                };
                Val::object(changed)
            } else if let Some(instance) = object.as_any().downcast_ref::<Instance>() {
                let below = match at {
                    _ if meant(path) => Some(None),
                    Some(at) => {
                        at.strip_prefix(path).and_then(|it| it.strip_prefix('.')).map(Some)
                    }
                    None => Some(None),
                };
                match below {
                    Some(at) => Val::object(instance.with_overrides(overrides, at)),
                    None => value.clone(),
                }
            } else {
                let parts = object.parts().into_iter().map(|(behind, it)| {
                    override_in(&it, &format!("{path}{behind}"), overrides, at)
                });
                object.with_parts(path, parts.collect()).unwrap_or_else(|| value.clone())
            }
        }
        Val::List(items) => Val::List(
            items
                .iter()
                .enumerate()
                .map(|(n, it)| override_in(it, &format!("{path}[{n}]"), overrides, at))
                .collect(),
        ),
        Val::Map(entries) => Val::Map(
            entries
                .iter()
                .map(|(k, v)| {
                    (k.clone(), override_in(v, &format!("{path}[\"{k}\"]"), overrides, at))
                })
                .collect(),
        ),
        Val::Null | Val::Bool(_) | Val::Int(_) | Val::Float(_) => value.clone(),
        Val::Str(_) | Val::Func(_) | Val::Other(_) => value.clone(),
    }
}

impl Object for Instance {
    fn type_name(&self) -> &'static str {
        "module"
    }

    fn get(&self, name: &str) -> Option<Val> {
        self.placed.get_or_init(|| self.place_members()).get(name).cloned()
    }

    fn members(&self) -> Vec<String> {
        let members = self.members.keys().map(ToString::to_string);
        members.chain(self.class.methods.keys().map(ToString::to_string)).collect()
    }

    fn call(&self, cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
        self.forward(cx, args)
    }

    fn method(&self, cx: &Cx<'_>, name: &str, args: Args) -> Option<Result<Val, Error>> {
        let Some(method) = self.class.methods.get(name) else {
            return program::method(cx, &Val::object(self.clone()), name, args);
        };
        if name == "forward" {
            return Some(self.forward(cx, args));
        }
        Some(bind(name, &method.params, args).and_then(|args| {
            cx.call_lowered(&method.lowered, Some(Val::object(self.clone())), args)
        }))
    }

    fn show(&self) -> String {
        let shown: Vec<String> = self
            .class
            .params
            .iter()
            .filter_map(|it| {
                Some(format!("{}: {}", it.name, self.members.get(&it.name)?.show()))
            })
            .collect();
        format!("{}({})", self.class.name, shown.join(", "))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
