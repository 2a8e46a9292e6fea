//! What a trace says of the run that it is of: enough to make it again.

use crate::lm::{Capabilities, Prompt, Takes};
use crate::schema::Record;
use crate::trace::NodeId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The run that a trace is of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Made {
    /// The command: `run`, `eval`, `compile`.
    pub command: String,
    /// Where the script stands.
    pub script: String,
    /// The hash of the program.
    pub hash: String,
    /// The model that predictors asked that name none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lm: Option<String>,
    /// Where all choices started.
    #[serde(default)]
    pub seed: u64,
    /// What was said on the command line.
    #[serde(skip_serializing_if = "Record::is_empty", default)]
    pub flags: Record,
    /// What an evaluation was asked for.
    #[serde(skip_serializing_if = "Record::is_empty", default)]
    pub asked: Record,
    /// The calls that were made otherwise than its script says, the oldest change first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub forks: Vec<Forked>,
    /// The files that it read, and the hashes of what stood in them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub files: BTreeMap<String, String>,
    /// What the models could that were asked: it shapes prompts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub models: BTreeMap<String, Abilities>,
    /// What the run wrote to standard output; `None` where it is not known.
    #[serde(skip)]
    pub printed: Option<String>,
    /// The hash of it.
    #[serde(rename = "printed", skip_serializing_if = "Option::is_none", default)]
    pub printed_hash: Option<String>,
    /// What stopped the run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed: Option<String>,
}

/// A call that was made otherwise than its script says. A reply that was put in the place of
/// another is that of the trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forked {
    /// Its node.
    pub at: NodeId,
    /// The model that was asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lm: Option<String>,
    /// Its instructions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instructions: Option<String>,
    /// What was sent in place of its last message.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_message: Option<String>,
    /// What was sent in place of all of them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prompt: Option<Prompt>,
}

/// What a model can do, as far as it shapes what it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is one ability")]
pub struct Abilities {
    chat: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    template: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    in_process: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    schema: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    tools: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    image: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    audio: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    file: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    logprobs: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    n: bool,
}

impl From<Capabilities> for Abilities {
    fn from(it: Capabilities) -> Self {
        let Takes { image, audio, file } = it.media;
        let Capabilities { chat, template, in_process, schema, tools, logprobs, n, .. } = it;
        Self { chat, template, in_process, schema, tools, image, audio, file, logprobs, n }
    }
}

impl Abilities {
    /// What stands for the model can do the same; nothing is kept of its replies.
    pub fn capabilities(self) -> Capabilities {
        let Self { chat, template, in_process, schema, tools, image, audio, file, .. } = self;
        Capabilities {
            chat,
            template,
            in_process,
            schema,
            tools,
            media: Takes { image, audio, file },
            logprobs: self.logprobs,
            n: self.n,
            parallel: 64,
            ..Capabilities::PLAIN
        }
    }
}
