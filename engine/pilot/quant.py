"""Block-quantised values as GGUF files hold them (kernels/quant_cpu.c reads them), and the same rounding for training."""
import numpy as np
import torch

TYPES = {"F32": 0, "Q4_0": 2, "Q8_0": 8}


def _blocks(values):
    return np.ascontiguousarray(values, np.float32).reshape(-1, 32)


def q8_0(values):
    """Blocks of 32: binary16 scale, 32 signed bytes."""
    b = _blocks(values)
    d = (np.abs(b).max(1) / 127).astype(np.float16)
    inverse = np.where(d > 0, 1 / np.maximum(d.astype(np.float32), 1e-30), 0)
    q = np.clip(np.rint(b * inverse[:, None]), -127, 127).astype(np.int8)
    return np.concatenate([d[:, None].view(np.uint8), q.view(np.uint8)], 1).tobytes()


def _scale_q4(b):
    """The value of largest magnitude becomes -8."""
    i = np.abs(b).argmax(1)
    return (b[np.arange(len(b)), i] / -8).astype(np.float16)


def q4_0(values):
    """Blocks of 32: binary16 scale d, then nibbles q, value d * (q - 8); the low nibbles first."""
    b = _blocks(values)
    d = _scale_q4(b)
    inverse = np.where(d != 0, 1 / np.where(d == 0, 1, d).astype(np.float32), 0)
    q = np.clip(np.floor(b * inverse[:, None] + 8.5), 0, 15).astype(np.uint8)
    return np.concatenate([d[:, None].view(np.uint8), q[:, :16] | q[:, 16:] << 4], 1).tobytes()


def pack(kind, values):
    if kind == "F32":
        return np.ascontiguousarray(values, np.float32).tobytes()
    return {"Q8_0": q8_0, "Q4_0": q4_0}[kind](values)


def round_q4(w):
    """w [..., n_in] as q4_0 would give it back; the gradient goes through as if nothing had been rounded (Bengio 2013)."""
    with torch.no_grad():
        b = w.reshape(-1, 32)
        d = (b.gather(1, b.abs().argmax(1, keepdim=True)) / -8).half().float()
        q = torch.where(d != 0, b / torch.where(d == 0, 1.0, d), 0)
        rounded = (torch.clamp(torch.floor(q + 8.5), 0, 15) - 8) * d
    return w + (rounded.view(w.shape) - w).detach()
