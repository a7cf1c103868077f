#include "transforms.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_map>

#include "../errors.h"

namespace steppe::data {
namespace {

using Function = void (*)(Batch&, const Numbers&, const Random&);

const std::unordered_map<std::string, Function> functions = {
    {"normalize", normalize}, {"toFloat", to_float}, {"randomHorizontalFlip", horizontal_flip}, {"randomCrop", crop},
    {"cutout", cutout},       {"randomErasing", erase}, {"mixup", mixup}, {"cutmix", cutmix},
    {"resize", resize},       {"augment", augment}, {"randAugment", rand_augment}, {"channelsFirst", channels_first},
};

std::string shape_text(const at::Tensor& tensor) {
  std::string text = "a tensor of shape [";
  for (int64_t i = 0; i < tensor.dim(); i++) text += (i > 0 ? ", " : "") + std::to_string(tensor.size(i));
  return text + "]";
}

at::TensorOptions integers() { return at::TensorOptions(at::kLong); }

// out[y, x] = image[top + y, left + x] of each plane, zero outside: rows are moved as bytes.
void copy_window(const char* image, char* out, int64_t planes, int64_t height, int64_t width, int64_t h, int64_t w, int64_t top, int64_t left, size_t size) {
  const int64_t y0 = std::max<int64_t>(0, -top), y1 = std::min(h, height - top);
  const int64_t x0 = std::max<int64_t>(0, -left), x1 = std::min(w, width - left);
  if (x1 <= x0) return;
  for (int64_t plane = 0; plane < planes; plane++)
    for (int64_t y = y0; y < y1; y++)
      std::memcpy(out + ((plane * h + y) * w + x0) * size, image + ((plane * height + top + y) * width + left + x0) * size, (x1 - x0) * size);
}

}  // namespace

void apply(const Transform& transform, Batch& batch, const Random& random) {
  const auto found = functions.find(transform.name);
  if (found == functions.end()) fail(Code::internal, "There is no transform " + transform.name + ".");
  images_of(batch, transform.name.c_str());
  found->second(batch, transform.numbers, random);
}

const at::Tensor& images_of(const Batch& batch, const char* name) {
  const std::string what = std::string("the batch of ") + name;
  if (batch.empty() || !batch[0].defined()) fail_expected("images of shape [N, C, H, W]", what, "nothing");
  if (batch[0].dim() != 4) fail_expected("images of shape [N, C, H, W]", what, shape_text(batch[0]));
  return batch[0];
}

at::Tensor positions(int64_t n, at::IntArrayRef shape, const at::Tensor& images) {
  return at::arange(n, integers().device(images.device())).reshape(shape);
}

at::Tensor uniform(double from, double to, const at::Tensor& images, const Random& random) {
  return at::rand({images.size(0)}, random, at::TensorOptions(at::kDouble)).mul_(to - from).add_(from).reshape({-1, 1, 1, 1}).to(images.device());
}

// mean of each channel, then std of each
void normalize(Batch& batch, const Numbers& numbers, const Random&) {
  auto& images = batch[0];
  const auto channels = static_cast<int64_t>(numbers.size() / 2);
  if (images.size(1) != channels) fail_expected(std::to_string(channels) + " channels", "the batch of normalize", std::to_string(images.size(1)));
  if (!images.is_floating_point()) fail_expected("floating-point images", "the batch of normalize", c10::toString(images.scalar_type()) + std::string(": put toFloat() before it"));
  const auto values = at::tensor(numbers, at::TensorOptions(at::kDouble)).to(images.options()).reshape({2, 1, channels, 1, 1});
  images = images.sub(values[0]).div_(values[1]);
}

// From bytes, 0 to 255, to 0 to 1; what is a float stays.
void to_float(Batch& batch, const Numbers&, const Random&) {
  auto& images = batch[0];
  if (images.is_floating_point()) return;
  if (images.scalar_type() != at::kByte) fail_expected("images of uint8 or a float dtype", "the batch of toFloat", c10::toString(images.scalar_type()));
  images = images.to(at::kFloat).div_(255);
}

// From pixels [N, H, W, C], as decoders give them.
void channels_first(Batch& batch, const Numbers&, const Random&) { batch[0] = batch[0].permute({0, 3, 1, 2}).contiguous(); }

// probability
void horizontal_flip(Batch& batch, const Numbers& numbers, const Random& random) {
  auto& images = batch[0];
  const auto flips = at::rand({images.size(0)}, random, at::TensorOptions()).lt(numbers[0]).reshape({-1, 1, 1, 1}).to(images.device());
  images = at::where(flips, images.flip({3}), images);
}

// padding, height, width; 0 stands for the image's own
void crop(Batch& batch, const Numbers& numbers, const Random& random) {
  auto& images = batch[0];
  const int64_t n = images.size(0), channels = images.size(1), height = images.size(2), width = images.size(3);
  const auto padding = static_cast<int64_t>(numbers[0]);
  const int64_t h = numbers[1] == 0 ? height : static_cast<int64_t>(numbers[1]), w = numbers[2] == 0 ? width : static_cast<int64_t>(numbers[2]);
  const int64_t down = height + 2 * padding - h, right = width + 2 * padding - w;
  if (down < 0 || right < 0) {
    fail_expected("at most " + std::to_string(height + 2 * padding) + " by " + std::to_string(width + 2 * padding), "size", std::to_string(h) + " by " + std::to_string(w));
  }
  const auto tops = at::randint(0, down + 1, {n, 1}, random, integers());
  const auto lefts = at::randint(0, right + 1, {n, 1}, random, integers());
  if (images.device().is_cpu()) {
    const auto source = images.contiguous();
    auto result = at::zeros({n, channels, h, w}, images.options());
    const auto size = static_cast<int64_t>(images.element_size());
    const auto* from = static_cast<const char*>(source.const_data_ptr());
    auto* to = static_cast<char*>(result.mutable_data_ptr());
    for (int64_t i = 0; i < n; i++) {
      const int64_t top = tops.const_data_ptr<int64_t>()[i] - padding, left = lefts.const_data_ptr<int64_t>()[i] - padding;
      copy_window(from + i * channels * height * width * size, to + i * channels * h * w * size, channels, height, width, h, w, top, left, size);
    }
    images = result;
    return;
  }
  const auto padded = at::constant_pad_nd(images, {padding, padding, padding, padding});
  const auto rows = tops.to(images.device()).add(positions(h, {h}, images)).reshape({n, 1, h, 1});
  const auto columns = lefts.to(images.device()).add(positions(w, {w}, images)).reshape({n, 1, 1, w});
  images = padded.gather(2, rows.expand({n, channels, h, padded.size(3)})).gather(3, columns.expand({n, channels, h, w}));
}

// side of the square
void cutout(Batch& batch, const Numbers& numbers, const Random& random) {
  auto& images = batch[0];
  const auto size = static_cast<int64_t>(numbers[0]);
  const auto start = [&](int64_t length) { return at::randint(0, length, {images.size(0)}, random, integers()).reshape({-1, 1, 1, 1}).to(images.device()).sub(size / 2); };
  const auto top = start(images.size(2)), left = start(images.size(3));
  const auto inside = [&](const at::Tensor& at, const at::Tensor& from) { return at.ge(from).logical_and_(at.lt(from.add(size))); };
  const auto rows = inside(positions(images.size(2), {1, 1, -1, 1}, images), top), columns = inside(positions(images.size(3), {1, 1, 1, -1}, images), left);
  images = images.masked_fill(rows.logical_and(columns), 0);
}

// probability, scale from and to, ratio from and to, value
void erase(Batch& batch, const Numbers& numbers, const Random& random) {
  auto& images = batch[0];
  const int64_t height = images.size(2), width = images.size(3);
  const auto draw = [&](double from, double to) { return uniform(from, to, images, random); };
  const auto area = draw(numbers[1], numbers[2]).mul_(height * width);
  const auto shape = draw(std::log(numbers[3]), std::log(numbers[4])).exp_();
  const auto h = area.mul(shape).sqrt_().round_().clamp_(1, height), w = area.div(shape).sqrt_().round_().clamp_(1, width);
  const auto top = draw(0, 1).mul_(h.neg().add_(height + 1)).floor_(), left = draw(0, 1).mul_(w.neg().add_(width + 1)).floor_();
  const auto erases = draw(0, 1).lt(numbers[0]);
  const auto rows = positions(height, {1, 1, -1, 1}, images), columns = positions(width, {1, 1, 1, -1}, images);
  const auto inside = rows.ge(top).logical_and_(rows.lt(top.add(h))).logical_and(columns.ge(left).logical_and_(columns.lt(left.add(w))));
  images = images.masked_fill(inside.logical_and_(erases), numbers[5]);
}

}  // namespace steppe::data
