//! Sign-ins, as Okta, Entra, Google, AWS and the in-house application write them.
//!
//! Invariant: a successful sign-in says where it came from wherever the vendor can know it.

use std::sync::LazyLock;

use super::{Moment, millis, seconds};
use crate::generate::chance::Chance;
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

/// A record of the System Log.
pub fn okta(at: Moment<'_>, what: Okta, chance: &mut Chance) -> String {
    let person = at.person;
    let name = &person.name;
    let session = format!("102{}", at.session);
    let actor_id = format!("00u{:017x}", person.keys[0] >> 4);
    let (event_type, legacy, message, uri) = match what {
        Okta::Start | Okta::Refused => (
            "user.session.start",
            "core.user_auth.login_success",
            "User login to Okta",
            "/idp/idx/identify",
        ),
        Okta::Factor => (
            "user.authentication.auth_via_mfa",
            "core.user.factor.attempt_success",
            "Authentication of user via MFA",
            "/idp/idx/challenge/answer",
        ),
        Okta::Onward(_) => (
            "user.authentication.sso",
            "app.auth.sso",
            "User single sign on to app",
            "/app/sso/saml",
        ),
    };
    let is_refused = what == Okta::Refused;
    let targets = match what {
        Okta::Onward(app) => {
            let (app, kind) = APPS[app % APPS.len()];
            format!(
                r#"[{{"id":"0oa{:017x}","type":"AppInstance","alternateId":"{app}","displayName":"{app}","detailEntry":{{"signOnModeType":"{kind}"}}}},{{"id":"0ua{:017x}","type":"AppUser","alternateId":"{}","displayName":"{name}","detailEntry":null}}]"#,
                app.len() * 7_919,
                person.keys[1] >> 4,
                person.email
            )
        }
        Okta::Factor => format!(
            r#"[{{"id":"{actor_id}","type":"User","alternateId":"{}","displayName":"{name}","detailEntry":null}},{{"id":"pfd{:017x}","type":"AuthenticatorEnrollment","alternateId":"unknown","displayName":"Okta Verify","detailEntry":{{"methodTypeUsed":"Get a push notification"}}}}]"#,
            person.email,
            person.keys[1] >> 4
        ),
        _ => format!(
            r#"[{{"id":"00p{:017x}","type":"AuthenticatorEnrollment","alternateId":"unknown","displayName":"Password","detailEntry":null}}]"#,
            person.keys[1] >> 4
        ),
    };
    let is_phone = at.device.name.starts_with("phone");
    let city = at.spot.city;
    OKTA.fill(&[
        ("actor_id", &actor_id),
        ("email", &person.email),
        ("name", name),
        ("user_agent", &at.device.user_agent),
        ("os", &at.device.os),
        ("browser", &at.device.browser),
        ("device_kind", &if is_phone { "Mobile" } else { "Computer" }),
        ("ip", &at.spot.ip),
        ("city", &city.name),
        ("region", &city.region),
        ("country_name", &city.country_name),
        ("postal_code", &city.postal_code),
        ("lat", &city.lat),
        ("lon", &city.lon),
        (
            "provider",
            &if what == Okta::Factor {
                "\"FACTOR_PROVIDER\""
            } else {
                "null"
            },
        ),
        (
            "credential_provider",
            &if what == Okta::Factor {
                "\"OKTA_CREDENTIAL_PROVIDER\""
            } else {
                "null"
            },
        ),
        (
            "credential_type",
            &if what == Okta::Factor {
                "\"SIGNED_NONCE\""
            } else {
                "null"
            },
        ),
        ("session", &session),
        ("message", &message),
        ("event_type", &event_type),
        ("result", &if is_refused { "FAILURE" } else { "SUCCESS" }),
        (
            "reason",
            &if is_refused {
                "\"INVALID_CREDENTIALS\""
            } else {
                "null"
            },
        ),
        ("time", &millis(at.time_ms)),
        ("asn", &at.spot.asn),
        ("network", &at.spot.network),
        ("severity", &if is_refused { "WARN" } else { "INFO" }),
        ("request", &chance.hex(16)),
        ("device_id", &at.device.id.replace('-', "")),
        ("uri", &uri),
        (
            "legacy",
            &if is_refused {
                "core.user_auth.login_failed"
            } else {
                legacy
            },
        ),
        ("uuid", &chance.uuid()),
        ("targets", &targets),
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
}

/// A record of the sign-in logs, as diagnostic settings export it.
pub fn entra(at: Moment<'_>, what: Entra, chance: &mut Chance) -> String {
    const APPS: [(&str, &str); 4] = [
        ("OfficeHome", "4765445b-32c6-49b0-83e6-1d93765276ca"),
        ("Microsoft Teams", "1fec8e78-bce4-4aaf-ab1b-5451cc387264"),
        ("Microsoft Outlook", "5d661950-3475-41cd-a2c3-d671a3162bc1"),
        ("SharePoint Online", "00000003-0000-0ff1-ce00-000000000000"),
    ];
    let (app, app_id) = *chance.pick(&APPS);
    let (code, description) = match what {
        Entra::Refused => (
            50_126,
            "Error validating credentials due to invalid username or password.",
        ),
        _ => (0, ""),
    };
    let is_managed = at.device.is_managed;
    // Seven digits of a second, as this vendor has them.
    let time = millis(at.time_ms).replace('Z', &format!("{:04}Z", chance.below(10_000)));
    ENTRA.fill(&[
        ("time", &time),
        (
            "category",
            &if what == Entra::Token {
                "NonInteractiveUserSignInLogs"
            } else {
                "SignInLogs"
            },
        ),
        ("code", &code),
        ("signature", &if code == 0 { "SUCCESS" } else { "FAILURE" }),
        ("description", &description),
        (
            "details",
            &if code == 0 {
                "MFA requirement satisfied by claim in the token"
            } else {
                ""
            },
        ),
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
        ("interactive", &(what != Entra::Token)),
        ("requirement", &"multiFactorAuthentication"),
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
