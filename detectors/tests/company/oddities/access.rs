//! Accounts, devices and sessions that are used as they should not be.

use super::super::{Diary, LEAVER};
use super::Oddity;
use nightjar_detectors::event::Activity;

pub const ALL: &[Oddity] = &[leaver];

fn leaver(diary: &mut Diary<'_>) {
    diary.add(700, Activity::Download).user = LEAVER.into();
}
