/*
 * compiler.h: compiler hints and attributes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_COMPILER_H
#define WORKQ_COMPILER_H

#include <stdatomic.h>

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Not inlined: code that rarely runs must not take registers and stack in its callers. */
#define COLD __attribute__((noinline, cold))

/* Inlines every call in this function: on the path of add, get and done each call costs more by its
 * stores, which the unlock has to wait for, than by its instructions. */
#define FLAT __attribute__((flatten))

#if defined(__x86_64__) || defined(__i386__)
#define cpu_relax() __builtin_ia32_pause()
#else
#define cpu_relax() atomic_signal_fence(memory_order_seq_cst)
#endif

/* Orders this thread's stores for a process that continues after its death, and for the thread
 * itself; no instruction. */
#define compiler_fence() atomic_signal_fence(memory_order_seq_cst)

#endif
