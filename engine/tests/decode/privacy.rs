//! The canary: what no format names is in nothing that comes out.

use nightjar::decode::Formats;
use serde_json::{Value, json};

use crate::{decode_with, decoder, samples};

const MARK: &str = "CANARY7f3a";

/// Keys under which vendors keep what people wrote.
const CONTENT: [&str; 21] = [
    "prompt",
    "response",
    "messages",
    "message",
    "content",
    "text",
    "password",
    "body",
    "subject",
    "completion",
    "input",
    "output",
    "query",
    "requestBody",
    "responseBody",
    "choices",
    "attachments",
    "displayMessage",
    "errorMessage",
    "title",
    "description",
];

/// Words for what was done that the vendor chooses, not people, and settings: they decide, and never leave.
const DECIDES: [(&str, &str); 9] = [
    ("auth0", "data.details.response.statusCode"),
    ("auth0", "details.response.statusCode"),
    ("auth0", "data.details.response.body.enabled"),
    ("auth0", "details.response.body.enabled"),
    ("auth0", "data.details.response.body[0]"),
    ("auth0", "details.response.body[0]"),
    ("auth0", "data.description"),
    ("auth0", "description"),
    ("duo", "description"),
];

/// Places that lead past such a name, to a number, an address or the name of a model.
const HARMLESS: [&str; 9] = [
    r#"attributes."gen_ai.response.model""#,
    r#"attributes."gen_ai.response.model".stringValue"#,
    "input.inputTokenCount",
    "input.cacheWriteInputTokenCount",
    "output.outputTokenCount",
    "tokens.input",
    "tokens.output",
    "description.email",
    "description.ip_address",
];

/// The record with a marked field of every such name, and of an unknown one, in every object.
fn marked(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut out: serde_json::Map<_, _> = map
                .iter()
                .map(|(key, value)| (key.clone(), marked(value)))
                .collect();
            for key in CONTENT.iter().chain(&["unheard_of"]) {
                out.entry(*key)
                    .or_insert_with(|| json!(format!("{MARK} {key}")));
            }
            let nested = json!({ MARK: [MARK, { MARK: MARK }], "doc_title": MARK });
            out.insert("unheard_of_too".into(), nested);
            Value::Object(out)
        }
        Value::Array(list) => Value::Array(list.iter().map(marked).collect()),
        other => other.clone(),
    }
}

#[test]
fn a_mark_in_every_unnamed_field_comes_out_nowhere() {
    let mut auto = decoder(None);
    for sample in samples() {
        if !sample.record.is_object() {
            continue;
        }
        let record = marked(&sample.record).to_string();
        assert!(record.contains(MARK));
        for decoder in [&mut auto, &mut decoder(Some(&sample.format))] {
            let out = decode_with(decoder, record.as_bytes());
            assert_eq!(out.rows, sample.rows, "{}: {}", sample.format, sample.name);
            assert!(!format!("{out:?}").contains(MARK));
        }
        // Nor when the record is refused.
        for broken in [
            &record[..record.len() / 2],
            &record.replace("202", "x"),
            &record.replace("\":", "\";"),
        ] {
            let out = decode_with(&mut auto, broken.as_bytes());
            let reasons: Vec<String> = out
                .rejects
                .iter()
                .map(|reason| format!("{reason} {reason:?} {}", reason.as_str()))
                .collect();
            assert!(!format!("{:?} {reasons:?}", out.rows).contains(MARK));
        }
    }
}

/// The same for lines: what stands under a key that no format names, and words without a key.
#[test]
fn a_mark_in_a_line_comes_out_nowhere() {
    for sample in samples().iter().filter(|sample| sample.record.is_string()) {
        let text = sample.text().expect("a line");
        let between = match &text {
            text if text.contains("#011") => "#011",
            text if text.contains('\t') => "\t",
            text if text.contains('^') => "^",
            text if text.contains("|x7C|") => "|",
            _ => " ",
        };
        let fields = [
            format!("msg={MARK} said {MARK}"),
            format!("reason={MARK}"),
            format!("{MARK}={MARK}"),
            format!("cs6Label={MARK}{between}cs6={MARK}"),
            format!("userAgent={MARK} {{\"{MARK}\":\"{MARK}\"}}"),
        ];
        for field in fields {
            let marked = format!("{text}{between}{field}");
            let out = decode_with(&mut decoder(None), marked.as_bytes());
            assert_eq!(out.rows, sample.rows, "{}: {}", sample.format, sample.name);
            assert!(!format!("{out:?}").contains(MARK));
        }
    }
}

/// No format may ever name a field of content.
#[test]
fn formats_name_no_content() {
    for format in Formats::shipped().all() {
        let paths = format.paths();
        assert!(2 < paths.len());
        let is_fine = |path: &&str| {
            HARMLESS.contains(path) || DECIDES.contains(&(format.name.as_str(), *path))
        };
        for path in paths.into_iter().filter(|path| !is_fine(path)) {
            for key in path.split(['.', '[', ']', '"', '=']) {
                let content = CONTENT
                    .iter()
                    .any(|content| content.eq_ignore_ascii_case(key));
                assert!(!content, "{}: {path}", format.name);
            }
        }
    }
}
