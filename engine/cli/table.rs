//! Plain tables and values as people read them.

/// Rows under their headings, in columns that are as wide as they must be.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings.iter().map(|text| text.len()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let headings: Vec<String> = headings.iter().map(|text| text.to_uppercase()).collect();
    let mut text = String::new();
    for row in std::iter::once(&headings).chain(&rows) {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A text without control characters: what a job says must not steer the terminal from inside a table.
pub(super) fn printable(text: &str) -> String {
    let one_line = text.replace(['\n', '\r', '\t'], " ");
    let visible = one_line.chars().filter(|c| !c.is_control());
    visible.collect()
}

/// A duration to read: `850ms`, `1.2s`, `3m04s`, `2h05m`, `1d03h`.
pub(super) fn duration(ms: u64) -> String {
    let s = ms / 1_000;
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..60_000 => format!("{s}.{}s", ms % 1_000 / 100),
        60_000..3_600_000 => format!("{}m{:02}s", s / 60, s % 60),
        3_600_000..86_400_000 => format!("{}h{:02}m", s / 3_600, s / 60 % 60),
        _ => format!("{}d{:02}h", s / 86_400, s / 3_600 % 24),
    }
}

/// A time of the wire to read: without fractions of a second.
pub(super) fn seconds(at: &str) -> String {
    let cut = at.split('.').next().unwrap_or_default();
    format!("{}Z", cut.trim_end_matches('Z').replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_cannot_be_broken() {
        let rows = [vec!["a".to_owned(), "x\u{1b}[31m\ny".to_owned()], vec!["long".to_owned(), String::new()]];
        let shown = table(&["job", "reason"], &rows);
        assert_eq!(shown, "JOB   REASON\na     x[31m y\nlong\n");
    }

    #[test]
    fn durations_and_times() {
        for (ms, shown) in [
            (0, "0ms"),
            (999, "999ms"),
            (1_250, "1.2s"),
            (184_000, "3m04s"),
            (7_500_000, "2h05m"),
            (97_200_000, "1d03h"),
        ] {
            assert_eq!(duration(ms), shown);
        }
        assert_eq!(seconds("2026-11-21T21:37:07.123Z"), "2026-11-21 21:37:07Z");
    }
}
