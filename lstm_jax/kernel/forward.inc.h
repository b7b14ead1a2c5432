// The forward pass, for one instruction set. See loops.cc.
#pragma once

#include "chunks.inc.h"

namespace LSTM_JAX_TARGET {

struct ForwardWorkspace {
  int steps;      // of a chunk
  int64_t rows;   // of a chunk
  float* inputs;  // [rows of a chunk, features], where they are not stored as floats
  float* input_panels;
  float* panels;
  float* projected;  // [vectors of units, rows of a chunk, gates, lanes], by tiles
  float* hidden[2];  // [batch, padded hidden]
  float* cells;      // [batch, padded hidden]
  int64_t used;

  ForwardWorkspace(float* memory, const Sequences& s, int gates, bool widens) {
    Arena arena(memory);
    const int64_t wide = padded(s.hidden);
    steps = chunk_steps(s);
    rows = static_cast<int64_t>(steps) * s.batch;
    inputs = widens ? arena.take(rows * s.features) : nullptr;
    input_panels = arena.take(wide * gates * s.features);
    panels = arena.take(wide * gates * s.hidden);
    projected = arena.take(wide * gates * rows);
    for (float*& state : hidden) state = arena.take(wide * s.batch);
    cells = arena.take(wide * s.batch);
    used = arena.used();
  }
};

// The inputs of a chunk as floats, the left matrix of products: themselves, or a copy.
template <class Stored>
inline const float* chunk_inputs(const Sequences& s, const Stored* inputs, const Chunk& chunk,
                                 const Plan& plan, int rank, Barrier& barrier, float* copy) {
  inputs += static_cast<int64_t>(chunk.first) * s.batch * s.features;
  if constexpr (!kWidens<Stored>) {
    return inputs;
  } else {
    // By rows a thread reads those alone that it has copied.
    const int rows = chunk.steps() * s.batch, together = plan.by_rows ? s.batch : rows;
    const Range own = part({0, together}, rank, plan.size);
    const int64_t size = static_cast<int64_t>(own.size()) * s.features;
    for (int row = own.begin; row < rows; row += together) {
      widen(inputs + static_cast<int64_t>(row) * s.features, size,
            copy + static_cast<int64_t>(row) * s.features);
    }
    if (!plan.by_rows) barrier.wait();
    return copy;
  }
}

// The inputs' part of the gates, for the rows and units of a share.
template <int kGates, int kUnits>
void project(const Sequences& s, const float* inputs, const Share& share, const Chunk& chunk,
             const ForwardWorkspace& workspace) {
  const bool whole = share.rows.size() == s.batch;  // Then all rows of the chunk lie in a row.
  share.each([&](Range units) {
    for_parts(units, kUnits, [&](Range tile) {
      const int64_t offset = static_cast<int64_t>(tile.begin) * kLanes * kGates;
      const int width = tile.size() * kGates;
      for (int step = 0; step < (whole ? 1 : chunk.steps()); step++) {
        const int before = step * s.batch;
        const Range rows = whole ? Range{0, chunk.steps() * s.batch}
                                 : Range{before + share.rows.begin, before + share.rows.end};
        for_parts(rows, kRows, [&](Range part) {
          const float* const panel = workspace.input_panels + offset * s.features;
          product_of(part.size(), width)(inputs + static_cast<int64_t>(part.begin) * s.features,
                                         s.features, 1, panel, s.features,
                                         workspace.projected + offset * workspace.rows +
                                             static_cast<int64_t>(part.begin) * width * kLanes,
                                         nothing_ahead(panel));
        });
      }
    });
  });
}

template <class Cell, class Stored>
void forward(const Sequences& s, const Forward<Stored>& f, const Plan& plan, int rank, Barrier& barrier,
             float* floats) {
  constexpr int kGates = Cell::kGates;
  constexpr int kUnits = kWidth / kGates;  // Vectors of units in a tile; all their gates are in it.
  const ForwardWorkspace workspace(floats, s, kGates, kWidens<Stored>);
  const Share share(plan, s, rank);
  const int64_t stride = padded(s.hidden);

  const bool far = is_far(s, kGates);

  const Range packed = part({0, vectors_of(s.hidden)}, rank, plan.size);
  pack_gates<kGates>(f.input_kernel, s.features, s.hidden, packed, kUnits, workspace.input_panels);
  pack_gates<kGates>(f.kernel, s.hidden, s.hidden, packed, kUnits, workspace.panels);
  share.each([&](Range units) {
    pad_rows(f.hidden, workspace.hidden[0], s.hidden, share.rows, units);
    if (Cell::kCell) pad_rows(f.cell, workspace.cells, s.hidden, share.rows, units);
  });
  barrier.wait();

  for (int begin = 0; begin < s.time; begin += workspace.steps) {
    const Chunk chunk(s, begin, workspace.steps);
    const float* const inputs =
        chunk_inputs(s, f.inputs, chunk, plan, rank, barrier, workspace.inputs);
    project<kGates, kUnits>(s, inputs, share, chunk, workspace);
    for (int count = chunk.begin; count < chunk.end; count++) {
      const int t = s.position(count);
      const float* const before = workspace.hidden[count % 2];
      float* const after = workspace.hidden[1 - count % 2];
      share.each([&](Range units) {
        for_parts(units, kUnits, [&](Range tile) {
          const int width = tile.size() * kGates;
          const int64_t offset = static_cast<int64_t>(tile.begin) * kLanes * kGates;
          const float* const projected =
              workspace.projected + offset * workspace.rows +
              static_cast<int64_t>(t - chunk.first) * s.batch * width * kLanes;
          multiply(before, stride, share.rows, workspace.panels + offset * s.hidden, s.hidden, width,
                   far, [&](Range rows, const float* product) {
            for (int row = rows.begin; row < rows.end; row++) {
              const float* sums = product + (row - rows.begin) * width * kLanes;
              const float* inputs = projected + static_cast<int64_t>(row) * width * kLanes;
              const bool valid = s.valid(t, row), reset = s.reset(t, row);
              for (int v = tile.begin; v < tile.end; v++) {
                const int64_t unit = static_cast<int64_t>(v) * kLanes, state = row * stride + unit;
                const Place at{static_cast<int64_t>(t) * s.batch + row, unit, s.hidden,
                               std::min<int>(kLanes, s.hidden - unit)};
                Vector h = load(before + state), output = {};
                Vector c = Cell::kCell ? load(workspace.cells + state) : Vector{};
                Vector from_inputs[kGates], recurrent[kGates] = {};
                for (int g = 0; g < kGates; g++, sums += kLanes, inputs += kLanes) {
                  from_inputs[g] =
                      load(inputs) +
                      load(f.bias + static_cast<int64_t>(g) * s.hidden + unit, at.count);
                  if (!reset) recurrent[g] = load(sums);
                }
                if (valid) {
                  if (reset) h = c = Vector{};
                  Cell::forward(f, at, from_inputs, recurrent, h, c);
                  output = h;
                  if (Cell::kCell) store(workspace.cells + state, c);
                } else if (f.gates) {
                  // Nothing reads them, but all of an array must be something.
                  for (int g = 0; g < kGates; g++) {
                    store(f.gates + at.gate(kGates, g), Vector{}, at.count);
                  }
                  store(f.saved + at.state(), Vector{}, at.count);
                }
                store(after + state, h);
                store(f.outputs + at.state(), output, at.count);
              }
            }
          });
        });
      });
      if (!plan.by_rows) barrier.wait();
    }
  }

  share.each([&](Range units) {
    unpad_rows(workspace.hidden[s.time % 2], f.final_hidden, s.hidden, share.rows, units);
    if (Cell::kCell) unpad_rows(workspace.cells, f.final_cell, s.hidden, share.rows, units);
  });
}

}  // namespace LSTM_JAX_TARGET
