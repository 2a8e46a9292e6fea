//! Recorded replies that call tools, and what of them goes back with the answers.

use super::{Left, Report, Row, rows};
use crate::http::server::{Play, Server};
use crate::streams::{listen, request};
use dsp_lang::config::Api;
use dsp_lang::lm::{CallContext, Completion, Lm, Message, Prompt, Request, Role, block_on};
use serde_json::{Value, json};

/// The names under which interfaces have what only they can read.
const SEALED: [&str; 4] = ["signature", "data", "thoughtSignature", "encrypted_content"];
/// The names under which servers of chat completions tell thoughts.
const TOLD: [&str; 3] = ["reasoning_content", "reasoning", "reasoning_details"];

#[test]
fn recorded_thoughts_go_back_with_the_answers_of_tools() {
    let Some(rows) = rows() else { return };
    let mut report = Report::default();
    for row in rows.iter().filter(|it| it.status == 200) {
        let outcome = there_and_back(row);
        report.row(row, outcome);
    }
    report.tell("carried", 60);
}

fn there_and_back(row: &Row) -> Result<(), Left> {
    let api = row.api().map_err(Left::Out)?;
    let Ok(reply) = reply(row, api) else { return Err(Left::Out("replies that are none")) };
    if reply.calls.is_empty() {
        return match reply.carry {
            None => Err(Left::Out("replies that call no tool")),
            Some(carry) => Err(Left::Wrong(format!("nobody wants {carry:?}"))),
        };
    }
    let came = came(api, &row.response);
    if came.is_empty() {
        return match reply.carry {
            None => Err(Left::Out("calls of tools without thoughts")),
            Some(carry) => Err(Left::Wrong(format!("{carry:?} did not come"))),
        };
    }
    let sent = sent(row, api, &reply);
    let turn = match api {
        Api::Anthropic => &sent["messages"][1]["content"],
        Api::Gemini => &sent["contents"][1]["parts"],
        Api::Chat => &sent["messages"][1],
        _ => &sent["input"],
    };
    let gone = sealed(api, turn);
    if gone != came {
        return Err(Left::Wrong(format!("sent {gone:?}\nof   {came:?}")));
    }
    match row.stream {
        true => Ok(()),
        false => compare(said(api, &row.response), turn).map_err(Left::Wrong),
    }
}

fn reply(row: &Row, api: Api) -> Result<Completion, dsp_lang::lm::Error> {
    let server = Server::start([row.play()]);
    let lm = row.client(api, &server);
    match row.stream {
        true => listen(&lm, &request(), |_| false).0,
        false => block_on(lm.complete(&request(), &CallContext::default())),
    }
}

/// The body in which the tools that a reply called are answered.
fn sent(row: &Row, api: Api, reply: &Completion) -> Value {
    let mut messages = vec![Message::new(Role::User, "Well?"), Message::from(reply)];
    for call in &reply.calls {
        let mut answer = Message::new(Role::Tool, "rain");
        answer.answers = Some(call.id.clone());
        messages.push(answer);
    }
    let server = Server::start([Play::status(400, "{}".to_owned())]);
    let lm = row.client(api, &server);
    let request = Request::new(Prompt::Chat(messages));
    drop(block_on(lm.complete(&request, &CallContext::default())));
    server.seen()[0].json()
}

/// What came sealed, in its order.
fn came(api: Api, response: &Value) -> Vec<Value> {
    let Value::String(events) = response else { return sealed(api, response) };
    let events: Vec<Value> = events
        .lines()
        .filter_map(|it| serde_json::from_str(it.strip_prefix("data:")?).ok())
        .collect();
    match api {
        // The last event has all of it.
        Api::Responses => sealed(api, events.last().unwrap_or(&Value::Null)),
        Api::Chat => {
            let mut told = String::new();
            for event in &events {
                let delta = &event["choices"][0]["delta"];
                let names = ["reasoning_content", "reasoning"];
                told.extend(names.into_iter().find_map(|it| delta[it].as_str()));
            }
            if told.is_empty() { Vec::new() } else { vec![json!(told)] }
        }
        _ => events.iter().flat_map(|it| sealed(api, it)).collect(),
    }
}

fn sealed(api: Api, value: &Value) -> Vec<Value> {
    if api == Api::Chat {
        let message = value.get("choices").map_or(value, |it| &it[0]["message"]);
        let is_told = |it: &&Value| !it.is_null() && **it != "" && **it != json!([]);
        let told: Vec<&Value> =
            TOLD.into_iter().filter_map(|it| message.get(it)).filter(is_told).collect();
        return told.last().map(|it| (*it).clone()).into_iter().collect();
    }
    let mut found = Vec::new();
    gather(value, &mut found);
    found
}

fn gather(value: &Value, found: &mut Vec<Value>) {
    match value {
        // Thoughts that are told openly, and not sealed.
        Value::Object(map) if map.get("type") == Some(&json!("reasoning")) => {
            let sealed = map.get("encrypted_content").filter(|it| it.is_string());
            let open = map.get("content").filter(|it| it.get(0).is_some());
            found.extend(sealed.or(open).cloned());
        }
        Value::Object(map) => {
            for (name, it) in map {
                match it.as_str() {
                    Some(text) if SEALED.contains(&name.as_str()) && !text.is_empty() => {
                        found.push(it.clone());
                    }
                    _ => gather(it, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|it| gather(it, found)),
        _ => {}
    }
}

/// What a reply said, as it is to stand in the next request.
fn said(api: Api, response: &Value) -> Option<Vec<Value>> {
    let list = |it: &Value| it.as_array().cloned().unwrap_or_default();
    let pick = |it: &Value, names: &[&str]| -> Value {
        let named = names.iter().filter_map(|name| Some((*name, it.get(*name)?.clone())));
        named.map(|(name, it)| (name.to_owned(), it)).collect::<serde_json::Map<_, _>>().into()
    };
    Some(match api {
        Api::Anthropic => {
            let names =
                ["type", "text", "thinking", "signature", "data", "id", "name", "input"];
            list(&response["content"]).iter().map(|it| pick(it, &names)).collect()
        }
        Api::Gemini => {
            let parts = list(&response["candidates"][0]["content"]["parts"]);
            let parts = parts.into_iter().filter(|it| it["thought"] != true);
            let part = |mut it: Value| {
                if let Some(call) = it["functionCall"].as_object_mut() {
                    call.shift_remove("id");
                }
                it
            };
            parts.map(part).collect()
        }
        Api::Responses => {
            let item = |it: &Value| match it["type"].as_str()? {
                "message" => {
                    Some(json!({ "role": "assistant", "content": it["content"][0]["text"] }))
                }
                "function_call" => Some(pick(it, &["type", "call_id", "name", "arguments"])),
                "reasoning" => {
                    let mut item =
                        pick(it, &["type", "id", "summary", "content", "encrypted_content"]);
                    let map = item.as_object_mut()?;
                    map.retain(|name, it| {
                        name == "summary" || !(it.is_null() || *it == json!([]))
                    });
                    Some(item)
                }
                _ => None,
            };
            list(&response["output"]).iter().filter_map(item).collect()
        }
        _ => return None,
    })
}

fn compare(said: Option<Vec<Value>>, turn: &Value) -> Result<(), String> {
    let Some(said) = said else { return Ok(()) };
    let turn = turn.as_array().cloned().unwrap_or_default();
    let asked = usize::from(turn.first().is_some_and(|it| it["role"] == "user"));
    let is_answer = |it: &Value| it["type"] == "function_call_output";
    let turn: Vec<Value> = turn.into_iter().skip(asked).filter(|it| !is_answer(it)).collect();
    let sorted = |it: &[Value]| it.iter().map(super::requests::sorted).collect::<Vec<_>>();
    match sorted(&turn) == sorted(&said) {
        true => Ok(()),
        false => Err(format!("sent {}\nsaid {}", json!(turn), json!(said))),
    }
}
