"""The type and range of every key of every verb.

The keys inside a group with a `_target_` (model, loss, optimizer, schedule, launcher) are those of
`parts`.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from yt8m_exp.config import parts
from yt8m_exp.config.parts import BelowOne, Bytes, Count, NotNegative, Positive, Text
from yt8m_exp.spec import DECISIONS, MAX_FRAMES


def _not_of_decisions(name: str) -> str:
    if name.endswith(DECISIONS):
        raise PydanticCustomError("string_pattern_mismatch", "a name of decisions")
    return name


Share = Annotated[float, Field(ge=0, le=1)]
Patterns = Text | Annotated[list[Text], Field(min_length=1)]
ModelName = Annotated[
    str, Field(pattern=r"^[^/:@]*[^/:@.][^/:@]*$"), AfterValidator(_not_of_decisions)
]
"""The name of a registered model: as MLflow accepts it, not one of an alias or of decisions."""
Shifts = Annotated[list[Annotated[int, Field(ge=-MAX_FRAMES, le=MAX_FRAMES)]], Field(min_length=1)]
Stored = Literal["float32", "float16", "int8"]
"""How a model's weights are stored."""
BadRecord = Literal["stop", "skip"]

TRACKING = {
    "tracking.experiment": Text,
    "tracking.runs": Text,
    "tracking.run_name": Text | None,
    "tracking.system_metrics": bool,
    "tracking.tensorboard": bool,
    "tracking.patience": Positive,
}
CACHE = {
    "data.cache.folder": Text | None,
    "data.cache.bytes": Annotated[int, Field(ge=0)],
}
READING = CACHE | {
    "data.check_bytes": Annotated[int, Field(ge=0)] | None,
}
TYPES: dict[str, dict[str, Any]] = {
    "train": TRACKING
    | READING
    | {
        "epochs": Annotated[float, Field(gt=0, le=1e6)],
        "batch_size": Count,
        "learning_rate": Positive,
        "learning_rate_factors": dict[Text, NotNegative] | None,
        "seed": Annotated[int, Field(ge=0, lt=2**31)],
        "precision": Literal["float32", "mixed_bfloat16"],
        "jit_compile": bool,
        "deterministic": bool,
        "memory_check": bool,
        "clip.norm": float | None,
        "clip.by": Literal["variable", "global"],
        "ema_half_life": Positive | None,
        "augmentation.mixup": NotNegative,
        "augmentation.noise": NotNegative,
        "augmentation.half_video": Share,
        "augmentation.frame_dropout": BelowOne,
        "label_smoothing": BelowOne,
        "distillation.teacher": Text | Annotated[list[Text], Field(min_length=1)] | None,
        "distillation.mix": Share,
        "distillation.temperature": Positive,
        "distillation.online": bool,
        "distillation.top_k": Count | None,
        "distillation.shards": Patterns | None,
        "averaging.method": Literal["uniform", "greedy"] | None,
        "averaging.checkpoints": Annotated[int, Field(ge=2)],
        "evaluate_every": Count | None,
        "log_every": Count | None,
        "checkpoint_seconds": NotNegative,
        "patience": Count | None,
        "start_from": Text | None,
        "resume": Text | None,
        "figures": bool,
        "register": ModelName | None,
        "data.train": Patterns,
        "data.validate": Patterns,
        "data.level": Literal["video", "frame", "segment"],
        "data.features": Annotated[dict[Text, Count], Field(min_length=1)],
        "data.max_frames": Count,
        "data.classes": Count,
        "data.folder": Text,
        "data.vocabulary": Text | None,
        "data.on_bad_record": BadRecord,
        "data.shuffle_bytes": Bytes,
        "data.balance": Share,
        "data.packed.precision": Literal["float32", "float16", "uint8"] | None,
        "data.packed.folder": Text | None,
        "data.packed.bytes": Annotated[int, Field(ge=1)],
        **{f"{group}._target_": Text for group in ("model", "loss", "optimizer", "schedule")},
    },
    "eval": TRACKING
    | READING
    | {
        "frame_shifts": Shifts,
        "model_uri": Text | None,
        "shards": Patterns | None,
        "on_bad_record": BadRecord,
        "batch_size": Count | None,
        "segments": bool,
        "page": bool,
        "watch": Text | None,
        "watch_seconds": Positive,
        "top_k": Count,
        "top_n": list[Count],
        "loss": dict[str, Any] | None,
        "predictions": Text | None,
        "segment_predictions": Text | None,
        "labels": Text | None,
        "classes": Count,
        "segments_listed": Count,
    },
    "inference": TRACKING
    | READING
    | {
        "frame_shifts": Shifts,
        "model_uri": Text,
        "shards": Patterns | None,
        "output": Text,
        "slots": Count | None,
        "top_k": Count,
        "on_bad_record": BadRecord,
        "batch_size": Count | None,
        "segments": bool,
        "segment_classes": Text,
        "segments_per_class": Count,
        "classes": Text | None,
        "score_format": Literal["g", "f"],
        "page": bool,
    },
    "import_checkpoint": TRACKING
    | {
        "checkpoint": Text,
        "kind": Text,
        "options": dict[str, Any] | None,
        "features": dict[str, Count] | None,
        "shards": Patterns | None,
        "on_bad_record": BadRecord,
        "vocabulary": Text | None,
        "register": ModelName | None,
    },
    "ensemble": TRACKING
    | READING
    | {
        "members": Patterns,
        "best": Count,
        "weights": Literal["equal", "learnt"],
        "weights_shards": Patterns | None,
        "mean": Literal["logits", "probabilities"],
        "neighbours.share": Share,
        "neighbours.shards": Patterns | None,
        "neighbours.k": Count,
        "neighbours.temperature": Positive,
        "neighbours.prior": NotNegative,
        "neighbours.audio": NotNegative,
        "ridge.share": Share,
        "ridge.shards": Patterns | None,
        "ridge.width": Positive,
        "ridge.ridge": Positive,
        "ridge.normalize": parts.TYPES["normalize"],
        "precision": Stored,
        "shards": Patterns | None,
        "on_bad_record": BadRecord,
        "batch_size": Count | None,
        "max_bytes": Positive,
        "figures": bool,
        "register": ModelName | None,
    },
    "sweep": TRACKING
    | {
        "sweep": Text,
        "trials": Count | None,
        "slots": Count | None,
        "train": Patterns | None,
        "validate": Patterns | None,
        "fixed": list[Text],
        "storage": Text,
        "name": Text | None,
        "figures": bool,
        "accept_changes": bool,
        "register": ModelName | None,
        "launcher._target_": Text,
    },
    "promote": TRACKING
    | READING
    | {
        "name": ModelName,
        "version": Count | None,
        "run_id": Text | None,
        "sweep": Text | None,
        "shards": Patterns | None,
        "on_bad_record": BadRecord,
        "batch_size": Count | None,
        "require": bool,
        "policy.minimum_gap": Share | None,
        "policy.minimum_gain": float | None,
        "policy.lower_bound": float | None,
        "policy.confidence": Annotated[float, Field(gt=0, lt=1)],
        "policy.resamples": Count,
        "policy.seed": Annotated[int, Field(ge=0)],
        "policy.class_positives": Count | None,
        "policy.class_loss": Share | None,
        "policy.model_bytes": Positive | None,
        "policy.latency_milliseconds": Positive | None,
        "policy.calibration_error": Share | None,
        "policy.known_training": bool,
        "policy.same_features": bool,
    },
    "check": TRACKING
    | CACHE
    | {
        "shards": Patterns,
        "against": Patterns | None,
        "slots": Count | None,
        "output": Text | None,
        "labels": bool,
        "level": Literal["video", "frame", "segment"] | None,
        "classes": Count | None,
        "vocabulary": Text | None,
        "features": bool,
        "require": bool,
    },
    "rollback": TRACKING | {"name": ModelName, "version": Count | None, "reason": str},
    "history": {"name": Text},
    "doctor": TRACKING
    | CACHE
    | {
        "name": ModelName,
        "storage": Text,
        "shards": Patterns | None,
        "require": bool,
    },
    "export": {
        "model_uri": Text,
        "output": Text,
        "form": Literal["starter_code", "mediapipe"],
        "precision": Stored,
    },
    "compare": TRACKING
    | {
        "runs": list[Text],
        "filter": Text | None,
        "most": Count,
        "output": Text,
    },
    "submit": {
        "target": Literal["vertex"],
        "job": Literal["train", "eval", "inference", "sweep", "check"],
        "overrides": list[Text],
        "shape": Text,
        "image": Text,
        "project": Text,
        "region": Text,
        "staging": Text,
        "service_account": Text | None,
        "env": dict[Text, Text],
        "dry_run": bool,
    },
    "tag": {
        "videos": Text,
        "model_uri": Text,
        "output": Text,
        "weights": Text,
        "top_k": Count,
        "threshold": Share,
        "max_frames": Count,
        "bad_videos": Literal["skip", "stop"],
        "workers": Count | None,
    },
    "extract": {
        "videos": Text,
        "output": Text,
        "weights": Text,
        "vocabulary": Text | None,
        "max_frames": Count,
        "bad_videos": Literal["skip", "stop"],
        "workers": Count | None,
        "validate_share": Share,
        "shard_videos": Count,
        "seed": Annotated[int, Field(ge=0)],
    },
    "json_to_csv": {"predictions": Patterns, "output": Text, "top_k": Count},
    "download": {
        "partition": Text,
        "mirror": Literal["us", "eu", "asia"],
        "shard": Text | None,
        "output": Text,
        "transfers": Count,
        "attempts": Count,
        "backoff_seconds": NotNegative,
        "replace": bool,
        "server.plans": Text,
        "server.files": Text,
        "server.vocabularies": Text,
        "server.inception": Text,
        "server.audioset": Text,
    },
}
