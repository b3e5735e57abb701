"""A classifier as a folder of transformers: `AutoModelForSequenceClassification`, `AutoTokenizer`, `pipeline`.

Their classes read the last token that is no padding, through a final norm and a head without bias. Ours has one.
GPT-2's final norm can take it over, because it has a bias itself; the Llama family's cannot.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from llmclf.classify import TextClassifier
from llmclf.console import LlmclfError, notice
from llmclf.exchange.tokenizer_json import write_tokenizer_json
from llmclf.models import GPT2Config, LlamaConfig
from llmclf.models.gpt2_weights import gpt2_for_hub
from llmclf.models.llama_weights import hub_names
from llmclf.tokenizer import END_OF_TEXT

if TYPE_CHECKING:
    import transformers


README = """# A text classifier

It tells apart: {labels}. Made by llmclf; transformers runs it:

```python
from transformers import pipeline

classify = pipeline("text-classification", "this folder", truncation=True)
print(classify("a text"))
```

Without `truncation=True` long texts are not cut as they were in training. An empty text has no token, and is refused.
"""


def transformers_config(shape: GPT2Config | LlamaConfig, **options: Any) -> transformers.PretrainedConfig:
    """The same shape in the words of `transformers`."""
    import transformers

    if isinstance(shape, GPT2Config):
        return transformers.GPT2Config(
            vocab_size=shape.vocab_size,
            n_positions=shape.context_length,
            n_embd=shape.hidden_size,
            n_layer=shape.num_layers,
            n_head=shape.num_heads,
            layer_norm_epsilon=shape.norm_epsilon,
            tie_word_embeddings=shape.tied_embeddings,
            resid_pdrop=shape.dropout,
            embd_pdrop=shape.dropout,
            attn_pdrop=shape.dropout,
            **options,
        )
    return transformers.LlamaConfig(
        vocab_size=shape.vocab_size,
        max_position_embeddings=shape.context_length,
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_kv_heads,
        intermediate_size=shape.intermediate_size,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_base},
        rms_norm_eps=shape.norm_epsilon,
        tie_word_embeddings=shape.tied_embeddings,
        **options,
    )


def export_transformers(classifier: TextClassifier, folder: str | Path) -> None:
    """Write model, configuration and tokenizer; the temperature goes into the head's weights.

    Raises
    ------
    LlmclfError
        The classifier reads elsewhere than at the last token; its head has a bias that nothing can take over; it
        answers by a threshold or offsets, which `pipeline` does not know; transformers is missing.
    """
    try:
        import transformers
    except ImportError as error:
        raise LlmclfError(f"{error.name} is missing; install the extra: pip install llmclf[export]") from None
    model, backbone = classifier.model, classifier.model.backbone
    if model.pooling != "last_token":
        raise LlmclfError(f"transformers reads at the last token, this classifier at {model.pooling!r}; export to onnx")
    state = {name: weight.detach().float().cpu() for name, weight in backbone.named_parameters()}
    weight, bias = state.pop("head.weight"), state.pop("head.bias")
    if isinstance(backbone.config, GPT2Config):
        state["final_norm.bias"] = state["final_norm.bias"] + absorbed(weight, bias)
    elif bias.any():
        raise LlmclfError(
            "the head has a bias, which no part of a Llama can take over: train with --no-head-bias, or export to onnx"
        )
    decision = classifier.decision
    if decision.threshold is not None or decision.offsets is not None or decision.abstain_below:
        notice("threshold, offsets and unsure stay behind: a pipeline answers with the most probable class")
    names = dict(enumerate(classifier.label_names))
    pad = classifier.tokenizer.eot_token
    options: dict[str, Any] = {
        "id2label": names,
        "label2id": {name: number for number, name in names.items()},
        "pad_token_id": pad,
    }
    options |= {"num_labels": len(names), "bos_token_id": pad, "eos_token_id": pad}
    config = transformers_config(backbone.config, **options)
    theirs = transformers.AutoModelForSequenceClassification.from_config(config)
    if isinstance(backbone.config, GPT2Config):
        body = {f"transformer.{name}": tensor for name, tensor in gpt2_for_hub(backbone.config, state).items()}
    else:
        body = {f"model.{theirs}": state[ours] for ours, theirs in hub_names(backbone.config).items()}
    theirs.load_state_dict(body | {"score.weight": weight / decision.temperature})
    theirs.save_pretrained(folder)
    path = Path(folder) / "tokenizer.json"
    write_tokenizer_json(classifier.tokenizer, path, max_length=classifier.max_length)
    words = {"model_max_length": classifier.max_length, "split_special_tokens": True}  # in a text they are text
    fast = transformers.PreTrainedTokenizerFast(tokenizer_file=str(path), pad_token=END_OF_TEXT, **words)
    fast.save_pretrained(folder)
    (Path(folder) / "README.md").write_text(README.format(labels=", ".join(classifier.label_names)), encoding="utf-8")


def absorbed(weight: Tensor, bias: Tensor) -> Tensor:
    """The shortest v, (n,), with W v = b: added to the input of a linear layer (classes, n), it stands for its bias."""
    return torch.linalg.lstsq(weight.double(), bias.double()[:, None], driver="gelsd").solution[:, 0].to(weight)
