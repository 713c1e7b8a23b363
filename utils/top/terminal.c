/*
 * `workq top`: the terminal, signals and the loop.
 *
 * However the program ends, the terminal is left as it was: by the end of the loop, at exit(), and
 * in the handler of signals that would end it on the spot.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <ncurses.h>

#include "common/clock.h"
#include "common/escape.h"
#include "common/say.h"
#include "common/sigbus.h"
#include "top.h"

/* At the end, for it makes macros of words like columns. */
#include <term.h>

/* The second reading comes soon, so that there are rates. */
#define SECOND_READ_NS (NS_PER_S / 4)

/* ---- Signals ------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t stopped, resized;

static void on_stop(int number) {
  stopped = number;
}

static void on_resize(int number) {
  (void)number;
  resized = 1;
}

/*
 * The terminal as it was, and what brings its screen back, for a handler that may call next to
 * nothing.
 */
static struct termios terminal_before;
static char restoring[256];
static size_t restoring_len;
static bool on_screen;
static SCREEN *screen;

static void write_text(int descriptor, const char *text, size_t len) {
  ssize_t written = write(descriptor, text, len);
  (void)written;
}

/* Something has gone wrong for good.  SIGBUS: a segment was cut off where no reading expects it. */
static void on_fault(int number) {
  static const char gone[] = "workq: the queue's file was truncated; its memory is gone\n";
  if (on_screen) {
    write_text(STDOUT_FILENO, restoring, restoring_len);
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
  }
  if (number == SIGBUS) {
    write_text(STDERR_FILENO, gone, sizeof gone - 1);
    _exit(STATUS_ERROR);
  }
  raise(number); /* its action is the default again */
}

static void handle(int number, void (*handler)(int), int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, NULL);
}

/*
 * The signals that are waited for arrive only while the loop waits; *waiting is the mask for that.
 */
static void handle_signals(sigset_t *waiting) {
  static const int stops[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT}, faults[] = {SIGSEGV, SIGABRT, SIGFPE, SIGILL};
  sigset_t blocked;
  sigemptyset(&blocked);
  for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
    handle(stops[i], on_stop, 0);
    sigaddset(&blocked, stops[i]);
  }
  handle(SIGWINCH, on_resize, 0);
  handle(SIGCONT, on_resize, 0);
  sigaddset(&blocked, SIGWINCH);
  sigaddset(&blocked, SIGCONT);
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) handle(faults[i], on_fault, (int)SA_RESETHAND);
  sigbus_prepare(on_fault);
  sigprocmask(SIG_BLOCK, &blocked, waiting);
  for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) sigdelset(waiting, stops[i]);
  sigdelset(waiting, SIGWINCH);
  sigdelset(waiting, SIGCONT);
}

/* ---- The terminal -------------------------------------------------------------------------------------------- */

static int collect(int letter) {
  if (restoring_len < sizeof restoring) restoring[restoring_len++] = (char)letter;
  return letter;
}

/* What endwin() would write. */
static void collect_restoring(void) {
  static const char *const capabilities[] = {"sgr0", "rmkx", "cnorm", "rmcup"};
  for (size_t i = 0; i < sizeof capabilities / sizeof capabilities[0]; i++) {
    const char *text = tigetstr(capabilities[i]);
    if (text != NULL && text != (const char *)-1) tputs(text, 1, collect);
  }
}

static void leave_screen(void) {
  if (!on_screen) return;
  endwin();
  on_screen = false;
}

static int wrong_terminal(const char *why) {
  const char *type = getenv("TERM");
  return fail("top: the terminal's type (TERM) is '%s', which %s", type != NULL ? type : "", why);
}

/* Returns STATUS_OK, or STATUS_ERROR with the reason said. */
static int enter_screen(struct top *top) {
  int problem;
  if (setupterm(NULL, STDOUT_FILENO, &problem) == ERR) return wrong_terminal("is not known");
  const char *motion = tigetstr("cup");
  bool moves = motion != NULL && motion != (const char *)-1;
  del_curterm(cur_term);
  if (!moves) return wrong_terminal("cannot move its cursor");
  if (tcgetattr(STDIN_FILENO, &terminal_before) != 0) return fail("top: %s", strerror(errno));
  screen = newterm(NULL, stdout, stdin);
  if (screen == NULL) return wrong_terminal("cannot be used");
  collect_restoring();
  on_screen = true;
  atexit(leave_screen);
  cbreak();
  noecho();
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  set_escdelay(25);
  const char *no_colour = getenv("NO_COLOR");
  top->colours = has_colors() && (no_colour == NULL || *no_colour == '\0');
  top_draw_start(top);
  return STATUS_OK;
}

static void adapt_size(void) {
  struct winsize size;
  resized = 0;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return;
  resizeterm(size.ws_row, size.ws_col);
  clearok(curscr, TRUE);
}

/* ---- The loop ------------------------------------------------------------------------------------------------ */

/* Reads everything; the queue that is chosen in the list stays chosen, whatever comes and goes. */
static void read_all(struct top *top) {
  struct top_place *place = &top->places[PAGE_QUEUES];
  char name[WORKQ_NAME_MAX + 1] = "";
  if (place->selected < top->queue_count) strcpy(name, top->queues[place->selected]->name);
  top_read_queues(top);
  for (int i = 0; i < top->queue_count; i++)
    if (strcmp(top->queues[i]->name, name) == 0) place->selected = i;
  top_read_items(top);
}

/* Hands on what was typed.  Returns whether the terminal is still there. */
static bool read_keys(struct top *top) {
  int waiting = 0;
  if (ioctl(STDIN_FILENO, FIONREAD, &waiting) != 0 || waiting == 0) return false;
  for (int key; !top->over && (key = getch()) != ERR;) {
    if (key == KEY_RESIZE) continue;
    top_key(top, key);
  }
  return true;
}

/*
 * Waits until there is something to do.  Returns whether the terminal is still there: whichever of
 * its two descriptors says that it has gone, since they need not be the same terminal.
 */
static bool wait_for_events(struct top *top, int64_t next_ns, const sigset_t *waiting) {
  struct pollfd ends[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = STDOUT_FILENO}};
  struct timespec timeout = clock_left_until(next_ns);
  int ready = ppoll(ends, sizeof ends / sizeof ends[0], &timeout, waiting);
  if (ready <= 0) return ready == 0 || errno == EINTR;
  if (ends[1].revents != 0) return false;
  if ((ends[0].revents & POLLIN) != 0) return read_keys(top);
  return false;
}

/* Returns whether the terminal is still there. */
static bool loop(struct top *top, const sigset_t *waiting) {
  read_all(top);
  int64_t next_ns = clock_now_ns() + (top->interval_ns < SECOND_READ_NS ? top->interval_ns : SECOND_READ_NS);
  while (!top->over && stopped == 0) {
    top_draw(top);
    if (!wait_for_events(top, next_ns, waiting)) return false;
    if (resized != 0) adapt_size();
    int64_t now_ns = clock_now_ns();
    if (now_ns < next_ns && !top->read_now) continue;
    top->read_now = false;
    read_all(top);
    next_ns = now_ns + top->interval_ns;
  }
  return stopped != SIGHUP;
}

int top_run(struct top *top) {
  sigset_t waiting;
  top->utf8 = top->query.utf8 = escape_is_utf8(STDOUT_FILENO);
  top->page = top->only != NULL ? PAGE_QUEUE : PAGE_QUEUES;
  handle_signals(&waiting);
  int status = enter_screen(top);
  if (status == STATUS_OK) {
    bool terminal_is_there = loop(top, &waiting);
    leave_screen();
    /*
     * The end of a terminal is several signals: SIGHUP and SIGCONT, and both again when its shell ends.  What runs at exit()
     * may not survive the later ones: the leak search of a sanitizer stops the process first, and where SIGCONT takes that
     * back, it spins for ever.  There is nothing left that exit() would have to do.
     */
    if (!terminal_is_there) _exit(STATUS_OK);
    delscreen(screen);
  }
  top_forget_items(top);
  top_forget_queues(top);
  return status;
}
