//! A server that forgets what it acknowledged last, in one namespace.
//!
//! What is kept is a copy of the keys. Going back to it is one script, which ends with the beginning of the scripts of the backend: the server notices as it does when somebody comes by who has seen more. Only how long
//! it holds grants back after that is said by the case.

use std::time::Duration;

use ha_conformance::servers::redis::Member;
use ha_core::spi::Name;

const PARTS: [&str; 8] = ["meta", "deadlines", "sessions", "entries", "names", "ages", "owned", "log"];
const BACK: &str = include_str!("forget.lua");
const PROLOGUE: &str = include_str!("../../src/scripts/prologue.lua");
/// Until when grants are held back: as long as was asked for, not as long as the longest ttl.
const HOLD: &str = "call('HDEL', META, 'grace')\ncall('HSET', META, 'grace', digits(now + hold))";

/// Keeps the present state of `namespace`.
pub(crate) fn record(server: &Member, namespace: &Name) {
    for (key, copy) in keys(namespace).iter().zip(copies(namespace)) {
        server.tell(&["DEL", &copy]);
        server.tell(&["COPY", key, &copy]);
    }
}

/// Goes back to what was kept of `namespace`, or to nothing, and holds grants back for `hold`.
pub(crate) fn forget(server: &Member, namespace: &Name, hold: Duration) {
    let (script, hold) = (format!("{BACK}\n{PROLOGUE}\n{HOLD}"), hold.as_micros().to_string());
    let (keys, copies) = (keys(namespace), copies(namespace));
    let mut command = vec!["EVAL", &script, "16"];
    command.extend(keys.iter().chain(&copies).map(String::as_str));
    command.extend(["", "", "", &hold, "0"]);
    server.tell(&command);
}

fn keys(namespace: &Name) -> [String; PARTS.len()] {
    PARTS.map(|part| format!("ha:{{{namespace}}}:{part}"))
}

fn copies(namespace: &Name) -> [String; PARTS.len()] {
    PARTS.map(|part| format!("kept:{{{namespace}}}:{part}"))
}
