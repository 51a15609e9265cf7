//! Ids: short enough to type, random enough never to meet again, and in order of time.

use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::clock::Clock;

/// Crockford's base 32: no letter that is mistaken for another.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Where ids and generated secrets come from.
#[derive(Debug, Clone)]
pub struct Ids {
    clock: Clock,
    rng: Arc<Mutex<StdRng>>,
}

impl Ids {
    /// Ids from the operating system's randomness.
    pub fn random(clock: Clock) -> Ids {
        Ids { clock, rng: Arc::new(Mutex::new(StdRng::from_os_rng())) }
    }

    /// The same ids each time, for tests.
    pub fn seeded(clock: Clock, seed: u64) -> Ids {
        Ids { clock, rng: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))) }
    }

    /// A new id: seven letters of time (seconds), seven of randomness.
    pub fn next(&self) -> String {
        let seconds = u64::try_from(self.clock.now().as_second()).unwrap_or(0);
        let random: u64 = self.with(|rng| rng.random());
        let letters = |value: u64, count: u32| {
            (0..count)
                .rev()
                .map(move |i| char::from(ALPHABET[usize::try_from((value >> (5 * i)) & 31).unwrap_or(0)]))
        };
        letters(seconds, 7).chain(letters(random, 7)).collect()
    }

    /// A nonce of hexadecimal digits.
    pub fn nonce(&self) -> String {
        format!("{:016x}", self.with(|rng| rng.random::<u64>()))
    }

    /// A random number below `bound`.
    pub fn below(&self, bound: usize) -> usize {
        self.with(|rng| rng.random_range(0..bound.max(1)))
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut StdRng) -> T) -> T {
        let mut rng = self.rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        use_it(&mut rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_later_ones_sort_later() {
        let clock = Clock::fixed(1_000_000);
        let ids = Ids::seeded(clock.clone(), 7);
        let first = ids.next();
        let second = ids.next();
        clock.advance(std::time::Duration::from_secs(1));
        let third = ids.next();
        assert_ne!(first, second);
        assert!(third > first && third > second);
        assert_eq!(first.len(), 14);
    }
}
