"""Byte-level BPE (Sennrich 2016, over bytes as in GPT-2): trains merges, encodes, decodes. Text is cut by the rule that GGUF
files name "qwen2"; a merge never crosses a cut."""
import heapq
import json
from collections import Counter, defaultdict

import regex

CUT = regex.compile(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def alphabet():
    """The printable character that stands for each byte in a vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    chars = {b: chr(b) for b in plain}
    for n, b in enumerate(b for b in range(256) if b not in chars):
        chars[b] = chr(256 + n)
    return [chars[b] for b in range(256)]


BYTES = alphabet()
BYTE_OF = {c: b for b, c in enumerate(BYTES)}


def cut(text):
    return ["".join(BYTES[b] for b in word.encode()) for word in CUT.findall(text)]


def train(texts, n_vocab):
    """Merges until bytes, merges and special tokens are n_vocab: the most frequent pair first, of equals the first in order."""
    counts = Counter()
    for text in texts:
        counts.update(cut(text))
    words = [(list(word), n) for word, n in sorted(counts.items())]
    pairs, where = Counter(), defaultdict(set)
    for i, (parts, n) in enumerate(words):
        for pair in zip(parts, parts[1:]):
            pairs[pair] += n
            where[pair].add(i)
    heap = [(-n, pair) for pair, n in pairs.items()]
    heapq.heapify(heap)
    merges, made = [], set(BYTES)
    while heap and len(made) + len(SPECIAL) < n_vocab:
        n, pair = heapq.heappop(heap)
        if -n != pairs[pair]:
            if pairs[pair] > 0:
                heapq.heappush(heap, (-pairs[pair], pair))
            continue
        if n == 0:
            break
        merges.append(pair)
        made.add(pair[0] + pair[1])
        for i in where.pop(pair):
            parts, count = words[i]
            for old in zip(parts, parts[1:]):
                pairs[old] -= count
            merge(parts, pair)
            for new in zip(parts, parts[1:]):
                pairs[new] += count
                where[new].add(i)
                heapq.heappush(heap, (-pairs[new], new))
        del pairs[pair]
    return merges


def merge(parts, pair):
    """In place, from left to right."""
    at = 0
    while at < len(parts) - 1:
        if parts[at] == pair[0] and parts[at + 1] == pair[1]:
            parts[at:at + 2] = [pair[0] + pair[1]]
        at += 1


class Tokenizer:
    def __init__(self, merges):
        self.merges = [tuple(m) for m in merges]
        self.rank = {pair: i for i, pair in enumerate(self.merges)}
        self.tokens = list(BYTES)
        known = set(self.tokens)
        for a, b in self.merges:
            if a + b not in known:
                known.add(a + b)
                self.tokens.append(a + b)
        self.tokens += SPECIAL
        self.id = {token: i for i, token in enumerate(self.tokens)}
        self.cache = {}
        self.special = regex.compile("(" + "|".join(map(regex.escape, SPECIAL)) + ")")

    def word(self, word):
        if word not in self.cache:
            parts = list(word)
            while len(parts) > 1:
                pair = min(zip(parts, parts[1:]), key=lambda p: self.rank.get(p, len(self.rank)))
                if pair not in self.rank:
                    break
                merge(parts, pair)
            self.cache[word] = [self.id[part] for part in parts]
        return self.cache[word]

    def encode(self, text):
        """Special tokens in the text become one token each."""
        ids = []
        for part in self.special.split(text):
            if part in SPECIAL:
                ids.append(self.id[part])
            else:
                for word in cut(part):
                    ids += self.word(word)
        return ids

    def decode(self, ids):
        out = bytearray()
        for i in ids:
            token = self.tokens[i]
            out += token.encode() if token in SPECIAL else bytes(BYTE_OF[c] for c in token)
        return out.decode(errors="replace")

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.merges, file, ensure_ascii=False)

    @staticmethod
    def load(path):
        with open(path, encoding="utf-8") as file:
            return Tokenizer(json.load(file))
