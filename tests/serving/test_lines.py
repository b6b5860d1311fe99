import numpy as np
import pytest

from yt8m_exp.serving.lines import LEAST, lines

LOWEST = np.nextafter(np.float32(LEAST), np.float32(1))


def formatted(scores):
    return [" ".join(f"{column} {score:g}" for column, score in enumerate(row)) for row in scores]


def written(scores):
    class_ids = np.broadcast_to(np.arange(scores.shape[1], dtype=np.int32), scores.shape)
    found = lines([b"v"] * len(scores), class_ids, scores)
    return [line.removeprefix("v,") for line in found.decode().splitlines()]


@pytest.mark.parametrize("bits", range(1, 25))
def test_binary_fractions_which_end_in_ties_are_written_as_printf_writes_them(bits):
    numbers = np.random.default_rng(bits).integers(1, 2**bits, (300, 20), endpoint=True)
    for exponent in (0, 20):  # from 2**-44: behind the last digit that is exact
        scores = np.ldexp(numbers.astype(np.float64), -bits - exponent).astype(np.float32)
        assert written(scores) == formatted(scores)


@pytest.mark.parametrize("exponent", range(1, 17))
def test_decimals_and_their_neighbours_are_written_as_printf_writes_them(exponent):
    scores = (np.arange(1, 10_001) / 10.0**exponent).astype(np.float32)
    near = [np.nextafter(scores, np.float32(0)), scores, np.nextafter(scores, np.float32(1))]
    scores = np.concatenate(near)
    scores = scores[(scores >= LEAST) & (scores <= 1)].reshape(-1, 1)
    assert written(scores) == formatted(scores)


@pytest.mark.parametrize("seed", range(20))
def test_scores_of_any_size_are_written_as_printf_writes_them(seed):
    powers = np.random.default_rng(seed).uniform(np.log(LOWEST), 0, (500, 20))
    scores = np.exp(powers).astype(np.float32)
    scores[scores < 1e-12] *= np.random.default_rng(seed).integers(0, 2)  # zero, in half the seeds
    assert written(scores) == formatted(scores)


@pytest.mark.parametrize("score", [9e-17, 1.5, -0.1, np.nan])
def test_scores_outside_its_range_are_left_to_python(score):
    one = np.array([[0.5, score]], np.float32)
    assert lines([b"v"], np.zeros((1, 2), np.int32), one) is None


@pytest.mark.parametrize("class_id", [-1, 2**31, 2**62])
def test_classes_that_are_none_are_left_to_python(class_id):
    assert lines([b"v"], np.array([[class_id]]), np.array([[0.5]], np.float32)) is None


def test_a_video_without_scores_keeps_its_comma():
    assert lines([b"v"], np.empty((1, 0), np.int32), np.empty((1, 0), np.float32)) == b"v,\n"


def test_float64_is_left_to_python():
    assert lines([b"v"], np.zeros((1, 1), np.int32), np.array([[0.1]])) is None


def test_large_classes_and_names_of_any_bytes():
    scores = np.array([[1.0, LOWEST], [0.25, 0.125]], np.float32)
    names = ['"é,"'.encode(), b""]
    class_ids = np.array([[2**31 - 1, 0], [9, 10]], np.int32)
    expected = '"é,",2147483647 1 0 1e-16\n,9 0.25 10 0.125\n'
    assert lines(names, class_ids, scores).decode() == expected
