//! Every sample becomes exactly the rows written beside it. `NIGHTJAR_BLESS=1` writes them anew, to be read
//! before they are committed.

use serde_json::{Value, json};

use crate::{Sample, decode_with, decoder, fixtures, samples};

#[test]
fn every_sample_becomes_its_rows_in_auto_and_in_its_own_format() {
    if std::env::var_os("NIGHTJAR_BLESS").is_some() {
        return bless(&samples());
    }
    let mut auto = decoder(None);
    for sample in samples() {
        let mut own = decoder(Some(&sample.format));
        for decoder in [&mut auto, &mut own] {
            let out = decode_with(decoder, &sample.bytes);
            let what = format!("{}: {}", sample.format, sample.name);
            assert_eq!(out.rejects, [], "{what}");
            assert_eq!(out.ignored, sample.ignored, "{what}");
            let found = serde_json::to_string_pretty(&out.rows).expect("rows");
            let expected = serde_json::to_string_pretty(&sample.rows).expect("rows");
            assert_eq!(found, expected, "{what}");
            assert!(
                out.classes
                    .iter()
                    .all(|class| class.starts_with(&sample.format)),
                "{what}"
            );
        }
    }
}

fn bless(samples: &[Sample]) {
    let mut files = std::collections::BTreeMap::<String, String>::new();
    for sample in samples {
        let out = decode_with(&mut decoder(None), &sample.bytes);
        let mut line = sample.line.clone();
        line.insert("rows".into(), json!(out.rows));
        line.insert("ignored".into(), json!(out.ignored));
        *files.entry(sample.format.clone()).or_default() += &format!("{}\n", Value::Object(line));
    }
    for (format, text) in files {
        std::fs::write(fixtures().join(format!("{format}.ndjson")), text).expect("writable");
    }
}

/// What `normalize` prints is a record of the `nightjar` format that means itself.
#[test]
fn canonical_rows_decode_to_themselves() {
    let mut nightjar = decoder(Some("nightjar"));
    for sample in samples() {
        for row in sample.rows {
            let out = decode_with(&mut nightjar, row.to_string().as_bytes());
            assert_eq!(out.rows, [row], "{}: {}", sample.format, sample.name);
        }
    }
}

/// Copilot's records may come three days late, which must not hold up the rest of the audit log.
#[test]
fn copilot_has_a_lateness_of_its_own() {
    let formats = nightjar::decode::Formats::shipped();
    let hours = |name: &str| {
        let class = formats.classes().iter().find(|class| class.name == name);
        class.map(|class| class.default_lateness_ms / 3_600_000)
    };
    assert_eq!(hours("m365_audit"), Some(24));
    assert_eq!(hours("m365_audit.copilot"), Some(72));
    assert_eq!(hours("okta"), Some(1));
    for sample in samples()
        .iter()
        .filter(|sample| sample.format == "m365_audit")
    {
        let out = decode_with(&mut decoder(None), &sample.bytes);
        let copilot = sample.record["Operation"] == "CopilotInteraction";
        let expected = if copilot {
            "m365_audit.copilot"
        } else {
            "m365_audit"
        };
        assert_eq!(out.classes, [expected]);
    }
}
