//! A time zone: what a clock on the wall shows at a moment, and at which moments it shows a given time.

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{GapInfo, TZ_VARIANTS, Tz};

/// A zone of the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Zone(Tz);

/// The moments at which a clock on the wall shows a time. Moments are seconds since the Unix epoch; what a wall
/// shows is written as the seconds since 1970-01-01T00:00:00 on that wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// As nearly always.
    Once(i64),
    /// Clocks were set back over it.
    Twice {
        /// The earlier moment.
        first: i64,
        /// The later one.
        second: i64,
    },
    /// Clocks were set forward over it.
    Never {
        /// The first moment after the change.
        after: i64,
    },
}

/// A stretch of the wall that is shown twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeat {
    /// Its first second on the wall.
    pub(super) begin: i64,
    /// The first second on the wall after it.
    pub(super) end: i64,
    /// The moment at which clocks are set back from its end to its beginning.
    pub(super) turned: i64,
    /// Whether the moment that was asked about is in the second showing.
    pub(super) again: bool,
}

impl Zone {
    /// The zone of this name, exactly as the database spells it.
    pub(super) fn named(name: &str) -> Option<Zone> {
        name.parse().ok().map(Zone)
    }

    /// The name that differs from this one only in capitals.
    pub(super) fn like(name: &str) -> Option<&'static str> {
        TZ_VARIANTS.iter().map(|zone| zone.name()).find(|known| known.eq_ignore_ascii_case(name))
    }

    /// What it is called.
    pub(super) fn name(self) -> &'static str {
        self.0.name()
    }

    /// What the wall shows at a moment.
    pub(super) fn wall(self, at: i64) -> i64 {
        at + self.ahead(at)
    }

    /// Seconds ahead of UTC at a moment.
    fn ahead(self, at: i64) -> i64 {
        i64::from(self.0.offset_from_utc_datetime(&civil(at)).fix().local_minus_utc())
    }

    /// When the wall shows this.
    pub(super) fn when(self, wall: i64) -> Shown {
        let shown = civil(wall);
        match self.0.offset_from_local_datetime(&shown) {
            MappedLocalTime::Single(offset) => Shown::Once(wall - seconds(&offset)),
            MappedLocalTime::Ambiguous(one, other) => {
                let (one, other) = (wall - seconds(&one), wall - seconds(&other));
                Shown::Twice { first: one.min(other), second: one.max(other) }
            }
            MappedLocalTime::None => {
                let end = GapInfo::new(&shown, &self.0).and_then(|gap| gap.end);
                Shown::Never { after: end.map_or(wall, |end| end.timestamp()) }
            }
        }
    }

    /// The stretch that is shown twice and that this moment is in.
    pub(super) fn repeat(self, at: i64) -> Option<Repeat> {
        let wall = self.wall(at);
        let Shown::Twice { first, second } = self.when(wall) else { return None };
        // Clocks are set back once between two moments at which they show the same.
        let before = self.ahead(first);
        let (mut earlier, mut turned) = (first, second);
        while turned - earlier > 1 {
            let middle = earlier + (turned - earlier) / 2;
            if self.ahead(middle) == before { earlier = middle } else { turned = middle }
        }
        Some(Repeat { begin: self.wall(turned), end: turned + before, turned, again: at >= turned })
    }
}

fn seconds(offset: &impl Offset) -> i64 {
    i64::from(offset.fix().local_minus_utc())
}

/// Date and time of a count of seconds. Those of a calendar are all far inside of what it can count.
pub(super) fn civil(seconds: i64) -> NaiveDateTime {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default().naive_utc()
}
