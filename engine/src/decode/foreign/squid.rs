//! Squid's own access log: `time elapsed client result/status size method URL user hierarchy type`.
//!
//! Invariant: the keys are those by which the `squid` format knows Squid's JSON.

use super::json;

const NAMES: [&str; 8] = [
    "ts",
    "elapsed_ms",
    "client_ip",
    "result_code",
    "reply_bytes",
    "method",
    "url",
    "user",
];
/// Words of a syslog header.
const HEADER_WORDS_MAX: usize = 8;

pub(super) fn read(text: &str, out: &mut String) -> bool {
    for skipped in 0..HEADER_WORDS_MAX {
        let mut words = text.split_ascii_whitespace().skip(skipped);
        let mut fields = [""; NAMES.len()];
        for field in &mut fields {
            let Some(word) = words.next() else {
                return false;
            };
            *field = word;
        }
        if !is_time(fields[0]) || !is_result(fields[3]) {
            continue;
        }
        out.clear();
        out.push('{');
        for (name, field) in NAMES.iter().zip(fields) {
            json::member(name, field, out);
        }
        out.push('}');
        return true;
    }
    false
}

fn is_time(word: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    word.split_once('.')
        .is_some_and(|(seconds, millis)| 9 <= seconds.len() && digits(seconds) && digits(millis))
}

fn is_result(word: &str) -> bool {
    word.contains('/')
        && ["TCP_", "UDP_", "NONE"]
            .iter()
            .any(|start| word.starts_with(start))
}
