//! Use of AI, as the gateway (LiteLLM), the web proxy and Microsoft 365 Copilot write it down.
//!
//! Invariant: nobody's words are here, not even made-up ones: no vendor's record needs them.

use std::sync::LazyLock;

use super::{Moment, millis, seconds};
use crate::generate::chance::Chance;
use crate::generate::places::Spot;
use crate::generate::shape::Shape;

static LITELLM: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(include_str!("../shapes/litellm.json")));
static PROXY: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(include_str!("../shapes/web_proxy.json")));
static COPILOT: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(include_str!("../shapes/m365_copilot.json")));

/// Somebody's call through the gateway.
pub struct Call<'a> {
    pub time_ms: i64,
    pub user: &'a str,
    pub team: &'a str,
    pub alias: &'a str,
    pub spot: &'a Spot,
    pub session: &'a str,
    /// Number of the model that this caller uses.
    pub model: usize,
    pub tokens: u64,
}

const MODELS: [(&str, &str, &str); 3] = [
    ("anthropic/claude-sonnet-4-6", "claude-sonnet", "anthropic"),
    ("openai/gpt-5.2", "gpt-5", "openai"),
    ("mistral/mistral-large-2512", "mistral-large", "mistral"),
];

/// A line of the spend log.
pub fn litellm(call: &Call<'_>, chance: &mut Chance) -> String {
    let (model, group, provider) = MODELS[call.model % MODELS.len()];
    let completion = (call.tokens as f64 * (0.1 + 0.2 * chance.unit())) as u64;
    let prompt = call.tokens - completion;
    // In millionths, so that the text is exact.
    let micros = prompt * 3 + completion * 15;
    let key = Chance::of(0, call.alias, &[]).hex(64);
    LITELLM.fill(&[
        ("uuid", &chance.uuid()),
        ("key", &key),
        (
            "spend",
            &format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000),
        ),
        ("total", &call.tokens),
        ("prompt", &prompt),
        ("completion", &completion),
        ("time", &millis(call.time_ms)),
        ("end", &millis(call.time_ms + 700 + completion as i64 * 12)),
        ("model", &model),
        ("model_id", &Chance::of(0, model, &[]).hex(64)),
        ("group", &group),
        ("provider", &provider),
        ("user", &call.user),
        ("alias", &call.alias),
        ("team", &call.team),
        ("ip", &call.spot.ip),
        (
            "client",
            &if call.user.starts_with("svc-") {
                "AsyncOpenAI/Python 2.8.1"
            } else {
                "editor-assistant/3.4"
            },
        ),
        ("session", &call.session),
    ])
}

/// Chat tools that people of this company visit: host, path, and what the proxy calls them.
const CHATS: [(&str, &str, &str); 4] = [
    (
        "claude.ai",
        "/api/organizations/chat_conversations/completion",
        "generative-ai",
    ),
    ("chatgpt.com", "/backend-api/conversation", "generative-ai"),
    (
        "gemini.google.com",
        "/_/BardChatUi/data/batchexecute",
        "generative-ai",
    ),
    (
        "www.perplexity.ai",
        "/rest/sse/perplexity_ask",
        "generative-ai",
    ),
];
const SITES: [(&str, &str, &str); 6] = [
    ("wiki.intranet.example.com", "/pages/view", "business"),
    ("news.example.org", "/today", "news"),
    ("maps.example.net", "/tiles", "travel"),
    (
        "git.intranet.example.com",
        "/api/v4/projects",
        "development",
    ),
    ("shop.example.org", "/basket", "shopping"),
    ("video.example.net", "/watch", "streaming"),
];

/// A visit to a chat tool, by its number.
pub fn chat(at: Moment<'_>, tool: usize, sent: u64, chance: &mut Chance) -> String {
    let received = chance.log_normal(30_000.0, 0.6) as u64;
    proxy(
        at,
        CHATS[tool % CHATS.len()],
        "POST",
        (sent, received),
        None,
        chance,
    )
}

/// What nobody of this company visits on an ordinary day.
const STRANGE_CHAT: (&str, &str, &str) = (
    "chat.deepseek.com",
    "/api/v0/chat/completion",
    "generative-ai",
);

/// Something given to a chat tool that nobody uses.
pub fn strange_chat(at: Moment<'_>, sent: u64, chance: &mut Chance) -> String {
    let received = chance.log_normal(30_000.0, 0.6) as u64;
    proxy(at, STRANGE_CHAT, "POST", (sent, received), None, chance)
}

/// Something given to a chat tool that the data loss prevention knows to be secret.
pub fn labelled_chat(at: Moment<'_>, tool: usize, sent: u64, chance: &mut Chance) -> String {
    let received = chance.log_normal(30_000.0, 0.6) as u64;
    let chat = CHATS[tool % CHATS.len()];
    let verdict = Some("secret");
    proxy(at, chat, "POST", (sent, received), verdict, chance)
}

/// A visit to any other site.
pub fn site(at: Moment<'_>, chance: &mut Chance) -> String {
    let site = *chance.pick(&SITES);
    let sizes = (
        chance.log_normal(900.0, 0.4) as u64,
        chance.log_normal(60_000.0, 1.0) as u64,
    );
    proxy(at, site, "GET", sizes, None, chance)
}

fn proxy(
    at: Moment<'_>,
    (host, path, category): (&str, &str, &str),
    method: &str,
    (sent, received): (u64, u64),
    verdict: Option<&str>,
    chance: &mut Chance,
) -> String {
    let verdict = verdict.map_or("null".to_owned(), |verdict| format!("\"{verdict}\""));
    let index = at.person.index;
    PROXY.fill(&[
        ("time", &millis(at.time_ms)),
        ("id", &chance.hex(16)),
        ("email", &at.person.email),
        (
            "src",
            &format!("10.20.{}.{}", index / 250 % 250, index % 250 + 2),
        ),
        ("device_name", &at.device.name),
        ("method", &method),
        ("host", &host),
        ("path", &path),
        ("category", &category),
        ("verdict", &verdict),
        ("bytes_out", &sent),
        ("bytes_in", &received),
        ("duration", &(20 + chance.below(3_000))),
        ("user_agent", &at.device.user_agent),
    ])
}

/// A conversation with Copilot; it names documents that were read by their id alone.
pub fn copilot(at: Moment<'_>, chance: &mut Chance) -> String {
    const HOSTS: [&str; 5] = ["Word", "Excel", "Teams", "Outlook", "BizChat"];
    let host = *chance.pick(&HOSTS);
    let context = format!(
        r#"[{{"Id":"https://example.sharepoint.com/sites/{}","Type":"{}"}}]"#,
        at.person.department.name(),
        if host == "Excel" { "xlsx" } else { "docx" }
    );
    let resources = if chance.happens(0.5) {
        format!(
            r#"[{{"Id":"{}","SiteUrl":"https://example.sharepoint.com/sites/{}","Type":"docx","Action":"Read"}}]"#,
            chance.hex(24),
            at.person.department.name()
        )
    } else {
        "[]".to_owned()
    };
    COPILOT.fill(&[
        ("time", &seconds(at.time_ms).trim_end_matches('Z')),
        ("uuid", &chance.uuid()),
        ("user_key", &at.person.uuid()),
        ("ip", &at.spot.ip),
        ("email", &at.person.email),
        ("host", &host),
        ("country", &at.spot.city.country.to_lowercase()),
        ("resources", &resources),
        ("contexts", &context),
        ("message", &chance.below(1_000_000_000)),
        ("reply", &chance.below(1_000_000_000)),
        ("thread", &format!("19:{}@thread.v2", chance.hex(20))),
    ])
}
