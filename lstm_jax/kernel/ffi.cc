// What XLA calls: checks of shapes, then the kernel.

#include <new>
#include <string>

#include "calls.h"
#include "xla/ffi/api/ffi.h"

namespace lstm_jax {

namespace ffi = xla::ffi;

namespace {

using Floats = ffi::Buffer<ffi::F32>;
using Result = ffi::ResultBuffer<ffi::F32>;

// An array that a cell or a call does without has no elements.
template <class Buffer>
auto* data_or_null(Buffer& buffer) {
  return buffer.element_count() ? buffer.typed_data() : nullptr;
}

// All sizes follow from the inputs [members..., time, batch, features] and the hidden state
// [members..., batch, hidden].
struct Call {
  int64_t members = 1;
  Kind kind{};
  int gates = 0;
  Sequences s{};
  ffi::Error error = ffi::Error::Success();

  Call(int32_t number, bool reverse, Floats& inputs, Floats& hidden,
       ffi::Buffer<ffi::S32>& lengths, ffi::Buffer<ffi::PRED>& resets)
      : kind(static_cast<Kind>(number)) {
    const auto shape = inputs.dimensions(), start = hidden.dimensions();
    const size_t rank = shape.size();
    if (number < 0 || number > 3 || rank < 3 || start.size() + 1 != rank) {
      error = ffi::Error::InvalidArgument("lstm_jax: no such cell, or a wrong number of axes");
      return;
    }
    for (size_t axis = 0; axis + 3 < rank; axis++) members *= shape[axis];
    gates = gates_of(kind);
    s.time = static_cast<int>(shape[rank - 3]);
    s.batch = static_cast<int>(shape[rank - 2]);
    s.features = static_cast<int>(shape[rank - 1]);
    s.hidden = static_cast<int>(start[rank - 2]);
    s.reverse = reverse;
    s.lengths = data_or_null(lengths);
    s.resets = data_or_null(resets);
    expect("hidden", hidden, state());
    if (s.lengths) expect("lengths", lengths, s.batch);
    if (s.resets) expect("resets", resets, int64_t{s.batch} * s.time);
  }

  bool is(Kind other) const { return kind == other; }
  int64_t state() const { return int64_t{s.batch} * s.hidden; }
  int64_t states() const { return state() * s.time; }
  int64_t inputs() const { return int64_t{s.time} * s.batch * s.features; }
  int64_t columns() const { return int64_t{gates} * s.hidden; }

  // Makes sure that an array has so many elements for each member.
  template <class Buffer>
  void expect(const char* name, Buffer& buffer, int64_t elements) {
    const int64_t found = buffer.element_count();
    if (found == elements * members || error.failure()) return;
    error = ffi::Error::InvalidArgument("lstm_jax: " + std::string(name) + " has " +
                                        std::to_string(found) + " elements, not " +
                                        std::to_string(elements * members));
  }

  // The same, for one that may be left out.
  template <class Buffer>
  void expect_or_none(const char* name, Buffer& buffer, int64_t elements) {
    if (buffer.element_count()) expect(name, buffer, elements);
  }

  void expect_weights(Floats& input_kernel, Floats& kernel) {
    expect("input_kernel", input_kernel, columns() * s.features);
    expect("recurrent_kernel", kernel, columns() * s.hidden);
  }

  template <class Run, class Arguments>
  ffi::Error run(Run run, const Arguments& arguments) const {
    try {
      run(*all_loops().back(), kind, members, s, arguments);
    } catch (const std::bad_alloc&) {
      return ffi::Error(ffi::ErrorCode::kResourceExhausted, "lstm_jax: out of memory");
    } catch (const std::exception& error) {
      return ffi::Error::Internal("lstm_jax: " + std::string(error.what()));
    }
    return ffi::Error::Success();
  }
};

ffi::Error forward(int32_t kind, bool reverse, Floats inputs, Floats input_kernel, Floats bias,
                   Floats kernel, Floats recurrent_bias, Floats hidden, Floats cell,
                   ffi::Buffer<ffi::S32> lengths, ffi::Buffer<ffi::PRED> resets, Result outputs,
                   Result final_hidden, Result final_cell, Result gates, Result saved) {
  Call call(kind, reverse, inputs, hidden, lengths, resets);
  call.expect_weights(input_kernel, kernel);
  call.expect("bias", bias, call.columns());
  call.expect("recurrent_bias", recurrent_bias, call.is(Kind::kGru) * call.s.hidden);
  call.expect("cell", cell, call.is(Kind::kLstm) * call.state());
  call.expect("outputs", *outputs, call.states());
  call.expect("final_hidden", *final_hidden, call.state());
  call.expect("final_cell", *final_cell, call.is(Kind::kLstm) * call.state());
  call.expect_or_none("gates", *gates, call.states() * call.gates);
  call.expect_or_none("saved", *saved, call.states());
  if (call.error.failure()) return call.error;
  const Forward f{inputs.typed_data(),         input_kernel.typed_data(),
                  bias.typed_data(),           kernel.typed_data(),
                  data_or_null(recurrent_bias), hidden.typed_data(),
                  data_or_null(cell),          outputs->typed_data(),
                  final_hidden->typed_data(),  data_or_null(*final_cell),
                  data_or_null(*gates),        data_or_null(*saved)};
  return call.run(run_forward, f);
}

ffi::Error backward(int32_t kind, bool reverse, Floats inputs, Floats input_kernel, Floats kernel,
                    Floats hidden, Floats cell, Floats outputs, Floats gates, Floats saved,
                    Floats d_outputs, Floats d_final_hidden, Floats d_final_cell,
                    ffi::Buffer<ffi::S32> lengths, ffi::Buffer<ffi::PRED> resets, Result d_inputs,
                    Result d_input_kernel, Result d_bias, Result d_kernel, Result d_recurrent_bias,
                    Result d_hidden, Result d_cell) {
  Call call(kind, reverse, inputs, hidden, lengths, resets);
  const bool keeps = call.gates > 1;
  call.expect_weights(input_kernel, kernel);
  call.expect("cell", cell, call.is(Kind::kLstm) * call.state());
  call.expect("outputs", outputs, call.states());
  call.expect("gates", gates, keeps * call.states() * call.gates);
  call.expect("saved", saved, keeps * call.states());
  call.expect("d_outputs", d_outputs, call.states());
  call.expect("d_final_hidden", d_final_hidden, call.state());
  call.expect("d_final_cell", d_final_cell, call.is(Kind::kLstm) * call.state());
  call.expect_or_none("d_inputs", *d_inputs, call.inputs());
  call.expect_or_none("d_input_kernel", *d_input_kernel, call.columns() * call.s.features);
  call.expect_or_none("d_bias", *d_bias, call.columns());
  call.expect_or_none("d_recurrent_kernel", *d_kernel, call.columns() * call.s.hidden);
  call.expect_or_none("d_recurrent_bias", *d_recurrent_bias, call.s.hidden);
  call.expect("d_hidden", *d_hidden, call.state());
  call.expect("d_cell", *d_cell, call.is(Kind::kLstm) * call.state());
  if (call.error.failure()) return call.error;
  const Backward b{inputs.typed_data(),          input_kernel.typed_data(),
                   kernel.typed_data(),          hidden.typed_data(),
                   data_or_null(cell),           outputs.typed_data(),
                   data_or_null(gates),          data_or_null(saved),
                   d_outputs.typed_data(),       d_final_hidden.typed_data(),
                   data_or_null(d_final_cell),   data_or_null(*d_inputs),
                   data_or_null(*d_input_kernel), data_or_null(*d_bias),
                   data_or_null(*d_kernel),      data_or_null(*d_recurrent_bias),
                   d_hidden->typed_data(),       data_or_null(*d_cell)};
  return call.run(run_backward, b);
}

}  // namespace
}  // namespace lstm_jax

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    lstm_jax_forward, lstm_jax::forward,
    xla::ffi::Ffi::Bind()
        .Attr<int32_t>("kind")
        .Attr<bool>("reverse")
        .Arg<lstm_jax::Floats>()
        .Arg<lstm_jax::Floats>()
        .Arg<lstm_jax::Floats>()
        .Arg<lstm_jax::Floats>()
        .Arg<lstm_jax::Floats>()
        .Arg<lstm_jax::Floats>()
        .Arg<lstm_jax::Floats>()
        .Arg<xla::ffi::Buffer<xla::ffi::S32>>()
        .Arg<xla::ffi::Buffer<xla::ffi::PRED>>()
        .Ret<xla::ffi::Buffer<xla::ffi::F32>>()
        .Ret<xla::ffi::Buffer<xla::ffi::F32>>()
        .Ret<xla::ffi::Buffer<xla::ffi::F32>>()
        .Ret<xla::ffi::Buffer<xla::ffi::F32>>()
        .Ret<xla::ffi::Buffer<xla::ffi::F32>>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    lstm_jax_backward, lstm_jax::backward,
    xla::ffi::Ffi::Bind()
        .Attr<int32_t>("kind")
        .Attr<bool>("reverse")
        .Arg<lstm_jax::Floats>()
        .Arg<lstm_jax::Floats>()
        .Arg<lstm_jax::Floats>()
        .Arg<lstm_jax::Floats>()
        .Arg<lstm_jax::Floats>()
        .Arg<lstm_jax::Floats>()
        .Arg<lstm_jax::Floats>()
        .Arg<lstm_jax::Floats>()
        .Arg<lstm_jax::Floats>()
        .Arg<lstm_jax::Floats>()
        .Arg<lstm_jax::Floats>()
        .Arg<xla::ffi::Buffer<xla::ffi::S32>>()
        .Arg<xla::ffi::Buffer<xla::ffi::PRED>>()
        .Ret<xla::ffi::Buffer<xla::ffi::F32>>()
        .Ret<xla::ffi::Buffer<xla::ffi::F32>>()
        .Ret<xla::ffi::Buffer<xla::ffi::F32>>()
        .Ret<xla::ffi::Buffer<xla::ffi::F32>>()
        .Ret<xla::ffi::Buffer<xla::ffi::F32>>()
        .Ret<xla::ffi::Buffer<xla::ffi::F32>>()
        .Ret<xla::ffi::Buffer<xla::ffi::F32>>());

extern "C" const char* lstm_jax_target() { return lstm_jax::all_loops().back()->name; }

extern "C" int lstm_jax_thread_limit() { return lstm_jax::thread_limit(); }

#pragma GCC visibility pop
