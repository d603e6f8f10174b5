//! Lists whose elements are a name and a value, read as if the names were keys.
//!
//! Invariant: what formats say of one list is true for all of them, so that a record means the same whether its
//! format is named or recognised.

use super::tree::{PathError, keys};

/// Where an element's name is, and where its value may be: the first that is not null counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pairs {
    pub(crate) name: Vec<String>,
    pub(crate) values: Vec<Vec<String>>,
}

impl Pairs {
    /// Keys, or keys within keys: `value.stringValue`.
    pub(crate) fn new(name: &str, values: &[String]) -> Result<Pairs, PathError> {
        Ok(Pairs {
            name: keys(name)?,
            values: values
                .iter()
                .map(|path| keys(path))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Adds what one more format says of a list: values under the same name are read together. `false` where
    /// the formats want them in orders that contradict each other.
    pub(crate) fn add(known: &mut Vec<Pairs>, more: &Pairs) -> bool {
        let Some(pairs) = known.iter_mut().find(|pairs| same(&pairs.name, &more.name)) else {
            known.push(more.clone());
            return true;
        };
        let mut after = 0;
        for value in &more.values {
            let found = pairs.values.iter().position(|known| same(known, value));
            let at = found.unwrap_or(pairs.values.len());
            if at < after {
                return false;
            }
            if found.is_none() {
                pairs.values.push(value.clone());
            }
            after = at;
        }
        true
    }
}

fn same(left: &[String], right: &[String]) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .all(|(left, right)| left.eq_ignore_ascii_case(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(name: &str, values: &[&str]) -> Pairs {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        Pairs::new(name, &values).expect("paths")
    }

    #[test]
    fn pairs_of_two_formats_are_read_together_or_refused() {
        let mut known = Vec::new();
        assert!(Pairs::add(&mut known, &pairs("Name", &["Value"])));
        assert!(Pairs::add(
            &mut known,
            &pairs("name", &["value", "boolValue"])
        ));
        assert!(Pairs::add(
            &mut known,
            &pairs("key", &["value.stringValue"])
        ));
        assert_eq!(known[0], pairs("Name", &["Value", "boolValue"]));
        assert_eq!(known.len(), 2);
        assert!(!Pairs::add(
            &mut known,
            &pairs("NAME", &["boolValue", "value"])
        ));
        assert!(Pairs::new("list[].name", &[]).is_err());
    }
}
