#!/usr/bin/env python3
"""Compiles one program with the optimizers of dsp and of DSPy beside each other, on a mock model.

    MOCKLM=…/mocklm DATA=…/data [DSP=…/dsp] [DSPY=…/bench PYTHON=…/python] \\
        tests/bench/compile/run.py [--seeds 1,2,3,4,5] [--latency 20] [--threads 64] [--out FILE] [NAME ...]

MOCKLM   the mock: an OpenAI-compatible server whose answers depend on its seed and the prompt
DATA     a folder with arith-train.jsonl, arith-val.jsonl and arith-test.jsonl
DSP      our binary; target/release/dsp where it is not given
DSPY     a folder with a run_dspy.py that knows `--work opt`; without it only our side runs
PYTHON   the Python that has dspy; this one where it is not given

For each seed and optimizer first one side runs, then the other. Each has a mock of its own, fresh
and with that seed. What is found is scored afterwards on the rows of the test set. NAME is an optimizer, or
`NAME=CALL` for one with options: `gepa='gepa(at_once: 1)'`.
"""

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
# Our name, theirs, and the call on our side.
ALL = {
    "random_search": ("random-search", "random_search(max_calls: 100_000)"),
    "mipro_v2": ("mipro", "mipro_v2(max_calls: 100_000)"),
    "copro": ("copro", "copro(max_calls: 100_000)"),
    "simba": ("simba", "simba(max_calls: 100_000)"),
    "gepa": ("gepa", "gepa(max_calls: 100_000)"),
}
CHAIN = re.compile(r"^chain +(\d+) steps.* ([\d.]+) s; the search took ([\d.]+) s", re.M)


class Mock:
    """A mock on a free port, with a seed; it ends with the block."""

    def __init__(self, seed, latency):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.root = f"http://127.0.0.1:{port}"
        command = [os.environ["MOCKLM"], "--port", str(port), "--max-seconds", "600"]
        self.proc = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.proc.stdout.readline()
        self.ask("/config", {"seed": seed, "latency_ms": latency})

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.root + path, data), timeout=10) as r:
            return json.load(r)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.terminate()
        self.proc.wait()


def run(command, env):
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr[-3000:]}")
    return done


def ours(mock, call, args, seed):
    """What our optimizer finds, saved, and then scored by a second command."""
    data, dsp = Path(os.environ["DATA"]), os.environ.get("DSP", ROOT / "target/release/dsp")
    with tempfile.TemporaryDirectory() as home:
        env = {"OPENAI_BASE_URL": mock.root + "/v1", "OPENAI_API_KEY": "x", "DSP_HOME": home}
        common = [str(HERE / "sums.dsp"), "--program", "Solve()", "--lm", "openai/mock", "--no-cache",
                  "--threads", str(args.threads)]
        state = Path(home) / "state.json"
        metric = "told" if call.startswith("gepa") else "exact"
        compiled = run([dsp, "compile", *common, "--with", call, "--metric", metric, "--json",
                        "--trainset", data / "arith-train.jsonl", "--valset", data / "arith-val.jsonl",
                        "-o", state], env)
        report = json.loads(compiled.stdout)
        chain = CHAIN.search(compiled.stderr)
        scored = run([dsp, "eval", *common, "--metric", "exact", "--data", data / "arith-test.jsonl",
                      "--state", state, "--json"], env)
        kept = json.loads(state.read_text())
        if args.keep:
            name = re.match(r"\w+", call)[0]
            folder = Path(args.keep)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}-{seed}.json").write_text(state.read_text())
            (folder / f"{name}-{seed}.txt").write_text(compiled.stderr)
    held = (report.get("confirmation") or {}).get("calls", 0)
    predictor = next(iter(kept["predictors"].values()), {})
    return {
        "score": json.loads(scored.stdout)["score"],
        "calls": report["calls"],
        "confirm": held,
        "wall": float(chain[3]),
        "chain": float(chain[2]),
        "steps": int(chain[1]),
        "demos": len(predictor.get("demos", [])),
        "instructions": predictor.get("instructions"),
    }


def theirs(mock, name, args):
    folder = Path(os.environ["DSPY"])
    work = {"url": mock.root + "/v1", "name": name, "threads": args.threads}
    with tempfile.TemporaryDirectory() as cache:
        env = {"LITELLM_LOCAL_MODEL_COST_MAP": "true", "DSPY_CACHEDIR": cache}
        python = os.environ.get("PYTHON", sys.executable)
        done = run([python, folder / "run_dspy.py", "--work", "opt", json.dumps(work)], env)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return {
        "score": found["score"] / 100,
        "calls": found["lm_calls"],
        "wall": found["opt_s"],
        "demos": found["demos"],
        "instructions": found["instruction"],
    }


def mean(rows, key):
    return statistics.mean(row[key] for row in rows)


def table(found, seeds):
    """Means over the seeds, as Markdown."""
    lines = [
        "| | score, dsp | DSPy | calls, dsp | of them to confirm | DSPy | seconds, dsp | DSPy | times as fast | times its chain |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, (own, other) in found.items():
        cells = [f"`{name}`", f"{mean(own, 'score'):.3f}"]
        cells.append(f"{mean(other, 'score'):.3f}" if other else "")
        cells += [f"{mean(own, 'calls'):,.0f}", f"{mean(own, 'confirm'):,.0f}"]
        cells.append(f"{mean(other, 'calls'):,.0f}" if other else "")
        cells.append(f"{mean(own, 'wall'):.2f}")
        cells += [f"{mean(other, 'wall'):.2f}", f"{mean(other, 'wall') / mean(own, 'wall'):.1f}"] if other else ["", ""]
        cells.append(f"{mean(own, 'wall') / mean(own, 'chain'):.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([f"means over the seeds {', '.join(map(str, seeds))}", "", *lines])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1,2,3,4,5", help="seeds of the mock")
    parser.add_argument("--latency", type=float, default=20, help="milliseconds of an answer")
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--out", help="add a line of JSON for each run to this file")
    parser.add_argument("--keep", help="put our states and reports into this folder")
    parser.add_argument("--read", help="make the table of the lines in this file, and run nothing")
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    if args.read:
        found, seeds = {}, []
        for line in Path(args.read).read_text().splitlines():
            row = json.loads(line)
            found.setdefault(row["name"], ([], []))[row["side"] == "dspy"].append(row)
            seeds.append(row["seed"])
        print(table(found, sorted(set(seeds))))
        return
    seeds = [int(it) for it in args.seeds.split(",")]
    found = {}
    for given in args.names or ALL:
        name, _, call = given.partition("=")
        other, usual = ALL[name]
        own_rows, other_rows = found.setdefault(name, ([], []))
        for nth, seed in enumerate(seeds):
            sides = [("dsp", own_rows, lambda mock: ours(mock, call or usual, args, seed))]
            if "DSPY" in os.environ:
                sides.append(("dspy", other_rows, lambda mock: theirs(mock, other, args)))
            # Turn about, so that neither side is always the first.
            for side, rows, work in sides if nth % 2 == 0 else sides[::-1]:
                begun = time.monotonic()
                with Mock(seed, args.latency) as mock:
                    row = {"side": side, "name": name, "seed": seed, **work(mock)}
                rows.append(row)
                line = json.dumps(row)
                print(f"{time.monotonic() - begun:.1f} s {line[:400]}", file=sys.stderr, flush=True)
                if args.out:
                    with open(args.out, "a") as out:
                        out.write(line + "\n")
    print(table(found, seeds))


if __name__ == "__main__":
    main()
