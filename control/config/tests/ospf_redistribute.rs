//! Which prefixes of other protocols OSPF tells of.

use config::{Redistribute, parse};

fn redistribute(lines: &str) -> Redistribute {
    let text = format!(
        "[[port]]\nname = \"lan\"\ndevice = \"lan0\"\nrole = \"inside\"\n[ospf]\n{lines}\n\
         [[ospf.interface]]\nname = \"lan\"\n"
    );
    let config = parse("test.toml", &text, "").unwrap_or_else(|report| panic!("{report}"));
    config.ospf.expect("a router").redistribute
}

#[test]
fn prefixes_are_kept_back_by_where_they_are() {
    let within = "redistribute_within = [\"10.0.0.0/8\", \"172.16.0.0/12\"]";
    let except = "redistribute_except = \"10.99.0.0/16\"";
    for (lines, prefix, passes) in [
        ("", "10.0.0.0/24", true),
        ("", "0.0.0.0/0", true),
        (within, "10.0.0.0/8", true),
        (within, "172.31.255.0/24", true),
        (within, "10.0.0.0/7", false),
        (within, "192.0.2.0/24", false),
        (except, "192.0.2.0/24", true),
        (except, "10.99.0.0/16", false),
        (except, "10.99.1.1/32", false),
        (except, "10.98.0.0/15", true),
        (&format!("{within}\n{except}"), "10.99.1.0/24", false),
        (&format!("{within}\n{except}"), "10.98.1.0/24", true),
    ] {
        let told = redistribute(lines).passes(&prefix.parse().unwrap());
        assert_eq!(told, passes, "{prefix} with {lines}");
    }
}
