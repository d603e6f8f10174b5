//! The logs of a tool that carries out attacks: for every technique, which detector tells of it, or why none does.
//!
//! Before each attack lies a month of ordinary work by the same identity and by seven others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::{data, replay};

/// Who tells of a technique.
#[derive(Debug)]
enum Told {
    /// These detectors, and no other.
    By(&'static [&'static str]),
    /// None, because.
    Nobody(&'static str),
}
use Told::{By, Nobody};

const NO_LOGIN_OR_RIGHT: &str = "commands on machines: neither identity, data nor AI";
const SHARED: &str = "what is shared outside is told by no detector yet";
const REFUSED: &str = "every call was refused: nothing was taken";

const TECHNIQUES: &[(&str, Told)] = &[
    ("credential-access.ec2-get-password-data", Nobody(REFUSED)),
    (
        "credential-access.ec2-steal-instance-credentials",
        Nobody(
            "the role of a machine is used from outside: CloudTrail names no machine's address to compare with",
        ),
    ),
    (
        "credential-access.secretsmanager-batch-retrieve-secrets",
        By(&["bulk_export"]),
    ),
    (
        "credential-access.secretsmanager-retrieve-secrets",
        By(&["mass_download"]),
    ),
    (
        "credential-access.ssm-retrieve-securestring-parameters",
        By(&["bulk_export"]),
    ),
    ("defense-evasion.cloudtrail-delete", By(&["audit_disabled"])),
    (
        "defense-evasion.cloudtrail-event-selectors",
        By(&["audit_disabled"]),
    ),
    ("defense-evasion.cloudtrail-stop", By(&["audit_disabled"])),
    ("defense-evasion.dns-delete-logs", By(&["audit_disabled"])),
    (
        "defense-evasion.organizations-leave",
        Nobody("the call was refused"),
    ),
    (
        "defense-evasion.vpc-remove-flow-logs",
        By(&["audit_disabled"]),
    ),
    ("discovery.ec2-download-user-data", Nobody(REFUSED)),
    (
        "execution.ec2-launch-unusual-instances",
        Nobody(NO_LOGIN_OR_RIGHT),
    ),
    ("execution.ec2-user-data", Nobody(NO_LOGIN_OR_RIGHT)),
    ("execution.ssm-send-command", Nobody(NO_LOGIN_OR_RIGHT)),
    ("execution.ssm-start-session", Nobody(NO_LOGIN_OR_RIGHT)),
    (
        "exfiltration.ec2-security-group-open-port-22-ingress",
        Nobody("a network's rule: neither identity, data nor AI"),
    ),
    ("exfiltration.ec2-share-ami", Nobody(SHARED)),
    ("exfiltration.ec2-share-ebs-snapshot", Nobody(SHARED)),
    ("exfiltration.rds-share-snapshot", Nobody(SHARED)),
    ("impact.bedrock-invoke-model", By(&["shadow_ai"])),
    (
        "initial-access.console-login-without-mfa",
        By(&["login_without_mfa"]),
    ),
    (
        "lateral-movement.ec2-instance-connect",
        Nobody(NO_LOGIN_OR_RIGHT),
    ),
    (
        "lateral-movement.ec2-serial-console-send-ssh-public-key",
        Nobody(NO_LOGIN_OR_RIGHT),
    ),
    ("persistence.iam-backdoor-role", By(&["privilege_growth"])),
    ("persistence.iam-backdoor-user", By(&["app_consent"])),
    (
        "persistence.iam-create-admin-user",
        By(&["app_consent", "privilege_growth"]),
    ),
    (
        "persistence.iam-create-backdoor-role",
        By(&["privilege_growth"]),
    ),
    (
        "persistence.iam-create-user-login-profile",
        Nobody("a password set for another account is what help desks do all day"),
    ),
    ("persistence.lambda-backdoor-function", Nobody(SHARED)),
    (
        "persistence.lambda-layer-extension",
        Nobody("code of a function: neither identity, data nor AI"),
    ),
    (
        "persistence.lambda-overwrite-code",
        Nobody("code of a function: neither identity, data nor AI"),
    ),
    (
        "persistence.rolesanywhere-create-trust-anchor",
        By(&["app_consent"]),
    ),
    (
        "persistence.sts-federation-token",
        Nobody("a token for a time, with no more than one's own rights"),
    ),
    (
        "privilege-escalation.iam-update-user-login-profile",
        Nobody("a password set for another account is what help desks do all day"),
    ),
];

/// The events of every technique.
fn attacks(folder: &Path) -> BTreeMap<String, Vec<Value>> {
    let folder = folder.join("stratus_red_team/docs/detonation-logs");
    let mut attacks = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("the logs of attacks") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy();
        let name = name.trim_start_matches("aws.").to_owned();
        let text = std::fs::read_to_string(&path).expect("readable");
        let events: Value = serde_json::from_str(&text).expect("events");
        let events = events.as_array().cloned().expect("a list of events");
        attacks.insert(name, events);
    }
    attacks
}

fn time_of(event: &Value) -> DateTime<Utc> {
    let text = event["eventTime"].as_str().expect("a time");
    text.parse().expect("a time")
}

/// A call as the vendor writes it.
fn call(identity: &Value, time: DateTime<Utc>, service: &str, name: &str, request: Value) -> Value {
    let id = format!("{service} {name} {} {time} {request}", identity["arn"]);
    json!({
        "eventVersion": "1.09",
        "userIdentity": identity,
        "eventTime": time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        "eventSource": format!("{service}.amazonaws.com"),
        "eventName": name,
        "sourceIPAddress": "203.0.113.20",
        "requestParameters": request,
        "responseElements": null,
        "eventID": id,
        "eventType": "AwsApiCall",
        "eventCategory": "Management",
    })
}

fn login(identity: &Value, time: DateTime<Utc>) -> Value {
    let mut login = call(identity, time, "signin", "ConsoleLogin", Value::Null);
    login["responseElements"] = json!({ "ConsoleLogin": "Success" });
    login["additionalEventData"] = json!({ "MFAUsed": "Yes", "MobileVersion": "No" });
    login
}

/// A month of work before an attack: logins, looks, a few files and secrets a day.
fn past(attack: &[Value]) -> Vec<Value> {
    let first = attack
        .iter()
        .min_by_key(|event| time_of(event))
        .expect("events");
    let mut identities = vec![first["userIdentity"].clone()];
    for number in 1..8 {
        identities.push(json!({
            "type": "IAMUser",
            "arn": format!("arn:aws:iam::123456789012:user/person{number}"),
            "userName": format!("person{number}"),
        }));
    }
    let mut events = Vec::new();
    for day in 1..=30 {
        for (person, identity) in identities.iter().enumerate() {
            let ago = TimeDelta::days(day) + TimeDelta::minutes(person as i64 - 40);
            let start = time_of(first) - ago;
            let after = |minutes: i64| start + TimeDelta::minutes(minutes);
            if identity["type"] == "IAMUser" {
                events.push(login(identity, after(0)));
            }
            events.push(call(
                identity,
                after(1),
                "ec2",
                "DescribeInstances",
                json!({}),
            ));
            for number in 0..1 + (day + person as i64) % 3 {
                let secret = json!({ "secretId": format!("service-{person}-{number}") });
                let time = after(3 + number);
                events.push(call(
                    identity,
                    time,
                    "secretsmanager",
                    "GetSecretValue",
                    secret,
                ));
                let key = json!({ "bucketName": "reports", "key": format!("{day}-{number}") });
                events.push(call(identity, after(9 + number), "s3", "GetObject", key));
            }
        }
    }
    events
}

/// Both ways: who is said to tell does, and nobody else.
#[test]
fn every_technique_is_told_by_the_detector_that_claims_it() {
    let Some(folder) = data() else { return };
    let attacks = attacks(&folder);
    let listed: BTreeSet<&str> = TECHNIQUES.iter().map(|(name, _)| *name).collect();
    let there: BTreeSet<&str> = attacks.keys().map(String::as_str).collect();
    assert_eq!(listed, there);
    let mut wrong = Vec::new();
    for (technique, told) in TECHNIQUES {
        let attack = &attacks[*technique];
        let day = attack
            .iter()
            .map(time_of)
            .min()
            .expect("events")
            .date_naive();
        let mut events = past(attack);
        for event in attack {
            let mut event = event.clone();
            // Addresses were made anonymous, and some are none any more.
            event["sourceIPAddress"] = json!("198.51.100.77");
            events.push(event);
        }
        let replay = replay(&events);
        let said = replay.alerts.iter().filter(|alert| {
            !alert.is_muted()
                && alert.detector != "posture"
                && day.to_string() <= alert.window.start
        });
        let said: BTreeSet<&str> = said.map(|alert| alert.detector.as_str()).collect();
        let want: BTreeSet<&str> = match told {
            By(detectors) => detectors.iter().copied().collect(),
            Nobody(_) => BTreeSet::new(),
        };
        let text = match told {
            By(detectors) => detectors.join(", "),
            Nobody(reason) => format!("none: {reason}"),
        };
        println!("{technique:<56} {text}");
        if said != want {
            wrong.push(format!("{technique}: {said:?}, not {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
