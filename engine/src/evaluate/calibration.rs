//! Whether p-values keep their word: how often they were small beside how often they should be.

use nightjar_detectors::core::Calibration;
use serde::Serialize;

use crate::table::Columns;

/// The limits at which p-values are counted.
const LIMITS: [f64; 3] = [1e-2, 1e-3, 1e-4];

/// One detector and kind of principals.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The detector.
    pub detector: &'static str,
    /// Kind of principals.
    pub kind: &'static str,
    /// Principal-days that were judged.
    pub days: u64,
    /// At each limit.
    pub at_most: [Share; LIMITS.len()],
}

/// How often p was at most a limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// The limit, which is the share expected where nothing is wrong.
    pub limit: f64,
    /// Principal-days.
    pub days: u64,
    /// Their share.
    pub share: f64,
}

/// The reliability table of a replay.
pub fn lines(calibration: &[Calibration]) -> Vec<Line> {
    let line = |of: &Calibration| Line {
        detector: of.detector,
        kind: of.stream.as_str(),
        days: of.days,
        at_most: std::array::from_fn(|index| Share {
            limit: LIMITS[index],
            days: of.at_most[index],
            share: of.at_most[index] as f64 / of.days.max(1) as f64,
        }),
    };
    calibration.iter().map(line).collect()
}

/// As a table for people.
pub fn text(lines: &[Line]) -> String {
    let heads = LIMITS.map(|limit| [format!("p <= {limit}"), "expected".to_owned()]);
    let mut all = vec!["detector", "kind", "judged days"];
    all.extend(heads.iter().flatten().map(String::as_str));
    let mut table = Columns::new(&all);
    for line in lines {
        let counts = line.at_most.iter().flat_map(|share| {
            let expected = share.limit * line.days as f64;
            [share.days.to_string(), format!("{expected:.1}")]
        });
        let first = [
            line.detector.to_owned(),
            line.kind.to_owned(),
            line.days.to_string(),
        ];
        table.row(first.into_iter().chain(counts));
    }
    "calibration: principal-days with a small p, attacks included, beside what chance gives\n"
        .to_owned()
        + &table.text()
        + "\n"
}
