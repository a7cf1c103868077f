#include "split.h"

#include <algorithm>
#include <cmath>

namespace steppe::sam {

Split whole() {
  return [](int64_t) { return std::vector<Piece>{{}}; };
}

Split leading_part(double a) {
  return [a](int64_t n) {
    if (n < 0) return std::vector<Piece>{{}};
    // ⌈a·n⌉, ignoring the rounding of the product: 0.1 · 30 is 3.
    const auto count = std::clamp<int64_t>(static_cast<int64_t>(std::ceil(a * static_cast<double>(n) - 1e-9)), std::min<int64_t>(n, 1), n);
    return std::vector<Piece>{{.climb = {0, count}, .descend = {0, n}}};
  };
}

Split shards(int64_t m) {
  return [m](int64_t n) {
    if (n < 0 || m == 1) return std::vector<Piece>{{}};
    std::vector<Piece> pieces;
    const auto count = std::max<int64_t>(1, std::min(m, n));
    for (int64_t j = 0, begin = 0; j < count; j++) {
      const Samples samples{begin, n / count + (j < n % count ? 1 : 0)};
      pieces.push_back({samples, samples, static_cast<double>(samples.count) / static_cast<double>(std::max<int64_t>(n, 1))});
      begin += samples.count;
    }
    return pieces;
  };
}

}  // namespace steppe::sam
