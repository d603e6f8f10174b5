//! The kinds of planted stories: what each is called, how hard it is to find, and who should find it.
//!
//! Invariant: a harmless kind names the detectors that it may mislead, an attack those that are
//! meant for it; what else may notice it is not said.

use super::places::City;

/// What happens.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Hundreds of files from the document libraries.
    LibraryTheft,
    /// The same from the shared drive.
    DriveTheft,
    /// The same from the in-house application.
    CasebookTheft,
    /// The same from a bucket.
    BucketTheft,
    /// Ninety files in an hour.
    HourlyTheft,
    /// Five files more a day.
    SlowTheft,
    /// A login at three, and something done.
    NightLogin,
    /// A login late in the evening.
    EveningLogin,
    /// A login from where nobody ever was.
    OddPlace(&'static City),
    /// Two logins that no aeroplane can connect.
    FarTravel(&'static City),
    /// The same on one continent.
    NearTravel(&'static City),
    /// Many times the usual calls and tokens.
    GatewayFlood,
    /// Six times the usual calls.
    GatewayRise,
    /// Megabytes into a chat.
    ChatUpload,
    /// A service's key calls and calls.
    RunawayKey,
    /// Place, hour and theft together.
    StolenSession(&'static City),
    /// An address tries everybody's account, and one is right but for the second factor.
    StoppedSpray(&'static City),
    /// An address tries one account until it opens.
    BruteForce(&'static City),
    /// Many addresses, many accounts.
    Distributed,
    /// An account now and then, all day.
    SlowGuessing,
    /// Prompts until the owner gives in.
    PushFlood(&'static City),
    /// A session goes on elsewhere.
    ReplayedSession(&'static City),
    /// A code that was sent by mail is typed in.
    DeviceCode(&'static City),
    /// An administrator without a second factor.
    BareLogin,
    /// A stranger's machine in the same country.
    NewMachine,
    /// An account that nobody used for months.
    DormantUse,
    /// The account for emergencies, without one.
    EmergencyUse,
    /// Somebody who has left.
    LeaverUse,
    /// Somebody who has left, and takes much along.
    CollectingLeaver,
    /// Mail goes on to elsewhere.
    ForwardingRule,
    /// A strange login, and a rule that hides and sends on.
    StolenMailbox(&'static City),
    /// A stranger adds a second factor of his own.
    FactorAdded(&'static City),
    /// An archive of everything.
    Takeout,
    /// The audit trail is stopped.
    TrailStopped,
    /// A role over everything, to oneself.
    SelfGrant,
    /// An account with all rights, and a key for it.
    KeyFactory,
    /// Secrets by the hundred.
    SecretTheft,
    /// An application is let into the mailbox, reads it and makes a rule.
    ConsentAndRule(&'static City),
    /// A tool that nobody used is given megabytes.
    NewTool,
    /// What is labelled goes into a chat.
    LabelledUpload,
    /// An agent connects to a server that nobody knows.
    NewServer,
    /// An agent that asks no more.
    Bypass,
    /// An agent goes round in circles.
    AgentLoop,
    /// A source loses a part of its events.
    LostEvents,
    /// A source loses a field.
    LostField,
    /// Harmless: a laptop fetches everything anew.
    Resync,
    /// Harmless: somebody on call is called.
    Callout,
    /// Harmless: a journey to another office.
    Trip,
    /// Harmless: work at night, as always.
    NightShift,
    /// Harmless: the books are closed.
    MonthEnd,
    /// Harmless: the clocks change.
    ClockChange,
    /// Harmless: somebody's first days.
    Joiner,
    /// Harmless: a new password, typed wrongly.
    Typos,
    /// Harmless: the help desk resets a second factor.
    HelpDesk,
    /// Harmless: a new telephone.
    NewPhone,
    /// Harmless: an administrator activates a role for an hour.
    Activation,
}

impl Kind {
    /// Whether the hour gives it away.
    pub fn is_by_hour(self) -> bool {
        matches!(
            self,
            Kind::NightLogin | Kind::EveningLogin | Kind::StolenSession(_)
        )
    }

    /// Whether no habit and no amount gives it away, or it is a harmless one of that sort.
    pub fn is_quiet(self) -> bool {
        let is_told_so = matches!(
            self,
            Kind::Typos | Kind::HelpDesk | Kind::NewPhone | Kind::Activation
        );
        is_told_so || !self.about_quiet().1.is_empty()
    }

    /// Whether it is a story without a person at its centre.
    pub fn is_of_nobody(self) -> bool {
        matches!(
            self,
            Kind::RunawayKey
                | Kind::Distributed
                | Kind::SlowGuessing
                | Kind::LostEvents
                | Kind::LostField
        )
    }

    /// Whether it is about an account whose owner is not at work.
    pub fn is_of_absent(self) -> bool {
        matches!(
            self,
            Kind::DormantUse | Kind::EmergencyUse | Kind::LeaverUse | Kind::CollectingLeaver
        )
    }

    /// Whether it may happen on a working day, or on a day off.
    pub fn is_on(self, is_day_off: bool) -> bool {
        let needs_no_work = self.is_of_absent()
            || matches!(
                self,
                Kind::PushFlood(_)
                    | Kind::TrailStopped
                    | Kind::SelfGrant
                    | Kind::KeyFactory
                    | Kind::SecretTheft
                    | Kind::BruteForce(_)
                    | Kind::Distributed
            );
        is_day_off == needs_no_work
    }

    /// In a smaller company it could not be told from chance.
    pub fn least_people(self) -> u64 {
        match self {
            Kind::StoppedSpray(_) | Kind::Distributed | Kind::SlowGuessing => 40,
            Kind::LostEvents | Kind::LostField => 40,
            _ => 0,
        }
    }

    /// From where a thief logs in.
    pub fn city(self) -> Option<&'static City> {
        match self {
            Kind::OddPlace(city)
            | Kind::FarTravel(city)
            | Kind::NearTravel(city)
            | Kind::StolenSession(city)
            | Kind::PushFlood(city)
            | Kind::DeviceCode(city)
            | Kind::StolenMailbox(city)
            | Kind::FactorAdded(city)
            | Kind::BruteForce(city) => Some(city),
            _ => None,
        }
    }

    /// Name of the story and who should find it.
    pub fn about(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Kind::LibraryTheft => ("library_theft", &["mass_download"]),
            Kind::DriveTheft => ("drive_theft", &["mass_download"]),
            Kind::CasebookTheft => ("casebook_theft", &["mass_download"]),
            Kind::BucketTheft => ("bucket_theft", &["mass_download"]),
            Kind::HourlyTheft => ("hourly_theft", &["mass_download"]),
            Kind::SlowTheft => ("slow_theft", &["mass_download", "slow_collection"]),
            Kind::NightLogin => ("night_login", &["off_hours_login"]),
            Kind::EveningLogin => ("evening_login", &["off_hours_login"]),
            Kind::OddPlace(_) => ("odd_place", &["unusual_location"]),
            Kind::FarTravel(_) => ("far_travel", &["impossible_travel", "unusual_location"]),
            Kind::NearTravel(_) => ("near_travel", &["impossible_travel", "unusual_location"]),
            Kind::GatewayFlood => ("gateway_flood", &["ai_usage_spike"]),
            Kind::GatewayRise => ("gateway_rise", &["ai_usage_spike"]),
            Kind::ChatUpload => ("chat_upload", &["ai_usage_spike"]),
            Kind::RunawayKey => ("runaway_key", &["ai_usage_spike"]),
            Kind::StolenSession(_) => (
                "stolen_session",
                &["off_hours_login", "unusual_location", "mass_download"],
            ),
            Kind::Resync => ("laptop_resync", &["mass_download"]),
            Kind::Callout => ("on_call", &["off_hours_login"]),
            Kind::Trip => ("business_trip", &["unusual_location", "off_hours_login"]),
            Kind::NightShift => ("night_shift", &["off_hours_login"]),
            Kind::MonthEnd => ("month_end", &["mass_download"]),
            Kind::ClockChange => ("daylight_saving", &["off_hours_login"]),
            Kind::Joiner => (
                "joiner",
                &[
                    "off_hours_login",
                    "mass_download",
                    "unusual_location",
                    "ai_usage_spike",
                ],
            ),
            Kind::Typos => ("password_typos", &["password_guessing"]),
            Kind::HelpDesk => ("help_desk_reset", &["mfa_method_changed"]),
            Kind::NewPhone => ("new_phone", &["mfa_method_changed", "new_device"]),
            Kind::Activation => ("role_activation", &["privilege_growth"]),
            _ => self.about_quiet(),
        }
    }

    /// The same of those that no habit and no amount gives away.
    fn about_quiet(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Kind::StoppedSpray(_) => ("stopped_spray", &["password_guessing"]),
            Kind::BruteForce(_) => ("brute_force", &["password_guessing"]),
            Kind::Distributed => ("distributed_guessing", &["password_guessing"]),
            Kind::SlowGuessing => ("slow_guessing", &["password_guessing"]),
            Kind::PushFlood(_) => ("push_flood", &["mfa_fatigue"]),
            Kind::ReplayedSession(_) => ("replayed_session", &["session_replay"]),
            Kind::DeviceCode(_) => ("device_code_phish", &["device_code_login"]),
            Kind::BareLogin => ("admin_without_mfa", &["login_without_mfa"]),
            Kind::NewMachine => ("strange_machine", &["new_device"]),
            Kind::DormantUse => ("dormant_use", &["dormant_account"]),
            Kind::EmergencyUse => ("emergency_use", &["company_policy"]),
            Kind::LeaverUse => ("leaver_use", &["leaver_active"]),
            Kind::CollectingLeaver => (
                "collecting_leaver",
                &["leaver_active", "mass_download", "bulk_export"],
            ),
            Kind::ForwardingRule => ("forwarding_rule", &["mailbox_rule"]),
            Kind::StolenMailbox(_) => ("stolen_mailbox", &["unusual_location", "mailbox_rule"]),
            Kind::FactorAdded(_) => ("factor_added", &["mfa_method_changed"]),
            Kind::Takeout => ("takeout", &["bulk_export"]),
            Kind::TrailStopped => ("trail_stopped", &["audit_disabled"]),
            Kind::SelfGrant => ("self_grant", &["privilege_growth"]),
            Kind::KeyFactory => ("key_factory", &["privilege_growth"]),
            Kind::SecretTheft => ("secret_theft", &["mass_download"]),
            Kind::ConsentAndRule(_) => ("consent_and_rule", &["app_consent", "mailbox_rule"]),
            Kind::NewTool => ("new_tool", &["shadow_ai"]),
            Kind::LabelledUpload => ("labelled_upload", &["sensitive_to_ai"]),
            Kind::NewServer => ("new_mcp_server", &["agent_risk"]),
            Kind::Bypass => ("permission_bypass", &["agent_risk"]),
            Kind::AgentLoop => ("agent_loop", &["agent_risk"]),
            Kind::LostEvents => ("lost_events", &["volume_drop"]),
            Kind::LostField => ("lost_field", &["field_missing"]),
            _ => ("", &[]),
        }
    }

    /// How hard it is to find.
    pub fn difficulty(self) -> &'static str {
        match self {
            Kind::HourlyTheft
            | Kind::EveningLogin
            | Kind::NearTravel(_)
            | Kind::GatewayRise
            | Kind::Distributed
            | Kind::NewMachine
            | Kind::KeyFactory
            | Kind::NewTool
            | Kind::AgentLoop
            | Kind::LostEvents
            | Kind::LostField => "medium",
            Kind::SlowTheft | Kind::SlowGuessing => "hard",
            Kind::Resync
            | Kind::Callout
            | Kind::Trip
            | Kind::NightShift
            | Kind::MonthEnd
            | Kind::ClockChange
            | Kind::Joiner
            | Kind::Typos
            | Kind::HelpDesk
            | Kind::NewPhone
            | Kind::Activation => "harmless",
            _ => "easy",
        }
    }
}
