//! Time, memory, and the lines that tell of them.

use dsp_lang::host::{Host, OsHost};
use serde_json::{Value, json};
use std::time::Instant;

/// What work took, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Took {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
}

/// Wall and processor time of work. The system counts the latter in steps of 10 ms.
pub(crate) fn time(work: impl FnOnce()) -> Took {
    let (cpu, start) = (cpu_seconds(), Instant::now());
    work();
    Took { wall: start.elapsed().as_secs_f64(), cpu: cpu_seconds() - cpu }
}

fn cpu_seconds() -> f64 {
    OsHost::new().cpu_time().unwrap().as_secs_f64()
}

/// Processor time of the children that have ended, in seconds.
pub(crate) fn cpu_of_children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[13..15].iter().map(|it| it.parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

/// A line of `/proc/self/status`, in MiB.
pub(crate) fn mebibytes(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix(name)).unwrap();
    let kibibytes: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
    kibibytes / 1024.0
}

/// The median of a part of several measurements.
pub(crate) fn median<T>(all: &[T], part: impl Fn(&T) -> f64) -> f64 {
    let mut values: Vec<f64> = all.iter().map(part).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One figure as a line of JSON, in the form of the other runners.
pub(crate) fn figure(implementation: &str, bench: &str, params: Value, metrics: Value) {
    let mut line = json!({
        "impl": implementation,
        "version": env!("CARGO_PKG_VERSION"),
        "bench": bench,
        "params": params,
    });
    line.as_object_mut().unwrap().extend(metrics.as_object().unwrap().clone());
    println!("{line}");
}
