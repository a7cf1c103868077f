#include "batch_norm.h"

#include <c10/util/SmallVector.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "../../program_passes.h"
#include "../results.h"
#include "../transposition.h"
#include "batch_norm_loops.h"

namespace steppe {
namespace {

using batch_norm::Affine;
using batch_norm::Rows;
using batch_norm::Windows;

// aten::native_batch_norm(input, weight?, bias?, running_mean?, running_var?, training, momentum, eps) -> (output, mean, 1/σ)
constexpr size_t kForwardArguments = 8;
// aten::native_batch_norm_backward(dL/doutput, input, weight?, running_mean?, running_var?, mean?, 1/σ?, train, eps, mask)
//   -> (dL/dinput, dL/dweight, dL/dbias)
constexpr size_t kBackwardArguments = 10;
// Behind these, forward: [kernel height, kernel width], or with no pooling nothing. Backward, for ReLU alone: the bias. For
// pooling: the places of the maxima, and the kernel.

at::Tensor vector_like(const at::Tensor& x) { return new_tensor({x.size(1)}); }
at::Tensor image_like(const at::Tensor& x) { return new_image(x.sizes()); }
Rows rows_of(const at::Tensor& x) { return {x.size(0) * x.size(2) * x.size(3), x.size(1)}; }
Windows windows_of(const at::Tensor& x, const c10::IValue& kernel) {
  const auto k = kernel.toIntList();
  const int64_t height = k.get(0), width = k.get(1);
  return {x.size(0), x.size(2), x.size(3), x.size(2) / height, x.size(3) / width, height, width, x.size(1)};
}

// A number for each channel.
template <class T>
using OfChannels = c10::SmallVector<T, 64>;

// What batch norm does to a channel: x̂ = scale (x - mean) + shift.
struct Scaling {
  Scaling(const at::Tensor& weight, at::Tensor bias, at::Tensor mean, const at::Tensor& inverse) : mean(std::move(mean)), bias(std::move(bias)), scale(static_cast<size_t>(weight.numel())) {
    const auto *w = weight.const_data_ptr<float>(), *s = inverse.const_data_ptr<float>();
    for (size_t c = 0; c < scale.size(); c++) scale[c] = s[c] * w[c];
  }
  // Without ReLU the backward does not look at the bias.
  Affine affine(bool relu) const { return {mean.const_data_ptr<float>(), scale.data(), bias.defined() ? bias.const_data_ptr<float>() : scale.data(), relu}; }
  at::Tensor mean, bias;
  OfChannels<float> scale;
};

// Mean and 1/σ of the batch into the tensors, and into the running statistics, if there are any.
void take_statistics(const at::Tensor& x, const c10::IValue* arguments, at::Tensor& mean, at::Tensor& inverse) {
  const auto rows = rows_of(x);
  OfChannels<double> means(static_cast<size_t>(rows.channels)), squares(means.size());
  batch_norm::moments(rows, x.const_data_ptr<float>(), means.data(), squares.data());
  const double eps = arguments[7].toDouble(), momentum = arguments[6].toDouble(), n = static_cast<double>(rows.count);
  auto *to_mean = mean.mutable_data_ptr<float>(), *to_inverse = inverse.mutable_data_ptr<float>();
  for (int64_t c = 0; c < rows.channels; c++) {
    to_mean[c] = static_cast<float>(means[c]);
    const double variance = squares[c] / n + eps;
    to_inverse[c] = variance == 0 ? 0.0f : static_cast<float>(1.0 / std::sqrt(variance));
  }
  const auto move = [&](const c10::IValue& running, const OfChannels<double>& batch, double factor) {
    if (is_nothing(running)) return;
    auto* to = running.toTensor().mutable_data_ptr<float>();
    for (int64_t c = 0; c < rows.channels; c++) to[c] = static_cast<float>(momentum * batch[c] * factor + (1.0 - momentum) * to[c]);
  };
  auto* turn = Turn::current();
  if (turn != nullptr) turn->take();
  move(arguments[3], means, 1.0);
  move(arguments[4], squares, 1.0 / (n - 1.0));  // the variance of a sample
  if (turn != nullptr) turn->give();
}

template <bool kRelu>
void normalize(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kForwardArguments;
  const auto& x = arguments[0].toTensor();
  auto mean = vector_like(x), inverse = vector_like(x), y = image_like(x);
  take_statistics(x, arguments, mean, inverse);
  const Scaling scaling(arguments[1].toTensor(), arguments[2].toTensor(), mean, inverse);
  batch_norm::normalize(rows_of(x), x.const_data_ptr<float>(), scaling.affine(kRelu), y.mutable_data_ptr<float>());
  give(stack, kForwardArguments, std::move(y), std::move(mean), std::move(inverse));
}

// -> (pooled, mean, 1/σ, places)
void normalize_and_pool(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kForwardArguments - 1;
  const auto& x = arguments[0].toTensor();
  const auto windows = windows_of(x, arguments[kForwardArguments]);
  auto mean = vector_like(x), inverse = vector_like(x);
  take_statistics(x, arguments, mean, inverse);
  const std::array<int64_t, 4> sizes = {windows.n, windows.channels, windows.out_height, windows.out_width};
  auto y = new_image(sizes), places = new_image(sizes, at::kByte);
  const Scaling scaling(arguments[1].toTensor(), arguments[2].toTensor(), mean, inverse);
  batch_norm::normalize_and_pool(windows, x.const_data_ptr<float>(), scaling.affine(true), y.mutable_data_ptr<float>(), places.mutable_data_ptr<uint8_t>());
  give(stack, kForwardArguments + 1, std::move(y), std::move(mean), std::move(inverse), std::move(places));
}

// From the two sums over the batch to the gradients. S. Ioffe and C. Szegedy, Batch Normalization, 2015, section 3.
struct Gradients {
  Gradients(const at::Tensor& x, const c10::IValue* arguments) : x(x), weight(arguments[2].toTensor()), mean(arguments[5].toTensor()), inverse(arguments[6].toTensor()), sum(static_cast<size_t>(x.size(1))), dot(sum.size()), factors(3 * sum.size()) {}

  batch_norm::Spread spread() {
    const auto channels = sum.size();
    const auto n = static_cast<double>(rows_of(x).count);
    const auto *w = weight.const_data_ptr<float>(), *s = inverse.const_data_ptr<float>();
    auto *of_gradient = factors.data(), *of_x = of_gradient + channels, *constant = of_x + channels;
    for (size_t c = 0; c < channels; c++) {
      const double scale = static_cast<double>(s[c]) * w[c];
      of_gradient[c] = static_cast<float>(scale);
      of_x[c] = static_cast<float>(-scale * dot[c] * s[c] * s[c] / n);
      constant[c] = static_cast<float>(-scale * sum[c] / n);
    }
    return {mean.const_data_ptr<float>(), of_gradient, of_x, constant};
  }
  at::Tensor of_weight() const {
    auto result = vector_like(x);
    for (size_t c = 0; c < sum.size(); c++) result.mutable_data_ptr<float>()[c] = static_cast<float>(dot[c] * inverse.const_data_ptr<float>()[c]);
    return result;
  }
  at::Tensor of_bias() const {
    auto result = vector_like(x);
    std::copy(sum.begin(), sum.end(), result.mutable_data_ptr<float>());
    return result;
  }

  const at::Tensor &x, &weight, &mean, &inverse;
  OfChannels<double> sum, dot;
  c10::SmallVector<float, 192> factors;
};

void give_gradients(torch::jit::Stack& stack, size_t arguments, at::Tensor dx, const Gradients& gradients) {
  const auto wanted = (stack.end() - static_cast<std::ptrdiff_t>(arguments) + 9)->toBoolList();
  auto of_weight = wanted[1] ? gradients.of_weight() : at::Tensor(), of_bias = wanted[2] ? gradients.of_bias() : at::Tensor();
  give(stack, arguments, std::move(dx), std::move(of_weight), std::move(of_bias));
}

template <bool kRelu>
void differentiate(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  constexpr auto count = kBackwardArguments + (kRelu ? 1 : 0);
  const auto* arguments = stack.data() + stack.size() - count;
  const auto& x = arguments[1].toTensor();
  const auto dy = with_channels_last(arguments[0].toTensor());
  const auto rows = rows_of(x);
  Gradients gradients(x, arguments);
  const Scaling scaling(gradients.weight, kRelu ? arguments[kBackwardArguments].toTensor() : at::Tensor(), gradients.mean, gradients.inverse);
  const auto affine = scaling.affine(kRelu);
  const auto *from = x.const_data_ptr<float>(), *from_y = dy->const_data_ptr<float>();
  batch_norm::gradient_sums(rows, from, from_y, affine, gradients.sum.data(), gradients.dot.data());
  at::Tensor dx;
  if (arguments[9].toBoolList()[0]) {
    dx = image_like(x);
    batch_norm::spread_gradient(rows, from, from_y, affine, gradients.spread(), dx.mutable_data_ptr<float>());
  }
  give_gradients(stack, count, std::move(dx), gradients);
}

void differentiate_pooled(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  constexpr auto count = kBackwardArguments + 2;
  const auto* arguments = stack.data() + stack.size() - count;
  const auto &x = arguments[1].toTensor(), &places = arguments[kBackwardArguments].toTensor();
  const auto dy = with_channels_last(arguments[0].toTensor());
  const auto windows = windows_of(x, arguments[kBackwardArguments + 1]);
  Gradients gradients(x, arguments);
  const auto *from = x.const_data_ptr<float>(), *from_y = dy->const_data_ptr<float>();
  const auto* at = places.const_data_ptr<uint8_t>();
  batch_norm::pooled_gradient_sums(windows, from, from_y, at, gradients.mean.const_data_ptr<float>(), gradients.sum.data(), gradients.dot.data());
  at::Tensor dx;
  if (arguments[9].toBoolList()[0]) {
    dx = image_like(x);
    batch_norm::spread_pooled_gradient(windows, from, from_y, at, gradients.spread(), dx.mutable_data_ptr<float>());
  }
  give_gradients(stack, count, std::move(dx), gradients);
}

// Finds the instructions that are to be one.
class Fusion {
 public:
  Fusion(Program& program, const Layouts& layouts) : program_(program), layouts_(layouts), users_(users_of_registers(program)), makers_(program.register_count, kNobody), removed_(program.instructions.size()) {
    for (size_t i = 0; i < program.instructions.size(); i++) {
      for (const auto& output : program.instructions[i].outputs)
        for (const auto reg : output.regs)
          if (reg >= 0) makers_[reg] = i;
    }
  }

  void run() {
    for (size_t i = 0; i < program_.instructions.size(); i++)
      if (is(i, "aten::native_batch_norm")) replace(i);
    size_t i = 0;
    std::erase_if(program_.instructions, [&](const auto&) { return removed_[i++]; });
  }

 private:
  Program::Instruction& at(size_t i) { return program_.instructions[i]; }
  bool is(size_t i, const char* name) { return i < program_.instructions.size() && c10::toString(at(i).op.operator_name()) == name; }
  int32_t result(size_t i, size_t k = 0) { return k < at(i).outputs.size() && !at(i).outputs[k].list && !at(i).outputs[k].regs.empty() ? at(i).outputs[k].regs[0] : Program::kNone; }
  int32_t operand(size_t i, size_t k) { return k < at(i).inputs.size() ? register_of(at(i).inputs[k]) : Program::kNone; }
  size_t maker(int32_t reg) { return reg < 0 ? kNobody : makers_[reg]; }
  bool is_image(int32_t reg) { return reg >= 0 && is_channels_last_image(layouts_[reg]); }
  bool is_new_image(int32_t reg) { return reg >= 0 && is_new_channels_last_image(layouts_[reg]); }
  // A vector of float32 without gaps, for each channel.
  bool is_vector(int32_t reg, int64_t channels) { return reg >= 0 && layouts_[reg].strided && layouts_[reg].dtype == at::kFloat && layouts_[reg].sizes == std::vector{channels} && layouts_[reg].strides == std::vector<int64_t>{1}; }
  bool is_none(size_t i, size_t k) { return is_nothing(at(i).inputs[k]); }
  bool is_true(size_t i, size_t k) { return at(i).inputs[k].kind == Program::Operand::Kind::constant && at(i).inputs[k].constant.isBool() && at(i).inputs[k].constant.toBool(); }
  // Whether nobody but these, each once, reads a register.
  bool only(int32_t reg, std::vector<size_t> users) {
    if (reg < 0) return false;
    auto all = users_[reg];
    std::sort(all.begin(), all.end());
    std::sort(users.begin(), users.end());
    return all == users;
  }

  // Training, on an image that the loops can do.
  bool suits(size_t i) {
    if (at(i).inputs.size() != kForwardArguments || at(i).outputs.size() != 3 || !is_true(i, 5) || !is_image(operand(i, 0)) || !is_new_image(result(i))) return false;
    const auto& sizes = layouts_[operand(i, 0)].sizes;
    const auto channels = sizes[1];
    if (channels == 0 || channels % batch_norm::kLanes != 0 || sizes[0] * sizes[2] * sizes[3] < 2) return false;
    if (!is_vector(operand(i, 1), channels) || !is_vector(operand(i, 2), channels)) return false;
    return (is_none(i, 3) && is_none(i, 4)) || (is_vector(operand(i, 3), channels) && is_vector(operand(i, 4), channels));
  }

  // The backward of a batch norm, or nothing if there is none, or several.
  std::optional<size_t> backward_of(size_t i) {
    const auto mean = result(i, 1);
    if (mean < 0 || users_[mean].size() != 1) return std::nullopt;
    const auto j = users_[mean][0];
    const bool fits = is(j, "aten::native_batch_norm_backward") && at(j).inputs.size() == kBackwardArguments && at(j).outputs.size() == 3 && operand(j, 1) == operand(i, 0) && operand(j, 2) == operand(i, 1) && operand(j, 5) == result(i, 1) && operand(j, 6) == result(i, 2) &&
                      is_true(j, 7) && operand(j, 0) >= 0 && is_float_image(layouts_[operand(j, 0)]) && only(result(i, 2), {j}) && (result(j) < 0 || is_new_image(result(j)));
    return fits ? std::optional(j) : std::nullopt;
  }

  // The backward of a ReLU with this result, if it is what gives a batch norm's backward its gradient.
  std::optional<size_t> relu_backward(size_t j, int32_t relu) {
    const auto reg = operand(j, 0);
    if (!only(reg, {j})) return std::nullopt;
    const auto t = maker(reg);
    const bool fits = is(t, "aten::threshold_backward") && operand(t, 1) == relu && at(t).inputs[2].kind == Program::Operand::Kind::constant && at(t).inputs[2].constant.toScalar().toDouble() == 0 && operand(t, 0) >= 0;
    return fits ? std::optional(t) : std::nullopt;
  }

  // [kernel height, kernel width] of a max pooling with windows side by side.
  std::optional<std::vector<int64_t>> kernel_of(size_t p) {
    const auto ints = [&](size_t k) { return at(p).inputs[k].constant.isIntList() ? at(p).inputs[k].constant.toIntVector() : std::vector<int64_t>(); };
    auto kernel = ints(1), stride = ints(2);
    if (kernel.size() == 1) kernel.push_back(kernel[0]);
    if (stride.empty()) stride = kernel;
    if (stride.size() == 1) stride.push_back(stride[0]);
    const auto all = [&](size_t k, int64_t value) { return std::ranges::all_of(ints(k), [&](int64_t each) { return each == value; }); };
    const bool fits = kernel.size() == 2 && kernel == stride && all(3, 0) && all(4, 1) && !is_true(p, 5) && kernel[0] * kernel[1] < batch_norm::kMaxWindow;
    return fits ? std::optional(kernel) : std::nullopt;
  }

  void replace(size_t i) {
    if (!suits(i)) return;
    const auto backward = backward_of(i);
    if (!backward.has_value()) return;
    const auto j = *backward;
    at(i).kernel = normalize<false>;
    at(i).takes_turn = true;
    at(j).kernel = differentiate<false>;
    const auto y = result(i);
    if (users_[y].size() != 1 || !is(users_[y][0], "aten::relu")) return;
    const auto relu = users_[y][0];
    const auto r = result(relu);
    const auto threshold = r < 0 ? std::nullopt : relu_backward(j, r);
    // The ReLU's backward looks at the bias again: parameters alone do not change meanwhile.
    if (!threshold.has_value() || !is_new_image(r) || operand(i, 2) >= static_cast<int32_t>(program_.parameter_count)) return;
    const auto pooling = pool(i, j, relu, *threshold);
    if (!pooling.has_value()) {
      at(i).outputs[0].regs[0] = r;
      at(i).kernel = normalize<true>;
      at(j).inputs[0] = at(*threshold).inputs[0];
      at(j).inputs.push_back(at(i).inputs[2]);
      at(j).kernel = differentiate<true>;
    }
    removed_[relu] = removed_[*threshold] = true;
    // Where the first of the backward's instructions stood: autograd may add to the gradient that this one read before the last of
    // them comes.
    const auto first = pooling.value_or(*threshold);
    std::swap(at(first), at(j));
    removed_[first] = false;
    removed_[j] = true;
  }

  // With the pooling behind the ReLU; the instruction of the pooling's backward, or nothing if there is none that fits.
  std::optional<size_t> pool(size_t i, size_t j, size_t relu, size_t threshold) {
    const auto r = result(relu), g = operand(threshold, 0);
    const auto from = maker(g);
    if (!only(g, {threshold}) || !is(from, "aten::max_pool2d_with_indices_backward") || operand(from, 1) != r) return std::nullopt;
    const auto p = maker(operand(from, 7));
    if (!is(p, "aten::max_pool2d_with_indices") || operand(p, 0) != r || !only(r, {p, from, threshold}) || !only(result(p, 1), {from}) || !is_new_image(result(p))) return std::nullopt;
    const auto kernel = kernel_of(p);
    if (!kernel.has_value() || operand(from, 0) < 0) return std::nullopt;
    Program::Operand size, places;
    size.constant = *kernel;
    places.kind = Program::Operand::Kind::reg;
    places.reg = result(p, 1);
    at(i).inputs.push_back(size);
    at(i).outputs[0].regs[0] = result(p);
    at(i).outputs.push_back(at(p).outputs[1]);
    at(i).kernel = normalize_and_pool;
    at(j).inputs[0] = at(from).inputs[0];
    at(j).inputs.push_back(places);
    at(j).inputs.push_back(size);
    at(j).kernel = differentiate_pooled;
    removed_[p] = true;
    return from;
  }

  Program& program_;
  const Layouts& layouts_;
  const std::vector<std::vector<size_t>> users_;  // by register
  std::vector<size_t> makers_;
  std::vector<uint8_t> removed_;
};

}  // namespace

void replace_batch_norms(Program& program, const Layouts& layouts) {
  if (program.backward_obstacle.empty()) Fusion(program, layouts).run();
}

}  // namespace steppe
