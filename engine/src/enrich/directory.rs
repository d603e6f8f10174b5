//! The directory file: one line a person or account.
//!
//! Invariant: a name or alias means one person; everything wrong is told at once, with its line.

use std::collections::BTreeMap;
use std::path::Path;

use csv::StringRecord;
use nightjar_detectors::directory::{Directory, Person};
use nightjar_detectors::event::Kind;

use crate::config::{ConfigErrors, Place, Problem, day, find_zone, nearest, zone_advice};

const HEADINGS: [&str; 14] = [
    "user",
    "aliases",
    "kind",
    "group",
    "manager",
    "zone",
    "country",
    "admin",
    "hired",
    "leaves",
    "absent",
    "on_call",
    "last_sign_in",
    "valid_from",
];

/// One wrong column must not print a line for each of ten thousand people.
const PROBLEMS_MAX: usize = 20;

/// Reads a directory file; `setting` is where it is named.
///
/// # Errors
/// With every line that cannot be understood.
pub fn read_directory(
    file: &Path,
    setting: &Place,
) -> Result<(Directory, blake3::Hash), ConfigErrors> {
    let bytes =
        std::fs::read(file).map_err(|error| Problem::unreadable(setting.clone(), file, &error))?;
    let hash = blake3::hash(&bytes);
    let mut lines = Lines {
        file,
        problems: Vec::new(),
        more: 0,
    };
    let directory = parse(&bytes, &mut lines);
    if 0 < lines.more {
        let what = format!("{} more problems", lines.more);
        lines.problems.push(Problem::new(
            Place::File(file.to_owned()),
            what,
            "mend these first",
        ));
    }
    if lines.problems.is_empty() {
        Ok((directory, hash))
    } else {
        Err(ConfigErrors(lines.problems))
    }
}

/// Problems by line.
struct Lines<'f> {
    file: &'f Path,
    problems: Vec<Problem>,
    more: usize,
}

impl Lines<'_> {
    fn add(&mut self, line: u64, what: String, suggestion: impl Into<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            let place = Place::Line(self.file.to_owned(), line as usize);
            self.problems.push(Problem::new(place, what, suggestion));
        } else {
            self.more += 1;
        }
    }
}

/// One line before its names are compared with the others'.
struct Entry {
    line: u64,
    valid_from: Option<i32>,
    person: Person,
    aliases: Vec<String>,
}

fn parse(bytes: &[u8], lines: &mut Lines<'_>) -> Directory {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let headings = match reader.headers() {
        Ok(headings) => headings.clone(),
        Err(_) => {
            lines.add(1, "not UTF-8 text".to_owned(), "save it as UTF-8");
            return Directory::default();
        }
    };
    let columns = columns(&headings, lines);
    if !headings
        .iter()
        .any(|heading| heading.eq_ignore_ascii_case("user"))
    {
        lines.add(
            1,
            "no column `user`".to_owned(),
            "begin with the line of headings, as in user,zone",
        );
        return Directory::default();
    }
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for record in reader.records() {
        match record {
            Ok(record) => add_record(&record, &columns, &mut entries, lines),
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                let (what, advice) = match error.kind() {
                    csv::ErrorKind::UnequalLengths {
                        expected_len, len, ..
                    } => (
                        format!("{len} fields under {expected_len} headings"),
                        r#"give each line as many commas as the first, and put "quotes" around commas"#,
                    ),
                    _ => ("not UTF-8 text".to_owned(), "save it as UTF-8"),
                };
                lines.add(line, what, advice);
            }
        }
    }
    assemble(entries, lines)
}

/// The heading of each column, as one of [`HEADINGS`].
fn columns(headings: &StringRecord, lines: &mut Lines<'_>) -> Vec<Option<&'static str>> {
    let mut columns = Vec::new();
    for heading in headings {
        let known = HEADINGS
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(heading));
        if known.is_none() {
            lines.add(
                1,
                format!("unknown heading `{heading}`"),
                nearest(heading, HEADINGS),
            );
        } else if columns.contains(&known) {
            lines.add(
                1,
                format!("the heading `{heading}` twice"),
                "remove one of the columns",
            );
        }
        columns.push(known);
    }
    columns
}

fn add_record(
    record: &StringRecord,
    columns: &[Option<&'static str>],
    entries: &mut BTreeMap<String, Entry>,
    lines: &mut Lines<'_>,
) {
    let line = record.position().map_or(1, csv::Position::line);
    let mut user = String::new();
    let mut entry = Entry {
        line,
        valid_from: None,
        person: Person::default(),
        aliases: Vec::new(),
    };
    for (column, value) in columns.iter().zip(record) {
        let Some(column) = column else { continue };
        if *column == "user" {
            user = value.to_lowercase();
        } else if !value.is_empty()
            && let Err(advice) = entry.set(column, value)
        {
            lines.add(line, format!("`{column}` is `{value}`"), advice);
        }
    }
    if user.is_empty() {
        lines.add(
            line,
            "no user".to_owned(),
            "name the user or remove the line",
        );
        return;
    }
    // The latest line about a user holds; two of one day contradict each other.
    match entries.get(&user) {
        Some(other) if other.valid_from == entry.valid_from => {
            let what = format!("`{user}` is already on line {}", other.line);
            lines.add(
                line,
                what,
                "keep one of the lines, or give them different valid_from",
            );
        }
        Some(other) if entry.valid_from < other.valid_from => {}
        _ => {
            entries.insert(user, entry);
        }
    }
}

impl Entry {
    /// Sets a column, or says what to write there.
    fn set(&mut self, column: &str, value: &str) -> Result<(), String> {
        let person = &mut self.person;
        match column {
            "aliases" => {
                let aliases = value.split(';').map(|alias| alias.trim().to_lowercase());
                self.aliases = aliases.filter(|alias| !alias.is_empty()).collect();
            }
            "kind" => person.kind = Some(kind(value)?),
            "group" => person.group = Some(value.to_owned()),
            "manager" => person.manager = Some(value.to_lowercase()),
            "zone" => person.zone = Some(find_zone(value).ok_or_else(|| zone_advice(value))?),
            "country" => person.country = Some(country(value)?),
            "admin" => person.admin = flag(value)?,
            "hired" => person.hired = Some(date(value)?),
            "leaves" => person.leaves = Some(date(value)?),
            "absent" => person.absent = spans(value)?,
            "on_call" => person.on_call = spans(value)?,
            "last_sign_in" => {
                person.last_sign_in = Some(date(value.get(..10).unwrap_or(value))?);
            }
            "valid_from" => self.valid_from = Some(date(value)?),
            _ => {}
        }
        Ok(())
    }
}

fn kind(value: &str) -> Result<Kind, String> {
    Kind::parse(&value.to_ascii_lowercase()).ok_or_else(|| {
        let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("write {}", known.join(", "))
    })
}

fn country(value: &str) -> Result<String, String> {
    if value.len() == 2 && value.chars().all(|c| c.is_ascii_alphabetic()) {
        Ok(value.to_ascii_uppercase())
    } else {
        Err("write the two letters of ISO 3166, as in DE".to_owned())
    }
}

fn flag(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

fn date(value: &str) -> Result<i32, String> {
    day(value).ok_or_else(|| "write dates as 2026-03-01".to_owned())
}

fn spans(value: &str) -> Result<Vec<(i32, i32)>, String> {
    let span = |text: &str| {
        let (from, to) = text.split_once('/').unwrap_or((text, text));
        let span = (day(from)?, day(to)?);
        (span.0 <= span.1).then_some(span)
    };
    let parts = value
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let spans: Option<Vec<_>> = parts.map(span).collect();
    spans.ok_or_else(|| {
        "write first and last day, as in 2026-03-01/2026-03-14;2026-08-01/2026-08-02".to_owned()
    })
}

fn assemble(entries: BTreeMap<String, Entry>, lines: &mut Lines<'_>) -> Directory {
    let mut directory = Directory::default();
    let mut owners: Vec<(u64, String, String)> = Vec::new();
    for (user, entry) in &entries {
        for alias in entry.aliases.iter().filter(|alias| *alias != user) {
            owners.push((entry.line, alias.clone(), user.clone()));
        }
    }
    // By line, so that the later of two contradicting lines is the one that is told.
    owners.sort();
    for (line, alias, user) in owners {
        if let Some(other) = entries.get(&alias) {
            let what = format!("the alias `{alias}` is the user of line {}", other.line);
            lines.add(line, what, "remove the alias or that line");
        } else if let Some(other) = directory.aliases.get(&alias)
            && *other != user
        {
            let what = format!("the alias `{alias}` belongs to `{other}` too");
            lines.add(line, what, "give it to one of them");
        } else {
            directory.aliases.insert(alias, user);
        }
    }
    directory.people = entries
        .into_iter()
        .map(|(user, entry)| (user, entry.person))
        .collect();
    directory
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Directory, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("directory.csv");
        std::fs::write(&file, text).unwrap();
        read_directory(&file, &Place::Configuration)
            .map(|(directory, _)| directory)
            .map_err(|errors| {
                errors
                    .to_string()
                    .replace(&format!("{}/", folder.path().display()), "")
            })
    }

    #[test]
    fn every_column_is_read_in_any_order() {
        let text = "\u{feff}zone,user,aliases,kind,group,manager,country,admin,hired,leaves,absent,on_call,last_sign_in,valid_from\r
europe/berlin,Ana@Example.com, A.Old@example.com ;S-1-5;,person,Sales,Boss@example.com,de,yes,2020-01-01,2026-12-31,2026-03-01/2026-03-14;2026-08-01,2026-04-01/2026-04-02,2026-03-01T10:00:00Z,2026-01-01\r
,robot,,service,\"a, b\",,,,,,,,,\r
";
        let directory = read(text).unwrap();
        let ana = directory.person("ana@example.com").unwrap();
        let expected = Person {
            kind: Some(Kind::Person),
            group: Some("Sales".into()),
            manager: Some("boss@example.com".into()),
            zone: Some(chrono_tz::Tz::Europe__Berlin),
            country: Some("DE".into()),
            admin: true,
            hired: day("2020-01-01"),
            leaves: day("2026-12-31"),
            absent: vec![(20_513, 20_526), (20_666, 20_666)],
            on_call: vec![(20_544, 20_545)],
            last_sign_in: day("2026-03-01"),
        };
        assert_eq!(ana, &expected);
        assert_eq!(directory.canonical("a.old@example.com"), "ana@example.com");
        assert_eq!(directory.canonical("s-1-5"), "ana@example.com");
        let robot = directory.person("robot").unwrap();
        assert_eq!((robot.kind, robot.admin), (Some(Kind::Service), false));
        assert_eq!(robot.group.as_deref(), Some("a, b"));
    }

    #[test]
    fn one_column_is_enough() {
        let directory = read("user\nana\n\nbo\n").unwrap();
        assert_eq!(directory.people.len(), 2);
        assert_eq!(read("user\n").unwrap().people.len(), 0);
    }

    #[test]
    fn the_latest_line_about_a_user_holds() {
        let directory =
            read("user,group,valid_from\nana,new,2026-02-01\nana,old,2026-01-01\nana,first,\n");
        let directory = directory.unwrap();
        assert_eq!(
            directory.person("ana").unwrap().group.as_deref(),
            Some("new")
        );
    }

    #[test]
    fn every_mistake_has_its_line_and_a_suggestion() {
        let cases = [
            ("", ":1: no column `user`; begin"),
            ("name,zone\n", ":1: unknown heading `name`; known here"),
            (
                "user,alias\n",
                ":1: unknown heading `alias`; did you mean `aliases`?",
            ),
            ("user,zone,zone\n", ":1: the heading `zone` twice; remove"),
            (
                "user,zone\nana,Europe/Berln\n",
                ":2: `zone` is `Europe/Berln`; did you mean `Europe/Berlin`?",
            ),
            (
                "user,kind\nana,human\n",
                ":2: `kind` is `human`; write person",
            ),
            (
                "user,country\nana,Germany\n",
                ":2: `country` is `Germany`; write the two",
            ),
            (
                "user,admin\nana,maybe\n",
                ":2: `admin` is `maybe`; write true",
            ),
            (
                "user,hired\nana,1.2.2020\n",
                ":2: `hired` is `1.2.2020`; write dates",
            ),
            (
                "user,absent\nana,2026-03-02/2026-03-01\n",
                ":2: `absent` is `2026-03-02/2026-03-01`; write first",
            ),
            ("user,zone\nana\n", ":2: 1 fields under 2 headings; give"),
            ("user,zone\n,UTC\n", ":2: no user; name"),
            (
                "user\nana\nbo\nANA\n",
                ":4: `ana` is already on line 2; keep",
            ),
            (
                "user,aliases\nana,bo\nbo,\n",
                ":2: the alias `bo` is the user of line 3; remove",
            ),
            (
                "user,aliases\nbo,x\nana,x\n",
                ":3: the alias `x` belongs to `bo` too; give",
            ),
        ];
        for (text, expected) in cases {
            let errors = read(text).expect_err(text);
            assert!(errors.starts_with("directory.csv:"), "{errors}");
            assert!(errors.contains(expected), "{text}\n{errors}");
        }
    }

    #[test]
    fn a_wrong_column_does_not_flood_the_terminal() {
        let text: String = (0..100).map(|n| format!("u{n},x\n")).collect();
        let errors = read(&format!("user,admin\n{text}")).unwrap_err();
        assert_eq!(errors.lines().count(), PROBLEMS_MAX + 1);
        assert!(
            errors.ends_with("80 more problems; mend these first"),
            "{errors}"
        );
    }

    #[test]
    fn a_missing_file_names_its_setting() {
        let setting = Place::Line("nightjar.toml".into(), 7);
        let errors = read_directory(Path::new("/no/such.csv"), &setting).unwrap_err();
        assert!(
            errors
                .to_string()
                .starts_with("nightjar.toml:7: cannot read /no/such.csv")
        );
    }
}
