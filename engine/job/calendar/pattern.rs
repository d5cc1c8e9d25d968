//! Which dates and times of day a rule means, as a clock on the wall shows them.

use std::iter::successors;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use cron::Schedule;

/// A set of small numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers(u64);

impl Numbers {
    /// From the first to the last, in steps.
    pub(super) fn range(first: u32, last: u32, step: u32) -> Numbers {
        (first..=last).step_by(step.max(1) as usize).fold(Numbers::default(), |set, number| set.and(number))
    }

    /// With this number; those that are too large for the set are not in it.
    pub(super) fn and(self, number: u32) -> Numbers {
        Numbers(self.0 | 1_u64.checked_shl(number).unwrap_or(0))
    }

    pub(super) fn joined(self, other: Numbers) -> Numbers {
        Numbers(self.0 | other.0)
    }

    pub(super) fn holds(self, number: u32) -> bool {
        self.0 & 1_u64.checked_shl(number).unwrap_or(0) != 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = u32> {
        (0..64).filter(move |number| self.holds(*number))
    }

    /// The last less the first.
    fn width(self) -> i64 {
        let first = i64::from(self.0.trailing_zeros());
        63 - i64::from(self.0.leading_zeros()) - first
    }

    /// The least distance between two that follow each other.
    fn least_step(self) -> Option<i64> {
        self.iter().zip(self.iter().skip(1)).map(|(a, b)| i64::from(b - a)).min()
    }
}

/// The numbers that each part of a date and a time may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) second: Numbers,
    pub(super) minute: Numbers,
    pub(super) hour: Numbers,
    pub(super) day_of_month: Numbers,
    pub(super) month: Numbers,
    /// 0 is Sunday.
    pub(super) day_of_week: Numbers,
    /// A day needs to match only one of day of month and day of week: Vixie's rule.
    pub(super) either_day: bool,
}

impl Parts {
    /// The text that the library reads: six parts, days of the week from 1 for Sunday.
    fn text(&self, day_of_month: Numbers, day_of_week: Numbers) -> String {
        let parts = [
            listed(self.second, 0, 59),
            listed(self.minute, 0, 59),
            listed(self.hour, 0, 23),
            listed(day_of_month, 1, 31),
            listed(self.month, 1, 12),
            listed(Numbers(day_of_week.0 << 1), 1, 7),
        ];
        parts.join(" ")
    }

    fn has_day(&self, day: NaiveDate) -> bool {
        let of_month = self.day_of_month.holds(day.day());
        let of_week = self.day_of_week.holds(day.weekday().num_days_from_sunday());
        let days = if self.either_day { of_month || of_week } else { of_month && of_week };
        days && self.month.holds(day.month())
    }

    /// The least distance in days between two that match, over all years that the library knows.
    fn least_days(&self) -> Option<i64> {
        let (mut least, mut last): (Option<i64>, Option<NaiveDate>) = (None, None);
        let days = successors(NaiveDate::from_ymd_opt(FIRST_YEAR, 1, 1), NaiveDate::succ_opt);
        for day in days.take_while(|day| day.year() <= LAST_YEAR).filter(|day| self.has_day(*day)) {
            let distance = last.map(|last| (day - last).num_days());
            least = [least, distance].into_iter().flatten().min();
            if least == Some(1) {
                break;
            }
            last = Some(day);
        }
        least
    }
}

/// The first year that a rule is applied to.
pub(super) const FIRST_YEAR: i32 = 1970;
/// The last one; both the library and the zones' changes end with it.
pub(super) const LAST_YEAR: i32 = 2100;

const DAY: i64 = 86_400;
const EVERY_DAY_OF_MONTH: Numbers = Numbers(0xffff_fffe);
const EVERY_DAY_OF_WEEK: Numbers = Numbers(0x7f);
const EVERY_HOUR: Numbers = Numbers(0xff_ffff);

/// Dates and times of day, on any wall.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    parts: Parts,
    schedule: Schedule,
    /// The library joins day of month and day of week by "and". By "or" they are two schedules.
    or_schedule: Option<Schedule>,
}

impl Pattern {
    /// `None` when the library does not take what it should.
    pub(super) fn new(parts: Parts) -> Option<Pattern> {
        let schedule = |of_month, of_week| parts.text(of_month, of_week).parse::<Schedule>().ok();
        if parts.either_day {
            let or_schedule = Some(schedule(EVERY_DAY_OF_MONTH, parts.day_of_week)?);
            Some(Pattern { parts, schedule: schedule(parts.day_of_month, EVERY_DAY_OF_WEEK)?, or_schedule })
        } else {
            Some(Pattern { parts, schedule: schedule(parts.day_of_month, parts.day_of_week)?, or_schedule: None })
        }
    }

    /// The next time on the wall after this one, both in seconds since 1970-01-01T00:00:00 there.
    pub(super) fn next(&self, wall: i64) -> Option<i64> {
        let after = DateTime::<Utc>::from_timestamp(wall, 0)?;
        let first = |schedule: &Schedule| schedule.after(&after).next().map(|next| next.timestamp());
        let or_next = self.or_schedule.as_ref().and_then(first);
        [first(&self.schedule), or_next].into_iter().flatten().min()
    }

    /// Whether it names no hour.
    pub(super) fn is_every_hour(&self) -> bool {
        self.parts.hour == EVERY_HOUR
    }

    /// The least distance in seconds between two times that follow each other, on a wall that is never set.
    pub(super) fn least_interval(&self) -> Option<i64> {
        // Two neighbours differ in one part first; all finer ones go from their last number to their first.
        let Parts { second, minute, hour, .. } = self.parts;
        let in_minute = second.width();
        let in_hour = minute.width() * 60 + in_minute;
        let in_day = hour.width() * 3_600 + in_hour;
        let steps = [
            second.least_step(),
            minute.least_step().map(|step| step * 60 - in_minute),
            hour.least_step().map(|step| step * 3_600 - in_hour),
        ];
        let within = steps.into_iter().flatten().min();
        // Looking for neighbours among days takes longest.
        if within.is_some_and(|within| within <= DAY - in_day) {
            return within;
        }
        let over_night = self.parts.least_days().map(|days| days * DAY - in_day);
        [within, over_night].into_iter().flatten().min()
    }
}

/// A part as the library reads it.
fn listed(numbers: Numbers, least: u32, most: u32) -> String {
    if numbers == Numbers::range(least, most, 1) {
        return "*".to_owned();
    }
    let numbers: Vec<String> = numbers.iter().map(|number| number.to_string()).collect();
    numbers.join(",")
}
