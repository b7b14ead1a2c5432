"""The language model in PyTorch, with the dropout of Zaremba et al. 2014 or Merity et al. 2018."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch._dynamo  # optimizers import it when they are made: not to be measured then
from torch.nn.functional import cross_entropy, dropout

from scripts.benchmarks.language_model import ModelWeights, Sizes
from scripts.benchmarks.layer_weights import torch_params
from scripts.benchmarks.measuring import Train


class LanguageModel(torch.nn.Module):
    """Embedding, LSTM layers, softmax layer; the dropout is that of training."""

    def __init__(self, sizes: Sizes, weights: ModelWeights):
        super().__init__()
        self.sizes = sizes
        self.embedding = torch.nn.Embedding(sizes.vocabulary, sizes.embedding)
        self.layers = torch.nn.ModuleList()
        self.softmax = torch.nn.Linear(sizes.hidden[-1], sizes.vocabulary)
        state = {"embedding.weight": weights.embedding, "softmax.bias": weights.softmax_bias}
        if weights.softmax_kernel is None:
            self.softmax.weight = self.embedding.weight
            state["softmax.weight"] = weights.embedding
        else:
            state["softmax.weight"] = weights.softmax_kernel.T
        for index, one in enumerate(weights.layers):
            lstm = torch.nn.LSTM(len(one.input), one.hidden)
            # The second of its two biases stays zero: the other libraries have one to train.
            lstm.bias_hh_l0.requires_grad_(False)
            self.layers.append(lstm)
            state |= {f"layers.{index}.{name}": value for name, value in torch_params(one).items()}
        self.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})

    def forward(self, tokens: torch.Tensor, carries: Any) -> tuple[torch.Tensor, Any]:
        """Logits [time, batch, vocabulary], and the carry of each layer."""
        features = self.embedding(tokens)
        if self.sizes.embedding_dropout:
            kept = dropout(torch.ones(self.sizes.vocabulary, 1), self.sizes.embedding_dropout)
            features = features * kept[tokens]
        finals = []
        for lstm, carry in zip(self.layers, carries, strict=True):
            features, final = self._run(lstm, self._drop(features), carry)
            finals.append(final)
        return self.softmax(self._drop(features)), finals

    def _run(self, lstm: torch.nn.Module, inputs: torch.Tensor, carry: Any) -> Any:
        if not self.sizes.weight_drop:
            return lstm(inputs, carry)
        kernel = "weight_hh_l0"
        dropped = {kernel: dropout(getattr(lstm, kernel), self.sizes.weight_drop)}
        return torch.func.functional_call(lstm, dropped, (inputs, carry))

    def _drop(self, features: torch.Tensor) -> torch.Tensor:
        if not self.sizes.variational:
            return dropout(features, self.sizes.dropout)
        return features * dropout(torch.ones_like(features[:1]), self.sizes.dropout)


def build(sizes: Sizes, weights: ModelWeights) -> Train:
    """Training with `torch.optim.SGD`."""
    torch.manual_seed(0)
    model = LanguageModel(sizes, weights)
    optimizer = torch.optim.SGD(model.parameters(), lr=sizes.learning_rate)
    carries: Any = [(torch.zeros(1, sizes.batch, hidden),) * 2 for hidden in sizes.hidden]

    def train(batches: Sequence[tuple[np.ndarray, ...]]) -> np.ndarray:
        nonlocal carries
        losses = []
        for inputs, targets in batches:
            optimizer.zero_grad()
            logits, carries = model(torch.from_numpy(inputs), carries)
            loss = cross_entropy(
                logits.flatten(0, 1), torch.from_numpy(targets).flatten().long(), reduction="sum"
            )
            loss = loss / sizes.loss_divisor
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), sizes.clip_norm)
            optimizer.step()
            carries = [tuple(part.detach() for part in carry) for carry in carries]
            losses.append(loss.detach())
        return np.array([loss.item() for loss in losses])

    return train
