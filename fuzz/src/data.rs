//! Files of data.

use dsp_lang::data::{CheckOptions, Dataset, Kind, check, profile};
use dsp_lang::host::MemoryHost;
use dsp_lang::schema::Value;
use std::path::Path;

/// The first byte says of what kind the others are. Rows are the same wherever they are kept, and
/// when they are written as lines and read again.
pub(crate) fn data(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let (name, kind) = match first {
        b'c' => ("x.csv", Kind::Table(b',')),
        b't' => ("x.tsv", Kind::Table(b'\t')),
        b'j' => ("x.json", Kind::Json),
        _ => ("x.jsonl", Kind::Jsonl),
    };
    let host = MemoryHost::default().with_file(name, bytes);
    let elsewhere = Dataset::load_within(&host, Path::new(name), 0);
    let read = match Dataset::parse(bytes, kind, name) {
        Ok(read) => read,
        Err(wrong) => {
            let other = elsewhere.expect_err("it is wrong wherever its rows are kept");
            assert_eq!(other, wrong);
            return;
        }
    };
    assert_eq!(elsewhere.as_ref(), Ok(&read));
    let rows = read.rows().expect("rows in memory can be read");
    let lines: String =
        rows.iter().map(|it| Value::map(it.values.clone()).to_json() + "\n").collect();
    let again = Dataset::parse(lines.as_bytes(), Kind::Jsonl, "again.jsonl");
    assert_eq!(again.as_ref(), Ok(&read), "{lines}");
    profile(&read).expect("any rows have a profile");
    check(&[("x".to_owned(), read)], &CheckOptions::default()).expect("any rows can be judged");
}
