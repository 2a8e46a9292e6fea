//! Bodies of responses: whole, or piece by piece as a model writes.

use super::Failure;
use bytes::Bytes;
use hyper::Response;
use hyper::body::{Body, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde_json::Value;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::UnboundedReceiver;

/// The body of a response.
#[derive(Debug)]
pub(super) enum Answer {
    Whole(Option<Bytes>),
    Pieces { first: Option<Bytes>, rest: UnboundedReceiver<Piece> },
}

/// What a stream is told.
#[derive(Debug)]
pub(super) enum Piece {
    /// An event.
    Event(Value),
    /// Nothing more can come.
    Failed(Failure),
    /// All has come.
    Done,
}

impl Piece {
    pub(super) fn bytes(&self) -> Bytes {
        match self {
            Self::Event(value) => format!("data: {value}\n\n").into(),
            Self::Failed(why) => format!("data: {}\n\n", why.body()).into(),
            Self::Done => Bytes::from_static(b"data: [DONE]\n\n"),
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let whole = |bytes: Option<Bytes>| bytes.map(|it| Ok(Frame::data(it)));
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(whole(bytes.take())),
            Self::Pieces { first: first @ Some(_), .. } => Poll::Ready(whole(first.take())),
            Self::Pieces { rest, .. } => {
                rest.poll_recv(context).map(|piece| whole(piece.map(|it| it.bytes())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }
}

/// A response with a JSON body.
pub(super) fn json(status: u16, value: &Value) -> Response<Answer> {
    let body = Answer::Whole(Some(value.to_string().into()));
    headed(status, "application/json", body)
}

/// A response that goes on while the model writes.
pub(super) fn events(first: &Piece, rest: UnboundedReceiver<Piece>) -> Response<Answer> {
    let body = Answer::Pieces { first: Some(first.bytes()), rest };
    headed(200, "text/event-stream; charset=utf-8", body)
}

fn headed(status: u16, kind: &'static str, body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    // Only statuses of ours come here.
    *response.status_mut() = status.try_into().unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
