//! Sessions against each other and against a peer that says what a test wants, in virtual time.

use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

use bfd::{Control, Diagnostic, Discarded, Output, Session, Settings, State};
use engine::{Instant, Seeded};

/// Two sessions and the path between them.
struct Pair {
    now: Instant,
    random: Seeded,
    ends: [Session; 2],
    /// Whether packets of an end arrive.
    connected: [bool; 2],
    /// What is on its way: when it arrives, to whom, and what it is.
    flying: Vec<(Instant, usize, Control)>,
    /// What each end has sent, and when.
    sent: [Vec<(Instant, Control)>; 2],
    /// The states that each end has had, when and why.
    states: [Vec<(Instant, State, Diagnostic)>; 2],
}

const DELAY: Duration = ms(2);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn settings(tx_ms: u64, rx_ms: u64, multiplier: u8) -> Settings {
    Settings {
        desired_min_tx: ms(tx_ms),
        required_min_rx: ms(rx_ms),
        detect_multiplier: NonZeroU8::new(multiplier).expect("a multiplier"),
        passive: false,
    }
}

fn session(settings: Settings, discriminator: u32, now: Instant) -> Session {
    Session::new(settings, NonZeroU32::new(discriminator).expect("a number"), now)
}

impl Pair {
    fn new(a: Settings, b: Settings) -> Self {
        let now = Instant(5_000_000_000);
        Self {
            now,
            random: Seeded::new([3; 32]),
            ends: [session(a, 1, now), session(b, 2, now)],
            connected: [true; 2],
            flying: Vec::new(),
            sent: [Vec::new(), Vec::new()],
            states: [Vec::new(), Vec::new()],
        }
    }

    /// Two that are up, with what came before forgotten.
    fn up(a: Settings, b: Settings) -> Self {
        let mut pair = Self::new(a, b);
        pair.run(ms(5000));
        assert_eq!(pair.states(), [State::Up; 2]);
        pair.forget();
        pair
    }

    fn states(&self) -> [State; 2] {
        [self.ends[0].state(), self.ends[1].state()]
    }

    fn forget(&mut self) {
        self.sent = [Vec::new(), Vec::new()];
        self.states = [Vec::new(), Vec::new()];
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.collect();
            let arrivals = self.flying.iter().map(|(at, ..)| *at);
            let deadlines = self.ends.iter().filter_map(Session::deadline);
            let next = arrivals.chain(deadlines).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            assert!(next >= self.now, "time goes on");
            self.now = next;
            if let Some(at) = self.flying.iter().position(|(at, ..)| *at <= next) {
                let (_, to, packet) = self.flying.remove(at);
                let _ = self.ends[to].handle_packet(&packet, next, &mut self.random);
            } else {
                self.ends.iter_mut().for_each(|end| end.handle_timeout(next, &mut self.random));
                self.collect();
                let late = self.ends.iter().any(|end| end.deadline().is_some_and(|at| at <= next));
                assert!(!late, "what is due is done");
            }
        }
        self.now = end;
    }

    fn collect(&mut self) {
        for end in 0..2 {
            while let Some(output) = self.ends[end].poll_output() {
                match output {
                    Output::Transmit(packet) => {
                        assert!(!(packet.poll && packet.is_final));
                        assert_eq!(Control::parse(&packet.encode()), Ok(packet));
                        self.sent[end].push((self.now, packet));
                        if self.connected[end] {
                            self.flying.push((self.now + DELAY, 1 - end, packet));
                        }
                    }
                    Output::StateChanged { state, diagnostic, .. } => {
                        self.states[end].push((self.now, state, diagnostic));
                    }
                }
            }
        }
    }

    /// Times between the packets of an end that answer no poll.
    fn gaps(&self, end: usize) -> Vec<Duration> {
        let periodic = self.sent[end].iter().filter(|(_, packet)| !packet.is_final);
        let times: Vec<_> = periodic.map(|(at, _)| *at).collect();
        times.windows(2).map(|pair| pair[1].since(pair[0])).collect()
    }
}

#[test]
fn two_ends_come_up_slowly_and_then_watch_each_other_fast() {
    let mut pair = Pair::new(settings(50, 50, 3), settings(50, 50, 3));
    pair.run(ms(3000));
    for end in 0..2 {
        let states: Vec<_> = pair.states[end].iter().map(|(_, state, _)| *state).collect();
        assert_eq!(states.last(), Some(&State::Up));
        assert!(states.iter().all(|state| *state != State::Down));
        let up_at = pair.states[end].last().expect("a state").0;
        let before = pair.sent[end].iter().filter(|(at, _)| *at < up_at);
        assert!(before.clone().all(|(_, packet)| packet.desired_min_tx_us == 1_000_000));
        assert!(before.count() <= 4, "a second between packets that say nothing new");
        assert_eq!(pair.ends[end].transmit_interval(), Some(ms(50)));
        assert_eq!(pair.ends[end].detection_time(), Some(ms(150)));
    }
    pair.forget();
    pair.run(ms(10_000));
    for end in 0..2 {
        assert_eq!(pair.states[end], []);
        let gaps = pair.gaps(end);
        assert!(gaps.iter().all(|gap| (ms(37)..=ms(50)).contains(gap)), "{gaps:?}");
        assert!(gaps.iter().max() > Some(&ms(49)) && gaps.iter().min() < Some(&ms(39)));
        assert!(pair.sent[end].iter().all(|(_, packet)| !packet.poll && !packet.is_final));
    }
}

/// RFC 5880 section 6.8.4.
#[test]
fn a_dead_path_is_noticed_within_the_detection_time() {
    let mut pair = Pair::up(settings(50, 50, 3), settings(50, 50, 3));
    pair.connected = [false; 2];
    let cut = pair.now;
    pair.run(ms(400));
    for end in 0..2 {
        let [(at, State::Down, Diagnostic::DETECTION_TIME_EXPIRED)] = pair.states[end][..] else {
            panic!("down once: {:?}", pair.states[end]);
        };
        let after = at.since(cut);
        // The last packet came before the cut, or was on its way.
        assert!(after > ms(100) && after <= ms(150) + DELAY, "{after:?}");
    }
    pair.run(ms(20_000));
    for end in 0..2 {
        let slow = &pair.sent[end][pair.sent[end].len() - 5..];
        assert!(slow.windows(2).all(|two| two[1].0.since(two[0].0) >= ms(750)));
        assert!(slow.iter().all(|(_, packet)| packet.your_discriminator == 0));
        let said = slow.iter().all(|(_, packet)| {
            packet.state == State::Down && packet.diagnostic == Diagnostic::DETECTION_TIME_EXPIRED
        });
        assert!(said);
    }
    pair.connected = [true; 2];
    pair.run(ms(3000));
    assert_eq!(pair.states(), [State::Up; 2]);
}

#[test]
fn an_end_that_is_not_heard_is_told_so() {
    let mut pair = Pair::up(settings(50, 50, 3), settings(50, 50, 3));
    pair.connected[1] = false;
    pair.run(ms(200));
    assert!(matches!(pair.states[0][..], [(_, State::Down, Diagnostic::DETECTION_TIME_EXPIRED)]));
    assert!(matches!(pair.states[1][..], [(_, State::Down, Diagnostic::NEIGHBOR_DOWN), ..]));
    let told = pair.states[1][0].0.since(pair.states[0][0].0);
    assert_eq!(told, DELAY, "at once, not when the next packet is due");
}

#[test]
fn two_lost_packets_of_three_do_no_harm() {
    let mut pair = Pair::up(settings(50, 50, 3), settings(50, 50, 3));
    for _ in 0..50 {
        pair.connected = [false; 2];
        // Less than twice the least time between packets.
        pair.run(ms(74));
        pair.connected = [true; 2];
        pair.run(ms(60));
    }
    assert_eq!(pair.states, [Vec::new(), Vec::new()]);
}

/// RFC 5880 section 6.8.2: each direction by the slower of what one end likes to send and what the
/// other can take.
#[test]
fn each_direction_has_its_own_interval() {
    let mut pair = Pair::up(settings(100, 300, 5), settings(50, 20, 2));
    assert_eq!(pair.ends[0].transmit_interval(), Some(ms(100)));
    assert_eq!(pair.ends[1].transmit_interval(), Some(ms(300)));
    assert_eq!(pair.ends[0].detection_time(), Some(ms(2 * 300)));
    assert_eq!(pair.ends[1].detection_time(), Some(ms(5 * 100)));
    pair.run(ms(20_000));
    assert!(pair.gaps(0).iter().all(|gap| (ms(75)..=ms(100)).contains(gap)));
    assert!(pair.gaps(1).iter().all(|gap| (ms(225)..=ms(300)).contains(gap)));
    assert_eq!(pair.states, [Vec::new(), Vec::new()]);
}

/// RFC 5880 section 6.8.7.
#[test]
fn no_packet_is_late_where_none_may_be_lost() {
    let mut pair = Pair::up(settings(100, 100, 1), settings(100, 100, 1));
    pair.run(ms(20_000));
    let gaps = pair.gaps(0);
    assert!(gaps.iter().all(|gap| (ms(75)..=ms(90)).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().max() > Some(&ms(88)));
    assert_eq!(pair.states, [Vec::new(), Vec::new()]);
}

/// RFC 5880 section 6.1.
#[test]
fn a_passive_end_waits_for_the_first_packet() {
    let passive = Settings { passive: true, ..settings(50, 50, 3) };
    let mut pair = Pair::new(passive, passive);
    pair.run(ms(10_000));
    assert_eq!(pair.sent, [Vec::new(), Vec::new()]);
    let mut pair = Pair::up(passive, settings(50, 50, 3));
    pair.connected = [false; 2];
    pair.run(ms(400));
    pair.forget();
    pair.run(ms(5000));
    assert!(pair.sent[0].is_empty() && !pair.sent[1].is_empty());
    pair.connected = [true; 2];
    pair.run(ms(5000));
    assert_eq!(pair.states(), [State::Up; 2]);
}

/// RFC 5880 section 6.8.16.
#[test]
fn an_administrator_takes_a_session_down_and_up_again() {
    let mut pair = Pair::up(settings(50, 50, 3), settings(50, 50, 3));
    pair.ends[0].set_admin_down(true, pair.now, &mut pair.random);
    pair.run(ms(5000));
    assert_eq!(pair.states(), [State::AdminDown, State::Down]);
    assert!(matches!(
        pair.states[0][..],
        [(_, State::AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN)]
    ));
    assert!(matches!(pair.states[1][..], [(_, State::Down, Diagnostic::NEIGHBOR_DOWN)]));
    assert_eq!(pair.ends[1].remote_state(), State::AdminDown);
    pair.ends[0].set_admin_down(false, pair.now, &mut pair.random);
    pair.run(ms(5000));
    assert_eq!(pair.states(), [State::Up; 2]);
}

/// RFC 5880 section 6.8.3: slower only once the other end knows.
#[test]
fn intervals_change_without_loss_of_the_session() {
    let mut pair = Pair::up(settings(50, 50, 3), settings(50, 50, 3));
    for (tx, rx) in [(400, 50), (50, 400), (20, 20), (1000, 1000), (50, 50)] {
        let slower = tx > 50;
        pair.ends[0].configure(settings(tx, rx, 3), pair.now, &mut pair.random);
        pair.forget();
        if slower {
            // The answer to the poll does not arrive: nothing changes yet.
            pair.connected[1] = false;
            pair.run(ms(60));
            assert!(pair.sent[0].iter().all(|(_, packet)| packet.poll));
            let gaps = pair.gaps(0);
            assert!(gaps.iter().all(|gap| *gap <= ms(50)), "{tx} {rx} {gaps:?}");
            pair.connected[1] = true;
        }
        pair.run(ms(10_000));
        let [mine, theirs] = [0, 1].map(|end| pair.ends[end].transmit_interval());
        assert_eq!((mine, theirs), (Some(ms(tx.max(50))), Some(ms(rx.max(50)))));
        assert!(pair.sent[0].iter().rev().take(5).all(|(_, packet)| !packet.poll));
        assert_eq!(pair.states, [Vec::new(), Vec::new()], "{tx} {rx}");
    }
}

#[test]
fn an_end_that_starts_anew_is_met_again() {
    let mut pair = Pair::up(settings(50, 50, 3), settings(50, 50, 3));
    pair.ends[1] = session(settings(50, 50, 3), 77, pair.now);
    pair.run(ms(5000));
    assert_eq!(pair.states(), [State::Up; 2]);
    assert!(matches!(pair.states[0][0], (_, State::Down, Diagnostic::NEIGHBOR_DOWN)));
    assert_eq!(pair.sent[0].last().map(|(_, packet)| packet.your_discriminator), Some(77));
}

/// RFC 5880 section 6.2, the state machine; and 6.8.6 for what AdminDown does.
#[test]
fn every_state_meets_every_state() {
    use State::{AdminDown, Down, Init, Up};
    let table =
        [(Down, [Down, Init, Up, Down]), (Init, [Down, Init, Up, Up]), (Up, [Down, Down, Up, Up])];
    for (before, after) in table {
        for (received, after) in [AdminDown, Down, Init, Up].into_iter().zip(after) {
            let mut peer = Peer::new(settings(50, 50, 3));
            peer.bring(before);
            peer.says(received);
            assert_eq!(peer.session.state(), after, "{before} {received}");
        }
    }
}

#[test]
fn a_poll_is_answered_at_once() {
    let mut peer = Peer::new(settings(50, 50, 3));
    peer.bring(State::Up);
    peer.packet.poll = true;
    let sent = peer.says(State::Up);
    assert!(matches!(sent[..], [Output::Transmit(packet)] if packet.is_final && !packet.poll));
    // What tells a new state may be the answer.
    peer.bring(State::Down);
    let sent = peer.says(State::Down);
    let [Output::StateChanged { state: State::Init, .. }, Output::Transmit(packet)] = sent[..]
    else {
        panic!("{sent:?}")
    };
    assert!(packet.is_final && packet.state == State::Init);
}

/// RFC 5880 section 6.8.7.
#[test]
fn a_peer_that_wants_no_packets_gets_none() {
    let mut peer = Peer::new(settings(50, 50, 3));
    peer.bring(State::Up);
    peer.packet.is_final = true;
    peer.packet.demand = true;
    peer.says(State::Up);
    assert_eq!(peer.session.transmit_interval(), None);
    peer.packet.demand = false;
    peer.says(State::Up);
    assert_eq!(peer.session.transmit_interval(), Some(ms(50)));
    peer.packet.required_min_rx_us = 0;
    peer.says(State::Up);
    assert_eq!(peer.session.transmit_interval(), None);
    let detection_time = peer.session.detection_time().expect("it is watched");
    assert_eq!(peer.session.deadline(), Some(peer.now + detection_time));
    peer.session.handle_timeout(peer.now + detection_time, &mut peer.random);
    assert_eq!(peer.session.state(), State::Down);
    assert!(peer.session.transmit_interval().is_some(), "it has to be looked for");
}

#[test]
fn packets_for_others_change_nothing() {
    let mut peer = Peer::new(settings(50, 50, 3));
    peer.bring(State::Up);
    let mut refused = |change: &dyn Fn(&mut Control)| {
        let mut packet = Control { state: State::Down, ..peer.packet };
        change(&mut packet);
        let verdict = peer.session.handle_packet(&packet, peer.now, &mut peer.random);
        assert_eq!((peer.session.state(), peer.session.poll_output()), (State::Up, None));
        verdict
    };
    let other = refused(&|packet| packet.your_discriminator = 2);
    assert_eq!(other, Err(Discarded::Discriminator));
    let authenticated = refused(&|packet| packet.authenticated = true);
    assert_eq!(authenticated, Err(Discarded::Authenticated));
    peer.session.set_admin_down(true, peer.now, &mut peer.random);
    peer.outputs();
    let verdict = peer.session.handle_packet(&peer.packet, peer.now, &mut peer.random);
    assert_eq!(verdict, Err(Discarded::AdminDown));
    assert_eq!((peer.session.state(), peer.session.poll_output()), (State::AdminDown, None));
}

/// One session, and a peer that says what it is told to say.
struct Peer {
    now: Instant,
    random: Seeded,
    session: Session,
    packet: Control,
}

impl Peer {
    fn new(settings: Settings) -> Self {
        let now = Instant(0);
        let packet = Control {
            diagnostic: Diagnostic::NONE,
            state: State::Down,
            poll: false,
            is_final: false,
            control_plane_independent: false,
            authenticated: false,
            demand: false,
            detect_multiplier: 3,
            my_discriminator: 9,
            your_discriminator: 1,
            desired_min_tx_us: 50_000,
            required_min_rx_us: 50_000,
            required_min_echo_rx_us: 0,
        };
        let session = session(settings, 1, now);
        Self { now, random: Seeded::new([1; 32]), session, packet }
    }

    /// What the session does with a packet of this state.
    fn says(&mut self, state: State) -> Vec<Output> {
        self.packet.state = state;
        let verdict = self.session.handle_packet(&self.packet, self.now, &mut self.random);
        verdict.expect("it is taken");
        self.outputs()
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.session.poll_output()).collect()
    }

    fn bring(&mut self, state: State) {
        self.says(State::AdminDown);
        let path: &[State] = match state {
            State::Init => &[State::Down],
            State::Up => &[State::Down, State::Up],
            _ => &[],
        };
        path.iter().for_each(|state| drop(self.says(*state)));
        assert_eq!(self.session.state(), state);
    }
}
