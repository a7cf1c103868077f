#include "attention.h"

#include <ATen/ExpandUtils.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/empty_strided.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "../../kernel_threads.h"
#include "../../step_tensors.h"
#include "../loops/processors.h"
#include "../loops/row_product.h"
#include "../results.h"
#include "attention_loops.h"

namespace steppe {
namespace attention {
namespace {

using row_product::Rows;

constexpr int64_t kMostPlaces = 256, kMostWidth = 128;  // of sequences; of heads
constexpr int64_t kGrain = 1 << 16;                     // multiplications for a thread
constexpr int64_t kBlock = 16;                          // places whose products are taken together
static_assert(kBlock % kLanes == 0);                    // they are transposed, too

int64_t whole_lanes(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

template <class T>
Rows<T> from_row(Rows<T> x, int64_t row) {
  return {x.data + row * x.step, x.step};
}

// One head of one sample: rows of `width` numbers.
struct Sizes {
  int64_t queries, keys, width;
  bool causal;
  float scale;
  int64_t query_lanes() const { return whole_lanes(queries); }
  int64_t key_lanes() const { return whole_lanes(keys); }
  // How many keys the queries before `end` look at.
  int64_t seen(int64_t end) const { return causal ? std::min(end, keys) : keys; }
};

// to [width, rows in whole lanes] ← from [rows, width], with zeros behind; `memory`: kLanes × width.
void transpose(int64_t rows, int64_t width, Rows<const float> from, float* to, float* memory) {
  const auto step = whole_lanes(rows), whole = rows / kLanes * kLanes;
  row_product::transpose(whole, width, from, {to, step});
  if (whole == rows) return;
  std::fill_n(memory, kLanes * width, 0.0f);
  for (int64_t i = whole; i < rows; i++) std::copy_n(from.data + i * from.step, width, memory + (i - whole) * width);
  row_product::transpose(kLanes, width, {memory, width}, {to + whole, step});
}

// body(first, one past the last) for blocks of rows.
template <class Body>
void blocks(int64_t rows, const Body& body) {
  for (int64_t i = 0; i < rows; i += kBlock) body(i, std::min(rows, i + kBlock));
}

int64_t forward_memory(const Sizes& s) { return s.width * s.key_lanes() + kBlock * s.key_lanes() + kLanes * s.width; }

// log_sums: `step` from one query's to the next one's.
void forward_head(const Sizes& s, Rows<const float> q, Rows<const float> k, Rows<const float> v, Rows<float> o, Rows<float> log_sums,
                  float* memory) {
  auto *keys = memory, *scores = keys + s.width * s.key_lanes();
  transpose(s.keys, s.width, k, keys, scores + kBlock * s.key_lanes());
  blocks(s.queries, [&](int64_t begin, int64_t end) {
    const auto rows = end - begin, seen = s.seen(end), width = whole_lanes(seen);
    const Rows<float> block{scores, width};
    row_product::multiply(rows, s.width, width, from_row(q, begin), {keys, s.key_lanes()}, block, /*adds=*/false);
    for (int64_t i = 0; i < rows; i++) {
      const auto query = begin + i;
      log_sums.data[query * log_sums.step] = softmax_row(s.seen(query + 1), width, s.scale, scores + i * width);
    }
    row_product::multiply(rows, seen, s.width, {scores, width}, v, from_row(o, begin), /*adds=*/false);
  });
}

struct Head {
  Rows<const float> q, k, v, o, d_o;
  Rows<const float> log_sums;
  Rows<float> dq, dk, dv;
};

int64_t backward_memory(const Sizes& s) { return (2 * s.width + 4 * s.query_lanes()) * s.key_lanes() + kLanes * s.width; }

// δ = Σ dL/do o; dL/dp = dL/do vᵀ; dL/dv = pᵀ dL/do; of the scores ds = p (dL/dp − δ); dL/dq = ds k; dL/dk = dsᵀ q.
void backward_head(const Sizes& s, const Head& h, float* memory) {
  const auto all = s.query_lanes() * s.key_lanes(), step = s.key_lanes();
  auto *keys = memory, *values = keys + s.width * step;
  auto *p = values + s.width * step, *ds = p + all, *p_t = ds + all, *ds_t = p_t + all;
  transpose(s.keys, s.width, h.k, keys, ds_t + all);
  transpose(s.keys, s.width, h.v, values, ds_t + all);
  blocks(s.queries, [&](int64_t begin, int64_t end) {
    const auto rows = end - begin, seen = s.seen(end), width = whole_lanes(seen);
    const Rows<float> of_p{p + begin * step, step}, of_ds{ds + begin * step, step};
    row_product::multiply(rows, s.width, width, from_row(h.q, begin), {keys, step}, of_p, /*adds=*/false);
    row_product::multiply(rows, s.width, width, from_row(h.d_o, begin), {values, step}, of_ds, /*adds=*/false);
    for (int64_t i = begin; i < end; i++) {
      const auto delta = dot(s.width, h.d_o.data + i * h.d_o.step, h.o.data + i * h.o.step);
      softmax_row_backward(s.seen(i + 1), width, s.scale, h.log_sums.data[i * h.log_sums.step], delta, p + i * step, ds + i * step);
    }
    row_product::multiply(rows, seen, s.width, {of_ds.data, step}, h.k, from_row(h.dq, begin), /*adds=*/false);
    // What fills the last lanes of queries, and keys that are not seen, counts nothing below.
    for (int64_t i = end; i < begin + kBlock; i++) {
      std::fill_n(p + i * step, width, 0.0f);
      std::fill_n(ds + i * step, width, 0.0f);
    }
    const auto columns = s.query_lanes();
    row_product::transpose(kBlock, width, {of_p.data, step}, {p_t + begin, columns});
    row_product::transpose(kBlock, width, {of_ds.data, step}, {ds_t + begin, columns});
  });
  blocks(s.keys, [&](int64_t begin, int64_t end) {
    // Queries before these keys do not look at them.
    const auto first = s.causal ? std::min(begin, s.queries) : 0, count = s.queries - first, columns = s.query_lanes();
    const auto at = begin * columns + first;
    const auto products = [&](const float* rows, Rows<const float> x, Rows<float> to) {
      row_product::multiply(end - begin, count, s.width, {rows + at, columns}, from_row(x, first), from_row(to, begin), false);
    };
    products(p_t, h.d_o, h.dv);
    products(ds_t, h.q, h.dk);
  });
}

// Rows of a head of a tensor [samples, heads, places, width], or of one [samples, heads, places].
template <class T>
Rows<T> rows_of(const at::Tensor& x, T* data, int64_t head) {
  const auto heads = x.size(1);
  return {data + head / heads * x.stride(0) + head % heads * x.stride(1), x.stride(2)};
}
Rows<const float> read(const at::Tensor& x, int64_t head) { return rows_of(x, x.const_data_ptr<float>(), head); }
Rows<float> write(const at::Tensor& x, int64_t head) { return rows_of(x, x.mutable_data_ptr<float>(), head); }

// job(head, memory) for each head of each sample; memory holds so many floats.
template <class Job>
void each_head(const at::Tensor& q, const Sizes& sizes, int64_t floats, const Job& job) {
  const auto heads = q.size(0) * q.size(1), work = heads * sizes.queries * sizes.keys * sizes.width;
  const auto threads = std::clamp<int64_t>(std::min(kernel_thread_count(), work / kGrain), 1, std::max<int64_t>(heads, 1));
  auto memory = new_tensor({threads, floats});
  auto* all = memory.mutable_data_ptr<float>();
  on_kernel_threads(threads, [&](int64_t i) {
    for (auto head = heads * i / threads; head < heads * (i + 1) / threads; head++) job(head, all + i * floats);
  });
}

// at::empty_like, without the way through the dispatcher, whose code has left the caches by now.
at::Tensor new_like(const at::Tensor& x) {
  return new_strided(x.sizes(), x.is_non_overlapping_and_dense() ? x.strides().vec() : at::infer_dense_strides(x.sizes(), x.strides()), at::kFloat);
}

Sizes sizes_of(const at::Tensor& q, const at::Tensor& k, const c10::IValue& causal, const c10::IValue& scale) {
  const auto width = q.size(3);
  const auto factor = scale.isNone() ? 1 / std::sqrt(static_cast<double>(width)) : scale.toDouble();
  return {q.size(2), k.size(2), width, causal.toBool(), static_cast<float>(factor)};
}

// aten::_scaled_dot_product_flash_attention_for_cpu(q, k, v, dropout, causal, mask?, scale?) -> (output, log-sums)
void attend(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto* arguments = &stack[stack.size() - 7];
  const auto &q = arguments[0].toTensor(), &k = arguments[1].toTensor(), &v = arguments[2].toTensor();
  const auto sizes = sizes_of(q, k, arguments[4], arguments[6]);
  auto output = new_like(q);
  auto log_sums = new_strided({q.size(0), q.size(1), q.size(2)}, {q.size(1) * q.size(2), 1, q.size(1)}, at::kFloat);
  each_head(q, sizes, forward_memory(sizes), [&](int64_t head, float* memory) {
    forward_head(sizes, read(q, head), read(k, head), read(v, head), write(output, head), write(log_sums, head), memory);
  });
  give(stack, 7, std::move(output), std::move(log_sums));
}

// aten::_scaled_dot_product_flash_attention_for_cpu_backward(dL/doutput, q, k, v, output, log-sums, dropout, causal, mask?, scale?)
//   -> (dL/dq, dL/dk, dL/dv)
void attend_backward(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto* arguments = &stack[stack.size() - 10];
  const auto &q = arguments[1].toTensor(), &k = arguments[2].toTensor(), &v = arguments[3].toTensor();
  const auto rows_together = [](const at::Tensor& x) {
    if (x.stride(3) == 1) return x;
    HeldKernelThreads::let_go();
    return x.contiguous();
  };
  const auto d_o = rows_together(arguments[0].toTensor()), o = rows_together(arguments[4].toTensor());
  const auto& log_sums = arguments[5].toTensor();
  const auto sizes = sizes_of(q, k, arguments[7], arguments[9]);
  const auto like = [](const at::Tensor& x) {
    return new_strided(x.sizes(), {x.size(1) * x.size(2) * x.size(3), x.size(3), x.size(1) * x.size(3), 1}, at::kFloat);
  };
  auto dq = like(q), dk = like(k), dv = like(v);
  each_head(q, sizes, backward_memory(sizes), [&](int64_t head, float* memory) {
    const Head h{read(q, head),   read(k, head),        read(v, head),   read(o, head),  //
                 read(d_o, head), read(log_sums, head), write(dq, head), write(dk, head), write(dv, head)};
    backward_head(sizes, h, memory);
  });
  give(stack, 10, std::move(dq), std::move(dk), std::move(dv));
}

bool has_rows(const Program::Layout& layout) { return is_float_image(layout) && layout.strides[3] == 1; }

bool is_laid_out(const Program::Layout& layout, at::IntArrayRef strides) { return layout.strided && strides.equals(layout.strides); }

// `first`: the place of the query among the operands.
bool is_short(const Program::Instruction& instruction, size_t first, size_t dropout, const Layouts& layouts) {
  const auto& inputs = instruction.inputs;
  const auto last = inputs.size() - 1;
  for (const auto i : {dropout, dropout + 1, last - 1, last})
    if (inputs[i].kind != Program::Operand::Kind::constant) return false;
  const auto& mask = inputs[last - 1].constant;
  const bool has_mask = !mask.isNone() && !(mask.isTensor() && !mask.toTensor().defined());
  if (inputs[dropout].constant.toDouble() != 0 || has_mask) return false;
  const Program::Layout* x[3];
  for (size_t i = 0; i < 3; i++) {
    const auto reg = register_of(inputs[first + i]);
    if (reg < 0 || !has_rows(layouts[reg])) return false;
    x[i] = &layouts[reg];
  }
  const auto &q = x[0]->sizes, &k = x[1]->sizes, &v = x[2]->sizes;
  const auto most = [](int64_t n, int64_t limit) { return n > 0 && n <= limit; };
  const bool one_form = k == v && q[0] == k[0] && q[1] == k[1] && q[3] == k[3] && q[0] * q[1] > 0;
  return one_form && most(q[2], kMostPlaces) && most(k[2], kMostPlaces) && most(q[3], kMostWidth) && q[3] % kLanes == 0;
}

// New tensors of such a shape lie in memory as they were recorded.
bool gives_what_was_recorded(const Program::Instruction& instruction, size_t query, const Layouts& layouts) {
  const auto& q = layouts[register_of(instruction.inputs[query])];
  const auto meta = at::empty_like(at::empty_strided(q.sizes, q.strides, at::TensorOptions().device(at::kMeta).dtype(at::kFloat)));
  for (size_t i = 0; i < instruction.outputs.size(); i++) {
    const auto reg = instruction.outputs[i].regs.empty() ? Program::kNone : instruction.outputs[i].regs[0];
    if (reg < 0) continue;
    const auto& s = layouts[reg].sizes;
    const bool is_output = query == 0 && i == 0, is_sums = query == 0 && i == 1;
    const auto strides = is_output ? meta.strides().vec()
                         : is_sums ? std::vector<int64_t>{s[1] * s[2], 1, s[1]}
                                   : std::vector<int64_t>{s[1] * s[2] * s[3], s[3], s[1] * s[3], 1};
    if ((is_output && strides[3] != 1) || !is_laid_out(layouts[reg], strides)) return false;
  }
  return true;
}

}  // namespace
}  // namespace attention

void replace_attention(Program& program, const Layouts& layouts) {
  if (!has_avx512()) return;
  for (auto& instruction : program.instructions) {
    const auto name = c10::toString(instruction.op.operator_name());
    const bool forward = name == "aten::_scaled_dot_product_flash_attention_for_cpu" && instruction.inputs.size() == 7;
    const bool backward = name == "aten::_scaled_dot_product_flash_attention_for_cpu_backward" && instruction.inputs.size() == 10;
    if (!forward && !backward) continue;
    const size_t query = backward ? 1 : 0, dropout = backward ? 6 : 3;
    if (!attention::is_short(instruction, query, dropout, layouts)) continue;
    if (!attention::gives_what_was_recorded(instruction, query, layouts)) continue;
    instruction.kernel = forward ? attention::attend : attention::attend_backward;
  }
}

}  // namespace steppe
