//! Moments as stores write them, to tell how wrong a clock is.

/// The seconds since 1970 of a moment as `2013-05-24T00:00:00Z`, `20130524T000000Z` or
/// `Fri, 24 May 2013 00:00:00 GMT`.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    of_digits(text).or_else(|| of_http(text))
}

fn of_digits(text: &str) -> Option<i64> {
    let (date, time) = text.trim().strip_suffix('Z')?.split_once('T')?;
    let time = time.split('.').next()?;
    let (date, time) = (date.replace('-', ""), time.replace(':', ""));
    if date.len() != 8 || time.len() != 6 {
        return None;
    }
    let number = |text: &str, from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    at(
        [number(&date, 0, 4)?, number(&date, 4, 6)?, number(&date, 6, 8)?],
        [number(&time, 0, 2)?, number(&time, 2, 4)?, number(&time, 4, 6)?],
    )
}

fn of_http(text: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words.as_slice() else { return None };
    let month = i64::try_from(MONTHS.find(*month).filter(|at| month.len() == 3 && at % 3 == 0)? / 3 + 1).ok()?;
    let mut parts = time.split(':').map(|part| part.parse::<i64>().ok());
    let time = [parts.next()??, parts.next()??, parts.next()??];
    at([year.parse().ok()?, month, day.parse().ok()?], time)
}

/// By the civil calendar; years that begin in March make the leap day the last one.
fn at([year, month, day]: [i64; 3], [hour, minute, second]: [i64; 3]) -> Option<i64> {
    let is_one = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    if !is_one || !is_time {
        return None;
    }
    let years = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = years * 365 + years / 4 - years / 100 + years / 400 + of_year - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_moment_is_read() {
        let cases = [
            ("1970-01-01T00:00:00Z", 0),
            ("2013-05-24T00:00:00Z", 1_369_353_600),
            ("20130524T000000Z", 1_369_353_600),
            ("2000-02-29T12:34:56.789Z", 951_827_696),
            ("Fri, 24 May 2013 00:00:00 GMT", 1_369_353_600),
            ("Tue, 29 Feb 2000 12:34:56 GMT", 951_827_696),
        ];
        for (text, expected) in cases {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in ["", "soon", "2013-05-24", "2013-13-24T00:00:00Z", "20130524T250000Z", "é, 24 anF 2013 0:0:0 GMT"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
