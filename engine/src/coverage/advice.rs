//! What would supply a column that logs lack: at Nightjar first, else at the vendor.

/// What to do about a column that is missing from records of a format.
pub fn advice(format: &str, column: &str) -> &'static str {
    let at_the_vendor = BY_FORMAT
        .iter()
        .find(|(f, c, _)| *f == format && *c == column);
    let in_general = IN_GENERAL.iter().find(|(c, _)| *c == column);
    match (at_the_vendor, in_general) {
        (Some((.., text)), _) | (None, Some((_, text))) => text,
        (None, None) => "see how records are understood with `nightjar normalize`",
    }
}

const BY_FORMAT: &[(&str, &str, &str)] = &[
    (
        "m365_audit",
        "device_managed",
        "the audit log says it for SharePoint and OneDrive only when Conditional Access sees the device: register devices in Intune",
    ),
    (
        "entra_signin",
        "country",
        "export SignInLogs with locations: Entra diagnostic settings, categories SignInLogs and NonInteractiveUserSignInLogs",
    ),
    (
        "aws_cloudtrail",
        "bytes",
        "S3 data events carry bytes: add them to the trail for the buckets that matter",
    ),
    (
        "litellm",
        "user",
        "give every person a key of his own, or send `user` with each request",
    ),
    (
        "web_proxy",
        "user",
        "let the proxy authenticate its users; without that only addresses are known",
    ),
];

const IN_GENERAL: &[(&str, &str)] = &[
    (
        "user",
        "these records name no acting person; see the vendor's setting for user identity in its export",
    ),
    (
        "country",
        "set `geo.city` (and `geo.asn`) to a database in MaxMind's format: places then follow from the address",
    ),
    (
        "lat",
        "set `geo.city` to a database in MaxMind's format with coordinates",
    ),
    ("asn", "set `geo.asn` to a database in MaxMind's format"),
    (
        "app",
        "the record names no tool; a proxy must log host or URL",
    ),
    ("object", "the record names no file or document"),
    (
        "device",
        "name devices in the vendor's export; a device id makes stolen sessions visible",
    ),
];
