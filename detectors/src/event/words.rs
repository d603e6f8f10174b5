//! The words of the canonical event: what each word column may hold.
//!
//! Invariant: a word's place in its list is its byte in a row and in the dedup key, so new words go to the end.

/// A word list that is a dictionary column on the outside and a byte on the inside.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }
        impl $name {
            /// Every value, in the order of the dictionary.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            /// The word as it stands in the column and in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
            /// The value of a word, or `None` for any other word.
            pub fn parse(word: &str) -> Option<$name> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// What was done.
    Activity {
        /// A sign-in, interactive or not.
        Login = "login",
        /// A second factor was asked for.
        MfaChallenge = "mfa_challenge",
        /// Content left the service: downloads, copies, prints, sync.
        Download = "download",
        /// Content was put into a service.
        Upload = "upload",
        /// Access to content was given to others.
        Share = "share",
        /// An AI tool was used.
        AiUse = "ai_use",
        /// A role or privilege was granted.
        RoleGrant = "role_grant",
        /// An application was given consent.
        AppConsent = "app_consent",
        /// A device was registered.
        DeviceRegister = "device_register",
        /// A factor was added, removed or reset.
        MfaChange = "mfa_change",
        /// A mailbox rule was made or changed.
        MailboxRule = "mailbox_rule",
        /// An account was made, changed, locked or removed.
        AccountChange = "account_change",
        /// Audit logging was changed.
        AuditChange = "audit_change",
        /// Anything else that a format names.
        Other = "other",
    }
}

words! {
    /// How it ended.
    Outcome {
        /// It was done.
        Success = "success",
        /// It was refused or failed.
        Failure = "failure",
        /// The vendor does not say.
        Unknown = "unknown",
    }
}

words! {
    /// What the principal is.
    Kind {
        /// A human being.
        Person = "person",
        /// A service account, service principal or API key.
        Service = "service",
        /// An AI agent that acts by itself.
        Agent = "agent",
        /// An account used by several people.
        Shared = "shared",
        /// An emergency account: every use is worth a look.
        BreakGlass = "break_glass",
        /// Not said by directory or vendor.
        Unknown = "unknown",
    }
}

words! {
    /// The class of the network an address belongs to.
    Network {
        /// The company's own, as configured.
        Corporate = "corporate",
        /// A home connection.
        Residential = "residential",
        /// A mobile carrier.
        Mobile = "mobile",
        /// A hosting or cloud provider.
        Hosting = "hosting",
        /// A VPN or proxy shared by strangers.
        Vpn = "vpn",
        /// Not known.
        Unknown = "unknown",
        // In this order for good: rows' keys count by place.
        /// A relay that hides the address and keeps the region, such as iCloud Private Relay.
        Relay = "relay",
        /// An exit of the Tor network.
        Tor = "tor",
        /// A company's traffic through its security provider's egress.
        Sase = "sase",
        /// A satellite link, whose address is where it comes down.
        Satellite = "satellite",
    }
}

impl Network {
    /// Whether an address of this class says little about where its user is, so that a strange place is no strong sign.
    /// Tor does too, but nobody is behind it by accident.
    pub const fn blurs_place(self) -> bool {
        matches!(
            self,
            Network::Vpn
                | Network::Hosting
                | Network::Mobile
                | Network::Relay
                | Network::Sase
                | Network::Satellite
        )
    }
}

words! {
    /// In what way it was done.
    Method {
        /// Login with a code that was typed on another device.
        DeviceCode = "device_code",
        /// Login in a way that knows no second factor: basic, ROPC, IMAP, SMTP.
        Legacy = "legacy",
        /// Login by an external identity provider.
        Federated = "federated",
        /// Login with a token that was given before.
        Token = "token",
        /// A factor was added.
        Added = "added",
        /// A factor, role or member was taken away.
        Removed = "removed",
        /// All factors were reset.
        Reset = "reset",
        /// An account, factor or log was switched on.
        Enabled = "enabled",
        /// An account, factor or log was switched off.
        Disabled = "disabled",
        /// Mail goes to another address.
        Forward = "forward",
        /// Mail is deleted, moved away or marked as read.
        Hide = "hide",
        /// A role was given for good.
        Assigned = "assigned",
        /// A role may be activated when it is needed.
        Eligible = "eligible",
        /// A role that was eligible is now held, for a time.
        Activated = "activated",
        /// Consent for the whole company.
        Admin = "admin",
        /// Consent for oneself.
        User = "user",
        /// A secret, key or certificate was made.
        Credential = "credential",
        /// An account was made.
        Created = "created",
        /// An account was removed.
        Deleted = "deleted",
        /// A password was changed or reset.
        Password = "password",
        /// Shared with everybody who has the link.
        Public = "public",
        /// Shared with somebody outside the company.
        External = "external",
        /// One event that takes everything: an archive, a mailbox, a search result.
        Export = "export",
        /// A person asked an AI tool.
        Prompt = "prompt",
        /// A program asked an AI model.
        Request = "request",
        /// An AI tool used one of its own tools.
        Tool = "tool",
        /// An MCP server was connected or used.
        Mcp = "mcp",
        /// An AI tool works without asking for permission.
        Bypass = "bypass",
    }
}

words! {
    /// Why it was refused, or what else the vendor says about the outcome.
    Reason {
        /// The password was wrong.
        BadPassword = "bad_password",
        /// There is no such account.
        UnknownUser = "unknown_user",
        /// The account is locked, mostly after wrong passwords.
        Locked = "locked",
        /// The password was right but must be changed.
        ExpiredPassword = "expired_password",
        /// The password was right, a second factor is needed.
        MfaRequired = "mfa_required",
        /// The user refused the second factor.
        MfaDenied = "mfa_denied",
        /// The user did not answer the prompt.
        MfaTimeout = "mfa_timeout",
        /// The second factor was wrong.
        MfaFailed = "mfa_failed",
        /// The password was right, another control held: policy, conditional access.
        Blocked = "blocked",
        /// The user reported the prompt as fraud.
        Fraud = "fraud",
        /// The vendor knows the password to be leaked.
        Leaked = "leaked",
        /// The account is switched off.
        DisabledAccount = "disabled_account",
        /// Another reason.
        Other = "other",
    }
}
