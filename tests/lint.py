#!/usr/bin/env python3
"""lint.py - prints where a reader may stumble: long files and functions, deep includes, sizes; and checks the
format. Fails only when clang-format would change a file."""
import collections
import os
import re
import subprocess
import sys

FOLDERS = ("kernels", "engine", "router", "tui")


def sources():
    out = subprocess.run(["git", "ls-files", "*.c", "*.h"], capture_output=True, text=True, check=True)
    return [f for f in out.stdout.split() if f.split("/")[0] in FOLDERS + ("tests",)]


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p))] if values else 0


def functions(files):
    """(lines, file, name) of every function, by ctags' end field."""
    out = subprocess.run(["ctags", "-f", "-", "--languages=C", "--kinds-C=f", "--fields=+ne"] + files,
                         capture_output=True, text=True, check=True)
    found = []
    for line in out.stdout.splitlines():
        start, end = re.search(r"\bline:(\d+)", line), re.search(r"\bend:(\d+)", line)
        if start and end:
            name, file = line.split("\t")[:2]
            found.append((int(end.group(1)) - int(start.group(1)) + 1, file, name))
    return found


def include_depth(file, graph, seen=()):
    return max((1 + include_depth(h, graph, seen + (h,)) for h in graph.get(file, ()) if h not in seen), default=0)


def main():
    files = sources()
    own = [f for f in files if not f.startswith("tests/")]
    lines = {f: sum(1 for _ in open(f, encoding="utf-8")) for f in files}
    graph = {f: [h for h in re.findall(r'^#include "([^"]+\.h)"', open(f, encoding="utf-8").read(), re.M)
                 if os.path.exists(h)] for f in own}
    fns = functions(own)
    depth = {f: include_depth(f, graph) for f in own if f.endswith(".c")}
    for f in sorted(f for f in files if lines[f] > 600):
        print(f"{f}: {lines[f]} lines")
    for n, f, name in sorted(fns, reverse=True):
        if n > 100:
            print(f"{f}: {name} has {n} lines")
    for f, d in sorted(depth.items()):
        if d > 3:
            print(f"{f}: includes {d} deep")
    by_folder = collections.Counter()
    for f in files:
        by_folder[f.split("/")[0]] += lines[f]
    sizes, lengths = [lines[f] for f in own], [n for n, _, _ in fns]
    print("lines: " + ", ".join(f"{k} {v}" for k, v in sorted(by_folder.items())))
    print(f"files: median {percentile(sizes, .5)}, p95 {percentile(sizes, .95)}, max {max(sizes)}")
    print(f"functions: median {percentile(lengths, .5)}, p95 {percentile(lengths, .95)}, max {max(lengths)}, "
          f"{100 * sum(n <= 40 for n in lengths) // len(lengths)} % of at most 40 lines")
    bad = subprocess.run(["clang-format", "--dry-run", "-Werror"] + files, capture_output=True, text=True)
    for f in sorted(set(re.findall(r"^([^:\s]+):\d+:\d+: error", bad.stderr, re.M))):
        print(f"{f}: clang-format would change it")
    return 1 if bad.returncode else 0


sys.exit(main())
