//! Reads the container format GGUF, versions 2 and 3.
//!
//! The file is untrusted: every count and length is checked against what is left of it before
//! anything is allocated, and a damaged file gives one sentence that says where.

use crate::lm::embedded::dequant::Format;
use crate::util::lock;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The longest header that is read: a vocabulary of 262,144 tokens takes about 10 MB.
const MAX_HEADER: u64 = 256 << 20;
/// Upper bounds of counts; real files stay far below.
const MAX_ENTRIES: u64 = 1 << 16;

/// Bytes at rest that several threads may read.
pub(crate) trait Source: Send + Sync {
    /// How many there are.
    fn len(&self) -> u64;
    /// Fills `out` from `offset` on.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
}

/// A file on disk.
#[derive(Debug)]
pub(crate) struct FileSource {
    file: Mutex<File>,
    len: u64,
}

impl FileSource {
    /// Opens `path`. Weights do not go through `host::Host`, which reads whole files: they may
    /// be larger than memory has room for twice.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Self { file: Mutex::new(file), len })
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut file = lock(&self.file);
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(out)
    }
}

impl Source for Arc<[u8]> {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start.checked_add(out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(self.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A value of the header.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    Numbers(Vec<f64>),
}

/// Where a tensor lies and how it is written.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    /// Sizes, fastest first: `[inputs, outputs]` for a matrix.
    pub(crate) dims: Vec<usize>,
    pub(crate) format: Format,
    /// From the start of the file.
    offset: u64,
    bytes: usize,
}

impl Tensor {
    /// The length of a row.
    pub(crate) fn columns(&self) -> usize {
        self.dims.first().copied().unwrap_or(1)
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.dims.iter().skip(1).product()
    }
}

/// An open file.
pub(crate) struct Gguf {
    source: Box<dyn Source>,
    values: BTreeMap<String, Value>,
    tensors: BTreeMap<String, Tensor>,
    header: u64,
}

impl Gguf {
    /// Reads the header.
    pub(crate) fn read(source: Box<dyn Source>) -> Result<Self, String> {
        let mut reader = Reader::new(source.as_ref());
        if reader.array::<4>()? != *b"GGUF" {
            return Err("this is no GGUF file".to_owned());
        }
        let version = reader.u32()?;
        if !(2..=3).contains(&version) {
            return Err(format!("GGUF version {version} is not one we read (2 and 3 are)"));
        }
        let tensor_count = reader.count("tensors")?;
        let value_count = reader.count("values")?;
        let mut values = BTreeMap::new();
        for _ in 0..value_count {
            let key = reader.text()?;
            let kind = reader.u32()?;
            let value =
                reader.value(kind).map_err(|e| format!("{e} (value `{}`)", brief(&key)))?;
            values.insert(key, value);
        }
        let mut tensors = BTreeMap::new();
        for _ in 0..tensor_count {
            let name = reader.text()?;
            let tensor =
                reader.tensor().map_err(|e| format!("{e} (tensor `{}`)", brief(&name)))?;
            tensors.insert(name, tensor);
        }
        let header = reader.at;
        let align = match values.get("general.alignment") {
            None => 32,
            Some(Value::Unsigned(n)) if n.is_power_of_two() && *n <= 1 << 20 => *n,
            Some(_) => return Err("the alignment is not a power of two".to_owned()),
        };
        let data = header.next_multiple_of(align);
        for (name, tensor) in &mut tensors {
            let end = data
                .checked_add(tensor.offset)
                .and_then(|start| start.checked_add(tensor.bytes as u64))
                .filter(|end| *end <= source.len());
            if end.is_none() {
                return Err(format!(
                    "the file is cut short: `{}` lies past its end at byte {}",
                    brief(name),
                    source.len()
                ));
            }
            tensor.offset += data;
        }
        Ok(Self { source, values, tensors, header })
    }

    /// The bytes of the header, for readers of their own.
    pub(crate) fn header(&self) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; usize::try_from(self.header).map_err(|e| e.to_string())?];
        self.source.read_at(0, &mut bytes).map_err(|e| e.to_string())?;
        Ok(bytes)
    }

    /// A value of the header.
    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// A text of the header.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.value(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A number of the header, as a count.
    pub(crate) fn size(&self, key: &str) -> Option<usize> {
        match self.value(key)? {
            Value::Unsigned(n) => usize::try_from(*n).ok(),
            Value::Signed(n) => usize::try_from(*n).ok(),
            _ => None,
        }
    }

    /// A number of the header.
    pub(crate) fn float(&self, key: &str) -> Option<f64> {
        match self.value(key)? {
            Value::Float(x) => Some(*x),
            Value::Unsigned(n) => Some(*n as f64),
            Value::Signed(n) => Some(*n as f64),
            _ => None,
        }
    }

    /// A tensor by name.
    pub(crate) fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// The bytes of a tensor as they are written.
    pub(crate) fn bytes(&self, tensor: &Tensor) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; tensor.bytes];
        self.source
            .read_at(tensor.offset, &mut bytes)
            .map_err(|e| format!("the weights cannot be read: {e}"))?;
        Ok(bytes)
    }

    /// The numbers of a tensor.
    pub(crate) fn floats(&self, tensor: &Tensor) -> Result<Vec<f32>, String> {
        let bytes = self.bytes(tensor)?;
        let mut floats = vec![0.0; tensor.rows() * tensor.columns()];
        tensor.format.decode(&bytes, &mut floats);
        Ok(floats)
    }
}

/// A name as messages show it.
fn brief(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(60).collect()
}

/// A cursor over the header that reads ahead in pieces.
struct Reader<'a> {
    source: &'a dyn Source,
    end: u64,
    at: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl<'a> Reader<'a> {
    const WINDOW: u64 = 1 << 20;

    fn new(source: &'a dyn Source) -> Self {
        let end = source.len().min(MAX_HEADER);
        Self { source, end, at: 0, window: Vec::new(), window_at: 0 }
    }

    fn take(&mut self, n: u64) -> Result<&[u8], String> {
        let stop =
            self.at.checked_add(n).filter(|stop| *stop <= self.end).ok_or_else(|| {
                format!("the header is cut short or damaged at byte {}", self.at)
            })?;
        let held = self.window_at + self.window.len() as u64;
        if self.at < self.window_at || stop > held {
            let len = n.max(Self::WINDOW).min(self.end - self.at);
            self.window.resize(len as usize, 0);
            self.window_at = self.at;
            self.source
                .read_at(self.at, &mut self.window)
                .map_err(|e| format!("the header cannot be read: {e}"))?;
        }
        let from = (self.at - self.window_at) as usize;
        self.at = stop;
        Ok(&self.window[from..from + n as usize])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_le_bytes)
    }

    fn count(&mut self, what: &str) -> Result<u64, String> {
        let count = self.u64()?;
        if count > MAX_ENTRIES {
            return Err(format!("the header is damaged: it counts {count} {what}"));
        }
        Ok(count)
    }

    fn text(&mut self) -> Result<String, String> {
        let len = self.u64()?;
        let bytes = self.take(len)?.to_vec();
        String::from_utf8(bytes).map_err(|_| "the header is damaged: not UTF-8 text".to_owned())
    }

    fn value(&mut self, kind: u32) -> Result<Value, String> {
        Ok(match kind {
            0 => Value::Unsigned(u64::from(self.array::<1>()?[0])),
            1 => Value::Signed(i64::from(i8::from_le_bytes(self.array()?))),
            2 => Value::Unsigned(u64::from(u16::from_le_bytes(self.array()?))),
            3 => Value::Signed(i64::from(i16::from_le_bytes(self.array()?))),
            4 => Value::Unsigned(u64::from(self.u32()?)),
            5 => Value::Signed(i64::from(i32::from_le_bytes(self.array()?))),
            6 => Value::Float(f64::from(f32::from_le_bytes(self.array()?))),
            7 => Value::Bool(self.array::<1>()?[0] != 0),
            8 => Value::Text(self.text()?),
            9 => self.list()?,
            10 => Value::Unsigned(self.u64()?),
            11 => Value::Signed(i64::from_le_bytes(self.array()?)),
            12 => Value::Float(f64::from_le_bytes(self.array()?)),
            _ => return Err(format!("the header is damaged: no values of kind {kind}")),
        })
    }

    fn list(&mut self) -> Result<Value, String> {
        let kind = self.u32()?;
        let len = self.u64()?;
        let smallest = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            _ => return Err(format!("the header is damaged: no lists of kind {kind}")),
        };
        if len.checked_mul(smallest).is_none_or(|bytes| bytes > self.end - self.at) {
            return Err(format!("the header is damaged: a list of {len}"));
        }
        if kind == 8 {
            return (0..len).map(|_| self.text()).collect::<Result<_, _>>().map(Value::Texts);
        }
        let mut numbers = Vec::with_capacity(len as usize);
        for _ in 0..len {
            numbers.push(match self.value(kind)? {
                Value::Unsigned(n) => n as f64,
                Value::Signed(n) => n as f64,
                Value::Float(x) => x,
                Value::Bool(b) => f64::from(u8::from(b)),
                Value::Text(_) | Value::Texts(_) | Value::Numbers(_) => f64::NAN,
            });
        }
        Ok(Value::Numbers(numbers))
    }

    fn tensor(&mut self) -> Result<Tensor, String> {
        let rank = self.u32()?;
        if rank > 4 {
            return Err(format!("the header is damaged: {rank} dimensions"));
        }
        let mut dims = Vec::new();
        for _ in 0..rank {
            let size = self.u64()?;
            if size == 0 || size > 1 << 32 {
                return Err(format!("the header is damaged: a dimension of {size}"));
            }
            dims.push(size as usize);
        }
        let code = self.u32()?;
        let format = Format::from_code(code)
            .ok_or_else(|| format!("its number format {code} is not one we read"))?;
        let offset = self.u64()?;
        let columns = dims.first().copied().unwrap_or(1);
        let bytes = (columns % format.block() == 0)
            .then(|| {
                dims.iter().skip(1).try_fold(columns / format.block(), |n, d| n.checked_mul(*d))
            })
            .flatten()
            .and_then(|blocks| blocks.checked_mul(format.block_bytes()))
            .filter(|bytes| *bytes as u64 <= self.source.len())
            .ok_or("the header is damaged or the file is cut short: sizes do not fit")?;
        Ok(Tensor { dims, format, offset, bytes })
    }
}
