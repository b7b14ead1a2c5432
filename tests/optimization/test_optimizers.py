"""Every optimizer of optax, clipping, weight decay and the rate of each step."""

import functools
import inspect
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

from lstm_jax.config.saved import from_json, to_json
from lstm_jax.config.tree import override
from lstm_jax.errors import ConfigError
from lstm_jax.optimization.optimizers import Decay, Optimizer
from tests.reference import array

OFFERED = sorted(
    name
    for module in (optax, optax.contrib)
    for name, function in vars(module).items()
    if (inspect.isfunction(function) or isinstance(function, functools.partial))
    and not name.startswith(("_", "scale_by_"))
    and "learning_rate" in inspect.signature(function).parameters
)
# These need the loss, a line search, gradients of single examples or another optimizer.
REFUSED = {
    "dpsgd": {"l2_norm_clip": 1.0, "noise_multiplier": 0.1, "seed": 0},
    "lbfgs": {},
    "momo": {},
    "momo_adam": {},
    "optimistic_adam": {},  # deprecated
    "schedule_free": {},
    "sophia": {},
}
NEEDED_OPTIONS = {"noisy_sgd": {"key": 0}}
ACCEPTED = [name for name in OFFERED if name not in REFUSED]
# These estimate the distance to the solution themselves, from a tiny first guess.
LEARNING_RATE_FREE = ("dadapt_adamw", "dog", "dowg", "prodigy")


def _optimizer(name, **fields):
    rate = 1.0 if name in LEARNING_RATE_FREE else 0.01
    return Optimizer(name, rate, options=NEEDED_OPTIONS.get(name, {}), **fields)


def _params():
    return {
        "kernel": array([[1.0, -1.0, 3.0], [0.5, 2.0, -2.0]], np.float32),
        "bias": array([0.5] * 3, np.float32),
        "idle": array([[2.0, -2.0, 2.0], [-2.0, 2.0, -2.0]], np.float32),
    }


def _quadratic(params):
    """A loss of which `idle` is no part: its gradient is zero."""
    return jnp.sum(params["kernel"] ** 2) + jnp.sum(params["bias"] ** 2)


def _scalar_update(optimizer, gradient, value=1.0, steps=1, steps_per_epoch=10, **build):
    """The last of `steps` updates of one scalar parameter."""
    transformation = optimizer.build(steps_per_epoch, **build)
    value = jnp.float32(value)
    state = transformation.init(value)
    update = value
    for _ in range(steps):
        update, state = transformation.update(jnp.float32(gradient), state, value)
    return float(update)


@pytest.mark.parametrize("name", ACCEPTED)
def test_every_optimizer_trains_and_a_zero_gradient_shrinks_a_weight(name):
    """Under jit with donated buffers; the state keeps its form, as a loop of JAX would want it."""
    transformation = _optimizer(name, clip_norm=1.0, weight_decay=0.1).build(steps_per_epoch=2)

    @functools.partial(jax.jit, donate_argnums=0)
    def train(carry):
        params, state = carry
        updates, state = transformation.update(jax.grad(_quadratic)(params), state, params)
        return optax.apply_updates(params, updates), state

    def forms(tree):
        return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)

    before, params = jax.tree.map(np.asarray, _params()), _params()
    state = transformation.init(params)
    leaves = jax.tree.leaves((params, state))
    assert not any(jnp.issubdtype(leaf.dtype, jax.dtypes.extended) for leaf in leaves)
    buffers = [leaf.unsafe_buffer_pointer() for leaf in leaves]
    assert len(set(buffers)) == len(buffers), "a buffer can be donated only once"

    for _ in range(3):
        form = forms((params, state))
        params, state = train((params, state))
        assert forms((params, state)) == form
    params = jax.tree.map(np.asarray, params)
    for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(params), strict=True):
        assert np.isfinite(new).all()
        assert not np.array_equal(old, new)
    if name != "noisy_sgd":
        assert (np.abs(params["idle"]) < np.abs(before["idle"])).all()
        assert (params["idle"] * before["idle"] > 0).all()


@pytest.mark.parametrize("name", REFUSED)
def test_optimizers_that_need_more_than_gradients_are_refused(name):
    with pytest.raises(ConfigError, match=f"'{name}'.* does not make an update from") as told:
        Optimizer(name, options=REFUSED[name]).build(1)
    assert "\n" not in str(told.value)


def test_what_optax_warns_of_is_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as outside of the tests
        with pytest.raises(ConfigError, match="Specifying a key"):
            Optimizer("noisy_sgd").build(1)


def test_every_refusal_is_still_needed():
    assert set(REFUSED) <= set(OFFERED)


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}])
def test_decoupled_weight_decay_is_the_learning_rate_times_the_weight(options):
    optimizer = Optimizer("sgd", 0.5, Decay(0.1, after=1), weight_decay=0.01, options=options)
    assert _scalar_update(optimizer, 0.0, value=3.0) == pytest.approx(-0.5 * 0.01 * 3.0)
    # The 11th step lies in the second epoch, at a tenth of the rate.
    late = _scalar_update(optimizer, 0.0, value=3.0, steps=11)
    assert late == pytest.approx(-0.05 * 0.01 * 3.0)


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adagrad", "adam", "nadam", "rprop", "yogi"])
def test_decoupled_weight_decay_is_added_to_the_plain_update(name):
    plain = Optimizer(name)
    decayed = override(plain, {"weight_decay": 0.1})
    difference = _scalar_update(decayed, 0.3, value=2.0) - _scalar_update(plain, 0.3, value=2.0)
    assert difference == pytest.approx(-plain.learning_rate * 0.1 * 2.0, rel=1e-3)


@pytest.mark.parametrize("name", ["adamw", "lamb", "lion", "novograd", "adan", "lars", "adadelta"])
def test_weight_decay_is_the_optimizers_own_where_it_has_one(name):
    ours = Optimizer(name, 0.1, weight_decay=0.05)
    theirs = getattr(optax, name)(0.1, weight_decay=0.05)
    with jax.numpy_dtype_promotion("standard"):
        state = theirs.init(jnp.float32(2.0))
        expected, _ = theirs.update(jnp.float32(0.3), state, jnp.float32(2.0))
    assert _scalar_update(ours, 0.3, value=2.0) == pytest.approx(float(expected), rel=1e-6)


def test_no_weight_decay_given_is_the_optimizers_default():
    assert _scalar_update(Optimizer("adamw", 0.1), 0.0, 2.0) == pytest.approx(-0.1 * 1e-4 * 2.0)
    assert _scalar_update(Optimizer("adamw", 0.1, weight_decay=0.0), 0.0, 2.0) == 0.0
    assert _scalar_update(Optimizer("sgd", 0.1), 0.0, 2.0) == 0.0


def test_muon_decays_the_parameters_that_it_leaves_to_adam():
    transformation = Optimizer("muon", 0.1, weight_decay=0.5).build(1)
    params = _params()

    @jax.jit
    def update(gradients):
        return transformation.update(gradients, transformation.init(params), params)[0]

    updates = update(jax.tree.map(np.zeros_like, params))
    expected = -0.1 * 0.5 * np.asarray(params["bias"])
    np.testing.assert_allclose(updates["bias"], expected, rtol=1e-5)


def test_clipping_scales_the_global_norm():
    transformation = Optimizer("sgd", 1.0, clip_norm=5.0).build(1)
    params = {"a": np.zeros(2, np.float32), "b": np.zeros(1, np.float32)}
    state, update = transformation.init(params), jax.jit(transformation.update)
    for norm, clipped in ((26.0, 5.0), (2.6, 2.6)):
        flat = {"a": np.array([3.0, 4.0]) * norm / 13, "b": np.array([12.0]) * norm / 13}
        gradients = {name: value.astype(np.float32) for name, value in flat.items()}
        updates, state = update(gradients, state, params)
        np.testing.assert_allclose(updates["a"], -np.array([3.0, 4.0]) * clipped / 13, rtol=1e-6)
        np.testing.assert_allclose(updates["b"], [-12.0 * clipped / 13], rtol=1e-6)


def test_clipping_comes_before_momentum_and_does_not_touch_weight_decay():
    fields = {"clip_norm": 1.0, "weight_decay": 10.0, "options": {"momentum": 0.5}}
    update = _scalar_update(Optimizer("sgd", 1.0, **fields), 100.0, value=2.0, steps=2)
    assert update == pytest.approx(-(1.0 + 0.5) - 10.0 * 2.0)


def test_the_rate_of_every_update_is_the_rate_that_is_logged():
    optimizer = Optimizer("sgd", 2.0, Decay(0.5, after=4))
    transformation = optimizer.build(steps_per_epoch=3)
    update = jax.jit(transformation.update)
    value = jnp.float32(1.0)
    state = transformation.init(value)
    for step in range(21):
        change, state = update(jnp.float32(1.0), state, value)
        expected = 2.0 * 0.5 ** max(step // 3 - 3, 0)
        assert float(change) == -expected
        assert optimizer.learning_rate_at(step, steps_per_epoch=3) == expected


@pytest.mark.parametrize("name", ["sgd", "adam", "rprop", "sm3", "madgrad", "schedule_free_sgd"])
def test_a_traced_scale_multiplies_the_learning_rate(name):
    optimizer = Optimizer(name, 0.2, weight_decay=0.1)
    params = _params()

    @jax.jit
    def updates(scale):
        state = optimizer.build(1).init(params)
        return optimizer.build(1, scale).update(params, state, params)[0]["kernel"]

    @jax.jit
    def half_updates():
        return half.build(1).update(params, half.build(1).init(params), params)[0]["kernel"]

    # Half of 0.2; rprop alone takes its learning rate from its state.
    half = Optimizer(name, 0.2 if name == "rprop" else 0.1, weight_decay=0.1)
    expected = np.asarray(half_updates())
    expected = expected * 0.5 if name == "rprop" else expected
    np.testing.assert_allclose(updates(np.float32(0.5)), expected, rtol=1e-5)
    assert optimizer.learning_rate_at(0, 1, scale=0.5) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Optimizer("adamm"), "optax has no optimizer 'adamm'; did you mean 'adam'?"),
        (lambda: Optimizer("SGD"), "optax has no optimizer 'SGD'; did you mean 'sgd'?"),
        (lambda: Optimizer("scale_by_rprop"), "optax has no optimizer 'scale_by_rprop'"),
        (lambda: Optimizer("chain"), "optax has no optimizer 'chain'; there are acprop, "),
        (
            lambda: Optimizer("sgd", options={"momentun": 0.9}),
            "options: sgd has no option 'momentun'; did you mean 'momentum'?",
        ),
        (
            lambda: Optimizer("sgd", options={"learning_rate": 0.9}),
            "options: learning_rate is set beside options, not in them",
        ),
        (
            lambda: Optimizer("adamw", options={"weight_decay": 0.9}),
            "options: weight_decay is set beside options, not in them",
        ),
        (
            lambda: Optimizer("adam", options={"b1": "high"}).build(1),
            "optimizer 'adam' with options {'b1': 'high'} does not make an update",
        ),
        (
            lambda: Optimizer("noisy_sgd").build(1),
            "optimizer 'noisy_sgd' with options {} does not make an update from gradients and "
            "parameters alone: Specifying a key",
        ),
        (lambda: Optimizer(learning_rate=-1.0), "learning_rate: -1.0 is out of range"),
        (lambda: Optimizer(learning_rate=float("nan")), "learning_rate: nan is out of range"),
        (lambda: Optimizer(clip_norm=0.0), "clip_norm: 0.0 is out of range"),
        (lambda: Optimizer(weight_decay=-0.1), "weight_decay: -0.1 is out of range"),
        (lambda: Optimizer().build(0), "an epoch has at least one step, not 0"),
    ],
)
def test_mistakes_are_told_in_one_line(make, message):
    with pytest.raises(ValueError) as told:  # noqa: PT011 - the message is compared below
        make()
    assert str(told.value).startswith(message)
    assert "\n" not in str(told.value)


def test_the_build_is_a_pure_function_of_the_config():
    optimizer = Optimizer("noisy_sgd", 0.1, Decay(), 1.0, 0.1, {"key": 3})
    again = from_json(to_json(optimizer))
    assert again == optimizer
    assert hash(again) == hash(optimizer)

    def run(optimizer):
        transformation = optimizer.build(2)
        params = _params()
        state = transformation.init(params)
        for _ in range(3):
            updates, state = transformation.update(params, state, params)
            params = optax.apply_updates(params, updates)
        return params, state

    with jax.legacy_prng_key("error"):
        first, second, other = run(optimizer), run(again), run(override(again, {"options.key": 4}))
    assert jax.tree.all(jax.tree.map(np.array_equal, first, second))
    assert not np.array_equal(first[0]["bias"], other[0]["bias"])


def test_an_option_is_overridden_by_name_before_it_was_given():
    optimizer = override(
        Optimizer("rmsprop"), {"options.momentum": "0.9", "options.centered": "true"}
    )
    assert optimizer.options == {"momentum": 0.9, "centered": True}
    assert _scalar_update(optimizer, 1.0) < 0.0
