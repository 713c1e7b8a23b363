/*
 * compiler.h: what is asked of the compiler.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_COMPILER_H
#define WORKQ_COMPILER_H

#include <stdatomic.h>

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Kept out of the functions that call it: what nearly never runs must not make room for itself there. */
#define COLD __attribute__((noinline, cold))

/* All that can be is made part of this function: on the path of add, get and done each call costs more in stores, which the
 * unlock has to wait for, than in instructions. */
#define FLAT __attribute__((flatten))

#if defined(__x86_64__) || defined(__i386__)
#define cpu_relax() __builtin_ia32_pause()
#else
#define cpu_relax() atomic_signal_fence(memory_order_seq_cst)
#endif

/* Orders this thread's stores for the process that goes on after its death, and for itself; no instruction. */
#define compiler_fence() atomic_signal_fence(memory_order_seq_cst)

#endif
