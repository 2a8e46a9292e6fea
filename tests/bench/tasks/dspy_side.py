"""One cell of DSPy's: a search on a task, and the score of what it found.

    python dspy_side.py '{"task": …}'      # as `run.py` calls it

Needs DSPy and Optuna (`pip install dspy optuna`). The model is asked at an address that
`dsp serve --openai` gives. A search ends where the cap on calls is used up, with the best
program that was scored on all rows; a score that was begun by then is finished, so that DSPy
may have more calls than the cap and never fewer.
"""

import json
import sys
import time
from typing import Literal

import dspy
from dspy.evaluate.metrics import em_score, f1_score

THREADS = 32


def signature(task):
    """The signature of a task: fields, types and instructions as in `TASK.dsp`."""
    fields = {name: (str, dspy.InputField()) for name in task["inputs"]}
    fields[task["label"]] = (output_type(task), dspy.OutputField())
    return dspy.Signature(fields, task["instructions"])


def output_type(task):
    if task["type"] == "int":
        return int
    return Literal[tuple(task["labels"])] if task["type"] == "labels" else str


def metric(task):
    """What `score` is in `TASK.dsp`."""
    label = task["label"]

    def score(example, reply, trace=None):
        got, right = getattr(reply, label, None), example[label]
        if got is None:
            return 0.0
        if task["metric"] == "equal":
            return float(got == right)
        if task["metric"] == "exact":
            return float(em_score(str(got), str(right)))
        return float(f1_score(str(got), str(right)))

    return score


def rows(path, task):
    with open(path, encoding="utf-8", newline="\n") as file:
        made = [dspy.Example(**json.loads(line)) for line in file if line.strip()]
    return [it.with_inputs(*task["inputs"]) for it in made]


class Used(BaseException):
    """The cap on calls is used up. No `Exception`, so that nothing takes it for a failed row."""


class Counted(dspy.LM):
    """A model that knows how often it was asked; replies from the cache are not counted.

    DSPy does not know the model, and would not hold the replies of its JSON layout, which it asks
    for where a reply in the chat layout cannot be read, to a schema. The server can, so it is told.
    """

    supported_params = {"response_format", "temperature", "max_tokens", "n"}
    supports_response_schema = True

    def calls(self):
        return sum(1 for it in self.history if it.get("usage"))


def capped(lms, cap):
    """Has evaluations note what they scored, and none begin when the cap is used up."""
    scored, usual = [], dspy.Evaluate.__call__

    def evaluate(self, program, *args, **more):
        if sum(it.calls() for it in lms) >= cap:
            raise Used
        result = usual(self, program, *args, **more)
        scored.append((result.score, program.deepcopy()))
        return result

    dspy.Evaluate.__call__ = evaluate
    return scored, lambda: setattr(dspy.Evaluate, "__call__", usual)


def search(task, optimizer, seed, program, score, lm, proposer):
    """The best program, and how many programs were scored."""
    learn, choose = rows(task["learn"], task), rows(task["choose"], task)
    if optimizer == "zero_shot":
        return program, 0
    scored, undo = capped([lm, proposer], task["budget"])
    try:
        if optimizer == "random_search":
            made = dspy.BootstrapFewShotWithRandomSearch(
                metric=score, num_candidate_programs=16, num_threads=THREADS, max_errors=100_000
            )
            made.compile(program, trainset=learn, valset=choose)
        else:
            made = dspy.MIPROv2(
                metric=score, prompt_model=proposer, task_model=lm, auto=None, num_candidates=6,
                num_threads=THREADS, max_errors=100_000, seed=seed, track_stats=False,
            )
            made.compile(
                program, trainset=learn, valset=choose, num_trials=10, minibatch=False, seed=seed
            )
    except Used:
        pass
    finally:
        undo()
    if not scored:  # demos and proposals took all calls: what there is is what there was
        return program, 0
    best = max(it[0] for it in scored)
    return next(it for score_, it in scored if score_ == best), len(scored)


def main():
    task = json.loads(sys.argv[1])
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
    ask = dict(api_base=task["address"], api_key="none", temperature=0.0, num_retries=0, timeout=600)
    lm = Counted(f"openai/{task['model']}", max_tokens=task["longest"], **ask)
    proposer = Counted(f"openai/{task['model']}", max_tokens=task["proposed"], **ask)
    dspy.configure(lm=lm, adapter=dspy.ChatAdapter())
    program, score = dspy.Predict(signature(task)), metric(task)
    began = time.perf_counter()
    found, programs = search(task, task["optimizer"], task["seed"], program, score, lm, proposer)
    searched, calls = time.perf_counter() - began, lm.calls() + proposer.calls()
    began = time.perf_counter()
    evaluate = dspy.Evaluate(
        devset=rows(task["report"], task), metric=score, num_threads=THREADS, max_errors=100_000
    )
    result = evaluate(found)
    tested = time.perf_counter() - began
    replies = [getattr(it[1], task["label"], None) for it in result.results]
    print(json.dumps({
        "version": dspy.__version__,
        "search": {"calls": calls, "seconds": searched, "programs": programs},
        "test": {"calls": lm.calls() + proposer.calls() - calls, "seconds": tested},
        "scores": [float(it[2]) for it in result.results],
        "replies": replies,
        "failures": sum(it is None for it in replies),
        "instructions": found.signature.instructions,
        "demos": len(found.demos),
    }))


main()
