//! Data, AI tools and what they are given.

use super::super::Diary;
use super::Oddity;
use nightjar_detectors::event::{Activity, Kind, Method};

pub const ALL: &[Oddity] = &[archive, secrets, agent, new_tool, slow_thief];

fn archive(diary: &mut Diary<'_>) {
    let minute = 600 + diary.dice.roll(200);
    let event = diary.add(minute, Activity::Download);
    event.method = Some(Method::Export);
    event.app = Some("takeout");
}

fn ai<'a>(diary: &'a mut Diary<'_>, app: &'static str) -> &'a mut super::super::Happening {
    let minute = 600 + diary.dice.roll(200);
    let event = diary.add(minute, Activity::AiUse);
    event.app = Some(app);
    event.interactive = None;
    event
}

fn secrets(diary: &mut Diary<'_>) {
    for n in 0..1 + diary.dice.roll(15) {
        let label = if n == 3 { "Secret" } else { "Confidential" };
        ai(diary, "claude").sensitivity = Some(label);
    }
}

fn agent(diary: &mut Diary<'_>) {
    let is_agent = diary.dice.roll(2) == 0;
    ai(diary, "claude").method = Some(Method::Bypass);
    ai(diary, "claude").method = Some(Method::Prompt);
    let event = ai(diary, "claude");
    event.method = Some(Method::Mcp);
    event.object = Some("files".into());
    let event = ai(diary, "claude");
    event.method = Some(Method::Request);
    event.count = Some(700);
    event.kind = is_agent.then_some(Kind::Agent);
}

fn new_tool(diary: &mut Diary<'_>) {
    for _ in 0..1 + diary.dice.roll(3) {
        let is_labelled = diary.dice.roll(2) == 0;
        let event = ai(diary, "a new tool");
        event.bytes = Some(6_000_000);
        event.sensitivity = is_labelled.then_some("Secret");
    }
}

/// Not many, but all new.
fn slow_thief(diary: &mut Diary<'_>) {
    let minute = 600 + diary.dice.roll(200);
    for n in 0..15 {
        let object = format!("taken {} {n}", diary.day_start);
        diary.add(minute + n, Activity::Download).object = Some(object);
    }
}
