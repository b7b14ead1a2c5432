"""IMDB reviews as good or bad, by a classifier that starts from a language model of reviews.

    python -m experiments.train --config=configs/lm_imdb.py --workdir=runs/lm_imdb
    python -m experiments.train --config=configs/sentiment_imdb_finetuned.py --workdir=runs/tuned

`--config.task.pretrained=...` names another language model's run. The embedding learns at a lower
rate than what is above it (Howard and Ruder 2018); words are shifted adversarially (Miyato, Dai and
Goodfellow 2017).

Published for an LSTM that starts from a language model: test accuracy 92.76% (Dai and Le 2015).
Measured: 93.2% after 90 minutes on two CPU cores with the native kernel, and 102 minutes for the
language model (docs/results.md).
"""

from lstm_jax import Experiment
from lstm_jax.cells import LSTM
from lstm_jax.data import Distinct, LabelledTexts, TensorFlowDataset
from lstm_jax.functional import Adversarial
from lstm_jax.optimization import Optimizer, SlantedTriangular
from lstm_jax.tasks import Classification


def get_config() -> Experiment:
    """The experiment."""
    return Experiment(
        task=Classification(
            pretrained="runs/lm_imdb",
            cell=LSTM(hidden=768),
            bidirectional=False,
            embedding=256,
            pooling="concatenated",
            head=(50,),
            dropout=0.3,
            variational=True,
            perturbation=Adversarial(epsilon=5.0),
        ),
        data=LabelledTexts(
            source=Distinct(
                TensorFlowDataset("imdb_reviews", splits=("train[:92%]", "train[92%:]", "test")),
                # The figures are of this rule.
                compared_by="words",
            ),
            tokens="prose",
            batch_size=64,
            max_length=400,
            trim="head",
        ),
        optimizer=Optimizer(
            "adam",
            learning_rate=1e-3,
            schedule=SlantedTriangular(length=5),
            clip_norm=1.0,
            rates={"embedding": 0.3},
        ),
        epochs=5,
        checkpoint_every=100,
    )
