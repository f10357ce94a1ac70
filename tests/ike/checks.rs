//! What must hold before, in and after the event of a case.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    case::{Case, Event, Side},
    end::{End, Ike},
    lab::{Lab, PINGS},
};

/// How long the ends may take to agree on what they have.
const SETTLE: Duration = Duration::from_secs(30);
/// How long a death may go unnoticed: the DPD delay and all retransmissions, and some more.
const NOTICE: Duration = Duration::from_secs(40);
/// How long it may then take until packets pass again.
const RECOVER: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// The two ends in their network.
pub struct Bench<'a> {
    pub lab: &'a Lab,
    pub ours: &'a mut dyn End,
    pub theirs: &'a mut dyn End,
}

impl Bench<'_> {
    fn end(&self, side: Side) -> &dyn End {
        if side == Side::Ours { self.ours } else { self.theirs }
    }

    fn end_mut(&mut self, side: Side) -> &mut dyn End {
        if side == Side::Ours { self.ours } else { self.theirs }
    }

    /// Starts both, the one that answers first, and makes the SA.
    pub fn connect(&mut self, case: &Case) -> Result<String, String> {
        self.end_mut(case.initiator.other()).start();
        self.end_mut(case.initiator).start();
        match case.event {
            Event::Refused => self.refusal(case),
            Event::OnDemand => {
                self.lab.seconds_to_answer(RECOVER)?;
                self.settle()
            }
            _ if case.event.keeps_up() => self.settle(),
            _ => {
                self.end(case.initiator).initiate()?;
                self.settle()
            }
        }
        .map(|_| "ok".to_owned())
    }

    fn refusal(&self, case: &Case) -> Result<Ike, String> {
        let said = self.end(case.initiator).initiate();
        let begin = Instant::now();
        loop {
            let [ours, theirs] = [self.ours.sas(), self.theirs.sas()];
            // In the control our end is a daemon that has words of its own.
            let complaint = case.complaint().filter(|_| !crate::control());
            let says_why = complaint.is_none_or(|words| self.ours.log().contains(words));
            if ours.is_empty() && theirs.is_empty() && says_why {
                return Ok(Ike { spis: String::new(), children: Vec::new() });
            }
            if begin.elapsed() > SETTLE {
                return Err(format!(
                    "there is an SA, or nobody says {complaint:?}: {ours:?} {theirs:?} {said:?}"
                ));
            }
            thread::sleep(POLL);
        }
    }

    /// Waits until both ends have one IKE SA with one child, the same; gives our end's.
    pub fn settle(&self) -> Result<Ike, String> {
        let begin = Instant::now();
        loop {
            let [ours, theirs] = [self.ours.sas(), self.theirs.sas()];
            if let ([our], [their]) = (&ours[..], &theirs[..])
                && agree(our, their)
            {
                return Ok(our.clone());
            }
            if begin.elapsed() > SETTLE {
                return Err(format!("no single SA of both: ours {ours:x?}, theirs {theirs:x?}"));
            }
            thread::sleep(POLL);
        }
    }

    /// Pings from behind an end while nothing happens.
    pub fn pings(&self, from: Side) -> Result<String, String> {
        let answered = match from {
            Side::Ours => self.lab.ping_from_ours(),
            Side::Theirs => self.lab.ping_from_theirs(),
        };
        if answered == PINGS {
            Ok(format!("{answered} of {PINGS}"))
        } else {
            Err(format!("{answered} of {PINGS} answered"))
        }
    }

    /// Makes the event of the case happen, and sees what it must lead to.
    pub fn event(&mut self, case: &Case) -> Result<String, String> {
        let before = if case.event == Event::Refused { None } else { Some(self.settle()?) };
        let before = before.as_ref();
        match case.event {
            Event::None | Event::Refused | Event::OnDemand => Ok("-".to_owned()),
            Event::RekeyChild(side) => {
                let rekey = || self.end(side).rekey_child();
                let said = match case.renews_without_loss(side) {
                    true => self.lab.under_pings(rekey)?,
                    false => rekey().map(|()| "renewed".to_owned())?,
                };
                self.renewed(before, false).map(|()| said)
            }
            Event::RekeyIke(side) => {
                let said = self.lab.under_pings(|| self.end(side).rekey_ike())?;
                self.renewed(before, true).map(|()| said)
            }
            Event::RekeyChildBoth => {
                let said = self.lab.under_pings(|| {
                    self.ours.rekey_child()?;
                    self.theirs.rekey_child()
                })?;
                self.renewed(before, false).map(|()| said)
            }
            Event::RekeyIkeBoth => {
                let said = self.lab.under_pings(|| {
                    self.ours.rekey_ike()?;
                    self.theirs.rekey_ike()
                })?;
                self.renewed(before, true).map(|()| said)
            }
            Event::Reauthenticate(side) => {
                let said = self.lab.under_pings(|| self.end(side).reauthenticate())?;
                self.renewed(before, true).map(|()| said)
            }
            Event::Death(side) => self.death(side),
            Event::Restart(side) => {
                self.end_mut(side).kill();
                self.end_mut(side).start();
                self.recover()
            }
            Event::Delete(side) => self.deletion(case, side),
            Event::Move => {
                self.lab.move_theirs();
                self.recover()
            }
            Event::Rebind => {
                self.lab.rebind(case.nat.expect("a NAT that changes its address"));
                self.recover()
            }
        }
    }

    /// Whether the SA of both is another one than before: the child, or the IKE SA.
    fn renewed(&self, before: Option<&Ike>, ike: bool) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            let now = self.settle()?;
            let same = before.is_some_and(|old| match ike {
                true => old.spis == now.spis,
                false => old.children.iter().any(|child| now.children.contains(child)),
            });
            if !same {
                return Ok(());
            }
            if begin.elapsed() > SETTLE {
                return Err(format!("nothing is renewed: {now:x?}"));
            }
            thread::sleep(POLL);
        }
    }

    fn death(&mut self, side: Side) -> Result<String, String> {
        let before = self.end(side.other()).sas();
        self.end_mut(side).kill();
        let begin = Instant::now();
        while self.end(side.other()).sas() == before {
            if begin.elapsed() > NOTICE {
                return Err(format!("nobody notices within {NOTICE:?}"));
            }
            thread::sleep(POLL);
        }
        let noticed = begin.elapsed().as_secs_f64();
        self.end_mut(side).start();
        let back = self.recover()?;
        Ok(format!("seen {noticed:.1} s, {back}"))
    }

    fn recover(&self) -> Result<String, String> {
        let seconds = self.lab.seconds_to_answer(RECOVER)?;
        self.settle()?;
        Ok(format!("back {seconds:.1} s"))
    }

    fn deletion(&self, case: &Case, side: Side) -> Result<String, String> {
        self.end(side).terminate()?;
        let begin = Instant::now();
        while !(self.ours.sas().is_empty() && self.theirs.sas().is_empty()) {
            if begin.elapsed() > SETTLE {
                return Err("an SA outlives its end".to_owned());
            }
            thread::sleep(POLL);
        }
        if self.lab.ping_from_ours() != 0 {
            return Err("packets pass without an SA".to_owned());
        }
        self.end(case.initiator).initiate()?;
        self.recover()?;
        Ok("gone, back".to_owned())
    }
}

/// Whether two ends tell of the same SAs.
fn agree(ours: &Ike, theirs: &Ike) -> bool {
    let ([our], [their]) = (&ours.children[..], &theirs.children[..]) else { return false };
    // Libreswan does not tell IKE's SPIs.
    let spis = theirs.spis.is_empty() || ours.spis == theirs.spis;
    spis && our.inbound == their.outbound && our.outbound == their.inbound
}
