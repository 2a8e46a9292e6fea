//! All natives of all floors, bound to their names.

use crate::runtime::{Bindings, natives};
use std::sync::OnceLock;

/// The natives, bound once a process.
pub(in crate::engine) fn bindings() -> Bindings {
    static BINDINGS: OnceLock<Bindings> = OnceLock::new();
    let bind = || {
        let mut all = natives::natives();
        all.extend(crate::eval::natives());
        all.extend(crate::optimize::natives());
        #[cfg(feature = "retrieve")]
        all.extend(crate::retrieve::natives());
        Bindings::new(all.into_iter().collect())
    };
    BINDINGS.get_or_init(bind).clone()
}
