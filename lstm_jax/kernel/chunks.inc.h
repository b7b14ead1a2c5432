// How a pass over time is cut: into chunks of steps, and into shares of threads.
//
// The inputs' part of the gates is computed for a chunk in one product before its steps, and the
// gradients of inputs and kernels in one product after them: no array of all gates is made beside
// what the backward pass reads, and a chunk stays in the cache. Included by loops.cc once for each
// instruction set.
#pragma once

#include <algorithm>
#include <type_traits>

#include "cells.h"
#include "loops.h"
#include "product.h"
#include "team.h"

namespace LSTM_JAX_TARGET {

using lstm_jax::Barrier;
using lstm_jax::Plan;
using lstm_jax::Sequences;

// Rows of a chunk: enough to make up for reading the kernels, few enough to stay in the cache.
constexpr int kChunkRows = 640;
// The same of a backward pass whose kernels' gradients, of more floats than this, are added to in
// the memory.
constexpr int kLongChunkRows = 1280;
constexpr int64_t kLargeGradients = 2 << 20;

// Rows of a panel whose product with all rows of the left matrix is formed at a time.
constexpr int kDepth = 1024;

// Rows that are summed before they are added to the sum of all.
constexpr int kSumRows = 32;

// Whether the recurrent kernel is larger than 2 MB, more than a core's own cache holds.
inline bool is_far(const Sequences& s, int gates) {
  return static_cast<int64_t>(gates) * s.hidden * s.hidden > 1 << 19;
}

inline int chunk_steps(const Sequences& s, int rows = kChunkRows) {
  return std::max(1, std::min(s.time, rows / std::max(1, s.batch)));
}

// What a thread does of a call: some rows of the batch, and some vectors of the units.
class Share {
 public:
  const Range rows;

  Share(const Plan& plan, const Sequences& s, int rank)
      : rows(plan.by_rows ? part({0, s.batch}, rank, plan.size) : Range{0, s.batch}),
        all_(plan.size), first_(plan.by_rows ? 0 : rank), end_(plan.by_rows ? plan.size : rank + 1),
        units_{0, vectors_of(s.hidden)} {}

  // Its units, in the ranges in which the threads have packed them.
  template <class Work>
  void each(Work work) const {
    for (int other = first_; other < end_; other++) work(part(units_, other, all_));
  }

 private:
  const int all_, first_, end_;
  const Range units_;
};

// Whether numbers stored so are made floats before they are a left matrix of products.
template <class Stored>
constexpr bool kWidens = !std::is_same_v<Stored, float>;

// Hands out parts of the memory of a call, each at the beginning of a line of the cache.
class Arena {
 public:
  explicit Arena(float* memory) : memory_(memory) {}

  float* take(int64_t floats) {
    float* const taken = memory_ ? memory_ + used_ : nullptr;
    used_ += (floats + 15) / 16 * 16;
    return taken;
  }

  int64_t used() const { return used_; }

 private:
  float* memory_;
  int64_t used_ = 0;
};

// Consecutive steps; in memory they lie in `first` and the positions after it.
struct Chunk {
  int begin, end;  // counts of steps
  int first;       // position

  Chunk(const Sequences& s, int begin, int steps)
      : begin(begin), end(std::min(s.time, begin + steps)),
        first(s.reverse ? s.position(end - 1) : begin) {}

  int steps() const { return end - begin; }
};

// Copies between an array of rows of `columns` floats and one whose rows are padded; the padding
// becomes zero.
inline void pad_rows(const float* from, float* to, int columns, Range rows, Range vectors) {
  for (int64_t row = rows.begin; row < rows.end; row++) {
    for (int v = vectors.begin; v < vectors.end; v++) {
      const int64_t column = static_cast<int64_t>(v) * kLanes;
      const int count = std::min<int>(kLanes, columns - column);
      store(to + row * padded(columns) + column, load(from + row * columns + column, count));
    }
  }
}

inline void unpad_rows(const float* from, float* to, int columns, Range rows, Range vectors) {
  for (int64_t row = rows.begin; row < rows.end; row++) {
    for (int v = vectors.begin; v < vectors.end; v++) {
      const int64_t column = static_cast<int64_t>(v) * kLanes;
      const int count = std::min<int>(kLanes, columns - column);
      store(to + row * columns + column, load(from + row * padded(columns) + column), count);
    }
  }
}

}  // namespace LSTM_JAX_TARGET
