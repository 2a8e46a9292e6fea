//! The program of a worker, made from its bundle.

use crate::config::{self, Config, Origin};
use crate::engine::{Engine, Error, Program};
use crate::eval::ProgramEvaluator;
use crate::host::SharedHost;
use crate::source::Sources;
use crate::store::Replies;
use crate::via::frame::{Bundle, Ready, VERSION, Word};
use crate::via::{Answer, Need};
use crate::worker::Desk;
use crate::worker::host::ProjectHost;
use std::sync::Arc;

/// What a worker finds around it.
#[derive(Debug, Clone)]
pub struct Around {
    /// The machine.
    pub host: SharedHost,
    /// Where replies are kept.
    pub store: Arc<dyn Replies>,
    /// The settings of the user on this machine.
    pub user: Config,
}

/// Loads a program, and says that it is ready, or why it is not.
pub(super) fn load(desk: &Arc<Desk>, around: &Around, bundle: Bundle) {
    match loaded(desk, around, bundle) {
        Ok((evaluator, ready)) => {
            desk.set_program(Ok(Arc::new(evaluator)));
            desk.say(&Word::Ready(ready));
        }
        Err(message) => {
            desk.set_program(Err(message.clone()));
            desk.say(&Word::Refused { message });
        }
    }
}

fn loaded(
    desk: &Arc<Desk>,
    around: &Around,
    bundle: Bundle,
) -> Result<(ProgramEvaluator, Ready), String> {
    let ours = env!("CARGO_PKG_VERSION");
    if bundle.v != VERSION || bundle.version != ours {
        let (v, version) = (bundle.v, &bundle.version);
        return Err(format!(
            "the frames are of version {v} and dsp {version}, this worker's of version {VERSION} \
             and dsp {ours}"
        ));
    }
    let engine = engine(desk, around, &bundle)?;
    for (path, text) in bundle.files {
        desk.know(Need::Read { path }, Answer::Text(text));
    }
    let program: Program = engine.load(&bundle.main).map_err(|it| told(&it))?;
    let evaluator = program.evaluator(&bundle.expression).map_err(|it| told(&it))?;
    let ready = Ready { hash: program.hash(), models: evaluator.models() };
    Ok((evaluator, ready))
}

fn engine(desk: &Arc<Desk>, around: &Around, bundle: &Bundle) -> Result<Engine, String> {
    let project = match &bundle.project {
        Some(text) => project(text)?,
        None => Config::default(),
    };
    // What may be spent is the coordinator's business: it says so with each run.
    let below = Config { caps: config::Caps::default(), ..project.or(around.user.clone()) };
    let above = Config { lm: bundle.lm.clone(), seed: bundle.seed, ..Config::default() };
    let host = Arc::new(ProjectHost::new(around.host.clone(), desk.clone()));
    let builder = Engine::builder()
        .host(host)
        .store(around.store.clone())
        .over_scripts(above)
        .under_scripts(below);
    #[cfg(feature = "local")]
    let builder = builder.allow_downloads();
    let builder = if bundle.no_cache { builder.no_cache() } else { builder };
    let builder = if bundle.keep_traces { builder.keep_traces() } else { builder };
    let builder = if bundle.note_origins { builder.note_origins() } else { builder };
    builder.build().map_err(|it| told(&it))
}

/// The settings of the coordinator's project.
fn project(text: &str) -> Result<Config, String> {
    let mut sources = Sources::default();
    let id = sources.add("dsp.toml", text);
    let (config, diags) = config::parse(id, text, Origin::Project);
    match diags.iter().find(|it| it.is_error()) {
        Some(wrong) => Err(format!("dsp.toml: {}", wrong.message)),
        None => Ok(config),
    }
}

/// The first thing that is wrong, in one line.
fn told(error: &Error) -> String {
    let first = error.diagnostics().iter().find(|it| it.is_error());
    let Some(first) = first.or_else(|| error.diagnostics().first()) else {
        return "the program is not correct".to_owned();
    };
    let place = first.primary.as_ref().map(|it| {
        let (line, _) = error.sources().position(it.span.source, it.span.range().start);
        format!("{}:{line}: ", error.sources().get(it.span.source).name)
    });
    format!("{}{}", place.unwrap_or_default(), first.message)
}
