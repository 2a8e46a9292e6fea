//! A server with faults: nothing is lost, and what is slow holds up nobody else.

use crate::clock::{figure, time};
use crate::mock::Mock;
use crate::programs::{engine, robust, rows, run};
use serde_json::json;

const ROWS: usize = 500;
const THREADS: usize = 64;
const RUNS: u64 = 5;

/// Of a hundred requests ten fail, two are cut off, five give half of a body, five say nothing of
/// use, and one takes five seconds.
const FAULTS: &str = r#""latency_ms": 20, "error_rate": 0.1, "cut_rate": 0.02,
    "malformed_rate": 0.05, "garble_rate": 0.05, "slow_rate": 0.01, "slow_ms": 5000"#;
const NONE: &str = r#"{"error_rate": 0, "cut_rate": 0, "malformed_rate": 0, "garble_rate": 0,
    "slow_rate": 0, "seed": 1}"#;

/// Rows that were lost, replies that were repaired, and the time beside that of the slowest row,
/// which no number of threads shortens.
pub(crate) fn faults(mock: &Mock) {
    let rows = rows(ROWS);
    for seed in 1..=RUNS {
        mock.configure(&format!(r#"{{ {FAULTS}, "seed": {seed} }}"#));
        let engine = engine(&mock.base()).no_cache().build().unwrap();
        let program = robust(&engine, THREADS, &rows);
        let mut said = String::new();
        let took = time(|| said = run(&program));
        let numbers: Vec<f64> = said.split(' ').map(|it| it.parse().unwrap()).collect();
        let [lost, repairs, calls, path] = numbers[..] else { panic!("{said}") };
        let params = json!({ "n": ROWS, "threads": THREADS, "seed": seed });
        let metrics = json!({
            "lost": lost, "repairs": repairs, "lm_calls": calls, "eval_s": took.wall,
            "path_s": path,
        });
        figure("dsp", "faults", params, metrics);
        eprintln!(
            "faults, {ROWS} rows, {THREADS} threads: {lost} lost, {repairs} repaired, {calls} \
             calls in {:.2} s, the slowest row {path:.2} s: {:.2} of it",
            took.wall,
            took.wall / path
        );
    }
    mock.configure(NONE);
}
