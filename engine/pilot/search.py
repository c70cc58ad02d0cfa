"""The program's own search of its help (tui/help_search.c), for training: the same tables, words, corrections and ranks."""
import re
import sqlite3

STOP = set("""a am an and are at be but by can could did do does for from had has have how i if in is it its ll may me must my of or please s should
so t that the there this to ve want was we will with would""".split())
WORD = re.compile(r"[a-zA-Z0-9_\u0080-\U0010ffff]+")
GOES_ON = re.compile(r"[^a-z0-9_\u0080-\U0010ffff]*(and|but|(what|how)[^a-z0-9_\u0080-\U0010ffff]+about)(?![a-z0-9_\u0080-\U0010ffff])", re.I)
WAY_SHARES = (0.5, 0.15, 0.15)
ROW_SHARE = 0.7
LOWER = {c: c + 32 for c in range(65, 91)}  # other letters stay, as in the program


def cut(word):
    while len(word.encode()) > 31:
        word = word[:-1]
    return word


def words_of(text):
    return [cut(w).translate(LOWER) for w in WORD.findall(text)]


def edits(a, b):
    a, b = a.encode(), b.encode()
    before, above = None, list(range(len(b) + 1))
    for i in range(1, len(a) + 1):
        row = [i]
        for k in range(1, len(b) + 1):
            row.append(min(above[k] + 1, row[k - 1] + 1, above[k - 1] + (a[i - 1] != b[k - 1])))
            if i > 1 and k > 1 and a[i - 1] == b[k - 2] and a[i - 2] == b[k - 1]:
                row[k] = min(row[k], before[k - 2] + 1)
        before, above = above, row
    return above[-1]


class Search:
    def __init__(self, rows):
        """rows: objects of `shunt help --passages`."""
        self.rows = [r for r in rows if r["title"] != "anything else"]
        self.db = sqlite3.connect(":memory:")
        self.db.execute("CREATE VIRTUAL TABLE passage USING fts5 (title, ask, text, content='', tokenize='porter unicode61')")
        self.db.execute("CREATE VIRTUAL TABLE way USING fts5 (ask, content='', tokenize='porter unicode61')")
        slots = [None] * 16384
        for i, r in enumerate(self.rows):
            self.db.execute("INSERT INTO passage (rowid, title, ask, text) VALUES (?, ?, ?, ?)", (i, r["title"], r["ask"], r["text"]))
            for k, way in enumerate([r["title"], *r["ask"].split("|")][:64]):
                self.db.execute("INSERT INTO way (rowid, ask) VALUES (?, ?)", (i * 64 + k, way))
            for word in words_of(r["title"]) + words_of(r["ask"]) + words_of(r["text"]):
                at = 2166136261
                for byte in word.encode():
                    at = (at ^ byte) * 16777619 & 0xffffffff
                at %= len(slots)
                while slots[at] not in (None, word):
                    at = (at + 1) % len(slots)
                slots[at] = word
        self.vocabulary = [w for w in slots if w]
        self.known, self.cache = {}, {}

    def question(self, text):
        words = words_of(text)
        return list(dict.fromkeys([w for w in words if w not in STOP] or words))[:32]

    def corrected(self, word):
        if word not in self.known:
            if self.db.execute("SELECT rowid FROM passage WHERE passage MATCH ? LIMIT 1", (f'"{word}"',)).fetchone():
                self.known[word] = [word]
            else:
                n, found = len(word.encode()), []
                for most in range(1, 1 + (2 if n >= 8 else 1 if n >= 4 else 0)):
                    found = found or [w for w in self.vocabulary if len(w.encode()) >= 4 and abs(len(w.encode()) - n) <= most
                                      and edits(word, w) <= most][:8]
                self.known[word] = found
        return self.known[word]

    def scores(self, words):
        key = tuple(words)
        if key not in self.cache:
            match = " OR ".join(f'"{w}"' for w in list(dict.fromkeys(c for w in words for c in self.corrected(w)))[:32])
            ways, out = {}, {}
            if match:
                for at, score in self.db.execute("SELECT rowid, bm25(way) FROM way WHERE way MATCH ?", (match,)):
                    ways.setdefault(at // 64, []).append(-score)
                for i, score in self.db.execute("SELECT rowid, bm25(passage, 4, 3, 1) FROM passage WHERE passage MATCH ?", (match,)):
                    best = sorted(ways.get(i, ()), reverse=True)
                    score = -score + sum(share * way for share, way in zip(WAY_SHARES, best))
                    out[i] = score * (ROW_SHARE if self.rows[i]["is_row"] else 1)
            self.cache[key] = out
        return dict(self.cache[key])

    def find(self, question, before=None, n=3):
        """Titles, best first."""
        words = self.question(question)
        scores = self.scores(words)
        if before and (len(words) <= 4 or GOES_ON.match(question)):
            old = self.scores(self.question(before))
            best, best_old = max(scores.values(), default=0), max(old.values(), default=0)
            if best_old > 0:
                factor = 0.5 * best / best_old if best > 0 else 1
                for i, score in old.items():
                    scores[i] = scores.get(i, 0) + score * factor
        return [self.rows[i]["title"] for i in sorted(scores, key=lambda i: (-scores[i], i))[:n] if scores[i] > 0]
