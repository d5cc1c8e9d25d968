//! What the fuzz target may do with calendars.

use chrono_tz::TZ_VARIANTS;

use super::{Calendar, CalendarSpec};
use crate::job::{ScheduleLimits, Timestamp};

/// 2101-01-02T00:00:00Z.
const OVER_MS: u64 = 4_134_067_200_000;

/// Any text as a cron text and, where it can be one, as a start, in some zone.
pub(crate) fn fuzz_calendar(text: &str, zone: usize, after_ms: u64) {
    let zone = TZ_VARIANTS.get(zone % TZ_VARIANTS.len()).map_or("UTC", |zone| zone.name());
    let limits = ScheduleLimits::default();
    let (text, start) = text.split_once('|').map_or((text, None), |(text, start)| (text, Some(start.to_owned())));
    let spec = CalendarSpec { start, ..CalendarSpec::cron(text).in_zone(zone) };
    let calendar = match Calendar::parse(&spec, &limits) {
        Ok(calendar) => calendar,
        Err(problems) => {
            assert!(!problems.is_empty() && problems.iter().all(|it| !it.allowed.is_empty()));
            return;
        }
    };
    assert_eq!(Calendar::parse(calendar.spec(), &limits).as_ref(), Ok(&calendar));
    assert!(calendar.least_interval_ms().is_none_or(|least| least > 0));
    // Nearly all numbers of milliseconds are far behind the last year.
    let after = Timestamp::from_millis(after_ms % (OVER_MS + 1_000));
    let mut last = after;
    for fire in calendar.preview(after, 8) {
        assert!(fire > last && calendar.start().is_none_or(|start| fire >= start));
        assert_eq!(calendar.next_from(fire), Some(fire));
        assert_eq!(calendar.next_after(last), Some(fire));
        last = fire;
    }
    assert_eq!(calendar.next_after(Timestamp::from_millis(after_ms.max(OVER_MS))), None);
}
