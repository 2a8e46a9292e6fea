//! What is known of values without running anything.

use super::model::StaticPredictor;
use crate::catalog::{self, Object};
use crate::schema::{Signature, Ty, TypeTable, Value};
use indexmap::IndexMap;
use std::sync::{Arc, LazyLock};

/// How many values a variable may have before it counts as unknown.
const MOST: usize = 4;
/// How deep lists and unions are followed.
const DEPTH: usize = 8;

/// A function or closure of the unit: where its name, or its first byte, stands.
pub(crate) type FnKey = u32;

/// What is known of the named parts of a value.
pub(crate) type Parts = IndexMap<Arc<str>, Known>;

/// What is known of a value.
#[derive(Debug, Clone, Default)]
pub(crate) enum Known {
    /// Nothing.
    #[default]
    Nothing,
    /// There is none: nothing gets here.
    Never,
    /// It is `()`.
    Unit,
    /// A signature.
    Signature(Arc<Signature>),
    /// A predictor.
    Predictor(Arc<StaticPredictor>),
    /// What a predictor returns.
    Reply(Arc<StaticPredictor>),
    /// An instance of the module of this name.
    Instance(Arc<str>),
    /// A value of ours.
    Object(&'static Object),
    /// A value of a type that fields have: neither a list nor nothing.
    Of(Arc<Typed>),
    /// A list of such values.
    List(Arc<Self>),
    /// A map with these keys, and perhaps others.
    Map(Arc<Parts>),
    /// What a module returns that returns a map: it has these fields and no others.
    Answer(Arc<Parts>),
    /// A row of a data set with these columns and no others.
    Row(Arc<Parts>),
    /// A data set of such rows.
    Rows(Arc<Parts>),
    /// The parts of such a data set.
    Splits(Arc<Parts>),
    /// An optimizer, and its metric.
    Optimizer(Option<FnKey>),
    /// A program that replies with this, whatever it asks for it.
    Program(Arc<Self>),
    /// What came of scoring programs.
    Scored(Arc<Scored>),
    /// A function or closure of the unit.
    Function(FnKey),
    /// One of these, of which none is itself such a choice.
    OneOf(Arc<[Self]>),
}

/// An evaluation, a comparison of two, or a row of one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scored {
    /// Its kind.
    pub(crate) object: &'static str,
    /// The row that was scored.
    pub(crate) row: Known,
    /// What the program replied with.
    pub(crate) reply: Known,
}

/// A type and what its names mean.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    /// `str int float bool`, literals, a dict or a record, perhaps with a bound.
    pub(crate) ty: Ty,
    pub(crate) types: Arc<TypeTable>,
}

/// Whether two are equal; most are one.
fn same<T: PartialEq + ?Sized>(a: &Arc<T>, b: &Arc<T>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

impl PartialEq for Typed {
    fn eq(&self, other: &Self) -> bool {
        self.ty == other.ty && same(&self.types, &other.types)
    }
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nothing, Self::Nothing)
            | (Self::Never, Self::Never)
            | (Self::Unit, Self::Unit) => true,
            (Self::Signature(a), Self::Signature(b)) => same(a, b),
            (Self::Predictor(a), Self::Predictor(b)) | (Self::Reply(a), Self::Reply(b)) => {
                same(a, b)
            }
            (Self::Instance(a), Self::Instance(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => a.name == b.name,
            (Self::Of(a), Self::Of(b)) => same(a, b),
            (Self::List(a), Self::List(b)) => same(a, b),
            (Self::Map(a), Self::Map(b))
            | (Self::Answer(a), Self::Answer(b))
            | (Self::Row(a), Self::Row(b))
            | (Self::Rows(a), Self::Rows(b))
            | (Self::Splits(a), Self::Splits(b)) => same(a, b),
            (Self::Optimizer(a), Self::Optimizer(b)) => a == b,
            (Self::Program(a), Self::Program(b)) => same(a, b),
            (Self::Scored(a), Self::Scored(b)) => same(a, b),
            (Self::Function(a), Self::Function(b)) => a == b,
            (Self::OneOf(a), Self::OneOf(b)) => same(a, b),
            _ => false,
        }
    }
}

impl Known {
    /// A value of a basic type.
    pub(crate) fn basic(ty: Ty) -> Self {
        static PLAIN: LazyLock<[Arc<Typed>; 4]> = LazyLock::new(|| {
            [Ty::Str, Ty::Int, Ty::Float, Ty::Bool]
                .map(|ty| Arc::new(Typed { ty, types: Arc::default() }))
        });
        Self::Of(match ty {
            Ty::Str => PLAIN[0].clone(),
            Ty::Int => PLAIN[1].clone(),
            Ty::Float => PLAIN[2].clone(),
            Ty::Bool => PLAIN[3].clone(),
            _ => Arc::new(Typed { ty, types: PLAIN[0].types.clone() }),
        })
    }

    /// A value of a type of fields.
    pub(crate) fn of(ty: &Ty, types: &Arc<TypeTable>) -> Self {
        Self::of_within(ty, types, DEPTH)
    }

    fn of_within(ty: &Ty, types: &Arc<TypeTable>, depth: usize) -> Self {
        let Some(depth) = depth.checked_sub(1) else { return Self::Nothing };
        let again = |ty: &Ty| Self::of_within(ty, types, depth);
        match ty {
            Ty::Str | Ty::Int | Ty::Float | Ty::Bool | Ty::Enum(_) => Self::basic(ty.clone()),
            Ty::List(item) => Self::List(Arc::new(again(item))),
            Ty::Optional(inner) => again(inner).or(Self::Unit),
            Ty::Media(kind) => Self::of_catalog(kind.as_str()),
            Ty::Union(members) => members.iter().map(again).fold(Self::Never, Self::or),
            Ty::Record(_) | Ty::Dict(_) => {
                Self::Of(Arc::new(Typed { ty: ty.clone(), types: types.clone() }))
            }
            Ty::Named(name) => types.get(name).map_or(Self::Nothing, again),
            Ty::Bounded(inner, _) => match again(inner) {
                Self::Of(_) => Self::basic(ty.clone()),
                other => other,
            },
            _ => Self::Nothing,
        }
    }

    /// A value of a type as the catalog writes it.
    pub(crate) fn of_catalog(ty: &str) -> Self {
        match ty {
            "str" => Self::basic(Ty::Str),
            "int" => Self::basic(Ty::Int),
            "float" => Self::basic(Ty::Float),
            "bool" => Self::basic(Ty::Bool),
            "nothing" => Self::Unit,
            "optimizer" => Self::Optimizer(None),
            // These are known better, or are several things.
            "signature" | "predictor" | "program" | "reply" | "row" | "map" => Self::Nothing,
            "list" => Self::List(Arc::new(Self::Nothing)),
            _ => {
                let item = ty.strip_prefix("list[").and_then(|it| it.strip_suffix(']'));
                if let Some(item) = item {
                    return Self::List(Arc::new(Self::of_catalog(item)));
                }
                let object =
                    catalog::OBJECTS.iter().find(|it| it.name.eq_ignore_ascii_case(ty));
                object.map_or(Self::Nothing, Self::Object)
            }
        }
    }

    /// The value of a constant.
    pub(crate) fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::Unit,
            Value::Bool(_) => Self::basic(Ty::Bool),
            Value::Int(_) => Self::basic(Ty::Int),
            Value::Float(_) => Self::basic(Ty::Float),
            Value::Str(_) => Self::basic(Ty::Str),
            Value::List(_) | Value::Map(_) | Value::Media(_) => Self::Nothing,
        }
    }

    /// A value that is one of two.
    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Never, it) | (it, Self::Never) => it,
            (Self::Nothing, _) | (_, Self::Nothing) => Self::Nothing,
            (a, b) if a == b => a,
            (Self::List(a), Self::List(b)) => {
                Self::List(Arc::new((*a).clone().or((*b).clone())))
            }
            (Self::Map(a), Self::Map(b)) => Self::Map(Arc::new(merged(&a, &b))),
            (Self::Answer(a), Self::Answer(b)) => Self::Answer(Arc::new(merged(&a, &b))),
            (Self::Row(a), Self::Row(b)) => Self::Row(Arc::new(merged(&a, &b))),
            (Self::Rows(a), Self::Rows(b)) => Self::Rows(Arc::new(merged(&a, &b))),
            (a, b) => Self::choice(&a, &b),
        }
    }

    fn choice(a: &Self, b: &Self) -> Self {
        let mut all: Vec<Self> = a.all().to_vec();
        for it in b.all() {
            if all.contains(it) {
                continue;
            }
            let lists = |of: &Self| matches!(of, Self::List(_));
            match all.iter().position(|old| lists(old) && lists(it)) {
                Some(at) => all[at] = all[at].clone().or(it.clone()),
                None => all.push(it.clone()),
            }
        }
        match all.len() {
            0 => Self::Never,
            1 => all.remove(0),
            it if it > MOST => Self::Nothing,
            _ => Self::OneOf(all.into()),
        }
    }

    /// What it may be, each by itself.
    pub(crate) fn all(&self) -> &[Self] {
        match self {
            Self::OneOf(all) => all,
            Self::Never => &[],
            other => std::slice::from_ref(other),
        }
    }

    /// What it is where it is not `()`.
    pub(crate) fn present(&self) -> Self {
        let there = self.all().iter().filter(|it| **it != Self::Unit);
        there.cloned().fold(Self::Never, Self::or)
    }

    /// What the parts of it are that a loop goes through.
    pub(crate) fn item(&self) -> Self {
        match self {
            Self::List(item) => (**item).clone(),
            Self::Rows(parts) => Self::Row(parts.clone()),
            _ => Self::Nothing,
        }
    }

    /// What is known of it in other units, where functions of this one are not followed.
    #[must_use]
    pub(crate) fn outside(&self) -> Self {
        let parts = |of: &Parts| {
            Arc::new(of.iter().map(|(name, it)| (name.clone(), it.outside())).collect())
        };
        match self {
            Self::Never | Self::Function(_) => Self::Nothing,
            Self::Optimizer(_) => Self::Optimizer(None),
            Self::List(item) => Self::List(Arc::new(item.outside())),
            Self::Program(reply) => Self::Program(Arc::new(reply.outside())),
            Self::Map(it) => Self::Map(parts(it)),
            Self::Answer(it) => Self::Answer(parts(it)),
            Self::Row(it) => Self::Row(parts(it)),
            Self::Rows(it) => Self::Rows(parts(it)),
            Self::Splits(it) => Self::Splits(parts(it)),
            Self::Scored(it) => Self::Scored(Arc::new(Scored {
                object: it.object,
                row: it.row.outside(),
                reply: it.reply.outside(),
            })),
            Self::OneOf(all) => all.iter().map(Self::outside).fold(Self::Never, Self::or),
            _ => self.clone(),
        }
    }

    /// Whether a change of a part, or of the whole in place, could be seen in it.
    pub(crate) fn can_change(&self) -> bool {
        let fixed = |it: &Self| {
            matches!(
                it,
                Self::Signature(_)
                    | Self::Predictor(_)
                    | Self::Reply(_)
                    | Self::Instance(_)
                    | Self::Object(_)
                    | Self::Answer(_)
                    | Self::Row(_)
                    | Self::Rows(_)
                    | Self::Splits(_)
                    | Self::Optimizer(_)
                    | Self::Program(_)
                    | Self::Scored(_)
            )
        };
        !self.all().iter().all(fixed)
    }

    /// The kind of ours whose fields and methods it has.
    pub(crate) fn object(&self) -> Option<&'static Object> {
        catalog::object(match self {
            Self::Object(it) => return Some(it),
            Self::Signature(_) => "Signature",
            Self::Predictor(_) => "Predictor",
            Self::Reply(_) | Self::Answer(_) => "Reply",
            Self::Instance(_) | Self::Program(_) => "Program",
            Self::Scored(it) => it.object,
            Self::Row(_) => "Row",
            Self::Rows(_) => "Dataset",
            Self::Splits(_) => "Splits",
            Self::Optimizer(_) => "Optimizer",
            _ => return None,
        })
    }

    /// What kind of value it is, in the user's words; `None` where that is not known, or not
    /// one.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Unit => Some("nothing"),
            Self::List(_) => Some("list"),
            Self::Map(_) => Some("map"),
            Self::Function(_) => Some("function"),
            Self::Of(it) => kind_of(&it.ty),
            Self::OneOf(all) => {
                let kinds = all.iter().map(Self::kind);
                let mut kinds: Vec<&str> = kinds.collect::<Option<_>>()?;
                kinds.dedup();
                (kinds.len() == 1).then(|| kinds[0])
            }
            _ => None,
        }
    }

    /// Whether it is certainly a value of this kind.
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind() == Some(kind)
    }
}

/// The kind of a type's values, where it is one.
fn kind_of(ty: &Ty) -> Option<&'static str> {
    match ty {
        Ty::Str => Some("str"),
        Ty::Int => Some("int"),
        Ty::Float => Some("float"),
        Ty::Bool => Some("bool"),
        Ty::Dict(_) | Ty::Record(_) => Some("map"),
        Ty::List(_) => Some("list"),
        Ty::Bounded(inner, _) => kind_of(inner),
        Ty::Enum(values) => {
            let first = values.first()?.kind();
            values.iter().all(|it| it.kind() == first).then_some(first)
        }
        _ => None,
    }
}

/// The parts of a value that has the parts of one or those of the other.
fn merged(a: &Parts, b: &Parts) -> Parts {
    let mut all = a.clone();
    for (name, known) in &mut all {
        let other = b.get(name).cloned().unwrap_or(Known::Unit);
        *known = std::mem::take(known).or(other);
    }
    for (name, known) in b {
        if !a.contains_key(name) {
            all.insert(name.clone(), known.clone().or(Known::Unit));
        }
    }
    all
}
