//! What was sent, and what is written down of keys.

use std::sync::Arc;

use engine::Random;
use ike::Settings;
use ike::msg::Notify;
pub use ike::msg::numbers::exchange::{CREATE_CHILD_SA, INFORMATIONAL};
use ike::output::{KeyLogTable, Path};
use ike::policy::{Peer, Versions};

use crate::sim::policy::gre;
use crate::sim::read::{contents, keys};
use crate::sim::{Net, Weather};
use crate::{A, B, CHILD, initiate, rekey, seconds};

/// Two gateways that may call each other and write down their keys.
pub fn logged_pair(seed: u64, change: impl Fn(&mut Peer)) -> Net {
    let mut net = Net::new(seed, Weather::FINE);
    for (here, there) in [(A, B), (B, A)] {
        let node = net.add(here, Settings { key_log: true, ..Settings::default() });
        let mut peer = gre(CHILD, here, Some(there));
        change(&mut peer);
        net.configure(node, vec![Arc::new(peer)]);
    }
    net
}

/// The notification of this kind in what was sent since `from`.
pub fn notified(net: &Net, from: usize, kind: u16) -> Option<Notify> {
    contents(net, from).into_iter().flat_map(|(_, payloads)| payloads).find_map(|it| match it {
        ike::msg::Payload::Notify(notify) if notify.kind == kind => Some(notify),
        _ => None,
    })
}

/// The path of the first message, as the second gateway sees it, and the message.
pub fn first_message(net: &Net) -> (Path, Vec<u8>) {
    net.sent[0].clone()
}

/// Random bytes of no secrecy.
pub struct Zeros;

impl Random for Zeros {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

#[test]
fn the_key_log_opens_every_message_and_names_every_esp_key() {
    let mut net = logged_pair(30, |_| {});
    initiate(&mut net, 0);
    net.run(seconds(1));
    rekey(&mut net, 0, true);
    net.run(seconds(20));
    assert!(contents(&net, 0).len() >= 10);
    assert_eq!(keys(&net).len(), 2);
    assert_esp_keys_are_logged(&net);
    assert_both_log_the_same(&net, KeyLogTable::Ikev2);
}

#[test]
fn the_key_log_of_ikev1_names_every_key() {
    let mut net = logged_pair(32, |peer| {
        peer.versions = Versions::V1;
        peer.proposals = vec!["aes128-sha256-x25519".parse().unwrap()];
    });
    initiate(&mut net, 0);
    net.run(seconds(1));
    rekey(&mut net, 0, true);
    net.run(seconds(20));
    assert!(net.nodes.iter().all(|node| !node.pairs.is_empty()));
    assert_esp_keys_are_logged(&net);
    assert_both_log_the_same(&net, KeyLogTable::Ikev1);
}

/// Every pair that is installed has a line for each direction.
fn assert_esp_keys_are_logged(net: &Net) {
    let esp = |(table, line): &(KeyLogTable, String)| {
        (*table == KeyLogTable::Esp).then(|| line.to_lowercase())
    };
    for (number, node) in net.nodes.iter().enumerate() {
        for pair in node.pairs.values() {
            for (direction, ends) in [(&pair.sa.inbound, [B, A]), (&pair.sa.outbound, [A, B])] {
                let ends = if number == 0 { ends } else { [ends[1], ends[0]] };
                let key: String =
                    direction.encryption.expose().iter().map(|it| format!("{it:02x}")).collect();
                let begin = format!(
                    "\"ipv4\",\"{}\",\"{}\",\"0x{:08x}\",",
                    ends[0], ends[1], direction.spi
                );
                let is = |line: &String| line.starts_with(&begin) && line.contains(&key);
                assert!(node.keys.iter().filter_map(esp).any(|line| is(&line)), "{begin}");
            }
        }
    }
}

/// Both ends write the same keys of both IKE SAs.
fn assert_both_log_the_same(net: &Net, table: KeyLogTable) {
    let of_ike = |node: usize| {
        let is_ike = |it: &&(KeyLogTable, String)| it.0 == table;
        net.nodes[node].keys.iter().filter(is_ike).collect::<Vec<_>>()
    };
    assert_eq!(of_ike(0).len(), 2);
    assert_eq!(of_ike(0), of_ike(1));
}

#[test]
fn keys_are_not_written_down_unless_that_is_asked_for() {
    let mut net = crate::pair(31);
    initiate(&mut net, 0);
    net.run(seconds(1));
    assert!(net.nodes.iter().all(|node| node.keys.is_empty()));
}
