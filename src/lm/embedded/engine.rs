//! The thread that runs a model: takes calls from a queue and decodes them together.
//!
//! Whatever calls are there are worked on at once: beginnings that they share are read once,
//! and each step computes one batch of all sequences, whether they still read their prompts
//! or already write. Since logits do not depend on the batch, none of this shows in a reply.

use crate::lm::embedded::attention::BLOCK;
use crate::lm::embedded::cache::Cache;
use crate::lm::embedded::decode::{Decoder, Step};
use crate::lm::embedded::model::{Lane, Model};
use crate::lm::embedded::prefixes::{Prefixes, common, shared};
use crate::lm::embedded::prompt::{self, Unreadable};
use crate::lm::{
    Cancel, Completion, Decoding, Delta, Error, ErrorKind, Finish, Flow, Listener, Request,
    Usage,
};
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Sequences that are decoded at once.
pub(crate) const PARALLEL: usize = 64;
/// The most tokens of one forward pass: enough for full speed, and bounds memory and the time
/// before a call that just came is looked at.
const STEP_TOKENS: usize = 512;
/// Passes of at most this many tokens run on one thread: sharing them costs more than it gives.
const ALONE: usize = 4;
/// What is kept of read prompts, in bytes.
const KEPT_BYTES: usize = 128 << 20;
/// What sequences in the works may take together, in bytes; a single one may take more.
const ACTIVE_BYTES: usize = 1 << 30;
/// What is reckoned for a reply, in tokens.
const REPLY_TOKENS: usize = 64;
/// A shared beginning shorter than this is not worth a pass of its own.
const WORTH_SHARING: usize = 16;
/// How long an idle engine waits for more calls after the first.
const GATHER: Duration = Duration::from_millis(1);

/// What a call waits for.
pub(crate) type Answer = Result<Completion, Error>;

/// A call.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) cancel: Cancel,
    pub(crate) listener: Option<Listener>,
    pub(crate) answer: oneshot::Sender<Answer>,
}

impl Job {
    fn is_unwanted(&self) -> bool {
        self.answer.is_closed() || self.cancel.is_cancelled()
    }
}

/// A call whose prompt is cut into tokens.
struct Ready {
    job: Job,
    decoder: Decoder,
    prompt: Vec<u32>,
}

/// A call in the works.
struct Sequence {
    job: Job,
    decoder: Decoder,
    cache: Cache,
    /// All tokens, those not yet read included.
    tokens: Vec<u32>,
    prompt: usize,
    reused: usize,
    /// How much of the reply the listener was told, in bytes.
    told: usize,
}

impl Sequence {
    /// Tells the listener what is new.
    fn tell(&mut self) -> Flow {
        let Some(listener) = &self.job.listener else { return Flow::Go };
        let text = self.decoder.told();
        match text.get(self.told..) {
            None | Some("") => Flow::Go,
            Some(more) => {
                let flow = listener.hear(Delta::Text(more));
                self.told = text.len();
                flow
            }
        }
    }
}

/// A model at work.
pub(crate) struct Engine {
    name: String,
    model: Model,
    all: rayon::ThreadPool,
    one: rayon::ThreadPool,
    prefixes: Prefixes,
}

impl Engine {
    /// Makes a model ready, with `threads` threads (0: as many as there are processors).
    pub(crate) fn start(
        name: &str,
        threads: usize,
        load: impl FnOnce() -> Result<Model, String> + Send,
    ) -> Result<Self, Error> {
        let pool = |threads| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|i| format!("dsp-model-{i}"))
                .build()
                .map_err(|e| Error::new(ErrorKind::Weights, name, format!("no threads: {e}")))
        };
        let (all, one) = (pool(threads)?, pool(1)?);
        let model = all.install(load).map_err(|e| Error::new(ErrorKind::Weights, name, e))?;
        Ok(Self { name: name.to_owned(), model, all, one, prefixes: Prefixes::default() })
    }

    /// Answers calls until nobody can make one any more.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) {
        let mut waiting: VecDeque<Ready> = VecDeque::new();
        let mut active: Vec<Sequence> = Vec::new();
        loop {
            let mut fresh = Vec::new();
            if active.is_empty() && waiting.is_empty() {
                let Ok(job) = jobs.recv() else { return };
                fresh.push(job);
                while fresh.len() < PARALLEL {
                    match jobs.recv_timeout(GATHER) {
                        Ok(job) => fresh.push(job),
                        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                            break;
                        }
                    }
                }
            }
            fresh.extend(jobs.try_iter());
            waiting.extend(self.prepare(fresh));
            waiting.retain(|ready| !ready.job.is_unwanted());
            active.retain(|sequence| !sequence.job.is_unwanted());
            let admitted = self.choose(&mut waiting, &active);
            self.read_shared(&admitted);
            active.extend(admitted.into_iter().map(|ready| self.admit(ready)));
            if !active.is_empty() {
                self.step(&mut active);
            }
        }
    }

    /// Takes the calls that can begin now, in their order: as many as there is room for.
    fn choose(&self, waiting: &mut VecDeque<Ready>, active: &[Sequence]) -> Vec<Ready> {
        let mut chosen: Vec<Ready> = Vec::new();
        let limit = ACTIVE_BYTES / self.model.token_bytes();
        let mut used: usize =
            active.iter().map(|it| it.tokens.len() - it.reused + REPLY_TOKENS).sum();
        while let Some(next) = waiting.front() {
            if active.len() + chosen.len() >= PARALLEL {
                break;
            }
            let beside = chosen.iter().map(|it| common(&it.prompt, &next.prompt)).max();
            let known = beside.unwrap_or(0).max(self.prefixes.longest(&next.prompt));
            used += next.prompt.len() - known + REPLY_TOKENS;
            if used > limit && active.len() + chosen.len() > 0 {
                break;
            }
            chosen.extend(waiting.pop_front());
        }
        chosen
    }

    /// Cuts prompts into tokens; answers the calls that cannot be served.
    fn prepare(&self, jobs: Vec<Job>) -> Vec<Ready> {
        let prepared: Vec<_> = self.all.install(|| {
            jobs.into_par_iter()
                .map(|job| {
                    let prepared = self.open(&job.request);
                    (job, prepared)
                })
                .collect()
        });
        let mut ready = Vec::new();
        for (job, prepared) in prepared {
            match prepared {
                Ok((decoder, prompt)) if decoder.is_done() => {
                    let usage = usage(prompt.len(), 0, &decoder);
                    answer(job, Ok(self.completion(decoder, Finish::Stop, usage)));
                }
                Ok((decoder, prompt)) => ready.push(Ready { job, decoder, prompt }),
                Err(error) => answer(job, Err(error)),
            }
        }
        ready
    }

    fn open(&self, request: &Request) -> Result<(Decoder, Vec<u32>), Error> {
        let refuse = |message: String| Error::new(ErrorKind::Refused, &self.name, message);
        if matches!(request.decoding, Decoding::Json(_)) {
            return Err(refuse("this model cannot be held to a JSON schema".to_owned())
                .hint("use the adapter `complete`, or `chat`"));
        }
        let vocabulary = self.model.vocabulary();
        let opening = prompt::open(vocabulary, &request.prompt).map_err(|e| match e {
            Unreadable::NoChat => refuse("this model has no form for conversations".to_owned())
                .hint("use the adapter `complete`"),
            Unreadable::Text(e) => refuse(e),
        })?;
        let (decoder, prompt) = Decoder::start(vocabulary, opening, request).map_err(refuse)?;
        let context = self.model.context();
        if prompt.len() >= context {
            let message =
                format!("the prompt has {} tokens and the model reads {context}", prompt.len());
            return Err(Error::new(ErrorKind::TooLong, &self.name, message)
                .hint("give fewer demos or shorter inputs"));
        }
        Ok((decoder, prompt))
    }

    /// Reads once what several new prompts begin with.
    fn read_shared(&mut self, ready: &[Ready]) {
        let mut left: Vec<&[u32]> = ready.iter().map(|it| it.prompt.as_slice()).collect();
        while let Some(first) = left.first().copied() {
            let found = shared(&left).filter(|(len, _)| *len >= WORTH_SHARING);
            let Some((len, _)) = found else {
                left.remove(0);
                continue;
            };
            let prefix = &first[..len];
            left.retain(|prompt| !prompt.starts_with(prefix));
            // The last token is read again with each prompt's own ones, if it is all they have.
            let mut cache = self.prefixes.find(first);
            if cache.len() + WORTH_SHARING > len {
                continue;
            }
            while cache.len() < len {
                let end = len.min(cache.len() + STEP_TOKENS);
                let tokens = &prefix[cache.len()..end];
                let mut lane = [Lane { cache: &mut cache, tokens, logits: false }];
                self.all.install(|| self.model.forward(&mut lane));
            }
            self.keep(prefix.to_vec(), cache);
        }
    }

    fn admit(&mut self, ready: Ready) -> Sequence {
        let Ready { job, decoder, prompt } = ready;
        let cache = self.prefixes.find(&prompt);
        let reused = cache.len();
        let length = prompt.len();
        Sequence { job, decoder, cache, prompt: length, tokens: prompt, reused, told: 0 }
    }

    fn keep(&mut self, tokens: Vec<u32>, cache: Cache) {
        let blocks = KEPT_BYTES / (self.model.token_bytes() * BLOCK);
        self.prefixes.keep(tokens, cache, blocks);
    }

    /// Computes one batch and lets every sequence that has read its tokens decide.
    fn step(&mut self, active: &mut Vec<Sequence>) {
        let mut left = STEP_TOKENS.max(active.len());
        let mut others = active.len();
        let mut lanes = Vec::with_capacity(active.len());
        let mut deciding = Vec::with_capacity(active.len());
        for sequence in active.iter_mut() {
            others -= 1;
            let unread = sequence.tokens.len() - sequence.cache.len();
            let count = unread.min(left - others);
            left -= count;
            let from = sequence.cache.len();
            let tokens = &sequence.tokens[from..from + count];
            lanes.push(Lane { cache: &mut sequence.cache, tokens, logits: count == unread });
            deciding.push(count == unread);
        }
        let total: usize = lanes.iter().map(|lane| lane.tokens.len()).sum();
        let pool = if total <= ALONE { &self.one } else { &self.all };
        let mut logits = pool.install(|| self.model.forward(&mut lanes)).into_iter();
        let mut still = Vec::with_capacity(active.len());
        for (mut sequence, decides) in active.drain(..).zip(deciding) {
            let Some(logits) = decides.then(|| logits.next()).flatten() else {
                still.push(sequence);
                continue;
            };
            match self.decide(&mut sequence, &logits) {
                Ok(None) if sequence.tell() == Flow::Halt => {
                    sequence.decoder.cut();
                    self.finish(sequence, Finish::Halted);
                }
                Ok(None) => still.push(sequence),
                Ok(Some(finish)) => {
                    sequence.tell();
                    self.finish(sequence, finish);
                }
                Err(message) => {
                    let error = Error::new(ErrorKind::Refused, &self.name, message);
                    answer(sequence.job, Err(error));
                }
            }
        }
        *active = still;
    }

    fn decide(
        &self,
        sequence: &mut Sequence,
        logits: &[f32],
    ) -> Result<Option<Finish>, String> {
        let step = sequence.decoder.next(self.model.vocabulary(), logits)?;
        let (forget, tokens) = match step {
            Step::Done(finish) => return Ok(Some(finish)),
            Step::Read { forget, tokens } => (forget, tokens),
        };
        let kept = sequence.tokens.len().saturating_sub(forget);
        sequence.tokens.truncate(kept);
        // Where nothing new is read, the last token is read again for its logits.
        sequence.cache.truncate(if tokens.is_empty() { kept.saturating_sub(1) } else { kept });
        sequence.tokens.extend(tokens);
        if sequence.tokens.len() > self.model.context() {
            return Ok(Some(sequence.decoder.cut()));
        }
        Ok(None)
    }

    fn finish(&mut self, sequence: Sequence, finish: Finish) {
        let Sequence { job, decoder, mut cache, mut tokens, prompt, reused, .. } = sequence;
        let usage = usage(prompt, reused, &decoder);
        answer(job, Ok(self.completion(decoder, finish, usage)));
        // Replies are rarely the beginning of a prompt; prompts often are.
        tokens.truncate(prompt);
        cache.truncate(prompt);
        self.keep(tokens, cache);
    }

    fn completion(&self, decoder: Decoder, finish: Finish, usage: Usage) -> Completion {
        let model = Some(self.name.clone());
        let (text, logprobs) = decoder.into_reply();
        let reply =
            Completion { text, finish, usage, model, logprobs, ..Completion::default() };
        Completion { attempts: 1, ..reply }
    }
}

fn usage(prompt: usize, reused: usize, decoder: &Decoder) -> Usage {
    Usage {
        prompt_tokens: Some(prompt as u64),
        completion_tokens: Some(decoder.written()),
        cached_tokens: Some(reused as u64),
        ..Usage::default()
    }
}

/// Answers a call; whoever asked may have gone.
fn answer(job: Job, answer: Answer) {
    let _ = job.answer.send(answer);
}
