# Other kinds of queues, a program each, where what it needs is there.  See bench/README.md.

bench_peer = bench/peers/peer.c bench/peers/peer.h $(bench_common) $(bench_crews)
bench_peer_batch = $(bench_peer) bench/peers/batch.c
bench_peer_keys = $(bench_peer_batch) bench/peers/keys.c
bench_peer_server = $(bench_peer_keys) bench/peers/server.c

bench_programs += bench/peers/beanstalkd
bench_peers_beanstalkd_SOURCES = bench/peers/beanstalkd.c $(bench_peer_server)
bench_peers_beanstalkd_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_peers_beanstalkd_LDADD = $(JANSSON_LIBS)

bench_programs += bench/peers/pipe
bench_peers_pipe_SOURCES = bench/peers/pipe.c $(bench_peer_batch)
bench_peers_pipe_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_peers_pipe_LDADD = $(JANSSON_LIBS)

bench_programs += bench/peers/posix-mq
bench_peers_posix_mq_SOURCES = bench/peers/posix_mq.c $(bench_peer)
bench_peers_posix_mq_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_peers_posix_mq_LDADD = $(JANSSON_LIBS)

bench_programs += bench/peers/ring
bench_peers_ring_SOURCES = bench/peers/ring.c $(bench_peer)
bench_peers_ring_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_peers_ring_LDADD = $(JANSSON_LIBS)

bench_programs += bench/peers/sysv-mq
bench_peers_sysv_mq_SOURCES = bench/peers/sysv_mq.c $(bench_peer)
bench_peers_sysv_mq_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_peers_sysv_mq_LDADD = $(JANSSON_LIBS)

if HAVE_HIREDIS
bench_programs += bench/peers/redis
endif
bench_peers_redis_SOURCES = bench/peers/redis.c $(bench_peer_server)
bench_peers_redis_CPPFLAGS = $(AM_BENCH_CPPFLAGS) $(HIREDIS_CFLAGS)
bench_peers_redis_LDADD = $(JANSSON_LIBS) $(HIREDIS_LIBS)

if HAVE_SQLITE
bench_programs += bench/peers/sqlite
endif
bench_peers_sqlite_SOURCES = bench/peers/sqlite.c $(bench_peer_keys)
bench_peers_sqlite_CPPFLAGS = $(AM_BENCH_CPPFLAGS) $(SQLITE_CFLAGS)
bench_peers_sqlite_LDADD = $(JANSSON_LIBS) $(SQLITE_LIBS)

# The one file in C++ is compiled by a rule of its own, so that configure needs no C++ compiler.
if HAVE_BOOST
bench_programs += bench/peers/boost
endif
bench_peers_boost_SOURCES = $(bench_peer)
bench_peers_boost_CPPFLAGS = $(AM_BENCH_CPPFLAGS)
bench_peers_boost_LDADD = bench/peers/boost.o $(JANSSON_LIBS) -lstdc++

bench/peers/boost.o: bench/peers/boost.cc bench/peers/peer.h bench/bench.h
	$(AM_V_GEN)$(MKDIR_P) bench/peers; $(CXX) -O2 -g -Wall -Wextra -pthread $(AM_BENCH_CPPFLAGS) $(CPPFLAGS) \
		$(CXXFLAGS) -c -o $@ $(srcdir)/bench/peers/boost.cc

CLEANFILES += bench/peers/boost.o
EXTRA_DIST += bench/goals.py bench/peers/boost.cc bench/plot bench/run

# Go is no language of Automake's.
if HAVE_CLIENT_GO
bench_programs_in_go = bench/peers/client-go
endif
bench/peers/client-go: bench/peers/client-go.go
	$(AM_V_GEN)$(MKDIR_P) bench/peers; GO111MODULE=off GOPATH=$(CLIENT_GO_PATH) \
		$(GO) build -o $@ $(srcdir)/bench/peers/client-go.go

CLEANFILES += bench/peers/client-go
EXTRA_DIST += bench/peers/client-go.go
