"""WikiText-2, a tied LSTM of 650 units whose learning rate drops when validation stops improving.

    python -m experiments.train --config=configs/lm_wikitext2.py --workdir=runs/wikitext2

Needs the WikiText-2 text (wiki.train.tokens, wiki.valid.tokens, wiki.test.tokens, or train.txt,
valid.txt, test.txt) in $LSTM_JAX_DATA/wikitext-2. The recipe is that of PyTorch's
word_language_model example, with the tied softmax of Inan, Khosravi and Socher 2017 ("Tying word
vectors and word classifiers"). For comparison: Grave, Joulin and Usunier 2017 report test
perplexity 99.3 for an untied LSTM of 1024. Made for an accelerator.
"""

from lstm_jax import Experiment
from lstm_jax.cells import LSTM
from lstm_jax.data import TextFiles, TextWindows
from lstm_jax.optimization import Optimizer, Plateau
from lstm_jax.tasks import LanguageModeling


def get_config() -> Experiment:
    """The experiment."""
    return Experiment(
        task=LanguageModeling(cell=LSTM(hidden=650), layers=2, dropout=0.5, tied=True),
        data=TextWindows(
            source=TextFiles("$LSTM_JAX_DATA/wikitext-2"), tokens="words", batch_size=20, window=35
        ),
        optimizer=Optimizer("sgd", learning_rate=20.0, schedule=Plateau(0.25), clip_norm=0.25),
        epochs=40,
    )
