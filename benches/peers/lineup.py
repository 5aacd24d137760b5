"""Who takes part: one command line and environment per row of the tables."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent


@dataclass
class Peer:
    """A row of a table: its name and how its worker is started."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    ours: bool = False


@dataclass
class Places:
    """Where the parts of a run lie."""

    gguf: Path
    hf_folder: Path
    intel_path: Path
    supmer: Path | None
    start: Path
    order: Path
    amx: bool


@dataclass
class Work:
    """What the workers of one table do."""

    mode: str  # "adapt", "meta" or "predict"
    data: str
    batch: int
    steps: int
    threads: int
    learning_rate: float


# Name, variant, matmul setting, whether MKL is told to take its AVX-512 path, dtype.
TORCH_ROWS = [
    ("PEFT, stock", "peft", "highest", False, "float32"),
    ("PEFT, AVX-512 path", "peft", "highest", True, "float32"),
    ("transformers, frozen", "transformers", "highest", False, "float32"),
    ("transformers, frozen, AVX-512 path", "transformers", "highest", True, "float32"),
    ("hand-written, oneDNN", "shared", "medium", False, "float32"),
    ("hand-written, AVX-512 path", "shared", "highest", True, "float32"),
]
# What each mode's script can do.
VARIANTS = {
    "adapt": ("peft", "transformers", "shared"),
    "predict": ("transformers", "shared"),
    "meta": ("shared",),
}
BFLOAT16_ROW = ("hand-written, bfloat16 weights", "shared", "highest", False, "bfloat16")

# What supmer's rows add to their names, and their options.
OURS = [
    ("", []),
    (", AMX", ["--instructions", "amx"]),
    (", AMX rounded to bfloat16", ["--instructions", "amx-bf16"]),
]


def ours(places: Places, work: Work) -> list[Peer]:
    """Both modes of supmer, or nothing when its worker is not built."""
    if places.supmer is None:
        return []
    return [
        Peer(
            f"supmer, {weights}{extra}",
            [
                *(str(places.supmer), "--model", str(places.gguf), "--mode", work.mode),
                *("--weights", weights, *instructions, *workload(places, work)),
            ],
            ours=True,
        )
        for extra, instructions in (OURS if places.amx else OURS[:1])
        for weights in ("quantized", "expanded")
    ]


def torch_peers(places: Places, work: Work, bfloat16: bool) -> list[Peer]:
    rows = [*TORCH_ROWS, BFLOAT16_ROW] if bfloat16 and work.mode != "meta" else TORCH_ROWS
    return [
        Peer(
            name,
            [
                *(sys.executable, str(HERE / f"{work.mode}_torch.py"), "--serve"),
                *("--variant", variant, "--matmul", matmul, "--dtype", dtype),
                *("--model", str(places.hf_folder), *workload(places, work)),
            ],
            {"LD_PRELOAD": str(places.intel_path)} if preload else {},
        )
        for name, variant, matmul, preload, dtype in rows
        if (places.intel_path.exists() or not preload) and variant in VARIANTS[work.mode]
    ]


def llamacpp(places: Places, work: Work) -> list[Peer]:
    """llama.cpp predicts only, and only where its package was built."""
    from importlib.util import find_spec

    if work.mode != "predict" or find_spec("llama_cpp") is None:
        return []
    script = str(HERE / "predict_llamacpp.py")
    command = [sys.executable, script, "--serve", "--model", str(places.gguf)]
    return [Peer("llama.cpp", command + workload(places, work))]


def workload(places: Places, work: Work) -> list[str]:
    """The arguments that every worker takes."""
    arguments = [
        *("--task", str(HERE / "texts/task.json")),
        *("--data", str(HERE / f"texts/{work.data}.jsonl")),
        *("--prompt-file", str(places.start)),
        *("--batch", str(work.batch), "--threads", str(work.threads)),
    ]
    if work.mode != "predict":
        arguments += ["--order", str(places.order), "--steps", str(work.steps)]
        arguments += ["--lr", str(work.learning_rate)]
    return arguments


def environment(peer: Peer, threads: int) -> dict[str, str]:
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        **peer.environment,
    }
