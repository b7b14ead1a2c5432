"""Learning rate, dropout and clipping of the small Penn Treebank model, at six epochs.

The learning rate and the clipping lie within a factor of two of the published ones.

    python -m experiments.sweep --config=configs/lm_ptb_small.py --config.epochs=6 \
        --sweep=configs/sweeps/ptb_small.py --workdir=runs/ptb_tpe

`--grid=published` runs the setting of Zaremba et al. 2014. Measured after six epochs, three seeds
each: validation perplexity 106.4 where the published setting has 118.8 (docs/results.md).
"""

from lstm_jax.sweeps import LogUniform, Sweep, Uniform


def get_sweep() -> Sweep:
    """The sweep."""
    return Sweep(
        space={
            "optimizer.learning_rate": LogUniform(0.5, 2.0),
            "task.dropout": Uniform(0.0, 0.4),
            "optimizer.clip_norm": LogUniform(2.5, 10.0),
        },
        grids={
            "published": {
                "optimizer.learning_rate": [1.0],
                "task.dropout": [0.0],
                "optimizer.clip_norm": [5.0],
            }
        },
        sampler="tpe",
        startup=4,
        # Two hours hold five to seven whole trials. They are compared after 4 epochs, before the
        # learning rate falls: earlier much dropout is still behind.
        pruner="successive_halving",
        warmup=4,
        reduction=2,
        metric="validation/perplexity",
        direction="min",
        hours=2.0,
    )
