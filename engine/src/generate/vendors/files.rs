//! Files taken, read and written, as Microsoft 365, Google, AWS and the in-house application write
//! it down.
//!
//! Invariant: a document has the same name, id and size wherever and whenever it is touched.

use std::sync::LazyLock;

use super::{Moment, millis, seconds};
use crate::generate::chance::{Chance, uuid};
use crate::generate::people::{Department, Device};
use crate::generate::places::Spot;
use crate::generate::shape::Shape;

static M365: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(include_str!("../shapes/m365_file.json")));
static GOOGLE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(include_str!("../shapes/google_drive.json")));
static AWS: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(include_str!("../shapes/aws_object.json")));
static NIGHTJAR: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(include_str!("../shapes/nightjar_download.json")));

/// A document of a department's library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document {
    pub library: Department,
    pub number: u64,
}

impl Document {
    fn chance(self) -> Chance {
        Chance::of(0, self.library.name(), &[self.number])
    }

    /// Folder and file name.
    fn path(self) -> (String, String) {
        const TOPICS: [&str; 8] = [
            "plan", "report", "offer", "minutes", "invoice", "review", "draft", "figures",
        ];
        let folder = format!("Shared Documents/{}", 2023 + self.number % 4);
        let topic = TOPICS[(self.number / 4 % 8) as usize];
        (
            folder,
            format!("{topic}-{:04}.{}", self.number, self.extension()),
        )
    }

    fn extension(self) -> &'static str {
        ["docx", "xlsx", "pdf", "pptx", "pdf", "xlsx", "docx", "txt"][(self.number % 8) as usize]
    }

    /// Size; none is so large that a dozen of them would be remarkable.
    pub fn bytes(self) -> u64 {
        let bytes = self.chance().log_normal(180_000.0, 1.1);
        (bytes as u64).clamp(2_000, 6_000_000)
    }
}

/// What Microsoft 365 calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Accessed,
    Downloaded,
    Uploaded,
    Synced,
}

impl Operation {
    /// Its name, and name and id of the application behind it.
    fn client(self) -> [&'static str; 3] {
        const WEB: [&str; 2] = [
            "SharePoint Online Web Client Extensibility",
            "08e18876-6177-487e-b8b5-cf950c1e598c",
        ];
        const OFFICE: [&str; 2] = ["Office 365", "d3590ed6-52b3-4102-aeff-aad2292ab01c"];
        const SYNC: [&str; 2] = [
            "OneDrive SyncEngine",
            "ab9b8c07-8f02-4f72-87fa-80105867a763",
        ];
        let (name, [client, id]) = match self {
            Operation::Accessed => ("FileAccessed", WEB),
            Operation::Downloaded => ("FileDownloaded", WEB),
            Operation::Uploaded => ("FileUploaded", OFFICE),
            Operation::Synced => ("FileSyncDownloadedFull", SYNC),
        };
        [name, client, id]
    }
}

/// A record of the unified audit log.
pub fn m365(at: Moment<'_>, what: Operation, document: Document, chance: &mut Chance) -> String {
    let person = at.person;
    let [operation, client, client_app] = what.client();
    let (folder, file) = document.path();
    let library = document.library.name();
    let site_key = library.len() as u64 * 0x9e37_79b9_7f4a_7c15;
    let item = document.chance().uuid();
    let agent = if what == Operation::Synced {
        "Microsoft SkyDriveSync 25.010.0114.0004 ship; Windows NT 10.0 (26100)"
    } else {
        at.device.user_agent
    };
    M365.fill(&[
        ("session", &session_uuid(at.session)),
        ("client_app", &client_app),
        ("client_name", &client),
        ("correlation", &chance.uuid()),
        ("token", &at.session),
        ("time", &seconds(at.time_ms).trim_end_matches('Z')),
        ("uuid", &chance.uuid()),
        ("operation", &operation),
        ("user_key", &format!("1003{:012x}", person.keys[0] >> 16)),
        ("user_type", &0),
        (
            "workload",
            &if what == Operation::Synced {
                "OneDrive"
            } else {
                "SharePoint"
            },
        ),
        ("ip", &at.spot.ip),
        ("email", &as_entered(&person.email)),
        ("browser", &at.device.browser),
        ("is_managed", &at.device.is_managed),
        ("list", &uuid(site_key, 1)),
        ("item", &item),
        (
            "platform",
            &if at.device.os.starts_with("Win") {
                "WinDesktop"
            } else {
                "MacOS"
            },
        ),
        ("site", &uuid(site_key, 2)),
        ("web", &uuid(site_key, 3)),
        ("user_agent", &agent),
        ("bytes", &document.bytes()),
        ("extension", &document.extension()),
        (
            "site_url",
            &format!("https://example.sharepoint.com/sites/{library}"),
        ),
        ("folder", &folder),
        ("file", &file),
    ])
}

/// The address as the directory of this vendor has it: with capitals, `Ana.Keller@example.com`.
pub fn as_entered(email: &str) -> String {
    let mut is_start = true;
    let letter = |letter: char| {
        let shown = if is_start {
            letter.to_ascii_uppercase()
        } else {
            letter
        };
        is_start = letter == '.';
        shown
    };
    let (login, domain) = email.split_once('@').unwrap_or((email, ""));
    format!("{}@{domain}", login.chars().map(letter).collect::<String>())
}

/// A session as Microsoft writes it.
pub fn session_uuid(session: &str) -> String {
    let number = |text: &str| u64::from_str_radix(text, 16).unwrap_or_default();
    uuid(
        number(session.get(..16).unwrap_or_default()),
        number(session.get(16..).unwrap_or_default()),
    )
}

/// What Google calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drive {
    View,
    Edit,
    Download,
    Share,
}

/// A record of the Drive audit; it has no sizes.
pub fn google(at: Moment<'_>, what: Drive, document: Document, chance: &mut Chance) -> String {
    let (kind, event) = match what {
        Drive::View => ("access", "view"),
        Drive::Edit => ("access", "edit"),
        Drive::Download => ("access", "download"),
        Drive::Share => ("acl_change", "change_user_access"),
    };
    let (_, file) = document.path();
    let title = file.split('.').next().unwrap_or_default();
    GOOGLE.fill(&[
        ("time", &millis(at.time_ms)),
        ("qualifier", &(chance.number() as i64)),
        ("etag", &chance.hex(12)),
        ("email", &at.person.email),
        ("profile", &at.person.profile_id()),
        ("ip", &at.spot.ip),
        ("type", &kind),
        ("event", &event),
        (
            "owner",
            &format!("Shared drive {}", document.library.name()),
        ),
        ("document", &format!("1{}", document.chance().hex(43))),
        (
            "document_type",
            &["document", "spreadsheet", "pdf", "presentation"][(document.number % 4) as usize],
        ),
        ("title", &title),
        (
            "visibility",
            &if what == Drive::Share {
                "shared_externally"
            } else {
                "shared_internally"
            },
        ),
    ])
}

/// An object read from a bucket by an engineer.
pub fn aws(at: Moment<'_>, number: u64, bytes: u64, chance: &mut Chance) -> String {
    let email = &at.person.email;
    let role = "AWSReservedSSO_Developer_4f1c";
    let identity = format!(
        r#"{{"type":"AssumedRole","principalId":"AROAEXAMPLEDEVELOPER1:{email}","arn":"arn:aws:sts::111122223333:assumed-role/{role}/{email}","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE{:09X}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROAEXAMPLEDEVELOPER1","arn":"arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/{role}","accountId":"111122223333","userName":"{role}"}},"attributes":{{"mfaAuthenticated":"false"}}}}}}"#,
        at.person.keys[1] >> 28
    );
    let key = format!("datasets/2026/part-{number:05}.parquet");
    object(
        &identity,
        at.time_ms,
        at.spot,
        "aws-cli/2.24.1 md/awscrt#0.23.8 ua/2.0 os/macos#24.3.0",
        ("example-research", &key),
        bytes,
        chance,
    )
}

/// An object read by a machine's user.
pub fn aws_service(
    name: &str,
    time_ms: i64,
    spot: &Spot,
    number: u64,
    bytes: u64,
    chance: &mut Chance,
) -> String {
    let identity = format!(
        r#"{{"type":"IAMUser","principalId":"AIDAEXAMPLE{:09}","arn":"arn:aws:iam::111122223333:user/{name}","accountId":"111122223333","accessKeyId":"AKIAEXAMPLE{:09}","userName":"{name}"}}"#,
        name.len() * 7_919_123,
        name.len() * 6_700_417
    );
    let key = format!("warehouse/{:03}/table-{number:05}.parquet", number % 97);
    object(
        &identity,
        time_ms,
        spot,
        "Boto3/1.37.4 md/Botocore#1.37.4 ua/2.0 os/linux#6.8.0",
        ("example-warehouse", &key),
        bytes,
        chance,
    )
}

fn object(
    identity: &str,
    time_ms: i64,
    spot: &Spot,
    agent: &str,
    (bucket, key): (&str, &str),
    bytes: u64,
    chance: &mut Chance,
) -> String {
    AWS.fill(&[
        ("identity", &identity),
        ("time", &seconds(time_ms)),
        ("ip", &spot.ip),
        ("user_agent", &agent),
        ("bucket", &bucket),
        ("key", &key),
        ("bytes", &bytes),
        ("request", &chance.hex(16).to_uppercase()),
        ("uuid", &chance.uuid()),
    ])
}

/// A document taken from the in-house application.
pub fn casebook(at: Moment<'_>, number: u64, chance: &mut Chance) -> String {
    let document = Document {
        library: Department::Support,
        number: number + 100_000,
    };
    NIGHTJAR.fill(&[
        ("time", &millis(at.time_ms)),
        ("uid", &format!("cb-{}", chance.hex(16))),
        ("email", &at.person.email),
        ("ip", &at.spot.ip),
        ("device_id", &at.device.id),
        ("object", &format!("case-{number:06}")),
        ("bytes", &document.bytes()),
        ("session", &at.session),
    ])
}

/// The machine of a service, for vendors that want one.
pub fn server(name: &str) -> Device {
    Device {
        id: format!("srv-{name}"),
        name: format!("srv-{name}"),
        os: "Linux",
        os_version: "Linux",
        browser: "",
        user_agent: "example-backup/4.2",
        is_managed: true,
    }
}
