//! A call as a model learns from it: the messages that ask it, and the answer that it is to give.

use super::Predictor;
use crate::lm::{Message, Prompt, Role};
use crate::program::{PredictorState, StateDemo};
use crate::runtime::cx::Cx;
use crate::runtime::error::Error;
use crate::schema::Demo;
use std::sync::Arc;

impl Predictor {
    /// What is sent for the inputs of this call, and behind it the message in which a model writes
    /// its outputs; both exactly as the adapter lays them out.
    ///
    /// # Errors
    /// Inputs that do not fit, an adapter that has no turns, pictures or sounds.
    pub fn lesson(&self, cx: &Cx<'_>, call: &Demo) -> Result<Vec<Message>, Error> {
        let mut messages = self.messages(cx, call)?;
        let bare = self.showing(None).messages(cx, call)?;
        let shown = self.showing(Some(call)).messages(cx, call)?;
        let answer = answer(&bare, shown).ok_or_else(|| {
            Error::value(format!("the prompts of {self} do not show demos as turns of their own"))
                .hint("a model learns from conversations: set `adapter: \"chat\"`, \"json\" or \"xml\"")
        })?;
        messages.push(answer);
        if messages.iter().any(|it| !it.media.is_empty()) {
            let message = format!("the prompts of {self} have pictures, sounds or files");
            return Err(Error::value(message).hint("only texts can be learnt from so far"));
        }
        Ok(messages)
    }

    /// The messages of the question about these inputs.
    fn messages(&self, cx: &Cx<'_>, call: &Demo) -> Result<Vec<Message>, Error> {
        let capabilities = self.lm(cx.run())?.lm.capabilities();
        let adapter = self.adapter(cx.run(), &capabilities)?;
        let name = adapter.name().to_owned();
        match self.prepare(Some(cx), &call.inputs, adapter, &capabilities)?.prompt {
            Prompt::Chat(messages) => Ok(messages),
            Prompt::Text(_) => {
                let message = format!("`{name}` lays prompts out as one text, not as messages");
                Err(Error::value(message)
                    .hint("a model learns from conversations: set `adapter: \"chat\"`"))
            }
        }
    }

    /// The predictor with this demo and no other.
    fn showing(&self, call: Option<&Demo>) -> Self {
        let mut state = self.state.as_deref().cloned().unwrap_or_default();
        let demo = |it: &Demo| StateDemo { demo: it.clone(), origin: None };
        state = PredictorState {
            demos: call.map(demo).into_iter().collect(),
            nearest: None,
            ..state
        };
        self.with_state_at(self.path.clone(), Some(Arc::new(state)))
    }
}

/// The answer in a demo, where all that the demo adds to the messages are two turns.
fn answer(bare: &[Message], mut shown: Vec<Message>) -> Option<Message> {
    if shown.len() != bare.len() + 2 {
        return None;
    }
    let is_demo = |at: &usize| {
        shown[*at].role == Role::User
            && shown[*at + 1].role == Role::Assistant
            && shown[..*at] == bare[..*at]
            && shown[*at + 2..] == bare[*at..]
    };
    let at = (0..=bare.len()).rev().find(is_demo)?;
    Some(shown.swap_remove(at + 1))
}
