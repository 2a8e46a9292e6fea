//! Properties of data: splits tear nothing apart, what is written is read, checks never fail.

use dsp_lang::data::{CheckOptions, Dataset, Share, SplitOptions, check};
use dsp_lang::host::MemoryHost;
use dsp_lang::schema::{Record, Value};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;

/// Rows with equal inputs, users and labels among them.
fn people() -> impl Strategy<Value = Vec<(i64, i64, i64)>> {
    prop::collection::vec((0i64..40, 0i64..12, 0i64..4), 1..120)
}

fn of_people(rows: &[(i64, i64, i64)]) -> Dataset {
    let row = |(at, (text, user, label)): (usize, &(i64, i64, i64))| {
        Record::from([
            ("id".into(), Value::Int(at as i64)),
            ("text".into(), Value::from(format!("text {text}"))),
            ("user".into(), Value::Int(*user)),
            ("label".into(), Value::Int(*label)),
        ])
    };
    Dataset::from_records(rows.iter().enumerate().map(row))
}

/// The values of a column in a part.
fn values(part: &Dataset, column: &str) -> BTreeSet<String> {
    part.iter().map(|row| row.unwrap().values[column].to_json()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn splits_tear_nothing_apart(
        rows in people(),
        seed in any::<u64>(),
        shares in (0usize..=10, 0usize..=10),
        by in any::<bool>(),
        group in any::<bool>(),
    ) {
        let data = of_people(&rows);
        let (first, second) = (shares.0, shares.1.min(10 - shares.0));
        let share = |tenths: usize| Share::Fraction(tenths as f64 / 10.0);
        let parts = [("train", share(first)), ("test", share(second))];
        let options = SplitOptions {
            seed,
            by: by.then(|| "label".to_owned()),
            group: group.then(|| "user".to_owned()),
            inputs: Vec::new(),
        };
        let Ok(split) = data.split(&parts, &options) else { return Ok(()) };
        prop_assert_eq!(&data.split(&parts, &options).unwrap(), &split);
        let (train, test) = (&split["train"], &split["test"]);
        // `user` is an input where it is no group.
        let key = |part: &Dataset| -> BTreeSet<String> {
            let row = |row: &Record| format!("{} {}", row["text"], if group { String::new() } else { row["user"].to_json() });
            part.iter().map(|it| row(&it.unwrap().values)).collect()
        };
        prop_assert!(key(train).is_disjoint(&key(test)));
        if group {
            prop_assert!(values(train, "user").is_disjoint(&values(test, "user")));
        }
        prop_assert!(values(train, "id").is_disjoint(&values(test, "id")));
        if first + second == 10 {
            prop_assert_eq!(train.len() + test.len(), rows.len());
        }
    }

    #[test]
    fn shares_of_single_rows_are_met(
        labels in prop::collection::vec(0i64..5, 10..150),
        seed in any::<u64>(),
        by in any::<bool>(),
    ) {
        let rows: Vec<_> = labels.iter().enumerate().map(|(at, it)| (at as i64, at as i64, *it)).collect();
        let data = of_people(&rows);
        let parts =
            [("train", Share::Fraction(0.5)), ("dev", Share::Fraction(0.3)), ("test", Share::Fraction(0.2))];
        let options = SplitOptions { seed, by: by.then(|| "label".to_owned()), ..SplitOptions::default() };
        let split = data.split(&parts, &options).unwrap();
        for ((name, share), part) in parts.iter().zip(split.values()) {
            let Share::Fraction(share) = share else { unreachable!() };
            let wanted = share * labels.len() as f64;
            prop_assert!((part.len() as f64 - wanted).abs() <= 1.0, "{} has {} of {}", name, part.len(), wanted);
            if by {
                for label in 0..5 {
                    let count = |rows: &Dataset| {
                        rows.iter().filter(|it| it.as_ref().unwrap().values["label"] == Value::Int(label)).count() as f64
                    };
                    let wanted = share * count(&data);
                    prop_assert!((count(part) - wanted).abs() <= 2.0, "{}: {} of {}", label, count(part), wanted);
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_read(
        rows in prop::collection::vec(("\\PC{0,12}", "[a-z\",\n\r\t ]{0,12}", any::<i64>(), any::<f64>()), 1..20),
        mark in any::<bool>(),
    ) {
        let record = |(a, b, n, x): &(String, String, i64, f64)| {
            let x = if x.is_finite() { Value::Float(*x) } else { Value::Null };
            Record::from([
                ("a".into(), Value::from(a.as_str())),
                ("b".into(), Value::list([Value::from(b.as_str()), Value::Int(*n)])),
                ("x".into(), x),
            ])
        };
        let records: Vec<Record> = rows.iter().map(record).collect();
        let expected = Dataset::from_records(records.clone());
        let start = if mark { "\u{feff}" } else { "" };
        let json: Vec<String> = records.iter().map(|it| Value::map(it.clone()).to_json()).collect();
        let lines = format!("{start}{}", json.join("\r\n"));
        let list = format!("{start}[{}]", json.join(",\n"));
        let mut cells = csv::Writer::from_writer(start.as_bytes().to_vec());
        cells.write_record(["a", "b", "n"]).unwrap();
        for (a, b, n, _) in &rows {
            cells.write_record([a.as_str(), b, &n.to_string()]).unwrap();
        }
        let cells = cells.into_inner().unwrap();
        let host = MemoryHost::default()
            .with_file("d.jsonl", lines)
            .with_file("d.json", list)
            .with_file("d.csv", cells);
        for bound in [0, u64::MAX] {
            let load = |name: &str| Dataset::load_within(&host, Path::new(name), bound).unwrap();
            prop_assert_eq!(&load("d.jsonl"), &expected);
            prop_assert_eq!(&load("d.json"), &expected);
            let table = load("d.csv").rows().unwrap();
            prop_assert_eq!(table.len(), rows.len());
            for (row, (a, b, n, _)) in table.iter().zip(&rows) {
                let cell = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
                let nested = a.starts_with('[') || a.starts_with('{');
                prop_assert!(nested || row.values["a"] == cell(a), "{:?} {:?}", row, a);
                prop_assert_eq!(&row.values["b"], &cell(b));
                prop_assert_eq!(&row.values["n"], &Value::from(n.to_string()));
            }
        }
    }

    #[test]
    fn checks_never_fail(rows in people(), texts in prop::collection::vec("\\PC{0,60}", 1..20)) {
        let data = of_people(&rows);
        let other = texts.iter().map(|it| Record::from([("text".into(), Value::from(it.as_str()))]));
        let parts = [("a".to_owned(), data), ("b".to_owned(), Dataset::from_records(other))];
        let report = check(&parts, &CheckOptions::default()).unwrap();
        prop_assert!(report.findings.iter().all(|it| !it.message.is_empty() && !it.advice.is_empty()));
        prop_assert_eq!(check(&parts, &CheckOptions::default()).unwrap(), report);
    }
}

/// Near doubles found by comparing all pairs in the same way, slowly.
#[test]
fn near_doubles_are_those_of_all_pairs() {
    let mut words = Vec::new();
    let mut rows = Vec::new();
    for n in 0..300u64 {
        let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if n % 3 == 0 {
            words = (0..14).map(|at| format!("w{}", (mixed >> at) % 400)).collect();
        } else {
            // One word of the row before is another.
            let at = (mixed % 14) as usize;
            words[at] = format!("x{n}");
        }
        rows.push(words.join(" "));
    }
    let tokens = |text: &str| -> BTreeSet<String> {
        let words: Vec<&str> = text.split(' ').collect();
        let pairs = words.windows(2).map(|it| it.join(" "));
        words.iter().map(ToString::to_string).chain(pairs).collect()
    };
    let sets: Vec<_> = rows.iter().map(|it| tokens(it)).collect();
    let alike = |a: usize, b: usize| {
        let both = sets[a].intersection(&sets[b]).count() as f64;
        both / (sets[a].len() + sets[b].len()) as f64
            / (1.0 - both / (sets[a].len() + sets[b].len()) as f64)
            >= 0.75
    };
    let wanted: BTreeSet<usize> =
        (0..rows.len()).filter(|a| (0..rows.len()).any(|b| b != *a && alike(*a, b))).collect();
    let data = Dataset::from_records(
        rows.iter().map(|it| Record::from([("text".into(), Value::from(it.as_str()))])),
    );
    let report = check(&[("d".to_owned(), data)], &CheckOptions::default()).unwrap();
    let found =
        report.findings.iter().find(|it| it.kind == "near duplicate").map_or(0, |it| it.rows);
    assert!(wanted.len() > 50, "{}", wanted.len());
    assert!(
        found <= wanted.len() && found * 50 >= wanted.len() * 49,
        "{found} of {}",
        wanted.len()
    );
}
