//! Any texts, bytes and numbers as what a plugin answers and writes: believed as it is, cut, or refused.
#![no_main]

/// A piece of text that is said as often.
type Text = (String, u16);

libfuzzer_sys::fuzz_target!(|input: (Vec<Text>, Vec<u8>, u8, u16)| {
    let (texts, data, times, count) = input;
    let most = |piece: &str, times: u16| piece.repeat(usize::from(times).min((16 << 10) / piece.len().max(1)));
    let texts: Vec<String> = texts.iter().take(8).map(|(piece, times)| most(piece, *times)).collect();
    windlass::fuzzing::plugin_claims(&texts, &data.repeat(usize::from(times)), usize::from(count));
});
