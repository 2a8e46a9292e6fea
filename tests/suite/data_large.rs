//! Data larger than memory, through the binary.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Goes through a large file in all the ways there are, holding none of it.
const SCRIPT: &str = r#"
let data = load("large.jsonl");
let even = data.filter(|row| row.n % 2 == 0);
let mapped = data.map(|row| #{ n: row.n, text: row.text });
let parts = data.shuffle(seed: 3).slice(1000).split(train: 0.8, test: 0.2, seed: 7, by: "label");
let sum = 0;
for row in parts.test.take(1000).concat(even.take(10)) { sum += 1; }
print(data.len(), even.len(), mapped.len(), mapped[7].n, parts.train.len() + parts.test.len(), sum);
"#;

/// Writes rows of about 300 bytes; returns how many.
fn write_rows(path: &Path, bytes: usize) -> usize {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    let (mut written, mut n) = (0, 0);
    let mut line = String::new();
    while written < bytes {
        line.clear();
        let label = ["billing", "shipping", "other"][n % 3];
        write!(line, "{{\"n\": {n}, \"label\": \"{label}\", \"text\": \"message {n}: ")
            .unwrap();
        for word in 0..32 {
            write!(line, "{:07x} ", n.wrapping_mul(2_654_435_761 + word) & 0xfff_ffff).unwrap();
        }
        line.push_str("\"}\n");
        file.write_all(line.as_bytes()).unwrap();
        written += line.len();
        n += 1;
    }
    file.flush().unwrap();
    n
}

/// Runs the script on a file of this size; returns what it printed and the most memory that it
/// had, in KiB. What is mapped of the binary is not counted: unoptimised, that alone is much.
fn run(folder: &Path, bytes: usize) -> (usize, String, u64) {
    let rows = write_rows(&folder.join("large.jsonl"), bytes);
    std::fs::write(folder.join("main.dsp"), SCRIPT).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_dsp"))
        .args(["run", "main.dsp"])
        .current_dir(folder)
        .env_clear()
        .env("DSP_HOME", folder.join("home"))
        .env("TMPDIR", folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let (mut most, began) = (0, Instant::now());
    let ended = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let peak = peak.and_then(|it| it.trim().trim_end_matches(" kB").parse().ok());
        most = most.max(peak.unwrap_or(0));
        assert!(began.elapsed() < Duration::from_secs(900), "it takes too long");
        std::thread::sleep(Duration::from_millis(10));
    };
    let printed = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
    assert!(ended.success(), "{printed}");
    (rows, printed, most)
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "a minute: .ci/run makes it"]
fn a_large_file_takes_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, printed, most) = run(folder.path(), 300 << 20);
    let even = rows.div_ceil(2);
    assert_eq!(printed.trim(), format!("{rows} {even} {rows} 7 {} 1010", rows - 1000));
    assert!(most > 0 && most < 100 << 10, "{rows} rows took {} MiB", most >> 10);
    let left = std::fs::read_dir(folder.path()).unwrap();
    let rows_left =
        |it: &std::fs::DirEntry| it.path().extension().is_some_and(|it| it == "rows");
    assert_eq!(left.filter(|it| rows_left(it.as_ref().unwrap())).count(), 0);
}
