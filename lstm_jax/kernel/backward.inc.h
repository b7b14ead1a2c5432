// The backward pass, for one instruction set. See loops.cc.
#pragma once

#include "chunks.inc.h"

namespace LSTM_JAX_TARGET {

struct BackwardWorkspace {
  int steps;            // of a chunk
  float* input_panels;  // of the transposed input kernel
  float* panels;        // of the transposed recurrent kernel
  float* d_projected;   // [rows of a chunk, gates * hidden]
  float* d_recurrent;   // the same
  float* hidden;        // [rows of a chunk, hidden]: the state before each step
  float* packed;        // inputs and hidden states of a chunk, as left matrices
  float* d_hidden;      // [batch, padded hidden]
  float* d_cell;        // [batch, padded hidden]
  float* sums;          // [gates * hidden]: of d_recurrent
  float* columns;       // [rows of a chunk, vectors of a tile], of each thread, for a tile at a time
  int64_t used;

  BackwardWorkspace(float* memory, const Sequences& s, int gates, bool same, int rank, int size) {
    Arena arena(memory);
    const int64_t depth = static_cast<int64_t>(gates) * s.hidden;
    const bool large = depth * (s.features + s.hidden) > kLargeGradients;
    steps = chunk_steps(s, large ? kLongChunkRows : kChunkRows);
    const int64_t rows = static_cast<int64_t>(steps) * s.batch;
    input_panels = arena.take(padded(s.features) * depth);
    panels = arena.take(padded(s.hidden) * depth);
    d_projected = arena.take(rows * depth);
    d_recurrent = same ? d_projected : arena.take(rows * depth);
    hidden = arena.take(rows * s.hidden);
    packed = arena.take(rows * (s.features + s.hidden));
    d_hidden = arena.take(padded(s.hidden) * s.batch);
    d_cell = arena.take(padded(s.hidden) * s.batch);
    sums = same ? nullptr : arena.take(depth);
    const int64_t own = rows * kWidth * kLanes;
    columns = arena.take(own * size);
    if (memory) columns += own * rank;
    used = arena.used();
  }
};

// The state before a step: of the step taken before it, or the initial one.
template <class Stored>
inline Vector previous(const Sequences& s, int count, int row, const Stored* states,
                       const float* initial, int64_t unit, int lanes) {
  if (s.reset(s.position(count), row)) return Vector{};
  const int before = s.position(count - 1);
  if (count == 0 || !s.valid(before, row)) {
    return load(initial + static_cast<int64_t>(row) * s.hidden + unit, lanes);
  }
  return load(states + (static_cast<int64_t>(before) * s.batch + row) * s.hidden + unit, lanes);
}

// to (+)= left^T right, for some columns; `sums` (+)= the sums of those columns. `left` is what
// pack_left made of [rows, features], `right` [rows, columns], and so is `to` [features, columns].
inline void add_product(const float* left, int features, const float* right, int columns, int rows,
                        Range vectors, bool add, float* buffer, float* to, float* sums) {
  for_parts(vectors, kWidth, [&](Range tile) {
    const int width = tile.size();
    const int64_t begin = static_cast<int64_t>(tile.begin) * kLanes;
    const auto count = [&](int n) {
      return std::max<int>(0, std::min<int64_t>(kLanes, columns - begin - n * kLanes));
    };
    Vector total[kWidth] = {};
    // Sums of sums: added one by one, rows lose a digit more.
    for_parts({0, rows}, kSumRows, [&](Range part) {
      Vector sum[kWidth] = {};
      for (int row = part.begin; row < part.end; row++) {
        for (int n = 0; n < width; n++) {
          const int64_t from = static_cast<int64_t>(row) * columns + begin + n * kLanes;
          const Vector vector = load(right + from, count(n));
          store(buffer + (static_cast<int64_t>(row) * width + n) * kLanes, vector);
          sum[n] += vector;
        }
      }
      for (int n = 0; n < width; n++) total[n] += sum[n];
    });
    const auto put = [&](float* at, Vector vector, int n) {
      store(at, add ? load(at, count(n)) + vector : vector, count(n));
    };
    for (int n = 0; sums && n < width; n++) put(sums + begin + n * kLanes, total[n], n);
    if (!to) return;
    for_parts({0, features}, kRows, [&](Range part) {
      Tile product;
      product_of(part.size(), width)(left + static_cast<int64_t>(part.begin) * rows, 1,
                                     part.size(), buffer, rows, product.sums,
                                     nothing_ahead(buffer));
      for (int m = 0; m < part.size(); m++) {
        for (int n = 0; n < width; n++) {
          put(to + (static_cast<int64_t>(part.begin) + m) * columns + begin + n * kLanes,
              load(product.sums + (m * width + n) * kLanes), n);
        }
      }
    });
  });
}

// Cuts the depth of a tile's panel into blocks that stay in a core's own cache while all rows pass.
template <class Work>
void for_blocks(const float* panels, Range tile, int depth, Work work) {
  const float* const panel = panels + static_cast<int64_t>(tile.begin) * kLanes * depth;
  for_parts({0, depth}, kDepth, [&](Range block) {
    work(block, panel + static_cast<int64_t>(block.begin) * tile.size() * kLanes);
  });
}

// The gradients of the inputs of a chunk, for some rows of each step. What is stored is no place to
// add up blocks in: it may be rounded.
template <class Stored>
inline void inputs_gradient(const Sequences& s, const Backward<Stored>& b, const Chunk& chunk,
                            Range rows, Range vectors, int depth,
                            const BackwardWorkspace& workspace) {
  const bool whole = rows.size() == s.batch;
  for_parts(vectors, kWidth, [&](Range tile) {
    const int width = tile.size();
    for (int step = 0; step < (whole ? 1 : chunk.steps()); step++) {
      const int before = step * s.batch;
      const Range all = whole ? Range{0, chunk.steps() * s.batch}
                              : Range{before + rows.begin, before + rows.end};
      for_blocks(workspace.input_panels, tile, depth, [&](Range block, const float* panel) {
        multiply(workspace.d_projected + block.begin, depth, all, panel, block.size(), width,
                 false, [&](Range part, const float* product) {
          for (int m = 0; m < part.size(); m++) {
            const int64_t row = static_cast<int64_t>(chunk.first) * s.batch + part.begin + m;
            float* const sums =
                workspace.columns + static_cast<int64_t>(part.begin + m) * width * kLanes;
            for (int n = 0; n < width; n++) {
              const int64_t column = (static_cast<int64_t>(tile.begin) + n) * kLanes;
              const int count = std::min<int>(kLanes, s.features - column);
              Vector sum = load(product + (m * width + n) * kLanes);
              if (block.begin) sum += load(sums + n * kLanes);
              if (block.end < depth) {
                store(sums + n * kLanes, sum);
              } else {
                store(b.d_inputs + row * s.features + column, sum, count);
              }
            }
          }
        });
      });
    }
  });
}

template <class Cell, class Stored>
void backward(const Sequences& s, const Backward<Stored>& b, const Plan& plan, int rank,
              Barrier& barrier, float* floats) {
  constexpr int kGates = Cell::kGates;
  const int depth = kGates * s.hidden;
  const BackwardWorkspace workspace(floats, s, kGates, Cell::kSameGradients, rank, plan.size);
  const Share share(plan, s, rank);
  const int64_t stride = padded(s.hidden);
  const bool far = is_far(s, kGates);
  const Range inputs = part({0, vectors_of(s.features)}, rank, plan.size);
  const Range columns = part({0, vectors_of(depth)}, rank, plan.size);

  pack_transposed(b.kernel, depth, s.hidden, part({0, vectors_of(s.hidden)}, rank, plan.size),
                  workspace.panels);
  if (b.d_inputs) pack_transposed(b.input_kernel, depth, s.features, inputs, workspace.input_panels);
  share.each([&](Range units) {
    pad_rows(b.d_final_hidden, workspace.d_hidden, s.hidden, share.rows, units);
    if (Cell::kCell) pad_rows(b.d_final_cell, workspace.d_cell, s.hidden, share.rows, units);
  });
  barrier.wait();

  const int last = std::max(0, s.time - 1) / workspace.steps * workspace.steps;
  for (int begin = last; begin >= 0; begin -= workspace.steps) {
    const Chunk chunk(s, begin, workspace.steps);
    for (int count = chunk.end - 1; count >= chunk.begin; count--) {
      const int t = s.position(count);
      const int64_t first_row = static_cast<int64_t>(t - chunk.first) * s.batch;
      share.each([&](Range units) {
        for (int row = share.rows.begin; row < share.rows.end; row++) {
          const bool valid = s.valid(t, row);
          for (int v = units.begin; v < units.end; v++) {
            const int64_t unit = static_cast<int64_t>(v) * kLanes, state = row * stride + unit;
            const Place at{static_cast<int64_t>(t) * s.batch + row, unit, s.hidden,
                           std::min<int>(kLanes, s.hidden - unit)};
            const Place in_chunk{first_row + row, unit, s.hidden, at.count};
            Vector d_projected[kGates] = {}, d_recurrent[kGates] = {}, hidden = {};
            if (valid) {
              Vector dh = load(workspace.d_hidden + state) + load(b.d_outputs + at.state(), at.count);
              Vector dc = {}, cell = {};
              if (Cell::kCell) {
                dc = load(workspace.d_cell + state);
                cell = previous(s, count, row, b.saved, b.cell, unit, at.count);
              }
              hidden = previous(s, count, row, b.outputs, b.hidden, unit, at.count);
              Cell::backward(b, at, cell, hidden, dh, dc, d_projected, d_recurrent);
              if (s.reset(t, row)) dh = dc = Vector{};
              store(workspace.d_hidden + state, dh);
              if (Cell::kCell) store(workspace.d_cell + state, dc);
            }
            for (int g = 0; g < kGates; g++) {
              store(workspace.d_projected + in_chunk.gate(kGates, g), d_projected[g], at.count);
              if (!Cell::kSameGradients) {
                store(workspace.d_recurrent + in_chunk.gate(kGates, g), d_recurrent[g], at.count);
              }
            }
            store(workspace.hidden + in_chunk.state(), hidden, at.count);
          }
        }
      });
      if (!plan.by_rows) barrier.wait();
      share.each([&](Range units) {
        for_parts(units, kWidth, [&](Range tile) {
          const int width = tile.size();
          for_blocks(workspace.panels, tile, depth, [&](Range block, const float* panel) {
            multiply(workspace.d_recurrent + first_row * depth + block.begin, depth, share.rows, panel,
                     block.size(), width, far, [&](Range rows, const float* product) {
              for (int row = rows.begin; row < rows.end; row++) {
                if (!s.valid(t, row) || s.reset(t, row)) continue;
                const float* const sums = product + (row - rows.begin) * width * kLanes;
                float* const to =
                    workspace.d_hidden + row * stride + static_cast<int64_t>(tile.begin) * kLanes;
                for (int n = 0; n < width; n++) {
                  store(to + n * kLanes, load(to + n * kLanes) + load(sums + n * kLanes));
                }
              }
            });
          });
        });
      });
    }
    const int rows = chunk.steps() * s.batch;
    const bool weights = b.d_input_kernel || b.d_kernel;
    if (b.d_inputs && plan.by_rows) {
      for (int other = 0; other < plan.size; other++) {
        const Range vectors = part({0, vectors_of(s.features)}, other, plan.size);
        inputs_gradient(s, b, chunk, share.rows, vectors, depth, workspace);
      }
    }
    if (weights && plan.by_rows) barrier.wait();
    if (b.d_inputs && !plan.by_rows) {
      inputs_gradient(s, b, chunk, share.rows, inputs, depth, workspace);
    }
    if (weights) {
      const Stored* const read =
          b.inputs + static_cast<int64_t>(chunk.first) * s.batch * s.features;
      float* const hidden = workspace.packed + static_cast<int64_t>(rows) * s.features;
      pack_left(read, s.features, rows, rank, plan.size, workspace.packed);
      pack_left(workspace.hidden, s.hidden, rows, rank, plan.size, hidden);
      barrier.wait();
      const bool add = begin != last;
      add_product(workspace.packed, s.features, workspace.d_projected, depth, rows, columns, add,
                  workspace.columns, b.d_input_kernel, b.d_bias);
      add_product(hidden, s.hidden, workspace.d_recurrent, depth, rows, columns, add, workspace.columns,
                  b.d_kernel, b.d_recurrent_bias ? workspace.sums : nullptr);
    }
    // The next chunk takes the place of this one.
    if (weights || !plan.by_rows) barrier.wait();
  }

  share.each([&](Range units) {
    unpad_rows(workspace.d_hidden, b.d_hidden, s.hidden, share.rows, units);
    if (Cell::kCell) unpad_rows(workspace.d_cell, b.d_cell, s.hidden, share.rows, units);
  });
  if (b.d_recurrent_bias && rank == 0) {
    // That of the last gate, the candidate.
    std::copy_n(workspace.sums + depth - s.hidden, s.hidden, b.d_recurrent_bias);
  }
}

}  // namespace LSTM_JAX_TARGET
