//! `dsp worker`

use super::session;
use super::settings::user_config;
use super::shell::{Failure, Shell, UNUSABLE};
use crate::diag::Diagnostic;
use crate::lm;
use crate::worker::{Around, serve};
use std::sync::Arc;

/// Makes runs for a coordinator until its standard input ends.
pub(super) fn run(shell: &Shell) -> Result<(), Failure> {
    let user = user_config(shell)?;
    let store = Arc::new(session::store(shell)?);
    // Ctrl-C in a terminal reaches all that were started from it: the coordinator says when to end.
    lm::runtime().spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
    let around = Around { host: shell.host.clone(), store, user };
    let (input, output) = (std::io::stdin().lock(), Box::new(std::io::stdout()));
    let served = serve(input, output, &around);
    shell.warn(&around.store.warnings());
    served.map_err(|why| {
        let message = format!("the coordinator cannot be understood: {why}");
        Failure::io(Diagnostic::bare(UNUSABLE, message))
    })
}
