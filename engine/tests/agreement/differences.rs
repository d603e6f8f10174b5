//! Where our detectors and the public rules differ, and why: written by hand, checked both ways.

/// What a test of a rule is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The rule tells, and so must we.
    True,
    /// The rule does not, and neither must we.
    False,
    /// One event fewer than the rule's threshold: nobody tells.
    Fewer,
}

/// A difference and its reason.
#[derive(Debug)]
pub struct Difference {
    rule: &'static str,
    /// What the names of the tests begin with.
    test: &'static str,
    check: Check,
    /// Events from which on ours tells, where the thresholds are all that differs.
    pub ours: Option<usize>,
    reason: &'static str,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Difference {
            rule, test, reason, ..
        } = self;
        let test = if test.is_empty() { "all tests" } else { test };
        let check = match self.check {
            Check::True => "true",
            Check::False => "false",
            Check::Fewer => "one fewer",
        };
        let ours = self.ours.map(|ours| format!(" (ours: {ours})"));
        write!(
            out,
            "{rule}, {test}, {check}: {reason}{}",
            ours.unwrap_or_default()
        )
    }
}

impl Difference {
    /// Whether it is about this test.
    pub fn is_about(&self, rule: &str, test: &str, check: Check) -> bool {
        self.rule == rule && self.check == check && test.starts_with(self.test)
    }
}

/// Logs of which no format is shipped.
pub const NOT_READ: &[&str] = &[
    "Asana.Audit",
    "Azure.MonitorActivity",
    "GCP.AuditLog",
    "OnePassword.SignInAttempt",
];

const fn differs(
    rule: &'static str,
    test: &'static str,
    check: Check,
    reason: &'static str,
) -> Difference {
    Difference {
        rule,
        test,
        check,
        ours: None,
        reason,
    }
}

/// The same behaviour from another number of events on.
const fn limit(rule: &'static str, check: Check, ours: usize, reason: &'static str) -> Difference {
    Difference {
        rule,
        test: "",
        check,
        ours: Some(ours),
        reason,
    }
}

const SPRAY: &str = "an address that fails for many is told from 5 users and 15 failures in an hour on, wherever it fails";
const BRUTE: &str = "10 failures of one user in 10 minutes are told, wherever they come from";
const EVIDENCE: &str = "a new telephone or the help desk: kept as evidence, told from a strange network or beside a strange login; \
                        the rule itself calls it low";
const NO_SCOPES: &str = "the record tells no scopes: kept as evidence";
const NO_ROLE: &str = "the record does not say which role, and it is not guessed";
const FILES: &str = "20 different objects, if that is improbable for the user, are told";
const REFUSED: &str = "every call was refused: nothing was taken";
const NO_PLACE: &str = "the record names no place; with a geo database there would be one";
const OWN_KEY: &str = "a key of one's own is daily work, and its scopes are in no column";
const NOT_A_LOG: &str = "it protects data, but neither logs nor tells anything";
const NOT_OFF: &str = "something was made or changed, nothing switched off";

pub const DIFFERENCES: &[Difference] = &[
    limit("Standard.BruteForceByIP", Check::Fewer, 15, SPRAY),
    limit("Standard.BruteForceByUser", Check::Fewer, 10, BRUTE),
    limit("Snowflake.Stream.BruteForceByIp", Check::True, 15, SPRAY),
    limit(
        "Snowflake.Stream.BruteForceByUsername",
        Check::True,
        10,
        BRUTE,
    ),
    limit(
        "Azure.Audit.ExcessiveAccountLockouts",
        Check::Fewer,
        10,
        BRUTE,
    ),
    differs(
        "Azure.Audit.ExcessiveAccountLockouts",
        "Different Error Code",
        Check::False,
        "20 wrong passwords are guessed, whether the account is locked for it or not",
    ),
    differs(
        "Azure.Audit.ExcessiveAccountLockouts",
        "Microsoft Corporate ASN Excluded",
        Check::False,
        "nobody's network is exempt: guesses come from cloud providers too",
    ),
    limit("Snowflake.Stream.PasswordSpray", Check::True, 15, SPRAY),
    limit("AWS.CloudTrail.PasswordSpraying", Check::True, 15, SPRAY),
    differs("Okta.User.MFA.Reset.Single", "", Check::True, EVIDENCE),
    differs("Okta.User.MFA.Reset.All", "", Check::True, EVIDENCE),
    differs("Microsoft365.MFA.Disabled", "", Check::True, EVIDENCE),
    differs("Duo.Admin.Bypass.Code.Created", "", Check::True, EVIDENCE),
    differs(
        "DUO.User.Denied.AnomalousPush",
        "",
        Check::True,
        "Duo itself refused the prompt before anybody saw it: nobody was worn down",
    ),
    differs(
        "AWS.Unsuccessful.MFA.attempt",
        "",
        Check::True,
        "two wrong codes are mistyped, not refused prompts",
    ),
    differs(
        "Azure.Audit.RoleChangedPIM",
        "Add member to role (Non PIM)",
        Check::False,
        "a permanent assignment past PIM is no less a grant",
    ),
    differs(
        "AWS.RDS.IAMRoleAdded",
        "",
        Check::True,
        "a role of the company's own: its tier is the company's to say",
    ),
    differs(
        "Zoom.User.Promoted.to.Privileged.Role",
        "Member to Billing Admin",
        Check::True,
        "bills are neither rights nor data",
    ),
    differs(
        "Zoom.User.Promoted.to.Privileged.Role",
        "Admin to Admin",
        Check::False,
        "the record is a grant of Co-Owner; which role the user had before is in no column",
    ),
    differs(
        "Zoom.User.Promoted.to.Privileged.Role",
        "CoOwner to Admin",
        Check::False,
        "which role the user had before is in no column",
    ),
    differs(
        "Slack.AuditLogs.UserPrivilegeEscalation",
        "Permissions Assigned",
        Check::True,
        NO_ROLE,
    ),
    differs(
        "Snowflake.Stream.AccountAdminGranted",
        "",
        Check::True,
        "a role inside one application of the vendor, given by the vendor; the rule looks for ADMIN in any name",
    ),
    differs("GitHub.User.RoleUpdated", "", Check::True, NO_ROLE),
    differs(
        "GitHub.Org.Moderators.Add",
        "",
        Check::True,
        "a moderator hides comments and blocks users, and reads nothing",
    ),
    differs(
        "Auth0.Custom.Role.Created",
        "",
        Check::True,
        "a role that is made is nobody's yet",
    ),
    differs(
        "Salesforce.Admin.Login.As.User",
        "",
        Check::True,
        "an administrator at work as somebody else was given no role; the rule itself calls it info",
    ),
    differs(
        "Slack.AuditLogs.AppAccessExpanded",
        "App Resources",
        Check::True,
        NO_SCOPES,
    ),
    differs(
        "Slack.AuditLogs.AppAccessExpanded",
        "Bot Token Upgraded",
        Check::True,
        NO_SCOPES,
    ),
    differs(
        "Github.Organization.App.Integration.Installed",
        "",
        Check::True,
        NO_SCOPES,
    ),
    differs(
        "Anthropic.Activity.MCP.Server.Created",
        "",
        Check::True,
        NO_SCOPES,
    ),
    differs(
        "OpenAI.API.Key.Anomalous.Activity",
        "",
        Check::True,
        OWN_KEY,
    ),
    differs(
        "Notion.Audit.Log.Exported",
        "Other Event",
        Check::False,
        "it is the export of a whole workspace",
    ),
    differs(
        "Salesforce.BulkAPI.DataExfiltration",
        "Bulk Delete Operation",
        Check::True,
        "what is deleted is not taken",
    ),
    differs(
        "Salesforce.BulkAPI.DataExfiltration",
        "Normal Insert Operation",
        Check::True,
        "what is put in is not taken; the rule itself calls it low",
    ),
    differs(
        "Snowflake.Stream.TableCopiedIntoStage",
        "",
        Check::True,
        "one table at a time is judged by its volume (mass_download)",
    ),
    differs(
        "AWS.CloudTrail.ShortLifecycle",
        "",
        Check::True,
        "a bucket's retention: which bucket holds the logs is not known",
    ),
    Difference {
        rule: "AWS.S3.SecurityControlDisabling",
        test: "Match - Bucket Logging Disabled",
        check: Check::Fewer,
        ours: Some(1),
        reason: "logs that are switched off once are off",
    },
    differs(
        "AWS.S3.SecurityControlDisabling",
        "Match - Versioning",
        Check::True,
        NOT_A_LOG,
    ),
    differs(
        "AWS.S3.SecurityControlDisabling",
        "Match - MFA Delete",
        Check::True,
        NOT_A_LOG,
    ),
    differs(
        "AWS.Macie.Evasion",
        "UpdateSession",
        Check::True,
        "findings are published at another pace; a pause would be told",
    ),
    differs(
        "AWS.Bedrock.GuardrailUpdateDelete",
        "Guardrail Updated",
        Check::True,
        NOT_OFF,
    ),
    differs(
        "GitHub.Repo.RulesetModified",
        "GitHub - Ruleset Created",
        Check::True,
        NOT_OFF,
    ),
    differs(
        "GitHub.Repo.RulesetModified",
        "Github - Ruleset Modified",
        Check::True,
        NOT_OFF,
    ),
    differs(
        "Slack.AuditLogs.DLPModified",
        "Native DLP Violation Deleted",
        Check::True,
        "one finding is deleted, the rule that made it goes on",
    ),
    differs(
        "Slack.AuditLogs.LegalHoldPolicyModified",
        "Legal Hold - Entities Deleted",
        Check::True,
        NOT_OFF,
    ),
    differs(
        "Slack.AuditLogs.LegalHoldPolicyModified",
        "Legal Hold - Exclusions Added",
        Check::True,
        NOT_OFF,
    ),
    differs(
        "Slack.AuditLogs.LegalHoldPolicyModified",
        "Legal Hold - Policy Updated",
        Check::True,
        NOT_OFF,
    ),
    differs(
        "Azure.Audit.ROPCLoginNoMFA",
        "",
        Check::True,
        "an ordinary user and an ordinary application: posture tells it once a month; with `require_mfa` it is an alert",
    ),
    differs(
        "Standard.ImpossibleTravel.Login",
        "CloudTrail ConsoleLogin with history",
        Check::True,
        NO_PLACE,
    ),
    differs(
        "Standard.ImpossibleTravel.Login",
        "Notion Impossible Travel",
        Check::True,
        NO_PLACE,
    ),
    differs(
        "Standard.ImpossibleTravel.Login",
        "Short Distances",
        Check::True,
        "39 km are the error of any geo database, not a journey",
    ),
    limit("Notion.Many.Pages.Exported", Check::True, 20, FILES),
    limit("AWS.SSM.DecryptSSMParams", Check::Fewer, 20, FILES),
    differs(
        "AWS.EC2.ManyPasswordReadAttempts",
        "Unsuccessful",
        Check::True,
        REFUSED,
    ),
    Difference {
        rule: "AWS.EC2.ManyPasswordReadAttempts",
        test: "Successful",
        check: Check::Fewer,
        ours: Some(20),
        reason: FILES,
    },
    differs(
        "AWS.EC2.DownloadInstanceUserData",
        "Unsuccessful",
        Check::True,
        REFUSED,
    ),
    Difference {
        rule: "AWS.EC2.DownloadInstanceUserData",
        test: "Successful",
        check: Check::True,
        ours: Some(20),
        reason: FILES,
    },
    differs(
        "AWS.SecretsManager.RetrieveSecrets",
        "",
        Check::True,
        REFUSED,
    ),
    differs(
        "Azure.Audit.DeviceCodeBrokerClient",
        "Device Code Without Broker Client",
        Check::False,
        "the first device code of a person is told whatever program asked for it",
    ),
    differs(
        "GSuite.Workspace.GmailDefaultRoutingRuleModified",
        "",
        Check::True,
        "the record does not say whether the rule sends mail on or hides it, and it is not guessed",
    ),
];
