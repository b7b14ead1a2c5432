// Short vectors of floats, and the functions of the gates on them.
//
// Included by loops.cc once for each instruction set: the compiler's own vectors of LANES floats
// become one register of it.
#pragma once

#include <algorithm>
#include <cstring>
#include <utility>

namespace LSTM_JAX_TARGET {

constexpr int kLanes = LSTM_JAX_LANES;
typedef float Vector __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

// By pointers to vectors: a copy of 32 bytes by memcpy goes through the stack in GCC 12.
inline Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }

inline void store(float* to, Vector vector) { *reinterpret_cast<Vector*>(to) = vector; }

// The first `count` lanes; the others are zero.
inline Vector load(const float* from, int count) {
  if (count == kLanes) return load(from);
  Vector vector = {};
  std::memcpy(&vector, from, count * sizeof(float));
  return vector;
}

inline void store(float* to, Vector vector, int count) {
  if (count == kLanes) return store(to, vector);
  std::memcpy(to, &vector, count * sizeof(float));
}

inline Vector fill(float value) { return value - Vector{}; }

// Lanes of two vectors in turn, from lane `kFirst` of each on. Compilers make one or two instructions of it.
template <int kFirst, int... kLane>
Vector interleave(Vector one, Vector other, std::integer_sequence<int, kLane...>) {
  return Vector{(kLane % 2 ? other : one)[kFirst + kLane / 2]...};
}

// Interleaving the halves of a square log2 of its size times transposes it.
inline void transpose(Vector (&square)[kLanes]) {
  constexpr std::make_integer_sequence<int, kLanes> lanes;
  constexpr int kHalf = kLanes / 2;
  for (int done = 1; done < kLanes; done *= 2) {
    Vector mixed[kLanes];
    for (int i = 0; i < kHalf; i++) {
      mixed[2 * i] = interleave<0>(square[i], square[i + kHalf], lanes);
      mixed[2 * i + 1] = interleave<kHalf>(square[i], square[i + kHalf], lanes);
    }
    std::copy_n(mixed, kLanes, square);
  }
}

inline Vector tanh(Vector x) {
  // x P(x^2) / Q(x^2), fitted to a relative error of 1.3e-9 on [0, 9]; beyond it float32 has 1.
  const Vector limit = fill(9.0f);
  x = x > limit ? limit : x;    // A NaN is neither, and stays.
  x = x < -limit ? -limit : x;
  const Vector s = x * x;
  Vector p = fill(-1.2246305392975042e-11f);
  p = p * s + 3.0642610106159956e-08f;
  p = p * s + 2.8031345458641602e-05f;
  p = p * s + 3.869509701128901e-03f;
  p = p * s + 1.3680857802839302e-01f;
  p = p * s + 0.9999999987261013f;
  Vector q = fill(1.2890375023663855e-06f);
  q = q * s + 3.940716397334529e-04f;
  q = q * s + 2.725016285873189e-02f;
  q = q * s + 4.701418989343631e-01f;
  q = q * s + 1.0f;
  // Rounding must not lead past 1: 1 - tanh^2 would be negative.
  const Vector y = x * p / q;
  return y > 1.0f ? fill(1.0f) : y < -1.0f ? fill(-1.0f) : y;
}

inline Vector sigmoid(Vector x) { return tanh(x * 0.5f) * 0.5f + 0.5f; }

}  // namespace LSTM_JAX_TARGET
