//! The randomness handed to the rest of the engine: the system's, or a replayable one.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::SecretError;

/// One read from the system serves 512 numbers.
const POOL_BYTES: usize = 4096;

/// A source of randomness; clones share it.
#[derive(Clone)]
pub struct Entropy(Arc<Source>);

enum Source {
    System(Mutex<Pool>),
    Seeded(AtomicU64),
}

impl Entropy {
    /// Randomness of the operating system, fit for keys and nonces.
    ///
    /// # Errors
    /// [`SecretError::Random`] when the system has none to give. Once made, the source never fails, see [`Entropy::fill`].
    pub fn system() -> Result<Self, SecretError> {
        let pool = Mutex::new(Pool::new()?);
        Ok(Self(Arc::new(Source::System(pool))))
    }

    /// Numbers that follow from `seed` (splitmix64): for replays and tests, never for keys and nonces.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Source::Seeded(AtomicU64::new(seed))))
    }

    /// The next number.
    #[must_use]
    pub fn next_u64(&self) -> u64 {
        match &*self.0 {
            Source::System(pool) => {
                let mut bytes = [0; 8];
                take(pool, &mut bytes);
                u64::from_le_bytes(bytes)
            }
            Source::Seeded(state) => splitmix64(state),
        }
    }

    /// Fills `out`.
    ///
    /// A system that stops giving randomness (a sandbox closed late, say) does not stop the engine: the bytes then come
    /// from HMAC-SHA-256 in counter mode under a key drawn while the system still gave some.
    pub fn fill(&self, out: &mut [u8]) {
        match &*self.0 {
            Source::System(pool) => take(pool, out),
            Source::Seeded(state) => {
                for chunk in out.chunks_mut(8) {
                    let number = splitmix64(state).to_le_bytes();
                    copy_head(chunk, &number);
                }
            }
        }
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match &*self.0 {
            Source::System(_) => "Entropy(system)",
            Source::Seeded(_) => "Entropy(seeded)",
        })
    }
}

fn take(pool: &Mutex<Pool>, out: &mut [u8]) {
    // A pool is whole after every statement, so a panic elsewhere cannot have spoilt it.
    let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
    pool.take(out);
}

fn splitmix64(state: &AtomicU64) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut mixed = state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn copy_head(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// Random bytes in stock; those given away are wiped.
struct Pool {
    system: SystemRandom,
    stock: Box<[u8; POOL_BYTES]>,
    used_bytes: usize,
    reserve: Reserve,
}

impl Pool {
    fn new() -> Result<Self, SecretError> {
        let system = SystemRandom::new();
        let mut seed = [0; 32];
        system.fill(&mut seed).map_err(|_| SecretError::Random)?;
        let reserve = Reserve::new(&seed);
        seed.fill(0);
        std::hint::black_box(&seed);
        Ok(Self { system, stock: Box::new([0; POOL_BYTES]), used_bytes: POOL_BYTES, reserve })
    }

    fn take(&mut self, out: &mut [u8]) {
        let mut rest = out;
        while !rest.is_empty() {
            if self.used_bytes == POOL_BYTES {
                self.refill();
            }
            let count = rest.len().min(POOL_BYTES - self.used_bytes);
            let (head, tail) = rest.split_at_mut(count);
            let stock = self.stock.iter_mut().skip(self.used_bytes);
            for (to, from) in head.iter_mut().zip(stock) {
                *to = std::mem::take(from);
            }
            self.used_bytes += count;
            rest = tail;
        }
    }

    fn refill(&mut self) {
        if self.system.fill(self.stock.as_mut_slice()).is_err() {
            self.reserve.fill(self.stock.as_mut_slice());
        }
        self.used_bytes = 0;
    }
}

/// What stands in while the system gives nothing: HMAC-SHA-256 of a counter.
struct Reserve {
    key: hmac::Key,
    counter: u64,
}

impl Reserve {
    fn new(seed: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, seed), counter: 0 }
    }

    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block = hmac::sign(&self.key, &self.counter.to_le_bytes());
            self.counter += 1;
            copy_head(chunk, block.as_ref());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_seed_replays_the_known_splitmix64_sequence() {
        // The published test vector of splitmix64 with seed 1234567.
        let entropy = Entropy::seeded(1_234_567);
        let numbers: Vec<u64> = (0..3).map(|_| entropy.next_u64()).collect();
        let known = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(numbers, known);
    }

    #[test]
    fn seeded_bytes_are_the_seeded_numbers() {
        let mut bytes = [0; 11];
        Entropy::seeded(5).fill(&mut bytes);
        let numbers = Entropy::seeded(5);
        let mut expected = numbers.next_u64().to_le_bytes().to_vec();
        expected.extend_from_slice(&numbers.next_u64().to_le_bytes()[..3]);
        assert_eq!(bytes.to_vec(), expected);
    }

    #[test]
    fn clones_share_the_source() {
        let entropy = Entropy::seeded(1);
        let other = entropy.clone();
        let first = entropy.next_u64();
        assert_ne!(other.next_u64(), first);
    }

    #[test]
    fn system_numbers_do_not_repeat_across_refills_and_threads() {
        let entropy = Entropy::system().unwrap();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let entropy = entropy.clone();
                std::thread::spawn(move || (0..2000).map(|_| entropy.next_u64()).collect::<Vec<_>>())
            })
            .collect();
        let numbers: HashSet<u64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(numbers.len(), 8000);
        assert!(!numbers.contains(&0));
    }

    #[test]
    fn a_request_larger_than_the_stock_is_filled_to_the_end() {
        let mut bytes = vec![0; 3 * POOL_BYTES + 5];
        Entropy::system().unwrap().fill(&mut bytes);
        for (at, block) in bytes.chunks(64).enumerate() {
            let zeros = block.iter().filter(|byte| **byte == 0).count();
            assert!(zeros < 16, "block {at} holds {zeros} zeros");
        }
    }

    #[test]
    fn bytes_given_away_are_wiped_from_the_stock() {
        let mut pool = Pool::new().unwrap();
        let mut out = [0; 100];
        pool.take(&mut out);
        assert!(pool.stock[..100].iter().all(|byte| *byte == 0));
        assert!(pool.stock[100..].iter().any(|byte| *byte != 0));
    }

    #[test]
    fn the_reserve_never_repeats_a_block() {
        let mut reserve = Reserve::new(&[3; 32]);
        let mut bytes = vec![0; 2 * POOL_BYTES];
        let (first, second) = bytes.split_at_mut(POOL_BYTES);
        reserve.fill(first);
        reserve.fill(second);
        let blocks: HashSet<&[u8]> = bytes.chunks(32).collect();
        assert_eq!(blocks.len(), 2 * POOL_BYTES / 32);
    }

    #[test]
    fn debug_names_the_kind_only() {
        assert_eq!(format!("{:?}", Entropy::seeded(77)), "Entropy(seeded)");
        assert_eq!(format!("{:?}", Entropy::system().unwrap()), "Entropy(system)");
    }
}
