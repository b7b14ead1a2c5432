"""A learning rate for each group of parameters, and groups that train from a later step on."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax.config.saved import from_json, to_json
from lstm_jax.config.tree import override
from lstm_jax.errors import ConfigError
from lstm_jax.optimization.optimizers import Decay, Optimizer, Plateau, SlantedTriangular
from lstm_jax.storage import checkpoints
from lstm_jax.training import step as training
from tests.runs import tiny

EPOCH = 2
LATE = {"stack.layers.0": 1, "embedding": 1.5}
SHAPES = {
    "embedding.table": (5, 3),
    "stack.layers.0.kernel": (3, 4),
    "stack.layers.0.bias": (4,),
    "stack.layers.1.kernel": (4, 4),
    "stack.layers.10.kernel": (4, 4),
    "head.kernel": (4, 2),
    "head.bias": (2,),
}


def nested(flat: dict[str, Any]) -> dict[Any, Any]:
    """The tree of dotted names, with numbers for the keys of what was a list."""
    tree: dict[Any, Any] = {}
    for name, value in flat.items():
        *parts, last = (int(part) if part.isdigit() else part for part in name.split("."))
        functools.reduce(lambda inner, part: inner.setdefault(part, {}), parts, tree)[last] = value
    return tree


def named(tree: Any) -> dict[str, Any]:
    """The leaves of a tree of that form by their dotted names."""
    leaves = jax.tree.leaves_with_path(tree)
    return {".".join(str(key.key) for key in path): leaf for path, leaf in leaves}


def draw(seed: int, *axes: int) -> dict[Any, Any]:
    random = np.random.default_rng(seed)
    flat = {name: random.normal(size=(*axes, *shape)) for name, shape in SHAPES.items()}
    return nested({name: value.astype(np.float32) for name, value in flat.items()})


def ones(steps: int) -> Any:
    return jax.tree.map(np.ones_like, draw(0, steps))


def steps_of(tree: Any, begin: int, end: int | None = None) -> Any:
    return jax.tree.map(lambda leaf: leaf[begin:end], tree)


def scan(transformation: Any, params: Any, state: Any, gradients: Any) -> tuple[Any, Any]:
    """The parameters after each step, and the last state."""

    def step(carry, gradients):
        params, state = carry
        updates, state = transformation.update(gradients, state, params)
        params = optax.apply_updates(params, updates)
        return (params, state), params

    state = transformation.init(params) if state is None else state
    (_, state), history = jax.lax.scan(step, (params, state), gradients)
    return history, state


def train(
    optimizer: Optimizer, gradients: Any, params: Any, state: Any = None, scale: float = 1.0
) -> tuple[Any, Any]:
    """A step with each of the stacked gradients: all parameters before and after, and the state."""
    run = jax.jit(lambda scale, *rest: scan(optimizer.build(EPOCH, scale), *rest))
    later, state = run(np.float32(scale), params, state, gradients)
    joined = jax.tree.map(lambda first, rest: np.concatenate([first[None], rest]), params, later)
    return joined, state


def changes(optimizer: Optimizer, gradients: Any, **options: Any) -> dict[str, np.ndarray]:
    """By name, what each step adds to the parameters."""
    history, _ = train(optimizer, gradients, draw(0), **options)
    return {name: np.diff(values, axis=0) for name, values in named(history).items()}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sgd", {"momentum": 0.9}),
        ("adam", {}),
        ("adamw", {}),
        ("rmsprop", {"centered": True, "momentum": 0.5}),
        ("noisy_sgd", {"key": 0}),
    ],
)
def test_a_group_that_starts_late_trains_as_if_it_were_alone_and_new(name, options):
    plain = Optimizer(name, 0.01, weight_decay=0.1, options=options)
    late = {"embedding": 1.5, "stack.layers.0": 1.5}
    params, gradients = draw(0), draw(1, 5)
    grouped = dataclasses.replace(plain, unfreeze=late, rates={"head": 0})
    history, state = train(grouped, gradients, params)
    jax.tree.map(np.asarray, state)  # would refuse a typed random key
    found = named(history)
    for key, values in found.items():
        moves = np.diff(values, axis=0).any(axis=-1)
        start = 5 if key.startswith("head") else 3 if key.startswith(tuple(late)) else 0
        assert not moves[:start].any(), key
        assert moves[start:].all(), key

    def alone(tree: Any) -> Any:
        layers = {0: tree["stack"]["layers"][0]}
        return {"embedding": tree["embedding"], "stack": {"layers": layers}}

    expected, _ = train(plain, steps_of(alone(gradients), 3), alone(params))
    for key, values in named(expected).items():
        np.testing.assert_allclose(found[key][3:], values, rtol=1e-5, atol=1e-7)


def test_adams_first_update_of_a_group_is_its_learning_rate():
    """Whatever its gradients were before: neither moments nor their bias correction had begun."""
    optimizer = Optimizer("adam", 0.01, unfreeze=LATE, rates={"embedding": 0.1, "stack": 2})
    found = changes(optimizer, draw(1, 4))
    for name, start, rate in (
        ("embedding.table", 3, 0.1),
        ("stack.layers.0.kernel", 2, 2),
        ("stack.layers.1.kernel", 0, 2),
        ("head.kernel", 0, 1),
    ):
        assert not found[name][:start].any()
        np.testing.assert_allclose(np.abs(found[name][start]), 0.01 * rate, rtol=1e-3)


def test_the_longest_prefix_counts_in_whole_parts():
    rates = {"stack": 0.5, "stack.layers.1": 3, "stack.layers.0.bias": 0, "head.kernel": 0.25}
    found = changes(Optimizer("sgd", 0.1, rates=rates), ones(1))
    expected = dict.fromkeys(SHAPES, 1.0) | {
        "stack.layers.0.kernel": 0.5,
        "stack.layers.0.bias": 0.0,
        "stack.layers.1.kernel": 3.0,
        "stack.layers.10.kernel": 0.5,
        "head.kernel": 0.25,
    }
    for name, rate in expected.items():
        np.testing.assert_allclose(found[name], -0.1 * rate, rtol=1e-5)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_rate_multiplies_the_decay_of_weights_too(name):
    optimizer = Optimizer(name, 0.1, weight_decay=0.5, rates={"embedding": 0.2})
    found = changes(optimizer, jax.tree.map(np.zeros_like, ones(1)))
    for part, rate in (("embedding.table", 0.2), ("head.bias", 1.0)):
        weights = named(draw(0))[part]
        np.testing.assert_allclose(found[part][0], -0.1 * rate * 0.5 * weights, rtol=1e-4)


def test_rates_of_one_and_times_of_zero_change_no_number():
    plain = Optimizer("adam", 0.1, Decay(after=1), clip_norm=1.0, weight_decay=0.1)
    grouped = dataclasses.replace(plain, rates={"head": 1}, unfreeze={"embedding": 0})
    expected = changes(plain, draw(1, 4))
    for name, found in changes(grouped, draw(1, 4)).items():
        np.testing.assert_allclose(found, expected[name], rtol=1e-6)


def test_frozen_groups_do_not_count_for_the_clipping():
    rates = {"head": 0, "stack.layers.0": 0.5}
    optimizer = Optimizer("sgd", 1.0, clip_norm=1.0, rates=rates, unfreeze={"embedding": 1})
    gradients = draw(1, 3)
    gradients["head"] = jax.tree.map(lambda leaf: leaf * np.nan, gradients["head"])
    found = changes(optimizer, gradients)
    flat = named(gradients)
    for step, frozen in ((0, ("head", "embedding")), (1, ("head", "embedding")), (2, ("head",))):
        trained = [name for name in SHAPES if not name.startswith(frozen)]
        norm = np.sqrt(sum(np.square(flat[name][step]).sum() for name in trained))
        for name in SHAPES:
            rate = 0.5 if name.startswith("stack.layers.0") else 1.0
            expected = -rate * flat[name][step] / norm if name in trained else 0.0
            np.testing.assert_allclose(found[name][step], expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("schedule", "scale"),
    [(Decay(0.5, after=1), 1.0), (SlantedTriangular(2.5), 1.0), (Plateau(), 0.25)],
)
def test_the_schedule_is_that_of_the_run_whenever_a_group_starts(schedule, scale):
    rates = {"embedding": 0.5}
    optimizer = Optimizer("sgd", 2.0, schedule, rates=rates, unfreeze=LATE)
    found = changes(optimizer, ones(6), scale=scale)
    for step in range(6):
        base = optimizer.learning_rate_at(step, EPOCH, scale)
        np.testing.assert_allclose(found["head.bias"][step], -base, rtol=1e-5)
        late = base if step >= 2 else 0.0
        np.testing.assert_allclose(found["stack.layers.0.bias"][step], -late, rtol=1e-5)
        late = 0.5 * base if step >= 3 else 0.0
        np.testing.assert_allclose(found["embedding.table"][step], -late, rtol=1e-4)


def test_a_checkpoint_between_the_starts_of_groups_changes_nothing(tmp_path):
    rates = {"stack.layers.0": 0.3, "head.bias": 0}
    optimizer = Optimizer("adam", 0.01, clip_norm=1.0, rates=rates, unfreeze=LATE)
    params, gradients = draw(0), draw(1, 5)
    whole, last = train(optimizer, gradients, params)
    # One group has trained for a step and another is about to start.
    first, state = train(optimizer, steps_of(gradients, 0, 3), params)
    checkpoints.save(tmp_path, 3, state, {})
    again = from_json(to_json(optimizer))
    restored = checkpoints.restore(tmp_path, 3, jax.eval_shape(again.build(EPOCH).init, params))
    params = jax.tree.map(lambda leaf: leaf[-1], first)
    second, end = train(again, steps_of(gradients, 3), params, restored)
    jax.tree.map(np.testing.assert_array_equal, steps_of(whole, 3), second)
    jax.tree.map(np.testing.assert_array_equal, last, end)


def test_without_groups_the_state_and_every_number_are_those_of_the_plain_chain():
    optimizer = Optimizer("adam", 0.1, Plateau(), clip_norm=1.0, weight_decay=0.2)
    params, gradients = ({"head": {"bias": draw(*axes)["head"]["bias"]}} for axes in ((0,), (1, 3)))
    moments = [f"{moment}['head']['bias']" for moment in ("mu", "nu")]
    expected = ["[1][0].count", *(f"[1][0].{one}" for one in moments), "[1][1].count", "[2].count"]
    for scale in (1.0, 0.5):
        leaves = jax.tree.leaves_with_path(optimizer.build(EPOCH, scale).init(params))
        assert [jax.tree_util.keystr(path) for path, _ in leaves] == expected

    def rate(step):
        del step
        return 0.1 * (scale * jnp.ones(()))

    decay = optax.add_decayed_weights(lambda step: -0.2 * rate(step))
    plain = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate), decay)
    with jax.numpy_dtype_promotion("standard"):
        later, end = scan(plain, params, None, gradients)
    history, state = train(optimizer, gradients, params, scale=scale)
    assert jax.tree.structure(end) == jax.tree.structure(state)
    jax.tree.map(np.testing.assert_array_equal, steps_of(history, 1), later)
    jax.tree.map(np.testing.assert_array_equal, state, end)


def test_groups_of_a_model_by_the_names_of_its_modules(text):
    experiment = tiny(
        text,
        optimizer__rates='{"stack.layers.0.bias": 0.5, "softmax.bias": 0}',
        optimizer__unfreeze={"stack.layers.0.input_kernel": 1, "embedding": 1.5},
    )
    parts = experiment.task, experiment.data, experiment.optimizer, experiment.seed
    params = jax.tree.map(np.array, training.prepare(*parts).state.params)
    gradients = jax.tree.map(lambda leaf: np.ones((2, *leaf.shape), leaf.dtype), params)
    history, _ = train(experiment.optimizer, gradients, params)
    frozen = ("embedding.table", "stack.layers.0.input_kernel", "softmax.bias")
    for name, values in named(history).items():
        assert np.array_equal(values[2], values[0]) == (name in frozen), name

    misspelt = override(experiment.optimizer, {"unfreeze": {"stack.layer.0": 1}})
    with pytest.raises(ConfigError, match=r"^unfreeze: 'stack.layer.0' holds no parameter"):
        training.prepare(experiment.task, experiment.data, misspelt, 0)


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("embeding", "the model has no 'embeding'; did you mean 'embedding'?"),
        ("layers.0", "the model has no 'layers'; there are embedding, head, stack"),
        ("stack.layer.0.bias", "'stack' has no 'layer'; did you mean 'layers'?"),
        ("stack.layers.2", "'stack.layers' has no '2'; there are 0, 1, 10"),
        ("head.bias.x", "'head.bias' has no 'x'; there are none"),
        ("", "the model has no ''; there are embedding, head, stack"),
    ],
)
@pytest.mark.parametrize("field", ["rates", "unfreeze"])
def test_a_prefix_without_parameters_is_told_where_the_parameters_are_seen(field, prefix, message):
    transformation = Optimizer(**{field: {"head": 1, prefix: 1}}).build(EPOCH)
    with pytest.raises(ConfigError) as told:
        transformation.init(draw(0))
    top = "(at the top: embedding, head, stack)"
    assert str(told.value) == f"{field}: {prefix!r} holds no parameter, for {message} {top}"


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
@pytest.mark.parametrize("field", ["rates", "unfreeze"])
def test_numbers_outside_their_range(field, value):
    with pytest.raises(ConfigError, match=f"^{field}: head: {value} is out of range$"):
        Optimizer(**{field: {"head": value}})


def test_groups_are_given_on_a_command_line_as_a_whole():
    optimizer = override(
        Optimizer(),
        {"rates": '{"embedding": 0.1, "stack.layers.0": 0}', "unfreeze": "{'stack.layers.1': 2}"},
    )
    assert optimizer.rates == {"embedding": 0.1, "stack.layers.0": 0}
    assert optimizer.unfreeze == {"stack.layers.1": 2}
    again = from_json(to_json(optimizer))
    assert again == optimizer
    assert hash(again) == hash(optimizer)
    assert override(optimizer, {"rates.embedding": "0.5"}).rates["embedding"] == 0.5
    with pytest.raises(ConfigError, match="rates: expected Mapping"):
        override(optimizer, {"rates": '{"embedding": "slow"}'})
