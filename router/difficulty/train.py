#!/usr/bin/env python3
"""train.py - makes router/difficulty.inc and the vectors of tests/test_difficulty.c. Python's library is enough.
    train.py DATA            trains on all of DATA (the folder of the routing data), writes both files
    train.py DATA --check    trains on part, prints what the rest says; writes nothing"""
import csv
import json
import math
import os
import random
import sys

from words import N_BUCKETS, buckets, is_exam, word_hashes

HERE = os.path.dirname(os.path.abspath(__file__))
SEED = 20261125
LEVELS = 31  # a weight is one character: zero is '_', 31 steps to each side
EXAM_LAMBDA, CHAT_LAMBDA = 30.0, 10.0
ROUNDS = 40


# ---- data ----------------------------------------------------------------------------------------------------------

def json_lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def rows(path):
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.reader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


def clamp(x, low, high):
    return max(low, min(high, x))


def exam_items(data):
    """Multiple choice: what the strong model adds to the weak one."""
    return json_lines(data + "/difficulty/mmlu_half_a.jsonl")


def is_ascii(text):
    return sum(ord(c) < 128 for c in text) > 0.95 * len(text)


def chat_items(data, rng):
    """(prompt, -1 easy .. 1 hard). Where models were run, their mean score says it; where not, the kind of text."""
    items = [(x["p"], clamp(1 - 2 * x["a"], -1, 1)) for x in json_lines(data + "/difficulty/mmlu_pro.jsonl")[1:]]
    small_talk = rows(data + "/labels/clinc150_small.tsv")[1:]
    items += [(r[3], -1.0) for r in rng.sample(small_talk, 3000)]
    hard = {"creative_writing": 0.2}
    items += [(" ".join(x["p"].split()[:60]), hard.get(x["c"], 1.0))
              for x in json_lines(data + "/labels/arena_hard.jsonl") if is_ascii(x["p"])]
    items += [(r[1].replace("\\n", "\n"), 0.6) for r in rows(data + "/labels/bbh.tsv")[1:]]
    steps = [(r[2], clamp(0.2 + (int(r[0]) - 3) / 4, -0.4, 1)) for r in rows(data + "/difficulty/gsm8k_train.tsv")[1:]]
    items += rng.sample(steps, 2000)
    kind = {"trivia_qa": -0.6, "commonsense_qa": -0.6, "openbook_qa": -0.4, "commongen": -0.4, "agentverse-logicgrid": 0.9}
    for x in json_lines(data + "/difficulty/multitask.jsonl")[1:]:
        v = [s for s in x["v"] if s >= 0]
        if x["t"] in kind:
            items.append((x["p"], kind[x["t"]]))
        elif v:
            items.append((x["p"], 0.6 - sum(v) / len(v)))
    return items


# ---- ridge regression by conjugate gradients -----------------------------------------------------------------------

def row_of(text):
    found = sorted(buckets(word_hashes(text.encode())))
    return found, 1 / math.sqrt(len(found) or 1)


def times(data, w):
    return [scale * sum(w[k] for k in found) for found, scale in data]


def transposed_times(data, r):
    out = [0.0] * N_BUCKETS
    for (found, scale), x in zip(data, r):
        x *= scale
        for k in found:
            out[k] += x
    return out


def fit(data, targets, ridge):
    """Weights and the mean target: minimises |Xw + mean - y|^2 + ridge |w|^2."""
    mean = sum(targets) / len(targets)
    w = [0.0] * N_BUCKETS
    r = transposed_times(data, [y - mean for y in targets])
    p, rr = r[:], sum(x * x for x in r)
    for _ in range(ROUNDS):
        q = transposed_times(data, times(data, p))
        q = [a + ridge * b for a, b in zip(q, p)]
        step = rr / sum(a * b for a, b in zip(p, q))
        w = [a + step * b for a, b in zip(w, p)]
        r = [a - step * b for a, b in zip(r, q)]
        before, rr = rr, sum(x * x for x in r)
        if rr < 1e-9:
            break
        p = [a + rr / before * b for a, b in zip(r, p)]
    return w, mean


class Model:
    """Quantised: score = (bias + step * sum of levels / sqrt(number of buckets))."""

    def __init__(self, data, targets, ridge):
        w, self.bias = fit(data, targets, ridge)
        self.step = 6 * math.sqrt(sum(x * x for x in w) / len(w)) / LEVELS  # outliers are cut
        self.levels = [clamp(round(x / self.step), -LEVELS, LEVELS) for x in w]
        scores = self.scores(data)
        self.mean = sum(scores) / len(scores)
        self.spread = math.sqrt(sum((s - self.mean) ** 2 for s in scores) / len(scores))

    def scores(self, data):
        return [self.bias + self.step * s for s in times(data, self.levels)]


# ---- what it reaches -----------------------------------------------------------------------------------------------

def interpolate(x, xs, ys):
    if x <= xs[0]:
        return ys[0]
    for i in range(1, len(xs)):
        if x <= xs[i]:
            return ys[i - 1] + (ys[i] - ys[i - 1]) * (x - xs[i - 1]) / (xs[i] - xs[i - 1])
    return ys[-1]


def apgr(scores, strong, weak):
    """Average performance gap recovered: the area under accuracy over the share of strong calls, 0 weak .. 1 strong."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    n, acc = len(order), sum(weak) / len(weak)
    xs, ys = [0.0], [acc]
    for done, i in enumerate(order, 1):
        acc += (strong[i] - weak[i]) / n
        xs.append(done / n)
        ys.append(acc)
    points = [interpolate(k / 10, xs, ys) for k in range(11)]
    area = sum((a + b) / 20 for a, b in zip(points, points[1:]))
    return (area - ys[0]) / (ys[-1] - ys[0])


def hold_out(items, folds):
    data, gain = [row_of(x["p"]) for x in items], [x["s"] - x["w"] for x in items]
    found = []
    for held in (0, 1):
        train = [i for i in range(len(items)) if folds[i] != held]
        test = [i for i in range(len(items)) if folds[i] == held]
        model = Model([data[i] for i in train], [gain[i] for i in train], EXAM_LAMBDA)
        found.append(apgr(model.scores([data[i] for i in test]), [items[i]["s"] for i in test], [items[i]["w"] for i in test]))
    return found


def auc(scores, labels):
    order = sorted(range(len(scores)), key=lambda i: scores[i])
    n_hard = sum(labels)
    rank = sum(position for position, i in enumerate(order, 1) if labels[i])
    return (rank - n_hard * (n_hard + 1) / 2) / (n_hard * (len(labels) - n_hard))


def check(data):
    rng = random.Random(SEED)
    items = exam_items(data)
    for name, folds in (("questions", [rng.randrange(2) for _ in items]), ("subjects", None)):
        if folds is None:
            subjects = sorted({x["c"] for x in items})
            rng.shuffle(subjects)
            half = set(subjects[::2])
            folds = [int(x["c"] in half) for x in items]
        print("APGR, half of the %s unseen: %s" % (name, " ".join("%.3f" % x for x in hold_out(items, folds))))
    chat = chat_items(data, rng)
    rng.shuffle(chat)
    cut = len(chat) * 4 // 5
    model = Model([row_of(p) for p, _ in chat[:cut]], [y for _, y in chat[:cut]], CHAT_LAMBDA)
    scores = model.scores([row_of(p) for p, _ in chat[cut:]])
    print("chat, a fifth unseen: area under the curve %.3f" % auc(scores, [int(y > 0) for _, y in chat[cut:]]))
    prompts = rows(HERE + "/check.tsv")
    print("chat model alone on check.tsv: %.3f" % auc(model.scores([row_of(r[1]) for r in prompts]),
                                                       [int(r[0] == "hard") for r in prompts]))


# ---- files ---------------------------------------------------------------------------------------------------------

def c_string(levels):
    text = "".join(chr(ord("_") + x) for x in levels).replace("\\", "\\\\")
    lines, at = [], 0
    while at < len(text):
        end = min(at + 100, len(text))
        if (len(text[at:end]) - len(text[at:end].rstrip("\\"))) % 2:
            end += 1
        lines.append('        "%s"' % text[at:end])
        at = end
    return "\n".join(lines)


def write_table(path, models):
    with open(path, "w", encoding="utf-8") as f:
        f.write("/* Made by router/difficulty/train.py: do not edit. A character is a weight, '_' is 0. */\n")
        for name, m in models.items():
            f.write("static const struct weights %s_weights = {.bias = %.8ff,\n        .step = %.8ff,\n" % (name, m.bias, m.step))
            f.write("        .mean = %.8ff,\n        .spread = %.8ff,\n        .levels =\n" % (m.mean, m.spread))
            f.write("%s};\n" % c_string(m.levels))


VECTORS = ["", "Prove that sqrt(2) is irrational.", "  It's \u2018quoted\u2019 \u2014 isn\u2019t it?\n\tYes\u2026", "\u00dcBER \u00c9t\u00e9, na\u00efve 3rd 42nd x86",
           "\u4f60\u597d\uff0c\u4e16\u754c 1+1=2", "emoji \U0001F600\U0001F600 ok", "don't 'don't' rock'n'roll '' a'",
           "Which is a noble gas?\nA. Oxygen\nB. Neon\nC. Iron\nD. Gold\nAnswer:", "word %d " % 7 * 1300, "+" * 2100, "\u00e9x\u4e16 " * 1200]


def write_vectors(path, models):
    with open(path, "w", encoding="utf-8") as f:
        for text in VECTORS:
            raw = text.encode()
            hashes = word_hashes(raw)
            folded, found = 0, buckets(hashes)
            for h in hashes:
                folded = (folded * 31 + h) & 0xFFFFFFFF
            f.write(json.dumps({"prompt": text, "words": len(hashes), "fold": folded, "exam": is_exam(raw),
                                "buckets": len(found)} |
                               {k + "_sum": sum(m.levels[b] for b in found) for k, m in models.items()},
                               ensure_ascii=False) + "\n")


def main():
    data = sys.argv[1]
    if "--check" in sys.argv[2:]:
        return check(data)
    exam, chat = exam_items(data), chat_items(data, random.Random(SEED))
    models = {"exam": Model([row_of(x["p"]) for x in exam], [x["s"] - x["w"] for x in exam], EXAM_LAMBDA),
              "chat": Model([row_of(p) for p, _ in chat], [y for _, y in chat], CHAT_LAMBDA)}
    write_table(HERE + "/../difficulty.inc", models)
    write_vectors(HERE + "/../../tests/golden/prompts/difficulty_vectors.jsonl", models)


if __name__ == "__main__":
    main()
