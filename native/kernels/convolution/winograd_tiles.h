#pragma once

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "../../step_tensors.h"
#include "../loops/parallel.h"
#include "../loops/prefetch.h"
#include "../loops/row_product.h"
#include "../loops/scratch.h"
#include "winograd.h"
#include "winograd_loops.h"

// What winograd.cc and winograd_gradient.cc share: memory, threads, and where tiles lie.
namespace steppe::winograd {

constexpr int64_t kSmallWeight = 64 * 64;  // channels × channels out, of which each thread may have something for itself
using row_product::kPanel;  // channels
constexpr int64_t kGap = kLanes;  // between the 16 planes of a transform: else they'd fall on the same lines of a cache

class Memory {
 public:
  explicit Memory(int64_t floats) : tensor_(new_tensor({floats})), next_(tensor_.mutable_data_ptr<float>()) {}
  float* take(int64_t floats) { return std::exchange(next_, next_ + floats); }
  float* rest() { return next_; }

 private:
  at::Tensor tensor_;
  float* next_;
};

// Calls body(part, begin, end) for parts of [0, count), each on a thread of its own.
template <class Body>
void in_parts(int64_t count, int64_t parts, const Body& body) {
  parallel_for(0, parts, 1, [&](int64_t first, int64_t last) {
    for (int64_t part = first; part < last; part++) body(part, count * part / parts, count * (part + 1) / parts);
  });
}

// Where the tiles of an image lie.
class Tiles {
 public:
  explicit Tiles(const Shape& shape)
      : s_(shape), down_((shape.out_height() + 1) / 2), across_((shape.out_width() + 1) / 2), zeros_(static_cast<size_t>(std::max(shape.channels, shape.out))) {}
  const float* zeros() const { return zeros_.data(); }

  // Zeros beyond the image.
  TilePlaces input(const float* x, int64_t tile) const {
    TilePlaces places;
    const auto [image, below, right] = at(tile);
    const auto top = below - s_.top, left = right - s_.left;
    const auto first = (image * s_.height + top) * s_.width + left;
    const auto inside = [](int64_t place, int64_t size) { return place >= 0 && place < size; };
    bool columns[4];
    for (int64_t j = 0; j < 4; j++) columns[j] = inside(left + j, s_.width);
    for (int64_t i = 0; i < 4; i++) {
      const bool row = inside(top + i, s_.height);
      for (int64_t j = 0; j < 4; j++) places[i * 4 + j] = row && columns[j] ? x + (first + i * s_.width + j) * s_.channels : zeros_.data();
    }
    return places;
  }
  // Null, or zeros, beyond the image.
  template <class T>
  std::array<T*, kPatch> output(T* y, int64_t tile, T* outside) const {
    std::array<T*, kPatch> places;
    const auto [image, top, left] = at(tile);
    const auto height = s_.out_height(), width = s_.out_width();
    const auto first = (image * height + top) * width + left;
    for (int64_t i = 0; i < 2; i++)
      for (int64_t j = 0; j < 2; j++) places[i * 2 + j] = top + i < height && left + j < width ? y + (first + i * width + j) * s_.out : outside;
    return places;
  }

 private:
  struct At {
    int64_t image, top, left;  // of the output
  };
  At at(int64_t tile) const {
    const auto line = tile / across_, image = line / down_;
    return {image, (line - image * down_) * 2, (tile - line * across_) * 2};
  }

  const Shape& s_;
  int64_t down_, across_;
  std::vector<float> zeros_;
};

// Some rows at a time, between which memory is brought near.
constexpr int64_t kRowsBetween = 24;
constexpr int64_t shares_of(int64_t rows) { return kTile * ((rows + kRowsBetween - 1) / kRowsBetween); }  // in the 16 products of a block

template <Access kAccess>
void multiply(Prefetch<kAccess>& ahead, int64_t rows, int64_t in, int64_t out, row_product::Strided x, row_product::Rows<const float> w, row_product::Rows<float> y, bool adds) {
  for (int64_t i = 0; i < rows; i += kRowsBetween) {
    ahead.next_share();
    row_product::multiply(std::min(kRowsBetween, rows - i), in, out, {x.data + i * x.row, x.row, x.column}, w, {y.data + i * y.step, y.step}, adds);
  }
}

}  // namespace steppe::winograd
