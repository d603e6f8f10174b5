//! Changes and exports, as the audit logs of Microsoft 365, Google Workspace, AWS and Okta write
//! them: an operation with its parameters.
//!
//! Invariant: one function a vendor; what an operation is called and what its parameters are is the
//! caller's, who tells the story.

use std::sync::LazyLock;

use super::files::{as_entered, session_uuid};
use super::logins::{OktaEvent, okta_event};
use super::{Moment, millis, seconds};
use crate::generate::chance::Chance;
use crate::generate::people::Person;
use crate::generate::shape::Shape;

static M365: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(include_str!("../shapes/m365_audit.json")));
static GOOGLE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(include_str!("../shapes/google_event.json")));
static AWS: LazyLock<Shape> = LazyLock::new(|| Shape::new(include_str!("../shapes/aws_call.json")));

/// Name and value.
type Pair<'a> = (&'a str, &'a str);

/// An operation of Microsoft 365.
pub struct M365<'a> {
    pub operation: &'a str,
    pub workload: &'a str,
    pub record_type: u32,
    pub object: &'a str,
    /// More of the record: pairs of JSON, each with a comma behind it.
    pub more: String,
}

impl<'a> M365<'a> {
    /// A command of Exchange.
    pub fn exchange(operation: &'a str, object: &'a str, parameters: &[Pair<'_>]) -> Self {
        let list: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!(r#"{{"Name":"{name}","Value":"{value}"}}"#))
            .collect();
        M365 {
            operation,
            workload: "Exchange",
            record_type: 1,
            object,
            more: format!(r#""Parameters":[{}],"#, list.join(",")),
        }
    }

    /// A change of the directory: properties with their new values, and the name of what changed.
    pub fn directory(
        operation: &'a str,
        object: &'a str,
        name: &str,
        properties: &[Pair<'_>],
    ) -> Self {
        let list: Vec<String> = properties
            .iter()
            .map(|(name, value)| {
                format!(r#"{{"Name":"{name}","NewValue":"{value}","OldValue":""}}"#)
            })
            .collect();
        M365 {
            operation,
            workload: "AzureActiveDirectory",
            record_type: 8,
            object,
            more: format!(
                r#""AzureActiveDirectoryEventType":1,"ModifiedProperties":[{}],"Target":[{{"ID":"{name}","Type":1}},{{"ID":"{object}","Type":5}}],"#,
                list.join(",")
            ),
        }
    }

    /// Consent of one person to an application.
    pub fn consent(app: &'a str, scopes: &str) -> Self {
        let id = Chance::of(0, app, &[]).uuid();
        let permissions = format!(
            "[] => [[Id: {id}, ClientId: {id}, PrincipalId: {id}, ResourceId: {id}, ConsentType: Principal, Scope: {scopes}, CreatedDateTime: , LastModifiedDateTime ]];"
        );
        let mut consent = M365::directory(
            "Consent to application.",
            app,
            app,
            &[
                ("ConsentContext.IsAdminConsent", "False"),
                ("ConsentContext.IsAppOnly", "False"),
                ("ConsentAction.Permissions", &permissions),
            ],
        );
        consent.more.push_str(r#""InterSystemsId":""#);
        consent.more.push_str(&id);
        consent.more.push_str("\",");
        consent
    }
}

/// A record of the unified audit log.
pub fn m365(at: Moment<'_>, what: &M365<'_>, chance: &mut Chance) -> String {
    M365.fill(&[
        ("time", &seconds(at.time_ms).trim_end_matches('Z')),
        ("uuid", &chance.uuid()),
        ("operation", &what.operation),
        ("record_type", &what.record_type),
        (
            "result",
            &if what.workload == "Exchange" {
                "True"
            } else {
                "Success"
            },
        ),
        ("user_key", &at.person.uuid()),
        ("workload", &what.workload),
        ("ip", &at.spot.ip),
        ("email", &as_entered(&at.person.email)),
        ("object", &what.object),
        ("more", &what.more),
        ("session", &session_uuid(at.session)),
    ])
}

/// A record of the Workspace audit: application, type, event and parameters.
pub fn google(
    at: Moment<'_>,
    [application, kind, event]: [&str; 3],
    parameters: &[Pair<'_>],
    chance: &mut Chance,
) -> String {
    let list: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!(r#"{{"name":"{name}","value":"{value}"}}"#))
        .collect();
    GOOGLE.fill(&[
        ("time", &millis(at.time_ms)),
        ("qualifier", &(chance.number() as i64)),
        ("etag", &chance.hex(12)),
        ("application", &application),
        ("email", &at.person.email),
        ("profile", &at.person.profile_id()),
        ("ip", &at.spot.ip),
        ("type", &kind),
        ("event", &event),
        ("parameters", &format!("[{}]", list.join(","))),
    ])
}

const ACCOUNT: &str = "111122223333";

/// A call of AWS by somebody who came through single sign-on.
pub fn aws(
    at: Moment<'_>,
    service: &str,
    event: &str,
    request: &str,
    chance: &mut Chance,
) -> String {
    let email = &at.person.email;
    let role = "AWSReservedSSO_Developer_4f1c";
    let identity = format!(
        r#"{{"type":"AssumedRole","principalId":"AROAEXAMPLEDEVELOPER1:{email}","arn":"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{email}","accountId":"{ACCOUNT}","accessKeyId":"ASIAEXAMPLE{:09}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROAEXAMPLEDEVELOPER1","arn":"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/{role}","accountId":"{ACCOUNT}","userName":"{role}"}},"attributes":{{"creationDate":"{}","mfaAuthenticated":"false"}}}}}}"#,
        at.person.keys[0] % 1_000_000_000,
        seconds(at.time_ms),
    );
    let read_only = event.starts_with("Get") || event.starts_with("List");
    AWS.fill(&[
        ("identity", &identity),
        ("time", &seconds(at.time_ms)),
        ("service", &service),
        ("event", &event),
        ("ip", &at.spot.ip),
        ("user_agent", &at.device.user_agent),
        ("request", &request),
        ("response", &"null"),
        ("more", &""),
        ("request_id", &chance.uuid()),
        ("uuid", &chance.uuid()),
        ("read_only", &read_only),
        ("type", &"AwsApiCall"),
    ])
}

/// A login to the console with a user of AWS's own, and no second factor.
pub fn aws_bare_login(at: Moment<'_>, chance: &mut Chance) -> String {
    let email = &at.person.email;
    let identity = format!(
        r#"{{"type":"IAMUser","principalId":"AIDAEXAMPLE{:09}","arn":"arn:aws:iam::{ACCOUNT}:user/{email}","accountId":"{ACCOUNT}","userName":"{email}"}}"#,
        at.person.keys[1] % 1_000_000_000
    );
    AWS.fill(&[
        ("identity", &identity),
        ("time", &seconds(at.time_ms)),
        ("service", &"signin"),
        ("event", &"ConsoleLogin"),
        ("ip", &at.spot.ip),
        ("user_agent", &at.device.user_agent),
        ("request", &"null"),
        ("response", &r#"{"ConsoleLogin":"Success"}"#),
        (
            "more",
            &r#""additionalEventData":{"LoginTo":"https://eu-central-1.console.aws.amazon.com/console/home","MobileVersion":"No","MFAUsed":"No"},"#,
        ),
        ("request_id", &chance.uuid()),
        ("uuid", &chance.uuid()),
        ("read_only", &false),
        ("type", &"AwsConsoleSignIn"),
    ])
}

/// A change that somebody made at Okta: event type, older one and message; about whom; more of the
/// debug data.
pub fn okta(
    at: Moment<'_>,
    [kind, legacy, message]: [&str; 3],
    about: &Person,
    details: &[Pair<'_>],
    chance: &mut Chance,
) -> String {
    let details: String = details
        .iter()
        .map(|(name, value)| format!(r#""{name}":"{value}","#))
        .collect();
    let event = OktaEvent {
        event: [kind, legacy, message, "/api/v1/users"],
        failure: None,
        targets: &super::logins::okta_user(about),
        details: &details,
    };
    okta_event(at, &event, chance)
}
