//! Language models in the process: GGUF files of the llama family on a forward pass of our own.
//!
//! An [`Embedded`] model is a name, a file and a queue. Nothing is read before the first call;
//! then one thread loads the weights and answers all calls, as many at once as there are. The
//! logits of a sequence are a function of its tokens alone, bit for bit, whatever else runs
//! beside it; so a reply depends on its request and [`Embedded::identity`] and nothing else.

mod attention;
mod cache;
mod decode;
mod dequant;
mod engine;
mod gguf;
mod literal;
mod model;
mod prefixes;
mod product;
mod prompt;
mod sample;
mod trie;
mod vocabulary;
mod weights;

pub use cache::Cache;
pub use model::{Lane, Model};

use crate::lm::{
    CallContext, CallFuture, Capabilities, Completion, Error, ErrorKind, Lm, Request,
};
use crate::util::lock;
use engine::{Engine, Job, PARALLEL};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// Counts the changes of the engine that change replies.
pub const ENGINE_VERSION: u32 = 3;

/// A look at a file before it is loaded.
type Check = dyn Fn(&Path) -> Result<(), String> + Send + Sync;

/// A model that runs in this process.
pub struct Embedded {
    name: String,
    path: PathBuf,
    sha256: String,
    threads: usize,
    check: Arc<Check>,
    queue: Mutex<Option<Sender<Job>>>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("name", &self.name).field("path", &self.path).finish()
    }
}

impl Embedded {
    /// Returns the model in the file at `path`, whose bytes have the hash `sha256`. The file is
    /// read at the first call.
    pub fn new(
        name: impl Into<String>,
        path: impl Into<PathBuf>,
        sha256: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            sha256: sha256.into(),
            threads: 0,
            check: Arc::new(|_| Ok(())),
            queue: Mutex::new(None),
        }
    }

    /// Uses this many threads; 0, the default, is as many as there are processors.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Has `check` look at the file before it is loaded.
    #[must_use]
    pub fn check(
        mut self,
        check: impl Fn(&Path) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.check = Arc::new(check);
        self
    }

    /// Queues a call, starting the engine with the first.
    async fn ask(&self, request: &Request, context: &CallContext) -> Result<Completion, Error> {
        let (answer, reply) = oneshot::channel();
        let cancel = context.cancel.clone();
        self.enqueue(Job { request: request.clone(), cancel, answer })?;
        self.wait(reply, context).await
    }

    /// Hands a call to the engine. One that failed to load is gone: the next call tries again.
    fn enqueue(&self, mut job: Job) -> Result<(), Error> {
        let mut queue = lock(&self.queue);
        if let Some(jobs) = queue.as_ref() {
            match jobs.send(job) {
                Ok(()) => return Ok(()),
                Err(mpsc::SendError(back)) => job = back,
            }
        }
        *queue = Some(self.launch(job)?);
        Ok(())
    }

    /// Starts the engine's thread, with a first call.
    fn launch(&self, job: Job) -> Result<Sender<Job>, Error> {
        let (sender, jobs) = mpsc::channel();
        let (name, path, threads) = (self.name.clone(), self.path.clone(), self.threads);
        let check = Arc::clone(&self.check);
        let run = move || {
            let started = Engine::start(&name, threads, || {
                check(&path)?;
                Model::open(&path)
            });
            match started {
                Ok(engine) => engine.run(&jobs),
                Err(error) => {
                    let error = error.hint(format!("the file is {}", path.display()));
                    while let Ok(job) = jobs.try_recv() {
                        let _ = job.answer.send(Err(error.clone()));
                    }
                }
            }
        };
        sender.send(job).map_err(|_| self.stopped())?;
        std::thread::Builder::new()
            .name("dsp-model".to_owned())
            .spawn(run)
            .map_err(|e| self.damaged(format!("no thread for the model: {e}")))?;
        Ok(sender)
    }

    async fn wait(
        &self,
        reply: oneshot::Receiver<Result<Completion, Error>>,
        context: &CallContext,
    ) -> Result<Completion, Error> {
        // The engine drops the calls of a run that was cancelled, between two of its steps.
        let answered = async {
            reply.await.unwrap_or_else(|_| {
                Err(if context.cancel.is_cancelled() {
                    Error::new(ErrorKind::Cancelled, &self.name, "the run was cancelled")
                } else {
                    self.stopped()
                })
            })
        };
        let Some(timeout) = context.timeout else { return answered.await };
        tokio::time::timeout(timeout, answered).await.unwrap_or_else(|_| {
            let message = format!("no reply within {} s", timeout.as_secs_f64());
            Err(Error::new(ErrorKind::Timeout, &self.name, message))
        })
    }

    fn damaged(&self, message: String) -> Error {
        Error::new(ErrorKind::Weights, &self.name, message)
    }

    fn stopped(&self) -> Error {
        self.damaged("the model stopped without an answer".to_owned())
    }
}

impl Lm for Embedded {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        format!("embedded/{ENGINE_VERSION} sha256:{}", self.sha256)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            chat: true,
            template: true,
            in_process: true,
            nonblocking: false,
            parallel: PARALLEL,
            cacheable: true,
            ..Capabilities::PLAIN
        }
    }

    fn complete<'a>(
        &'a self,
        request: &'a Request,
        context: &'a CallContext,
    ) -> CallFuture<'a> {
        Box::pin(self.ask(request, context))
    }
}
