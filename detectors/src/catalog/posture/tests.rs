use super::super::rehearsal::{trial, trial_with};
use super::*;
use crate::directory::Person;
use crate::event::Draft;

fn login(user: &'static str, mfa: Option<bool>) -> Draft<'static> {
    Draft {
        activity: Some(Activity::Login),
        outcome: Some(Outcome::Success),
        user: Some(user),
        app: Some("vpn"),
        mfa,
        ..Draft::default()
    }
}

/// A month has one finding of an application, with its weeks; what is not said is not absent.
#[test]
fn logins_without_a_second_factor_are_told_once_a_month() {
    let mut trial = trial("posture");
    for day in 0..20 {
        trial.add(day, 540, login("a@example.com", Some(false)));
        trial.add(day, 541, login("b@example.com", Some(true)));
        trial.add(day, 542, login("c@example.com", None));
    }
    let alerts = trial.end();
    let shown: Vec<_> = alerts.iter().filter(|alert| !alert.is_muted()).collect();
    assert_eq!(shown.len(), 1);
    assert_eq!(
        (shown[0].class, shown[0].severity),
        (Class::Posture, Severity::Info)
    );
    assert_eq!(shown[0].entity.id, "vpn");
    assert!(
        shown[0].summary.contains("1 person logged in to vpn"),
        "{}",
        shown[0].summary
    );
}

/// On the first of a month: rights without use, and people of the directory who are never there.
#[test]
fn rights_and_accounts_that_nobody_uses_are_told() {
    let admin = Person {
        admin: true,
        ..Person::default()
    };
    let mut trial = trial_with("posture", |settings| {
        let people = &mut settings.directory.people;
        people.insert("root@example.com".into(), admin);
        people.insert("gone@example.com".into(), Person::default());
    });
    // From 2026-03-02 to the first of July.
    for day in 0..=121 {
        trial.add(day, 540, login("root@example.com", Some(true)));
    }
    let told: Vec<(String, String)> = trial
        .end()
        .iter()
        .filter(|alert| !alert.is_muted())
        .map(|alert| (alert.entity.id.clone(), alert.window.start[..7].to_owned()))
        .collect();
    let root = |month: &str| ("root@example.com".to_owned(), month.to_owned());
    for month in ["2026-05", "2026-06", "2026-07"] {
        assert!(told.contains(&root(month)), "{told:?}");
    }
    assert!(
        told.contains(&("gone@example.com".to_owned(), "2026-06".to_owned())),
        "{told:?}"
    );
}
