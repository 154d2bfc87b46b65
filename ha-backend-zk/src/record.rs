//! The record of a session: who it belongs to, for people who look at the store.

use std::time::Duration;

use ha_core::spi::Name;
use serde::Serialize;

#[derive(Serialize)]
struct Record {
    node: String,
    ttl_ms: u64,
}

/// The value of the record.
pub(crate) fn encode(node: &Name, ttl: Duration) -> Vec<u8> {
    let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    let record = Record { node: node.as_str().to_owned(), ttl_ms };
    // A text and a number can be written as JSON; without them the record still does its work.
    serde_json::to_vec(&record).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::encode;
    use ha_core::spi::Name;
    use std::time::Duration;

    #[test]
    fn a_record_names_its_node_and_its_ttl() {
        let value = encode(&Name::parse("box \"1\"").unwrap(), Duration::from_secs(10));
        assert_eq!(String::from_utf8(value).unwrap(), r#"{"node":"box \"1\"","ttl_ms":10000}"#);
    }
}
