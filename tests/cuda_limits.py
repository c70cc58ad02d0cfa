#!/usr/bin/env python3
"""Computes the tables of kernels/CUDA.md: what one decoded token moves, kernel by kernel, and what that would allow.

    cuda_limits.py            prints the tables
    cuda_limits.py --check    exits 1 if kernels/CUDA.md has other ones
    cuda_limits.py --write    puts them there

Nothing here is measured. The time of a token is taken as bytes / (0.93 * nominal bandwidth) + launches * 2.5 us: 0.93 is
the largest share of the nominal figure that anybody published for one of these cards, 2.5 us an assumption: draining
one kernel and filling the next inside of a CUDA graph.
"""
import sys
from pathlib import Path

SHARE, LAUNCH_S, CONTEXT = 0.93, 2.5e-6, 4096
# bytes a second, bytes of memory
CARDS = {"RTX 4090": (1008e9, 24 << 30), "RTX 5090": (1792e9, 32 << 30), "H100 SXM": (3350e9, 80e9), "GB10": (273e9, 128e9)}
RESERVED = 512 << 20  # that the program leaves free
# Bytes per value: in a GGUF file, and in the planes of kernels/repack.c.
FILE = {"F32": 4, "F16": 2, "Q8_0": 34 / 32, "Q4_0": 18 / 32, "Q4_K": 144 / 256, "Q6_K": 210 / 256}
PLANES = dict(FILE)
# layers, d, query heads, key heads, head size, width of an expert (or of the dense feed-forward), experts, used,
# vocabulary, type of most weights, type of the output matrix
MODELS = {
    "Qwen3-30B-A3B Q4_0": (48, 2048, 32, 4, 128, 768, 128, 8, 151936, "Q4_0", "Q6_K"),
    "Mixtral 8x7B Q4_0": (32, 4096, 32, 8, 128, 14336, 8, 2, 32000, "Q4_0", "Q6_K"),
    "OLMoE 1B-7B Q4_K": (16, 2048, 16, 16, 128, 1024, 64, 8, 50304, "Q4_K", "Q6_K"),
    "Llama 3 8B Q8_0": (32, 4096, 32, 8, 128, 14336, 0, 0, 128256, "Q8_0", "Q8_0"),
}
BEGIN, END = "<!-- computed by tests/cuda_limits.py -->", "<!-- end of the computed part -->"


def kernels(model, size):
    """(name, launches, bytes that come from the card's memory) of one token at CONTEXT positions. Activations stay in L2."""
    n_layers, d, n_heads, n_kv, dim, n_ff, n_experts, n_used, n_vocab, quant, output = model
    weight, q, kv = size[quant], n_heads * dim, n_kv * dim
    rows = [("attn_in", n_layers, n_layers * (d * (q + 2 * kv) * weight + 4 * d)),
            ("attend", n_layers, n_layers * 2 * CONTEXT * kv * 2),
            ("matvec (attention's output)", n_layers, n_layers * d * q * weight)]
    if n_experts:
        rows += [("gate", n_layers, n_layers * (n_experts * d * 4 + 4 * d)),
                 ("experts: gate and up", n_layers, n_layers * n_used * 2 * n_ff * d * weight),
                 ("experts: down", n_layers, n_layers * n_used * n_ff * d * weight)]
    else:
        rows += [("ffn_in", n_layers, n_layers * (2 * n_ff * d * weight + 4 * d)),
                 ("matvec (down)", n_layers, n_layers * n_ff * d * weight)]
    return rows + [("embed", 1, d * weight), ("matvec (logits)", 1, n_vocab * d * size[output] + 4 * d), ("sample", 1, 0)]


def needed(model):
    """Bytes of all weights and of the cache at CONTEXT positions: what must lie in a card's memory."""
    n_layers, d, n_heads, n_kv, dim, n_ff, n_experts, _, n_vocab, quant, output = model
    attention = d * (n_heads + 2 * n_kv) * dim + d * n_heads * dim
    layer = (attention + max(n_experts, 1) * 3 * n_ff * d) * PLANES[quant] + n_experts * d * 4
    return n_layers * (layer + 2 * CONTEXT * n_kv * dim * 2) + n_vocab * d * (PLANES[quant] + PLANES[output])


def per_kernel(name):
    model = MODELS[name]
    rows, floor = kernels(model, PLANES), kernels(model, FILE)
    lines = [f"{name}, {CONTEXT} positions in the cache:", "", "| kernel | launches | MB moved | MB of the file | ratio |", "|---|---|---|---|---|"]
    for (kernel, launches, moved), (_, _, least) in zip(rows, floor):
        ratio = f"{moved / least:.2f}" if least else "-"
        lines.append(f"| {kernel} | {launches} | {moved / 1e6:.2f} | {least / 1e6:.2f} | {ratio} |")
    moved, least = sum(r[2] for r in rows), sum(r[2] for r in floor)
    lines.append(f"| all | {sum(r[1] for r in rows)} | {moved / 1e6:.1f} | {least / 1e6:.1f} | {moved / least:.2f} |")
    return lines + [""]


def per_card():
    lines = ["Tokens/s: nominal bandwidth / bytes, then by the formula above (and the share of the nominal bandwidth that this is).",
             "Without a figure: weights and cache do not fit into the card, and its experts come from main memory.", "",
             "| model | GB in all | MB a token | launches | " + " | ".join(CARDS) + " |", "|---|---|---|---|" + "---|" * len(CARDS)]
    for name, model in MODELS.items():
        rows = kernels(model, PLANES)
        moved, launches = sum(r[2] for r in rows), sum(r[1] for r in rows)
        cells = []
        for rate, memory in CARDS.values():
            seconds = moved / (SHARE * rate) + launches * LAUNCH_S
            fits = needed(model) + RESERVED <= memory
            cells.append(f"{rate / moved:.0f} / {1 / seconds:.0f} ({100 * moved / seconds / rate:.0f} %)" if fits else "does not fit")
        lines.append(f"| {name} | {needed(model) / 1e9:.1f} | {moved / 1e6:.0f} | {launches} | " + " | ".join(cells) + " |")
    return lines + [""]


def tables():
    lines = [BEGIN, ""] + per_card()
    for name in MODELS:
        lines += per_kernel(name)
    return "\n".join(lines + [END])


def main():
    page = Path(__file__).resolve().parent.parent / "kernels" / "CUDA.md"
    if len(sys.argv) == 1:
        print(tables())
        return 0
    text = page.read_text()
    before, rest = text.split(BEGIN, 1)
    wanted = before + tables() + rest.split(END, 1)[1]
    if sys.argv[1] == "--write":
        page.write_text(wanted)
    elif text != wanted:
        print(f"{page.name} has other tables than these; write them with --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
