//! Numbers as people read them.

/// With a comma between thousands: `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes with a decimal prefix and at least three digits: `999 B`, `1.23 MB`, `45.6 GB`.
pub fn bytes(n: u64) -> String {
    scaled(n, "B", ["kB", "MB", "GB", "TB", "PB", "EB"])
}

/// In the first of the units, each a thousand of the one before, that makes it less than 1000.
fn scaled<const N: usize>(n: u64, unit: &str, larger: [&str; N]) -> String {
    let mut value = n as f64;
    let (mut unit, mut larger) = (unit, larger.into_iter());
    // 999.95 and more would be printed as 1000.0.
    while value >= 999.95 {
        let Some(next) = larger.next() else { break };
        value /= 1000.0;
        unit = next;
    }
    if n < 1000 {
        return format!("{n} {unit}");
    }
    // As printed: 9.995 becomes 10.0 and not 10.00.
    let decimals = if value < 9.995 { 2 } else { 1 };
    format!("{value:.decimals$} {unit}")
}

/// Nanoseconds in a unit of time, with at least three digits: `999 ns`, `1.23 us`, `45.6 ms`.
pub fn latency(ns: u64) -> String {
    scaled(ns, "ns", ["us", "ms", "s"])
}

/// Seconds in their two largest units: `42 s`, `3 min 5 s`, `2 h 0 min`, `12 d 4 h`.
pub fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_told_apart() {
        let pairs = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (n, text) in pairs {
            assert_eq!(count(n), text);
        }
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn bytes_keep_three_digits_across_every_step() {
        let pairs = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (9_994, "9.99 kB"),
            (9_996, "10.0 kB"),
            (999_949, "999.9 kB"),
            (999_951, "1.00 MB"),
            (45_600_000_000, "45.6 GB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (n, text) in pairs {
            assert_eq!(bytes(n), text);
        }
    }

    #[test]
    fn latencies_end_with_seconds() {
        let pairs = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_234, "1.23 us"),
            (45_600_000, "45.6 ms"),
            (1_073_741_823, "1.07 s"),
            (12_345_000_000_000, "12345.0 s"),
        ];
        for (n, text) in pairs {
            assert_eq!(latency(n), text);
        }
    }

    #[test]
    fn durations_show_two_units() {
        let pairs = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min 0 s"),
            (3_599, "59 min 59 s"),
            (7_200, "2 h 0 min"),
            (86_399, "23 h 59 min"),
            (1_051_200, "12 d 4 h"),
        ];
        for (n, text) in pairs {
            assert_eq!(duration(n), text);
        }
    }
}
