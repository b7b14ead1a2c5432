"""The words for arrays and axes that the whole library uses.

Glossary of axes:
    time      position in the sequence, always the first axis of a sequence
    batch     sequences processed side by side, always the axis after time
    input     features of one time step going into a layer
    hidden    units of a recurrent layer
    features  whatever the last axis of an output holds
    vocabulary  one entry for each token that can be predicted
"""

from collections.abc import Mapping
from typing import Any

import jax

Array = jax.Array
Key = jax.Array
"""A typed random key, as `jax.random.key` makes it."""
Params = Mapping[str, Any]
"""A nested dict of arrays whose names a reader knows (`recurrent_kernel`, `bias`)."""
Carry = Any
"""What a recurrence hands from one step to the next: a NamedTuple of arrays, or several."""
Batch = Any
"""A NamedTuple of arrays: the examples of one training step.

`place` int32 [batch] is the number of each example in its split, -1 in a row that only fills up,
and `take(columns)` the batch of some of them; the rest is between data and task.
"""
