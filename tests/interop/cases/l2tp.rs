//! PPP in sessions of L2TPv2.

use super::{Case, Header, Mode};

/// Every form of the header in clear, and the usual one under ESP.
pub fn cases() -> Vec<Case> {
    let l2tp = |name, length, sequence, compressed| {
        Case::new(name, Header::L2tp { length, sequence, compressed })
    };
    let usual = l2tp("l2tp", true, false, true);
    let mut cases = vec![
        usual.clone(),
        l2tp("l2tp no length", false, false, true),
        l2tp("l2tp seq", true, true, true),
        l2tp("l2tp full ppp", true, false, false),
        l2tp("l2tp no length seq full", false, true, false),
    ];
    cases.extend(usual.under_common_suites(Mode::Transport));
    cases
}
