//! Recorded requests: what they ask for as a request of ours, and how bodies are compared.
//!
//! What is written differs from what was recorded in these ways, and in no other:
//!
//! - we always say a temperature, and Anthropic's limit; recorded requests leave them out;
//! - we never say what is the default: `tool_choice: "auto"`, `n: 1`, `is_error: false`,
//!   `store`, `include` …: [`DEFAULTS`] lists the names;
//! - what we have no word for is not said at all: penalties, service tiers, routing … as well;
//! - texts stand as texts where they were recorded as lists of one part, and turns of one side
//!   that follow each other are one at Anthropic and Gemini;
//! - thoughts and signatures of earlier turns are compared elsewhere: `carried.rs`;
//! - schemas of replies are named by us, and Gemini's are put into its subset;
//! - prompts are marked for caches by rules of our own.

use dsp_lang::config::Api;
use dsp_lang::lm::{
    Decoding, Effort, Message, Placed, Prompt, Request, Role, Tool, ToolCall, ToolChoice,
};
use dsp_lang::schema::{Media, MediaKind, Source};
use serde_json::{Map, Value, json};
use std::sync::Arc;

type Built<T> = Result<T, &'static str>;

/// Names that are left out of both bodies, at the top.
const DEFAULTS: &[&str] = &[
    "background",
    "cache_control",
    "cachedContent",
    "clear_thinking",
    "container",
    "context_management",
    "conversation",
    "frequency_penalty",
    "include",
    "mcp_servers",
    "model",
    "models",
    "modelArmorConfig",
    "moderation",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "prompt_cache_key",
    "prompt_cache_options",
    "provider",
    "reasoning_format",
    "safetySettings",
    "service_tier",
    "store",
    "stream_options",
    "thinking",
    "top_k",
    "transforms",
    "usage",
    "user",
    "web_search_options",
];

const OTHER_PARTS: &str = "parts that only the provider's own tools and stores write";
const OTHER_TOOLS: &str = "tools that run at the provider";

/// A body in one form: what it means and not how it is said.
pub(super) fn normal(api: Api, body: &Value) -> Built<Value> {
    let mut body = if api == Api::Gemini { camel(body) } else { body.clone() };
    let map = body.as_object_mut().unwrap();
    for name in DEFAULTS {
        map.shift_remove(*name);
    }
    map.retain(|_, it| !it.is_null());
    match api {
        Api::Chat => chat(map)?,
        Api::Responses => responses(map)?,
        Api::Anthropic => anthropic(map)?,
        Api::Gemini => gemini(map)?,
        Api::Ollama => unreachable!("nothing of it is recorded"),
    }
    Ok(body)
}

pub(super) fn compare(recorded: &Value, sent: &Value) -> Result<(), String> {
    let mut sent = sent.clone();
    let said = sent.as_object_mut().unwrap();
    for name in ["temperature", "max_tokens"] {
        if recorded.get(name).is_none() {
            said.shift_remove(name);
        }
    }
    let is_told = recorded["generationConfig"].get("temperature").is_some();
    if let Some(config) = said.get_mut("generationConfig").filter(|_| !is_told) {
        config.as_object_mut().unwrap().shift_remove("temperature");
    }
    match difference("", &sorted(&sent), &sorted(recorded)) {
        Some(difference) => Err(difference),
        None => Ok(()),
    }
}

/// The first place where two bodies differ.
fn difference(at: &str, sent: &Value, recorded: &Value) -> Option<String> {
    match (sent, recorded) {
        _ if sent == recorded => None,
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().find_map(|(name, it)| difference(&format!("{at}.{name}"), it, &b[name]))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs.into_iter().find_map(|(i, (a, b))| difference(&format!("{at}[{i}]"), a, b))
        }
        _ => Some(format!("{at}\n  sent     {sent}\n  recorded {recorded}")),
    }
}

/// Maps in the order of their names; whole numbers as such.
pub(super) fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> =
                map.iter().map(|(name, it)| (name.clone(), sorted(it))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Number(it) if it.as_f64().is_some_and(|it| it.fract() == 0.0) => {
            json!(it.as_f64())
        }
        other => other.clone(),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Texts of a list of text parts, joined; `None` where there is something else in it.
fn joined(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Null => Some(String::new()),
        Value::Array(parts) => parts.iter().map(|it| it["text"].as_str()).collect(),
        _ => None,
    }
}

fn remove_where(map: &mut Map<String, Value>, name: &str, is: impl Fn(&Value) -> bool) {
    if map.get(name).is_some_and(is) {
        map.shift_remove(name);
    }
}

fn chat(map: &mut Map<String, Value>) -> Built<()> {
    remove_where(map, "tool_choice", |it| it == "auto");
    if let Some(choice) = map.get_mut("tool_choice") {
        match choice.as_str() {
            // Mistral knows both words.
            Some("any") => *choice = json!("required"),
            Some(_) => {}
            None => choice["type"] = json!("function"),
        }
    }
    remove_where(map, "n", |it| it == 1);
    remove_where(map, "stream", |it| it == false);
    remove_where(map, "reasoning", |_| true);
    remove_where(map, "tools", |it| list(it).is_empty());
    if let Some(limit) = map.shift_remove("max_completion_tokens") {
        map.insert("max_tokens".to_owned(), limit);
    }
    if let Some(format) = map.get_mut("response_format") {
        if format["type"] != "json_schema" {
            return Err("JSON without a schema");
        }
        let schema = format["json_schema"]["schema"].clone();
        *format = json!({ "schema": schema });
    }
    for tool in map.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(function) = tool["function"].as_object_mut() else { return Err(OTHER_TOOLS) };
        function.shift_remove("strict");
        // Mistral's own client leaves it out.
        remove_where(function, "description", |it| it == "" || it.is_null());
        tool["type"] = json!("function");
        let tool = tool.as_object_mut().unwrap();
        tool.shift_remove("eager_input_streaming");
        tool.shift_remove("cache_control");
    }
    for message in map["messages"].as_array_mut().unwrap() {
        let message = message.as_object_mut().unwrap();
        for name in ["reasoning", "reasoning_content", "reasoning_details", "name", "prefix"] {
            message.shift_remove(name);
        }
        remove_where(message, "tool_calls", |it| list(it).is_empty());
        if message["role"] == "developer" {
            message.insert("role".to_owned(), json!("system"));
        }
        let content = message.get("content").cloned().unwrap_or_default();
        if let Some(text) = joined(&content) {
            message.insert("content".to_owned(), json!(text));
        } else {
            for part in message["content"].as_array_mut().unwrap() {
                let image = part["image_url"].as_object_mut();
                image.map(|it| it.shift_remove("detail"));
                if part["type"] == "video_url" || part["type"] == "document_url" {
                    return Err(OTHER_PARTS);
                }
                part.as_object_mut().unwrap().shift_remove("cache_control");
                part.as_object_mut().unwrap().shift_remove("prompt_cache_breakpoint");
            }
        }
    }
    Ok(())
}

fn responses(map: &mut Map<String, Value>) -> Built<()> {
    remove_where(map, "tool_choice", |it| it == "auto" || it["type"] == "allowed_tools");
    remove_where(map, "stream", |it| it == false);
    remove_where(map, "text", |it| it["format"]["type"] == "text");
    let mut input = match map.shift_remove("input").unwrap_or_default() {
        Value::String(text) => vec![json!({ "role": "user", "content": text })],
        Value::Array(items) => items,
        _ => return Err("requests without an input"),
    };
    if let Some(text) = map.shift_remove("instructions").filter(Value::is_string) {
        input.insert(0, json!({ "role": "system", "content": text }));
    }
    input.retain(|it| it["type"] != "reasoning");
    for item in &mut input {
        if !matches!(
            item["type"].as_str(),
            None | Some("message" | "function_call" | "function_call_output")
        ) {
            return Err(OTHER_PARTS);
        }
        if item.get("namespace").is_some() {
            return Err(OTHER_TOOLS);
        }
        let item = item.as_object_mut().unwrap();
        for name in ["id", "status", "phase"] {
            item.shift_remove(name);
        }
        remove_where(item, "type", |it| it == "message");
        for name in ["content", "output"] {
            let Some(content) = item.get_mut(name) else { continue };
            if let Some(text) = joined(content) {
                *content = json!(text);
            }
            for part in content.as_array_mut().into_iter().flatten() {
                if part.get("file_id").is_some() {
                    return Err(OTHER_PARTS);
                }
                part.as_object_mut().unwrap().shift_remove("prompt_cache_breakpoint");
            }
        }
    }
    map.insert("input".to_owned(), json!(input));
    remove_where(map, "tools", |it| list(it).is_empty());
    for tool in map.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        if tool["type"] != "function" || tool.get("defer_loading").is_some() {
            return Err(OTHER_TOOLS);
        }
        let tool = tool.as_object_mut().unwrap();
        tool.shift_remove("strict");
        remove_where(tool, "description", |it| it == "" || it.is_null());
    }
    if let Some(reasoning) = map.get_mut("reasoning").and_then(Value::as_object_mut) {
        reasoning.shift_remove("summary");
        reasoning.shift_remove("context");
    }
    remove_where(map, "reasoning", |it| it.as_object().is_some_and(Map::is_empty));
    if let Some(format) = map.get_mut("text").map(|it| &mut it["format"]) {
        if format["type"] != "json_schema" {
            return Err("JSON without a schema");
        }
        let schema = format["schema"].clone();
        *format = json!({ "schema": schema });
    }
    Ok(())
}

fn anthropic(map: &mut Map<String, Value>) -> Built<()> {
    remove_where(map, "tool_choice", |it| it["type"] == "auto");
    remove_where(map, "stream", |it| it == false);
    if let Some(config) = map.get_mut("output_config").and_then(Value::as_object_mut) {
        // How much is to be thought has other words here.
        config.shift_remove("effort");
    }
    remove_where(map, "output_config", |it| it.as_object().is_some_and(Map::is_empty));
    if let Some(system) = map.get("system").and_then(joined) {
        map.insert("system".to_owned(), json!(system));
    }
    remove_where(map, "tools", |it| list(it).is_empty());
    for tool in map.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        if tool.get("input_schema").is_none() || tool.get("defer_loading").is_some() {
            return Err(OTHER_TOOLS);
        }
        let tool = tool.as_object_mut().unwrap();
        for name in ["strict", "cache_control", "type", "eager_input_streaming"] {
            tool.shift_remove(name);
        }
        remove_where(tool, "description", |it| it == "");
    }
    let mut turns: Vec<(String, Vec<Value>)> = Vec::new();
    for message in list(&map["messages"]) {
        let blocks = match &message["content"] {
            Value::String(text) => vec![json!({ "type": "text", "text": text })],
            content => list(content).iter().map(block).collect::<Built<Vec<_>>>()?,
        };
        let blocks = blocks.into_iter().filter(|it| !it.is_null());
        let role = text(&message["role"]);
        if role == "system" {
            return Err("standing instructions between turns");
        }
        match turns.last_mut() {
            Some((last, known)) if *last == role => known.extend(blocks),
            _ => turns.push((role, blocks.collect())),
        }
    }
    let turns: Vec<Value> = turns
        .into_iter()
        .map(|(role, content)| json!({ "role": role, "content": content }))
        .collect();
    map.insert("messages".to_owned(), json!(turns));
    Ok(())
}

fn block(block: &Value) -> Built<Value> {
    let mut block = block.clone();
    let map = block.as_object_mut().unwrap();
    map.shift_remove("cache_control");
    remove_where(map, "is_error", |it| it == false);
    remove_where(map, "caller", |_| true);
    match map["type"].as_str() {
        Some("thinking" | "redacted_thinking") => return Ok(Value::Null),
        Some("text" | "tool_use" | "image" | "document") => {}
        Some("tool_result") => {
            let content = joined(&map["content"]).ok_or(OTHER_PARTS)?;
            map.insert("content".to_owned(), json!(content));
        }
        _ => return Err(OTHER_PARTS),
    }
    Ok(block)
}

/// Gemini reads names in both ways of writing them.
fn camel(value: &Value) -> Value {
    const NAMES: [(&str, &str); 9] = [
        ("function_call", "functionCall"),
        ("function_response", "functionResponse"),
        ("thought_signature", "thoughtSignature"),
        ("file_data", "fileData"),
        ("inline_data", "inlineData"),
        ("file_uri", "fileUri"),
        ("mime_type", "mimeType"),
        ("parameters_json_schema", "parametersJsonSchema"),
        ("include_thoughts", "includeThoughts"),
    ];
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(name, it)| {
                let known = NAMES.iter().find(|(from, _)| from == name);
                (known.map_or(name.as_str(), |it| it.1).to_owned(), camel(it))
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(camel).collect(),
        other => other.clone(),
    }
}

fn gemini(map: &mut Map<String, Value>) -> Built<()> {
    remove_where(map, "toolConfig", |it| {
        matches!(
            it["functionCallingConfig"]["mode"].as_str(),
            None | Some("AUTO" | "VALIDATED")
        )
    });
    if let Some(names) =
        map.get_mut("toolConfig").and_then(|it| it["functionCallingConfig"].as_object_mut())
    {
        // One tool may be wanted, or any.
        remove_where(names, "allowedFunctionNames", |it| list(it).len() > 1);
    }
    remove_where(map, "tools", |it| list(it).is_empty());
    for tool in map.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(declared) = tool["functionDeclarations"].as_array_mut() else {
            return Err(OTHER_TOOLS);
        };
        for tool in declared {
            let tool = tool.as_object_mut().unwrap();
            remove_where(tool, "description", |it| it == "");
            if let Some(parameters) = tool.shift_remove("parameters") {
                tool.insert("parametersJsonSchema".to_owned(), parameters);
            }
            remove_where(tool, "parametersJsonSchema", |it| {
                it["properties"].as_object().is_none_or(Map::is_empty)
            });
        }
    }
    let config = map["generationConfig"].as_object_mut().unwrap();
    for name in ["responseModalities", "topK", "thinkingConfig", "responseJsonSchema"] {
        config.shift_remove(name);
    }
    config.shift_remove("responseSchema");
    if let Some(system) = map.get_mut("systemInstruction") {
        system.as_object_mut().unwrap().shift_remove("role");
    }
    let mut turns: Vec<(String, Vec<Value>)> = Vec::new();
    for turn in list(&map["contents"]) {
        let parts = list(&turn["parts"]).iter().map(part).collect::<Built<Vec<_>>>()?;
        let parts = parts.into_iter().filter(|it| !it.is_null());
        let role = text(&turn["role"]);
        match turns.last_mut() {
            Some((last, known)) if *last == role => known.extend(parts),
            _ => turns.push((role, parts.collect())),
        }
    }
    let turn = |(role, parts)| json!({ "role": role, "parts": parts });
    let turns: Vec<Value> = turns.into_iter().map(turn).collect();
    map.insert("contents".to_owned(), json!(turns));
    Ok(())
}

fn part(part: &Value) -> Built<Value> {
    let mut part = part.clone();
    let map = part.as_object_mut().unwrap();
    map.shift_remove("thoughtSignature");
    if map.shift_remove("thought").is_some() {
        return Ok(Value::Null);
    }
    if map.contains_key("videoMetadata") {
        return Err(OTHER_PARTS);
    }
    let known = ["text", "functionCall", "functionResponse", "inlineData", "fileData"];
    let Some(name) = known.into_iter().find(|it| map.contains_key(*it)) else {
        return Err(OTHER_PARTS);
    };
    let told = map.get_mut(name).unwrap();
    if let Some(told) = told.as_object_mut() {
        told.shift_remove("id");
        told.shift_remove("displayName");
        if told.contains_key("parts") {
            return Err(OTHER_PARTS);
        }
        // What a tool gave is a text here.
        told.shift_remove("response");
    }
    Ok(part)
}

/// What a body in its one form asks for.
pub(super) fn request(api: Api, body: &Value) -> Built<Request> {
    let messages = match api {
        Api::Chat => list(&body["messages"]).iter().map(chat_message).collect(),
        Api::Responses => list(&body["input"]).iter().map(item).collect(),
        Api::Anthropic => {
            let system = body.get("system").map(|it| Ok(Message::new(Role::System, text(it))));
            let turns = list(&body["messages"]).iter().flat_map(claude_messages);
            system.into_iter().chain(turns).collect()
        }
        _ => gemini_messages(body),
    };
    let messages: Vec<Message> = Built::<Vec<Message>>::from(messages)?;
    let mut request = Request::new(Prompt::Chat(messages));
    request.decoding = decoding(body);
    request.tools = tools(body);
    request.tool_choice = choice(body);
    let config = body.get("generationConfig").unwrap_or(body);
    let find = |names: &[&str]| names.iter().find_map(|it| config.get(*it)).cloned();
    let sampling = &mut request.sampling;
    sampling.temperature =
        find(&["temperature"]).and_then(|it| it.as_f64()).unwrap_or(sampling.temperature);
    if sampling.temperature < 0.0 {
        return Err("temperatures below 0");
    }
    sampling.top_p = find(&["top_p", "topP"]).and_then(|it| it.as_f64());
    sampling.max_tokens = find(&["max_tokens", "max_output_tokens", "maxOutputTokens"])
        .and_then(|it| it.as_u64())
        .map(|it| it as u32);
    sampling.seed = find(&["seed"]).and_then(|it| it.as_u64());
    let stop = find(&["stop", "stop_sequences", "stopSequences"]).unwrap_or_default();
    sampling.stop = list(&stop).iter().map(text).collect();
    let effort = body.get("reasoning_effort").or(body["reasoning"].get("effort"));
    if let Some(word) = effort.and_then(Value::as_str) {
        let known = Effort::ALL.into_iter().find(|it| it.as_str() == word);
        sampling.effort = Some(known.ok_or("efforts that only one model knows")?);
    }
    if find(&["responseLogprobs", "logprobs"]).is_some_and(|it| !it.is_null()) {
        request.logprobs =
            Some(find(&["logprobs"]).and_then(|it| it.as_u64()).unwrap_or(0) as u32);
    }
    Ok(request)
}

fn decoding(body: &Value) -> Decoding {
    let schema = [
        &body["response_format"]["schema"],
        &body["text"]["format"]["schema"],
        &body["output_config"]["format"]["schema"],
    ];
    match schema.into_iter().find(|it| !it.is_null()) {
        Some(schema) => Decoding::Json(schema.clone()),
        None if body["generationConfig"]["responseMimeType"] == "application/json" => {
            Decoding::Json(json!({ "type": "object" }))
        }
        None => Decoding::Free,
    }
}

fn tools(body: &Value) -> Vec<Tool> {
    let declared =
        list(&body["tools"]).iter().flat_map(|it| match it["functionDeclarations"] {
            Value::Array(ref all) => all.clone(),
            _ => vec![it.get("function").unwrap_or(it).clone()],
        });
    let tool = |it: Value| {
        let parameters = ["parameters", "input_schema", "parametersJsonSchema"];
        let parameters = parameters.into_iter().find_map(|name| it.get(name));
        Tool {
            name: text(&it["name"]),
            description: text(&it["description"]),
            parameters: parameters.cloned().unwrap_or_else(|| json!({ "type": "object" })),
        }
    };
    declared.map(tool).collect()
}

fn choice(body: &Value) -> ToolChoice {
    let said = body.get("tool_choice").unwrap_or(&Value::Null);
    let config = &body["toolConfig"]["functionCallingConfig"];
    let named = [&said["function"]["name"], &said["name"], &config["allowedFunctionNames"][0]];
    if let Some(name) = named.into_iter().find_map(Value::as_str) {
        return ToolChoice::Named(name.to_owned());
    }
    let word = said.as_str().or(said["type"].as_str()).or(config["mode"].as_str());
    match word {
        Some("required" | "any" | "ANY") => ToolChoice::Required,
        Some("none" | "NONE") => ToolChoice::None,
        _ => ToolChoice::Auto,
    }
}

fn role(name: &Value) -> Role {
    match name.as_str() {
        Some("system" | "developer") => Role::System,
        Some("assistant" | "model") => Role::Assistant,
        Some("tool") => Role::Tool,
        _ => Role::User,
    }
}

fn place(message: &mut Message, media: Media) {
    let at = message.text.len();
    message.media.push(Placed { at, media: Arc::new(media) });
}

/// A medium from a URL, which may hold it.
fn medium(kind: MediaKind, url: &str, mime: &str, name: Option<&str>) -> Built<Media> {
    let named = name.map(Into::into);
    match url.strip_prefix("data:").and_then(|it| it.split_once(";base64,")) {
        Some((mime, data)) => Ok(Media {
            kind,
            mime: mime.into(),
            name: named,
            source: Source::bytes(bytes(data)?),
        }),
        None => {
            Ok(Media { kind, mime: mime.into(), name: named, source: Source::Url(url.into()) })
        }
    }
}

fn bytes(base64: &str) -> Built<Vec<u8>> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = base64.trim_end_matches('=').chars();
    let digits: Option<Vec<usize>> = letters.map(|it| LETTERS.find(it)).collect();
    let digits = digits.ok_or("media that the recording left out")?;
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let bits = (0..4).fold(0, |bits, at| bits << 6 | group.get(at).copied().unwrap_or(0));
        bytes.extend((0..group.len() - 1).map(|at| (bits >> (16 - 8 * at)) as u8));
    }
    Ok(bytes)
}

fn chat_message(told: &Value) -> Built<Message> {
    let mut message = Message::new(role(&told["role"]), text(&told["content"]));
    for part in list(&told["content"]) {
        let url = |it: &Value| text(&it["url"]);
        match part["type"].as_str() {
            Some("text") => message.text += &text(&part["text"]),
            Some("image_url") => {
                let media =
                    medium(MediaKind::Image, &url(&part["image_url"]), "image/png", None)?;
                place(&mut message, media);
            }
            Some("input_audio") => {
                let (audio, mime) = (
                    &part["input_audio"],
                    format!("audio/{}", text(&part["input_audio"]["format"])),
                );
                let source = Source::bytes(bytes(&text(&audio["data"]))?);
                let mime = mime.as_str().into();
                place(&mut message, Media { kind: MediaKind::Audio, mime, name: None, source });
            }
            Some("file") => {
                let file = &part["file"];
                if file.get("file_data").is_none() {
                    return Err(OTHER_PARTS);
                }
                let name = file["filename"].as_str();
                let media = medium(
                    MediaKind::File,
                    &text(&file["file_data"]),
                    "application/pdf",
                    name,
                )?;
                place(&mut message, media);
            }
            _ => return Err(OTHER_PARTS),
        }
    }
    message.calls = list(&told["tool_calls"]).iter().map(chat_call).collect();
    message.answers = told["tool_call_id"].as_str().map(str::to_owned);
    Ok(message)
}

fn chat_call(call: &Value) -> ToolCall {
    let function = &call["function"];
    let arguments = text(&function["arguments"]);
    ToolCall { id: text(&call["id"]), name: text(&function["name"]), arguments }
}

fn item(told: &Value) -> Built<Message> {
    match told["type"].as_str() {
        Some("function_call") => {
            let mut message = Message::new(Role::Assistant, "");
            message.calls.push(ToolCall {
                id: text(&told["call_id"]),
                name: text(&told["name"]),
                arguments: text(&told["arguments"]),
            });
            Ok(message)
        }
        Some("function_call_output") => {
            let output = told["output"].as_str().ok_or(OTHER_PARTS)?;
            let mut message = Message::new(Role::Tool, output);
            message.answers = Some(text(&told["call_id"]));
            Ok(message)
        }
        _ => {
            let mut message = Message::new(role(&told["role"]), text(&told["content"]));
            for part in list(&told["content"]) {
                match part["type"].as_str() {
                    Some("input_text") => message.text += &text(&part["text"]),
                    Some("input_image") => {
                        let url = text(&part["image_url"]);
                        place(&mut message, medium(MediaKind::Image, &url, "image/png", None)?);
                    }
                    Some("input_file") => {
                        let url = part["file_url"].as_str().or(part["file_data"].as_str());
                        let (url, name) = (url.ok_or(OTHER_PARTS)?, part["filename"].as_str());
                        place(&mut message, medium(MediaKind::File, url, "", name)?);
                    }
                    _ => return Err(OTHER_PARTS),
                }
            }
            Ok(message)
        }
    }
}

/// The messages of a turn: each answer of a tool is one.
fn claude_messages(turn: &Value) -> Vec<Built<Message>> {
    let role = role(&turn["role"]);
    let mut messages = vec![Ok(Message::new(role, ""))];
    for block in list(&turn["content"]) {
        if block["type"] == "tool_result" {
            let mut message = Message::new(Role::Tool, text(&block["content"]));
            message.answers = Some(text(&block["tool_use_id"]));
            messages.extend([Ok(message), Ok(Message::new(role, ""))]);
            continue;
        }
        let Some(Ok(message)) = messages.last_mut() else { break };
        match block["type"].as_str() {
            Some("text") if message.text.is_empty() || !message.media.is_empty() => {
                message.text += &text(&block["text"]);
            }
            // Texts of one message are one text.
            Some("text") => {
                messages.push(Ok(Message::new(role, text(&block["text"]))));
            }
            Some("tool_use") => message.calls.push(ToolCall {
                id: text(&block["id"]),
                name: text(&block["name"]),
                arguments: block["input"].to_string(),
            }),
            kind => {
                let kind =
                    if kind == Some("image") { MediaKind::Image } else { MediaKind::File };
                match claude_media(kind, &block["source"]) {
                    Ok(media) => place(message, media),
                    Err(why) => messages.push(Err(why)),
                }
            }
        }
    }
    messages.retain(|it| {
        it.as_ref().map_or(true, |it| {
            !it.text.is_empty()
                || !it.media.is_empty()
                || !it.calls.is_empty()
                || it.answers.is_some()
        })
    });
    messages
}

fn claude_media(kind: MediaKind, source: &Value) -> Built<Media> {
    let mime: Arc<str> = text(&source["media_type"]).into();
    let source = match source["type"].as_str() {
        Some("url") => Source::Url(text(&source["url"]).into()),
        Some("base64") => Source::bytes(bytes(&text(&source["data"]))?),
        Some("text") => Source::bytes(text(&source["data"]).into_bytes()),
        _ => return Err(OTHER_PARTS),
    };
    Ok(Media { kind, mime, name: None, source })
}

fn gemini_messages(body: &Value) -> Built<Vec<Message>> {
    let system = list(&body["systemInstruction"]["parts"]).iter();
    let mut messages: Vec<Message> =
        system.map(|it| Message::new(Role::System, text(&it["text"]))).collect();
    for turn in list(&body["contents"]) {
        for part in list(&turn["parts"]) {
            let mut message = Message::new(role(&turn["role"]), text(&part["text"]));
            if let Some(call) = part.get("functionCall") {
                let (name, arguments) = (text(&call["name"]), call["args"].to_string());
                message.calls.push(ToolCall { id: name.clone(), name, arguments });
            }
            if let Some(answer) = part.get("functionResponse") {
                message.role = Role::Tool;
                message.answers = Some(text(&answer["name"]));
            }
            if let Some(data) = part.get("inlineData") {
                let source = Source::bytes(bytes(&text(&data["data"]))?);
                let mime = text(&data["mimeType"]).as_str().into();
                let kind = MediaKind::File;
                place(&mut message, Media { kind, mime, name: None, source });
            }
            if let Some(data) = part.get("fileData") {
                let (url, mime) = (text(&data["fileUri"]), text(&data["mimeType"]));
                place(&mut message, medium(MediaKind::File, &url, &mime, None)?);
            }
            messages.push(message);
        }
    }
    Ok(messages)
}
