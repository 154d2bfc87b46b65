//! Where a store can be, and where it cannot: on a network file system neither the locks nor the shared memory of SQLite work between machines.

use std::path::Path;

use ha_core::{Error, ErrorKind};

/// Types of file systems, as `statfs` tells them, that other machines may write to at the same time.
const NETWORK: &[(u64, &str)] = &[
    (0x0000_6969, "NFS"),
    (0x0000_517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x0102_1997, "9P"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x7375_7245, "Coda"),
    (0x0000_564C, "NCP"),
    (0x786F_4256, "a shared folder of VirtualBox"),
    (0x2003_0528, "OrangeFS"),
];

/// Refuses a folder on a network file system. One behind FUSE cannot be told from a local one.
pub(crate) fn refuse_network(folder: &Path) -> Result<(), Error> {
    let Ok(found) = rustix::fs::statfs(folder) else { return Ok(()) };
    // 32 bits on every machine; some have it signed.
    let kind = found.f_type.cast_unsigned() & 0xFFFF_FFFF;
    match network(kind) {
        None => Ok(()),
        Some(name) => Err(Error::new(ErrorKind::Unsupported, "open the local store")
            .on(folder.display())
            .because(format_args!(
                "it is on {name}, where processes of other machines would not be excluded; use a local disk"
            ))),
    }
}

fn network(kind: u64) -> Option<&'static str> {
    NETWORK.iter().find(|(network, _)| *network == kind).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::{network, refuse_network};
    use std::path::Path;

    #[test]
    fn network_file_systems_are_known_and_local_ones_pass() {
        for (kind, name) in
            [(0x6969, "NFS"), (0xFF53_4D42, "CIFS"), (0x0102_1997, "9P"), (0x00C3_6400, "Ceph")]
        {
            assert_eq!(network(kind), Some(name));
        }
        // ext, xfs, btrfs, tmpfs, overlay, zfs.
        for kind in [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x2FC1_2FC1] {
            assert_eq!(network(kind), None, "{kind:#x}");
        }
        refuse_network(Path::new("/dev")).unwrap();
    }
}
