//! What the company has decided, and what is generally agreed: tools, countries, hours, labels, roles.
//!
//! Invariant: names are lower case; what is not listed is unknown, never guessed.

use std::collections::{BTreeMap, BTreeSet};

use crate::exception::Exception;

/// What the company decided about an AI tool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ToolStatus {
    /// Meant to be used.
    Sanctioned,
    /// Allowed.
    Tolerated,
    /// Not allowed.
    Unsanctioned,
    /// Not decided.
    #[default]
    Unknown,
}

impl ToolStatus {
    /// Every status.
    pub const ALL: [ToolStatus; 4] = [
        ToolStatus::Sanctioned,
        ToolStatus::Tolerated,
        ToolStatus::Unsanctioned,
        ToolStatus::Unknown,
    ];

    /// The word in the configuration and in sentences.
    pub const fn as_str(self) -> &'static str {
        match self {
            ToolStatus::Sanctioned => "sanctioned",
            ToolStatus::Tolerated => "tolerated",
            ToolStatus::Unsanctioned => "unsanctioned",
            ToolStatus::Unknown => "unknown",
        }
    }
}

/// The company's rules. Empty lists rule nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// AI tools by name, with their status.
    pub tools: BTreeMap<String, ToolStatus>,
    /// Countries that people may work in, ISO 3166-1 alpha-2; empty: any.
    pub allowed_countries: BTreeSet<String>,
    /// Local hours in which administrators work, `[from, to)`.
    pub admin_hours: Option<(u8, u8)>,
    /// Applications whose logins must show a second factor; `*` is all, `admins` is every administrator.
    pub require_mfa: BTreeSet<String>,
    /// Rank of a label or DLP verdict: 1 internal, 2 confidential, 3 secret. What is not listed is unknown.
    pub label_ranks: BTreeMap<String, u8>,
    /// Tier of a role or policy: 0 controls the tenant, 1 a service, 2 reads much. What is not listed is unknown.
    pub role_tiers: BTreeMap<String, u8>,
    /// Applications of the platform's own vendor, whose consents are ordinary.
    pub first_party_apps: BTreeSet<String>,
    /// Scopes of a consent that open mail, files or the directory, or that last.
    pub risky_scopes: BTreeSet<String>,
    /// What is expected for a while, in the order that decides between two.
    pub exceptions: Vec<Exception>,
}

impl Policy {
    /// What is known of a tool; [`ToolStatus::Unknown`] where it is not listed.
    pub fn tool(&self, name: &str) -> ToolStatus {
        let status = self.tools.get(name);
        let status = status.or_else(|| self.tools.get(&name.to_lowercase()));
        status.copied().unwrap_or(ToolStatus::Unknown)
    }

    /// The tier of a role: the most powerful of those whose name is the role's, or the last part of it.
    pub fn role_tier(&self, role: &str) -> Option<u8> {
        let role = role.trim_matches('"').to_lowercase();
        let last = role.rsplit(['/', ':']).next().unwrap_or(&role);
        let tiers = [self.role_tiers.get(&role), self.role_tiers.get(last)];
        tiers.into_iter().flatten().min().copied()
    }

    /// The rank of a label or DLP verdict.
    pub fn label_rank(&self, label: &str) -> Option<u8> {
        self.label_ranks.get(&label.to_lowercase()).copied()
    }

    /// The scopes of a consent that are risky, as written.
    pub fn risky_scopes_of<'s>(&self, scopes: &'s str) -> Vec<&'s str> {
        let is_risky = |scope: &&str| {
            let lower = scope.to_lowercase();
            let last = lower.rsplit('/').next().unwrap_or(&lower);
            self.risky_scopes.contains(&lower) || self.risky_scopes.contains(last)
        };
        let parts = scopes
            .split([' ', ',', ';'])
            .filter(|scope| !scope.is_empty());
        parts.filter(is_risky).collect()
    }
}
