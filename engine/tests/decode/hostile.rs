//! Seeded mutants of good records: nothing panics, nothing is lost, and nothing depends on what came before.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use nightjar::decode::{Decoder, Reject, Sink};
use nightjar_detectors::event::Draft;

use crate::{decode_with, decoder, samples};

const MUTANTS: usize = 100_000;

fn below(random: &mut ChaCha8Rng, end: usize) -> usize {
    (random.next_u64() % end.max(1) as u64) as usize
}

/// What may stand where another type is expected.
const VALUES: [&str; 12] = [
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "\"x\"",
    "-1",
    "1e999",
    "123456789012345678901234567890",
    "[{\"name\":1,\"value\":[null]}]",
    "{\"a\":{\"a\":{\"a\":[0]}}}",
    "\"\\ud800\\u0000\"",
];

/// Puts another value in front of one value, under the same key or instead of it: types are swapped, keys
/// come twice, and it is JSON as before.
fn swap(random: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    let from = below(random, bytes.len());
    let Some(at) = memchr::memmem::find(&bytes[from..], b"\":") else {
        return;
    };
    let end = from + at;
    let start = bytes[..end]
        .iter()
        .rposition(|byte| *byte == b'"')
        .unwrap_or(end);
    let key = match below(random, 2) {
        0 => bytes[start..end + 2].to_vec(),
        _ => b"\"other\":".to_vec(),
    };
    let value = VALUES[below(random, VALUES.len())];
    let inserted = [value.as_bytes(), b",", &key].concat();
    bytes.splice(end + 2..end + 2, inserted);
}

fn mutant(random: &mut ChaCha8Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[below(random, seeds.len())].clone();
    for _ in 0..1 + below(random, 3) {
        let at = below(random, bytes.len());
        match below(random, 12) {
            0 => bytes[at] ^= 1 << below(random, 8),
            1 => bytes.truncate(at.max(1)),
            2 => drop(bytes.remove(at)),
            3 => bytes[at] = b"{}[]\",:\\0e-\0tfn\xff"[below(random, 16)],
            4 => {
                let depth = 1 + below(random, 2000);
                let open = if below(random, 2) == 0 {
                    b"[".repeat(depth)
                } else {
                    b"{\"a\":".repeat(depth)
                };
                bytes.splice(at..at, open);
            }
            5 => {
                let end = (at + below(random, 60)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            6 => {
                let end = (at + below(random, 60)).min(bytes.len());
                bytes.drain(at..end);
            }
            7 => {
                let other = &seeds[below(random, seeds.len())];
                bytes.splice(at..at, other.iter().copied());
            }
            8..11 => swap(random, &mut bytes),
            _ => bytes
                .splice(at..at, b"\\ud800\\u0000".iter().copied())
                .for_each(drop),
        }
        if bytes.is_empty() {
            bytes.push(b'{');
        }
    }
    bytes
}

/// What became of one record.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Fate {
    rows: u32,
    ignored: u32,
    rejected: u32,
    /// Of the rows and the reasons.
    digest: u64,
}

impl Fate {
    fn mix(&mut self, number: u64) {
        self.digest = (self.digest ^ number)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(31);
    }

    fn of(decoder: &mut Decoder, record: &[u8]) -> Fate {
        let mut fate = Fate::default();
        decoder.decode(record, 0, &mut fate);
        fate
    }
}

impl Sink for Fate {
    fn row(&mut self, row: Draft<'_>) {
        self.rows += 1;
        // The key covers the id and all columns that come from the record.
        self.mix(row.key);
        self.mix(row.time.cast_unsigned() ^ u64::from(row.class));
    }
    fn reject(&mut self, reason: Reject) {
        self.rejected += 1;
        self.mix(reason.as_str().len() as u64);
    }
    fn ignored(&mut self) {
        self.ignored += 1;
    }
}

/// Good records: the samples of all formats, and the vendors' own where they are at hand.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = samples().into_iter().map(|sample| sample.bytes).collect();
    if let Some(folder) = std::env::var_os("NIGHTJAR_DATA") {
        let path = std::path::Path::new(&folder).join("vendor_events/rule_tests.jsonl");
        let text = std::fs::read_to_string(path).expect("the vendors' events");
        seeds.extend(text.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("a line");
            line["log"].to_string().into_bytes()
        }));
    }
    seeds
}

/// However a record is broken, it ends as rows, as no activity or as a refusal, and the next is read as if it
/// had not been there.
#[test]
fn mutants_neither_panic_nor_leave_anything_behind() {
    let seeds = seeds();
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut forward = decoder(None);
    let mut kept = Vec::new();
    let mut read = 0;
    for number in 0..MUTANTS {
        let mutant = mutant(&mut random, &seeds);
        let fate = Fate::of(&mut forward, &mutant);
        assert_ne!(fate.rows + fate.ignored + fate.rejected, 0);
        read += usize::from(fate.rows != 0);
        if number % 10 == 0 {
            kept.push((mutant, fate));
        }
    }
    let mut backward = decoder(None);
    for (mutant, fate) in kept.iter().rev() {
        let again = Fate::of(&mut backward, mutant);
        assert_eq!(again, *fate, "{}", String::from_utf8_lossy(mutant));
    }
    assert!(
        MUTANTS / 10 < read,
        "most mutants are refused at the door: {read}"
    );
}

/// What this reader accepts as a whole record, a strict reader of JSON accepts too, but for leniences that are
/// meant: control characters in strings, odd numbers, anything in parts that are skipped.
#[test]
fn whatever_strict_json_accepts_is_read() {
    let seeds = seeds();
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut auto = decoder(None);
    for _ in 0..4_000 {
        let mutant = mutant(&mut random, &seeds);
        let strict = serde_json::from_slice::<serde_json::Value>(&mutant);
        if strict.is_ok_and(|value| value.is_object()) {
            let out = decode_with(&mut auto, &mutant);
            assert!(
                !out.rejects.contains(&Reject::NotJson),
                "{}",
                String::from_utf8_lossy(&mutant)
            );
        }
    }
}
