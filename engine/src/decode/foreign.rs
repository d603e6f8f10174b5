//! Records that are no JSON, or JSON of a shape that paths cannot name: each becomes a JSON record, which then
//! goes the way of all others.
//!
//! Invariant: what is written is valid JSON and as large as what was read, but for a bounded factor; whether a
//! place of it leaves is for the formats to say.

mod cef;
mod json;
mod leef;
pub(super) mod otlp;
pub(super) mod otlp_protobuf;
mod pairs;
mod protobuf;
mod squid;

pub(super) use json::members;

/// Where a line's own text begins at the latest: what stands before is a syslog header.
const HEADER_BYTES_MAX: usize = 512;

/// Writes the record of a CEF or LEEF line; `false` where the text is none.
pub(super) fn marked_line(text: &str, out: &mut String) -> bool {
    cef::read(text, out) || leef::read(text, out)
}

/// Writes the record of a line that only its shape tells: Squid's own log, or keys and values.
pub(super) fn plain_line(text: &str, out: &mut String) -> bool {
    squid::read(text, out) || pairs::read(text, out)
}

/// Whether a text within a record may hold a record; most texts are prose.
pub(super) fn may_hold_record(text: &str) -> bool {
    memchr::memchr3(b'{', b'=', b'/', text.as_bytes()).is_some()
}

/// Where a line's mark, such as `CEF:`, stands: at the start, or behind a syslog header.
fn mark(text: &str, mark: &str) -> Option<usize> {
    let head = &text.as_bytes()[..text.len().min(HEADER_BYTES_MAX)];
    memchr::memmem::find_iter(head, mark.as_bytes()).find(|at| {
        let before = at.checked_sub(1).map(|before| head[before]);
        let version = text.as_bytes()[at + mark.len()..].trim_ascii_start();
        before.is_none_or(|byte| !byte.is_ascii_alphanumeric())
            && version.first().is_some_and(u8::is_ascii_digit)
    })
}

/// The time in a syslog header, if it names its year (RFC 5424 and its relatives).
fn header_time(header: &str) -> Option<&str> {
    header.split_ascii_whitespace().find(|word| {
        matches!(word.as_bytes(), [_, _, _, _, b'-', _, _, b'-', _, _, b'T', rest @ ..] if 5 <= rest.len())
    })
}

/// Splits off fields that end in `|`; a backslash takes a `|` its meaning. The rest follows the last of them.
fn header_fields<const FIELDS: usize>(text: &str) -> Option<([&str; FIELDS], &str)> {
    let mut fields = [""; FIELDS];
    let mut rest = text;
    for field in &mut fields {
        let end = memchr::memchr_iter(b'|', rest.as_bytes())
            .find(|at| !is_escaped(rest.as_bytes(), *at))?;
        (*field, rest) = (rest[..end].trim_ascii(), &rest[end + 1..]);
    }
    Some((fields, rest))
}

/// Whether an odd number of backslashes stands before a byte.
fn is_escaped(bytes: &[u8], at: usize) -> bool {
    let backslashes = bytes[..at].iter().rev().take_while(|byte| **byte == b'\\');
    backslashes.count() % 2 == 1
}

/// Whether a text can be a key of these lines.
fn is_key(text: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']');
    !text.is_empty() && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(text: &str) -> Value {
        let mut out = String::new();
        assert!(
            marked_line(text, &mut out) || plain_line(text, &mut out),
            "{text}"
        );
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error} in {out}"))
    }

    #[test]
    fn cef_is_read_with_its_escapes_and_labels() {
        let line = r#"<134>1 2026-03-02T10:00:00Z host app - - - CEF:0|Ven\|dor|Pro\\duct|1.0|100|User "logged" in|5|suser=ana@example.com src=203.0.113.10 request=https://a.example/?q=1&r=2 msg=two words \= more\nline cs1Label=Rule Name cs1=first rule cn1=7 fname=C:\\a b.txt"#;
        let cef = &read(line)["cef"];
        assert_eq!(cef["vendor"], "Ven|dor");
        assert_eq!(cef["product"], "Pro\\duct");
        assert_eq!(cef["name"], "User \"logged\" in");
        assert_eq!(cef["received"], "2026-03-02T10:00:00Z");
        let extension = &cef["extension"];
        assert_eq!(extension["request"], "https://a.example/?q=1&r=2");
        assert_eq!(extension["msg"], "two words = more\nline");
        assert_eq!(extension["fname"], "C:\\a b.txt");
        assert_eq!(cef["labels"], json!({ "Rule Name": "first rule" }));
    }

    #[test]
    fn leef_is_read_with_any_delimiter_and_time_format() {
        let tabs = "LEEF:1.0|V|P|1|login|usrName=ana\tsrc=203.0.113.10\tmsg=a b";
        assert_eq!(read(tabs)["leef"]["extension"]["usrName"], "ana");
        for delimiter in ["^", "x5E", "0x5e"] {
            let line = format!(
                "<13>Mar  2 10:00:00 host LEEF:2.0|V|P|1|login|{delimiter}|usrName=ana^src=203.0.113.10^devTime=02.03.2026 11:00:00 +0100^devTimeFormat=dd.MM.yyyy HH:mm:ss Z"
            );
            let leef = &read(&line)["leef"];
            assert_eq!(leef["extension"]["src"], "203.0.113.10");
            assert_eq!(leef["time"], "2026-03-02T11:00:00.000+0100");
        }
        let spaces = "LEEF:1.0|V|P|1|login|usrName=ana b src=203.0.113.10";
        assert_eq!(read(spaces)["leef"]["extension"]["usrName"], "ana b");
        let octal = "LEEF:2.0|V|P|1|login|usrName=ana#011src=203.0.113.10";
        assert_eq!(read(octal)["leef"]["extension"]["usrName"], "ana");
    }

    #[test]
    fn keys_and_values_are_read_quoted_or_not() {
        let line = r#"<189>date=2026-03-02 time=11:00:00 tz="+0100" user="ana \"a\" b" hostname=a.example, action=passthrough msg="x=1 y=2""#;
        let record = read(line);
        assert_eq!(record["time"], "2026-03-02T11:00:00+0100");
        assert_eq!(record["user"], "ana \"a\" b");
        assert_eq!(record["hostname"], "a.example");
        assert_eq!(record.get("x"), None);
    }

    #[test]
    fn squid_is_read_behind_a_header_too() {
        for header in ["", "<182>Mar  2 10:00:00 proxy (squid-1): "] {
            let line = format!(
                "{header}1772445600.123    180 203.0.113.10 TCP_TUNNEL/200 411 CONNECT a.example:443 ana HIER_DIRECT/192.0.2.1 -"
            );
            let record = read(&line);
            assert_eq!(
                (&record["ts"], &record["url"]),
                (&json!("1772445600.123"), &json!("a.example:443"))
            );
            assert_eq!(
                (&record["user"], &record["result_code"]),
                (&json!("ana"), &json!("TCP_TUNNEL/200"))
            );
        }
    }

    #[test]
    fn prose_is_no_record() {
        let mut out = String::new();
        for text in [
            "",
            "hello",
            "a=1 b=2",
            "see CEF:0 for more",
            "CEF:0|a|b",
            "LEEF:1.0|a",
            "a = b = c = d",
            "1 2 3 4 5 6 7 8 9 10",
        ] {
            assert!(
                !marked_line(text, &mut out) && !plain_line(text, &mut out),
                "{text}"
            );
        }
    }
}
