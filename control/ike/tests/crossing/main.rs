//! Exchanges of the two sides that cross: every case that strongSwan and libreswan test, message by
//! message, with all SAs of both sides after each (`script.rs` says how to read that).
//!
//! strongSwan's are in `src/libcharon/tests/suites`, a file for each suite, without the `test_`
//! that their names begin with. Where a case runs with each side as the initiator of the IKE SA, or
//! with each of the nonces as the lowest, so does ours.
//!
//! child_rekey:
//! - regular
//!   `child_rekey::the_new_pair_is_sent_by_first_by_who_has_asked_for_it`
//! - regular_multi_ke
//!   `child_rekey::with_a_further_key_exchange_the_pair_is_made_when_that_is_done`
//! - regular_ke_invalid
//!   `child_rekey::with_another_group_than_the_responder_allows_it_is_asked_for_again`
//! - regular_ke_invalid_multi_ke
//!   `child_rekey::with_another_group_and_a_further_key_exchange`
//! - regular_responder_ignore_soft_expire
//!   `child_rekey::a_responder_that_waits_for_the_deletion_does_not_renew_the_old_pair`
//! - regular_responder_handle_hard_expire
//!   `child_rekey::a_responder_whose_old_pair_expires_uses_the_new_one_at_once`
//! - regular_responder_delete
//!   `child_rekey::a_responder_that_deletes_the_new_pair_before_the_old_one_is_deleted`
//! - regular_responder_lost_sa
//!   `child_rekey::a_pair_that_the_responder_does_not_have_is_made_from_scratch`
//! - regular_responder_incorrect_delete
//!   `child_rekey::a_responder_that_deletes_the_old_pair_itself`
//! - regular_delete_timeout
//!   `child_rekey::a_deletion_that_is_never_answered_ends_the_connection`
//! - collision
//!   `child_crossing::of_two_new_pairs_that_with_the_lowest_nonce_goes_and_a_has_made_it`
//!   `child_crossing::of_two_new_pairs_that_with_the_lowest_nonce_goes_and_b_has_made_it`
//! - collision_multi_ke
//!   `child_crossing::who_loses_before_the_further_key_exchange_stops_and_it_is_a`
//!   `child_crossing::who_loses_before_the_further_key_exchange_stops_and_it_is_b`
//! - collision_mixed
//!   `child_crossing::only_a_has_a_further_key_exchange_and_it_loses`
//!   `child_crossing::only_a_has_a_further_key_exchange_and_b_loses`
//! - collision_delayed_response
//!   `child_late::the_answer_to_who_loses_comes_after_the_deletion_of_the_old_pair`
//!   `child_late::the_answer_to_who_wins_comes_after_the_deletion_of_the_other_new_pair`
//! - collision_delayed_response_delete
//!   `child_late::the_answer_to_who_loses_comes_after_the_deletion_of_all_others`
//!   `child_late::the_answer_to_who_wins_comes_after_the_deletion_of_what_it_makes`
//! - collision_delayed_response_multi_ke
//!   `child_late::the_answer_to_who_loses_comes_after_the_further_key_exchange`
//!   `child_late::the_answer_to_who_loses_comes_after_the_further_key_exchange_and_the_deletion`
//! - collision_delayed_request
//!   `child_late::a_request_that_comes_when_the_pair_is_about_to_go_and_the_deletion_is_faster`
//!   `child_late::a_request_that_comes_when_the_pair_is_about_to_go_and_the_refusal_is_faster`
//! - collision_delayed_request_more
//!   `child_late::a_request_that_comes_when_the_pair_is_gone`
//! - collision_delayed_request_more_delete
//!   `child_late::a_request_that_comes_when_the_pair_and_the_next_are_gone`
//! - collision_delayed_request_multi_ke
//!   `child_late::a_request_that_comes_between_the_key_exchanges_and_the_refusal_is_faster`
//!   `child_late::a_request_that_comes_between_the_key_exchanges_and_the_deletion_is_faster`
//! - collision_ke_invalid
//!   `child_crossing::both_ask_again_with_another_group_and_a_loses`
//!   `child_crossing::both_ask_again_with_another_group_and_b_loses`
//! - collision_ke_invalid_delayed_retry
//!   `child_late::both_ask_again_with_another_group_and_one_is_late`
//! - collision_responder_incorrect_delete
//!   `child_crossing::who_loses_deletes_the_old_pair_although_that_is_not_its_part`
//! - collision_delete
//!   `child_delete::a_pair_is_deleted_while_the_peer_asks_for_new_keys`
//! - collision_delete_multi_ke
//!   `child_delete::a_pair_is_deleted_between_the_key_exchanges`
//! - collision_delete_drop_delete
//!   `child_delete::a_pair_is_deleted_and_the_refusal_of_new_keys_is_faster`
//! - collision_delete_drop_rekey
//!   `child_delete::a_pair_is_gone_when_the_request_for_new_keys_comes`
//! - collision_delete_delayed_response
//!   `child_delete::a_new_pair_is_deleted_before_the_answer_that_makes_it_comes`
//! - collision_ike_rekey
//!   `child_and_ike::new_keys_for_a_pair_cross_new_keys_for_the_ike_sa`
//!   `child_and_ike::after_a_while_both_ask_again_for_new_keys`
//! - collision_ike_delete
//!   `child_and_ike::new_keys_for_a_pair_cross_the_deletion_of_the_ike_sa`
//!
//! child_delete:
//! - regular
//!   `child_delete::a_pair_is_deleted_by_one_side`
//! - collision
//!   `child_delete::both_sides_delete_a_pair_at_once`
//! - collision_drop
//!   `child_delete::both_sides_delete_a_pair_and_one_request_is_late`
//! - collision_ike_rekey
//!   `child_and_ike::the_deletion_of_a_pair_crosses_new_keys_for_the_ike_sa`
//! - collision_ike_delete
//!   `child_and_ike::the_deletion_of_a_pair_crosses_that_of_the_ike_sa`
//!
//! child_create:
//! - duplicate
//!   `child_and_ike::a_child_that_is_there_is_not_made_twice`
//! - collision_ike_rekey
//!   `child_and_ike::a_new_child_crosses_new_keys_for_the_ike_sa`
//! - multi_ke
//!   `child_and_ike::a_new_child_with_a_further_key_exchange`
//!
//! ike_rekey:
//! - regular
//!   `ike_rekey::the_new_ike_sa_takes_the_pairs_over`
//! - regular_multi_ke
//!   `ike_rekey::with_a_further_key_exchange_the_ike_sa_is_made_when_that_is_done`
//! - regular_ke_invalid
//!   `ike_rekey::with_another_group_than_the_responder_allows_it_is_asked_for_again`
//! - regular_ke_invalid_multi_ke
//!   `ike_rekey::with_another_group_and_a_further_key_exchange`
//! - collision
//!   `ike_crossing::of_two_new_ike_sas_that_with_the_lowest_nonce_goes_and_a_has_made_it`
//!   `ike_crossing::of_two_new_ike_sas_that_with_the_lowest_nonce_goes_and_b_has_made_it`
//! - collision_multi_ke
//!   `ike_crossing::who_loses_before_the_further_key_exchange_stops_and_it_is_a`
//!   `ike_crossing::who_loses_before_the_further_key_exchange_stops_and_it_is_b`
//! - collision_mixed
//!   `ike_crossing::only_a_has_a_further_key_exchange_and_it_loses`
//!   `ike_crossing::only_a_has_a_further_key_exchange_and_b_loses`
//! - collision_ke_invalid
//!   `ike_crossing::both_ask_again_with_another_group_and_a_loses`
//!   `ike_crossing::both_ask_again_with_another_group_and_b_loses`
//! - collision_ke_invalid_delayed_retry
//!   `ike_crossing::both_ask_again_with_another_group_and_one_is_late`
//! - collision_delayed_response
//!   `ike_crossing::the_answer_to_who_loses_comes_when_the_old_ike_sa_is_gone`
//!   `ike_crossing::the_answer_to_who_wins_is_late`
//! - collision_delayed_response_multi_ke
//!   `ike_crossing::the_answer_to_who_loses_comes_after_the_further_key_exchange`
//!   `ike_crossing::the_answer_to_who_loses_comes_after_the_further_key_exchange_and_the_deletion`
//! - collision_dropped_request
//!   `ike_crossing::one_request_is_lost`
//! - collision_delayed_request
//!   `ike_crossing::a_request_that_comes_when_the_ike_sa_is_about_to_go_and_the_deletion_is_faster`
//! - collision_delayed_request_and_delete
//!   `ike_crossing::a_request_that_comes_when_the_ike_sa_is_about_to_go_and_the_refusal_is_faster`
//! - collision_delayed_request_multi_ke
//!   `ike_crossing::a_request_that_comes_between_the_key_exchanges_and_the_refusal_is_faster`
//!   `ike_crossing::a_request_that_comes_between_the_key_exchanges_and_the_deletion_is_faster`
//! - collision_delete
//!   `ike_delete::the_ike_sa_is_deleted_while_the_peer_asks_for_new_keys`
//! - collision_delete_multi_ke
//!   `ike_delete::the_ike_sa_is_deleted_between_the_key_exchanges`
//! - collision_delete_drop_delete
//!   `ike_delete::the_ike_sa_is_deleted_and_the_refusal_of_new_keys_is_faster`
//!
//! ike_delete:
//! - regular
//!   `ike_delete::the_ike_sa_is_deleted_by_one_side`
//! - collision
//!   `ike_delete::both_sides_delete_the_ike_sa_at_once`
//!
//! Not here:
//! - ike_mid_sync, all 7: we do not speak RFC 6311 and never say that we do.
//! - childless, all 4: no exchanges cross. `features/contact.rs` has an IKE SA without a child;
//!   that one side insists on it is not a policy of ours.
//! - ike_cfg, peer_cfg, mem_pool, message_chapoly: not about exchanges.
//!
//! libreswan's have "crossing-streams-" before their names. Where they differ from ours in what is
//! right: of two connections they keep the one with the higher nonce, we the one whose initiator
//! has the higher SPI, as RFC 7296 leaves that open (section 2.8.2 is about new keys).
//!
//! crossing-streams, in `testing/pluto`:
//! - 01-ikev2-github-1211
//!   `connecting::order_wewew`
//! - 02-ikev2-conn-fight
//!   `connecting::order_ewwwe`
//! - 03-ikev2-delete-child
//!   `child_delete::both_sides_delete_a_pair_at_once`
//! - 03-ikev2-delete-child-vs-ike, 03-ikev2-delete-ike-vs-child
//!   `child_and_ike::a_child_that_starts_by_itself_comes_back_after_its_ike_sa_is_deleted`
//! - 03-ikev2-delete-ike
//!   `ike_delete::both_sides_delete_the_ike_sa_at_once`
//! - 04-ikev2-initiator-child-up-ike-down
//!   `child_and_ike::a_child_is_wanted_when_the_ike_sa_is_about_to_go`
//! - 04-ikev2-initiator-ike-rekey-responder-child-up
//!   `child_and_ike::a_new_child_crosses_new_keys_for_the_ike_sa`
//! - 11-eewww-ikev2-permanent
//!   `connecting::order_eewww`
//! - 11-eweww-ikev2-permanent
//!   `connecting::order_eweww`
//! - 11-ewwew-ikev2-permanent
//!   `connecting::order_ewwew`
//! - 11-ewwwe-ikev2-permanent
//!   `connecting::order_ewwwe`
//! - 11-weeww-ikev2-permanent
//!   `connecting::order_weeww`
//! - 11-wewew-ikev2-permanent
//!   `connecting::order_wewew`
//! - 11-wewwe-ikev2-permanent
//!   `connecting::order_wewwe`
//! - 11-wwewe-ikev2-permanent
//!   `connecting::order_wwewe`
//! - 11-wwwee-ikev2-permanent
//!   `connecting::order_wwwee`
//! - no case of theirs, the tenth order
//!   `connecting::order_wweew`
//! - 12-ikev2-permanent-ike-auth-east, -west
//!   `connecting::order_wewew`
//!   `connecting::order_wewwe`
//! - 20-peer-restarts-ondemand-ike-sa-init
//!   `connecting::a_peer_that_begins_anew_during_ike_sa_init`
//! - 20-peer-restarts-ondemand-ike-auth
//!   `connecting::a_peer_that_begins_anew_during_ike_auth`
//! - 21-second-child-crypto-ikev2
//!   `child_and_ike::both_make_the_same_child_and_a_loses`
//!   `child_and_ike::both_make_the_same_child_and_b_loses`
//! - 22-ikev2-ipsec-interface
//!   `connecting::a_peer_that_begins_anew_ends_what_it_does_not_know`
//! - 23-conswitch-ike-sa-init-ikev2
//!   `connecting::who_connects_finds_that_the_peer_has_connected_for_another_child`
//! - 24-ikev2-delete-connswitch-github-2101
//!   `connecting::what_the_peer_wants_is_made_within_the_connection_that_is_there`
//! - bootup-01
//!   `connecting::a_peer_that_is_not_there_yet_connects_first`
//!
//! the rest of `testing/pluto` that is about order:
//! - ikev2-child-rekey-02
//!   `child_rekey::two_pairs_are_renewed_one_after_the_other`
//! - ikev2-child-rekey-06, -07 and -08-deadlock
//!   `child_rekey::a_deletion_goes_before_a_renewal_that_waits`
//! - ikev2-intermediate-11-rekey-ike-omit-addke-initiator
//!   `ike_rekey::a_request_of_a_further_key_exchange_without_its_link`
//!   `child_rekey::a_request_of_a_further_key_exchange_without_its_link`
//! - ikev2-intermediate-12-rekey-ike-omit-addke-responder
//!   `ike_rekey::an_answer_without_the_link_of_a_further_key_exchange`
//!   `child_rekey::an_answer_without_the_link_of_a_further_key_exchange`
//! - no case of theirs, as collision_delete_delayed_response
//!   `child_delete::a_new_pair_is_deleted_before_the_answer_to_the_last_key_exchange_comes`
//!   `child_delete::a_child_made_from_scratch_is_deleted_before_its_answer_comes`

#[path = "../sim/mod.rs"]
#[allow(dead_code, reason = "what other tests need of it")]
mod sim;

mod child_and_ike;
mod child_crossing;
mod child_delete;
mod child_late;
mod child_rekey;
mod connecting;
mod fixtures;
mod ike_crossing;
mod ike_delete;
mod ike_rekey;
mod names;
mod scene;
mod script;

use std::collections::BTreeSet;

#[test]
fn the_list_above_has_every_test_and_no_other() {
    let files = [
        ("child_and_ike", include_str!("child_and_ike.rs")),
        ("child_crossing", include_str!("child_crossing.rs")),
        ("child_delete", include_str!("child_delete.rs")),
        ("child_late", include_str!("child_late.rs")),
        ("child_rekey", include_str!("child_rekey.rs")),
        ("connecting", include_str!("connecting.rs")),
        ("ike_crossing", include_str!("ike_crossing.rs")),
        ("ike_delete", include_str!("ike_delete.rs")),
        ("ike_rekey", include_str!("ike_rekey.rs")),
    ];
    let name = |line: &str| line.strip_prefix("fn ")?.strip_suffix("() {").map(str::to_string);
    let tests: BTreeSet<_> = files
        .into_iter()
        .flat_map(|(file, text)| {
            text.lines().filter_map(name).map(move |name| format!("{file}::{name}"))
        })
        .collect();
    let listed = |line: &str| line.strip_prefix("//!   `")?.strip_suffix('`').map(str::to_string);
    let listed: BTreeSet<_> = include_str!("main.rs").lines().filter_map(listed).collect();
    assert_eq!(listed, tests);
}
