"""The password of a storage in PostgreSQL, which no command line and no study holds."""

from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, make_url

from yt8m_exp.tuning import storage

PASSWORD = "k33per of studies"


@pytest.fixture
def kept(postgres):
    """The URL of a database whose user must give a password."""
    url = make_url(postgres)
    user = f"keeper_{url.database}"
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        run = connection.exec_driver_sql
        run(f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'")
        run(f"ALTER DATABASE {url.database} OWNER TO {user}")
        rules = Path(run("SHOW hba_file").scalar())
        rules.write_text(f"local all {user} scram-sha-256\n{rules.read_text()}")
        run("SELECT pg_reload_conf()")
    return url._replace(username=user, password=None).render_as_string()


def test_the_password_of_a_storage_comes_from_a_variable_or_a_file(
    studies, kept, tmp_path, monkeypatch
):
    studies.url = kept
    refused = studies.drive("trials=1")
    assert refused.status == 1
    assert "The database of studies cannot be used: " in refused.sentence
    assert "Start it, or check YT8M_STUDIES and PGPASSWORD." in refused.sentence

    monkeypatch.setitem(studies.store.environment, "PGPASSWORD", PASSWORD)
    assert studies.done("trials=1")["counts"] == {"complete": 1}
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"*:*:*:*:{PASSWORD}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    assert storage.describe(kept).endswith(", 1 studies")
    assert studies.states() == ["COMPLETE"]
