"""How the pilot uses its experts: routing.py RUN [N]. Over the answers of N examples (400), layer by layer: how many experts are in
use (the exponential of the entropy), the least and the most used one in multiples of an even share, and how much an expert tells of
the kind of text (mutual information, in bits), each beside what chance alone would give: picks drawn evenly, and kinds dealt out
anew among the examples."""
import sys

import numpy as np
import torch

from train import load

SEED, N_DRAWS = 7, 20


def entropy(p):
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())


def mutual(table):
    """Of a table of counts [kinds, experts], in bits."""
    p = table / table.sum()
    return entropy(p.sum(1)) + entropy(p.sum(0)) - entropy(p.ravel())


def picks(pilot, data, chosen):
    """Per example, the picks in its answer [n_layers, n_experts]."""
    out = []
    for i in chosen:
        s = slice(data["start"][i], data["start"][i + 1])
        tokens = torch.from_numpy(data["tokens"][s].astype(np.int64))[None]
        with torch.no_grad():
            _, seen = pilot(tokens, torch.arange(tokens.shape[1])[None], torch.ones_like(tokens))
        of_answer = torch.from_numpy(data["learned"][s] == 255)
        out.append([ids[of_answer].view(-1).bincount(minlength=pilot.shape["n_experts"]).numpy() for _, ids in seen])
    return np.array(out)


def main():
    run, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 400
    pilot, data, rng = load(run), np.load(f"{run}/corpus.npz"), np.random.default_rng(SEED)
    chosen = rng.choice(len(data["start"]) - 1, n, replace=False)
    counts, kinds = picks(pilot, data, chosen), data["kind"][chosen]
    n_kinds, n_experts = int(kinds.max()) + 1, pilot.shape["n_experts"]

    def by_kind(layer, labels):
        return np.array([counts[labels == k, layer].sum(0) for k in range(n_kinds)])

    print("layer\tin use\t(chance)\tleast\tmost\tbits of kind\t(chance)")
    for layer in range(counts.shape[1]):
        total = counts[:, layer].sum(0)
        even = np.mean([2 ** entropy(rng.multinomial(total.sum(), np.ones(n_experts) / n_experts) / total.sum()) for _ in range(N_DRAWS)])
        dealt = np.mean([mutual(by_kind(layer, rng.permutation(kinds))) for _ in range(N_DRAWS)])
        share = total / total.sum() * n_experts
        print(f"{layer}\t{2 ** entropy(total / total.sum()):.2f}\t({even:.2f})\t{share.min():.2f}\t{share.max():.2f}\t"
              f"{mutual(by_kind(layer, kinds)):.4f}\t({dealt:.4f})")
    print(f"dead experts: {int((counts.sum(0) == 0).sum())} of {counts.shape[1] * n_experts}; {n} examples, {counts[:, 0].sum()} picks a layer")


if __name__ == "__main__":
    main()
