#include <ATen/ops/_standard_gamma.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/full.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randperm.h>

#include <algorithm>
#include <cmath>

#include "../errors.h"
#include "transforms.h"

namespace steppe::data {
namespace {

// A number from Beta(alpha, alpha), from two draws of Gamma.
double beta(double alpha, const Random& random) {
  const auto draws = at::_standard_gamma(at::full({2}, alpha, at::TensorOptions(at::kDouble)), random);
  const double a = draws[0].item<double>(), b = draws[1].item<double>();
  return a + b == 0 ? 0.5 : a / (a + b);
}

// Labels as probabilities [N, classes].
at::Tensor probabilities(const Batch& batch, int64_t classes, const char* name) {
  const std::string what = std::string("the batch of ") + name;
  if (batch.size() < 2 || !batch[1].defined()) fail_expected("images and labels", what, "images alone");
  const auto& labels = batch[1];
  if (labels.dim() < 1 || labels.size(0) != batch[0].size(0)) fail_expected("as many labels as images", what, std::to_string(labels.dim() < 1 ? 1 : labels.size(0)) + " and " + std::to_string(batch[0].size(0)));
  const std::string count = std::to_string(classes);
  if (labels.dim() == 2 && labels.is_floating_point()) {
    if (labels.size(1) != classes) fail_expected("probabilities of " + count + " classes", what, std::to_string(labels.size(1)));
    return labels;
  }
  if (labels.dim() != 1 || labels.scalar_type() != at::kLong) fail_expected("int64 labels [N] or probabilities [N, " + count + "]", what, std::string(at::toString(labels.scalar_type())) + " of " + std::to_string(labels.dim()) + " dimensions");
  if (labels.numel() > 0) {
    const auto [least, most] = at::aminmax(labels);
    for (const auto label : {least.item<int64_t>(), most.item<int64_t>()}) {
      if (label < 0 || label >= classes) fail_expected("labels from 0 to " + std::to_string(classes - 1), what, std::to_string(label));
    }
  }
  return at::one_hot(labels, classes).to(at::kFloat);
}

at::Tensor order_of(const at::Tensor& images, const Random& random) {
  return at::randperm(images.size(0), random, at::TensorOptions(at::kLong)).to(images.device());
}

at::Tensor mixed(const at::Tensor& truth, const at::Tensor& order, double lambda) { return truth.mul(lambda).add_(truth.index_select(0, order), 1 - lambda); }

}  // namespace

// alpha, classes: arXiv 1710.09412
void mixup(Batch& batch, const Numbers& numbers, const Random& random) {
  const auto truth = probabilities(batch, static_cast<int64_t>(numbers[1]), "mixup");
  const auto order = order_of(batch[0], random);
  const double lambda = beta(numbers[0], random);
  batch[0] = batch[0].mul(lambda).add_(batch[0].index_select(0, order), 1 - lambda);
  batch[1] = mixed(truth, order, lambda);
}

// alpha, classes: arXiv 1905.04899
void cutmix(Batch& batch, const Numbers& numbers, const Random& random) {
  const auto truth = probabilities(batch, static_cast<int64_t>(numbers[1]), "cutmix");
  const auto& images = batch[0];
  const auto order = order_of(images, random);
  const double side = std::sqrt(1 - beta(numbers[0], random));
  const auto centre = at::rand({2}, random, at::TensorOptions(at::kDouble));
  const auto span = [&](int64_t i, int64_t length) {
    const double middle = std::floor(centre[i].item<double>() * length), half = std::floor(side * length / 2);
    return std::pair(static_cast<int64_t>(std::max(0.0, middle - half)), static_cast<int64_t>(std::min<double>(length, middle + half)));
  };
  const auto [top, bottom] = span(0, images.size(2));
  const auto [left, right] = span(1, images.size(3));
  const int64_t h = bottom - top, w = right - left;
  auto result = images.clone();
  if (h > 0 && w > 0) result.narrow(2, top, h).narrow(3, left, w).copy_(images.narrow(2, top, h).narrow(3, left, w).index_select(0, order));
  const double lambda = 1 - static_cast<double>(std::max<int64_t>(0, h) * std::max<int64_t>(0, w)) / static_cast<double>(images.size(2) * images.size(3));
  batch[0] = result;
  batch[1] = mixed(truth, order, lambda);
}

}  // namespace steppe::data
