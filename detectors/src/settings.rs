//! Everything that detection depends on besides the events. The engine makes it from the
//! configuration; `fingerprint` names it in every alert.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use crate::directory::Directory;
use crate::policy::Policy;

/// The settings of one run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The company; part of every id.
    pub tenant: String,
    /// The zone whose midnights bound the days.
    pub zone: Tz,
    /// Incidents a day that the team will read.
    pub budget_per_day: f64,
    /// Allowed lateness in milliseconds per detector name: the largest of the classes configured
    /// for it.
    pub lateness_ms: BTreeMap<&'static str, i64>,
    /// Per detector: whether it runs, and its parameters where they differ from the catalog's.
    pub detectors: BTreeMap<String, DetectorSettings>,
    /// The people.
    pub directory: Directory,
    /// What the company has decided.
    pub policy: Policy,
    /// Fingerprint of tenant, zone, budget, detectors, networks, tools, lateness, directory, geo
    /// databases and catalog version.
    pub fingerprint: String,
}

/// One `[detectors.NAME]` table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DetectorSettings {
    /// `None`: as the catalog has it.
    pub enabled: Option<bool>,
    /// By parameter name, in the parameter's unit.
    pub params: BTreeMap<String, f64>,
}
