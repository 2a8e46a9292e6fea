"""The rows of the tasks: what of the public data sets is used, and as what.

Each task has rows to learn from, to choose by, and to report on, in the order that the files
have, each without the fields that no program is to see. Both sides read the same three files.
"""

import json
from pathlib import Path

# How many rows there are of each kind.
SIZES = {"learn": 40, "choose": 40, "report": 100}


def read(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        return [json.loads(line) for line in file if line.strip()]


def keep(*names):
    return lambda row: {name: row[name] for name in names}


def intent(row):
    return {"text": row["text"], "label": row["label"].lower()}


def amount(row):
    """Rows with one amount; the others have no right answer that is one text."""
    found = row["quantities"]
    return {"text": row["text"], "amount": found[0]["text"]} if len(found) == 1 else None


def facts(row):
    """The sentences that the answer follows from, without the paragraphs that distract."""
    wanted = {(title, at) for title, at in row["supporting_facts"]}
    lines = []
    for it in row["context"]:
        said = [text.strip() for at, text in enumerate(it["sentences"]) if (it["title"], at) in wanted]
        if said:
            lines.append(f"{it['title']}: {' '.join(said)}")
    return {"context": "\n".join(lines), "question": row["question"], "answer": row["answer"]}


def counted(row):
    return {"question": row["input"], "answer": int(row["target"])}


# Task: folder below the data, what a row becomes, inputs, the output that is scored, the metric.
TASKS = {
    "sst2": ("sst2", keep("text", "label"), ["text"], "label", "equal"),
    "trec6": ("trec6", keep("question", "label"), ["question"], "label", "equal"),
    "banking10": ("banking10", intent, ["text"], "label", "equal"),
    "langid12": ("langid12", keep("text", "label"), ["text"], "label", "equal"),
    "quantities": ("quantities", amount, ["text"], "amount", "f1"),
    "hotpotqa": ("hotpotqa_distractor", facts, ["context", "question"], "answer", "f1"),
    "counting": ("bbh/object_counting", counted, ["question"], "answer", "exact"),
    "starts_with": ("induction/orthography_starts_with", keep("input", "output"), ["input"], "output", "exact"),
}


def prepare(data, task, into):
    """Writes the three files of a task, and says where they are."""
    folder, make, _, _, _ = TASKS[task]
    paths = {}
    for role, split in [("learn", "train"), ("choose", "dev"), ("report", "test")]:
        rows = [made for row in read(Path(data) / folder / f"{split}.jsonl") if (made := make(row))]
        paths[role] = Path(into) / f"{task}.{role}.jsonl"
        paths[role].parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(row, ensure_ascii=False) for row in rows[: SIZES[role]]]
        paths[role].write_text("\n".join(lines) + "\n", encoding="utf-8")
    return paths
