"""Replaces secrets by `***` in whatever is shown or kept: one rule for all places.

A secret is a password or a token in a URI, a signature or a key in its query, what is assigned to a
name such as `password`, `api_token` or `CLIENT_SECRET`, and the value of an environment variable of
such a name, wherever it occurs.
"""

import errno
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote, unquote

MASK = "***"
NAME = re.compile(r"passw(?:or)?d|token|secret|(?:api|access|private)[_-]?key", re.IGNORECASE)
PLACES = ("_FILE", "_PATH", "_DIR")
"""Ends of names of variables that hold where a secret lies."""
NOBODY_READS = (errno.EPIPE, errno.EIO)
"""Errors of a write into a closed pipe, and to a terminal that is gone."""
KNOWN_CHARACTERS = 6
"""A shorter value of a variable is not looked for: it would be found in other words."""

# Repetitions that may begin at many places of a word have limits: a megabyte without a space, as a
# trial may print it, would else take hours.
_PORT = r"\d{1,5}(?:[/?#,;\s'\")\]}]|$)"
_USER_INFO = re.compile(rf"(://[^\s:/@'\"]{{0,256}}:)(?!{_PORT})[^\s'\"]{{1,2048}}(?=@)")
_TOKEN_ALONE = re.compile(r"(https?://)[^\s:/@'\"]+(?=@)")
_QUERY = re.compile(
    r"([?&;](?!viewStateShareKey=)[^\s=&;?]{0,99}"  # by which MLflow's pages name a view
    r"(?:passw|token|secret|signature|credential|key|sig)[^\s=&;?]{0,99}=)[^\s&;'\"<>,)]+",
    re.IGNORECASE,
)
_TO_NAME = rf"((?:{NAME.pattern})[\w.-]{{0,99}}['\"]?\s*[=:]\s*)"
_QUOTED = r"\"[^\"]*\"|'[^']*'"
_ASSIGNED = re.compile(rf"{_TO_NAME}({_QUOTED}|[^\s'\",;&}}\])]+)", re.IGNORECASE)
_ASSIGNED_IN_CODE = re.compile(
    rf"((?:{NAME.pattern})[\w.-]{{0,99}}['\"]?(?:: [\w.\[\]| ]+)?\s*[=:]\s*)({_QUOTED})",
    re.IGNORECASE,
)
_OPTION = re.compile(rf"((?<![\w-])--[\w-]*(?:{NAME.pattern})[\w-]*\s+)(\S+)", re.IGNORECASE)
_HARMLESS = re.compile(r"['\"]?(|true|false|null|none|\*+)['\"]?", re.IGNORECASE)
_COUNT = re.compile(r"[-+]?\d[\d_.]{0,8}(e[-+]?\d+)?", re.IGNORECASE)
_KEPT = re.compile(
    r"(<script\b.*?</script>|data:image/\w+;base64,[\w+/=]+)", re.IGNORECASE | re.DOTALL
)


def redact(text: str, *, is_code: bool = False) -> str:
    """Returns a text without its secrets.

    Args:
        text: any text.
        is_code: whether only what is in quotes is a value, as in Python.
    """
    return _redact(text, _known(), is_code=is_code)


def redact_page(html: str) -> str:
    """Returns a page without secrets; images and scripts (libraries, numbers) stay as they are."""
    parts = _KEPT.split(html)
    return "".join(part if n % 2 else redact(part) for n, part in enumerate(parts))


def redact_diff(diff: str) -> str:
    """Returns what `git diff` prints, without secrets, and with Python code as it is."""
    parts = re.split(r"^(?=diff --git )", diff, flags=re.MULTILINE)
    return "".join(redact(part, is_code=part.partition("\n")[0].endswith(".py")) for part in parts)


def redacted(value: Any) -> Any:
    """Returns plain data without secrets: by the names of their keys, and within their texts."""
    return _redacted(value, _known())


class RedactedStream:
    """A text stream that writes no secrets.

    Once nobody reads it (`| head -1`, a closed terminal), it writes nothing more, and the work goes
    on.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes a text without its secrets."""
        with self._as_long_as_somebody_reads():
            self._stream.write(redact(text))
        return len(text)

    def flush(self) -> None:
        """Writes what is held back."""
        with self._as_long_as_somebody_reads():
            self._stream.flush()

    def writelines(self, lines: Any) -> None:
        """Writes lines without their secrets."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _as_long_as_somebody_reads(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in NOBODY_READS:
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # what is held back goes there, too
            os.close(nowhere)


def redact_output() -> None:
    """Makes this process write no secrets on standard output and standard error."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or Path(os.devnull).open("w")  # noqa: SIM115  `>&-` closed it
        if not isinstance(stream, RedactedStream):
            setattr(sys, name, RedactedStream(stream))


def _redact(text: str, known: Sequence[str], *, is_code: bool = False) -> str:
    for secret in known:
        text = text.replace(secret, MASK)
    if "@" in text:  # a text full of addresses without one takes seconds to be searched in vain
        text = _TOKEN_ALONE.sub(rf"\1{MASK}", _USER_INFO.sub(rf"\1{MASK}", text))
    text = _QUERY.sub(rf"\1{MASK}", text)
    if is_code:
        return _ASSIGNED_IN_CODE.sub(_masked, text)
    return _OPTION.sub(_masked, _ASSIGNED.sub(_masked, text))


def _redacted(value: Any, known: Sequence[str], key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {name: _redacted(inner, known, str(name)) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_redacted(inner, known, key) for inner in value)
    if NAME.search(key) and not _is_harmless(key, str(value)):
        return MASK
    return _redact(value, known) if isinstance(value, str) else value


def _is_harmless(name: str, value: str) -> bool:
    """Tells whether a value is none, or a number of tokens."""
    is_count = "token" in name.lower() and _COUNT.fullmatch(value)
    return bool(is_count or _HARMLESS.fullmatch(value))


def _masked(found: re.Match[str]) -> str:
    value = found[2]
    if _is_harmless(found[1], value):
        return found[0]
    mark = value[0] if value[0] in "'\"" else ""
    return f"{found[1]}{mark}{MASK}{mark}"


def _known() -> list[str]:
    """Returns the secrets in the environment and on the command line, the longest first."""
    named = {
        value
        for name, value in os.environ.items()
        if NAME.search(name) and not name.upper().endswith(PLACES)
    }
    for text in (*os.environ.values(), *sys.argv, *sys.orig_argv):
        if "://" in text:
            named |= {found[0][len(found[1]) :] for found in _USER_INFO.finditer(text)}
    values = {form for value in named for form in (value, quote(value, safe=""), unquote(value))}
    long = (v for v in values if len(v) >= KNOWN_CHARACTERS and not _HARMLESS.fullmatch(v))
    return sorted(long, key=len, reverse=True)
