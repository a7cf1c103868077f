#include "transposition.h"

#include <utility>

#include "../step_tensors.h"
#include "loops/parallel.h"
#include "loops/processors.h"
#include "loops/row_product.h"

namespace steppe {
namespace {

constexpr int64_t kGrain = 1 << 12;  // elements

bool is_float_on_cpu(const at::Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kFloat && x.layout() == at::kStrided && x.dim() == 4 && !x.is_neg() && !x.is_conj(); }

bool is_image_in_other_order(const at::Tensor& to, const at::Tensor& from) {
  if (!is_float_on_cpu(to) || !is_float_on_cpu(from) || to.sizes() != from.sizes()) return false;
  const auto first = [](const at::Tensor& x) { return x.is_contiguous(); };
  const auto last = [](const at::Tensor& x) { return x.is_contiguous(at::MemoryFormat::ChannelsLast); };
  return (first(to) && last(from)) || (last(to) && first(from));
}

}  // namespace

void transpose_matrix(int64_t rows, int64_t columns, const float* from, float* to) {
  const auto blocks = has_avx512() ? rows / kLanes * kLanes : 0;
  row_product::transpose(blocks, columns, {from, columns}, {to, rows});
  for (int64_t i = blocks; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) to[j * rows + i] = from[i * columns + j];
}

void copy_image(at::Tensor& to, const at::Tensor& from) {
  const auto n = from.size(0), channels = from.size(1), pixels = from.size(2) * from.size(3), size = channels * pixels;
  const bool becomes_last = from.is_contiguous();
  const auto rows = becomes_last ? channels : pixels, columns = becomes_last ? pixels : channels;
  const auto* source = from.const_data_ptr<float>();
  auto* target = to.mutable_data_ptr<float>();
  parallel_for(0, n, kGrain / (size + 1) + 1, [&](int64_t begin, int64_t end) {
    for (auto i = begin; i < end; i++) transpose_matrix(rows, columns, source + i * size, target + i * size);
  });
}

void copy_values(at::Tensor& to, const at::Tensor& from) {
  if (is_image_in_other_order(to, from)) {
    copy_image(to, from);
  } else {
    HeldKernelThreads::let_go();
    to.copy_(from);
  }
}

c10::MaybeOwned<at::Tensor> with_channels_last(const at::Tensor& image) {
  using Either = c10::MaybeOwned<at::Tensor>;
  if (image.is_contiguous(at::MemoryFormat::ChannelsLast)) return Either::borrowed(image);
  if (!is_float_on_cpu(image) || !image.is_contiguous()) {
    HeldKernelThreads::let_go();
    return Either::owned(image.contiguous(at::MemoryFormat::ChannelsLast));
  }
  auto result = new_image(image.sizes());
  copy_image(result, image);
  return Either::owned(std::move(result));
}

}  // namespace steppe
