//! Secrets: in the environment or in a file, never in the configuration itself.
//!
//! Invariant: a secret is in no message.

use std::path::Path;

use super::read::Context;
use super::section::Wrong;
use super::tree::{Node, Table};

/// What to do with one that was written down.
pub const KEPT_APART: &str = r#"write { env = "NAME" } or { file = "PATH" }"#;

/// The secret that a table names; `None` where it names none.
pub fn secret(table: &Table, node: &Node, context: &Context<'_>) -> Result<String, Option<Wrong>> {
    let mut keys = table.iter();
    let (Some((key, place)), None) = (keys.next(), keys.next()) else {
        return Err(None);
    };
    let name = place.text().ok_or(None)?;
    match key.as_str() {
        "env" => context.environment.get(name).cloned().ok_or_else(|| {
            let what = format!("wants the environment variable {name}, which is not set");
            Some(Wrong(what, format!("set {name} before the start")))
        }),
        "file" => {
            let path = context.resolve(Path::new(name), &node.place);
            let content = std::fs::read_to_string(&path).map_err(|error| {
                let what = format!("wants the file {}: {}", path.display(), error.kind());
                Some(Wrong(what, "check the path and its permissions".into()))
            })?;
            // Editors end files with a newline that is not part of the secret.
            Ok(content.trim_end_matches(['\r', '\n']).to_owned())
        }
        _ => Err(None),
    }
}
