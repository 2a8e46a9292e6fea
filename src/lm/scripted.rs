//! A model that answers from a script: for tests, recordings and examples without a key.

use super::{
    Address, CallContext, CallFuture, Capabilities, Completion, Delta, Error, ErrorKind,
    Finish, Flow, Listener, Lm, Message, Prompt, Request, Takes, Usage,
};
use crate::util::{lock, sha256_hex};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Mutex;

/// A closure that answers calls.
type Answer = Box<dyn Fn(&Request, &CallContext) -> Result<String, Error> + Send + Sync>;

/// A model whose replies were written before it was asked.
pub struct Scripted {
    name: String,
    identity: String,
    capabilities: Capabilities,
    counts_words: bool,
    source: Source,
}

enum Source {
    /// One after the other, in one sequential run.
    List {
        replies: Vec<String>,
        asked: Mutex<usize>,
    },
    /// By who asks: `path` or `path#example`, then by how often it asked before.
    Addressed {
        replies: BTreeMap<String, Vec<String>>,
        used: Mutex<BTreeSet<(String, usize)>>,
    },
    By(Answer),
}

impl Scripted {
    /// Returns a model that gives these replies in this order, each once.
    ///
    /// They are not kept in a store: the same request may be scripted to be answered
    /// differently the next time.
    pub fn new<R: Into<String>>(replies: impl IntoIterator<Item = R>) -> Self {
        let replies: Vec<String> = replies.into_iter().map(Into::into).collect();
        let identity = identity("list", &replies);
        Self::from_source(identity, false, Source::List { replies, asked: Mutex::new(0) })
    }

    /// Returns a model that answers by the place of the call: the key is the path of the
    /// predictor (`answer`), or that with the index of the example (`answer#3`), which wins, or
    /// with the branch of `parallel` (`answer/left`, `answer/left#3`); the list holds the replies
    /// to its first request in a run of the program, its second and so on. A reply that cannot be
    /// read is asked again, and that request takes the next one.
    ///
    /// Such replies do not depend on the order of calls, so they serve parallel runs, and any
    /// number of runs.
    pub fn addressed<K: Into<String>, R: Into<String>>(
        replies: impl IntoIterator<Item = (K, Vec<R>)>,
    ) -> Self {
        let replies: BTreeMap<String, Vec<String>> = replies
            .into_iter()
            .map(|(key, list)| (key.into(), list.into_iter().map(Into::into).collect()))
            .collect();
        let identity = identity("addressed", &replies);
        let used = Mutex::new(BTreeSet::new());
        Self::from_source(identity, true, Source::Addressed { replies, used })
    }

    /// Returns a model that answers with a function of the request and the call.
    pub fn by(
        answer: impl Fn(&Request, &CallContext) -> String + Send + Sync + 'static,
    ) -> Self {
        Self::try_by(move |request, context| Ok(answer(request, context)))
    }

    /// Returns a model that answers or fails by a function of the request and the call.
    pub fn try_by(
        answer: impl Fn(&Request, &CallContext) -> Result<String, Error> + Send + Sync + 'static,
    ) -> Self {
        Self::from_source(
            "scripted by a function".to_owned(),
            false,
            Source::By(Box::new(answer)),
        )
    }

    fn from_source(identity: String, cacheable: bool, source: Source) -> Self {
        let capabilities = Capabilities {
            chat: true,
            template: false,
            in_process: true,
            nonblocking: false,
            parallel: 64,
            cacheable,
            media: Takes::ALL,
            ..Capabilities::PLAIN
        };
        Self {
            name: "scripted".to_owned(),
            identity,
            capabilities,
            counts_words: false,
            source,
        }
    }

    /// Returns the model under another name, which is part of its identity too.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.identity = format!("{} as {name}", self.identity);
        name.clone_into(&mut self.name);
        self
    }

    /// Returns the model with other capabilities.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Returns the model with usage reported: a word is a token. By default it reports none.
    #[must_use]
    pub fn counting_words(mut self) -> Self {
        self.counts_words = true;
        self
    }

    /// How many replies nobody has asked for; none of a function.
    pub fn remaining(&self) -> usize {
        match &self.source {
            Source::List { replies, asked } => replies.len().saturating_sub(*lock(asked)),
            Source::Addressed { replies, used } => {
                replies.values().map(Vec::len).sum::<usize>() - lock(used).len()
            }
            Source::By(_) => 0,
        }
    }

    fn reply(&self, request: &Request, context: &CallContext) -> Result<String, Error> {
        match &self.source {
            Source::List { .. } if context.parallel => {
                let message = "a list of replies answers one call after the other";
                let hint = "give them by path: `scripted(#{ answer: [\"…\", \"…\"] })`";
                Err(self.error(message.to_owned()).hint(hint))
            }
            Source::List { replies, asked } => {
                let mut asked = lock(asked);
                let reply = replies.get(*asked).cloned();
                *asked += usize::from(reply.is_some());
                reply.ok_or_else(|| self.used_up(replies.len(), &context.address))
            }
            Source::Addressed { replies, used } => {
                let key = key(replies, &context.address);
                let Some(list) = replies.get(&key) else {
                    return Err(self.nothing_for(replies, &context.address));
                };
                let ordinal = context.address.ordinal;
                let reply = list.get(ordinal).cloned();
                let reply = reply.ok_or_else(|| self.too_many(&key, list.len(), ordinal))?;
                lock(used).insert((key, ordinal));
                Ok(reply)
            }
            Source::By(answer) => answer(request, context),
        }
    }

    fn used_up(&self, replies: usize, address: &Address) -> Error {
        let message = format!(
            "call {} (by {}) has no reply: the script holds {replies}",
            replies + 1,
            place(address)
        );
        self.error(message)
            .hint("add a reply, or look at the trace for a call that you did not expect")
    }

    fn too_many(&self, key: &str, replies: usize, ordinal: usize) -> Error {
        let message =
            format!("call {} by `{key}` has no reply: the script holds {replies}", ordinal + 1);
        self.error(message).hint(
            "each call takes a reply, and so does each time that a reply which cannot be read is \
             asked again",
        )
    }

    fn nothing_for(&self, replies: &BTreeMap<String, Vec<String>>, address: &Address) -> Error {
        let message = format!("there is no reply for {}", place(address));
        let example = address.example.map(|at| format!("{}#{at}", address.path));
        let is_by_at = replies.keys().any(|it| it.contains('@'));
        if let Some(key) = example.filter(|_| is_by_at) {
            return self
                .error(message)
                .hint(format!("replies by example have keys like `{key}`"));
        }
        let keys = replies.keys().map(String::as_str);
        self.error(message).hint(crate::diag::did_you_mean(&address.path, keys))
    }

    fn error(&self, message: String) -> Error {
        Error::new(ErrorKind::Scripted, &self.name, message)
    }

    fn usage(&self, request: &Request, reply: &str) -> Usage {
        if !self.counts_words {
            return Usage::default();
        }
        let words = |text: &str| text.split_whitespace().count() as u64;
        let prompt = match &request.prompt {
            Prompt::Chat(messages) => messages.iter().map(|it: &Message| words(&it.text)).sum(),
            Prompt::Text(text) => words(text),
        };
        Usage {
            prompt_tokens: Some(prompt),
            completion_tokens: Some(words(reply)),
            ..Usage::default()
        }
    }
}

/// Tells a reply word by word; what was told, where no more is wanted.
fn told_by_words<'a>(listener: &Listener, text: &'a str) -> Option<&'a str> {
    let mut told = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        told += word.len();
        if listener.hear(Delta::Text(word)) == Flow::Halt {
            return Some(&text[..told]);
        }
    }
    None
}

fn halted(text: &str) -> Completion {
    let (text, finish) = (text.to_owned(), Finish::Halted);
    Completion { text, finish, attempts: 1, ..Completion::default() }
}

fn identity(kind: &str, replies: &impl serde::Serialize) -> String {
    let bytes = serde_json::to_vec(replies).expect("texts are written to memory");
    format!("scripted {kind} {}", sha256_hex(&bytes))
}

/// The key that answers for an address: the one of its branch and example where there is such a
/// one.
fn key(replies: &BTreeMap<String, Vec<String>>, address: &Address) -> String {
    let place = address.place();
    let example = |place: &str| address.example.map(|example| format!("{place}#{example}"));
    [example(&place), example(&address.path), Some(place)]
        .into_iter()
        .flatten()
        .find(|key| replies.contains_key(key))
        .unwrap_or_else(|| address.path.clone())
}

fn place(address: &Address) -> String {
    match (address.place().as_str(), address.example) {
        ("", None) => "the program".to_owned(),
        (path, None) => format!("`{path}`"),
        (path, Some(example)) => format!("`{path}` on example {example}"),
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted")
            .field("name", &self.name)
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}

impl Lm for Scripted {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn is_scripted(&self) -> bool {
        true
    }

    fn complete<'a>(
        &'a self,
        request: &'a Request,
        context: &'a CallContext,
    ) -> CallFuture<'a> {
        Box::pin(async move {
            if context.cancel.is_cancelled() {
                let message = "the run was cancelled before the call";
                return Err(Error::new(ErrorKind::Cancelled, &self.name, message));
            }
            let text = self.reply(request, context)?;
            if let Some(listener) = &context.listener
                && let Some(text) = told_by_words(listener, &text)
            {
                return Ok(halted(text));
            }
            let usage = self.usage(request, &text);
            Ok(Completion { text, usage, attempts: 1, ..Completion::default() })
        })
    }
}
