//! Every detector, one line each.

mod agent_risk;
mod ai_usage_spike;
mod app_consent;
mod audit_disabled;
mod bulk_export;
mod company_policy;
mod device_code_login;
mod dormant_account;
mod field_missing;
mod impossible_travel;
mod leaver_active;
mod login_without_mfa;
mod mailbox_rule;
mod mass_download;
mod mfa_fatigue;
mod mfa_method_changed;
mod new_device;
mod off_hours_login;
mod password_guessing;
mod phrase;
pub mod posture;
mod privilege_growth;
#[cfg(test)]
mod quiet;
#[cfg(test)]
pub(crate) mod rehearsal;
mod rule;
mod sensitive_to_ai;
mod session_replay;
mod shadow_ai;
mod slow_collection;
mod steps;
mod unusual_location;
mod volume;
mod volume_drop;

pub use steps::{Maker, Step};

use crate::detector::{Detector, Event};
use crate::event::Activity;
use crate::world::World;

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
#[derive(Clone, Copy)]
pub struct Entry {
    /// Name in alerts and configuration.
    pub name: &'static str,
    /// The activities it reads.
    pub activities: &'static [Activity],
    /// ATT&CK and ATLAS technique ids (ATT&CK v18, ATLAS 5).
    pub attack: &'static [&'static str],
    /// Family of evidence: time, place, device, volume, privilege or access.
    pub family: &'static str,
    /// Columns without which a row tells it nothing; of each group one is enough.
    pub needs: &'static [&'static [&'static str]],
    /// Its parameters.
    pub params: &'static [Param],
    /// Whether it is calibrated and takes part in the budget; physics and policy are not.
    pub statistical: bool,
    /// Weight in the division of the budget.
    pub share: f64,
    /// Its page.
    pub page: Page,
    /// Makes one for a shard.
    pub make: fn(&World, lag: i32) -> Box<dyn Detector>,
}

/// Part of a detector's weight that its verdicts about the company as a whole get: there is one
/// company, so each of its tests is bought dear.
pub const COMPANY_SHARE: f64 = 0.1;

impl Entry {
    /// The pillar of CISA's Zero Trust Maturity Model (version 2.0) whose visibility it adds to.
    pub fn pillar(&self) -> &'static str {
        match self.name {
            "ai_usage_spike" | "agent_risk" | "app_consent" | "mailbox_rule" | "shadow_ai" => {
                "Applications and Workloads"
            }
            "audit_disabled" | "field_missing" | "volume_drop" => "Visibility and Analytics",
            "posture" => "Governance",
            "new_device" => "Devices",
            _ if self.family == "volume" => "Data",
            _ => "Identity",
        }
    }

    /// Whether rows of these activities, with these columns, tell it anything.
    pub fn is_fed_by(&self, activities: &[Activity], columns: &[&str]) -> bool {
        let has = |group: &&[&str]| group.iter().any(|column| columns.contains(column));
        let reads = activities.iter().any(|a| self.activities.contains(a));
        reads && self.needs.iter().all(has)
    }

    /// Whether all it says is said the moment it is crossed; its page says what waits until a day is sealed.
    pub fn is_eager(&self) -> bool {
        !self.page.method.to_lowercase().contains("sealed")
    }
}

/// The entry of a detector.
pub fn entry(name: &str) -> Option<&'static Entry> {
    CATALOG.iter().find(|entry| entry.name == name)
}

/// One of each enabled detector, for a shard.
pub fn build(world: &World) -> Vec<Box<dyn Detector>> {
    world
        .enabled()
        .into_iter()
        .map(|(entry, _, lag)| (entry.make)(world, lag))
        .collect()
}

/// All detectors, in the order in which they are shown.
pub static CATALOG: &[Entry] = &[
    off_hours_login::ENTRY,
    mass_download::ENTRY,
    unusual_location::ENTRY,
    impossible_travel::ENTRY,
    ai_usage_spike::ENTRY,
    leaver_active::ENTRY,
    company_policy::ENTRY,
    device_code_login::ENTRY,
    mfa_fatigue::ENTRY,
    dormant_account::ENTRY,
    login_without_mfa::ENTRY,
    new_device::ENTRY,
    session_replay::ENTRY,
    password_guessing::ENTRY,
    mailbox_rule::ENTRY,
    mfa_method_changed::ENTRY,
    bulk_export::ENTRY,
    audit_disabled::ENTRY,
    posture::ENTRY,
    app_consent::ENTRY,
    privilege_growth::ENTRY,
    sensitive_to_ai::ENTRY,
    agent_risk::ENTRY,
    shadow_ai::ENTRY,
    slow_collection::ENTRY,
    volume_drop::ENTRY,
    field_missing::ENTRY,
];

/// Whether the vendor or the directory says that whoever acts holds administrative rights.
fn is_admin(event: &Event<'_>) -> bool {
    let listed = || {
        event
            .world
            .person(event.user)
            .is_some_and(|person| person.admin)
    };
    event.row.is_admin() == Some(true) || listed()
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}
