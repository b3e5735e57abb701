"""What all tests share: no network, tiny models, and the real files where they can be had."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pandas as pd
import pytest
import torch
from browsing import CHROMIUM, served
from building import build_book
from filelock import FileLock
from safetensors.torch import save_file

from llmclf.classify import TextClassifier
from llmclf.data import Splits
from llmclf.files import assets
from llmclf.head import Classifier
from llmclf.models import GPT2, GPT2Config, Llama, LlamaConfig
from llmclf.models.gpt2_weights import hub_layout
from llmclf.models.state import build, initialise
from llmclf.tokenizer import GPT2_PATTERN, build_encoding, gguf_tokenizer, gpt2_tokenizer, printable_bytes

# Random examples are the same in each run, and none is too slow on a busy machine.
hypothesis.settings.register_profile("calm", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("calm")

END_OF_TEXT = 256  # of the tiny tokenizer: every byte is a token, and this one more


def pytest_configure(config: pytest.Config) -> None:
    torch.set_num_threads(1)  # tiny models gain nothing from more, and lose much where the cores are shared
    if not config.option.markexpr:
        config.option.markexpr = "not download and not slow"


LONGEST = (
    *(
        "11_growing_up",
        "06_fine_tuning",
        "test_campaign",
        "09_another_task",
        "test_book",
        "08_how_good",
        "play",
        "10_experiments",
    ),
    *("07_classifying", "03_pretrained", "test_demo_live", "test_score_files", "test_security", "test_distributed"),
)  # files that take a while


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: with `--dist loadfile --no-loadscope-reorder` no worker is left alone with one at the end."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


def pytest_report_header() -> str:
    try:
        return f"llmclf: dataset from {assets.resolve('sms-spam')[0].name}"
    except assets.AssetError:
        return "llmclf: no dataset can be had; tests of it are skipped"


def _resolve(name: str):
    try:
        return assets.resolve(name)
    except assets.AssetError as error:
        pytest.skip(f"{name} cannot be had here: {str(error).splitlines()[0]}")


@pytest.fixture(scope="session")
def resolved() -> Callable[[str], Path]:
    """Where a registered file is; the test is skipped where it cannot be had."""
    return lambda name: _resolve(name)[1]


@pytest.fixture(autouse=True, scope="module")  # before a module's own fixtures, and not for the notebooks
def exact() -> Iterator[None]:
    """float32 on every machine; tests of bfloat16 ask for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMCLF_PRECISION", "float32")
        yield


@pytest.fixture(autouse=True)
def calm_environment(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """No progress bars, no settings of the developer's shell, and no connection that leaves this machine."""
    monkeypatch.setenv("CI", "true")
    monkeypatch.delenv("LLMCLF_FAST", raising=False)
    monkeypatch.delenv("LLMCLF_BACKBONE", raising=False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if request.node.get_closest_marker("download"):
        return
    connect = socket.socket.connect

    def connect_here_only(self, address):
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            pytest.fail(f"a unit test tried to reach {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here_only)


@pytest.fixture(scope="session")
def built_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The HTML folder of a strict build, which workers of pytest-xdist share."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with FileLock(folder / "book.lock"):
        if not (folder / "book" / "built").exists():
            build_book(folder / "book")
            (folder / "book" / "built").touch()
    return folder / "book" / "_build" / "html"


@pytest.fixture(scope="session")
def address(built_book):
    """Where the built book is served, on this machine only."""
    with served(built_book) as address:
        yield address


@pytest.fixture(scope="module")  # while it runs, no other test of this process can run an event loop
def browser():
    """A browser without window; tests that ask for it are marked `needs_browser`."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as program:
        nowhere_else = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        browser = program.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", nowhere_else])
        yield browser
        browser.close()


# Real files. Session fixtures are made before a test's network ban begins. --------------------------------------------


@pytest.fixture(scope="session")
def sms_path() -> Path:
    """The complete SMS collection; tests of exact counts are skipped where only the reduced copy can be had."""
    asset, path = _resolve("sms-spam")
    if asset.name != "sms-spam":
        pytest.skip("only the reduced SMS collection can be had here, and this test checks exact figures")
    return path


@pytest.fixture(scope="session")
def any_sms_path() -> Path:
    """The SMS collection, complete or reduced."""
    return _resolve("sms-spam")[1]


@pytest.fixture(scope="session")
def reduced_sms_path() -> Path:
    return _resolve("sms-spam-reduced")[1]


@pytest.fixture(scope="session")
def sentiment_path() -> Path:
    return _resolve("vader-sentiment")[1]


@pytest.fixture(scope="session")
def smollm2_path() -> Path:
    return _resolve("smollm2-135M")[1]


@pytest.fixture(scope="session")
def gpt2_encoding():
    _resolve("gpt2-encoder")
    return gpt2_tokenizer()


@pytest.fixture(scope="session")
def smollm2_encoding(smollm2_path):
    return gguf_tokenizer(smollm2_path)


# Small things ---------------------------------------------------------------------------------------------------------


def build_tiny_tokenizer():
    """A tokenizer without merges: the ids of a text are its UTF-8 bytes."""
    return build_encoding("tiny", GPT2_PATTERN, printable_bytes(), {"<|endoftext|>": END_OF_TEXT})


@pytest.fixture(scope="session")
def tiny_tokenizer():
    return build_tiny_tokenizer()


def tiny_gpt2(seed: int = 0, **changes) -> GPT2:
    shape = {"vocab_size": 257, "context_length": 96, "hidden_size": 32, "num_layers": 3, "num_heads": 4}
    model = build(GPT2Config(**(shape | changes)), device="cpu")
    initialise(model, seed)
    return model.eval()


def tiny_llama(seed: int = 0, **changes) -> Llama:
    shape = {"vocab_size": 257, "context_length": 96, "hidden_size": 48, "num_layers": 3, "num_heads": 6}
    shape |= {"num_kv_heads": 2, "intermediate_size": 64, "rope_base": 10_000.0}
    model = build(LlamaConfig(**(shape | changes)), device="cpu")
    initialise(model, seed)
    return model.eval()


@pytest.fixture(params=[tiny_gpt2, tiny_llama], ids=["gpt2", "llama"])
def tiny_backbone(request: pytest.FixtureRequest):
    """A model of each family."""
    return request.param()


@pytest.fixture
def classifier(tiny_backbone, tiny_tokenizer) -> TextClassifier:
    """A whole classifier, of each family, that has learnt nothing."""
    return TextClassifier(Classifier(tiny_backbone, 2), tiny_tokenizer, ["ham", "spam"], "random-tiny")


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory, gpt2_encoding) -> tuple[Path, Path]:
    """A tiny model with GPT-2's vocabulary, in the Hub's layout; a table with names and columns of its own."""
    return write_tiny_files(tmp_path_factory.mktemp("files"))


def write_tiny_files(folder: Path) -> tuple[Path, Path]:
    backbone, table = folder / "model.safetensors", folder / "mail.csv"
    generator = torch.Generator().manual_seed(0)
    layout = hub_layout(GPT2Config(hidden_size=64, num_layers=2, num_heads=1, context_length=128))
    save_file({name: torch.randn(shape, generator=generator) / 10 for name, shape in layout.items()}, backbone)
    rows = [{"id": n, "body": f"WIN {n} CASH", "kind": "advert"} for n in range(60)]
    rows += [{"id": n, "body": f'hello, "friend" {n}', "kind": "private"} for n in range(60)]
    pd.DataFrame(rows).to_csv(table, index=False)
    return backbone, table


@pytest.fixture
def tiny_splits() -> Splits:
    return make_tiny_splits()


def make_tiny_splits() -> Splits:
    """Messages that a tiny model can learn to tell apart, of many lengths."""
    ham = [f"see you at {hour}, {'dear ' * (hour % 7)}ok" for hour in range(40)]
    spam = [f"WIN {amount} NOW{'!' * (amount % 9)}" for amount in range(40)]
    table = pd.DataFrame({"label": [0] * 40 + [1] * 40, "text": ham + spam}).sample(frac=1, random_state=0)
    return Splits(*(table[start:stop].reset_index(drop=True) for start, stop in ((0, 50), (50, 62), (62, 80))))


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    torch.manual_seed(0)
