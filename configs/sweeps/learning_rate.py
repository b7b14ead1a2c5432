"""The learning rate of any experiment, and how far gradients are clipped.

    python -m experiments.sweep --config=configs/quickstart.py --config.evaluate_every=100 \
        --sweep=configs/sweeps/learning_rate.py --workdir=runs/lr

With `--grid=coarse` nine settings on a grid.
"""

from lstm_jax.sweeps import LogUniform, Sweep


def get_sweep() -> Sweep:
    """The sweep."""
    return Sweep(
        space={
            "optimizer.learning_rate": LogUniform(1e-4, 1e-1),
            "optimizer.clip_norm": LogUniform(0.1, 10.0),
        },
        grids={
            "coarse": {
                "optimizer.learning_rate": [1e-3, 3e-3, 1e-2],
                "optimizer.clip_norm": [0.3, 1.0, 3.0],
            }
        },
        sampler="tpe",
        startup=5,
        pruner="median",
        trials=20,
    )
