//! What `fastgw show --json` says, by name.

use serde_json::Value;

/// A gateway's answer.
pub struct Status(pub Value);

impl Status {
    /// A number of a port, such as `rx_packets`.
    pub fn port(&self, name: &str, field: &str) -> u64 {
        number(&self.named("ports", name)[field])
    }

    /// Packets dropped for a reason.
    pub fn drops(&self, reason: &str) -> u64 {
        let all = self.0["drops"].as_array().expect("a list of drops");
        let found = all.iter().find(|drop| drop["reason"] == reason);
        number(&found.unwrap_or_else(|| panic!("no drop reason {reason}"))["count"])
    }

    /// Every reason for which packets were dropped, with their number.
    pub fn all_drops(&self) -> Vec<(&str, u64)> {
        let all = self.0["drops"].as_array().expect("a list of drops").iter();
        let all =
            all.map(|drop| (drop["reason"].as_str().expect("a name"), number(&drop["count"])));
        all.filter(|(_, count)| *count > 0).collect()
    }

    /// The entry with this name in a list.
    pub fn named(&self, list: &str, name: &str) -> &Value {
        let all = self.0[list].as_array().unwrap_or_else(|| panic!("no list {list}"));
        let found = all.iter().find(|entry| entry["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {list}"))
    }
}

/// A counter. Panics when it is not one.
pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a counter, not {value}"))
}
