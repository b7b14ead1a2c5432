// Compiled once for each instruction set, which its flags and three macros say:
// LSTM_JAX_TARGET, its name; LSTM_JAX_LANES, floats in a register; LSTM_JAX_REGISTERS, how many.

#include "backward.inc.h"
#include "forward.inc.h"

namespace LSTM_JAX_TARGET {

using lstm_jax::Kind;

template <class Work>
void with_cell(Kind kind, Work work) {
  switch (kind) {
    case Kind::kLstm: return work(Lstm{});
    case Kind::kGru: return work(Gru{});
    case Kind::kTanh: return work(Simple<false>{});
    case Kind::kRelu: return work(Simple<true>{});
  }
}

template <class Stored>
int64_t forward_workspace(Kind kind, const Sequences& s, const Plan&) {
  return ForwardWorkspace(nullptr, s, lstm_jax::gates_of(kind), kWidens<Stored>).used;
}

template <class Stored>
int64_t backward_workspace(Kind kind, const Sequences& s, const Plan& plan) {
  const bool same = kind != Kind::kGru;
  return BackwardWorkspace(nullptr, s, lstm_jax::gates_of(kind), same, 0, plan.size).used;
}

template <class Stored>
void forward_of(Kind kind, const Sequences& s, const Forward<Stored>& f, const Plan& plan, int rank,
                Barrier& barrier, float* workspace) {
  with_cell(kind, [&](auto cell) { forward<decltype(cell)>(s, f, plan, rank, barrier, workspace); });
}

template <class Stored>
void backward_of(Kind kind, const Sequences& s, const Backward<Stored>& b, const Plan& plan,
                 int rank, Barrier& barrier, float* workspace) {
  with_cell(kind, [&](auto cell) { backward<decltype(cell)>(s, b, plan, rank, barrier, workspace); });
}

template <class Stored>
constexpr lstm_jax::Passes<Stored> kPasses = {forward_workspace<Stored>, backward_workspace<Stored>,
                                              forward_of<Stored>, backward_of<Stored>};

#define LSTM_JAX_STRING_OF(name) #name
#define LSTM_JAX_STRING(name) LSTM_JAX_STRING_OF(name)

extern const lstm_jax::Loops kLoops;
const lstm_jax::Loops kLoops = {kPasses<float>, kPasses<BFloat16>, LSTM_JAX_STRING(LSTM_JAX_TARGET)};

}  // namespace LSTM_JAX_TARGET
