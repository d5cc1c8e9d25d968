//! Decimal fractions as job files write them.

/// A decimal number such as `1.5` in percent: 150. More than two decimals are rounded.
pub(super) fn parse_percent(text: &str) -> Option<u32> {
    let plain = text.len() <= 20 && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let number: f64 = text.parse().ok().filter(|_| plain)?;
    Some((number * 100.0).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents() {
        assert_eq!(parse_percent("2"), Some(200));
        assert_eq!(parse_percent("0.2"), Some(20));
        assert_eq!(parse_percent("1.07"), Some(107));
        assert_eq!(parse_percent("99999999999999"), Some(u32::MAX));
        for text in ["", "-1", "nan", "inf", "1e3", "x", ".", "1.2.3"] {
            assert_eq!(parse_percent(text), None, "{text}");
        }
    }
}
