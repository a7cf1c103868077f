#include "winograd.h"
#include "winograd_tiles.h"

// The gradient of a weight: the transpose of the algorithm, with tiles in the place of channels.
namespace steppe::winograd {
namespace {

constexpr int64_t kRows = 32;  // of a block of the sums: with a panel's columns it stays in the second cache
// Tiles that are transformed at once, by floats of both sides: of all threads together, which share the channels; of one thread, for sums
// of its own.
constexpr int64_t kSharedFloats = 1 << 20, kOwnFloats = 1 << 17;
constexpr int64_t kLeastSharedTiles = 128;
constexpr int64_t kMostSums = 8;

int64_t tiles_at_once(const Shape& s, int64_t floats) { return floats / (kTile * (s.channels + s.out)); }

// The two sides of a weight's gradient, in panels of channels that each are [tiles, channels of the panel].
class Sides {
 public:
  Sides(const Shape& shape, const Tiles& tiles, int64_t most, float* memory)
      : s_(shape), tiles_(tiles), most_(most), x_plane_(most * shape.channels + kGap), y_plane_(most * shape.out + kGap), x_(memory), y_(memory + kTile * x_plane_) {}
  static int64_t floats(const Shape& s, int64_t most) { return kTile * (most * (s.channels + s.out) + 2 * kGap); }

  // `count` tiles from `first` on; of these [begin, end) in this call.
  void transform(const float* x, const float* dy, int64_t first, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      each_panel(s_.channels, tiles_.input(x, first + i), [&](const TilePlaces& tile, int64_t column, int64_t width) { transform_tile(width, tile, x_ + column * most_ + i * width, x_plane_); });
      each_panel(s_.out, tiles_.output<const float>(dy, first + i, tiles_.zeros()),
                 [&](const ConstPatchPlaces& patch, int64_t column, int64_t width) { transform_output_gradient(width, patch, y_ + column * most_ + i * width, y_plane_); });
    }
  }
  // The sums over `count` tiles for kRows channels of the output from `row` on, and a panel of the input's from `column` on; with
  // shares_of(kRows) of `ahead`.
  void multiply(int64_t count, int64_t row, int64_t column, row_product::Rows<float> to, int64_t step, bool adds, Prefetch<Access::write> ahead = {}) const {
    const auto width = std::min(kPanel, s_.channels - column), panel = row / kPanel * kPanel, y_width = std::min(kPanel, s_.out - panel);
    for (int64_t p = 0; p < kTile; p++)
      winograd::multiply(ahead, std::min(kRows, s_.out - row), count, width, {y_ + p * y_plane_ + panel * most_ + row - panel, 1, y_width},
                         {x_ + p * x_plane_ + column * most_, width}, {to.data + p * step, to.step}, adds);
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
  const Tiles& tiles_;
  int64_t most_, x_plane_, y_plane_;
  float *x_, *y_;
};

// The sums in blocks of kRows channels of the output by a panel of the input's.
class SumBlocks {
 public:
  explicit SumBlocks(const Shape& s) : panels_((s.channels + kPanel - 1) / kPanel), count_((s.out + kRows - 1) / kRows * panels_) {}
  int64_t count() const { return count_; }
  template <class Body>
  void each(int64_t begin, int64_t end, const Body& body) const {
    for (int64_t block = begin; block < end; block++) body(block / panels_ * kRows, block % panels_ * kPanel);
  }

 private:
  int64_t panels_, count_;
};

// The threads share the tiles, and each makes sums of its own: what it transformed stays in its caches. How many sums there are depends on
// the shapes alone.
void by_tiles(const Shape& s, int64_t sums, const float* x, const float* dy, float* dw) {
  const Tiles tiles(s);
  const SumBlocks blocks(s);
  const auto count = s.tiles(), at_once = std::min(tiles_at_once(s, kOwnFloats), (count + sums - 1) / sums), parts = parts_of(sums);
  const auto plane = s.out * s.channels + kGap, of_part = Sides::floats(s, at_once);
  auto* u = shared_scratch(sums * kTile * plane);
  in_parts(sums, parts, [&](int64_t, int64_t begin, int64_t end) {
    Sides sides(s, tiles, at_once, own_scratch(of_part));
    for (int64_t sum = begin; sum < end; sum++) {
      const auto from = count * sum / sums, to = count * (sum + 1) / sums;
      for (int64_t first = from; first < to; first += at_once) {
        const auto some = std::min(at_once, to - first);
        sides.transform(x, dy, first, 0, some);
        blocks.each(0, blocks.count(), [&](int64_t row, int64_t column) {
          sides.multiply(some, row, column, {u + sum * kTile * plane + row * s.channels + column, s.channels}, plane, first > from);
        });
      }
    }
  });
  in_parts(s.out, parts_of(s.out), [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      transform_weight_gradient(s.channels, {u + i * s.channels, plane, sums, kTile * plane}, dw + i * kWindow * s.channels, s.channels);
  });
}

// The threads share the channels, of tiles that they have transformed together.
void by_channels(const Shape& s, const float* x, const float* dy, float* dw) {
  const Tiles tiles(s);
  const SumBlocks blocks(s);
  const auto count = s.tiles(), at_once = std::min(count, std::max(kLeastSharedTiles, tiles_at_once(s, kSharedFloats)));
  Memory memory(Sides::floats(s, at_once));
  Sides sides(s, tiles, at_once, memory.rest());
  const auto transform = [&](int64_t first, int64_t some) {
    in_parts(some, parts_of(some), [&](int64_t, int64_t begin, int64_t end) { sides.transform(x, dy, first, begin, end); });
  };
  const auto each_block = [&](const auto& body) {
    in_parts(blocks.count(), parts_of(blocks.count()), [&](int64_t part, int64_t begin, int64_t end) {
      blocks.each(begin, end, [&](int64_t row, int64_t column) { body(part, row, column); });
    });
  };
  const auto to_window = [&](int64_t row, int64_t column, const float* u, int64_t plane, int64_t step) {
    for (int64_t i = row; i < std::min(row + kRows, s.out); i++, u += step)
      transform_weight_gradient(std::min(kPanel, s.channels - column), {u, plane}, dw + i * kWindow * s.channels + column, s.channels);
  };
  if (at_once == count) {  // a block of the sums is complete before it leaves the cache
    const auto plane = kRows * kPanel + kGap;
    Memory sums(parts_of(blocks.count()) * kTile * plane);
    transform(0, count);
    return each_block([&](int64_t part, int64_t row, int64_t column) {
      auto* u = sums.rest() + part * kTile * plane;
      const auto rows = std::min(kRows, s.out - row);
      sides.multiply(count, row, column, {u, kPanel}, plane, false, {dw + row * kWindow * s.channels + column, rows * kWindow, std::min(kPanel, s.channels - column), s.channels, shares_of(rows)});
      to_window(row, column, u, plane, kPanel);
    });
  }
  const auto plane = s.out * s.channels + kGap;
  Memory sums(kTile * plane);
  auto* u = sums.rest();
  for (int64_t first = 0; first < count; first += at_once) {
    const auto some = std::min(at_once, count - first);
    transform(first, some);
    each_block([&](int64_t, int64_t row, int64_t column) { sides.multiply(some, row, column, {u + row * s.channels + column, s.channels}, plane, first > 0); });
  }
  each_block([&](int64_t, int64_t row, int64_t column) { to_window(row, column, u + row * s.channels + column, plane, s.channels); });
}

}  // namespace

void weight_gradient(const Shape& s, const float* x, const float* dy, float* dw) {
  const auto weight = s.channels * s.out;
  // What adding the sums up costs is to stay small beside making them.
  const auto sums = weight > kSmallWeight ? 1 : std::min(kMostSums, s.tiles() * (s.channels + s.out) / (8 * weight));
  if (sums > 1) return by_tiles(s, sums, x, dy, dw);
  by_channels(s, x, dy, dw);
}

}  // namespace steppe::winograd
