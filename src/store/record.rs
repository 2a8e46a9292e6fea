//! Records: the bytes of one reply in a file.
//!
//! | bytes | |
//! |---|---|
//! | 4 | [`MAGIC`] |
//! | 4 | length of the reply, little-endian |
//! | 32 | key |
//! | 8 | start of the SHA-256 of key and reply |
//! | 4 | start of the SHA-256 of the 48 bytes before |
//! | length | the reply |
//!
//! The head has a checksum of its own, so that its length can be trusted without reading the
//! reply: a file is indexed from heads alone.

use super::Key;
use sha2::{Digest, Sha256};

/// What a record begins with; the search for the next whole record after damage looks for it.
pub(super) const MAGIC: [u8; 4] = *b"dsR1";
/// The length of a head.
pub(super) const HEAD: usize = 52;
/// The longest reply.
pub(super) const LONGEST: usize = 1 << 30;

/// What a head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) key: Key,
    pub(super) length: u32,
}

impl Head {
    /// Reads a head from the start of `bytes`; none when it is too short or damaged.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEAD)?;
        if head[..4] != MAGIC || head[48..] != Sha256::digest(&head[..48])[..4] {
            return None;
        }
        let length = u32::from_le_bytes(head[4..8].try_into().ok()?);
        let key = Key::from_bytes(head[8..40].try_into().ok()?);
        (length as usize <= LONGEST).then_some(Self { key, length })
    }

    /// The length of the whole record.
    pub(super) fn span(&self) -> u64 {
        HEAD as u64 + u64::from(self.length)
    }
}

/// The record of a reply; its length is at most [`LONGEST`].
pub(super) fn write(key: &Key, reply: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEAD + reply.len());
    record.extend_from_slice(&MAGIC);
    record.extend_from_slice(&(reply.len() as u32).to_le_bytes());
    record.extend_from_slice(key.as_bytes());
    record.extend_from_slice(&sum(key, reply));
    let check = Sha256::digest(&record);
    record.extend_from_slice(&check[..4]);
    record.extend_from_slice(reply);
    record
}

/// The reply in a record, if the record is whole and of this key.
pub(super) fn reply<'a>(key: &Key, record: &'a [u8]) -> Option<&'a [u8]> {
    let head = Head::read(record)?;
    let reply = record.get(HEAD..HEAD + head.length as usize)?;
    (head.key == *key && record[40..48] == sum(key, reply)).then_some(reply)
}

fn sum(key: &Key, reply: &[u8]) -> [u8; 8] {
    let hash = Sha256::new().chain_update(key.as_bytes()).chain_update(reply).finalize();
    let mut sum = [0; 8];
    sum.copy_from_slice(&hash[..8]);
    sum
}
