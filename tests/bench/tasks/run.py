"""Runs the cells that are not run yet, one after the other.

    python3 tests/bench/tasks/run.py DATA OUT.jsonl [--dsp PATH] [--tune PATH] [--python PATH]
        [--only TASK,SYSTEM,OPTIMIZER] [--models FOLDER]

DATA has a folder for each task with `train.jsonl`, `dev.jsonl` and `test.jsonl` (see `rows.py`).
OUT gets a line for each cell; who runs this again goes on behind the last one. `--python` is one
that has DSPy; without it the cells of DSPy's are passed over. `--tune` is another `dsp` for the
cells of `tune`, which wait until the file is there.
"""

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cells
import rows

HERE = Path(__file__).resolve().parent

# A search that takes longer than this is a failure.
LONGEST_CELL = 3600


def timed(command, cwd, env):
    """Runs a command: what it printed, its seconds, and the seconds of CPU."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=LONGEST_CELL
    )
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise RuntimeError(f"{command[:3]} failed: {done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, seconds, cpu


def signature(task):
    """Of `TASK.dsp` what DSPy has to know: the instructions, and the labels in their order."""
    text = (HERE / f"{task}.dsp").read_text(encoding="utf-8")
    instructions = " ".join(it[4:] for it in text.splitlines() if it.startswith("/// "))
    output = text[text.index("    out ") : text.index("\n}", text.index("    out "))]
    labels = output.split('"')[1::2]
    kind = "labels" if labels else "int" if "int" in output else "str"
    return {"instructions": instructions, "type": kind, "labels": labels}


def shuffled(path, seed):
    """The rows to learn from, in the order of this seed: the same for both sides."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    random.Random(seed).shuffle(lines)
    path.write_text("".join(lines), encoding="utf-8")


def ours(cell, folder, paths, dsp, env):
    shutil.copy(HERE / f"{cell.task}.dsp", folder / "task.dsp")
    label = rows.TASKS[cell.task][3]
    search = cells.script(cell, label, paths["learn"].name, paths["choose"].name, folder)
    lm = ["--lm", cells.MODEL, "--seed", str(cell.seed)]
    row = {"search": {"calls": 0, "seconds": 0.0, "cpu_seconds": 0.0}}
    state = []
    if search:
        out, seconds, cpu = timed([dsp, "run", "-q", search.name, *lm], folder, env)
        made, cached = out.strip().splitlines()[-1].split()[1:]
        row["search"] = {
            "calls": int(made), "cached": int(cached), "seconds": seconds, "cpu_seconds": cpu,
        }
        state = ["--state", "found.state.json"]
        kept = json.loads((folder / "found.state.json").read_text(encoding="utf-8"))
        found = kept["predictors"].get("self", {})
        row["instructions"] = found.get("instructions")
        row["demos"] = len(found.get("demos", []))
        row["adapter"] = kept.get("adapter")
    command = [
        dsp, "eval", "cell.dsp", "--program", "program", "--metric", "score",
        "--data", paths["report"].name, "--json=report.json", *state, *lm,
    ]
    _, seconds, cpu = timed(command, folder, env)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    scored = report["rows"]
    row["version"] = hashlib.sha256(Path(dsp).read_bytes()).hexdigest()[:12]
    row["test"] = {"calls": report["calls"], "seconds": seconds, "cpu_seconds": cpu}
    row["scores"] = [float(it["score"]) for it in scored]
    row["replies"] = [(it.get("reply") or {}).get(label) for it in scored]
    row["failures"] = report["failed"]
    return row


def theirs(cell, folder, paths, dsp, python, env):
    serve = subprocess.Popen(
        [dsp, "serve", "--openai", "--port", "0", "--lm", cells.MODEL],
        cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    try:
        said = ""
        while "http://" not in said:
            said = serve.stdout.readline()
            if not said:
                raise RuntimeError("`dsp serve` ended")
        address = next(it for it in said.split() if "http://" in it).rstrip(";")
        _, _, inputs, label, metric = rows.TASKS[cell.task]
        task = signature(cell.task) | {
            "inputs": inputs, "label": label, "metric": metric, "address": address,
            "model": cells.MODEL, "longest": cells.LONGEST[cell.task],
            "proposed": cells.PROPOSED, "budget": cells.BUDGET, "optimizer": cell.optimizer,
            "seed": cell.seed, **{role: str(path) for role, path in paths.items()},
        }
        command = [python, str(HERE / "dspy_side.py"), json.dumps(task)]
        out, _, cpu = timed(command, folder, env)
        row = json.loads(out.strip().splitlines()[-1])
        row["client_cpu_seconds"] = cpu
        row["server_cpu_seconds"] = cpu_of(serve.pid)
        return row
    finally:
        serve.terminate()
        serve.wait()


def cpu_of(pid):
    """The CPU seconds of a process under way."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return None


def run(cell, args, home):
    with tempfile.TemporaryDirectory(dir=home) as made:
        folder = Path(made)
        # A store of its own, so that no reply of another cell is found.
        env = dict(os.environ, DSP_HOME=str(folder / "home"), NO_COLOR="1")
        (folder / "home").mkdir()
        if args.models:
            (folder / "home" / "models").symlink_to(Path(args.models).resolve())
        paths = rows.prepare(args.data, cell.task, folder)
        shuffled(paths["learn"], cell.seed)
        dsp = args.tune if cell.optimizer == "tune" else args.dsp
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        load = os.getloadavg()[0]
        row = (
            theirs(cell, folder, paths, dsp, args.python, env)
            if cell.system == "dspy"
            else ours(cell, folder, paths, dsp, env)
        )
    head = cell._asdict() | {"model": cells.MODEL, "date": began, "load": load}
    return head | {"score": sum(row["scores"]) / len(row["scores"])} | row


def done(out):
    if not out.exists():
        return set()
    lines = [json.loads(it) for it in out.read_text(encoding="utf-8").splitlines() if it]
    return {cells.Cell(*(it[name] for name in cells.Cell._fields)) for it in lines}


def wanted(cell, args):
    chosen = not args.only or set(args.only.split(",")) & {cell.task, cell.system, cell.optimizer}
    if cell.system == "dspy" and not args.python:
        return False
    return chosen and (cell.optimizer != "tune" or (args.tune and Path(args.tune).exists()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out", type=Path)
    parser.add_argument("--dsp", default=str(HERE.parents[2] / "target/release/dsp"))
    parser.add_argument("--tune")
    parser.add_argument("--python")
    parser.add_argument("--only")
    parser.add_argument("--models", help="a folder that has the model, if not the usual one")
    args = parser.parse_args()
    args.dsp, args.out = str(Path(args.dsp).resolve()), args.out.resolve()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    failed = set()
    while True:
        known = done(args.out) | failed
        cell = next((it for it in cells.cells() if it not in known and wanted(it, args)), None)
        if cell is None:
            break
        try:
            row = run(cell, args, args.out.parent)
        except Exception as error:  # one cell is not worth all others
            failed.add(cell)
            print(f"{cell}: {error}", file=sys.stderr, flush=True)
            continue
        with args.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        spent = row["search"]
        print(
            f"{' '.join(map(str, cell))}: {row['score']:.3f}, {spent['calls']} calls in "
            f"{spent['seconds']:.0f} s, test {row['test']['seconds']:.0f} s",
            flush=True,
        )


main()
