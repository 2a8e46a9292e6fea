//! A model file of a few kilobytes, made in memory: random weights, real structure.

use std::collections::BTreeMap;

/// Sizes of the tiny model.
pub(crate) const LAYERS: usize = 2;
const WIDTH: usize = 64;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD: usize = 16;
const HIDDEN: usize = 96;
pub(crate) const CONTEXT: usize = 256;

/// The words that the tiny tokenizer knows besides all bytes.
const WORDS: &[&str] = &["Ġb", "il", "Ġbil", "ling", "ship", "ping", "Ġs", "Ġship", "an"];

/// Makes the file; equal seeds make equal files.
pub(crate) fn tiny(seed: u64) -> Vec<u8> {
    Tiny::new(seed).file()
}

/// The parts of a tiny model file, to be changed before it is written.
pub(crate) struct Tiny {
    pub(crate) values: Vec<(String, Vec<u8>)>,
    pub(crate) tensors: Vec<(String, Vec<usize>, u32, Vec<u8>)>,
}

impl Tiny {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(2) + 1);
        let (tokens, kinds, merges) = vocabulary();
        let mut values = Vec::new();
        let mut put = |key: &str, value: Vec<u8>| values.push((key.to_owned(), value));
        put("general.architecture", text("llama"));
        put("llama.block_count", number(LAYERS));
        put("llama.context_length", number(CONTEXT));
        put("llama.embedding_length", number(WIDTH));
        put("llama.feed_forward_length", number(HIDDEN));
        put("llama.attention.head_count", number(HEADS));
        put("llama.attention.head_count_kv", number(KV_HEADS));
        put("llama.rope.dimension_count", number(HEAD));
        put("tokenizer.ggml.model", text("gpt2"));
        put("tokenizer.ggml.pre", text("smollm"));
        put("tokenizer.ggml.bos_token_id", number(0));
        put("tokenizer.ggml.eos_token_id", number(1));
        put("tokenizer.ggml.tokens", texts(&tokens));
        put("tokenizer.ggml.token_type", numbers(&kinds));
        put("tokenizer.ggml.merges", texts(&merges));

        let mut tensors = Vec::new();
        let mut matrix = |name: &str, inputs: usize, outputs: usize, quantised: bool| {
            let data: Vec<f32> = (0..inputs * outputs).map(|_| random.normal()).collect();
            if quantised {
                tensors.push((name.to_owned(), vec![inputs, outputs], 8, q8_0(&data)));
            } else {
                let bytes = data.iter().flat_map(|x| x.to_le_bytes()).collect();
                tensors.push((name.to_owned(), vec![inputs, outputs], 0, bytes));
            }
        };
        matrix("token_embd.weight", WIDTH, tokens.len(), true);
        for i in 0..LAYERS {
            let name = |part: &str| format!("blk.{i}.{part}.weight");
            matrix(&name("attn_q"), WIDTH, HEADS * HEAD, false);
            matrix(&name("attn_k"), WIDTH, KV_HEADS * HEAD, true);
            matrix(&name("attn_v"), WIDTH, KV_HEADS * HEAD, true);
            matrix(&name("attn_output"), HEADS * HEAD, WIDTH, false);
            matrix(&name("ffn_gate"), WIDTH, HIDDEN, true);
            matrix(&name("ffn_up"), WIDTH, HIDDEN, false);
            matrix(&name("ffn_down"), HIDDEN, WIDTH, true);
        }
        let ones: Vec<u8> = (0..WIDTH).flat_map(|_| 1f32.to_le_bytes()).collect();
        let mut norms = vec!["output_norm.weight".to_owned()];
        for i in 0..LAYERS {
            norms.push(format!("blk.{i}.attn_norm.weight"));
            norms.push(format!("blk.{i}.ffn_norm.weight"));
        }
        tensors.extend(norms.into_iter().map(|name| (name, vec![WIDTH], 0, ones.clone())));
        Self { values, tensors }
    }

    /// Replaces a value of the header.
    pub(crate) fn set(mut self, key: &str, value: Vec<u8>) -> Self {
        self.values.retain(|(known, _)| known != key);
        self.values.push((key.to_owned(), value));
        self
    }

    /// Writes the file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.values.len() as u64).to_le_bytes());
        for (key, value) in &self.values {
            push_text(&mut out, key);
            out.extend(value);
        }
        let mut offset = 0u64;
        for (name, dims, format, bytes) in &self.tensors {
            push_text(&mut out, name);
            out.extend((dims.len() as u32).to_le_bytes());
            dims.iter().for_each(|d| out.extend((*d as u64).to_le_bytes()));
            out.extend(format.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += (bytes.len() as u64).next_multiple_of(32);
        }
        for (_, _, _, bytes) in &self.tensors {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend(bytes);
        }
        out
    }
}

/// All bytes, a few merged words, and three control tokens in front.
fn vocabulary() -> (Vec<String>, Vec<i32>, Vec<String>) {
    let mut tokens: Vec<String> =
        ["<|im_start|>", "<|im_end|>", "<|endoftext|>"].map(str::to_owned).to_vec();
    let mut kinds = vec![3; tokens.len()];
    let mut others = 0x100u32..;
    for b in 0..=255u8 {
        let c = match b {
            b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => u32::from(b),
            _ => others.next().unwrap(),
        };
        tokens.push(char::from_u32(c).unwrap().to_string());
        kinds.push(1);
    }
    let steps: &[(&str, &str)] = &[
        ("Ġ", "b"),
        ("i", "l"),
        ("Ġb", "il"),
        ("l", "ing"),
        ("i", "ng"),
        ("n", "g"),
        ("s", "h"),
        ("i", "p"),
        ("sh", "ip"),
        ("p", "ing"),
        ("Ġ", "s"),
        ("Ġs", "hip"),
        ("h", "ip"),
        ("a", "n"),
        ("Ġ", "ship"),
        ("l", "ling"),
        ("n", "t"),
        ("e", "r"),
    ];
    let mut known: BTreeMap<String, ()> = tokens.iter().map(|t| (t.clone(), ())).collect();
    let mut merges = Vec::new();
    for _ in 0..3 {
        for (a, b) in steps {
            let whole = format!("{a}{b}");
            let pair = format!("{a} {b}");
            if known.contains_key(*a) && known.contains_key(*b) && !merges.contains(&pair) {
                merges.push(pair);
                if known.insert(whole.clone(), ()).is_none() {
                    tokens.push(whole);
                    kinds.push(1);
                }
            }
        }
    }
    for word in WORDS {
        if known.insert((*word).to_owned(), ()).is_none() {
            tokens.push((*word).to_owned());
            kinds.push(1);
        }
    }
    (tokens, kinds, merges)
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// A text value of the header.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut out = 8u32.to_le_bytes().to_vec();
    push_text(&mut out, text);
    out
}

/// A number of the header.
pub(crate) fn number(n: usize) -> Vec<u8> {
    let mut out = 4u32.to_le_bytes().to_vec();
    out.extend((n as u32).to_le_bytes());
    out
}

fn texts(all: &[String]) -> Vec<u8> {
    let mut out = 9u32.to_le_bytes().to_vec();
    out.extend(8u32.to_le_bytes());
    out.extend((all.len() as u64).to_le_bytes());
    all.iter().for_each(|text| push_text(&mut out, text));
    out
}

fn numbers(all: &[i32]) -> Vec<u8> {
    let mut out = 9u32.to_le_bytes().to_vec();
    out.extend(5u32.to_le_bytes());
    out.extend((all.len() as u64).to_le_bytes());
    all.iter().for_each(|n| out.extend(n.to_le_bytes()));
    out
}

/// Blocks of 32 bytes with the scale 1/64 in half precision.
fn q8_0(data: &[f32]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in data.chunks(32) {
        out.extend(0x2400u16.to_le_bytes());
        out.extend(block.iter().map(|x| (x * 64.0).clamp(-127.0, 127.0) as i8 as u8));
    }
    out
}

/// A small generator (xorshift64*), so that the file is the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    fn normal(&mut self) -> f32 {
        let sum: f32 =
            (0..4).map(|_| (self.next() >> 40) as f32 / (1 << 24) as f32 - 0.5).sum();
        sum * 0.35
    }
}
