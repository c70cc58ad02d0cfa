"""The pilot's network in PyTorch: qwen3moe, as engine/forward.c and other engines compute it. Matrices are [n_out, n_in] as in the
GGUF file, so that export.py only has to name and quantise them."""
import torch
import torch.nn.functional as F
from torch import nn

from quant import round_q4

SHAPE = {
    "n_layers": 8, "d": 256, "n_heads": 8, "n_kv_heads": 4, "head_dim": 32, "n_experts": 16, "n_used": 2, "n_ff": 128,
    "n_vocab": 4096, "rope_base": 10000.0, "eps": 1e-6, "context": 1024,
}


def matrix(*size, std=0.02):
    return nn.Parameter(torch.randn(*size) * std)


def rope_table(shape, n):
    """cos and sin [n, head_dim / 2] of every position."""
    half = shape["head_dim"] // 2
    angle = torch.arange(n)[:, None] * shape["rope_base"] ** (-torch.arange(half) / half)
    return angle.cos(), angle.sin()


def rope(x, c, s):
    """Halves turned against each other (NEOX). x: [b, t, heads, dim]; c, s: [b, t, 1, dim / 2]"""
    a, b = x.chunk(2, -1)
    return torch.cat([a * c - b * s, b * c + a * s], -1)


class Layer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        d, dim, e, f = shape["d"], shape["head_dim"], shape["n_experts"], shape["n_ff"]
        q, kv, small = shape["n_heads"] * dim, shape["n_kv_heads"] * dim, 0.02 / (2 * shape["n_layers"]) ** 0.5
        self.shape = shape
        self.attn_norm, self.ffn_norm = nn.Parameter(torch.ones(d)), nn.Parameter(torch.ones(d))
        self.q_norm, self.k_norm = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.ones(dim))
        self.wq, self.wk, self.wv, self.wo = matrix(q, d), matrix(kv, d), matrix(kv, d), matrix(d, q, std=small)
        self.router = matrix(e, d)
        self.gate, self.up, self.down = matrix(e, f, d), matrix(e, f, d), matrix(e, d, f, std=small)

    def attention(self, x, c, s, mask):
        b, t, d = x.shape
        dim, eps = self.shape["head_dim"], self.shape["eps"]
        h = F.rms_norm(x, (d,), self.attn_norm, eps)
        q = F.rms_norm((h @ self.wq.T).view(b, t, -1, dim), (dim,), self.q_norm, eps)
        k = F.rms_norm((h @ self.wk.T).view(b, t, -1, dim), (dim,), self.k_norm, eps)
        v = (h @ self.wv.T).view(b, t, -1, dim)
        q, k = rope(q, c, s), rope(k, c, s)
        out = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask, enable_gqa=True)
        return out.transpose(1, 2).reshape(b, t, -1) @ self.wo.T

    def experts(self, x, is_rounded, seen):
        """The mixture on x [n, d]. seen: what of the routing is looked at from outside is appended: logits and ids [n, n_used]."""
        h = F.rms_norm(x, (x.shape[1],), self.ffn_norm, self.shape["eps"])
        logits = h @ self.router.T
        top, ids = logits.topk(self.shape["n_used"], -1)
        weights = top.softmax(-1)  # of all logits and then divided by their sum: the same
        seen.append((logits, ids))
        gate, up, down = (round_q4(w) if is_rounded else w for w in (self.gate, self.up, self.down))
        order = ids.view(-1).argsort(stable=True)
        counts = ids.view(-1).bincount(minlength=self.shape["n_experts"]).tolist()
        rows = h[order // self.shape["n_used"]]
        out = [(F.silu(part @ gate[e].T) * (part @ up[e].T)) @ down[e].T for e, part in enumerate(rows.split(counts))]
        out = torch.cat(out) * weights.reshape(-1)[order][:, None]
        return torch.zeros_like(x).index_add(0, order // self.shape["n_used"], out)

    def forward(self, x, c, s, mask, is_rounded, seen):
        x = x + self.attention(x, c, s, mask)
        return x + self.experts(x.reshape(-1, x.shape[-1]), is_rounded, seen).view(x.shape)


class Pilot(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.embed, self.norm = matrix(shape["n_vocab"], shape["d"]), nn.Parameter(torch.ones(shape["d"]))
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape["n_layers"]))
        c, s = rope_table(shape, shape["context"])
        self.register_buffer("cos", c, persistent=False)
        self.register_buffer("sin", s, persistent=False)

    def forward(self, tokens, at, segments, is_rounded=False):
        """tokens, at (positions), segments: [b, t]; a token sees those of its segment up to itself. -> the state before the
        output matrix [b, t, d], and per layer the router's logits and picks."""
        t = tokens.shape[1]
        mask = (segments[:, None, :, None] == segments[:, None, None, :]) & torch.ones(t, t, dtype=torch.bool).tril()
        c, s = self.cos[at][:, :, None], self.sin[at][:, :, None]
        x, seen = self.embed[tokens], []
        for layer in self.layers:
            x = layer(x, c, s, mask, is_rounded, seen)
        return F.rms_norm(x, (x.shape[-1],), self.norm, self.shape["eps"]), seen

    def logits(self, state):
        return state @ self.embed.T


def balance(seen, wanted, shape):
    """Means over the layers of the balance loss (Fedus 2021, over n_used picks) and of the routers' z-loss (Zoph 2022), and the
    share of each expert [n_layers, n_experts] in multiples of an even one. wanted: [n] tokens that are no padding."""
    loss, z, shares = 0.0, 0.0, []
    for logits, ids in seen:
        logits, ids = logits[wanted], ids[wanted]
        share = ids.view(-1).bincount(minlength=shape["n_experts"]).float() / ids.numel()
        loss = loss + shape["n_experts"] * (share * logits.softmax(-1).mean(0)).sum()
        z = z + logits.logsumexp(-1).square().mean()
        shares.append(share * shape["n_experts"])
    return loss / len(seen), z / len(seen), torch.stack(shares)
