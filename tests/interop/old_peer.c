// An existing ZIPC peer, as it behaves on the wire: the other end of the interoperability tests.
//
// Written from the wire format alone and sharing no code with the library, so that the two cannot be wrong in the same
// way. Whatever a real peer leaves out (locks, checks of what it reads, sizes, the init flag at the receiver) is left
// out here too. Linux only. One thread.
//
// Segment (q slots of m bytes, little-endian): head u32 @0, tail u32 @64, waiters u32 @68 (newest only), length u64 of
// each slot @128, the slots @128+8q, then the init flag:
//
//              init flag at              file size              the receiver's sleep       the sender wakes
//   older      128+8q+qm, unaligned      260+8q+qm              is announced nowhere       at every send
//   newest     align4(128+8q+qm)         that + 4               raises waiters around it   if waiters != 0
//
// Synchronises-with pairs:
//   [message-ready]  sender tail.store(release)    -> receiver tail.load(acquire): the slot's bytes are visible
//   [slot-free]      receiver head.store(release)  -> sender head.load(acquire): the slot may be overwritten
//   [no-lost-wake]   sender: tail.store(seq_cst), then waiters.load(seq_cst); receiver: waiters.add(seq_cst), then the
//                    kernel compares tail before it sleeps: one of the two sees the other (newest; older always wake)
//
// Messages check themselves. The message with number n and seed s has
//   length   8 + mix(n ^ s) % (m - 7), mix being the finalizer of splitmix64
//   bytes    n as u64, then p[i] = (n * 131 + i * 7 + s) mod 256 for i = 8 .. length - 1
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { kExitOk = 0, kExitMismatch = 1, kExitUsage = 2, kExitTimeout = 3, kExitSystem = 4 };

static const char kUsage[] =
    "Usage: old_peer --variant older|newest send|receive NAME Q M [OPTION]...\n"
    "\n"
    "Sends or receives self-checking messages through /dev/shmNAME (Q slots of M >= 8 bytes) the way an existing ZIPC\n"
    "peer does. When done, prints one line, 'sent N' or 'received N'. Never unlinks the segment.\n"
    "\n"
    "  --variant older|newest    which generation of existing peers\n"
    "  --count N                 messages to send or receive (default 1000; 0: only attach)\n"
    "  --first N                 number of the first message (default 0)\n"
    "  --seed S                  of the pattern, the same at both ends (default 0)\n"
    "  --timeout-ms T            give up after T ms without a message, or without a free slot (default 10000)\n"
    "  --pace-us U               rest U microseconds after each message; a receiver checks it again after that\n"
    "  --when-full retry|drop    sender: poll for a free slot (default), or lose the message as real peers do;\n"
    "                            with drop, 'sent N' counts those that were not lost\n"
    "  --allow-gaps              receiver: numbers may jump forward (for a sender that drops); --count still counts\n"
    "                            messages\n"
    "  --hold                    when done, stay attached until SIGTERM or SIGINT\n"
    "  -h, --help                print this\n"
    "\n"
    "Exit status: 0 done, 1 a message was not as it should be (says which), 2 wrong usage, 3 timeout, 4 a system call\n"
    "failed.\n";

struct Options {
  const char* name;
  bool newest;
  bool receive;
  bool drop_when_full;
  bool allow_gaps;
  bool hold;
  uint32_t queue_size;
  uint32_t message_size;
  uint64_t count;
  uint64_t first;
  uint64_t seed;
  uint64_t timeout_ms;
  uint64_t pace_us;
};

// The mapped segment. Never unmapped, its fd never closed: existing peers keep both to their end.
struct Segment {
  _Atomic uint32_t* head;
  _Atomic uint32_t* tail;
  _Atomic uint32_t* waiters;
  uint64_t* lengths;
  uint8_t* slots;
  uint8_t* init_flag;  // 4 bytes, maybe unaligned
};

static const uint32_t kInitFlag = 0x5A495043;

// Messages -----------------------------------------------------------------------------------------------------------

static uint64_t mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9u;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBu;
  x ^= x >> 31;
  return x;
}

static uint64_t message_length(const struct Options* options, uint64_t number) {
  return 8 + mix(number ^ options->seed) % (options->message_size - 7u);
}

static uint8_t message_byte(const struct Options* options, uint64_t number, uint64_t i) {
  return i < 8 ? (uint8_t)(number >> (8 * i)) : (uint8_t)(number * 131 + i * 7 + options->seed);
}

static void write_message(const struct Options* options, uint64_t number, uint8_t* bytes) {
  const uint64_t length = message_length(options, number);
  for (uint64_t i = 0; i < length; ++i) bytes[i] = message_byte(options, number, i);
}

static uint64_t message_number(const uint8_t* bytes) {
  uint64_t number = 0;
  for (unsigned i = 0; i < 8; ++i) number |= (uint64_t)bytes[i] << (8 * i);
  return number;
}

// False, with a message on stderr, if `bytes` is not message `number`.
static bool check_message(const struct Options* options, uint64_t number, const uint8_t* bytes, uint64_t length,
                          const char* when) {
  const uint64_t expected = message_length(options, number);
  if (length != expected) {
    fprintf(stderr, "old_peer: message %llu %s: length %llu, expected %llu\n", (unsigned long long)number, when,
            (unsigned long long)length, (unsigned long long)expected);
    return false;
  }
  for (uint64_t i = 0; i < length; ++i) {
    if (bytes[i] == message_byte(options, number, i)) continue;
    fprintf(stderr, "old_peer: message %llu %s: byte %llu of %llu is 0x%02x, expected 0x%02x (number in it: %llu)\n",
            (unsigned long long)number, when, (unsigned long long)i, (unsigned long long)length, bytes[i],
            message_byte(options, number, i), (unsigned long long)message_number(bytes));
    return false;
  }
  return true;
}

// The segment --------------------------------------------------------------------------------------------------------

static _Noreturn void die_of(const char* call) {
  fprintf(stderr, "old_peer: %s: %s\n", call, strerror(errno));
  exit(kExitSystem);
}

static struct Segment attach(const struct Options* options) {
  const uint64_t q = options->queue_size;
  const uint64_t m = options->message_size;
  const uint64_t end_of_slots = 128 + 8 * q + q * m;
  const uint64_t flag_at = options->newest ? (end_of_slots + 3) & ~(uint64_t)3 : end_of_slots;
  const uint64_t file_size = options->newest ? flag_at + 4 : flag_at + 4 + 128;

  char path[4096];
  snprintf(path, sizeof path, "/dev/shm%s", options->name);
  const int fd = open(path, O_RDWR | O_CREAT, 0600);
  if (fd < 0) die_of(path);
  if (ftruncate(fd, (off_t)file_size) != 0) die_of("ftruncate");
  uint8_t* base = mmap(NULL, file_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) die_of("mmap");

  struct Segment segment = {
      .head = (_Atomic uint32_t*)(void*)base,
      .tail = (_Atomic uint32_t*)(void*)(base + 64),
      .waiters = (_Atomic uint32_t*)(void*)(base + 68),
      .lengths = (uint64_t*)(void*)(base + 128),
      .slots = base + 128 + 8 * q,
      .init_flag = base + flag_at,
  };
  if (!options->receive && memcmp(segment.init_flag, &kInitFlag, sizeof kInitFlag) != 0) {
    atomic_store(segment.head, 0);
    atomic_store(segment.tail, 0);
    memcpy(segment.init_flag, &kInitFlag, sizeof kInitFlag);
  }
  return segment;
}

// Time and sleep -----------------------------------------------------------------------------------------------------

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void rest_us(uint64_t us) {
  struct timespec rest = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000 * 1000)};
  while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {
  }
}

static void futex_wait(_Atomic uint32_t* word, uint32_t seen, uint64_t timeout_ms) {
  const struct timespec timeout = {.tv_sec = 0, .tv_nsec = (long)timeout_ms * 1000000};
  syscall(SYS_futex, word, FUTEX_WAIT, seen, &timeout, NULL, 0);
}

static void futex_wake(_Atomic uint32_t* word) { syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0); }

// The sender ---------------------------------------------------------------------------------------------------------

// Waits by polling until slot `tail` can be written; false on timeout.
static bool wait_for_space(const struct Options* options, const struct Segment* segment, uint32_t tail) {
  const uint32_t next = (tail + 1) % options->queue_size;
  uint64_t deadline_ms = 0;
  for (unsigned turn = 0; atomic_load_explicit(segment->head, memory_order_acquire) == next; ++turn) {  // [slot-free]
    if (deadline_ms == 0) deadline_ms = now_ms() + options->timeout_ms;
    if (now_ms() >= deadline_ms) return false;
    if (turn < 100) {
      sched_yield();
    } else {
      rest_us(50);
    }
  }
  return true;
}

// Sends message `number`; false if the queue is full. An older peer finds that out only after it has written the slot,
// which is the one that its receiver was handed last.
static bool send_message(const struct Options* options, const struct Segment* segment, uint64_t number) {
  const uint32_t tail = atomic_load_explicit(segment->tail, memory_order_relaxed);
  const uint32_t next = (tail + 1) % options->queue_size;
  const bool look_first = options->newest;
  if (look_first && next == atomic_load_explicit(segment->head, memory_order_acquire)) return false;  // [slot-free]
  write_message(options, number, segment->slots + (uint64_t)tail * options->message_size);
  if (!look_first && next == atomic_load_explicit(segment->head, memory_order_acquire)) return false;  // [slot-free]
  segment->lengths[tail] = message_length(options, number);
  atomic_store(segment->tail, next);  // [message-ready] [no-lost-wake]
  if (!options->newest || atomic_load(segment->waiters) != 0) futex_wake(segment->tail);  // [no-lost-wake]
  return true;
}

static int run_sender(const struct Options* options, const struct Segment* segment, uint64_t* sent) {
  for (uint64_t n = 0; n < options->count; ++n) {
    const uint64_t number = options->first + n;
    if (!options->drop_when_full &&
        !wait_for_space(options, segment, atomic_load_explicit(segment->tail, memory_order_relaxed))) {
      fprintf(stderr, "old_peer: message %llu: no free slot for %llu ms\n", (unsigned long long)number,
              (unsigned long long)options->timeout_ms);
      return kExitTimeout;
    }
    if (send_message(options, segment, number)) ++*sent;
    if (options->pace_us > 0) rest_us(options->pace_us);
  }
  return kExitOk;
}

// The receiver -------------------------------------------------------------------------------------------------------

// Takes the next message if there is one and gives its slot back at once, before anyone has looked at it.
static bool receive_message(const struct Options* options, const struct Segment* segment, uint32_t* slot) {
  const uint32_t head = atomic_load_explicit(segment->head, memory_order_relaxed);
  if (head == atomic_load_explicit(segment->tail, memory_order_acquire)) return false;  // [message-ready]
  *slot = head;
  atomic_store_explicit(segment->head, (head + 1) % options->queue_size, memory_order_release);  // [slot-free]
  return true;
}

// Sleeps on tail for less than a second at a time until there is a message; false on timeout.
static bool wait_for_message(const struct Options* options, const struct Segment* segment, uint32_t* slot) {
  if (receive_message(options, segment, slot)) return true;
  const uint64_t deadline_ms = now_ms() + options->timeout_ms;
  for (uint64_t now = now_ms(); now < deadline_ms; now = now_ms()) {
    const uint64_t left_ms = deadline_ms - now;
    const uint64_t wait_ms = left_ms < 999 ? left_ms : 999;
    const uint32_t empty_at = atomic_load_explicit(segment->head, memory_order_relaxed);
    if (options->newest) {
      atomic_fetch_add(segment->waiters, 1);  // [no-lost-wake]
      futex_wait(segment->tail, empty_at, wait_ms);
      atomic_fetch_sub(segment->waiters, 1);
    } else {
      futex_wait(segment->tail, empty_at, wait_ms);
    }
    if (receive_message(options, segment, slot)) return true;
  }
  return receive_message(options, segment, slot);
}

static int run_receiver(const struct Options* options, const struct Segment* segment, uint64_t* received) {
  uint64_t number = options->first;
  for (; *received < options->count; ++*received, ++number) {
    uint32_t slot;
    if (!wait_for_message(options, segment, &slot)) {
      fprintf(stderr, "old_peer: message %llu: nothing came for %llu ms\n", (unsigned long long)number,
              (unsigned long long)options->timeout_ms);
      return kExitTimeout;
    }
    if (slot >= options->queue_size) {
      fprintf(stderr, "old_peer: message %llu: head is %u of %u\n", (unsigned long long)number, slot,
              options->queue_size);
      return kExitMismatch;
    }
    const uint8_t* bytes = segment->slots + (uint64_t)slot * options->message_size;
    const uint64_t length = segment->lengths[slot];
    if (options->allow_gaps && message_number(bytes) > number) number = message_number(bytes);
    if (!check_message(options, number, bytes, length, "as received")) return kExitMismatch;
    if (options->pace_us > 0) {
      rest_us(options->pace_us);
      if (!check_message(options, number, bytes, segment->lengths[slot], "before the next receive")) {
        return kExitMismatch;
      }
    }
  }
  return kExitOk;
}

// The command line ---------------------------------------------------------------------------------------------------

static _Noreturn void die_of_usage(const char* what, const char* operand) {
  fprintf(stderr, "old_peer: %s%s (--help says more)\n", what, operand);
  exit(kExitUsage);
}

static uint64_t number_from(const char* text, uint64_t min, uint64_t max, const char* what) {
  char* end = NULL;
  errno = 0;
  const unsigned long long number = strtoull(text, &end, 0);
  if (errno != 0 || end == text || *end != '\0' || *text == '-' || number < min || number > max) {
    die_of_usage(what, text);
  }
  return number;
}

// True if `text` is the second choice, false if it is the first.
static bool second_of(const char* text, const char* first, const char* second, const char* what) {
  if (strcmp(text, first) != 0 && strcmp(text, second) != 0) die_of_usage(what, text);
  return strcmp(text, second) == 0;
}

static struct Options options_from(int argc, char** argv) {
  static const struct option kOptions[] = {
      {"variant", required_argument, NULL, 'v'},
      {"count", required_argument, NULL, 'c'},
      {"first", required_argument, NULL, 'f'},
      {"seed", required_argument, NULL, 's'},
      {"timeout-ms", required_argument, NULL, 't'},
      {"pace-us", required_argument, NULL, 'p'},
      {"when-full", required_argument, NULL, 'w'},
      {"allow-gaps", no_argument, NULL, 'g'},
      {"hold", no_argument, NULL, 'o'},
      {"help", no_argument, NULL, 'h'},
      {NULL, 0, NULL, 0},
  };
  struct Options options = {.count = 1000, .timeout_ms = 10000};
  bool has_variant = false;
  for (int c; (c = getopt_long(argc, argv, "h", kOptions, NULL)) != -1;) {
    switch (c) {
      case 'v':
        options.newest = second_of(optarg, "older", "newest", "--variant is older or newest, not ");
        has_variant = true;
        break;
      case 'c':
        options.count = number_from(optarg, 0, UINT64_MAX, "--count: not a number: ");
        break;
      case 'f':
        options.first = number_from(optarg, 0, UINT64_MAX, "--first: not a number: ");
        break;
      case 's':
        options.seed = number_from(optarg, 0, UINT64_MAX, "--seed: not a number: ");
        break;
      case 't':
        options.timeout_ms = number_from(optarg, 0, INT64_MAX, "--timeout-ms: not a number: ");
        break;
      case 'p':
        options.pace_us = number_from(optarg, 0, INT64_MAX, "--pace-us: not a number: ");
        break;
      case 'w':
        options.drop_when_full = second_of(optarg, "retry", "drop", "--when-full is retry or drop, not ");
        break;
      case 'g':
        options.allow_gaps = true;
        break;
      case 'o':
        options.hold = true;
        break;
      case 'h':
        fputs(kUsage, stdout);
        exit(kExitOk);
      default:
        exit(kExitUsage);  // getopt_long has said why
    }
  }
  if (!has_variant) die_of_usage("--variant is missing", "");
  if (argc - optind != 4) die_of_usage("expected send|receive NAME Q M", "");
  options.receive = second_of(argv[optind], "send", "receive", "expected send or receive, not ");
  options.name = argv[optind + 1];
  options.queue_size = (uint32_t)number_from(argv[optind + 2], 1, UINT32_MAX, "Q is not a number of slots: ");
  options.message_size = (uint32_t)number_from(argv[optind + 3], 8, UINT32_MAX, "M is not a size of 8 bytes or more: ");
  return options;
}

// Stays attached until SIGTERM or SIGINT. Both are blocked before `line` is out: who reads it may end us at once.
static void print_and_hold(const char* line) {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  sigprocmask(SIG_BLOCK, &ending, NULL);
  puts(line);
  fflush(stdout);
  int signal_number;
  sigwait(&ending, &signal_number);
}

int main(int argc, char** argv) {
  const struct Options options = options_from(argc, argv);
  const struct Segment segment = attach(&options);
  uint64_t done = 0;
  const int status = (options.receive ? run_receiver : run_sender)(&options, &segment, &done);
  if (status != kExitOk) return status;

  char line[64];
  snprintf(line, sizeof line, "%s %llu", options.receive ? "received" : "sent", (unsigned long long)done);
  if (options.hold) {
    print_and_hold(line);
  } else {
    puts(line);
  }
  return kExitOk;
}
