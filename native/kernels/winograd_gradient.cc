#include "winograd.h"
#include "winograd_tiles.h"

// The gradient of a weight: the transpose of the algorithm, with tiles in the place of channels.
namespace steppe::winograd {
namespace {

constexpr int64_t kRows = 32;                 // of a block of the sums: with a panel's columns it stays in the second cache
constexpr int64_t kGradientFloats = 1 << 20;  // of both sides, between two sums
constexpr int64_t kLeastGradientTiles = 128;

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
  // The sums for kRows channels of the output from `row` on, and a panel of the input's from `column` on; with shares_of(kRows) of `ahead`.
  void multiply(int64_t row, int64_t column, row_product::Rows<float> to, int64_t step, bool adds, Prefetch<Access::write> ahead = {}) const {
    const auto width = std::min(kPanel, s_.channels - column), panel = row / kPanel * kPanel, y_width = std::min(kPanel, s_.out - panel);
    for (int64_t p = 0; p < kTile; p++)
      winograd::multiply(ahead, std::min(kRows, s_.out - row), now_, width, {y_ + p * y_plane_ + panel * at_once_ + row - panel, 1, y_width},
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
      const auto rows = std::min(kRows, s.out - row);
      sides.multiply(row, column, {u, kPanel}, sum_plane, false, {dw + row * kWindow * s.channels + column, rows * kWindow, std::min(kPanel, s.channels - column), s.channels, shares_of(rows)});
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
