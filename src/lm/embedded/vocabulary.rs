//! Text to tokens and back, as the model file defines it.
//!
//! Two things matter beyond a tokenizer. Text never yields control tokens, whatever it says:
//! only we write those, by number. And what is fed before a decoded part must be cut as it
//! would be in a demo that holds the whole text: see [`Vocabulary::cut`].

use crate::lm::embedded::gguf::{Gguf, Value};
use shimmytok::Tokenizer;
use std::collections::BTreeMap;

/// The tokenizer of a model.
pub(crate) struct Vocabulary {
    tokenizer: Tokenizer,
    /// The bytes of each token; empty for control tokens.
    pieces: Vec<Box<[u8]>>,
    control: BTreeMap<String, u32>,
    /// Tokens that end a reply.
    ends: Vec<u32>,
    /// Put before every text, where the model wants it.
    start: Option<u32>,
    /// Tokens of literals of numbers and the blank before them.
    numeric: Vec<u32>,
}

impl Vocabulary {
    /// Reads the vocabulary of a model file.
    pub(crate) fn read(file: &Gguf) -> Result<Self, String> {
        match file.text("tokenizer.ggml.model") {
            Some("gpt2") => {}
            Some(kind) => {
                let kind: String =
                    kind.chars().filter(char::is_ascii_graphic).take(40).collect();
                return Err(format!("its tokenizer is of kind `{kind}`; we run `gpt2` only"));
            }
            None => return Err("it carries no tokenizer".to_owned()),
        }
        let Some(Value::Texts(texts)) = file.value("tokenizer.ggml.tokens") else {
            return Err("it carries no tokens".to_owned());
        };
        let kinds = match file.value("tokenizer.ggml.token_type") {
            Some(Value::Numbers(kinds)) => kinds.as_slice(),
            _ => &[],
        };
        let special = ["bos", "eos", "unknown", "padding"]
            .map(|name| file.size(&format!("tokenizer.ggml.{name}_token_id")));
        if special.iter().flatten().any(|id| *id >= texts.len()) {
            return Err("the header is damaged: a special token past the last".to_owned());
        }
        let tokenizer = Tokenizer::from_bytes(&file.header()?)
            .map_err(|e| format!("its tokenizer cannot be used: {e}"))?;
        let bytes = byte_of_char();
        let mut control = BTreeMap::new();
        let mut pieces = Vec::with_capacity(texts.len());
        for (id, text) in texts.iter().enumerate() {
            // 1 is ordinary text and 4 text that a user defined; the rest is not text.
            if kinds.get(id).is_none_or(|kind| *kind == 1.0) {
                pieces.push(text.chars().filter_map(|c| bytes.get(&c).copied()).collect());
            } else if kinds[id] == 4.0 {
                pieces.push(text.as_bytes().into());
            } else {
                control.insert(text.clone(), id as u32);
                pieces.push(Box::default());
            }
        }
        let mut ends: Vec<u32> =
            ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>"]
                .iter()
                .filter_map(|name| control.get(*name).copied())
                .chain(special[1].map(|id| id as u32))
                .collect();
        ends.sort_unstable();
        ends.dedup();
        let wants_start =
            file.value("tokenizer.ggml.add_bos_token") == Some(&Value::Bool(true));
        let start = special[0].filter(|_| wants_start).map(|id| id as u32);
        let numeric = (0u32..)
            .zip(&pieces)
            .filter(|(_, piece)| {
                !piece.is_empty() && piece.iter().all(|b| b" -.0123456789".contains(b))
            })
            .map(|(id, _)| id)
            .collect();
        Ok(Self { tokenizer, pieces, control, ends, start, numeric })
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// The bytes that a token stands for.
    pub(crate) fn piece(&self, token: u32) -> &[u8] {
        self.pieces.get(token as usize).map_or(&[], |piece| piece)
    }

    /// A control token by its name.
    pub(crate) fn control(&self, name: &str) -> Option<u32> {
        self.control.get(name).copied()
    }

    /// The tokens that end a reply.
    pub(crate) fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The token that stands before every text, if the model wants one.
    pub(crate) fn start(&self) -> Option<u32> {
        self.start
    }

    /// Tokens made of digits, signs, points and blanks.
    pub(crate) fn numeric(&self) -> &[u32] {
        &self.numeric
    }

    /// Cuts text into tokens.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        self.tokenizer.encode(text, false).map_err(|e| e.to_string())
    }

    /// Cuts text that decoded text will follow: returns the tokens, and the blank at its end
    /// that the first decoded token must bring along.
    ///
    /// In `Answer: 42` the blank belongs to ` 42` and in `Answer:\n\nParis` the line ends are
    /// cut one by one, as they would not be at the end of a text. A letter in the place of
    /// what follows shows how.
    pub(crate) fn cut(&self, text: &str) -> Result<(Vec<u32>, &'static str), String> {
        if !text.ends_with(char::is_whitespace) {
            return Ok((self.encode(text)?, ""));
        }
        let mut tokens = self.encode(&format!("{text}x"))?;
        match tokens.last().map(|last| self.piece(*last)) {
            Some(b" x") if text.ends_with(' ') => {
                tokens.pop();
                Ok((tokens, " "))
            }
            Some(b"x") => {
                tokens.pop();
                Ok((tokens, ""))
            }
            _ => Ok((self.encode(text)?, "")),
        }
    }

    /// Where the last word of `text` begins, counting the blank before it: what stands before
    /// is cut into the same tokens whatever follows.
    pub(crate) fn last_word(text: &str) -> usize {
        let mut before: Option<char> = None;
        let mut at = 0;
        for (i, c) in text.char_indices() {
            if c == ' ' && before.is_some_and(|c| !c.is_whitespace()) {
                at = i;
            }
            before = Some(c);
        }
        at
    }
}

/// The inverse of GPT-2's map of bytes to printable characters.
fn byte_of_char() -> BTreeMap<char, u8> {
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut others = 0x100..;
    (0..=255u8)
        .map(|b| {
            let code =
                if printable(b) { u32::from(b) } else { others.next().unwrap_or_default() };
            (char::from_u32(code).unwrap_or_default(), b)
        })
        .collect()
}
