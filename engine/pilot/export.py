"""Writes a trained pilot as a GGUF file (version 3) of the architecture qwen3moe."""
import struct
import sys

from bpe import SPECIAL, Tokenizer
from quant import TYPES, pack

ALIGN = 32
U32, F32, BOOL, STR, ARR, I32 = 4, 6, 7, 8, 9, 5
TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
# In the file -> in the parameters, type. Experts hold most of the bytes and take 4 bits, which training made them used to.
LAYER = [("attn_norm", "attn_norm", "F32"), ("attn_q", "wq", "Q8_0"), ("attn_k", "wk", "Q8_0"), ("attn_v", "wv", "Q8_0"),
         ("attn_output", "wo", "Q8_0"), ("attn_q_norm", "q_norm", "F32"), ("attn_k_norm", "k_norm", "F32"),
         ("ffn_norm", "ffn_norm", "F32"), ("ffn_gate_inp", "router", "F32"), ("ffn_gate_exps", "gate", "Q4_0"),
         ("ffn_up_exps", "up", "Q4_0"), ("ffn_down_exps", "down", "Q4_0")]


def text(value):
    value = value.encode()
    return struct.pack("<Q", len(value)) + value


def entry(key, kind, value):
    head = text(key) + struct.pack("<I", kind)
    if kind == STR:
        return head + text(value)
    if kind == ARR:
        of, items = value
        body = b"".join(text(i) if of == STR else struct.pack("<i", i) for i in items)
        return head + struct.pack("<IQ", of, len(items)) + body
    return head + struct.pack({U32: "<I", F32: "<f", BOOL: "<?"}[kind], value)


def metadata(shape, tok, about):
    p = "qwen3moe."
    special = len(tok.tokens) - len(SPECIAL)
    return [
        entry("general.architecture", STR, "qwen3moe"),
        entry("general.name", STR, "pilot"),
        entry("general.description", STR, about),
        entry("general.license", STR, "the same as shunt"),
        entry("general.file_type", U32, 2),
        entry(p + "block_count", U32, shape["n_layers"]),
        entry(p + "context_length", U32, shape["context"]),
        entry(p + "embedding_length", U32, shape["d"]),
        entry(p + "feed_forward_length", U32, shape["n_ff"]),
        entry(p + "expert_feed_forward_length", U32, shape["n_ff"]),
        entry(p + "attention.head_count", U32, shape["n_heads"]),
        entry(p + "attention.head_count_kv", U32, shape["n_kv_heads"]),
        entry(p + "attention.key_length", U32, shape["head_dim"]),
        entry(p + "attention.value_length", U32, shape["head_dim"]),
        entry(p + "attention.layer_norm_rms_epsilon", F32, shape["eps"]),
        entry(p + "rope.freq_base", F32, shape["rope_base"]),
        entry(p + "expert_count", U32, shape["n_experts"]),
        entry(p + "expert_used_count", U32, shape["n_used"]),
        entry("tokenizer.ggml.model", STR, "gpt2"),
        entry("tokenizer.ggml.pre", STR, "qwen2"),
        entry("tokenizer.ggml.tokens", ARR, (STR, tok.tokens)),
        entry("tokenizer.ggml.token_type", ARR, (I32, [1] * special + [3] * len(SPECIAL))),
        entry("tokenizer.ggml.merges", ARR, (STR, [f"{a} {b}" for a, b in tok.merges])),
        entry("tokenizer.ggml.eos_token_id", U32, tok.id["<|im_end|>"]),
        entry("tokenizer.ggml.padding_token_id", U32, tok.id["<|endoftext|>"]),
        entry("tokenizer.ggml.add_bos_token", BOOL, False),
        entry("tokenizer.chat_template", STR, TEMPLATE),
        entry("general.quantization_version", U32, 2),
    ]


def tensors(pilot):
    """(name, values [n_out, n_in] or with experts in front, type)"""
    out = [("token_embd.weight", pilot.embed, "Q8_0"), ("output_norm.weight", pilot.norm, "F32")]
    for i, layer in enumerate(pilot.layers):
        out += [(f"blk.{i}.{name}.weight", getattr(layer, own), kind) for name, own, kind in LAYER]
    return [(name, values.detach().numpy(), kind) for name, values, kind in out]


def write(path, pilot, tok, about):
    entries, infos, data = metadata(pilot.shape, tok, about), [], bytearray()
    for name, values, kind in tensors(pilot):
        dims = values.shape[::-1]
        infos.append(text(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims)
                     + struct.pack("<IQ", TYPES[kind], len(data)))
        data += pack(kind, values)
        data += bytes(-len(data) % ALIGN)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(entries)) + b"".join(entries) + b"".join(infos)
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % ALIGN) + data)
    return len(head) + len(data)


if __name__ == "__main__":
    from train import load
    run, out = sys.argv[1:3]
    print(write(out, load(run), Tokenizer.load(f"{run}/merges.json"), "a small mixture of experts that knows shunt and nothing else"),
          "bytes")
