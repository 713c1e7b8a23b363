# goals.py: what workq's figures are to be: each a figure, what it is compared with, and the limit.
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0

FLOOR = "floor"  # at most so many times the floor that it was measured with
VALUE = "value"  # at most so much, in the figure's own unit
LEAST = "least"  # at least so much
# Anything else is another figure of workq's (at most so many times that), or a peer (at least so many times faster).

GOALS = [
    ("cycle/0", FLOOR, 4),
    ("cycle/0", "client-go", 4),
    ("cycle/0", "redis", 1000),
    ("cycle/0", "beanstalkd", 1000),
    ("cycle/0", "sqlite", 30),
    ("cycle/1m", FLOOR, 2),
    ("cycle/1m", "client-go", 4),
    ("cycle/10m", "cycle/1m", 1.5),
    ("cycle-batch/1m", "cycle/1m", 0.5),
    ("dedup", "client-go", 4),
    ("pair", "client-go", 2.5),
    ("pair", "boost", 1),
    ("pair-batch", "client-go", 8),
    ("pingpong/spin", FLOOR, 4),
    ("pingpong/sleep", FLOOR, 1.15),
    ("oversubscribed", LEAST, 0.5),
    ("recover/1m", VALUE, 50),
    ("recover/10m", "recover/10", 1.5),
    ("reclaim/supervised", VALUE, 1000),
    ("reclaim/unsupervised", VALUE, 101000),
    ("memory/1m", VALUE, 160),
    ("latency/dump", VALUE, 1000),
    ("latency/growth", VALUE, 5000),
    ("idle", VALUE, 1),
    ("handles-look", VALUE, 1000),
    ("handles-idle", VALUE, 1),
]
