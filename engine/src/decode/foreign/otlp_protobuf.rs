//! OTLP as protobuf, which the collector's Kafka exporter writes by default: the same records as from JSON.
//!
//! Invariant: an export request counts as a whole or not at all, so that no other bytes are taken for one.

use std::fmt::Write;

use super::json;
use super::otlp::{ATTRIBUTE_BYTES_MAX, Around, DEPTH_MAX, RESOURCE_BYTES_MAX, Record};
use super::protobuf::{self, Value, fields};

/// Hands over the records of an export request in protobuf; `false`, and nothing is handed over, where the bytes
/// are none.
pub(in crate::decode) fn read(
    bytes: &[u8],
    record: &mut Record,
    each: &mut dyn FnMut(&str),
) -> bool {
    let mut known = 0usize;
    // All of it must hold before anything of it counts.
    let whole = request(bytes, record, &mut |_| known += 1);
    if whole.is_err() || known == 0 {
        return false;
    }
    _ = request(bytes, record, each);
    true
}

fn request(
    bytes: &[u8],
    record: &mut Record,
    each: &mut dyn FnMut(&str),
) -> Result<(), protobuf::Broken> {
    fields(bytes, |number, value| {
        if number != 1 {
            return Err(protobuf::Broken);
        }
        let entry = value.bytes()?;
        record.around = Around::default();
        // The resource comes first, but nothing says that it must.
        fields(entry, |number, value| match number {
            1 => wire_resource(value.bytes()?, &mut record.around.resource),
            2 | 3 => value.bytes().map(drop),
            1000 => Ok(()),
            _ => Err(protobuf::Broken),
        })?;
        fields(entry, |number, value| match number {
            2 => wire_scope(value.bytes()?, record, each),
            _ => Ok(()),
        })
    })
}

fn wire_resource(bytes: &[u8], out: &mut String) -> Result<(), protobuf::Broken> {
    fields(bytes, |number, value| {
        if number == 1 {
            let start = out.len();
            wire_pair(value.bytes()?, 1, out)?;
            if ATTRIBUTE_BYTES_MAX < out.len() - start || RESOURCE_BYTES_MAX < out.len() {
                out.truncate(start);
            }
        }
        Ok(())
    })
}

fn wire_scope(
    bytes: &[u8],
    record: &mut Record,
    each: &mut dyn FnMut(&str),
) -> Result<(), protobuf::Broken> {
    record.around.scope.clear();
    fields(bytes, |number, value| {
        if number != 1 {
            return Ok(());
        }
        fields(value.bytes()?, |number, value| {
            if number == 1 && value.bytes()?.len() <= ATTRIBUTE_BYTES_MAX {
                json::member("name", value.text()?, &mut record.around.scope);
            }
            Ok(())
        })
    })?;
    fields(bytes, |number, value| {
        if number == 2 {
            wire_record(value.bytes()?, record)?;
            each(record.end());
        }
        Ok(())
    })
}

/// A log record or a span: a log record's field 1 is its time, and a span's field 7 its start.
fn wire_record(bytes: &[u8], record: &mut Record) -> Result<(), protobuf::Broken> {
    let (mut is_log, mut is_span) = (false, false);
    fields(bytes, |number, value| {
        is_log |= matches!((number, value), (1 | 11, Value::Fixed64(_)));
        is_span |= matches!((number, value), (7, Value::Fixed64(_)));
        Ok(())
    })?;
    if is_log == is_span {
        return Err(protobuf::Broken);
    }
    record.begin();
    let out = &mut record.text;
    let (mut pairs, mut body) = (Vec::new(), None);
    fields(bytes, |number, value| {
        let name = match (is_log, number) {
            (true, 1) => "timeUnixNano",
            (true, 11) => "observedTimeUnixNano",
            (false, 7) => "startTimeUnixNano",
            (true, 9) | (false, 1) => "traceId",
            (true, 10) | (false, 2) => "spanId",
            (true, 12) => "eventName",
            (true, 5) => {
                body = Some(value.bytes()?);
                return Ok(());
            }
            (true, 6) | (false, 9) => {
                pairs.push(value.bytes()?);
                return Ok(());
            }
            (false, 15) => return wire_status(value.bytes()?, out),
            _ => return Ok(()),
        };
        match value {
            Value::Fixed64(0) => {}
            Value::Fixed64(number) => {
                json::key(name, out);
                // Writing to a String cannot fail.
                _ = write!(out, "{number}");
            }
            Value::Bytes(text) if name == "eventName" => {
                json::member(
                    name,
                    std::str::from_utf8(text).map_err(|_| protobuf::Broken)?,
                    out,
                );
            }
            Value::Bytes(id) if !id.is_empty() => {
                json::key(name, out);
                out.push('"');
                id.iter()
                    .take(16)
                    .for_each(|byte| _ = write!(out, "{byte:02x}"));
                out.push('"');
            }
            _ => {}
        }
        Ok(())
    })?;
    json::key("attributes", out);
    out.push('{');
    for pair in pairs {
        wire_pair(pair, DEPTH_MAX, out)?;
    }
    out.push('}');
    if let Some(body) = body {
        json::key("body", out);
        wire_value(body, DEPTH_MAX, out)?;
    }
    Ok(())
}

fn wire_status(bytes: &[u8], out: &mut String) -> Result<(), protobuf::Broken> {
    fields(bytes, |number, value| {
        if let (3, Value::Varint(code)) = (number, value) {
            json::key("status", out);
            _ = write!(out, "{{\"code\":{code}}}");
        }
        Ok(())
    })
}

fn wire_pair(bytes: &[u8], depth: usize, out: &mut String) -> Result<(), protobuf::Broken> {
    let (mut name, mut content) = ("", None);
    fields(bytes, |number, value| {
        match number {
            1 => name = value.text()?,
            2 => content = Some(value.bytes()?),
            _ => {}
        }
        Ok(())
    })?;
    json::key(name, out);
    wire_value(content.unwrap_or_default(), depth, out)
}

fn wire_value(bytes: &[u8], depth: usize, out: &mut String) -> Result<(), protobuf::Broken> {
    let mut found = None;
    fields(bytes, |number, value| {
        found = Some((number, value));
        Ok(())
    })?;
    match found {
        Some((1, value)) => json::text(value.text()?, out),
        Some((2, Value::Varint(flag))) => out.push_str(if flag == 0 { "false" } else { "true" }),
        Some((3, Value::Varint(number))) => _ = write!(out, "{}", number.cast_signed()),
        Some((4, Value::Fixed64(bits))) if f64::from_bits(bits).is_finite() => {
            _ = write!(out, "{}", f64::from_bits(bits));
        }
        Some((kind @ (5 | 6), value)) if 0 < depth => {
            out.push(if kind == 5 { '[' } else { '{' });
            fields(value.bytes()?, |_, value| match kind {
                5 => {
                    json::comma(out);
                    wire_value(value.bytes()?, depth - 1, out)
                }
                _ => wire_pair(value.bytes()?, depth - 1, out),
            })?;
            out.push(if kind == 5 { ']' } else { '}' });
        }
        _ => out.push_str("null"),
    }
    Ok(())
}
