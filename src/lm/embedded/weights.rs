//! The weights of a model of the llama family, read from a GGUF file and packed for products.

use crate::lm::embedded::cache::Shape;
use crate::lm::embedded::dequant::Format;
use crate::lm::embedded::gguf::{Gguf, Tensor};
use crate::lm::embedded::product::{Linear, Precision};
use rayon::prelude::*;

/// The longest context that is offered, whatever the file says: tables grow with it.
const MAX_CONTEXT: usize = 32_768;

/// How closely the matrices of the layers are kept, and that of the head.
///
/// Measured on SmolLM2-135M against `f32` over 1,500 tokens of English prose (likeliest token
/// the same, mean and largest difference of logits, loss per token; CPU ms a token for a prompt
/// of 600 tokens and for a lone reply):
///
/// | layers, head | same | mean | most | loss | prompt | reply |
/// |---|---|---|---|---|---|---|
/// | plain, plain | 93.6 % | .171 | 2.1 | +.0128 | .85 | 9.5 |
/// | plain, fine | 95.7 % | .159 | 2.1 | +.0093 | .87 | 10.8 |
/// | fine, fine | 99.5 % | .014 | 0.2 | +.0002 | 1.27 | 17 |
///
/// Replies that are those of the model are worth a third of the speed.
const LAYERS: Precision = Precision::Fine;
const HEAD: Precision = Precision::Fine;

/// Sizes and constants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Config {
    pub(crate) layers: usize,
    pub(crate) width: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_size: usize,
    pub(crate) hidden: usize,
    pub(crate) vocabulary: usize,
    pub(crate) context: usize,
    pub(crate) epsilon: f32,
    rope_base: f64,
    rope_size: usize,
}

impl Config {
    fn read(file: &Gguf) -> Result<Self, String> {
        let arch = file.text("general.architecture").ok_or("the file names no architecture")?;
        if arch != "llama" {
            let arch: String = arch.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
            return Err(format!("its architecture is `{arch}`; we run `llama` only"));
        }
        let size = |key: &str, most: usize| {
            file.size(&format!("llama.{key}"))
                .filter(|n| (1..=most).contains(n))
                .ok_or_else(|| format!("`llama.{key}` is missing or out of range"))
        };
        let float = |key: &str, default: f64| match file.value(&format!("llama.{key}")) {
            None => Ok(default),
            Some(_) => file
                .float(&format!("llama.{key}"))
                .filter(|x| x.is_finite() && *x > 0.0)
                .ok_or_else(|| format!("`llama.{key}` is out of range")),
        };
        let embedding = file.tensor("token_embd.weight").ok_or("it has no token embeddings")?;
        let (width, heads) =
            (size("embedding_length", 1 << 16)?, size("attention.head_count", 1 << 10)?);
        let config = Self {
            layers: size("block_count", 1 << 10)?,
            width,
            heads,
            kv_heads: size("attention.head_count_kv", 1 << 10).or_else(|e| {
                if file.value("llama.attention.head_count_kv").is_none() {
                    Ok(heads)
                } else {
                    Err(e)
                }
            })?,
            head_size: size("attention.key_length", 1 << 10).unwrap_or(width / heads),
            hidden: size("feed_forward_length", 1 << 18)?,
            vocabulary: embedding.rows(),
            context: size("context_length", 1 << 24)?.min(MAX_CONTEXT),
            epsilon: float("attention.layer_norm_rms_epsilon", 1e-5)? as f32,
            rope_base: float("rope.freq_base", 10_000.0)?,
            rope_size: size("rope.dimension_count", 1 << 10).unwrap_or(width / heads),
        };
        config.check(file)
    }

    fn check(self, file: &Gguf) -> Result<Self, String> {
        let refused = if !self.heads.is_multiple_of(self.kv_heads) {
            Some("its attention heads do not share keys evenly")
        } else if !self.head_size.is_multiple_of(16) || self.head_size == 0 {
            Some("the size of its attention heads is no multiple of 16")
        } else if !self.rope_size.is_multiple_of(2) || self.rope_size > self.head_size {
            Some("its rotary embedding does not fit its heads")
        } else if !self.width.is_multiple_of(16) || !self.hidden.is_multiple_of(16) {
            Some("its layers' width is no multiple of 16")
        } else if self.vocabulary > 1 << 21 {
            Some("its vocabulary is too large")
        } else if file.size("llama.expert_count").unwrap_or(0) > 0 {
            Some("it is a mixture of experts, which we do not run")
        } else if file.tensor("blk.0.attn_q.bias").is_some() {
            Some("its attention has biases, which we do not run")
        } else if file.text("llama.rope.scaling.type").is_some_and(|kind| kind != "none") {
            Some("it scales rotary embeddings, which we do not run")
        } else {
            None
        };
        refused.map_or(Ok(self), |why| Err(why.to_owned()))
    }

    /// The shape of this model's caches.
    pub(crate) fn shape(&self) -> Shape {
        Shape { layers: self.layers, kv_heads: self.kv_heads, head_size: self.head_size }
    }
}

/// One layer.
pub(crate) struct Layer {
    pub(crate) attention_norm: Vec<f32>,
    /// Queries, keys and values in one product.
    pub(crate) qkv: Linear,
    pub(crate) output: Linear,
    pub(crate) mlp_norm: Vec<f32>,
    /// Gates and what they let through in one product.
    pub(crate) gate_up: Linear,
    pub(crate) down: Linear,
}

/// All of a model's numbers.
pub(crate) struct Weights {
    pub(crate) config: Config,
    pub(crate) layers: Vec<Layer>,
    pub(crate) norm: Vec<f32>,
    pub(crate) head: Linear,
    embedding: Vec<u8>,
    embedding_format: Format,
    /// Cosine and sine of each pair's angle, position by position.
    turns: Vec<(f32, f32)>,
}

impl Weights {
    /// Reads the weights with the threads of the current pool.
    pub(crate) fn read(file: &Gguf) -> Result<Self, String> {
        let config = Config::read(file)?;
        let read = Read { file };
        let (layers, head) = rayon::join(
            || {
                let layers = (0..config.layers).into_par_iter();
                layers.map(|i| read.layer(&config, i)).collect::<Result<Vec<_>, _>>()
            },
            || {
                let name = if file.tensor("output.weight").is_some() {
                    "output.weight"
                } else {
                    "token_embd.weight"
                };
                read.stack(&[(name, config.vocabulary)], config.width, HEAD)
            },
        );
        let embedding = read.tensor("token_embd.weight", config.width, config.vocabulary)?;
        Ok(Self {
            layers: layers?,
            head: head?,
            norm: read.vector("output_norm.weight", config.width)?,
            embedding: file.bytes(embedding)?,
            embedding_format: embedding.format,
            turns: turns(&config, read.rope_factors(&config)?.as_deref()),
            config,
        })
    }

    /// Writes the embedding of a token.
    pub(crate) fn embed(&self, token: u32, out: &mut [f32]) {
        let bytes = self.embedding_format.row_bytes(self.config.width);
        let row = &self.embedding[token as usize * bytes..][..bytes];
        self.embedding_format.decode(row, out);
    }

    /// Turns the pairs of neighbours of a head by the angles of `position`.
    pub(crate) fn rotate(&self, position: usize, head: &mut [f32]) {
        let pairs = self.config.rope_size / 2;
        let turns = &self.turns[position * pairs..][..pairs];
        let (head, _) = head.as_chunks_mut::<2>();
        for ([x, y], (cos, sin)) in head.iter_mut().zip(turns) {
            (*x, *y) = (*x * cos - *y * sin, *x * sin + *y * cos);
        }
    }
}

/// Cosines and sines for all positions.
fn turns(config: &Config, factors: Option<&[f32]>) -> Vec<(f32, f32)> {
    let pairs = config.rope_size / 2;
    let speeds: Vec<f64> = (0..pairs)
        .map(|i| {
            let speed = config.rope_base.powf(-2.0 * i as f64 / config.rope_size as f64);
            factors.map_or(speed, |factors| speed / f64::from(factors[i]))
        })
        .collect();
    (0..config.context)
        .into_par_iter()
        .flat_map_iter(|position| {
            speeds.iter().map(move |speed| {
                let (sin, cos) = (position as f64 * speed).sin_cos();
                (cos as f32, sin as f32)
            })
        })
        .collect()
}

/// Reading of tensors with checks.
struct Read<'a> {
    file: &'a Gguf,
}

impl Read<'_> {
    fn layer(&self, config: &Config, i: usize) -> Result<Layer, String> {
        let name = |part: &str| format!("blk.{i}.{part}.weight");
        let heads = config.heads * config.head_size;
        let kv_heads = config.kv_heads * config.head_size;
        let (width, hidden) = (config.width, config.hidden);
        let (q, k, v) = (name("attn_q"), name("attn_k"), name("attn_v"));
        let qkv = [(q.as_str(), heads), (k.as_str(), kv_heads), (v.as_str(), kv_heads)];
        Ok(Layer {
            attention_norm: self.vector(&name("attn_norm"), width)?,
            qkv: self.stack(&qkv, width, LAYERS)?,
            output: self.linear(&[&name("attn_output")], heads, width)?,
            mlp_norm: self.vector(&name("ffn_norm"), width)?,
            gate_up: self.linear(&[&name("ffn_gate"), &name("ffn_up")], width, hidden)?,
            down: self.linear(&[&name("ffn_down")], hidden, width)?,
        })
    }

    fn tensor(&self, name: &str, columns: usize, rows: usize) -> Result<&Tensor, String> {
        let tensor =
            self.file.tensor(name).ok_or_else(|| format!("the tensor `{name}` is missing"))?;
        if tensor.columns() != columns || tensor.rows() != rows {
            return Err(format!(
                "the tensor `{name}` does not have {columns} by {rows} numbers"
            ));
        }
        Ok(tensor)
    }

    fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, String> {
        self.file.floats(self.tensor(name, len, 1)?)
    }

    fn linear(&self, names: &[&str], inputs: usize, outputs: usize) -> Result<Linear, String> {
        let parts: Vec<_> = names.iter().map(|name| (*name, outputs)).collect();
        self.stack(&parts, inputs, LAYERS)
    }

    /// Packs matrices of the same inputs as one.
    fn stack(
        &self,
        parts: &[(&str, usize)],
        inputs: usize,
        precision: Precision,
    ) -> Result<Linear, String> {
        let mut numbers = Vec::new();
        for (name, outputs) in parts {
            let mut part = self.file.floats(self.tensor(name, inputs, *outputs)?)?;
            if numbers.is_empty() {
                numbers = part;
            } else {
                numbers.append(&mut part);
            }
        }
        Ok(Linear::pack(&numbers, inputs, precision))
    }

    /// The divisors of rotary speeds that long-context llamas carry.
    fn rope_factors(&self, config: &Config) -> Result<Option<Vec<f32>>, String> {
        if self.file.tensor("rope_freqs.weight").is_none() {
            return Ok(None);
        }
        self.vector("rope_freqs.weight", config.rope_size / 2).map(Some)
    }
}
