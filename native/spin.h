#pragma once

namespace steppe {

// Tells the processor that this thread watches for another's work.
inline void spin() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

}  // namespace steppe
