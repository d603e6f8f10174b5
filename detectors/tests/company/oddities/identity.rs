//! Factors, rules, roles and applications that are changed.

use super::super::{Diary, GROWS};
use super::Oddity;
use nightjar_detectors::event::{Activity, Method};

pub const ALL: &[Oddity] = &[mailbox_rules, new_factor, consent, grants, key_for_another];

fn mailbox_rules(diary: &mut Diary<'_>) {
    let minute = 600 + diary.dice.roll(200);
    diary.add(minute, Activity::MailboxRule).method = Some(Method::Hide);
    diary.add(minute + 5, Activity::Login).place = Some(2);
    if diary.dice.roll(2) == 0 {
        diary.add(minute + 7, Activity::MailboxRule).method = Some(Method::Forward);
    }
}

fn new_factor(diary: &mut Diary<'_>) {
    let minute = 600 + diary.dice.roll(200);
    let help_desk = diary.dice.roll(2) == 0;
    let event = diary.add(minute, Activity::MfaChange);
    event.method = Some(Method::Added);
    if help_desk {
        event.target_user = Some("person11@example.com".into());
    } else {
        event.place = Some(3);
    }
    diary.add(minute + 20, Activity::Login).place = Some(3);
}

fn consent(diary: &mut Diary<'_>) {
    let (minute, name) = (600 + diary.dice.roll(200), diary.dice.roll(2));
    for method in [Method::User, Method::Admin] {
        let event = diary.add(minute, Activity::AppConsent);
        event.app = Some(["pdf helper", "notes"][name as usize]);
        event.object = Some("openid Mail.Read".into());
        event.method = Some(method);
    }
}

fn key_for_another(diary: &mut Diary<'_>) {
    let event = diary.add(640, Activity::AccountChange);
    event.app = Some("iam");
    event.method = Some(Method::Credential);
    event.target_user = Some("person5@example.com".into());
}

/// One powerful role, and many small ones for somebody who has had a few before.
fn grants(diary: &mut Diary<'_>) {
    let minute = 600 + diary.dice.roll(200);
    let event = diary.add(minute, Activity::RoleGrant);
    event.target_user = Some("person3@example.com".into());
    event.object = Some("Global Administrator".into());
    for n in 0..30 {
        let event = diary.add(minute + 1, Activity::RoleGrant);
        event.target_user = Some(GROWS.into());
        event.object = Some(format!("project {n}"));
    }
}
