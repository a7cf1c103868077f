#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

namespace steppe::data {

// Rows of a data set's tensors: images [N, C, H, W] first, then labels, then whatever else the set has.
using Batch = std::vector<at::Tensor>;
using Random = std::optional<at::Generator>;
using Numbers = std::vector<double>;

// A transform as lib/data/transforms.ts describes it: its name, and its options as numbers in the order of the comment at the
// function that reads them. Options were checked there; what depends on the batch is checked here.
struct Transform {
  std::string name;
  Numbers numbers;
};

// Changes the batch. Draws from `random` alone, with LibTorch's own functions: the same numbers on any thread. Grad mode is off.
void apply(const Transform& transform, Batch& batch, const Random& random);

// The images of a batch, checked.
const at::Tensor& images_of(const Batch& batch, const char* name);
// Counts 0, 1, … n−1 where the images are, in a shape to compare positions along one dimension with.
at::Tensor positions(int64_t n, at::IntArrayRef shape, const at::Tensor& images);
// One number per sample, drawn evenly from `from` to `to`: float64 [N, 1, 1, 1], where the images are.
at::Tensor uniform(double from, double to, const at::Tensor& images, const Random& random);

void normalize(Batch& batch, const Numbers& numbers, const Random& random);
void to_float(Batch& batch, const Numbers& numbers, const Random& random);
void channels_first(Batch& batch, const Numbers& numbers, const Random& random);
void horizontal_flip(Batch& batch, const Numbers& numbers, const Random& random);
void crop(Batch& batch, const Numbers& numbers, const Random& random);
void cutout(Batch& batch, const Numbers& numbers, const Random& random);
void erase(Batch& batch, const Numbers& numbers, const Random& random);
void mixup(Batch& batch, const Numbers& numbers, const Random& random);
void cutmix(Batch& batch, const Numbers& numbers, const Random& random);
void resize(Batch& batch, const Numbers& numbers, const Random& random);
void augment(Batch& batch, const Numbers& numbers, const Random& random);
void rand_augment(Batch& batch, const Numbers& numbers, const Random& random);

}  // namespace steppe::data
