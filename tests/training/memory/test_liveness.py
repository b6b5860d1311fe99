import tensorflow as tf

from yt8m_exp.training.memory import liveness

MB = 1 << 20
ROWS = tf.TensorSpec([MB // 4])  # one MB


def peak(work, *specs):
    return liveness.peak_bytes(
        tf.function(work, autograph=False).get_concrete_function(*specs).graph
    )


def test_a_tensor_lives_until_its_last_use():
    assert peak(lambda x: tf.sin(tf.sin(tf.sin(x))), ROWS) == 3 * MB


def test_what_is_taken_later_stays():
    def work(x):
        first = tf.sin(x)
        return tf.cos(tf.sin(tf.sin(first))) + first

    assert peak(work, ROWS) == 4 * MB


def test_a_view_takes_nothing():
    assert peak(lambda x: tf.reshape(tf.identity(x), [-1, 2]), ROWS) == MB


def test_what_nothing_needs_is_never_made():
    def work(x):
        tf.sin(x)
        return x

    assert peak(work, ROWS) == MB


def test_the_inside_of_a_function_counts():
    @tf.function
    def inner(x):
        return tf.reduce_sum(tf.sin(x) + tf.cos(x))

    assert peak(inner, ROWS) == peak(lambda x: inner(x), ROWS) == 4 * MB


def test_a_gradient_keeps_what_it_takes():
    def work(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(tf.sigmoid(tf.sigmoid(tf.sigmoid(x))))
        return tape.gradient(y, x)

    assert 5 * MB <= peak(work, ROWS) <= 6 * MB


def test_a_list_of_a_loop_counts_a_tensor_a_turn():
    def work(x):
        def turn(n, out):
            return n + 1, out.write(n, x * tf.cast(n, tf.float32))

        out = tf.TensorArray(tf.float32, size=10, element_shape=x.shape)
        _, out = tf.while_loop(lambda n, _: n < 10, turn, (0, out))
        return tf.reduce_sum(out.stack())

    assert 21 * MB <= peak(work, ROWS) < 22 * MB + MB // 2  # the list and its copy


def test_a_loop_that_is_differentiated_counts_what_it_keeps():
    def work(x):
        def turn(state, _):
            return tf.sin(state)

        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(tf.scan(turn, tf.zeros([20, 1]), initializer=x))
        return tape.gradient(y, x)

    assert peak(work, ROWS) >= 20 * MB
