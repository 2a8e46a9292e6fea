//! What a program costs besides its model: start-up, calls one after another, calls at once,
//! stored replies, prompts, memory. Each figure of ours stands beside that of a bare `reqwest`
//! client which sends the same prompts in the same process, turn about.
//!
//! `MOCKLM=path/to/mocklm cargo bench --bench calls -- [figure …]`, where a figure is `first`,
//! `call`, `cached`, `engine`, `adapter`, `eval`, `search`, `memory`, `traces` or `faults`. The server is any
//! program that takes `--port`, prints a line when it listens, and speaks chat completions as well as
//! `POST /config` and `POST /reset`. Without one only `busy` and `trace` are measured, which need none.
//! Standard output gets one JSON line a figure, standard error the ratios.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a program to be run and read by a person"
)]

mod bare;
mod clock;
mod faults;
mod figures;
mod mock;
mod programs;
mod traces;

use mock::Mock;
use std::path::PathBuf;

fn main() {
    let arguments = std::env::args().skip(1).filter(|it| it != "--bench");
    let asked: Vec<String> = arguments.collect();
    if let [work, name, base] = asked.as_slice()
        && work == "--work"
    {
        return figures::work(name, base);
    }
    if asked.is_empty() || asked.iter().any(|it| it == "busy") {
        figures::busy();
    }
    if asked.is_empty() || asked.iter().any(|it| it == "trace") {
        figures::traced();
    }
    let Some(server) = std::env::var_os("MOCKLM").map(PathBuf::from) else {
        println!("MOCKLM names no server: nothing else is measured");
        return;
    };
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let mock = Mock::start(&server);
    for (name, figure) in figures::ALL {
        if asked.is_empty() || asked.iter().any(|it| it == name) {
            mock.reset(0);
            figure(&mock);
        }
    }
}
