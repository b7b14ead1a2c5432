// Runs the kernel without Python, so that sanitizers see all of it: every cell, instruction set and
// way of sharing the work, sizes below, at and above those of vectors and tiles, several calls at
// once, and fork. What it computes is compared between instruction sets and numbers of threads;
// tests/test_native.py compares it with the scan.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "calls.h"

using namespace lstm_jax;

namespace {

// Exactly as long as it has to be, so that one element more is found.
using Array = std::unique_ptr<std::vector<float>>;

struct Problem {
  Kind kind;
  int64_t members;
  Sequences s;
  std::vector<int32_t> lengths;
  std::unique_ptr<bool[]> resets;
  std::vector<Array> arrays;

  float* make(int64_t elements, std::mt19937& random, bool draw) {
    // What is not written shows.
    arrays.push_back(std::make_unique<std::vector<float>>(elements * members, NAN));
    std::uniform_real_distribution<float> numbers(-0.5f, 0.5f);
    if (draw) {
      for (float& number : *arrays.back()) number = numbers(random);
    }
    return elements ? arrays.back()->data() : nullptr;
  }
};

// All results of a forward and a backward pass.
std::vector<float> run(const Loops& loops, Kind kind, int64_t members, int time, int batch,
                       int features, int hidden, bool reverse, bool flags) {
  std::mt19937 random(time + 10 * batch + 100 * hidden);
  Problem p{kind, members, {time, batch, features, hidden, reverse, nullptr, nullptr}, {}, {}, {}};
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
  const auto given = [&](int64_t elements) { return p.make(elements, random, true); };
  float* const x = given(inputs);
  float* const input_kernel = given(columns * features);
  float* const bias = given(columns);
  float* const kernel = given(columns * hidden);
  float* const recurrent_bias = given(kind == Kind::kGru ? hidden : 0);
  float* const h = given(state);
  float* const c = given(has_cell ? state : 0);
  float* const d_outputs = given(states);
  float* const d_final_hidden = given(state);
  float* const d_final_cell = given(has_cell ? state : 0);
  const size_t first_made = p.arrays.size();
  const auto made = [&](int64_t elements) { return p.make(elements, random, false); };
  float* const outputs = made(states);
  float* const final_hidden = made(state);
  float* const final_cell = made(has_cell ? state : 0);
  float* const kept_gates = made(keeps ? states * gates : 0);
  float* const kept_memory = made(keeps ? states : 0);
  // The kernels are shared: one array for all members, as under `jax.vmap`.
  const auto at = [&](float* array, int64_t m, int64_t elements) {
    return array ? array + m * elements : nullptr;
  };
  std::vector<Member<Forward>> forward;
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
  float* const d_inputs = made(inputs);
  float* const d_input_kernel = made(columns * features);
  float* const d_bias = made(columns);
  float* const d_kernel = made(columns * hidden);
  float* const d_recurrent_bias = made(kind == Kind::kGru ? hidden : 0);
  float* const d_hidden = made(state);
  float* const d_cell = made(has_cell ? state : 0);
  std::vector<Member<Backward>> backward;
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
  for (size_t i = first_made; i < p.arrays.size(); i++) {
    all.insert(all.end(), p.arrays[i]->begin(), p.arrays[i]->end());
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

constexpr Kind kKinds[] = {Kind::kLstm, Kind::kGru, Kind::kTanh, Kind::kRelu};

struct Shape {
  int64_t members;
  int time, batch, features, hidden;
};

void check_shapes() {
  // The last three are worth several threads: by rows, by units, by members.
  const std::vector<Shape> shapes = {{1, 0, 2, 3, 4},  {1, 3, 1, 1, 1},    {1, 5, 7, 16, 16},
                               {1, 4, 6, 5, 17}, {2, 3, 13, 33, 31}, {1, 700, 3, 2, 5},
                               {1, 9, 40, 20, 48}, {1, 3, 8, 20, 300}, {5, 12, 9, 20, 40}};
  for (const Shape& shape : shapes) {
    for (const Kind kind : kKinds) {
      for (int flags = 0; flags < 4; flags++) {
        const auto of = [&](const Loops& loops, const char* threads) {
          setenv("LSTM_JAX_NUM_THREADS", threads, 1);
          return run(loops, kind, shape.members, shape.time, shape.batch, shape.features,
                     shape.hidden, flags & 1, flags & 2);
        };
        const std::string name = "cell " + std::to_string(static_cast<int>(kind)) + ", hidden " +
                                 std::to_string(shape.hidden) + ", flags " + std::to_string(flags);
        const auto expected = of(*all_loops().front(), "1");
        for (const Loops* loops : all_loops()) {
          const auto alone = of(*loops, "1");
          expect(difference(alone, expected) < 1e-4, name + ", " + loops->name);
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
    return run(loops, Kind::kLstm, 1, 20, 40, 16, hidden, false, false);
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
    return run(*all_loops().back(), Kind::kGru, 1, 20, 40, 16, 48, false, true);
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

int main() {
  check_fork();
  check_calls_at_once();
  check_shapes();
  std::printf(failures ? "%d failures\n" : "all well\n", failures);
  return failures ? 1 : 0;
}
