#include "replacements.h"

#include "attention.h"
#include "batch_norm.h"
#include "class_losses.h"
#include "column_sums.h"
#include "convolution.h"
#include "copies.h"
#include "counts.h"
#include "embedding.h"
#include "products.h"
#include "row_additions.h"
#include "zeros.h"

namespace steppe {

void replace_operators(Program& program, const Layouts& layouts) {
  replace_convolutions(program, layouts);
  replace_batch_norms(program, layouts);
  replace_attention(program, layouts);
  replace_copies(program, layouts);
  replace_embeddings(program, layouts);
  replace_counts(program, layouts);
  replace_products(program, layouts);
  replace_class_losses(program, layouts);
  replace_column_sums(program, layouts);
  replace_row_additions(program, layouts);
  replace_zeros(program, layouts);
}

}  // namespace steppe
