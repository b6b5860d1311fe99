"""`doctor` in a project without a server; tests/stack has it with one."""

from tests.verbs import SHARD

NOWHERE = "postgresql+psycopg://optuna@127.0.0.1:1/optuna"


def parts(result):
    return {part["part"]: part for part in result["parts"]}


def test_without_a_server_all_parts_are_usable_and_nothing_is_made(store, tmp_path):
    result = store.done("doctor", f"storage={tmp_path}/journal", f"shards={SHARD}")
    assert result["usable"]
    assert parts(result).keys() == {"tracking", "studies", "cache", "working folder", "shards"}
    assert parts(result)["shards"]["found"] == "1 shards"
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_used_is_named_with_a_remedy(store):
    words = (f"storage={NOWHERE}", "shards=nowhere/*.tfrecord")
    assert store.run("doctor", *words, "require=true").status == 1
    result = store.done("doctor", *words)
    assert not result["usable"]
    assert "YT8M_STUDIES" in parts(result)["studies"]["found"]
    assert "No shard matches" in parts(result)["shards"]["found"]
