"""States go from DSPy to `dsp` and back, and DSPy's prompts stay what they were.

    python tests/dspy/round_trip.py target/debug/dsp

Needs DSPy (`pip install dspy`). Each program stands here twice: as a module of DSPy's and as a
script. What DSPy saves is imported, exported and loaded into a fresh program of DSPy's; each
predictor's messages must be the same, word by word, as those of the program that was saved.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal, Optional

import dspy
from pydantic import BaseModel
from dspy.utils import DummyLM

DSP = Path(sys.argv[1]).resolve()
ADAPTERS = ["ChatAdapter", "JSONAdapter", "XMLAdapter"]


class Sort(dspy.Signature):
    """Sort a message.
    Be quick."""

    message: str = dspy.InputField()
    topic: Literal["billing", "shipping"] = dspy.OutputField(desc="what it is about")
    urgency: int = dspy.OutputField()
    words: list[str] = dspy.OutputField()


class Answer(dspy.Signature):
    context: list[str] = dspy.InputField(desc="passages")
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class Person(BaseModel):
    name: str
    age: Optional[int] = None
    roles: list[str]


class Extract(dspy.Signature):
    """Extract who is there."""

    text: str = dspy.InputField()
    people: list[Person] = dspy.OutputField()
    counts: dict[str, int] = dspy.OutputField()
    sure: bool = dspy.OutputField()
    share: float = dspy.OutputField()


class Nested(dspy.Module):
    def __init__(self):
        super().__init__()
        self.extract = dspy.Predict(Extract)
        self.best = dspy.BestOfN(dspy.ChainOfThought(Extract), N=2, reward_fn=lambda _, it: 1.0, threshold=1.0)


class Hops(dspy.Module):
    def __init__(self):
        super().__init__()
        self.steps = [dspy.ChainOfThought("context: list[str], question -> search_query") for _ in range(2)]
        self.by = {"short": dspy.Predict(Answer), "long": dspy.ChainOfThought(Answer)}


class Act(dspy.Module):
    def __init__(self):
        super().__init__()
        self.agent = dspy.ReAct("question -> answer: float", tools=[])


def sort():
    return dspy.Predict(Sort)


def reason():
    return dspy.ChainOfThought("question -> answer: int")


SCRIPTS = {
    "sort": (
        sort,
        "predict(Sort)",
        '''
/// Sort a message.
/// Be quick.
signature Sort {
    in  message: str
    out topic: "billing" | "shipping"  "what it is about"
    out urgency: int
    out words: list[str]
}
''',
    ),
    "reason": (reason, 'chain_of_thought("question -> answer: int")', ""),
    "hops": (
        Hops,
        "Hops()",
        '''
signature Answer {
    in  context: list[str]  "passages"
    in  question: str
    out answer: str
}
module Hops() {
    let steps = [
        chain_of_thought("context: list[str], question -> search_query"),
        chain_of_thought("context: list[str], question -> search_query"),
    ];
    let by = #{ short: predict(Answer), long: chain_of_thought(Answer) };
    fn forward(question) { by.short(context: [], question: question) }
}
''',
    ),
    "act": (
        Act,
        "Act()",
        '''
module Agent() {
    let react = predict("question, trajectory -> next_thought, next_tool_name: \\"finish\\", next_tool_args: dict[any]");
    let extract = chain_of_thought("question, trajectory -> answer: float");
    fn forward(question) { extract(question: question, trajectory: "") }
}
module Act() {
    let agent = Agent();
    fn forward(question) { agent(question: question) }
}
''',
    ),
}

SCRIPTS["nested"] = (
    Nested,
    "Nested()",
    '''
type Person = { name: str, age: int?, roles: list[str] };
/// Extract who is there.
signature Extract {
    in  text: str
    out people: list[Person]
    out counts: dict[int]
    out sure: bool
    out share: float
}
module Nested() {
    let extract = predict(Extract);
    let best = chain_of_thought(Extract);
    fn forward(text) { [extract(text: text), best(text: text)] }
}
''',
)

SAMPLES = {
    "text": "Ann, 30, and Bob.",
    "people": [Person(name="Ann", age=30, roles=["chair"]), Person(name="Bob", roles=[])],
    "counts": {"people": 2},
    "sure": True,
    "share": 0.5,
    "message": "I was charged twice.\n\n\"Twice\" – ünïcode \\ and {braces}",
    "topic": "billing",
    "urgency": 3,
    "words": ["charged", "twice"],
    "context": ["one | a passage", "two"],
    "question": "What is 1 + 1?",
    "search_query": "sum of one and one",
    "reasoning": "One and one\nmake two.",
    "trajectory": "",
    "next_thought": "done",
    "next_tool_name": "finish",
    "next_tool_args": {},
}


def value(name, annotation):
    if name == "answer":
        return {int: 2, float: 2.5}.get(annotation, "two")
    return SAMPLES[name]


def train(program):
    """What an optimizer would leave: words, and demos whole and in part."""
    for serial, (path, predictor) in enumerate(program.named_parameters()):
        signature = predictor.signature
        if serial % 2 == 0 or path == "self":
            signature = signature.with_instructions(f"Instructions {serial} of `{path}`.\nSecond line.")
        last = list(signature.output_fields)[-1]
        predictor.signature = signature.with_updated_fields(last, desc=f"the {last}, said briefly")
        whole = {k: value(k, f.annotation) for k, f in signature.fields.items()}
        part = {k: v for k, v in whole.items() if k != "reasoning" or serial == 1}
        predictor.demos = [dspy.Example(augmented=True, **whole), dspy.Example(**part)]
    return program


def prompts(program):
    found = {}
    for path, predictor in program.named_parameters():
        inputs = {k: value(k, f.annotation) for k, f in predictor.signature.input_fields.items()}
        for adapter in [getattr(dspy, it)() for it in ADAPTERS if hasattr(dspy, it)]:
            name = f"{path} {type(adapter).__name__}"
            found[name] = adapter.format(predictor.signature, predictor.demos, inputs)
        # What a call sends, too.
        lm = DummyLM([{k: str(value(k, f.annotation)) for k, f in predictor.signature.output_fields.items()}])
        with dspy.context(lm=lm, adapter=dspy.ChatAdapter()):
            try:
                predictor(**inputs)
            except Exception as error:  # a reply of the dummy that does not fit is not the matter
                found[f"{path} call"] = str(error)
        found[f"{path} sent"] = lm.history[-1]["messages"] if lm.history else None
    return found


def dsp(folder, *arguments):
    done = subprocess.run([DSP, "state", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stderr


def round_trip(name, make, expression, script):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "a.dsp").write_text(script)
        saved = train(make())
        saved.save(str(folder / "dspy.json"))
        said = dsp(folder, "import", "dspy.json", "a.dsp", "--program", expression, "-o", "s.json")
        assert "W07" not in said, said
        # A wrapper is spelt out in the paths of DSPy's alone.
        like = ["--like", "dspy.json"] if name == "nested" else []
        said = dsp(folder, "export", "--dspy", *like, "s.json", "a.dsp", "--program", expression, "-o", "back.json")
        assert "W07" not in said, said
        loaded = make()
        loaded.load(str(folder / "back.json"))
        before, after = prompts(saved), prompts(loaded)
        assert before.keys() == after.keys()
        for key in before:
            assert before[key] == after[key], f"{name}, {key}:\n{json.dumps(before[key], indent=1)}\n{json.dumps(after[key], indent=1)}"
        # A program that was never trained has no state; what is written for it changes nothing.
        fresh = make()
        fresh.save(str(folder / "fresh.json"))
        dsp(folder, "import", "fresh.json", "a.dsp", "--program", expression, "-o", "s.json")
        dsp(folder, "export", *like, "s.json", "a.dsp", "--program", expression, "-o", "back.json")
        again = make()
        again.load(str(folder / "back.json"))
        assert prompts(make()) == prompts(again), name
        return len(before)


total = 0
for name, (make, expression, script) in SCRIPTS.items():
    count = round_trip(name, make, expression, script)
    print(f"{name}: {count} prompts are the same")
    total += count
print(f"{total} passed, 0 failed")
