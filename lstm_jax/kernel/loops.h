// The loops over time, compiled once for each instruction set.
#pragma once

#include <vector>

#include "arguments.h"
#include "team.h"

namespace lstm_jax {

// How a team shares the work of one call.
struct Plan {
  int size;      // Threads.
  bool by_rows;  // Each has rows of the batch, and rarely waits; else each has units, and waits at
                 // every step.
};

// The loops over arrays of one type.
template <class Stored>
struct Passes {
  // Floats of memory that the threads of a call share.
  int64_t (*forward_workspace)(Kind, const Sequences&, const Plan&);
  int64_t (*backward_workspace)(Kind, const Sequences&, const Plan&);
  void (*forward)(Kind, const Sequences&, const Forward<Stored>&, const Plan&, int rank, Barrier&,
                  float* workspace);
  void (*backward)(Kind, const Sequences&, const Backward<Stored>&, const Plan&, int rank, Barrier&,
                   float* workspace);
};

struct Loops : Passes<float>, Passes<BFloat16> {
  const char* name;
};

// Those for the instruction sets this machine has, the widest last.
const std::vector<const Loops*>& all_loops();

// Those that calls use: the widest, unless others were chosen.
const Loops& chosen_loops();
void choose_loops(const Loops& loops);

int gates_of(Kind kind);

}  // namespace lstm_jax
