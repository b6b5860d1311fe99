"""The members of an ensemble: which they are, whether they fit, and what they learnt from."""

import hashlib
import json
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from yt8m_exp import spec
from yt8m_exp.registry import versions
from yt8m_exp.serving import uris
from yt8m_exp.spec import InputError

logger = logging.getLogger(__name__)

MEAN = "mean_"
ALIKE = {"classes": "as many classes", "vocabulary.digest": "the same classes in the same order"}
"""What all members must have, by the fact that tells."""


def named(client: Any, members: str | Sequence[str], best: int) -> list[str]:
    """Returns the URIs of the members; an alias is resolved once.

    Args:
        client: a client of the tracking store.
        members: URIs of models, ids of training runs, or names of studies.
        best: how many models of a study are members: those with the highest GAP.

    Raises:
        InputError: there is no such model, run or study, or a model is named twice.
    """
    words = [members] if isinstance(members, str) else members
    found = [uri for word in words for uri in _of(client, word, best)]
    if repeated := next((uri for uri in found if found.count(uri) > 1), None):
        raise InputError(f"Each member must be named once, but {repeated} is named again.")
    return found


def require_alike(facts: Mapping[str, Mapping[str, str]]) -> int:
    """Refuses members that cannot be one model; reads none of their files.

    Args:
        facts: what the store knows of each member, by its URI; see `uris.facts`.

    Returns:
        The bytes of their files together, as far as the store knows them.

    Raises:
        InputError: two members disagree on classes, or on the size of a feature.
    """
    for fact, what in ALIKE.items():
        _require_same(facts, fact, what)
    _require_sizes({uri: json.loads(known.get("features", "{}")) for uri, known in facts.items()})
    return sum(int(known.get("bytes", 0)) for known in facts.values())


def features(facts: Mapping[str, Mapping[str, str]]) -> set[str] | None:
    """Returns the names of the features that members take as one model; None if one is not known.

    Args:
        facts: as `require_alike` takes them.
    """
    taken: set[str] = set()
    level = "video"
    for known in facts.values():
        schema = uris.schema(known)
        if schema is None:
            return None
        taken |= schema.features.keys()
        level = schema.level if schema.level != "video" else level
    return taken if level == "video" else {name.removeprefix(MEAN) for name in taken}


def require_small(size: float, max_bytes: float) -> None:
    """Raises InputError where an ensemble is larger than it may be."""
    if size > max_bytes:
        raise InputError(
            f"`max_bytes` must hold the ensemble, but got max_bytes={max_bytes:,.0f}, and it has "
            f"{size:,.0f} bytes. Take fewer members, or precision=int8."
        )


def learnt_from(abouts: Sequence[Mapping[str, Any]], key: str, *more: Mapping[str, Any]) -> Any:
    """Returns a manifest, as plain data, of all shards that members have read for something.

    Args:
        abouts: what each member says of its training.
        key: train or validate.
        more: manifests of other shards that the ensemble reads for it.

    Returns:
        The manifest; None if it is not known of a member.
    """
    if not all(key in about for about in abouts):
        return None
    manifests = [*(about[key] for about in abouts), *more]
    shards = {
        (shard["name"], shard["bytes"], shard.get("crc32c")): shard
        for manifest in manifests
        for shard in manifest["shards"]
    }
    text = "\n".join(" ".join(map(str, known)) for known in sorted(shards, key=str))
    sources = dict.fromkeys(source for manifest in manifests for source in manifest["source"])
    return {
        "digest": hashlib.sha256(text.encode()).hexdigest()[:32],
        "source": list(sources),
        "records": sum(shard.get("records", 0) for shard in shards.values()),
        "shards": list(shards.values()),
    }


def _of(client: Any, word: str, best: int) -> list[str]:
    if any(mark in word for mark in ":/"):
        uris.require(word)
        return [uris.resolve(word)[0]]
    try:
        runs = versions.best_runs_of_sweep(client, word, best)
        if len(runs) < best:
            logger.info("Of %s, %d models have a GAP, fewer than best=%d", word, len(runs), best)
    except InputError:
        if not re.fullmatch(spec.RUN_ID, word):
            raise
        runs = [word]
    return [versions.model_of_run(client, run_id) for run_id in runs]


def _require_same(facts: Mapping[str, Mapping[str, str]], fact: str, what: str) -> None:
    known = {uri: facts[uri][fact] for uri in facts if fact in facts[uri]}
    first = next(iter(known), "")
    for uri, value in known.items():
        if value != known[first]:
            raise InputError(
                f"Members must have {what}, but {fact} is {known[first]} of {first} and {value} of "
                f"{uri}."
            )


def _require_sizes(features: Mapping[str, Mapping[str, int]]) -> None:
    first: dict[str, tuple[int, str]] = {}
    for uri, sizes in features.items():
        for name, size in sizes.items():
            known, other = first.setdefault(name.removeprefix(MEAN), (size, uri))
            if known != size:
                raise InputError(
                    f"Members must take a feature in the same size, but {name} has {known} in "
                    f"{other} and {size} in {uri}."
                )
