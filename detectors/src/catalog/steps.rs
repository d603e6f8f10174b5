//! What to do next, in the words of the product that the evidence is from.
//!
//! Invariant: a function of the step and of the formats of the alert's evidence. Formats of one maker that may
//! tell the same event are one maker here, so that it does not matter which of two equal rows came first.

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A sentence, the same wherever it is done.
    Say(String),
    /// End what somebody is logged in to, and make the password useless.
    LockOut(String),
    /// End what somebody is logged in to.
    Revoke(String),
    /// Close an account.
    Disable(String),
    /// Look through somebody's second factors.
    Factors(String),
    /// Find and remove rules and forwarding of a mailbox.
    MailRules(String),
    /// Take an application's access away.
    RemoveApp(String),
    /// Take a role away.
    TakeRole(String),
    /// Keep an address out.
    Block(String),
    /// Switch auditing on again.
    Audit,
    /// Ask for a second factor.
    RequireMfa(String),
    /// Forbid logins with a device code.
    NoDeviceCodes,
    /// Take a key of an AI service away.
    RevokeKey,
}

impl From<String> for Step {
    fn from(text: String) -> Self {
        Step::Say(text)
    }
}

impl From<&str> for Step {
    fn from(text: &str) -> Self {
        Step::Say(text.to_owned())
    }
}

/// Who makes the product that an event was told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Maker {
    /// Okta.
    Okta,
    /// Entra, Microsoft 365 and their tables in Sentinel.
    Microsoft,
    /// Google Workspace.
    Google,
    /// Amazon Web Services.
    Aws,
    /// GitHub.
    GitHub,
    /// Salesforce.
    Salesforce,
    /// Snowflake.
    Snowflake,
    /// Anthropic.
    Anthropic,
    /// OpenAI.
    OpenAi,
    /// LiteLLM.
    LiteLlm,
}

impl Maker {
    /// The maker of a format; `None` where a format is of no one product.
    pub fn of_format(format: &str) -> Option<Maker> {
        Some(match format {
            "okta" => Maker::Okta,
            "entra_signin" | "entra_audit" | "m365_audit" | "sentinel_table" => Maker::Microsoft,
            "google_workspace" => Maker::Google,
            "aws_cloudtrail" | "aws_bedrock" => Maker::Aws,
            "github_audit" => Maker::GitHub,
            "salesforce" => Maker::Salesforce,
            "snowflake" => Maker::Snowflake,
            "anthropic_activity" | "anthropic_usage" | "claude_code_usage" => Maker::Anthropic,
            "openai_audit" | "openai_usage" => Maker::OpenAi,
            "litellm" => Maker::LiteLlm,
            _ => return None,
        })
    }
}

/// Products that one step names.
const WAYS_MAX: usize = 2;

impl Step {
    /// The step as a sentence, with the way in each product that the evidence is from, in the order of the
    /// evidence.
    pub fn text(&self, makers: &[Maker]) -> String {
        let ways = makers.iter().filter_map(|maker| self.way(*maker));
        let ways: Vec<String> = ways.take(WAYS_MAX).collect();
        let what = self.what();
        if ways.is_empty() {
            return what;
        }
        format!("{what}: {}", ways.join("; "))
    }

    fn what(&self) -> String {
        match self {
            Step::Say(text) => text.clone(),
            Step::LockOut(user) => {
                format!("if not, revoke the sessions of {user} and reset the password")
            }
            Step::Revoke(user) => format!("revoke the sessions and refresh tokens of {user}"),
            Step::Disable(user) => {
                format!("disable {user} and revoke its sessions, tokens and keys")
            }
            Step::Factors(user) => format!("remove factors of {user} that nobody knows"),
            Step::MailRules(user) => {
                format!(
                    "look through the rules and the forwarding of {user}, and remove what is not theirs"
                )
            }
            Step::RemoveApp(app) => format!("remove {app} if nobody needs it"),
            Step::TakeRole(who) => format!("take the role away from {who} until it is clear"),
            Step::Block(address) => format!("block {address} at the identity provider"),
            Step::Audit => "switch it on again, and keep what was logged until then".to_owned(),
            Step::RequireMfa(app) => format!("require a second factor for {app}"),
            Step::NoDeviceCodes => "forbid device codes where nobody needs them".to_owned(),
            Step::RevokeKey => {
                "if it was not meant, revoke the key or the session at the tool".to_owned()
            }
        }
    }

    /// Where to click or what to type. Menus move: paths are short, and what is not certain is left out.
    fn way(&self, maker: Maker) -> Option<String> {
        match maker {
            Maker::Okta => self.in_okta(),
            Maker::Microsoft => self.in_microsoft(),
            Maker::Google => self.in_google(),
            Maker::Aws => self.in_aws(),
            Maker::GitHub => self.in_github(),
            Maker::Salesforce => self.in_salesforce(),
            Maker::Snowflake => self.in_snowflake(),
            Maker::Anthropic | Maker::OpenAi | Maker::LiteLlm => self.at_tool(maker),
        }
    }

    fn in_okta(&self) -> Option<String> {
        let more = |user: &str, action: &str| {
            format!("in Okta, Directory > People > {user} > More Actions > {action}")
        };
        Some(match self {
            Step::LockOut(user) => more(user, "Clear User Sessions, then Reset Password"),
            Step::Revoke(user) => more(user, "Clear User Sessions"),
            Step::Disable(user) => more(user, "Suspend or Deactivate"),
            Step::Factors(user) => more(user, "Reset Authenticators"),
            Step::TakeRole(_) => "in Okta, Security > Administrators".to_owned(),
            Step::Block(_) => "in Okta, Security > Networks, a blocked IP zone".to_owned(),
            Step::RemoveApp(app) => format!("in Okta, Applications > {app} > Deactivate"),
            Step::RequireMfa(_) => "in Okta, the application's authentication policy".to_owned(),
            _ => return None,
        })
    }

    fn in_microsoft(&self) -> Option<String> {
        let entra = |user: &str, action: &str| format!("in Entra, Users > {user} > {action}");
        Some(match self {
            Step::LockOut(user) => entra(user, "Revoke sessions, then Reset password"),
            Step::Revoke(user) => entra(user, "Revoke sessions"),
            Step::Disable(user) => entra(user, "Account enabled: off, then Revoke sessions"),
            Step::Factors(user) => entra(user, "Authentication methods"),
            Step::MailRules(user) => format!(
                "in Exchange Online PowerShell, Get-InboxRule -Mailbox {user}, and Get-Mailbox {user} for ForwardingSmtpAddress"
            ),
            Step::RemoveApp(app) => format!(
                "in Entra, Enterprise applications > {app} > Properties, enabled for users to sign in: No"
            ),
            Step::TakeRole(who) => entra(who, "Assigned roles"),
            Step::Block(_) => {
                "in Entra, Conditional Access > Named locations, and a policy that blocks it"
                    .to_owned()
            }
            Step::Audit => {
                "in Exchange Online PowerShell, Set-AdminAuditLogConfig -UnifiedAuditLogIngestionEnabled $true"
                    .to_owned()
            }
            Step::RequireMfa(_) => "in Entra, a Conditional Access policy".to_owned(),
            Step::NoDeviceCodes => {
                "in Entra, a Conditional Access policy with the condition Authentication flows"
                    .to_owned()
            }
            _ => return None,
        })
    }

    fn in_google(&self) -> Option<String> {
        let user_page = |user: &str, action: &str| {
            format!("in the Google Admin console, Directory > Users > {user} > {action}")
        };
        Some(match self {
            Step::LockOut(user) => user_page(user, "Security, reset sign-in cookies; then Reset password"),
            Step::Revoke(user) => user_page(user, "Security, reset sign-in cookies and remove connected applications"),
            Step::Disable(user) => user_page(user, "Suspend user"),
            Step::Factors(user) => user_page(user, "Security"),
            Step::TakeRole(who) => user_page(who, "Admin roles and privileges"),
            Step::RemoveApp(app) => format!(
                "in the Google Admin console, Security > API controls, block {app}"
            ),
            Step::MailRules(_) => {
                "in the owner's Gmail, Settings > Filters and Blocked Addresses, and Forwarding and POP/IMAP"
                    .to_owned()
            }
            Step::RequireMfa(_) => {
                "in the Google Admin console, Security > 2-Step Verification".to_owned()
            }
            _ => return None,
        })
    }

    fn in_aws(&self) -> Option<String> {
        Some(match self {
            Step::LockOut(user) | Step::Revoke(user) | Step::Disable(user) => format!(
                "in AWS, IAM > Users > {user} > Security credentials, deactivate access keys and console access; of a role, Revoke sessions"
            ),
            Step::Factors(user) => {
                format!("in AWS, IAM > Users > {user} > Security credentials")
            }
            Step::TakeRole(who) => {
                format!("in AWS, IAM, the permissions of {who}")
            }
            Step::Audit => "in AWS, CloudTrail > Trails > Start logging".to_owned(),
            Step::RequireMfa(_) => {
                "in AWS, a policy with the condition aws:MultiFactorAuthPresent".to_owned()
            }
            Step::RevokeKey => "in AWS, IAM, deactivate the access key".to_owned(),
            _ => return None,
        })
    }

    fn in_github(&self) -> Option<String> {
        Some(match self {
            Step::Disable(user) => {
                format!("in GitHub, the organization's People, remove {user}")
            }
            Step::TakeRole(who) => {
                format!("in GitHub, the organization's People, change the role of {who}")
            }
            Step::RemoveApp(app) => {
                format!("in GitHub, the organization's settings, Third-party Access, {app}")
            }
            Step::Audit => {
                "in GitHub, the enterprise's settings, Audit log > Log streaming".to_owned()
            }
            _ => return None,
        })
    }

    fn in_salesforce(&self) -> Option<String> {
        Some(match self {
            Step::LockOut(user) | Step::Revoke(user) => {
                format!("in Salesforce, Setup > Session Management, remove those of {user}")
            }
            Step::Disable(user) => {
                format!("in Salesforce, Setup > Users > {user} > Freeze")
            }
            Step::RemoveApp(app) => {
                format!("in Salesforce, Setup > Connected Apps OAuth Usage > {app} > Block")
            }
            _ => return None,
        })
    }

    fn in_snowflake(&self) -> Option<String> {
        Some(match self {
            Step::LockOut(user) | Step::Revoke(user) | Step::Disable(user) => {
                format!("in Snowflake, ALTER USER \"{user}\" SET DISABLED = TRUE")
            }
            _ => return None,
        })
    }

    fn at_tool(&self, maker: Maker) -> Option<String> {
        let place = match maker {
            Maker::Anthropic => "in the Claude Console, API keys",
            Maker::OpenAi => "at platform.openai.com, API keys",
            Maker::LiteLlm => "in LiteLLM, POST /key/block",
            _ => return None,
        };
        matches!(self, Step::RevokeKey).then(|| place.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_names_the_products_of_the_evidence() {
        let step = Step::Revoke("ana@example.com".into());
        assert_eq!(
            step.text(&[Maker::Okta]),
            "revoke the sessions and refresh tokens of ana@example.com: in Okta, Directory > People > ana@example.com > More Actions > Clear User Sessions"
        );
        assert_eq!(
            step.text(&[]),
            "revoke the sessions and refresh tokens of ana@example.com"
        );
        assert_eq!(step.text(&[Maker::LiteLlm]), step.text(&[]));
        let two = step.text(&[Maker::Google, Maker::LiteLlm, Maker::Microsoft, Maker::Okta]);
        assert!(
            two.contains("Google Admin console")
                && two.contains("; in Entra")
                && !two.contains("Okta"),
            "{two}"
        );
    }

    /// A sentence stays a sentence.
    #[test]
    fn what_is_said_is_the_same_everywhere() {
        let step = Step::from("ask the manager");
        assert_eq!(step.text(&[Maker::Okta, Maker::Aws]), "ask the manager");
    }
}
