// One call of the kernel: members (a `vmap` axis) of sequence batches, shared out over threads.
#pragma once

#include "arguments.h"
#include "loops.h"

namespace lstm_jax {

// Member number `m` has its arrays `m` times their size after those of the first.
// Throws std::bad_alloc.
void run_forward(const Loops& loops, Kind kind, int64_t members, const Sequences& s,
                 const Forward& f);
void run_backward(const Loops& loops, Kind kind, int64_t members, const Sequences& s,
                  const Backward& b);

}  // namespace lstm_jax
