//! What a list of jobs may be narrowed to, and where a page of it ends.

use std::fmt;
use std::str::FromStr;

use super::id::{ChainId, JobId, Seq};
use super::status::State;
use super::time::Timestamp;

/// Which jobs to list. Everything given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// In one of these states; empty: in any.
    pub states: Vec<State>,
    /// Made from this job config.
    pub config: Option<String>,
    /// The first job of a run of this pipeline.
    pub run_of: Option<String>,
    /// The jobs of the items of this job.
    pub items_of: Option<JobId>,
    /// Those of the items of all jobs too.
    pub with_items: bool,
    /// Of this chain.
    pub chain: Option<ChainId>,
    /// In this project.
    pub project: Option<String>,
    /// In this queue.
    pub queue: Option<String>,
    /// Created at this time or later.
    pub created_from: Option<Timestamp>,
    /// Created before this time.
    pub created_before: Option<Timestamp>,
    /// In which order.
    pub order: Order,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The latest submission first.
    #[default]
    NewestFirst,
    /// The earliest submission first.
    OldestFirst,
}

/// Where the next page of a list goes on: after this job, in the order of submission. It stays valid while
/// jobs come, change and go: no job that is there all the while is shown twice or left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The last job that was looked at.
    pub after: Seq,
    /// The order of the list that it belongs to.
    pub order: Order,
}

/// A text that is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: give back the text that came with the previous page, unchanged")]
pub struct NotACursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.order {
            Order::NewestFirst => 'n',
            Order::OldestFirst => 'o',
        };
        write!(f, "{order}{:x}-{:02x}", self.after, check_byte(self.after))
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let order = match text.as_bytes().first() {
            Some(b'n') => Order::NewestFirst,
            Some(b'o') => Order::OldestFirst,
            _ => return Err(NotACursor),
        };
        let (digits, check) = text.get(1..).and_then(|rest| rest.split_once('-')).ok_or(NotACursor)?;
        let cursor = Cursor { after: Seq::from_str_radix(digits, 16).map_err(|_| NotACursor)?, order };
        // Only the one spelling that `Display` gives is a cursor.
        if check.len() == 2 && cursor.to_string() == text { Ok(cursor) } else { Err(NotACursor) }
    }
}

/// Catches typing errors; it is no protection.
fn check_byte(seq: Seq) -> u8 {
    seq.to_be_bytes().iter().fold(0x5a, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_survives_its_text(after: u64, newest: bool) {
            let order = if newest { Order::NewestFirst } else { Order::OldestFirst };
            let cursor = Cursor { after, order };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn any_other_text_is_refused_or_is_the_one_spelling(text in "[no]?[0-9a-f+-]{0,20}|[no]?\\PC{0,20}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
