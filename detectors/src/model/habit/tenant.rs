//! The tenant's values frozen for a day, so that a user costs only his own few values.
//!
//! A user's step scales every mass that he does not know himself by the same factor, which keeps
//! their order: a binary search in the tenant's sorted masses gives their tail, and only the user's
//! own values are taken out and put back one by one.
//! Invariant: p is that of [`value_mass`](super::value_mass) and [`value_p`](super::value_p), within
//! 1e-9.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::TIE;
use super::values::{Attribute, Step, Values, value_mass};

/// Masses down the chain base <- tenant for one day and attribute; made once a day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TenantMasses<K: Ord> {
    day: i32,
    attribute: Attribute,
    /// Of every value known to the tenant.
    mass: BTreeMap<K, f64>,
    /// The same masses, rising.
    rising: Vec<f64>,
    /// `sums[i]`: of the first i of `rising`.
    sums: Vec<f64>,
    /// Of one value unknown to the tenant.
    other: f64,
}

/// One user's own values against a [`TenantMasses`]; made once per user, day and attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnMasses<'v, K: Ord> {
    step: Step,
    /// In key order.
    own: Vec<OwnValue<'v, K>>,
    /// Values known to nobody.
    others: u64,
}

/// A value that the user knows.
#[derive(Debug, Clone, PartialEq)]
struct OwnValue<'v, K> {
    value: &'v K,
    /// Its predictive mass.
    mass: f64,
    /// Its mass for the tenant, if the tenant knows it.
    tenant: Option<f64>,
}

impl<K: Ord + Clone> TenantMasses<K> {
    /// The tenant as of `day`. Private values (device ids) have no tenant: an empty one is the base.
    pub fn new(tenant: &Values<K>, day: i32, attribute: Attribute) -> Self {
        let masses = value_mass(tenant, &[], day, attribute);
        let mut rising: Vec<f64> = masses.mass.values().copied().collect();
        rising.sort_by(f64::total_cmp);
        let mut sums = Vec::with_capacity(rising.len() + 1);
        let mut sum = 0.0;
        sums.push(sum);
        for mass in &rising {
            sum += mass;
            sums.push(sum);
        }
        TenantMasses {
            day,
            attribute,
            mass: masses.mass,
            rising,
            sums,
            other: masses.other,
        }
    }

    /// The user's own level on top.
    pub fn own<'v>(&self, own: &'v Values<K>) -> OwnMasses<'v, K> {
        let step = Step::new(own, self.day, self.attribute);
        let own: Vec<OwnValue<'v, K>> = own
            .iter_at(self.day)
            .map(|(value, count)| {
                let tenant = self.mass.get(value).copied();
                OwnValue {
                    value,
                    mass: step.mass(count, tenant.unwrap_or(self.other)),
                    tenant,
                }
            })
            .collect();
        let private = own.iter().filter(|own| own.tenant.is_none()).count();
        let known = self.mass.len() + private;
        OwnMasses {
            step,
            own,
            others: self.attribute.size().saturating_sub(known as u64),
        }
    }

    /// p of a value for that user: the mass of the values no more probable than it; ties count.
    pub fn p(&self, user: &OwnMasses<'_, K>, value: &K) -> f64 {
        let scaled = |mass: f64| user.step.mass(0, mass);
        let limit = self.mass(user, value) * TIE;
        let below = self.rising.partition_point(|mass| scaled(*mass) <= limit);
        let mut tenant = self.sums[below];
        let mut own = 0.0;
        for known in &user.own {
            if let Some(mass) = known.tenant.filter(|mass| scaled(*mass) <= limit) {
                tenant -= mass;
            }
            if known.mass <= limit {
                own += known.mass;
            }
        }
        let other = scaled(self.other);
        let unknown = if other <= limit {
            user.others as f64 * other
        } else {
            0.0
        };
        (own + scaled(tenant.max(0.0)) + unknown).min(1.0)
    }

    /// The predictive mass of a value for that user.
    pub fn mass(&self, user: &OwnMasses<'_, K>, value: &K) -> f64 {
        if let Ok(i) = user.own.binary_search_by(|own| own.value.cmp(value)) {
            return user.own[i].mass;
        }
        let tenant = self.mass.get(value).copied().unwrap_or(self.other);
        user.step.mass(0, tenant)
    }

    /// The values that the tenant knows, ascending.
    pub fn known(&self) -> impl Iterator<Item = &K> {
        self.mass.keys()
    }

    /// The tenant's most probable value that the user does not know.
    pub fn likeliest_unknown(&self, user: &OwnMasses<'_, K>) -> Option<&K> {
        let mut best: Option<(&K, f64)> = None;
        for (value, mass) in self.mass.iter().filter(|(value, _)| !user.knows(value)) {
            if best.is_none_or(|(_, known)| known < *mass) {
                best = Some((value, *mass));
            }
        }
        best.map(|(value, _)| value)
    }

    /// Whether the tenant knows a value.
    pub fn knows(&self, value: &K) -> bool {
        self.mass.contains_key(value)
    }
}

impl<K: Ord> OwnMasses<'_, K> {
    /// Whether the user knows a value.
    pub fn knows(&self, value: &K) -> bool {
        self.own
            .binary_search_by(|own| own.value.cmp(value))
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Learn, value_p};
    use super::*;

    fn learned(days: &[(i32, u64, bool)]) -> Values<u64> {
        let mut values = Values::default();
        let mut day = 20_000;
        for (gap, value, alerted) in days {
            day += gap;
            let learn = if *alerted {
                Learn::Alerted
            } else {
                Learn::Fully
            };
            values.fold(day, [*value], learn);
        }
        values
    }

    fn pasts(days_max: usize, values: u64) -> impl Strategy<Value = Vec<(i32, u64, bool)>> {
        prop::collection::vec((0..15i32, 0..values, any::<bool>()), 0..days_max)
    }

    proptest! {
        /// The short way gives the p of the definition, for known, shared and unseen values.
        #[test]
        fn the_frozen_tenant_gives_the_same_p(
            tenant in pasts(200, 40), own in pasts(40, 60), wait in 0..300i32,
        ) {
            let (tenant, own) = (learned(&tenant), learned(&own));
            let day = 20_000 + wait;
            for attribute in Attribute::ALL {
                let definition = value_mass(&own, &[&tenant], day, attribute);
                let frozen = TenantMasses::new(&tenant, day, attribute);
                let user = frozen.own(&own);
                for value in 0..70 {
                    let (p, q) = (value_p(&definition, &value), frozen.p(&user, &value));
                    prop_assert!((p - q).abs() <= 1e-9 * p, "{:?} {}: {} {}", attribute, value, p, q);
                    let mass = definition.mass.get(&value).copied().unwrap_or(definition.other);
                    prop_assert_eq!(mass, frozen.mass(&user, &value));
                }
            }
        }
    }

    /// Without a tenant only the user and the base speak.
    #[test]
    fn an_empty_tenant_is_the_base() {
        let frozen = TenantMasses::<String>::new(&Values::default(), 20_000, Attribute::Device);
        let none = Values::default();
        let nobody = frozen.own(&none);
        assert!(1.0 - 1e-9 < frozen.p(&nobody, &"laptop".to_owned()));
        assert!(!frozen.knows(&"laptop".to_owned()) && !nobody.knows(&"laptop".to_owned()));
    }
}
