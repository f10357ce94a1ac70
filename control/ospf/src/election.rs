//! Who is the designated router of a network, and who its backup (RFC 2328 section 9.4).

use core::net::Ipv4Addr;

/// A router that takes part: one whose packets reach us and reach it from us, or we.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub router_id: Ipv4Addr,
    pub address: Ipv4Addr,
    pub priority: u8,
    /// Whom it says to be the designated router.
    pub designated: Ipv4Addr,
    /// Whom it says to be the backup.
    pub backup: Ipv4Addr,
}

impl Candidate {
    fn claims_designated(&self) -> bool {
        self.designated == self.address
    }

    fn claims_backup(&self) -> bool {
        self.backup == self.address
    }

    fn rank(&self) -> (u8, Ipv4Addr) {
        (self.priority, self.router_id)
    }
}

/// The addresses of the designated router and its backup; unspecified for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elected {
    pub designated: Ipv4Addr,
    pub backup: Ipv4Addr,
}

impl Elected {
    pub const NOBODY: Self =
        Self { designated: Ipv4Addr::UNSPECIFIED, backup: Ipv4Addr::UNSPECIFIED };
}

/// The election as `own` sees it among `others`.
pub(crate) fn elect(own: Candidate, others: &[Candidate]) -> Elected {
    let first = round(&own, others);
    let has_role =
        |elected: Elected| (elected.designated == own.address, elected.backup == own.address);
    if has_role(first) == (own.claims_designated(), own.claims_backup()) {
        return first;
    }
    // Step 4: a role that was won or lost is claimed or given up, and all is counted again; so no
    // router is both.
    let claim = |is, address| if is { address } else { Ipv4Addr::UNSPECIFIED };
    let (is_designated, is_backup) = has_role(first);
    let own = Candidate {
        designated: claim(is_designated, own.address),
        backup: claim(is_backup, own.address),
        ..own
    };
    round(&own, others)
}

fn round(own: &Candidate, others: &[Candidate]) -> Elected {
    let eligible = || core::iter::once(own).chain(others).filter(|router| router.priority > 0);
    // Step 2.
    let backup = eligible()
        .filter(|router| !router.claims_designated())
        .max_by_key(|router| (router.claims_backup(), router.rank()));
    // Step 3.
    let designated =
        eligible().filter(|router| router.claims_designated()).max_by_key(|router| router.rank());
    let address =
        |router: Option<&Candidate>| router.map_or(Ipv4Addr::UNSPECIFIED, |router| router.address);
    Elected { designated: address(designated.or(backup)), backup: address(backup) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(n: u8, priority: u8, designated: u8, backup: u8) -> Candidate {
        Candidate {
            router_id: id(n),
            address: address(n),
            priority,
            designated: address(designated),
            backup: address(backup),
        }
    }

    fn id(n: u8) -> Ipv4Addr {
        Ipv4Addr::new(1, 1, 1, n)
    }

    fn address(n: u8) -> Ipv4Addr {
        if n == 0 { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::new(10, 0, 0, n) }
    }

    fn elected(own: Candidate, others: &[Candidate]) -> (u8, u8) {
        let elected = elect(own, others);
        (elected.designated.octets()[3], elected.backup.octets()[3])
    }

    #[test]
    fn the_best_two_win_where_nobody_has_a_role() {
        let others = [router(1, 1, 0, 0), router(3, 1, 0, 0), router(2, 1, 0, 0)];
        assert_eq!(elected(router(4, 1, 0, 0), &others), (4, 3));
        assert_eq!(elected(router(4, 0, 0, 0), &others), (3, 3), "as a neighbour of 3 sees it");
        let others = [router(1, 9, 0, 0), router(3, 1, 0, 0)];
        assert_eq!(elected(router(4, 1, 0, 0), &others), (1, 1));
    }

    #[test]
    fn a_better_router_that_comes_later_takes_no_role_away() {
        let others = [router(1, 1, 1, 2), router(2, 1, 1, 2)];
        assert_eq!(elected(router(9, 255, 0, 0), &others), (1, 2));
    }

    #[test]
    fn the_backup_is_promoted_when_the_designated_router_has_gone() {
        let others = [router(3, 1, 1, 2)];
        assert_eq!(elected(router(2, 1, 1, 2), &others), (2, 3));
    }

    #[test]
    fn of_two_designated_routers_the_better_stays() {
        let others = [router(5, 1, 5, 0)];
        assert_eq!(elected(router(4, 1, 4, 0), &others), (5, 4));
        assert_eq!(elected(router(4, 2, 4, 0), &others), (4, 0));
    }

    #[test]
    fn a_priority_of_zero_is_never_elected() {
        assert_eq!(elected(router(4, 0, 0, 0), &[router(5, 0, 0, 0)]), (0, 0));
        assert_eq!(elected(router(4, 0, 4, 0), &[router(5, 1, 0, 0)]), (5, 5));
    }
}
