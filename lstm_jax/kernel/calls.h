// One call of the kernel: members (a `vmap` axis) of sequence batches, shared out over threads.
#pragma once

#include <cstddef>
#include <vector>

#include "arguments.h"
#include "loops.h"

namespace lstm_jax {

// Fresh memory costs a page fault every 4 kB, and reading it in long strides as many look-ups of
// addresses: the system is asked for larger pages where it is worth it.
void prefer_huge_pages(void* memory, size_t bytes);

template <class Arguments>
struct Member {
  Sequences sequences;
  Arguments arguments;
};

// The members are of the same sizes, and some of what they read may be the same array.
// Throws std::bad_alloc.
template <class Stored>
void run_forward(const Loops& loops, Kind kind,
                 const std::vector<Member<Forward<Stored>>>& members);
template <class Stored>
void run_backward(const Loops& loops, Kind kind,
                  const std::vector<Member<Backward<Stored>>>& members);

}  // namespace lstm_jax
