use nightjar_detectors::exception::{Decision, Effect, Scope};

use super::*;

fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nightjar.toml");
    std::fs::write(&file, text).unwrap();
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(&file), env).map_err(|errors| {
        errors
            .to_string()
            .replace(&format!("{}/", folder.path().display()), "")
    })
}

fn env(name: &str, value: &str) -> Result<Config, String> {
    let pair = (name.to_owned(), value.to_owned());
    Config::load(None, std::iter::once(pair)).map_err(|errors| errors.to_string())
}

const WHOLE: &str = r#"
tenant = "example"
zone = "Europe/Berlin"
formats = ["own.toml"]
[kafka]
brokers = ["a:9092", "b:9092,c:9092"]
topics = ["okta", "m365"]
[kafka.options]
"security.protocol" = "sasl_ssl"
"sasl.password" = { env = "SASL" }
"fetch.min.bytes" = 5
"enable.ssl.certificate.verification" = true
[sources.m365]
format = "m365_audit"
allowed_lateness = { default = "24h", copilot = "72h" }
[sources.okta]
format = "auto"
allowed_lateness = "90m"
[state]
dir = "state"
checkpoint_every = "10s"
[grpc]
listen = "localhost:7000"
[directory]
file = "directory.csv"
[geo]
city = "city.mmdb"
asn = "/abs/asn.mmdb"
[admission]
idle_after = "never"
future_limit = "5m"
[detection]
budget_per_day = 7.5
show_objects = true
[detectors.mass_download]
enabled = true
min_objects = 30
min_bytes = "64MiB"
[[networks]]
cidr = "203.0.113.9/24"
name = "office"
class = "corporate"
[[tools]]
name = "Acme Assistant"
domains = ["*.AI.acme.example"]
status = "sanctioned"
since = 2026-03-01
[policy]
allowed_countries = ["Germany", "at"]
admin_hours = "07-20"
require_mfa = ["admins", "VPN"]
first_party_apps = ["Acme Portal"]
risky_scopes = ["acme.read"]
[policy.labels]
"4f2c-Confidential" = 2
[policy.roles]
"Payroll Admin" = 1
"#;

#[test]
fn every_key_is_read() {
    let config = load(WHOLE, &[("SASL", "hunter2")]).unwrap();
    assert_eq!(config.tenant, "example");
    assert_eq!(config.zone, Tz::Europe__Berlin);
    assert!(config.formats[0].is_absolute() && config.formats[0].ends_with("own.toml"));
    assert_eq!(config.kafka.brokers, ["a:9092", "b:9092", "c:9092"]);
    assert_eq!(
        config.kafka.topics,
        Topics::List(vec!["okta".into(), "m365".into()])
    );
    let options: Vec<(&str, &str)> = config
        .kafka
        .options
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let expected = [
        ("enable.ssl.certificate.verification", "true"),
        ("fetch.min.bytes", "5"),
        ("sasl.password", "hunter2"),
        ("security.protocol", "sasl_ssl"),
    ];
    assert_eq!(options, expected);
    let m365 = &config.sources["m365"];
    assert_eq!(m365.format.as_deref(), Some("m365_audit"));
    assert_eq!(m365.allowed_lateness["copilot"], 72 * 3_600_000);
    assert_eq!(config.sources["okta"].format, None);
    assert_eq!(
        config.sources["okta"].allowed_lateness["default"],
        90 * 60_000
    );
    assert!(config.state.dir.ends_with("state"));
    assert_eq!(config.state.checkpoint_every, Some(Duration::from_secs(10)));
    assert_eq!(config.grpc.listen.to_string(), "127.0.0.1:7000");
    assert!(
        config
            .directory
            .is_some_and(|file| file.ends_with("directory.csv"))
    );
    assert_eq!(config.geo.asn, Some(PathBuf::from("/abs/asn.mmdb")));
    assert_eq!(
        config.admission,
        Admission {
            idle_after_ms: None,
            future_limit_ms: 300_000
        }
    );
    assert_eq!(
        config.detection,
        Detection {
            budget_per_day: 7.5,
            show_objects: true
        }
    );
    let policy = &config.policy;
    assert!(policy.allowed_countries.iter().eq(["AT", "DE"]));
    assert_eq!(policy.admin_hours, Some((7, 20)));
    assert!(
        ["admins", "vpn", "signin"]
            .iter()
            .all(|app| policy.require_mfa.contains(*app))
    );
    assert!(policy.first_party_apps.contains("acme portal"));
    assert_eq!(policy.risky_scopes_of("Acme.Read"), ["Acme.Read"]);
    assert_eq!(policy.label_rank("4F2C-confidential"), Some(2));
    assert_eq!(policy.role_tier("payroll admin"), Some(1));
    assert_eq!(policy.role_tier("Global Administrator"), Some(0));
    let params = &config.detectors["mass_download"].params;
    assert_eq!(
        (params["min_objects"], params["min_bytes"]),
        (30.0, 67_108_864.0)
    );
    assert_eq!(config.networks[0].cidr.to_string(), "203.0.113.0/24");
    assert_eq!(config.tools[0].domains, ["ai.acme.example"]);
    assert_eq!(config.tools[0].since, Some(20_513));
}

#[test]
fn without_a_file_the_defaults_hold() {
    let config = Config::load(None, std::iter::empty()).unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::defaults()));
    assert_eq!(config.grpc.listen.to_string(), "127.0.0.1:7461");
}

/// Each kind of mistake names its line and says what to write.
#[test]
fn every_mistake_has_its_line_and_a_suggestion() {
    let cases = [
        (
            "\ntenant = 3",
            ":2: `tenant` is a number, not text; write it in quotes",
        ),
        ("tenant = \" \"", ":1: `tenant` is empty; give it a value"),
        (
            "zone = \"Europe/Berln\"",
            ":1: `zone` `Europe/Berln` is not a time zone; did you mean `Europe/Berlin`?",
        ),
        (
            "zoen = \"UTC\"",
            ":1: unknown key `zoen` in the top level; did you mean `zone`?",
        ),
        (
            "[grpc]\nbudget_per_day = 3",
            ":2: unknown key `budget_per_day` in [grpc]; it belongs to [detection]",
        ),
        (
            "[state]\ntenant = \"x\"",
            ":2: unknown key `tenant` in [state]; it belongs to the top level",
        ),
        (
            "kafka = 3",
            ":1: `kafka` is a number, not a table; write [kafka]",
        ),
        (
            "[kafka]\ntopics = \"^(\"",
            ":2: `kafka.topics` `^(` is not a regular expression; write",
        ),
        (
            "[kafka]\ntopics = [\n\"okta\",\n\"^x\"]",
            ":4: `kafka.topics` has the regular expression `^x` in a list; write topics = \"^x\"",
        ),
        (
            "[kafka]\ntopics = \"a,b\"",
            ":2: `kafka.topics` has `a,b`, which cannot be a topic's name; write a list",
        ),
        (
            "[kafka]\nbrokers = [\"a:b\"]",
            ":2: `kafka.brokers` has `a:b`, which is not host:port; write",
        ),
        (
            "[sources]\nm365 = \"okta\"",
            ":2: `sources.m365` is text, not a table; write [sources.m365]",
        ),
        (
            "[sources.m365]\nallowed_latenes = \"1h\"",
            ":2: unknown key `allowed_latenes` in [sources.m365]; did you mean `allowed_lateness`?",
        ),
        (
            "[sources.m365.allowed_lateness]\ncopilot = 3",
            ":2: `sources.m365.allowed_lateness.copilot` is not a duration; write",
        ),
        (
            "[state]\ncheckpoint_every = \"0s\"",
            ":2: `state.checkpoint_every` is out of range; choose",
        ),
        (
            "[grpc]\nlisten = \"0.0.0.0:7461\"",
            "without encryption and without tokens; write \"127.0.0.1:7461\"",
        ),
        (
            "[grpc]\nlisten = \"here\"",
            ":2: `grpc.listen` `here` is not an address with a port; write",
        ),
        (
            "[admission]\nidle_after = 300",
            ":2: `admission.idle_after` is not a duration; write a number with its unit",
        ),
        (
            "[admission]\nfuture_limit = \"never\"",
            ":2: `admission.future_limit` is not a duration",
        ),
        (
            "[detection]\nbudget_per_day = 0",
            ":2: `detection.budget_per_day` is 0; choose a number from",
        ),
        (
            "[detection]\nshow_objects = \"yes\"",
            ":2: `detection.show_objects` is text, not true or false; write",
        ),
        (
            "[detectors.mas_download]",
            ":1: unknown detector `mas_download`; did you mean `mass_download`?",
        ),
        (
            "[detectors.mass_download]\nmin_object = 1",
            ":2: unknown key `min_object` in [detectors.mass_download]; did you mean `min_objects`?",
        ),
        (
            "[detectors.mass_download]\nmin_bytes = \"64 stones\"",
            ":2: `detectors.mass_download.min_bytes` is not a size; write",
        ),
        (
            "[detectors.mass_download]\nmin_objects = -1",
            ":2: `detectors.mass_download.min_objects` is -1; choose",
        ),
        (
            "[[networks]]\nname = \"x\"",
            ":1: [[networks]] has no `cidr`; add",
        ),
        (
            "[[networks]]\ncidr = \"1.2.3.4/99\"",
            ":2: `networks.cidr` `1.2.3.4/99` is not a network; write",
        ),
        (
            "[[networks]]\ncidr = \"::/0\"\nclass = \"home\"",
            ":3: `networks.class` `home` is not one of them; choose corporate, residential",
        ),
        (
            "[[networks]]\ncidr = \"::/0\"\n[[networks]]\ncidr = \"::1/0\"",
            ":3: the network ::/0 is listed twice; keep",
        ),
        (
            "[networks]\ncidr = \"::/0\"",
            ":1: `networks` is a table, not a list of tables; write [[networks]]",
        ),
        (
            "[[tools]]\ndomains = [\"https://x.example/\"]\nname = \"x\"",
            ":2: `tools.domains` has `https://x.example/`, which is not a domain; write",
        ),
        (
            "[[tools]]\nname = \"x\"\nsince = \"soon\"",
            ":3: `tools.since` is not a date; write",
        ),
        ("tenant = \"a\"\nzone = ", ":2: not valid TOML:"),
        ("tenant = \"a\"\ntenant = \"b\"", ":2: not valid TOML:"),
    ];
    for (text, expected) in cases {
        let errors = load(text, &[]).expect_err(text);
        assert!(errors.contains(expected), "{text}\n{errors}");
        assert!(errors.starts_with("nightjar.toml:"), "{text}\n{errors}");
        assert_eq!(errors.lines().count(), 1, "{text}\n{errors}");
    }
}

#[test]
fn all_problems_are_told_at_once_in_their_order() {
    let text = "tenant = 1\nzone = \n[grpc]\nlisten = 2\nfoo = 3\n[[tools]]\n";
    let errors = load(text, &[("NIGHTJAR__STATE__DIRR", "x")]).unwrap_err();
    let places: Vec<&str> = errors
        .lines()
        .filter_map(|line| line.split(": ").next())
        .collect();
    let expected = [
        "nightjar.toml:1",
        "nightjar.toml:2",
        "nightjar.toml:4",
        "nightjar.toml:5",
        "nightjar.toml:6",
        "environment variable NIGHTJAR__STATE__DIRR",
    ];
    assert_eq!(places, expected, "{errors}");
}

#[test]
fn a_missing_file_is_one_clear_problem() {
    let errors = Config::load(Some(Path::new("/no/such.toml")), std::iter::empty()).unwrap_err();
    assert_eq!(errors.0.len(), 1);
    assert!(
        errors
            .to_string()
            .starts_with("/no/such.toml: cannot be read"),
        "{errors}"
    );
}

#[test]
fn the_environment_overrides_with_and_without_a_file() {
    let config = env("NIGHTJAR__KAFKA__BROKERS", "[\"a:1\"]").unwrap();
    assert_eq!(config.kafka.brokers, ["a:1"]);
    let config = env("NIGHTJAR__KAFKA__BROKERS", "a:1").unwrap();
    assert_eq!(config.kafka.brokers, ["a:1"]);
    let config = env("NIGHTJAR__KAFKA__TOPICS", "^logs-.*").unwrap();
    assert_eq!(config.kafka.topics, Topics::Pattern("^logs-.*".into()));
    let config = env("NIGHTJAR__ADMISSION__IDLE_AFTER", "never").unwrap();
    assert_eq!(config.admission.idle_after_ms, None);
    let config = env("NIGHTJAR__STATE__CHECKPOINT_EVERY", "200ms").unwrap();
    assert_eq!(
        config.state.checkpoint_every,
        Some(Duration::from_millis(200))
    );
    let config = env("NIGHTJAR__GRPC__LISTEN", "127.0.0.1:0").unwrap();
    assert_eq!(config.grpc.listen.port(), 0);
    let config = env("nightjar__tenant", "42").unwrap();
    assert_eq!(config.tenant, "42");
    let config = env("NIGHTJAR__SOURCES__M365", "{ format = \"okta\" }").unwrap();
    assert_eq!(config.sources["m365"].format.as_deref(), Some("okta"));
    let config = env("NIGHTJAR__NETWORKS", "[{ cidr = \"10.0.0.0/8\" }]").unwrap();
    assert_eq!(config.networks.len(), 1);
    let overrides = [
        ("SASL", "x"),
        ("NIGHTJAR__TENANT", "other"),
        ("NIGHTJAR__SOURCES__M365__FORMAT", "auto"),
        ("NIGHTJAR__KAFKA__OPTIONS__SASL_PASSWORD", "0x10"),
        ("NIGHTJAR__DETECTION__SHOW_OBJECTS", "false"),
        ("UNRELATED", "1"),
    ];
    let config = load(WHOLE, &overrides).unwrap();
    assert_eq!(config.tenant, "other");
    assert_eq!(config.sources["m365"].format, None);
    assert_eq!(config.sources["m365"].allowed_lateness.len(), 2);
    assert_eq!(config.kafka.options["sasl.password"], "0x10");
    assert!(!config.detection.show_objects);
}

#[test]
fn a_wrong_variable_is_named() {
    let cases = [
        (
            "NIGHTJAR__GRPC__LISTN",
            "1",
            "unknown key `listn` in [grpc]; did you mean `listen`?",
        ),
        ("NIGHTJAR__KAFKA", "3", "`kafka` is a number, not a table"),
        ("NIGHTJAR____X", "3", "a level of its name is empty; write"),
        (
            "NIGHTJAR__ZONE",
            "Mars",
            "`zone` `Mars` is not a time zone; write",
        ),
        (
            "NIGHTJAR__NETWORKS__0__CIDR",
            "::/0",
            "`networks` is a table, not a list",
        ),
    ];
    for (name, value, expected) in cases {
        let errors = env(name, value).unwrap_err();
        assert!(
            errors.starts_with(&format!("environment variable {name}: ")),
            "{errors}"
        );
        assert!(errors.contains(expected), "{errors}");
    }
    let errors = load(
        "[kafka]\nbrokers = [\"a:1\"]",
        &[("NIGHTJAR__KAFKA__BROKERS__X", "1")],
    );
    let errors = errors.unwrap_err();
    assert!(
        errors.ends_with("set NIGHTJAR__KAFKA__BROKERS as a whole"),
        "{errors}"
    );
}

/// Paths in the file mean its folder, wherever the process runs.
#[test]
fn paths_are_relative_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nightjar.toml");
    std::fs::write(&file, "[geo]\ncity = \"geo/city.mmdb\"").unwrap();
    let env = [("NIGHTJAR__GEO__ASN".to_owned(), "asn.mmdb".to_owned())];
    let config = Config::load(Some(&file), env.into_iter()).unwrap();
    assert_eq!(config.geo.city, Some(folder.path().join("geo/city.mmdb")));
    assert_eq!(config.geo.asn, Some(PathBuf::from("asn.mmdb")));
    assert_eq!(config.state.dir, folder.path().join("nightjar-state"));
}

/// A secret reaches librdkafka and nobody else.
#[test]
fn secrets_are_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "s3cret-file\n").unwrap();
    let file = folder.path().join("nightjar.toml");
    let text = "[kafka.options]\n\"sasl.password\" = { env = \"SASL\" }\n\"ssl.key.password\" = { file = \"key\" }";
    std::fs::write(&file, text).unwrap();
    let env = || {
        let pairs = [
            ("SASL", "s3cret-env"),
            ("NIGHTJAR__KAFKA__OPTIONS__X_SECRET", "s3cret-own"),
        ];
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let config = Config::load(Some(&file), env()).unwrap();
    let values: Vec<&str> = config.kafka.options.values().map(String::as_str).collect();
    assert_eq!(values, ["s3cret-env", "s3cret-file", "s3cret-own"]);
    assert!(!format!("{config:?} {config:#?}").contains("s3cret"));

    let cases = [
        (
            "\"sasl.password\" = \"s3cret\"",
            ":2: `kafka.options.sasl.password` is a secret written into the file; write { env",
        ),
        (
            "\"sasl.password\" = { env = \"NOT_SET\" }",
            "environment variable NOT_SET, which is not set; set NOT_SET",
        ),
        (
            "\"sasl.password\" = { file = \"no-such\" }",
            "no-such: entity not found; check the path",
        ),
        (
            "\"sasl.password\" = { value = \"s3cret\" }",
            "is a table that names no secret; write { env",
        ),
        (
            "x = [\"s3cret\"]",
            "`kafka.options.x` is a list; write text",
        ),
        ("x = \"s3cret", ":2: not valid TOML:"),
        ("sasl.password = \"s3cret\"", "names no secret"),
    ];
    for (line, expected) in cases {
        let errors = load(&format!("[kafka.options]\n{line}"), &[]).unwrap_err();
        assert!(errors.contains(expected), "{line}\n{errors}");
        assert!(!errors.contains("s3cret"), "{line}\n{errors}");
    }
}

/// Time limits are durations of a day or more, or none.
#[test]
fn time_limits_are_long_or_none() {
    let text = "[retention]\nalerts = \"never\"\naudit = \"2w\"";
    let limits = load(text, &[]).unwrap().retention;
    assert_eq!(
        (limits.alerts_ms, limits.audit_ms, limits.ledgers_ms),
        (None, Some(14 * DAY_MS), Some(90 * DAY_MS))
    );
    let errors = load("[retention]\nledgers = \"90m\"", &[]).unwrap_err();
    assert!(
        errors.contains("`retention.ledgers` is too short"),
        "{errors}"
    );
}

/// The keys that are read are those of the schema.
#[test]
fn the_schema_has_the_keys_that_are_read() {
    let schema = schema();
    let keys = |properties: &serde_json::Value| -> Vec<String> {
        properties.as_object().unwrap().keys().cloned().collect()
    };
    let read = |text: &str| -> Vec<String> {
        let errors = load(text, &[]).unwrap_err();
        let known = errors
            .split("known here: ")
            .nth(1)
            .unwrap_or_else(|| panic!("{errors}"));
        let mut known: Vec<_> = known
            .lines()
            .next()
            .unwrap()
            .split(", ")
            .map(str::to_owned)
            .collect();
        known.sort_unstable();
        known.dedup();
        known
    };
    assert_eq!(read("qqq = 1"), keys(&schema["properties"]));
    let tables = [
        ("[kafka]", "Kafka"),
        ("[sources.x]", "Source"),
        ("[state]", "State"),
        ("[retention]", "Retention"),
        ("[grpc]", "Grpc"),
        ("[directory]", "Directory"),
        ("[geo]", "Geo"),
        ("[logins]", "Logins"),
        ("[admission]", "Admission"),
        ("[detection]", "Detection"),
        ("[[networks]]\ncidr = \"::/0\"", "Network"),
        ("[[tools]]\nname = \"x\"", "Tool"),
        ("[[exceptions]]", "Exception"),
    ];
    for (header, name) in tables {
        let found = read(&format!("{header}\nqqq = 1"));
        assert_eq!(
            found,
            keys(&schema["$defs"][name]["properties"]),
            "{header}"
        );
    }
    for (name, table) in schema["properties"]["detectors"]["properties"]
        .as_object()
        .unwrap()
    {
        let found = read(&format!("[detectors.{name}]\nqqq = 1"));
        assert_eq!(found, keys(&table["properties"]), "{name}");
    }
    assert!(!schema.to_string().contains("null"));
}

/// A preset sets what the provider's door needs; what the user says himself wins.
#[test]
fn a_preset_is_a_default() {
    let config = load(
        "[kafka]\npreset = \"eventhubs\"\n[kafka.options]\n\"metadata.max.age.ms\" = 1000",
        &[],
    )
    .unwrap();
    assert_eq!(config.kafka.options["sasl.username"], "$ConnectionString");
    assert_eq!(config.kafka.options["metadata.max.age.ms"], "1000");
    let errors = load("[kafka]\npreset = \"eventhub\"", &[]).unwrap_err();
    assert!(errors.to_string().contains("write eventhubs"), "{errors}");
}

const SOUND: &str = "[[networks]]\ncidr = \"203.0.113.0/24\"\nname = \"office\"
[[exceptions]]\ndetector = [\"mass_download\", \"bulk_export\"]\nentity = \"Svc-*\"\nentity_kind = \"service\"
network = \"office\"\neffect = \"lower\"\nkind = \"snooze\"\nat_most = \"2GiB\"\nowner = \"it\"
reason = \"a move\"\nfrom = 2026-03-02\nexpires = \"2026-03-16\"";

/// Every key of an exception is read, and each is part of the fingerprint.
#[test]
fn an_exception_is_read() {
    let config = load(SOUND, &[]).unwrap();
    let [known] = config.exceptions.as_slice() else {
        panic!("{:?}", config.exceptions)
    };
    let rule = &known.rule;
    assert_eq!(rule.detectors, ["mass_download", "bulk_export"]);
    assert_eq!(rule.entity.as_deref(), Some("svc-*"));
    assert_eq!(rule.entity_kind.as_deref(), Some("service"));
    let office = Cidr::parse("203.0.113.0/24").unwrap();
    let ranges = vec![(office.first(), office.last())];
    assert_eq!(rule.scope, Some(Scope::Addresses(ranges)));
    assert_eq!((rule.effect, rule.kind), (Effect::Lower, Decision::Snooze));
    assert_eq!(rule.at_most, Some(2_147_483_648.0));
    assert_eq!((rule.from, rule.expires), (20_514, 20_528));
    assert!(known.place.to_string().ends_with("nightjar.toml:4"));
    assert_eq!(warnings(&config, 20_528), []);
    let told = warnings(&config, 20_600)[0].to_string();
    assert!(told.contains("ended on 2026-03-16; remove it"), "{told}");
}

/// What is too wide, too long or nobody's is refused with its line and what to do.
#[test]
fn an_exception_that_could_hide_everything_is_refused() {
    let whole = |lines: &str| {
        let rest =
            "owner = \"it\"\nreason = \"a move\"\nfrom = \"2026-03-02\"\nexpires = \"2026-03-16\"";
        let mut text = format!("[[exceptions]]\n{lines}\n");
        for line in rest.lines() {
            let key = line.split(' ').next().unwrap_or_default();
            if !lines.contains(&format!("{key} =")) {
                text += &format!("{line}\n");
            }
        }
        text
    };
    let cases = [
        (
            "",
            ":1: this exception would mute everything; name the detector",
        ),
        (
            "detector = \"*\"\nentity = \"*\"",
            ":1: this exception would mute everything; name",
        ),
        (
            "country = \"FR\"",
            ":1: this exception would mute everything; name",
        ),
        (
            "entity = \"*@example.com\"",
            ":1: this exception would mute everything about many at once; name the detector",
        ),
        (
            "detector = \"mass_downlod\"",
            ":2: `exceptions.detector` names `mass_downlod`, which is no detector; did you mean `mass_download`?",
        ),
        (
            "detector = \"mass_download\"\nexpires = \"2026-03-01\"",
            "expires on 2026-03-01, before it starts on 2026-03-02; exchange the two",
        ),
        (
            "detector = \"mass_download\"\nexpires = \"2027-06-01\"",
            "lasts 457 days, longer than a year; let it expire on 2027-03-02 at the latest",
        ),
        (
            "detector = \"mass_download\"\ncountry = \"FR\"\napp = \"crm\"",
            ":1: this exception has two scopes; keep one",
        ),
        (
            "detector = \"mass_download\"\nnetwork = \"offise\"",
            ":3: `exceptions.network` `offise` is not a network; write",
        ),
        (
            "detector = \"mass_download\"\neffect = \"drop\"",
            ":3: `exceptions.effect` `drop` is not one of them; choose mute, lower",
        ),
    ];
    for (lines, expected) in cases {
        let errors = load(&whole(lines), &[]).unwrap_err();
        assert!(errors.contains(expected), "{lines}\n{errors}");
    }
    let errors = load("[[exceptions]]\ndetector = \"mass_download\"", &[]).unwrap_err();
    for key in ["owner", "reason", "from", "expires"] {
        let expected = format!("nightjar.toml:1: [[exceptions]] has no `{key}`; add");
        assert!(errors.contains(&expected), "{errors}");
    }
    assert!(load(&whole("entity = \"ana@example.com\""), &[]).is_ok());
}
