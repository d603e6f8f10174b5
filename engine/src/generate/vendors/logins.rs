//! Sign-ins, as Okta, Entra, Google, AWS and the in-house application write them.
//!
//! Invariant: a successful sign-in says where it came from wherever the vendor can know it.

use std::sync::LazyLock;

use super::{Moment, millis, seconds};
use crate::generate::chance::Chance;
use crate::generate::people::Person;
use crate::generate::shape::Shape;

static OKTA: LazyLock<Shape> = LazyLock::new(|| Shape::new(include_str!("../shapes/okta.json")));
static ENTRA: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(include_str!("../shapes/entra_signin.json")));
static GOOGLE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(include_str!("../shapes/google_login.json")));
static AWS: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(include_str!("../shapes/aws_login.json")));
static NIGHTJAR: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(include_str!("../shapes/nightjar_login.json")));

/// What Okta can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Okta {
    /// A session began.
    Start,
    /// A wrong password.
    Refused,
    /// The second factor was given.
    Factor,
    /// On to an application, by its number.
    Onward(usize),
}

const APPS: [(&str, &str); 6] = [
    ("Microsoft 365", "office365"),
    ("Google Workspace", "google"),
    ("AWS IAM Identity Center", "amazon_aws_sso"),
    ("Casebook", "oidc_client"),
    ("Wiki", "oidc_client"),
    ("Tickets", "oidc_client"),
];

/// Event type, older event type, message and address of a request.
fn event(what: Okta) -> [&'static str; 4] {
    match what {
        Okta::Start => [
            "user.session.start",
            "core.user_auth.login_success",
            "User login to Okta",
            "/idp/idx/identify",
        ],
        Okta::Refused => [
            "user.session.start",
            "core.user_auth.login_failed",
            "User login to Okta",
            "/idp/idx/identify",
        ],
        Okta::Factor => [
            "user.authentication.auth_via_mfa",
            "core.user.factor.attempt_success",
            "Authentication of user via MFA",
            "/idp/idx/challenge/answer",
        ],
        Okta::Onward(_) => [
            "user.authentication.sso",
            "app.auth.sso",
            "User single sign on to app",
            "/app/sso/saml",
        ],
    }
}

/// Id at Okta.
fn actor_id(person: &Person) -> String {
    format!("00u{:017x}", person.keys[0] >> 4)
}

/// What a record is about, besides its actor.
pub fn okta_target(id: &str, kind: &str, alternate: &str, name: &str, detail: &str) -> String {
    format!(
        r#"{{"id":"{id}","type":"{kind}","alternateId":"{alternate}","displayName":"{name}","detailEntry":{detail}}}"#
    )
}

/// Somebody as what a record is about.
pub fn okta_user(person: &Person) -> String {
    let id = actor_id(person);
    okta_target(&id, "User", &person.email, &person.name, "null")
}

/// What was signed in to, or with.
fn targets(person: &Person, what: Okta) -> String {
    let Person { name, email, .. } = person;
    let number = format!("{:017x}", person.keys[1] >> 4);
    match what {
        Okta::Onward(app) => {
            let (app, kind) = APPS[app % APPS.len()];
            let instance = format!("0oa{:017x}", app.len() * 7_919);
            let detail = format!(r#"{{"signOnModeType":"{kind}"}}"#);
            let instance = okta_target(&instance, "AppInstance", app, app, &detail);
            let user = okta_target(&format!("0ua{number}"), "AppUser", email, name, "null");
            format!("{instance},{user}")
        }
        Okta::Factor => {
            let (id, kind) = (format!("pfd{number}"), "AuthenticatorEnrollment");
            let detail = r#"{"methodTypeUsed":"Get a push notification"}"#;
            let factor = okta_target(&id, kind, "unknown", "Okta Verify", detail);
            format!("{},{factor}", okta_user(person))
        }
        Okta::Start | Okta::Refused => {
            let (id, kind) = (format!("00p{number}"), "AuthenticatorEnrollment");
            okta_target(&id, kind, "unknown", "Password", "null")
        }
    }
}

/// An event of the System Log: the parts that depend on its type.
pub struct OktaEvent<'a> {
    /// Event type, older event type, message and address of a request.
    pub event: [&'a str; 4],
    /// Why it failed.
    pub failure: Option<&'a str>,
    /// What it is about, separated by commas.
    pub targets: &'a str,
    /// More of the debug data: pairs of JSON, each with a comma behind it.
    pub details: &'a str,
}

/// A record of a sign-in in the System Log.
pub fn okta(at: Moment<'_>, what: Okta, chance: &mut Chance) -> String {
    let event = OktaEvent {
        event: event(what),
        failure: (what == Okta::Refused).then_some("INVALID_CREDENTIALS"),
        targets: &targets(at.person, what),
        details: "",
    };
    okta_event(at, &event, chance)
}

/// A record of the System Log.
pub fn okta_event(at: Moment<'_>, what: &OktaEvent<'_>, chance: &mut Chance) -> String {
    let (person, city) = (at.person, at.spot.city);
    let [event_type, legacy, message, uri] = what.event;
    let reason = what.failure.map(|reason| format!("\"{reason}\""));
    let [result, severity] = match what.failure {
        Some(_) => ["FAILURE", "WARN"],
        None => ["SUCCESS", "INFO"],
    };
    let [provider, credential_provider, credential_type] = match event_type {
        "user.authentication.auth_via_mfa" => [
            "\"FACTOR_PROVIDER\"",
            "\"OKTA_CREDENTIAL_PROVIDER\"",
            "\"SIGNED_NONCE\"",
        ],
        _ => ["null"; 3],
    };
    let device_kind = match at.device.name.starts_with("phone") {
        true => "Mobile",
        false => "Computer",
    };
    OKTA.fill(&[
        ("actor_id", &actor_id(person)),
        ("email", &person.email),
        ("name", &person.name),
        ("user_agent", &at.device.user_agent),
        ("os", &at.device.os),
        ("browser", &at.device.browser),
        ("device_kind", &device_kind),
        ("ip", &at.spot.ip),
        ("city", &city.name),
        ("region", &city.region),
        ("country_name", &city.country_name),
        ("postal_code", &city.postal_code),
        ("lat", &city.lat),
        ("lon", &city.lon),
        ("provider", &provider),
        ("credential_provider", &credential_provider),
        ("credential_type", &credential_type),
        ("session", &format!("102{}", at.session)),
        ("message", &message),
        ("event_type", &event_type),
        ("result", &result),
        ("reason", &reason.as_deref().unwrap_or("null")),
        ("time", &millis(at.time_ms)),
        ("asn", &at.spot.asn),
        ("network", &at.spot.network),
        ("severity", &severity),
        ("request", &chance.hex(16)),
        ("device_id", &at.device.id.replace('-', "")),
        ("uri", &uri),
        ("legacy", &legacy),
        ("details", &what.details),
        ("uuid", &chance.uuid()),
        ("targets", &format!("[{}]", what.targets)),
    ])
}

/// What Entra can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entra {
    /// Somebody signed in.
    Interactive,
    /// A wrong password.
    Refused,
    /// An application fetched a new token.
    Token,
    /// Somebody typed in a code that a device showed.
    DeviceCode,
    /// The password was right and a second factor is asked for.
    Asked,
    /// The owner refused the prompt.
    Declined,
}

impl Entra {
    /// Error code, its text, and what became of the second factor.
    fn outcome(self) -> (u32, &'static str, &'static str) {
        match self {
            Entra::Refused => (
                50_126,
                "Error validating credentials due to invalid username or password.",
                "",
            ),
            Entra::Asked => (50_074, "Strong Authentication is required.", ""),
            Entra::Declined => (
                500_121,
                "Authentication failed during strong authentication request.",
                "MFA denied; user declined the authentication",
            ),
            _ => (0, "", "MFA requirement satisfied by claim in the token"),
        }
    }
}

/// Name and id.
const CLOUD_APPS: [(&str, &str); 4] = [
    ("OfficeHome", "4765445b-32c6-49b0-83e6-1d93765276ca"),
    ("Microsoft Teams", "1fec8e78-bce4-4aaf-ab1b-5451cc387264"),
    ("Microsoft Outlook", "5d661950-3475-41cd-a2c3-d671a3162bc1"),
    ("SharePoint Online", "00000003-0000-0ff1-ce00-000000000000"),
];
const COMMAND_LINE: (&str, &str) = (
    "Microsoft Azure CLI",
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
);

/// A record of the sign-in logs, as diagnostic settings export it.
pub fn entra(at: Moment<'_>, what: Entra, chance: &mut Chance) -> String {
    let any = *chance.pick(&CLOUD_APPS);
    let is_code = what == Entra::DeviceCode;
    let (app, app_id) = if is_code { COMMAND_LINE } else { any };
    let (code, description, details) = what.outcome();
    let is_token = what == Entra::Token;
    let is_managed = at.device.is_managed;
    // Seven digits of a second, as this vendor has them.
    let time = millis(at.time_ms).replace('Z', &format!("{:04}Z", chance.below(10_000)));
    ENTRA.fill(&[
        ("time", &time),
        (
            "category",
            &if is_token {
                "NonInteractiveUserSignInLogs"
            } else {
                "SignInLogs"
            },
        ),
        ("code", &code),
        ("signature", &if code == 0 { "SUCCESS" } else { "FAILURE" }),
        ("description", &description),
        ("details", &details),
        ("ip", &at.spot.ip),
        ("correlation", &chance.uuid()),
        ("name", &at.person.name),
        ("uuid", &chance.uuid()),
        ("email", &at.person.email),
        ("user_id", &at.person.uuid()),
        ("app_id", &app_id),
        ("app", &app),
        (
            "resource",
            &if app == "OfficeHome" {
                "Microsoft Graph"
            } else {
                app
            },
        ),
        ("user_agent", &at.device.user_agent),
        ("device_id", &at.device.id),
        ("device_name", &at.device.name),
        ("os_version", &at.device.os_version),
        ("browser", &title(at.device.browser)),
        ("is_managed", &is_managed),
        ("trust", &if is_managed { "Azure AD joined" } else { "" }),
        ("city", &at.spot.city.name),
        ("region", &at.spot.city.region),
        ("country", &at.spot.city.country),
        ("lat", &at.spot.city.lat),
        ("lon", &at.spot.city.lon),
        ("interactive", &!is_token),
        (
            "conditional",
            &if code == 0 { "success" } else { "notApplied" },
        ),
        ("requirement", &"multiFactorAuthentication"),
        ("protocol", &if is_code { "deviceCode" } else { "none" }),
        ("asn", &at.spot.asn),
        ("token", &chance.hex(22)),
    ])
}

fn title(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().into_iter();
    first
        .chain(letters.map(|c| c.to_ascii_lowercase()))
        .collect()
}

/// A login of the Workspace audit, which knows no place.
pub fn google(at: Moment<'_>, is_refused: bool, chance: &mut Chance) -> String {
    GOOGLE.fill(&[
        ("time", &millis(at.time_ms)),
        ("qualifier", &(chance.number() as i64)),
        ("etag", &chance.hex(12)),
        ("email", &at.person.email),
        ("profile", &at.person.profile_id()),
        ("ip", &at.spot.ip),
        (
            "event",
            &if is_refused {
                "login_failure"
            } else {
                "login_success"
            },
        ),
        (
            "login_type",
            &if is_refused {
                "google_password"
            } else {
                "saml"
            },
        ),
        ("challenge", &"none"),
    ])
}

/// A sign-in to the console by single sign-on.
pub fn aws(at: Moment<'_>, chance: &mut Chance) -> String {
    AWS.fill(&[
        ("principal", &"AROAEXAMPLEDEVELOPER1"),
        ("email", &at.person.email),
        ("time", &seconds(at.time_ms)),
        ("ip", &at.spot.ip),
        ("user_agent", &at.device.user_agent),
        ("uuid", &chance.uuid()),
    ])
}

/// A sign-in to the in-house application.
pub fn casebook(at: Moment<'_>, chance: &mut Chance) -> String {
    NIGHTJAR.fill(&[
        ("time", &millis(at.time_ms)),
        ("uid", &format!("cb-{}", chance.hex(16))),
        ("email", &at.person.email),
        ("ip", &at.spot.ip),
        ("country", &at.spot.city.country),
        ("region", &at.spot.city.region),
        ("city", &at.spot.city.name),
        ("lat", &at.spot.city.lat),
        ("lon", &at.spot.city.lon),
        ("asn", &at.spot.asn),
        ("device_id", &at.device.id),
        ("session", &at.session),
    ])
}
