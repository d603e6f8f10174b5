//! `[policy]`: what the company has decided, laid over what is generally agreed (`policy.toml`).
//!
//! Invariant: names are kept in lower case, since no two logs agree about it.

use std::collections::{BTreeMap, BTreeSet};

use nightjar_detectors::policy::Policy;
use serde::Deserialize;

use super::section::{Reading, Section, Wrong, number, text};
use super::tree::Node;
use crate::decode::country_code;

const SHIPPED: &str = include_str!("policy.toml");
/// Ranks of labels go from 0, public, to 3, secret.
const RANK_MAX: u8 = 3;
/// Tiers of roles go from 0, the tenant, to 2, reading.
const TIER_MAX: u8 = 2;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shipped {
    roles: BTreeMap<String, u8>,
    labels: BTreeMap<String, u8>,
    scopes: Scopes,
    apps: Apps,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scopes {
    risky: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Apps {
    require_mfa: BTreeSet<String>,
    first_party: BTreeSet<String>,
}

/// What holds without a configuration.
pub fn shipped() -> Policy {
    let shipped: Shipped = toml::from_str(SHIPPED)
        .unwrap_or_else(|error| unreachable!("the shipped policy is checked by a test: {error}"));
    Policy {
        label_ranks: shipped.labels,
        role_tiers: shipped.roles,
        risky_scopes: shipped.scopes.risky,
        first_party_apps: shipped.apps.first_party,
        require_mfa: shipped.apps.require_mfa,
        ..Policy::default()
    }
}

/// Reads the section over what is shipped.
pub(super) fn read(mut section: Section<'_>, policy: &mut Policy) {
    let countries = section.read_list("allowed_countries", country);
    policy.allowed_countries = countries.into_iter().flatten().collect();
    policy.admin_hours = section.read("admin_hours", hours);
    let apps = section.read_list("require_mfa", lower);
    policy.require_mfa.extend(apps.into_iter().flatten());
    let more = section.read_list("first_party_apps", lower);
    policy.first_party_apps.extend(more.into_iter().flatten());
    let more = section.read_list("risky_scopes", lower);
    policy.risky_scopes.extend(more.into_iter().flatten());
    ranks(section.section("labels"), RANK_MAX, &mut policy.label_ranks);
    ranks(section.section("roles"), TIER_MAX, &mut policy.role_tiers);
    section.finish();
}

fn lower(node: &Node) -> Reading<String> {
    text(node).map(|written| written.to_lowercase())
}

pub(super) fn country(node: &Node) -> Reading<String> {
    let written = text(node)?;
    country_code(&written).map(str::to_owned).ok_or_else(|| {
        Wrong(
            format!("has `{written}`, which is not a country"),
            r#"write for instance "DE" or "Germany""#.into(),
        )
    })
}

/// Hours of a day, `[from, to)`; they may go over midnight.
fn hours(node: &Node) -> Reading<(u8, u8)> {
    let written = text(node)?;
    let parts = written.split_once('-');
    let hour = |part: &str| {
        let hour = part.trim().trim_end_matches(":00").parse::<u8>();
        hour.ok().filter(|hour| *hour <= 24)
    };
    let both = parts.and_then(|(from, to)| Some((hour(from)?, hour(to)?)));
    both.filter(|(from, to)| from != to).ok_or_else(|| {
        Wrong(
            format!("`{written}` is not a stretch of hours"),
            r#"write for instance "07-20""#.into(),
        )
    })
}

/// A table of names of the user's own, with a small number each.
fn ranks(section: Section<'_>, most: u8, into: &mut BTreeMap<String, u8>) {
    for (name, node) in section.entries() {
        let rank = number(node, 0.0, f64::from(most)).ok();
        match rank.filter(|rank| rank.fract() == 0.0) {
            Some(rank) => {
                into.insert(name.to_lowercase(), rank as u8);
            }
            None => {
                let what = format!(
                    "`{}` is not a number from 0 to {most}",
                    section.path_of(name)
                );
                let advice = format!("write for instance \"{name}\" = 1");
                section.notes.add(&node.place, what, advice);
            }
        }
    }
}

/// Everything of it, in a fixed order: part of the fingerprint.
pub(super) fn fields(policy: &Policy) -> Vec<String> {
    let mut fields = vec![format!("policy {:?}", policy.admin_hours)];
    let lists = [
        &policy.allowed_countries,
        &policy.require_mfa,
        &policy.first_party_apps,
        &policy.risky_scopes,
    ];
    for list in lists {
        fields.push(list.len().to_string());
        fields.extend(list.iter().cloned());
    }
    for ranks in [&policy.label_ranks, &policy.role_tiers] {
        fields.push(ranks.len().to_string());
        fields.extend(ranks.iter().map(|(name, rank)| format!("{name}={rank}")));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_can_be_read_and_is_in_lower_case() {
        let policy = shipped();
        assert_eq!(policy.role_tier("\"Global Administrator\""), Some(0));
        assert_eq!(
            policy.role_tier("arn:aws:iam::aws:policy/AdministratorAccess"),
            Some(0)
        );
        assert_eq!(policy.role_tier("Tea Administrator"), None);
        assert_eq!(policy.label_rank("Highly Confidential"), Some(3));
        assert_eq!(
            policy.risky_scopes_of("User.Read https://www.googleapis.com/auth/drive Mail.Read"),
            ["https://www.googleapis.com/auth/drive", "Mail.Read"]
        );
        let ranks = policy.role_tiers.keys().chain(policy.label_ranks.keys());
        let all = ranks
            .chain(&policy.risky_scopes)
            .chain(&policy.first_party_apps);
        for name in all {
            assert_eq!(*name, name.to_lowercase());
        }
        assert!(policy.role_tiers.values().all(|tier| *tier <= TIER_MAX));
        assert!(policy.label_ranks.values().all(|rank| *rank <= RANK_MAX));
    }
}
