//! Any text as a cursor or an id: refused, or the one spelling of what it stands for.
#![no_main]

use windlass::JobId;
use windlass::job::Cursor;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string(), text);
    }
    if let Ok(id) = text.parse::<JobId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(JobId::new(id.seq(), id.created_at(), id.tag()), id);
    }
});
