//! What the class of a network does to a finding about a place: it may lower it, and never hides that it did.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod company;

use std::sync::Arc;

use nightjar_detectors::alert::{Alert, Severity};
use nightjar_detectors::core::Core;
use nightjar_detectors::event::{Activity, Network};
use nightjar_detectors::world::World;

use company::{batch, company_day, settings, start_day};

const TRAINED: i32 = 20;

/// A login from Brazil an hour or two after one from Berlin, with another device, over such a network.
fn findings(core: &mut Core, day: i32, network: Option<Network>) -> Vec<Alert> {
    let mut events = company_day(day, 1, &[(0, 3)]);
    let from_abroad = events
        .iter_mut()
        .filter(|event| event.is_odd_user)
        .find(|event| event.activity == Activity::Login && event.place == Some(3))
        .unwrap();
    from_abroad.device = "somebody's phone".into();
    from_abroad.network = network;
    let mut sealed = core.require(day);
    core.observe(&[batch(&events)]).unwrap();
    sealed.append(&mut core.seal_all());
    let alerts = sealed.into_iter().flat_map(|day| day.alerts);
    let about =
        |alert: &Alert| ["unusual_location", "impossible_travel"].contains(&&*alert.detector);
    alerts.filter(about).collect()
}

/// Where a network blurs the place, both detectors say less and say why; over Tor, and over a network of no class, they do
/// not; the company's own networks are muted.
#[test]
fn networks_that_blur_the_place_lower_a_finding_and_tor_never() {
    let world = Arc::new(World::new(settings()));
    let mut core = Core::new(world.clone(), 1).without_phases();
    for day in 0..TRAINED {
        core.require(start_day() + day);
        let events = company_day(start_day() + day, u64::from(day.unsigned_abs()), &[]);
        core.observe(&[batch(&events)]).unwrap();
    }
    core.seal_all();
    let trained = core.snapshot().rows;
    let classes = Network::ALL.iter().copied().map(Some).chain([None]);
    for network in classes {
        let mut core = Core::new(world.clone(), 1).without_phases();
        core.restore(trained.iter().cloned()).unwrap();
        let found = findings(&mut core, start_day() + TRAINED, network);
        let detectors: Vec<&str> = found.iter().map(|alert| &*alert.detector).collect();
        assert_eq!(found.len(), 2, "{network:?}: {detectors:?}");
        for alert in found {
            let why = alert
                .suppressed
                .as_ref()
                .map(|why| (&*why.effect, &*why.reason));
            let (expected, severity) = match network {
                Some(Network::Corporate) => (Some(("muted", "known_egress")), alert.severity),
                Some(network) if network.blurs_place() => {
                    (Some(("lowered", "shared_network")), Severity::Low)
                }
                _ => (None, Severity::Medium),
            };
            let told = (why, alert.severity);
            assert_eq!(told, (expected, severity), "{network:?}: {}", alert.summary);
        }
    }
}
