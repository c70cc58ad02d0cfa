#!/usr/bin/env python3
"""mutate_cuda.py - whether the emulated tests notice a fault in the CUDA kernels: each row of mutate_cuda.def is a change
of their source that breaks them, made alone in a copy of the tree; then tests run until one fails. Fails when a
change survives, when its text is not exactly once in its file, or when it does not compile.

    mutate_cuda.py SOURCE WORK [NAME…]    WORK: a folder for the copy and its build, kept to build faster next time"""
import os
import re
import shutil
import subprocess
import sys
import time

TABLE = "tests/mutate_cuda.def"
TIMEOUT_S = 300
JOBS = str(os.cpu_count() or 2)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class Mutation:
    """A block of the table: `== name | file | tests`, what it is, the text, `--`, its replacement."""

    def __init__(self, block):
        head, self.what, body = block.split("\n", 2)
        self.name, self.file, tests = (part.strip() for part in head.split("|"))
        self.tests = tests.split()
        self.text, self.replacement = body.split("\n--\n") if "\n--\n" in body else (body.removesuffix("\n--"), "")


def read_table(source):
    blocks = re.split(r"^== ", read(os.path.join(source, TABLE)), flags=re.M)[1:]
    return [Mutation(block.rstrip("\n")) for block in blocks]


def files_of(source):
    """What version control holds and what is new beside it, or all but builds where there is none."""
    found = subprocess.run(["git", "-C", source, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True,
                           check=False)
    if found.returncode == 0:
        return found.stdout.splitlines()
    names = []
    for folder, folders, files in os.walk(source):
        folders[:] = [f for f in folders if not f.startswith(("build", "."))]
        names += [os.path.relpath(os.path.join(folder, f), source) for f in files]
    return names


def copy_tree(source, tree):
    """Copies what differs, so that times of the rest stay and nothing is built twice."""
    names = files_of(source)
    for name in names:
        old, new = os.path.join(source, name), os.path.join(tree, name)
        if not os.path.isfile(old):
            continue
        os.makedirs(os.path.dirname(new), exist_ok=True)
        with open(old, "rb") as file:
            bytes_ = file.read()
        if os.path.exists(new):
            with open(new, "rb") as file:
                if file.read() == bytes_:
                    continue
        with open(new, "wb") as file:
            file.write(bytes_)
        shutil.copymode(old, new)
    for folder, _, files in os.walk(tree):
        for file in files:
            path = os.path.join(folder, file)
            if os.path.relpath(path, tree) not in names:
                os.remove(path)


def run(*command, cwd=None):
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, errors="replace", check=False)


def configure(tree, build):
    """Without sanitizers: the checker's form sees more, and this builds in half the time."""
    done = run("cmake", "-S", tree, "-B", build, "-DSHUNT_CUDA=OFF")
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)


def all_tests(build):
    listed = run("ctest", "-N", "-L", "cuda", "-LE", "slow", cwd=build).stdout
    names = re.findall(r"Test +#\d+: (test_\S+)", listed)
    return [name for name in names if not name.startswith("test_cuda_emu")]  # no kernel of the backend in it


def compile_test(build, test):
    done = run("cmake", "--build", build, "-j", JOBS, "--target", test)
    return done.returncode == 0, done.stdout + done.stderr


def passes(build, test):
    try:
        done = subprocess.run(["ctest", "-R", f"^{test}$"], cwd=build, capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def killer_of(mutation, build, tests):
    """The test that fails, or None; its own tests come first."""
    for test in mutation.tests + [t for t in tests if t not in mutation.tests]:
        is_built, said = compile_test(build, test)
        if not is_built:
            return None, "does not compile:\n" + said[-3000:]
        if not passes(build, test):
            return test, ""
    return None, "SURVIVES"


def try_one(mutation, source, tree, build, tests):
    path = os.path.join(tree, mutation.file)
    original = read(os.path.join(source, mutation.file))
    n = original.count(mutation.text)
    if n != 1:
        return None, f"its text is {n} times in {mutation.file}"
    write(path, original.replace(mutation.text, mutation.replacement))
    try:
        return killer_of(mutation, build, tests)
    finally:
        write(path, original)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    source, work, wanted = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3:]
    tree, build = os.path.join(work, "tree"), os.path.join(work, "build")
    mutations = [m for m in read_table(source) if not wanted or m.name in wanted]
    os.makedirs(tree, exist_ok=True)
    copy_tree(source, tree)
    configure(tree, build)
    tests = all_tests(build)
    for test in sorted({t for m in mutations for t in m.tests}):
        is_built, said = compile_test(build, test)
        if not is_built or not passes(build, test):
            sys.exit(f"{test} fails without any change\n{said[-3000:]}")
    n_missed = 0
    for mutation in mutations:
        start = time.monotonic()
        killer, why = try_one(mutation, source, tree, build, tests)
        n_missed += killer is None
        print(f"{mutation.name:28} {killer or why:32} {time.monotonic() - start:5.0f} s  {mutation.what}", flush=True)
    print(f"{len(mutations) - n_missed} of {len(mutations)} noticed")
    return n_missed > 0


if __name__ == "__main__":
    sys.exit(main())
