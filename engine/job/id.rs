//! Ids: a dense sequence inside, a UUIDv7 outside.
//!
//! The sequence number is the key of every record, so new records land at the right edge of every table
//! and no id index exists. The public id is a UUID version 7 (RFC 9562, section 5.7) that carries it:
//!
//! ```text
//! 48 bits  creation time in milliseconds
//!  4 bits  version (7)
//! 12 bits  sequence, bits 28 to 39
//!  2 bits  variant
//! 28 bits  sequence, bits 0 to 27
//! 34 bits  tag: 32 random bits, checked at every look-up, so ids cannot be guessed or counted through
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::time::Timestamp;

/// Position of a job in the order of submission; the key of its records. 40 bits are usable.
pub type Seq = u64;

/// The largest sequence number an id can carry: 2^40 - 1 jobs in the life of a store.
pub const MAX_SEQ: Seq = (1 << 40) - 1;

const LOW_BITS: u32 = 28;
const TAG_BITS: u32 = 34;

/// Public id of a job.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct JobId(Uuid);

impl JobId {
    /// The id of the job `seq`, created at `created_at`; `tag` makes it unguessable.
    pub fn new(seq: Seq, created_at: Timestamp, tag: u32) -> Self {
        let seq = u128::from(seq & MAX_SEQ);
        let low_mask = (1_u128 << LOW_BITS) - 1;
        let bits = (u128::from(created_at.as_millis()) & ((1 << 48) - 1)) << 80
            | 7 << 76
            | (seq >> LOW_BITS) << 64
            | 0b10 << 62
            | (seq & low_mask) << TAG_BITS
            | u128::from(tag);
        JobId(Uuid::from_u128(bits))
    }

    /// The sequence number inside.
    pub fn seq(self) -> Seq {
        let bits = self.0.as_u128();
        let high = (bits >> 64) & 0xfff;
        let low = (bits >> TAG_BITS) & ((1 << LOW_BITS) - 1);
        (high << LOW_BITS | low) as Seq
    }

    /// The creation time inside.
    pub fn created_at(self) -> Timestamp {
        Timestamp::from_millis((self.0.as_u128() >> 80) as u64)
    }

    /// The random tag inside.
    pub fn tag(self) -> u32 {
        self.0.as_u128() as u32
    }

    /// The same as a UUID.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is not the id of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a job id: expected a UUID of version 7 as 01234567-89ab-7cde-8f01-23456789abcd")]
pub struct NotAnId;

impl FromStr for JobId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let id = JobId(Uuid::try_parse(text).map_err(|_| NotAnId)?);
        // Two bits between sequence and tag are always zero: what does not rebuild was not made here.
        if JobId::new(id.seq(), id.created_at(), id.tag()) == id { Ok(id) } else { Err(NotAnId) }
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for JobId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        text.parse()
    }
}

/// Id of a chain: the id of its first job.
pub type ChainId = JobId;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn carries_everything(seq in 0..=MAX_SEQ, millis in 0_u64..1 << 48, tag: u32) {
            let id = JobId::new(seq, Timestamp::from_millis(millis), tag);
            prop_assert_eq!((id.seq(), id.created_at().as_millis(), id.tag()), (seq, millis, tag));
            prop_assert_eq!(id.as_uuid().get_version_num(), 7);
            prop_assert_eq!(id.to_string().parse::<JobId>(), Ok(id));
        }

        #[test]
        fn orders_by_time_then_sequence(a in 0..MAX_SEQ, millis in 0_u64..1 << 48, tags: (u32, u32)) {
            let at = Timestamp::from_millis(millis);
            prop_assert!(JobId::new(a, at, tags.0) < JobId::new(a + 1, at, tags.1));
        }

        #[test]
        fn no_text_breaks_the_parser(text in "\\PC{0,50}|[0-9a-fA-F{}:urnid-]{30,50}|[0-9a-f]{32}", bits: u128) {
            for text in [text, Uuid::from_u128(bits).to_string()] {
                if let Ok(id) = text.parse::<JobId>() {
                    prop_assert_eq!(id.to_string().parse(), Ok(id));
                    prop_assert_eq!(JobId::new(id.seq(), id.created_at(), id.tag()), id);
                }
            }
        }
    }

    #[test]
    fn refuses_other_uuids() {
        assert!("f47ac10b-58cc-4372-a567-0e02b2c3d479".parse::<JobId>().is_err());
        assert!("".parse::<JobId>().is_err());
        assert!("01234567-89ab-7cde-8f01-2fffffffffff".parse::<JobId>().is_err());
    }
}
