//! A line of JSON for an event: its moment, its level, its fields one after the other, and where it comes from.
//!
//! Written as it goes, without a tree or a text of its own between: calls make lines, and calls come in swarms.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime as _;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::moment::Moment;

/// `{"timestamp":"…","level":"INFO","message":"…","call":"…","target":"…"}`. Spans are not told: we have none.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        line.write_str("{\"timestamp\":\"")?;
        Moment.format_time(&mut line)?;
        line.write_str("\",\"level\":\"")?;
        line.write_str(event.metadata().level().as_str())?;
        line.write_char('"')?;
        let mut fields = Fields { line: &mut line, written: Ok(()) };
        event.record(&mut fields);
        fields.written?;
        line.write_str(",\"target\":\"")?;
        Escaped(&mut line).write_str(event.metadata().target())?;
        line.write_str("\"}\n")
    }
}

/// Writes each field behind a comma.
struct Fields<'a, W> {
    line: &'a mut W,
    written: fmt::Result,
}

impl<W: fmt::Write> Fields<'_, W> {
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut W) -> fmt::Result) {
        let line = &mut *self.line;
        let name = |line: &mut W| {
            line.write_str(",\"")?;
            Escaped(line).write_str(field.name())?;
            line.write_str("\":")
        };
        self.written = self.written.and_then(|()| name(line)).and_then(|()| value(line));
    }

    fn quoted(&mut self, field: &Field, value: impl FnOnce(&mut Escaped<'_, W>) -> fmt::Result) {
        self.field(field, |line| {
            line.write_char('"')?;
            value(&mut Escaped(line))?;
            line.write_char('"')
        });
    }
}

impl<W: fmt::Write> Visit for Fields<'_, W> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON knows no infinity.
        let finite = value.is_finite();
        self.field(field, |line| if finite { write!(line, "{value:?}") } else { line.write_str("null") });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, |line| write!(line, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |line| write!(line, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, |line| line.write_str(if value { "true" } else { "false" }));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.quoted(field, |text| text.write_str(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.quoted(field, |text| write!(text, "{value:?}"));
    }
}

/// Text within a JSON string (RFC 8259 §7).
struct Escaped<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\') {
            let (plain, special) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut chars = special.chars();
            match chars.next() {
                Some(c @ ('"' | '\\')) => {
                    self.0.write_char('\\')?;
                    self.0.write_char(c)?;
                }
                Some(c) => write!(self.0, "\\u{:04x}", u32::from(c))?,
                None => {}
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::{Escaped, Json};

    /// What is written, for the test to see.
    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Seen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panics").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_kind_of_field_is_json() {
        let seen = Seen::default();
        let writer = seen.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone()).event_format(Json);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let (share, nothing, shown) = (0.5, f64::NAN, Some("\"x\""));
            tracing::warn!(
                count = 3_u64,
                less = -3,
                share,
                nothing,
                yes = true,
                text = "a\"\\\n",
                ?shown,
                "so {}",
                1
            );
        });
        let lines = seen.0.lock().expect("no writer panics").clone();
        let line: serde_json::Value = serde_json::from_slice(&lines).expect("one line of JSON");
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "so 1");
        assert_eq!((&line["count"], &line["less"], &line["share"]), (&3.into(), &(-3).into(), &0.5.into()));
        assert_eq!((&line["nothing"], &line["yes"]), (&serde_json::Value::Null, &true.into()));
        assert_eq!((&line["text"], &line["shown"]), (&"a\"\\\n".into(), &"Some(\"\\\"x\\\"\")".into()));
        assert!(line["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')));
        assert!(line["target"].as_str().is_some_and(|target| target.ends_with("logging::json::tests")));
        assert!(lines.ends_with(b"}\n"));
    }

    #[test]
    fn text_is_escaped_as_serde_reads_it() {
        for text in ["", "a", "\"", "\\", "ü\u{1f}\u{7f}\t\r\n\0", "\u{2028}x\"y"] {
            let mut out = String::new();
            assert!(Escaped(&mut out).write_str(text).is_ok());
            assert_eq!(serde_json::from_str::<String>(&format!("\"{out}\"")).ok().as_deref(), Some(text));
        }
    }
}
