// client-go.go: the work queue of Kubernetes' client-go, between goroutines of one process.  It takes the options and
// prints the lines of the programs in C (bench.c), as far as bench/run needs them.
//
// Copyright 2026 The workq authors
// SPDX-License-Identifier: Apache-2.0
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"sort"
	"time"

	"k8s.io/client-go/util/workqueue"
)

const (
	names  = 1024
	cycles = 100000
	passed = 200000
	turns  = 20000
	parts  = 100
)

// As in every controller; what the queue takes is an interface, which a string is put into with each Add.
type key = string

// What is made before the first round, and measures one.
type round func() float64

type figure struct {
	name, what string
	set        func() round
}

var figures = []figure{
	{"cycle/0", "Add, Get, Done of one key", func() round { return cycle(0) }},
	{"depth/1k", "the same while so many stay queued", func() round { return cycle(1000) }},
	{"depth/10k", "the same", func() round { return cycle(10000) }},
	{"cycle/100k", "the same", func() round { return cycle(100000) }},
	{"cycle/1m", "the same", func() round { return cycle(1000000) }},
	{"dedup", "Add of a key that is queued already", dedup},
	{"fail-once", "Add, Get, AddRateLimited, Done, Get, Forget, Done", failOnce},
	{"pair", "a key from one goroutine to another", func() round { return pair }},
	{"pair-batch", "the same: it has no batches", func() round { return pair }},
	{"pingpong/spin", "a key to and fro between two goroutines", func() round { return pingpong }},
}

func makeKeys(first, count int) []key {
	keys := make([]key, count)
	for i := range keys {
		keys[i] = fmt.Sprintf("default/configmap-%d", first+i)
	}
	return keys
}

// As bench_in_parts() of bench.c: the median of the parts, for one.
func inParts(count int, part func(first, count int)) float64 {
	times, each := make([]float64, parts), count/parts
	for i := range times {
		start := time.Now()
		part(i*each, each)
		times[i] = perOne(start, each)
	}
	sort.Float64s(times)
	return times[parts/2]
}

func perOne(start time.Time, count int) float64 {
	return float64(time.Since(start).Nanoseconds()) / float64(count)
}

// A deep queue meets keys only that it does not know, as workq does (steady.h).
func cycle(depth int) round {
	queue, keys, made := workqueue.New(), makeKeys(0, depth), depth
	rand.Shuffle(depth, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for _, k := range keys {
		queue.Add(k)
	}
	keys, wrap := makeKeys(0, names), names-1
	return func() float64 {
		if depth > 0 {
			keys, wrap = makeKeys(made, cycles), -1
			made += cycles
		}
		return inParts(cycles, func(first, count int) {
			for i := first; i < first+count; i++ {
				queue.Add(keys[i&wrap])
				k, _ := queue.Get()
				queue.Done(k)
			}
		})
	}
}

func dedup() round {
	queue, keys := workqueue.New(), makeKeys(0, names)
	for _, k := range keys {
		queue.Add(k)
	}
	return func() float64 {
		return inParts(cycles, func(first, count int) {
			for i := first; i < first+count; i++ {
				queue.Add(keys[i%names])
			}
		})
	}
}

func failOnce() round {
	queue := workqueue.NewRateLimitingQueue(workqueue.NewItemExponentialFailureRateLimiter(0, 0))
	keys := makeKeys(0, names)
	return func() float64 {
		return inParts(cycles, func(first, count int) {
			for i := first; i < first+count; i++ {
				queue.Add(keys[i%names])
				k, _ := queue.Get()
				queue.AddRateLimited(k)
				queue.Done(k)
				k, _ = queue.Get()
				queue.Forget(k)
				queue.Done(k)
			}
		})
	}
}

func pair() float64 {
	queue, keys, done := workqueue.New(), makeKeys(0, passed), make(chan bool)
	defer queue.ShutDown()
	go func() {
		for range keys {
			k, _ := queue.Get()
			queue.Done(k)
		}
		done <- true
	}()
	start := time.Now()
	for _, k := range keys {
		queue.Add(k)
	}
	<-done
	return perOne(start, passed)
}

func take(queue workqueue.Interface) key {
	k, _ := queue.Get()
	queue.Done(k)
	return k.(string)
}

// The median of the turns.
func pingpong() float64 {
	there, back, took := workqueue.New(), workqueue.New(), make([]float64, turns)
	defer there.ShutDown()
	defer back.ShutDown()
	go func() {
		for range took {
			back.Add(take(there))
		}
	}()
	k := makeKeys(0, 1)[0]
	for i := range took {
		start := time.Now()
		there.Add(k)
		take(back)
		took[i] = perOne(start, 1)
	}
	sort.Float64s(took)
	return took[turns/2]
}

func chosen(name string) bool {
	for _, word := range flag.Args() {
		if word == name {
			return true
		}
	}
	return flag.NArg() == 0
}

func print(f figure, values []float64, asJSON bool) {
	sorted := append([]float64(nil), values...)
	sort.Float64s(sorted)
	median := sorted[len(sorted)/2]
	if !asJSON {
		fmt.Printf("%-28s %12.4g ns (%.4g to %.4g, %d runs)\n", f.name, median, sorted[0], sorted[len(sorted)-1], len(sorted))
		return
	}
	line := map[string]interface{}{"figure": f.name, "who": "client-go", "unit": "ns", "median": median, "values": values}
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		os.Exit(1)
	}
}

func main() {
	asJSON := flag.Bool("json", false, "a line of JSON a figure")
	list := flag.Bool("list", false, "what figures there are")
	rounds := flag.Int("rounds", 5, "how often each is measured")
	flag.Bool("exact", true, "names are always whole")
	flag.Parse()
	for _, f := range figures {
		if *list {
			fmt.Printf("%-28s %-6s %s\n", f.name, "ns", f.what)
		} else if chosen(f.name) {
			run, values := f.set(), make([]float64, *rounds)
			for i := range values {
				values[i] = run()
			}
			print(f, values, *asJSON)
		}
	}
}
