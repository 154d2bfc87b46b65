use std::collections::BTreeMap;

use ha_core::spi::{Collection, Lineage, Name, Page, Revision};

use super::{PageRead, Shown, Wanted};
use crate::client::{Children, Node, Reading, Stat};

/// Nodes by their names, with the transactions that created them.
type Nodes<'a> = &'a [(&'a str, u64)];

fn read(page: Page) -> PageRead {
    PageRead::new(Collection::parse(&["c"]).unwrap(), page)
}

fn names(names: &[&str]) -> Vec<Name> {
    names.iter().map(|name| Name::parse(name).unwrap()).collect()
}

/// What the page shows of a collection that was `before` when its names were listed, at the transaction `listed`, and is `now` when its nodes are read: the
/// names and whether there are more, or `None` if it has to be read again.
fn shown(page: Page, before: Nodes<'_>, listed: u64, now: Nodes<'_>) -> Option<(Vec<String>, bool)> {
    let page = read(page);
    let children =
        Children { names: before.iter().map(|(name, _)| (*name).to_owned()).collect(), changed: listed };
    let now: BTreeMap<&str, u64> = now.iter().copied().collect();
    let wanted = page.wanted(&children.names);
    let node = |created: &u64| Node {
        data: "ha1 u\nv".into(),
        stat: Stat { created: *created, modified: *created, ..Stat::default() },
    };
    let reading = Reading {
        nodes: wanted.names.iter().map(|name| now.get(name.as_str()).map(node)).collect(),
        children: now.keys().map(|name| (*name).to_owned()).collect(),
    };
    match page.shown(&children, &wanted, &reading, 0, Lineage::default()) {
        Shown::Again => None,
        Shown::Whole(listing) => {
            let names = listing.entries().iter().map(|entry| entry.key().name().as_str().to_owned());
            Some((names.collect(), listing.has_more()))
        }
    }
}

fn whole(names: &[&str], more: bool) -> Option<(Vec<String>, bool)> {
    Some((names.iter().map(|name| (*name).to_owned()).collect(), more))
}

#[test]
fn a_quiet_collection_is_shown_in_the_order_that_was_asked_for() {
    let all = &[("c", 5), ("a", 7), ("b", 5), ("d", 9)];
    let see = |page| shown(page, all, 9, all);
    assert_eq!(see(Page::by_name(3)), whole(&["a", "b", "c"], true));
    assert_eq!(see(Page::after(Name::parse("b").unwrap(), 2)), whole(&["c", "d"], false));
    assert_eq!(see(Page::oldest(2)), whole(&["b", "c"], true));
    assert_eq!(see(Page::oldest(9)), whole(&["b", "c", "a", "d"], false));
    assert_eq!(see(Page::newest(2)), whole(&["d", "a"], true));
    assert_eq!(see(Page::newest_up_to(Revision::new(7), 2)), whole(&["a", "c"], true));
    assert_eq!(see(Page::newest_up_to(Revision::new(4), 2)), whole(&[], false));
}

#[test]
fn a_newcomer_on_the_page_makes_it_be_read_again_and_no_other_does() {
    let (before, now) = (&[("b", 1), ("d", 2)], &[("b", 1), ("d", 2), ("c", 4)]);
    assert_eq!(shown(Page::by_name(5), before, 3, now), None);
    assert_eq!(shown(Page::by_name(2), before, 3, now), None, "it may be the one behind, or not");
    assert_eq!(shown(Page::by_name(1), before, 3, now), whole(&["b"], true));
    assert_eq!(shown(Page::oldest(5), before, 3, now), None);
    assert_eq!(shown(Page::oldest(1), before, 3, now), whole(&["b"], true));
    assert_eq!(shown(Page::newest(1), before, 3, now), None);
    assert_eq!(shown(Page::newest_up_to(Revision::new(3), 5), before, 3, now), whole(&["d", "b"], false));
    assert_eq!(shown(Page::newest_up_to(Revision::new(4), 5), before, 3, now), None);
}

#[test]
fn what_is_gone_is_not_shown_and_others_move_up() {
    let (before, now) = (&[("a", 1), ("b", 2), ("c", 3)], &[("b", 2), ("c", 3)]);
    assert_eq!(shown(Page::by_name(3), before, 3, now), whole(&["b", "c"], false));
    assert_eq!(shown(Page::oldest(1), before, 3, now), whole(&["b"], true));
    assert_eq!(shown(Page::by_name(2), before, 3, now), None, "the one behind belongs on the page now");
}

#[test]
fn another_incarnation_of_a_name_is_as_young_as_it_is() {
    let (before, now) = (&[("a", 1), ("b", 2)], &[("a", 5), ("b", 2)]);
    assert_eq!(shown(Page::oldest(2), before, 2, now), whole(&["b", "a"], false));
    assert_eq!(shown(Page::newest_up_to(Revision::new(2), 2), before, 2, now), whole(&["b"], false));
}

#[test]
fn of_a_large_collection_only_the_page_is_read_once_the_ages_are_known() {
    let aged =
        || vec![(3, names(&["a"])[0].clone()), (1, names(&["b"])[0].clone()), (2, names(&["c"])[0].clone())];
    let oldest = read(Page::oldest(2)).chosen(aged());
    assert_eq!(oldest, Wanted { names: names(&["b", "c"]), more: true });
    let newest = read(Page::newest_up_to(Revision::new(2), 2)).chosen(aged());
    assert_eq!(newest, Wanted { names: names(&["c", "b"]), more: false });
    let mut half = oldest;
    half.shorten();
    assert_eq!(half, Wanted { names: names(&["b"]), more: true });
}
