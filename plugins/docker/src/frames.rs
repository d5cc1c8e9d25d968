//! Logs as the Docker Engine sends them: a frame is one byte for the stream, three zeros, four bytes for the length, the most
//! significant first, then the time of the line, a blank and the line.

use windlass_plugin::prelude::*;

/// The most bytes of a frame. The engine cuts lines at 16 KiB.
const MOST_BYTES: usize = 4 << 20;
const HEADER: usize = 8;
const STDOUT: [u8; 2] = [0, 1];
const STDERR: u8 = 2;
/// `2026-11-22T08:24:09.786035914Z`, in which only the digits of the fraction vary in number between engines.
const LEAST_TIME: usize = 20;

/// A line, or a part of a long one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) channel: Channel,
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    pub(crate) bytes: &'a [u8],
}

/// Takes bytes as they come and gives frames.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    pending: Vec<u8>,
    taken: usize,
}

impl Frames {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.pending.drain(..self.taken);
        self.taken = 0;
        self.pending.extend_from_slice(bytes);
    }

    /// The next frame that is whole.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>> {
        let taken = self.taken;
        let Some((size, frame)) = parse(self.pending.get(taken..).unwrap_or_default())? else { return Ok(None) };
        self.taken += size;
        Ok(Some(frame))
    }

    /// The same, which stays the next.
    pub(crate) fn peek(&self) -> Result<Option<Frame<'_>>> {
        Ok(parse(self.pending.get(self.taken..).unwrap_or_default())?.map(|(_, frame)| frame))
    }

    /// Whether the last frame is not whole.
    pub(crate) fn is_cut(&self) -> bool {
        self.taken < self.pending.len()
    }
}

/// The frame that these bytes begin with, and how many of them it is; nothing where it is not whole.
fn parse(bytes: &[u8]) -> Result<Option<(usize, Frame<'_>)>> {
    let Some((header, body)) = bytes.split_at_checked(HEADER) else { return Ok(None) };
    let &[stream, _, _, _, a, b, c, d] = header else { return Ok(None) };
    let size = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    if size > MOST_BYTES {
        return Err(Error::internal(format!("the log has a frame of {size} bytes")));
    }
    let Some(body) = body.get(..size) else { return Ok(None) };
    let channel = match stream {
        stream if STDOUT.contains(&stream) => Channel::Stdout,
        STDERR => Channel::Stderr,
        _ => {
            let message = String::from_utf8_lossy(body);
            return Err(Error::unavailable(format!("the Docker Engine cannot read the log: {}", message.trim())));
        }
    };
    let (time, bytes) = split(body).ok_or_else(|| Error::internal("a line of the log does not begin with its time"))?;
    Ok(Some((HEADER + size, Frame { channel, time, bytes })))
}

/// The time and the line after it.
fn split(body: &[u8]) -> Option<(u64, &[u8])> {
    let end = body.iter().position(|byte| *byte == b' ')?;
    let (time, line) = body.split_at_checked(end)?;
    Some((nanos(std::str::from_utf8(time).ok()?)?, line.get(1..)?))
}

/// Nanoseconds since 1970 of a time in UTC by RFC 3339.
fn nanos(time: &str) -> Option<u64> {
    let time = time.strip_suffix('Z')?;
    if time.len() + 1 < LEAST_TIME {
        return None;
    }
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    let (date, clock) = seconds.split_once('T')?;
    let number = |text: &str| text.parse::<u64>().ok();
    let mut date = date.splitn(3, '-').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut clock = clock.splitn(3, ':').map(number);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let nanos = match fraction.len() {
        0 => 0,
        digits @ 1..=9 => number(fraction)? * 10_u64.pow(9 - u32::try_from(digits).ok()?),
        _ => return None,
    };
    let days = days(year, month, day)?;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// Days since 1970 in the Gregorian calendar. Years begin in March, so that a leap day is the last of one.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=2500).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let of_year = (153 * month + 2) / 5 + day - 1;
    (year * 365 + leap_days + of_year).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn frame(stream: u8, text: &str) -> Vec<u8> {
        let size = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[stream, 0, 0, 0][..], &size, text.as_bytes()].concat()
    }

    #[test]
    fn frames_are_read_however_they_come() {
        let all = [
            frame(1, "1970-01-01T00:00:00.000000001Z one\n"),
            frame(2, "1970-01-01T00:00:01.5Z two two\n"),
            frame(1, "1970-01-02T00:00:00Z \n"),
        ]
        .concat();
        for step in [1, 3, 8, 1_000] {
            let (mut frames, mut found) = (Frames::default(), Vec::new());
            for piece in all.chunks(step) {
                frames.push(piece);
                while let Some(frame) = frames.next().unwrap() {
                    found.push((frame.channel, frame.time, String::from_utf8(frame.bytes.to_vec()).unwrap()));
                }
            }
            let expected = [
                (Channel::Stdout, 1, "one\n".to_owned()),
                (Channel::Stderr, 1_500_000_000, "two two\n".to_owned()),
                (Channel::Stdout, 86_400_000_000_000, "\n".to_owned()),
            ];
            assert_eq!(found, expected, "in steps of {step}");
            assert!(!frames.is_cut());
        }
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for (bytes, says) in [
            (frame(3, "error grabbing logs: EOF"), "error grabbing logs"),
            (frame(1, "no time"), "its time"),
            (frame(1, "2026-11-22"), "its time"),
            (vec![1, 0, 0, 0, 255, 0, 0, 0], "bytes"),
        ] {
            let mut frames = Frames::default();
            frames.push(&bytes);
            let error = frames.next().unwrap_err();
            assert!(error.message.contains(says), "{error}");
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1972-02-29T12:00:00Z", 68_212_800),
            ("2000-03-01T00:00:00Z", 951_868_800),
            ("2026-11-22T08:24:09Z", 1_795_335_849),
            ("2100-12-31T23:59:59Z", 4_133_980_799),
        ] {
            assert_eq!(nanos(text), Some(seconds * 1_000_000_000), "{text}");
        }
        for text in ["", "2026-11-22T08:24:09", "2026-13-22T08:24:09Z", "x026-11-22T08:24:09Z", "1969-12-31T23:59:59Z"]
        {
            assert_eq!(nanos(text), None, "{text}");
        }
    }
}
