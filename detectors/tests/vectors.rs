//! The models against the reference's vectors: one line of `fixtures/vectors.json` each, with its
//! inputs, its output and how far another implementation may be from it.

#![allow(clippy::unwrap_used)] // a malformed fixture is a failed test

use std::collections::BTreeMap;

use nightjar_detectors::model::calibration::{Calibration, Histogram, alphas};
use nightjar_detectors::model::combine::combine;
use nightjar_detectors::model::fixed::{Decay, is_weekend, log2_q12, surprise, x_of};
use nightjar_detectors::model::habit::{
    Attribute, Hours, TenantMasses, Values, expected_tests, hour_mass, per_day, tail_mass,
    value_mass, value_p,
};
use nightjar_detectors::model::magnitude::{
    DayCount, Prediction, Series, magnitude_surprise, predictive, threshold_count,
};
use nightjar_detectors::model::population::{Peers, Population, contribution};
use nightjar_detectors::model::slow::Slow;
use nightjar_detectors::model::student::log10_t_sf;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const VECTORS: usize = 655;

#[derive(Deserialize)]
struct Vector {
    id: String,
    model: String,
    #[serde(rename = "in")]
    input: Input,
    out: Value,
    tol: Value,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Input(Value);

impl Input {
    fn get<T: DeserializeOwned>(&self, key: &str) -> T {
        serde_json::from_value(self.0[key].clone()).unwrap()
    }

    fn series(&self) -> Series {
        self.get("series")
    }

    fn prediction(&self) -> Prediction {
        let [location, scale, nu] = self.get("prediction");
        Prediction {
            location,
            scale,
            nu,
        }
    }

    fn histogram(&self) -> Histogram {
        let histogram = &self.0["histogram"];
        let bins: BTreeMap<u16, i64> = serde_json::from_value(histogram["bins"].clone()).unwrap();
        Histogram::from_bins(day_of(histogram), bins)
    }

    fn calibration(&self) -> Calibration {
        Calibration::new(&self.histogram(), self.get("as_of"))
    }

    /// Own level, then the wider ones.
    fn levels<T>(&self, level: fn(&Value) -> T) -> (T, Vec<T>) {
        let wider = self.0["wider"].as_array().unwrap();
        (level(&self.0["own"]), wider.iter().map(level).collect())
    }

    fn hour_mass(&self) -> [f64; 24] {
        let (own, wider) = self.levels(hours);
        let wider: Vec<&Hours> = wider.iter().collect();
        hour_mass(&own, &wider, self.get("day"), self.get("weekend"))
    }
}

fn day_of(level: &Value) -> i32 {
    serde_json::from_value(level["day"].clone()).unwrap()
}

fn hours(level: &Value) -> Hours {
    let counts: Vec<i64> = serde_json::from_value(level["counts"].clone()).unwrap();
    let half = |from: usize| counts[from..from + 24].try_into().unwrap();
    Hours {
        day: day_of(level),
        counts: [half(0), half(24)],
    }
}

fn values(level: &Value) -> Values<String> {
    let counts: BTreeMap<String, i64> = serde_json::from_value(level["counts"].clone()).unwrap();
    Values::from_counts(day_of(level), counts)
}

fn closed(day: i32, count: u64, cap: Option<u64>) -> DayCount {
    DayCount { day, count, cap }
}

/// The output of our model, or `None` if there is no such model.
fn run(model: &str, input: &Input) -> Option<Value> {
    run_magnitude(model, input)
        .or_else(|| run_calibration(model, input))
        .or_else(|| run_habit(model, input))
}

fn run_magnitude(model: &str, input: &Input) -> Option<Value> {
    Some(match model {
        "log2_q12" => json!(log2_q12(input.get("n"))),
        "surprise" => json!(surprise(input.get("p"))),
        "weight" => json!(Decay::new(input.get("half_life")).weight(input.get("day"))),
        "forward" => json!(Decay::new(input.get("half_life")).forward::<5>(
            &input.get("sums"),
            input.get("from"),
            input.get("to")
        )),
        "is_weekend" => json!(is_weekend(input.get("day"))),
        "log10_t_sf" => json!(log10_t_sf(input.get("t"), input.get("nu"))),
        "population" => {
            let population = Population {
                day: input.get("day"),
                sums: input.get::<[i64; 10]>("sums").map(i128::from),
            };
            json!(population.constants(input.get("as_of")))
        }
        "contribution" => {
            let day = closed(input.get("day"), input.get("count"), input.get("cap"));
            let part = contribution(&input.series(), day).0;
            json!(part.map(|sum| i64::try_from(sum).unwrap()))
        }
        "series" => {
            let mut series = Series::default();
            for (day, count, cap) in input.get::<Vec<(i32, u64, Option<u64>)>>("days") {
                series.fold(closed(day, count, cap));
            }
            json!(series)
        }
        "predictive" => {
            let peers: Peers = input.get("constants");
            let p = predictive(&input.series(), &peers, input.get("day"));
            json!([p.location, p.scale, p.nu])
        }
        "magnitude_surprise" => json!(magnitude_surprise(
            &input.prediction(),
            input.get("count"),
            input.get("floor")
        )),
        "threshold_count" => json!(threshold_count(
            &input.prediction(),
            input.get("floor"),
            input.get("needed")
        )),
        _ => return None,
    })
}

fn run_calibration(model: &str, input: &Input) -> Option<Value> {
    Some(match model {
        "calibrated_p" => json!(input.calibration().p(input.get("surprise"))),
        "needed_surprise" => json!(input.calibration().needed(input.get("alpha"))),
        "alphas" => json!(alphas::<String>(
            input.get("budget"),
            input.get("policy_rate"),
            &input.get("tested"),
            &input.get("shares")
        )),
        "combine" => json!(combine(&input.get::<Vec<f64>>("ps"))),
        "slow" => {
            let mut slow = Slow::default();
            let mut last = None;
            for (day, new) in input.get::<Vec<(i32, u64)>>("steps") {
                last = slow.step(day, new);
            }
            let (n, total) = slow.learned();
            json!({"level": slow.level(), "n": n, "total": total, "last_score": last})
        }
        _ => return None,
    })
}

fn run_habit(model: &str, input: &Input) -> Option<Value> {
    Some(match model {
        "hour_mass" => json!(input.hour_mass()),
        "hour_surprise" => {
            let p = tail_mass(&input.hour_mass(), input.get("hour"));
            json!(surprise(per_day(p, input.get("tests"))))
        }
        "tail_mass" => json!(tail_mass(&input.get::<Vec<f64>>("mass"), input.get("i"))),
        "per_day" => json!(per_day(input.get("p"), input.get("tests"))),
        "expected_tests" => json!(expected_tests(
            input.get("sum_tests"),
            input.get("days"),
            input.get("peers_mean")
        )),
        "value_p" => {
            let (own, wider) = input.levels(values);
            let wider: Vec<&Values<String>> = wider.iter().collect();
            let (day, value): (i32, String) = (input.get("day"), input.get("value"));
            let attribute: Attribute = input.get("attribute");
            let p = value_p(&value_mass(&own, &wider, day, attribute), &value);
            let [tenant] = wider[..] else {
                return Some(json!(p));
            };
            // The short way through a frozen tenant has to keep to the same vectors.
            let frozen = TenantMasses::new(tenant, day, attribute);
            let short = frozen.p(&frozen.own(&own), &value);
            assert!((p - short).abs() <= 1e-9 * p, "{p} {short}");
            json!(p)
        }
        _ => return None,
    })
}

/// Whether two outputs agree: numbers within `abs + rel * |expected|`, all else exactly.
fn agree(ours: &Value, expected: &Value, abs: f64, rel: f64) -> bool {
    match (ours, expected) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agree(a, b, abs, rel))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && b.iter()
                    .all(|(key, b)| a.get(key).is_some_and(|a| agree(a, b, abs, rel)))
        }
        (Value::Number(a), Value::Number(b)) if abs != 0.0 || rel != 0.0 => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= abs + rel * b.abs()
        }
        _ => ours == expected,
    }
}

/// A threshold may lie one step of x beside the reference's: the same surprise within `tol`.
fn thresholds_agree(input: &Input, ours: &Value, expected: &Value, tol: u32) -> bool {
    let (Some(ours), Some(expected)) = (ours.as_u64(), expected.as_u64()) else {
        return ours == expected;
    };
    let prediction = input.prediction();
    let [a, b] = [ours, expected].map(|count| magnitude_surprise(&prediction, count, 0));
    a.abs_diff(b) <= tol && x_of(ours).abs_diff(x_of(expected)) <= 1
}

impl Vector {
    fn passes(&self, ours: &Value) -> bool {
        let number = |key: &str| self.tol[key].as_f64().unwrap_or(0.0);
        match &self.tol {
            Value::Number(abs) => agree(ours, &self.out, abs.as_f64().unwrap(), 0.0),
            tol if tol.get("surprise").is_some() => {
                thresholds_agree(&self.input, ours, &self.out, number("surprise") as u32)
            }
            tol => {
                let known = |key: &String| key == "abs" || key == "rel";
                assert!(tol.as_object().unwrap().keys().all(known), "{}", self.id);
                agree(ours, &self.out, number("abs"), number("rel"))
            }
        }
    }
}

/// Every vector of the reference passes within its tolerance.
#[test]
fn the_models_are_those_of_the_reference() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("fixtures/vectors.json")).unwrap();
    let mut run_count = 0;
    let mut failed = Vec::new();
    for vector in &vectors {
        let ours = run(&vector.model, &vector.input);
        let ours = ours.unwrap_or_else(|| panic!("{}: unknown model", vector.id));
        run_count += 1;
        if !vector.passes(&ours) {
            failed.push(format!("{}: {ours}, not {}", vector.id, vector.out));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(run_count, VECTORS);
}
