// One call of the kernel: members (a `vmap` axis) of sequence batches, shared out over threads.
#pragma once

#include <vector>

#include "arguments.h"
#include "loops.h"

namespace lstm_jax {

template <class Arguments>
struct Member {
  Sequences sequences;
  Arguments arguments;
};

// The members are of the same sizes, and some of what they read may be the same array.
// Throws std::bad_alloc.
void run_forward(const Loops& loops, Kind kind, const std::vector<Member<Forward>>& members);
void run_backward(const Loops& loops, Kind kind, const std::vector<Member<Backward>>& members);

}  // namespace lstm_jax
