import numpy as np

from yt8m_exp.tracking import downloads


def test_a_checkpoint_that_is_still_being_written_is_left_for_later(store, client, tmp_path):
    whole, cut = tmp_path / "checkpoint-512.npz", tmp_path / "checkpoint-1024.npz"
    np.savez(whole, weights=np.arange(1000))
    cut.write_bytes(whole.read_bytes()[:-30])
    run = client.create_run(client.create_experiment("watched"))
    for path in (whole, cut):
        client.log_artifact(run.info.run_id, str(path), downloads.FOLDER)
    client.set_terminated(run.info.run_id)
    folder = tmp_path / "fetched"
    folder.mkdir()
    found = downloads.checkpoints_as_they_arrive(client, run.info.run_id, folder, every_seconds=0)
    assert [(examples, np.load(path)["weights"].sum()) for examples, path in found] == [
        (512, 499500)
    ]
