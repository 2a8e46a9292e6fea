"""Makes smollm2-135m.json: what an independent implementation says about the default model.

    python3 -m venv v && v/bin/pip install numpy gguf tokenizers
    v/bin/python reference.py MODEL.gguf > smollm2-135m.json

The forward pass is plain numpy in f32 on the dequantised weights; tokens are those of the
`tokenizers` crate, built from the vocabulary and merges in the file. Three of our own engine's
parts are thus checked against somebody else's: block formats, tokens, logits.
"""

import json
import sys

import numpy as np
from gguf import GGUFReader, dequantize
from tokenizers import Tokenizer, models, pre_tokenizers

LAYERS, WIDTH, HEADS, KV_HEADS, SIZE, BASE = 30, 576, 9, 3, 64, 100000.0

PROMPTS = [
    "The capital of France is",
    "Classify the sentiment of the review as positive or negative.\n\nReview: The plot was thin, "
    "but I laughed the whole way through and would watch it again.\nAnswer:",
    "Ticket: I was charged twice for my subscription in March.\nTeam:",
    "<chat>What is 12 + 30?",
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return",
    "Question: Who wrote the play Hamlet?\nAnswer: William Shakespeare\n\n"
    "Question: In which year did the Second World War end?\nAnswer:",
    "<chat>Write one sentence about the sea.",
    "Les enfants jouent dans le jardin pendant que leurs parents",
    "Once upon a time, in a village at the foot of a mountain, there lived a clockmaker who",
    "Name: Ada Lovelace\nBorn: 10 December 1815\nField: mathematics\n\n"
    "Name: Alan Turing\nBorn: 23 June 1912\nField:",
]
CUTS = [
    "", "a", "Hello, world!", "  leading", "trailing  ", "a\n\nb", "tab\tx\r\ny", "12345 678,90",
    "abc 12", "don't we've I'M", "日本語 テスト", "naïve café — “quote”", "😀👍🏽 ok",
    "x  y   z\n  \n q", "<|im_start|>user", "[[ ## answer ## ]]\n", "1st 2nd v1.2.3",
    "\u00a0nbsp\u2003em", "a_b.c(d)[e]{f}", "Ünïcödé٣٤ ½²", " \n", "\n\n\n",
]

reader = GGUFReader(sys.argv[1])
tokens = reader.fields["tokenizer.ggml.tokens"].contents()
merges = [tuple(m.split(" ")) for m in reader.fields["tokenizer.ggml.merges"].contents()]
tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
    pre_tokenizers.Digits(individual_digits=True),
    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
])
weights = {t.name: dequantize(t.data, t.tensor_type).astype(np.float32) for t in reader.tensors}


def encode(text):
    return tokenizer.encode(text, add_special_tokens=False).ids


def norm(x, name):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * weights[name + ".weight"]


def forward(ids):
    n = len(ids)
    x = weights["token_embd.weight"][ids]
    angles = np.outer(np.arange(n), BASE ** (-np.arange(0, SIZE, 2) / SIZE))
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    mask = np.triu(np.full((n, n), -np.inf, np.float32), 1)

    def rotate(q):
        a, b, out = q[..., 0::2], q[..., 1::2], np.empty_like(q)
        out[..., 0::2] = a * cos[:, None] - b * sin[:, None]
        out[..., 1::2] = a * sin[:, None] + b * cos[:, None]
        return out

    for i in range(LAYERS):
        def times(h, part):
            return h @ weights[f"blk.{i}.{part}.weight"].T

        h = norm(x, f"blk.{i}.attn_norm")
        q = rotate(times(h, "attn_q").reshape(n, HEADS, SIZE))
        k = rotate(times(h, "attn_k").reshape(n, KV_HEADS, SIZE))
        v = times(h, "attn_v").reshape(n, KV_HEADS, SIZE)
        k, v = (np.repeat(it, HEADS // KV_HEADS, 1) for it in (k, v))
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(SIZE) + mask
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        x = x + times(np.einsum("hqk,khd->qhd", scores, v).reshape(n, WIDTH), "attn_output")
        h = norm(x, f"blk.{i}.ffn_norm")
        gate = times(h, "ffn_gate")
        x = x + times(gate / (1 + np.exp(-gate)) * times(h, "ffn_up"), "ffn_down")
    return norm(x, "output_norm") @ weights["token_embd.weight"].T


prompts = []
for prompt in PROMPTS:
    if prompt.startswith("<chat>"):
        text = prompt.removeprefix("<chat>")
        ids = [1, *encode("user\n" + text), 2, *encode("\n"), 1, *encode("assistant\n")]
    else:
        ids = encode(prompt)
    logits = forward(ids)
    top = [[int(t), round(float(logits[-1][t]), 4)] for t in np.argsort(-logits[-1])[:20]]
    following = [int(t) for t in logits.argmax(-1)]
    prompts.append({"prompt": prompt, "tokens": ids, "next": following, "top": top})

print("{")
print('  "about": "Made by reference.py from SmolLM2-135M-Instruct.Q4_1.gguf (sha256 b179c952…db53).'
      ' next: the likeliest token after each; top: the 20 largest logits after the last.",')
for name, rows in (("prompts", prompts), ("cuts", [[t, encode(t)] for t in CUTS])):
    print(f'  "{name}": [')
    print(",\n".join("    " + json.dumps(row, ensure_ascii=False) for row in rows))
    print("  ]," if name == "prompts" else "  ]")
print("}")
