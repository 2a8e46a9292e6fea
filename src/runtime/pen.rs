//! Where the parts of prompts come from, for traces of which somebody wants to know.

use crate::adapt::{Adapter, Ask, Extraction, Origin, ParseError, Part, Prepared};
use crate::lm::Capabilities;
use crate::program::{DemoOrigin, PredictorState};
use crate::runtime::run::Run;
use crate::trace::{self, Attempt};
use std::fmt::Write;
use std::sync::Arc;

/// The parts of a prompt; none where nobody wants to know.
type Parts = Arc<[trace::Part]>;

/// Lays prompts out, and notes where their parts come from if that is wanted.
pub(in crate::runtime) struct Pen<'a> {
    wanted: bool,
    state: Option<&'a PredictorState>,
}

impl<'a> Pen<'a> {
    /// As the run wants it, for a predictor of this state.
    pub(in crate::runtime) fn of(run: &Run, state: Option<&'a PredictorState>) -> Self {
        Self { wanted: run.session().settings.note_origins, state }
    }

    /// The question.
    pub(in crate::runtime) fn prompt(
        &self,
        adapter: &Adapter,
        ask: &Ask<'_>,
        capabilities: &Capabilities,
    ) -> (Prepared, Parts) {
        match self.wanted {
            true => self.told(adapter.prompt_parts(ask, capabilities)),
            false => silent(adapter.prompt(ask, capabilities)),
        }
    }

    /// The question again, with the reply that could not be read and the reason.
    pub(in crate::runtime) fn repair(
        &self,
        adapter: &Adapter,
        ask: &Ask<'_>,
        capabilities: &Capabilities,
        (reply, error): (&str, &ParseError),
    ) -> (Prepared, Parts) {
        match self.wanted {
            true => self.told(adapter.repair_parts(ask, capabilities, reply, error)),
            false => silent(adapter.repair(ask, capabilities, reply, error)),
        }
    }

    /// The question about a reply.
    pub(in crate::runtime) fn extraction(&self, it: &Extraction) -> (Prepared, Parts) {
        match self.wanted {
            true => self.told(it.prompt_parts()),
            false => silent(it.prompt()),
        }
    }

    /// The same again.
    pub(in crate::runtime) fn extraction_again(
        &self,
        it: &Extraction,
        reply: &str,
        error: &ParseError,
    ) -> (Prepared, Parts) {
        match self.wanted {
            true => self.told(it.repair_parts(reply, error)),
            false => silent(it.repair(reply, error)),
        }
    }

    /// Notes the parts of a prompt in the attempts that sent it.
    #[expect(clippy::unused_self, reason = "it is what is done with what it gave")]
    pub(in crate::runtime) fn note(&self, attempts: &mut [Attempt], parts: Parts) {
        for attempt in attempts {
            attempt.parts = parts.clone();
        }
    }

    fn told(&self, (prepared, parts): (Prepared, Vec<Part>)) -> (Prepared, Parts) {
        let part = |it: Part| trace::Part {
            message: it.message,
            label: self.label(&it.origin).into(),
            kind: kind(&it.origin).into(),
            range: it.range,
        };
        (prepared, parts.into_iter().map(part).collect())
    }

    /// Where a part comes from; of a demo the row and the run that it was taken from.
    fn label(&self, origin: &Origin) -> String {
        let mut label = origin.to_string();
        if let Origin::Demo { index, .. } = origin
            && let Some(from) = self.demo(*index)
        {
            let _ = write!(label, ": {} row {}", from.source.as_str(), from.row);
            if let Some(score) = from.score {
                let _ = write!(label, ", scored {score}");
            }
        }
        label
    }

    fn demo(&self, index: usize) -> Option<&DemoOrigin> {
        self.state?.demos.get(index)?.origin.as_ref()
    }
}

fn silent(prepared: Prepared) -> (Prepared, Parts) {
    (prepared, Arc::default())
}

fn kind(origin: &Origin) -> &'static str {
    match origin {
        Origin::Layout => "layout",
        Origin::Template => "template",
        Origin::Instruction => "instruction",
        Origin::Fields => "fields",
        Origin::Field { .. } => "field",
        Origin::Demo { .. } => "demo",
        Origin::History { .. } => "history",
        Origin::Input { .. } => "input",
        Origin::Closing => "closing",
        Origin::Refused => "refused",
        Origin::Repair => "repair",
    }
}
