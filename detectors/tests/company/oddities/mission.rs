//! What the five detectors of the mission look for.

use super::super::Diary;
use super::Oddity;
use nightjar_detectors::event::Activity;

pub const ALL: &[Oddity] = &[
    night_login,
    many_files,
    other_country,
    far_away,
    many_calls,
    resync,
];

fn working_hour(diary: &mut Diary<'_>) -> u64 {
    600 + diary.dice.roll(200)
}

fn night_login(diary: &mut Diary<'_>) {
    let at = 180 + diary.dice.roll(50);
    diary.add(at, Activity::Login);
}

fn many_files(diary: &mut Diary<'_>) {
    let minute = working_hour(diary);
    for n in 0..60 + diary.dice.roll(60) {
        let at = minute + diary.dice.roll(10);
        diary.add(at, Activity::Download).object = Some(format!("secret {n}"));
    }
}

fn other_country(diary: &mut Diary<'_>) {
    let minute = working_hour(diary);
    diary.add(minute, Activity::Login).place = Some(2);
}

fn far_away(diary: &mut Diary<'_>) {
    let minute = working_hour(diary);
    let is_other = diary.dice.roll(2) == 0;
    let event = diary.add(minute, Activity::Login);
    event.place = Some(3);
    if is_other {
        event.device = "somebody's phone".into();
    }
}

fn many_calls(diary: &mut Diary<'_>) {
    let minute = working_hour(diary);
    for _ in 0..30 + diary.dice.roll(40) {
        let at = minute + diary.dice.roll(30);
        let event = diary.add(at, Activity::AiUse);
        event.app = Some("claude");
        event.tokens = Some(90_000);
        event.interactive = None;
    }
}

fn resync(diary: &mut Diary<'_>) {
    let minute = working_hour(diary);
    for n in 0..700 {
        let event = diary.add(5 + minute + n / 20, Activity::Download);
        event.object = Some(format!("synced {n}"));
        event.interactive = Some(false);
    }
}
