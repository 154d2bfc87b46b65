//! Dense numbers for names and ids, found by a fast hash.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Numbers keys from 0 on, in the order in which they first appear.
#[derive(Debug)]
pub(crate) struct Numbers<K>(HashMap<K, usize, BuildHasherDefault<Mixer>>);

impl<K> Default for Numbers<K> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<K: Eq + Hash> Numbers<K> {
    /// The number of `key`, and whether it is a new one.
    pub(crate) fn number(&mut self, key: K) -> (usize, bool) {
        let next = self.0.len();
        let number = *self.0.entry(key).or_insert(next);
        (number, number == next)
    }

    /// The number of `key`, if it has appeared.
    pub(crate) fn find(&self, key: &K) -> Option<usize> {
        self.0.get(key).copied()
    }
}

/// Hashes short keys in a few instructions. The histories are our own, so nobody chooses keys that collide.
#[derive(Debug, Default)]
pub(crate) struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn write_u64(&mut self, word: u64) {
        // An odd constant with well-mixed bits: 2^64 divided by the golden ratio.
        self.0 = (self.0 ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}
