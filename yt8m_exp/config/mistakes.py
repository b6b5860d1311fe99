"""Says what is wrong with the words of a command line, and what was meant."""

import re
from collections.abc import Sequence
from pathlib import Path

from hydra.errors import HydraException, MissingConfigException, OverrideParseException

from yt8m_exp.config import groups, keys, schema
from yt8m_exp.config.overrides import PLAIN, literal, override, parses
from yt8m_exp.spec import InputError
from yt8m_exp.terminal.suggestions import did_you_mean

FLAGS = {
    *("--help", "-h", "--hydra-help", "--version", "--cfg", "-c", "--resolve", "--package", "-p"),
    *("--run", "-r", "--multirun", "-m", "--shell-completion", "-sc", "--config-path", "-cp"),
    *("--config-name", "-cn", "--config-dir", "-cd", "--info", "-i"),
}
"""Hydra's own options, but for one that reads a pickle (--experimental-rerun)."""
REFUSED = re.compile(r"Could not override '(?P<key>[^']+)'|Could not delete[^']*'(?P<other>[^']+)'")
LIST = re.compile(r"\[(?P<parts>[^]['\"]+)\]")
"""A list of texts that are not in quotes."""


def corrected(verb: str, words: Sequence[str]) -> list[str]:
    """Returns the words; text that Hydra's grammar does not take, as a pattern, is put in quotes.

    Raises:
        InputError: a word is neither an override nor an option of Hydra.
    """
    found, before = [], ""
    for word in words:
        if word[:1] == "-":
            _require_flag(verb, word)
        elif before[:1] != "-" and "=" not in word and word[:1] != "~":
            raise InputError(_not_an_override(verb, word))
        found.append(_quoted(verb, word))
        before = word
    return found


def explained(verb: str, words: Sequence[str], error: Exception) -> str:
    """Returns what is wrong with a verb's overrides, after Hydra has refused them."""
    text = " ".join(str(error).split())
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        names = ", ".join(sorted(error.options))
        meant = did_you_mean(choice, error.options)
        return f"`{group}` must be one of {names}, but got {choice!r}.{meant}"
    if isinstance(error, OverrideParseException):
        return _unreadable(verb, words, error.override)
    if refused := REFUSED.search(text):
        return _unknown(verb, words, refused["key"] or refused["other"])
    return text


def _require_flag(verb: str, word: str) -> None:
    name, _, value = word.partition("=")
    if name in FLAGS or ("=" in word and name.lstrip("-") == ""):
        return
    known = keys.of_verb(verb).names
    key = name.lstrip("-")
    meant = f"{key}={value or '...'}" if key in known else ""
    hint = f" Write {meant}, without dashes." if meant else did_you_mean(key, known)
    raise InputError(f"There is no option {name}.{hint}")


def _not_an_override(verb: str, word: str) -> str:
    patterns = sorted(schema.keys_of_patterns(verb))
    if ("/" in word or Path(word).exists()) and patterns:
        key = "shards" if "shards" in patterns else patterns[0]
        pattern = str(Path(word).parent / f"*{Path(word).suffix}")
        return (
            f"A word must be key=value, but got {word!r}. Has the shell replaced a pattern? Put "
            f"the pattern in quotes: {key}='{pattern}'"
        )
    found = keys.of_verb(verb)
    for group in found.groups:
        if word in group.choices:
            return f"A word must be key=value, but got {word!r}. Write {group.key}={word}."
    return f"A word must be key=value, but got {word!r}.{did_you_mean(word, found.names)}"


def _quoted(verb: str, word: str) -> str:
    key, equals, value = word.partition("=")
    if not equals or PLAIN.fullmatch(value):  # which Hydra reads as it is
        return word
    text = schema.keys_of_text(verb) | schema.keys_of_patterns(verb)
    if key in text and not parses(word) and value[:1] not in ("'", '"'):
        return override(key, value)
    return word


def _unreadable(verb: str, words: Sequence[str], word: str) -> str:
    key, equals, value = word.partition("=")
    if not equals:
        return f"A word must be key=value, but got {word!r}."
    if groups.from_hydra(key.lstrip("+~")) not in _names(verb, words):
        return _unknown(verb, words, key)
    said = f"The value of `{key}` cannot be read: {value}."
    if of_texts := LIST.fullmatch(value):
        parts = ",".join(f'"{part.strip()}"' for part in of_texts["parts"].split(","))
        return f"{said} If it is a list of texts, put each in quotes: {key}='[{parts}]'"
    meant = literal(value.strip("'\""))
    quoted = meant if meant[:1] == "'" else f"'{meant}'"
    return f'{said} If it is text, put it in quotes that reach the program: {key}="{quoted}"'


def _unknown(verb: str, words: Sequence[str], key: str) -> str:
    """Names the key that a verb does not have, and those that are close to it."""
    key = groups.from_hydra(key)
    return f"`{verb}` has no key `{key}`.{schema.meant(verb, key, _names(verb, words))}"


def _names(verb: str, words: Sequence[str]) -> list[str]:
    """Returns the keys of a verb, with those of the choices that the words make."""
    chosen = [word for word in words if groups.chooses(word)]
    try:
        return keys.of_verb(verb, chosen).names
    except (HydraException, InputError):
        return keys.of_verb(verb).names
