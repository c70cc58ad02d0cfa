"""Builds what the pilot is trained on: corpus.py PASSAGES RUN. PASSAGES is what `shunt help --passages` prints; questions/*.txt are the
ways to ask. An example is a prompt as the program makes it: the passages that its search found, the question, and, to be
learned, the text of the passage that answers it. So that the pilot copies keys and names instead of remembering them, many examples
have other ones. Writes RUN/merges.json and RUN/corpus.npz, with the kind of text of each example."""
import glob
import json
import os
import random
import re
import sys

import numpy as np

import bpe
from search import Search

SEED = 1
N_VOCAB = 3072
N_EXAMPLES = 40000
ELSE = "anything else"
IN_PROMPT = 0.1  # how much a token of the passages counts, beside one of the answer
TOPICS = 0.78  # part of the examples that is about a topic written for people, the others about a row of a table
OUTSIDE = 0.22
KEYS = [f"C-{c}" for c in "abcdefghijklmnopqrstuvwxyz"] + [f"M-{c}" for c in "abcdefghijklmnopqrstuvwxyz"] \
    + [f"C-x {c}" for c in "123456789abcdefghijklmnopqrstuvwxyz|"] + [f"C-x C-{c}" for c in "abcdefghijklmnopqrstuvwxyz"] \
    + [f"F{i}" for i in range(1, 13)] + list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ?/<>[]") \
    + ["Enter", "Tab", "Esc", "Space", "PageUp", "PageDown", "Home", "End", "Up", "Down", "M-Enter", "S-Tab", "C-Space", "Delete"]
ASK_NAME = ["what does {} do", "what is {}", "{}", "{}?", "what does {} mean", "explain {}", "how do I use {}", "tell me about {}", "meaning of {}",
            "what is {} for", "how does {} work", "describe {}", "help {}", "can you explain {} to me", "I saw {} somewhere, what is it"]
ASK_DO = ["how do I {}", "how can I {}", "key to {}", "which key do I press to {}", "what is the shortcut to {}", "I want to {}", "how to {}",
          "is there a key to {}", "{}", "what do I press to {}", "can I {}", "command to {}", "how would one {}", "where do I {}", "shortcut: {}"]


def read_questions(folder):
    """{title: [question]}, {title: file}, and the questions that nobody here can answer."""
    asks, files, outside = {}, {}, []
    for path in sorted(glob.glob(f"{folder}/*.txt")):
        title, name = None, os.path.basename(path).removesuffix(".txt")
        with open(path, encoding="utf-8") as file:
            for line in map(str.strip, file):
                if line.startswith("# "):
                    title = line[2:].strip()
                    files[title] = name
                elif line.startswith("- ") and title:
                    asks.setdefault(title, []).append(line[2:])
                elif line.startswith("- "):
                    outside.append(line[2:])
    return asks, files, outside


def typo(rng, text):
    """One slip of the fingers."""
    letters = [i for i, c in enumerate(text) if c.isalpha()]
    if len(letters) < 4:
        return text
    i = rng.choice(letters[1:])
    slip = rng.randrange(4)
    if slip == 0:
        return text[:i] + text[i + 1:]
    if slip == 1:
        return text[:i] + text[i] + text[i:]
    if slip == 2 and i + 1 < len(text):
        return text[:i] + text[i + 1] + text[i] + text[i + 2:]
    return text[:i] + rng.choice("abcdefghijklmnopqrstuvwxyz") + text[i + 1:]


def restyle(rng, text):
    """The same question as somebody else types it."""
    kind = rng.random()
    if kind < 0.25:
        text = text.lower()
    elif kind < 0.35:
        text = text.rstrip("?.!")
    elif kind < 0.45:
        text = text[:1].upper() + text[1:] + ("" if text.endswith(("?", ".", "!")) else "?")
    elif kind < 0.5:
        text = rng.choice(["please, ", "hi, ", "hello! ", "sorry, ", "quick question: ", "um, ", "hey, "]) + text
    elif kind < 0.53:
        text += rng.choice([" please", " thanks", " in shunt", " here", " in this program", "??", " ..."])
    while rng.random() < 0.12:
        text = typo(rng, text)
    return text


class Passages:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.rows = [json.loads(line) for line in file]
        self.of = {row["title"]: row for row in self.rows}

    def text(self, title, keys):
        """keys: None, or a function that gives the key of a placeholder."""
        row = self.of[title]
        if keys is None:
            return row["text"]
        return re.sub(r"\{key ([^}]+)\}", lambda m: keys(m.group(1)), row["template"])


def generated_questions(row):
    """For the passages that come from tables: the first of their ways to ask is a name, the others are help words."""
    name, *helps = [a.strip() for a in row["ask"].split("|") if a.strip()]
    out = [form.format(name) for form in ASK_NAME]
    if row["title"].startswith(("key ", "/")):
        out += [form.format(text[:1].lower() + text[1:]) for text in helps for form in ASK_DO]
    return out + helps


def rename(rng, name, texts):
    """Another name of the same look in place of name."""
    word = lambda: "".join(rng.choice("bcdfghklmnprstvw") + rng.choice("aeiou") for _ in range(rng.randrange(1, 4)))
    other = "_".join(word() for _ in range(rng.randrange(1, 4)))
    return [re.sub(rf"(?<![\w]){re.escape(name)}(?![\w])", other, text) for text in texts]


class Builder:
    def __init__(self, passages, asks, outside, seed):
        self.rng = random.Random(seed)
        self.passages, self.outside = passages, outside
        self.search = Search(passages.rows)
        self.asks = {}
        for row in passages.rows:
            title = row["title"]
            if row["is_row"]:
                self.asks[title] = generated_questions(row)
            else:
                self.asks[title] = asks.get(title, []) + [a.strip() for a in row["ask"].split("|") if a.strip()]
        self.topics = [r["title"] for r in passages.rows if not r["is_row"] and r["title"] != ELSE]
        self.table_rows = [r["title"] for r in passages.rows if r["is_row"]]

    def prompt(self, found, question, answer, history):
        """What found holds is copied, with any keys; what it lacks is known by heart, with the usual ones."""
        keys = None
        if (answer == ELSE or answer in found) and self.rng.random() < 0.5:
            made = {}
            keys = lambda name: made.setdefault(name, self.rng.choice(KEYS))
        texts = [f"{title}: {self.passages.text(title, keys)}" for title in found + [ELSE]]
        answer = self.passages.text(answer, keys)
        name = found[0].rpartition(" ")[2] if found else ""
        if re.fullmatch(r"[a-z]+_[a-z_]+", name) and self.rng.random() < 0.3:
            *texts, question, answer = rename(self.rng, name, texts + [question, answer])
        parts = [("<|im_start|>system\n" + "\n".join(texts) + "<|im_end|>\n", IN_PROMPT)]
        for asked, said in history:
            parts.append((f"<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n{said}<|im_end|>\n", 0.0))
        parts += [(f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n", 0.0), (f"{answer}<|im_end|>", 1.0)]
        return parts

    def inside(self):
        title = self.rng.choice(self.topics if self.rng.random() < TOPICS else self.table_rows)
        question = restyle(self.rng, self.rng.choice(self.asks[title]))
        history = [self.turn()] if self.rng.random() < 0.1 else []
        found = self.search.find(question, history[0][0] if history else None)
        if title not in found and (title in self.table_rows or self.rng.random() < 0.5):
            found = found[:2] + [title]
            self.rng.shuffle(found)
        elif self.rng.random() < 0.4:
            self.rng.shuffle(found)
        return self.prompt(found, question, title, history), title

    def turn(self):
        title = self.rng.choice(self.topics)
        return self.rng.choice(self.asks[title]), self.passages.text(title, None)

    def beyond(self):
        question = restyle(self.rng, self.rng.choice(self.outside))
        history = [self.turn()] if self.rng.random() < 0.1 else []
        found = self.search.find(question, history[0][0] if history else None)
        if self.rng.random() < 0.3:
            found = found[:1] + self.rng.sample(self.topics, 2)
            self.rng.shuffle(found)
        return self.prompt(found, question, ELSE, history), ELSE

    def example(self):
        return self.beyond() if self.rng.random() < OUTSIDE else self.inside()


def main():
    passages, run = Passages(sys.argv[1]), sys.argv[2]
    os.makedirs(run, exist_ok=True)
    here = os.path.dirname(os.path.abspath(__file__))
    asks, files, outside = read_questions(f"{here}/questions")
    unknown = [t for t in asks if t not in passages.of]
    if unknown:
        print("no passage:", ", ".join(unknown))
    builder = Builder(passages, asks, outside, SEED)
    examples = [builder.example() for _ in range(N_EXAMPLES)]
    texts = ["".join(part for part, _ in parts) for parts, _ in examples[:4000]]
    merges = bpe.train([bpe.regex.sub(r"<\|[a-z_]+\|>", "", t) for t in texts], N_VOCAB)
    tok = bpe.Tokenizer(merges)
    tok.save(f"{run}/merges.json")
    kinds = sorted({*files.values(), "rows", "outside"})
    kind = [kinds.index("outside" if title == ELSE else files.get(title, "rows")) for _, title in examples]
    tokens, learned, start = [], [], [0]
    for parts, _ in examples:
        for text, weight in parts:
            ids = tok.encode(text)
            tokens += ids
            learned += [round(255 * weight)] * len(ids)
        start.append(len(tokens))
    np.savez(f"{run}/corpus.npz", tokens=np.array(tokens, np.uint16), learned=np.array(learned, np.uint8), start=np.array(start, np.int64), kind=np.array(kind, np.uint8), kinds=np.array(kinds))
    sizes = np.diff(start)
    print(f"{len(passages.rows)} passages, {sum(map(len, builder.asks.values()))} questions, {len(outside)} outside; {len(examples)} examples,"
          f" {len(tokens)} tokens, median {int(np.median(sizes))}, longest {sizes.max()}; {len(tok.tokens)} words of vocabulary")


if __name__ == "__main__":
    main()
