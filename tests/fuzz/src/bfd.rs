//! A BFD session and whatever its peer says, whenever: it does not panic, its clock moves on, and
//! it is up only while it hears of a peer that hears it.

use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

use ::bfd::{Control, Output, Session, Settings, State};
use engine::{Instant, Seeded};

/// Steps of 28 bytes: what happens, how long after the one before (in units of 100 us), and a
/// packet. The first byte is the detection multiplier.
pub fn bfd(input: &[u8]) {
    let Some((first, steps)) = input.split_first() else { return };
    let mut random = Seeded::new([*first; 32]);
    let settings = |tx: u8, rx: u8| Settings {
        desired_min_tx: Duration::from_micros(1 << (tx % 24)),
        required_min_rx: Duration::from_micros(1 << (rx % 24)),
        detect_multiplier: NonZeroU8::new(*first).unwrap_or(NonZeroU8::MIN),
        passive: first % 2 == 1,
    };
    let mut now = Instant(0);
    let mut session = Session::new(settings(16, 16), NonZeroU32::MIN, now);
    for step in steps.chunks_exact(28) {
        let [kind, value, high, low, packet @ ..] = step else { return };
        now = now + Duration::from_micros(100 * u64::from(u16::from_be_bytes([*high, *low])));
        if session.deadline().is_some_and(|at| at <= now) {
            session.handle_timeout(now, &mut random);
            let late = session.deadline().is_some_and(|at| at <= now);
            assert!(!late, "what is due is done");
        }
        let before = session.state();
        match kind % 8 {
            0 => session.configure(settings(*value, kind / 8), now, &mut random),
            1 => session.set_admin_down(value % 2 == 0, now, &mut random),
            _ => {
                let Ok(packet) = Control::parse(packet) else { continue };
                let taken = session.handle_packet(&packet, now, &mut random).is_ok();
                let up = session.state() == State::Up && before != State::Up;
                let heard = packet.your_discriminator == 1 && packet.state >= State::Init;
                assert!(!up || taken && heard, "{packet:?}");
            }
        }
        says_what_it_is(&mut session);
    }
}

fn says_what_it_is(session: &mut Session) {
    let mut last = None;
    while let Some(output) = session.poll_output() {
        match output {
            Output::Transmit(packet) => {
                assert_eq!(Control::parse(&packet.encode()), Ok(packet));
                assert!(!(packet.poll && packet.is_final));
                assert!(packet.state == State::Up || packet.desired_min_tx_us >= 1_000_000);
                last = Some(packet.state);
            }
            Output::StateChanged { state, .. } => last = Some(state),
        }
    }
    assert!(last.is_none_or(|last| last == session.state()));
}
