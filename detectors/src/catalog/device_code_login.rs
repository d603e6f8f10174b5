//! Flags: somebody's first login with a device code. Why: the code may have been asked for by a thief.
//! Method: first of the person, on a managed device or not. Blind to: people who use device codes anyway.

use std::sync::Arc;

use super::rule::{Case, Rule, Ruled, Sign};
use super::{Entry, Page, Step};
use crate::alert::Severity;
use crate::detector::{Detector, Event, Runner};
use crate::event::{Activity, Method, Network, Outcome, Row};
use crate::verdict::{Stream, Verdict};

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "device_code_login",
    activities: &[Activity::Login],
    attack: &["T1528", "T1566.002"],
    family: "access",
    needs: &[&["user"], &["method"]],
    params: &[],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "the first successful login of a person with a device code in 120 days; the first on an unmanaged device is told apart",
        why: "with a device code somebody logs in on one device and another one gets the tokens: a thief sends the code by mail, the victim types it, second factor and all",
        method: "policy: successful logins whose method is device_code, by people; known are those of earlier closed days, 120 of them. Medium; high on an unmanaged device when the person is an administrator or the network is a hosting provider or VPN. More than five people, and a tenth of the active, on one day with one application are one alert about the company: a rollout of a tool or a campaign. Eager",
        blind_to: "people who use device codes every day; formats that do not say how somebody logged in",
        fields: "time, user, outcome, method, app, device_managed, is_admin, network, ip, country",
        example: "ana@example.com logged in with a device code for the first time in 120 days, to Azure CLI, on an unmanaged device (1 event, from 203.0.113.7 (BR))",
    },
    make: |_, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(Arc::new(Ruled(DeviceCodeLogin)), lag))
    },
};

/// The rule; it has no parameters.
pub struct DeviceCodeLogin;

/// Marks: by an administrator, or from a network that strangers share.
const GRAVE: u16 = 1;
const UNMANAGED: &str = "unmanaged";

impl Rule for DeviceCodeLogin {
    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        stream == Stream::Person
            && row.method() == Some(Method::DeviceCode)
            && row.outcome() == Outcome::Success
    }

    fn sign<'a>(&self, event: &Event<'a>) -> Option<Sign<'a>> {
        let row = event.row;
        let is_unmanaged = row.device_managed() == Some(false);
        let is_shared = matches!(row.network(), Some(Network::Hosting | Network::Vpn));
        let is_admin = super::is_admin(event);
        Some(Sign {
            value: if is_unmanaged { UNMANAGED } else { "" }.into(),
            marks: if is_admin || is_shared { GRAVE } else { 0 },
        })
    }

    fn judge(&self, case: &Case<'_>) -> Option<Verdict> {
        if case.is_known_value() {
            return None;
        }
        let (name, finding) = (&case.on.who.name, case.finding);
        let is_unmanaged = case.value == UNMANAGED;
        let severity = if is_unmanaged && finding.has(GRAVE) {
            Severity::High
        } else {
            Severity::Medium
        };
        let app = finding.apps.text("an application that is not named");
        let device = if is_unmanaged {
            ", on an unmanaged device"
        } else {
            ""
        };
        Some(Verdict {
            causes: vec![format!("logins to {app} with a device code")],
            summary: format!(
                "{name} logged in with a device code for the first time in 120 days, to {app}{device} ({})",
                case.how(),
            ),
            also: case.also(),
            next_steps: vec![
                format!(
                    "ask {name} whether they typed the code for a device of their own, or were asked to"
                )
                .into(),
                Step::Revoke(name.to_string()),
                Step::NoDeviceCodes,
            ],
            quiet: format!(
                "a login without a device code, or one with it{} in the 120 days before",
                device.trim_start_matches(',')
            ),
            ..case.verdict(severity)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::{at, login, said, settings, strange};
    use super::*;
    use crate::event::{Draft, Kind};

    fn code(login: Draft<'_>) -> Draft<'_> {
        Draft {
            method: Some(Method::DeviceCode),
            app: Some("cli"),
            ..login
        }
    }

    #[test]
    fn the_first_one_is_told_and_the_first_on_an_unmanaged_device() {
        let unmanaged = |time| Draft {
            device_managed: Some(false),
            network: Some(Network::Hosting),
            ..code(strange("ana", time))
        };
        let rows = [
            login("ana", at(0, 500)),
            code(login("ana", at(0, 600))),
            code(login("ana", at(30, 600))),
            unmanaged(at(31, 600)),
        ];
        let want = [(Severity::Medium, None), (Severity::High, None)];
        assert_eq!(said(settings(ENTRY.name), &rows), want);
    }

    /// Failures, robots, and rows that do not say how.
    #[test]
    fn what_is_no_login_of_a_person_is_left_alone() {
        let rows = [
            login("ana", at(0, 500)),
            Draft {
                outcome: Some(Outcome::Failure),
                ..code(login("bo", at(0, 500)))
            },
            Draft {
                kind: Some(Kind::Service),
                ..code(login("robot", at(0, 500)))
            },
        ];
        assert_eq!(said(settings(ENTRY.name), &rows), []);
    }

    #[test]
    fn a_tool_for_everybody_is_one_alert() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let rows: Vec<_> = names.iter().map(|n| code(login(n, at(0, 500)))).collect();
        let unmuted = said(settings(ENTRY.name), &rows).into_iter();
        assert_eq!(unmuted.filter(|(_, reason)| reason.is_none()).count(), 1);
    }
}
