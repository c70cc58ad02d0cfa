"""Trains the pilot: train.py RUN [STEPS]. RUN holds corpus.npz and merges.json (of corpus.py); model.pt and log.tsv are written
there. AdamW (Loshchilov 2019), linear warm-up and decay; in the last part the experts are rounded to the 4 bits that they
will have in the file."""
import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

import model

SEED = 1
BATCH, LENGTH = 8, 576  # rows of tokens; several examples share a row
LR, WARMUP, DECAY, CLIP = 2.5e-3, 100, 0.1, 1.0
POOL = 48
BALANCE, ZLOSS = 0.01, 0.001
ROUNDED_FROM = 0.7  # part of the training


class Rows:
    """Examples in random order, packed into rows: of the next POOL ones the longest that still fits."""

    def __init__(self, run, seed):
        data = np.load(f"{run}/corpus.npz")
        self.tokens, self.learned, self.start = data["tokens"], data["learned"], data["start"]
        self.rng, self.queue, self.pool, self.n_epochs = np.random.default_rng(seed), [], [], 0

    def next_that_fits(self, room):
        while len(self.pool) < POOL:
            if not self.queue:
                self.queue = list(self.rng.permutation(len(self.start) - 1))
                self.n_epochs += 1
            i = self.queue.pop()
            self.pool.append((self.start[i + 1] - self.start[i], i))
        fitting = [example for example in self.pool if example[0] <= room]
        if not fitting:
            return None
        best = self.pool[int(self.rng.integers(len(self.pool)))] if room == LENGTH else max(fitting)
        self.pool.remove(best)
        return slice(self.start[best[1]], self.start[best[1] + 1])

    def batch(self):
        """tokens, positions, segments (0: padding), and how much each token is to be learned, 0 to 1: [BATCH, LENGTH]"""
        tokens, at, segments = (np.zeros((BATCH, LENGTH), np.int64) for _ in range(3))
        learned = np.zeros((BATCH, LENGTH), np.float32)
        for r in range(BATCH):
            n, segment = 0, 0
            while s := self.next_that_fits(LENGTH - n):
                here = slice(n, n + s.stop - s.start)
                n, segment = here.stop, segment + 1
                tokens[r, here], at[r, here], segments[r, here] = self.tokens[s], np.arange(s.stop - s.start), segment
                learned[r, here] = self.learned[s] / 255
        return tuple(map(torch.from_numpy, (tokens, at, segments, learned)))


def loss_of(pilot, batch, is_rounded):
    tokens, at, segments, learned = batch
    state, seen = pilot(tokens, at, segments, is_rounded)
    weights = learned[:, 1:].reshape(-1)
    where = weights.nonzero()[:, 0]
    logits = pilot.logits(state[:, :-1].reshape(-1, state.shape[-1])[where])
    losses = F.cross_entropy(logits, tokens[:, 1:].reshape(-1)[where], reduction="none")
    loss = (losses * weights[where]).sum() / weights.sum()
    balance, z, shares = model.balance(seen, (segments > 0).view(-1), pilot.shape)
    return loss + BALANCE * balance + ZLOSS * z, loss, balance, shares


def rate(i, n):
    return LR * min((i + 1) / WARMUP, max(0.01, (n - i) / max(1, n - WARMUP)))


def optimizer(pilot):
    matrices = [p for p in pilot.parameters() if p.dim() > 1]
    vectors = [p for p in pilot.parameters() if p.dim() == 1]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}],
                             lr=LR, betas=(0.9, 0.95), fused=True)


def save(run, pilot):
    torch.save({"shape": pilot.shape, "weights": pilot.state_dict()}, f"{run}/model.pt")


def load(run):
    data = torch.load(f"{run}/model.pt")
    pilot = model.Pilot(data["shape"])
    pilot.load_state_dict(data["weights"])
    return pilot


def main():
    run, n_steps = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    torch.manual_seed(SEED)
    with open(f"{run}/merges.json", encoding="utf-8") as file:
        n_vocab = 256 + len(json.load(file)) + 3
    pilot, rows = model.Pilot({**model.SHAPE, "n_vocab": n_vocab}), Rows(run, SEED)
    steps, begin, n_tokens, shown = optimizer(pilot), time.monotonic(), 0, []
    with open(f"{run}/log.tsv", "w", encoding="utf-8") as log:
        log.write("step\tseconds\ttokens\tepochs\tloss\tbalance\tleast share\tmost share\n")
        for i in range(n_steps):
            for group in steps.param_groups:
                group["lr"] = rate(i, n_steps)
            batch = rows.batch()
            total, loss, balance, shares = loss_of(pilot, batch, i >= ROUNDED_FROM * n_steps)
            total.backward()
            torch.nn.utils.clip_grad_norm_(pilot.parameters(), CLIP)
            steps.step()
            steps.zero_grad(set_to_none=True)
            n_tokens += int((batch[2] > 0).sum())
            shown.append(loss.item())
            if i % 50 == 49 or i == n_steps - 1:
                line = (f"{i + 1}\t{time.monotonic() - begin:.0f}\t{n_tokens}\t{rows.n_epochs}\t{np.mean(shown):.4f}\t"
                        f"{balance.item():.4f}\t{shares.min():.3f}\t{shares.max():.3f}")
                print(line, flush=True)
                print(line, file=log, flush=True)
                shown = []
            if i % 500 == 499 or i == n_steps - 1:
                save(run, pilot)


if __name__ == "__main__":
    main()
