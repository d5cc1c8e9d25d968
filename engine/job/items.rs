//! Counters of the items of a job.

use serde::{Deserialize, Serialize};

/// How many items of a job are in which condition. The parts always add up to `total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemCounts {
    /// All items known so far.
    pub total: u32,
    /// Not begun.
    pub pending: u32,
    /// Begun and not ended.
    pub running: u32,
    /// Ended well.
    pub succeeded: u32,
    /// Ended badly.
    pub failed: u32,
    /// Left unfinished when the job ended.
    pub dropped: u32,
}

impl ItemCounts {
    /// `count` more items, all pending. `None` when the counter would overflow.
    #[expect(clippy::should_implement_trait, reason = "can fail, which `+` must not")]
    pub fn add(self, count: u32) -> Option<ItemCounts> {
        Some(ItemCounts { total: self.total.checked_add(count)?, pending: self.pending + count, ..self })
    }

    /// One pending item begins. `None` when none is pending.
    pub fn begin(self) -> Option<ItemCounts> {
        Some(ItemCounts { pending: self.pending.checked_sub(1)?, running: self.running + 1, ..self })
    }

    /// One running item ends. `None` when none is running.
    pub fn end(self, succeeded: bool) -> Option<ItemCounts> {
        let running = self.running.checked_sub(1)?;
        let (well, badly) = (u32::from(succeeded), u32::from(!succeeded));
        Some(ItemCounts { running, succeeded: self.succeeded + well, failed: self.failed + badly, ..self })
    }

    /// A new attempt starts over with what has not ended well or badly.
    pub fn restart(self) -> ItemCounts {
        ItemCounts { pending: self.pending + self.running, running: 0, ..self }
    }

    /// The job is over: what has not ended never will.
    pub fn close(self) -> ItemCounts {
        ItemCounts { pending: 0, running: 0, dropped: self.dropped + self.pending + self.running, ..self }
    }

    /// Whether the parts add up, the law of this type.
    pub fn adds_up(self) -> bool {
        let parts = [self.pending, self.running, self.succeeded, self.failed, self.dropped];
        parts.iter().map(|part| u64::from(*part)).sum::<u64>() == u64::from(self.total)
    }
}
