//! A disk that is full.

use std::time::Duration;

use ha_core::spi::Page;

use super::Test;
use super::site::{self, Place};
use super::start;

pub(crate) const TESTS: &[Test] = &[("disk::a_full_disk_refuses_commits_whole_and_ends_no_session", full)];

/// Files of at most 1 MiB, in blocks of 512 bytes: to the process it is like a disk that is full.
const SMALL: &str = "trap '' XFSZ; ulimit -f 2048; exec \"$@\"";

fn full() {
    let place = Place::new();
    site::run(async {
        let session = site::session(&*place.backend(), Duration::from_secs(60)).await;
        site::store(&*session, "before", "").await;
        let said = start::visit(&place.url(), 100, SMALL, false);
        let (_, done) = said.split_once("commit Unavailable NotApplied ").unwrap_or_else(|| panic!("{said}"));
        let done: usize = done.split_whitespace().next().unwrap().parse().unwrap();
        assert!(done > 0 && said.contains("renew true"), "{said}");
        let listing = session.list(&site::collection(), Page::by_name(1_000)).await.unwrap();
        assert_eq!(listing.entries().len(), done + 1, "what was answered is there, and nothing else");
        site::store(&*session, "after", "").await;
    });
}
