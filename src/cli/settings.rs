//! The settings of a command: flags, environment, `dsp.toml`, the user's file.

use super::args::Lm;
use super::shell::{Failure, Shell};
use crate::config::{self, Caps, Config, Origin};
use crate::diag::Diagnostic;
use crate::host::Place;
use crate::source::Sources;
use std::path::{Path, PathBuf};

/// The name of a project's file.
const PROJECT_FILE: &str = "dsp.toml";
/// The name of the user's file, in [`Place::Config`].
const USER_FILE: &str = "config.toml";

/// Settings on both sides of a script's own: its `settings` come between them.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// Flags over the environment.
    pub(super) above: Config,
    /// `dsp.toml` over the user's file.
    pub(super) below: Config,
}

impl Settings {
    /// Reads the settings for a script. `dsp.toml` stands beside the script or in a directory
    /// above it.
    ///
    /// # Errors
    /// Everything that is wrong in any of them.
    pub(super) fn read(shell: &Shell, script: &Path, flags: &Lm) -> Result<Self, Failure> {
        let mut files = Files { shell, sources: Sources::default(), diags: Vec::new() };
        let (environment, wrong) = config::from_env(&*shell.host);
        files.diags.extend(wrong);
        let project = match project_file(shell, script) {
            Some(path) => files.read(&path, Origin::Project)?,
            None => Config::default(),
        };
        let user = files.user()?;
        files.end()?;
        Ok(Self { above: flags.config().or(environment), below: project.or(user) })
    }
}

impl Lm {
    /// The flags as a layer of settings.
    fn config(&self) -> Config {
        Config {
            lm: self.lm.clone(),
            threads: self.threads,
            seed: self.seed,
            caps: Caps {
                max_calls: self.max_calls,
                max_tokens: self.max_tokens,
                max_usd: self.max_usd,
                max_seconds: self.max_seconds,
            },
            ..Config::default()
        }
    }
}

struct Files<'a> {
    shell: &'a Shell,
    sources: Sources,
    diags: Vec<Diagnostic>,
}

/// The settings of the user's own file.
///
/// # Errors
/// Everything that is wrong in it.
pub(super) fn user_config(shell: &Shell) -> Result<Config, Failure> {
    let mut files = Files { shell, sources: Sources::default(), diags: Vec::new() };
    let user = files.user()?;
    files.end()?;
    Ok(user)
}

impl Files<'_> {
    /// Reads the user's file, where there is one.
    fn user(&mut self) -> Result<Config, Failure> {
        let path = self.shell.host.place(Place::Config).map(|dir| dir.join(USER_FILE));
        match path.filter(|path| self.shell.host.exists(path)) {
            Some(path) => self.read(&path, Origin::User),
            None => Ok(Config::default()),
        }
    }

    /// Says what is wrong, if that is anything.
    fn end(self) -> Result<(), Failure> {
        let Self { sources, diags, .. } = self;
        if diags.iter().any(Diagnostic::is_error) {
            return Err(Failure { exit: Failure::USAGE, sources, diags });
        }
        Ok(())
    }

    fn read(&mut self, path: &Path, origin: Origin) -> Result<Config, Failure> {
        let id = self.shell.read(path, &mut self.sources)?;
        let (config, diags) = config::parse(id, &self.sources.get(id).text, origin);
        self.diags.extend(diags);
        Ok(config)
    }
}

/// The folder of the project that a file belongs to: the nearest around it with a settings file,
/// else its own.
pub(super) fn project_folder(shell: &Shell, file: &Path) -> PathBuf {
    let beside = file.parent().unwrap_or(Path::new(""));
    let found = project_file(shell, file);
    let folder = found.as_deref().and_then(Path::parent).unwrap_or(beside);
    shell.host.real_path(folder).unwrap_or_else(|_| folder.to_owned())
}

/// The settings file of the project that a script belongs to.
pub(super) fn project_file(shell: &Shell, script: &Path) -> Option<PathBuf> {
    let beside = script.parent().unwrap_or(Path::new(""));
    let above = beside.ancestors().map(|dir| dir.join(PROJECT_FILE));
    above.into_iter().find(|path| shell.host.exists(path))
}
