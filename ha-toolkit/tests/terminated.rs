//! A service is told to end, and ends in good order. A file of its own: the signal goes to the whole process.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::Duration;

/// The bit of SIGTERM in the masks of `/proc`.
const SIGTERM: u64 = 1 << 14;

fn catches_sigterm() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    mask.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).is_ok_and(|caught| caught & SIGTERM != 0))
}

#[tokio::test]
async fn a_service_that_gets_sigterm_shuts_down_by_itself() {
    let node = ha::builder().node("box-1").connect("memory:terminated").await.unwrap();
    let guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
    let ender = std::thread::spawn(|| {
        // Earlier the signal would end the process.
        while !catches_sigterm() {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let pid = std::process::id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    });
    node.terminated().await.unwrap();
    ender.join().unwrap();
    drop(guard);
    node.shutdown(Duration::from_secs(5)).await.unwrap();
}
