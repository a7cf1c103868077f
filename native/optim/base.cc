#include "base.h"

#include "../errors.h"
#include "adam.h"
#include "sgd.h"

namespace steppe::optim {

std::unique_ptr<Base> make_base(const std::string& name, size_t parameters) {
  if (name == "sgd") return std::make_unique<Sgd>(parameters);
  if (name == "adam") return std::make_unique<Adam>(parameters, false);
  if (name == "adamw") return std::make_unique<Adam>(parameters, true);
  fail_expected("a base optimizer (sgd, adam, adamw)", "base.name", "\"" + name + "\"");
}

GroupSlice slice(const Tensors& w, const Tensors& d, const std::vector<uint32_t>& group_of, uint32_t group) {
  GroupSlice result;
  for (size_t k = 0; k < w.size(); k++) {
    if (group_of[k] != group || !d[k].defined()) continue;
    result.index.push_back(k);
    result.w.push_back(w[k]);
    result.d.push_back(d[k]);
  }
  return result;
}

Tensors pick(const Tensors& all, const std::vector<size_t>& index) {
  Tensors result;
  result.reserve(index.size());
  for (const auto k : index) result.push_back(all[k]);
  return result;
}

}  // namespace steppe::optim
