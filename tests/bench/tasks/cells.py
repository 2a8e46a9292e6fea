"""What is compared: sizes, options and the order of the cells.

A cell is one search on one task, and the score of what it found on rows that it never saw.
Both sides have the same rows, the same model and the same cap on calls.
"""

from pathlib import Path
from typing import NamedTuple

MODEL = "local/smollm2-135m"

# The calls that a search may make, those of the model that proposes included.
BUDGET = 200

SEEDS = [1, 2, 3]

# The longest replies: labels and numbers are short, and the chat layout writes markers besides.
LONGEST = {"trec6": 32, "banking10": 32, "langid12": 32, "counting": 32, "quantities": 48, "hotpotqa": 48}

# The longest reply of the model that proposes.
PROPOSED = 200

TASKS = ["banking10", "langid12", "quantities", "counting", "trec6", "hotpotqa"]

# Optimizers of ours, as they are called; the cap and the seed are said besides.
OURS = {
    "zero_shot": None,
    "random_search": "random_search(metric: score",
    "mipro_v2": "mipro_v2(metric: score, proposer: proposer",
    "gepa": "gepa(metric: told, proposer: proposer",
    "tune": "tune(metric: told, proposer: proposer",
    "labeled_few_shot": "labeled_few_shot(k: 8",
    "bootstrap_few_shot": "bootstrap_few_shot(metric: score",
    "copro": "copro(metric: score, proposer: proposer",
    "simba": "simba(metric: told, proposer: proposer, minibatch: 8, candidates: 4, steps: 3",
    "infer_rules": "infer_rules(metric: score, proposer: proposer, candidates: 4",
}

# Optimizers of DSPy's that ours of the same name are compared with.
THEIRS = ["zero_shot", "random_search", "mipro_v2"]

FOUR = ["random_search", "mipro_v2", "gepa", "tune"]
OTHERS = ["labeled_few_shot", "bootstrap_few_shot", "copro", "simba", "infer_rules"]


class Cell(NamedTuple):
    """One search. Systems: `dsp` as it comes, `dsp-chat` with the layout that DSPy has, `dspy`."""

    task: str
    system: str
    optimizer: str
    seed: int


def cells():
    """All cells, in an order in which a part of them is worth something already."""
    every = []
    for seed in SEEDS:
        for task in TASKS:
            for optimizer in ["zero_shot", *FOUR]:
                if optimizer == "zero_shot" and seed > 1:
                    continue
                every.append(Cell(task, "dsp", optimizer, seed))
                if optimizer in THEIRS:
                    every.append(Cell(task, "dspy", optimizer, seed))
        if seed == 1:
            every += [Cell(task, "dsp", it, 1) for it in OTHERS for task in TASKS[:2]]
            every += [Cell(task, "dsp-chat", it, 1) for it in THEIRS for task in TASKS[:2]]
    return every


def script(cell, label, learn, choose, into):
    """The two scripts of a cell of ours: the program with its metric, and the search."""
    options = f"max_tokens: {LONGEST[cell.task]}"
    if cell.system == "dsp-chat":
        # As often as DSPy asks again where a reply cannot be read.
        options += ', adapter: "chat", retries: 1'
    program = f"""import "task" as task;

const program = task::program.with({options});
const proposer = lm("{MODEL}", max_tokens: {PROPOSED});

fn score(example, reply) {{ task::score(example, reply) }}

/// The score, and what would have been right.
fn told(example, reply) {{
    #{{ score: score(example, reply), feedback: `{label} is ${{example.{label}}}` }}
}}
"""
    Path(into, "cell.dsp").write_text(program, encoding="utf-8")
    call = OURS[cell.optimizer]
    if call is None:
        return None
    data = f'trainset: load("{learn}")'
    if cell.optimizer not in ("labeled_few_shot", "bootstrap_few_shot"):
        data += f', valset: load("{choose}"), confirm: 0'
    cap = "" if cell.optimizer == "labeled_few_shot" else f", max_calls: {BUDGET}"
    search = f"""
let tuned = {call}, seed: {cell.seed}{cap})
    .compile(program, {data});
tuned.save("found.state.json");
let spent = cost();
print(`calls ${{spent.calls}} ${{spent.cached}}`);
"""
    path = Path(into, "search.dsp")
    path.write_text(program + search, encoding="utf-8")
    return path
