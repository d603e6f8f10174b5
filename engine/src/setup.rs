//! Everything that is read once at start: configuration, formats, directory, geo databases.
//!
//! Invariant: two commands with the same files make the same [`Setup`], so that they judge alike.

use std::path::Path;
use std::sync::Arc;

use nightjar_detectors::world::World;

use crate::config::{self, Config, ConfigErrors, Lateness, Place, Problem};
use crate::decode::{ClassInfo, DecodeOptions, FormatError, Formats, ToolLookup};
use crate::enrich::{AiTools, Enricher, Enrichment};
use crate::logins::Logins;

/// What every command that detects works with.
pub struct Setup {
    /// The configuration.
    pub config: Config,
    /// All formats, with the user's.
    pub formats: Arc<Formats>,
    /// Directory, networks, geo databases.
    pub enricher: Arc<Enricher>,
    /// Which classes' logins count.
    pub logins: Arc<Logins>,
    /// Allowed lateness by source and class.
    pub lateness: Lateness,
    /// Settings and calendar of detection.
    pub world: Arc<World>,
    tools: Arc<AiTools>,
    lookup: Arc<ToolLookup>,
    /// Instead of what the sources say.
    format: Option<String>,
}

/// A configuration that cannot be used: everything that is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("the configuration cannot be used\n{0}")]
pub struct SetupError(pub ConfigErrors);

impl From<ConfigErrors> for SetupError {
    fn from(errors: ConfigErrors) -> Self {
        SetupError(errors)
    }
}

impl Setup {
    /// Reads the configuration and all that it names; without a file the defaults hold.
    ///
    /// # Errors
    /// With all that is wrong.
    pub fn load(file: Option<&Path>) -> Result<Self, SetupError> {
        let config = Config::load(file, config::environment())?;
        Ok(Self::of(config)?)
    }

    /// Reads all that a configuration names.
    ///
    /// # Errors
    /// With all that is wrong.
    pub fn of(config: Config) -> Result<Self, ConfigErrors> {
        let formats = Arc::new(open_formats(&config)?);
        let opened = Enrichment::open(&config)?;
        let tools = Arc::new(opened.tools);
        let (settings, lateness) =
            config::settings(&config, formats.classes(), opened.directory, &opened.hashes)?;
        Ok(Setup {
            enricher: Arc::new(opened.enricher),
            logins: Arc::new(Logins::new(&config, formats.classes())),
            lateness,
            world: Arc::new(World::new(settings)),
            lookup: lookup(tools.clone()),
            tools,
            format: None,
            formats,
            config,
        })
    }

    /// All sources have this format, whatever the configuration says; `auto` recognises it.
    ///
    /// # Errors
    /// When there is no such format.
    pub fn with_format(mut self, format: Option<&str>) -> Result<Self, FormatError> {
        if let Some(format) = format {
            self.formats.check_name(format)?;
            self.format = Some(format.to_owned());
        }
        Ok(self)
    }

    /// The format of a source; `None` recognises it record by record.
    pub fn format_of(&self, source: &str) -> Option<&str> {
        let configured = || self.config.sources.get(source)?.format.as_deref();
        self.format
            .as_deref()
            .or_else(configured)
            .filter(|format| *format != "auto")
    }

    /// The AI tools: the shipped catalog with the company's decisions.
    pub fn tools(&self) -> &AiTools {
        &self.tools
    }

    /// How to decode.
    pub fn decode_options(&self) -> DecodeOptions {
        let tools = self.tools.clone();
        DecodeOptions {
            show_objects: self.config.detection.show_objects,
            tools: self.lookup.clone(),
            names: Arc::new(move |name| tools.named(name).map(|tool| tool.name.clone())),
            ..DecodeOptions::new(self.world.seed)
        }
    }
}

fn lookup(tools: Arc<AiTools>) -> Arc<ToolLookup> {
    Arc::new(move |host| tools.tool_of(host).map(|tool| tool.name.clone()))
}

fn open_formats(config: &Config) -> Result<Formats, ConfigErrors> {
    Formats::with_files(&config.formats).map_err(|error| {
        if let FormatError::At {
            path,
            line,
            what,
            suggestion,
        } = error
        {
            return ConfigErrors(vec![Problem::new(
                Place::Line(path, line),
                what,
                suggestion,
            )]);
        }
        let what = crate::cmd::chain(&error);
        let advice = "see `nightjar formats --help` and the README";
        ConfigErrors(vec![Problem::new(Place::Configuration, what, advice)])
    })
}

/// The classes of lateness that a configuration's formats have.
///
/// # Errors
/// When a format file cannot be used.
pub fn classes(config: &Config) -> Result<Vec<ClassInfo>, ConfigErrors> {
    Ok(open_formats(config)?.classes().to_vec())
}
