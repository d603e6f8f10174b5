//! The score in figures: recall, time to detection, false incidents by cause, misses with their reasons.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Wanted;
use super::misses::Missed;
use super::score::{FalseIncident, Fate, Score};
use crate::table::Columns;

/// How many of some attacks were found, and how soon.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Found {
    /// Found.
    pub found: usize,
    /// Of so many.
    pub of: usize,
    /// Event time from the start of the attack to the alert, seconds.
    pub median_secs: Option<f64>,
    /// The same, of the one that took longest.
    pub worst_secs: Option<f64>,
}

impl Found {
    /// `times_ms`: of each attack, `None` where it was not found.
    fn new(times_ms: impl IntoIterator<Item = Option<i64>>) -> Self {
        let all: Vec<Option<i64>> = times_ms.into_iter().collect();
        let mut met: Vec<i64> = all.iter().flatten().copied().collect();
        met.sort_unstable();
        let secs = |ms: i64| ms as f64 / 1000.0;
        let median = |at: usize| secs(met[at / 2] + met[at.div_ceil(2)]) / 2.0;
        Found {
            found: met.len(),
            of: all.len(),
            median_secs: met.len().checked_sub(1).map(median),
            worst_secs: met.last().copied().map(secs),
        }
    }

    fn cells(&self) -> [String; 4] {
        let time = |secs: Option<f64>| secs.map_or("-".to_owned(), duration);
        [
            self.found.to_string(),
            self.of.to_string(),
            time(self.median_secs),
            time(self.worst_secs),
        ]
    }
}

/// Attacks of one scenario and difficulty.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scenario {
    /// The scenario.
    pub scenario: String,
    /// The difficulty.
    pub difficulty: String,
    /// How it fared.
    #[serde(flatten)]
    pub found: Found,
}

/// Attacks whose labels name one detector, and the false incidents it had a part in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ByDetector {
    /// The detector.
    pub detector: String,
    /// How it fared, by itself.
    #[serde(flatten)]
    pub found: Found,
    /// By difficulty: found, and of so many.
    pub difficulties: BTreeMap<String, [usize; 2]>,
    /// False incidents with an alert of it.
    pub false_incidents: usize,
}

/// False incidents of one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The harmless scenario; null where no label explains it.
    pub scenario: Option<String>,
    /// How many.
    pub incidents: usize,
    /// Who made them.
    pub detectors: BTreeMap<String, usize>,
}

/// Incidents that no attack explains.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FalseIncidents {
    /// How many.
    pub incidents: usize,
    /// A day.
    pub per_day: f64,
    /// A thousand people active for a day.
    pub per_1000_user_days: f64,
    /// By what explains them.
    pub causes: Vec<Cause>,
}

/// The score in figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scored {
    /// Reported days that have rows.
    pub days: usize,
    /// People active a day, summed.
    pub user_days: usize,
    /// By scenario and difficulty.
    pub scenarios: Vec<Scenario>,
    /// By detector.
    pub detectors: Vec<ByDetector>,
    /// What nobody did.
    pub false_incidents: FalseIncidents,
    /// Harmless oddities, and how many of them made an alert of a detector that they name.
    pub oddities: [usize; 2],
    /// Attacks that were not found.
    pub missed: Vec<Missed>,
    /// Labels outside of what is reported.
    pub left_out: usize,
}

impl Scored {
    /// Counts.
    pub fn new(score: &Score<'_>, missed: Vec<Missed>, wanted: &Wanted<'_>) -> Self {
        let alerted = score.oddities.iter().filter(|fate| fate.is_met()).count();
        Scored {
            days: wanted.days.len(),
            user_days: wanted.user_days,
            scenarios: scenarios(&score.attacks),
            detectors: by_detector(score),
            false_incidents: false_incidents(&score.false_incidents, wanted),
            oddities: [alerted, score.oddities.len()],
            missed,
            left_out: wanted.left_out,
        }
    }

    /// As tables for people.
    pub fn text(&self) -> String {
        let heads = ["scenario", "difficulty", "found", "of", "median", "worst"];
        let mut table = Columns::new(&heads);
        for row in &self.scenarios {
            let names = [row.scenario.clone(), row.difficulty.clone()];
            table.row(names.into_iter().chain(row.found.cells()));
        }
        let mut text = table.text() + "\n";
        let heads = [
            "named detector",
            "found",
            "of",
            "median",
            "worst",
            "easy",
            "medium",
            "hard",
            "false incidents",
        ];
        let mut table = Columns::new(&heads);
        for row in &self.detectors {
            let difficulty = |name: &str| match row.difficulties.get(name) {
                Some([found, of]) => format!("{found} of {of}"),
                None => "-".to_owned(),
            };
            let difficulties = ["easy", "medium", "hard"].map(difficulty);
            let name = [row.detector.clone()].into_iter();
            let cells = name.chain(row.found.cells()).chain(difficulties);
            table.row(cells.chain([row.false_incidents.to_string()]));
        }
        text += &(table.text() + "\n");
        for missed in &self.missed {
            let Missed {
                scenario,
                id,
                difficulty,
                entity,
                start,
                ..
            } = missed;
            let what = format!("not found: {scenario} ({id}, {difficulty}) by {entity} at {start}");
            let reasons = missed.reasons.join("; ");
            text += &format!(
                "{}\n",
                crate::table::printable(&format!("{what}: {reasons}"))
            );
        }
        text + &self.false_text()
    }

    fn false_text(&self) -> String {
        let FalseIncidents {
            incidents,
            per_day,
            per_1000_user_days,
            causes,
        } = &self.false_incidents;
        let mut text = format!(
            "\n{incidents} false incidents in {} days: {per_day:.2} a day, {per_1000_user_days:.2} per 1,000 user-days\n",
            self.days
        );
        if !causes.is_empty() {
            let mut table = Columns::new(&["cause", "incidents", "made by"]);
            for cause in causes {
                let scenario = cause.scenario.as_deref().unwrap_or("no label");
                let made = cause.detectors.iter();
                let made: Vec<String> = made.map(|(name, n)| format!("{name} {n}")).collect();
                table.row([
                    scenario.to_owned(),
                    cause.incidents.to_string(),
                    made.join(", "),
                ]);
            }
            text += &table.text();
        }
        let [alerted, of] = self.oddities;
        text += &format!("{alerted} of {of} harmless oddities made an alert\n");
        if 0 < self.left_out {
            let left_out = self.left_out;
            text += &format!("{left_out} labels are outside of what is reported and left out\n");
        }
        text + "\n"
    }
}

fn scenarios(attacks: &[Fate<'_>]) -> Vec<Scenario> {
    let mut rows = BTreeMap::<(&str, &str), Vec<Option<i64>>>::new();
    for fate in attacks {
        let label = &fate.known.label;
        let row = rows
            .entry((&label.scenario, &label.difficulty))
            .or_default();
        row.push(fate.time_ms());
    }
    let row = |((scenario, difficulty), times): ((&str, &str), Vec<_>)| Scenario {
        scenario: scenario.to_owned(),
        difficulty: difficulty.to_owned(),
        found: Found::new(times),
    };
    rows.into_iter().map(row).collect()
}

fn by_detector(score: &Score<'_>) -> Vec<ByDetector> {
    let labels = score.attacks.iter().map(|fate| &fate.known.label);
    let named = labels.flat_map(|label| &label.detectors);
    let noisy = score.false_incidents.iter().flat_map(|of| &of.detectors);
    let names: BTreeSet<&String> = named.chain(noisy).collect();
    let row = |detector: &String| {
        let names_it = |fate: &&Fate<'_>| fate.known.label.detectors.contains(detector);
        let fates = score.attacks.iter().filter(names_it);
        let mut difficulties = BTreeMap::<String, [usize; 2]>::new();
        for fate in fates.clone() {
            let of = difficulties
                .entry(fate.known.label.difficulty.clone())
                .or_default();
            of[0] += usize::from(fate.met_by.contains_key(detector));
            of[1] += 1;
        }
        let has_it = |of: &&FalseIncident| of.detectors.contains(detector);
        ByDetector {
            detector: detector.clone(),
            found: Found::new(fates.map(|fate| fate.met_by.get(detector).copied())),
            difficulties,
            false_incidents: score.false_incidents.iter().filter(has_it).count(),
        }
    };
    names.into_iter().map(row).collect()
}

fn false_incidents(all: &[FalseIncident], wanted: &Wanted<'_>) -> FalseIncidents {
    let mut causes = BTreeMap::<Option<&String>, Cause>::new();
    for incident in all {
        let scenario = incident.cause.as_ref();
        let cause = causes.entry(scenario).or_insert_with(|| Cause {
            scenario: scenario.cloned(),
            incidents: 0,
            detectors: BTreeMap::new(),
        });
        cause.incidents += 1;
        for detector in &incident.detectors {
            *cause.detectors.entry(detector.clone()).or_default() += 1;
        }
    }
    let mut causes: Vec<Cause> = causes.into_values().collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.incidents));
    let count = all.len() as f64;
    FalseIncidents {
        incidents: all.len(),
        per_day: count / wanted.days.len().max(1) as f64,
        per_1000_user_days: 1000.0 * count / wanted.user_days.max(1) as f64,
        causes,
    }
}

/// Seconds in the unit that fits.
fn duration(secs: f64) -> String {
    match secs {
        ..120.0 => format!("{secs:.0} s"),
        ..7200.0 => format!("{:.0} min", secs / 60.0),
        ..172_800.0 => format!("{:.1} h", secs / 3600.0),
        _ => format!("{:.1} days", secs / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_what_was_found() {
        let found = Found::new([Some(3000), None, Some(1000), Some(9000), Some(5000)]);
        assert_eq!((found.found, found.of), (4, 5));
        assert_eq!(
            (found.median_secs, found.worst_secs),
            (Some(4.0), Some(9.0))
        );
        assert_eq!(Found::new([Some(2000)]).median_secs, Some(2.0));
        assert_eq!(Found::new([None]).median_secs, None);
    }
}
