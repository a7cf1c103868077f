#include "winograd.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "parallel.h"
#include "row_product.h"
#include "winograd_loops.h"

namespace steppe::winograd {
namespace {

using row_product::Rows;

constexpr int64_t kPanel = 64;         // channels whose sums stand in registers at a time
constexpr int64_t kRows = 32;          // of a block of a weight's gradient: with a panel's columns it stays in the second cache
constexpr int64_t kDepth = 64;         // of a weight's rows, transformed at a time
constexpr int64_t kFewTiles = 256;     // fewer: each weight is used so seldom that it is transformed where it is used
constexpr int64_t kTilesOfPart = 48;   // tiles that stay in the second cache
constexpr int64_t kGradientFloats = 1 << 20;  // of both sides, between two sums of a weight's gradient
constexpr int64_t kLeastGradientTiles = 128;
constexpr int64_t kGap = kLanes;       // between the 16 planes of a transform: else they'd fall on the same lines of a cache

class Memory {
 public:
  explicit Memory(int64_t floats) : tensor_(at::empty({floats}, at::TensorOptions().dtype(at::kFloat))), next_(tensor_.mutable_data_ptr<float>()) {}
  float* take(int64_t floats) { return std::exchange(next_, next_ + floats); }
  float* rest() { return next_; }

 private:
  at::Tensor tensor_;
  float* next_;
};

int64_t parts_of(int64_t units) { return std::max<int64_t>(1, at::in_parallel_region() ? 1 : std::min<int64_t>(at::get_num_threads(), units)); }

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

// What the weight is to the products: [16, channels, out].
class Weight {
 public:
  Weight(const Shape& shape, const float* w, bool turned) : s_(shape), w_(w), turned_(turned) {}
  // Of some rows and columns; `lines`: memory for kWindow × depth × width.
  void transform(int64_t k, int64_t depth, int64_t column, int64_t width, float* lines, float* to, int64_t step) const {
    if (turned_) return transform_weight(depth, width, {w_ + (k * kWindow + kWindow - 1) * s_.out + column, -s_.out, kWindow * s_.out}, to, step, width);
    for (int64_t i = 0; i < kWindow; i++)
      row_product::transpose(width, depth, {w_ + (column * kWindow + i) * s_.channels + k, kWindow * s_.channels}, {lines + i * width, kWindow * width});
    transform_weight(depth, width, {lines, width, kWindow * width}, to, step, width);
  }

 private:
  const Shape& s_;
  const float* w_;
  bool turned_;
};

// Few tiles: the threads share the channels of the output, and each weight is transformed where it is used, once.
void convolve_few(const Shape& s, const float* x, const Weight& weight, const float* bias, float* y) {
  const Tiles tiles(s);
  const auto count = s.tiles(), panels = (s.out + kPanel - 1) / kPanel, parts = parts_of(panels);
  const auto plane = count * s.channels + kGap, weight_plane = kDepth * kPanel + kGap, sum_plane = count * kPanel + kGap;
  Memory memory(kTile * plane + parts * (kWindow * kDepth * kPanel + kTile * (weight_plane + sum_plane)));
  auto* v = memory.take(kTile * plane);
  auto* of_parts = memory.rest();
  in_parts(count, parts_of(count), [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; tile++) transform_tile(s.channels, tiles.input(x, tile), v + tile * s.channels, plane);
  });
  in_parts(panels, parts, [&](int64_t part, int64_t begin, int64_t end) {
    auto* lines = of_parts + part * (kWindow * kDepth * kPanel + kTile * (weight_plane + sum_plane));
    auto* u = lines + kWindow * kDepth * kPanel;
    auto* m = u + kTile * weight_plane;
    for (int64_t column = begin * kPanel; column < std::min(end * kPanel, s.out); column += kPanel) {
      const auto width = std::min(kPanel, s.out - column);
      for (int64_t k = 0; k < s.channels; k += kDepth) {
        const auto depth = std::min(kDepth, s.channels - k);
        weight.transform(k, depth, column, width, lines, u, weight_plane);
        for (int64_t p = 0; p < kTile; p++)
          row_product::multiply(count, depth, width, {v + p * plane + k, s.channels}, {u + p * weight_plane, width}, {m + p * sum_plane, width}, k > 0);
      }
      for (int64_t tile = 0; tile < count; tile++)
        transform_output(width, m + tile * width, sum_plane, bias == nullptr ? nullptr : bias + column, tiles.output<float>(y + column, tile, nullptr));
    }
  });
}

// Many tiles: the threads share them, a few at a time go all the way.
void convolve_many(const Shape& s, const float* x, const Weight& weight, const float* bias, float* y) {
  const Tiles tiles(s);
  const auto count = s.tiles(), panels = (s.out + kPanel - 1) / kPanel, parts = parts_of((count + kTilesOfPart - 1) / kTilesOfPart);
  const auto weight_plane = s.channels * kPanel + kGap, plane = kTilesOfPart * s.channels + kGap, sum_plane = kTilesOfPart * kPanel + kGap;
  const auto blocks = panels * ((s.channels + kDepth - 1) / kDepth), transforms = parts_of(blocks);
  const auto of_part = std::max(kTile * (plane + sum_plane), kWindow * kDepth * kPanel);
  Memory memory(panels * kTile * weight_plane + std::max(parts, transforms) * of_part);
  auto* u = memory.take(panels * kTile * weight_plane);
  auto* of_parts = memory.rest();
  in_parts(blocks, transforms, [&](int64_t part, int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; block++) {
      const auto panel = block % panels, column = panel * kPanel, k = block / panels * kDepth, width = std::min(kPanel, s.out - column);
      weight.transform(k, std::min(kDepth, s.channels - k), column, width, of_parts + part * of_part, u + panel * kTile * weight_plane + k * width, weight_plane);
    }
  });
  in_parts(count, parts, [&](int64_t part, int64_t begin, int64_t end) {
    auto* v = of_parts + part * of_part;
    auto* m = v + kTile * plane;
    for (int64_t first = begin; first < end; first += kTilesOfPart) {
      const auto some = std::min(kTilesOfPart, end - first);
      for (int64_t i = 0; i < some; i++) transform_tile(s.channels, tiles.input(x, first + i), v + i * s.channels, plane);
      for (int64_t panel = 0; panel < panels; panel++) {
        const auto column = panel * kPanel, width = std::min(kPanel, s.out - column);
        for (int64_t p = 0; p < kTile; p++)
          row_product::multiply(some, s.channels, width, {v + p * plane, s.channels}, {u + (panel * kTile + p) * weight_plane, width}, {m + p * sum_plane, width}, false);
        for (int64_t i = 0; i < some; i++)
          transform_output(width, m + i * width, sum_plane, bias == nullptr ? nullptr : bias + column, tiles.output<float>(y + column, first + i, nullptr));
      }
    }
  });
}

// The two sides of a weight's gradient, in panels of channels that each are [tiles, channels of the panel].
class TransformedSides {
 public:
  explicit TransformedSides(const Shape& shape)
      : s_(shape), tiles_(shape), at_once_(std::min(shape.tiles(), std::max(kLeastGradientTiles, kGradientFloats / (kTile * (shape.channels + shape.out))))),
        x_plane_(at_once_ * shape.channels + kGap), y_plane_(at_once_ * shape.out + kGap), memory_(kTile * (x_plane_ + y_plane_)), x_(memory_.take(kTile * x_plane_)), y_(memory_.rest()) {}

  int64_t at_once() const { return at_once_; }
  // From tile `first` on, so many as there are at once.
  void transform(const float* x, const float* dy, int64_t first) {
    now_ = std::min(at_once_, s_.tiles() - first);
    in_parts(now_, parts_of(now_), [&](int64_t, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        each_panel(s_.channels, tiles_.input(x, first + i), [&](const TilePlaces& tile, int64_t column, int64_t width) { transform_tile(width, tile, x_ + column * at_once_ + i * width, x_plane_); });
        each_panel(s_.out, tiles_.output<const float>(dy, first + i, tiles_.zeros()),
                   [&](const ConstPatchPlaces& patch, int64_t column, int64_t width) { transform_output_gradient(width, patch, y_ + column * at_once_ + i * width, y_plane_); });
      }
    });
  }
  // The sums for kRows channels of the output from `row` on, and a panel of the input's from `column` on.
  void multiply(int64_t row, int64_t column, row_product::Rows<float> to, int64_t step, bool adds) const {
    const auto width = std::min(kPanel, s_.channels - column), panel = row / kPanel * kPanel, y_width = std::min(kPanel, s_.out - panel);
    for (int64_t p = 0; p < kTile; p++)
      row_product::multiply(std::min(kRows, s_.out - row), now_, width, {y_ + p * y_plane_ + panel * at_once_ + row - panel, 1, y_width},
                                       {x_ + p * x_plane_ + column * at_once_, width}, {to.data + p * step, to.step}, adds);
  }

 private:
  template <class Places, class Use>
  static void each_panel(int64_t channels, Places places, const Use& use) {
    for (int64_t column = 0; column < channels; column += kPanel) {
      const auto width = std::min(kPanel, channels - column);
      use(places, column, width);
      for (auto& place : places) place += width;
    }
  }

  const Shape& s_;
  Tiles tiles_;
  int64_t at_once_, now_ = 0, x_plane_, y_plane_;
  Memory memory_;
  float *x_, *y_;
};

}  // namespace

void convolve(const Shape& shape, const float* x, const float* w, bool turned, const float* bias, float* y) {
  const Weight weight(shape, w, turned);
  if (shape.tiles() <= kFewTiles && shape.out > kPanel) return convolve_few(shape, x, weight, bias, y);
  convolve_many(shape, x, weight, bias, y);
}

void weight_gradient(const Shape& s, const float* x, const float* dy, float* dw) {
  TransformedSides sides(s);
  const auto blocks = (s.out + kRows - 1) / kRows, panels = (s.channels + kPanel - 1) / kPanel;
  const auto each_block = [&](const auto& use) {
    in_parts(blocks * panels, parts_of(blocks * panels), [&](int64_t part, int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; block++) use(part, block / panels * kRows, block % panels * kPanel);
    });
  };
  const auto to_window = [&](int64_t row, int64_t column, const float* u, int64_t step, int64_t row_step) {
    for (int64_t i = row; i < std::min(row + kRows, s.out); i++, u += row_step)
      transform_weight_gradient(std::min(kPanel, s.channels - column), u, step, dw + i * kWindow * s.channels + column, s.channels);
  };
  if (sides.at_once() == s.tiles()) {  // a block of the sums is complete before it leaves the cache
    const auto sum_plane = kRows * kPanel + kGap;
    Memory memory(parts_of(blocks * panels) * kTile * sum_plane);
    auto* of_parts = memory.rest();
    sides.transform(x, dy, 0);
    return each_block([&](int64_t part, int64_t row, int64_t column) {
      auto* u = of_parts + part * kTile * sum_plane;
      sides.multiply(row, column, {u, kPanel}, sum_plane, false);
      to_window(row, column, u, sum_plane, kPanel);
    });
  }
  const auto sum_plane = s.out * s.channels + kGap;
  Memory memory(kTile * sum_plane);
  auto* u = memory.rest();
  for (int64_t first = 0; first < s.tiles(); first += sides.at_once()) {
    sides.transform(x, dy, first);
    each_block([&](int64_t, int64_t row, int64_t column) { sides.multiply(row, column, {u + row * s.channels + column, s.channels}, sum_plane, first > 0); });
  }
  each_block([&](int64_t, int64_t row, int64_t column) { to_window(row, column, u + row * s.channels + column, sum_plane, s.channels); });
}

}  // namespace steppe::winograd
