"""The lines that say what is wrong with an array."""

TO_FLOATS = "; convert them: {}.astype(jnp.float32)"
TO_INTEGERS = "; convert them: {}.astype(jnp.int32)"
TO_ARRAY = "; convert it: jnp.asarray({})"
ADD_BATCH = "; one sequence is a batch of one: {}[:, None]"


def floats(name: str, axes: str, got: str, advice: str = "") -> str:
    return f"{name} must be [{axes}] of floating-point numbers, got {got}{advice.format(name)}"


def integers(name: str, axes: str, got: str, advice: str = "") -> str:
    return f"{name} must be [{axes}] of integers, got {got}{advice.format(name)}"
