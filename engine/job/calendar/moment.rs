//! Points in time as a calendar's start, end and one-off times are written.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike};

use super::pattern::{FIRST_YEAR, LAST_YEAR};
use super::zone::{Shown, Zone};
use crate::job::Timestamp;

/// What such a time looks like, for messages.
pub(super) const MOMENT_ALLOWED: &str = "a time from 1970 to 2100 such as 2026-11-21T10:00:00, in the calendar's zone; \
    2026-11-21T10:00:00Z or 2026-11-21T10:00:00+01:00; or 2026-11-21, which is its first moment";

/// A time as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// What a clock on the wall shows.
    Wall(NaiveDateTime),
    /// With its offset from UTC, so it is the same everywhere.
    Fixed(Timestamp),
}

impl Moment {
    /// A time in any of its spellings.
    pub(super) fn parse(text: &str) -> Option<Moment> {
        if !text.is_ascii() || text.len() > LONGEST {
            return None;
        }
        if let Ok(fixed) = DateTime::parse_from_rfc3339(text) {
            let ms = u64::try_from(fixed.timestamp_millis()).ok()?;
            return is_known(fixed.naive_utc()).then_some(Moment::Fixed(Timestamp::from_millis(ms)));
        }
        let wall = parse_wall(text)?;
        is_known(wall).then_some(Moment::Wall(wall))
    }

    /// When that is where the wall is. What is never shown is the moment after the change, what is shown twice
    /// the first of the two.
    pub(super) fn at(self, zone: Zone) -> Timestamp {
        let wall = match self {
            Moment::Fixed(at) => return at,
            Moment::Wall(wall) => wall.and_utc(),
        };
        let (at, fraction) = match zone.when(wall.timestamp()) {
            Shown::Once(at) | Shown::Twice { first: at, .. } => (at, wall.timestamp_subsec_millis()),
            Shown::Never { after } => (after, 0),
        };
        let ms = at.saturating_mul(1_000).saturating_add(i64::from(fraction));
        Timestamp::from_millis(u64::try_from(ms).unwrap_or(0))
    }

    /// Its one spelling.
    pub(super) fn text(self) -> String {
        match self {
            Moment::Fixed(at) => at.to_string().replace(".000Z", "Z"),
            // A fraction is shown when there is one.
            Moment::Wall(wall) => wall.format("%Y-%m-%dT%H:%M:%S%.f").to_string(),
        }
    }
}

/// Longer than any time with nine digits of a second.
const LONGEST: usize = 40;

/// The library writes a leap second, which no clock here shows, as more than a second's nanoseconds.
fn is_known(at: NaiveDateTime) -> bool {
    (FIRST_YEAR..=LAST_YEAR).contains(&at.year()) && at.nanosecond() < 1_000_000_000
}

fn parse_wall(text: &str) -> Option<NaiveDateTime> {
    let (date, time) = text.split_once(['T', 't', ' ']).map_or((text, None), |(date, time)| (date, Some(time)));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || b"-:.".contains(&byte));
    if date.len() != "2026-11-21".len() || !digits(date) || !time.is_none_or(digits) {
        return None;
    }
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let Some(time) = time else { return date.and_hms_opt(0, 0, 0) };
    if !matches!(time.as_bytes(), [_, _, b':', _, _] | [_, _, b':', _, _, b':', _, _, ..]) {
        return None;
    }
    let spelled = format!("{date}T{time}");
    let shapes = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    shapes.iter().find_map(|shape| NaiveDateTime::parse_from_str(&spelled, shape).ok())
}
