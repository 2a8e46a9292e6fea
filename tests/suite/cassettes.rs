//! Recorded exchanges with real providers, where they lie beside the checkout: replies are read
//! as they were sent, through a real server, and requests are written as they were.

#![allow(clippy::print_stdout, reason = "tests tell what they compared")]

#[path = "cassettes/carried.rs"]
mod carried;
#[path = "cassettes/replies.rs"]
mod replies;
#[path = "cassettes/requests.rs"]
mod requests;

use crate::http::server::{Play, Server};
use crate::streams::{Heard, client, cut_sse, listen, request};
use dsp_lang::config::Api;
use dsp_lang::lm::{CallContext, Completion, Error, ErrorKind, Lm, LmOptions, block_on};
use replies::Expected;
use serde_json::Value;
use std::collections::BTreeMap;

/// One recorded exchange.
struct Row {
    source: String,
    host: String,
    path: String,
    status: u16,
    stream: bool,
    request: Value,
    response: Value,
}

/// Why a row is none of ours.
const ELSEWHERE: &str = "other interfaces";
const DAMAGED: &str = "compressed bytes that were damaged by the recording";

impl Row {
    /// The interface it is of, and the part of its path that is our base URL.
    fn api(&self) -> Result<Api, &'static str> {
        let path = self.path.split('?').next().unwrap_or_default();
        let api = match path {
            _ if path.ends_with("/chat/completions") => Api::Chat,
            _ if path.ends_with("/responses") => Api::Responses,
            _ if path.ends_with("/v1/messages") => Api::Anthropic,
            _ if path.ends_with(":generateContent") => Api::Gemini,
            _ if path.ends_with(":streamGenerateContent") => Api::Gemini,
            _ => return Err(ELSEWHERE),
        };
        match &self.response {
            Value::String(text) if !self.stream || !text.contains("data:") => Err(DAMAGED),
            // A server that showed its own request, of no interface.
            _ if self.host.contains("workers.dev") => Err(ELSEWHERE),
            _ => Ok(api),
        }
    }

    /// The provider of our table that it went to.
    fn provider(&self) -> &'static str {
        const HOSTS: [(&str, &str); 12] = [
            ("openai.azure.com", "azure"),
            ("api.openai.com", "openai"),
            ("anthropic", "anthropic"),
            ("googleapis", "gemini"),
            ("groq", "groq"),
            ("mistral", "mistral"),
            ("openrouter", "openrouter"),
            ("deepseek", "deepseek"),
            ("cerebras", "cerebras"),
            ("huggingface", "huggingface"),
            ("z.ai", "zai"),
            ("ollama", "ollama"),
        ];
        HOSTS.iter().find(|(host, _)| self.host.contains(host)).map_or("vllm", |(_, it)| it)
    }

    fn model(&self) -> String {
        let named = self.request.get("model").and_then(Value::as_str).map(str::to_owned);
        named.unwrap_or_else(|| {
            let last = self.path.rsplit('/').next().unwrap_or_default();
            last.split(':').next().unwrap_or("m").to_owned()
        })
    }

    fn client(&self, api: Api, server: &Server) -> dsp_lang::lm::http::HttpLm {
        let options = LmOptions { api: Some(api), retries: Some(0), ..LmOptions::default() };
        let retry = dsp_lang::lm::retry::Retry::times(0);
        client(self.provider(), &self.model(), &server.base(), options).with_retry(retry)
    }

    fn play(&self) -> Play {
        match &self.response {
            Value::String(text) => cut_sse(text),
            body => Play::status(self.status, body.to_string()),
        }
    }
}

fn rows() -> Option<Vec<Row>> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/data/conformance/provider-cassettes.jsonl"
    );
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: {path} is not there");
        return None;
    };
    let rows = text.split('\n').filter(|it| !it.is_empty()).map(|line| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        Row {
            source: format!("{} {}", text("source"), row["interaction"]),
            host: text("host"),
            path: text("path"),
            status: row["status"].as_u64().unwrap() as u16,
            stream: row["stream"] == true,
            request: row["request"].take(),
            response: row["response"].take(),
        }
    });
    Some(rows.collect())
}

/// What was done with rows, by host, and what was not, by reason.
#[derive(Default)]
struct Report {
    done: BTreeMap<String, (usize, usize)>,
    left: BTreeMap<&'static str, usize>,
    wrong: Vec<String>,
}

impl Report {
    fn row(&mut self, row: &Row, outcome: Result<(), Left>) {
        let (right, all) = self.done.entry(row.host.clone()).or_default();
        match outcome {
            Ok(()) => (*right, *all) = (*right + 1, *all + 1),
            Err(Left::Out(why)) => *self.left.entry(why).or_default() += 1,
            Err(Left::Wrong(what)) => {
                *all += 1;
                self.wrong.push(format!("{} {}: {what}", row.host, row.source));
            }
        }
    }

    fn tell(&self, what: &str, least: usize) {
        for (host, (right, all)) in self.done.iter().filter(|(_, (_, all))| *all > 0) {
            println!("{what} {right}/{all} {host}");
        }
        for (why, count) in &self.left {
            println!("{what} left out {count}: {why}");
        }
        let right: usize = self.done.values().map(|it| it.0).sum();
        println!("{what} {right} in all");
        let shown: Vec<&str> = self.wrong.iter().map(String::as_str).take(12).collect();
        assert!(self.wrong.is_empty(), "{} wrong:\n{}", self.wrong.len(), shown.join("\n"));
        assert!(right >= least, "{right} of at least {least}");
    }
}

enum Left {
    Out(&'static str),
    Wrong(String),
}

#[test]
fn recorded_replies_are_read_as_they_were_sent() {
    let Some(rows) = rows() else { return };
    let mut report = Report::default();
    for row in &rows {
        let outcome = read(row);
        report.row(row, outcome);
    }
    report.tell("read", 640);
}

fn read(row: &Row) -> Result<(), Left> {
    let api = row.api().map_err(Left::Out)?;
    let play = row.play();
    let server = Server::answering(move |_| play.clone());
    let lm = row.client(api, &server);
    if row.status != 200 {
        let asked = block_on(lm.complete(&request(), &CallContext::default()));
        return refused(row, asked).map_err(Left::Wrong);
    }
    let is_broken =
        matches!(&row.response, Value::String(it) if it.contains("\ndata: {\"error\":"));
    let (asked, heard) = match row.stream {
        true => listen(&lm, &request(), |_| false),
        false => (block_on(lm.complete(&request(), &CallContext::default())), Vec::new()),
    };
    let whole = match &row.response {
        Value::String(text) => replies::fold(api, text),
        body => body.clone(),
    };
    let expected = match Expected::of(api, &whole) {
        Ok(expected) => expected,
        Err(replies::Unfinished) => return unfinished(asked).map_err(Left::Wrong),
    };
    if is_broken {
        return unfinished(asked).map_err(Left::Wrong);
    }
    let found = asked.map_err(|e| Left::Wrong(e.to_string()))?;
    if row.stream {
        told(&found, &heard).map_err(Left::Wrong)?;
    }
    expected.check(&found).map_err(Left::Wrong)
}

/// What was told is what came in the end.
fn told(found: &Completion, heard: &[Heard]) -> Result<(), String> {
    let text: String = heard
        .iter()
        .filter_map(|it| if let Heard::Text(text) = it { Some(text.as_str()) } else { None })
        .collect();
    let is_told = text == found.text;
    is_told.then_some(()).ok_or_else(|| format!("told {text:?}, is {:?}", found.text))
}

/// One clear error, of the right kind, that says what the server said.
fn refused(row: &Row, asked: Result<Completion, Error>) -> Result<(), String> {
    let error = asked.err().ok_or("no error")?;
    let said = row.response["error"]["message"].as_str().unwrap_or_default();
    let start: String = said.chars().take(60).collect();
    let code = row.response["error"]["code"].as_str().unwrap_or_default();
    let kind = match (row.status, code) {
        (404, _) | (_, "model_not_found") => ErrorKind::Unknown,
        _ => ErrorKind::Refused,
    };
    let text = error.to_string();
    let is_clear = text.contains(&start) && text.contains(&row.model());
    match (error.kind() == kind, is_clear) {
        (true, true) => Ok(()),
        _ => Err(format!("{:?} {text}", error.kind())),
    }
}

/// A reply that is still being made up is none.
fn unfinished(asked: Result<Completion, Error>) -> Result<(), String> {
    asked.err().map(|_| ()).ok_or_else(|| "an unfinished reply was read".to_owned())
}

#[test]
fn recorded_requests_are_written_as_they_were() {
    let Some(rows) = rows() else { return };
    let mut report = Report::default();
    for row in &rows {
        let outcome = write(row);
        report.row(row, outcome);
    }
    report.tell("written", 450);
}

fn write(row: &Row) -> Result<(), Left> {
    let api = row.api().map_err(Left::Out)?;
    if !row.request.is_object() {
        return Err(Left::Out("requests without a body"));
    }
    let recorded = requests::normal(api, &row.request).map_err(Left::Out)?;
    let request = requests::request(api, &recorded).map_err(Left::Out)?;
    // Whatever is answered, the request was sent.
    let server = Server::start([row.play()]);
    let lm = row.client(api, &server);
    if row.stream {
        drop(listen(&lm, &request, |_| false).0);
    } else {
        drop(block_on(lm.complete(&request, &CallContext::default())));
    }
    let seen = server.seen();
    let Some(sent) = seen.first() else { return Err(Left::Wrong("nothing was sent".into())) };
    let sent = requests::normal(api, &sent.json()).map_err(Left::Out)?;
    requests::compare(&recorded, &sent).map_err(Left::Wrong)
}
