//! Unusual things that people of the small company may do: for each detector at least one.

mod access;
mod data;
mod guessing;
mod identity;
mod mission;
mod organisation;

use super::Diary;

/// One unusual thing: events on top of an ordinary day.
pub type Oddity = fn(&mut Diary<'_>);

/// All of them.
pub fn all() -> impl Iterator<Item = Oddity> {
    let rooms = [
        mission::ALL,
        access::ALL,
        data::ALL,
        guessing::ALL,
        identity::ALL,
        organisation::ALL,
    ];
    rooms.into_iter().flatten().copied()
}
