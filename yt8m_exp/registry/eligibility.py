"""The checks before anything is predicted: whether two models can be compared at all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from yt8m_exp.data.manifest import Contents
from yt8m_exp.registry.gate import Check, Policy


@dataclass(frozen=True, eq=False)
class Candidate:
    """What is known about a champion or a challenger before it predicts.

    Attributes:
        version: its version of the registered model.
        level: level of the shards that it reads: video, frame.
        features: the size of each feature by name.
        classes: number of classes.
        vocabulary_digest: digest of the names of its classes, in order.
        answers: names of the outputs and parameters of its signature; None without a signature.
        trained_on: its training shards; None if they are not known.
        model_bytes: size of its file.
    """

    version: int
    level: str
    features: Mapping[str, int]
    classes: int
    vocabulary_digest: str
    answers: frozenset[str] | None
    trained_on: Contents | None
    model_bytes: int


def eligible(
    challenger: Candidate,
    champion: Candidate | None,
    shards: Contents,
    policy: Policy,
) -> list[Check]:
    """Checks what can be known before anything is predicted.

    Args:
        challenger: the version that may become champion.
        champion: the present champion; None if there is none yet.
        shards: the evaluation shards.
        policy: the rules.
    """
    models = [challenger] if champion is None else [challenger, champion]
    checks = [_unseen(model, shards, policy) for model in models]
    checks += [_signed(challenger, champion), *_small(challenger, policy)]
    if champion is not None:
        checks += [_same_level(challenger, champion), _same_vocabulary(challenger, champion)]
        if policy.same_features:
            checks.append(_same_features(challenger, champion))
    return checks


def _unseen(model: Candidate, shards: Contents, policy: Policy) -> Check:
    if model.trained_on is None:
        sentence = (
            f"Version {model.version} must say what it was trained on, but has no manifest of its "
            "training shards. If you know that it did not train on the evaluation shards, set "
            "policy.known_training=false."
        )
        return Check("unseen", not policy.known_training, sentence)
    seen = sorted(shards[key] for key in shards.keys() & model.trained_on.keys())
    sentence = f"Version {model.version} must not have trained on the evaluation shards"
    if seen:
        more = f" and {len(seen) - 3} more" if len(seen) > 3 else ""
        sentence += (
            f", but it did on {len(seen)} of {len(shards)}: {', '.join(seen[:3])}{more}. Evaluate "
            "on others: shards=..."
        )
    return Check("unseen", not seen, sentence if seen else f"{sentence}, and did not.")


def _signed(challenger: Candidate, champion: Candidate | None) -> Check:
    if challenger.answers is None:
        sentence = (
            f"Version {challenger.version} must have a signature, but has none. Log it with "
            "`packaging.log_model`, as `train` does."
        )
        return Check("signature", False, sentence)
    if champion is None:
        return Check("signature", True, f"Version {challenger.version} has a signature.")
    missing = sorted((champion.answers or frozenset()) - challenger.answers)
    sentence = f"Version {challenger.version} must have all outputs and parameters of the champion"
    sentence += f", but lacks {', '.join(missing)}." if missing else ", and does."
    return Check("signature", not missing, sentence)


def _same_level(challenger: Candidate, champion: Candidate) -> Check:
    ours, theirs = challenger.level, champion.level
    sentence = "Challenger and champion must read the same shards"
    if ours == theirs:
        return Check("shards", True, f"{sentence}, and do.")
    return Check(
        "shards",
        False,
        f"{sentence}, but one reads {ours}-level and the other {theirs}-level ones. Register the "
        f"{ours}-level models under another name.",
    )


def _same_vocabulary(challenger: Candidate, champion: Candidate) -> Check:
    ours, theirs = challenger.classes, champion.classes
    same = ours == theirs and challenger.vocabulary_digest == champion.vocabulary_digest
    sentence = "The classes must be those of the champion, in their order"
    if same:
        return Check("vocabulary", True, f"{sentence}, and are: {ours}.")
    how = f"are {ours} instead of {theirs}" if ours != theirs else "have other names or order"
    return Check("vocabulary", False, f"{sentence}, but {how}.")


def _same_features(challenger: Candidate, champion: Candidate) -> Check:
    more = [
        f"{name} of {size}"
        for name, size in challenger.features.items()
        if champion.features.get(name) != size
    ]
    sentence = "The challenger must need only features that the champion takes"
    if not more:
        return Check("features", True, f"{sentence}, and does.")
    return Check(
        "features",
        False,
        f"{sentence} ({', '.join(champion.features)}), but needs {', '.join(more)}. If clients "
        "send these features, too, set policy.same_features=false.",
    )


def _small(challenger: Candidate, policy: Policy) -> Iterator[Check]:
    if policy.model_bytes is None:
        return
    size = challenger.model_bytes
    sentence = f"The model must have at most {policy.model_bytes:,} bytes, and has {size:,}."
    yield Check("size", size <= policy.model_bytes, sentence)
