"""How the suggested learning rates were chosen: SmolLM2, several rates, the loss of the validation set."""

from __future__ import annotations

from llmclf import data
from llmclf.finetune import sweep_learning_rates
from llmclf.train import TrainingSettings

BACKBONE = "smollm2-135M"
RATES = {"last_block": (5e-5, 1e-4, 2e-4, 4e-4, 8e-4), "all": (1e-5, 2e-5, 5e-5, 1e-4, 2e-4)}
SEEDS = (123, 1, 2)


def run(backbone: None, *, quick: bool, runs: int) -> dict:
    """The source's tables, five epochs; three seeds where only the last block learns, one where everything does."""
    splits, rows = data.prepare_sms(), []
    for trainable, rates in RATES.items():
        for seed in SEEDS[: 1 if quick or trainable == "all" else None]:
            settings = TrainingSettings(seed=seed, evaluate_every=10**9, evaluate_batches=1)
            table, _ = sweep_learning_rates(rates, splits, data.SMS_LABELS, BACKBONE, settings, trainable=trainable)
            for rate, found in table.iterrows():
                rows.append({"trainable": trainable, "seed": seed, "learning rate": rate, **found.to_dict()})
    return {"quick": quick, "rows": rows}
