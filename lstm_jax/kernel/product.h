// Matrix products in tiles that stay in the registers, and how work is cut into them.
//
// Included by loops.cc once for each instruction set.
#pragma once

#include <algorithm>
#include <cstdint>

#include "bfloat16.h"
#include "vector.h"

namespace LSTM_JAX_TARGET {

// A tile has kRows rows of the left matrix times kWidth vectors of the right one. Its sums are formed
// a strip of kStrip vectors at a time: those of a strip, its vectors and one number fill the
// registers.
constexpr int kRows = 6;
constexpr int kWidth = 4;
constexpr int kStrip = LSTM_JAX_REGISTERS == 32 ? 4 : 2;

// Floats in a line of the cache.
constexpr int kLine = 16;

// What a core's own cache does not hold comes too late if it is fetched when it is used. With 32
// registers the next panel is fetched while this one is used, a line with each of its rows; with 16,
// this panel, kRowsAhead rows ahead. Each was the faster one where it was measured: AVX-512 with caches
// of 1 MB, AVX2 with caches of 512 kB. Nothing was timed on arm64.
constexpr bool kFetchesNext = LSTM_JAX_REGISTERS == 32;
constexpr int kRowsAhead = 4;

// What `product` is to fetch where that is nothing: with 32 registers it always fetches, and then what
// it reads at that moment.
inline const float* nothing_ahead(const float* panel) { return kFetchesNext ? panel : nullptr; }

// sums[m][n] = sum over k of a[m][k] panel[k][n], for M rows and `kSize` of N vectors. Numbers of `a`
// are `row` apart from row to row, and `step` from one k to the next. Meanwhile memory is fetched
// from `ahead` on.
template <int M, int N, int kSize>
inline void strip(const float* a, int64_t row, int64_t step, const float* panel, int64_t depth,
                  float* sums, const float* ahead) {
  Vector sum[M][kSize] = {};
  for (int64_t k = 0; k < depth; k++) {
    if constexpr (kFetchesNext) {
      __builtin_prefetch(ahead + k * kLine, 0, 2);
    } else if (ahead) {
      for (int line = 0; line < N * kLanes; line += kLine) {
        __builtin_prefetch(ahead + k * N * kLanes + line, 0, 3);
      }
    }
    Vector w[kSize];
#pragma GCC unroll 8
    for (int n = 0; n < kSize; n++) w[n] = load(panel + (k * N + n) * kLanes);
#pragma GCC unroll 8
    for (int m = 0; m < M; m++) {
      const Vector x = fill(a[m * row + k * step]);
#pragma GCC unroll 8
      for (int n = 0; n < kSize; n++) sum[m][n] += x * w[n];
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; m++) {
#pragma GCC unroll 8
    for (int n = 0; n < kSize; n++) store(sums + (m * N + n) * kLanes, sum[m][n]);
  }
}

// The same for all N vectors.
template <int M, int N>
void product(const float* a, int64_t row, int64_t step, const float* panel, int64_t depth,
             float* sums, const float* ahead) {
  strip<M, N, std::min(N, kStrip)>(a, row, step, panel, depth, sums, ahead);
  if constexpr (N > kStrip) {
    strip<M, N, N - kStrip>(a, row, step, panel + kStrip * kLanes, depth, sums + kStrip * kLanes,
                            nullptr);
  }
}

using Product = void (*)(const float*, int64_t, int64_t, const float*, int64_t, float*,
                         const float*);

template <int N>
constexpr Product kProducts[] = {product<1, N>, product<2, N>, product<3, N>,
                                 product<4, N>, product<5, N>, product<6, N>};

inline Product product_of(int rows, int width) {
  switch (width) {
    case 1: return kProducts<1>[rows - 1];
    case 2: return kProducts<2>[rows - 1];
    case 3: return kProducts<3>[rows - 1];
    default: return kProducts<4>[rows - 1];
  }
}

// The sums of a tile.
struct alignas(64) Tile {
  float sums[kRows * kWidth * kLanes];
};

// A range of rows, or of vectors of columns.
struct Range {
  int begin, end;
  int size() const { return end - begin; }
};

// The part `index` of `count` parts of a range, as equal as they can be.
inline Range part(Range whole, int index, int count) {
  const int64_t size = whole.size();
  return {whole.begin + static_cast<int>(size * index / count),
          whole.begin + static_cast<int>(size * (index + 1) / count)};
}

// The number of parts of at most `most` that a range is cut into.
inline int parts_of(Range whole, int most) { return (whole.size() + most - 1) / most; }

// Calls `work` with the parts of a range, as equal as they can be and at most `most` large.
template <class Work>
inline void for_parts(Range whole, int most, Work work) {
  const int count = parts_of(whole, most);
  for (int index = 0; index < count; index++) work(part(whole, index, count));
}

// Calls `work` with parts of the rows of a left matrix and their product with a panel of `width`
// vectors, behind which lies the next one. `far` says that a core's own cache does not hold all panels.
template <class Work>
void multiply(const float* left, int64_t stride, Range rows, const float* panel, int64_t depth,
              int width, bool far, Work work) {
  const float* const nothing = nothing_ahead(panel);
  const float* const next = panel + depth * width * kLanes;
  const float* ahead = nothing;
  if constexpr (!kFetchesNext) {
    ahead = panel + kRowsAhead * width * kLanes;
  } else if (far) {
    ahead = next;
  }
  for_parts(rows, kRows, [&](Range part) {
    Tile product;
    product_of(part.size(), width)(left + part.begin * stride, stride, 1, panel, depth,
                                   product.sums, ahead);
    work(part, product.sums);
    if constexpr (!kFetchesNext) {
      ahead = nothing;  // The first part has brought all of the panel.
    } else if (ahead != nothing) {
      ahead += depth * kLine;
      if (ahead - next >= next - panel) ahead = nothing;
    }
  });
}

inline int vectors_of(int columns) { return (columns + kLanes - 1) / kLanes; }
inline int64_t padded(int columns) { return static_cast<int64_t>(vectors_of(columns)) * kLanes; }

// Copies the vectors `units` of the columns of every gate of a kernel [depth, gates * hidden] into
// panels: of the tile that begins at vector v, row k holds kernel[k][g * hidden + ...] of each of
// its vectors and gates. It begins at v * kLanes * gates * depth.
template <int kGates>
void pack_gates(const float* kernel, int depth, int hidden, Range units, int width, float* panels) {
  for_parts(units, width, [&](Range tile) {
    float* to = panels + static_cast<int64_t>(tile.begin) * kLanes * kGates * depth;
    for (int k = 0; k < depth; k++) {
      for (int v = tile.begin; v < tile.end; v++) {
        const int unit = v * kLanes, count = std::min(kLanes, hidden - unit);
        for (int g = 0; g < kGates; g++, to += kLanes) {
          const int64_t from = (static_cast<int64_t>(k) * kGates + g) * hidden + unit;
          store(to, load(kernel + from, count));
        }
      }
    }
  });
}

// The same of the transpose of a kernel [columns, depth]: row k holds kernel[...][k].
inline void pack_transposed(const float* kernel, int depth, int columns, Range vectors,
                            float* panels) {
  for_parts(vectors, kWidth, [&](Range tile) {
    float* const to = panels + static_cast<int64_t>(tile.begin) * kLanes * depth;
    for (int begin = 0; begin < depth; begin += kLanes) {
      const int count = std::min(kLanes, depth - begin);
      for (int v = 0; v < tile.size(); v++) {
        const int64_t first = (static_cast<int64_t>(tile.begin) + v) * kLanes;
        Vector square[kLanes];
        for (int lane = 0; lane < kLanes; lane++) {
          square[lane] = first + lane < columns
                             ? load(kernel + (first + lane) * depth + begin, count)
                             : Vector{};
        }
        transpose(square);
        for (int k = 0; k < count; k++) {
          store(to + (static_cast<int64_t>(begin + k) * tile.size() + v) * kLanes, square[k]);
        }
      }
    }
  });
}

// The transpose of [rows, columns] as the left matrix of products: of the tile of kRows columns or
// fewer that begins at column c, row k holds from[k][c ...]. It begins at c * rows. Thread `rank`
// of `size` packs its share of the tiles.
template <class Stored>
inline void pack_left(const Stored* from, int columns, int rows, int rank, int size, float* to) {
  const Range whole{0, columns};
  const int tiles = parts_of(whole, kRows);
  const Range own = part({0, tiles}, rank, size);
  for (int row = 0; row < rows; row++) {
    for (int index = own.begin; index < own.end; index++) {
      const Range tile = part(whole, index, tiles);
      float* const at = to + static_cast<int64_t>(tile.begin) * rows + row * tile.size();
      for (int m = 0; m < tile.size(); m++) at[m] = widen(from[tile.begin + m]);
    }
    from += columns;
  }
}

}  // namespace LSTM_JAX_TARGET
