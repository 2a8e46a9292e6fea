//! The file that holds the recorded replies of a script's tests.
//!
//! It is made to be committed: JSON lines in a fixed order, one call a line, so that a diff
//! shows which calls changed. Turns of prompts are written once each, for many calls share
//! them; prompts are there so that a changed one can be told from the recorded one.

use crate::lm::{
    Address, Alternative, Capabilities, Carry, Completion, Finish, Prompt, Request, Sampling,
    TokenLogprob, ToolCall, Usage,
};
use crate::runtime::Asked;
use crate::util::sha256_hex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The version of the format.
const VERSION: u32 = 1;
/// Digits of a hash: enough that two texts of a file never share one.
const DIGITS: usize = 20;

/// The recorded replies of a script's tests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recording {
    /// Models that take plain text only, or obey templates: what a stand-in has to know.
    models: BTreeMap<String, Model>,
    /// Turns of prompts, by their hashes.
    texts: BTreeMap<String, String>,
    /// Replies, in the order in which they came where one call was asked again.
    calls: BTreeMap<Place, Vec<Call>>,
}

/// What shapes the prompts for a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// It takes turns of a conversation.
    pub chat: bool,
    /// It obeys templates.
    pub template: bool,
    /// It gives several replies to one request.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub n: bool,
    /// Its server knows schemas.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub schema: bool,
}

/// A call of a test.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The title of the test.
    pub test: String,
    /// The call in it.
    pub address: Address,
}

/// A reply, and what it answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The hash of all that shapes the reply.
    pub request: String,
    /// The model's name.
    pub model: String,
    /// How tokens were drawn.
    pub sampling: Sampling,
    /// Who says what: the hashes of the turns.
    pub prompt: Vec<(String, String)>,
    /// The reply.
    pub completion: Completion,
}

/// Why a text is no recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Head {
        version: u32,
        about: String,
    },
    Model {
        model: String,
        #[serde(flatten)]
        facts: Model,
    },
    Text {
        text: String,
        is: String,
    },
    Call(Box<CallLine>),
}

#[derive(Debug, Serialize, Deserialize)]
struct CallLine {
    test: String,
    call: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    example: Option<usize>,
    n: usize,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    branch: String,
    request: String,
    lm: String,
    sampling: Sampling,
    prompt: Vec<(String, String)>,
    reply: String,
    finish: Finish,
    usage: Usage,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reasoning: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    others: Vec<Alternative>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    logprobs: Option<Vec<TokenLogprob>>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    calls: Vec<ToolCall>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    carry: Option<Arc<Carry>>,
}

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    /// A line that is none of a recording, and a version that this program does not know.
    pub fn parse(text: &str) -> Result<Self, ReadError> {
        let mut recording = Self::default();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            let refused = |message: String| ReadError { line: at + 1, message };
            let line: Line = serde_json::from_str(line)
                .map_err(|_| refused("this is no line of a recording".to_owned()))?;
            recording.take(line).map_err(refused)?;
        }
        recording.check_prompts()?;
        Ok(recording)
    }

    fn take(&mut self, line: Line) -> Result<(), String> {
        match line {
            Line::Head { version: VERSION, .. } => {}
            Line::Head { version, .. } => {
                return Err(format!("version {version} of recordings is not known here"));
            }
            Line::Model { model, facts } => {
                self.models.insert(model, facts);
            }
            Line::Text { text, is } => {
                self.texts.insert(text, is);
            }
            Line::Call(line) => {
                let (place, call) = line.parts();
                self.calls.entry(place).or_default().push(call);
            }
        }
        Ok(())
    }

    fn check_prompts(&self) -> Result<(), ReadError> {
        let used = self.calls.values().flatten().flat_map(|it| &it.prompt);
        match used.map(|(_, hash)| hash).find(|hash| !self.texts.contains_key(*hash)) {
            None => Ok(()),
            Some(hash) => {
                Err(ReadError { line: 1, message: format!("the text `{hash}` is missing") })
            }
        }
    }

    /// The file.
    pub fn text(&self) -> String {
        let about = "replies to the tests beside; made by `dsp test --record`".to_owned();
        let mut lines = vec![Line::Head { version: VERSION, about }];
        let models = self.models.iter();
        lines.extend(
            models.map(|(model, facts)| Line::Model { model: model.clone(), facts: *facts }),
        );
        let texts = self.texts.iter();
        lines.extend(
            texts.map(|(hash, text)| Line::Text { text: hash.clone(), is: text.clone() }),
        );
        for (place, calls) in &self.calls {
            lines.extend(
                calls.iter().map(|call| Line::Call(Box::new(CallLine::new(place, call)))),
            );
        }
        let json = |line: &Line| serde_json::to_string(line).expect("lines have string keys");
        lines.iter().map(|line| json(line) + "\n").collect()
    }

    /// Whether it holds no reply.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// How many replies it holds.
    pub fn n_calls(&self) -> usize {
        self.calls.values().map(Vec::len).sum()
    }

    /// What is known of a model.
    pub fn model(&self, name: &str) -> Option<Model> {
        self.models.get(name).copied()
    }

    /// The replies to a call.
    pub fn calls(&self, place: &Place) -> &[Call] {
        self.calls.get(place).map_or(&[], Vec::as_slice)
    }

    /// The places of all calls.
    pub fn places(&self) -> impl Iterator<Item = (&Place, &[Call])> {
        self.calls.iter().map(|(place, calls)| (place, calls.as_slice()))
    }

    /// The turns of a call's prompt: who speaks, and what is said.
    pub fn turns<'a>(&'a self, call: &'a Call) -> Vec<(&'a str, &'a str)> {
        let turn = |(role, hash): &'a (String, String)| {
            (role.as_str(), self.texts.get(hash).map_or("", String::as_str))
        };
        call.prompt.iter().map(turn).collect()
    }

    /// Adds a reply.
    pub fn add(&mut self, test: &str, asked: Asked<'_>, completion: Completion) {
        let Asked { model, address, request, capabilities, .. } = asked;
        let Capabilities { chat, template, n, schema, .. } = capabilities;
        self.models.insert(model.to_owned(), Model { chat, template, n, schema });
        let mut prompt = Vec::new();
        for (role, text) in turns(&request.prompt) {
            let hash = short(text.as_bytes());
            self.texts.insert(hash.clone(), text.to_owned());
            prompt.push((role.to_owned(), hash));
        }
        let call = Call {
            request: request_hash(model, request),
            model: model.to_owned(),
            sampling: request.sampling.clone(),
            prompt,
            // How often the network had to be asked is not part of the reply.
            completion: Completion { attempts: 1, ..completion },
        };
        let place = Place { test: test.to_owned(), address: address.clone() };
        self.calls.entry(place).or_default().push(call);
    }

    /// Takes over the calls of another recording.
    pub fn take_calls(&mut self, other: &Self, wanted: impl Fn(&Place, &Call) -> bool) {
        for (place, calls) in &other.calls {
            let kept: Vec<Call> =
                calls.iter().filter(|call| wanted(place, call)).cloned().collect();
            for (_, hash) in kept.iter().flat_map(|call| &call.prompt) {
                if let Some(text) = other.texts.get(hash) {
                    self.texts.insert(hash.clone(), text.clone());
                }
            }
            for model in kept.iter().map(|call| &call.model) {
                if let Some(facts) = other.models.get(model) {
                    self.models.insert(model.clone(), *facts);
                }
            }
            if !kept.is_empty() {
                self.calls.entry(place.clone()).or_default().extend(kept);
            }
        }
    }

    /// Brings calls into an order that does not depend on threads, and keeps one reply where
    /// the same request got the same one each time.
    pub fn tidy(&mut self) {
        for calls in self.calls.values_mut() {
            calls.sort_by(|a, b| a.request.cmp(&b.request));
            let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for call in calls.iter() {
                let texts = known.entry(call.request.clone()).or_default();
                texts.insert(call.completion.text.clone());
            }
            let mut seen = BTreeSet::new();
            calls.retain(|call| {
                known[&call.request].len() > 1 || seen.insert(call.request.clone())
            });
        }
    }
}

impl CallLine {
    fn new(place: &Place, call: &Call) -> Self {
        let Completion { text, finish, usage, model, reasoning, others, logprobs, .. } =
            call.completion.clone();
        let (calls, carry) = (call.completion.calls.clone(), call.completion.carry.clone());
        let Address { path, example, ordinal, branch } = place.address.clone();
        Self {
            test: place.test.clone(),
            call: path,
            example,
            n: ordinal,
            branch,
            request: call.request.clone(),
            lm: call.model.clone(),
            sampling: call.sampling.clone(),
            prompt: call.prompt.clone(),
            reply: text,
            finish,
            usage,
            by: model,
            reasoning,
            others,
            logprobs,
            calls,
            carry,
        }
    }

    fn parts(self) -> (Place, Call) {
        let (path, example, ordinal, branch) = (self.call, self.example, self.n, self.branch);
        let address = Address { path, example, ordinal, branch };
        let place = Place { test: self.test, address };
        let (finish, usage, model) = (self.finish, self.usage, self.by);
        let text = self.reply;
        let (reasoning, others, logprobs) = (self.reasoning, self.others, self.logprobs);
        let (calls, carry) = (self.calls, self.carry);
        let more =
            Completion { reasoning, others, logprobs, calls, carry, ..Completion::default() };
        let completion = Completion { text, finish, usage, model, attempts: 1, ..more };
        let (request, sampling, prompt) = (self.request, self.sampling, self.prompt);
        (place, Call { request, model: self.lm, sampling, prompt, completion })
    }
}

/// The turns of a prompt.
pub fn turns(prompt: &Prompt) -> Vec<(&str, &str)> {
    match prompt {
        Prompt::Chat(turns) => turns.iter().map(|it| (it.role.as_str(), &*it.text)).collect(),
        Prompt::Text(text) => vec![("text", text)],
    }
}

/// The hash of all that shapes a reply.
pub fn request_hash(model: &str, request: &Request) -> String {
    let request = serde_json::to_string(request).expect("requests have string keys");
    short(format!("{model}\n{request}").as_bytes())
}

fn short(bytes: &[u8]) -> String {
    let mut hash = sha256_hex(bytes);
    hash.truncate(DIGITS);
    hash
}

/// A call as people read it: `answer#0`, on the example 3 `answer@3#0`.
pub fn shown(address: &Address) -> String {
    let (path, Address { example, ordinal, .. }) = (address.place(), address);
    let example = example.map_or(String::new(), |it| format!("@{it}"));
    format!("{path}{example}#{ordinal}")
}
