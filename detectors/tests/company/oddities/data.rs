//! Data, AI tools and what they are given.

use super::super::Diary;
use super::Oddity;
use nightjar_detectors::event::{Activity, Method};

pub const ALL: &[Oddity] = &[archive];

fn archive(diary: &mut Diary<'_>) {
    let minute = 600 + diary.dice.roll(200);
    let event = diary.add(minute, Activity::Download);
    event.method = Some(Method::Export);
    event.app = Some("takeout");
}
