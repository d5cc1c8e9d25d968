//! Where logs go on: the cursor.
//!
//! The Docker Engine can be asked for the lines since a time. Those of one stream come in the order of their times; those of
//! the two may not. So the last line of each stream is remembered, by its time and by how many of that time were pushed.

use std::fmt;

use windlass_plugin::prelude::*;

/// By how much a line of one stream may come after younger ones of the other, in nanoseconds.
const SKEW: u64 = 2_000_000_000;

/// Where one stream goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The time of the last line that was pushed.
    time: u64,
    /// How many lines of that time were pushed.
    count: u64,
    /// How many of that time came by in this reading.
    seen: u64,
    /// All that was pushed before has come by.
    caught_up: bool,
    /// The last line has no end yet.
    pub(crate) is_open: bool,
}

impl Mark {
    /// Takes the next line: whether it is new.
    pub(crate) fn takes(&mut self, time: u64) -> bool {
        if time < self.time {
            // A clock that was put back is no reason to lose what is new for certain.
            return self.caught_up;
        }
        self.caught_up = true;
        if time > self.time {
            (self.time, self.count, self.seen) = (time, 1, 1);
            return true;
        }
        self.seen += 1;
        let is_new = self.seen > self.count;
        self.count = self.count.max(self.seen);
        is_new
    }
}

/// Where the log of one container goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) stdout: Mark,
    pub(crate) stderr: Mark,
    /// Bytes that were pushed.
    pub(crate) bytes: u64,
    /// What there is to say about its end was said.
    pub(crate) is_noted: bool,
}

impl Position {
    pub(crate) fn mark(&mut self, channel: Channel) -> &mut Mark {
        if channel == Channel::Stderr { &mut self.stderr } else { &mut self.stdout }
    }

    /// Whether a reading whose first line is this one begins with what was pushed already, so that nothing is missing between.
    pub(crate) fn is_covered_from(&self, channel: Channel, time: u64) -> bool {
        let mark = if channel == Channel::Stderr { &self.stderr } else { &self.stdout };
        time < mark.time || (time == mark.time && mark.count == 1)
    }

    /// A new reading begins. From when on the Docker Engine is to be asked for lines, as it wants to be told.
    pub(crate) fn begin(&mut self) -> String {
        for mark in [&mut self.stdout, &mut self.stderr] {
            (mark.seen, mark.caught_up) = (0, mark.count == 0);
        }
        let (one, other) = (self.stdout.time, self.stderr.time);
        // A stream that is silent does not have the whole log of the other one read again and again.
        let since = one.min(other).max(one.max(other).saturating_sub(SKEW));
        format!("{}.{:09}", since / 1_000_000_000, since % 1_000_000_000)
    }
}

/// Where the logs of all containers of a run go on, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Positions(pub(crate) Vec<Position>);

impl Positions {
    /// What `Display` wrote; the beginning for none. There are `count` containers.
    pub(crate) fn read(cursor: Option<&str>, count: usize) -> Result<Positions> {
        let mut positions: Vec<Position> = match cursor {
            None => Vec::new(),
            Some(text) => {
                let parts: Option<Vec<Position>> = text.split(';').map(read).collect();
                parts.ok_or_else(|| Error::internal(format!("'{text}' is not a cursor of this plugin")))?
            }
        };
        positions.resize(count.max(positions.len()), Position::default());
        Ok(Positions(positions))
    }
}

fn read(text: &str) -> Option<Position> {
    let mut parts = text.split(',');
    let (stdout, stderr) = (read_mark(parts.next()?)?, read_mark(parts.next()?)?);
    let bytes = parts.next()?.parse().ok()?;
    let is_noted = match (parts.next(), parts.next()) {
        (None, None) => false,
        (Some("n"), None) => true,
        _ => return None,
    };
    Some(Position { stdout, stderr, bytes, is_noted })
}

fn read_mark(text: &str) -> Option<Mark> {
    let (text, is_open) = text.strip_suffix('+').map_or((text, false), |text| (text, true));
    let (time, count) = text.split_once('.')?;
    Some(Mark { time: time.parse().ok()?, count: count.parse().ok()?, is_open, ..Mark::default() })
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, position) in self.0.iter().enumerate() {
            let mark = |mark: &Mark| format!("{}.{}{}", mark.time, mark.count, if mark.is_open { "+" } else { "" });
            let separator = if index == 0 { "" } else { ";" };
            let noted = if position.is_noted { ",n" } else { "" };
            write!(f, "{separator}{},{},{}{noted}", mark(&position.stdout), mark(&position.stderr), position.bytes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::MOST_CONTAINERS;

    const OUT: Channel = Channel::Stdout;
    const ERR: Channel = Channel::Stderr;
    /// In seconds, as the engine has written them: the streams are not in order with each other.
    const LOG: [(Channel, u64, &str); 9] = [
        (OUT, 10, "a"),
        (ERR, 12, "b"),
        (OUT, 11, "c"),
        (OUT, 11, "d"),
        (ERR, 12, "e"),
        (OUT, 12, "f"),
        (ERR, 13, "g"),
        (OUT, 900, "h"),
        (ERR, 899, "i"),
    ];

    #[test]
    fn no_line_is_lost_or_told_twice_wherever_the_log_is_cut() {
        for step in 1..=LOG.len() {
            let (mut all, mut cursor) = (Vec::new(), None::<String>);
            while all.len() < LOG.len() {
                let mut positions = Positions::read(cursor.as_deref(), 1).unwrap();
                let position = &mut positions.0[0];
                let since: f64 = position.begin().parse().unwrap();
                let before = all.len();
                for (channel, time, line) in LOG.into_iter().filter(|(_, time, _)| *time as f64 >= since) {
                    if all.len() < before + step && position.mark(channel).takes(time * 1_000_000_000) {
                        all.push(line);
                    }
                }
                assert!(all.len() > before, "in steps of {step}: {all:?}");
                cursor = Some(positions.to_string());
            }
            assert_eq!(all, LOG.map(|(_, _, line)| line), "in steps of {step}");
        }
    }

    #[test]
    fn a_reading_that_begins_later_than_the_last_line_is_not_taken() {
        let one = Mark { time: 10, count: 1, ..Mark::default() };
        let position = Position { stdout: one, stderr: Mark { time: 5, count: 2, ..one }, ..Position::default() };
        for (channel, time, is_covered) in
            [(OUT, 9, true), (OUT, 10, true), (OUT, 11, false), (ERR, 4, true), (ERR, 5, false), (ERR, 6, false)]
        {
            assert_eq!(position.is_covered_from(channel, time), is_covered, "{channel:?} {time}");
        }
    }

    #[test]
    fn a_clock_that_is_put_back_loses_nothing_within_a_reading() {
        let mut mark = Mark { caught_up: true, ..Mark::default() };
        assert_eq!([5, 6, 3, 4, 6].map(|time| mark.takes(time)), [true; 5]);
    }

    #[test]
    fn a_cursor_comes_back_and_has_room_for_all_containers() {
        let mark = Mark { time: 4_102_444_800_123_456_789, count: 123_456_789, is_open: true, ..Mark::default() };
        let position = Position { stdout: mark, stderr: mark, bytes: 999_999_999_999, is_noted: true };
        let positions = Positions(vec![position; MOST_CONTAINERS]);
        let text = positions.to_string();
        assert!(text.len() <= 512, "{}", text.len());
        assert_eq!(Positions::read(Some(&text), MOST_CONTAINERS).unwrap(), positions);
        assert_eq!(Positions::read(None, 2).unwrap().0.len(), 2);
        for wrong in ["", "x", "1.1", "1.1,2.2", "1.1,2.2,x", "1.1,2.2,3,n,n", "1,2,3"] {
            assert!(Positions::read(Some(wrong), 1).is_err(), "{wrong}");
        }
    }
}
