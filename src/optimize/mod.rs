//! stub

/// The natives of this floor.
pub fn natives() -> Vec<crate::runtime::natives::Bound> {
    Vec::new()
}
