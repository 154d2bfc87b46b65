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
