//! A server on loopback that plays prepared responses and remembers what it was asked.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// What the server does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Play {
    /// Answers after a pause.
    Answer { status: u16, headers: Vec<(String, String)>, body: String, after: Duration },
    /// Sends these bytes as they are and closes.
    Raw(Vec<u8>),
    /// Sends each of these pieces after its pause, and leaves the connection open.
    Pieces(Vec<(String, Duration)>),
    /// Says nothing until the client goes away.
    Silence,
}

impl Play {
    /// Status 200 with this body.
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::status(200, body)
    }

    /// A reply with this text.
    pub(crate) fn text(text: &str) -> Self {
        Self::ok(completion(text))
    }

    /// Another status.
    pub(crate) fn status(status: u16, body: impl Into<String>) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.into(), after: Duration::ZERO }
    }

    /// The same with one more header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The same after a pause.
    pub(crate) fn after(mut self, pause: Duration) -> Self {
        if let Self::Answer { after, .. } = &mut self {
            *after = pause;
        }
        self
    }
}

/// The body of a reply with this text.
pub(crate) fn completion(text: &str) -> String {
    serde_json::json!({
        "id": "c1",
        "object": "chat.completion",
        "model": "served-1",
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": text },
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14 },
    })
    .to_string()
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Method and path.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What is played when all that was prepared was.
type Answer = Arc<dyn Fn(&Seen) -> Play + Send + Sync>;

struct State {
    plays: VecDeque<Play>,
    answer: Answer,
    seen: Vec<Seen>,
    connections: usize,
}

/// The server; its threads end with the process.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    gone: Mutex<mpsc::Receiver<()>>,
}

impl Server {
    /// Starts a server that plays these and then answers `ok`.
    pub(crate) fn start(plays: impl IntoIterator<Item = Play>) -> Self {
        Self::playing(plays.into_iter().collect(), Arc::new(|_| Play::text("ok")))
    }

    /// Starts a server that answers each request by what it holds.
    pub(crate) fn answering(answer: impl Fn(&Seen) -> Play + Send + Sync + 'static) -> Self {
        Self::playing(VecDeque::new(), Arc::new(answer))
    }

    fn playing(plays: VecDeque<Play>, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { plays, answer, seen: Vec::new(), connections: 0 };
        let state = Arc::new(Mutex::new(state));
        let (sender, gone) = mpsc::channel();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                shared.lock().unwrap().connections += 1;
                let (state, sender) = (Arc::clone(&shared), sender.clone());
                std::thread::spawn(move || {
                    // A client may leave at any moment; that is what some tests are about.
                    let _ = serve(stream.unwrap(), &state);
                    let _ = sender.send(());
                });
            }
        });
        Self { address, state, gone: Mutex::new(gone) }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// Waits until a connection has ended; false when none does in five seconds.
    pub(crate) fn sees_one_leave(&self) -> bool {
        self.gone.lock().unwrap().recv_timeout(Duration::from_secs(5)).is_ok()
    }

    /// Waits until this many requests have come.
    pub(crate) fn wait_for(&self, requests: usize) {
        for _ in 0..6000 {
            if self.state.lock().unwrap().seen.len() >= requests {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("{requests} requests have not come");
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    while let Some(seen) = read(&mut reader)? {
        let play = {
            let mut state = state.lock().unwrap();
            let prepared = state.plays.pop_front();
            let play = prepared.unwrap_or_else(|| (state.answer)(&seen));
            state.seen.push(seen);
            play
        };
        match play {
            Play::Answer { status, headers, body, after } => {
                std::thread::sleep(after);
                let mut head =
                    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
            }
            Play::Raw(bytes) => return stream.write_all(&bytes),
            Play::Pieces(pieces) => {
                for (piece, pause) in pieces {
                    std::thread::sleep(pause);
                    stream.write_all(piece.as_bytes())?;
                }
                reader.read_to_end(&mut Vec::new())?;
                return Ok(());
            }
            Play::Silence => {
                reader.read_to_end(&mut Vec::new())?;
                return Ok(());
            }
        }
    }
    Ok(())
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Seen>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let mut seen = Seen { line: line.trim_end().to_owned(), headers, body: String::new() };
    let length = seen.header("content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    seen.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(seen))
}
