//! Decoding of one reply: which tokens to read next, and what the logits are taken for.
//!
//! A reply is a list of segments; free decoding is a list of one. [`Decoder::next`] takes the
//! logits after the last token read and says what to read before it can decide again. Fixed
//! text is not cut into tokens before it is known what follows it, so that a label or a value
//! is read and written exactly as it stands in a demo.

use crate::lm::embedded::literal::Literal;
use crate::lm::embedded::prompt::Opening;
use crate::lm::embedded::sample::Sampler;
use crate::lm::embedded::told::Told;
use crate::lm::embedded::trie::Trie;
use crate::lm::embedded::vocabulary::Vocabulary;
use crate::lm::{Decoding, Finish, Request, Segment, TokenLogprob};
use std::collections::VecDeque;

/// The longest free text where a request sets no limit: small models may never end one.
pub(crate) const DEFAULT_MAX_TOKENS: u32 = 512;

/// What happens next.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// Forget this many of the last tokens, then read these, then ask again with the logits
    /// after the last token that is left.
    Read { forget: usize, tokens: Vec<u32> },
    /// The reply is whole.
    Done(Finish),
}

/// The state of a reply.
#[derive(Debug)]
pub(crate) struct Decoder {
    segments: VecDeque<Segment>,
    at: At,
    /// Text that stands in the sequence but was not read yet.
    open: String,
    /// Tokens to read next.
    tokens: Vec<u32>,
    forget: usize,
    reply: String,
    sampler: Sampler,
    /// Free tokens that may still be written.
    left: u32,
    cut: bool,
    written: u64,
    is_template: bool,
    /// How likely its tokens were, where that is wanted.
    told: Option<Told>,
}

#[derive(Debug)]
enum At {
    /// Between segments.
    Between,
    Choice {
        labels: Vec<String>,
        trie: Trie,
        node: usize,
    },
    Free(Free),
    Literal {
        literal: Literal,
        blank: bool,
        text: String,
    },
}

#[derive(Debug)]
struct Free {
    stop: Vec<String>,
    left: u32,
    /// The blank that the first token must bring along; not part of the text.
    blank: usize,
    bytes: Vec<u8>,
    /// Where each token that was written ends in `bytes`.
    ends: Vec<usize>,
}

impl Decoder {
    /// Begins a reply; returns it and the tokens of the prompt, all that come before the first
    /// decision.
    pub(crate) fn start(
        vocabulary: &Vocabulary,
        opening: Opening,
        request: &Request,
    ) -> Result<(Self, Vec<u32>), String> {
        let limit = request.sampling.max_tokens;
        let segments = match &request.decoding {
            Decoding::Template(segments) => segments.iter().cloned().map(tidy).collect(),
            Decoding::Free | Decoding::Json(_) => VecDeque::from([Segment::Free {
                stop: Vec::new(),
                max_tokens: limit.unwrap_or(DEFAULT_MAX_TOKENS),
            }]),
        };
        let segments = segments.into_iter().map(|segment| match segment {
            Segment::Free { mut stop, max_tokens } => {
                stop.extend(request.sampling.stop.iter().cloned());
                stop.retain(|stop| !stop.is_empty());
                Segment::Free { stop, max_tokens }
            }
            other => other,
        });
        let mut prompt = opening.tokens;
        let mut seed = prompt.clone();
        seed.extend(opening.text.bytes().map(u32::from));
        let mut decoder = Self {
            segments: segments.collect(),
            at: At::Between,
            open: opening.text,
            tokens: Vec::new(),
            forget: 0,
            reply: String::new(),
            sampler: Sampler::new(&request.sampling, request.rollout, &seed),
            left: limit.unwrap_or(u32::MAX),
            cut: false,
            written: 0,
            is_template: matches!(request.decoding, Decoding::Template(_)),
            told: request.logprobs.map(Told::new),
        };
        while decoder.enter(vocabulary)? {}
        prompt.append(&mut decoder.tokens);
        if prompt.is_empty() {
            // A model can only say what follows something.
            prompt.extend(vocabulary.ends().first());
        }
        Ok((decoder, prompt))
    }

    /// How many tokens were written: all but those of fixed text.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// The text so far, and how likely its tokens were, where that is wanted.
    pub(crate) fn into_reply(self) -> (String, Option<Vec<TokenLogprob>>) {
        (self.reply, self.told.map(Told::into_tokens))
    }

    /// The text so far that stays as it is, whatever follows.
    pub(crate) fn told(&self) -> String {
        match &self.at {
            At::Free(free) => format!("{}{}", self.reply, free.told()),
            At::Between | At::Choice { .. } | At::Literal { .. } => self.reply.clone(),
        }
    }

    /// Whether nothing is left to decide.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.at, At::Between) && self.segments.is_empty()
    }

    /// Ends the reply where it stands, for want of room.
    pub(crate) fn cut(&mut self) -> Finish {
        if let At::Free(free) = &self.at {
            let text = String::from_utf8_lossy(&free.bytes[free.blank.min(free.bytes.len())..]);
            self.reply.push_str(&text);
        }
        self.at = At::Between;
        self.segments.clear();
        Finish::Length
    }

    /// Decides by the logits after the last token that was read.
    pub(crate) fn next(
        &mut self,
        vocabulary: &Vocabulary,
        logits: &[f32],
    ) -> Result<Step, String> {
        loop {
            match std::mem::replace(&mut self.at, At::Between) {
                At::Between => {}
                At::Choice { labels, trie, node } => {
                    self.choose(vocabulary, logits, labels, trie, node)?;
                }
                At::Free(free) => self.write(vocabulary, logits, free),
                At::Literal { literal, blank, text } => {
                    self.count(vocabulary, logits, literal, blank, text);
                }
            }
            while self.enter(vocabulary)? {}
            if self.is_done() {
                let finish = if self.cut { Finish::Length } else { Finish::Stop };
                return Ok(Step::Done(finish));
            }
            if !self.tokens.is_empty() || self.forget > 0 {
                let tokens = std::mem::take(&mut self.tokens);
                return Ok(Step::Read { forget: std::mem::take(&mut self.forget), tokens });
            }
        }
    }

    /// Moves into the next segment; returns whether another one can follow at once.
    fn enter(&mut self, vocabulary: &Vocabulary) -> Result<bool, String> {
        if !matches!(self.at, At::Between) {
            return Ok(false);
        }
        let Some(segment) = self.segments.pop_front() else { return Ok(false) };
        match segment {
            Segment::Fixed(text) => {
                self.open.push_str(&text);
                self.reply.push_str(&text);
                return Ok(true);
            }
            Segment::Choice(labels) => self.begin_choice(vocabulary, labels)?,
            Segment::Free { stop, max_tokens } => {
                let blank = self.close(vocabulary)?.len();
                let left = max_tokens.min(self.left);
                if left == 0 {
                    self.cut = true;
                    return Ok(true);
                }
                let (bytes, ends) = (Vec::new(), Vec::new());
                self.at = At::Free(Free { stop, left, blank, bytes, ends });
            }
            Segment::Literal(pattern) => {
                let blank = !self.close(vocabulary)?.is_empty();
                let (literal, text) = (Literal::new(pattern), String::new());
                self.at = At::Literal { literal, blank, text };
            }
        }
        Ok(false)
    }

    /// Cuts the open text for decoded text to follow it; returns the blank that it must bring.
    fn close(&mut self, vocabulary: &Vocabulary) -> Result<&'static str, String> {
        let (tokens, blank) = vocabulary.cut(&self.open)?;
        self.tokens.extend(tokens);
        self.open.clear();
        Ok(blank)
    }

    fn begin_choice(
        &mut self,
        vocabulary: &Vocabulary,
        labels: Vec<String>,
    ) -> Result<(), String> {
        let joins = self.open.ends_with(char::is_whitespace)
            || !labels.iter().all(|label| label.starts_with(' '));
        let at = if joins { Vocabulary::last_word(&self.open) } else { self.open.len() };
        let (before, word) = self.open.split_at(at);
        self.tokens.extend(vocabulary.encode(before)?);
        let ways = labels.iter().map(|label| vocabulary.encode(&format!("{word}{label}")));
        let trie = Trie::new(&ways.collect::<Result<Vec<_>, _>>()?);
        self.open.clear();
        self.walk(labels, trie, Trie::ROOT);
        Ok(())
    }

    /// Reads what is forced from `node` on; ends the label where nothing is left to choose.
    fn walk(&mut self, labels: Vec<String>, trie: Trie, node: usize) {
        let (tokens, node) = trie.forced(node);
        self.tokens.extend(tokens);
        match trie.label(node) {
            Some(label) if trie.next(node).next().is_none() => {
                self.reply.push_str(&labels[label]);
            }
            _ => self.at = At::Choice { labels, trie, node },
        }
    }

    fn choose(
        &mut self,
        vocabulary: &Vocabulary,
        logits: &[f32],
        labels: Vec<String>,
        trie: Trie,
        node: usize,
    ) -> Result<(), String> {
        // A label that begins another one ends where what comes after it is likelier.
        let ends = match trie.label(node) {
            Some(_) => self.after(vocabulary)?,
            None => Vec::new(),
        };
        let drawn = self.sampler.draw(logits, trie.next(node).chain(ends));
        match drawn.and_then(|token| Some((token, trie.step(node, token)?))) {
            Some((token, next)) => {
                self.tell(vocabulary, logits, token);
                let before = self.tokens.len();
                self.tokens.push(token);
                self.walk(labels, trie, next);
                self.written += (self.tokens.len() - before) as u64;
            }
            None => {
                let label = trie.label(node).ok_or("a choice without labels")?;
                self.reply.push_str(&labels[label]);
            }
        }
        Ok(())
    }

    /// The tokens that may come after the segment at hand.
    fn after(&self, vocabulary: &Vocabulary) -> Result<Vec<u32>, String> {
        for segment in &self.segments {
            match segment {
                Segment::Fixed(text) if text.is_empty() => {}
                Segment::Fixed(text) => {
                    return Ok(vocabulary.encode(text)?.into_iter().take(1).collect());
                }
                Segment::Choice(_) | Segment::Free { .. } | Segment::Literal(_) => break,
            }
        }
        let mut ends = vocabulary.ends().to_vec();
        ends.extend(vocabulary.encode("\n")?);
        Ok(ends)
    }

    /// Writes one token of free text.
    fn write(&mut self, vocabulary: &Vocabulary, logits: &[f32], mut free: Free) {
        let starting = free.bytes.is_empty();
        // A value of a template is not empty: a small model would rather end its line at once.
        let wanted = self.is_template && free.bytes.iter().all(u8::is_ascii_whitespace);
        let fits = |token: &u32| {
            let piece = vocabulary.piece(*token);
            let blank = !starting || free.blank == 0 || piece.first() == Some(&b' ');
            let first = piece.iter().find(|byte| **byte != b' ');
            let says = !wanted || first.is_some_and(|byte| !byte.is_ascii_whitespace());
            (!piece.is_empty() && blank && says)
                || (!wanted && vocabulary.ends().contains(token))
        };
        let all = (0..vocabulary.len() as u32).filter(fits);
        let Some(token) = self.sampler.draw(logits, all) else { return };
        if vocabulary.ends().contains(&token) {
            self.finish_free(free, None);
            return;
        }
        self.tell(vocabulary, logits, token);
        free.bytes.extend_from_slice(vocabulary.piece(token));
        free.ends.push(free.bytes.len());
        free.left -= 1;
        self.written += 1;
        self.left = self.left.saturating_sub(1);
        if let Some(stop) = free.first_stop() {
            self.finish_free(free, Some(stop));
        } else if free.left == 0 || self.left == 0 {
            self.cut = true;
            self.tokens.push(token);
            self.finish_free(free, None);
        } else {
            self.tokens.push(token);
            self.at = At::Free(free);
        }
    }

    /// Ends free text before byte `stop`, and takes back the tokens that hold more than that.
    fn finish_free(&mut self, free: Free, stop: Option<usize>) {
        let text_from = free.blank.min(free.bytes.len());
        let Some(stop) = stop else {
            self.reply.push_str(&String::from_utf8_lossy(&free.bytes[text_from..]));
            return;
        };
        self.reply.push_str(&String::from_utf8_lossy(&free.bytes[text_from..stop]));
        let kept = free.ends.iter().take_while(|end| **end <= stop).count();
        // A token that holds the end of the text and more than that is part of the reply.
        let starts = std::iter::once(0).chain(free.ends.iter().copied());
        let beyond = starts.take(free.ends.len()).filter(|start| *start >= stop).count();
        if let Some(told) = &mut self.told {
            told.truncate(told.len() - beyond);
        }
        // The last token was drawn but not read.
        self.forget = free.ends.len() - 1 - kept;
        let from = if kept == 0 { 0 } else { free.ends[kept - 1] };
        self.open = String::from_utf8_lossy(&free.bytes[from..stop]).into_owned();
    }

    fn tell(&mut self, vocabulary: &Vocabulary, logits: &[f32], token: u32) {
        if let Some(told) = &mut self.told {
            told.add(vocabulary, logits, token);
        }
    }

    /// Writes one token of a literal of a number.
    fn count(
        &mut self,
        vocabulary: &Vocabulary,
        logits: &[f32],
        literal: Literal,
        blank: bool,
        mut text: String,
    ) {
        let read = |token: u32| {
            let piece = vocabulary.piece(token);
            let piece = if blank { piece.strip_prefix(b" ")? } else { piece };
            literal.read(piece)
        };
        let fits = |token: &u32| read(*token).is_some() && !vocabulary.piece(*token).is_empty();
        let numeric = vocabulary.numeric().iter().copied();
        let drawn = if literal.is_whole() {
            // It ends where the model would rather go on with anything else.
            self.sampler.draw(logits, 0..vocabulary.len() as u32)
        } else {
            self.sampler.draw(logits, numeric.filter(fits))
        };
        match drawn.filter(fits).and_then(|token| Some((token, read(token)?))) {
            Some((token, literal)) => {
                self.tell(vocabulary, logits, token);
                let piece = vocabulary.piece(token);
                text.extend(piece.iter().filter(|b| **b != b' ').map(|b| char::from(*b)));
                self.tokens.push(token);
                self.written += 1;
                self.at = At::Literal { literal, blank: false, text };
            }
            None => self.reply.push_str(&text),
        }
    }
}

impl Free {
    /// The text that stays: neither the beginning of a stop text nor that of a character.
    fn told(&self) -> String {
        let bytes = &self.bytes[self.blank.min(self.bytes.len())..];
        let begins =
            |at: &usize| self.stop.iter().any(|it| it.as_bytes().starts_with(&bytes[*at..]));
        let end = (0..bytes.len()).find(begins).unwrap_or(bytes.len());
        let text = &bytes[..end];
        match std::str::from_utf8(text) {
            Err(e) if e.error_len().is_none() => {
                String::from_utf8_lossy(&text[..e.valid_up_to()]).into_owned()
            }
            _ => String::from_utf8_lossy(text).into_owned(),
        }
    }

    /// Where the first stop text begins that the last token completed.
    fn first_stop(&self) -> Option<usize> {
        let last = self.ends.len().checked_sub(2).map_or(0, |i| self.ends[i]);
        let found = self.stop.iter().filter_map(|stop| {
            let stop = stop.as_bytes();
            let from = (last + 1).saturating_sub(stop.len()).max(self.blank);
            let window = self.bytes.get(from..)?;
            window.windows(stop.len()).position(|it| it == stop).map(|at| from + at)
        });
        found.min()
    }
}

/// A choice of one is fixed text.
fn tidy(segment: Segment) -> Segment {
    match segment {
        Segment::Choice(labels) if labels.len() == 1 => {
            Segment::Fixed(labels.into_iter().next().unwrap_or_default())
        }
        other => other,
    }
}
