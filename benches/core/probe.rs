//! What the disk itself does: 4 KiB appended and synced, by one thread.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// fdatasyncs a second.
pub(crate) fn syncs_per_second(dir: &Path) -> f64 {
    let path = dir.join("probe");
    let mut file = File::create(&path).expect("a file");
    let block = [7_u8; 4096];
    let (start, mut syncs) = (Instant::now(), 0_u32);
    while start.elapsed() < Duration::from_millis(500) {
        file.write_all(&block).expect("a write");
        file.sync_data().expect("a sync");
        syncs += 1;
    }
    let rate = f64::from(syncs) / start.elapsed().as_secs_f64();
    let _ = std::fs::remove_file(path);
    rate
}
