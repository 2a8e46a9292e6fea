//! The `dsp` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    dsp_lang::cli::main(std::env::args_os())
}
