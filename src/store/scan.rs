//! A walk over the records of a file.

use super::file::read_exact_at;
use super::record::{HEAD, Head, MAGIC, OLD};
use std::fs::File;
use std::io;

/// A walk over the heads of a file.
pub(super) struct Scan<'a> {
    file: &'a File,
    /// Where the next record begins: everything before was walked over.
    pub(super) at: u64,
    end: u64,
    /// A piece of the file, and where it begins.
    piece: Vec<u8>,
    start: u64,
    /// Bytes that belong to no record, with whole ones after them.
    pub(super) damaged: u64,
}

impl<'a> Scan<'a> {
    const PIECE: u64 = 64 << 10;

    pub(super) fn new(file: &'a File, at: u64, end: u64) -> Self {
        Self { file, at, end, piece: Vec::new(), start: at, damaged: 0 }
    }

    /// The next whole record and where it begins.
    pub(super) fn next_record(&mut self) -> io::Result<Option<(Head, u64)>> {
        if self.end - self.at < OLD as u64 {
            return Ok(None);
        }
        let found = match Head::read(self.bytes(self.at)?) {
            Some(head) => Some((head, self.at)),
            None => self.after_damage()?,
        };
        let found = found.filter(|(head, offset)| offset + head.span() <= self.end);
        if let Some((head, offset)) = found {
            self.at = offset + head.span();
        }
        Ok(found)
    }

    /// The label of a record that was just found.
    pub(super) fn label(&mut self, head: &Head, offset: u64) -> io::Result<String> {
        Ok(head.label(self.bytes(offset)?).to_owned())
    }

    /// The next whole record after bytes that are none. Until one is found the damage may
    /// be the end of a file that grows, and nothing is said of it.
    fn after_damage(&mut self) -> io::Result<Option<(Head, u64)>> {
        let mut offset = self.at + 1;
        while offset + OLD as u64 <= self.end {
            let end = self.end;
            let bytes = self.bytes(offset)?;
            match bytes.windows(MAGIC.len()).position(|it| it == MAGIC) {
                Some(0) => {
                    if let Some(head) = Head::read(bytes)
                        && offset + head.span() <= end
                    {
                        self.damaged += offset - self.at;
                        return Ok(Some((head, offset)));
                    }
                    offset += 1;
                }
                Some(further) => offset += further as u64,
                None => offset += (bytes.len() + 1 - MAGIC.len()) as u64,
            }
        }
        Ok(None)
    }

    /// The bytes from `offset` on: at least a head, unless the file ends before.
    fn bytes(&mut self, offset: u64) -> io::Result<&[u8]> {
        let there = self.start..self.start + self.piece.len() as u64;
        let wanted = (offset + HEAD as u64).min(self.end);
        if offset < there.start || wanted > there.end {
            let length = (self.end - offset).min(Self::PIECE);
            self.piece.resize(length as usize, 0);
            self.start = offset;
            read_exact_at(self.file, &mut self.piece, offset)?;
        }
        Ok(&self.piece[(offset - self.start) as usize..])
    }
}
