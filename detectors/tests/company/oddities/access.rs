//! Accounts, devices and sessions that are used as they should not be.

use super::super::{Diary, EMERGENCY, LEAVER, SLEEPER};
use super::Oddity;
use nightjar_detectors::event::{Activity, Kind, Method};

pub const ALL: &[Oddity] = &[
    leaver,
    emergency,
    forbidden_country,
    device_code,
    sleeper,
    bare_administrator,
    bare_logins,
    new_machine,
    stolen_session,
];

fn leaver(diary: &mut Diary<'_>) {
    diary.add(700, Activity::Download).user = LEAVER.into();
}

fn emergency(diary: &mut Diary<'_>) {
    let event = diary.add(710, Activity::RoleGrant);
    event.user = EMERGENCY.into();
    event.kind = Some(Kind::BreakGlass);
}

fn forbidden_country(diary: &mut Diary<'_>) {
    let is_admin = diary.dice.roll(2) == 0;
    for minute in [620, 640] {
        let event = diary.add(minute, Activity::Login);
        event.place = Some(3);
        event.is_admin = is_admin.then_some(true);
    }
}

fn device_code(diary: &mut Diary<'_>) {
    let is_unmanaged = diary.dice.roll(2) == 0;
    let event = diary.add(650, Activity::Login);
    event.method = Some(Method::DeviceCode);
    event.app = Some("cli");
    event.device_managed = is_unmanaged.then_some(false);
}

fn sleeper(diary: &mut Diary<'_>) {
    for minute in [300, 660] {
        diary.add(minute, Activity::AiUse).user = SLEEPER.into();
    }
}

fn bare_administrator(diary: &mut Diary<'_>) {
    let event = diary.add(670, Activity::Login);
    event.mfa = Some(false);
    event.is_admin = Some(true);
    event.app = Some("console");
}

fn bare_logins(diary: &mut Diary<'_>) {
    for n in 0..2 + diary.dice.roll(4) {
        let event = diary.add(600 + 5 * n, Activity::Login);
        event.mfa = Some(false);
        event.app = Some(["crm", "wiki"][n as usize % 2]);
    }
}

fn new_machine(diary: &mut Diary<'_>) {
    let place = diary.dice.roll(3) as usize;
    let event = diary.add(680, Activity::Login);
    event.device = "new machine".into();
    event.place = Some(place);
    event.is_admin = Some(true);
    event.device_managed = Some(false);
}

fn stolen_session(diary: &mut Diary<'_>) {
    let session = format!("session of {}", diary.user);
    let has_login = diary.dice.roll(3) == 0;
    for (minute, device, place) in [(610, None, 0), (615, Some("thief's machine"), 3)] {
        let event = diary.add(minute, Activity::Download);
        event.session = Some(session.clone());
        event.place = Some(place);
        if let Some(device) = device {
            event.device = device.into();
        }
    }
    if has_login {
        let event = diary.add(612, Activity::Login);
        event.device = "thief's machine".into();
        event.place = Some(3);
    }
}
