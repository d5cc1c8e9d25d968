//! Work that is not part of this program and runs in a sandbox.

mod contract;
mod platform;
pub mod wasm;

/// Cuts a text that came from a plugin; at most `most` bytes are kept.
fn bounded(mut text: String, most: usize) -> String {
    if text.len() > most {
        let cut = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}
