"""Decides on registered models, and looks whether their aliases follow."""

from yt8m_exp.registry import aliases, audit, versions


def switch(client, name, version, kind="promote"):
    """Decides and switches, as a verb does."""
    chain, champion = aliases.current(client, name)
    decision = audit.record(
        chain, kind, version, champion=champion, reason=f"to {version}", evidence={"gap": 0.5}
    )
    audit.append(client, name, decision)
    return decision, aliases.settle(client, name)


def in_order(client, name) -> bool:
    chain, found = audit.read(client, name), versions.aliases(client, name)
    expected = {aliases.CHAMPION: chain.champion, aliases.PREVIOUS: chain.previous}
    return found == {alias: version for alias, version in expected.items() if version}
