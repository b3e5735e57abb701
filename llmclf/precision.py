"""Chapter 6: numbers of half the size. Where a processor multiplies them in hardware, a frozen block is read faster.

A float32 is exact to seven digits, a bfloat16 to two or three, at the same range. That is enough for the matrices of a
block that no longer learns, and for the hidden states between such blocks. Norms sum up in float32; what learns, the
final norm, the head and the loss stay in float32 altogether.
"""

from __future__ import annotations

import os
import platform

import torch
from torch import nn

from llmclf.console import require_one_of

PRECISIONS = ("auto", "float32", "bfloat16")


def choose_precision(name: str = "auto", device: torch.device | str = "cpu") -> str:
    """The name "float32" or "bfloat16": the one that is given, else `LLMCLF_PRECISION`, else what suits the device.

    Raises
    ------
    LlmclfError
        For another name, here or in `LLMCLF_PRECISION`.
    """
    require_one_of("precision", name, PRECISIONS)
    if name == "auto":
        name = os.environ.get("LLMCLF_PRECISION") or "auto"
        require_one_of("LLMCLF_PRECISION", name, PRECISIONS)
    if name == "auto":
        return "bfloat16" if multiplies_bfloat16(torch.device(device)) else "float32"
    return name


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether PyTorch finds instructions for bfloat16 products there; Apple's GPUs, untried, count as without."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if platform.machine().lower() in ("aarch64", "arm64"):
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported()  # the function above is content with AVX-512, which only emulates


def convert(block: nn.Module, dtype: torch.dtype) -> None:
    """Change a block's matrices and biases in place; its norms stay as they are."""
    for part in block.modules():
        if isinstance(part, nn.Linear):
            part.to(dtype)


def dtype_of(block: nn.Module) -> torch.dtype:
    """The precision of a block's matrices, and of the hidden states it is given."""
    return next(part.weight.dtype for part in block.modules() if isinstance(part, nn.Linear))
