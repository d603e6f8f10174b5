//! What the company knows about its people and accounts. Data only; the engine reads the file.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use crate::event::Kind;

/// One line of the directory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Person {
    /// What the account is; `None` where the directory does not say.
    pub kind: Option<Kind>,
    /// Peer group, for instance a department.
    pub group: Option<String>,
    /// Who to ask.
    pub manager: Option<String>,
    /// The person's own time zone.
    pub zone: Option<Tz>,
    /// Home country, ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Holds administrative rights.
    pub admin: bool,
    /// First day at work, days since 1970-01-01.
    pub hired: Option<i32>,
    /// Last day at work.
    pub leaves: Option<i32>,
    /// Away, first and last day.
    pub absent: Vec<(i32, i32)>,
    /// On call, first and last day.
    pub on_call: Vec<(i32, i32)>,
    /// Day of the last sign-in that the identity provider knows of.
    pub last_sign_in: Option<i32>,
}

/// The people of one tenant by canonical user name, and the other names they have.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    /// By user name, lower case.
    pub people: BTreeMap<String, Person>,
    /// Alias to user name, both lower case.
    pub aliases: BTreeMap<String, String>,
}

impl Directory {
    /// What is known about a user.
    pub fn person(&self, user: &str) -> Option<&Person> {
        self.people.get(user)
    }

    /// The canonical name of a user.
    pub fn canonical<'a>(&'a self, user: &'a str) -> &'a str {
        self.aliases.get(user).map_or(user, String::as_str)
    }
}
