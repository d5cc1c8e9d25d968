//! The times at which a calendar fires.

use super::pattern::Pattern;
use super::zone::{Repeat, Shown, Zone};
use super::{Calendar, When};
use crate::job::Timestamp;

/// 2101-01-02T00:00:00Z: no wall anywhere shows a year that a rule is applied to.
const OVER: i64 = 4_134_067_200;

impl Calendar {
    /// The first time after this one at which it fires.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        self.next_from(after.plus_millis(1)).filter(|next| *next > after)
    }

    /// The first time at which it fires, this one or later.
    pub fn next_from(&self, from: Timestamp) -> Option<Timestamp> {
        let from = self.start.map_or(from, |start| start.max(from));
        let next = match &self.when {
            When::Wall(pattern) => {
                // The last whole second before.
                let before = i64::try_from(from.as_millis()).ok()?.saturating_sub(1).div_euclid(1_000);
                let next = next_on_wall(pattern, self.zone, before.min(OVER))?;
                Timestamp::from_millis(u64::try_from(next).ok()?.checked_mul(1_000)?)
            }
            When::Every { from_ms, interval_ms } => next_of_every(*from_ms, *interval_ms, from)?,
            When::Listed(times) => times.get(times.partition_point(|time| *time < from)).copied()?,
        };
        self.end.is_none_or(|end| next < end).then_some(next)
    }

    /// Those from `from` on and before `until`, in order.
    pub fn fires(&self, from: Timestamp, until: Timestamp) -> Fires<'_> {
        Fires { calendar: self, next: self.next_from(from), until }
    }

    /// The next ones after a time, `count` of them or as many as there are.
    pub fn preview(&self, after: Timestamp, count: usize) -> Vec<Timestamp> {
        let fires = Fires { calendar: self, next: self.next_after(after), until: Timestamp::MAX };
        fires.take(count).collect()
    }
}

/// The times at which a calendar fires within a range. Each is looked for when it is asked for.
#[derive(Clone, Debug)]
pub struct Fires<'a> {
    calendar: &'a Calendar,
    next: Option<Timestamp>,
    until: Timestamp,
}

impl Iterator for Fires<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        let fire = self.next.take().filter(|fire| *fire < self.until)?;
        self.next = self.calendar.next_after(fire);
        Some(fire)
    }
}

fn next_of_every(first_ms: u64, interval_ms: u64, from: Timestamp) -> Option<Timestamp> {
    let passed = from.as_millis().saturating_sub(first_ms).div_ceil(interval_ms);
    let next = first_ms.checked_add(passed.checked_mul(interval_ms)?)?;
    (next / 1_000 < OVER.unsigned_abs()).then_some(Timestamp::from_millis(next))
}

/// The first moment after `after` at which a rule for the wall fires.
fn next_on_wall(pattern: &Pattern, zone: Zone, after: i64) -> Option<i64> {
    let repeat = zone.repeat(after);
    if pattern.is_every_hour() {
        next_shown(pattern, zone, after, repeat)
    } else {
        next_once(pattern, zone, after, repeat)
    }
}

/// Every time on the wall once: what is shown twice at its first, what is never shown right after the change.
/// So later times on the wall are never earlier moments, and one search is enough.
fn next_once(pattern: &Pattern, zone: Zone, after: i64, repeat: Option<Repeat>) -> Option<i64> {
    // All that is shown again was decided when it was shown first.
    let wall = match repeat {
        Some(repeat) if repeat.again => repeat.end - 1,
        _ => zone.wall(after),
    };
    match zone.when(pattern.next(wall)?) {
        Shown::Once(at) | Shown::Twice { first: at, .. } | Shown::Never { after: at } => Some(at),
    }
}

/// Every moment at which the wall shows such a time.
fn next_shown(pattern: &Pattern, zone: Zone, after: i64, repeat: Option<Repeat>) -> Option<i64> {
    let mut wall = pattern.next(zone.wall(after))?;
    if let Some(repeat) = repeat.filter(|repeat| !repeat.again && wall >= repeat.end) {
        // Before the wall shows that, clocks are set back.
        let again = pattern.next(repeat.begin - 1)?;
        if again < repeat.end {
            return Some(repeat.turned + (again - repeat.begin));
        }
    }
    loop {
        match zone.when(wall) {
            Shown::Once(at) => return Some(at),
            Shown::Twice { first, second } => return Some(if first > after { first } else { second }),
            // The search goes on behind the gap; it ends with the last year that the pattern knows.
            Shown::Never { after } => wall = pattern.next(zone.wall(after) - 1)?,
        }
    }
}
