//! What an evaluation learns of a replay beside its alerts: the alerts at other budgets, how near others came,
//! and what would be said of planted deeds.
//!
//! Invariant: nothing here changes what is learned, frozen or said. The alerts at another budget are those of
//! a run with that budget: what is learned depends on no budget, and each has a book of its own for repeats.

use std::collections::{BTreeMap, BTreeSet};

use super::{Alphas, Core};
use crate::alert::{Alert, Severity};
use crate::assemble::{Assembler, Book, Claims};
use crate::company::{Frozen, Judge, Parts, Phase, Sums};
use crate::detector::{Answer, Asked, Closed, Size, Verdicts};
use crate::time::Day;
use crate::verdict::{Stream, Verdict};
use crate::world::Who;

/// How surprising one principal's closed day was.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Who.
    pub who: Who,
    /// The model's surprise.
    pub surprise: u32,
    /// Its calibrated probability.
    pub p: f64,
    /// The threshold in force.
    pub alpha: f64,
    /// Phase of the stream.
    pub phase: Phase,
}

/// What one detector would say of deeds planted into the day of one principal.
#[derive(Debug, Clone, PartialEq)]
pub struct Planted {
    /// The detector.
    pub detector: &'static str,
    /// Who.
    pub who: Who,
    /// Of each deed.
    pub answer: Answer,
    /// Threshold and phase in force; `None` of physics, and while the population is unknown.
    pub judge: Option<(f64, Phase)>,
    /// Of each deed the day whose alert it would repeat.
    pub repeats: Vec<Option<Day>>,
    /// Of each deed whether a decision of the company mutes it.
    pub excused: Vec<bool>,
}

/// What is asked of a replay, and what it needs in between.
pub(super) struct Evaluation {
    names: BTreeSet<String>,
    /// Rising.
    budgets: Vec<f64>,
    /// By budget.
    alphas: Vec<Alphas>,
    books: Vec<Book>,
    /// By budget, of open days.
    judges: BTreeMap<(usize, Day), Vec<BTreeMap<Stream, Judge>>>,
}

/// A closed day of all shards.
#[derive(Default)]
pub(super) struct Told {
    pub parts: Parts,
    pub verdicts: Claims,
    pub others: Vec<Claims>,
    pub scores: Vec<(Who, u32)>,
}

impl Told {
    pub(super) fn new(closed: Closed, names: &[Who]) -> Self {
        let who = |entity: u32| names[entity as usize].clone();
        let named = |verdicts: Verdicts| -> Claims {
            let named = verdicts.into_iter();
            named.map(|(entity, said)| (who(entity), said)).collect()
        };
        let scores = closed.scores.into_iter();
        Told {
            parts: closed.parts,
            verdicts: named(closed.verdicts),
            others: closed.others.into_iter().map(named).collect(),
            scores: scores.map(|(entity, score)| (who(entity), score)).collect(),
        }
    }

    pub(super) fn join(&mut self, other: Told) {
        self.parts.merge(other.parts);
        self.verdicts.extend(other.verdicts);
        self.others.resize_with(other.others.len(), Claims::new);
        for (mine, theirs) in self.others.iter_mut().zip(other.others) {
            mine.extend(theirs);
        }
        self.scores.extend(other.scores);
    }
}

impl Core {
    /// Tells beside the alerts what they would be with other budgets, and how surprising the days of these
    /// principals are. For an empty core.
    pub fn evaluating(mut self, mut budgets: Vec<f64>, names: BTreeSet<String>) -> Self {
        budgets.sort_by(f64::total_cmp);
        self.evaluation = Some(Evaluation {
            alphas: vec![Alphas::new(); budgets.len()],
            books: vec![Book::default(); budgets.len()],
            judges: BTreeMap::new(),
            budgets,
            names,
        });
        self
    }

    /// The alpha of a detector and stream on a day at another budget, as far as days are closed.
    pub fn alpha_at(&self, detector: &str, stream: Stream, day: Day, budget: f64) -> Option<f64> {
        let is_it = |active: &super::Active| active.entry.name == detector;
        let index = self.detectors.iter().position(is_it)?;
        self.divide_budget(day, budget)
            .get(&(index, stream))
            .copied()
    }

    /// Freezes the alphas of a day for the other budgets, when those in force are frozen.
    pub(super) fn divide_others(&mut self, day: Day) {
        let Some(mut evaluation) = self.evaluation.take() else {
            return;
        };
        for (budget, alphas) in evaluation.budgets.iter().zip(&mut evaluation.alphas) {
            let divided = || self.divide_budget(day, *budget);
            alphas.entry(day).or_insert_with(divided);
        }
        self.evaluation = Some(evaluation);
    }

    pub(super) fn judge_others(&mut self, index: usize, day: Day, sums: &Sums) {
        let Some(mut evaluation) = self.evaluation.take() else {
            return;
        };
        if self.detectors[index].entry.statistical {
            let alphas = evaluation.alphas.iter();
            let judges = alphas.map(|alphas| self.judges(index, day, sums, alphas));
            let judges = judges.collect();
            evaluation.judges.insert((index, day), judges);
        }
        self.evaluation = Some(evaluation);
    }

    /// What is asked of a day that is closed now.
    pub(super) fn asked(&mut self, index: usize, day: Day, frozen: Option<&Frozen>) -> Asked {
        let (Some(evaluation), Some(frozen)) = (&mut self.evaluation, frozen) else {
            return Asked::default();
        };
        let judges = evaluation.judges.remove(&(index, day)).unwrap_or_default();
        Asked {
            others: judges
                .into_iter()
                .map(|judges| frozen.judged_by(judges))
                .collect(),
            scores: !evaluation.names.is_empty(),
        }
    }

    pub(super) fn scores(&self, frozen: &Frozen, scores: Vec<(Who, u32)>) -> Vec<Score> {
        let Some(evaluation) = &self.evaluation else {
            return Vec::new();
        };
        let wanted = scores
            .into_iter()
            .filter(|(who, _)| evaluation.names.contains(&*who.name));
        let score = |(who, surprise): (Who, u32)| {
            let judge = frozen.judge(who.stream)?;
            Some(Score {
                surprise,
                p: judge.p(surprise),
                alpha: judge.alpha,
                phase: judge.phase,
                who,
            })
        };
        wanted.filter_map(score).collect()
    }

    /// The alerts at the other budgets.
    pub(super) fn other_alerts(
        &mut self,
        index: usize,
        frozen: &[Frozen],
        claims: &[Claims],
    ) -> Vec<Vec<Alert>> {
        let Some(mut evaluation) = self.evaluation.take() else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for ((frozen, claims), book) in frozen.iter().zip(claims).zip(&mut evaluation.books) {
            let assembler = Assembler {
                book,
                ..self.assembler(index)
            };
            let alerts = assembler.alerts(frozen, claims);
            let told = assembler.told(frozen, claims);
            book.enter(self.detectors[index].entry.name, frozen.day, &told, &alerts);
            all.push(alerts);
        }
        self.evaluation = Some(evaluation);
        all
    }

    /// What would be said of deeds planted into a day after the last, on which nothing else happens: each
    /// judged alone. Closes what the baselines of that day need, as if no row came until then.
    pub fn plant(&mut self, day: Day) -> Vec<Planted> {
        self.require(day);
        self.open(day);
        let world = self.world.clone();
        let mut planted = Vec::new();
        for index in 0..self.detectors.len() {
            let Some(frozen) = self.frozen[index].get(&day).cloned() else {
                continue;
            };
            let detector = self.detectors[index].entry.name;
            for shard in &mut self.shards {
                let names = &shard.names;
                for (entity, answer) in shard.detectors[index].plant(&world, &frozen, names) {
                    let who = names[entity as usize].clone();
                    let judge = frozen.judge(who.stream);
                    let verdict = |size: &Size| Verdict {
                        value: size.repeats_as.clone(),
                        surprise: size.surprise,
                        observed: size.amount as f64,
                        ..Verdict::of(Severity::Medium, "own", (0, 0), 0)
                    };
                    let assembler = Assembler {
                        world: &world,
                        entry: self.detectors[index].entry,
                        book: &self.book,
                        origins: &self.origins,
                    };
                    let repeats = |size| self.book.repeats(detector, day, &who, &verdict(size));
                    let excused = |size| {
                        let decided = assembler.decided(&frozen, &who, &verdict(size));
                        decided.is_some_and(|(_, by)| by.effect == "muted")
                    };
                    planted.push(Planted {
                        repeats: answer.sizes.iter().map(repeats).collect(),
                        excused: answer.sizes.iter().map(excused).collect(),
                        judge: judge.map(|judge| (judge.alpha, judge.phase)),
                        detector,
                        who,
                        answer,
                    });
                }
            }
        }
        planted.sort_by(|a, b| (a.detector, &a.who).cmp(&(b.detector, &b.who)));
        planted
    }
}
