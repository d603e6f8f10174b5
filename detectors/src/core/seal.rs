//! Days are opened and closed. Closing follows the due times (end of the day + allowed lateness), so
//! that whatever the pace, a day is frozen with the same knowledge.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::evaluation::Told;
use super::{Alphas, Core, SealedDay, by_shard};
use crate::assemble::Book;
use crate::company::{Frozen, HINDSIGHT_ENTITY_DAYS, Judge, NOISE_SHARE, Phase, Sums, phase};
use crate::detector::Asked;
use crate::model::calibration::alphas;
use crate::shard::Shard;
use crate::time::Day;
use crate::verdict::Stream;

impl Core {
    /// Closes every day whose allowed lateness `clock_ms` (the least partition clock) has passed.
    pub fn advance(&mut self, clock_ms: i64) -> Vec<SealedDay> {
        let targets: Vec<Day> = self
            .detectors
            .iter()
            .map(|active| self.world.calendar.day(clock_ms - active.lateness_ms) - 1)
            .collect();
        self.seal_to(&targets)
    }

    /// Closes what the baselines of a day need, and nothing more: the next day of a replay.
    pub fn require(&mut self, day: Day) -> Vec<SealedDay> {
        let targets: Vec<Day> = self
            .detectors
            .iter()
            .map(|active| day - active.lag)
            .collect();
        self.seal_to(&targets)
    }

    /// Closes everything up to the last day that has events.
    pub fn seal_all(&mut self) -> Vec<SealedDay> {
        let Some(last) = self.last_day else {
            return Vec::new();
        };
        let targets = vec![last; self.detectors.len()];
        self.seal_to(&targets)
    }

    /// Closes days up to each detector's target, in the order in which they fall due.
    fn seal_to(&mut self, targets: &[Day]) -> Vec<SealedDay> {
        let mut due = Vec::new();
        for (index, target) in targets.iter().enumerate() {
            let sealed = self.companies[index].sealed();
            if sealed.is_some_and(|sealed| *target <= sealed) {
                continue;
            }
            // Before the first event there is nothing to close day by day.
            let first = match (sealed, self.first_day) {
                (_, None) => *target,
                (None, Some(first)) => first.min(*target),
                (Some(sealed), Some(first)) => (sealed + 1).max(first.min(*target)),
            };
            for day in first..=*target {
                let end = self.world.calendar.end(day);
                due.push((end + self.detectors[index].lateness_ms, index, day));
            }
        }
        due.sort_unstable();
        due.into_iter()
            .filter_map(|(_, index, day)| self.seal_day(index, day))
            .collect()
    }

    /// Closes one day of one detector.
    fn seal_day(&mut self, index: usize, day: Day) -> Option<SealedDay> {
        self.is_changed = true;
        let has_begun = self.first_day.is_some_and(|first| first <= day);
        if has_begun {
            self.open(day);
        }
        let frozen = self.frozen[index].remove(&day);
        let asked = self.asked(index, day, frozen.as_deref());
        let told = self.seal_shards(index, day, frozen.as_deref(), &asked);
        let (mut parts, verdicts) = (told.parts, told.verdicts);
        self.claims.remove(&(index, day));
        let mut sealed = None;
        if let Some(frozen) = &frozen {
            let alerts = self.assembler(index).alerts(frozen, &verdicts);
            let said = self.assembler(index).told(frozen, &verdicts);
            let incidents = self
                .book
                .enter(self.detectors[index].entry.name, day, &said, &alerts);
            if self.hindsight {
                // The other days are no past: what happens on each of them is told of each.
                self.book = Book::default();
            }
            if !self.detectors[index].entry.statistical {
                parts.incidents = incidents;
            }
            sealed = Some(SealedDay {
                detector: self.detectors[index].entry.name,
                day,
                scores: self.scores(frozen, told.scores),
                others: self.other_alerts(index, &asked.others, &told.others),
                alerts,
            });
        }
        for (stream, counts) in std::mem::take(&mut parts.judged) {
            let all = self.judged.entry((index, stream)).or_default();
            all.iter_mut().zip(counts).for_each(|(all, n)| *all += n);
        }
        let lag = self.detectors[index].lag;
        self.companies[index].seal(day, parts, lag);
        let all_sealed = self.companies.iter().map(|c| c.sealed()).min().flatten();
        let has_closed = |day: &Day| all_sealed.is_some_and(|sealed| *day <= sealed);
        if let Some(all_sealed) = all_sealed
            && self.alphas.keys().next().is_some_and(has_closed)
        {
            self.alphas = self.alphas.split_off(&(all_sealed + 1));
            for shard in &mut self.shards {
                shard.forget_keys(all_sealed);
            }
        }
        sealed
    }

    fn seal_shards(
        &mut self,
        index: usize,
        day: Day,
        frozen: Option<&Frozen>,
        asked: &Asked,
    ) -> Told {
        let world = &self.world;
        let seal = |_: usize, shard: &mut Shard| {
            let names = &shard.names;
            let closed = shard.detectors[index].seal(world, day, frozen, names, asked);
            Told::new(closed, names)
        };
        let mut all = Told::default();
        for told in by_shard(&mut self.shards, self.threads, seal) {
            all.join(told);
        }
        all
    }

    /// Freezes what a day is judged by. Does nothing for a day that is open or closed.
    pub(super) fn open(&mut self, day: Day) {
        let open = |d: usize| self.companies[d].sealed().is_none_or(|sealed| sealed < day);
        let missing: Vec<usize> = (0..self.detectors.len())
            .filter(|d| open(*d) && !self.frozen[*d].contains_key(&day))
            .collect();
        if missing.is_empty() {
            return;
        }
        self.is_changed = true;
        let first = self.first_day.map_or(day, |first| first.min(day));
        self.first_day = Some(first);
        self.last_day = Some(self.last_day.map_or(day, |last| last.max(day)));
        if !self.alphas.contains_key(&day) {
            let divided = self.divide_budget(day, self.world.settings.budget_per_day);
            self.alphas.insert(day, divided);
        }
        self.divide_others(day);
        for index in missing {
            let active = &self.detectors[index];
            let through = day - active.lag;
            let sums = self.sums(index, through);
            let judges = self.judges(index, day, &sums, &self.alphas);
            self.judge_others(index, day, &sums);
            let mut frozen = Frozen::new(day, (through, first), &sums, judges);
            if self.hindsight {
                frozen.know_from_few(&sums);
            }
            let frozen = Arc::new(frozen);
            self.frozen[index].insert(day, frozen);
        }
    }

    /// What one detector knows of the days up to `through`.
    fn sums(&self, index: usize, through: Day) -> Sums {
        let sums = self.companies[index].as_of(through);
        match self.hindsight {
            true => sums.pooled(),
            false => sums,
        }
    }

    pub(super) fn judges(
        &self,
        index: usize,
        day: Day,
        sums: &Sums,
        alphas: &Alphas,
    ) -> BTreeMap<Stream, Judge> {
        let lag = self.detectors[index].lag;
        let first = match self.hindsight {
            true => {
                let known = sums.known(HINDSIGHT_ENTITY_DAYS).into_iter();
                known.map(|stream| (stream, day)).collect()
            }
            false => self.companies[index].first_judged(day - lag, lag),
        };
        let none = Default::default();
        let alphas = &alphas[&day];
        let judge = |(stream, first): (&Stream, &Day)| {
            let alpha = *alphas.get(&(index, *stream))?;
            let histogram = sums.histograms.get(stream).unwrap_or(&none);
            let phase: Phase = phase(*first, day, self.phases);
            Some((*stream, Judge::new(histogram, day, alpha, phase)))
        };
        first
            .iter()
            .filter(|(_, first)| **first <= day)
            .filter_map(judge)
            .collect()
    }

    /// Alpha per detector and stream for a day, from the days that each baseline holds.
    pub(super) fn divide_budget(&self, day: Day, budget: f64) -> BTreeMap<(usize, Stream), f64> {
        let (mut shares, mut tested) = (BTreeMap::new(), BTreeMap::new());
        let mut policy_rate = 0.0;
        for (index, active) in self.detectors.iter().enumerate() {
            let sums = self.sums(index, day - active.lag);
            if !active.entry.statistical {
                policy_rate += sums.incidents.mean_of_all();
                continue;
            }
            for (stream, mean) in &sums.tested {
                shares.insert((index, *stream), active.share(*stream));
                tested.insert((index, *stream), mean.mean(day));
            }
        }
        alphas(NOISE_SHARE * budget, policy_rate, &tested, &shares)
    }
}
