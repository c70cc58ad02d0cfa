#!/usr/bin/env python3
"""Inspects the machine code of the CUDA kernels, without a card: compiles each with nvcc and compares what comes out with
tests/cuda_budget.txt.

    inspect_cuda.py [ARCH…]           89, or the architectures named; exits 1 if one is over its budget, 77 without nvcc
    inspect_cuda.py --all             all that the library is built for
    inspect_cuda.py --all --write     puts what was found into the budget

A kernel has no stack, no local memory and no double precision, whatever the budget says. Its budget: registers on each
architecture, shared memory (without what a launch asks for), and the 16-byte loads, 8-bit dot products and matrix
instructions in the code. The warps that a multiprocessor holds follow from these by cuda_occupancy.h's rules. Another
release of nvcc than the budget's needs other numbers: then only what holds whatever the budget says is looked at.

Registers, stack and shared memory are what ptxas says. The rest is read from the cubin, an ELF file: a kernel is the
section .text.NAME, of instructions of 16 bytes; the low 9 bits are the operation on all these architectures, bits 9 to
11 of the second word the width of a memory access. None of this is documented: it was found by compiling kernels whose
contents were known, and a count that disagrees with the budget says so.
"""
import argparse
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUDGET = ROOT / "tests" / "cuda_budget.txt"
ARCHITECTURES = (75, 80, 86, 89, 90, 120)
PTXAS = "-Xptxas=-v,--warn-on-spills,--warn-on-local-memory-usage,--warn-on-double-precision-use,-Werror"
OPERATIONS = {0x181: "LDG", 0x183: "LDL", 0x187: "STL", 0x026: "IDP", 0x037: "IMMA", 0x03c: "HMMA",
              0x028: "DMUL", 0x029: "DADD", 0x02A: "DSETP", 0x02B: "DFMA"}
NEVER = ("LDL", "STL", "DMUL", "DADD", "DSETP", "DFMA")
WIDE = 6  # 128 bits
MAX_THREADS = 0x05  # the attribute in .nv.info.NAME that holds the launch bounds
# Kernels whose time is the reading of weights need warps enough to keep loads in flight; sm_75 has room for 32 at most.
READS_WEIGHTS = ("k_products", "k_gate<true")
LEAST_WARPS = {75: 16, 80: 24, 86: 24, 89: 24, 90: 24, 120: 24}
MOST_SHARED = 48 * 1024
# Of a multiprocessor: warps, blocks, KiB of shared memory, and KiB that each block takes besides its own.
LIMITS = {75: (32, 16, 64, 0), 80: (64, 32, 164, 1), 86: (48, 16, 100, 1), 89: (48, 24, 100, 1), 90: (64, 32, 228, 1),
          120: (48, 24, 100, 1)}


def warps_per_multiprocessor(arch, threads, registers, shared):
    most_warps, most_blocks, shared_kib, taken_kib = LIMITS[arch]
    warps = -(-threads // 32)
    per_warp = -(-registers * 32 // 256) * 256
    by_registers = 65536 // per_warp // 4 * 4 // warps  # a quarter each in four partitions
    step = 128 if arch >= 80 else 256
    by_shared = shared_kib * 1024 // max(1, -(-(shared + taken_kib * 1024) // step) * step)
    return warps * min(most_warps // warps, most_blocks, by_registers, by_shared)


def sections(cubin):
    data = cubin.read_bytes()
    assert data[:4] == b"\x7fELF"
    table, = struct.unpack_from("<Q", data, 0x28)
    count, names = struct.unpack_from("<HH", data, 0x3C)
    headers = [struct.unpack_from("<IIQQQQ", data, table + 64 * i) for i in range(count)]
    for name, _, _, _, offset, size in headers:
        at = headers[names][4] + name
        yield data[at:data.index(b"\0", at)].decode(), data[offset:offset + size]


def instructions(code):
    counts = {"LDG.128": 0, "size": len(code)}
    for low, high in struct.iter_unpack("<QQ", code):
        operation = OPERATIONS.get(low & 0x1FF)
        if operation:
            counts[operation] = counts.get(operation, 0) + 1
        if operation == "LDG" and high >> 9 & 7 == WIDE:
            counts["LDG.128"] += 1
    return counts


def launch_bound(info):
    at = 0
    while at + 4 <= len(info):
        form, attribute, value = struct.unpack_from("<BBH", info, at)
        at += 4
        if attribute == MAX_THREADS:
            x, y, z = struct.unpack_from("<III", info, at)
            return x * y * z
        at += value if form == 4 else 0  # of the other forms the value is all
    return 1024


def short_names(mangled):
    """k_dequant<__half> for each, with the names of enum quant."""
    lines = subprocess.run(["c++filt"], input="\n".join(mangled), capture_output=True, text=True, check=True).stdout
    quants = re.findall(r"^QUANT\((\w+)", (ROOT / "kernels" / "quant.def").read_text(), re.M)
    for name, line in zip(mangled, lines.splitlines()):
        line = re.sub(r"\(quant\)(\d+)", lambda m: quants[int(m.group(1))], line)
        yield name, re.sub(r"\([^()]*\)$", "", line).removeprefix("void ").replace(" ", "")


def measure(nvcc, source, arch, folder):
    cubin = Path(folder) / f"{source.stem}.{arch}.cubin"
    run = subprocess.run([nvcc, "-std=c++17", f"-arch=sm_{arch}", "-cubin", f"-I{ROOT}", PTXAS, "-o", cubin, source],
                         capture_output=True, text=True)
    if run.returncode:
        return None, "\n".join(line for line in run.stderr.splitlines() if re.search("error|fatal|[1-9]\\d* bytes stack", line))
    by_name = dict(sections(cubin))
    said = re.findall(r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame.*?Used (\d+) registers([^\n]*)", run.stderr, re.S)
    kernels = {}
    for mangled, short in short_names([s[0] for s in said]):
        _, stack, registers, rest = next(s for s in said if s[0] == mangled)
        shared = re.search(r"(\d+) bytes smem", rest)
        found = instructions(by_name[".text." + mangled])
        found.update(stack=int(stack), registers=int(registers), shared=int(shared.group(1)) if shared else 0)
        found["warps"] = warps_per_multiprocessor(arch, launch_bound(by_name.get(".nv.info." + mangled, b"")),
                                                  found["registers"], found["shared"])
        kernels[short] = found
    return kernels, ""


def measure_all(nvcc, architectures):
    sources = [f for f in sorted((ROOT / "kernels").glob("*_cuda.cu")) if "GK_KERNEL(" in f.read_text()]
    found, errors = {arch: {} for arch in architectures}, []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        jobs = [(arch, pool.submit(measure, nvcc, source, arch, folder)) for source in sources for arch in architectures]
        for arch, job in jobs:
            kernels, error = job.result()
            if error:
                errors.append(error)
            for name, kernel in (kernels or {}).items():
                if name in found[arch]:
                    errors.append(f"two kernels are called {name}")
                found[arch][name] = kernel
    return found, errors


COLUMNS = ("shared", "LDG.128", "IDP", "MMA")


def figures(kernel):
    return {**{c: kernel.get(c, 0) for c in COLUMNS}, "MMA": kernel.get("HMMA", 0) + kernel.get("IMMA", 0)}


def release_of(nvcc):
    said = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"release ([\d.]+)", said).group(1)


def budget_release():
    return re.search(r"^# nvcc ([\d.]+)$", BUDGET.read_text(), re.M).group(1)


def read_budget():
    lines = [line.split() for line in BUDGET.read_text().splitlines() if line and line[0] != "#"]
    return {fields[0]: (dict(zip(ARCHITECTURES, map(int, fields[1].split("/")))), dict(zip(COLUMNS, map(int, fields[2:6]))))
            for fields in lines}


def write_budget(found, release):
    head = [line for line in BUDGET.read_text().splitlines() if line.startswith("#")]
    head = [f"# nvcc {release}" if line.startswith("# nvcc ") else line for line in head]
    lines = []
    for name in sorted(found[ARCHITECTURES[0]]):
        registers, warps = ("/".join(str(found[arch][name][key]) for arch in ARCHITECTURES) for key in ("registers", "warps"))
        each = [figures(found[arch][name]) for arch in ARCHITECTURES]
        lines.append(f"{name:<24} {registers:<24} " +
                     " ".join(f"{(max if c == 'shared' else min)(f[c] for f in each):>7}" for c in COLUMNS) + "   " + warps)
    BUDGET.write_text("\n".join(head + lines) + "\n")


def faults_of_any(kernel, name, arch):
    """Sentences, whatever the budget says."""
    for operation in NEVER:
        if kernel.get(operation):
            yield f"{kernel[operation]} {operation}"
    if kernel["stack"]:
        yield f"{kernel['stack']} bytes of stack"
    if kernel["shared"] > MOST_SHARED:
        yield f"{kernel['shared']} bytes of shared memory"
    if name.startswith(READS_WEIGHTS) and kernel["warps"] < LEAST_WARPS[arch]:
        yield f"{kernel['warps']} warps on a multiprocessor; a kernel that reads weights needs {LEAST_WARPS[arch]}"
    if name.startswith(READS_WEIGHTS) and not kernel["LDG.128"]:
        yield "it reads weights, but not 16 bytes at once"


def faults_of(kernel, registers, budget):
    mine = figures(kernel)
    if kernel["registers"] > registers:
        yield f"{kernel['registers']} registers, {registers} are allowed"
    if mine["shared"] > budget["shared"]:
        yield f"{mine['shared']} bytes of shared memory, {budget['shared']} are allowed"
    for column in COLUMNS[1:]:
        if mine[column] < budget[column]:
            yield f"{column}: {mine[column]}, there were {budget[column]}"


def compare(found, is_same_release):
    budget = read_budget()
    for arch, kernels in found.items():
        for name in sorted(set(kernels) ^ set(budget)):
            yield f"{name}: " + ("is not in the budget" if name in kernels else "is in the budget, but not in the code")
        for name in sorted(set(kernels) & set(budget)):
            registers, rest = budget[name]
            faults = list(faults_of_any(kernels[name], name, arch))
            if is_same_release:
                faults += faults_of(kernels[name], registers[arch], rest)
            yield from (f"sm_{arch}, {name}: {fault}" for fault in faults)


def find_nvcc():
    """The first nvcc that runs, which a link or a wrapper of a toolkit that is gone does not, and what it compiles for."""
    for path in (os.environ.get("CUDACXX"), shutil.which("nvcc"), "/usr/local/cuda/bin/nvcc"):
        if path and Path(path).exists():
            run = subprocess.run([path, "--list-gpu-arch"], capture_output=True, text=True, check=False)
            if run.returncode == 0:
                return path, run.stdout.split()
    return None, []


def main():
    options = argparse.ArgumentParser()
    options.add_argument("arch", nargs="*", type=int, default=[89])
    options.add_argument("--all", action="store_true")
    options.add_argument("--write", action="store_true")
    args = options.parse_args()
    nvcc, known = find_nvcc()
    if not nvcc:
        print("there is no nvcc: nothing is inspected")
        return 77
    wanted = [a for a in (ARCHITECTURES if args.all else args.arch) if f"compute_{a}" in known]
    found, faults = measure_all(nvcc, wanted)
    release = release_of(nvcc)
    if args.write and not faults:
        write_budget(found, release)
    if not faults:
        faults = list(compare(found, release == budget_release()))
    if release != budget_release():
        print(f"nvcc {release} is not the budget's {budget_release()}: numbers are not compared")
    print("\n".join(faults) or f"{sum(map(len, found.values()))} kernels are as they should be")
    return 1 if faults else 0


sys.exit(main())
