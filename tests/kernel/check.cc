// Runs the kernel without Python, so that sanitizers see all of it: every cell, type, instruction
// set and way of sharing the work, sizes below, at and above those of vectors and tiles, several
// calls at once, and fork. What it computes is compared between instruction sets and numbers of
// threads; tests/recurrence/test_native.py compares it with the scan. `kernel write FILE` keeps what it computes,
// and `kernel compare FILE`, on a machine of another kind, compares.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "calls.h"

using namespace lstm_jax;

namespace {

float widen(float number) { return number; }

float widen(BFloat16 number) {
  const uint32_t bits = static_cast<uint32_t>(number.bits) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof(wide));
  return wide;
}

void narrow(float number, float* to) { *to = number; }

void narrow(float number, BFloat16* to) {
  uint32_t bits;
  std::memcpy(&bits, &number, sizeof(bits));
  to->bits = bits >> 16;
}

// Exactly as long as it has to be, so that one element more is found.
template <class Number>
using Arrays = std::vector<std::unique_ptr<std::vector<Number>>>;

struct Problem {
  int64_t members;
  Sequences s;
  std::vector<int32_t> lengths;
  std::unique_ptr<bool[]> resets;
  Arrays<float> small;
  Arrays<float> series_of_floats;
  Arrays<BFloat16> series_of_halves;

  Arrays<float>& series(float) { return series_of_floats; }
  Arrays<BFloat16>& series(BFloat16) { return series_of_halves; }

  template <class Number>
  Number* make(Arrays<Number>& arrays, int64_t elements, std::mt19937& random, bool draw) {
    arrays.push_back(std::make_unique<std::vector<Number>>(elements * members));
    std::uniform_real_distribution<float> numbers(-0.5f, 0.5f);
    for (Number& number : *arrays.back()) {
      narrow(draw ? numbers(random) : NAN, &number);  // What is not written shows.
    }
    return elements ? arrays.back()->data() : nullptr;
  }
};

// All results of a forward and a backward pass.
template <class Stored>
std::vector<float> run(const Loops& loops, Kind kind, int64_t members, int time, int batch,
                       int features, int hidden, bool reverse, bool flags) {
  std::mt19937 random(time + 10 * batch + 100 * hidden);
  Problem p;
  p.members = members;
  p.s = {time, batch, features, hidden, reverse, nullptr, nullptr};
  if (flags) {
    p.resets = std::make_unique<bool[]>(members * time * batch);
    for (int64_t i = 0; i < members * batch; i++) p.lengths.push_back(random() % (time + 1));
    for (int64_t i = 0; i < members * batch * time; i++) p.resets[i] = random() % 4 == 0;
    p.s.lengths = p.lengths.data();
    p.s.resets = p.resets.get();
  }
  const int gates = gates_of(kind);
  const bool has_cell = kind == Kind::kLstm, keeps = gates > 1;
  const int64_t state = int64_t{batch} * hidden, states = state * time;
  const int64_t columns = int64_t{gates} * hidden, inputs = int64_t{time} * batch * features;
  auto& series = p.series(Stored{});
  const auto given = [&](int64_t elements) { return p.make(p.small, elements, random, true); };
  Stored* const x = p.make(series, inputs, random, true);
  float* const input_kernel = given(columns * features);
  float* const bias = given(columns);
  float* const kernel = given(columns * hidden);
  float* const recurrent_bias = given(kind == Kind::kGru ? hidden : 0);
  float* const h = given(state);
  float* const c = given(has_cell ? state : 0);
  Stored* const d_outputs = p.make(series, states, random, true);
  float* const d_final_hidden = given(state);
  float* const d_final_cell = given(has_cell ? state : 0);
  const size_t small_given = p.small.size(), series_given = series.size();
  const auto made = [&](int64_t elements) { return p.make(p.small, elements, random, false); };
  const auto made_series = [&](int64_t elements) { return p.make(series, elements, random, false); };
  Stored* const outputs = made_series(states);
  float* const final_hidden = made(state);
  float* const final_cell = made(has_cell ? state : 0);
  Arrays<Stored> kept;
  Stored* const kept_gates = p.make(kept, keeps ? states * gates : 0, random, false);
  Stored* const kept_memory = p.make(kept, keeps ? states : 0, random, false);
  // The kernels are shared: one array for all members, as under `jax.vmap`.
  const auto at = [&](auto* array, int64_t m, int64_t elements) {
    return array ? array + m * elements : nullptr;
  };
  std::vector<Member<Forward<Stored>>> forward;
  for (int64_t m = 0; m < members; m++) {
    Sequences s = p.s;
    if (flags) s.lengths += m * batch, s.resets += m * batch * time;
    forward.push_back(
        {s,
         {at(x, m, inputs), input_kernel, at(bias, m, columns), kernel,
          at(recurrent_bias, m, hidden), at(h, m, state), at(c, m, state), at(outputs, m, states),
          at(final_hidden, m, state), at(final_cell, m, state),
          at(kept_gates, m, states * gates), at(kept_memory, m, states)}});
  }
  run_forward(loops, kind, forward);
  Stored* const d_inputs = made_series(inputs);
  float* const d_input_kernel = made(columns * features);
  float* const d_bias = made(columns);
  float* const d_kernel = made(columns * hidden);
  float* const d_recurrent_bias = made(kind == Kind::kGru ? hidden : 0);
  float* const d_hidden = made(state);
  float* const d_cell = made(has_cell ? state : 0);
  std::vector<Member<Backward<Stored>>> backward;
  for (int64_t m = 0; m < members; m++) {
    backward.push_back(
        {forward[m].sequences,
         {at(x, m, inputs), input_kernel, kernel, at(h, m, state), at(c, m, state),
          at(outputs, m, states), at(kept_gates, m, states * gates), at(kept_memory, m, states),
          at(d_outputs, m, states), at(d_final_hidden, m, state), at(d_final_cell, m, state),
          at(d_inputs, m, inputs), at(d_input_kernel, m, columns * features),
          at(d_bias, m, columns), at(d_kernel, m, columns * hidden),
          at(d_recurrent_bias, m, hidden), at(d_hidden, m, state), at(d_cell, m, state)}});
  }
  run_backward(loops, kind, backward);
  std::vector<float> all;
  const auto add = [&](const auto& arrays, size_t first) {
    for (size_t i = first; i < arrays.size(); i++) {
      for (const auto number : *arrays[i]) all.push_back(widen(number));
    }
  };
  add(p.small, small_given);
  add(series, series_given);
  // Gradients show what it is worth, and here that all of it is written.
  for (const auto& array : kept) {
    for (const auto number : *array) all.push_back(widen(number) * 0);
  }
  return all;
}

double difference(const std::vector<float>& one, const std::vector<float>& other) {
  double most = one.size() == other.size() ? 0 : INFINITY;
  for (size_t i = 0; i < one.size() && i < other.size(); i++) {
    const double scale = 1 + std::fabs(one[i]);
    const double apart = std::fabs(one[i] - other[i]) / scale;
    if (std::isnan(apart)) return INFINITY;
    most = std::max(most, apart);
  }
  return most;
}

int failures = 0;

void expect(bool holds, const std::string& what) {
  if (holds) return;
  failures++;
  std::printf("FAILED: %s\n", what.c_str());
}

// Where results are kept for another machine, or where that machine has kept its own; null if neither.
std::FILE* file = nullptr;
bool writes = false;

// The results in the file, which are these when it is written. None where it is too short.
std::vector<float> in_file(const std::vector<float>& computed) {
  std::vector<float> kept = computed;
  const size_t size = kept.size();
  const size_t done = writes ? std::fwrite(kept.data(), sizeof(float), size, file)
                             : std::fread(kept.data(), sizeof(float), size, file);
  if (done != size) kept.clear();
  return kept;
}

constexpr Kind kKinds[] = {Kind::kLstm, Kind::kGru, Kind::kTanh, Kind::kRelu};

struct Shape {
  int64_t members;
  int time, batch, features, hidden;
};

// Instruction sets may differ by `tolerance`.
template <class Stored>
void check_shapes(const std::string& type, double tolerance) {
  // The last four are worth several threads: by rows, by units, by members, and by units in
  // several chunks of steps.
  const std::vector<Shape> shapes = {{1, 0, 2, 3, 4},    {1, 3, 1, 1, 1},     {1, 5, 7, 16, 16},
                                     {1, 4, 6, 5, 17},   {2, 3, 13, 33, 31},  {1, 700, 3, 2, 5},
                                     {1, 9, 40, 20, 48}, {1, 3, 8, 20, 300},  {5, 12, 9, 20, 40},
                                     {1, 3, 330, 9, 260}};
  for (const Shape& shape : shapes) {
    for (const Kind kind : kKinds) {
      for (int flags = 0; flags < 4; flags++) {
        const auto of = [&](const Loops& loops, const char* threads) {
          setenv("LSTM_JAX_NUM_THREADS", threads, 1);
          return run<Stored>(loops, kind, shape.members, shape.time, shape.batch,
                             shape.features, shape.hidden, flags & 1, flags & 2);
        };
        const std::string name = type + ", cell " + std::to_string(static_cast<int>(kind)) +
                                 ", hidden " + std::to_string(shape.hidden) + ", flags " +
                                 std::to_string(flags);
        const auto expected = of(*all_loops().front(), "1");
        if (file) {
          expect(difference(in_file(expected), expected) < tolerance, name + ", another machine");
        }
        for (const Loops* loops : all_loops()) {
          const auto alone = of(*loops, "1");
          expect(difference(alone, expected) < tolerance, name + ", " + loops->name);
          expect(difference(of(*loops, "3"), alone) == 0, name + ", 3 threads, " + loops->name);
        }
      }
    }
  }
}

void check_calls_at_once() {
  setenv("LSTM_JAX_NUM_THREADS", "3", 1);
  const Loops& loops = *all_loops().back();
  const auto call = [&](int hidden) {
    return run<float>(loops, Kind::kLstm, 1, 20, 40, 16, hidden, false, false);
  };
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&, i] {
      const auto expected = call(40 + i);
      for (int again = 0; again < 10; again++) wrong += difference(call(40 + i), expected) != 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  expect(wrong == 0, "calls at once");
}

// A child has none of its parent's threads.
void check_fork() {
#if !defined(__SANITIZE_THREAD__)  // It does not follow threads into a child.
  setenv("LSTM_JAX_NUM_THREADS", "3", 1);
  const auto call = [] {
    return run<float>(*all_loops().back(), Kind::kGru, 1, 20, 40, 16, 48, false, true);
  };
  const auto expected = call();
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    _exit(difference(call(), expected) == 0 ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  expect(status == 0, "a child of fork");
  expect(difference(call(), expected) == 0, "the parent of a fork");
#endif
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 1) {
    const std::string what = arguments[1];
    writes = what == "write";
    if (count == 3 && (writes || what == "compare")) file = std::fopen(arguments[2], writes ? "wb" : "rb");
    if (!file) {
      std::printf("usage: kernel [write FILE | compare FILE], with a file that can be opened\n");
      return 2;
    }
  }
  check_fork();
  check_calls_at_once();
  check_shapes<float>("float", 1e-4);
  check_shapes<BFloat16>("bfloat16", 0.05);
  if (file) {
    expect(writes || std::fgetc(file) == EOF, "the file has no more");
    expect(std::fclose(file) == 0, "the file is written");
  }
  std::printf(failures ? "%d failures\n" : "all well\n", failures);
  return failures ? 1 : 0;
}
