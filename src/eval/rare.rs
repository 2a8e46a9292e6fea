//! What most rows have nothing of. Of a hundred thousand rows each byte counts.

use crate::eval::Spent;
use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::LazyLock;

/// A value that takes room only where it is something.
pub struct Rare<T>(Option<Box<T>>);

/// What has a value that is nothing.
pub trait Nothing: Clone + PartialEq + 'static {
    /// That value.
    fn nothing() -> &'static Self;
}

macro_rules! nothing {
    ($type:ty) => {
        impl Nothing for $type {
            fn nothing() -> &'static Self {
                static NOTHING: LazyLock<$type> = LazyLock::new(<$type>::default);
                &NOTHING
            }
        }
    };
}

nothing!(IndexMap<String, f64>);
nothing!(IndexMap<String, String>);
nothing!(IndexMap<String, Spent>);
nothing!(Spent);

impl<T: Nothing> Rare<T> {
    /// Whether it is nothing.
    pub fn is_nothing(&self) -> bool {
        **self == *T::nothing()
    }
}

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Nothing> From<T> for Rare<T> {
    fn from(value: T) -> Self {
        Self((value != *T::nothing()).then(|| Box::new(value)))
    }
}

impl<T: Nothing> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or_else(|| T::nothing())
    }
}

impl<T: Nothing> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_with(|| Box::new(T::nothing().clone()))
    }
}

impl<T: Clone> Clone for Rare<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Nothing> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Nothing + fmt::Debug> fmt::Debug for Rare<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Nothing + Serialize> Serialize for Rare<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(to)
    }
}

impl<'de, T: Nothing + Deserialize<'de>> Deserialize<'de> for Rare<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from).map(Self::from)
    }
}

impl<'a, K, V> IntoIterator for &'a Rare<IndexMap<K, V>>
where
    IndexMap<K, V>: Nothing,
{
    type Item = (&'a K, &'a V);
    type IntoIter = indexmap::map::Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
