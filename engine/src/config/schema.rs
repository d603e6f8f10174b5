//! The JSON Schema of the configuration file.
//!
//! Invariant: its keys are those that are read (a test compares them).

use std::collections::BTreeMap;

use nightjar_detectors::catalog::CATALOG;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

/// The schema as JSON.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Document).to_value();
    forget_null(&mut schema);
    schema
}

/// TOML knows no null: an optional key is absent or has a value.
fn forget_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(forget_null),
        Value::Object(object) => {
            if let Some(Value::Array(kinds)) = object.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [kind] = kinds.as_slice() {
                    let kind = kind.clone();
                    object.insert("type".to_owned(), kind);
                }
            }
            if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                choices.retain(|choice| choice["type"] != "null");
                if choices.len() == 1
                    && let Some(Value::Object(choice)) = choices.pop()
                {
                    object.remove("anyOf");
                    object.extend(choice);
                }
            }
            object.values_mut().for_each(forget_null);
        }
        _ => {}
    }
}

/// The one section that has this key, if exactly one has it; `the top level` for top-level keys.
pub fn owner_of(key: &str) -> Option<String> {
    let schema = schema();
    let top = schema["properties"].as_object()?;
    if top.contains_key(key) {
        return Some("the top level".to_owned());
    }
    let mut owners = top.iter().filter(|(_, property)| {
        let name = property["$ref"]
            .as_str()
            .and_then(|path| path.rsplit('/').next());
        name.is_some_and(|name| schema["$defs"][name]["properties"].get(key).is_some())
    });
    let (section, _) = owners.next()?;
    owners.next().is_none().then(|| format!("[{section}]"))
}

// The fields are never read: these types exist for their shape and texts.
#[allow(dead_code)]
mod shapes {
    use super::*;

    /// Nightjar's configuration. Every key is optional. Durations and sizes are text such as "1h" and
    /// "64MiB"; paths are relative to the file's folder. NIGHTJAR__SECTION__KEY in the environment
    /// overrides any key.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Document {
        /// Name of the company; part of every id. Default "default".
        tenant: Option<String>,
        /// Time zone whose midnights bound the days. Default "UTC".
        zone: Option<String>,
        /// Files of formats of your own.
        formats: Option<Vec<String>>,
        kafka: Option<Kafka>,
        files: Option<Files>,
        hec: Option<Hec>,
        /// By topic, or by the folder that a file lies in.
        sources: Option<BTreeMap<String, Source>>,
        state: Option<State>,
        retention: Option<Retention>,
        grpc: Option<Grpc>,
        http: Option<Http>,
        directory: Option<Directory>,
        geo: Option<Geo>,
        logins: Option<Logins>,
        admission: Option<Admission>,
        detection: Option<Detection>,
        #[schemars(schema_with = "detectors")]
        detectors: Option<Value>,
        /// Networks of known class; the longest prefix wins.
        networks: Option<Vec<Network>>,
        /// AI tools of your own, or what you decided about known ones.
        tools: Option<Vec<Tool>>,
        /// What is expected for a while: alerts that are muted or lowered on the days from..=expires.
        exceptions: Option<Vec<Exception>>,
        policy: Option<Policy>,
    }

    /// Where events come from.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Kafka {
        /// Default ["127.0.0.1:9092"].
        brokers: Option<Vec<String>>,
        /// Topic names, or one regular expression that begins with ^.
        topics: Option<Texts>,
        /// Settings that a provider's door needs: "eventhubs". Options of your own win.
        preset: Option<String>,
        /// Any librdkafka setting. Secrets as { env = "NAME" } or { file = "PATH" }.
        options: Option<BTreeMap<String, OptionValue>>,
    }

    /// Log files that are read as they grow, for those who have no Kafka.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Files {
        /// A folder; the folder that a file in it lies in is its source.
        watch: Option<String>,
    }

    /// An HTTP door for whatever can send to Splunk's HTTP Event Collector.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Hec {
        /// Address and port, as in "127.0.0.1:8088". Without it there is no such door.
        listen: Option<String>,
        /// Listen where other machines can connect, without encryption. Default false.
        insecure: Option<bool>,
        /// Who may send.
        tokens: Option<Vec<HecToken>>,
    }

    /// A token, and what comes with it.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct HecToken {
        /// The secret, as { env = "NAME" } or { file = "PATH" }.
        token: OptionValue,
        /// The source of what comes with it.
        source: String,
        /// Other sources by sourcetype: { "o365:management:activity" = "m365" }.
        sourcetypes: Option<BTreeMap<String, String>>,
        /// Answer with ids that can be asked for at /services/collector/ack. Default false.
        ack: Option<bool>,
    }

    /// Text, or a list of texts.
    #[derive(JsonSchema)]
    #[schemars(untagged)]
    pub enum Texts {
        /// One.
        One(String),
        /// Several.
        Many(Vec<String>),
    }

    /// A setting, or where it is kept.
    #[derive(JsonSchema)]
    #[schemars(untagged)]
    pub enum OptionValue {
        /// The value itself.
        Text(String),
        /// A number.
        Number(f64),
        /// A flag.
        Flag(bool),
        /// In an environment variable.
        Environment {
            /// Its name.
            env: String,
        },
        /// In a file.
        File {
            /// Its path.
            file: String,
        },
    }

    /// One topic or folder.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Source {
        /// Format of its records; "auto", the default, recognises each record.
        format: Option<String>,
        /// How late its events may come, as in "24h", or by class: { default = "24h", copilot = "72h" }.
        allowed_lateness: Option<Lateness>,
        /// Silence after which a health alert says so, or "never". Default "24h".
        silent_after: Option<String>,
    }

    /// For the format's main class, or by class.
    #[derive(JsonSchema)]
    #[schemars(untagged)]
    pub enum Lateness {
        /// The main class.
        Default(String),
        /// By class; `default` is the main one.
        ByClass(BTreeMap<String, String>),
    }

    /// What is kept.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct State {
        /// Folder of the state. Default "nightjar-state".
        dir: Option<String>,
        /// Time between checkpoints. Default "10s", "60s" while catching up.
        checkpoint_every: Option<String>,
    }

    /// How long things are kept, counted from when they were last written, or "never" to delete none.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Retention {
        /// Alerts. Default "400d".
        alerts: Option<String>,
        /// The audit trail. Default "400d".
        audit: Option<String>,
        /// The late ledger, and alerts that were muted from the first. Default "90d".
        ledgers: Option<String>,
        /// Entries of the quarantine. Default "30d".
        quarantine: Option<String>,
    }

    /// The alert service.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Grpc {
        /// Loopback address and port. Default "127.0.0.1:7461".
        listen: Option<String>,
    }

    /// Metrics (/metrics, for Prometheus) and health (/healthz).
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Http {
        /// Loopback address and port, as in "127.0.0.1:7462". Without it there is no such service.
        listen: Option<String>,
    }

    /// The people.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Directory {
        /// CSV file with a column `user`.
        file: Option<String>,
    }

    /// Geo databases in MaxMind's format.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Geo {
        /// City database.
        city: Option<String>,
        /// Database of autonomous systems.
        asn: Option<String>,
        /// Database of anonymous addresses: VPNs, proxies, hosting, Tor.
        anonymous: Option<String>,
    }

    /// Which format counts for an identity provider's logins, where several tell of the same ones; or "all". Logins that
    /// the others tell are other activity. Where a source has the format entra_signin or sentinel_table, that one counts for
    /// entra by default; else all do. A provider whose logins another one makes may name that one's format.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Logins {
        /// Amazon Web Services: aws_cloudtrail.
        aws: Option<String>,
        /// Microsoft Entra: entra_signin, sentinel_table, sentinel_table.app_logins or m365_audit.
        entra: Option<String>,
        /// Google Workspace: google_workspace.
        google: Option<String>,
        /// Okta: okta.
        okta: Option<String>,
    }

    /// Which events come in time.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Admission {
        /// Silence after which a partition holds up nobody, or "never". Default "5m".
        idle_after: Option<String>,
        /// How far ahead of its arrival an event may be. Default "5m".
        future_limit: Option<String>,
    }

    /// What all detectors share.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Detection {
        /// Incidents a day that you will read. Default 5.
        budget_per_day: Option<f64>,
        /// Show names of files and documents instead of keyed hashes. Default false.
        show_objects: Option<bool>,
    }

    /// What the company has decided, over what is generally agreed.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Policy {
        /// Countries that people work in; a login from another one is an alert. Default: any.
        allowed_countries: Option<Vec<String>>,
        /// Local hours in which administrators work, as in "07-20".
        admin_hours: Option<String>,
        /// Applications whose logins must show a second factor, beside the consoles of administration; "*" is all,
        /// "admins" every administrator.
        require_mfa: Option<Vec<String>>,
        /// Applications of your own whose consents are ordinary.
        first_party_apps: Option<Vec<String>>,
        /// Scopes of a consent that are risky, beside the known ones.
        risky_scopes: Option<Vec<String>>,
        /// Rank of a sensitivity label, by its name or id: 0 public, 1 internal, 2 confidential, 3 secret.
        labels: Option<BTreeMap<String, u8>>,
        /// Tier of a role: 0 controls the tenant, 1 a service, 2 reads much.
        roles: Option<BTreeMap<String, u8>>,
    }

    /// A network.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Network {
        /// As in "203.0.113.0/24".
        cidr: String,
        /// For you.
        name: Option<String>,
        /// corporate (the default), residential, mobile, hosting, vpn, relay, tor, sase, satellite or unknown.
        class: Option<String>,
    }

    /// An AI tool.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Tool {
        /// As it shall be called in alerts.
        name: String,
        /// Its domains; subdomains count too.
        domains: Option<Vec<String>>,
        /// sanctioned, tolerated, unsanctioned or unknown (the default).
        status: Option<String>,
        /// First day of that status, as in "2026-03-01".
        since: Option<String>,
    }

    /// A decision to mute or lower what is expected. It needs a detector or one entity, and never mutes what is
    /// critical, what is beyond `at_most`, or, without `at_most`, what is ten times rarer than what alerts.
    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Exception {
        /// exception (the default), snooze, or expected: an alert was answered with that.
        kind: Option<String>,
        /// One detector or several. Default: all.
        detector: Option<Texts>,
        /// The principal; `*` stands for any characters, as in "svc-*". Default: all.
        entity: Option<String>,
        /// user, service, ip, tool, app, session, source or tenant. Default: all but tenant.
        entity_kind: Option<String>,
        /// Only what is about this country, as in "FR".
        country: Option<String>,
        /// Only what is about this network: "203.0.113.0/24", "AS3320", or a name of one of [[networks]].
        network: Option<String>,
        /// Only what is about this application or AI tool.
        app: Option<String>,
        /// mute (the default) or lower.
        effect: Option<String>,
        /// The largest amount that is expected, in the unit of the alert: a number, or a size as in "2GiB".
        at_most: Option<OptionValue>,
        /// Who answers for it.
        owner: String,
        /// Why.
        reason: String,
        /// First day, as in "2026-03-02".
        from: String,
        /// Last day, within a year of the first.
        expires: String,
    }
}

use shapes::Document;

/// One table per detector, with the catalog's parameters.
fn detectors(_: &mut SchemaGenerator) -> Schema {
    let mut tables = Map::new();
    for entry in CATALOG {
        let mut keys = Map::new();
        let enabled = json!({"type": "boolean", "description": "Whether it runs. Default true."});
        keys.insert("enabled".to_owned(), enabled);
        for param in entry.params {
            let kinds = if param.unit == "bytes" {
                json!(["number", "string"])
            } else {
                json!("number")
            };
            let help = format!(
                "{} ({}). Default {}.",
                param.help, param.unit, param.default
            );
            keys.insert(
                param.name.to_owned(),
                json!({"type": kinds, "description": help}),
            );
        }
        let table = json!({
            "type": "object", "description": entry.page.flags,
            "properties": keys, "additionalProperties": false
        });
        tables.insert(entry.name.to_owned(), table);
    }
    json_schema!({
        "type": "object", "description": "By detector name: `enabled`, and its parameters.",
        "properties": tables, "additionalProperties": false
    })
}
