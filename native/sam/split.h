#pragma once
#include "method.h"

namespace steppe::sam {

// One piece: the whole batch climbs and descends.
Split whole();
// The first ⌈a·|B|⌉ samples climb, all descend.
Split leading_part(double a);
// m contiguous shards, each climbing and descending on its own; sizes differ by at most one, the larger ones first.
Split shards(int64_t m);

}  // namespace steppe::sam
