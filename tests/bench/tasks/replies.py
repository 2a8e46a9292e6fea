"""What DSPy's metrics make of the replies in `replies.jsonl`: one JSON line each.

    python tests/bench/tasks/replies.py > tests/bench/tasks/replies.jsonl

Needs DSPy. `cargo test --test suite bench_tasks` holds our metrics against the file.
"""

import json

from dspy.evaluate.metrics import em_score, f1_score

PAIRS = [
    ("25 pounds", "25 pounds"), ("25 pounds", "25 Pounds."), ("25 pounds", "to drop 25 pounds"),
    ("$ 3 million", "$3 million"), ("$ 3 million", "3 million dollars"), ("300mm", "300 mm"),
    ("40 degrees Celsius", "The temperature is 40 degrees Celsius"), ("six-mile", "six mile"),
    ("six-mile", "sixmile"), ("12 ft 2 in", "12 ft"), ("thirty percentage", "thirty percent"),
    ("7 3 / 4 %", "7 3/4%"), ("10 turkish lira", ""), ("8 months old", "8 months old, 8 months old"),
    ("Maine", "The answer is: Maine."), ("Maine", "Maine"), ("a spirit", "spirit"),
    ("the Beatles", "Beatles"), ("The Who", "who"), ("St James's Palace", "St Jamess Palace"),
    ("Kraków", "Krakow"), ("Kraków", "Krako\u0301w"), ("İstanbul", "istanbul"), ("straße", "STRASSE"),
    ("yes", "no"), ("yes", "Yes!"), ("no", "no, it is not"), ("A-ha", "aha"), ("an", "a"),
    ("15", "15"), ("15", "15.0"), ("15", "fifteen"), ("4", "14"), ("0", "00"), ("1,000", "1000"),
    ("x   y", "x y"), ("x\ny", "x y"), ("x\u00a0y", "x y"), ("“quoted”", "quoted"), ("it’s", "its"),
    ("new new york", "new york"), ("new york", "new new york"), ("a b a", "b"), ("", "x"),
]

for right, reply in PAIRS:
    row = {"right": right, "reply": reply, "exact": bool(em_score(reply, right))}
    print(json.dumps(row | {"f1": float(f1_score(reply, right))}, ensure_ascii=False))
