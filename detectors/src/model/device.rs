//! What makes two devices the same one.
//!
//! Invariant: an id is kept as it is; of a user agent only the browser's family and the major version of
//! the system are left, so that an update of the browser is no new device.

use std::borrow::Cow;

/// Browsers by the word that tells them, the more particular first.
const BROWSERS: [(&str, &str); 8] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
    ("Trident/", "Internet Explorer"),
];

/// Systems: the word that tells them, the name, and whether a version follows.
const SYSTEMS: [(&str, &str, bool); 8] = [
    ("Windows NT ", "Windows", true),
    ("iPhone OS ", "iOS", true),
    ("CPU OS ", "iOS", true),
    ("Android ", "Android", true),
    // Its version has stood still for years.
    ("Mac OS X", "macOS", false),
    ("CrOS", "ChromeOS", false),
    ("Linux", "Linux", false),
    ("Windows", "Windows", false),
];

/// The device that a text names.
pub fn device_of(text: &str) -> Cow<'_, str> {
    let is_agent = text.starts_with("Mozilla/") && text.contains('(');
    if !is_agent {
        return Cow::Borrowed(text);
    }
    let browser = BROWSERS.iter().find(|(word, _)| text.contains(word));
    let browser = browser.map_or("another browser", |(_, name)| name);
    let system = SYSTEMS.iter().find(|(word, _, _)| text.contains(word));
    let Some((word, name, has_version)) = system else {
        return Cow::Borrowed(browser);
    };
    let after = text.split(word).nth(1).filter(|_| *has_version);
    let major: String = after
        .unwrap_or_default()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let gap = if major.is_empty() { "" } else { " " };
    Cow::Owned(format!("{browser} on {name}{gap}{major}"))
}

/// Whether many people may have the same: it names a make, not a device.
pub fn is_make(device: &str) -> bool {
    device.contains(" on ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_of_the_browser_is_no_new_device() {
        let windows = |version: &str| {
            format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version} Safari/537.36"
            )
        };
        assert_eq!(device_of(&windows("131.0.0.0")), "Chrome on Windows 10");
        assert_eq!(
            device_of(&windows("131.0.0.0")),
            device_of(&windows("132.0.1.0"))
        );
        let edge = windows("131.0.0.0 Edg/131.0");
        assert_eq!(device_of(&edge), "Edge on Windows 10");
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1";
        assert_eq!(device_of(phone), "Safari on iOS 17");
        let id = "5f0c3a1e-7d5b-4c0a-9a57-6a1a0f4d2b10";
        assert_eq!(device_of(id), id);
    }
}
