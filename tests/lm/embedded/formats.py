"""Makes formats.json: blocks of each number format, decoded by the `gguf` package.

    v/bin/python formats.py > formats.json        (see reference.py for v)
"""

import json

import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf import dequantize

# Format, its number in files, bytes of a block, and where its half-precision scales lie.
FORMATS = [
    ("F16", 1, 2, [0]), ("Q4_0", 2, 18, [0]), ("Q4_1", 3, 20, [0, 2]), ("Q5_0", 6, 22, [0]),
    ("Q5_1", 7, 24, [0, 2]), ("Q8_0", 8, 34, [0]), ("Q4_K", 12, 144, [0, 2]),
    ("Q6_K", 14, 210, [208]), ("BF16", 30, 2, []),
]

random = np.random.default_rng(1)
rows = []
for name, code, size, scales in FORMATS:
    count = 40 if size == 2 else 2
    blocks = random.integers(0, 256, (count, size), dtype=np.uint8)
    for block in blocks:
        for at in scales:
            # The last ones are subnormal.
            scale = random.normal() * (3e-6 if block is blocks[-1] else 0.3)
            block[at:at + 2] = np.frombuffer(np.float16(scale).tobytes(), np.uint8)
        if name == "BF16":
            value = np.float32(random.normal()).tobytes()[2:]
            block[:] = np.frombuffer(value, np.uint8)
    data = blocks.view(np.float16) if name == "F16" else blocks
    floats = dequantize(data.reshape(-1) if name == "F16" else blocks.reshape(1, -1), Kind[name])
    bits = np.asarray(floats, np.float32).reshape(-1).view(np.uint32)
    rows.append({"format": name, "code": code, "bytes": blocks.tobytes().hex(),
                 "bits": " ".join(f"{b:x}" for b in bits)})
print("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]")
