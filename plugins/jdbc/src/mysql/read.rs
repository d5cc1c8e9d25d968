//! What is in a packet, piece by piece.

use windlass_plugin::Result;

use crate::wire::broken;

/// Reads a packet from its front.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(packet: &'a [u8]) -> Reader<'a> {
        Reader(packet)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or_else(|| broken("a packet that is too short"))?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        Ok(self.bytes(1)?.first().copied().unwrap_or_default())
    }

    /// A number of so many bytes, the lowest first.
    pub(super) fn fixed(&mut self, count: usize) -> Result<u64> {
        let bytes = self.bytes(count)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A number that says how long it is.
    pub(super) fn number(&mut self) -> Result<u64> {
        match self.byte()? {
            small @ 0..=0xfa => Ok(u64::from(small)),
            0xfc => self.fixed(2),
            0xfd => self.fixed(3),
            0xfe => self.fixed(8),
            _ => Err(broken("a number that is none")),
        }
    }

    /// Bytes after their number.
    pub(super) fn text(&mut self) -> Result<&'a [u8]> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        self.bytes(count)
    }

    /// Bytes up to a NUL, or to the end.
    pub(super) fn terminated(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let (text, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        text
    }
}
