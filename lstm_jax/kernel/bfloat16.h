// Sequences in 16 bits, beside those in floats: how they are read and written.
//
// Included by loops.cc once for each instruction set.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "arguments.h"
#include "vector.h"

namespace LSTM_JAX_TARGET {

using lstm_jax::BFloat16;

// The bits of a vector, and their upper halves.
typedef uint32_t Bits __attribute__((vector_size(kLanes * sizeof(uint32_t))));
typedef uint16_t Halves
    __attribute__((vector_size(kLanes * sizeof(uint16_t)), aligned(2), may_alias));

// The first `count` lanes; the others are zero.
inline Vector load(const BFloat16* from, int count) {
  Halves halves = {};
  if (count == kLanes) {
    halves = *reinterpret_cast<const Halves*>(from);
  } else {
    std::memcpy(&halves, from, count * sizeof(BFloat16));
  }
  return (Vector)(__builtin_convertvector(halves, Bits) << 16);
}

// Rounds to the nearest number; where two are equally near, to the even one.
inline void store(BFloat16* to, Vector vector, int count) {
  const Bits bits = (Bits)vector;
  // Of a NaN the lower half may be all that makes it one, and rounding it up could end at zero.
  const Bits nan = bits | 0x400000, nearest = bits + 0x7fff + (bits >> 16 & 1);
  const Bits rounded = vector == vector ? nearest : nan;
  const Halves halves = __builtin_convertvector(rounded >> 16, Halves);
  if (count == kLanes) {
    *reinterpret_cast<Halves*>(to) = halves;
  } else {
    std::memcpy(to, &halves, count * sizeof(BFloat16));
  }
}

// What the backward pass is to know of a gate between 0 and 1.
inline void store_gate(float* to, Vector gate, int count) { store(to, gate, count); }
inline Vector load_gate(const float* from, int count) { return load(from, count); }

// 0.999 would be rounded to 1, and in a gradient over many steps such errors add up. So what a gate
// above 0.5 lacks of 1 is stored, as a negative number: of that, too, 16 bits keep three digits.
inline void store_gate(BFloat16* to, Vector gate, int count) {
  const Vector most = fill(-1e-30f);  // Zero stands for a gate of zero.
  Vector lack = gate - 1.0f;
  lack = lack < most ? lack : most;
  store(to, gate > 0.5f ? lack : gate, count);
}

inline Vector load_gate(const BFloat16* from, int count) {
  const Vector stored = load(from, count);
  return stored < 0.0f ? stored + 1.0f : stored;
}

inline float widen(float number) { return number; }

inline float widen(BFloat16 number) {
  const uint32_t bits = static_cast<uint32_t>(number.bits) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof(wide));
  return wide;
}

inline void widen(const BFloat16* from, int64_t size, float* to) {
  for (int64_t i = 0; i < size; i += kLanes) {
    const int count = std::min<int64_t>(kLanes, size - i);
    store(to + i, load(from + i, count), count);
  }
}

}  // namespace LSTM_JAX_TARGET
