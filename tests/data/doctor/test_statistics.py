import numpy as np
import pytest

from tests.data.doctor.shards import examined, frames, pixels, values, video
from tests.data.examples import floats
from yt8m_exp import spec
from yt8m_exp.data.doctor.statistics import NORM_BINS, norm_quantile


def test_moments_and_norms_are_those_of_numpy(tmp_path):
    feature = examined(tmp_path / "a", *map(video, range(30))).features["mean_rgb"]
    table = np.stack([values(number, spec.RGB) for number in range(30)])
    np.testing.assert_allclose(feature.deviations(), table.std(axis=0), rtol=1e-5)
    expected = np.bincount((np.linalg.norm(table, axis=1) / 0.1).astype(int), minlength=NORM_BINS)
    assert feature.norms.tolist() == expected.tolist()


def test_of_frames_the_mean_counts(tmp_path):
    feature = examined(tmp_path / "a", frames(1, 5), frames(2, 9)).features["rgb"]
    means = np.stack(
        [pixels(number, count, spec.RGB).mean(axis=0) for number, count in ((1, 5), (2, 9))]
    )
    table = means * spec.BYTE_SCALE + spec.BYTE_OFFSET
    np.testing.assert_allclose(feature.sums, table.sum(axis=0), atol=1e-5)
    np.testing.assert_allclose(feature.deviations(), table.std(axis=0), atol=1e-5)


def test_statistics_add_up(tmp_path):
    whole = examined(tmp_path / "a", *map(video, range(8))).features["mean_audio"]
    one = examined(tmp_path / "b", *map(video, range(3))).features["mean_audio"]
    two = examined(tmp_path / "c", *map(video, range(3, 8))).features["mean_audio"]
    for ours, theirs in zip(vars(one + two).values(), vars(whole).values(), strict=True):
        np.testing.assert_allclose(ours, theirs)


@pytest.mark.parametrize("place", [0, 1, 8, 500, 1022, 1023])
def test_a_fingerprint_tells_any_change(tmp_path, place):
    changed = values(0, spec.RGB)
    changed[place] = np.nextafter(changed[place], 2)
    other = video(1, mean_rgb=floats(changed.tolist()), mean_audio=floats(values(0, 128).tolist()))
    found = examined(tmp_path / "a", video(0), other, video(2), video(0))
    assert found.fingerprints[0] == found.fingerprints[3]
    assert len(set(found.fingerprints.tolist())) == 3


def test_a_fingerprint_tells_signs_and_places(tmp_path):
    table = [values(0, spec.RGB)]
    table += [table[0][::-1], -table[0], np.roll(table[0], 8), np.abs(table[0])]
    table.append(table[0] * np.where(np.arange(spec.RGB) % 8 == 1, -1, 1))
    records = [video(0, mean_rgb=floats(row.tolist())) for row in table]
    assert len(set(examined(tmp_path / "a", *records).fingerprints.tolist())) == len(table)


def test_a_quantile_is_where_the_share_is_reached():
    norms = np.zeros(NORM_BINS, np.int64)
    norms[[10, 20, 30]] = 1, 2, 1
    assert norm_quantile(norms, 0.5) == pytest.approx(2.05)
    assert norm_quantile(norms, 1.0) == pytest.approx(3.05)
