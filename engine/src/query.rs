//! SQL over events and alerts, and expressions over events (DataFusion).
//!
//! Invariant: reads only: nothing can be made, written or changed by a query.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use datafusion::common::{DFSchema, DataFusionError, Diagnostic};
use datafusion::datasource::MemTable;
use datafusion::execution::context::SQLOptions;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::{SessionConfig, SessionContext};
use nightjar_detectors::event::{canonical_schema, pipeline_schema};

use crate::config::nearest;

/// SQL that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// What is written cannot be understood, or names what there is not.
    #[error("{message}{}", place_text(.place, .sql))]
    Sql {
        /// What is wrong, with advice where there is some.
        message: String,
        /// Line and column, from 1.
        place: Option<(u64, u64)>,
        /// The text, to show the place in it.
        sql: String,
    },
    /// An expression that says neither yes nor no.
    #[error(
        "the expression gives {0}, not yes or no; write a comparison, such as \"activity = 'login'\""
    )]
    NotCondition(DataType),
    /// Rows that cannot be turned into a table.
    #[error("the rows cannot be read as a table")]
    Rows(#[from] ArrowError),
}

/// Shows the line with a mark under the place.
fn place_text(place: &Option<(u64, u64)>, sql: &str) -> String {
    let Some((line, column)) = *place else {
        return String::new();
    };
    let text = sql.lines().nth(line.saturating_sub(1) as usize);
    let gap = " ".repeat(column.saturating_sub(1) as usize);
    let text = text.unwrap_or_default();
    format!("\n  at line {line}, column {column}:\n  {text}\n  {gap}^")
}

impl QueryError {
    fn sql(error: &DataFusionError, sql: &str) -> Self {
        if let Some(found) = error.diagnostic() {
            return Self::diagnosed(found, sql);
        }
        let message = error.strip_backtrace();
        let place = place_in(&message);
        // `SQL error: ParserError("Expected: …, found: … at Line: 1, Column: 8")`
        let parsed = message.split_once("ParserError(\"");
        let said = parsed.and_then(|(_, said)| said.strip_suffix("\")"));
        let said = said.map(|said| said.split(" at Line: ").next().unwrap_or(said).to_owned());
        QueryError::Sql {
            place,
            message: said.unwrap_or(message),
            sql: sql.to_owned(),
        }
    }

    fn diagnosed(found: &Diagnostic, sql: &str) -> Self {
        let helps = found.helps.iter().map(|help| help.message.as_str());
        let meant = meant(&found.message);
        let parts = std::iter::once(found.message.as_str())
            .chain(helps)
            .chain(meant.as_deref());
        let place = found.span.map(|span| (span.start.line, span.start.column));
        QueryError::Sql {
            message: parts.collect::<Vec<_>>().join("; "),
            place,
            sql: sql.to_owned(),
        }
    }
}

/// The canonical column that a wrong name is near to.
fn meant(message: &str) -> Option<String> {
    let name = message
        .strip_prefix("column '")?
        .strip_suffix("' not found")?;
    let schema = canonical_schema();
    let known = schema.fields().iter().map(|field| field.name().as_str());
    Some(nearest(name, known)).filter(|advice| advice.starts_with("did you mean"))
}

/// The parser writes its place as `at Line: 1, Column: 8`.
fn place_in(message: &str) -> Option<(u64, u64)> {
    let (_, rest) = message.split_once("Line: ")?;
    let (line, rest) = rest.split_once(", Column: ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit());
    let column = &rest[..end.unwrap_or(rest.len())];
    Some((line.parse().ok()?, column.parse().ok()?))
}

fn context() -> SessionContext {
    let mut config = SessionConfig::new().with_information_schema(true);
    config.options_mut().sql_parser.collect_spans = true;
    SessionContext::new_with_config(config)
}

/// Tables to ask.
pub struct Tables {
    context: SessionContext,
}

impl Default for Tables {
    fn default() -> Self {
        Tables { context: context() }
    }
}

impl Tables {
    /// Adds a table of batches of one schema.
    ///
    /// # Errors
    /// When a batch has another schema.
    pub fn add(
        &self,
        name: &str,
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
    ) -> Result<(), QueryError> {
        let table = MemTable::try_new(schema, vec![batches]);
        let added = table.and_then(|table| self.context.register_table(name, Arc::new(table)));
        added
            .map(|_| ())
            .map_err(|error| QueryError::sql(&error, ""))
    }

    /// Runs one statement and gives its rows.
    ///
    /// # Errors
    /// When it cannot be understood, would change something, or fails.
    pub async fn run(&self, sql: &str) -> Result<(SchemaRef, Vec<RecordBatch>), QueryError> {
        let reads_only = SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false);
        let wrong = |error: DataFusionError| QueryError::sql(&error, sql);
        let frame = self.context.sql_with_options(sql, reads_only).await;
        let frame = frame.map_err(wrong)?;
        let schema = frame.schema().inner().clone();
        Ok((schema, frame.collect().await.map_err(wrong)?))
    }
}

/// A condition over the canonical columns, such as `activity = 'login' AND country <> 'DE'`.
#[derive(Debug, Clone)]
pub struct Condition {
    expression: Arc<dyn PhysicalExpr>,
}

impl Condition {
    /// Understands a condition.
    ///
    /// # Errors
    /// When it cannot be understood, names a column that there is not, or is no condition.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let wrong = |error: DataFusionError| QueryError::sql(&error, text);
        let context = context();
        let columns = DFSchema::try_from(pipeline_schema()).map_err(wrong)?;
        let parsed = context.parse_sql_expr(text, &columns).map_err(wrong)?;
        let expression = context
            .create_physical_expr(parsed, &columns)
            .map_err(wrong)?;
        match expression.data_type(&pipeline_schema()).map_err(wrong)? {
            DataType::Boolean => Ok(Condition { expression }),
            other => Err(QueryError::NotCondition(other)),
        }
    }

    /// The rows for which it holds; where it is unknown it does not.
    ///
    /// # Errors
    /// When a value makes the expression fail, such as a division by zero.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let holds = self.expression.evaluate(batch);
        let holds = holds.and_then(|holds| holds.into_array(batch.num_rows()));
        let holds = holds.map_err(|error| ArrowError::ComputeError(error.strip_backtrace()))?;
        filter_record_batch(batch, holds.as_boolean())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::tests::rows;

    const RECORDS: &str = r#"
{"time":"2026-03-05T00:00:00Z","uid":"1","activity":"login","outcome":"success","user":"ana@example.com"}
{"time":"2026-03-05T00:00:01Z","uid":"2","activity":"login","outcome":"success"}
{"time":"2026-03-05T00:00:02Z","uid":"3","activity":"login","outcome":"failure","user":"ben@example.com"}
"#;

    fn batch() -> RecordBatch {
        rows("okta", RECORDS)
    }

    #[test]
    fn a_condition_keeps_what_it_holds_for() {
        let kept = |text: &str| {
            Condition::parse(text)
                .unwrap()
                .apply(&batch())
                .unwrap()
                .num_rows()
        };
        assert_eq!(kept("activity = 'login'"), 3);
        assert_eq!(kept("user = 'ana@example.com'"), 1);
        assert_eq!(kept("user <> 'ana@example.com'"), 1, "unknown is not kept");
        assert_eq!(
            kept("time >= '2026-03-05T00:00:00.5Z' AND source = 'okta'"),
            2
        );
    }

    #[test]
    fn mistakes_are_shown_where_they_are() {
        let said = |text: &str| Condition::parse(text).unwrap_err().to_string();
        let usr = said("usr = 'x'");
        assert!(usr.contains("did you mean `user`?"), "{usr}");
        assert!(said("user").contains("not yes or no"), "{}", said("user"));
        let twice = said("user = = 1");
        assert!(
            twice.starts_with("Expected") && twice.contains("column 8"),
            "{twice}"
        );
    }

    #[tokio::test]
    async fn queries_read_and_nothing_else() {
        let tables = Tables::default();
        tables
            .add("events", pipeline_schema(), vec![batch()])
            .unwrap();
        let (_, rows) = tables
            .run("SELECT count(*) FROM events WHERE user IS NULL")
            .await
            .unwrap();
        assert_eq!(rows[0].num_rows(), 1);
        for sql in [
            "CREATE TABLE x AS SELECT 1",
            "COPY events TO 'x.csv'",
            "INSERT INTO events SELECT * FROM events",
        ] {
            assert!(tables.run(sql).await.is_err(), "{sql}");
        }
        let said = tables
            .run("SELECT usr FROM events")
            .await
            .unwrap_err()
            .to_string();
        assert!(said.contains("line 1, column 8"), "{said}");
    }
}
