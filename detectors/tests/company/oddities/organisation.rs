//! What the company sees of itself is cut off, or changes.

use super::super::{Diary, Trouble};
use super::Oddity;
use nightjar_detectors::event::{Activity, Kind, Method};

pub const ALL: &[Oddity] = &[audit_off, no_second_factor, lost_events, lost_column];

fn audit_off(diary: &mut Diary<'_>) {
    let by_key = diary.dice.roll(2) == 0;
    let event = diary.add(600, Activity::AuditChange);
    event.method = Some(Method::Disabled);
    event.object = Some("trail".into());
    event.kind = by_key.then_some(Kind::Service);
}

fn no_second_factor(diary: &mut Diary<'_>) {
    let event = diary.add(610, Activity::Login);
    event.mfa = Some(false);
    event.app = Some("vpn");
}

fn lost_events(diary: &mut Diary<'_>) {
    diary.trouble = Trouble::Cut;
}

fn lost_column(diary: &mut Diary<'_>) {
    diary.trouble = Trouble::Nameless;
}
