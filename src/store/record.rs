//! Records: the bytes of one reply in a file, with what was said about it.
//!
//! | bytes | |
//! |---|---|
//! | 4 | [`MAGIC`] and `2` |
//! | 4 | length of the reply, little-endian |
//! | 32 | key |
//! | 8 | when it was written: microseconds since 1970, little-endian |
//! | 1 | length of the label |
//! | 8 | start of the SHA-256 of key, label and reply |
//! | 4 | start of the SHA-256 of the 57 bytes before |
//! | so many | the label, in UTF-8 |
//! | length | the reply |
//!
//! The head has a checksum of its own, so that its lengths can be trusted without reading the
//! reply: a file is indexed from heads alone. Records that end their magic with `1` are those of
//! the layout before: they have neither time nor label, and are only read.

use super::{About, Key};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// What a record begins with; the search for the next whole record after damage looks for it.
pub(super) const MAGIC: [u8; 3] = *b"dsR";
/// The length of the longest head, its label included.
pub(super) const HEAD: usize = NEW + 255;
/// The length of a head without its label.
const NEW: usize = 61;
/// The length of a head of the layout before.
pub(super) const OLD: usize = 52;
/// The longest reply.
pub(super) const LONGEST: usize = 1 << 30;

/// What a head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) key: Key,
    length: u32,
    /// Microseconds since 1970; 0 where nobody knows.
    written: u64,
    label: u8,
    is_old: bool,
}

impl Head {
    /// Reads a head from the start of `bytes`; none when it is too short or damaged.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.get(..3)? != MAGIC {
            return None;
        }
        let is_old = match bytes.get(3)? {
            b'1' => true,
            b'2' => false,
            _ => return None,
        };
        let size = if is_old { OLD } else { NEW };
        let head = bytes.get(..size)?;
        if head[size - 4..] != Sha256::digest(&head[..size - 4])[..4] {
            return None;
        }
        let length = u32::from_le_bytes(head[4..8].try_into().ok()?);
        let key = Key::from_bytes(head[8..40].try_into().ok()?);
        let (written, label) = match is_old {
            true => (0, 0),
            false => (u64::from_le_bytes(head[40..48].try_into().ok()?), head[48]),
        };
        let fits = length as usize <= LONGEST;
        fits.then_some(Self { key, length, written, label, is_old })
    }

    fn size(&self) -> usize {
        if self.is_old { OLD } else { NEW }
    }

    /// The length of the whole record.
    pub(super) fn span(&self) -> u64 {
        self.size() as u64 + u64::from(self.label) + u64::from(self.length)
    }

    /// When it was written; `None` where nobody knows.
    pub(super) fn written(&self) -> Option<Duration> {
        (self.written > 0).then(|| Duration::from_micros(self.written))
    }

    /// The label in a record that begins with this head.
    pub(super) fn label<'a>(&self, record: &'a [u8]) -> &'a str {
        let label = record.get(self.size()..self.size() + usize::from(self.label));
        label.and_then(|it| std::str::from_utf8(it).ok()).unwrap_or_default()
    }
}

/// The record of a reply; its length is at most [`LONGEST`].
pub(super) fn write(key: &Key, about: &About<'_>, reply: &[u8]) -> Vec<u8> {
    let label = &about.label.as_bytes()[..about.label.floor_char_boundary(255)];
    let written = u64::try_from(about.written.as_micros()).unwrap_or(u64::MAX);
    let mut record = Vec::with_capacity(NEW + label.len() + reply.len());
    record.extend_from_slice(&MAGIC);
    record.push(b'2');
    record.extend_from_slice(&(reply.len() as u32).to_le_bytes());
    record.extend_from_slice(key.as_bytes());
    record.extend_from_slice(&written.to_le_bytes());
    record.push(label.len() as u8);
    record.extend_from_slice(&sum(&[key.as_bytes(), label, reply]));
    let check = Sha256::digest(&record);
    record.extend_from_slice(&check[..4]);
    record.extend_from_slice(label);
    record.extend_from_slice(reply);
    record
}

/// What a record holds, if it is whole.
pub(super) fn whole(record: &[u8]) -> Option<(Head, &[u8])> {
    let head = Head::read(record)?;
    let (size, label) = (head.size(), usize::from(head.label));
    let rest = record.get(size..size + label + head.length as usize)?;
    let (label, reply) = rest.split_at(label);
    let told = &record[size - 12..size - 4];
    (told == sum(&[head.key.as_bytes(), label, reply])).then_some((head, reply))
}

fn sum(parts: &[&[u8]]) -> [u8; 8] {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part));
    let mut sum = [0; 8];
    sum.copy_from_slice(&hash.finalize()[..8]);
    sum
}
