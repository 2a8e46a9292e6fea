//! Bytes of a stream to its events: server-sent events, or one line of JSON after the other.

/// How events are set off from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Server-sent events: `data: …` lines, an empty line ends an event.
    Sse,
    /// Each line is an event.
    Lines,
}

/// Gathers bytes and gives whole events.
#[derive(Debug)]
pub(super) struct Frames {
    framing: Framing,
    bytes: Vec<u8>,
    /// What of `bytes` was given out.
    taken: usize,
    /// The data of the event that has begun.
    data: Option<String>,
}

impl Frames {
    pub(super) fn new(framing: Framing) -> Self {
        Self { framing, bytes: Vec::new(), taken: 0, data: None }
    }

    /// Adds what has come.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The data of the next event that is there as a whole.
    pub(super) fn next(&mut self) -> Option<String> {
        loop {
            let line = self.line()?;
            if let Some(event) = self.take(&line) {
                return Some(event);
            }
        }
    }

    /// The event that the end of the stream ends, where its last line break is missing.
    pub(super) fn last(&mut self) -> Option<String> {
        let rest = String::from_utf8_lossy(&self.bytes[self.taken..]).into_owned();
        self.taken = self.bytes.len();
        self.take(rest.trim_end()).or_else(|| self.data.take())
    }

    fn line(&mut self) -> Option<String> {
        let rest = &self.bytes[self.taken..];
        let end = rest.iter().position(|it| *it == b'\n' || *it == b'\r')?;
        // A carriage return at the very end may have a line feed after it, which must not
        // count as a line of its own.
        let breaks = match (rest[end], rest.get(end + 1)) {
            (b'\r', None) => return None,
            (b'\r', Some(b'\n')) => 2,
            _ => 1,
        };
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        self.taken += end + breaks;
        Some(line)
    }

    /// Reads a line; gives the event that it ends.
    fn take(&mut self, line: &str) -> Option<String> {
        if self.framing == Framing::Lines {
            return Some(line.trim().to_owned()).filter(|it| !it.is_empty());
        }
        if line.is_empty() {
            return self.data.take();
        }
        // Names of events, ids and comments say nothing that the data does not.
        let more = line.strip_prefix("data:")?;
        let more = more.strip_prefix(' ').unwrap_or(more);
        match &mut self.data {
            Some(data) => {
                data.push('\n');
                data.push_str(more);
            }
            None => self.data = Some(more.to_owned()),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Frames, Framing};

    fn events(framing: Framing, text: &str, step: usize) -> Vec<String> {
        let mut frames = Frames::new(framing);
        let mut events = Vec::new();
        for piece in text.as_bytes().chunks(step) {
            frames.push(piece);
            events.extend(std::iter::from_fn(|| frames.next()));
        }
        events.extend(frames.last());
        events
    }

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        let sse = "\u{FEFF}: hi\r\n\r\nevent: a\r\ndata: {\"a\": \"é😀\"}\r\n\r\ndata:1\ndata: 2\n\nid: 3\n\ndata: [DONE]";
        let lines = "{\"a\": 1}\n\n{\"b\": \"é😀\"}\r\n{\"c\": 3}";
        for step in 1..=sse.len() {
            let found = events(Framing::Sse, sse, step);
            assert_eq!(found, ["{\"a\": \"é😀\"}", "1\n2", "[DONE]"], "by {step}");
            let found = events(Framing::Lines, lines, step);
            assert_eq!(found, ["{\"a\": 1}", "{\"b\": \"é😀\"}", "{\"c\": 3}"], "by {step}");
        }
    }
}
