//! Packets: three bytes of length, one that counts, and what they carry.

use bytes::Buf;
use windlass_plugin::Result;

use crate::wire::{MOST_MESSAGE, Wire, broken, too_long};

const HEAD: usize = 4;
/// A packet of that length goes on in the next one.
const MOST_PACKET: usize = 0xff_ffff;

/// A connection in packets.
pub(super) struct Packets {
    pub(super) wire: Wire,
    /// The number of the next one.
    next: u8,
}

impl Packets {
    pub(super) fn new(wire: Wire) -> Packets {
        Packets { wire, next: 0 }
    }

    /// The next packet is the first of a command.
    pub(super) fn begin(&mut self) {
        self.next = 0;
    }

    pub(super) fn send(&mut self, content: &[u8]) -> Result<()> {
        let mut rest = content;
        loop {
            let (now, later) = rest.split_at(rest.len().min(MOST_PACKET));
            let length = u32::try_from(now.len()).unwrap_or(u32::MAX).to_le_bytes();
            let mut packet = Vec::with_capacity(HEAD + now.len());
            packet.extend_from_slice(length.get(..3).unwrap_or_default());
            packet.push(self.next);
            packet.extend_from_slice(now);
            self.next = self.next.wrapping_add(1);
            self.wire.send(&packet)?;
            rest = later;
            if now.len() < MOST_PACKET {
                return Ok(());
            }
        }
    }

    /// What the next packet carries, and those that go on with it.
    pub(super) fn receive(&mut self) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        loop {
            self.wire.fill_to(HEAD)?;
            let [low, middle, high, number] = *self.wire.incoming.first_chunk::<HEAD>().unwrap_or(&[0; HEAD]);
            let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
            if number != self.next {
                return Err(broken("packets out of their order"));
            }
            if content.len() + length > MOST_MESSAGE {
                return Err(too_long(content.len() + length));
            }
            self.next = self.next.wrapping_add(1);
            self.wire.fill_to(HEAD + length)?;
            self.wire.incoming.advance(HEAD);
            content.extend_from_slice(&self.wire.incoming.split_to(length));
            if length < MOST_PACKET {
                return Ok(content);
            }
        }
    }
}
