"""words.py - a text as word hashes and n-gram buckets: the same numbers as router/question.c and
router/difficulty.c compute. Change both or none; tests/test_difficulty.c compares them."""
import re

HEAD_BYTES = 4096  # of a long text the first and the last so many bytes are read
WORDS_MAX = 2048
BUCKET_BITS = 14
N_BUCKETS = 1 << BUCKET_BITS

# A number or a word of ASCII and of two- and three-byte letters; one character of the scripts that put no spaces
# between words; any other sign.
TOKEN = re.compile(rb"[0-9][0-9A-Za-z\x80-\xe2]*"
                   rb"|[A-Za-z\x80-\xe2][0-9A-Za-z\x80-\xe2]*(?:'[A-Za-z\x80-\xe2][0-9A-Za-z\x80-\xe2]*)*"
                   rb"|[\xe3-\xff][\x80-\xbf]{0,3}"
                   rb"|[^\s\x00-\x20\x7f]")
PUNCTUATION = re.compile(rb"\xe2\x80[\x80-\xbf]|\xc2[\xa0-\xbf]")
CAPITAL = re.compile(rb"\xc3[\x80-\x96\x98-\x9e]")
EXAM = re.compile(rb"\nA[.)] .*\nB[.)] ", re.S)  # multiple choice


def fnv1a(data):
    h = 0x811C9DC5
    for b in data:
        h = ((h ^ b) * 0x01000193) & 0xFFFFFFFF
    return h


def excerpts(text):
    if len(text) <= 2 * HEAD_BYTES:
        return [text]
    return [text[:HEAD_BYTES], text[-HEAD_BYTES:]]


def word_hashes(text):
    """Bytes to a list of 32-bit hashes."""
    hashes = []
    for part in excerpts(text):
        part = PUNCTUATION.sub(lambda m: b"'" if m[0] == b"\xe2\x80\x99" else b" ", part)
        part = CAPITAL.sub(lambda m: b"\xc3" + bytes([m[0][1] + 0x20]), part).lower()
        for word in TOKEN.findall(part):
            hashes.append(fnv1a(b"0" if word[:1].isdigit() else word))
    return hashes[:WORDS_MAX]


def buckets(hashes):
    """The distinct buckets of single words and of pairs."""
    found, before = set(), 0
    for h in hashes:
        found.add((h * 0x85EBCA6B & 0xFFFFFFFF) >> (32 - BUCKET_BITS))
        if before:
            pair = ((before * 0x9E3779B1 & 0xFFFFFFFF) ^ h) * 0x85EBCA6B & 0xFFFFFFFF
            found.add(pair >> (32 - BUCKET_BITS))
        before = h
    return found


def is_exam(text):
    return any(EXAM.search(part) for part in excerpts(text))
