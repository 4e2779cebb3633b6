"""Test-time augmentation, held against NumPy's padding and SciPy's softmax."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from kerasopt.evaluation import tta

WEIGHTS = {
    "none": [1.0],
    "mirror": [0.5, 0.5],
    "mirror_translate": [0.25, 0.25, 0.125, 0.125, 0.125, 0.125],
}


def pictures(count=6, height=5, width=7, channels=3):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, height, width, channels), "uint8")


def logits(images, scale=0.01, classes=4):
    """A linear model, whose answers differ from view to view."""
    flat = images.reshape(len(images), -1).astype("float64")
    kernel = np.random.default_rng(1).normal(size=(flat.shape[1], classes))
    return scale * flat @ kernel


def probabilities(images):
    return special.softmax(logits(images), axis=1)


class TestViews:
    @pytest.mark.parametrize("kind", WEIGHTS)
    def test_weights(self, kind):
        weights = [weight for weight, _ in tta.views(pictures(), kind)]
        assert weights == WEIGHTS[kind]
        assert sum(weights) == 1

    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("size", [(5, 7), (2, 2)])
    def test_views_are_numpys_flips_and_padded_slices(self, size, channels):
        images = pictures(6, *size, channels)
        border = (1, 1)
        padded = np.pad(images, ((0, 0), border, border, (0, 0)), mode="reflect")
        height, width = size
        shifted = [padded[:, i : i + height, i : i + width] for i in (0, 2)]
        plain = [images, *shifted]
        expected = [side for view in plain for side in (view, np.flip(view, axis=2))]
        for kind, weights in WEIGHTS.items():
            found = [view for _, view in tta.views(images, kind)]
            assert len(found) == len(weights)
            for view, wanted in zip(found, expected, strict=False):
                assert view.dtype == images.dtype
                np.testing.assert_array_equal(view, wanted)

    def test_only_the_padding_copies(self):
        images = pictures()
        shared = [
            np.shares_memory(view, images)
            for _, view in tta.views(images, "mirror_translate")
        ]
        assert shared == [True, True, False, False, False, False]

    @pytest.mark.parametrize("kind", ["mirrored", None, ""])
    def test_unknown_kinds_are_refused_at_once(self, kind):
        with pytest.raises(ValueError, match="mirror, mirror_translate, none"):
            tta.views(pictures(), kind)

    def test_kinds_are_listed(self):
        assert set(tta.names()) == set(WEIGHTS)

    @pytest.mark.parametrize("kind", ["mirror", "mirror_translate"])
    def test_what_is_no_batch_of_images_is_refused(self, kind):
        with pytest.raises(ValueError, match=r"\(6, 20\).*give 'none'"):
            tta.views(np.zeros((6, 20)), kind)
        assert next(tta.views(np.zeros((6, 20)), "none"))[1].shape == (6, 20)

    @pytest.mark.parametrize("size", [(1, 7), (7, 1)])
    def test_images_too_small_to_shift_are_refused(self, size):
        with pytest.raises(ValueError, match="at least 2×2 pixels"):
            tta.views(pictures(6, *size), "mirror_translate")
        assert len(list(tta.views(pictures(6, *size), "mirror"))) == 2


class TestPredict:
    @pytest.mark.parametrize("kind", ["mirror", "mirror_translate"])
    def test_is_the_softmax_of_the_averaged_logits(self, kind):
        images = pictures()
        mean = sum(weight * logits(view) for weight, view in tta.views(images, kind))
        result = tta.predict(probabilities, images, kind)
        np.testing.assert_allclose(result, special.softmax(mean, axis=1), rtol=1e-9)
        assert np.abs(result - probabilities(images)).max() > 0.01

    @pytest.mark.parametrize("kind", ["mirror", "mirror_translate"])
    def test_is_the_normalised_mean_of_log_probabilities(self, kind):
        images = pictures()
        mean = sum(
            weight * np.log(probabilities(view))
            for weight, view in tta.views(images, kind)
        )
        expected = np.exp(special.log_softmax(mean, axis=1))
        result = tta.predict(probabilities, images, kind)
        np.testing.assert_allclose(result, expected, rtol=1e-9)

    @pytest.mark.parametrize("kind", WEIGHTS)
    def test_a_function_that_sees_no_difference_predicts_as_ever(self, kind):
        def of_label(images):
            share = images.max((1, 2, 3)) / 1000
            return np.stack([share, 1 - share], axis=1)

        images = np.repeat(pictures(6, 1, 1), 25, axis=1).reshape(6, 5, 5, 3)
        np.testing.assert_allclose(
            tta.predict(of_label, images, kind), of_label(images), rtol=1e-12
        )

    def test_a_symmetric_function_gives_mirror_nothing_to_average(self):
        def symmetric(images):
            return probabilities(images.astype(float) + images[:, :, ::-1])

        images = pictures()
        np.testing.assert_allclose(
            tta.predict(symmetric, images, "mirror"), symmetric(images), rtol=1e-9
        )

    def test_none_returns_what_the_function_does(self):
        inputs = np.zeros((3, 2))
        answer = np.array([[1, 2], [3, 4], [5, 6]])
        assert tta.predict(lambda batch: answer, inputs, "none") is answer

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    def test_the_type_stays_and_rows_sum_to_one(self, dtype):
        result = tta.predict(
            lambda images: probabilities(images).astype(dtype), pictures(), "mirror"
        )
        assert result.dtype == dtype
        np.testing.assert_allclose(
            result.sum(axis=1, dtype="float64"), 1, rtol=4 * np.finfo(dtype).eps
        )

    def test_contradicting_certainties_come_out_finite_and_even(self):
        def certain(images):
            first = images[:, 0, 0, 0] > images[:, 0, -1, 0]
            return np.stack([first, ~first, 0 * first], axis=1).astype("float32")

        images = np.zeros((1, 2, 2, 1))
        images[0, :, 0] = 1
        np.testing.assert_allclose(
            tta.predict(certain, images, "mirror"), [[0.5, 0.5, 0]], atol=1e-7
        )

    @pytest.mark.parametrize(
        "answer, message",
        [
            (np.full((5, 2), 0.5), r"of shape \(6, classes\).*\(5, 2\)"),
            (np.full(6, 0.5), r"of shape \(6, classes\).*\(6,\)"),
            (np.eye(6, 2, dtype=int), "returned int64"),
            (np.full((6, 2), 0.4), "sum to 1.*softmax"),
            (np.tile([1.5, -0.5], (6, 1)), "sum to 1.*softmax"),
            (np.full((6, 2), np.nan), "sum to 1.*softmax"),
        ],
    )
    def test_answers_that_are_no_probabilities_are_refused(self, answer, message):
        with pytest.raises(ValueError, match=message):
            tta.predict(lambda images: answer, pictures(), "mirror")


def soft_guess(images):
    """Probabilities of three classes that depend on the order of the columns."""
    ramp = np.arange(images.shape[2])[None, None, :, None]
    moments = [(images * ramp**power).mean((1, 2, 3)) for power in range(3)]
    return special.softmax(np.stack(moments, axis=1), axis=1)


def test_a_share_gives_the_least_certain_images_all_views():
    images = np.random.default_rng(0).normal(size=(20, 4, 4, 1))
    plain = soft_guess(images)
    every = tta.predict(soft_guess, images, "mirror")
    some = tta.predict(soft_guess, images, "mirror", tta_share=0.25)
    uncertain = np.argsort(plain.max(axis=1))[:5]
    certain = np.setdiff1d(np.arange(20), uncertain)
    np.testing.assert_allclose(some[uncertain], every[uncertain])
    np.testing.assert_array_equal(some[certain], plain[certain])
    assert not np.allclose(every[uncertain], plain[uncertain])


def test_a_known_prediction_is_not_made_again():
    images = np.random.default_rng(0).normal(size=(20, 4, 4, 1))
    seen = []

    def count(batch):
        seen.append(len(batch))
        return soft_guess(batch)

    plain = soft_guess(images)
    tta.predict(count, images, "mirror", tta_share=0.25, plain=plain)
    assert seen == [5]  # The images themselves are one of the views.
    tta.predict(count, images, "mirror", plain=plain)
    assert seen == [5, 20]
    np.testing.assert_array_equal(plain, soft_guess(images))


@pytest.mark.parametrize("share", [0, -1, 1.5, float("nan")])
def test_bad_shares_are_refused(share):
    with pytest.raises(ValueError, match=r"share must lie in \(0, 1\]"):
        tta.predict(soft_guess, np.zeros((2, 4, 4, 1)), "mirror", tta_share=share)


def test_a_share_is_a_number():
    with pytest.raises(TypeError, match="tta_share must be a number; given: 'half'"):
        tta.predict(soft_guess, np.zeros((2, 4, 4, 1)), "mirror", tta_share="half")


def test_the_old_arguments_work_and_warn():
    images = pictures()
    expected = tta.predict(soft_guess, images, "mirror", tta_share=0.5)
    with pytest.warns(DeprecationWarning) as caught:
        found = tta.predict(soft_guess, images, kind="mirror", share=0.5)
    assert sorted(str(each.message).split()[5] for each in caught) == [
        "'tta';",
        "'tta_share';",
    ]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ["mirror", "mirror_translate"])
def test_multilabel_and_regression_take_the_mean(kind):
    images = pictures()

    def sigmoids(batch):
        return special.expit(logits(batch))

    for task, function in (("multilabel", sigmoids), ("regression", logits)):
        mean = sum(weight * function(view) for weight, view in tta.views(images, kind))
        found = tta.predict(function, images, kind, task=task)
        np.testing.assert_allclose(found, mean, rtol=1e-9)
        assert np.abs(found - function(images)).max() > 0.01


def test_binary_is_a_class_like_any_other():
    def two(batch):
        return special.softmax(logits(batch, classes=2), axis=1)

    images = pictures()
    np.testing.assert_array_equal(
        tta.predict(two, images, "mirror", task="binary"),
        tta.predict(two, images, "mirror"),
    )


def test_a_share_of_multilabel_is_that_of_the_least_decided_label():
    images = pictures(8)

    def sigmoids(batch):
        return special.expit(logits(batch))

    plain = sigmoids(images)
    every = tta.predict(sigmoids, images, "mirror", task="multilabel")
    some = tta.predict(sigmoids, images, "mirror", task="multilabel", tta_share=0.25)
    uncertain = np.argsort(np.abs(plain - 0.5).min(axis=1))[:2]
    expected = plain.copy()
    expected[uncertain] = every[uncertain]
    np.testing.assert_allclose(some, expected)


@pytest.mark.parametrize(
    ("task", "answer", "options", "message"),
    [
        ("multilabel", np.full((6, 2), 1.5), {}, "in 0..1.*sigmoid"),
        ("multilabel", np.full((6, 2), np.nan), {}, "in 0..1.*sigmoid"),
        ("multilabel", np.full(6, 0.5), {}, r"probabilities of shape \(6, labels\)"),
        ("regression", np.full(6, 0.5), {}, r"numbers of shape \(6, targets\)"),
        ("regression", np.ones((6, 1)), {"tta_share": 0.5}, "no confidence.*share=0.5"),
        ("ranking", np.ones((6, 1)), {}, "Unknown task"),
    ],
)
def test_answers_that_do_not_fit_the_task_are_refused(task, answer, options, message):
    with pytest.raises(ValueError, match=message):
        tta.predict(lambda images: answer, pictures(), "mirror", task=task, **options)
