#include "replacements.h"

#include "attention/attention.h"
#include "batch_norm/batch_norm.h"
#include "batch_norm/plain_strides.h"
#include "convolution/convolution.h"
#include "layer_norm/layer_norm.h"
#include "products.h"
#include "small_operators/cat.h"
#include "small_operators/class_losses.h"
#include "small_operators/column_sums.h"
#include "small_operators/copies.h"
#include "small_operators/counts.h"
#include "small_operators/elementwise.h"
#include "small_operators/embedding.h"
#include "small_operators/gelu.h"
#include "small_operators/row_additions.h"
#include "small_operators/zeros.h"

namespace steppe {

void replace_operators(Program& program, const Layouts& layouts) {
  replace_convolutions(program, layouts);
  replace_batch_norms(program, layouts);
  straighten_batch_norms(program, layouts);
  replace_attention(program, layouts);
  replace_layer_norms(program, layouts);
  replace_copies(program, layouts);
  replace_cats(program, layouts);
  replace_embeddings(program, layouts);
  replace_counts(program, layouts);
  replace_products(program, layouts);
  replace_class_losses(program, layouts);
  replace_column_sums(program, layouts);
  replace_elementwise(program, layouts);
  replace_row_additions(program, layouts);
  replace_zeros(program, layouts);
  replace_gelus(program, layouts);  // the last: it adds registers
}

}  // namespace steppe
