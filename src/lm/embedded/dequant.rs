//! The number formats of weights: what a block of bytes means as `f32`.
//!
//! The layouts are those of ggml's `ggml-quants` (block sizes 32 and 256).

/// A number format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4K,
    Q6K,
}

impl Format {
    /// The format with this number in GGUF files.
    pub(crate) fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            12 => Self::Q4K,
            14 => Self::Q6K,
            30 => Self::BF16,
            _ => return None,
        })
    }

    /// Numbers in a block.
    pub(crate) fn block(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q4K | Self::Q6K => 256,
        }
    }

    /// Bytes of a block.
    pub(crate) fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q6K => 210,
        }
    }

    /// The bytes of a row of `columns` numbers.
    pub(crate) fn row_bytes(self, columns: usize) -> usize {
        columns / self.block() * self.block_bytes()
    }

    /// Writes the numbers of as many whole blocks as both slices hold.
    pub(crate) fn decode(self, bytes: &[u8], out: &mut [f32]) {
        let blocks = bytes.chunks_exact(self.block_bytes());
        for (block, out) in blocks.zip(out.chunks_exact_mut(self.block())) {
            match self {
                Self::F32 => {
                    out[0] = f32::from_le_bytes([block[0], block[1], block[2], block[3]])
                }
                Self::F16 => out[0] = half(block, 0),
                Self::BF16 => out[0] = f32::from_bits(u32::from(u16_at(block, 0)) << 16),
                Self::Q4_0 => nibbles(&block[2..], None, half(block, 0), -8, 0.0, out),
                Self::Q4_1 => {
                    nibbles(&block[4..], None, half(block, 0), 0, half(block, 2), out);
                }
                Self::Q5_0 => {
                    nibbles(&block[6..], Some(&block[2..6]), half(block, 0), -16, 0.0, out);
                }
                Self::Q5_1 => {
                    let (scale, least) = (half(block, 0), half(block, 2));
                    nibbles(&block[8..], Some(&block[4..8]), scale, 0, least, out);
                }
                Self::Q8_0 => {
                    let scale = half(block, 0);
                    for (out, q) in out.iter_mut().zip(&block[2..]) {
                        *out = f32::from(q.cast_signed()) * scale;
                    }
                }
                Self::Q4K => q4k(block, out),
                Self::Q6K => q6k(block, out),
            }
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// The half-precision number at byte `at`.
fn half(bytes: &[u8], at: usize) -> f32 {
    let bits = u32::from(u16_at(bytes, at));
    let sign = (bits & 0x8000) << 16;
    let (exponent, fraction) = (bits >> 10 & 31, bits & 0x3ff);
    let magnitude = match exponent {
        // Subnormal numbers: fraction times 2^-24, exactly.
        0 => (fraction as f32 * f32::from_bits(0x3380_0000)).to_bits(),
        31 => 0x7f80_0000 | fraction << 13,
        _ => (exponent + 112) << 23 | fraction << 13,
    };
    f32::from_bits(sign | magnitude)
}

/// 32 numbers of four bits, low halves of the bytes first, with a fifth bit each in `high`.
fn nibbles(
    quants: &[u8],
    high: Option<&[u8]>,
    scale: f32,
    shift: i32,
    least: f32,
    out: &mut [f32],
) {
    let high = high.map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    for (i, q) in quants.iter().take(16).enumerate() {
        let low = i32::from(q & 15) | ((high >> i & 1) << 4).cast_signed();
        let top = i32::from(q >> 4) | ((high >> (i + 16) & 1) << 4).cast_signed();
        out[i] = (low + shift) as f32 * scale + least;
        out[i + 16] = (top + shift) as f32 * scale + least;
    }
}

/// 8 groups of 32 four-bit numbers, with six-bit scales and least values.
fn q4k(block: &[u8], out: &mut [f32]) {
    let (scale, least) = (half(block, 0), half(block, 2));
    let packed = &block[4..16];
    let pair = |j: usize| -> (u8, u8) {
        if j < 4 {
            (packed[j] & 63, packed[j + 4] & 63)
        } else {
            let top = packed[j + 4];
            (top & 15 | packed[j - 4] >> 6 << 4, top >> 4 | packed[j] >> 6 << 4)
        }
    };
    let halves = out.chunks_exact_mut(64).zip(block[16..].chunks_exact(32));
    for (group, (out, quants)) in halves.enumerate() {
        for (half, out) in out.chunks_exact_mut(32).enumerate() {
            let (s, m) = pair(2 * group + half);
            let (s, m) = (scale * f32::from(s), least * f32::from(m));
            for (out, q) in out.iter_mut().zip(quants) {
                *out = s * f32::from(q >> (4 * half) & 15) - m;
            }
        }
    }
}

/// 16 groups of 16 six-bit numbers, with eight-bit scales.
fn q6k(block: &[u8], out: &mut [f32]) {
    let scale = half(block, 208);
    for (part, out) in out.chunks_exact_mut(128).enumerate() {
        let low = &block[64 * part..];
        let high = &block[128 + 32 * part..];
        let scales = &block[192 + 8 * part..];
        for i in 0..32 {
            let four = [low[i] & 15, low[i + 32] & 15, low[i] >> 4, low[i + 32] >> 4];
            for (quarter, four) in four.into_iter().enumerate() {
                let q = i32::from(four | (high[i] >> (2 * quarter) & 3) << 4) - 32;
                let s = f32::from(scales[i / 16 + 2 * quarter].cast_signed());
                out[i + 32 * quarter] = scale * s * q as f32;
            }
        }
    }
}
