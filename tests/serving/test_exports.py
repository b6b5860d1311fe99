from unittest.mock import Mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.data.examples import text
from tests.models import configured
from tests.verbs import PROJECT, SCORED, record, sample_records
from yt8m_exp import spec
from yt8m_exp.data import shards
from yt8m_exp.data.pipeline import ordered_batches
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.evaluation.scoring import best, predictor
from yt8m_exp.serving import exports, whole_folder
from yt8m_exp.spec import InputError, OutsideError

FRAMES = "sample/frame/validate/train0352.tfrecord"
FRAME_SCHEMA = Schema({"rgb": spec.RGB, "audio": spec.AUDIO}, 30, "frame")


@pytest.fixture(scope="module")
def served(tagger, tmp_path_factory):
    """The starter code's signature of the trained model."""
    folder = tmp_path_factory.mktemp("exported") / "1"
    own = tagger.unwrap_python_model()
    exports.export(own.model, own.schema, folder, form="starter_code")
    return tf.saved_model.load(str(folder)).signatures["serving_default"]


@pytest.fixture(scope="module")
def of_frames() -> keras.Model:
    keras.utils.set_random_seed(0)
    sizes = FRAME_SCHEMA.features, FRAME_SCHEMA.classes
    return configured.build("frame_logistic", *sizes, "normalize=joint")


@pytest.fixture(scope="module")
def some_frames():
    manifest = shards.scan(str(PROJECT / FRAMES), FRAME_SCHEMA_OF_ALL)
    return next(ordered_batches(manifest, 4))


FRAME_SCHEMA_OF_ALL = Schema(FRAME_SCHEMA.features, spec.CLASSES, "frame")


def test_the_signature_is_that_of_the_starter_code(served):
    (name, taken), *more = served.structured_input_signature[1].items()
    assert (name, taken.dtype, taken.shape.as_list(), more) == (
        "example_bytes",
        "string",
        [None],
        [],
    )
    given = {
        name: (out.dtype.name, out.shape.as_list())
        for name, out in served.structured_outputs.items()
    }
    assert given == {
        "video_id": ("string", [None]),
        "class_indexes": ("int32", [None, 20]),
        "predictions": ("float32", [None, 20]),
    }


def test_records_get_the_answers_of_the_model(served, tagger, serialized):
    answers = tagger.predict(serialized)
    given = served(example_bytes=tf.constant(sample_records(SCORED)[:10]))
    assert [video.decode() for video in given["video_id"].numpy()] == answers["id"].tolist()
    np.testing.assert_array_equal(given["class_indexes"], answers["class_ids"].tolist())
    np.testing.assert_allclose(given["predictions"], answers["probabilities"].tolist(), atol=1e-6)


def test_records_of_2017_have_their_id_under_another_key(served):
    given = served(example_bytes=tf.constant([record("a", id=None, video_id=text(b"old"))]))
    assert given["video_id"].numpy().tolist() == [b"old"]


def test_what_is_no_record_is_refused_and_the_next_is_answered(served):
    for bad in (b"nonsense", record("a", mean_rgb=None)):
        with pytest.raises(tf.errors.InvalidArgumentError):
            served(example_bytes=tf.constant([bad]))
    assert served(example_bytes=tf.constant([record("a")]))["predictions"].shape == (1, 20)


@pytest.mark.slow
def test_frames_of_records_get_the_answers_of_the_model(of_frames, some_frames, tmp_path):
    exports.export(of_frames, FRAME_SCHEMA, tmp_path / "1", form="starter_code")
    loaded = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]
    given = loaded(example_bytes=tf.constant(sample_records(FRAMES)[:4]))
    found = best(some_frames, predictor(of_frames)(some_frames), 20)
    assert given["video_id"].numpy().tolist() == some_frames["id"].tolist()
    np.testing.assert_array_equal(given["class_indexes"], found.class_ids)
    np.testing.assert_allclose(given["predictions"], found.scores, atol=1e-6)


def test_mediapipe_gives_dequantised_frames_and_gets_all_classes(of_frames, some_frames, tmp_path):
    exports.export(of_frames, FRAME_SCHEMA, tmp_path / "1", form="mediapipe")
    loaded = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]
    both = np.concatenate([some_frames["rgb"], some_frames["audio"]], axis=-1)
    counts = some_frames["frames"]
    values = both.astype(np.float32) * np.float32(spec.BYTE_SCALE) + np.float32(spec.BYTE_OFFSET)
    values[np.arange(both.shape[1]) >= counts[:, None]] = 99  # padding is not looked at
    given = loaded(rgb_and_audio=tf.constant(values), num_frames=tf.constant(counts[:, None]))
    features = {name: some_frames[name] for name in of_frames.input}
    np.testing.assert_allclose(given["predictions"], of_frames(features, training=False), atol=1e-6)
    assert list(given) == ["predictions"]


def test_a_frame_of_the_wrong_size_is_refused(of_frames, tmp_path):
    exports.export(of_frames, FRAME_SCHEMA, tmp_path, form="starter_code")
    loaded = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    example = tf.train.SequenceExample()
    for name, size in {"rgb": 600, "audio": spec.AUDIO}.items():
        frame = example.feature_lists.feature_list[name].feature.add()
        frame.bytes_list.value.append(bytes(size))
    with pytest.raises(tf.errors.InvalidArgumentError, match="a frame must have 1024 bytes"):
        loaded(example_bytes=tf.constant([example.SerializeToString()]))


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ("onnx", "`form` must be one of starter_code, mediapipe, but got 'onnx'"),
        ("mediapipe", "MediaPipe gives frames, but this is a video-level model"),
    ],
)
def test_a_form_that_cannot_be_is_refused(tagger, tmp_path, form, sentence):
    own = tagger.unwrap_python_model()
    with pytest.raises(ValueError, match=sentence):
        exports.export(own.model, own.schema, tmp_path, form=form)


def export(tagger, folder):
    own = tagger.unwrap_python_model()
    exports.export(own.model, own.schema, folder, form="starter_code")


def loads(folder):
    return "serving_default" in tf.saved_model.load(str(folder)).signatures


def test_of_two_exports_at_once_the_first_to_end_is_there_and_the_other_refused(
    tagger, tmp_path, monkeypatch
):
    save = tf.saved_model.save

    def beside_another(*words, **options):
        monkeypatch.setattr(tf.saved_model, "save", save)
        export(tagger, tmp_path)
        save(*words, **options)

    monkeypatch.setattr(tf.saved_model, "save", beside_another)
    with pytest.raises(InputError, match="into an empty folder"):
        export(tagger, tmp_path)
    assert loads(tmp_path)


def test_an_export_that_found_no_room_or_died_can_be_made_again(tagger, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    with monkeypatch.context() as patch:
        full = tf.errors.ResourceExhaustedError(None, None, "a.tempstate; No space left on device")
        patch.setattr(tf.saved_model, "save", Mock(side_effect=full))
        with pytest.raises(OutsideError, match=r"written to .*model: No space left on device"):
            export(tagger, folder)
    (folder / f"{whole_folder.UNFINISHED}0" / "variables").mkdir(parents=True)
    export(tagger, folder)
    assert loads(folder)


def test_a_folder_that_holds_something_is_left_alone(tagger, tmp_path):
    (tmp_path / "mine").write_text("")
    own = tagger.unwrap_python_model()
    with pytest.raises(ValueError, match="into an empty folder"):
        exports.export(own.model, own.schema, tmp_path, form="starter_code")
