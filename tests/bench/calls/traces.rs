//! What many calls in one command take, with `--trace` and without.

use crate::clock::figure;
use crate::mock::Mock;
use serde_json::json;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The memory of `dsp run`, whose calls each have what came of those before, and of `dsp eval`.
pub(crate) fn traces(mock: &Mock) {
    let home = crate::figures::scratch("traces");
    std::fs::create_dir_all(&home).unwrap();
    for calls in [1_000, 10_000, 100_000] {
        write(&home, calls, &mock.base());
        for command in ["run", "eval"] {
            for traced in [false, true] {
                let (mib, seconds) = peak(&home, command, traced);
                let params = json!({ "command": command, "n": calls, "trace": traced });
                figure("dsp", "traces", params, json!({ "rss_mb": mib, "wall_s": seconds }));
                let how = if traced { "with `--trace`" } else { "without a trace" };
                eprintln!("{command}, {calls} calls, {how}: {mib:.1} MiB, {seconds:.1} s");
            }
        }
    }
    std::fs::remove_dir_all(&home).unwrap();
}

fn write(home: &Path, calls: usize, base: &str) {
    let ask = format!(
        "const ask = predict(\"question -> answer\", lm: lm(\"openai/mock\", api_base: \"{base}\"));\n"
    );
    let run = format!(
        "{ask}let total = 0;\nfor at in 0..{} {{\n    \
         let first = ask(question: `what is ${{at}} + 6 * 7, and why is it so?`).answer;\n    \
         total += ask(question: `put in other words: ${{first}} (${{total}})`).answer.len();\n}}\n",
        calls / 2
    );
    let eval = format!("{ask}fn right(row, reply) {{ reply.answer.len() > 0 }}\n");
    let row =
        |at: usize| json!({ "question": format!("what is {at} + 6 * 7, and why is it so?") });
    let rows: String = (0..calls).map(|at| format!("{}\n", row(at))).collect();
    for (name, text) in [("run.dsp", run), ("eval.dsp", eval), ("rows.jsonl", rows)] {
        std::fs::write(home.join(name), text).unwrap();
    }
}

/// The most memory of a command, in MiB, and its seconds.
fn peak(home: &Path, command: &str, traced: bool) -> (f64, f64) {
    let mut dsp = Command::new(env!("CARGO_BIN_EXE_dsp"));
    dsp.current_dir(home).env("DSP_HOME", home.join("home"));
    dsp.stdout(Stdio::null()).stderr(Stdio::null());
    match command {
        "run" => dsp.args(["run", "run.dsp"]),
        _ => dsp.args(["eval", "eval.dsp", "--program", "ask", "--metric", "right"]).args([
            "--data",
            "rows.jsonl",
            "--threads",
            "64",
        ]),
    };
    dsp.arg("--no-cache");
    if traced {
        dsp.args(["--trace", "t.jsonl"]);
    }
    let began = Instant::now();
    let mut child = dsp.spawn().unwrap();
    let most = watched(&mut child);
    assert!(child.wait().unwrap().success());
    (most, began.elapsed().as_secs_f64())
}

/// The system knows the most memory that a process had, as long as there is the process.
fn watched(child: &mut Child) -> f64 {
    let path = format!("/proc/{}/status", child.id());
    let mut most: f64 = 0.0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(&path).unwrap_or_default();
        let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
        let number = line.and_then(|it| it.split_whitespace().next()?.parse::<f64>().ok());
        most = most.max(number.unwrap_or_default() / 1024.0);
        std::thread::sleep(Duration::from_millis(2));
    }
    most
}
