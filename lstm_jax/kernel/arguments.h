// What the loops over time are given: pointers into the arrays of one sequence batch.
#pragma once

#include <cstdint>

namespace lstm_jax {

// Arrays are dense and row-major, their axes as in the Python package: [time, batch, features].
struct Sequences {
  int time, batch, features, hidden;
  bool reverse;            // Steps are taken from the last to the first.
  const int32_t* lengths;  // [batch], or null: all steps are valid.
  const bool* resets;      // [time, batch], or null: where the carry is zero before the step.

  // The position of the step taken `count`-th.
  int position(int count) const { return reverse ? time - 1 - count : count; }
  bool valid(int position, int row) const { return !lengths || position < lengths[row]; }
  bool reset(int position, int row) const {
    return resets && resets[static_cast<int64_t>(position) * batch + row];
  }
};

// A number of 16 bits: the upper half of a float. It is only stored; all arithmetic is in floats.
struct BFloat16 {
  uint16_t bits;
};

// Arrays with a time axis are of the type `Stored`, all others are small.
//
// `gates` and `saved` are what the backward pass needs of each step; null if there will be none.
template <class Stored>
struct Forward {
  const Stored* inputs;         // [time, batch, features]
  const float* input_kernel;    // [features, gates * hidden]
  const float* bias;            // [gates * hidden]
  const float* kernel;          // [hidden, gates * hidden]
  const float* recurrent_bias;  // [hidden], of a GRU's candidate
  const float* hidden;          // [batch, hidden]
  const float* cell;            // [batch, hidden], of an LSTM
  Stored* outputs;              // [time, batch, hidden]
  float* final_hidden;          // [batch, hidden]
  float* final_cell;            // [batch, hidden]
  Stored* gates;                // [time, batch, gates * hidden]
  Stored* saved;                // [time, batch, hidden]: cell states, or a GRU's recurrent part of n
};

// A gradient that is not wanted is null.
template <class Stored>
struct Backward {
  const Stored* inputs;
  const float* input_kernel;
  const float* kernel;
  const float* hidden;
  const float* cell;
  const Stored* outputs;
  const Stored* gates;
  const Stored* saved;
  const Stored* d_outputs;      // [time, batch, hidden]
  const float* d_final_hidden;  // [batch, hidden]
  const float* d_final_cell;    // [batch, hidden]
  Stored* d_inputs;             // [time, batch, features]
  float* d_input_kernel;        // [features, gates * hidden]
  float* d_bias;                // [gates * hidden]
  float* d_kernel;              // [hidden, gates * hidden]
  float* d_recurrent_bias;      // [hidden]
  float* d_hidden;              // [batch, hidden]
  float* d_cell;                // [batch, hidden]
};

enum class Kind : int32_t { kLstm = 0, kGru = 1, kTanh = 2, kRelu = 3 };

}  // namespace lstm_jax
