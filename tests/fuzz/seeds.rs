//! What a target begins with: it brings its own first inputs, since random bytes take long to become a component or an archive.

use std::path::PathBuf;

/// Puts inputs into the directory of the corpus that the fuzzer was started with, before it reads that.
pub fn plant(seeds: impl IntoIterator<Item = Vec<u8>>) {
    let named = std::env::args_os().skip(1).map(PathBuf::from);
    let Some(corpus) = named.into_iter().find(|it| it.is_dir()) else { return };
    for (number, seed) in seeds.into_iter().enumerate() {
        std::fs::write(corpus.join(format!("seed-{number}")), seed).expect("the corpus can be written");
    }
}
