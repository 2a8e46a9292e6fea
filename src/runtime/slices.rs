//! Slices: `xs[1..3]`, `text[2..=4]`, `data[0..10]`.
//!
//! The host language has them of texts, and bits of integers; of lists it has not. A place
//! behind the end is the end, and a negative one counts from the end.

use crate::runtime::cx::{Args, Cx};
use crate::runtime::error::Error;
use crate::runtime::rhai_host::Obj;
use crate::runtime::value::Val;
use rhai::{Array, Dynamic, ImmutableString};
use std::ops::{Range, RangeInclusive};

/// A range as it is written.
#[derive(Debug, Clone, Copy)]
pub(in crate::runtime) struct Ends {
    from: i64,
    to: i64,
    /// Whether the last place is in it.
    inclusive: bool,
}

impl Ends {
    /// The ends of a range; `None` where the value is none.
    pub(in crate::runtime) fn of(value: &Dynamic) -> Option<Self> {
        if let Some(it) = value.read_lock::<Range<i64>>() {
            return Some(Self { from: it.start, to: it.end, inclusive: false });
        }
        let it = value.read_lock::<RangeInclusive<i64>>()?;
        Some(Self { from: *it.start(), to: *it.end(), inclusive: true })
    }

    /// The places among `len` items.
    fn within(self, len: usize) -> Range<usize> {
        let from = place(self.from, len);
        let past = usize::from(self.inclusive && self.to.unsigned_abs() <= len as u64);
        let to = place(self.to, len).saturating_add(past).min(len);
        from..to.max(from)
    }
}

/// A place that may count from the end, among `len` items.
fn place(at: i64, len: usize) -> usize {
    let size = usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX);
    if at < 0 { len.saturating_sub(size) } else { size.min(len) }
}

/// The part of a list or text; `None` for a value of another kind.
pub(in crate::runtime) fn plain(value: &Dynamic, ends: Ends) -> Option<Dynamic> {
    if let Some(items) = value.read_lock::<Array>() {
        return Some(Dynamic::from_array(items[ends.within(items.len())].to_vec()));
    }
    let text = value.read_lock::<ImmutableString>()?;
    let places = ends.within(text.chars().count());
    Some(text.chars().skip(places.start).take(places.len()).collect::<String>().into())
}

/// The part of a value of ours: of a data set, or whatever else has the method `slice`.
pub(in crate::runtime) fn of_object(
    cx: &Cx<'_>,
    object: &Obj,
    ends: Ends,
) -> Result<Val, Error> {
    let places = object.0.n_items().map(|it| ends.within(it)).and_then(|it| {
        let int = |at: usize| i64::try_from(at).ok().map(Val::Int);
        Some(Args::positional(vec![int(it.start)?, int(it.end)?]))
    });
    let part = places.and_then(|it| object.0.method(cx, "slice", it));
    part.unwrap_or_else(|| Err(none(object.0.type_name())))
}

/// A value that has no slices.
pub(in crate::runtime) fn none(kind: &str) -> Error {
    Error::value(format!("{} has no slices", crate::util::a(kind)))
        .hint("lists, texts and data sets have them: `xs[1..3]`")
}
