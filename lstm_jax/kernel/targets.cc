#include "loops.h"

#include <atomic>

#define LSTM_JAX_DECLARE(name) \
  namespace name {             \
  extern const lstm_jax::Loops kLoops; \
  }

LSTM_JAX_DECLARE(lstm_jax_baseline)
#if defined(__x86_64__)
LSTM_JAX_DECLARE(lstm_jax_avx2)
LSTM_JAX_DECLARE(lstm_jax_avx512)
#endif

namespace lstm_jax {

namespace {

// Whoever reads it reads constants: no order has to be kept.
std::atomic<const Loops*> chosen{nullptr};

}  // namespace

const std::vector<const Loops*>& all_loops() {
  static const auto* const all = [] {
    auto* loops = new std::vector<const Loops*>{&lstm_jax_baseline::kLoops};
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
      loops->push_back(&lstm_jax_avx2::kLoops);
      if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")) {
        loops->push_back(&lstm_jax_avx512::kLoops);
      }
    }
#endif
    return loops;
  }();
  return *all;
}

const Loops& chosen_loops() {
  const Loops* loops = chosen.load(std::memory_order_relaxed);
  return loops ? *loops : *all_loops().back();
}

void choose_loops(const Loops& loops) { chosen.store(&loops, std::memory_order_relaxed); }

}  // namespace lstm_jax
