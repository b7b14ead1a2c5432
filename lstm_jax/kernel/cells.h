// The elementwise part of each cell: what one row of the batch does to one vector of units.
//
// Included by loops.cc once for each instruction set.
#pragma once

#include "arguments.h"
#include "bfloat16.h"
#include "vector.h"

namespace LSTM_JAX_TARGET {

using lstm_jax::Backward;
using lstm_jax::Forward;

// Where a vector of units stands: `count` of its lanes exist, the others are padding.
struct Place {
  int64_t row;   // of all [time, batch] rows
  int64_t unit;  // the first of the vector
  int64_t hidden;
  int count;

  int64_t state() const { return row * hidden + unit; }
  int64_t gate(int gates, int gate) const { return (row * gates + gate) * hidden + unit; }
};

// c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c'), with gates in order i, f, g, o.
struct Lstm {
  static constexpr int kGates = 4;
  static constexpr bool kCell = true;
  static constexpr bool kSameGradients = true;

  // `projected` is the inputs' part of each gate with its bias, `recurrent` the hidden state's.
  template <class Stored>
  static void forward(const Forward<Stored>& f, const Place& at, const Vector* projected,
                      const Vector* recurrent, Vector& h, Vector& c) {
    const Vector i = sigmoid(projected[0] + recurrent[0]);
    const Vector forget = sigmoid(projected[1] + recurrent[1]);
    const Vector g = tanh(projected[2] + recurrent[2]);
    const Vector o = sigmoid(projected[3] + recurrent[3]);
    c = forget * c + i * g;
    h = o * tanh(c);
    if (f.gates) {
      store_gate(f.gates + at.gate(kGates, 0), i, at.count);
      store_gate(f.gates + at.gate(kGates, 1), forget, at.count);
      store(f.gates + at.gate(kGates, 2), g, at.count);
      store_gate(f.gates + at.gate(kGates, 3), o, at.count);
      store(f.saved + at.state(), c, at.count);
    }
  }

  // `d_projected` and `d_recurrent` are the gradients of the gates' two parts. `dh` becomes what
  // reaches the hidden state before the step by another way, `dc` what reaches the cell.
  template <class Stored>
  static void backward(const Backward<Stored>& b, const Place& at, Vector previous_cell, Vector,
                       Vector& dh, Vector& dc, Vector* d_projected, Vector*) {
    const Vector i = load_gate(b.gates + at.gate(kGates, 0), at.count);
    const Vector f = load_gate(b.gates + at.gate(kGates, 1), at.count);
    const Vector g = load(b.gates + at.gate(kGates, 2), at.count);
    const Vector o = load_gate(b.gates + at.gate(kGates, 3), at.count);
    const Vector squashed = tanh(load(b.saved + at.state(), at.count));
    dc += dh * o * (1.0f - squashed * squashed);
    d_projected[0] = dc * g * i * (1.0f - i);
    d_projected[1] = dc * previous_cell * f * (1.0f - f);
    d_projected[2] = dc * i * (1.0f - g * g);
    d_projected[3] = dh * squashed * o * (1.0f - o);
    dc *= f;
    dh = Vector{};
  }
};

// n = tanh(p_n + r (q_n + bias)), h' = (1 - z) n + z h, with gates in order r, z, n.
struct Gru {
  static constexpr int kGates = 3;
  static constexpr bool kCell = false;
  static constexpr bool kSameGradients = false;

  template <class Stored>
  static void forward(const Forward<Stored>& f, const Place& at, const Vector* projected,
                      const Vector* recurrent, Vector& h, Vector&) {
    const Vector r = sigmoid(projected[0] + recurrent[0]);
    const Vector z = sigmoid(projected[1] + recurrent[1]);
    const Vector q = recurrent[2] + load(f.recurrent_bias + at.unit, at.count);
    const Vector n = tanh(projected[2] + r * q);
    h = (1.0f - z) * n + z * h;
    if (f.gates) {
      store_gate(f.gates + at.gate(kGates, 0), r, at.count);
      store_gate(f.gates + at.gate(kGates, 1), z, at.count);
      store(f.gates + at.gate(kGates, 2), n, at.count);
      store(f.saved + at.state(), q, at.count);
    }
  }

  template <class Stored>
  static void backward(const Backward<Stored>& b, const Place& at, Vector, Vector previous_hidden,
                       Vector& dh, Vector&, Vector* d_projected, Vector* d_recurrent) {
    const Vector r = load_gate(b.gates + at.gate(kGates, 0), at.count);
    const Vector z = load_gate(b.gates + at.gate(kGates, 1), at.count);
    const Vector n = load(b.gates + at.gate(kGates, 2), at.count);
    const Vector q = load(b.saved + at.state(), at.count);
    const Vector dn = dh * (1.0f - z) * (1.0f - n * n);
    d_recurrent[0] = d_projected[0] = dn * q * r * (1.0f - r);
    d_recurrent[1] = d_projected[1] = dh * (previous_hidden - n) * z * (1.0f - z);
    d_projected[2] = dn;
    d_recurrent[2] = dn * r;
    dh *= z;
  }
};

// h' = activation(p + q)
template <bool kRelu>
struct Simple {
  static constexpr int kGates = 1;
  static constexpr bool kCell = false;
  static constexpr bool kSameGradients = true;

  template <class Stored>
  static void forward(const Forward<Stored>&, const Place&, const Vector* projected,
                      const Vector* recurrent, Vector& h, Vector&) {
    const Vector z = projected[0] + recurrent[0];
    // A NaN is not less than zero, and stays.
    h = kRelu ? (z < 0.0f ? Vector{} : z) : tanh(z);
  }

  template <class Stored>
  static void backward(const Backward<Stored>& b, const Place& at, Vector, Vector, Vector& dh,
                       Vector&, Vector* d_projected, Vector*) {
    const Vector h = load(b.outputs + at.state(), at.count);
    d_projected[0] = kRelu ? (h > 0.0f ? dh : Vector{}) : dh * (1.0f - h * h);
    dh = Vector{};
  }
};

}  // namespace LSTM_JAX_TARGET
