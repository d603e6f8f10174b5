//! How good the detection is on one's own logs: recall and false alerts against labels, calibration, the curve
//! over the budget, and what would go unnoticed.
//!
//! Invariant: an evaluation looks at a replay and changes none of its alerts.

pub mod calibration;
pub mod inject;
pub mod labels;
pub mod misses;
pub mod report;
pub mod score;
pub mod seen;
pub mod sweep;

use nightjar_detectors::alert::Alert;
use nightjar_detectors::model::fixed::is_weekend;
use nightjar_detectors::time::Day;
use serde::Serialize;

use crate::backtest::Judged;
use inject::Injected;
use labels::Labels;
use misses::{Missed, Recorded};
use report::Scored;
use score::{Shown, score};
use sweep::{Drawn, Sweep};

/// What is asked for beside the alerts, and what was seen for it.
pub struct Wanted<'a> {
    /// What really happened.
    pub labels: Option<&'a Labels>,
    /// Labels outside the reported days.
    pub left_out: usize,
    /// People active a day, summed over the reported days.
    pub user_days: usize,
    /// Whether the curves are wanted.
    pub sweep: bool,
    /// Whether deeds are to be planted.
    pub inject: bool,
    /// The alerts of the reported days, muted ones too.
    pub alerts: &'a [&'a Alert],
    /// The reported days that have rows.
    pub days: &'a [Day],
    /// Whether a day is reported.
    pub is_reported: &'a dyn Fn(Day) -> bool,
}

/// What an evaluation found.
#[derive(Debug, Serialize)]
pub struct Evaluation {
    /// Against the labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<Scored>,
    /// Whether p-values keep their word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Vec<calibration::Line>>,
    /// The curves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Sweep>,
    /// What was planted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inject: Option<Injected>,
}

impl Evaluation {
    /// Evaluates a replay whose days are all closed.
    pub fn new(judged: &mut Judged, wanted: &Wanted<'_>) -> Self {
        let world = judged.core.world().clone();
        let calendar = &world.calendar;
        let shown = wanted.alerts.iter();
        let shown: Vec<Shown> = shown
            .filter_map(|alert| Shown::of(alert, calendar))
            .collect();
        let shown: Vec<&Shown> = shown.iter().collect();
        let known = wanted.labels.map(|labels| labels.all.as_slice());
        let reported = |all: &'_ Vec<Shown>| -> Vec<Shown> {
            let all = all.iter();
            all.filter(|alert| (wanted.is_reported)(alert.day))
                .cloned()
                .collect()
        };
        let others: Vec<Vec<Shown>> = judged.others.iter().map(reported).collect();
        let others = others.iter().map(|all| all.iter().collect());
        let budgets = sweep::budgets(world.settings.budget_per_day);
        let others: Vec<(f64, Vec<&Shown>)> = budgets.into_iter().zip(others).collect();
        let scored = known.map(|labels| {
            let score = score(labels, &shown, calendar);
            let recorded = Recorded {
                world: &world,
                alerts: wanted.alerts,
                near: &judged.near,
                others: &others,
            };
            let missed = score.attacks.iter().filter(|fate| !fate.is_met());
            let missed: Vec<Missed> = missed.map(|fate| recorded.explain(fate)).collect();
            Scored::new(&score, missed, wanted)
        });
        let calibration = known.map(|_| calibration::lines(&judged.core.calibration()));
        let next = judged.span.map(|(_, last)| next_weekday(last));
        let sweep = next.filter(|_| wanted.sweep).map(|day| {
            let drawn = Drawn {
                core: &judged.core,
                day,
                days: wanted.days.len(),
                shown: &shown,
                others: &others,
                labels: known,
            };
            drawn.sweep()
        });
        // Last, because it closes days behind the data.
        let inject = next.filter(|_| wanted.inject);
        let inject = inject.map(|day| Injected::new(day, &judged.core.plant(day)));
        Evaluation {
            score: scored,
            calibration,
            sweep,
            inject,
        }
    }

    /// As tables for people.
    pub fn text(&self) -> String {
        let parts = [
            self.score.as_ref().map(Scored::text),
            self.calibration.as_deref().map(calibration::text),
            self.sweep.as_ref().map(Sweep::text),
            self.inject.as_ref().map(Injected::text),
        ];
        parts.into_iter().flatten().collect()
    }
}

/// The first day after another that is no Saturday or Sunday.
fn next_weekday(day: Day) -> Day {
    let mut next = day + 1..;
    next.find(|day| !is_weekend(*day)).unwrap_or(day)
}
