// What XLA calls: checks of shapes, then the kernel.

#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include "calls.h"
#include "xla/ffi/api/ffi.h"

namespace lstm_jax {

namespace ffi = xla::ffi;

namespace {

using Floats = ffi::Buffer<ffi::F32>;
using Lengths = ffi::Buffer<ffi::S32>;
using Resets = ffi::Buffer<ffi::PRED>;
// An array with a time axis.
template <class Stored>
using Series = ffi::Buffer<std::is_same_v<Stored, float> ? ffi::F32 : ffi::BF16>;
template <class Buffer>
using Result = ffi::Result<Buffer>;

template <class Number>
Number* numbers(Number* data) {
  return data;
}

// XLA has no type of its own for these.
BFloat16* numbers(uint16_t* data) { return reinterpret_cast<BFloat16*>(data); }

constexpr char kKind[] = "kind", kReverse[] = "reverse";
using Number = ffi::Attr<int32_t, kKind>;
using Reverse = ffi::Attr<bool, kReverse>;

// The problem that one call is given: sizes, and what each member of it reads and writes.
//
// Under `jax.vmap` every array has further axes in front, of which a result has all; that of an
// argument which members share has one element there. All sizes follow from the inputs
// [members..., time, batch, features] and the hidden state [members..., batch, hidden].
template <class Arguments>
class Call {
 public:
  ffi::Error error = ffi::Error::Success();

  template <class Inputs>
  Call(int32_t number, bool reverse, Inputs& inputs, Floats& hidden, Result<Floats>& final_hidden,
       Lengths& lengths, Resets& resets)
      : kind_(static_cast<Kind>(number)) {
    const auto shape = inputs.dimensions(), start = hidden.dimensions();
    const auto result = final_hidden->dimensions();
    const size_t rank = shape.size();
    if (number < 0 || number > 3 || rank < 3 || start.size() + 1 != rank ||
        result.size() + 1 != rank) {
      error = ffi::Error::InvalidArgument("lstm_jax: no such cell, or a wrong number of axes");
      return;
    }
    axes_.assign(result.begin(), result.end() - 2);
    int64_t count = 1;
    for (const int64_t size : axes_) count *= size;
    s_.time = static_cast<int>(shape[rank - 3]);
    s_.batch = static_cast<int>(shape[rank - 2]);
    s_.features = static_cast<int>(shape[rank - 1]);
    s_.hidden = static_cast<int>(start[rank - 2]);
    s_.reverse = reverse;
    members_.assign(count, {s_, {}});
    const auto sequences = [](auto& member) -> Sequences& { return member.sequences; };
    give_or_none("lengths", lengths, s_.batch, &Sequences::lengths, sequences);
    give_or_none("resets", resets, int64_t{s_.batch} * s_.time, &Sequences::resets, sequences);
  }

  int gates() const { return gates_of(kind_); }
  bool is(Kind other) const { return kind_ == other; }
  int64_t hidden() const { return s_.hidden; }
  int64_t state() const { return int64_t{s_.batch} * s_.hidden; }
  int64_t states() const { return state() * s_.time; }
  int64_t inputs() const { return int64_t{s_.time} * s_.batch * s_.features; }
  int64_t columns() const { return int64_t{gates()} * s_.hidden; }
  int64_t input_kernel() const { return columns() * s_.features; }
  int64_t kernel() const { return columns() * s_.hidden; }

  // Gives an array of so many elements for each member.
  template <class Buffer, class Field>
  void give(const char* name, Buffer& buffer, int64_t elements, Field field) {
    give(name, buffer, elements, field, [](auto& member) -> Arguments& { return member.arguments; });
  }

  // The same, of one that this call makes.
  template <class Buffer, class Field>
  void give(const char* name, Result<Buffer>& result, int64_t elements, Field field) {
    prefer_huge_pages(result->untyped_data(), result->size_bytes());
    give(name, *result, elements, field);
  }

  // The same, where it may be left out.
  template <class Buffer, class Field>
  void give_or_none(const char* name, Result<Buffer>& result, int64_t elements, Field field) {
    if (result->element_count()) give(name, result, elements, field);
  }

  template <class Run>
  ffi::Error run(Run run) const {
    if (error.failure()) return error;
    try {
      run(chosen_loops(), kind_, members_);
    } catch (const std::bad_alloc&) {
      return ffi::Error(ffi::ErrorCode::kResourceExhausted, "lstm_jax: out of memory");
    } catch (const std::exception& error) {
      return ffi::Error::Internal("lstm_jax: " + std::string(error.what()));
    }
    return ffi::Error::Success();
  }

 private:
  Kind kind_{};
  Sequences s_{};
  std::vector<int64_t> axes_;
  std::vector<Member<Arguments>> members_;

  template <class Buffer, class Field, class Part>
  void give(const char* name, Buffer& buffer, int64_t elements, Field field, Part part) {
    const auto shape = buffer.dimensions();
    const size_t count = axes_.size();
    bool fits = !error.failure() && shape.size() >= count;
    int64_t expected = elements;
    for (size_t axis = 0; fits && axis < count; axis++) {
      fits = shape[axis] == 1 || shape[axis] == axes_[axis];
      expected *= shape[axis];
    }
    if (error.failure()) return;
    if (!fits || static_cast<int64_t>(buffer.element_count()) != expected) {
      error = ffi::Error::InvalidArgument("lstm_jax: " + std::string(name) + " has " +
                                          std::to_string(buffer.element_count()) +
                                          " elements, not " + std::to_string(expected));
      return;
    }
    // An array that a cell or a call does without has no elements.
    if (!expected) return;
    for (size_t m = 0; m < members_.size(); m++) {
      int64_t offset = 0, step = elements, rest = m;
      for (size_t axis = count; axis-- > 0; rest /= axes_[axis], step *= shape[axis]) {
        if (shape[axis] > 1) offset += rest % axes_[axis] * step;
      }
      part(members_[m]).*field = numbers(buffer.typed_data()) + offset;
    }
  }

  template <class Buffer, class Field, class Part>
  void give_or_none(const char* name, Buffer& buffer, int64_t elements, Field field, Part part) {
    if (buffer.element_count()) give(name, buffer, elements, field, part);
  }
};

template <class Stored>
ffi::Error forward(Number kind, Reverse reverse, Series<Stored> inputs, Floats input_kernel,
                   Floats bias, Floats kernel, Floats recurrent_bias, Floats hidden, Floats cell,
                   Lengths lengths, Resets resets, Result<Series<Stored>> outputs,
                   Result<Floats> final_hidden, Result<Floats> final_cell,
                   Result<Series<Stored>> gates, Result<Series<Stored>> saved) {
  using Forward = Forward<Stored>;
  Call<Forward> call(*kind, *reverse, inputs, hidden, final_hidden, lengths, resets);
  const int64_t cell_state = call.is(Kind::kLstm) * call.state();
  const int64_t recurrent_biases = call.is(Kind::kGru) * call.hidden();
  call.give("inputs", inputs, call.inputs(), &Forward::inputs);
  call.give("input_kernel", input_kernel, call.input_kernel(), &Forward::input_kernel);
  call.give("bias", bias, call.columns(), &Forward::bias);
  call.give("recurrent_kernel", kernel, call.kernel(), &Forward::kernel);
  call.give("recurrent_bias", recurrent_bias, recurrent_biases, &Forward::recurrent_bias);
  call.give("hidden", hidden, call.state(), &Forward::hidden);
  call.give("cell", cell, cell_state, &Forward::cell);
  call.give("outputs", outputs, call.states(), &Forward::outputs);
  call.give("final_hidden", final_hidden, call.state(), &Forward::final_hidden);
  call.give("final_cell", final_cell, cell_state, &Forward::final_cell);
  call.give_or_none("gates", gates, call.states() * call.gates(), &Forward::gates);
  call.give_or_none("saved", saved, call.states(), &Forward::saved);
  return call.run(run_forward<Stored>);
}

template <class Stored>
ffi::Error backward(Number kind, Reverse reverse, Series<Stored> inputs, Floats input_kernel,
                    Floats kernel, Floats hidden, Floats cell, Series<Stored> outputs,
                    Series<Stored> gates, Series<Stored> saved, Series<Stored> d_outputs,
                    Floats d_final_hidden, Floats d_final_cell, Lengths lengths, Resets resets,
                    Result<Series<Stored>> d_inputs, Result<Floats> d_input_kernel,
                    Result<Floats> d_bias, Result<Floats> d_kernel,
                    Result<Floats> d_recurrent_bias, Result<Floats> d_hidden,
                    Result<Floats> d_cell) {
  using Backward = Backward<Stored>;
  Call<Backward> call(*kind, *reverse, inputs, hidden, d_hidden, lengths, resets);
  const bool keeps = call.gates() > 1;
  const int64_t cell_state = call.is(Kind::kLstm) * call.state();
  call.give("inputs", inputs, call.inputs(), &Backward::inputs);
  call.give("input_kernel", input_kernel, call.input_kernel(), &Backward::input_kernel);
  call.give("recurrent_kernel", kernel, call.kernel(), &Backward::kernel);
  call.give("hidden", hidden, call.state(), &Backward::hidden);
  call.give("cell", cell, cell_state, &Backward::cell);
  call.give("outputs", outputs, call.states(), &Backward::outputs);
  call.give("gates", gates, keeps * call.states() * call.gates(), &Backward::gates);
  call.give("saved", saved, keeps * call.states(), &Backward::saved);
  call.give("d_outputs", d_outputs, call.states(), &Backward::d_outputs);
  call.give("d_final_hidden", d_final_hidden, call.state(), &Backward::d_final_hidden);
  call.give("d_final_cell", d_final_cell, cell_state, &Backward::d_final_cell);
  call.give_or_none("d_inputs", d_inputs, call.inputs(), &Backward::d_inputs);
  call.give_or_none("d_input_kernel", d_input_kernel, call.input_kernel(),
                    &Backward::d_input_kernel);
  call.give_or_none("d_bias", d_bias, call.columns(), &Backward::d_bias);
  call.give_or_none("d_recurrent_kernel", d_kernel, call.kernel(), &Backward::d_kernel);
  call.give_or_none("d_recurrent_bias", d_recurrent_bias, call.hidden(),
                    &Backward::d_recurrent_bias);
  call.give("d_hidden", d_hidden, call.state(), &Backward::d_hidden);
  call.give("d_cell", d_cell, cell_state, &Backward::d_cell);
  return call.run(run_backward<Stored>);
}

}  // namespace
}  // namespace lstm_jax

#pragma GCC visibility push(default)

// Each is bound as its function's arguments say.
XLA_FFI_DEFINE_HANDLER_SYMBOL(lstm_jax_forward_float32, lstm_jax::forward<float>);
XLA_FFI_DEFINE_HANDLER_SYMBOL(lstm_jax_forward_bfloat16, lstm_jax::forward<lstm_jax::BFloat16>);
XLA_FFI_DEFINE_HANDLER_SYMBOL(lstm_jax_backward_float32, lstm_jax::backward<float>);
XLA_FFI_DEFINE_HANDLER_SYMBOL(lstm_jax_backward_bfloat16, lstm_jax::backward<lstm_jax::BFloat16>);

// The name of the `index`-th instruction set this machine has, the widest last; null past it.
extern "C" const char* lstm_jax_instruction_set(int index) {
  const auto& all = lstm_jax::all_loops();
  return index < static_cast<int>(all.size()) ? all[index]->name : nullptr;
}

extern "C" void lstm_jax_choose_instruction_set(int index) {
  lstm_jax::choose_loops(*lstm_jax::all_loops()[index]);
}

extern "C" int lstm_jax_thread_limit() { return lstm_jax::thread_limit(); }

#pragma GCC visibility pop
