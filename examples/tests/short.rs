//! The short examples do what they say.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

/// The lines of a program that ends well.
fn lines(program: &str) -> Vec<String> {
    let output = Command::new(program).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn token(line: &str) -> u64 {
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn the_second_node_leads_with_a_larger_token_once_the_first_is_down() {
    let lines = lines(env!("CARGO_BIN_EXE_election"));
    let at = |text: &str| lines.iter().position(|line| line.starts_with(text)).unwrap();
    let (first, down, second) = (at("box-1 leads"), at("box-1 shuts down"), at("box-2 leads"));
    assert!(first < down && down < second && second < at("box-2 works"), "{lines:#?}");
    let is_idle = |line: &String| !line.starts_with("box-1 works");
    assert!(lines[second..].iter().all(is_idle), "box-1 works on after its shutdown: {lines:#?}");
    assert!(token(&lines[first]) < token(&lines[second]));
}

#[test]
fn no_number_is_lost_and_tokens_grow() {
    let mut lines = lines(env!("CARGO_BIN_EXE_mutex"));
    assert_eq!(lines.pop().as_deref(), Some("counted to 15"));
    assert_eq!(lines.len(), 15);
    assert!(lines.is_sorted_by(|before, after| token(before) < token(after)), "{lines:#?}");
}

#[test]
fn a_dead_a_drained_and_a_busy_api_node_get_no_requests() {
    let lines = lines(env!("CARGO_BIN_EXE_api"));
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
    let acts = [
        at("-- box-1 dies"),
        at("-- an operator"),
        at("-- box-3 is busy"),
        at("-- box-3 leaves"),
        lines.len(),
    ];
    let targets = |from: usize, to: usize| -> Vec<&str> {
        let requests = lines[from..to].iter().filter_map(|line| line.split_once("goes to "));
        requests.map(|(_, target)| target).collect()
    };
    let [one, two, three] = ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"];
    assert_eq!(targets(0, acts[0]), [one, two, three, one], "{lines:#?}");
    assert_eq!(targets(acts[0], acts[1]), [two, three, two, three], "{lines:#?}");
    assert_eq!(targets(acts[1], acts[2]), [three; 4], "{lines:#?}");
    assert_eq!(targets(acts[2], acts[3]), [two; 4], "{lines:#?}");
    assert!(lines[acts[0]..].iter().any(|line| line == "box-1 left"), "{lines:#?}");
}

#[test]
fn only_maps_made_by_hand_leave_the_sensors_of_a_dead_node_alone() {
    let lines = lines(env!("CARGO_BIN_EXE_sensors"));
    let of = |strategy: &str| {
        let from = lines.iter().position(|line| *line == format!("-- {strategy}")).unwrap();
        let orphans = lines[from + 2].split_once("with sensors ").unwrap().1.split_once(']').unwrap().0;
        let unpolled = lines[from + 3].strip_prefix("nobody polls ").unwrap().split_once(']').unwrap().0;
        let moved = if strategy == "Own" { 2 } else { 0 };
        assert!(lines[from + 3].ends_with(&format!("and {moved} others have moved")), "{lines:#?}");
        (orphans.to_owned(), unpolled.to_owned())
    };
    for strategy in ["Dynamic", "ByLoad", "Ranked", "Own"] {
        let (orphans, unpolled) = of(strategy);
        assert!(orphans.len() > 1 && unpolled == "[", "{lines:#?}");
    }
    assert_eq!(of("Map"), ("[0, 3, 6, 9".into(), "[0, 3, 6, 9".into()));
    assert_eq!(of("Ranges"), ("[0, 1, 2, 3".into(), "[0, 1, 2, 3".into()));
}

#[test]
fn the_ticks_go_on_when_whoever_emits_them_dies() {
    let lines = lines(env!("CARGO_BIN_EXE_rules"));
    let emitters: Vec<&str> =
        lines.iter().filter_map(|line| line.split_once(" emits")).map(|(node, _)| node).collect();
    assert_eq!(emitters.len(), 2, "{lines:#?}");
    assert_ne!(emitters[0], emitters[1]);
    assert!(lines.last().unwrap().ends_with("none is missing, none was emitted twice"), "{lines:#?}");
}

#[test]
fn the_standby_collects_when_the_active_collector_dies() {
    let lines = lines(env!("CARGO_BIN_EXE_garbage"));
    assert!(lines.contains(&"3 objects were collected, the last by box-1".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"5 objects were collected, the last by box-2".to_owned()), "{lines:#?}");
    assert_eq!(lines.last().unwrap(), "what is kept is still there");
}
