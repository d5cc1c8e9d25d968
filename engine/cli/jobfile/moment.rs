//! Points in time as job files and the command line write them: RFC 3339, or `in 5m`.

use crate::job::Timestamp;

use crate::config::quantity::parse_duration_ms;

/// What a point in time looks like, for messages.
pub(crate) const MOMENT_ALLOWED: &str = "a time such as 2026-11-21T10:00:00Z";

/// A start time as it is written: fixed, or counted from the submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// At this time.
    At(Timestamp),
    /// This many milliseconds after the submission.
    InMs(u64),
}

/// A start time.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse_start(text: &str) -> Result<Start, String> {
    match text.strip_prefix("in ") {
        Some(delay) => {
            parse_duration_ms(delay.trim()).map(Start::InMs).map_err(|problem| format!("{problem} after \"in\""))
        }
        None => parse_rfc3339(text).map(Start::At).ok_or_else(|| "is not a time".into()),
    }
}

/// A time of RFC 3339, with the offset from UTC that it must have.
pub(crate) fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let mut date = date.split('-');
    let year = number(date.next()?, 4)?;
    let month = number(date.next()?, 2).filter(|month| (1..=12).contains(month))?;
    let day = number(date.next()?, 2).filter(|day| (1..=days_in_month(year, month)).contains(day))?;
    if date.next().is_some() {
        return None;
    }
    let (clock, offset_minutes) = split_offset(time)?;
    let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(c, f)| (c, Some(f)));
    let mut clock = clock.split(':');
    let hour = number(clock.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = number(clock.next()?, 2).filter(|minute| *minute < 60)?;
    let second = number(clock.next()?, 2).filter(|second| *second < 60)?;
    if clock.next().is_some() {
        return None;
    }
    let in_day_ms = ((hour * 60 + minute) * 60 + second) * 1_000 + millis(fraction)?;
    let ms = days_from_civil(year, month, day) * 86_400_000 + in_day_ms - offset_minutes * 60_000;
    Some(Timestamp::from_millis(u64::try_from(ms).ok()?))
}

/// The time of day, and the minutes it is ahead of UTC.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let at = time.rfind(['+', '-'])?;
    let (clock, offset) = time.split_at(at);
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let hours = number(hours, 2).filter(|hours| *hours < 24)?;
    let minutes = number(minutes, 2).filter(|minutes| *minutes < 60)?;
    let ahead = hours * 60 + minutes;
    Some((clock, if offset.starts_with('-') { -ahead } else { ahead }))
}

/// The digits after the point as milliseconds; finer digits are cut.
fn millis(fraction: Option<&str>) -> Option<i64> {
    let Some(digits) = fraction else {
        return Some(0);
    };
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let padded = format!("{digits:0<3}");
    padded.get(..3).filter(|_| valid)?.parse().ok()
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let valid = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| valid)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; years are counted from March so that the leap
/// day is the last one of a year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn good_times() {
        for (text, same_in_utc) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
            ("2026-11-21T10:00:00Z", "2026-11-21T10:00:00.000Z"),
            ("2026-11-21t10:00:00.5z", "2026-11-21T10:00:00.500Z"),
            ("2026-11-21 10:00:00.123456+02:00", "2026-11-21T08:00:00.123Z"),
            ("2024-02-29T23:59:59-00:30", "2024-03-01T00:29:59.000Z"),
        ] {
            let parsed = parse_rfc3339(text).map(|at| at.to_string());
            assert_eq!(parsed.as_deref(), Some(same_in_utc), "{text}");
        }
        assert_eq!(parse_start("in 5m"), Ok(Start::InMs(300_000)));
    }

    #[test]
    fn bad_times() {
        for text in [
            "",
            "now",
            "2026-11-21",
            "2026-11-21T10:00:00",
            "2026-11-21T10:00Z",
            "2026-11-31T10:00:00Z",
            "2026-02-29T10:00:00Z",
            "2026-13-01T10:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T10:00:00.Z",
            "2026-11-21T10:00:00+2:00",
            "1969-12-31T23:59:59Z",
            "26-11-21T10:00:00Z",
        ] {
            assert!(parse_start(text).is_err(), "{text}");
        }
        assert!(parse_start("in five minutes").is_err());
    }

    proptest! {
        #[test]
        fn reads_back_what_is_shown(ms in 0_u64..253_402_300_800_000) {
            let at = Timestamp::from_millis(ms);
            prop_assert_eq!(parse_rfc3339(&at.to_string()), Some(at));
        }
    }
}
