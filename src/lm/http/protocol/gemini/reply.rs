//! Replies of Gemini, whole and in pieces.

use super::super::carry::{is_kept_here, keep, settle};
use super::super::count::{Count, lenient};
use super::super::{ErrorBody, Reader, Unread};
use crate::lm::http::teller::Teller;
use crate::lm::{Alternative, Completion, Finish, TokenLogprob, ToolCall, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

/// Reads the body of a response with status 200.
pub(super) fn read(body: &[u8]) -> Result<Completion, Unread> {
    let reply: Reply = serde_json::from_slice(body).map_err(|e| Unread::json(body, &e))?;
    reply.completion()
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Reply {
    candidates: Option<Vec<Candidate>>,
    prompt_feedback: Option<Feedback>,
    #[serde(default, deserialize_with = "lenient")]
    usage_metadata: Option<Tokens>,
    model_version: Option<String>,
    error: Option<ErrorBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Candidate {
    index: Count,
    content: Option<Content>,
    finish_reason: Option<String>,
    #[serde(deserialize_with = "lenient")]
    logprobs_result: Option<Logprobs>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Content {
    parts: Vec<Part>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Part {
    text: Option<String>,
    thought: bool,
    thought_signature: Option<String>,
    function_call: Option<Called>,
}

#[derive(Deserialize)]
struct Called {
    id: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    args: Value,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Logprobs {
    chosen_candidates: Vec<Token>,
    top_candidates: Vec<Top>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    #[serde(default)]
    token: String,
    log_probability: f64,
}

#[derive(Deserialize)]
struct Top {
    #[serde(default)]
    candidates: Vec<Token>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Tokens {
    prompt_token_count: Count,
    /// What tools of the server gave the model to read.
    tool_use_prompt_token_count: Count,
    candidates_token_count: Count,
    thoughts_token_count: Count,
    cached_content_token_count: Count,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        let thoughts = tokens.thoughts_token_count.0;
        let read = tokens.prompt_token_count.0;
        Self {
            prompt_tokens: read
                .map(|it| it + tokens.tool_use_prompt_token_count.0.unwrap_or(0)),
            // A count of zero is left out, as all zeros are. Thoughts are counted beside.
            completion_tokens: read
                .map(|_| tokens.candidates_token_count.0.unwrap_or(0) + thoughts.unwrap_or(0)),
            cached_tokens: tokens.cached_content_token_count.0,
            cache_write_tokens: None,
            reasoning_tokens: thoughts,
        }
    }
}

impl Reply {
    fn completion(self) -> Result<Completion, Unread> {
        let usage = self.usage_metadata.unwrap_or_default().into();
        let mut candidates = self.candidates.into_iter().flatten();
        let blocked = self.prompt_feedback.and_then(|it| it.block_reason);
        let mut completion = match (candidates.next(), self.error, blocked) {
            (Some(first), ..) => first.completion(),
            (None, Some(error), _) => return Err(Unread::Error(error)),
            (None, None, Some(_)) => {
                Completion { finish: Finish::Filter, attempts: 1, ..Completion::default() }
            }
            (None, None, None) => {
                return Err(Unread::Malformed("a body without candidates".to_owned()));
            }
        };
        completion.others = candidates.map(Candidate::alternative).collect();
        completion.usage = usage;
        completion.model = self.model_version;
        Ok(completion)
    }
}

impl Candidate {
    fn completion(self) -> Completion {
        let mut completion = Completion {
            finish: finish(self.finish_reason.as_deref()),
            logprobs: self.logprobs_result.map(Logprobs::told),
            attempts: 1,
            ..Completion::default()
        };
        for part in self.content.into_iter().flat_map(|it| it.parts) {
            add(&mut completion, part);
        }
        settle(&mut completion);
        if completion.finish == Finish::Stop && !completion.calls.is_empty() {
            completion.finish = Finish::Tools;
        }
        completion
    }

    fn alternative(self) -> Alternative {
        let Completion { text, finish, .. } = self.completion();
        Alternative { text, finish }
    }
}

fn add(completion: &mut Completion, part: Part) {
    let signature = part.thought_signature.filter(|it| !it.is_empty() && !part.thought);
    let is_said =
        part.function_call.is_some() || part.text.as_ref().is_some_and(|it| !it.is_empty());
    if signature.is_some()
        && is_said
        && !completion.text.is_empty()
        && !is_kept_here(completion)
    {
        // A part that is signed is not joined with the one before.
        keep(completion, json!({}));
    }
    match part.text {
        Some(text) if part.thought => {
            completion.reasoning.get_or_insert_default().push_str(&text);
        }
        Some(text) => completion.text.push_str(&text),
        None => {}
    }
    if let Some(Called { id, name, args }) = part.function_call {
        let id = id.unwrap_or_else(|| format!("call_{}", completion.calls.len()));
        let arguments = if args.is_null() { "{}".to_owned() } else { args.to_string() };
        completion.calls.push(ToolCall { id, name, arguments });
    }
    match signature {
        Some(signature) if is_said => {
            keep(completion, json!({ "thoughtSignature": signature }));
        }
        Some(signature) => {
            keep(completion, json!({ "text": "", "thoughtSignature": signature }));
        }
        None => {}
    }
}

impl Logprobs {
    fn told(self) -> Vec<TokenLogprob> {
        let mut tops = self.top_candidates.into_iter();
        let mut top = || {
            let top = tops.next().into_iter().flat_map(|it| it.candidates);
            top.map(|it| (it.token, it.log_probability)).collect()
        };
        let chosen = self.chosen_candidates.into_iter();
        chosen
            .map(|it| TokenLogprob { token: it.token, logprob: it.log_probability, top: top() })
            .collect()
    }
}

fn finish(reason: Option<&str>) -> Finish {
    match reason {
        Some("STOP") => Finish::Stop,
        Some("MAX_TOKENS") => Finish::Length,
        Some(
            "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII"
            | "IMAGE_SAFETY" | "MODEL_ARMOR" | "LANGUAGE",
        ) => Finish::Filter,
        _ => Finish::Other,
    }
}

/// Gathers the pieces of a reply.
#[derive(Default)]
pub(super) struct Pieces {
    reply: Reply,
}

impl Reader for Pieces {
    fn event(&mut self, data: &str, teller: &mut Teller<'_>) -> Result<(), Unread> {
        let piece: Reply =
            serde_json::from_str(data).map_err(|e| Unread::json(data.as_bytes(), &e))?;
        if let Some(error) = piece.error {
            return Err(Unread::Error(error));
        }
        // Each piece tells what was used until then.
        self.reply.usage_metadata = piece.usage_metadata.or(self.reply.usage_metadata.take());
        self.reply.model_version = piece.model_version.or(self.reply.model_version.take());
        self.reply.prompt_feedback =
            piece.prompt_feedback.or(self.reply.prompt_feedback.take());
        for candidate in piece.candidates.into_iter().flatten() {
            self.candidate(candidate, teller);
        }
        Ok(())
    }

    fn is_ended(&self) -> bool {
        // Pieces with the same end may follow, and none says that it is the last.
        false
    }

    fn is_whole(&self) -> bool {
        let candidates = self.reply.candidates.as_deref().unwrap_or_default();
        let ended = candidates.iter().all(|it| it.finish_reason.is_some());
        (ended && !candidates.is_empty()) || self.reply.prompt_feedback.is_some()
    }

    fn completion(self: Box<Self>) -> Result<Completion, Unread> {
        self.reply.completion()
    }
}

impl Pieces {
    fn candidate(&mut self, piece: Candidate, teller: &mut Teller<'_>) {
        let index = piece.index.0.unwrap_or(0);
        let known = self.reply.candidates.get_or_insert_default();
        let at = known.iter().position(|it| it.index.0.unwrap_or(0) == index);
        let at = at.unwrap_or_else(|| {
            known.push(Candidate { index: Count(Some(index)), ..Candidate::default() });
            known.len() - 1
        });
        let candidate = &mut known[at];
        let content = candidate.content.get_or_insert_default();
        for part in piece.content.into_iter().flat_map(|it| it.parts) {
            let text = part.text.as_deref().unwrap_or_default();
            match (index, part.thought) {
                (0, true) => teller.reasoning(text),
                (0, false) => teller.text(text),
                _ => {}
            }
            content.parts.push(part);
        }
        candidate.finish_reason = piece.finish_reason.or(candidate.finish_reason.take());
        if let Some(more) = piece.logprobs_result {
            let logprobs = candidate.logprobs_result.get_or_insert_default();
            logprobs.chosen_candidates.extend(more.chosen_candidates);
            logprobs.top_candidates.extend(more.top_candidates);
        }
    }
}
