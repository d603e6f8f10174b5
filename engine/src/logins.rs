//! Whose word counts on a login: of the formats that tell of one identity provider's logins, one.
//!
//! Invariant: configuration and formats alone decide, never what came before, so that order does not matter.

use std::collections::BTreeMap;

use nightjar_detectors::event::{Activity, Draft};
use serde::Serialize;

use crate::config::{Config, Problem, nearest};
use crate::decode::ClassInfo;

/// What is written where every format counts.
const ALL: &str = "all";

/// An identity provider whose logins several formats may tell.
#[derive(Debug)]
pub struct Provider {
    /// As `[logins]` names it.
    pub name: &'static str,
    /// The classes of records that tell its logins, the best first.
    classes: &'static [&'static str],
    /// Where a source has one of these formats, it is the one that counts unless somebody says otherwise.
    preferred: &'static [&'static str],
}

/// Every provider.
pub const PROVIDERS: &[Provider] = &[
    Provider {
        name: "aws",
        classes: &["aws_cloudtrail"],
        preferred: &[],
    },
    Provider {
        name: "entra",
        classes: &[
            "entra_signin",
            "sentinel_table",
            "sentinel_table.app_logins",
            "m365_audit",
        ],
        preferred: &["entra_signin", "sentinel_table"],
    },
    Provider {
        name: "google",
        classes: &["google_workspace"],
        preferred: &[],
    },
    Provider {
        name: "okta",
        classes: &["okta"],
        preferred: &[],
    },
];

/// Logins by the class of the records that told them.
pub type LoginsByClass = BTreeMap<String, u64>;

/// Who counts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Authority {
    /// Everybody, because nobody has said anything.
    Unsaid,
    /// Everybody, as somebody has said.
    All,
    /// One class.
    Class(String),
}

impl Authority {
    fn by_default(provider: &Provider, config: &Config) -> Self {
        let is_there = |format: &&&str| {
            let mut sources = config.sources.values();
            sources.any(|source| source.format.as_deref() == Some(**format))
        };
        let found = provider.preferred.iter().find(is_there);
        found.map_or(Authority::Unsaid, |format| {
            Authority::Class((*format).to_owned())
        })
    }

    fn of(provider: &Provider, config: &Config) -> Self {
        match config.logins.get(provider.name).map(String::as_str) {
            None => Authority::by_default(provider, config),
            Some(ALL) => Authority::All,
            Some(class) => Authority::Class(class.to_owned()),
        }
    }

    fn class(&self) -> Option<&str> {
        match self {
            Authority::Class(class) => Some(class),
            Authority::Unsaid | Authority::All => None,
        }
    }
}

/// Which classes' logins count as logins.
#[derive(Debug, Clone, Default)]
pub struct Logins {
    authorities: BTreeMap<&'static str, Authority>,
    /// By class: another one tells these logins.
    is_echo: Vec<bool>,
}

impl Logins {
    /// What the configuration says, for these classes.
    pub fn new(config: &Config, classes: &[ClassInfo]) -> Self {
        let of = |provider: &Provider| (provider.name, Authority::of(provider, config));
        let authorities: BTreeMap<_, _> = PROVIDERS.iter().map(of).collect();
        let is_echo = |class: &ClassInfo| {
            let of = |provider: &&Provider| provider.classes.contains(&class.name.as_str());
            let mut told = PROVIDERS.iter().filter(of);
            told.any(|provider| {
                let authority = authorities[provider.name].class();
                authority.is_some_and(|authority| authority != class.name)
            })
        };
        let is_echo = classes.iter().map(is_echo).collect();
        Logins {
            authorities,
            is_echo,
        }
    }

    /// Makes a login, or a prompt on the way to one, that another format tells too a mere activity. Returns whether it was one.
    pub fn settle(&self, row: &mut Draft<'_>) -> bool {
        let is_login = matches!(row.activity, Some(Activity::Login | Activity::MfaChallenge));
        let is_echo = self.is_echo.get(usize::from(row.class)) == Some(&true);
        if is_login && is_echo {
            row.activity = Some(Activity::Other);
        }
        is_login && is_echo
    }

    /// What logs tell of each provider's logins. `counted`: those that count; `other`: those that were settled.
    pub fn report(&self, counted: &LoginsByClass, other: &LoginsByClass) -> Vec<ProviderLogins> {
        let of = |provider: &Provider| {
            let part = |all: &LoginsByClass| -> LoginsByClass {
                let told =
                    |(class, _): &(&String, &u64)| provider.classes.contains(&class.as_str());
                let part = all.iter().filter(told);
                part.map(|(class, logins)| (class.clone(), *logins))
                    .collect()
            };
            let authority = self.authorities.get(provider.name);
            let authority = authority.unwrap_or(&Authority::Unsaid);
            let mut report = ProviderLogins {
                provider: provider.name,
                authority: authority.class().map(str::to_owned),
                counted: part(counted),
                other: part(other),
                advice: None,
            };
            let is_told = authority
                .class()
                .is_some_and(|class| counted.contains_key(class));
            report.advice = report.advise(provider, *authority == Authority::Unsaid, is_told);
            report
        };
        let all = PROVIDERS.iter().map(of);
        all.filter(|logins| !logins.counted.is_empty() || !logins.other.is_empty())
            .collect()
    }
}

/// What logs tell of one provider's logins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProviderLogins {
    /// entra, okta, google, aws.
    pub provider: &'static str,
    /// The class whose logins count; `None` where all do.
    pub authority: Option<String>,
    /// Logins that count, by class.
    pub counted: LoginsByClass,
    /// Logins and prompts that are mere activity, by class.
    pub other: LoginsByClass,
    /// What to do about them, in a sentence.
    pub advice: Option<String>,
}

impl ProviderLogins {
    fn advise(&self, provider: &Provider, is_unsaid: bool, is_told: bool) -> Option<String> {
        let name = provider.name;
        let best = |of: &LoginsByClass| {
            let mut classes = provider.classes.iter();
            classes.find(|class| of.contains_key(**class)).copied()
        };
        if is_unsaid && 1 < self.counted.len() {
            let best = best(&self.counted)?;
            let classes: Vec<&str> = self.counted.keys().map(String::as_str).collect();
            return Some(format!(
                "{} tell of logins of {name}, so that one login may count more than once: set [logins] {name} = \"{best}\", \
                 or \"{ALL}\" if they tell of different ones",
                classes.join(" and ")
            ));
        }
        let authority = self.authority.as_deref()?;
        let instead = best(&self.other)?;
        (!is_told).then(|| {
            format!(
                "{authority} counts for the logins of {name} and tells of none here: set [logins] {name} = \"{instead}\" \
                 unless they come later"
            )
        })
    }

    /// What happens to its logins and what to do about it, a sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let authority = self.authority.as_deref().unwrap_or(ALL);
        let sentence = |(class, logins): (&String, &u64)| {
            format!(
                "{logins} logins of {} that {class} tells count as other activity: {authority} counts for them",
                self.provider
            )
        };
        let others = self.other.iter().map(sentence);
        others.chain(self.advice.clone()).collect()
    }
}

/// What is wrong with `[logins]`.
pub fn problems(config: &Config, classes: &[ClassInfo]) -> Vec<Problem> {
    let tells = |class: &&ClassInfo| class.activities.contains(&Activity::Login);
    let known = || {
        let names = classes.iter().filter(tells);
        names.map(|class| class.name.as_str()).chain([ALL])
    };
    let mut problems = Vec::new();
    for (provider, written) in &config.logins {
        if known().any(|name| name == written) {
            continue;
        }
        let is_class = classes.iter().any(|class| class.name == *written);
        let what = match is_class {
            true => format!("`{written}` in `logins.{provider}` tells of no logins"),
            false => format!("unknown format `{written}` in `logins.{provider}`"),
        };
        let place = config.place(&format!("logins.{provider}"));
        problems.push(Problem::new(place, what, nearest(written, known())));
    }
    problems
}

/// Where the configuration departs from what the formats of its sources make of the logins: provider and who counts.
pub fn departures(config: &Config) -> impl Iterator<Item = (&'static str, String)> {
    PROVIDERS.iter().filter_map(|provider| {
        let authority = Authority::of(provider, config);
        let by_default = Authority::by_default(provider, config);
        let departs = authority.class() != by_default.class();
        departs.then(|| (provider.name, authority.class().unwrap_or(ALL).to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Formats;

    fn config(text: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nightjar.toml");
        std::fs::write(&file, text).unwrap();
        Config::load(Some(&file), std::iter::empty()).unwrap()
    }

    /// The classes whose logins count, and those whose do not.
    fn settled(text: &str, class: &str) -> Option<Activity> {
        let formats = Formats::shipped();
        let index = formats
            .classes()
            .iter()
            .position(|known| known.name == class);
        let mut row = Draft {
            class: index.unwrap() as u8,
            activity: Some(Activity::Login),
            ..Draft::default()
        };
        Logins::new(&config(text), formats.classes()).settle(&mut row);
        row.activity
    }

    #[test]
    fn the_configuration_alone_says_which_format_counts() {
        const ENTRA: &str = "[sources.a]\nformat = \"entra_signin\"\n";
        const SENTINEL: &str = "[sources.b]\nformat = \"sentinel_table\"\n";
        let of_entra = PROVIDERS.iter().find(|provider| provider.name == "entra");
        let classes = of_entra.unwrap().classes;
        let cases: [(String, &[&str]); 8] = [
            (String::new(), classes),
            (ENTRA.into(), &["entra_signin"]),
            (SENTINEL.into(), &["sentinel_table"]),
            (format!("{SENTINEL}{ENTRA}"), &["entra_signin"]),
            (
                format!("{ENTRA}[logins]\nentra = \"m365_audit\""),
                &["m365_audit"],
            ),
            (format!("{ENTRA}[logins]\nentra = \"all\""), classes),
            ("[logins]\nentra = \"okta\"".into(), &[]),
            ("[sources.a]\nformat = \"m365_audit\"".into(), classes),
        ];
        for (text, counted) in cases {
            for class in classes.iter().chain(&["okta", "google_workspace"]) {
                let counts = counted.contains(class) || !classes.contains(class);
                let expected = if counts {
                    Activity::Login
                } else {
                    Activity::Other
                };
                assert_eq!(settled(&text, class), Some(expected), "{class} by {text}");
            }
        }
    }

    /// Every class of a provider is one that the formats have, and tells logins.
    #[test]
    fn the_providers_name_classes_that_tell_logins() {
        let formats = Formats::shipped();
        for name in PROVIDERS.iter().flat_map(|provider| provider.classes) {
            let class = formats.classes().iter().find(|class| class.name == *name);
            let class = class.unwrap_or_else(|| panic!("no class {name}"));
            assert!(class.activities.contains(&Activity::Login), "{name}");
            assert!(class.activities.contains(&Activity::Other), "{name}");
        }
    }

    #[test]
    fn a_wrong_format_is_told_with_its_line() {
        let formats = Formats::shipped();
        let told = |written: &str| {
            let config = config(&format!("[logins]\nentra = \"{written}\""));
            let problems = problems(&config, formats.classes());
            problems.iter().map(Problem::to_string).collect::<String>()
        };
        assert_eq!(told("m365_audit"), "");
        let unknown = told("entra_sigin");
        assert!(
            unknown.ends_with(
                ":2: unknown format `entra_sigin` in `logins.entra`; did you mean `entra_signin`?"
            ),
            "{unknown}"
        );
        assert!(told("litellm").contains("`litellm` in `logins.entra` tells of no logins; "));
    }

    #[test]
    fn what_to_do_is_said_when_logins_count_twice_or_not_at_all() {
        let formats = Formats::shipped();
        let told = |logins: &[(&str, u64)]| -> LoginsByClass {
            let logins = logins.iter();
            logins
                .map(|(class, logins)| ((*class).to_owned(), *logins))
                .collect()
        };
        let report = |text: &str, counted: &[(&str, u64)], other: &[(&str, u64)]| {
            let logins = Logins::new(&config(text), formats.classes());
            let report = logins.report(&told(counted), &told(other));
            report
                .iter()
                .flat_map(ProviderLogins::sentences)
                .collect::<Vec<_>>()
        };
        let twice = [("m365_audit", 3), ("entra_signin", 4), ("okta", 5)];
        assert_eq!(
            report("", &twice, &[]),
            [
                "entra_signin and m365_audit tell of logins of entra, so that one login may count more than once: set [logins] \
              entra = \"entra_signin\", or \"all\" if they tell of different ones"
            ]
        );
        assert_eq!(report("[logins]\nentra = \"all\"", &twice, &[]), [""; 0]);
        let by_entra = "[sources.a]\nformat = \"entra_signin\"";
        let told = "3 logins of entra that m365_audit tells count as other activity: entra_signin counts for them";
        let other = [("m365_audit", 3)];
        assert_eq!(report(by_entra, &[("entra_signin", 4)], &other), [told]);
        let none = report(by_entra, &[], &other);
        assert_eq!(none[0], told);
        assert!(
            none[1].contains("set [logins] entra = \"m365_audit\""),
            "{none:?}"
        );
    }

    /// Writing a default down is no other judgement.
    #[test]
    fn only_departures_are_told() {
        let of = |text: &str| departures(&config(text)).collect::<Vec<_>>();
        let by_entra = "[sources.a]\nformat = \"entra_signin\"\n[logins]\nentra = ";
        assert_eq!(of("[logins]\nokta = \"all\""), []);
        assert_eq!(of(&format!("{by_entra}\"entra_signin\"")), []);
        assert_eq!(
            of(&format!("{by_entra}\"all\"")),
            [("entra", "all".to_owned())]
        );
        assert_eq!(of("[logins]\naws = \"okta\""), [("aws", "okta".to_owned())]);
    }
}
