#pragma once
#include "base.h"

namespace steppe::optim {

// One file for each rule, for Adam and AdamW together.
std::unique_ptr<Base> adadelta(size_t parameters);
std::unique_ptr<Base> adafactor(size_t parameters);
std::unique_ptr<Base> adafactor_t5(size_t parameters);
std::unique_ptr<Base> adagrad(size_t parameters);
std::unique_ptr<Base> adam(size_t parameters);
std::unique_ptr<Base> adamax(size_t parameters);
std::unique_ptr<Base> adamw(size_t parameters);
std::unique_ptr<Base> asgd(size_t parameters);
std::unique_ptr<Base> lamb(size_t parameters);
std::unique_ptr<Base> lbfgs(size_t parameters);
std::unique_ptr<Base> lion(size_t parameters);
std::unique_ptr<Base> nadam(size_t parameters);
std::unique_ptr<Base> radam(size_t parameters);
std::unique_ptr<Base> rmsprop(size_t parameters);
std::unique_ptr<Base> rprop(size_t parameters);
std::unique_ptr<Base> sgd(size_t parameters);

}  // namespace steppe::optim
