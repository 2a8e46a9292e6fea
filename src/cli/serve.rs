//! `dsp serve`

use super::args::{Lm, Serve};
use super::session;
use super::shell::{Failure, Shell, UNUSABLE};
use crate::diag::Diagnostic;
use crate::lm;
use crate::serve::{Server, listen, serve};
use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// Serves a model until Ctrl-C.
pub(super) fn run(shell: &Shell, args: &Serve) -> Result<(), Failure> {
    let shell = if args.quiet { shell.quiet() } else { shell.clone() };
    let flags = Lm { lm: args.lm.clone(), ..Lm::default() };
    let engine = session::builder(&shell, Path::new(""), &flags)?.build()?;
    let lm = engine.open_lm().map_err(|it| {
        let diag = Diagnostic::bare(UNUSABLE, it.to_string());
        Failure::io(diag.hint(it.hint_text().unwrap_or_default()))
    })?;
    let name = lm.name().to_owned();
    let costs = !lm.capabilities().in_process;
    let address = SocketAddr::new(args.host, args.port);
    let server = Server::new(lm, shell.host.clone(), args.host);
    let server = match shell.host.is_terminal() && !args.quiet {
        true => {
            let told = shell.clone();
            server.telling(move |line| told.eprint(line))
        }
        false => server,
    };
    let served = lm::block_on(async {
        let listener = listen(address).await?;
        let open = listener.local_addr()?;
        if !args.quiet {
            shell.eprint(&format!("{name} is served at http://{open}/v1; Ctrl-C ends it\n"));
            if costs {
                shell.eprint("who asks it spends what it costs, and no budget is kept\n");
            }
            if !open.ip().is_loopback() {
                shell.eprint("whoever can reach this address can ask it: it knows no keys\n");
            }
        }
        tokio::select! {
            () = serve(listener, server) => Ok(()),
            came = tokio::signal::ctrl_c() => {
                // The terminal has shown `^C` where the next line is to begin.
                if shell.host.is_terminal() {
                    shell.eprint("\n");
                }
                came
            }
        }
    });
    served.map_err(|error: io::Error| {
        let diag =
            Diagnostic::bare(UNUSABLE, format!("{address} cannot be listened at: {error}"));
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => "another program has it: say another `--port`, or 0",
            _ => "",
        };
        Failure::io(diag.hint(hint))
    })
}
