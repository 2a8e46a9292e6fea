"""What the cells come to, as tables of Markdown.

    python3 tests/bench/tasks/report.py OUT.jsonl [OUT.jsonl …]

Intervals are of a bootstrap over rows, p of a test that flips the signs of rows: each row is the
mean over the seeds, so that rows of several seeds do not count as rows of their own.
"""

import json
import random
import sys
from collections import defaultdict

import cells

DRAWS = 10_000


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def interval(values, seed=0):
    """Where the mean of other rows of the kind would lie, at 95 %."""
    draw = random.Random(seed)
    means = sorted(mean(draw.choices(values, k=len(values))) for _ in range(DRAWS))
    return means[int(DRAWS * 0.025)], means[int(DRAWS * 0.975)]


def flipped(values, seed=0):
    """How often a mean as far from 0 comes up where the sign of each row is a coin's."""
    draw, seen = random.Random(seed), abs(sum(values)) - 1e-9
    values = [it for it in values if it]
    far = sum(
        abs(sum(it if draw.random() < 0.5 else -it for it in values)) >= seen for _ in range(DRAWS)
    )
    return (far + 1) / (DRAWS + 1)


def holm(tests):
    """The p values of several tests after Holm's correction, by their names."""
    made, least = {}, 0.0
    for at, (name, p) in enumerate(sorted(tests.items(), key=lambda it: it[1])):
        least = max(least, min(1.0, p * (len(tests) - at)))
        made[name] = least
    return made


class Cells:
    """The lines of the files."""

    def __init__(self, paths):
        self.lines = {}
        for path in paths:
            with open(path, encoding="utf-8", newline="\n") as file:
                for line in file:
                    row = json.loads(line)
                    self.lines[row["task"], row["system"], row["optimizer"], row["seed"]] = row

    def seeds(self, task, system, optimizer):
        return {it[3]: row for it, row in self.lines.items() if it[:3] == (task, system, optimizer)}

    def arms(self):
        known = {it[:3] for it in self.lines}
        order = ["zero_shot", *cells.FOUR, *cells.OTHERS]
        return [
            (task, system, optimizer)
            for task in cells.TASKS
            for system in ["dsp", "dsp-chat", "dspy"]
            for optimizer in order
            if (task, system, optimizer) in known
        ]


def rows_of(found):
    """Of each row the mean over the seeds."""
    return [mean(it) for it in zip(*(row["scores"] for row in found))]


def paired(left, right):
    """The difference of each row, over the seeds that both have."""
    both = sorted(set(left) & set(right))
    a, b = rows_of([left[it] for it in both]), rows_of([right[it] for it in both])
    return both, [x - y for x, y in zip(a, b)]


def cpu(row, part):
    """CPU seconds of a part; of DSPy's cells only the whole is known."""
    if row["system"] == "dspy":
        return None
    return row[part].get("cpu_seconds")


def all_cpu(row):
    if row["system"] == "dspy":
        return row["client_cpu_seconds"] + (row["server_cpu_seconds"] or 0.0)
    return row["search"]["cpu_seconds"] + row["test"]["cpu_seconds"]


def table(head, lines):
    print(f"| {' | '.join(head)} |")
    print(f"|{'---|' * len(head)}")
    for line in lines:
        print(f"| {' | '.join(line)} |")
    print()


def scores(all_cells):
    lines = []
    for task, system, optimizer in all_cells.arms():
        found = all_cells.seeds(task, system, optimizer)
        per_row = rows_of(found.values())
        low, high = interval(per_row)
        each = ", ".join(f"{found[it]['score']:.2f}" for it in sorted(found))
        of = lambda pick: f"{mean(pick(it) for it in found.values()):.0f}"
        lines.append([
            f"`{task}`", f"`{system}`", f"`{optimizer}`", f"{mean(per_row):.3f}",
            f"{low:.3f} to {high:.3f}", each, of(lambda it: it["search"]["calls"]),
            of(lambda it: it["search"]["seconds"]), of(lambda it: it["test"]["calls"]),
            of(all_cpu),
        ])
    head = "task, system, optimizer, score, 95 %, by seed, calls, s, calls of the test, CPU s in all"
    table(head.split(", "), lines)


def differences(pairs, all_cells):
    """Compares arms, and says what is better and what is worse."""
    made, tests = {}, {}
    for name, left, right in pairs:
        left, right = all_cells.seeds(*left), all_cells.seeds(*right)
        if set(left) & set(right):
            made[name] = paired(left, right)
            tests[name] = flipped(made[name][1])
    after, lines = holm(tests), []
    for name, (seeds, rows) in made.items():
        low, high = interval(rows)
        said = "neither" if after[name] >= 0.05 else "better" if mean(rows) > 0 else "worse"
        lines.append([
            *(f"`{it}`" for it in name), str(len(seeds)), f"{mean(rows):+.3f}",
            f"{low:+.3f} to {high:+.3f}", f"{tests[name]:.4f}", f"{after[name]:.4f}", said,
        ])
    return made, lines


def beside(all_cells):
    """Ours and DSPy's, optimizer by optimizer."""
    both = [it for it in cells.THEIRS if it != "zero_shot"]
    pairs = [
        ((task, it), (task, "dsp", it), (task, "dspy", it)) for task in cells.TASKS for it in both
    ]
    made, lines = differences(pairs, all_cells)
    head = "task, optimizer, seeds, ours less DSPy's, 95 %, p, after Holm, ours is"
    table(head.split(", "), lines)
    if not made:
        return
    draw, means = random.Random(0), []
    for _ in range(2_000):
        means.append(mean(mean(draw.choices(it, k=len(it))) for _, it in made.values()))
    means.sort()
    overall = mean(mean(it) for _, it in made.values())
    print(f"Over all {len(made)}: {overall:+.3f}, {means[50]:+.3f} to {means[1950]:+.3f}.")
    spent = defaultdict(list)
    for (task, optimizer), (seeds, _) in made.items():
        for system in ["dsp", "dspy"]:
            for seed in seeds:
                row = all_cells.lines[task, system, optimizer, seed]
                spent[system, "calls"].append(row["search"]["calls"])
                spent[system, "seconds"].append(row["search"]["seconds"])
                spent[system, "CPU seconds in all"].append(all_cpu(row))
    for what in ["calls", "seconds", "CPU seconds in all"]:
        a, b = mean(spent["dsp", what]), mean(spent["dspy", what])
        print(f"{what}: {a:.0f} and {b:.0f}, {b / a:.1f} times ours.")
    print()


def gains(all_cells):
    pairs = []
    for task, system, optimizer in all_cells.arms():
        zero = {1: row for row in all_cells.seeds(task, system, "zero_shot").values()}
        if optimizer == "zero_shot" or not zero:
            continue
        for seed in cells.SEEDS:  # the program as it was is the same with all seeds
            all_cells.lines.setdefault((task, system, "zero_shot", seed), zero[1])
        pairs.append((
            (task, system, optimizer), (task, system, optimizer), (task, system, "zero_shot")
        ))
    _, lines = differences(pairs, all_cells)
    head = "task, system, optimizer, seeds, gain, 95 %, p, after Holm, it is"
    table(head.split(", "), lines)


def main():
    all_cells = Cells(sys.argv[1:])
    scores(all_cells)
    beside(all_cells)
    gains(all_cells)


main()
