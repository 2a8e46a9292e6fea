//! Tests of the whole: the floors of the architecture, what the package is built from, what is
//! written twice, and the commands that the manuals show.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests run on the machine they run on"
)]

#[path = "suite/agreement.rs"]
mod agreement;
#[path = "suite/architecture.rs"]
mod architecture;
#[path = "suite/cli.rs"]
mod cli;
#[path = "suite/console.rs"]
mod console;
#[path = "suite/packages.rs"]
mod packages;
#[path = "suite/sources.rs"]
mod sources;
