use super::super::rehearsal::{Trial, trial_with};
use super::*;
use crate::event::{Draft, Kind};
use Severity::{High, Medium};

fn company() -> Trial {
    trial_with("privilege_growth", |settings| {
        settings.policy.role_tiers = [
            ("global administrator", 0),
            ("user administrator", 1),
            ("global reader", 2),
        ]
        .map(|(role, tier)| (role.to_owned(), tier))
        .into();
    })
}

fn grant<'a>(user: &'a str, target: &'a str, role: &'a str) -> Draft<'a> {
    Draft {
        activity: Some(Activity::RoleGrant),
        outcome: Some(Outcome::Success),
        user: Some(user),
        target_user: Some(target),
        object: Some(role),
        method: Some(Method::Assigned),
        ..Draft::default()
    }
}

/// A company in which `root` has given roles before.
fn warm() -> Trial {
    let mut trial = company();
    trial.add(0, 600, grant("root", "ana", "printing"));
    assert_eq!(trial.severities(), []);
    trial
}

#[test]
fn severity_follows_tier_grantor_and_target() {
    for (user, target, role, want) in [
        ("root", "ben", "Global Administrator", Some(Medium)),
        ("root", "root", "Global Administrator", Some(High)),
        ("new", "ben", "Global Administrator", Some(High)),
        ("root", "ben", "User Administrator", None),
        ("new", "ben", "User Administrator", Some(Medium)),
        ("root", "root", "User Administrator", Some(High)),
        ("root", "root", "Global Reader", Some(Medium)),
        ("root", "root", "unlisted", None),
    ] {
        let mut trial = warm();
        trial.add(4, 600, grant(user, target, role));
        assert_eq!(trial.severities(), [want], "{user} {target} {role}");
    }
}

/// Activating what one is eligible for, unknown roles and losing one are no alerts.
#[test]
fn an_activation_is_no_assignment() {
    let mut trial = warm();
    for method in [Method::Activated, Method::Removed] {
        let row = Draft {
            method: Some(method),
            ..grant("root", "root", "Global Administrator")
        };
        trial.add(4, 600, row);
    }
    trial.add(4, 601, grant("new", "ben", "unlisted"));
    trial.add(4, 602, grant("new", "ben", "Global Reader"));
    assert_eq!(trial.severities(), []);
}

/// One alert for a role, however many got it, and a provisioning service is evidence.
#[test]
fn bulk_and_services_do_not_flood() {
    let mut trial = warm();
    for n in 0..20 {
        trial.add(
            4,
            600 + n,
            grant("new", &format!("joiner{n}"), "User Administrator"),
        );
    }
    assert_eq!(trial.severities(), [Some(Medium)]);
    let mut trial = company();
    for day in 0..8 {
        let row = Draft {
            kind: Some(Kind::Service),
            ..grant("terraform", "app", "Global Administrator")
        };
        trial.add(day, 600, row);
    }
    let severities = trial.severities();
    assert_eq!(severities[0], Some(High));
    assert_eq!(severities[7], None);
}

/// A new right a week, for half a year, each harmless.
#[test]
fn rights_that_add_up_are_told_about_the_account() {
    let mut trial = company();
    for week in 0..26 {
        trial.add(
            7 * week,
            600,
            grant("root", "kim", &format!("project {week}")),
        );
        trial.add(7 * week, 601, grant("root", "lee", "printing"));
    }
    let alerts = trial.end();
    let shown: Vec<_> = alerts.iter().filter(|alert| !alert.is_muted()).collect();
    assert!(!shown.is_empty());
    assert!(
        shown.iter().all(|alert| alert.entity.id == "kim"),
        "{}",
        shown[0].summary
    );
    assert!(shown[0].summary.contains("project"), "{}", shown[0].summary);
}

/// What everybody gets, what a joiner gets, and the same right again add up to nothing.
#[test]
fn provisioning_adds_nothing() {
    let mut trial = company();
    for week in 0..12 {
        for person in 0..6 {
            trial.add(
                7 * week,
                600,
                grant("root", &format!("person{person}"), &format!("wave {week}")),
            );
        }
        trial.add(7 * week, 601, grant("root", "lee", "printing"));
    }
    for n in 0..30 {
        trial.add(80, 600, grant("root", "joiner", &format!("right {n}")));
    }
    assert_eq!(trial.severities(), []);
}
