//! The rules of the public set that claim what one of our detectors claims: their true tests, expanded to the
//! rule's threshold, must be told, their false tests not, and one event fewer than the threshold not either.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use serde_json::{Value, json};

use crate::differences::{Check, DIFFERENCES, Difference, NOT_READ};
use crate::vendors::vendor_of;
use crate::{Replay, data, put, replay, travel};

/// In what way the events of a rule differ from one another, beyond time and id.
#[derive(Clone, Copy, PartialEq)]
pub enum Vary {
    Nothing,
    /// One address, another user each time.
    Users,
    /// One user, another address each time.
    Addresses,
    /// Another object each time; there are three weeks of a few a day by several people before.
    Objects(&'static str),
    /// Two places.
    Places,
}
use Vary::{Addresses, Nothing, Objects, Places, Users};

/// Rules that are about the same thing.
pub struct Family {
    pub name: &'static str,
    pub detector: &'static str,
    pub rules: &'static [(&'static str, Vary)],
}

const FAMILIES: &[Family] = &[
    Family {
        name: "brute force, by address and by user",
        detector: "password_guessing",
        rules: &[
            ("Standard.BruteForceByIP", Users),
            ("Standard.BruteForceByUser", Addresses),
            ("Snowflake.Stream.BruteForceByIp", Users),
            ("Snowflake.Stream.BruteForceByUsername", Addresses),
            ("Azure.Audit.ExcessiveAccountLockouts", Nothing),
        ],
    },
    Family {
        name: "spraying",
        detector: "password_guessing",
        rules: &[
            ("Snowflake.Stream.PasswordSpray", Users),
            ("AWS.CloudTrail.PasswordSpraying", Users),
        ],
    },
    Family {
        name: "second factor disabled, reset or removed",
        detector: "mfa_method_changed",
        rules: &[
            ("Okta.Global.MFA.Disabled", Nothing),
            ("Okta.User.MFA.Factor.Suspend", Nothing),
            ("Okta.User.MFA.Reset.Single", Nothing),
            ("Okta.User.MFA.Reset.All", Nothing),
            ("Auth0.MFA.Policy.Disabled", Nothing),
            ("GSuite.TwoStepVerification", Nothing),
            ("GSuite.AdvancedProtection", Nothing),
            ("Dropbox.User.Disabled.2FA", Nothing),
            ("Microsoft365.MFA.Disabled", Nothing),
            ("Duo.Admin.Bypass.Code.Created", Nothing),
        ],
    },
    Family {
        name: "prompts denied or reported",
        detector: "mfa_fatigue",
        rules: &[
            ("DUO.Admin.Action.MarkedFraudulent", Nothing),
            ("DUO.User.Denied.AnomalousPush", Nothing),
            ("AWS.Unsuccessful.MFA.attempt", Nothing),
        ],
    },
    Family {
        name: "powerful roles and support access given",
        detector: "privilege_growth",
        rules: &[
            ("Azure.Audit.RoleChangedPIM", Nothing),
            ("Azure.Audit.ElevateUserAccessAdministrator", Nothing),
            ("AWS.IAM.AttachAdminRolePolicy", Nothing),
            ("AWS.RDS.IAMRoleAdded", Nothing),
            ("Zoom.User.Promoted.to.Privileged.Role", Nothing),
            ("Slack.AuditLogs.UserPrivilegeEscalation", Nothing),
            ("Snowflake.Stream.AccountAdminGranted", Nothing),
            ("Notion.TeamspaceOwnerAdded", Nothing),
            ("GitHub.User.RoleUpdated", Nothing),
            ("GitHub.Org.Moderators.Add", Nothing),
            ("Anthropic.Activity.Primary.Owner.Transferred", Nothing),
            ("Auth0.Custom.Role.Created", Nothing),
            ("Okta.Support.Access", Nothing),
            ("Box.Access.Granted", Nothing),
            ("Salesforce.Admin.Login.As.User", Nothing),
        ],
    },
    Family {
        name: "applications let in",
        detector: "app_consent",
        rules: &[
            ("Azure.Audit.ServicePrincipalCredentialsAdded", Nothing),
            ("Slack.AuditLogs.AppAccessExpanded", Nothing),
            ("Github.Organization.App.Integration.Installed", Nothing),
            ("Duo.Admin.New.Admin.API.App.Integration", Nothing),
            ("Anthropic.Activity.MCP.Server.Created", Nothing),
        ],
    },
    Family {
        name: "keys made",
        detector: "app_consent",
        rules: &[
            ("AWS.IAM.Backdoor.User.Keys", Nothing),
            ("Anthropic.Activity.Service.Key.Created", Nothing),
            ("Notion.Workspace.SCIM.Token.Generated", Nothing),
            ("OpenAI.API.Key.Anomalous.Activity", Nothing),
        ],
    },
    Family {
        name: "exports of everything",
        detector: "bulk_export",
        rules: &[
            ("Notion.Audit.Log.Exported", Nothing),
            ("Salesforce.BulkAPI.DataExfiltration", Nothing),
            ("Snowflake.Stream.TableCopiedIntoStage", Nothing),
        ],
    },
    Family {
        name: "logs, alerts and data protection off",
        detector: "audit_disabled",
        rules: &[
            ("AWS.CloudTrail.SecurityConfigurationChange", Nothing),
            ("AWS.CloudTrail.DNSLogsDeleted", Nothing),
            ("AWS.CloudTrail.ShortLifecycle", Nothing),
            ("AWS.RDS.ActivityStreamStopped", Nothing),
            ("AWS.S3.SecurityControlDisabling", Nothing),
            ("AWS.Macie.Evasion", Nothing),
            ("AWS.Bedrock.GuardrailUpdateDelete", Nothing),
            ("GitHub.Branch.ProtectionDisabled", Nothing),
            ("GitHub.Repo.RulesetModified", Nothing),
            ("Slack.AuditLogs.DLPModified", Nothing),
            ("Slack.AuditLogs.LegalHoldPolicyModified", Nothing),
            ("Azure.MonitorActivity.DiagnosticSettings.Deleted", Nothing),
            ("Azure.MonitorActivity.AlertRules.Deleted", Nothing),
            (
                "Azure.MonitorActivity.Security.AlertSuppressionRuleCreated",
                Nothing,
            ),
        ],
    },
    Family {
        name: "logins without a second factor",
        detector: "login_without_mfa",
        rules: &[
            ("AWS.Console.RootLogin", Nothing),
            ("Azure.Audit.ROPCLoginNoMFA", Nothing),
        ],
    },
    Family {
        name: "impossible travel",
        detector: "impossible_travel",
        rules: &[("Standard.ImpossibleTravel.Login", Places)],
    },
    Family {
        name: "much downloaded, secrets too",
        detector: "mass_download",
        rules: &[
            (
                "Google.Workspace.ManyDocsDownloaded",
                Objects("parameters.doc_id"),
            ),
            (
                "Notion.Many.Pages.Exported",
                Objects("event.details.target.page_id"),
            ),
            (
                "AWS.SSM.DecryptSSMParams",
                Objects("requestParameters.name"),
            ),
            (
                "AWS.EC2.ManyPasswordReadAttempts",
                Objects("requestParameters.instanceId"),
            ),
            (
                "AWS.EC2.DownloadInstanceUserData",
                Objects("requestParameters.instanceId"),
            ),
            (
                "AWS.SecretsManager.RetrieveSecrets",
                Objects("requestParameters.secretId"),
            ),
        ],
    },
    Family {
        name: "device codes",
        detector: "device_code_login",
        rules: &[("Azure.Audit.DeviceCodeBrokerClient", Nothing)],
    },
    Family {
        name: "mail sent on",
        detector: "mailbox_rule",
        rules: &[("GSuite.Workspace.GmailDefaultRoutingRuleModified", Nothing)],
    },
];

/// A Tuesday morning.
fn attack_start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 3, 10, 0, 0)
        .single()
        .expect("a time")
}

/// A test of a rule.
struct Test<'t> {
    rule: &'t str,
    name: &'t str,
    expected: bool,
    threshold: usize,
    log_type: &'t str,
    line: &'t Value,
}

impl<'t> Test<'t> {
    fn of(line: &'t Value) -> Self {
        let log_type = line["log"]["p_log_type"].as_str();
        let log_type = log_type.or_else(|| line["log_types"][0].as_str());
        Test {
            rule: line["rule_id"].as_str().expect("a rule"),
            name: line["test"].as_str().expect("a test"),
            expected: line["expected"] == true,
            threshold: line["threshold"].as_u64().unwrap_or(1).max(1) as usize,
            log_type: log_type.expect("a log type"),
            line,
        }
    }

    /// So many of its events, with what goes before.
    fn events(&self, vary: Vary, count: usize) -> Vec<Value> {
        if vary == Places {
            return travel::logins(self.line);
        }
        let mut events = Vec::new();
        if let Objects(place) = vary {
            events = self.past(place);
        }
        for number in 0..count {
            let time = attack_start() + TimeDelta::seconds(20 * number as i64);
            let mut event = self.event(time, &format!("event-{number}"));
            let vendor = vendor_of(self.log_type);
            match (vary, vendor) {
                (Users, Some(vendor)) => {
                    vendor.act_as(&mut event, number as u32);
                    vendor.come_from(&mut event, 7);
                }
                (Addresses, Some(vendor)) => vendor.come_from(&mut event, number as u32),
                (Objects(place), _) => put(&mut event, place, json!(format!("secret-{number}"))),
                _ => {}
            }
            events.push(event);
        }
        events
    }

    fn event(&self, time: DateTime<Utc>, id: &str) -> Value {
        let mut event = self.line["log"].clone();
        if let Some(vendor) = vendor_of(self.log_type) {
            vendor.stamp(&mut event, time, id);
        }
        event
    }

    /// Three weeks of a few such events a day, by the same and by seven others.
    fn past(&self, place: &'static str) -> Vec<Value> {
        let mut events = Vec::new();
        for day in 1..=21 {
            for person in 0..8 {
                for number in 0..2 + (day * 7 + person * 5) % 4 {
                    let ago = TimeDelta::days(day) - TimeDelta::minutes(13 * number + person);
                    let name = format!("past-{day}-{person}-{number}");
                    let mut event = self.event(attack_start() - ago, &name);
                    put(&mut event, place, json!(format!("{person}-{}", number % 3)));
                    if let (1.., Some(vendor)) = (person, vendor_of(self.log_type)) {
                        vendor.act_as(&mut event, person as u32);
                    }
                    events.push(event);
                }
            }
        }
        events
    }
}

/// Agreements of a family.
#[derive(Default)]
struct Score {
    /// Agreed and judged, by check.
    checks: BTreeMap<Check, (u32, u32)>,
    not_read: u32,
}

/// What a difference is known by.
type Key<'t> = (&'t str, &'t str, Check);

struct Comparison<'t> {
    score: Score,
    differs: BTreeSet<Key<'t>>,
    not_read: BTreeSet<&'t str>,
    wrong: Vec<String>,
}

impl<'t> Comparison<'t> {
    fn judge(&mut self, detector: &str, vary: Vary, test: &Test<'t>) {
        let tells = |replay: &Replay| {
            let from = if vary == Places { "" } else { "2026-03-03" };
            replay.tells(detector, from)
        };
        let all = replay(&test.events(vary, test.threshold));
        if all.rows == 0 && vendor_of(test.log_type).is_none() {
            self.not_read.insert(test.log_type);
            self.score.not_read += 1;
            return;
        }
        let check = if test.expected {
            Check::True
        } else {
            Check::False
        };
        self.enter(test, check, tells(&all) == test.expected);
        let fewer = match vary {
            Places => test.events(vary, 2).pop().map(|last| vec![last]),
            _ if 1 < test.threshold => Some(test.events(vary, test.threshold - 1)),
            _ => None,
        };
        if let (Some(fewer), true) = (fewer, test.expected) {
            self.enter(test, Check::Fewer, !tells(&replay(&fewer)));
        }
        // A difference of thresholds is one only if ours is what it is said to be.
        let known = DIFFERENCES.iter().find(|known| {
            known.is_about(test.rule, test.name, Check::True)
                || known.is_about(test.rule, test.name, Check::Fewer)
        });
        if let (Some(ours), true) = (known.and_then(|known| known.ours), test.expected) {
            let at = tells(&replay(&test.events(vary, ours)));
            let below = tells(&replay(&test.events(vary, ours - 1)));
            if !at || below {
                let say = format!(
                    "{} {:?}: {ours} events are not the limit",
                    test.rule, test.name
                );
                self.wrong.push(say);
            }
        }
    }

    fn enter(&mut self, test: &Test<'t>, check: Check, agrees: bool) {
        let counts = self.score.checks.entry(check).or_default();
        counts.0 += u32::from(agrees);
        counts.1 += 1;
        if !agrees {
            self.differs.insert((test.rule, test.name, check));
        }
    }
}

/// Both ways: no difference without a reason, and no reason without a difference.
#[test]
fn our_detectors_agree_with_public_rules_or_differ_for_a_reason() {
    let Some(folder) = data() else { return };
    let text = std::fs::read_to_string(folder.join("vendor_events/rule_tests.jsonl"))
        .expect("the vendors' events");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a test"))
        .collect();
    let mut table = format!(
        "{:<44} {:<20} {:>5} {:>9} {:>9} {:>9} {:>8}\n",
        "FAMILY", "DETECTOR", "RULES", "TRUE", "FALSE", "ONE FEWER", "NOT READ"
    );
    let (mut differs, mut not_read) = (BTreeSet::new(), BTreeSet::new());
    let mut wrong = Vec::new();
    for family in FAMILIES {
        let mut comparison = Comparison {
            score: Score::default(),
            differs: BTreeSet::new(),
            not_read: BTreeSet::new(),
            wrong: Vec::new(),
        };
        for (rule, vary) in family.rules {
            let of_rule = lines.iter().filter(|line| line["rule_id"] == *rule);
            let tests: Vec<Test<'_>> = of_rule.map(Test::of).collect();
            assert!(!tests.is_empty(), "no tests of {rule}");
            for test in &tests {
                comparison.judge(family.detector, *vary, test);
            }
        }
        line_of(&mut table, family, &comparison.score);
        differs.extend(comparison.differs);
        not_read.extend(comparison.not_read);
        wrong.extend(comparison.wrong);
    }
    println!("{table}");
    for known in DIFFERENCES {
        println!("{known}");
    }
    wrong.extend(unexplained(&differs));
    let listed: BTreeSet<&str> = NOT_READ.iter().copied().collect();
    if not_read != listed {
        wrong.push(format!(
            "logs that no format reads: {not_read:?}, not {listed:?}"
        ));
    }
    assert!(wrong.is_empty(), "{table}\n{}", wrong.join("\n"));
}

fn line_of(table: &mut String, family: &Family, score: &Score) {
    let of = |check: Check| {
        let (agreed, all) = score.checks.get(&check).copied().unwrap_or_default();
        format!("{agreed} of {all}")
    };
    let _ = writeln!(
        table,
        "{:<44} {:<20} {:>5} {:>9} {:>9} {:>9} {:>8}",
        family.name,
        family.detector,
        family.rules.len(),
        of(Check::True),
        of(Check::False),
        of(Check::Fewer),
        score.not_read
    );
}

/// Differences without a reason, and reasons without a difference.
fn unexplained(differs: &BTreeSet<Key<'_>>) -> Vec<String> {
    let has_reason = |(rule, test, check): &Key<'_>| {
        DIFFERENCES
            .iter()
            .any(|known: &Difference| known.is_about(rule, test, *check))
    };
    let found = differs.iter().filter(|key| !has_reason(key));
    let without = found.map(|key| format!("no reason is given for {key:?}"));
    let is_found = |known: &&Difference| {
        let mut keys = differs.iter();
        keys.any(|(rule, test, check)| known.is_about(rule, test, *check))
    };
    let idle = DIFFERENCES.iter().filter(|known| !is_found(known));
    let idle = idle.map(|known| format!("agrees, but a reason is given: {known:?}"));
    without.chain(idle).collect()
}
