"""Pure functions of arrays, in no module and with no parameters of their own.

The affine map under every layer, losses, all kinds of dropout, adversarial perturbations.
"""

from lstm_jax.functional.adversarial import Adversarial, Perturbation, VirtualAdversarial

__all__ = ["Adversarial", "Perturbation", "VirtualAdversarial"]
