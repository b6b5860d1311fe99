"""Writes values as overrides in Hydra's grammar, and converts parameters of MLproject to them."""

import json
import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from yt8m_exp.spec import InputError

PLAIN = re.compile(r"[A-Za-z_/][\w./:@*?+-]*", re.ASCII)
WORDS = ("null", "true", "false", "inf", "nan")  # in any letter case, values for Hydra
BEFORE_QUOTE = re.compile(r"(\\*)('|$)")  # Hydra reads a backslash as an escape only there
BEFORE_INTERPOLATION = re.compile(r"(\\*)\$\{")
MARK = "--parameters"
SHORT = {
    "train": {"train": "data.train", "validate": "data.validate"},
    "import_checkpoint": {"model": "kind"},
}
"""Short names of keys, by the verb that knows them."""


def override(key: str, value: Any) -> str:
    """Returns the override that sets a key to a value: text, a number, None, a list, a mapping."""
    return f"{key}={literal(value)}"


def literal(value: Any) -> str:
    """Returns a value in Hydra's grammar, so that text stays text."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{literal(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(literal, value))}]"
    if isinstance(value, float):
        return repr(value)  # Hydra reads 1e-05, inf and nan, too
    return json.dumps(value)


def quoted(text: str) -> str:
    """Returns text in quotes if Hydra's grammar would read it as something else."""
    if PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    safe = BEFORE_QUOTE.sub(lambda found: 2 * found[1] + ("\\'" if found[2] else ""), escaped(text))
    return f"'{safe}'"


def escaped(text: str) -> str:
    r"""Returns text in which OmegaConf finds no interpolation: `${` becomes `\${`."""
    return BEFORE_INTERPOLATION.sub(lambda found: 2 * found[1] + r"\${", text)


def require_no_hydra(words: Iterable[str], *, allowed: Collection[str] = ()) -> None:
    """Refuses overrides of Hydra itself, which may name code to run.

    Raises:
        InputError: the first such override.
    """
    for word in words:
        key = word.lstrip("+~").partition("=")[0]
        if re.match(r"hydra([./@]|$)", key) and key not in allowed:
            raise InputError(f"An override may not change Hydra itself, but got {key!r}.")


def unswept(word: str) -> str:
    """Returns an override in which a value with commas, as `shard=1,100`, is text.

    Hydra would take it for a sweep over several values, and no verb sweeps so.
    """
    key, equals, value = word.partition("=")
    if "," not in value or word[:1] == "-":
        return word
    try:
        parsed = OverridesParser.create().parse_override(word)
    except HydraException:
        return word
    return override(key, value) if parsed.is_choice_sweep() and equals else word


def from_mlproject(
    words: Sequence[str],
    *,
    text: Collection[str] = (),
    lists: Collection[str] = (),
    names: Mapping[str, str] = {},
    free: bool = True,
) -> list[str]:
    """Turns the words of an MLproject command into Hydra's.

    MLflow adds each parameter as `--key value`. Before them stands the word `--parameters`, and
    before this stand defaults. The parameter `overrides` holds free overrides, and no options, as
    some of Hydra's run code. A parameter that is empty is left out. All others are text, numbers,
    null or truth values.
    Words without `--parameters` are Hydra's own already.

    Args:
        words: the words after the verb.
        text: keys whose value is text, whatever it looks like.
        lists: keys whose value is text, or a list of texts in Hydra's grammar.
        names: keys by their short names.
        free: whether `overrides` are of this verb; otherwise they are a list, of another verb.

    Raises:
        InputError: the free overrides hold an option, or a word is no parameter.
    """
    if MARK not in words:
        return list(words)
    place = list(words).index(MARK)
    added = words[place + 1 :]
    if odd := [word for word in added[::2] if word[:2] != "--"] or added[len(added) & ~1 :]:
        raise InputError(f"After {MARK}, MLflow adds `--key value`, but got {odd[0]!r}.")
    options = (word.removeprefix("--") for word in added[::2])
    pairs = dict(zip(options, added[1::2], strict=True))
    given = pairs.pop("overrides", "").strip()
    more = shlex.split(given)
    if more and not free:
        more = [f"overrides={given}" if given[0] == "[" else override("overrides", more)]
    for word in more:
        if word.startswith("-"):
            raise InputError(f"The parameter `overrides` holds no options, but got {word!r}.")
    parameters = [
        _parameter(names.get(key, key), value, text=text, lists=lists)
        for key, value in pairs.items()
        if value or names.get(key, key) in lists
    ]
    return [*words[:place], *parameters, *more]


def in_full(words: Iterable[str], verb: str) -> list[str]:
    """Returns overrides in which each short name of a verb's key is the key."""
    names = SHORT.get(verb, {})
    pairs = (word.partition("=") for word in words)
    return [
        f"{names.get(key, key) if equals else key}{equals}{value}" for key, equals, value in pairs
    ]


def _parameter(key: str, value: str, *, text: Collection[str], lists: Collection[str]) -> str:
    is_list = key in lists and value.startswith("[")
    is_free = key not in text and (is_list or key not in lists)
    if value == "null" or (is_free and parses(f"{key}={value}")):
        return f"{key}={value}"
    return override(key, value)


def parses(word: str) -> bool:
    """Returns whether Hydra reads a word as one override, and as no sweep over values."""
    try:
        parsed = OverridesParser.create().parse_override(word)
    except HydraException:
        return False
    return not parsed.is_sweep_override()
