"""The same layers, models and training written plainly in Flax, Haiku and PyTorch, to compare with.

Haiku and PyTorch come with the extra `peers`. A library is imported in the process that measures
it, and in no other.
"""
