//! Data sets, their files, and evaluation on them.

use dsp_lang::data::{Dataset, Kind, Share, SplitOptions};
use dsp_lang::diag::{Code, Diagnostic};
use dsp_lang::eval::{
    Cancel, EvalOptions, Evaluation, Evaluator, Failure, FailureKind, Job, Outcome, RunOptions,
    Stop, Workers, compare, evaluate, ordered_map,
};
use dsp_lang::host::{Host, MemoryHost, OsHost};
use dsp_lang::program::State;
use dsp_lang::schema::{Record, Value};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn parse(text: &str, kind: Kind) -> Result<Dataset, String> {
    Dataset::parse(text.as_bytes(), kind, "d").map_err(|e| e.message)
}

fn numbers(n: i64) -> Dataset {
    Dataset::from_records((0..n).map(|n| Record::from([("n".into(), Value::Int(n))])))
}

fn seeded(seed: u64) -> SplitOptions {
    SplitOptions { seed, ..SplitOptions::default() }
}

fn content(data: &Dataset) -> Vec<i64> {
    data.iter()
        .map(|row| match row.unwrap().values["n"] {
            Value::Int(n) => n,
            ref other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn json_lines() {
    let text = "\u{feff}{\"a\": 1, \"b\": \"x\u{2028}y\"}\r\n\n  \n{\"a\": 1.0}\n";
    let data = parse(text, Kind::Jsonl).unwrap();
    assert_eq!(data.len(), 2);
    assert_eq!(data.get(0).unwrap().unwrap().values["b"], Value::from("x\u{2028}y"));
    assert_eq!(data.get(1).unwrap().unwrap().values["a"], Value::Float(1.0));
    assert_eq!(data.origin(1).unwrap(), "d:4");
    assert_eq!(data.columns().len(), 2);
}

#[test]
fn floats_are_read_as_they_were_written() {
    let data = parse("{\"a\":272710963874.63422}", Kind::Jsonl).unwrap();
    let value = &data.get(0).unwrap().unwrap().values["a"];
    assert_eq!(*value, Value::Float(272_710_963_874.634_22));
    let again = parse(&format!("{{\"a\":{}}}", value.to_json()), Kind::Jsonl).unwrap();
    assert_eq!(again, data);
}

#[test]
fn bad_lines_are_named() {
    let table = [
        ("{\"a\":1}\n{\"a\":", "`d` line 2: bad JSON: EOF while parsing a value (column 5)"),
        ("{\"a\":1}\n\n[1]", "`d` line 3: expected an object, found list"),
        ("{\"a\":1,\"a\":2}", "`d` line 1: bad JSON: duplicate key `a` (column 10)"),
        ("{\"a\":{\"b\":1,\"b\":2}}", "`d` line 1: bad JSON: duplicate key `b` (column 15)"),
        ("{\"a\":1} {}", "`d` line 1: bad JSON: trailing characters (column 9)"),
        ("{\"a\":1e999}", "`d` line 1: bad JSON: number out of range (column 10)"),
    ];
    for (text, message) in table {
        assert_eq!(parse(text, Kind::Jsonl).unwrap_err(), message, "{text}");
    }
    let deep = format!("{{\"a\":{}", "[".repeat(5000));
    assert!(parse(&deep, Kind::Jsonl).unwrap_err().contains("recursion limit"));
    let wrong = Dataset::parse(b"{}\n{\"a\":\"\xff\"}", Kind::Jsonl, "d").unwrap_err();
    assert_eq!(wrong.message, "`d` line 2: not UTF-8 text (byte 7 of the line)");
}

#[test]
fn json_lists() {
    let data = parse("[{\"n\": 1},\n {\"n\": 2}]", Kind::Json).unwrap();
    assert_eq!((content(&data), data.origin(1).unwrap().as_str()), (vec![1, 2], "d:2"));
    let wrong = |text| parse(text, Kind::Json).unwrap_err();
    assert_eq!(wrong("[{},\n3]"), "`d` item 2: expected an object, found int");
    assert_eq!(wrong("{}"), "`d` line 1: expected a list of objects, found map");
    assert_eq!(wrong("[\n{]"), "`d` line 2: bad JSON: key must be a string (column 2)");
}

#[test]
fn tables() {
    let data = parse("q,a\n\"one, \"\"two\"\"\nlines\",\n3,x\n", Kind::Table(b',')).unwrap();
    assert_eq!(data.get(0).unwrap().unwrap().values["q"], Value::from("one, \"two\"\nlines"));
    assert_eq!(data.get(0).unwrap().unwrap().values["a"], Value::Null);
    assert_eq!(data.get(1).unwrap().unwrap().values["q"], Value::from("3"));
    assert_eq!(data.origin(1).unwrap(), "d:4");
    let wrong = |text| parse(text, Kind::Table(b'\t')).unwrap_err();
    assert_eq!(wrong("a\tb\n1\t2\n3\n"), "`d` line 3: expected 2 cells, found 1");
    assert_eq!(wrong("a\ta\n"), "`d` line 1: two columns are called `a`");
    assert_eq!(wrong("a\t\n"), "`d` line 1: column 2 has no name");
    assert!(parse("", Kind::Table(b',')).unwrap().is_empty());
}

#[test]
fn loading_goes_through_the_host() {
    let host = MemoryHost::default().with_file("x/d.csv", "n\n1\n").with_file("d.xml", "");
    assert_eq!(Dataset::load(&host, Path::new("x/d.csv")).unwrap().len(), 1);
    let wrong = |path| Dataset::load(&host, Path::new(path)).unwrap_err();
    assert_eq!(wrong("d.xml").code.0, "E0703");
    assert_eq!(wrong("no.jsonl").code.0, "E0701");
}

#[test]
fn real_data_sets_load() {
    let tasks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/tasks");
    let Ok(entries) = std::fs::read_dir(tasks) else { return };
    let host = OsHost::new();
    for entry in entries {
        let path = entry.unwrap().path().join("dev.jsonl");
        if host.exists(&path) {
            let data = Dataset::load(&host, &path).unwrap();
            assert!(data.len() > 10, "{}", path.display());
            assert!(!data.columns().is_empty());
        }
    }
}

#[test]
fn operations_keep_indices() {
    let data = numbers(6);
    let even = data.filter(|row| Ok::<_, Box<Diagnostic>>(row.index % 2 == 0)).unwrap();
    assert_eq!(content(&even), [0, 2, 4]);
    assert_eq!(even.index(1).unwrap(), 2);
    let failed = || Box::new(Diagnostic::bare(Code("E0001"), "no"));
    let third = data.filter(|row| if row.index == 3 { Err(failed()) } else { Ok(true) });
    assert_eq!(third.unwrap_err().message, "no");
    let tens = even
        .map(&MemoryHost::default(), |row| match row.values["n"] {
            Value::Int(n) => Ok([("n".into(), Value::Int(n * 10))].into()),
            _ => Err(failed()),
        })
        .unwrap();
    assert_eq!((content(&tens), tens.index(2).unwrap()), (vec![0, 20, 40], 4));
    assert_eq!(content(&data.slice(2, 4)), [2, 3]);
    assert_eq!(content(&data.slice(4, 99)), [4, 5]);
    assert!(data.slice(9, 3).is_empty());
    assert_eq!(content(&data.take(2)), [0, 1]);
    assert_eq!(even.concat(&even).unique().unwrap(), even);
    let both = data.take(2).concat(&numbers(2));
    assert_eq!(both.iter().map(|row| row.unwrap().index).collect::<Vec<_>>(), [0, 1, 2, 3]);
    let parts = data.take(2).concat(&data.slice(4, 6));
    assert_eq!(parts.iter().map(|row| row.unwrap().index).collect::<Vec<_>>(), [0, 1, 4, 5]);
}

#[test]
fn shuffles_and_splits_never_change() {
    assert_eq!(content(&numbers(8).shuffle(7)), [7, 5, 3, 1, 0, 2, 6, 4]);
    let split = numbers(8)
        .split(&[("train", Share::Fraction(0.5)), ("dev", Share::Count(2))], &seeded(7))
        .unwrap();
    assert_eq!(
        (content(&split["train"]), content(&split["dev"])),
        (vec![3, 5, 1, 6], vec![7, 0])
    );
    let wrong =
        |parts: &[(&str, Share)]| numbers(8).split(parts, &seeded(7)).unwrap_err().message;
    assert_eq!(wrong(&[("a", Share::Count(9))]), "9 rows are wanted, there are 8");
    assert_eq!(wrong(&[("a", Share::Fraction(1.5))]), "`a`: 1.5 is not between 0 and 1");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn splits_lose_nothing_and_leak_nothing(
        values in prop::collection::vec(0i64..30, 0..80),
        seed in any::<u64>(),
        first in 0.0..1.0f64,
    ) {
        let data = Dataset::from_records(
            values.iter().map(|n| Record::from([("n".into(), Value::Int(*n))])),
        );
        let parts = [("a", Share::Fraction(first)), ("b", Share::Fraction(1.0 - first))];
        // A part that would be empty is an error: then there is nothing to look at.
        let Ok(split) = data.split(&parts, &seeded(seed)) else { return Ok(()) };
        let (a, b) = (content(&split["a"]), content(&split["b"]));
        let shared: Vec<_> = a.iter().filter(|n| b.contains(n)).collect();
        prop_assert!(shared.is_empty());
        let indices: BTreeSet<usize> =
            split.values().flat_map(|part| part.iter().map(|row| row.unwrap().index)).collect();
        prop_assert_eq!(indices.len(), values.len());
        prop_assert_eq!(data.split(&parts, &seeded(seed)).unwrap(), split);
    }

    #[test]
    fn readers_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), text in "[\\[\\]{}\",:0-9a-z\n\r]{0,40}") {
        for kind in [Kind::Jsonl, Kind::Json, Kind::Table(b',')] {
            let _ = Dataset::parse(&bytes, kind, "d");
            let _ = Dataset::parse(text.as_bytes(), kind, "d");
        }
    }
}

/// Scores `n` of a row as 1 when it is even; some rows fail in each of the ways there are.
#[derive(Default)]
struct Fake {
    flaky: AtomicUsize,
    bound: Option<u64>,
}

impl Evaluator for Fake {
    fn run(&self, job: &Job) -> Outcome {
        let base =
            Outcome { calls: 2, cached_calls: 1, prompt_tokens: 10, ..Outcome::default() };
        let failed = |kind, message: &str| Outcome {
            failure: Some(Failure::new(kind, message)),
            ..base.clone()
        };
        // Later rows are faster, so that they come back first.
        std::thread::yield_now();
        match job.row.index {
            _ if job.max_calls.is_some_and(|most| most < 2) => {
                failed(FailureKind::Stopped, "out of calls")
            }
            3 => failed(FailureKind::Program, "no reply"),
            5 => failed(FailureKind::Infrastructure, "503"),
            7 if self.flaky.fetch_add(1, Ordering::SeqCst) == 0 => {
                failed(FailureKind::Infrastructure, "503")
            }
            9 => panic!("a bug"),
            n => Outcome {
                score: Some(if n % 2 == 0 { 1.0 } else { 0.0 }),
                latency: Duration::from_millis(n as u64),
                ..base
            },
        }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        self.bound
    }
}

fn scored(rows: i64, fake: &Fake, options: EvalOptions) -> Evaluation {
    let (host, state) = (MemoryHost::default(), Arc::new(State::default()));
    let data = numbers(rows);
    evaluate(fake, &state, &data, options, &host, &Cancel::default(), &mut |_| ()).unwrap()
}

fn threads(threads: usize) -> EvalOptions {
    EvalOptions {
        run: RunOptions { threads, ..RunOptions::default() },
        ..EvalOptions::default()
    }
}

#[test]
fn an_evaluation_counts_each_kind_of_failure() {
    let one = scored(30, &Fake::default(), threads(1));
    assert_eq!((one.scored, one.failed, one.left_out, one.not_run), (29, 2, 1, 0));
    assert_eq!(one.score, Some(15.0 / 29.0));
    // 28 runs of 2 calls, one made twice, one made three times, one panic without any.
    assert_eq!((one.calls, one.cached_calls), (27 * 2 + 4 + 6, 32));
    assert_eq!(
        one.render(),
        "score    0.517, 95 % interval 0.325 to 0.706 (exact, 29 rows)\n\
         rows     30, 29 scored, 2 failed and count as 0, 1 left out: a machine failed\n\
         failure  row 3: no reply\n\
         failure  row 5: 503\n\
         failure  row 9: panicked: a bug\n\
         calls    64, 320 tokens in, 0 out\n\
         advice   about 398 rows would give an interval of ±0.05\n"
    );
    assert_eq!(
        one.render_times(),
        "time     0.00 s, a row 0.01 s (p50), 0.03 s (p90), 0.03 s (max); 32 of 64 calls from the store\n"
    );
    let Value::Map(value) = one.to_value() else { panic!("an object") };
    assert_eq!((&value["scored"], &value["calls"]), (&Value::Int(29), &Value::Int(64)));
    let Value::List(rows) = &value["rows"] else { panic!("a list") };
    assert_eq!(
        rows[3].to_json(),
        "{\"index\":3,\"origin\":\"row 3\",\"inputs\":{},\"labels\":{\"n\":3},\"score\":0.0,\
         \"scores\":{},\"reply\":{},\"failure\":\"no reply\",\"failure_kind\":\"program\",\
         \"feedback\":null,\"feedback_by\":{},\"calls\":2,\"repairs\":0,\"prompt_tokens\":10,\
         \"completion_tokens\":0,\"usd\":0.0,\"time\":{\"seconds\":0.0,\"cached_calls\":1}}"
    );
    let eight = scored(30, &Fake::default(), threads(8));
    assert_eq!(one, eight);
}

#[test]
fn a_cap_is_never_passed() {
    for bound in [Some(2), Some(3), Some(50), None] {
        for cap in 0..40 {
            let fake = Fake { bound, ..Fake::default() };
            let options = EvalOptions { max_calls: Some(cap), ..threads(4) };
            let evaluation = scored(12, &fake, options);
            assert!(evaluation.calls <= cap, "{cap} {bound:?} {}", evaluation.calls);
            let fake = Fake { bound, ..Fake::default() };
            let options = EvalOptions { max_calls: Some(cap), ..threads(1) };
            assert_eq!(scored(12, &fake, options), evaluation);
        }
    }
    let evaluation = scored(
        12,
        &Fake { bound: Some(2), ..Fake::default() },
        EvalOptions { max_calls: Some(7), ..threads(1) },
    );
    assert_eq!((evaluation.scored, evaluation.not_run), (3, 9));
    assert_eq!(evaluation.stop, Some(Stop::MaxCalls(7)));
    assert!(evaluation.render().contains("stopped  the cap of 7 calls leaves no room\n"));
}

#[test]
fn comparing() {
    let before = scored(30, &Fake::default(), threads(2));
    let mut after = before.clone();
    for row in &mut after.rows {
        if let Some(outcome) = row.outcome.as_mut().filter(|it| it.score == Some(0.0)) {
            outcome.score = Some(1.0);
        }
    }
    assert_eq!(
        compare(&before, &after, 1).render(),
        "before   0.517, 95 % interval 0.325 to 0.706 (exact, 29 rows)\n\
         after    0.931, 95 % interval 0.772 to 0.992 (exact, 29 rows)\n\
         left out 1 of 30 rows: one of the two did not score them\n\
         gain     +0.414, 95 % interval +0.199 to +0.611 (from exact intervals, 29 pairs)\n\
         test     p = 0.0005 (exact McNemar test; 12 better, 0 worse, 17 the same)\n\
         verdict  reliable gain\n"
    );
    let same = compare(&before, &before, 1).render();
    assert!(same.ends_with("verdict  no reliable gain\n"), "{same}");
}

#[test]
fn results_are_consumed_in_order() {
    let items: Vec<usize> = (0..200).collect();
    let (busy, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut seen = Vec::new();
    let results = ordered_map(
        &items,
        Workers::Threads(7),
        &Cancel::default(),
        |item| {
            most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            (0..(200 - item) * 50).for_each(|n| {
                std::hint::black_box(n);
            });
            std::thread::yield_now();
            busy.fetch_sub(1, Ordering::SeqCst);
            item * 2
        },
        |index, _| seen.push(index),
    );
    assert_eq!(seen, items);
    assert!(results.into_iter().enumerate().all(|(at, it)| it == Some(Ok(at * 2))));
    assert!(most.load(Ordering::SeqCst) <= 7);
}

#[test]
fn cancelling_keeps_what_is_done() {
    let cancel = Cancel::default();
    let items: Vec<usize> = (0..100).collect();
    let results = ordered_map(
        &items,
        Workers::Threads(3),
        &cancel,
        |item| {
            if *item == 10 {
                cancel.cancel();
            }
            *item
        },
        |_, _| (),
    );
    let done = results.iter().take_while(|it| it.is_some()).count();
    assert!((11..100).contains(&done), "{done}");
    assert!(results[done..].iter().all(Option::is_none));
}

/// A file on the machine that goes when the test ends.
fn file(name: &str, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn rows_of_large_files_stay_there() {
    let jsonl =
        "\u{feff}{\"n\": 1, \"t\": \"ä\"}\n\n{\"n\": 2}\r\n\u{b}\u{a0}\n  {\"n\": 3}\n\u{b}";
    let csv = "\u{feff}n,t\r\n1,\"a\r\nb\"\r\n\r\n2,\n3,\"[1, 2]\"";
    let json = "[{\"n\": 1}, {\"n\": 2}, {\"n\": 3, \"deep\": {\"x\": [1.0]}}]";
    for (name, text) in [("d.jsonl", jsonl), ("d.csv", csv), ("d.json", json)] {
        let (_folder, path) = file(name, text);
        let memory = MemoryHost::default().with_file(&path, text);
        let small = Dataset::load(&OsHost::new(), &path).unwrap();
        for host in [&OsHost::new() as &dyn Host, &memory] {
            let large = Dataset::load_within(host, &path, 0).unwrap();
            assert!(large.in_file() && !small.in_file());
            assert_eq!(large, small, "{name}");
            assert_eq!(large.hash().unwrap(), small.hash().unwrap());
            assert_eq!(large.columns(), small.columns());
            for at in 0..3 {
                assert_eq!(large.origin(at), small.origin(at));
            }
            assert_eq!(large.shuffle(1), small.shuffle(1));
            let parts = [("a", Share::Count(2)), ("b", Share::Count(1))];
            let split = |data: &Dataset| data.split(&parts, &seeded(1)).unwrap();
            assert_eq!(split(&large), split(&small));
            assert_eq!(large.slice(1, 3).concat(&large), small.slice(1, 3).concat(&small));
            let add = |row: &Arc<dsp_lang::schema::Row>| {
                let mut values = row.values.clone();
                values.insert("more".into(), Value::Float(0.1));
                Ok::<_, Box<Diagnostic>>(values)
            };
            let (mapped, same) = (large.map_within(host, 0, add), small.map(host, add));
            let (mapped, same) = (mapped.unwrap(), same.unwrap());
            assert!(mapped.in_file() && !same.in_file());
            assert_eq!(mapped, same);
            assert_eq!(mapped.origin(2), small.origin(2));
        }
    }
}

#[test]
fn a_file_that_changes_is_not_read_again() {
    let (_folder, path) = file("d.jsonl", "{\"n\": 1}\n{\"n\": 2}\n");
    let data = Dataset::load_within(&OsHost::new(), &path, 0).unwrap();
    assert!(data.get(1).unwrap().is_ok());
    std::fs::write(&path, "{\"n\": 1}\n{\"n\": 22}\n").unwrap();
    let error = data.get(1).unwrap().unwrap_err();
    assert_eq!(error.code.0, "E0701");
    assert!(error.message.ends_with("again: the file has changed since it was opened"));
    assert!(data.rows().is_err() && data.hash().is_err() && data.unique().is_err());
}

#[test]
fn lines_of_tables_are_counted() {
    let wrong = |text| parse(text, Kind::Table(b',')).unwrap_err();
    assert_eq!(wrong("a,b\r\n1,2\r\n\r\n\r\n3\r\n"), "`d` line 5: expected 2 cells, found 1");
    assert_eq!(wrong("a,b\n\"x\ny\",2\n3\n"), "`d` line 4: expected 2 cells, found 1");
    assert_eq!(wrong("a,b\n1,2\n\"x\ny\n"), "`d` line 3: quotes are opened and not closed");
    assert_eq!(
        wrong("a,b\n1\r2,3\n"),
        "`d` line 2: a carriage return stands inside of the row"
    );
    let bytes = b"a,b\n\"x\n\xff\",2\n";
    let wrong = Dataset::parse(bytes, Kind::Table(b','), "d").unwrap_err();
    assert_eq!(wrong.message, "`d` line 3: not UTF-8 text (byte 1 of the line)");
    let data = parse("a,b\n5\" disk,\"say \"\"hi\"\"\"\n", Kind::Table(b',')).unwrap();
    assert_eq!(data.get(0).unwrap().unwrap().values["a"], Value::from("5\" disk"));
    assert_eq!(data.get(0).unwrap().unwrap().values["b"], Value::from("say \"hi\""));
    let huge = format!("a,b\n1,{}\n", "x".repeat(3 << 20));
    assert_eq!(parse(&huge, Kind::Table(b',')).unwrap().len(), 1);
}

#[cfg(feature = "parquet")]
fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_keeps_types() {
    let first = concat!(
        r#"{"q":"a","n":1,"small":1,"x":0.1,"f":0.1,"ok":true,"tags":["x","y"],"#,
        r#""who":{"name":"Ada","age":36},"day":"2024-02-29","at":"2024-02-29 12:30:15 +00:00","#,
        r#""cost":12.5,"kind":"u"}"#
    );
    let second = concat!(
        r#"{"q":"bé\nc","n":-2,"small":null,"x":null,"f":null,"ok":false,"tags":[],"#,
        r#""who":{"name":"Bob","age":null},"day":null,"at":null,"cost":null,"kind":"v"}"#
    );
    for name in ["snappy", "gzip", "lz4", "none"] {
        let path = fixture(&format!("{name}.parquet"));
        let data = Dataset::load(&OsHost::new(), &path).unwrap();
        let rows = data.rows().unwrap();
        let text = |at: usize| Value::map(rows[at].values.clone()).to_json();
        assert_eq!((text(0).as_str(), text(1).as_str()), (first, second), "{name}");
        assert_eq!(rows[2].values["n"], Value::Int(9_007_199_254_740_993));
        assert!(data.origin(2).unwrap().ends_with(&format!("{name}.parquet:3")));
        let large = Dataset::load_within(&OsHost::new(), &path, 0).unwrap();
        assert!(large.in_file());
        assert_eq!(large, data);
    }
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_that_cannot_be_read_is_named() {
    let wrong = |name: &str| {
        let error = Dataset::load(&OsHost::new(), &fixture(name)).unwrap_err();
        (error.message.rsplit('/').next().unwrap().to_owned(), error.hints.join(" "))
    };
    assert_eq!(
        wrong("bytes.parquet").0,
        "bytes.parquet` row 2: column `raw`: bytes that are no text"
    );
    assert_eq!(
        wrong("infinite.parquet").0,
        "infinite.parquet` row 2: column `q`: inf is no number"
    );
    let (message, hint) = wrong("zstd.parquet");
    assert!(message.starts_with("zstd.parquet` row 1: "), "{message}");
    assert_eq!(hint, "write the file with `snappy` or `gzip` compression, or as .jsonl");
    let whole = std::fs::read(fixture("gzip.parquet")).unwrap();
    for end in (0..whole.len()).step_by(97) {
        let error = Dataset::parse(&whole[..end], Kind::Parquet, "d").unwrap_err();
        assert!(error.message.starts_with("`d` row "), "{}", error.message);
    }
    for at in (0..whole.len()).step_by(31) {
        let mut broken = whole.clone();
        broken[at] ^= 0x55;
        let _ = Dataset::parse(&broken, Kind::Parquet, "d");
    }
}
