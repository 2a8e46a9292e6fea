//! Parquet: columns in a binary file.
//!
//! Types are kept. Dates and times become text as people write them, decimals become floats,
//! and a float that is no number (how tables from Python write a missing one) is nothing.
//! Files compressed with Snappy, gzip, LZ4 or not at all are read; the others need C libraries.

use crate::data::Dataset;
use crate::data::reader::Source;
use crate::data::table::{Form, Read};
use crate::diag::Diagnostic;
use crate::host::{self, Blob};
use crate::schema::{Record, Value};
use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use parquet::record::{Field, Row};
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Reads the file of a source.
pub(super) fn read(source: &Source<'_>) -> Read<Dataset> {
    // The library asserts what a broken file may not hold.
    let read = catch_unwind(AssertUnwindSafe(|| rows(source)));
    read.unwrap_or_else(|_| Err(source.bad_item("row", 1, "the file is broken")))
}

fn rows(source: &Source<'_>) -> Read<Dataset> {
    let chunks = Chunks(Arc::clone(&source.blob));
    let file = SerializedFileReader::new(chunks).map_err(|e| broken(source, 1, &e))?;
    let mut sink = source.sink(false);
    let mut count = 0;
    for row in file.get_row_iter(None).map_err(|e| broken(source, 1, &e))? {
        count += 1;
        let row = row.map_err(|e| broken(source, count, &e))?;
        let values = record(row).map_err(|(path, what)| {
            source.bad_item("row", count, &format!("column `{path}`: {what}"))
        })?;
        source.push(&mut sink, values, count, 0)?;
    }
    source.finish(sink, Form::Json)
}

fn broken(source: &Source<'_>, row: usize, error: &ParquetError) -> Box<Diagnostic> {
    let text = error.to_string();
    let what = text.split_once(": ").map_or(&*text, |(_, what)| what);
    let diag = source.bad_item("row", row, what);
    let packed = ["ZSTD", "BROTLI", "LZO"].iter().any(|it| text.to_uppercase().contains(it));
    if packed {
        let hint = "write the file with `snappy` or `gzip` compression, or as .jsonl";
        return Box::new(diag.hint(hint));
    }
    diag
}

/// The bytes of the file as the library asks for them.
struct Chunks(Arc<dyn Blob>);

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.size()
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<Box<dyn std::io::Read>>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(Box::new(host::reader(&self.0, start))))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        if start.saturating_add(length as u64) > self.0.size() {
            return Err(ParquetError::EOF("the file ends too early".to_owned()));
        }
        let mut bytes = vec![0; length];
        self.0.read_at(start, &mut bytes)?;
        Ok(bytes.into())
    }
}

/// What is wrong, and in which column.
type Wrong = (String, String);

fn record(row: Row) -> Result<Record, Wrong> {
    let fields = row.into_columns().into_iter();
    let field = |(name, field): (String, Field)| match value(field) {
        Ok(value) => Ok((name.into(), value)),
        Err((path, what)) if path.is_empty() => Err((name, what)),
        Err((path, what)) => Err((format!("{name}.{path}"), what)),
    };
    fields.map(field).collect()
}

fn value(field: Field) -> Result<Value, Wrong> {
    let here = |what: String| (String::new(), what);
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(it) => Value::Bool(it),
        Field::Byte(it) => Value::Int(it.into()),
        Field::Short(it) => Value::Int(it.into()),
        Field::Int(it) => Value::Int(it.into()),
        Field::Long(it) => Value::Int(it),
        Field::UByte(it) => Value::Int(it.into()),
        Field::UShort(it) => Value::Int(it.into()),
        Field::UInt(it) => Value::Int(it.into()),
        // As elsewhere, the nearest float stands for what no int holds.
        #[expect(clippy::cast_precision_loss, reason = "said above")]
        Field::ULong(it) => i64::try_from(it).map_or(Value::Float(it as f64), Value::Int),
        Field::Float16(it) => float(it.to_f64()).map_err(here)?,
        // The shortest text of the small float is what was meant, not its binary value.
        Field::Float(it) => {
            let near = it.to_string().parse::<f64>().unwrap_or(f64::from(it));
            float(near).map_err(here)?
        }
        Field::Double(it) => float(it).map_err(here)?,
        Field::Str(it) => Value::from(it),
        Field::Bytes(it) => match it.as_utf8() {
            Ok(text) => Value::from(text),
            Err(_) => return Err(here("bytes that are no text".to_owned())),
        },
        Field::Decimal(_) => {
            let text = field.to_string();
            text.parse::<f64>().map_or(Value::from(text), Value::Float)
        }
        Field::Date(_) | Field::TimeMillis(_) | Field::TimeMicros(_) => {
            Value::from(field.to_string())
        }
        Field::TimestampMillis(_) | Field::TimestampMicros(_) => {
            // Parts of a second are told where there are any.
            Value::from(field.to_string().replace(".000000 ", " ").replace(".000 ", " "))
        }
        Field::Group(row) => Value::map(record(row)?),
        Field::ListInternal(list) => {
            let items = list.elements().iter().cloned().map(value);
            Value::list(items.collect::<Result<Vec<_>, _>>()?)
        }
        Field::MapInternal(map) => {
            let entry = |(name, it): &(Field, Field)| {
                let name = match name {
                    Field::Str(name) => name.clone(),
                    other => other.to_string(),
                };
                Ok((name.into(), value(it.clone())?))
            };
            Value::map(map.entries().iter().map(entry).collect::<Result<_, Wrong>>()?)
        }
    })
}

fn float(it: f64) -> Result<Value, String> {
    match it {
        _ if it.is_nan() => Ok(Value::Null),
        _ if it.is_finite() => Ok(Value::Float(it)),
        _ => Err(format!("{it} is no number")),
    }
}
