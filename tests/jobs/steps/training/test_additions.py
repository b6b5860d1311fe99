import pytest
import tensorflow as tf

from yt8m_exp.config import compose
from yt8m_exp.jobs.steps import recipe
from yt8m_exp.jobs.steps.training import additions


def require(*words, loss=None):
    cfg = compose.compose("train", words)
    additions.require_fit(cfg, loss or recipe.loss(cfg.loss, cfg.data.classes))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["augmentation.half_video=0.5"], "need frames, but data.level is video"),
        (["augmentation.frame_dropout=0.5"], "need frames, but data.level is video"),
        (
            ["data=segment", "data.train=a", "data.validate=b", "augmentation.mixup=0.2"],
            "of a segment only some classes are rated",
        ),
    ],
)
def test_an_addition_that_the_data_does_not_allow_is_refused(words, sentence):
    with pytest.raises(ValueError, match=sentence):
        require(*words)


@pytest.mark.parametrize(
    "word", ["label_smoothing=0.1", "augmentation.mixup=0.2", "distillation.teacher=models:/x/1"]
)
def test_soft_labels_need_a_loss_that_takes_them(word):
    def mine(labels, predictions, *, rated=None, label_weights=None):
        return 0.0

    require(word)
    require("augmentation.noise=0.1", loss=mine)
    with pytest.raises(ValueError, match="need a loss that takes `shares`, but mine does not"):
        require(word, loss=mine)


def test_nothing_is_added_by_default():
    cfg = compose.compose("train")
    learner = recipe.learner(cfg, tf.distribute.get_strategy())
    features, known = {"mean_rgb": object()}, {"labels": object()}
    assert additions.change(cfg, learner)(features, known) == (features, known)
    assert not additions.needs_frames(cfg)


def test_a_student_learns_all_that_its_teacher_predicts():
    cfg = compose.compose("train", ["experiment=student"])
    learner = recipe.learner(cfg, tf.distribute.get_strategy())
    change = additions.change(cfg, learner, teacher=learner.model)
    features = {name: tf.ones((2, x.shape[1])) for name, x in learner.model.input.items()}
    _, learnt = change(features, {"labels": tf.constant([[1], [2]])})
    assert tf.math.count_nonzero(learnt["shares"], axis=1).numpy().tolist() == [3862, 3862]
