//! The host language, set up: the one file that touches Rhai's internals.
//!
//! Engines cost a microsecond, because what is registered lives in modules shared by all of them.
//! Runs of the rows of one evaluation share one. A tag carries the run; limits are set explicitly,
//! for Rhai's own defaults differ between debug and release builds.

use crate::catalog;
use crate::lower::names;
use crate::runtime::cx::{Args, Cx, Native, wrong};
use crate::runtime::error::Error;
use crate::runtime::forking::remembered;
use crate::runtime::history::HistoryValue;
use crate::runtime::run::{Run, Session};
use crate::runtime::slices::{self, Ends};
use crate::runtime::value::{Func, ObjectRef, Other, Text, Val};
use indexmap::IndexMap;
use rhai::packages::{
    BasicArrayPackage, BasicBlobPackage, BasicMapPackage, BasicMathPackage, BitFieldPackage,
    CorePackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{
    AST, Array, Dynamic, Engine, EvalAltResult, FnPtr, FuncRegistration, ImmutableString, Map,
    Module, NativeCallContext, Position, Shared,
};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

/// The deepest nesting of script calls. A thread that runs scripts has a stack of
/// [`STACK_SIZE`], which holds this many levels in debug builds too.
const CALL_LEVELS: usize = 96;
/// The deepest nesting of expressions; the parser refuses deeper ones first.
const EXPR_DEPTH: usize = 512;
/// How many operations go by between two looks at the clock: few, because one operation may
/// copy twice what the one before it copied.
const WATCHED: u8 = 16;
/// The longest text, and the longest that the texts of one list or map are together, in bytes.
const TEXT_SIZE: usize = 64 << 20;
/// The most items of a list or entries of a map, those inside counted. With any such limit Rhai
/// counts a list whenever a method changes it: twenty thousand `push`es take a tenth of a
/// second. Data sets are no lists, and cost nothing.
const ITEMS: usize = 4 << 20;

/// The stack of threads that run scripts, in bytes.
pub const STACK_SIZE: usize = 64 << 20;

/// Our objects, as the host language holds them.
#[derive(Clone)]
pub(in crate::runtime) struct Obj(pub(in crate::runtime) ObjectRef);

/// Marks a parameter that was not given.
#[derive(Clone)]
struct Absent;

type HostResult<T> = Result<T, Box<EvalAltResult>>;

/// The functions that every engine shares.
#[derive(Clone)]
pub struct Bindings {
    natives: Arc<IndexMap<&'static str, Arc<dyn Native>>>,
    module: Shared<Module>,
}

impl std::fmt::Debug for Bindings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.natives.keys()).finish()
    }
}

impl Bindings {
    /// Binds natives to their names.
    pub fn new(natives: IndexMap<&'static str, Arc<dyn Native>>) -> Self {
        let natives = Arc::new(natives);
        let mut module = Module::new();
        bind_core(&mut module, &natives);
        bind_objects(&mut module);
        for (name, native) in natives.iter() {
            bind_native(&mut module, name, native.clone());
        }
        module.build_index();
        Self { natives, module: module.into() }
    }

    /// The names that are bound.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.natives.keys().copied()
    }
}

/// Returns an engine that compiles.
pub(in crate::runtime) fn compiler() -> Engine {
    let mut engine = Engine::new_raw();
    engine.register_global_module(standard().clone());
    engine.set_max_strings_interned(0);
    engine.set_max_expr_depths(EXPR_DEPTH, EXPR_DEPTH);
    engine.set_max_functions(60_000);
    engine.set_max_modules(0);
    engine.set_max_string_size(TEXT_SIZE);
    engine.disable_symbol("eval");
    engine.set_optimization_level(rhai::OptimizationLevel::None);
    engine
}

/// Returns an engine for the main text of one run.
pub(in crate::runtime) fn engine(run: &Arc<Run>) -> Engine {
    let mut engine = engine_of(run.session());
    engine.set_default_tag(Dynamic::from(RunTag(run.clone())));
    engine
}

/// What the runs of a session, which may go on at once, need of the host language.
pub struct Host(Engine);

impl Host {
    /// Returns one for the runs of a session.
    pub fn new(session: &Arc<Session>) -> Self {
        Self(engine_of(session))
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

fn engine_of(session: &Arc<Session>) -> Engine {
    let mut engine = Engine::new_raw();
    engine.register_global_module(standard().clone());
    engine.register_global_module(session.env.bindings.module.clone());
    engine.set_max_strings_interned(0);
    engine.set_max_call_levels(CALL_LEVELS);
    engine.set_max_expr_depths(EXPR_DEPTH, EXPR_DEPTH);
    engine.set_max_modules(0);
    engine.set_max_functions(60_000);
    engine.set_max_variables(10_000);
    engine.set_max_string_size(TEXT_SIZE);
    engine.set_max_array_size(ITEMS);
    engine.set_max_map_size(ITEMS);
    engine.disable_symbol("eval");
    let watched = session.clone();
    engine.on_progress(move |operations| {
        let due = operations % u64::from(WATCHED) == 0;
        if due { watched.tick(WATCHED).map(Dynamic::from) } else { None }
    });
    engine
}

#[derive(Clone)]
struct RunTag(Arc<Run>);

/// The run that a native is called in.
pub(in crate::runtime) fn run_of(context: &NativeCallContext<'_>) -> Arc<Run> {
    let tag = context.tag().expect("every engine is made with a tag");
    tag.read_lock::<RunTag>().expect("the tag is the run").0.clone()
}

/// Runs `work` with a context over the program's functions.
pub(in crate::runtime) fn with_context<T>(
    Host(engine): &Host,
    run: &Arc<Run>,
    ast: &AST,
    work: impl FnOnce(&Cx<'_>) -> T,
) -> T {
    let mut global = engine.new_global_runtime_state();
    global.tag = Dynamic::from(RunTag(run.clone()));
    global.lib.push(ast.shared_lib().clone());
    let context =
        NativeCallContext::new_with_all_fields(engine, "run", None, &global, Position::NONE);
    work(&Cx::new(&context))
}

/// The host's value as ours.
pub(in crate::runtime) fn from_dynamic(value: Dynamic) -> Val {
    convert(value, false)
}

/// The host's value as ours; `shown` keeps characters apart from texts, as they are printed
/// without quotes.
fn convert(value: Dynamic, shown: bool) -> Val {
    let value = value.flatten();
    if value.is_unit() {
        return Val::Null;
    }
    if value.is_string() {
        return Val::Str(Text(value.cast::<ImmutableString>()));
    }
    if let Ok(it) = value.as_int() {
        return Val::Int(it);
    }
    if let Ok(it) = value.as_float() {
        return Val::Float(it);
    }
    if let Ok(it) = value.as_bool() {
        return Val::Bool(it);
    }
    if let Ok(it) = value.as_char()
        && !shown
    {
        return Val::str(it.encode_utf8(&mut [0; 4]));
    }
    from_compound(value, shown)
}

fn from_compound(value: Dynamic, shown: bool) -> Val {
    let inner = |it: Dynamic| convert(it, shown);
    let value = match value.try_cast_result::<Obj>() {
        Ok(object) => return Val::Object(object.0),
        Err(value) => value,
    };
    if value.is_array() {
        return Val::List(value.cast::<Array>().into_iter().map(inner).collect());
    }
    if value.is_map() {
        return Val::Map(
            value
                .cast::<Map>()
                .into_iter()
                .map(|(k, v)| (k.as_str().into(), inner(v)))
                .collect(),
        );
    }
    match value.try_cast_result::<FnPtr>() {
        Ok(function) => Val::Func(Func(function)),
        Err(value) => Val::Other(Other(value)),
    }
}

/// Our value as the host's.
pub(in crate::runtime) fn into_dynamic(value: Val) -> Dynamic {
    match value {
        Val::Null => Dynamic::UNIT,
        Val::Bool(it) => it.into(),
        Val::Int(it) => it.into(),
        Val::Float(it) => it.into(),
        Val::Str(it) => it.0.into(),
        Val::List(items) => Dynamic::from_array(items.into_iter().map(into_dynamic).collect()),
        Val::Map(entries) => Dynamic::from_map(
            entries.into_iter().map(|(k, v)| (k.as_ref().into(), into_dynamic(v))).collect(),
        ),
        Val::Object(object) => Dynamic::from(Obj(object)),
        Val::Func(function) => Dynamic::from(function.0),
        Val::Other(other) => other.0,
    }
}

/// A value without anything that is shared with variables of the script: what a closure captured
/// is copied.
pub(in crate::runtime) fn unshared(value: &Val) -> Val {
    match value {
        Val::Func(function) => Val::Func(Func(unshared_function(&function.0))),
        Val::List(items) => Val::List(items.iter().map(unshared).collect()),
        Val::Map(entries) => {
            Val::Map(entries.iter().map(|(k, v)| (k.clone(), unshared(v))).collect())
        }
        other => other.clone(),
    }
}

fn unshared_function(function: &FnPtr) -> FnPtr {
    let mut copy = function.clone();
    for captured in copy.iter_curry_mut() {
        *captured = into_dynamic(unshared(&from_dynamic(captured.clone())));
    }
    copy
}

/// The integers of a range.
pub(in crate::runtime) fn range(value: &Val) -> Option<std::ops::Range<i64>> {
    let Val::Other(Other(value)) = value else { return None };
    if let Some(it) = value.read_lock::<std::ops::Range<i64>>() {
        return Some(it.clone());
    }
    let it = value.read_lock::<std::ops::RangeInclusive<i64>>()?;
    Some(*it.start()..it.end().saturating_add(1))
}

/// An argument that is left out.
pub(in crate::runtime) fn absent() -> Val {
    Val::Other(Other(Dynamic::from(Absent)))
}

fn standard() -> &'static Shared<Module> {
    static STANDARD: OnceLock<Shared<Module>> = OnceLock::new();
    STANDARD.get_or_init(|| {
        // All of Rhai's standard package but the clock.
        let mut module = Module::new();
        CorePackage::init(&mut module);
        BitFieldPackage::init(&mut module);
        LogicPackage::init(&mut module);
        BasicMathPackage::init(&mut module);
        BasicArrayPackage::init(&mut module);
        BasicBlobPackage::init(&mut module);
        BasicMapPackage::init(&mut module);
        MoreStringPackage::init(&mut module);
        // Left as they are, they would be searched one by one for every name of ours, too.
        module.register_lazy_functions();
        module.build_index();
        module.into()
    })
}

/// Calls ours for the host: a panic in a native ends the run, not the process.
fn guarded(
    context: &NativeCallContext<'_>,
    work: impl FnOnce() -> Result<Val, Error>,
) -> HostResult<Dynamic> {
    guarded_at(context.call_position(), work)
}

/// As [`guarded`], for a call at a place.
fn guarded_at(at: Position, work: impl FnOnce() -> Result<Val, Error>) -> HostResult<Dynamic> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map(into_dynamic).map_err(|error| error.into_host_at(at)),
        Err(panic) => {
            let said = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            let message = format!("an internal error: {}", said.unwrap_or("no message"));
            Err(Error::value(message)
                .hint("this is a defect of dsp, please report it")
                .fatal()
                .into_host_at(at))
        }
    }
}

fn args_of(positional: Array, named: Map) -> Args {
    Args {
        positional: positional.into_iter().map(from_dynamic).collect(),
        named: named.into_iter().map(|(k, v)| (k.as_str().into(), from_dynamic(v))).collect(),
    }
}

fn bind_native(module: &mut Module, name: &'static str, native: Arc<dyn Native>) {
    FuncRegistration::new(names::native(name))
        .in_global_namespace()
        .with_volatility(true)
        .set_into_module(
            module,
            move |context: NativeCallContext<'_>, positional: Array, named: Map| {
                let native = &native;
                guarded(&context, || {
                    let shown = name == "print";
                    let positional = positional.into_iter().map(|it| convert(it, shown));
                    let args =
                        Args { positional: positional.collect(), ..args_of(vec![], named) };
                    native.call(&Cx::new(&context), args)
                })
            },
        );
}

/// The functions that lowered programs call for what Rhai does not have.
fn bind_core(module: &mut Module, natives: &Arc<IndexMap<&'static str, Arc<dyn Native>>>) {
    let global =
        |name: &str| FuncRegistration::new(name).in_global_namespace().with_volatility(true);
    global(names::ABSENT).set_into_module(module, || Dynamic::from(Absent));
    global(names::IS_ABSENT).set_into_module(module, |value: Dynamic| value.is::<Absent>());
    global(names::CALL).set_into_module(
        module,
        |context: NativeCallContext<'_>, callee: Dynamic, positional: Array, named: Map| {
            let callee = from_dynamic(callee);
            guarded(&context, || Cx::new(&context).call(&callee, args_of(positional, named)))
        },
    );
    bind_sites(module);
    for (name, optional) in [(names::METHOD, false), (names::METHOD_OPT, true)] {
        global(name).set_into_module(
            module,
            move |context: NativeCallContext<'_>,
                  receiver: Dynamic,
                  name: ImmutableString,
                  positional: Array,
                  named: Map| {
                if optional && receiver.is_unit() {
                    return Ok(Dynamic::UNIT);
                }
                call_method(&context, receiver, &name, positional, named, &name)
            },
        );
        global(name).set_into_module(
            module,
            move |context: NativeCallContext<'_>,
                  receiver: Dynamic,
                  name: ImmutableString,
                  positional: Array,
                  named: Map,
                  function: ImmutableString| {
                if optional && receiver.is_unit() {
                    return Ok(Dynamic::UNIT);
                }
                call_method(&context, receiver, &name, positional, named, &function)
            },
        );
    }
    for (name, optional) in [(names::PRELUDE, false), (names::PRELUDE_OPT, true)] {
        global(name).set_into_module(
            module,
            move |context: NativeCallContext<'_>,
                  receiver: Dynamic,
                  name: ImmutableString,
                  function: ImmutableString,
                  positional: Array,
                  named: Map| {
                if optional && receiver.is_unit() {
                    return Ok(Dynamic::UNIT);
                }
                guarded(&context, || {
                    let args = args_of(positional, named);
                    prelude_method(&Cx::new(&context), receiver, &name, &function, args)
                })
            },
        );
    }
    for (name, optional) in [(names::SLICE, false), (names::SLICE_OPT, true)] {
        global(name).set_into_module(
            module,
            move |context: NativeCallContext<'_>, value: Dynamic, range: Dynamic| {
                if optional && value.is_unit() {
                    return Ok(Dynamic::UNIT);
                }
                slice(&context, value, range)
            },
        );
    }
    global(names::SPREAD).set_into_module(module, |named: Map, value: Dynamic| {
        spread(named, value).map_err(Error::into_host)
    });
    let known = natives.clone();
    global(names::NATIVE).set_into_module(module, move |name: ImmutableString| {
        guarded_at(Position::NONE, || match known.get_key_value(name.as_str()) {
            Some((name, native)) => {
                Ok(Val::object(crate::runtime::natives::NativeValue::new(name, native.clone())))
            }
            None => Err(Error::value(format!("`{name}` is not part of this build"))),
        })
    });
    global(names::CAUGHT).set_into_module(
        module,
        |context: NativeCallContext<'_>, value: Dynamic| {
            let run = run_of(&context);
            into_dynamic(crate::runtime::error::caught(run.script(), from_dynamic(value)))
        },
    );
    global(names::CONDITION).set_into_module(module, |value: Dynamic| {
        let found = from_dynamic(value);
        match found {
            Val::Bool(it) => Ok(it),
            other => {
                let kind = crate::util::a(other.kind());
                let message = format!("a condition is true or false, found {kind}");
                Err(Error::value(message).into_host())
            }
        }
    });
    global(names::TYPE_OF).set_into_module(module, type_of);
    // Rhai's own cannot be interrupted.
    global("sleep").set_into_module(module, |context: NativeCallContext<'_>, seconds: f64| {
        guarded(&context, || crate::runtime::natives::pause(&Cx::new(&context), seconds))
    });
    global("sleep").set_into_module(module, |context: NativeCallContext<'_>, seconds: i64| {
        #[expect(clippy::cast_precision_loss, reason = "seconds are few")]
        let seconds = seconds as f64;
        guarded(&context, || crate::runtime::natives::pause(&Cx::new(&context), seconds))
    });
    bind_items(module);
}

/// Calls that the run knows the places of: see [`crate::check::slices`].
fn bind_sites(module: &mut Module) {
    type C<'a> = NativeCallContext<'a>;
    let global =
        |name: &str| FuncRegistration::new(name).in_global_namespace().with_volatility(true);
    global(names::ENTER).set_into_module(module, |c: C<'_>, body: i64| {
        run_of(&c).enter(body, None, c.call_level())
    });
    global(names::ENTER).set_into_module(module, |c: C<'_>, body: i64, outer: i64| {
        run_of(&c).enter(body, Some(outer), c.call_level())
    });
    global(names::MARK).set_into_module(module, |c: C<'_>, mark: i64, frame: i64| {
        run_of(&c).mark(mark, frame);
    });
    global(names::MARK).set_into_module(
        module,
        |c: C<'_>, value: Dynamic, mark: i64, frame: i64| {
            run_of(&c).mark(mark, frame);
            value.flatten()
        },
    );
    global(names::BEGIN).set_into_module(module, |c: C<'_>, site: i64, frame: i64| {
        run_of(&c).begin_function(site, frame);
    });
    global(names::END).set_into_module(
        module,
        |c: C<'_>, value: Dynamic, site: i64, frame: i64| {
            run_of(&c).end_function(site, frame);
            value.flatten()
        },
    );
    global(names::CALL).set_into_module(
        module,
        |c: C<'_>, callee: Dynamic, positional: Array, named: Map, site: i64, frame: i64| {
            let callee = from_dynamic(callee);
            at_site(&c, site, frame, || {
                guarded(&c, || Cx::new(&c).call(&callee, args_of(positional, named)))
            })
        },
    );
    for (name, optional) in [(names::METHOD, false), (names::METHOD_OPT, true)] {
        bind_method_sites(module, name, optional);
    }
}

fn bind_method_sites(module: &mut Module, name: &str, optional: bool) {
    type C<'a> = NativeCallContext<'a>;
    type I = ImmutableString;
    let global = || FuncRegistration::new(name).in_global_namespace().with_volatility(true);
    global().set_into_module(
        module,
        move |c: C<'_>,
              it: Dynamic,
              name: I,
              args: Array,
              named: Map,
              site: i64,
              frame: i64| {
            if optional && it.is_unit() {
                return Ok(Dynamic::UNIT);
            }
            at_site(&c, site, frame, || call_method(&c, it, &name, args, named, &name))
        },
    );
    global().set_into_module(
        module,
        move |c: C<'_>,
              it: Dynamic,
              name: I,
              args: Array,
              named: Map,
              function: I,
              site: i64,
              frame: i64| {
            if optional && it.is_unit() {
                return Ok(Dynamic::UNIT);
            }
            at_site(&c, site, frame, || call_method(&c, it, &name, args, named, &function))
        },
    );
}

/// Calls at a site.
fn at_site(
    context: &NativeCallContext<'_>,
    site: i64,
    frame: i64,
    call: impl FnOnce() -> HostResult<Dynamic>,
) -> HostResult<Dynamic> {
    let run = run_of(context);
    let begun = run.begin_site(site, frame);
    let result = call();
    run.end_site(begun, result.is_ok());
    result
}

/// The kinds of our values bear our names, those of Rhai's values bear Rhai's.
fn type_of(context: NativeCallContext<'_>, value: Dynamic) -> ImmutableString {
    match value.read_lock::<Obj>() {
        Some(object) => object.0.type_name().into(),
        None => context.engine().map_type_name(value.type_name()).into(),
    }
}

fn bind_items(module: &mut Module) {
    let global =
        |name: &str| FuncRegistration::new(name).in_global_namespace().with_volatility(true);
    global(names::SIGNATURE).set_into_module(
        module,
        |context: NativeCallContext<'_>, name: ImmutableString| {
            guarded(&context, || run_of(&context).script().signature_value(&name))
        },
    );
    global(names::INLINE).set_into_module(
        module,
        |context: NativeCallContext<'_>, source: i64, offset: i64| {
            guarded(&context, || run_of(&context).script().inline_value(source, offset))
        },
    );
    global(names::CLASS).set_into_module(
        module,
        |context: NativeCallContext<'_>, name: ImmutableString| {
            guarded(&context, || run_of(&context).script().class_value(&name))
        },
    );
    global(names::CONST).set_into_module(
        module,
        |context: NativeCallContext<'_>, name: ImmutableString| {
            guarded(&context, || crate::runtime::constant::value(&Cx::new(&context), &name))
        },
    );
    global(names::INSTANCE).set_into_module(
        module,
        |context: NativeCallContext<'_>, class: ImmutableString, members: Array| {
            guarded(&context, || {
                crate::runtime::instance::create(&run_of(&context), &class, pairs(members))
            })
        },
    );
    global(names::MEMBER).set_into_module(module, |object: Obj, name: ImmutableString| {
        guarded_at(Position::NONE, || member(&object, &name))
    });
    type C<'a> = NativeCallContext<'a>;
    type I = ImmutableString;
    type D = Dynamic;
    global(names::ASSERT).set_into_module(
        module,
        |c: C<'_>, kind: I, source: I, values: Array, message: D, retry: D| {
            condition_failed(&c, &kind, &source, values, message, retry, None)
        },
    );
    global(names::ASSERT).set_into_module(
        module,
        |c: C<'_>, kind: I, source: I, values: Array, why: D, retry: D, site: i64, at: i64| {
            condition_failed(&c, &kind, &source, values, why, retry, Some((site, at)))
        },
    );
}

fn condition_failed(
    context: &NativeCallContext<'_>,
    kind: &str,
    source: &str,
    values: Array,
    message: Dynamic,
    retry: Dynamic,
    at: Option<(i64, i64)>,
) -> HostResult<Dynamic> {
    let (message, retry) = (from_dynamic(message), from_dynamic(retry));
    guarded(context, || {
        let cx = Cx::new(context);
        crate::runtime::assert::failed(&cx, kind, source, pairs(values), message, retry, at)
    })
}

/// Pairs of a name and a value, as lowered programs write them.
fn pairs(members: Array) -> Vec<(Arc<str>, Val)> {
    members
        .into_iter()
        .filter_map(|pair| match from_dynamic(pair) {
            Val::List(mut pair) if pair.len() == 2 => {
                let value = pair.pop()?;
                Some((pair.pop()?.as_str()?.into(), value))
            }
            _ => None,
        })
        .collect()
}

fn member(object: &Obj, name: &str) -> Result<Val, Error> {
    object.0.member(name).unwrap_or_else(|| Err(unknown_member(&object.0, name)))
}

/// The names of the methods of a kind of values.
fn method_names(kind: &str) -> impl Iterator<Item = &'static str> {
    let known = catalog::OBJECTS.iter().filter(move |it| it.name.eq_ignore_ascii_case(kind));
    known.flat_map(|it| it.methods).map(|it| it.name)
}

fn unknown_member(object: &ObjectRef, name: &str) -> Error {
    if let Some(hint) = catalog::later_method(object.type_name(), name) {
        return Error::value(format!("`{name}` is not supported yet")).hint(hint);
    }
    let kind = object.type_name();
    if method_names(kind).any(|it| it == name) {
        let message = format!("`{name}` of this {kind} is a method");
        return Error::value(message).hint(format!("call it: `.{name}(…)`"));
    }
    let members = object.members();
    let mut names: Vec<&str> = members.iter().map(String::as_str).collect();
    // What one has to know by name first; methods only where one is meant.
    let near = crate::diag::nearest(name, &method_names(kind).collect::<Vec<_>>());
    names.extend(near.filter(|it| !names.contains(it)));
    let hint = crate::diag::did_you_mean(name, names);
    Error::value(format!("this {kind} has no `{name}`")).hint(hint)
}

fn spread(mut named: Map, value: Dynamic) -> Result<Map, Error> {
    let entries = match from_dynamic(value) {
        Val::Map(entries) => entries,
        Val::Object(object) => match object.to_value() {
            Some(crate::schema::Value::Map(record)) => {
                record.iter().map(|(k, v)| (k.clone(), Val::from_value(v))).collect()
            }
            _ => {
                return Err(Error::value(format!(
                    "{} cannot be spread",
                    crate::util::a(object.type_name())
                )));
            }
        },
        other => {
            return Err(Error::value(format!(
                "{} cannot be spread",
                crate::util::a(other.kind())
            )));
        }
    };
    for (name, value) in entries {
        // What is written out wins over what is spread.
        named.entry(name.as_ref().into()).or_insert_with(|| into_dynamic(value));
    }
    Ok(named)
}

/// `x.name(…)` for names that are not methods of the host's own types; where `x` has no such
/// method or member, the function of the program that is meant.
fn call_method(
    context: &NativeCallContext<'_>,
    mut receiver: Dynamic,
    name: &str,
    mut positional: Array,
    named: Map,
    function: &str,
) -> HostResult<Dynamic> {
    if let Some(object) = receiver.read_lock::<Obj>().map(|it| it.clone()) {
        return guarded(context, || {
            object_method(&Cx::new(context), &object, name, args_of(positional, named))
        });
    }
    let property = receiver.read_lock::<Map>().and_then(|map| map.get(name).cloned());
    if let Some(callee) = property {
        let callee = from_dynamic(callee);
        return guarded(context, || Cx::new(context).call(&callee, args_of(positional, named)));
    }
    if catalog::NATIVE_METHODS.contains(&name) {
        positional.insert(0, receiver);
        return native_method(context, name, args_of(positional, named));
    }
    if !named.is_empty() {
        let kind = from_dynamic(receiver).kind();
        return Err(
            Error::value(format!("`{name}` of a {kind} takes no named arguments")).into_host()
        );
    }
    let mut args: Vec<&mut Dynamic> =
        std::iter::once(&mut receiver).chain(positional.iter_mut()).collect();
    context.call_fn_raw(function, true, true, &mut args)
}

/// `value[range]`
fn slice(
    context: &NativeCallContext<'_>,
    value: Dynamic,
    mut range: Dynamic,
) -> HostResult<Dynamic> {
    let mut value = value.flatten();
    if let Some(part) = Ends::of(&range).and_then(|ends| slices::plain(&value, ends)) {
        return Ok(part);
    }
    if value.is_int() {
        return context.call_fn_raw("get_bits", true, true, &mut [&mut value, &mut range]);
    }
    let object = value.read_lock::<Obj>().map(|it| it.clone());
    guarded(context, || match (object, Ends::of(&range)) {
        (Some(object), Some(ends)) => slices::of_object(&Cx::new(context), &object, ends),
        _ => Err(slices::none(from_dynamic(value).kind())),
    })
}

/// A native that may be called on its first argument.
fn native_method(
    context: &NativeCallContext<'_>,
    name: &str,
    args: Args,
) -> HostResult<Dynamic> {
    guarded(context, || {
        let cx = Cx::new(context);
        native_of(&cx, name)?.call(&cx, args)
    })
}

fn native_of(cx: &Cx<'_>, name: &str) -> Result<Arc<dyn Native>, Error> {
    let native = cx.run().env().bindings.natives.get(name).cloned();
    native.ok_or_else(|| Error::value(format!("`{name}` is not part of this build")))
}

/// `x.name(…)` where the prelude has a function `name`: a method or member of `x` comes first.
fn prelude_method(
    cx: &Cx<'_>,
    receiver: Dynamic,
    name: &str,
    function: &str,
    mut args: Args,
) -> Result<Val, Error> {
    if let Some(object) = receiver.read_lock::<Obj>().map(|it| it.clone()) {
        return object_method(cx, &object, name, args);
    }
    let property = receiver.read_lock::<Map>().and_then(|map| map.get(name).cloned());
    if let Some(callee) = property {
        return cx.call(&from_dynamic(callee), args);
    }
    let script = cx.run().script().clone();
    let info = script.function(function);
    let info = info.ok_or_else(|| Error::value(format!("there is no function `{name}`")))?;
    args.positional.insert(0, from_dynamic(receiver));
    cx.call_lowered(function, None, crate::runtime::bind::bind_function(info, args)?)
}

/// Calls method or member `name` of an object.
fn object_method(cx: &Cx<'_>, object: &Obj, name: &str, args: Args) -> Result<Val, Error> {
    // A member of the user's wins: a module may call a member `take`.
    if object.0.type_name() == "module"
        && let Some(member) = object.0.get(name)
    {
        return cx.call(&member, args);
    }
    let mut is_method = true;
    let result = remembered(cx, &object.0, Some(name), args.clone(), |args| {
        object.0.method(cx, name, args).unwrap_or_else(|| {
            is_method = false;
            Ok(Val::Null)
        })
    });
    if is_method {
        return result;
    }
    if let Some(result) = data_method(object, name, &args) {
        return result;
    }
    match object.0.get(name) {
        Some(member) => cx.call(&member, args),
        None if catalog::NATIVE_METHODS.contains(&name) => {
            let mut args = args;
            args.positional.insert(0, Val::Object(object.0.clone()));
            native_of(cx, name)?.call(cx, args)
        }
        None => Err(unknown_member(&object.0, name)),
    }
}

/// What all values have that are named data: replies and rows.
fn data_method(object: &Obj, name: &str, args: &Args) -> Option<Result<Val, Error>> {
    if !matches!(name, "get" | "keys" | "values" | "to_json") {
        return None;
    }
    let value = object.0.to_value()?;
    if name == "get" {
        return Some(value_of(object, args.clone()));
    }
    if let Err(error) = args.finish(name, 0, &[]) {
        return Some(Err(error));
    }
    let record = match (name, &value) {
        ("to_json", _) => return Some(Ok(Val::str(&value.to_json()))),
        (_, crate::schema::Value::Map(record)) => record,
        _ => return None,
    };
    let member = |(name, value)| object.0.get(name).unwrap_or_else(|| Val::from_value(value));
    let items = match name {
        "keys" => record.keys().map(|it| Val::str(it)).collect(),
        _ => record.iter().map(|(name, value)| member((&**name, value))).collect(),
    };
    Some(Ok(Val::List(items)))
}

/// `x.get(name)`: nothing where there is none of the name, as of a map.
fn value_of(object: &Obj, mut args: Args) -> Result<Val, Error> {
    let name = args.take(0, "name").unwrap_or_default();
    args.finish("get", 1, &["name"])?;
    let word = name.as_str().ok_or_else(|| wrong("name", "a text", &name))?;
    Ok(object.0.get(word).unwrap_or_default())
}

/// Methods of Rhai's that all our objects have in a form of their own.
const BOUND_OTHERWISE: &[&str] = &["contains", "to_debug", "to_string"];

/// Members, elements, methods, comparison and iteration of our objects.
fn bind_objects(module: &mut Module) {
    module.set_custom_type::<Obj>("object");
    module.set_indexer_get_fn(|object: &mut Obj, key: Dynamic| {
        let key = from_dynamic(key);
        guarded_at(Position::NONE, || match (object.0.index(&key), &key) {
            (Some(value), _) => value,
            (None, Val::Str(name)) => Err(unknown_member(&object.0, name.as_str())),
            (None, _) => {
                let message =
                    format!("this {} has no element {}", object.0.type_name(), key.show());
                Err(Error::value(message))
            }
        })
    });
    let global = |name: &str| FuncRegistration::new(name).in_global_namespace();
    for name in ["to_string", "to_debug", "print", "debug"] {
        global(name).set_into_module(module, |object: &mut Obj| object.0.show());
    }
    bind_comparison(module);
    let methods = catalog::OBJECTS.iter().flat_map(|it| it.methods).map(|it| it.name);
    // A module may have a method of a name that Rhai knows, and be called from another file.
    let names = catalog::RHAI_METHODS.iter().copied();
    let names = names.filter(|it| !catalog::is_in_place(it) && !catalog::is_reserved(it));
    let names: BTreeSet<&str> = methods.chain(names).collect();
    for method in names.into_iter().filter(|it| !BOUND_OTHERWISE.contains(it)) {
        bind_method(module, method);
    }
    module.set_iterator::<ObjIter>();
    module.set_iter_result(std::any::TypeId::of::<Obj>(), |value: Dynamic| {
        let object = value.cast::<Obj>().0;
        if let Some(parts) = object.parts_to_come() {
            return Box::new(parts.map(|it| it.map(into_dynamic).map_err(Error::into_host)));
        }
        match object.n_items() {
            Some(n_items) => Box::new((0..n_items).map(move |at| {
                let item = object.item(at).unwrap_or(Ok(Val::Null));
                item.map(into_dynamic).map_err(Error::into_host)
            })),
            None => Box::new(std::iter::once(Err(no_items(&object).into_host()))),
        }
    });
}

fn no_items(object: &ObjectRef) -> Error {
    let message = format!("`for` cannot go through {}", crate::util::a(object.type_name()));
    let hint = if object.to_value().is_some() { "`for name in x.keys() { … }`" } else { "" };
    Error::value(message).hint(hint)
}

/// Only named so that the iterator above can be registered.
#[derive(Clone)]
struct ObjIter;

impl Iterator for ObjIter {
    type Item = Dynamic;

    fn next(&mut self) -> Option<Dynamic> {
        None
    }
}

fn bind_comparison(module: &mut Module) {
    let global = |name: &str| FuncRegistration::new(name).in_global_namespace();
    let same =
        |a: &Dynamic, b: &Dynamic| from_dynamic(a.clone()).same(&from_dynamic(b.clone()));
    for (name, wanted) in [("==", true), ("!=", false)] {
        global(name).set_into_module(module, move |a: Obj, b: Dynamic| {
            same(&Dynamic::from(a), &b) == wanted
        });
        global(name).set_into_module(module, move |a: Dynamic, b: Obj| {
            same(&a, &Dynamic::from(b)) == wanted
        });
        global(name).set_into_module(module, move |a: Obj, b: Obj| {
            same(&Dynamic::from(a), &Dynamic::from(b)) == wanted
        });
    }
    let plus = FuncRegistration::new("+").in_global_namespace().with_volatility(true);
    plus.set_into_module(
        module,
        |context: NativeCallContext<'_>, object: Obj, added: Dynamic| {
            guarded(&context, || added_to(&Cx::new(&context), &object, from_dynamic(added)))
        },
    );
    global("contains").set_into_module(module, move |object: Obj, item: Dynamic| {
        let n_items = object.0.n_items().unwrap_or(0);
        let item = from_dynamic(item);
        let in_items =
            (0..n_items).filter_map(|at| object.0.item(at)?.ok()).any(|it| it.same(&item));
        in_items || item.as_str().is_some_and(|name| object.0.get(name).is_some())
    });
}

/// `object + value`: a history with one more turn, and texts of what is shown.
fn added_to(cx: &Cx<'_>, object: &Obj, added: Val) -> Result<Val, Error> {
    if let Some(history) = object.0.as_any().downcast_ref::<HistoryValue>() {
        return history.plus(cx.run(), &added);
    }
    match &added {
        Val::Str(text) => Ok(Val::str(&(object.0.show() + text.as_str()))),
        other => {
            let (a, b) = (crate::util::a(object.0.type_name()), crate::util::a(other.kind()));
            Err(Error::value(format!("`+` does not work on {a} and {b}")))
        }
    }
}

/// Binds a method name for every number of arguments that scripts use.
fn bind_method(module: &mut Module, name: &'static str) {
    type D = Dynamic;
    type C<'a> = NativeCallContext<'a>;
    let global = || FuncRegistration::new(name).in_global_namespace().with_volatility(true);
    let call = move |context: &C<'_>, object: &Obj, args: Vec<D>| {
        let args = Args::positional(args.into_iter().map(from_dynamic).collect());
        guarded(context, || object_method(&Cx::new(context), object, name, args))
    };
    global().set_into_module(module, move |c: C<'_>, o: Obj| call(&c, &o, vec![]));
    global().set_into_module(module, move |c: C<'_>, o: Obj, a: D| call(&c, &o, vec![a]));
    global()
        .set_into_module(module, move |c: C<'_>, o: Obj, a: D, b: D| call(&c, &o, vec![a, b]));
    global().set_into_module(module, move |c: C<'_>, o: Obj, a: D, b: D, d: D| {
        call(&c, &o, vec![a, b, d])
    });
}
