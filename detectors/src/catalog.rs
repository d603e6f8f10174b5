//! Every detector, one line each.

use crate::event::Activity;

/// One parameter of a detector: a number, its unit and what it does.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Key in `[detectors.NAME]`.
    pub name: &'static str,
    /// Used when the key is absent.
    pub default: f64,
    /// `count`, `bytes`, `km`, `km/h`, `minutes`, …; bytes may be written as `"64MiB"`.
    pub unit: &'static str,
    /// One sentence.
    pub help: &'static str,
}

/// What a detector's page says.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // the headings of the page
pub struct Page {
    pub flags: &'static str,
    pub why: &'static str,
    pub method: &'static str,
    pub blind_to: &'static str,
    pub fields: &'static str,
    pub example: &'static str,
}

/// A detector as the catalog knows it.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Name in alerts and configuration.
    pub name: &'static str,
    /// The activities it reads.
    pub activities: &'static [Activity],
    /// ATT&CK and ATLAS technique ids (ATT&CK v18, ATLAS 5).
    pub attack: &'static [&'static str],
    /// Family of evidence: time, place, device, volume, privilege or access.
    pub family: &'static str,
    /// Its parameters.
    pub params: &'static [Param],
    /// Its page.
    pub page: Page,
}

/// All detectors, in the order in which they are shown.
pub static CATALOG: &[Entry] = &[];
