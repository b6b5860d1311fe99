"""Completes the command line of `yt8m` in bash, zsh and fish."""

import sys
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path

from yt8m_exp import spec
from yt8m_exp.config import doors

ASKS = "--complete"
"""The option with which a shell asks; the line up to the cursor follows it."""
SCRIPTS = {
    "bash": r"""
_yt8m() {
    local IFS=$'\n' line="${COMP_LINE:0:COMP_POINT}" word start=""
    word="${line##* }"
    COMPREPLY=($(yt8m --complete "$line" 2>/dev/null))
    # Bash takes what follows = and : for a word of its own.
    [[ $COMP_WORDBREAKS == *[=:]* ]] && start="${word%"${word##*[=:]}"}"
    COMPREPLY=("${COMPREPLY[@]#"$start"}")
    [[ ${#COMPREPLY[@]} -gt 1 || ${COMPREPLY[0]} == *[=/] ]] && compopt -o nospace
    return 0
}
complete -F _yt8m yt8m
""",
    "zsh": r"""
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u }
_yt8m() {
    local -a found
    found=("${(@f)$(yt8m --complete "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
    compadd -S '' -- ${(M)found:#*[=/]}
    compadd -- ${found:#*[=/]}
}
compdef _yt8m yt8m
""",
    "fish": r"""
complete --command yt8m --no-files --arguments '(yt8m --complete (commandline -cp) 2>/dev/null)'
""",
}
INSTALL = {
    "bash": """eval "$(yt8m completion bash)"        # in ~/.bashrc""",
    "zsh": """eval "$(yt8m completion zsh)"         # in ~/.zshrc""",
    "fish": """yt8m completion fish | source         # in ~/.config/fish/config.fish""",
}


def install(words: Sequence[str]) -> int:
    """Prints what a shell has to evaluate, or how to have it do so; returns the exit status."""
    if len(words) == 1 and words[0] in SCRIPTS:
        print(SCRIPTS[words[0]].strip())
        return 0
    print("\n".join(["Add the line of your shell:", *INSTALL.values()]), file=sys.stderr)
    return 2


def candidates(line: Sequence[str]) -> list[str]:
    """Returns the words that may stand where the cursor is.

    Args:
        line: the line up to the cursor, as one text.
    """
    text = " ".join(line)
    words = [*text.split()[1:], *([""] if text.endswith(" ") or " " not in text else [])]
    *before, word = words or [""]
    if not before:
        found: Iterator[str] = iter([*doors.verbs(), "completion"])
    elif before[0] == "completion":
        found = iter(SCRIPTS)
    elif before[0] in doors.verbs():
        found = _of_verb(before[0], before[1:], word)
    else:
        found = iter(())
    return [one for one in dict.fromkeys(found) if one.startswith(word)]


def _of_verb(verb: str, before: Sequence[str], word: str) -> Iterator[str]:
    # Imported here, because Hydra takes 0.2 s, and the name of a verb needs none of it.
    from yt8m_exp.config import groups, keys

    key, equals, value = word.partition("=")
    if not equals:
        known = keys.of_verb(verb, [w for w in before if groups.chooses(w)])
        yield from (f"{name}=" for name in known.names)
        yield from ("--help", "--cfg")
        return
    choices = groups.choices_at(key)
    if not choices and key == "sweep":
        choices = sorted(path.stem for path in (spec.PROJECT / "sweeps").glob("*.yaml"))
    for choice in choices or _values(verb, key) or _files(value):
        yield f"{key}={choice}"


def _values(verb: str, key: str) -> list[str]:
    """Returns the values of a key of which there are few."""
    # Imported here, as above: pydantic.
    from yt8m_exp.config import parts, schema

    kind = schema.TYPES[verb].get(key, parts.TYPES.get(key.rpartition(".")[2]))
    if kind is bool:
        return ["true", "false"]
    names = [kind, *typing.get_args(kind)]
    return [
        value for name in names if typing.get_origin(name) is typing.Literal
        for value in typing.get_args(name)
    ]  # fmt: skip


def _files(value: str) -> list[str]:
    folder = value.rpartition("/")[0] + "/" if "/" in value else ""
    place = Path(folder).expanduser()
    try:
        entries = sorted(place.iterdir())
    except OSError:
        return []
    return [f"{folder}{path.name}{'/' if path.is_dir() else ''}" for path in entries]
