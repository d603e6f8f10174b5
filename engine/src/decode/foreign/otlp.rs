//! OTLP as JSON: logs and spans in their nest of resources and scopes. Each becomes a record of its own, with its
//! attributes by name.
//!
//! Invariant: of a resource only short attributes go along, and not many, since they are repeated in each of its
//! records; a list of records is never held as a whole.

use super::json::{self, elements, members};
use crate::decode::scan;

/// Bytes of one attribute of a resource, and of all of them, that go along.
pub(super) const ATTRIBUTE_BYTES_MAX: usize = 160;
pub(super) const RESOURCE_BYTES_MAX: usize = 1024;
/// Values within values; deeper ones are null.
pub(super) const DEPTH_MAX: usize = 8;

/// What the records have in common: JSON members of the resource and its scope.
#[derive(Debug, Default)]
pub(super) struct Around {
    pub(super) resource: String,
    pub(super) scope: String,
}

/// A record in the making.
#[derive(Debug, Default)]
pub(in crate::decode) struct Record {
    pub(super) around: Around,
    pub(super) text: String,
}

impl Record {
    pub(super) fn begin(&mut self) {
        self.text.clear();
        self.text.push('{');
    }

    /// Closes the record; one that says nothing by itself is given no resource.
    pub(super) fn end(&mut self) -> &str {
        if 1 < self.text.len() {
            json::raw_member(
                "\"resource\"",
                &format!("{{{}}}", self.around.resource),
                &mut self.text,
            );
            json::raw_member(
                "\"scope\"",
                &format!("{{{}}}", self.around.scope),
                &mut self.text,
            );
        }
        self.text.push('}');
        &self.text
    }
}

/// Hands over the records of the list under `resourceLogs` or `resourceSpans`.
pub(in crate::decode) fn read(
    list: &str,
    record: &mut Record,
    each: &mut dyn FnMut(&str),
) -> Result<(), scan::Broken> {
    elements(list, |entry| {
        record.around = Around::default();
        let mut scopes = Vec::new();
        members(entry, |key, value| match key {
            "\"resource\"" => {
                _ = members(value, |key, value| {
                    if key == "\"attributes\"" {
                        _ = resource(value, &mut record.around.resource);
                    }
                });
            }
            "\"scopeLogs\""
            | "\"scope_logs\""
            | "\"scopeSpans\""
            | "\"scope_spans\""
            | "\"instrumentationLibraryLogs\""
            | "\"instrumentationLibrarySpans\"" => scopes.push(value),
            _ => {}
        })?;
        for list in scopes {
            elements(list, |scope| read_scope(scope, record, each))?;
        }
        Ok(())
    })
}

fn read_scope(
    scope: &str,
    record: &mut Record,
    each: &mut dyn FnMut(&str),
) -> Result<(), scan::Broken> {
    record.around.scope.clear();
    let mut lists = Vec::new();
    members(scope, |key, value| match key {
        "\"scope\"" | "\"instrumentationLibrary\"" => {
            _ = members(value, |key, value| {
                if key == "\"name\"" && value.len() <= ATTRIBUTE_BYTES_MAX {
                    json::raw_member(key, value, &mut record.around.scope);
                }
            });
        }
        "\"logRecords\"" | "\"log_records\"" | "\"logs\"" | "\"spans\"" => lists.push(value),
        _ => {}
    })?;
    for list in lists {
        elements(list, |entry| {
            record.begin();
            members(entry, |key, value| member(key, value, &mut record.text))?;
            each(record.end());
            Ok(())
        })?;
    }
    Ok(())
}

/// One member of a log record or span; those that no format could need are left out.
fn member(key: &str, value: &str, out: &mut String) {
    let name = match key {
        "\"timeUnixNano\"" | "\"time_unix_nano\"" => "\"timeUnixNano\"",
        "\"observedTimeUnixNano\"" | "\"observed_time_unix_nano\"" => "\"observedTimeUnixNano\"",
        "\"startTimeUnixNano\"" | "\"start_time_unix_nano\"" => "\"startTimeUnixNano\"",
        "\"eventName\"" | "\"event_name\"" => "\"eventName\"",
        "\"traceId\"" | "\"trace_id\"" => "\"traceId\"",
        "\"spanId\"" | "\"span_id\"" => "\"spanId\"",
        "\"status\"" => key,
        "\"attributes\"" => {
            json::comma(out);
            out.push_str("\"attributes\":{");
            let start = out.len();
            if attributes(value, DEPTH_MAX, out).is_err() {
                out.truncate(start);
            }
            return out.push('}');
        }
        "\"body\"" => {
            json::comma(out);
            out.push_str("\"body\":");
            let start = out.len();
            if any_value(value, DEPTH_MAX, out).is_err() {
                out.truncate(start);
                out.push_str("null");
            }
            return;
        }
        _ => return,
    };
    // A time of 0 is one that is not known.
    if !matches!(value, "0" | "\"0\"") {
        json::raw_member(name, value, out);
    }
}

/// The first short attributes of a resource.
fn resource(list: &str, out: &mut String) -> Result<(), scan::Broken> {
    elements(list, |pair| {
        let start = out.len();
        pair_of(pair, 1, out)?;
        if ATTRIBUTE_BYTES_MAX < out.len() - start || RESOURCE_BYTES_MAX < out.len() {
            out.truncate(start);
        }
        Ok(())
    })
}

/// `[{"key": "a", "value": {"stringValue": "b"}}]` as `"a":"b"`.
fn attributes(list: &str, depth: usize, out: &mut String) -> Result<(), scan::Broken> {
    elements(list, |pair| pair_of(pair, depth, out))
}

fn pair_of(pair: &str, depth: usize, out: &mut String) -> Result<(), scan::Broken> {
    let (mut name, mut content) = (None, None);
    members(pair, |key, value| match key {
        "\"key\"" if value.starts_with('"') => name = name.or(Some(value)),
        "\"value\"" => content = content.or(Some(value)),
        _ => {}
    })?;
    if let (Some(name), Some(content)) = (name, content) {
        json::comma(out);
        out.push_str(name);
        out.push(':');
        any_value(content, depth, out)?;
    }
    Ok(())
}

/// What a value is, by the key that it lies under.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Scalar,
    Pairs,
    List,
}

/// `{"stringValue": "b"}` as `"b"`.
fn any_value(value: &str, depth: usize, out: &mut String) -> Result<(), scan::Broken> {
    let mut found = None;
    members(value, |key, value| {
        let kind = match key {
            "\"stringValue\"" | "\"string_value\"" | "\"intValue\"" | "\"int_value\""
            | "\"doubleValue\"" | "\"double_value\"" | "\"boolValue\"" | "\"bool_value\"" => {
                Kind::Scalar
            }
            "\"kvlistValue\"" | "\"kvlist_value\"" => Kind::Pairs,
            "\"arrayValue\"" | "\"array_value\"" => Kind::List,
            _ => return,
        };
        found = found.or(Some((kind, value)));
    })?;
    match found {
        Some((Kind::Scalar, value)) => out.push_str(value),
        Some((Kind::Pairs, value)) if 0 < depth => {
            out.push('{');
            attributes(values(value)?, depth - 1, out)?;
            out.push('}');
        }
        Some((Kind::List, value)) if 0 < depth => {
            out.push('[');
            elements(values(value)?, |value| {
                json::comma(out);
                any_value(value, depth - 1, out)
            })?;
            out.push(']');
        }
        _ => out.push_str("null"),
    }
    Ok(())
}

/// The list in `{"values": […]}`.
fn values(value: &str) -> Result<&str, scan::Broken> {
    let mut list = "";
    members(value, |key, value| {
        if key == "\"values\"" {
            list = value;
        }
    })?;
    Ok(list)
}
