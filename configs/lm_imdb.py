"""A language model of 75,000 film reviews, from which a classifier of reviews starts.

    python scripts/prepare_data.py --name=imdb_reviews --archive_dir=$LSTM_JAX_DATA/imdb
    python -m experiments.train --config=configs/lm_imdb.py --workdir=runs/lm_imdb

An LSTM over words reads the training reviews and the unlabelled ones of IMDB (Maas et al. 2011), as
Dai and Le 2015, "Semi-supervised sequence learning", trained theirs; `sentiment_imdb_finetuned.py`
goes on from it. No review by which that is validated or tested is read, nor any that occurs among
those.

Measured: validation perplexity 78.9 after 102 minutes on two CPU cores (docs/results.md).
"""

from lstm_jax import Experiment
from lstm_jax.cells import LSTM
from lstm_jax.data import Distinct, TensorFlowDataset, TextWindows
from lstm_jax.optimization import Optimizer, WarmupCosine
from lstm_jax.tasks import LanguageModeling


def get_config() -> Experiment:
    """The experiment."""
    return Experiment(
        task=LanguageModeling(
            cell=LSTM(hidden=768), layers=1, embedding=256, dropout=0.1, cutoffs=(2000, 10000)
        ),
        data=TextWindows(
            source=Distinct(
                TensorFlowDataset(
                    "imdb_reviews", splits=("train[:92%]+unsupervised", "train[92%:]", "test")
                ),
                # The figures are of this rule.
                compared_by="words",
            ),
            tokens="prose",
            max_vocabulary=30000,
            batch_size=128,
            window=64,
            test_batch_size=128,
        ),
        optimizer=Optimizer(
            "adam",
            learning_rate=2e-3,
            schedule=WarmupCosine(warmup=0.1, length=2, floor=0.01),
            clip_norm=1.0,
        ),
        epochs=2,
        checkpoint_every=200,
    )
