//! What is cut off a value on its way into a column: quotes around it, and what stands before and after marks.
//!
//! Invariant: what comes out is a part of what went in, so nothing is copied.

/// What to cut off.
#[derive(Debug, Default, Clone)]
pub(crate) struct Cut {
    /// Quotes around the value: Microsoft writes a text as JSON within a text.
    pub(crate) unquote: bool,
    /// Only what follows the last of these.
    pub(crate) after: Option<String>,
    /// Only what stands before the first of any of these.
    pub(crate) before: Vec<String>,
}

impl Cut {
    /// Whether nothing is cut off.
    pub(crate) fn is_none(&self) -> bool {
        !self.unquote && self.after.is_none() && self.before.is_empty()
    }

    /// What is left of a value.
    pub(crate) fn of<'a>(&self, mut text: &'a str) -> &'a str {
        if self.unquote {
            text = unquoted(text);
        }
        if let Some((_, after)) = self.after.as_ref().and_then(|mark| text.rsplit_once(mark)) {
            text = after;
        }
        let ends = self.before.iter().filter_map(|mark| text.find(mark));
        ends.min().map_or(text, |end| &text[..end])
    }
}

/// A text without the pairs of quotes around it.
fn unquoted(text: &str) -> &str {
    let mut text = text.trim_ascii();
    while let Some(inner) = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        text = inner.trim_ascii();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_taken_off_in_pairs() {
        let cut = Cut {
            unquote: true,
            ..Cut::default()
        };
        assert_eq!(cut.of("\"Global Administrator\""), "Global Administrator");
        assert_eq!(cut.of("Global Administrator"), "Global Administrator");
        assert_eq!(cut.of("\"a"), "\"a");
        assert_eq!(cut.of("\""), "\"");
        assert_eq!(cut.of("\"\""), "");
    }

    #[test]
    fn the_first_mark_ends_the_value() {
        let cut = Cut {
            unquote: true,
            after: Some("Scope: ".into()),
            before: vec![",".into(), "]".into()],
        };
        let consent = "\"[] => [[Id: x, Scope: Mail.Read offline_access, CreatedDateTime: ]]; \"";
        assert_eq!(cut.of(consent), "Mail.Read offline_access");
        assert_eq!(cut.of("[[Scope: User.Read]]"), "User.Read");
        assert_eq!(cut.of("User.Read"), "User.Read");
    }
}
