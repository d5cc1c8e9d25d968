//! Any bytes as a piece of a log, any text as one that is masked.
#![no_main]

use windlass::files::{Masker, decode_frames};

libfuzzer_sys::fuzz_target!(|input: (Vec<u8>, Vec<String>, u8)| {
    let (bytes, secrets, cut) = input;
    let (chunks, consumed) = decode_frames(&bytes, 0);
    assert!(consumed <= bytes.len());
    assert!(chunks.iter().map(|chunk| chunk.bytes.len()).sum::<usize>() <= consumed);
    let (left, right) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let mut whole = Masker::new(&secrets);
    let mut at_once = whole.push(&bytes);
    at_once.extend(whole.flush());
    let mut parts = Masker::new(&secrets);
    let mut in_parts = parts.push(left);
    in_parts.extend(parts.push(right));
    in_parts.extend(parts.flush());
    assert_eq!(at_once, in_parts);
});
