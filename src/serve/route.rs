//! From a request to a response.

use super::answer::{Answer, Piece, events, json};
use super::ask::{self, Ask};
use super::{Failure, Server, tell};
use crate::lm::{Delta, Flow, Listener};
use crate::util::lock;
use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinSet;

/// The longest body, in bytes.
const LONGEST: usize = 32 << 20;

/// Answers one request; what is wrong with it is an answer, too.
pub(super) async fn answer(server: &Server, request: Request<Incoming>) -> Response<Answer> {
    let line = format!("{} {}", request.method(), request.uri().path());
    let began = tokio::time::Instant::now();
    let answered = route(server, request).await;
    let response = answered.unwrap_or_else(|why| json(why.status, &why.body()));
    if let Some(told) = &server.0.told {
        let (status, took) = (response.status().as_u16(), began.elapsed().as_secs_f64());
        told(&format!("{line}: {status}, {took:.1} s\n"));
    }
    response
}

async fn route(
    server: &Server,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Failure> {
    check_host(server, &request)?;
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let path = path.strip_prefix("/v1").unwrap_or(&path);
    let get = || match *request.method() {
        Method::GET => Ok(()),
        _ => Err(wrong_method("GET")),
    };
    match path {
        "/chat/completions" if request.method() != Method::POST => Err(wrong_method("POST")),
        "/chat/completions" => completions(server, request).await,
        "/models" => get().map(|()| json(200, &tell::models(server))),
        _ => match path.strip_prefix("/models/") {
            Some(name) => {
                get()?;
                ask::check_model(server, name)?;
                Ok(json(200, &tell::model(server)))
            }
            None => Err(Failure::new(
                404,
                format!(
                    "nothing is served at `{}`; there are POST /v1/chat/completions and GET \
                     /v1/models",
                    request.uri().path()
                ),
            )),
        },
    }
}

fn wrong_method(right: &str) -> Failure {
    Failure::new(405, format!("this path takes {right} requests"))
}

/// A page of the web cannot ask a server of this machine by making a name of its own mean it.
fn check_host(server: &Server, request: &Request<Incoming>) -> Result<(), Failure> {
    let said = request.headers().get(HOST).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let name = match said.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => said,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let is_own = bare == "localhost" || bare.parse().is_ok_and(|it: IpAddr| it.is_loopback());
    if server.0.loopback && !is_own {
        return Err(Failure::new(403, "this server answers to names of its own machine only"));
    }
    Ok(())
}

async fn completions(
    server: &Server,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Failure> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    // A form of a page of the web cannot send this type without being asked first.
    if !kind.is_some_and(|it| it.trim_start().starts_with("application/json")) {
        return Err(Failure::new(415, "the body's type must be `application/json`"));
    }
    let body = read(request.into_body()).await?;
    let mut ask = ask::read(server, &body)?;
    if ask.request.sampling.temperature > 0.0 && ask.request.sampling.seed.is_none() {
        ask.request.rollout = server.rollouts(&body, ask.n.into());
    }
    if ask.stream { stream(server, ask).await } else { whole(server, &ask).await }
}

async fn read(mut body: Incoming) -> Result<Bytes, Failure> {
    let mut bytes = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
    {
        let frame =
            frame.map_err(|it| Failure::new(400, format!("the body cannot be read: {it}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > LONGEST {
            let message = format!("the body is longer than {} MiB", LONGEST >> 20);
            return Err(Failure::new(413, message));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}

async fn whole(server: &Server, ask: &Ask) -> Result<Response<Answer>, Failure> {
    let mut asked = JoinSet::new();
    for choice in 0..ask.n {
        let (server, request) = (server.clone(), ask.of(choice));
        asked.spawn(async move { (choice, server.complete(request, None).await) });
    }
    let mut replies = Vec::new();
    while let Some(joined) = asked.join_next().await {
        let (choice, reply) =
            joined.map_err(|it| Failure::new(500, format!("an internal error: {it}")))?;
        let mut reply = reply?;
        ask.mend(&mut reply);
        replies.push((choice, reply));
    }
    replies.sort_by_key(|it| it.0);
    let replies: Vec<_> = replies.into_iter().map(|it| it.1).collect();
    Ok(json(200, &tell::completion(server, &replies)))
}

/// Answers while the model writes. Whatever goes wrong before the first word has a status.
async fn stream(server: &Server, ask: Ask) -> Result<Response<Answer>, Failure> {
    let (sender, mut pieces) = mpsc::unbounded_channel();
    let server = server.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = told(&server, &ask, &sender) => {}
            // Dropping the calls cancels them.
            () = sender.closed() => {}
        }
    });
    match pieces.recv().await {
        Some(Piece::Failed(why)) => Err(why),
        Some(first) => Ok(events(&first, pieces)),
        None => Err(Failure::new(500, "the reply was lost")),
    }
}

async fn told(server: &Server, ask: &Ask, sender: &UnboundedSender<Piece>) {
    let head = tell::Head::of(server);
    let mut asked = JoinSet::new();
    for choice in 0..ask.n {
        let (server, request) = (server.clone(), ask.of(choice));
        let voice = Arc::new(Voice {
            head: head.clone(),
            choice,
            sent: Mutex::new(String::new()),
            sender: sender.clone(),
        });
        // What is mended at the end cannot be told before.
        let listener = ask.shape.is_none().then(|| voice.listener());
        asked.spawn(async move { (voice, server.complete(request, listener).await) });
    }
    let mut usages = Vec::new();
    while let Some(joined) = asked.join_next().await {
        let ended = match joined {
            Ok((voice, Ok(mut reply))) => {
                ask.mend(&mut reply);
                usages.push(reply.usage);
                voice.end(&reply)
            }
            Ok((_, Err(error))) => Err(error.into()),
            Err(error) => Err(Failure::new(500, format!("an internal error: {error}"))),
        };
        if let Err(why) = ended {
            let _ = sender.send(Piece::Failed(why));
            return;
        }
    }
    if ask.usage {
        let _ = sender.send(Piece::Event(head.usage(&usages)));
    }
    let _ = sender.send(Piece::Done);
}

/// One of the replies of a stream.
struct Voice {
    head: tell::Head,
    choice: u32,
    /// What the client has of it.
    sent: Mutex<String>,
    sender: UnboundedSender<Piece>,
}

impl Voice {
    fn listener(self: &Arc<Self>) -> Listener {
        let voice = self.clone();
        Listener::new(move |delta| match delta {
            Delta::Text(text) => voice.say(text),
            Delta::Reasoning(_) => Flow::Go,
            // What the client has cannot be taken back.
            Delta::Again if lock(&voice.sent).is_empty() => Flow::Go,
            Delta::Again => Flow::Halt,
        })
    }

    fn say(&self, text: &str) -> Flow {
        let mut sent = lock(&self.sent);
        let event = self.head.delta(self.choice, text, sent.is_empty());
        sent.push_str(text);
        match self.sender.send(Piece::Event(event)) {
            Ok(()) => Flow::Go,
            Err(_) => Flow::Halt,
        }
    }

    fn end(&self, reply: &crate::lm::Completion) -> Result<(), Failure> {
        let sent = lock(&self.sent).clone();
        let Some(rest) = reply.text.strip_prefix(&*sent) else {
            return Err(Failure::new(502, "the reply was lost and begun anew"));
        };
        if !rest.is_empty() || sent.is_empty() {
            self.say(rest);
        }
        let _ = self.sender.send(Piece::Event(self.head.end(self.choice, reply)));
        Ok(())
    }
}
