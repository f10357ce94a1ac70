//! The log: a line per event on standard error, for a terminal, a file or the journal.

use std::{
    env, fmt,
    fs::File,
    io::{self, IsTerminal},
    os::{fd::AsFd, unix::fs::MetadataExt},
};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

/// What is logged when nobody says otherwise.
pub const DEFAULT: &str = "info";

/// Reads a level (`debug`) or levels by module (`warn,fastgw::kernel=trace`).
///
/// # Errors
/// A word that is no level; the text says which words are.
pub fn parse(text: &str) -> Result<Targets, String> {
    let text = if text.trim().is_empty() { DEFAULT } else { text };
    for part in text.split(',') {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level).trim();
        // Without this a misspelt level would be taken for the name of a module.
        if level.parse::<LevelFilter>().is_err() {
            return Err(format!(
                "`{level}` is no level: write off, error, warn, info, debug or trace, \
                 or MODULE=LEVEL, separated by commas"
            ));
        }
    }
    text.parse().map_err(|error| format!("{error}"))
}

/// Sends the events that `levels` lets through to standard error. To be called once.
pub fn init(levels: Targets) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // It would panic over a standard error that nobody reads.
        .log_internal_errors(false)
        .event_format(Line { journal: stderr_is_the_journal() });
    tracing_subscriber::registry().with(lines.with_filter(levels)).init();
}

/// Whether systemd reads our standard error (systemd.exec(5), `$JOURNAL_STREAM`). The variable is
/// inherited by children whose standard error is something else, so the file is compared.
fn stderr_is_the_journal() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else { return false };
    let stderr = io::stderr().as_fd().try_clone_to_owned().map(File::from);
    let metadata = stderr.and_then(|file| file.metadata());
    metadata.is_ok_and(|file| stream == format!("{}:{}", file.dev(), file.ino()))
}

/// The shape of a line: time, level, what happened. The journal keeps time and level itself.
struct Line {
    journal: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        if self.journal {
            write!(writer, "<{}>", priority(metadata.level()))?;
        } else {
            write_head(&mut writer, metadata.level())?;
        }
        // Below `info` the reader is a developer, who wants to know where it was said.
        if *metadata.level() > Level::INFO {
            write!(writer, "{}: ", metadata.target())?;
        }
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// The syslog priority (sd-daemon(3)).
fn priority(level: &Level) -> u8 {
    match *level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// Time in UTC to the millisecond, and the level.
fn write_head(writer: &mut Writer<'_>, level: &Level) -> fmt::Result {
    let mut time = String::new();
    SystemTime.format_time(&mut Writer::new(&mut time))?;
    // 2026-01-31T12:34:56.789012Z
    let time = time.get(..23).unwrap_or(&time);
    if !writer.has_ansi_escapes() {
        return write!(writer, "{time}Z {level:<5} ");
    }
    let colour = match *level {
        Level::ERROR => "31",
        Level::WARN => "33",
        Level::INFO => "32",
        Level::DEBUG => "34",
        Level::TRACE => "35",
    };
    write!(writer, "\x1b[2m{time}Z\x1b[0m \x1b[{colour}m{level:<5}\x1b[0m ")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `say` logs, as lines.
    fn logged(journal: bool, say: impl FnOnce()) -> Vec<String> {
        let sink = Sink::default();
        let writer = sink.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .event_format(Line { journal });
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::with_default(subscriber, say);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_has_time_level_message_and_fields() {
        let lines = logged(false, || {
            tracing::info!(port = "lan", "attached");
            tracing::debug!("turn");
        });
        let (time, rest) = lines[0].split_at("2026-01-31T12:34:56.789Z".len());
        assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
        assert_eq!(rest, " INFO  attached port=\"lan\"");
        assert!(lines[1].ends_with(concat!("DEBUG ", module_path!(), ": turn")), "{}", lines[1]);
    }

    #[test]
    fn the_journal_gets_a_priority_instead_of_time_and_level() {
        let lines = logged(true, || {
            tracing::error!("gone");
            tracing::warn!("slow");
            tracing::info!("attached");
        });
        assert_eq!(lines, ["<3>gone", "<4>slow", "<6>attached"]);
    }

    #[test]
    fn a_misspelt_level_is_refused_instead_of_silencing_the_log() {
        assert!(parse("verbose").unwrap_err().contains("`verbose` is no level"));
        assert!(parse("info,fastgw=loud").unwrap_err().contains("`loud` is no level"));
        let levels = parse("warn,fastgw::kernel=trace").unwrap();
        assert!(levels.would_enable("fastgw::kernel", &Level::TRACE));
        assert!(!levels.would_enable("fastgw", &Level::INFO));
        assert!(parse("").unwrap().would_enable("fastgw", &Level::INFO));
    }
}
