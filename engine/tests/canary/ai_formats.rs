//! The canary's records of AI services and agents, and the places of them that may leave.
//!
//! Invariant: as in `formats.rs`, a place that is not listed may never be seen.

use crate::formats::Format;

/// Coding agents' events over OTLP (Claude Code, Codex, Gemini CLI).
pub const AGENT_OTLP: Format = Format {
    name: "agent_otlp",
    source: "agents",
    samples: &[
        r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"host.arch","value":{"stringValue":"arm64"}},{"key":"service.name","value":{"stringValue":"claude-code"}},{"key":"service.version","value":{"stringValue":"2.1.0"}}]},"scopeLogs":[{"logRecords":[{"attributes":[{"key":"user.id","value":{"stringValue":"9f31"}},{"key":"session.id","value":{"stringValue":"s-1"}},{"key":"organization.id","value":{"stringValue":"org-1"}},{"key":"user.email","value":{"stringValue":"Ana@Example.com"}},{"key":"user.account_uuid","value":{"stringValue":"ab-01"}},{"key":"terminal.type","value":{"stringValue":"vscode"}},{"key":"event.name","value":{"stringValue":"user_prompt"}},{"key":"event.timestamp","value":{"stringValue":"2026-03-02T10:00:00.123Z"}},{"key":"event.sequence","value":{"intValue":"1"}},{"key":"prompt.id","value":{"stringValue":"p-1"}},{"key":"prompt_length","value":{"intValue":"11"}},{"key":"prompt","value":{"stringValue":"hello"}}],"body":{"stringValue":"claude_code.user_prompt"},"droppedAttributesCount":0,"observedTimeUnixNano":"1772445600123456789","timeUnixNano":"1772445600123456789"},{"attributes":[{"key":"user.id","value":{"stringValue":"9f31"}},{"key":"session.id","value":{"stringValue":"s-1"}},{"key":"organization.id","value":{"stringValue":"org-1"}},{"key":"user.email","value":{"stringValue":"Ana@Example.com"}},{"key":"user.account_uuid","value":{"stringValue":"ab-01"}},{"key":"terminal.type","value":{"stringValue":"vscode"}},{"key":"event.name","value":{"stringValue":"api_request"}},{"key":"event.timestamp","value":{"stringValue":"2026-03-02T10:00:00.123Z"}},{"key":"event.sequence","value":{"intValue":"1"}},{"key":"prompt.id","value":{"stringValue":"p-1"}},{"key":"model","value":{"stringValue":"claude-sonnet-4-6"}},{"key":"cost_usd","value":{"stringValue":"0.02"}},{"key":"duration_ms","value":{"intValue":"900"}},{"key":"input_tokens","value":{"intValue":"12"}},{"key":"output_tokens","value":{"intValue":"250"}},{"key":"cache_read_tokens","value":{"intValue":"30000"}},{"key":"cache_creation_tokens","value":{"intValue":"738"}},{"key":"request_id","value":{"stringValue":"req_01"}},{"key":"query_source","value":{"stringValue":"repl_main_thread"}}],"body":{"stringValue":"claude_code.api_request"},"droppedAttributesCount":0,"observedTimeUnixNano":"1772445601000000000","timeUnixNano":"1772445601000000000"},{"attributes":[{"key":"user.id","value":{"stringValue":"9f31"}},{"key":"session.id","value":{"stringValue":"s-1"}},{"key":"organization.id","value":{"stringValue":"org-1"}},{"key":"user.email","value":{"stringValue":"Ana@Example.com"}},{"key":"user.account_uuid","value":{"stringValue":"ab-01"}},{"key":"terminal.type","value":{"stringValue":"vscode"}},{"key":"event.name","value":{"stringValue":"tool_decision"}},{"key":"event.timestamp","value":{"stringValue":"2026-03-02T10:00:00.123Z"}},{"key":"event.sequence","value":{"intValue":"1"}},{"key":"prompt.id","value":{"stringValue":"p-1"}},{"key":"tool_name","value":{"stringValue":"Bash"}},{"key":"decision","value":{"stringValue":"accept"}},{"key":"source","value":{"stringValue":"config"}},{"key":"tool_parameters","value":{"stringValue":"hello"}}],"body":{"stringValue":"claude_code.tool_decision"},"droppedAttributesCount":0,"observedTimeUnixNano":"1772445602000000000","timeUnixNano":"1772445602000000000"}],"scope":{"name":"com.anthropic.claude_code.events","version":"2.1.0"}}]}]}"#,
        r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"host.arch","value":{"stringValue":"arm64"}},{"key":"service.name","value":{"stringValue":"claude-code"}},{"key":"service.version","value":{"stringValue":"2.1.0"}}]},"scopeLogs":[{"logRecords":[{"attributes":[{"key":"user.id","value":{"stringValue":"9f31"}},{"key":"session.id","value":{"stringValue":"s-1"}},{"key":"organization.id","value":{"stringValue":"org-1"}},{"key":"user.email","value":{"stringValue":"Ana@Example.com"}},{"key":"user.account_uuid","value":{"stringValue":"ab-01"}},{"key":"terminal.type","value":{"stringValue":"vscode"}},{"key":"event.name","value":{"stringValue":"api_request"}},{"key":"event.timestamp","value":{"stringValue":"2026-03-02T10:00:00.123Z"}},{"key":"event.sequence","value":{"intValue":"1"}},{"key":"prompt.id","value":{"stringValue":"p-1"}},{"key":"model","value":{"stringValue":"claude-haiku-4-5"}},{"key":"input_tokens","value":{"stringValue":"10"}},{"key":"output_tokens","value":{"stringValue":"20"}},{"key":"cache_read_tokens","value":{"stringValue":"5"}},{"key":"cache_creation_tokens","value":{"stringValue":"0"}},{"key":"request_id","value":{"stringValue":"req_02"}},{"key":"query_source","value":{"stringValue":"agent:builtin"}}],"body":{"stringValue":"claude_code.api_request"},"droppedAttributesCount":0,"observedTimeUnixNano":"1772445600123456789","timeUnixNano":"1772445600123456789"}],"scope":{"name":"com.anthropic.claude_code.events","version":"2.1.0"}}]}]}"#,
        r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"host.arch","value":{"stringValue":"arm64"}},{"key":"service.name","value":{"stringValue":"claude-code"}},{"key":"service.version","value":{"stringValue":"2.1.0"}}]},"scopeLogs":[{"logRecords":[{"attributes":[{"key":"user.id","value":{"stringValue":"9f31"}},{"key":"session.id","value":{"stringValue":"s-1"}},{"key":"organization.id","value":{"stringValue":"org-1"}},{"key":"user.email","value":{"stringValue":"Ana@Example.com"}},{"key":"user.account_uuid","value":{"stringValue":"ab-01"}},{"key":"terminal.type","value":{"stringValue":"vscode"}},{"key":"event.name","value":{"stringValue":"api_error"}},{"key":"event.timestamp","value":{"stringValue":"2026-03-02T10:00:00.123Z"}},{"key":"event.sequence","value":{"intValue":"1"}},{"key":"prompt.id","value":{"stringValue":"p-1"}},{"key":"model","value":{"stringValue":"claude-sonnet-4-6"}},{"key":"error","value":{"stringValue":"hello"}},{"key":"status_code","value":{"stringValue":"529"}},{"key":"attempt","value":{"intValue":"3"}}],"body":{"stringValue":"claude_code.api_error"},"droppedAttributesCount":0,"observedTimeUnixNano":"1772445600123456789","timeUnixNano":"1772445600123456789"},{"attributes":[{"key":"user.id","value":{"stringValue":"9f31"}},{"key":"session.id","value":{"stringValue":"s-1"}},{"key":"organization.id","value":{"stringValue":"org-1"}},{"key":"user.email","value":{"stringValue":"Ana@Example.com"}},{"key":"user.account_uuid","value":{"stringValue":"ab-01"}},{"key":"terminal.type","value":{"stringValue":"vscode"}},{"key":"event.name","value":{"stringValue":"tool_decision"}},{"key":"event.timestamp","value":{"stringValue":"2026-03-02T10:00:00.123Z"}},{"key":"event.sequence","value":{"intValue":"1"}},{"key":"prompt.id","value":{"stringValue":"p-1"}},{"key":"tool_name","value":{"stringValue":"WebFetch"}},{"key":"decision","value":{"stringValue":"reject"}},{"key":"source","value":{"stringValue":"user_reject"}}],"body":{"stringValue":"claude_code.tool_decision"},"droppedAttributesCount":0,"observedTimeUnixNano":"1772445602000000000","timeUnixNano":"1772445602000000000"}],"scope":{"name":"com.anthropic.claude_code.events","version":"2.1.0"}}]}]}"#,
        r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"host.arch","value":{"stringValue":"arm64"}},{"key":"service.name","value":{"stringValue":"codex_cli_rs"}},{"key":"service.version","value":{"stringValue":"2.1.0"}}]},"scopeLogs":[{"logRecords":[{"attributes":[{"key":"conversation.id","value":{"stringValue":"c-1"}},{"key":"app.version","value":{"stringValue":"0.61"}},{"key":"auth_mode","value":{"stringValue":"ChatGPT"}},{"key":"user.account_id","value":{"stringValue":"acc-1"}},{"key":"user.email","value":{"stringValue":"ben@example.com"}},{"key":"model","value":{"stringValue":"gpt-5-codex"}},{"key":"slug","value":{"stringValue":"gpt-5-codex"}},{"key":"event.timestamp","value":{"stringValue":"2026-03-02T10:00:00.5Z"}},{"key":"event.name","value":{"stringValue":"codex.sse_event"}},{"key":"event.kind","value":{"stringValue":"response.output_text.delta"}}],"body":{"stringValue":"claude_code.codex.sse_event"},"droppedAttributesCount":0,"observedTimeUnixNano":"1772445600123456789","timeUnixNano":"1772445600123456789"},{"attributes":[{"key":"conversation.id","value":{"stringValue":"c-1"}},{"key":"app.version","value":{"stringValue":"0.61"}},{"key":"auth_mode","value":{"stringValue":"ChatGPT"}},{"key":"user.account_id","value":{"stringValue":"acc-1"}},{"key":"user.email","value":{"stringValue":"ben@example.com"}},{"key":"model","value":{"stringValue":"gpt-5-codex"}},{"key":"slug","value":{"stringValue":"gpt-5-codex"}},{"key":"event.timestamp","value":{"stringValue":"2026-03-02T10:00:00.5Z"}},{"key":"event.name","value":{"stringValue":"codex.sse_event"}},{"key":"event.kind","value":{"stringValue":"response.completed"}},{"key":"input_token_count","value":{"intValue":"1000"}},{"key":"output_token_count","value":{"intValue":"200"}},{"key":"cached_token_count","value":{"intValue":"600"}},{"key":"reasoning_token_count","value":{"intValue":"64"}},{"key":"tool_token_count","value":{"intValue":"0"}}],"body":{"stringValue":"claude_code.codex.sse_event"},"droppedAttributesCount":0,"observedTimeUnixNano":"1772445600123456789","timeUnixNano":"1772445600123456789"},{"attributes":[{"key":"conversation.id","value":{"stringValue":"c-1"}},{"key":"app.version","value":{"stringValue":"0.61"}},{"key":"auth_mode","value":{"stringValue":"ChatGPT"}},{"key":"user.account_id","value":{"stringValue":"acc-1"}},{"key":"user.email","value":{"stringValue":"ben@example.com"}},{"key":"model","value":{"stringValue":"gpt-5-codex"}},{"key":"slug","value":{"stringValue":"gpt-5-codex"}},{"key":"event.timestamp","value":{"stringValue":"2026-03-02T10:00:00.5Z"}},{"key":"event.name","value":{"stringValue":"codex.tool_decision"}},{"key":"tool_name","value":{"stringValue":"shell"}},{"key":"decision","value":{"stringValue":"denied"}},{"key":"source","value":{"stringValue":"user"}}],"body":{"stringValue":"claude_code.codex.tool_decision"},"droppedAttributesCount":0,"observedTimeUnixNano":"1772445600123456789","timeUnixNano":"1772445600123456789"}],"scope":{"name":"codex_otel","version":"2.1.0"}}]}]}"#,
    ],
    texts: &[
        "attributes.user.id",
        "attributes.session.id",
        "attributes.user.email",
        "attributes.model",
        "attributes.request_id",
        "attributes.mcp_server_name",
        "attributes.server_name",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[user_id].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[session_id].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[user_email].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[user_account_uuid].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[model].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[request_id].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[conversation_id].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[user_account_id].value.stringValue",
    ],
    typed: &[
        "timestamp",
        "attributes.event.name",
        "attributes.event.timestamp",
        "attributes.input_tokens",
        "attributes.output_tokens",
        "attributes.terminal.type",
        "attributes.query_source",
        "attributes.tool_name",
        "attributes.to_mode",
        "resource.service.name",
        "scope.name",
        "resourceLogs[].resource.attributes[*].key",
        "resourceLogs[].resource.attributes[service_name].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[*].key",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[terminal_type].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[event_name].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[event_timestamp].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].observedTimeUnixNano",
        "resourceLogs[].scopeLogs[].logRecords[].timeUnixNano",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[input_tokens].value.intValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[output_tokens].value.intValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[cache_creation_tokens].value.intValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[query_source].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[tool_name].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[decision].value.stringValue",
        "resourceLogs[].scopeLogs[].scope.name",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[input_tokens].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[output_tokens].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[cache_creation_tokens].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[event_kind].value.stringValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[input_token_count].value.intValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[output_token_count].value.intValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[cached_token_count].value.intValue",
        "resourceLogs[].scopeLogs[].logRecords[].attributes[tool_token_count].value.intValue",
    ],
};

/// Anthropic activity feed (Compliance API).
pub const ANTHROPIC_ACTIVITY: Format = Format {
    name: "anthropic_activity",
    source: "anthropic_activity",
    samples: &[
        r#"{"actor":{"email_address":"Ana@Example.com","ip_address":"203.0.113.10","type":"user_actor","user_agent":"Mozilla/5.0","user_id":"user_01A"},"created_at":"2026-03-02T10:00:00.123456Z","id":"activity_01","organization_id":"org_01","organization_uuid":"ab-01","type":"sso_login_succeeded"}"#,
        r#"{"actor":{"email_address":"Ana@Example.com","ip_address":"203.0.113.10","type":"user_actor","user_agent":"Mozilla/5.0","user_id":"user_01A"},"created_at":"2026-03-02T10:00:00.123456Z","id":"activity_07","organization_id":"org_01","organization_uuid":"ab-01","resource_id":"org_01","resource_type":"organization","role":"owner","target_id":"user_02B","target_type":"user","type":"role_assignment_granted"}"#,
        r#"{"actor":{"email_address":"Ana@Example.com","ip_address":"203.0.113.10","type":"user_actor","user_agent":"Mozilla/5.0","user_id":"user_01A"},"created_at":"2026-03-02T10:00:00.123456Z","id":"activity_10","mcp_server_id":"mcpsrv_01","mcp_server_name":"warehouse","organization_id":"org_01","organization_uuid":"ab-01","type":"mcp_server_created"}"#,
        r#"{"actor":{"admin_api_key_id":"apikey_07","ip_address":"203.0.113.11","type":"admin_api_key_actor"},"api_key_id":"apikey_08","created_at":"2026-03-02T10:00:00.123456Z","id":"activity_09","organization_id":"org_01","organization_uuid":"ab-01","type":"api_key_created"}"#,
    ],
    texts: &[
        "actor.email_address",
        "actor.user_id",
        "id",
        "role",
        "target_id",
        "mcp_server_id",
        "actor.admin_api_key_id",
        "api_key_id",
    ],
    typed: &[
        "actor.ip_address",
        "actor.type",
        "created_at",
        "organization_id",
        "type",
    ],
};

/// Anthropic usage report (Messages).
pub const ANTHROPIC_USAGE: Format = Format {
    name: "anthropic_usage",
    source: "anthropic_usage",
    samples: &[
        r#"{"ending_at":"2026-03-02T11:00:00Z","results":[{"api_key_id":"apikey_01","cache_creation":{"ephemeral_1h_input_tokens":100,"ephemeral_5m_input_tokens":50},"cache_read_input_tokens":9000,"context_window":null,"model":"claude-sonnet-4-20250514","output_tokens":350,"server_tool_use":{"web_search_requests":2},"service_tier":null,"uncached_input_tokens":1500,"workspace_id":null},{"api_key_id":"apikey_02","cache_creation":{"ephemeral_1h_input_tokens":100,"ephemeral_5m_input_tokens":50},"cache_read_input_tokens":9000,"context_window":null,"model":"claude-opus-4-20250514","output_tokens":1,"server_tool_use":{"web_search_requests":2},"service_tier":null,"uncached_input_tokens":1500,"workspace_id":null}],"starting_at":"2026-03-02T10:00:00Z"}"#,
        r#"{"ending_at":"2026-03-02T11:00:00Z","results":[{"api_key_id":null,"cache_creation":{"ephemeral_1h_input_tokens":100,"ephemeral_5m_input_tokens":50},"cache_read_input_tokens":9000,"context_window":null,"model":null,"output_tokens":350,"server_tool_use":{"web_search_requests":2},"service_tier":null,"uncached_input_tokens":1500,"workspace_id":"wrkspc_01"}],"starting_at":"2026-03-02T10:00:00Z"}"#,
    ],
    texts: &[
        "results[].api_key_id",
        "results[].model",
        "results[].workspace_id",
    ],
    typed: &[
        "ending_at",
        "results[].cache_creation.ephemeral_1h_input_tokens",
        "results[].cache_creation.ephemeral_5m_input_tokens",
        "results[].output_tokens",
        "results[].uncached_input_tokens",
        "starting_at",
    ],
};

/// Amazon Bedrock model invocation log.
pub const AWS_BEDROCK: Format = Format {
    name: "aws_bedrock",
    source: "aws_bedrock",
    samples: &[
        r#"{"accountId":"111122223333","identity":{"arn":"arn:aws:sts::111122223333:assumed-role/ai-users/Ana@Example.com"},"input":{"cacheReadInputTokenCount":40000,"cacheWriteInputTokenCount":300,"inputBodyJson":{"messages":[{"content":[{"text":"hello"}],"role":"user"}],"metadata":{"user_id":"user_1_session_2"}},"inputContentType":"application/json","inputTokenCount":1200},"modelId":"anthropic.claude-sonnet-4-20250514-v1:0","operation":"InvokeModel","output":{"outputBodyJson":{"content":[{"text":"hello"}],"usage":{"input_tokens":1200}},"outputContentType":"application/json","outputTokenCount":500},"region":"eu-central-1","requestId":"7b1c-1","schemaType":"ModelInvocationLog","schemaVersion":"1.0","timestamp":"2026-03-02T10:00:00Z"}"#,
        r#"{"accountId":"111122223333","identity":{"arn":"arn:aws:sts::111122223333:assumed-role/batch-role/botocore-session-1777989844"},"input":{"cacheReadInputTokenCount":40000,"cacheWriteInputTokenCount":300,"inputBodyJson":{"messages":[{"content":[{"text":"hello"}],"role":"user"}],"metadata":{"user_id":"user_1_session_2"}},"inputContentType":"application/json","inputTokenCount":1200},"modelId":"anthropic.claude-sonnet-4-20250514-v1:0","operation":"InvokeModelWithResponseStream","output":{"outputBodyJson":{"content":[{"text":"hello"}],"usage":{"input_tokens":1200}},"outputContentType":"application/json","outputTokenCount":500},"region":"eu-central-1","requestId":"7b1c-3","schemaType":"ModelInvocationLog","schemaVersion":"1.0","timestamp":"2026-03-02T10:00:00Z"}"#,
        r#"{"accountId":"111122223333","identity":{"arn":"arn:aws:iam::111122223333:user/ci-summaries"},"input":{"cacheReadInputTokenCount":40000,"cacheWriteInputTokenCount":300,"inputBodyJson":{"messages":[{"content":[{"text":"hello"}],"role":"user"}],"metadata":{"user_id":"user_1_session_2"}},"inputContentType":"application/json","inputTokenCount":1200},"modelId":"arn:aws:bedrock:eu-central-1::foundation-model/amazon.nova-pro-v1:0","operation":"InvokeModel","output":{"outputBodyJson":{"content":[{"text":"hello"}],"usage":{"input_tokens":1200}},"outputContentType":"application/json","outputTokenCount":500},"region":"eu-central-1","requestId":"7b1c-4","schemaType":"ModelInvocationLog","schemaVersion":"1.0","timestamp":"2026-03-02T10:00:00Z"}"#,
        r#"{"accountId":"111122223333","errorCode":"ThrottlingException","identity":{"arn":"arn:aws:sts::111122223333:assumed-role/ai-users/Ana@Example.com"},"input":{"inputBodyS3Path":"s3://logs/x.json.gz","inputContentType":"application/json"},"modelId":"anthropic.claude-sonnet-4-20250514-v1:0","operation":"InvokeModel","region":"eu-central-1","requestId":"7b1c-6","schemaType":"ModelInvocationLog","schemaVersion":"1.0","timestamp":"2026-03-02T10:00:00Z"}"#,
    ],
    texts: &["identity.arn", "modelId", "requestId"],
    typed: &[
        "accountId",
        "input.cacheWriteInputTokenCount",
        "input.inputTokenCount",
        "operation",
        "output.outputTokenCount",
        "schemaType",
        "timestamp",
        "errorCode",
    ],
};

/// Claude Code usage report (a person's day).
pub const CLAUDE_CODE_USAGE: Format = Format {
    name: "claude_code_usage",
    source: "claude_code_usage",
    samples: &[
        r#"{"actor":{"email_address":"Ana@Example.com","type":"user_actor"},"core_metrics":{"commits_by_claude_code":12,"lines_of_code":{"added":1543,"removed":892},"num_sessions":5,"pull_requests_by_claude_code":2},"customer_type":"api","date":"2026-03-02T00:00:00Z","model_breakdown":[{"estimated_cost":{"amount":1,"currency":"USD"},"model":"claude-sonnet-4-20250514","tokens":{"cache_creation":1,"cache_read":70,"input":10,"output":5}},{"estimated_cost":{"amount":1025,"currency":"USD"},"model":"claude-opus-4-20250514","tokens":{"cache_creation":5000,"cache_read":10000,"input":100000,"output":35000}}],"organization_id":"dc9f","terminal_type":"vscode","tool_actions":{"edit_tool":{"accepted":45,"rejected":5}}}"#,
        r#"{"actor":{"api_key_name":"ci","type":"api_actor"},"core_metrics":{"commits_by_claude_code":12,"lines_of_code":{"added":1543,"removed":892},"num_sessions":5,"pull_requests_by_claude_code":2},"customer_type":"api","date":"2026-03-02T00:00:00Z","model_breakdown":[{"model":"claude-sonnet-4-20250514","tokens":{"cache_creation":0,"cache_read":0,"input":"7","output":"3"}}],"organization_id":"dc9f","terminal_type":"non-interactive","tool_actions":{"edit_tool":{"accepted":45,"rejected":5}}}"#,
    ],
    texts: &[
        "actor.email_address",
        "model_breakdown[].model",
        "actor.api_key_name",
    ],
    typed: &[
        "actor.type",
        "date",
        "model_breakdown[].tokens.cache_creation",
        "model_breakdown[].tokens.input",
        "model_breakdown[].tokens.output",
    ],
};

/// OpenAI organization audit log.
pub const OPENAI_AUDIT: Format = Format {
    name: "openai_audit",
    source: "openai_audit",
    samples: &[
        r#"{"actor":{"session":{"ip_address":"203.0.113.10","ip_address_details":{"asn":"64510","city":"Berlin","country":"DE","latitude":"52.5200","longitude":"13.4050","region":"Land Berlin","region_code":"BE"},"ja3":"a441","ja4":"t13d1516h2_8daa_e562","user":{"email":"ana@example.com","id":"user-ana1"},"user_agent":"Mozilla/5.0"},"type":"session"},"effective_at":1772445600,"id":"audit_log-1","object":"organization.audit_log","type":"login.succeeded"}"#,
        r#"{"actor":{"api_key":{"id":"key-parent","type":"user","user":{"email":"ben@example.com","id":"user-ben"}},"type":"api_key"},"api_key_created":{"data":{"name":"hello","scopes":["all"]},"id":"key-78"},"effective_at":1772445601,"id":"audit_log-4","type":"api_key.created"}"#,
        r#"{"actor":{"session":{"ip_address":"203.0.113.10","ip_address_details":{"asn":"64510","city":"Berlin","country":"DE","latitude":"52.5200","longitude":"13.4050","region":"Land Berlin","region_code":"BE"},"ja3":"a441","ja4":"t13d1516h2_8daa_e562","user":{"email":"ana@example.com","id":"user-ana1"},"user_agent":"Mozilla/5.0"},"type":"session"},"effective_at":1772445600,"id":"audit_log-6","object":"organization.audit_log","type":"user.updated","user.updated":{"changes_requested":{"role":"owner"},"id":"user-ben"}}"#,
        r#"{"actor":{"session":{"ip_address":"203.0.113.10","ip_address_details":{"asn":"64510","city":"Berlin","country":"DE","latitude":"52.5200","longitude":"13.4050","region":"Land Berlin","region_code":"BE"},"ja3":"a441","ja4":"t13d1516h2_8daa_e562","user":{"email":"ana@example.com","id":"user-ana1"},"user_agent":"Mozilla/5.0"},"type":"session"},"effective_at":1772445600,"id":"audit_log-10","invite.sent":{"data":{"email":"Carl@example.net","role":"owner"},"id":"invite-1"},"object":"organization.audit_log","type":"invite.sent"}"#,
    ],
    texts: &[
        "actor.session.ip_address_details.city",
        "actor.session.ip_address_details.region",
        "actor.session.ja4",
        "actor.session.user.email",
        "actor.session.user.id",
        "id",
        "actor.api_key.id",
        "actor.api_key.user.email",
        "actor.api_key.user.id",
        "api_key_created.id",
        "user.updated.changes_requested.role",
        "user.updated.id",
        "invite.sent.data.email",
        "invite.sent.data.role",
    ],
    typed: &[
        "actor.session.ip_address",
        "actor.session.ip_address_details.asn",
        "actor.session.ip_address_details.country",
        "actor.session.ip_address_details.latitude",
        "actor.session.ip_address_details.longitude",
        "actor.type",
        "effective_at",
        "object",
        "type",
        "actor.api_key.type",
    ],
};

/// OpenAI usage report (buckets).
pub const OPENAI_USAGE: Format = Format {
    name: "openai_usage",
    source: "openai_usage",
    samples: &[
        r#"{"end_time":1772449200,"object":"bucket","results":[{"api_key_id":null,"batch":null,"input_audio_tokens":0,"input_cached_tokens":800,"input_tokens":1000,"model":"gpt-4o-2024-08-06","num_model_requests":5,"object":"organization.usage.completions.result","output_audio_tokens":0,"output_tokens":500,"project_id":"proj_1","user_id":"user-ana1"},{"api_key_id":null,"batch":null,"input_audio_tokens":0,"input_cached_tokens":0,"input_tokens":1000,"model":"gpt-4o-mini-2024-07-18","num_model_requests":2,"object":"organization.usage.completions.result","output_audio_tokens":0,"output_tokens":500,"project_id":"proj_1","user_id":"user-ben"}],"start_time":1772445600}"#,
        r#"{"end_time":1772449200,"object":"bucket","results":[{"api_key_id":"key_9","batch":null,"input_audio_tokens":0,"input_cached_tokens":800,"input_tokens":1000,"model":"o3-2025-04-16","num_model_requests":5,"object":"organization.usage.completions.result","output_audio_tokens":0,"output_tokens":500,"project_id":"proj_1","user_id":null}],"start_time":1772445600}"#,
    ],
    texts: &[
        "results[].api_key_id",
        "results[].model",
        "results[].project_id",
        "results[].user_id",
    ],
    typed: &[
        "end_time",
        "object",
        "results[].input_cached_tokens",
        "results[].input_tokens",
        "results[].num_model_requests",
        "results[].object",
        "results[].output_tokens",
        "start_time",
    ],
};

/// OpenTelemetry generative-AI spans.
pub const OTEL_GENAI: Format = Format {
    name: "otel_genai",
    source: "otel_genai",
    samples: &[
        r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"helpdesk"}}]},"scopeSpans":[{"scope":{"name":"opentelemetry.instrumentation.openai","version":"1"},"spans":[{"attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},{"key":"gen_ai.provider.name","value":{"stringValue":"anthropic"}},{"key":"gen_ai.request.model","value":{"stringValue":"gpt-4o"}},{"key":"gen_ai.response.model","value":{"stringValue":"claude-sonnet-4-6"}},{"key":"gen_ai.usage.input_tokens","value":{"intValue":"1000"}},{"key":"gen_ai.usage.output_tokens","value":{"intValue":"200"}},{"key":"gen_ai.input.messages","value":{"stringValue":"hello"}},{"key":"gen_ai.output.messages","value":{"stringValue":"hello"}},{"key":"gen_ai.conversation.id","value":{"stringValue":"c-1"}},{"key":"user.id","value":{"stringValue":"Ana@Example.com"}},{"key":"client.address","value":{"stringValue":"203.0.113.10"}},{"key":"gen_ai.usage.cache_read.input_tokens","value":{"intValue":"600"}}],"endTimeUnixNano":"1772445601000000000","kind":3,"name":"chat gpt-4o","parentSpanId":"","spanId":"a2","startTimeUnixNano":"1772445600000000000","status":{},"traceId":"5b8e"}]}]}]}"#,
        r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"helpdesk"}}]},"scopeSpans":[{"scope":{"name":"opentelemetry.instrumentation.openai","version":"1"},"spans":[{"attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},{"key":"gen_ai.provider.name","value":{"stringValue":"openai"}},{"key":"gen_ai.request.model","value":{"stringValue":"gpt-4o"}},{"key":"gen_ai.usage.input_tokens","value":{"intValue":"1000"}},{"key":"gen_ai.input.messages","value":{"stringValue":"hello"}},{"key":"gen_ai.output.messages","value":{"stringValue":"hello"}},{"key":"gen_ai.conversation.id","value":{"stringValue":"c-1"}},{"key":"user.id","value":{"stringValue":"Ana@Example.com"}},{"key":"client.address","value":{"stringValue":"203.0.113.10"}},{"key":"error.type","value":{"stringValue":"timeout"}}],"endTimeUnixNano":"1772445601000000000","kind":3,"name":"chat gpt-4o","parentSpanId":"","spanId":"a5","startTimeUnixNano":"1772445600000000000","status":{"code":2,"message":"hello"},"traceId":"5b8e"}]}]}]}"#,
        r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"helpdesk"}}]},"scopeSpans":[{"scope":{"name":"opentelemetry.instrumentation.openai","version":"1"},"spans":[{"attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"invoke_agent"}},{"key":"gen_ai.provider.name","value":{"stringValue":"openai"}},{"key":"gen_ai.request.model","value":{"stringValue":"gpt-4o"}},{"key":"gen_ai.response.model","value":{"stringValue":"gpt-4o-2024-08-06"}},{"key":"gen_ai.input.messages","value":{"stringValue":"hello"}},{"key":"gen_ai.output.messages","value":{"stringValue":"hello"}},{"key":"gen_ai.conversation.id","value":{"stringValue":"c-1"}},{"key":"user.id","value":{"stringValue":"Ana@Example.com"}},{"key":"client.address","value":{"stringValue":"203.0.113.10"}},{"key":"gen_ai.agent.id","value":{"stringValue":"asst_1"}},{"key":"gen_ai.agent.name","value":{"stringValue":"helper"}}],"endTimeUnixNano":"1772445601000000000","kind":3,"name":"chat gpt-4o","parentSpanId":"","spanId":"a6","startTimeUnixNano":"1772445600000000000","status":{},"traceId":"5b8e"},{"attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"execute_tool"}},{"key":"gen_ai.provider.name","value":{"stringValue":"openai"}},{"key":"gen_ai.request.model","value":{"stringValue":"gpt-4o"}},{"key":"gen_ai.input.messages","value":{"stringValue":"hello"}},{"key":"gen_ai.output.messages","value":{"stringValue":"hello"}},{"key":"gen_ai.conversation.id","value":{"stringValue":"c-1"}},{"key":"user.id","value":{"stringValue":"Ana@Example.com"}},{"key":"client.address","value":{"stringValue":"203.0.113.10"}},{"key":"gen_ai.tool.name","value":{"stringValue":"search"}},{"key":"gen_ai.tool.call.arguments","value":{"stringValue":"hello"}}],"endTimeUnixNano":"1772445601000000000","kind":3,"name":"chat gpt-4o","parentSpanId":"","spanId":"a7","startTimeUnixNano":"1772445600000000000","status":{},"traceId":"5b8e"}]}]}]}"#,
    ],
    texts: &[
        "resourceSpans[].scopeSpans[].spans[*].attributes[gen_ai_provider_name].value.stringValue",
        "resourceSpans[].scopeSpans[].spans[*].attributes[gen_ai_request_model].value.stringValue",
        "resourceSpans[].scopeSpans[].spans[*].attributes[gen_ai_response_model].value.stringValue",
        "resourceSpans[].scopeSpans[].spans[*].attributes[gen_ai_conversation_id].value.stringValue",
        "resourceSpans[].scopeSpans[].spans[*].attributes[user_id].value.stringValue",
        "resourceSpans[].scopeSpans[].spans[*].spanId",
    ],
    typed: &[
        "resourceSpans[].resource.attributes[*].key",
        "resourceSpans[].resource.attributes[service_name].value.stringValue",
        "resourceSpans[].scopeSpans[].scope.name",
        "resourceSpans[].scopeSpans[].spans[*].attributes[*].key",
        "resourceSpans[].scopeSpans[].spans[*].attributes[gen_ai_operation_name].value.stringValue",
        "resourceSpans[].scopeSpans[].spans[*].attributes[gen_ai_usage_input_tokens].value.intValue",
        "resourceSpans[].scopeSpans[].spans[*].attributes[gen_ai_usage_output_tokens].value.intValue",
        "resourceSpans[].scopeSpans[].spans[*].attributes[client_address].value.stringValue",
        "resourceSpans[].scopeSpans[].spans[*].attributes[gen_ai_usage_cache_read_input_tokens].value.intValue",
        "resourceSpans[].scopeSpans[].spans[*].startTimeUnixNano",
        "resourceSpans[].scopeSpans[].spans[*].attributes[error_type].value.stringValue",
        "resourceSpans[].scopeSpans[].spans[*].status.code",
        "resourceSpans[].scopeSpans[].spans[*].attributes[gen_ai_agent_id].value.stringValue",
        "resourceSpans[].scopeSpans[].spans[*].attributes[gen_ai_agent_name].value.stringValue",
        "resourceSpans[].scopeSpans[].spans[*].attributes[gen_ai_tool_name].value.stringValue",
    ],
};
