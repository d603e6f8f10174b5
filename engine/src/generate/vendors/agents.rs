//! What coding agents do, as they report it over OpenTelemetry.
//!
//! Invariant: a prompt is a length; nothing that anybody typed is in a record, not even made up.

use std::sync::LazyLock;

use super::{Moment, millis};
use crate::generate::chance::Chance;
use crate::generate::shape::Shape;

static AGENT: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(include_str!("../shapes/agent_event.json")));

/// What an agent can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// Somebody asked for something.
    Prompt,
    /// A model was called.
    Request,
    /// A tool of the agent's own was used.
    Tool,
    /// A tool of a server was used.
    ServerTool(&'static str),
    /// A server was connected.
    Server(&'static str),
    /// The agent asks no more before it does something.
    Bypass,
}

/// The server that everybody's agent knows.
pub const USUAL_SERVER: &str = "wiki";

/// An event of the agent.
pub fn agent(at: Moment<'_>, what: Agent, chance: &mut Chance) -> String {
    let (event, more) = match what {
        Agent::Prompt => (
            "user_prompt",
            format!(r#""prompt_length":{},"#, chance.between(20, 900)),
        ),
        Agent::Request => (
            "api_request",
            format!(
                r#""model":"claude-sonnet-4-6","input_tokens":{},"output_tokens":{},"cache_read_tokens":{},"cache_creation_tokens":{},"duration_ms":{},"request_id":"req_{}","query_source":"repl_main_thread","#,
                chance.between(20, 900),
                chance.between(80, 1_500),
                chance.between(8_000, 60_000),
                chance.between(0, 4_000),
                chance.between(900, 14_000),
                chance.hex(24)
            ),
        ),
        Agent::Tool => {
            let tool: &str = chance.pick::<&str>(&TOOLS);
            ("tool_result", result(tool, "", chance))
        }
        Agent::ServerTool(server) => {
            let name = format!("mcp__{server}__search");
            let scope = format!(r#""mcp_server_name":"{server}","mcp_server_scope":"project","#);
            ("tool_result", result(&name, &scope, chance))
        }
        Agent::Server(server) => (
            "mcp_server_connection",
            format!(
                r#""status":"connected","transport_type":"stdio","server_scope":"project","server_name":"{server}","duration_ms":{},"#,
                chance.between(80, 2_000)
            ),
        ),
        Agent::Bypass => (
            "permission_mode_changed",
            r#""from_mode":"default","to_mode":"bypassPermissions","trigger":"shift_tab","#
                .to_owned(),
        ),
    };
    AGENT.fill(&[
        ("time", &millis(at.time_ms)),
        ("event", &event),
        (
            "installation",
            &Chance::of(0, &at.person.email, &[]).hex(64),
        ),
        ("session", &at.session),
        ("email", &at.person.email),
        ("sequence", &chance.below(100_000)),
        ("more", &more),
    ])
}

const TOOLS: [&str; 5] = ["Read", "Edit", "Bash", "Grep", "Write"];

fn result(name: &str, more: &str, chance: &mut Chance) -> String {
    format!(
        r#""tool_name":"{name}","success":"true","decision_type":"accept","decision_source":"config",{more}"duration_ms":{},"#,
        chance.between(3, 4_000)
    )
}
