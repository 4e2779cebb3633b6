"""Streams: tf.data, PyDataset and generator functions, and what goes wrong in them."""

import gc
import threading
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasopt.data import Dataset, Stream, StreamError, as_dataset, from_stream
from kerasopt.data.pipeline import evaluation_batches

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 4)).astype("float32")
Y = np.arange(20) % 3


class Batches(keras.utils.PyDataset):
    """Batches of five, which count how they are used."""

    def __init__(self, x=X, y=Y, size=5, fail_at=None, **kwargs):
        super().__init__(**kwargs)
        self.x, self.y, self.size, self.fail_at = x, y, size, fail_at
        self.ended = 0

    def __len__(self):
        return (len(self.x) + self.size - 1) // self.size

    def __getitem__(self, index):
        if index == self.fail_at:
            raise OSError("disk gone")
        rows = slice(index * self.size, (index + 1) * self.size)
        return self.x[rows], self.y[rows]

    def on_epoch_end(self):
        self.ended += 1


def factory(x=X, y=Y, size=5):
    def batches():
        for start in range(0, len(x), size):
            yield x[start : start + size], y[start : start + size]

    return batches


def tf_data(x=X, y=Y, size=5):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(size)


def labels_of(batches):
    return np.concatenate([batch[1] for batch in batches]).tolist()


@pytest.mark.parametrize("make", [tf_data, Batches, factory])
def test_an_epoch_of_each_kind(make):
    stream = Stream(make())
    assert stream.input_shape == (4,) and stream.batch_size == 5
    assert stream.steps == (None if make is factory else 4)
    assert stream.samples is None and not stream.endless
    assert stream.element_spec[0].shape.as_list() == [None, 4]
    np.testing.assert_array_equal(stream.first()[0], X[:5])
    for epoch in range(2):
        read = list(stream.read(epoch))
        np.testing.assert_array_equal(np.concatenate([b[0] for b in read]), X)
        assert labels_of(read) == Y.tolist()
    assert labels_of(stream.batches(0)) == Y.tolist()


@pytest.mark.parametrize("make", [tf_data, Batches, factory])
def test_a_dataset_of_each_kind(make):
    data = from_stream(
        make(), validation=make(X + 1), test=(X + 2, Y), class_names=list("abc")
    )
    assert data.task.name == "multiclass" and data.num_classes == 3
    assert data.sizes == {"train": None, "validation": None, "test": 20}
    assert data.input_shape == (4,) and data.pixel_scale == 1.0
    assert set(data.hashes) == {"x_test", "y_test"}
    assert "train of unknown size" in data.summary()
    assert "stream" in repr(data)
    assert as_dataset(make()).task.name == "multiclass"


@pytest.mark.parametrize(
    ("y", "task", "num_classes"),
    [
        (Y % 2, "binary", 2),
        (Y, "multiclass", 3),
        (np.eye(3)[Y], "multiclass", 3),
        (np.repeat([[1, 1, 0]], 20, axis=0), "multilabel", 3),
        (X[:, 0], "regression", 1),
        (X[:, :2], "regression", 2),
        (X.reshape(20, 2, 2), None, 0),
    ],
)
def test_task_of_a_stream(y, task, num_classes):
    data = from_stream(factory(y=y))
    assert getattr(data.task, "name", None) == task
    assert data.num_classes == num_classes


def test_gaps_in_the_first_labels_are_no_error():
    assert from_stream(factory(y=Y * 5)).num_classes == 11
    data = from_stream(factory(y=Y * 5), num_classes=30)
    assert data.num_classes == 30
    with pytest.raises(ValueError, match=r"train y has .* labels outside 0..1"):
        from_stream(factory(), class_names=["a", "b"])


def test_inputs_outputs_and_weights():
    def batches():
        yield {"a": X, "b": [[1.0]] * 20}, [Y, X], np.ones(20)

    stream = Stream(batches)
    ((x, y, weights),) = stream.read()
    assert set(x) == {"a", "b"} and isinstance(y, tuple) and weights.shape == (20,)
    assert weights.dtype == tf.float32
    data = from_stream(batches)
    assert data.task is None and data.input_shape == {"a": (4,), "b": (1,)}
    only_x = from_stream(lambda: iter([X, X]))
    assert only_x.task is None
    assert [len(batch) for batch in only_x.train.read()] == [1, 1]
    assert Stream(tf.data.Dataset.from_tensor_slices(X).batch(9)).first()[0].shape == (
        9,
        4,
    )


def test_py_datasets_are_shuffled_by_seed_and_epoch_alone():
    stream = Stream(Batches())
    orders = [labels_of(stream.read(epoch, seed=7)) for epoch in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(Y)
    many = Stream(Batches(workers=4, max_queue_size=2))
    assert labels_of(many.read(0, seed=7)) == orders[0]


def test_py_datasets_are_told_of_the_end_of_an_epoch():
    source = Batches(workers=2)
    stream = Stream(source)
    list(stream.read())
    assert source.ended == 1
    next(iter(stream.read()))
    assert source.ended == 1


def test_endless_streams_need_steps():
    for endless in (tf_data().repeat(), EndlessBatches()):
        with pytest.raises(ValueError, match="never ends: give steps_per_epoch"):
            Stream(endless)
        stream = Stream(endless, steps=7)
        assert stream.endless and stream.steps == 7
        read = [batch for batch, _ in zip(stream.read(), range(9), strict=False)]
        assert labels_of(read)[:20] == labels_of(read)[20:40] == Y.tolist()


class EndlessBatches(Batches):
    """A PyDataset without an end."""

    @property
    def num_batches(self):
        return None

    def __getitem__(self, index):
        return super().__getitem__(index % 4)


@pytest.mark.parametrize("make", [tf_data, Batches, factory])
def test_steps_other_than_its_own_repeat_a_stream(make):
    stream = Stream(make(), steps=3)
    assert stream.endless
    read = [batch for batch, _ in zip(stream.read(), range(8), strict=False)]
    assert labels_of(read) == [*Y, *Y]
    assert not Stream(Batches(), steps=4).endless


@pytest.mark.parametrize("steps", [0, -1, 2.5, True])
def test_bad_steps_are_refused(steps):
    with pytest.raises(ValueError, match="steps_per_epoch must be an integer"):
        Stream(factory(), steps=steps)


SPOILT = X.copy()
SPOILT[3, 1] = np.nan


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (lambda: iter([]), "stream is empty"),
        (tf_data().take(0), "stream is empty"),
        (tf.data.Dataset.from_tensor_slices((X, Y)), "isn't batched.*batch.32"),
        (lambda: iter(zip(X, Y, strict=True)), "isn't batched"),
        (lambda: iter([(X[:4], Y)]), r"different lengths \(x 4, y 20\)"),
        (factory(x=SPOILT), "x in batch 1 of the train stream has 1 NaN"),
        (factory(y=np.where(Y == 1, np.inf, 1.5)), "y in batch 1 .* infinite"),
        (lambda: iter([(1, 2, 3, 4)]), "batch of 4 parts"),
        (lambda: 5, "returned a int"),
        (lambda: iter([(X, Y), (X[0], Y[0])]), "isn't batched|different lengths"),
        (lambda: iter([(X, Y), (X[..., None], Y)]), "vary in rank"),
        (Batches(fail_at=0), "failed at batch 1: OSError: disk gone"),
        (factory(y=list("ab") * 10), "from_arrays maps them"),
    ],
)
def test_bad_streams_are_refused_before_training(source, message):
    with pytest.raises(ValueError, match=message):
        from_stream(source)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (factory()(), "read only once. Give the function"),
        ([1, 2], "is a list. Accepted as a stream"),
        (None, "is a NoneType"),
    ],
)
def test_other_sources_are_refused(source, message):
    with pytest.raises(TypeError, match=message):
        from_stream(source)


def breaking(at=12):
    def batches():
        for number in range(20):
            if number == at:
                raise OSError("disk gone")
            yield X, Y

    return batches


def test_failures_in_the_middle_name_the_batch():
    def check(number):
        tf.debugging.assert_less(number, tf.constant(12, tf.int64), "broken file")
        return tf.constant(X), tf.constant(Y)

    piped = tf.data.Dataset.range(20).map(check)
    for source in (breaking(), piped, Batches(size=1, fail_at=12, workers=3)):
        stream = Stream(source)
        stream.first()
        reading = stream.read()
        for _ in range(12):
            next(reading)
        with pytest.raises(StreamError, match=r"train stream failed at batch 13: "):
            next(reading)
    for source in (breaking(), Batches(size=1, fail_at=12)):
        with pytest.raises(StreamError, match="OSError: disk gone"):
            list(Stream(source).read())


def test_failures_inside_compiled_code_can_be_named():
    stream = Stream(breaking())

    @tf.function
    def consume(iterator):
        for _ in tf.range(20):
            next(iterator)

    with pytest.raises(tf.errors.OpError) as caught:
        consume(iter(stream.batches()))
    error = stream.failure(caught.value, 1)
    assert "failed at batch 13: OSError: disk gone" in str(error)


def test_shapes_that_vary_later_are_named():
    def batches():
        for _ in range(12):
            yield X, Y
        yield X[:, :3], Y

    with pytest.raises(StreamError, match=r"x in batch 13 .* shape \(20, 3\)"):
        list(Stream(batches).read())

    def parts():
        yield from [(X, Y)] * 12
        yield (X,)

    with pytest.raises(StreamError, match=r"Batch 13 .* has the parts x; the first"):
        list(Stream(parts).read())


def test_lengths_that_vary_from_the_start_are_free():
    def batches():
        for length in (3, 4, 7):
            yield np.ones((2, length, 5)), [0, 1]

    stream = Stream(batches)
    assert stream.input_shape == (None, 5)
    assert [batch[0].shape[1] for batch in stream.read()] == [3, 4, 7]


def test_an_iterator_that_cannot_start_again_is_named():
    iterator = factory()()
    stream = Stream(lambda: iterator)
    stream.first()
    with pytest.raises(StreamError, match="must return a new iterator at each call"):
        list(stream.read())


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((X * 1j, Y), r"x in batch 1 of the train stream must hold numbers.*imaginary"),
        ((Y.astype("datetime64[D]"), Y), "x in batch 1 .* parts of dates"),
        ((np.array([[None, "a"]] * 20), Y), "x in batch 1 .* must hold numbers"),
        ((np.ma.masked_array(X, X > 0), Y), "x has masked values"),
        ((X, np.ma.masked_array(Y, Y > 0)), "y has masked values"),
        ((X[:0], Y[:0]), "x in batch 1 of the train stream is empty"),
        ((None, Y), r"a batch of \(None, y\); accepted: x, \(x, y\)"),
        ((X, None, Y), r"a batch of \(x, None, sample_weight\); accepted"),
        (None, "a batch of"),
        ((X, Y, -np.ones(20)), "sample_weight .* has 20 negative weights"),
        (
            (X, (Y, Y), ((Y + 1.0), -(Y + 1.0))),
            r"sample_weight\[1\] .* has 20 negative",
        ),
        ((X, Y, np.array(["a"] * 20)), "sample_weight .* must hold numbers"),
        ((X, Y * 10**8), "200,000,001 is too large"),
    ],
)
def test_batches_that_cannot_be_used_are_refused(batch, message):
    with pytest.raises(ValueError, match=message):
        from_stream(lambda: iter([batch]))


def test_numbers_as_objects_and_text_pass():
    objects = from_stream(lambda: iter([(X.astype(object), Y)]))
    assert objects.train.first()[0].dtype == np.float32
    text = from_stream(lambda: iter([(np.array(["a", "b"] * 10), Y, None)]))
    assert len(text.train.first()) == 2


def test_ragged_batches_are_named():
    ragged = tf.data.Dataset.from_tensors(
        (tf.ragged.constant([[1.0], [1, 2.0]]), [0, 1])
    )
    with pytest.raises(ValueError, match=r"failed at batch 1: .*x is a RaggedTensor"):
        from_stream(ragged)


def test_labels_from_one_in_a_stream_are_told_of():
    with pytest.warns(
        UserWarning, match=r"labels of the stream are 1 to 3.*subtract 1"
    ):
        assert from_stream(lambda: iter([(X, Y + 1)])).num_classes == 4


def test_steps_without_effect_and_unknown_lengths_are_refused():
    for validation in (None, (X + 1, Y)):
        with pytest.raises(ValueError, match="validation_steps has no effect"):
            from_stream(tf_data(), validation=validation, validation_steps=2)

    class Lengthless(keras.utils.PyDataset):
        def __getitem__(self, index):
            return X, Y

    with pytest.raises(ValueError, match="Lengthless doesn't say how many batches"):
        from_stream(Lengthless())


def test_pixels_of_a_stream():
    photos = RNG.integers(0, 256, (8, 6, 6, 3)).astype("uint8")
    assert from_stream(factory(photos, Y[:8])).pixel_scale == 255
    assert from_stream(factory(photos * 1.0, Y[:8])).pixel_scale == 1
    assert from_stream(factory(photos // 100, Y[:8])).pixel_scale == 1


def test_a_stream_is_not_its_own_test():
    data = tf_data()
    train, held_out = Stream(data), Stream(data)
    with pytest.raises(ValueError, match="validation and test are the same stream"):
        from_stream(train, validation=held_out, test=held_out)


@pytest.mark.slow
def test_abandoned_streams_leave_nothing_behind():
    closed = []

    def batches():
        try:
            while True:
                yield X, Y
        finally:
            closed.append(True)

    before = threading.active_count()
    stream = Stream(batches, steps=5)
    stream.first()
    assert closed == [True]
    for _ in range(3):
        reading = stream.read()
        next(reading)
        reading.close()
        del reading
        gc.collect()
    workers = Stream(Batches(size=1, workers=3))
    for _ in range(3):
        reading = workers.read()
        next(reading)
        reading.close()
        gc.collect()
    assert len(closed) == 4
    assert threading.active_count() <= before + 3


# Keras's fit, beside ours, says so of a stream that ends.
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_model_trains_on_a_stream_as_keras_would():
    def trained(batches):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss)
        model.fit(batches, epochs=1, verbose=0, shuffle=False)
        return model.get_weights()

    for source in (tf_data(), Batches(), evaluation_batches(X, Y, batch_size=5)):
        np.testing.assert_array_equal(
            trained(Stream(source).batches())[0], trained(source)[0]
        )


@pytest.mark.parametrize(
    ("data", "arguments", "sizes"),
    [
        ((X, Y), {}, (20, 0)),
        ((X, Y, np.ones(20)), {}, (20, 0)),
        ((X,), {}, (20, 0)),
        ((X, Y), {"validation": 0.25}, (15, 5)),
        ((X, Y), {"validation_data": (X[:5] + 1, Y[:5])}, (20, 5)),
        ((X, Y), {"validation_data": tf_data()}, (20, None)),
        (tf_data(), {"validation_data": (X[:5], Y[:5])}, (None, 5)),
        (tf_data(), {"validation_data": tf_data()}, (None, None)),
        (Dataset(train=(X, Y)), {"validation_data": (X[:5], Y[:5], Y[:5])}, (20, 5)),
        (Dataset(train=(X, Y)), {"sample_weight": np.ones(20)}, (20, 0)),
        (Dataset(train=(X, Y)), {"validation": 5}, (15, 5)),
        (
            Dataset(train=(X, Y), class_names=list("abc")),
            {"validation_data": (X[:3], list("cab"))},
            (20, 3),
        ),
    ],
)
def test_what_fit_accepts_as_data(data, arguments, sizes):
    dataset = as_dataset(data, **arguments)
    assert (dataset.sizes["train"], dataset.sizes["validation"]) == sizes
    if "sample_weight" in arguments or (isinstance(data, tuple) and len(data) == 3):
        assert dataset.weights["train"].sum() == 20


def test_a_dataset_passes_as_it_is():
    data = Dataset(train=(X, Y))
    assert as_dataset(data) is data
    assert as_dataset(data, task="regression").task.name == "regression"


@pytest.mark.parametrize(
    ("data", "arguments", "error", "message"),
    [
        ([X, Y], {}, TypeError, "a list. Give a tuple"),
        (X, {}, TypeError, r"a ndarray. Give the labels, too: \(x, y\)"),
        ({"a": X}, {}, TypeError, "a dict. Give the labels"),
        (5, {}, TypeError, "The data are a int"),
        (factory()(), {}, TypeError, "lambda: iter"),
        ((X, Y, Y, Y), {}, TypeError, "a tuple of 4"),
        ((X, Y, Y), {"sample_weight": Y}, ValueError, "given twice"),
        ((X, Y), {"steps_per_epoch": 3}, ValueError, "no effect on arrays"),
        (
            (X, Y),
            {"validation_data": (X, Y), "validation_steps": 3},
            ValueError,
            "no effect on arrays",
        ),
        (tf_data(), {"sample_weight": Y}, ValueError, "no effect on a stream"),
        (tf_data(), {"validation": 0.1}, ValueError, "nothing can be cut"),
        (
            (X, Y),
            {"validation": 0.1, "validation_data": (X, Y)},
            ValueError,
            "both given",
        ),
        (
            Dataset(train=(X, Y), validation=(X, Y)),
            {"validation_data": (X, Y)},
            ValueError,
            "has validation data already",
        ),
        (
            Dataset(train=(X, Y), validation=(X, Y)),
            {"validation": 0.1},
            ValueError,
            "has validation data already",
        ),
        ((X, Y), {"validation_data": 7}, TypeError, "validation_data must be"),
        ((X, Y), {"validation_data": X}, TypeError, "given: a ndarray alone"),
        (
            (X, Y),
            {"validation_data": Dataset(train=(X, Y))},
            TypeError,
            r"must be \(x, y\), .*given: a Dataset alone",
        ),
        ((X, Y), {"validation_data": (X[:2], [0, 5])}, ValueError, "label|no sample"),
    ],
)
def test_other_data_are_refused(data, arguments, error, message):
    with pytest.raises(error, match=message):
        as_dataset(data, **arguments)


def test_mixed_splits_are_converted_alike():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = as_dataset(
            (X.astype("float64"), Y), validation_data=(X[:5] * 2.0, Y[:5])
        )
    assert data.train[0].dtype == data.validation[0].dtype == np.float32
