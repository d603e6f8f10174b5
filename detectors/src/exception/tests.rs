use super::*;

use crate::alert::Alert;
use crate::catalog::rehearsal::{MONDAY, Trial, at, event, trial_with};
use crate::event::{Activity, Draft};

fn entity(kind: &str, id: &str) -> Entity {
    Entity {
        kind: kind.into(),
        id: id.into(),
    }
}

fn exception(detector: &str, entity: &str) -> Exception {
    Exception {
        kind: Decision::Exception,
        detectors: vec![detector.into()],
        entity: Some(entity.into()),
        entity_kind: None,
        scope: None,
        effect: Effect::Mute,
        at_most: None,
        owner: "it@example.com".into(),
        reason: "laptops are set up anew".into(),
        from: MONDAY,
        expires: MONDAY + 3,
    }
}

fn subject<'a>(entity: &'a Entity, verdict: &'a Verdict) -> Subject<'a> {
    Subject {
        detector: "mass_download",
        day: MONDAY,
        entity,
        verdict,
        home: None,
        judge: None,
    }
}

fn verdict(severity: Severity, observed: f64) -> Verdict {
    Verdict {
        observed,
        ..Verdict::of(severity, "policy", (0, 0), 1)
    }
}

fn effect(rules: &[Exception], on: Subject<'_>) -> Option<(Severity, String)> {
    decide(rules, on).map(|(severity, by)| (severity, by.effect))
}

/// Day, detector, principal: each must fit.
#[test]
fn a_decision_covers_what_it_names_and_nothing_else() {
    let ana = entity("user", "ana@example.com");
    let said = verdict(Severity::Medium, 40.0);
    let on = subject(&ana, &said);
    let rule = [exception("mass_download", "ana@*")];
    let (severity, by) = decide(&rule, on).unwrap();
    assert_eq!(severity, Severity::Medium);
    assert_eq!((&*by.effect, &*by.reason), ("muted", "exception"));
    let until = day_text(MONDAY + 3);
    assert_eq!(
        by.by,
        format!("it@example.com until {until}: laptops are set up anew")
    );
    for (day, is_covered) in [(-1, false), (0, true), (3, true), (4, false)] {
        let day = MONDAY + day;
        assert_eq!(decide(&rule, Subject { day, ..on }).is_some(), is_covered);
    }
    let detector = "bulk_export";
    assert!(decide(&rule, Subject { detector, ..on }).is_none());
    let ben = entity("user", "ben@example.com");
    let entity = &ben;
    assert!(decide(&rule, Subject { entity, ..on }).is_none());
    let of_services = Exception {
        entity_kind: Some("service".into()),
        ..exception("mass_download", "*")
    };
    assert!(decide(std::slice::from_ref(&of_services), on).is_none());
    let company = super::tests::entity("tenant", "trial");
    let entity = &company;
    let all = [exception("mass_download", "*")];
    assert!(decide(&all, Subject { entity, ..on }).is_none());
    let named = [exception("mass_download", "trial")];
    assert!(decide(&named, Subject { entity, ..on }).is_some());
}

/// What is critical or beyond the amount is shown, and says why.
#[test]
fn what_goes_beyond_a_decision_is_lowered_at_most() {
    let ana = entity("user", "ana@example.com");
    let limited = Exception {
        at_most: Some(500.0),
        ..exception("mass_download", "*")
    };
    let rules = [limited];
    let cases = [
        (Severity::Medium, 500.0, (Severity::Medium, "muted")),
        (Severity::High, 501.0, (Severity::Medium, "lowered")),
        (Severity::Medium, 501.0, (Severity::Medium, "lowered")),
        (Severity::Low, 501.0, (Severity::Low, "lowered")),
        (Severity::Critical, 1.0, (Severity::High, "lowered")),
    ];
    for (severity, observed, (shown, done)) in cases {
        let said = verdict(severity, observed);
        let found = effect(&rules, subject(&ana, &said));
        assert_eq!(
            found,
            Some((shown, done.to_owned())),
            "{severity:?} {observed}"
        );
    }
    let said = verdict(Severity::High, 501.0);
    let (_, by) = decide(&rules, subject(&ana, &said)).unwrap();
    assert!(
        by.by.ends_with("; not muted: 501 is beyond 500"),
        "{}",
        by.by
    );
}

/// Of two, the one that mutes; lowering is by one severity.
#[test]
fn the_stronger_of_two_decisions_holds() {
    let ana = entity("user", "ana@example.com");
    let said = verdict(Severity::High, 40.0);
    let lowers = Exception {
        effect: Effect::Lower,
        kind: Decision::Expected,
        ..exception("mass_download", "ana@example.com")
    };
    let mutes = Exception {
        kind: Decision::Snooze,
        ..exception("mass_download", "*@example.com")
    };
    let on = subject(&ana, &said);
    let one = std::slice::from_ref(&lowers);
    assert_eq!(effect(one, on), Some((Severity::Medium, "lowered".into())));
    let (_, by) = decide(&[lowers, mutes], on).unwrap();
    assert_eq!((&*by.effect, &*by.reason), ("muted", "snoozed"));
}

/// A scope must hold of everything of its kind that the alert names.
#[test]
fn a_scope_is_not_stretched() {
    let ana = entity("user", "ana@example.com");
    let about = |scope: Scope, verdict: &Verdict, detector: &'static str, home: Option<&str>| {
        let rule = Exception {
            scope: Some(scope),
            ..exception(detector, "*")
        };
        let on = Subject {
            detector,
            home,
            ..subject(&ana, verdict)
        };
        decide(&[rule], on).is_some()
    };
    let country = || Scope::Country("FR".into());
    let place = |value: &str| Verdict {
        value: value.into(),
        ..verdict(Severity::Medium, 1.0)
    };
    for (value, is_in) in [
        ("country FR", true),
        ("region FR, Paris", true),
        ("country BR", false),
        ("region BR, FR", false),
        ("", false),
    ] {
        let found = about(country(), &place(value), "unusual_location", None);
        assert_eq!(found, is_in, "{value}");
    }
    let journey = |pair: &str| Verdict {
        same_as: pair.into(),
        ..verdict(Severity::High, 1.0)
    };
    for (pair, home, is_in) in [
        ("Berlin, DE to Paris, FR", Some("DE"), true),
        ("Paris, FR to Berlin, DE", Some("DE"), true),
        ("Berlin, DE to Paris, FR", None, false),
        ("Lagos, NG to Paris, FR", Some("DE"), false),
        ("Paris, FR to Lyon, FR", None, true),
    ] {
        let found = about(country(), &journey(pair), "impossible_travel", home);
        assert_eq!(found, is_in, "{pair}");
    }
    let system = Scope::System("AS3215".into());
    assert!(about(
        system,
        &place("network AS3215"),
        "unusual_location",
        None
    ));
    let with = |also: &[(&str, &str)]| Verdict {
        also: also.iter().map(|(kind, id)| entity(kind, id)).collect(),
        ..verdict(Severity::Medium, 1.0)
    };
    let office = || {
        let number = |text| number_of(text).unwrap();
        Scope::Addresses(vec![(number("192.0.2.0"), number("192.0.2.255"))])
    };
    let guessing = "password_guessing";
    assert!(about(
        office(),
        &with(&[("ip", "192.0.2.9")]),
        guessing,
        None
    ));
    let both = with(&[("ip", "192.0.2.9"), ("ip", "203.0.113.1")]);
    assert!(!about(office(), &both, guessing, None));
    assert!(!about(office(), &with(&[]), guessing, None));
    let app = || Scope::App("claude.ai".into());
    assert!(about(
        app(),
        &with(&[("tool", "Claude.ai")]),
        "shadow_ai",
        None
    ));
    let two = with(&[("tool", "claude.ai"), ("app", "crm")]);
    assert!(!about(app(), &two, "shadow_ai", None));
}

#[test]
fn stars_stand_for_any_run_of_characters() {
    for (pattern, text, is_it) in [
        ("*", "", true),
        ("svc-*", "svc-backup", true),
        ("svc-*", "my-svc-backup", false),
        ("*@example.com", "ana@example.com", true),
        ("*@example.com", "ana@example.com.evil", false),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "acb", false),
        ("ab*ba", "aba", false),
        ("ana", "anaa", false),
    ] {
        assert_eq!(matches(pattern, text), is_it, "{pattern} {text}");
    }
}

/// Twelve people who take a few files a day, for a month; the alerts about one of them who then takes many.
fn told(rule: Exception, files: u32) -> Vec<Alert> {
    let mut trial = trial_with("mass_download", |settings| {
        settings.policy.exceptions = vec![rule];
    });
    for day in 0..30 {
        for person in 0..12 {
            let user = format!("p{person:02}@example.com");
            take(
                &mut trial,
                day,
                &user,
                4 + (day as u32 * 7 + person * 3) % 6,
            );
        }
    }
    take(&mut trial, 30, "p03@example.com", files);
    let mut alerts = trial.end();
    alerts.retain(|alert| alert.entity.id == "p03@example.com");
    alerts
}

fn take(trial: &mut Trial, day: Day, user: &str, files: u32) {
    for n in 0..files {
        let object = format!("{user} {day} {n}");
        trial.put(Draft {
            object: Some(object.as_str()),
            ..event(user, Activity::Download, at(day, 600 + i64::from(n % 8)))
        });
    }
}

/// Without a stated amount the model's own judgement bounds what is muted; the ids stay what they were.
#[test]
fn the_expected_is_muted_and_a_theft_is_not() {
    let rule = |at_most| Exception {
        at_most,
        from: MONDAY + 30,
        expires: MONDAY + 40,
        ..exception("mass_download", "p03@*")
    };
    let later = Exception {
        from: MONDAY + 31,
        ..rule(None)
    };
    let plain = told(later, 400);
    let theft = told(rule(None), 400);
    assert_eq!((plain.len(), theft.len()), (1, 1));
    assert_eq!(plain[0].suppressed, None);
    assert_eq!(plain[0].id, theft[0].id);
    let by = theft[0].suppressed.as_ref().unwrap();
    assert_eq!((&*by.effect, &*by.reason), ("lowered", "exception"));
    assert!(Severity::Medium <= theft[0].severity, "{by:?}");
    assert!(by.by.ends_with("times rarer than what alerts"), "{}", by.by);
    let resync = told(rule(Some(500.0)), 400);
    assert!(resync[0].is_muted());
    let more = told(rule(Some(300.0)), 400);
    assert!(!more[0].is_muted());
}
