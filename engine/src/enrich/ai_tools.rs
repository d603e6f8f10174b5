//! Which host is which AI tool: the shipped catalog, with the company's own tools and decisions on top.
//!
//! Invariant: of all domains that a host lies in, the longest decides.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use serde::Deserialize;

use super::cache::TextHasher;
use crate::config::{ToolRule, ToolStatus};

const SHIPPED: &str = include_str!("ai_tools.toml");

/// Longest host name that DNS allows.
const HOST_BYTES_MAX: usize = 253;

/// An AI tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// As alerts call it.
    pub name: Arc<str>,
    /// Who makes it; empty for a company's own entry.
    pub vendor: String,
    /// chat, assistant, search, agent, coding, api, gateway, platform, image, video, audio, meeting,
    /// writing, translation, companion; `own` for a company's own entry.
    pub category: String,
    /// Whose instance of the tool its hosts serve.
    pub instance: Instance,
    /// What the company decided.
    pub status: ToolStatus,
    /// First day of that status, days since 1970-01-01.
    pub since: Option<i32>,
}

/// Whose instance of a tool a host serves, as far as the host alone tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instance {
    /// One that a company runs or has rented.
    Company,
    /// One that a person has of his own.
    Personal,
    /// The host serves both.
    #[default]
    Unknown,
}

impl Instance {
    /// The word in the catalog.
    pub const fn as_str(self) -> &'static str {
        match self {
            Instance::Company => "company",
            Instance::Personal => "personal",
            Instance::Unknown => "unknown",
        }
    }
}

/// The tools by host.
#[derive(Debug, Clone)]
pub struct AiTools {
    tools: Vec<Tool>,
    /// By every name that sources give it, in lower case.
    names: HashMap<Box<str>, u32, BuildHasherDefault<TextHasher>>,
    domains: HashMap<Box<str>, Domain, BuildHasherDefault<TextHasher>>,
}

/// What a domain says about the hosts in it.
#[derive(Debug, Clone, Default)]
struct Domain {
    /// All of them are this tool.
    tool: Option<u32>,
    /// Those that begin and end so are this tool.
    patterns: Vec<(Box<str>, Box<str>, u32)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shipped {
    tools: Vec<ShippedTool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShippedTool {
    name: String,
    vendor: String,
    category: String,
    #[serde(default)]
    instance: Instance,
    /// Other names that sources give it.
    #[serde(default)]
    names: Vec<String>,
    /// None where the tool has no host of its own, and other logs name it.
    domains: Vec<String>,
}

impl AiTools {
    /// The shipped catalog under the company's rules.
    pub fn new(rules: &[ToolRule]) -> Self {
        let shipped: Shipped = toml::from_str(SHIPPED).unwrap_or_else(|error| {
            unreachable!("the shipped catalog is checked by a test: {error}")
        });
        let mut tools = AiTools {
            tools: Vec::new(),
            names: HashMap::default(),
            domains: HashMap::default(),
        };
        for tool in shipped.tools {
            let (status, since) = (ToolStatus::Unknown, None);
            let ShippedTool {
                name,
                vendor,
                category,
                instance,
                names,
                domains,
            } = tool;
            let index = tools.add(Tool {
                name: name.into(),
                vendor,
                category,
                instance,
                status,
                since,
            });
            names.iter().for_each(|name| tools.call(name, index));
            domains.iter().for_each(|domain| tools.claim(domain, index));
        }
        for rule in rules {
            let index = match tools.position(&rule.name) {
                Some(index) => index,
                None => tools.add(Tool {
                    name: rule.name.as_str().into(),
                    vendor: String::new(),
                    category: "own".to_owned(),
                    instance: Instance::Unknown,
                    status: ToolStatus::Unknown,
                    since: None,
                }),
            };
            let tool = &mut tools.tools[index as usize];
            tool.status = rule.status;
            tool.since = rule.since;
            rule.domains
                .iter()
                .for_each(|domain| tools.claim(domain, index));
        }
        tools
    }

    /// Hash of the shipped catalog.
    pub fn shipped_hash() -> blake3::Hash {
        blake3::hash(SHIPPED.as_bytes())
    }

    /// All tools, shipped ones first.
    pub fn all(&self) -> &[Tool] {
        &self.tools
    }

    /// The tool of this name, or of another that sources give it, whatever its case: how sources that know no
    /// host tell it.
    pub fn named(&self, name: &str) -> Option<&Tool> {
        self.tools.get(self.position(name)? as usize)
    }

    fn position(&self, name: &str) -> Option<u32> {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.names.get(&*name.to_ascii_lowercase()).copied();
        }
        self.names.get(name).copied()
    }

    /// The tool that a host serves. Case, a port and a dot at the end do not matter. Allocates nothing.
    pub fn tool_of(&self, host: &str) -> Option<&Tool> {
        let host = host.split_once(':').map_or(host, |(host, _)| host);
        let host = host.strip_suffix('.').unwrap_or(host);
        if HOST_BYTES_MAX < host.len() {
            return None;
        }
        if !host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.tool_of_lower(host);
        }
        let mut lower = [0; HOST_BYTES_MAX];
        let lower = &mut lower[..host.len()];
        lower.copy_from_slice(host.as_bytes());
        lower.make_ascii_lowercase();
        self.tool_of_lower(std::str::from_utf8(lower).ok()?)
    }

    fn tool_of_lower(&self, host: &str) -> Option<&Tool> {
        let mut suffix = host;
        loop {
            if let Some(index) = self
                .domains
                .get(suffix)
                .and_then(|domain| domain.tool_of(host))
            {
                return self.tools.get(index as usize);
            }
            suffix = suffix.split_once('.')?.1;
        }
    }

    fn add(&mut self, tool: Tool) -> u32 {
        let index = self.tools.len() as u32;
        self.call(&tool.name, index);
        self.tools.push(tool);
        index
    }

    /// Gives a name to a tool; the first to bear it keeps it.
    fn call(&mut self, name: &str, index: u32) {
        let name = name.to_ascii_lowercase().into();
        self.names.entry(name).or_insert(index);
    }

    /// Gives a domain to a tool; the last to claim it has it.
    fn claim(&mut self, domain: &str, index: u32) {
        let Some((start, end)) = domain.split_once('*') else {
            self.domain(domain).tool = Some(index);
            return;
        };
        // Kept under the part behind the star that is whole labels.
        let Some((_, suffix)) = end.split_once('.') else {
            return;
        };
        let patterns = &mut self.domain(suffix).patterns;
        patterns.insert(0, (start.into(), end.into(), index));
    }

    fn domain(&mut self, name: &str) -> &mut Domain {
        match self.domains.entry(name.into()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Domain::default()),
        }
    }
}

impl Domain {
    fn tool_of(&self, host: &str) -> Option<u32> {
        let fits = |(start, end, _): &&(Box<str>, Box<str>, u32)| {
            start.len() + end.len() < host.len()
                && host.starts_with(&**start)
                && host.ends_with(&**end)
        };
        self.patterns
            .iter()
            .find(fits)
            .map(|(_, _, index)| *index)
            .or(self.tool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn name<'t>(tools: &'t AiTools, host: &str) -> Option<&'t str> {
        tools.tool_of(host).map(|tool| &*tool.name)
    }

    #[test]
    fn hosts_are_their_tools() {
        let tools = AiTools::new(&[]);
        let cases = [
            ("claude.ai", Some("claude.ai")),
            ("api.anthropic.com", Some("anthropic api")),
            ("CHAT.OpenAI.com:443", Some("chatgpt")),
            ("api.openai.com.", Some("openai api")),
            ("acme.openai.azure.com", Some("azure openai")),
            (
                "bedrock-runtime.eu-central-1.amazonaws.com",
                Some("amazon bedrock"),
            ),
            ("bedrock-runtime.amazonaws.com", None),
            ("s3.eu-central-1.amazonaws.com", None),
            ("europe-west4-aiplatform.googleapis.com", Some("vertex ai")),
            ("storage.googleapis.com", None),
            ("notclaude.ai", None),
            ("claude.ai.example.com", None),
            ("com", None),
            ("", None),
            (".", None),
            ("::1", None),
        ];
        for (host, expected) in cases {
            assert_eq!(name(&tools, host), expected, "{host}");
        }
        assert_eq!(tools.tool_of(&"a".repeat(100_000)), None);
    }

    /// Alerts about a tool are the same whether a proxy or the tool's own log tells of it.
    #[test]
    fn the_names_that_formats_give_are_in_the_catalog() {
        let tools = AiTools::new(&[]);
        for name in [
            "amazon bedrock",
            "anthropic api",
            "azure openai",
            "claude code",
            "claude.ai",
            "codex",
            "cohere",
            "deepseek",
            "Gemini",
            "gemini cli",
            "google ai studio",
            "grok",
            "groq",
            "LiteLLM",
            "Microsoft Copilot",
            "mistral",
            "openai api",
            "perplexity",
            "vertex ai",
            "watsonx",
        ] {
            assert!(tools.named(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_tool_is_found_by_the_names_that_vendors_give_it() {
        let tools = AiTools::new(&[]);
        let name = |name: &str| tools.named(name).map(|tool| &*tool.name);
        assert_eq!(name("OpenAI-ChatGPT"), Some("chatgpt"));
        assert_eq!(name("Claude"), Some("claude.ai"));
        assert_eq!(name("Google Gemini"), Some("gemini"));
        assert_eq!(name("tables"), None);
        // No other name takes a tool its own.
        for tool in tools.all() {
            assert_eq!(name(&tool.name), Some(&*tool.name));
        }
    }

    #[test]
    fn a_host_may_tell_whose_instance_it_serves() {
        let tools = AiTools::new(&[]);
        let cases = [
            ("acme.openai.azure.com", Instance::Company),
            ("m365.cloud.microsoft", Instance::Company),
            ("copilot.microsoft.com", Instance::Personal),
            ("claude.ai", Instance::Unknown),
        ];
        for (host, instance) in cases {
            assert_eq!(
                tools.tool_of(host).map(|tool| tool.instance),
                Some(instance),
                "{host}"
            );
        }
    }

    #[test]
    fn the_company_has_the_last_word() {
        let rule = |name: &str, domains: &[&str], status| ToolRule {
            name: name.to_owned(),
            domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
            status,
            since: Some(7),
        };
        let tools = AiTools::new(&[
            rule("ChatGPT", &[], ToolStatus::Sanctioned),
            rule(
                "Acme Assistant",
                &["ai.acme.example", "eu.claude.ai"],
                ToolStatus::Tolerated,
            ),
        ]);
        let chatgpt = tools.tool_of("chatgpt.com").unwrap();
        assert_eq!(
            (&*chatgpt.name, chatgpt.status),
            ("chatgpt", ToolStatus::Sanctioned)
        );
        assert_eq!(chatgpt.since, Some(7));
        assert_eq!(name(&tools, "x.ai.acme.example"), Some("Acme Assistant"));
        assert_eq!(name(&tools, "eu.claude.ai"), Some("Acme Assistant"));
        assert_eq!(name(&tools, "us.claude.ai"), Some("claude.ai"));
    }

    /// The data file is sound: names in lower case, each name and domain once.
    #[test]
    fn the_shipped_catalog_is_sound() {
        let shipped: Shipped = toml::from_str(SHIPPED).unwrap();
        let (mut names, mut domains) = (BTreeSet::new(), BTreeSet::new());
        for tool in &shipped.tools {
            assert_eq!(tool.name, tool.name.to_lowercase());
            assert!(names.insert(&tool.name), "{} twice", tool.name);
            assert!(!tool.vendor.is_empty() && !tool.category.is_empty());
            for domain in &tool.domains {
                assert!(domains.insert(domain), "{domain} twice");
                assert!(
                    domain.contains('.') && *domain == domain.to_lowercase(),
                    "{domain}"
                );
                assert!(domain.matches('*').count() <= 1, "{domain}");
            }
        }
        assert!(500 <= names.len());
    }

    /// How much of a public list is known; most of the rest are content servers and small services.
    #[test]
    fn a_public_list_is_covered_in_part() {
        let Some(folder) = std::env::var_os("NIGHTJAR_DATA") else {
            println!("skipped: NIGHTJAR_DATA is not set");
            return;
        };
        let file = std::path::Path::new(&folder).join("ai_domains/v2fly_category_ai.tsv");
        let text = std::fs::read_to_string(file).unwrap();
        let tools = AiTools::new(&[]);
        let hosts = text
            .lines()
            .skip(1)
            .map(|line| line.split('\t').collect::<Vec<_>>());
        let hosts: Vec<_> = hosts.filter(|fields| fields[0] != "regexp").collect();
        let known = hosts
            .iter()
            .filter(|fields| tools.tool_of(fields[1]).is_some())
            .count();
        println!("{known} of {} domains are known", hosts.len());
        assert!(200 <= known, "{known}");
    }
}
