// Threads that work on one call together.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

namespace lstm_jax {

// Lets every thread of a team wait until all have come.
class Barrier {
 public:
  explicit Barrier(int size) : size_(size), missing_(size) {}

  void wait();

 private:
  const int size_;
  std::atomic<int> missing_;
  std::atomic<uint32_t> phase_{0};
};

// Threads this process may use: LSTM_JAX_NUM_THREADS, or its affinity and its cgroup's quota.
int thread_limit();

class Worker;

// Some threads, the caller's among them, which are this call's alone until the team ends. Calls that
// run side by side share the limit: a team has as many threads as are free, and at least its own.
class Team {
 public:
  explicit Team(int wanted);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls `work(rank)` on every thread at the same time, and returns when all have returned.
  void run(const std::function<void(int rank)>& work);

 private:
  std::vector<Worker*> workers_;

  void spread() const;
};

}  // namespace lstm_jax
