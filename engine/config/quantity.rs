//! Durations and sizes as people write them in files.

/// What a duration looks like, for messages.
pub(crate) const DURATION_ALLOWED: &str = "a duration such as 1500ms, 10s, 5m, 2h, 1d or 1h30m";

/// What a size looks like, for messages.
pub(crate) const SIZE_ALLOWED: &str =
    "a whole number of bytes, or one with KiB, MiB, GiB, TiB, KB, MB, GB or TB, such as 512MiB";

const UNITS_MS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The milliseconds of a duration.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse_duration_ms(text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Err("is empty".into());
    }
    if text.starts_with('-') {
        return Err("is negative".into());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: String = text.chars().take(20).collect();
        return Err(format!("has no unit: say {number}s or {number}m"));
    }
    let mut rest = text;
    let mut total_ms: u64 = 0;
    let mut units_left = UNITS_MS.as_slice();
    while !rest.is_empty() {
        let (number, after) = take_digits(rest).ok_or("is not a duration")?;
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        if after.starts_with('.') {
            return Err("is not a whole number: use a smaller unit, such as 1500ms for 1.5s".into());
        }
        let index = units_left.iter().position(|(name, _)| *name == unit).ok_or_else(|| bad_unit(unit))?;
        let (_, factor) = units_left.get(index).ok_or("is not a duration")?;
        let part = number.and_then(|number| number.checked_mul(*factor));
        total_ms = part.and_then(|part| total_ms.checked_add(part)).ok_or("is too long")?;
        units_left = units_left.get(index + 1..).unwrap_or_default();
        rest = after;
    }
    Ok(total_ms)
}

fn bad_unit(unit: &str) -> String {
    if UNITS_MS.iter().any(|(name, _)| *name == unit) {
        "has its units out of order: the large ones come first, each once".into()
    } else if unit.is_empty() {
        "has a number without a unit".into()
    } else {
        let unit: String = unit.chars().take(10).collect();
        format!("has the unknown unit \"{unit}\"")
    }
}

/// The bytes of a size.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse_size_bytes(text: &str) -> Result<u64, String> {
    if text.starts_with('-') {
        return Err("is negative".into());
    }
    let (number, unit) = take_digits(text).ok_or("is not a size")?;
    let unit = unit.trim_start();
    let factor: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ if unit.starts_with('.') => {
            return Err("is not a whole number: use a smaller unit, such as 1536MiB".into());
        }
        _ => {
            let unit: String = unit.escape_debug().take(10).collect();
            return Err(format!("has the unknown unit \"{unit}\""));
        }
    };
    number.and_then(|number| number.checked_mul(factor)).ok_or_else(|| "is too large".into())
}

/// The digits that a text begins with as a number (`None`: too large for one), and the rest.
fn take_digits(text: &str) -> Option<(Option<u64>, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() { None } else { Some((digits.parse().ok(), rest)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expected_ms) in [
            ("1500ms", 1_500),
            ("10s", 10_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration_ms(text), Ok(expected_ms), "{text}");
        }
        for (text, says) in [
            ("", "is empty"),
            ("10", "say 10s or 10m"),
            ("-10s", "negative"),
            ("1.5h", "whole number"),
            ("10x", "unknown unit \"x\""),
            ("10S", "unknown unit"),
            ("30m1h", "out of order"),
            ("1h1h", "out of order"),
            ("1h30", "without a unit"),
            ("s", "not a duration"),
            ("10 s", "without a unit"),
            ("99999999999999999999s", "too long"),
            ("18446744073709551615s", "too long"),
        ] {
            let problem = parse_duration_ms(text).unwrap_err();
            assert!(problem.contains(says), "{text}: {problem}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4_096),
            ("512MiB", 512 << 20),
            ("512 MiB", 512 << 20),
            ("1GB", 1_000_000_000),
            ("2KB", 2_000),
            ("3B", 3),
        ] {
            assert_eq!(parse_size_bytes(text), Ok(bytes), "{text}");
        }
        for (text, says) in [
            ("", "not a size"),
            ("-1", "negative"),
            ("1.5GiB", "whole number"),
            ("1G", "unknown unit \"G\""),
            ("MiB", "not a size"),
            ("99999999TiB", "too large"),
        ] {
            let problem = parse_size_bytes(text).unwrap_err();
            assert!(problem.contains(says), "{text}: {problem}");
        }
    }
}
