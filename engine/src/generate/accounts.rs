//! Accounts that nobody works with every day: for emergencies, and forgotten; and who administers.
//!
//! Invariant: their numbers lie beyond those of any person, and they have no shifts.

use super::people::{Life, Person, Provider};
use super::{Company, Plan};

/// Number of the account for emergencies.
pub const EMERGENCY: u32 = 1_000_001;
/// Number of the forgotten account.
pub const DORMANT: u32 = 1_000_002;
/// Days before the beginning on which the forgotten account was used last.
pub const SILENT_DAYS: u64 = 140;

/// The accounts of a company.
pub fn accounts(plan: &Plan) -> Vec<Person> {
    let account = |index, email: &str, name: &str| {
        let mut account = Person::new(plan.seed, index, plan.days);
        account.email = email.to_owned();
        account.name = name.to_owned();
        account.life = Life::Never;
        account.provider = Provider::Entra;
        account.holiday = None;
        account
    };
    vec![
        account(EMERGENCY, "emergency@example.com", "Emergency Access"),
        account(DORMANT, "robin.altmann@example.com", "Robin Altmann"),
    ]
}

/// Whether somebody administers the company's accounts.
pub fn is_admin(person: &Person) -> bool {
    person.index % 20 == 5 && person.life != Life::Never
}

impl Company {
    /// A person or an account, by the number.
    pub(super) fn find(&self, index: u32) -> Option<&Person> {
        let account = || self.accounts.iter().find(|account| account.index == index);
        self.people.get(index as usize).or_else(account)
    }
}
