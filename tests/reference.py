"""The same model twice, ours and transformers': same random weights, copied here and not by the library. GGUF files."""

import gguf
import torch
import transformers

from llmclf.exchange.to_transformers import transformers_config
from llmclf.models import GPT2, GPT2Config, Llama, LlamaConfig

NO_SPECIAL_TOKENS = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}  # nothing ends a generation


@torch.no_grad()
def randomise(model, std=0.1):
    # Nothing may be zero or one, as it is when a training begins: an exchanged bias or norm must show.
    for name, parameter in model.named_parameters():
        is_norm = parameter.ndim == 1 and name.endswith("weight")
        torch.nn.init.normal_(parameter, mean=1.0 if is_norm else 0.0, std=std)
    return model.eval()


def transformers_gpt2(config: GPT2Config):
    return randomise(transformers.GPT2LMHeadModel(transformers_config(config, **NO_SPECIAL_TOKENS)))


def transformers_llama(config: LlamaConfig):
    return randomise(transformers.LlamaForCausalLM(transformers_config(config, **NO_SPECIAL_TOKENS)))


def gpt2_pair(**shape):
    config = GPT2Config(**{"vocab_size": 97, "context_length": 40} | shape)
    theirs, ours = transformers_gpt2(config), GPT2(config)
    source = theirs.state_dict()
    copied = {
        "token_embedding.weight": source["transformer.wte.weight"],
        "position_embedding.weight": source["transformer.wpe.weight"],
        "final_norm.weight": source["transformer.ln_f.weight"],
        "final_norm.bias": source["transformer.ln_f.bias"],
        "head.weight": source["lm_head.weight"],
    }
    for layer in range(config.num_layers):
        block, hub = f"blocks.{layer}", f"transformer.h.{layer}"
        queries_keys_values = source[f"{hub}.attn.c_attn.weight"], source[f"{hub}.attn.c_attn.bias"]
        for place, name in enumerate(("query", "key", "value")):
            part = slice(place * config.hidden_size, (place + 1) * config.hidden_size)
            copied[f"{block}.attention.{name}.weight"] = queries_keys_values[0][:, part].T
            copied[f"{block}.attention.{name}.bias"] = queries_keys_values[1][part]
        for mine, hubs in (("attention.output", "attn.c_proj"), ("mlp.up", "mlp.c_fc"), ("mlp.down", "mlp.c_proj")):
            copied[f"{block}.{mine}.weight"] = source[f"{hub}.{hubs}.weight"].T
            copied[f"{block}.{mine}.bias"] = source[f"{hub}.{hubs}.bias"]
        for mine, hubs in (("norm1", "ln_1"), ("norm2", "ln_2")):
            copied[f"{block}.{mine}.weight"] = source[f"{hub}.{hubs}.weight"]
            copied[f"{block}.{mine}.bias"] = source[f"{hub}.{hubs}.bias"]
    if not config.qkv_bias:
        for name in [name for name in copied if name.endswith((".query.bias", ".key.bias", ".value.bias"))]:
            copied.pop(name).zero_()  # a view of transformers' own
    ours.load_state_dict(copied)
    return ours.eval(), theirs


def llama_pair(**shape):
    config = LlamaConfig(**{"vocab_size": 97, "context_length": 40} | shape)
    theirs, ours = transformers_llama(config), Llama(config)
    renamed = (
        ("model.embed_tokens", "token_embedding"),
        ("model.layers", "blocks"),
        ("model.norm", "final_norm"),
        ("lm_head", "head"),
        ("post_attention_layernorm", "norm2"),
        ("input_layernorm", "norm1"),
        ("self_attn.q_proj", "attention.query"),
        ("self_attn.k_proj", "attention.key"),
        ("self_attn.v_proj", "attention.value"),
        ("self_attn.o_proj", "attention.output"),
        ("_proj.", "."),
    )
    copied = {}
    for name, tensor in theirs.state_dict().items():
        for their_name, our_name in renamed:
            name = name.replace(their_name, our_name)
        copied[name] = tensor
    ours.load_state_dict(copied)
    return ours.eval(), theirs


# GGUF, as llama.cpp's converter writes it -----------------------------------------------------------------------------


def gguf_tensors(theirs):
    """Names and arrays in a GGUF file of a transformers Llama."""
    config = theirs.config
    renamed = (
        ("model.embed_tokens", "token_embd"),
        ("model.layers", "blk"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("post_attention_layernorm", "ffn_norm"),
        ("input_layernorm", "attn_norm"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.", "attn_"),
        ("mlp.", "ffn_"),
        ("_proj.", "."),
    )
    tensors = {}
    for name, tensor in theirs.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if "q_proj" in name:
            tensor = tensor[rows_side_by_side(config.num_attention_heads, config.head_dim)]
        if "k_proj" in name:
            tensor = tensor[rows_side_by_side(config.num_key_value_heads, config.head_dim)]
        for their_name, gguf_name in renamed:
            name = name.replace(their_name, gguf_name)
        tensors[name] = tensor.numpy()
    return tensors


def rows_side_by_side(heads, size):
    # Rows that rotate together are half a head apart in transformers, neighbours in GGUF: 0, 2, 1, 3 for a head of 4.
    return [head * size + pair + part for head in range(heads) for pair in range(size // 2) for part in (0, size // 2)]


def gguf_fields(config: LlamaConfig):
    return {
        "general.architecture": "llama",
        "llama.context_length": config.context_length,
        "llama.embedding_length": config.hidden_size,
        "llama.block_count": config.num_layers,
        "llama.feed_forward_length": config.intermediate_size,
        "llama.attention.head_count": config.num_heads,
        "llama.attention.head_count_kv": config.num_kv_heads,
        "llama.attention.layer_norm_rms_epsilon": config.norm_epsilon,
        "llama.rope.freq_base": config.rope_base,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": [f"t{number}" for number in range(config.vocab_size)],
        "tokenizer.ggml.token_type": [1] * config.vocab_size,
    }


def write_gguf(path, fields, tensors, quantised=None):
    """Write a GGUF file; fields that are `None` are left out; `quantised` names a format for every matrix."""
    fields = {name: value for name, value in fields.items() if value is not None}
    writer = gguf.GGUFWriter(path, fields.pop("general.architecture"))
    add = {int: writer.add_uint32, float: writer.add_float32, str: writer.add_string, list: writer.add_array}
    for name, value in fields.items():
        add[type(value)](name, value)
    for name, tensor in tensors.items():
        if quantised is not None and tensor.ndim == 2:
            writer.add_tensor(name, gguf.quantize(tensor, quantised), raw_dtype=quantised)
        else:
            writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
