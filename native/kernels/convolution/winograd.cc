#include "winograd.h"

#include "winograd_tiles.h"

namespace steppe::winograd {
namespace {

constexpr int64_t kDepth = 64;        // of a weight's rows, transformed at a time
constexpr int64_t kFewTiles = 256;    // fewer: each weight is used so seldom that it is transformed where it is used
constexpr int64_t kLeastTilesInLanes = kLanes, kMostTilesInLanes = 64;  // between: rather the tiles are brought into another order than the weight
constexpr int64_t kTilesOfPart = 48;  // tiles that stay in the second cache

// A part of what a weight is to the products: some channels of the input by some of the output.
struct Block {
  int64_t k, depth, column, width;
};

// The blocks of panels [begin, end), all of one panel's before the next one's.
class Blocks {
 public:
  Blocks(const Shape& shape, int64_t begin, int64_t end) : s_(shape), begin_(begin), of_panel_((shape.channels + kDepth - 1) / kDepth), count_((end - begin) * of_panel_) {}
  int64_t count() const { return count_; }
  Block operator[](int64_t i) const {
    const auto k = i % of_panel_ * kDepth, column = (begin_ + i / of_panel_) * kPanel;
    return {k, std::min(kDepth, s_.channels - k), column, std::min(kPanel, s_.out - column)};
  }

 private:
  const Shape& s_;
  int64_t begin_, of_panel_, count_;
};

int64_t panels_of(const Shape& s) { return (s.out + kPanel - 1) / kPanel; }

class Weight {
 public:
  Weight(const Shape& shape, const float* w, bool turned) : s_(shape), w_(w), turned_(turned) {}
  // As [16, channels, out]; `lines`: memory for kWindow × depth × width.
  void transform(const Block& b, float* lines, float* to, int64_t step) const {
    if (turned_) return transform_weight(b.depth, b.width, {at(b.k, kWindow - 1, b.column), -s_.out, kWindow * s_.out}, to, step, b.width);
    for (int64_t i = 0; i < kWindow; i++) row_product::transpose(b.width, b.depth, {at(b.column, i, b.k), kWindow * s_.channels}, {lines + i * b.width, kWindow * b.width});
    transform_weight(b.depth, b.width, {lines, b.width, kWindow * b.width}, to, step, b.width);
  }
  // As [16, out, channels]; not turned.
  void transform_as_it_lies(const Block& b, float* to, int64_t step) const {
    transform_weight(b.width, b.depth, {at(b.column, 0, b.k), s_.channels, kWindow * s_.channels}, to, step, b.depth);
  }
  Prefetch<Access::read> ahead(const Block& b, int64_t shares) const {
    if (turned_) return {at(b.k, 0, b.column), b.depth * kWindow, b.width, s_.out, shares};
    return {at(b.column, 0, b.k), b.width * kWindow, b.depth, s_.channels, shares};
  }

 private:
  const float* at(int64_t row, int64_t tap, int64_t column) const { return w_ + (row * kWindow + tap) * (turned_ ? s_.out : s_.channels) + column; }

  const Shape& s_;
  const float* w_;
  bool turned_;
};

void transform_tiles(const Shape& s, const Tiles& tiles, const float* x, int64_t first, int64_t count, float* to, int64_t plane) {
  for (int64_t i = 0; i < count; i++) transform_tile(s.channels, tiles.input(x, first + i), to + i * s.channels, plane);
}

// The output's channels [column, column + width) from their sums, [16, tiles, width].
void transform_outputs(const Tiles& tiles, const Block& b, const float* sums, int64_t plane, const float* bias, float* y, int64_t first, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    transform_output(b.width, sums + i * b.width, plane, bias == nullptr ? nullptr : bias + b.column, tiles.output<float>(y + b.column, first + i, nullptr));
}

// The threads share the channels of the output. multiply(part, block, ahead) takes a panel's sums further, with so many shares of what the
// next block reads; end_panel(part, block) makes output of them.
template <class Multiply, class EndPanel>
void each_block(const Shape& s, const Weight& weight, int64_t shares, const Multiply& multiply, const EndPanel& end_panel) {
  in_parts(panels_of(s), parts_of(panels_of(s)), [&](int64_t part, int64_t begin, int64_t end) {
    const Blocks blocks(s, begin, end);
    for (int64_t i = 0; i < blocks.count(); i++) {
      const auto block = blocks[i];
      auto ahead = i + 1 < blocks.count() ? weight.ahead(blocks[i + 1], shares) : Prefetch<Access::read>();
      multiply(part, block, ahead);
      if (block.k + block.depth == s.channels) end_panel(part, block);
    }
  });
}

// Few tiles: each weight is transformed where it is used, once.
void convolve_few(const Shape& s, const float* x, const Weight& weight, const float* bias, float* y) {
  const Tiles tiles(s);
  const auto count = s.tiles(), plane = count * s.channels + kGap, weight_plane = kDepth * kPanel + kGap, sum_plane = count * kPanel + kGap;
  const auto of_part = kWindow * kDepth * kPanel + kTile * (weight_plane + sum_plane);
  Memory memory(kTile * plane + parts_of(panels_of(s)) * of_part);
  auto* v = memory.take(kTile * plane);
  auto* of_parts = memory.rest();
  in_parts(count, parts_of(count), [&](int64_t, int64_t begin, int64_t end) { transform_tiles(s, tiles, x, begin, end - begin, v + begin * s.channels, plane); });
  const auto sums_of = [&](int64_t part) { return of_parts + part * of_part; };
  each_block(s, weight, shares_of(count), [&](int64_t part, const Block& b, auto& ahead) {
    auto* m = sums_of(part);
    auto* u = m + kTile * sum_plane;
    weight.transform(b, u + kTile * weight_plane, u, weight_plane);
    for (int64_t p = 0; p < kTile; p++)
      multiply(ahead, count, b.depth, b.width, {v + p * plane + b.k, s.channels}, {u + p * weight_plane, b.width}, {m + p * sum_plane, b.width}, b.k > 0);
  }, [&](int64_t part, const Block& b) { transform_outputs(tiles, b, sums_of(part), sum_plane, bias, y, 0, count); });
}

// The same, but registers hold tiles, not channels, and the weight is taken in the order in which it lies.
void convolve_few_in_lanes(const Shape& s, const float* x, const Weight& weight, const float* bias, float* y) {
  const Tiles tiles(s);
  const auto count = s.tiles(), groups = (count + kLanes - 1) / kLanes, padded = groups * kLanes, group_parts = parts_of(groups);
  const auto plane = s.channels * padded + kGap, weight_plane = kPanel * kDepth + kGap, sum_plane = kPanel * padded + kGap, line_plane = kLanes * std::max(s.channels, kPanel) + kGap;
  const auto of_part = kTile * (weight_plane + sum_plane + line_plane);
  Memory memory(kTile * plane + std::max(parts_of(panels_of(s)), group_parts) * of_part);
  auto* v = memory.take(kTile * plane);
  auto* of_parts = memory.rest();
  in_parts(groups, group_parts, [&](int64_t part, int64_t begin, int64_t end) {
    auto* lines = of_parts + part * of_part;
    for (int64_t first = begin * kLanes; first < end * kLanes; first += kLanes) {
      const auto some = std::min(kLanes, count - first);
      transform_tiles(s, tiles, x, first, some, lines, line_plane);
      for (int64_t p = 0; p < kTile; p++) std::fill_n(lines + p * line_plane + some * s.channels, (kLanes - some) * s.channels, 0.0F);
      for (int64_t p = 0; p < kTile; p++) row_product::transpose(kLanes, s.channels, {lines + p * line_plane, s.channels}, {v + p * plane + first, padded});
    }
  });
  const auto sums_of = [&](int64_t part) { return of_parts + part * of_part; };
  each_block(s, weight, shares_of(kPanel), [&](int64_t part, const Block& b, auto& ahead) {
    auto* m = sums_of(part);
    auto* u = m + kTile * sum_plane;
    weight.transform_as_it_lies(b, u, weight_plane);
    for (int64_t p = 0; p < kTile; p++)
      multiply(ahead, b.width, b.depth, padded, {u + p * weight_plane, b.depth}, {v + p * plane + b.k * padded, padded}, {m + p * sum_plane, padded}, b.k > 0);
  }, [&](int64_t part, const Block& b) {
    auto* m = sums_of(part);
    auto* lines = m + kTile * (sum_plane + weight_plane);
    for (int64_t first = 0; first < count; first += kLanes) {
      for (int64_t p = 0; p < kTile; p++) row_product::transpose(b.width, kLanes, {m + p * sum_plane + first, padded}, {lines + p * line_plane, b.width});
      transform_outputs(tiles, b, lines, line_plane, bias, y, first, std::min(kLanes, count - first));
    }
  });
}

// Many tiles: the threads share them, a few at a time go all the way. A small weight is transformed by each thread for itself: what another
// has written comes from afar.
void convolve_many(const Shape& s, const float* x, const Weight& weight, const float* bias, float* y) {
  const Tiles tiles(s);
  const Blocks blocks(s, 0, panels_of(s));
  const auto count = s.tiles(), panels = panels_of(s), parts = parts_of((count + kTilesOfPart - 1) / kTilesOfPart), transforms = parts_of(blocks.count());
  const auto weight_plane = s.channels * kPanel + kGap, plane = kTilesOfPart * s.channels + kGap, sum_plane = kTilesOfPart * kPanel + kGap;
  const auto all_planes = panels * kTile * weight_plane, lines = kWindow * kDepth * kPanel;
  const bool is_small = s.channels * s.out <= kSmallWeight;
  const auto transform = [&](int64_t begin, int64_t end, float* lines_memory, float* u) {
    for (int64_t i = begin; i < end; i++) {
      const auto b = blocks[i];
      weight.transform(b, lines_memory, u + b.column / kPanel * kTile * weight_plane + b.k * b.width, weight_plane);
    }
  };
  const auto shared_planes = is_small ? 0 : all_planes;
  CallMemory memory(shared_planes);
  auto* const shared = memory.take(shared_planes);
  if (!is_small) in_parts(blocks.count(), transforms, [&](int64_t, int64_t begin, int64_t end) { transform(begin, end, own_scratch(lines), shared); });
  in_parts(count, parts, [&](int64_t, int64_t begin, int64_t end) {
    auto* v = own_scratch((is_small ? all_planes : 0) + std::max(kTile * (plane + sum_plane), lines));
    const auto* u = shared;
    if (is_small) {
      transform(0, blocks.count(), v + all_planes, v);
      u = v;
      v += all_planes;
    }
    auto* m = v + kTile * plane;
    for (int64_t first = begin; first < end; first += kTilesOfPart) {
      const auto some = std::min(kTilesOfPart, end - first);
      transform_tiles(s, tiles, x, first, some, v, plane);
      for (int64_t panel = 0; panel < panels; panel++) {
        const Block b = {0, s.channels, panel * kPanel, std::min(kPanel, s.out - panel * kPanel)};
        for (int64_t p = 0; p < kTile; p++)
          row_product::multiply(some, s.channels, b.width, {v + p * plane, s.channels}, {u + (panel * kTile + p) * weight_plane, b.width}, {m + p * sum_plane, b.width}, false);
        transform_outputs(tiles, b, m, sum_plane, bias, y, first, some);
      }
    }
  });
}

}  // namespace

void convolve(const Shape& shape, const float* x, const float* w, bool turned, const float* bias, float* y) {
  const Weight weight(shape, w, turned);
  if (shape.tiles() > kFewTiles || shape.out <= kPanel) return convolve_many(shape, x, weight, bias, y);
  if (!turned && shape.tiles() >= kLeastTilesInLanes && shape.tiles() <= kMostTilesInLanes) return convolve_few_in_lanes(shape, x, weight, bias, y);
  convolve_few(shape, x, weight, bias, y);
}

}  // namespace steppe::winograd
