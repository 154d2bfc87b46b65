//! The files that the trackers hash: the same in every run, of every size from nothing on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::platform::failure::Failure;

/// The longest file.
const BYTES_MAX: u64 = 32 * 1024;

/// Makes `count` files in a new `folder`; their names.
pub(super) fn make(folder: &Path, count: u32) -> Result<Vec<String>, Failure> {
    std::fs::create_dir(folder).map_err(|error| Failure::at("create", folder, error))?;
    let mut names = Vec::new();
    for number in 0..count {
        let (name, mut numbers) = (format!("file-{number:03}"), Numbers(u64::from(number)));
        // The first one is empty: whoever hashes has to cope with that.
        let size = if number == 0 { 0 } else { numbers.next() % BYTES_MAX };
        let contents: Vec<u8> = (0..size).map(|_| numbers.next().to_le_bytes()[0]).collect();
        let path = folder.join(&name);
        std::fs::write(&path, contents).map_err(|error| Failure::at("write", &path, error))?;
        names.push(name);
    }
    Ok(names)
}

/// The SHA-256 of a file in hexadecimal, and its size.
pub(super) fn hash(path: &Path) -> io::Result<(String, u64)> {
    let (mut file, mut hasher, mut buffer) = (File::open(path)?, Sha256::new(), [0; 8 * 1024]);
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            let hexadecimal = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok((hexadecimal, bytes));
        }
        hasher.update(&buffer[..read]);
        bytes += read as u64;
    }
}

/// The hash and the size of every file in `folder`, by name.
pub(crate) fn hash_all(folder: &Path) -> Result<BTreeMap<String, (String, u64)>, Failure> {
    let failed = |error: io::Error| Failure::at("hash the files in", folder, error);
    let mut hashes = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        hashes.insert(name, hash(&entry.path()).map_err(failed)?);
    }
    Ok(hashes)
}

/// Numbers that look random and are the same in every run: SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MAX, hash_all, make};
    use std::collections::BTreeSet;

    #[test]
    fn the_files_are_the_same_each_time_and_all_differ() {
        let folder = std::env::temp_dir().join(format!("ha-platform-files-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let [one, two] = ["one", "two"].map(|name| {
            let names = make(&folder.join(name), 40).unwrap();
            let hashes = hash_all(&folder.join(name)).unwrap();
            assert!(hashes.keys().eq(names.iter()));
            hashes
        });
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(one, two);
        assert_eq!(one.values().collect::<BTreeSet<_>>().len(), 40);
        let sizes: Vec<u64> = one.values().map(|(_, size)| *size).collect();
        assert!(sizes.iter().all(|size| *size < BYTES_MAX) && sizes.iter().any(|size| *size > BYTES_MAX / 2));
        // What everybody's SHA-256 of nothing is.
        assert_eq!(one["file-000"].0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
