#pragma once

// For loops over many numbers. Between STEPPE_LOOPS_BEGIN and STEPPE_LOOPS_END the compiler may vectorise them as far as it can without
// changing results; STEPPE_FOR_ALL_PROCESSORS compiles a function for several processors, of which the loader chooses;
// STEPPE_INSIDE is for what such a function calls.
#if defined(__GNUC__) && !defined(__clang__)
#define STEPPE_LOOPS_BEGIN _Pragma("GCC push_options") _Pragma("GCC optimize(\"O3\", \"no-trapping-math\", \"no-math-errno\")")
#define STEPPE_LOOPS_END _Pragma("GCC pop_options")
#else
#define STEPPE_LOOPS_BEGIN
#define STEPPE_LOOPS_END
#endif
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#if __GNUC__ >= 12
#define STEPPE_FOR_ALL_PROCESSORS __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else  // knows no levels
#define STEPPE_FOR_ALL_PROCESSORS __attribute__((target_clones("default", "avx2", "avx512f")))
#endif
#else
#define STEPPE_FOR_ALL_PROCESSORS
#endif
#define STEPPE_INSIDE __attribute__((always_inline)) inline
// For each i below a constant: arrays over i stay in registers.
#define STEPPE_EACH(i, count) _Pragma("GCC unroll 16") for (int i = 0; i < count; i++)

namespace steppe {

// Whether this processor has the 32 registers of 16 floats of AVX-512, and the compiler code for them: loops that hold their sums in
// registers are written for these.
inline bool has_avx512() {
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return has;
#else
  return false;
#endif
}

// Whether MKL, which LibTorch multiplies large matrices with, takes its fastest ways on this processor: it does so on its maker's own.
inline bool mkl_is_fast() {
#if defined(__x86_64__) && defined(__GNUC__)
  static const bool is = __builtin_cpu_is("intel");
  return is;
#else
  return true;
#endif
}

}  // namespace steppe
