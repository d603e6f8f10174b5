//! Panes of one day and the windows over them: 10 minutes, 1 hour and the day, hopping by half.

use serde::{Deserialize, Serialize};

/// A window length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Span {
    /// 2 panes, every pane.
    TenMinutes,
    /// 12 panes, every 6 panes.
    Hour,
    /// From midnight to midnight.
    Day,
}

impl Span {
    /// All window lengths, shortest first.
    pub const ALL: [Span; 3] = [Span::TenMinutes, Span::Hour, Span::Day];

    /// Length in panes.
    pub fn panes(self) -> u16 {
        [2, 12, crate::time::PANES_MAX][self as usize]
    }

    /// First panes of the windows of this length that contain a pane.
    pub fn starts(self, pane: u16) -> impl Iterator<Item = u16> {
        let hop = [1, 6, crate::time::PANES_MAX][self as usize];
        let last = pane / hop * hop;
        let earlier = (self != Span::Day).then(|| last.checked_sub(hop)).flatten();
        earlier.into_iter().chain([last])
    }

    /// For sentences: `in 10 minutes`.
    pub fn text(self) -> &'static str {
        ["in 10 minutes", "in one hour", "in one day"][self as usize]
    }
}

/// Values by pane, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panes<T>(Vec<(u16, T)>);

impl<T> Default for Panes<T> {
    fn default() -> Self {
        Panes(Vec::new())
    }
}

impl<T: Default> Panes<T> {
    /// The value of a pane, made when it is new.
    pub fn at(&mut self, pane: u16) -> &mut T {
        let place = match self.0.last() {
            Some((last, _)) if *last < pane => self.0.len(),
            _ => self.0.partition_point(|(known, _)| *known < pane),
        };
        if self.0.get(place).is_none_or(|(known, _)| *known != pane) {
            self.0.insert(place, (pane, T::default()));
        }
        &mut self.0[place].1
    }
}

impl<T> Panes<T> {
    /// All panes that hold something, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &T)> {
        self.0.iter().map(|(pane, value)| (*pane, value))
    }

    /// All values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// The panes of one window.
    pub fn within(&self, start: u16, span: Span) -> impl Iterator<Item = (u16, &T)> {
        let from = self.0.partition_point(|(pane, _)| *pane < start);
        self.0[from..]
            .iter()
            .take_while(move |(pane, _)| *pane < start.saturating_add(span.panes()))
            .map(|(pane, value)| (*pane, value))
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// First panes of the windows of a length that hold something, ascending.
    pub fn starts(&self, span: Span) -> impl Iterator<Item = u16> {
        let mut next = 0;
        let all = self.iter().flat_map(move |(pane, _)| span.starts(pane));
        all.filter(move |start| {
            let is_new = next <= *start;
            next = next.max(start + 1);
            is_new
        })
    }

    /// The largest window of a length by the sum of each measure: (first pane, sum); the earliest of
    /// equals. `None` where all are zero.
    pub fn largest<const N: usize>(
        &self,
        span: Span,
        measures: impl Fn(&T) -> [u64; N],
    ) -> [Option<(u16, u64)>; N] {
        let mut best = [None; N];
        for start in self.starts(span) {
            let mut sums = [0u64; N];
            for (_, value) in self.within(start, span) {
                for (sum, more) in sums.iter_mut().zip(measures(value)) {
                    *sum = sum.saturating_add(more);
                }
            }
            for (best, sum) in best.iter_mut().zip(sums) {
                if best.map_or(0, |(_, best)| best) < sum {
                    *best = Some((start, sum));
                }
            }
        }
        best
    }

    /// The pane in which the running sum of a window reaches `needed`.
    pub fn pane_reaching(
        &self,
        start: u16,
        span: Span,
        needed: u64,
        measure: impl Fn(&T) -> u64,
    ) -> Option<u16> {
        let mut sum = 0u64;
        for (pane, value) in self.within(start, span) {
            sum = sum.saturating_add(measure(value));
            if needed <= sum {
                return Some(pane);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hop_by_half_and_begin_at_midnight() {
        assert_eq!(Span::TenMinutes.starts(0).collect::<Vec<_>>(), [0]);
        assert_eq!(Span::TenMinutes.starts(7).collect::<Vec<_>>(), [6, 7]);
        assert_eq!(Span::Hour.starts(13).collect::<Vec<_>>(), [6, 12]);
        assert_eq!(Span::Day.starts(287).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn the_largest_window_is_the_earliest_of_equals() {
        let mut panes = Panes::<u64>::default();
        for (pane, n) in [(9, 2), (4, 3), (5, 4), (30, 7), (20, 1)] {
            *panes.at(pane) += n;
        }
        let sums = |n: &u64| [*n, 0];
        let largest = |span| panes.largest(span, sums);
        assert_eq!(largest(Span::TenMinutes), [Some((4, 7)), None]);
        assert_eq!(largest(Span::Hour), [Some((0, 9)), None]);
        assert_eq!(largest(Span::Day), [Some((0, 17)), None]);
        assert_eq!(panes.pane_reaching(0, Span::Day, 8, |n| *n), Some(9));
    }
}
