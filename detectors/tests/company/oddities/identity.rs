//! Factors, rules, roles and applications that are changed.

use super::super::Diary;
use super::Oddity;
use nightjar_detectors::event::{Activity, Method};

pub const ALL: &[Oddity] = &[mailbox_rules, new_factor];

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
