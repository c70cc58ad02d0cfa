#!/usr/bin/env python3
"""lint.py - how easy the tree is to read, in figures beside what they aim at, then the places that miss the aim, the
worst first: five of each kind, or all with -v. Fails only when clang-format would change a file."""
import os
import re
import subprocess
import sys

LAYERS = ("kernels", "engine", "router", "tui")
SHOWN = 5


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def read(file):
    with open(file, encoding="utf-8") as f:
        return f.read()


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p))]


def share(part, whole):
    return 100 * part / max(1, whole)


def functions(files):
    """(lines, file, name, is_static, n_parameters) of every function."""
    found = []
    for tag in run("ctags", "-f", "-", "--languages=C", "--kinds-C=f", "--fields=+nefS", *files).splitlines():
        name, file = tag.split("\t")[:2]
        start, end = re.search(r"\bline:(\d+)", tag), re.search(r"\bend:(\d+)", tag)
        parameters = re.search(r"\bsignature:\((.*)\)", tag)
        if start and end:
            # a pointer to a function has commas of its own
            flat = re.sub(r"\([^()]*\)", "", parameters.group(1)) if parameters else ""
            found.append((int(end.group(1)) - int(start.group(1)) + 1, file, name, "\tfile:" in tag, flat.count(",") + 1))
    return found


def comment_lines(text):
    """(lines that are only comment, lines of code)"""
    n_comment = n_code = 0
    inside = False
    for line in text.splitlines():
        line = line.strip()
        if not line:
            continue
        code = re.sub(r'"(\\.|[^"\\])*"', '""', line)
        code = re.sub(r"^.*?\*/", "", code) if inside and "*/" in code else "" if inside else code
        inside = inside and "*/" not in line
        code = re.sub(r"/\*.*?\*/|//.*", "", code)
        if "/*" in code:
            code, inside = code.split("/*")[0], True
        n_comment += not code.strip()
        n_code += bool(code.strip())
    return n_comment, n_code


class Includes:
    def __init__(self, files):
        self.of = {f: [h for h in re.findall(r'^#include "([^"]+\.h)"', read(f), re.M) if os.path.exists(h)]
                   for f in files}

    def depth(self, file):
        return max((1 + self.depth(h) for h in self.of.get(file, ()) if h != "engine/base.h"), default=0)

    def reach(self, file):
        seen, todo = set(), [file]
        while todo:
            for h in self.of.get(todo.pop(), ()):
                if h not in seen:
                    seen.add(h)
                    todo.append(h)
        return len(seen)


def show(title, aim, *figures):
    print(f"{title:<28}{' / '.join(f'{f:.0f}' for f in figures):>20}   aim {aim}")


def worst(title, places, is_verbose):
    """places: (how bad, text)"""
    places = sorted(places, reverse=True)
    if not places:
        return
    print(f"\n{title}: {len(places)}")
    for _, text in places if is_verbose else places[:SHOWN]:
        print(f"  {text}")
    if len(places) > SHOWN and not is_verbose:
        print(f"  … and {len(places) - SHOWN} more: ./dev lint -v")


def main():
    is_verbose = "-v" in sys.argv[1:]
    files = [f for f in run("git", "ls-files", "*.c", "*.h").split() if f.split("/")[0] in LAYERS + ("tests",)]
    own = [f for f in files if not f.startswith("tests/")]
    sources = [f for f in own if f.endswith(".c")]
    lines = {f: read(f).count("\n") for f in files}
    n_lines = {layer: sum(n for f, n in lines.items() if f.startswith(layer + "/")) for layer in LAYERS + ("tests",)}
    fns = functions(own)
    lengths, sizes = [f[0] for f in fns], [lines[f] for f in own]
    comments, code = map(sum, zip(*(comment_lines(read(f)) for f in own)))
    includes = Includes(own)
    depths, reaches = {f: includes.depth(f) for f in sources}, {f: includes.reach(f) for f in sources}
    globals_ = [g for g in read("tests/globals.txt").splitlines() if g and not g.startswith("#")]

    print(", ".join(f"{layer} {n}" for layer, n in n_lines.items()) + " lines")
    show("file lines med/p95/max", "250 / 550 / 600", *(percentile(sizes, p) for p in (.5, .95, 1)))
    show("function lines med/p95/max", "15 / 60 / 100", *(percentile(lengths, p) for p in (.5, .95, 1)))
    show("functions of 40 lines, %", "90 or more", share(sum(n <= 40 for n in lengths), len(lengths)))
    show("comment lines, %", "10 to 18", share(comments, comments + code))
    show("globals", "6, listed", len(globals_))
    show("include depth med/max", "2 / 3", percentile(depths.values(), .5), max(depths.values()))
    show("headers reached, med", "8", percentile(reaches.values(), .5))
    show("static functions, %", "50 or more", share(sum(f[3] for f in fns), len(fns)))
    show("parameters p95/max", "6 / 6", *(percentile([f[4] for f in fns], p) for p in (.95, 1)))

    worst("files of more than 600 lines", [(n, f"{f}: {n}") for f, n in lines.items() if n > 600], is_verbose)
    worst("functions of more than 100 lines", [(f[0], f"{f[1]}: {f[2]} {f[0]}") for f in fns if f[0] > 100], is_verbose)
    worst("more than 6 parameters", [(f[4], f"{f[1]}: {f[2]} {f[4]}") for f in fns if f[4] > 6], is_verbose)
    worst("includes more than 3 deep", [(d, f"{f}: {d}") for f, d in depths.items() if d > 3], is_verbose)
    check = subprocess.run(["clang-format", "--dry-run", "-Werror"] + files, capture_output=True, text=True)
    unclean = set(re.findall(r"^([^:\s]+):\d+:\d+: error", check.stderr, re.M))
    worst("clang-format would change", [(0, f) for f in unclean], is_verbose)
    return 1 if check.returncode else 0


sys.exit(main())
