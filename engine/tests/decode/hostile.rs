//! Seeded mutants of good records: nothing panics, nothing is lost, and nothing depends on what came before.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::{Out, decode_with, decoder, samples};

const MUTANTS: usize = 24_000;

fn below(random: &mut ChaCha8Rng, end: usize) -> usize {
    (random.next_u64() % end.max(1) as u64) as usize
}

fn mutant(random: &mut ChaCha8Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[below(random, seeds.len())].clone();
    for _ in 0..1 + below(random, 3) {
        let at = below(random, bytes.len());
        match below(random, 9) {
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

#[test]
fn mutants_neither_panic_nor_leave_anything_behind() {
    let seeds: Vec<Vec<u8>> = samples()
        .iter()
        .map(|sample| sample.record.to_string().into_bytes())
        .collect();
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mutants: Vec<Vec<u8>> = (0..MUTANTS).map(|_| mutant(&mut random, &seeds)).collect();
    let mut forward = decoder(None);
    let outs: Vec<Out> = mutants
        .iter()
        .map(|mutant| decode_with(&mut forward, mutant))
        .collect();
    for out in &outs {
        assert!(out.rows.len() + out.rejects.len() + out.ignored != 0);
    }
    let mut backward = decoder(None);
    for (mutant, out) in mutants.iter().zip(&outs).rev() {
        assert_eq!(
            &decode_with(&mut backward, mutant),
            out,
            "{}",
            String::from_utf8_lossy(mutant)
        );
    }
    let read = outs.iter().filter(|out| !out.rows.is_empty()).count();
    assert!(
        MUTANTS / 20 < read,
        "most mutants are refused at the door: {read}"
    );
}

/// What this reader accepts as a whole record, a strict reader of JSON accepts too, but for leniences that are
/// meant: control characters in strings, odd numbers, anything in parts that are skipped.
#[test]
fn whatever_strict_json_accepts_is_read() {
    let seeds: Vec<Vec<u8>> = samples()
        .iter()
        .map(|sample| sample.record.to_string().into_bytes())
        .collect();
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut auto = decoder(None);
    for _ in 0..4_000 {
        let mutant = mutant(&mut random, &seeds);
        let strict = serde_json::from_slice::<serde_json::Value>(&mutant);
        if strict.is_ok_and(|value| value.is_object()) {
            let out = decode_with(&mut auto, &mutant);
            assert!(
                !out.rejects.contains(&nightjar::decode::Reject::NotJson),
                "{}",
                String::from_utf8_lossy(&mutant)
            );
        }
    }
}
