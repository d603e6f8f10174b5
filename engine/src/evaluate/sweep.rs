//! The curve of alerts a day and recall over the budget, from one pass.
//!
//! Invariant: each point is what a run with that budget gives. Only detectors that are calibrated depend on
//! it; what they learn does not, and each point mutes its own repeats.

use nightjar_detectors::core::Core;
use nightjar_detectors::time::{Calendar, Day};
use nightjar_detectors::verdict::Stream;
use serde::Serialize;

use super::labels::Labelled;
use super::score::{Shown, score};
use crate::table::Columns;

/// Times the configured budget.
const GRID: [f64; 12] = [
    0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5, 4.0, 7.0, 12.0, 20.0,
];

/// The budgets of the curve.
pub fn budgets(configured: f64) -> Vec<f64> {
    GRID.map(|times| times * configured).to_vec()
}

/// Attacks found, and all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Recall {
    /// Found.
    pub found: usize,
    /// Of so many.
    pub of: usize,
}

/// One budget of one detector.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// Incidents a day that would be configured.
    pub budget_per_day: f64,
    /// What that gives the detector's tests of people on the day after the last; of services where it tests no people.
    pub alpha: Option<f64>,
    /// Alerts that are shown, a day.
    pub alerts_per_day: f64,
    /// Attacks that name the detector.
    pub recall: Option<Recall>,
}

/// One budget of all detectors together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Total {
    /// Incidents a day that would be configured.
    pub budget_per_day: f64,
    /// Incidents a day.
    pub incidents_per_day: f64,
    /// Of these, such that no attack explains.
    pub false_per_day: Option<f64>,
    /// Attacks found by any detector that their labels name.
    pub recall: Option<Recall>,
}

/// The curve of one detector.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// The detector.
    pub detector: String,
    /// Rising by budget.
    pub points: Vec<Point>,
}

/// All curves.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sweep {
    /// The budget in force.
    pub configured: f64,
    /// Of the detectors that take part of the budget.
    pub detectors: Vec<Curve>,
    /// Of all detectors together.
    pub total: Vec<Total>,
}

/// What the curves are drawn from.
pub struct Drawn<'a> {
    /// The core after the replay.
    pub core: &'a Core,
    /// The day whose alphas are told.
    pub day: Day,
    /// Reported days.
    pub days: usize,
    /// The alerts in force.
    pub shown: &'a [&'a Shown],
    /// Budgets, rising, with the alerts of calibrated detectors that they give.
    pub others: &'a [(f64, Vec<&'a Shown>)],
    /// What really happened, where it is known.
    pub labels: Option<&'a [Labelled]>,
}

impl Drawn<'_> {
    /// Draws the curves.
    pub fn sweep(&self) -> Sweep {
        let world = self.core.world();
        let configured = world.settings.budget_per_day;
        let fixed = self
            .shown
            .iter()
            .copied()
            .filter(|alert| !self.is_swept(&alert.detector));
        let fixed: Vec<&Shown> = fixed.collect();
        let (mut total, mut curves) = (Vec::new(), Vec::new());
        let names = self.core.detectors().iter().map(|active| active.entry);
        for entry in names.filter(|entry| entry.statistical) {
            curves.push(Curve {
                detector: entry.name.to_owned(),
                points: Vec::new(),
            });
        }
        for (budget, others) in self.others {
            let all: Vec<&Shown> = fixed.iter().chain(others).copied().collect();
            total.push(self.total(*budget, &all, &world.calendar));
            for curve in &mut curves {
                let point = self.point(*budget, &curve.detector, others, &world.calendar);
                curve.points.push(point);
            }
        }
        Sweep {
            configured,
            detectors: curves,
            total,
        }
    }

    fn is_swept(&self, detector: &str) -> bool {
        let mut active = self.core.detectors().iter();
        active.any(|active| active.entry.name == detector && active.entry.statistical)
    }

    fn total(&self, budget: f64, shown: &[&Shown], calendar: &Calendar) -> Total {
        let score = score(self.labels.unwrap_or_default(), shown, calendar);
        let a_day = |count: usize| count as f64 / self.days.max(1) as f64;
        let found = score.attacks.iter().filter(|fate| fate.is_met()).count();
        Total {
            budget_per_day: budget,
            incidents_per_day: a_day(score.incidents),
            false_per_day: self.labels.map(|_| a_day(score.false_incidents.len())),
            recall: self.labels.map(|_| Recall {
                found,
                of: score.attacks.len(),
            }),
        }
    }

    fn point(&self, budget: f64, detector: &str, others: &[&Shown], calendar: &Calendar) -> Point {
        let own: Vec<&Shown> = others
            .iter()
            .copied()
            .filter(|a| a.detector == detector)
            .collect();
        let recall = |labels: &[Labelled]| {
            let names_it = |known: &&Labelled| {
                known.label.attack && known.label.detectors.iter().any(|name| name == detector)
            };
            let named = labels.iter().filter(names_it);
            let met = |known: &&Labelled| own.iter().any(|alert| alert.touches(known, calendar));
            Recall {
                found: named.clone().filter(met).count(),
                of: named.count(),
            }
        };
        let alpha = |stream| self.core.alpha_at(detector, stream, self.day, budget);
        Point {
            budget_per_day: budget,
            alpha: alpha(Stream::Person).or_else(|| alpha(Stream::Service)),
            alerts_per_day: own.len() as f64 / self.days.max(1) as f64,
            recall: self.labels.map(recall),
        }
    }
}

impl Sweep {
    /// As tables for people: one of the incidents, and one of each detector.
    pub fn text(&self) -> String {
        let recall = |recall: Option<Recall>| match recall {
            Some(Recall { of: 0, .. }) | None => "-".to_owned(),
            Some(Recall { found, of }) => format!("{:.2}", found as f64 / of as f64),
        };
        let budget = |budget: f64| match budget == self.configured {
            true => "in force".to_owned(),
            false => String::new(),
        };
        let mut text = "sweep: what other budgets would give, with the same logs\n".to_owned();
        let mut table = Columns::new(&[
            "budget a day",
            "incidents a day",
            "false a day",
            "recall",
            "",
        ]);
        for point in &self.total {
            let false_a_day = point.false_per_day;
            table.row([
                short(point.budget_per_day),
                format!("{:.2}", point.incidents_per_day),
                false_a_day.map_or("-".to_owned(), |count| format!("{count:.2}")),
                recall(point.recall),
                budget(point.budget_per_day),
            ]);
        }
        text += &table.text();
        for curve in &self.detectors {
            text += &format!("\n{}\n", curve.detector);
            let mut table = Columns::new(&["budget a day", "alpha", "alerts a day", "recall", ""]);
            for point in &curve.points {
                table.row([
                    short(point.budget_per_day),
                    point
                        .alpha
                        .map_or("-".to_owned(), |alpha| format!("{alpha:.2e}")),
                    format!("{:.2}", point.alerts_per_day),
                    recall(point.recall),
                    budget(point.budget_per_day),
                ]);
            }
            text += &table.text();
        }
        text + "\n"
    }
}

/// A budget without the tail of its product.
fn short(budget: f64) -> String {
    let text = format!("{budget:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
